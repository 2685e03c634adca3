//! Stories of whole runs: of planted bugs, of committed plans, of runs that break nothing; and a cone made by hand.

use std::collections::BTreeSet;
use std::path::Path;

use maildirector::agreement::{Ballot, Body, Boot, Envelope, ValueId};
use maildirector::topology::{Epoch, MemberId};

use super::cone::cone;
use super::explained::explain;
use super::faults::InForce;
use super::focus::Focus;
use super::recorder::Recorder;
use crate::bug::Bug;
use crate::fault::{Fault, FaultKind};
use crate::outcome::Verdict;
use crate::plan::Plan;
use crate::run::{Options, run};
use crate::world::{Fate, Message, Note};

/// A screen.
const LINES_MAX: usize = 60;

#[test]
fn recording_changes_nothing_in_a_run() {
    for seed in 0..6 {
        let plan = Plan::from_seed(seed);
        let plain = run(&plan, &Options::default());
        let explained = explain(&plan, None);
        assert_eq!(explained.outcome.trace_hash, plain.trace_hash, "seed {seed}");
        assert_eq!(explained.outcome.events, plain.events, "seed {seed}");
    }
}

#[test]
fn a_story_names_the_broken_rule_and_fits_on_a_screen() {
    for (name, seed) in [
        ("CloseBeforeConfirm", 6),
        ("NotesOutlastLeases", 20),
        ("StatedLeasesAreWaitedFor", 6),
        ("EpochIsDurable", 12),
        ("HealthNeedsMajority", 0),
    ] {
        tells(&Plan::from_seed(seed), name, &format!("seed {seed}"));
    }
}

#[test]
fn the_committed_plans_are_told_on_a_screen() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    for name in [
        "removed-director-not-waited-for",
        "witness-left-behind",
        "hold-outlives-session",
    ] {
        let file = folder.join(format!("{name}.plan"));
        let text = std::fs::read_to_string(file).expect("the plan is committed");
        let plan = Plan::parse(&text).expect("committed plans are plans");
        let bug = plan
            .expect
            .clone()
            .and_then(|expect| expect.bug)
            .expect("it expects a bug");
        tells(&plan, &bug, name);
    }
}

fn tells(plan: &Plan, bug: &str, title: &str) {
    let explained = explain(plan, Bug::parse(bug));
    let Verdict::Violation { invariant, .. } = &explained.outcome.verdict else {
        panic!("{title} with {bug} breaks nothing");
    };
    let text = explained.text(title);
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(first, format!("{title} with {bug} breaks {invariant}"));
    assert!(
        text.lines().count() <= LINES_MAX,
        "{} lines:\n{text}",
        text.lines().count()
    );
    assert!(explained.story.lines.len() >= 3, "a story of nothing:\n{text}");
    let page = explained.html(title, &[]);
    let word = format!("Breaks <b>{invariant}</b>");
    assert!(page.contains(&word), "the page does not name {invariant}");
    // The name of SVG is the only address in it, and nobody asks that for anything.
    assert_eq!(page.matches("://").count(), 1);
}

#[test]
fn a_run_that_breaks_nothing_says_so() {
    let explained = explain(&Plan::from_seed(2), None);
    assert_eq!(explained.outcome.verdict, Verdict::Ok);
    assert!(explained.text("seed 2").starts_with("seed 2 breaks nothing\n"));
    assert!(explained.html("seed 2", &[]).contains("Breaks nothing"));
}

#[test]
fn one_seed_gives_one_page() {
    let bug = Bug::parse("CloseBeforeConfirm");
    let page = || explain(&Plan::from_seed(6), bug).html("seed 6", &[]);
    assert!(page() == page(), "two pages of one seed differ");
}

#[test]
fn a_title_cannot_break_out_of_the_page() {
    let page = explain(&Plan::from_seed(2), None).html("<script>x</script>", &["a && b <c>".to_owned()]);
    assert!(page.contains("&lt;script&gt;x&lt;/script&gt;"));
    assert!(page.contains("a &amp;&amp; b &lt;c&gt;"));
    assert_eq!(page.matches("<script").count(), 2);
}

/// A ring of three by hand: member 1 confirms to 0, which commits; 2 has nothing to do with it.
struct ByHand {
    recorder: Recorder,
    plan: Plan,
    now: u64,
    n: u64,
}

impl ByHand {
    fn new() -> Self {
        let mut plan = Plan::from_seed(1);
        plan.knobs.members = vec![plan.knobs.members[0].clone(); 3];
        plan.faults = vec![Fault {
            from_ms: 0,
            to_ms: 10,
            kind: FaultKind::Partition { side: vec![2] },
        }];
        ByHand {
            recorder: Recorder::default(),
            plan,
            now: 0,
            n: 0,
        }
    }

    fn note(&mut self, note: Note) {
        self.now += 1_000_000;
        self.recorder.note(self.now, self.now / 1_000_000, note);
    }

    fn sends(&mut self, from: u16, to: u8, fate: Fate) -> (u8, u8, u64, Message) {
        let ballot = Ballot {
            counter: 7,
            member: MemberId::from_index(0),
            boot: Boot::from_bits(1),
        };
        let envelope = Envelope {
            from: MemberId::from_index(from),
            boot: Boot::from_bits(1),
            epoch: Epoch::from_number(3),
            body: Body::Confirmed(ValueId(ballot)),
        };
        let message = Message::of(&envelope);
        self.n += 1;
        self.recorder.sending(&envelope);
        self.note(Note::Sent { to, message, fate });
        self.recorder.sent(message.from(), to, self.n);
        (message.from(), to, self.n, message)
    }

    fn arrives(&mut self, (from, to, n, message): (u8, u8, u64, Message)) {
        self.recorder.arriving(from, to, n);
        self.note(Note::Arrived { to, message });
    }

    fn said(&mut self, member: u8, event: &'static str, number: u64) {
        self.note(Note::Said {
            member,
            event,
            number,
        });
    }
}

#[test]
fn a_cone_holds_what_led_to_the_end_and_what_was_lost_of_it_and_nothing_else() {
    let mut world = ByHand::new();
    let first = Note::FaultBegan {
        index: 0,
        kind: "partition",
    };
    world.note(first); // 0
    world.said(1, "confirms, values", 1); // 1
    let confirmed = world.sends(1, 0, Fate::Arrives); // 2
    world.sends(2, 0, Fate::Lost); // 3
    world.said(2, "serves at epoch", 4); // 4: led to nothing
    world.arrives(confirmed); // 5
    world.said(0, "commits epoch", 4); // 6
    world.said(1, "installs epoch", 4); // 7: after the last that led to it
    let focus = Focus {
        members: BTreeSet::from([0, 1]),
        ends: BTreeSet::from([3]),
        rounds: BTreeSet::from([(7, 0)]),
        talk_from_ns: u64::MAX,
        last: vec![6],
        ..Focus::default()
    };
    let in_force = InForce::new(&world.plan, &world.recorder);
    let cone = cone(&world.plan, &world.recorder, &focus, &in_force);
    assert_eq!(cone.events, BTreeSet::from([0, 1, 2, 3, 5, 6]));
    assert_eq!(cone.faults, BTreeSet::from([0]));
    assert_eq!(cone.flights.len(), 2);
}
