//! Laws of one machine: when it may serve, and that time alone is handled in a bounded number of ticks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::agreement::{Body, Boot, Envelope, Nonce};
use maildirector::director::{Director, Door, Input, Limits, LoginToken, Output};
use maildirector::topology::{Epoch, HashFormat, MemberId};
use maildirector::world::Instant;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::lockstep::{configured, id, settings, start};

/// Small enough that random inputs reach them.
pub(crate) const LIMITS: Limits = Limits {
    flushes: 2,
    waiting_logins: 4,
    login_wait: Duration::from_secs(30),
    holds: 6,
    commands: 3,
    command_wait: Duration::from_secs(30),
    changes_per_command: 5,
    history: 4,
    name_bytes: 16,
};

/// The run of the machine under test.
pub(crate) const BOOT: u64 = 1;

/// Askings that a machine remembers; a grant for an older one is too late.
const ASKINGS_MAX: usize = 16;

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);

/// Member 1 of a ring of so many voters, a voter by bootstrap, and what it did at its start.
pub(crate) fn bootstrapped(voters: u16, limits: Limits) -> (Director, Vec<Output>, Instant) {
    let settings = settings(id(1), &configured(voters), limits);
    let mut out = Vec::new();
    let mut director = Director::start(settings, start(BOOT, true), NOW, &mut out);
    let saves: Vec<u64> = out.iter().filter_map(save_number).collect();
    for number in saves {
        director.handle(NOW, Input::Saved { number }, &mut out);
    }
    (director, out, NOW)
}

/// The same with a lease, which every other voter has granted.
pub(crate) fn leased(voters: u16, limits: Limits) -> (Director, Instant) {
    let (mut director, out, now) = bootstrapped(voters, limits);
    let nonce = out.iter().find_map(asked_nonce).expect("it asks as it starts");
    let mut out = Vec::new();
    for voter in 2..=voters {
        director.handle(now, Input::Message(grant(id(voter), BOOT, nonce)), &mut out);
    }
    assert!(director.is_serving());
    (director, now)
}

pub(crate) fn save_number(output: &Output) -> Option<u64> {
    match output {
        Output::Save { number, .. } => Some(*number),
        _ => None,
    }
}

pub(crate) fn asked_nonce(output: &Output) -> Option<Nonce> {
    match output {
        Output::Flood(Envelope {
            body: Body::Renew(renew),
            ..
        }) => Some(renew.nonce),
        _ => None,
    }
}

pub(crate) fn grant(from: MemberId, boot: u64, nonce: Nonce) -> Envelope {
    Envelope {
        from,
        boot: Boot::from_bits(90 + u64::from(from.index())),
        epoch: Epoch::ZERO,
        body: Body::Grant {
            boot: Boot::from_bits(boot),
            nonce,
        },
    }
}

/// Whether a number of ticks that depends on nothing brings the machine past `now`.
pub(crate) fn comes_to_rest(director: &Director, now: Instant) -> bool {
    let mut director = director.clone();
    let is_due = |director: &Director| director.next_wakeup().is_some_and(|at| at <= now);
    for _ in 0..4 {
        if is_due(&director) {
            director.handle(now, Input::Tick, &mut Vec::new());
        }
    }
    !is_due(&director)
}

/// The lease that member 1 should have.
struct Expected {
    majority: usize,
    /// By asking: when it was sent, and who has granted it.
    askings: BTreeMap<Nonce, (Instant, BTreeSet<MemberId>)>,
    lease_until: Instant,
}

impl Expected {
    fn of(voters: u16) -> Expected {
        Expected {
            majority: usize::from(voters / 2 + 1),
            askings: BTreeMap::new(),
            lease_until: Instant::ORIGIN,
        }
    }

    /// It has asked for leases; its own vote it gives at once.
    fn asked(&mut self, out: &[Output], now: Instant) {
        for nonce in out.iter().filter_map(asked_nonce) {
            self.askings.insert(nonce, (now, BTreeSet::new()));
            if self.askings.len() > ASKINGS_MAX {
                self.askings.pop_first();
            }
            self.granted(id(1), nonce, now);
        }
    }

    /// With the end of a lease every asking from before is void.
    fn pass(&mut self, now: Instant) {
        if self.lease_until != Instant::ORIGIN && now >= self.lease_until {
            self.askings.clear();
            self.lease_until = Instant::ORIGIN;
        }
    }

    fn granted(&mut self, voter: MemberId, nonce: Nonce, now: Instant) {
        if let Some((sent, granted)) = self.askings.get_mut(&nonce) {
            granted.insert(voter);
            let until = sent.plus(TIMING_DEFAULT.lease);
            // A majority that came together too late is none.
            if granted.len() >= self.majority && until > now {
                self.lease_until = self.lease_until.max(until);
            }
        }
    }
}

/// An input, with doors that close everything at once.
fn give(director: &mut Director, expected: &mut Expected, now: Instant, input: Input<'_>) {
    let mut out = Vec::new();
    director.handle(now, input, &mut out);
    expected.asked(&out, now);
    for output in out {
        if let Output::CloseAll { term } = output {
            give(director, expected, now, Input::AllClosed { term });
        }
    }
}

fn is_routed(director: &mut Director, now: Instant) -> bool {
    let login = Input::Login {
        token: LoginToken(1),
        key: HashFormat::default().key("alice"),
        tag: "",
        name: "alice",
        door: Door::Exact,
    };
    let mut out = Vec::new();
    director.handle(now, login, &mut out);
    out.iter().any(|output| matches!(output, Output::Route { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Grants of members and strangers, for this run and others, for its askings and others, come while time passes.
    #[test]
    fn a_login_is_routed_exactly_while_a_majority_has_granted_one_asking(
        voters in 1..6_u16,
        grants in vec((2..8_u16, 1..3_u64, 0..6_u64, 0..4_000_u64), 0..30),
        login_after_ms in 0..12_000_u64,
    ) {
        let (mut director, out, mut now) = bootstrapped(voters, LIMITS);
        let mut expected = Expected::of(voters);
        expected.asked(&out, now);
        for (from, boot, nonce, pause_ms) in grants {
            let granted = grant(id(from), boot, Nonce(nonce));
            expected.pass(now);
            if boot == BOOT && from <= voters {
                expected.granted(id(from), Nonce(nonce), now);
            }
            give(&mut director, &mut expected, now, Input::Message(granted));
            prop_assert_eq!(director.may_forward(now), now < expected.lease_until);
            let end = now.plus(Duration::from_millis(pause_ms));
            while let Some(at) = director.next_wakeup().filter(|at| *at <= end) {
                now = now.max(at);
                expected.pass(now);
                give(&mut director, &mut expected, now, Input::Tick);
            }
            now = end;
        }
        let now = now.plus(Duration::from_millis(login_after_ms));
        prop_assert_eq!(is_routed(&mut director, now), now < expected.lease_until);
    }

    /// However late the ticks come.
    #[test]
    fn a_machine_left_alone_comes_to_rest_after_every_tick(
        voters in 1..4_u16,
        has_lease in any::<bool>(),
        pauses in vec(0..40_000_u64, 1..20),
    ) {
        let (mut director, mut now) = if has_lease {
            leased(voters, LIMITS)
        } else {
            let (director, _, now) = bootstrapped(voters, LIMITS);
            (director, now)
        };
        for pause in pauses {
            now = now.plus(Duration::from_millis(pause));
            prop_assert!(comes_to_rest(&director, now));
            let mut out = Vec::new();
            director.handle(now, Input::Tick, &mut out);
        }
    }
}
