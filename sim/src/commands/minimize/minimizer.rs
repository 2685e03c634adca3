//! The loop: every cut, as long as one helps.

use sim::{Bug, Invariant, Options, Outcome, Plan, Verdict};

use super::{faults, incidents, members, world};
use crate::commands::execute::execute;
use crate::commands::progress::Progress;

/// What every candidate must break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    invariant: Invariant,
    /// Of a panic its words, since one panic is not like another.
    panic: Option<String>,
}

impl Sought {
    /// What this verdict breaks, if anything.
    pub fn of(verdict: &Verdict) -> Option<Sought> {
        match verdict {
            Verdict::Ok => None,
            Verdict::Violation {
                invariant: Invariant::NoPanic,
                words,
                ..
            } => Some(Sought {
                invariant: Invariant::NoPanic,
                panic: Some(words.clone()),
            }),
            Verdict::Violation { invariant, .. } => Some(Sought {
                invariant: *invariant,
                panic: None,
            }),
        }
    }

    /// The promise.
    pub fn invariant(&self) -> Invariant {
        self.invariant
    }
}

/// A plan on its way down.
pub struct Minimizer {
    plan: Plan,
    sought: Sought,
    /// With a bug, the machine without it must survive what is left, or it would not show the bug.
    bug: Option<Bug>,
    runs: u64,
    runs_max: u64,
    progress: Progress,
}

impl Minimizer {
    /// To cut `plan`, which with `bug` breaks what is sought, in at most `runs_max` runs.
    pub fn new(plan: Plan, sought: Sought, bug: Option<Bug>, runs_max: u64) -> Self {
        let progress = Progress::new("runs", None);
        Minimizer {
            plan,
            sought,
            bug,
            runs: 0,
            runs_max,
            progress,
        }
    }

    /// Cuts until no cut helps or the runs are used up.
    pub fn work(&mut self) {
        self.plan.knobs.fault_kinds.clear();
        members::fewer_of_the_whole(self);
        loop {
            let before = self.plan.clone();
            world::cut_the_end(self);
            incidents::list_logins(self);
            incidents::leave_out(self);
            world::begin_sooner(self);
            world::shrink(self);
            faults::make_plainer(self);
            faults::merge(self);
            incidents::shrink(self);
            let is_least = self.plan == before;
            if self.is_cut_short() || (is_least && !members::fewer_of_the_least(self)) {
                return;
            }
        }
    }

    /// The smallest plan so far.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs so far.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether the run limit ended the search.
    pub fn is_cut_short(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// Takes the candidate if it still shows what is sought.
    pub fn try_plan(&mut self, candidate: Plan) -> bool {
        candidate != self.plan && self.shows(&candidate) && {
            self.plan = candidate;
            true
        }
    }

    /// Takes what `change` makes of the plan, if that still shows what is sought.
    pub fn try_change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut candidate = self.plan.clone();
        change(&mut candidate);
        self.try_plan(candidate)
    }

    /// When the plan breaks what is sought, in nanoseconds of true time.
    pub fn breaks_at_ns(&mut self) -> Option<u64> {
        let plan = self.plan.clone();
        match self.run(&plan, self.bug).verdict {
            Verdict::Violation { at_ns, .. } => Some(at_ns),
            Verdict::Ok => None,
        }
    }

    fn shows(&mut self, candidate: &Plan) -> bool {
        if self.runs >= self.runs_max || candidate.check().is_err() {
            return false;
        }
        let outcome = self.run(candidate, self.bug);
        Sought::of(&outcome.verdict).as_ref() == Some(&self.sought)
            && (self.bug.is_none() || self.run(candidate, None).verdict == Verdict::Ok)
    }

    fn run(&mut self, plan: &Plan, bug: Option<Bug>) -> Outcome {
        self.runs += 1;
        let left = &self.plan;
        self.progress.step(|| {
            format!(
                "left: {} faults, {} members, {} works",
                left.faults.len(),
                left.knobs.members.len(),
                left.work.len()
            )
        });
        execute(
            plan,
            &Options {
                bug,
                ..Options::default()
            },
        )
    }
}
