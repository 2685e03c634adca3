//! The two processes' sides, each against a hand that says what the other would.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::frames::{Link, Talk};
use super::words::{ToPredecessor, ToSuccessor};
use super::{Adopted, Left, Predecessor, stand_in};
use crate::daemon::desk::{CoreDesk, Request};
use crate::daemon::sessions::{ProxyLogin, Sessions};
use crate::proxy::{Admitted, Desk as _, Login, Permit, Refused};
use crate::topology::HashFormat;
use crate::world::scratch::Scratch;
use crate::world::{Clock, Instant, RealWorld, Task, World};

const BACKEND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 1));

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

fn links() -> (Link, Link) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let link = |end| {
        let (reading, writing) = tokio::io::split(end);
        Link::of(reading, writing)
    };
    (link(near), link(far))
}

fn client() -> SocketAddr {
    "[::1]:9".parse().expect("an address")
}

/// A process that has handed over, with two sessions.
struct Old {
    _scratch: Scratch,
    world: RealWorld,
    desk: CoreDesk,
    permits: Vec<Permit>,
    predecessor: Predecessor<RealWorld>,
}

fn old() -> Old {
    let scratch = Scratch::new();
    let world = RealWorld::open(&scratch.path().join("state")).expect("the folder is new");
    let (desk, requests) = CoreDesk::new(HashFormat::default(), None);
    let mut sessions = Sessions::default();
    let permits = (0..2).map(|_| {
        let id = sessions.number();
        let (reply, _) = oneshot::channel();
        let login = ProxyLogin {
            key: HashFormat::default().key("alice"),
            name: "alice".into(),
            tag: "".into(),
            protocol: "imap",
            client: client(),
            reply,
        };
        sessions.admitted_elsewhere(id, &desk, &login, (BACKEND, world.clock().now()))
    });
    let permits = permits.collect();
    let left = Left { sessions, requests };
    let predecessor = Predecessor::new(world.clone(), desk.clone(), left, (Vec::new(), None));
    Old {
        _scratch: scratch,
        world,
        desk,
        permits,
        predecessor,
    }
}

/// The next word but those that only say that the other lives.
async fn word<O>(talk: &mut Talk<ToSuccessor, O>) -> ToSuccessor {
    loop {
        match talk.hears.recv().await.expect("the other process lives") {
            ToSuccessor::Forwarded(_) => {}
            word => return word,
        }
    }
}

#[test]
fn the_old_process_does_what_the_new_one_says_and_ends_with_its_last_session() {
    run(async {
        let Old {
            _scratch,
            world,
            desk,
            mut permits,
            predecessor,
        } = old();
        let kept = predecessor.kept(17);
        assert_eq!((kept.pid, kept.until_ns, kept.sessions.len()), (17, 0, 2));
        let (near, far) = links();
        let (serving, serves) = oneshot::channel();
        let running = world.spawn("old", predecessor.run(near, Duration::from_secs(60), serving));
        let mut talk: Talk<ToSuccessor, ToPredecessor> = far.open(&world);
        talk.say(ToPredecessor::Serving);
        serves.await.expect("it is told");

        talk.say(ToPredecessor::Until(4_711));
        talk.say(ToPredecessor::Close(1));
        let closed = permits.pop().expect("there are two");
        closed.revoked().await;
        assert_eq!(desk.gate().until(), Instant::from_nanos(4_711));
        assert!(!permits[0].is_revoked());
        drop(closed);
        assert!(matches!(word(&mut talk).await, ToSuccessor::Ended(1)));

        // Somebody who was connected already logs in.
        let asking = desk.clone();
        let (told, admitted) = oneshot::channel();
        let login = world.spawn("login", async move {
            let login = Login {
                user: "bob",
                tag: "",
                protocol: "imap",
                client: client(),
            };
            // Nobody is told when the test has failed.
            let _ = told.send(asking.admit(login).await);
        });
        let ToSuccessor::Wants { id, user, .. } = word(&mut talk).await else {
            panic!("he wants in");
        };
        assert_eq!((id, user.as_str()), (2, "bob"));
        talk.say(ToPredecessor::Admitted {
            id,
            ip: BACKEND,
            hostname: None,
            port: None,
        });
        let admitted = admitted.await.expect("it answers").expect("he is let in");
        assert_eq!(admitted.ip, BACKEND);
        assert!(login.finished().await);
        drop(admitted);
        assert!(matches!(word(&mut talk).await, ToSuccessor::Ended(2)));

        drop(permits);
        assert!(matches!(word(&mut talk).await, ToSuccessor::Ended(0)));
        assert!(running.finished().await);
    });
}

