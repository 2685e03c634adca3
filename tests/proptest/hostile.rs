//! A director among liars: envelopes that decode, in any order, with whatever else may happen between them.
//!
//! It never panics, stays within its limits, comes to rest, does the same every time, and routes nobody without a majority
//! of grants that name its own asking.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::{Body, Boot, Envelope, Nonce, Whose};
use maildirector::director::{CommandId, Director, Door, Event, Input, LoginToken, Output};
use maildirector::topology::{BackendId, Change, Epoch, MemberId, Topology, UserId};
use maildirector::world::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::envelopes::{any_changes, any_envelope, any_member, any_nonce, any_user};
use crate::lockstep::{configured, id, settings, start};
use crate::machine::{BOOT, LIMITS, asked_nonce, comes_to_rest, save_number};

const VOTERS: u16 = 3;

#[derive(Clone, Debug)]
enum Step {
    Message(Box<Envelope>),
    Pass(u64),
    Wake,
    Login(UserId, &'static str, Door),
    End(UserId, u32),
    Refresh(UserId),
    Evicted(UserId, u32),
    Flushed(UserId, u32),
    AllClosed(u32),
    Saved(u64),
    SaveFailed,
    Command(Vec<Change>),
    DryRun(Vec<Change>),
    Kick(UserId),
}

fn any_step() -> impl Strategy<Value = Step> {
    let grant = (any_member(), any_nonce(), 0..3_u64).prop_map(|(from, nonce, epoch)| Envelope {
        from,
        boot: Boot::from_bits(2),
        epoch: Epoch::from_number(epoch),
        body: Body::Grant {
            boot: Boot::from_bits(BOOT),
            nonce,
        },
    });
    let door = select(&[Door::Exact, Door::Refreshing][..]);
    let tag = select(&["", "gold", "silver"][..]);
    prop_oneof![
        12 => any_envelope().prop_map(|envelope| Step::Message(Box::new(envelope))),
        6 => grant.prop_map(|envelope| Step::Message(Box::new(envelope))),
        3 => (0..3_000_u64).prop_map(Step::Pass),
        3 => Just(Step::Wake),
        5 => (any_user(), tag, door).prop_map(|(user, tag, door)| Step::Login(user, tag, door)),
        1 => (any_user(), 0..4_u32).prop_map(|(user, serial)| Step::End(user, serial)),
        1 => any_user().prop_map(Step::Refresh),
        1 => (any_user(), 0..4_u32).prop_map(|(user, serial)| Step::Evicted(user, serial)),
        1 => (any_user(), 0..4_u32).prop_map(|(user, backend)| Step::Flushed(user, backend)),
        1 => (0..4_u32).prop_map(Step::AllClosed),
        2 => (0..30_u64).prop_map(Step::Saved),
        1 => Just(Step::SaveFailed),
        2 => any_changes().prop_map(Step::Command),
        1 => any_changes().prop_map(Step::DryRun),
        1 => any_user().prop_map(Step::Kick),
    ]
}

/// One asking for a lease, as an observer of the outputs and of the grants sees it.
struct Asking {
    nonce: Nonce,
    sent: Instant,
    topology: Arc<Topology>,
    granted: BTreeSet<MemberId>,
}

struct Observed {
    director: Director,
    twin: Director,
    now: Instant,
    askings: Vec<Asking>,
    tokens: u64,
    /// Whether disk and doors do what they are told at once.
    is_served: bool,
    /// What it did, by name.
    seen: BTreeSet<&'static str>,
}

impl Observed {
    fn new(is_bootstrap: bool, is_served: bool) -> Observed {
        let now = Instant::from_nanos(1_000_000_000_000);
        let settings = settings(id(1), &configured(VOTERS), LIMITS);
        let mut out = Vec::new();
        let director = Director::start(settings, start(BOOT, is_bootstrap), now, &mut out);
        let mut observed = Observed {
            twin: director.clone(),
            director,
            now,
            askings: Vec::new(),
            tokens: 0,
            is_served,
            seen: BTreeSet::new(),
        };
        let topology = Arc::clone(observed.director.topology());
        observed.look(&out, &topology);
        observed
    }

    fn take(&mut self, step: &Step) {
        self.tokens += 1;
        let id = CommandId(self.tokens);
        match step.clone() {
            Step::Pass(ms) => self.now = self.now.plus(Duration::from_millis(ms)),
            Step::Wake => {
                self.now = self
                    .director
                    .next_wakeup()
                    .map_or(self.now, |at| self.now.max(at));
                self.give(Input::Tick);
            }
            Step::Message(envelope) => self.give(Input::Message(*envelope)),
            Step::Login(user, tag, door) => self.give(Input::Login {
                token: LoginToken(self.tokens),
                key: user.key,
                tag,
                name: "name",
                door,
            }),
            Step::End(user, serial) => self.give(Input::SessionEnded { user, serial }),
            Step::Refresh(user) => self.give(Input::Refresh { user }),
            Step::Flushed(user, backend) => {
                let to = BackendId::from_index(backend);
                self.give(Input::Flushed { user, to })
            }
            Step::Evicted(user, serial) => self.give(Input::Evicted { user, serial }),
            Step::AllClosed(term) => self.give(Input::AllClosed { term }),
            Step::Saved(number) => self.give(Input::Saved { number }),
            Step::SaveFailed => self.give(Input::SaveFailed { is_replaced: false }),
            Step::Command(changes) => self.give(Input::Command { id, changes }),
            Step::DryRun(changes) => self.give(Input::DryRun { id, changes }),
            Step::Kick(user) => self.give(Input::Kick(Whose::User(user.key))),
        }
    }

