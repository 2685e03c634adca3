//! Sockets as the kernel has them.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as BlockingListener;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::world::scratch::Scratch;
use crate::world::{Listener, Stream};

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

fn mode(path: &Path) -> u32 {
    let found = fs::metadata(path).expect("it is there");
    found.permissions().mode() & 0o777
}

/// Sends a word each way over a new connection.
async fn talk(listener: &SocketListener) {
    let address = listener.address().expect("it listens");
    let near = Sockets::default()
        .connect(&address, None)
        .await
        .expect("it listens");
    let (far, from) = listener.accept().await.expect("somebody comes");
    assert_eq!(from.is_some(), address.path().is_none());
    assert_eq!(far.peer_pid().is_some(), address.path().is_some());
    let (mut far_reader, mut far_writer) = far.into_split();
    let (mut near_reader, mut near_writer) = near.into_split();
    near_writer.write_all(b"ping").await.expect("it is open");
    drop(near_writer);
    let mut heard = String::new();
    far_reader.read_to_string(&mut heard).await.expect("it is open");
    assert_eq!(heard, "ping");
    far_writer.write_all(b"pong").await.expect("it is open");
    drop((far_writer, far_reader));
    heard.clear();
    near_reader.read_to_string(&mut heard).await.expect("it is open");
    assert_eq!(heard, "pong");
}

#[test]
fn both_kinds_of_socket_carry_words_both_ways() {
    run(async {
        let scratch = Scratch::new();
        let tcp = Listen::tcp((Ipv4Addr::LOCALHOST, 0).into());
        talk(
            &Sockets::default()
                .bind(&tcp)
                .await
                .expect("loopback has free ports"),
        )
        .await;
        let path = scratch.path().join("socket");
        let listener = Sockets::default().bind(&Listen::unix(&path, 0o660)).await;
        talk(&listener.expect("the folder is writable")).await;
        assert_eq!(mode(&path), 0o660);
    });
}

#[test]
fn a_path_that_nobody_answers_at_is_replaced_and_others_are_not() {
    run(async {
        let scratch = Scratch::new();
        let path = scratch.path().join("socket");
        drop(BlockingListener::bind(&path).expect("the folder is writable"));
        let listen = Listen::unix(&path, 0o600);
        let listener = Sockets::default()
            .bind(&listen)
            .await
            .expect("nobody answers there");
        let error = Sockets::default()
            .bind(&listen)
            .await
            .expect_err("somebody answers there");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .contains("socket: another process answers there"),
            "{error}"
        );
        listener
            .accept()
            .await
            .expect("the other one looked whether somebody answers");
        talk(&listener).await;
        let file = scratch.path().join("file");
        fs::write(&file, "precious").expect("it can be written");
        let refused = Sockets::default().bind(&Listen::unix(&file, 0o600)).await;
        assert!(refused.is_err());
        assert_eq!(fs::read(&file).expect("it is there"), b"precious");
    });
}

#[test]
fn an_owner_who_does_not_exist_is_named() {
    run(async {
        let scratch = Scratch::new();
        let mut listen = Listen::unix(scratch.path().join("socket"), 0o600);
        listen.group = Some("no-such-group".to_owned());
        let error = Sockets::default()
            .bind(&listen)
            .await
            .expect_err("there is no such group");
        assert!(
            error.to_string().ends_with("there is no group no-such-group"),
            "{error}"
        );
        assert_eq!(fs::read_dir(scratch.path()).expect("it is there").count(), 0);
    });
}

#[test]
fn a_named_pipe_outlives_its_writers() {
    run(async {
        let scratch = Scratch::new();
        let path = scratch.path().join("notify");
        let listen = Listen::unix(&path, 0o622);
        let mut fifo = Sockets::default()
            .fifo(&listen)
            .await
            .expect("the folder is writable");
        assert_eq!(mode(&path), 0o622);
        for word in ["one\n", "two\n"] {
            fs::write(&path, word).expect("somebody reads");
            let mut heard = [0; 4];
            fifo.read_exact(&mut heard).await.expect("it is open");
            assert_eq!(&heard, word.as_bytes());
        }
        drop(
            Sockets::default()
                .fifo(&listen)
                .await
                .expect("the pipe is taken over"),
        );
        let file = scratch.path().join("file");
        fs::write(&file, "").expect("it can be written");
        let error = Sockets::default()
            .fifo(&Listen::unix(&file, 0o622))
            .await
            .expect_err("it is a file");
        assert!(error.to_string().contains("can't make the named pipe"), "{error}");
    });
}

#[test]
fn addresses_resolve_to_themselves_and_names_to_sorted_addresses() {
    run(async {
        let ip = IpAddr::from([10, 1, 2, 3]);
        assert_eq!(
            Sockets::default().resolve("10.1.2.3").await.expect("an address"),
            [ip]
        );
        let local = Sockets::default()
            .resolve("localhost")
            .await
            .expect("every host knows it");
        assert!(local.is_sorted() && !local.is_empty());
        assert!(Sockets::default().resolve("no-such-host.invalid").await.is_err());
    });
}