#[test]
fn the_old_process_closes_its_sessions_when_the_new_one_is_gone() {
    run(async {
        let Old {
            _scratch,
            world,
            desk,
            permits,
            predecessor,
        } = old();
        let (near, far) = links();
        let (serving, _serves) = oneshot::channel();
        let running = world.spawn("old", predecessor.run(near, Duration::from_secs(60), serving));
        drop(far);
        for permit in &permits {
            permit.revoked().await;
        }
        let login = Login {
            user: "bob",
            tag: "",
            protocol: "imap",
            client: client(),
        };
        assert_eq!(desk.admit(login).await.err(), Some(Refused::Stopping));
        drop(permits);
        assert!(running.finished().await);
    });
}

/// A process that takes over from another with one session, the fifth there.
struct New {
    _scratch: Scratch,
    world: RealWorld,
    desk: CoreDesk,
    /// Until when the other forwards if it hears nothing.
    until: Instant,
    requests: UnboundedReceiver<Request>,
    revoker: crate::proxy::Revoker,
    ended: UnboundedReceiver<()>,
    talk: Talk<ToPredecessor, ToSuccessor>,
    standing: Task,
    serves: oneshot::Sender<()>,
}

fn new(until: Duration, is_running: fn(i32) -> bool) -> New {
    let scratch = Scratch::new();
    let world = RealWorld::open(&scratch.path().join("state")).expect("the folder is new");
    let (desk, requests) = CoreDesk::new(HashFormat::default(), None);
    let (told, ended) = unbounded_channel();
    let (permit, revoker) = Permit::new(move || told.send(()).expect("the test looks"));
    let (serves, serving) = oneshot::channel();
    let until = world.clock().now().plus(until);
    let adopted = Adopted {
        pid: 17,
        until,
        permits: vec![(5, permit)],
        is_running,
        serving,
    };
    let (near, far) = links();
    let standing = world.spawn("new", stand_in(world.clone(), desk.clone(), adopted, near));
    New {
        talk: far.open(&world),
        _scratch: scratch,
        world,
        desk,
        until,
        requests,
        revoker,
        ended,
        standing,
        serves,
    }
}

#[test]
fn the_new_process_holds_a_permit_until_the_session_has_ended_in_the_old_one() {
    run(async {
        let mut new = new(Duration::ZERO, |_| false);
        new.serves.send(()).expect("it listens");
        let gate = new.world.clock().now().plus(Duration::from_secs(60));
        new.desk.gate().open_until(gate);
        let mut is_told = (false, false);
        while is_told != (true, true) {
            match new.talk.hears.recv().await.expect("it lives") {
                ToPredecessor::Serving => is_told.0 = true,
                ToPredecessor::Until(until) => is_told.1 |= until == gate.as_nanos(),
                other => panic!("{other:?}"),
            }
        }
        new.talk.say(ToSuccessor::Forwarded(vec![(5, 12, 34)]));
        new.talk.say(ToSuccessor::Wants {
            id: 6,
            user: "bob".into(),
            tag: String::new(),
            protocol: "imap".into(),
            client: client(),
        });
        let Some(Request::Login(login)) = new.requests.recv().await else {
            panic!("he wants in");
        };
        assert_eq!((&*login.name, login.protocol), ("bob", "imap"));
        assert_eq!(new.revoker.forwarded(), (12, 34));
        let (permit, _revoker) = Permit::new(|| {});
        let admitted = Admitted {
            ip: BACKEND,
            hostname: None,
            port: None,
            permit,
        };
        assert!(login.reply.send(Ok(admitted)).is_ok(), "it waits");
        new.revoker.revoke();
        let (mut is_admitted, mut is_closed) = (false, false);
        while !(is_admitted && is_closed) {
            match new.talk.hears.recv().await.expect("it lives") {
                ToPredecessor::Admitted { id: 6, .. } => is_admitted = true,
                ToPredecessor::Close(5) => is_closed = true,
                ToPredecessor::Until(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(new.ended.try_recv().is_err(), "it has not ended yet");
        new.talk.say(ToSuccessor::Ended(5));
        new.ended.recv().await.expect("it has");
    });
}

#[test]
fn sessions_of_a_process_that_says_nothing_count_until_its_lease_has_ended_or_it_is_gone() {
    run(async {
        for is_running in [(|_| true) as fn(i32) -> bool, |_| false] {
            let mut new = new(Duration::from_millis(300), is_running);
            drop(new.talk);
            new.ended.recv().await.expect("it ends at last");
            let is_over = new.world.clock().now() >= new.until;
            assert!(is_over || !is_running(17), "it counts until its lease has ended");
            assert!(new.standing.finished().await);
        }
    });
}
