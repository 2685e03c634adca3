//! A plan: all that happens in one run. Its text is the durable form of a failure; a seed is only its beginning.

mod text;

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::knobs::Knobs;
use crate::work::Work;

/// The format of plans that this simulator reads and writes.
pub const FORMAT: u32 = 1;

/// Members are kept in bit sets.
const MEMBERS_MAX: usize = 64;

/// One run, written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// What this plan shows, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What should come of it, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// From which all small things are drawn: delays, losses, who logs in when.
    pub seed: u64,
    /// How long faults and work last; then the ring is healed and must recover.
    pub duration_ms: u64,
    /// What is left broken when the faults end.
    pub ending: Ending,
    /// The world.
    pub knobs: Knobs,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What people do.
    pub work: Vec<Work>,
}

/// What a committed plan is there to show: with the bug, the invariant breaks; without, nothing does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The name of the bug, as [`crate::Bug::name`] gives it.
    pub bug: Option<String>,
    /// The name of the invariant that breaks with the bug, as [`crate::Invariant::name`] gives it.
    pub breaks: Option<String>,
    /// So many seeds, from the plan's own on, in one of which it breaks. 1 where the plan leaves nothing to chance.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub seeds: u64,
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(seeds: &u64) -> bool {
    *seeds == 1
}

impl Plan {
    /// The plan with each of the seeds that it is to be tried with.
    pub fn trials(&self) -> impl Iterator<Item = Plan> + '_ {
        let seeds = self.expect.as_ref().map_or(1, |expect| expect.seeds.max(1));
        (0..seeds).map(|further| Plan {
            seed: self.seed.wrapping_add(further),
            ..self.clone()
        })
    }
}

/// How a run ends: what is required to recover, and what stays broken for ever beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything is healed.
    AllHeal,
    /// A random majority of voters heals; all others are cut off from it.
    OthersCutOff,
    /// ... all others can be heard by it, but hear nothing.
    OthersDeaf,
    /// ... all others are stopped.
    OthersStopped,
    /// ... of what passes between it and all others, and among these, nearly a third is lost.
    OthersLossy,
    /// ... the links to all others fail and work in turns.
    OthersFlapping,
    /// The run ends without a recovery: for plans that show a safety bug at one point.
    None,
}

/// Why a text is no plan.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlanError {
    /// It is not the JSON of a plan.
    Syntax(serde_json::Error),
    /// It has another format.
    Format {
        /// The one that it says.
        found: u32,
    },
    /// Something in it names what does not exist, or is out of range.
    Invalid {
        /// What.
        what: String,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Syntax(error) => write!(f, "not a plan: {error}"),
            PlanError::Format { found } => write!(f, "plan format {found}, this simulator reads {FORMAT}"),
            PlanError::Invalid { what } => write!(f, "not a possible plan: {what}"),
        }
    }
}

impl Error for PlanError {}

