//! Small rings of Dovecot's directors on a wire without delay: what is known of them happens here too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use super::hosts::plain;
use super::{Command, Director, INCOMING_FROM, Input, Output, Place, Settings};

const UNIX_MS: u64 = 1_795_436_984_000;
/// 10.2.0.1 is its host by hash among three of weight 100.
const ALICE: u32 = 1_669_653_170;

fn place(number: u8) -> Place {
    Place {
        ip: IpAddr::V4(Ipv4Addr::new(127, 0, 81, number)),
        port: 9771,
    }
}

fn host(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 2, 0, number))
}

fn settings(me: u8, count: u8) -> Settings {
    let hosts = plain(&["10.2.0.1", "10.2.0.2", "10.2.0.3"]);
    Settings::new(place(me), (1..=count).map(place).collect(), hosts)
}

/// What goes over the wire to one director.
enum Parcel {
    Accepted,
    Connected,
    Line(String),
    Closed,
}

/// Directors by number, with the wires between them.
struct Ring {
    now_ms: u64,
    directors: BTreeMap<u8, Director>,
    /// The other end of a director's connection.
    ends: BTreeMap<(u8, u32), (u8, u32)>,
    parcels: VecDeque<(u8, u32, Parcel)>,
    cut: BTreeSet<(u8, u8)>,
    next_incoming: u32,
    is_passing: bool,
    /// Lines that were sent, as `1>2 LINE`.
    lines: Vec<String>,
    /// Everything that did not go over a wire, by director.
    other: Vec<(u8, Output)>,
}

impl Ring {
    fn new(count: u8) -> Self {
        let director = |me: u8| (me, Director::new(settings(me, count), UNIX_MS));
        let mut ring = Ring {
            now_ms: UNIX_MS,
            directors: (1..=count).map(director).collect(),
            ends: BTreeMap::new(),
            parcels: VecDeque::new(),
            cut: BTreeSet::new(),
            next_incoming: INCOMING_FROM,
            is_passing: false,
            lines: Vec::new(),
            other: Vec::new(),
        };
        for me in 1..=count {
            ring.give(me, Input::Start);
        }
        ring.pass(100);
        ring
    }

    fn give(&mut self, me: u8, input: Input<'_>) {
        let mut out = Vec::new();
        if let Some(director) = self.directors.get_mut(&me) {
            director.handle(self.now_ms, input, &mut out);
        }
        for output in out {
            self.perform(me, output);
        }
        if self.is_passing {
            return;
        }
        self.is_passing = true;
        while let Some((to, connection, parcel)) = self.parcels.pop_front() {
            match parcel {
                Parcel::Accepted => self.give(to, Input::Accepted { connection }),
                Parcel::Connected => self.give(to, Input::Connected { connection }),
                Parcel::Line(line) => self.give(
                    to,
                    Input::Line {
                        connection,
                        line: &line,
                    },
                ),
                Parcel::Closed => self.give(to, Input::Closed { connection }),
            }
        }
        self.is_passing = false;
    }

    fn perform(&mut self, me: u8, output: Output) {
        match output {
            Output::Connect { connection, to } => {
                let IpAddr::V4(ip) = to.ip else { return };
                let to = ip.octets()[3];
                if self.cut.contains(&(me, to)) {
                    return;
                }
                if !self.directors.contains_key(&to) {
                    return self.parcels.push_back((me, connection, Parcel::Closed));
                }
                let incoming = self.next_incoming;
                self.next_incoming += 1;
                self.ends.insert((me, connection), (to, incoming));
                self.ends.insert((to, incoming), (me, connection));
                self.parcels.push_back((me, connection, Parcel::Connected));
                self.parcels.push_back((to, incoming, Parcel::Accepted));
            }
            Output::Send { connection, line } => {
                let Some((to, theirs)) = self.ends.get(&(me, connection)).copied() else {
                    return;
                };
                self.lines.push(format!("{me}>{to} {line}"));
                if !self.cut.contains(&(me, to)) {
                    self.parcels.push_back((to, theirs, Parcel::Line(line)));
                }
            }
            Output::Close { connection } => {
                if let Some((to, theirs)) = self.ends.remove(&(me, connection))
                    && self.ends.remove(&(to, theirs)).is_some()
                    && !self.cut.contains(&(me, to))
                {
                    self.parcels.push_back((to, theirs, Parcel::Closed));
                }
            }
            Output::Kick {
                ref tag,
                hash,
                is_awaited,
                ..
            } => {
                let tag = tag.clone();
                self.other.push((me, output));
                if is_awaited {
                    self.give(me, Input::Kicked { tag: &tag, hash });
                }
            }
            other => self.other.push((me, other)),
        }
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        loop {
            let next = self
                .directors
                .iter()
                .map(|(me, d)| (d.next_wakeup_ms(), *me))
                .min();
            let Some((at_ms, me)) = next.filter(|(at_ms, _)| *at_ms <= end_ms) else {
                break;
            };
            self.now_ms = self.now_ms.max(at_ms);
            self.give(me, Input::Tick);
        }
        self.now_ms = end_ms;
    }

