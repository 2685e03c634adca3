//! Real sockets and programs.

use std::fs;
use std::future::pending;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;
use crate::config::FlushHook;
use crate::director::FlushedFrom;
use crate::world::scratch::Scratch;
use crate::world::{Clock, Listen, Listener, Network, RealWorld, World, sleep};

const ORDER: &str = "FLUSH\n2313415526\n127.0.90.2\n127.0.90.1\nup\n100\n";

fn order() -> FlushOrder {
    FlushOrder {
        hash: 2_313_415_526,
        from: FlushedFrom {
            ip: [127, 0, 90, 2].into(),
            is_up: true,
            vhosts: 100,
        },
        to: [127, 0, 90, 1].into(),
        to_name: "localhost".to_owned(),
    }
}

fn settings(hook: FlushHook, wait: Duration) -> FlushSettings {
    FlushSettings { hook, wait }
}

/// What a server heard that answers like this, and what came of it here.
fn served(answer: &'static [u8], wait: Duration) -> (String, Result<(), FlushError>) {
    run(async {
        let scratch = Scratch::new();
        let world = RealWorld::open(&scratch.path().join("state")).expect("the folder is ours");
        let socket = scratch.path().join("localhost.sock");
        let listener = world
            .network()
            .bind(&Listen::unix(&socket, 0o600))
            .await
            .expect("a socket");
        let hook = FlushHook::Unix(format!("{}/%h.sock", scratch.path().display()));
        let (say, heard) = oneshot::channel();
        let _server = world.spawn("server", async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            let mut request = String::new();
            client
                .read_to_string(&mut request)
                .await
                .expect("it closes its side");
            say.send(request).expect("the test waits for it");
            if answer.is_empty() {
                pending::<()>().await;
            }
            // It may have gone.
            let _ = client.write_all(answer).await;
        });
        let result = flush(&world, &settings(hook, wait), &order()).await;
        (heard.await.expect("the server heard something"), result)
    })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test)
}

/// What becomes of a program with this text.
fn program(text: &str, wait: Duration) -> (String, Result<(), FlushError>) {
    let scratch = Scratch::new();
    let (path, written) = (scratch.path().join("hook"), scratch.path().join("written"));
    fs::write(&path, format!("#!/bin/sh\nout={}\n{text}\n", written.display())).expect("there is room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let arguments = vec!["to-%i".to_owned()];
    let result = run(async {
        let world = RealWorld::open(&scratch.path().join("state")).expect("the folder is ours");
        let hook = FlushHook::Program { path, arguments };
        flush(&world, &settings(hook, wait), &order()).await
    });
    (fs::read_to_string(written).unwrap_or_default(), result)
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_server_hears_whom_to_flush_and_its_answer_counts() {
    let (heard, result) = served(b"as you wish\n+\n", LONG);
    assert_eq!(heard, format!("VERSION\tscript\t4\t0\n-\n{ORDER}\n"));
    assert!(result.is_ok(), "{result:?}");
    let (_, result) = served(b"disk full\n-\n", LONG);
    assert_eq!(
        result.expect_err("it said so").to_string(),
        "it failed; it said: disk full"
    );
    let (_, result) = served(b"what?\n", LONG);
    assert!(matches!(result, Err(FlushError::Cut)), "{result:?}");
}

#[test]
fn a_server_that_stays_silent_is_left() {
    let (_, result) = served(b"", SHORT);
    assert_eq!(
        result.expect_err("too long").to_string(),
        "it took longer than 200ms"
    );
}

#[test]
fn nobody_there_is_an_error_that_names_the_place() {
    let result = run(async {
        let scratch = Scratch::new();
        let world = RealWorld::open(scratch.path()).expect("the folder is ours");
        let hook = FlushHook::Unix("/nonexistent/%i".to_owned());
        flush(&world, &settings(hook, LONG), &order()).await
    });
    let error = result.expect_err("nobody is there").to_string();
    assert!(error.contains("/nonexistent/127.0.90.1: No such file"), "{error}");
}

#[test]
fn a_program_gets_arguments_and_answers_by_its_exit_code() {
    let (written, result) = program("printf '%s\\n' \"$@\" > $out", LONG);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(written, format!("to-127.0.90.1\n{ORDER}"));
    let (_, result) = program("echo no room; exit 3", LONG);
    assert_eq!(
        result.expect_err("it failed").to_string(),
        "it failed; exit status: 3; it said: no room"
    );
    let (_, result) = program("kill -9 $$", LONG);
    assert!(result.is_err());
}

#[test]
fn a_program_that_takes_too_long_is_killed() {
    let (written, result) = program("echo $$ > $out; exec sleep 600", SHORT);
    assert!(matches!(result, Err(FlushError::Late { .. })), "{result:?}");
    let pid = written.trim();
    // A signal takes its time, and a zombie is as dead.
    let is_running = || {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    run(async {
        let scratch = Scratch::new();
        let world = RealWorld::open(scratch.path()).expect("the folder is ours");
        let end = world.clock().now().plus(LONG);
        while is_running() {
            assert!(world.clock().now() < end, "process {pid} is still there");
            sleep(world.clock(), Duration::from_millis(5)).await;
        }
    });
}