impl Plan {
    /// The plan that a seed stands for, in this build of the simulator.
    pub fn from_seed(seed: u64) -> Plan {
        crate::sweep::plan(seed)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// The text is not a plan of this format, or no world can be made of it.
    pub fn parse(text: &str) -> Result<Plan, PlanError> {
        let plan: Plan = serde_json::from_str(text).map_err(PlanError::Syntax)?;
        if plan.format != FORMAT {
            return Err(PlanError::Format { found: plan.format });
        }
        plan.check()?;
        Ok(plan)
    }

    /// The plan as text that people can read, edit and commit: what has its default value is left out, and each
    /// member, fault and work has a line of its own.
    pub fn to_text(&self) -> String {
        text::short(self)
    }

    /// The plan as text with every knob, also for a simulator that has other defaults, or none.
    pub fn to_full_text(&self) -> String {
        text::full(self)
    }

    /// Whether a world can be made of it: every member and backend that a fault names exists, a director and a
    /// voter are configured. [`crate::run()`] wants a plan that passed.
    ///
    /// # Errors
    /// What is impossible.
    pub fn check(&self) -> Result<(), PlanError> {
        let knobs = &self.knobs;
        let require = |holds: bool, what: &str| {
            if holds {
                Ok(())
            } else {
                Err(PlanError::Invalid { what: what.into() })
            }
        };
        require(knobs.members.len() <= MEMBERS_MAX, "at most 64 members")?;
        require(
            knobs.members.iter().any(|m| m.is_configured && m.serves),
            "a director must be configured",
        )?;
        require(
            knobs.members.iter().any(|m| m.is_configured && m.votes),
            "a voter must be configured",
        )?;
        require(
            knobs.members.iter().all(|m| m.serves || m.votes),
            "every member serves or votes",
        )?;
        require(
            knobs.backends.iter().any(|b| b.is_configured),
            "a backend must be configured",
        )?;
        require(
            (100..=600_000).contains(&knobs.lease_ms),
            "lease_ms must be 100 to 600000",
        )?;
        require(
            knobs.user_expire_ms >= 1_000,
            "user_expire_ms must be 1000 or more",
        )?;
        require(knobs.drift_ppm <= 100_000, "drift_ppm must be 100000 or less")?;
        require(
            knobs.backends.iter().all(|b| b.vhosts <= 1_000),
            "a backend has at most 1000 vhosts",
        )?;
        require(
            knobs
                .members
                .iter()
                .all(|m| m.close_bound_ms < knobs.lease_ms / 2),
            "close_bound_ms is under half a lease",
        )?;
        require(
            self.duration_ms <= 3_600_000,
            "duration_ms must be 3600000 or less",
        )?;
        for (index, fault) in self.faults.iter().enumerate() {
            let words = format!("fault {index} ends before it begins or names what does not exist");
            require(fault.from_ms <= fault.to_ms && fault.kind.fits(knobs), &words)?;
        }
        let wipes = self.faults.iter().filter(|fault| fault.kind.is_wipe());
        require(
            wipes.count() <= knobs.wipes_max(),
            "a majority of the disks is wiped: nobody would remember what was decided",
        )?;
        for (index, work) in self.work.iter().enumerate() {
            let words = format!("work {index} names a member or a user who does not exist");
            require(
                work.member < knobs.members.len() && work.errand.fits(knobs),
                &words,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultKind, Links};
    use crate::work::{Errand, Order};

    #[test]
    fn a_plan_survives_its_text() {
        let mut plan = Plan::from_seed(1);
        let links = Links {
            from: vec![1],
            ..Links::default()
        };
        plan.faults.push(Fault {
            from_ms: 1,
            to_ms: 2,
            kind: FaultKind::Loss { links, permille: 100 },
        });
        plan.faults.push(Fault {
            from_ms: 1,
            to_ms: 2,
            kind: FaultKind::Crash { member: 0 },
        });
        let orders = vec![Order::Flush { backend: None }, Order::Unpin { user: 3 }];
        plan.work.push(Work {
            at_ms: 5,
            member: 0,
            errand: Errand::Command { orders },
        });
        assert_eq!(Plan::parse(&plan.to_text()).unwrap(), plan);
    }

    #[test]
    fn a_plan_that_names_what_does_not_exist_is_refused() {
        let mut plan = Plan::from_seed(1);
        plan.faults.push(Fault {
            from_ms: 1,
            to_ms: 2,
            kind: FaultKind::Crash { member: 99 },
        });
        assert!(matches!(
            Plan::parse(&plan.to_text()),
            Err(PlanError::Invalid { .. })
        ));
    }

    #[test]
    fn a_plan_of_another_format_is_refused() {
        let plan = Plan {
            format: FORMAT + 1,
            ..Plan::from_seed(1)
        };
        assert!(matches!(
            Plan::parse(&plan.to_text()),
            Err(PlanError::Format { .. })
        ));
    }
}
