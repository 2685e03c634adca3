//! What a round decides, and what a topology becomes by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{Boot, ValueId};
#[cfg(feature = "planted-bugs")]
use super::rules::Rule;
use super::rules::Rules;
use crate::topology::{BackendId, Change, ChangeError, Draft, Epoch, MemberId, Moves, Topology, UserId};

/// Commands of one member that wait for a round. Numbers are consecutive from `first` and count up within a
/// boot, so that what was answered can be told by one number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who was asked by its admin.
    pub from: MemberId,
    /// In which of its runs.
    pub boot: Boot,
    /// The number of the first command.
    pub first: u64,
    /// Each is applied wholly or refused wholly.
    pub commands: Vec<Vec<Change>>,
}

impl Request {
    /// The number after the last command's.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.commands.len() as u64)
    }
}

/// What a coordinator wants the next epoch to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// Asked for by admins and health checks.
    pub requests: Vec<Request>,
    /// The coordinator's own: pins that nobody needs any more, voters that came back without their storage.
    /// Each stands alone; one that can't be applied is skipped.
    pub upkeep: Vec<Change>,
}

impl Proposal {
    /// Whether it changes nothing; such a proposal only finishes what another coordinator left.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.upkeep.is_empty()
    }

    /// Whether any of its changes cannot wait for the lease of a director that is not heard.
    pub fn is_urgent(&self) -> bool {
        self.requests
            .iter()
            .flat_map(|r| &r.commands)
            .flatten()
            .chain(&self.upkeep)
            .any(Change::is_urgent)
    }

    /// Whether it drops pins on the word of the directors that nobody needs them.
    pub fn has_release(&self) -> bool {
        self.upkeep.iter().any(|c| matches!(c, Change::Release { .. }))
    }
}

/// A proposal with the pins that go with it: the subject of one Paxos instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Value {
    /// Its name.
    pub id: ValueId,
    /// What changes.
    pub proposal: Arc<Proposal>,
    /// Who must stay where although the table changes.
    pub pins: Vec<(UserId, BackendId)>,
}

/// What was answered to one member's commands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Answered {
    /// The run that asked.
    pub boot: Boot,
    /// All commands below this number are decided.
    pub next: u64,
    /// Of the last request: the commands that were refused, and why.
    pub refused: Vec<(u64, ChangeError)>,
}

/// What is known to be decided: the topology, and for every member what became of its last request. Travels
/// whole to who was left behind, so that his commands are answered although he missed their commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Committed {
    /// The table of this epoch.
    pub topology: Arc<Topology>,
    /// Answers by member.
    pub answered: Arc<BTreeMap<MemberId, Answered>>,
}

/// A topology as it would be with a proposal, before its epoch is decided.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// T_e with the change, still numbered e.
    pub topology: Topology,
    /// Users whom the change itself moves; all others that it would displace are pinned.
    pub moves: Moves,
    answered: BTreeMap<MemberId, Answered>,
}

impl Committed {
    /// The start of everything: epoch 0, nothing answered.
    pub fn genesis(topology: Topology) -> Self {
        Committed {
            topology: Arc::new(topology),
            answered: Arc::new(BTreeMap::new()),
        }
    }

    /// The epoch that this is.
    pub fn epoch(&self) -> Epoch {
        self.topology.epoch()
    }

    /// A draft of the next topology.
    #[cfg(not(feature = "planted-bugs"))]
    pub fn draft(&self, _rules: Rules) -> Draft {
        Draft::of(&self.topology)
    }

    /// A draft of the next topology.
    #[cfg(feature = "planted-bugs")]
    pub fn draft(&self, rules: Rules) -> Draft {
        let draft = Draft::of(&self.topology);
        match () {
            () if !rules.keep(Rule::OneVoterPerRound) => draft.allowing_many_voters(),
            () if !rules.keep(Rule::BrakeHolds) => draft.without_brake(),
            () if !rules.keep(Rule::HumanDownStays) => draft.recovering_downs(),
            () => draft,
        }
    }

    /// What the proposal would make of this topology, without pins.
    pub fn with(&self, proposal: &Proposal, rules: Rules) -> Outcome {
        let mut draft = self.draft(rules);
        let mut answered = (*self.answered).clone();
        for request in &proposal.requests {
            let mut refused = Vec::new();
            for (number, command) in (request.first..request.end()).zip(&request.commands) {
                if let Err(error) = draft.apply(command) {
                    refused.push((number, error));
                }
            }
            answered.insert(
                request.from,
                Answered {
                    boot: request.boot,
                    next: request.end(),
                    refused,
                },
            );
        }
        for change in &proposal.upkeep {
            // Overtaken by an admin's change in the same round: nothing is lost, the next round looks again.
            let _ = draft.apply(std::slice::from_ref(change));
        }
        let (topology, moves) = draft.finish();
        Outcome {
            topology,
            moves,
            answered,
        }
    }

    /// The next epoch, when the value is the one that was chosen for it.
    pub fn next(&self, value: &Value, rules: Rules) -> Committed {
        let outcome = self.with(&value.proposal, rules);
        Committed {
            topology: Arc::new(outcome.topology.advanced(&value.pins)),
            answered: Arc::new(outcome.answered),
        }
    }
}
