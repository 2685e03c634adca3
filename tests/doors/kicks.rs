//! Kicks, with a stub ipc and a stub anvil server.

use std::time::Duration;

use maildirector::dovecot::{Kick, KickBy, KickDone, KickSettings, Kicks, Processes, start_kicks};
use maildirector::topology::UserKey;
use maildirector::world::{Clock, World, deadline, sleep};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::support::{Peer, Rig, run};

const DELAY: Duration = Duration::from_millis(100);
const BY_HASH: &str = "proxy\t*\tKICK-DIRECTOR-HASH\t2677887420\n";
const BY_TOLD_HASH: &str = "proxy\t*\tKICK-ALT\tuser_director_hash\t2677887420\n";
const BY_ANVIL: &str = "KICK-ALT-USER\tuser_director_hash\t2677887420\n";
const GREETING: &str = "VERSION\tanvil-client\t2\t0\n\n";

struct Kicking {
    kicks: Kicks,
    done: UnboundedReceiver<KickDone>,
    world: maildirector::world::RealWorld,
}

impl Kicking {
    fn start(rig: &Rig, by: Option<KickBy>, processes: Processes) -> Self {
        let (to_test, done) = unbounded_channel();
        let settings = KickSettings {
            by,
            service: rig.address("service"),
            delay: DELAY,
            processes,
        };
        Kicking {
            kicks: start_kicks(rig.world.clone(), settings, to_test),
            done,
            world: rig.world.clone(),
        }
    }

    fn kick_bob(&self, token: u64) {
        let key = UserKey::of_expanded(b"bob");
        self.kicks
            .kick(Kick::User { token, key })
            .expect("few kicks wait");
    }

    async fn is_done(&mut self, token: u64) {
        let until = self.world.clock().now().plus(Duration::from_secs(20));
        let done = deadline(self.world.clock(), until, self.done.recv()).await;
        assert_eq!(done.expect("done in time"), Some(KickDone { token }));
    }

    fn is_not_done(&mut self) {
        assert!(self.done.try_recv().is_err());
    }
}

fn somebody() -> Processes {
    Processes::new(|_| true, true)
}

/// One pass over ipc.
async fn ipc_kicks_bob(ipc: &mut Peer) {
    ipc.hears(BY_HASH).await;
    ipc.hears(BY_TOLD_HASH).await;
    ipc.say("+0\n+1\n").await;
}

#[test]
fn ipc_is_asked_twice_a_delay_apart() {
    run("kick_ipc", |rig| async move {
        let server = rig.serve("service").await;
        let mut kicking = Kicking::start(&rig, Some(KickBy::Ipc), somebody());
        kicking.kick_bob(7);
        let mut ipc = server.accept().await;
        ipc_kicks_bob(&mut ipc).await;
        let answered = rig.world.clock().now();
        ipc.is_closed().await;
        kicking.is_not_done();
        let mut ipc = server.accept().await;
        assert!(rig.world.clock().now() >= answered.plus(DELAY));
        ipc.hears(BY_HASH).await;
        ipc.hears(BY_TOLD_HASH).await;
        ipc.say("+0\n").await;
        sleep(rig.world.clock(), Duration::from_millis(20)).await;
        kicking.is_not_done();
        ipc.say(":some\tdata\n+(null)\n").await;
        kicking.is_done(7).await;
        assert_eq!(
            (
                kicking.kicks.counters().waiting(),
                kicking.kicks.counters().done()
            ),
            (0, 1)
        );
    });
}

#[test]
fn anvil_is_greeted_and_asked_twice() {
    run("kick_anvil", |rig| async move {
        let server = rig.serve("service").await;
        let mut kicking = Kicking::start(&rig, Some(KickBy::Anvil), somebody());
        kicking.kick_bob(7);
        kicking.kick_bob(7);
        for answer in ["0\n", "12\n"] {
            let mut anvil = server.accept().await;
            anvil.hears(GREETING).await;
            anvil.say("VERSION\tanvil-server\t2\t0\n").await;
            anvil.hears(BY_ANVIL).await;
            anvil.say(answer).await;
            anvil.is_closed().await;
        }
        kicking.is_done(7).await;
        kicking.is_not_done();
    });
}