    fn give(&mut self, input: Input<'_>) {
        if let Input::Message(envelope) = &input {
            self.note_grant(envelope);
        }
        let before = Arc::clone(self.director.topology());
        let (mut out, mut twins) = (Vec::new(), Vec::new());
        self.director.handle(self.now, input.clone(), &mut out);
        self.twin.handle(self.now, input, &mut twins);
        assert_eq!(out, twins, "the same input led to something else");
        self.look(&out, &before);
        self.seen.extend(out.iter().filter_map(name));
        if self.is_served {
            for output in &out {
                self.serve(output);
            }
        }
    }

    fn serve(&mut self, output: &Output) {
        match output {
            Output::Evict { user, serial, .. } => self.give(Input::Evicted {
                user: *user,
                serial: *serial,
            }),
            Output::Flush { user, to, .. } => self.give(Input::Flushed { user: *user, to: *to }),
            Output::CloseAll { term } => self.give(Input::AllClosed { term: *term }),
            output => {
                if let Some(number) = save_number(output) {
                    self.give(Input::Saved { number });
                }
            }
        }
    }

    fn note_grant(&mut self, envelope: &Envelope) {
        if let Body::Grant { boot, nonce } = envelope.body
            && boot == self.director.boot()
            && envelope.from != self.director.me()
            && let Some(asking) = self.askings.iter_mut().find(|asking| asking.nonce == nonce)
        {
            asking.granted.insert(envelope.from);
        }
    }

    /// Follow what the machine asks for, and check that nobody is routed without a lease of this observer's reckoning.
    fn look(&mut self, out: &[Output], before: &Arc<Topology>) {
        let after = self.director.topology();
        for output in out {
            if let (Some(nonce), Output::Flood(envelope)) = (asked_nonce(output), output) {
                let is_before = before.epoch() == envelope.epoch;
                self.askings.push(Asking {
                    nonce,
                    sent: self.now,
                    topology: Arc::clone(if is_before { before } else { after }),
                    // Its own vote it may have; what it tells itself is not to be seen here.
                    granted: BTreeSet::from([self.director.me()]),
                });
            }
            if let Output::Route { .. } = output {
                assert!(self.has_lease(), "routed without a majority of grants");
            }
        }
        assert!(
            self.has_lease() || !self.director.may_forward(self.now),
            "forwards without a majority of grants"
        );
    }

    fn has_lease(&self) -> bool {
        self.askings.iter().any(|asking| {
            let is_voter = |id: &&MemberId| asking.topology.member(**id).is_some_and(|m| m.votes);
            let granted = asking.granted.iter().filter(is_voter).count();
            let until = asking.sent.plus(asking.topology.timing().lease);
            granted >= asking.topology.majority() && self.now < until
        })
    }

    fn expect_order(&self) {
        let used = self.director.limits_used();
        assert!(used.holds <= LIMITS.holds, "{used:?}");
        assert!(used.waiting_logins <= LIMITS.waiting_logins, "{used:?}");
        assert!(used.commands <= LIMITS.commands, "{used:?}");
        assert!(used.history <= LIMITS.history, "{used:?}");
        assert!(
            comes_to_rest(&self.director, self.now),
            "ticks don't bring it past now"
        );
    }
}

/// Ask for everything that an operator can see.
fn ask_status(director: &Director, now: Instant, user: UserId) {
    let _ = director.ring_status(now);
    let _ = director.backend_status();
    let _ = director.user_status(user);
    let _ = director.users(None).count();
    let _ = director.history(user).count();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn a_director_among_liars_stays_in_order(
        steps in vec(any_step(), 1..60),
        is_bootstrap in proptest::bool::weighted(0.8),
        is_served in proptest::bool::weighted(0.8),
        user in any_user(),
    ) {
        let mut observed = Observed::new(is_bootstrap, is_served);
        for step in &steps {
            observed.take(step);
            observed.expect_order();
            ask_status(&observed.director, observed.now, user);
        }
        prop_assert!(observed.director == observed.twin, "equal inputs led to different machines");
    }
}

/// The law above would hold for a machine that does nothing; this one is led everywhere.
#[test]
fn liars_lead_a_director_through_all_its_states() {
    let mut runner = TestRunner::deterministic();
    let script = vec(any_step(), 60);
    let all = [
        "confirmed",
        "evicting",
        "installed",
        "isolated",
        "queued",
        "round",
        "routed",
    ];
    let mut seen = BTreeSet::new();
    for _ in 0..6_000 {
        let steps = script.new_tree(&mut runner).expect("no filters").current();
        let mut observed = Observed::new(true, true);
        for step in &steps {
            observed.take(step);
        }
        seen.append(&mut observed.seen);
        if seen.len() == all.len() {
            break;
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

fn name(output: &Output) -> Option<&'static str> {
    match output {
        Output::Route { .. } => Some("routed"),
        Output::Event(Event::Confirmed { .. }) => Some("confirmed"),
        Output::Event(Event::Evicting { .. }) => Some("evicting"),
        Output::Event(Event::Installed { .. }) => Some("installed"),
        Output::Event(Event::Isolated { .. }) => Some("isolated"),
        Output::Event(Event::Queued { .. }) => Some("queued"),
        Output::Event(Event::RoundStarted { .. }) => Some("round"),
        _ => None,
    }
}
