//! Backends that are emptied: nobody new comes, those who are there stay until the deadline, and then leave at a rate.

use super::*;
use crate::topology::Drain;

const AT: u64 = 1_795_437_764;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user{number}")).collect()
}

impl Ring {
    /// Tells everybody the time, and lets a member carry out the order.
    fn drain(&mut self, ip: [u8; 4], after_s: u64, per_second: u32) {
        let ids: Vec<MemberId> = self.members.keys().copied().collect();
        for at in ids {
            self.give(at, Input::WallClock { unix_s: AT });
        }
        let drain = Drain {
            since_unix_s: AT,
            until_unix_s: AT + after_s,
            per_second,
        };
        let ip = ip.into();
        self.command(2, vec![Change::Drain { ip, drain }]);
        self.run(Duration::from_secs(2));
    }

    fn left(&self, backend: BackendId) -> usize {
        let topology = self.members[&id(1)].topology();
        topology.pins().filter(|(_, at)| *at == backend).count()
    }

    /// Logs them all in at their own director; who was sent to the backend.
    fn who_is_at(&mut self, users: &[String], backend: BackendId) -> Vec<String> {
        let mut there = Vec::new();
        for (number, name) in users.iter().enumerate() {
            if self.login(1 + number as u16 % 3, name) == Some(backend) {
                there.push(name.clone());
            }
        }
        there
    }
}

fn backend_at(ring: &Ring, last: u8) -> BackendId {
    let topology = ring.members[&id(1)].topology();
    topology.backend_at([10, 0, 0, last].into()).expect("known").id
}

#[test]
fn a_drained_backend_keeps_its_users_and_gets_no_others_until_the_deadline() {
    let mut ring = Ring::serving(3);
    let drained = backend_at(&ring, 1);
    let users = names(60);
    let there = ring.who_is_at(&users, drained);
    assert!(there.len() > 5, "some of them are there: {there:?}");
    ring.drain([10, 0, 0, 1], 60, 100);
    assert_eq!(ring.left(drained), there.len(), "who is there stays");
    assert_eq!(ring.who_is_at(&users, drained), there);
    let newcomers: Vec<String> = (0..60).map(|number| format!("new{number}")).collect();
    assert_eq!(ring.who_is_at(&newcomers, drained), [""; 0]);
    ring.run(Duration::from_secs(40));
    assert_eq!(ring.left(drained), there.len(), "the deadline has not come");
}

#[test]
fn who_is_left_at_the_deadline_is_moved_at_the_rate_by_whoever_coordinates() {
    let mut ring = Ring::serving(3);
    let drained = backend_at(&ring, 1);
    let users = names(120);
    let there = ring.who_is_at(&users, drained).len();
    assert!(there > 20, "{there}");
    ring.drain([10, 0, 0, 1], 5, 4);
    let mut before = ring.left(drained);
    assert_eq!(before, there);
    let mut seconds = 0;
    while ring.left(drained) > 0 {
        ring.run(Duration::from_secs(1));
        let now = ring.left(drained);
        // A batch may come early in a second and the next one late in it.
        assert!(before - now <= 8, "{before} to {now} in a second");
        before = now;
        seconds += 1;
        assert!(seconds < 60, "{now} are left");
        if seconds == 5 {
            ring.members.remove(&id(1)).expect("the coordinator");
            ring.boot(id(1));
            ring.give(id(1), Input::WallClock { unix_s: AT + 7 });
        }
    }
    assert!(seconds as usize >= there / 4 - 2, "{there} users in {seconds} s");
    assert_eq!(ring.who_is_at(&users, drained), [""; 0]);
}

#[test]
fn a_drain_that_is_cancelled_moves_nobody_and_gives_the_backend_back() {
    let mut ring = Ring::serving(3);
    let drained = backend_at(&ring, 1);
    let users = names(60);
    let there = ring.who_is_at(&users, drained);
    ring.drain([10, 0, 0, 1], 10, 100);
    ring.command(
        3,
        vec![Change::CancelDrain {
            ip: [10, 0, 0, 1].into(),
        }],
    );
    ring.run(Duration::from_secs(20));
    assert_eq!(ring.who_is_at(&users, drained), there);
}

#[test]
fn the_last_backend_of_a_tag_keeps_those_who_are_there() {
    let mut ring = Ring::serving(3);
    let users = names(30);
    let last = backend_at(&ring, 3);
    ring.who_is_at(&users, last);
    for drained in 1..=2 {
        ring.drain([10, 0, 0, drained], 0, 100);
        ring.run(Duration::from_secs(5));
    }
    assert_eq!(ring.who_is_at(&users, last), users, "it is the only one");
    ring.drain([10, 0, 0, 3], 0, 100);
    ring.run(Duration::from_secs(5));
    assert_eq!(ring.left(last), users.len());
    assert_eq!(ring.who_is_at(&users, last), users);
}