#[test]
fn kicks_wait_for_a_service_that_is_away() {
    run("kick_away", |rig| async move {
        let mut kicking = Kicking::start(&rig, Some(KickBy::Ipc), somebody());
        kicking.kick_bob(1);
        rig.until("it was tried", || kicking.kicks.counters().failures() >= 2)
            .await;
        kicking.is_not_done();
        let server = rig.serve("service").await;
        ipc_kicks_bob(&mut server.accept().await).await;
        ipc_kicks_bob(&mut server.accept().await).await;
        kicking.is_done(1).await;
    });
}

#[test]
fn kicks_are_done_when_the_service_and_all_processes_are_gone() {
    run("kick_nobody_left", |rig| async move {
        let mut kicking = Kicking::start(&rig, Some(KickBy::Ipc), Processes::new(|_| true, false));
        kicking.kick_bob(1);
        kicking.is_done(1).await;
        assert_eq!(kicking.kicks.counters().waiting(), 0);
    });
}

#[test]
fn service_that_dies_errs_or_talks_nonsense_is_asked_again() {
    run("kick_trouble", |rig| async move {
        let server = rig.serve("service").await;
        let mut kicking = Kicking::start(&rig, Some(KickBy::Ipc), somebody());
        kicking.kick_bob(1);
        let mut ipc = server.accept().await;
        ipc.hears(BY_HASH).await;
        ipc.say("+0\n+").await;
        drop(ipc);
        let mut ipc = server.accept().await;
        ipc.hears(BY_HASH).await;
        ipc.say("what?\n").await;
        drop(ipc);
        let mut ipc = server.accept().await;
        ipc.hears(BY_HASH).await;
        ipc.say(&"x".repeat(10_000)).await;
        drop(ipc);
        let mut ipc = server.accept().await;
        ipc.hears(BY_HASH).await;
        ipc.say("-Lost a login process\n+0\n").await;
        ipc_kicks_bob(&mut server.accept().await).await;
        kicking.is_not_done();
        ipc_kicks_bob(&mut server.accept().await).await;
        kicking.is_done(1).await;
        let counters = kicking.kicks.counters();
        assert_eq!((counters.errors(), counters.failures()), (1, 3));
    });
}

#[test]
fn anvil_of_another_version_is_not_trusted() {
    run("kick_anvil_version", |rig| async move {
        let server = rig.serve("service").await;
        let mut kicking = Kicking::start(&rig, Some(KickBy::Anvil), somebody());
        kicking.kick_bob(1);
        let mut anvil = server.accept().await;
        anvil.hears(GREETING).await;
        anvil.say("VERSION\tanvil-server\t3\t0\n0\n").await;
        anvil.is_closed().await;
        kicking.is_not_done();
    });
}

#[test]
fn many_kicks_are_sent_together() {
    run("kick_many", |rig| async move {
        let server = rig.serve("service").await;
        let mut kicking = Kicking::start(&rig, Some(KickBy::Anvil), somebody());
        for token in 0..5_000 {
            let key = UserKey::from_bits((token + 1) << 32);
            kicking
                .kicks
                .kick(Kick::User { token, key })
                .expect("few kicks wait");
        }
        let _stub = rig.world.spawn("stub anvil", async move {
            loop {
                let mut anvil = server.accept().await;
                anvil.hears(GREETING).await;
                anvil.say("VERSION\tanvil-server\t2\t0\n").await;
                loop {
                    let asked = anvil.read_some().await;
                    let lines = asked.iter().filter(|&&byte| byte == b'\n').count();
                    if asked.is_empty() {
                        break;
                    }
                    anvil.say(&"1\n".repeat(lines)).await;
                }
            }
        });
        for token in 0..5_000 {
            kicking.is_done(token).await;
        }
    });
}

#[test]
fn kicks_are_done_at_once_where_nothing_can_be_kicked() {
    run("kick_none", |rig| async move {
        let mut kicking = Kicking::start(&rig, None, somebody());
        kicking.kick_bob(3);
        kicking.is_done(3).await;
        assert_eq!(kicking.kicks.counters().waiting(), 0);
    });
}
