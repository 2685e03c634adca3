//! A stub for Dovecot's auth server: greets, and answers every AUTH with an OK that wants a backend.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

const GREETING: &[u8] =
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";

/// Serves connections at `path` until the process ends.
pub fn serve(path: &Path) {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("a socket for the stub");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(path, open).expect("a mode for the stub's socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || talk(stream));
        }
    });
}

fn talk(mut stream: UnixStream) {
    if stream.write_all(GREETING).is_err() {
        return;
    }
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let mut chunk = vec![0; 65_536];
    loop {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => input.extend_from_slice(&chunk[..read]),
            _ => return,
        }
        let mut taken = 0;
        while let Some(length) = input[taken..].iter().position(|byte| *byte == b'\n') {
            answer(&input[taken..taken + length], &mut output);
            taken += length + 1;
        }
        input.drain(..taken);
        if stream.write_all(&output).is_err() {
            return;
        }
        output.clear();
    }
}

/// `AUTH ID PLAIN NAME` to `OK ID user=NAME proxy ..`.
fn answer(line: &[u8], output: &mut Vec<u8>) {
    let mut fields = line.split(|byte| *byte == b'\t');
    if fields.next() != Some(b"AUTH") {
        return;
    }
    let (Some(id), Some(name)) = (fields.next(), fields.nth(1)) else {
        return;
    };
    output.extend_from_slice(b"OK\t");
    output.extend_from_slice(id);
    output.extend_from_slice(b"\tuser=");
    output.extend_from_slice(name);
    output.extend_from_slice(b"\tproxy\tlip=127.0.0.1\tlport=143\tpass=secret\n");
}