    fn cut(&mut self, one: u8, other: u8) {
        self.cut.extend([(one, other), (other, one)]);
    }

    fn kill(&mut self, me: u8) {
        self.directors.remove(&me);
        let ends: Vec<_> = self.ends.keys().filter(|end| end.0 == me).copied().collect();
        for end in ends {
            if let Some((to, theirs)) = self.ends.remove(&end) {
                self.ends.remove(&(to, theirs));
                self.give(to, Input::Closed { connection: theirs });
            }
        }
    }

    /// Where a login goes at once, if it does.
    fn login(&mut self, me: u8, hash: u32) -> Option<IpAddr> {
        self.other.clear();
        let token = 1;
        self.give(me, Input::Login { token, tag: "", hash });
        self.routed()
    }

    fn routed(&self) -> Option<IpAddr> {
        self.other.iter().find_map(|(_, output)| match output {
            Output::Route { host, .. } => Some(*host),
            _ => None,
        })
    }

    fn host_of(&self, me: u8, hash: u32) -> Option<IpAddr> {
        self.directors[&me].host_of("", hash, self.now_ms)
    }

    fn are_synced(&self) -> bool {
        self.directors.values().all(Director::is_synced)
    }

    fn neighbours(&self, me: u8) -> (Option<Place>, Option<Place>) {
        self.directors[&me].neighbours()
    }
}

#[test]
fn directors_that_start_together_become_a_synced_ring() {
    for count in [2, 3, 5, 7] {
        let mut ring = Ring::new(count);
        ring.pass(10_000);
        assert!(ring.are_synced(), "a ring of {count}");
        for me in 1..=count {
            let left = if me == 1 { count } else { me - 1 };
            let right = if me == count { 1 } else { me + 1 };
            assert_eq!(ring.neighbours(me), (Some(place(left)), Some(place(right))));
        }
    }
}

#[test]
fn a_director_alone_in_its_configuration_serves_at_once() {
    let mut ring = Ring::new(1);
    assert_eq!(ring.login(1, ALICE), Some(host(1)));
}

#[test]
fn a_login_is_told_both_ways_round_and_the_telling_ends_where_they_meet() {
    let mut ring = Ring::new(3);
    ring.pass(20_000);
    ring.lines.clear();
    assert_eq!(ring.login(1, ALICE), Some(host(1)));
    let users: Vec<&String> = ring.lines.iter().filter(|line| line.contains("USER")).collect();
    let told = |from: u8, to: u8| format!("{from}>{to} USER\t{ALICE}\t10.2.0.1\t{}", ring.now_ms / 1_000);
    let mut sorted: Vec<String> = users.into_iter().cloned().collect();
    sorted.sort();
    assert_eq!(sorted, [told(1, 2), told(1, 3), told(2, 3), told(3, 2)]);
    assert_eq!(ring.host_of(3, ALICE), Some(host(1)));
}

#[test]
fn a_moved_user_waits_until_all_have_killed_him_and_two_seconds_longer() {
    let mut ring = Ring::new(3);
    ring.pass(20_000);
    ring.login(1, ALICE);
    ring.lines.clear();
    let command = Command::UserMove {
        hash: ALICE,
        ip: host(3),
    };
    ring.give(2, Input::Command { id: 1, command });
    let killed: Vec<&String> = ring
        .lines
        .iter()
        .filter(|line| line.contains("KILLED\t"))
        .collect();
    assert_eq!(killed.len(), 3, "{killed:?}");
    let everywhere = |line: &&String| line.contains("USER-KILLED-EVERYWHERE");
    assert_eq!(ring.lines.iter().filter(everywhere).count(), 4);
    assert_eq!(ring.login(3, ALICE), None);
    ring.pass(1_999);
    assert_eq!(ring.routed(), None);
    ring.pass(1);
    assert_eq!(ring.routed(), Some(host(3)));
}

