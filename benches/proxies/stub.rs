//! A backend that lets everybody in, and an `auth_http` that sends everybody there.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, Builder};

/// Where the backend is.
pub const BACKEND: (&str, u16) = ("127.0.42.1", 10_143);
/// Where nginx asks.
pub const AUTH_HTTP: (&str, u16) = ("127.0.42.2", 10_080);

/// Of a thread that serves one connection.
const STACK_BYTES: usize = 64 << 10;
static PART: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Serves both until the process ends.
pub fn serve() {
    listen(BACKEND, imap);
    listen(AUTH_HTTP, auth_http);
}

fn listen(at: (&str, u16), serve: fn(TcpStream) -> std::io::Result<()>) {
    let listener = TcpListener::bind(at).expect("nobody else has the address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let thread = Builder::new().stack_size(STACK_BYTES);
            // A client who goes is no fault.
            drop(thread.spawn(move || serve(client)));
        }
    });
}

fn imap(client: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut writing = client.try_clone()?;
    writing.write_all(b"* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] ready\r\n")?;
    let mut reading = BufReader::with_capacity(512, client);
    let mut line = String::new();
    while reading.read_line(&mut line)? > 0 {
        // nginx gives name and password in literals.
        if line.ends_with("}\r\n") {
            line.truncate(line.len() - 2);
            writing.write_all(b"+ go on\r\n")?;
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let (tag, verb) = (words.next().unwrap_or("*"), words.next().unwrap_or(""));
        match verb {
            "FETCH" => {
                let bytes: u64 = words.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
                for _ in 0..bytes / PART.len() as u64 {
                    writing.write_all(&PART)?;
                }
            }
            "LOGOUT" => {
                writing.write_all(format!("* BYE\r\n{tag} OK\r\n").as_bytes())?;
                return Ok(());
            }
            _ => {}
        }
        writing.write_all(format!("{tag} OK done\r\n").as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn auth_http(client: TcpStream) -> std::io::Result<()> {
    let mut writing = client.try_clone()?;
    for line in BufReader::new(client).lines() {
        if line?.is_empty() {
            let (ip, port) = BACKEND;
            let head = "HTTP/1.0 200 OK\r\nAuth-Status: OK";
            return writing
                .write_all(format!("{head}\r\nAuth-Server: {ip}\r\nAuth-Port: {port}\r\n\r\n").as_bytes());
        }
    }
    Ok(())
}
