//! A run, explained: played once with a recorder, and told from what that has seen.

use std::collections::BTreeSet;

use super::cone::{Cone, cone};
use super::faults::InForce;
use super::focus::Focus;
use super::recorder::Recorder;
use super::source::Source;
use super::story::Story;
use super::subject::Subject;
use super::testimony::Testimony;
use super::{page, text};
use crate::bug::Bug;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Plan;
use crate::run::{Options, record};

/// A run that can be told.
#[derive(Debug)]
pub struct Explained {
    /// What came of it, the same as without being explained.
    pub outcome: Outcome,
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) recorder: Recorder,
    pub(crate) testimony: Testimony,
    /// Whom the verdict names.
    pub(crate) named: BTreeSet<u8>,
    pub(crate) cone: Cone,
    pub(crate) story: Story,
}

/// Runs a plan with a recorder and finds out what led to its verdict.
///
/// # Panics
/// The plan did not pass [`Plan::check`].
pub fn explain(plan: &Plan, bug: Option<Bug>) -> Explained {
    let options = Options {
        bug,
        ..Options::default()
    };
    let (outcome, recorder, testimony) = record(plan, &options);
    let mut explained = Explained {
        outcome,
        plan: plan.clone(),
        bug,
        recorder,
        testimony,
        named: BTreeSet::new(),
        cone: Cone::default(),
        story: Story::default(),
    };
    explained.find_story();
    explained
}

impl Explained {
    /// The story for a terminal, short enough for a screen. `title` says what was run.
    pub fn text(&self, title: &str) -> String {
        text::text(self, title)
    }

    /// The story with a timeline, as one HTML page that needs nothing else. `title` says what was run, `commands` what
    /// else can be done about it.
    pub fn html(&self, title: &str, commands: &[String]) -> String {
        page::page(self, title, commands)
    }

    fn find_story(&mut self) {
        let Verdict::Violation {
            invariant,
            words,
            event,
            ..
        } = &self.outcome.verdict
        else {
            return;
        };
        let subject = Subject::of(words);
        let lease_ns = self.plan.knobs.lease_ms * 1_000_000;
        let focus = Focus::new(
            *invariant,
            *event,
            &subject,
            &self.testimony,
            &self.recorder,
            lease_ns,
        );
        let in_force = InForce::new(&self.plan, &self.recorder);
        let cone = cone(&self.plan, &self.recorder, &focus, &in_force);
        let source = Source {
            plan: &self.plan,
            recorder: &self.recorder,
            testimony: &self.testimony,
            focus: &focus,
            in_force: &in_force,
        };
        let story = Story::new(source, &cone, text::chain_lines_max(self));
        self.named = focus.members;
        self.cone = cone;
        self.story = story;
    }
}