#[test]
fn of_two_hosts_for_one_user_the_lower_wins_and_sessions_elsewhere_are_kicked() {
    let mut ring = Ring::new(2);
    ring.pass(20_000);
    ring.login(1, ALICE);
    let connection = ring.directors[&1].left.expect("a left neighbour");
    let unix_s = ring.now_ms / 1_000;
    let line = format!("USER\t{ALICE}\t10.2.0.3\t{unix_s}");
    ring.lines.clear();
    ring.give(
        1,
        Input::Line {
            connection,
            line: &line,
        },
    );
    assert_eq!(ring.host_of(1, ALICE), Some(host(1)));
    let kick = Output::Kick {
        tag: String::new(),
        hash: ALICE,
        except: Some(host(1)),
        is_awaited: false,
    };
    assert!(ring.other.contains(&(1, kick.clone())));
    assert!(
        ring.other.contains(&(2, kick)),
        "the other one is told to kick too"
    );
    // Who keeps its own host does not say so to the sender.
    assert!(!ring.lines.iter().any(|line| line.contains("USER\t")));
}

#[test]
fn the_others_close_the_ring_round_a_dead_director() {
    let mut ring = Ring::new(3);
    ring.pass(20_000);
    ring.login(3, ALICE);
    ring.kill(3);
    ring.pass(1_000);
    assert!(ring.are_synced());
    assert_eq!(ring.neighbours(1), (Some(place(2)), Some(place(2))));
    assert_eq!(ring.host_of(2, ALICE), Some(host(1)));
    ring.directors
        .insert(3, Director::new(settings(3, 3), ring.now_ms));
    ring.give(3, Input::Start);
    ring.pass(60_000);
    assert!(ring.are_synced());
    assert_eq!(ring.neighbours(1), (Some(place(3)), Some(place(2))));
    assert_eq!(
        ring.host_of(3, ALICE),
        Some(host(1)),
        "it got its users from the left"
    );
}

#[test]
fn a_director_that_nobody_answers_serves_alone_after_a_while() {
    let mut ring = Ring::new(3);
    ring.pass(20_000);
    ring.login(1, ALICE);
    ring.cut(3, 1);
    ring.cut(3, 2);
    ring.pass(29_000);
    assert!(ring.are_synced(), "nobody has noticed yet");
    ring.pass(15_000 + 60_000 + 20_000);
    assert!(ring.are_synced(), "both halves serve");
    assert_eq!(ring.neighbours(3), (None, None));
    assert_eq!(ring.neighbours(1), (Some(place(2)), Some(place(2))));
    assert!(
        ring.login(3, ALICE + 1).is_some(),
        "it lets new users in by its own list"
    );
}

#[test]
fn a_change_of_a_host_holds_new_users_until_the_ring_has_seen_it() {
    let mut ring = Ring::new(3);
    ring.pass(20_000);
    ring.cut(2, 3);
    let command = Command::HostUpDown {
        ip: host(1),
        is_down: true,
    };
    ring.give(1, Input::Command { id: 7, command });
    assert_eq!(ring.login(1, ALICE), None, "the ring is not synced");
    ring.cut.clear();
    ring.pass(6_000);
    assert_ne!(ring.routed(), None);
    assert_ne!(ring.routed(), Some(host(1)));
    assert_eq!(ring.directors[&1].hosts_hash(), ring.directors[&3].hosts_hash());
}

#[test]
fn a_user_near_his_end_and_off_his_hash_is_asked_for_all_round() {
    for count in [2, 3] {
        let mut ring = Ring::new(count);
        ring.pass(20_000);
        let command = Command::UserMove {
            hash: ALICE,
            ip: host(2),
        };
        ring.give(1, Input::Command { id: 1, command });
        ring.pass(880_000);
        ring.lines.clear();
        assert_eq!(ring.login(1, ALICE), Some(host(2)), "a ring of {count}");
        assert!(ring.lines.iter().any(|line| line.contains("USER-WEAK")));
        assert_eq!(ring.host_of(2, ALICE), Some(host(2)));
        assert!(ring.are_synced());
    }
}
