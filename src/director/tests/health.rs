//! What directors' probes find, and what the ring makes of it.

use std::net::IpAddr;

use super::*;

const AT: u64 = 1_795_437_764;

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

impl Ring {
    fn probed(&mut self, at: u16, failing: &[IpAddr]) {
        self.give(id(at), Input::WallClock { unix_s: AT });
        self.give(id(at), Input::Probed { failing });
        self.run(Duration::from_secs(5));
    }

    /// The backends that are failed, as all members know it.
    fn failed(&self) -> Vec<IpAddr> {
        let of = |director: &Director| -> Vec<IpAddr> {
            let backends = director.topology().backends();
            backends
                .filter(|backend| backend.is_failed)
                .map(|backend| backend.ip)
                .collect()
        };
        let mut all = self
            .members
            .values()
            .filter(|director| director.is_serving())
            .map(of);
        let first = all.next().expect("somebody serves");
        assert!(all.all(|other| other == first));
        first
    }

    fn kept(&mut self, at: u16) -> usize {
        let seen = self.seen.remove(&id(at)).unwrap_or_default();
        let is_kept = |output: &&Output| matches!(output, Output::Event(Event::FailingKept { .. }));
        seen.iter().filter(is_kept).count()
    }
}

#[test]
fn one_directors_broken_cable_takes_nothing_down_and_two_agree() {
    let mut ring = Ring::serving(3);
    let before = ring.login(3, "alice").expect("served");
    let ip = ring.members[&id(1)].topology().backend(before).expect("known").ip;
    ring.probed(2, &[]);
    ring.probed(1, &[ip]);
    assert_eq!(ring.failed(), [ip; 0]);
    assert_eq!(ring.epochs(), [0, 0, 0], "nobody wants anything");
    ring.probed(3, &[ip]);
    assert_eq!(ring.failed(), [ip]);
    let now = ring.login(3, "alice").expect("served");
    assert_ne!(now, before, "she was moved");
    let backend = ring.members[&id(2)]
        .topology()
        .backend(before)
        .expect("it stays known");
    assert!(backend.is_up && backend.changed_at_unix_s >= AT);
    // A tie changes nothing, a majority does, and who is elsewhere stays there.
    ring.probed(3, &[]);
    assert_eq!(ring.failed(), [ip; 0], "two of three find it working");
    assert_eq!(ring.login(1, "alice"), Some(now));
}

#[test]
fn the_brake_keeps_backends_in_service_and_says_so_once() {
    let mut ring = Ring::serving(3);
    for at in 1..=3 {
        ring.probed(at, &[ip(1), ip(2), ip(3)]);
    }
    assert_eq!(ring.failed(), [ip(1)], "half of three is one");
    ring.run(Duration::from_secs(60));
    assert_eq!(ring.failed(), [ip(1)]);
    assert_eq!(ring.epochs(), [1, 1, 1], "what is refused is not proposed");
    assert_eq!(ring.kept(1), 2, "once for each that stays");
}

#[test]
fn an_admins_word_is_the_last() {
    let mut ring = Ring::serving(3);
    ring.command(
        1,
        vec![Change::Down {
            ip: ip(2),
            at_unix_s: 5,
        }],
    );
    ring.run(Duration::from_secs(2));
    for at in 1..=3 {
        ring.probed(at, &[ip(2)]);
    }
    assert!(ring.failed().is_empty(), "it is down already");
    for at in 1..=3 {
        ring.probed(at, &[]);
    }
    let is_up = |ring: &Ring| {
        ring.members[&id(1)]
            .topology()
            .backend_at(ip(2))
            .expect("known")
            .is_up
    };
    assert!(!is_up(&ring), "probes do not undo it");
    ring.command(
        1,
        vec![Change::Up {
            ip: ip(2),
            at_unix_s: 9,
        }],
    );
    ring.run(Duration::from_secs(2));
    assert!(is_up(&ring));
}

#[test]
fn who_has_no_lease_is_not_counted() {
    let mut ring = Ring::serving(3);
    ring.probed(3, &[ip(1)]);
    ring.cut = vec![(id(3), id(1)), (id(3), id(2))];
    ring.run(Duration::from_secs(30));
    ring.probed(1, &[ip(1)]);
    ring.probed(2, &[]);
    assert!(ring.failed().is_empty(), "one of two");
    ring.probed(2, &[ip(1)]);
    assert_eq!(ring.failed(), [ip(1)]);
}

#[test]
fn a_coordinator_that_hears_nobody_takes_nothing_down_by_itself() {
    let mut ring = Ring::serving(3);
    for at in 1..=3 {
        ring.probed(at, &[]);
    }
    // The others hear the coordinator and grant it leases, but it does not hear what they find.
    ring.deaf = Some(id(1));
    ring.give(id(1), Input::Probed { failing: &[ip(1)] });
    ring.run(Duration::from_secs(8));
    assert_eq!(ring.epochs(), [0, 0, 0]);
}
