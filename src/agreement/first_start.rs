//! How a ring begins: voters without storage bind themselves to each other once, and start when all have.
//!
//! A voter without storage may be new, or one that lost its disk and its promises with it; from inside they look
//! alike. So each draws an *incarnation* for its storage before it says a word. When it hears every voter of its
//! configuration fresh, it binds itself, synced and for ever, to exactly that set of incarnations; when it hears
//! every voter bound to the same set, the ring starts with that set as its voters. A storage binds itself once,
//! so two different sets that share a storage can't both be bound by all of theirs, and a voter that was wiped
//! meanwhile is not in the set. Starts that hang (one was wiped between binding and starting) are left to the
//! operator's bootstrap: nothing was served yet.

use std::collections::BTreeMap;

use super::message::Hello;
use super::rules::{Rule, Rules};
use crate::topology::{Incarnation, MemberId, Topology};

/// What is known of the other voters while none knows a topology.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FirstStart {
    rules: Rules,
    bound: Option<BTreeMap<MemberId, Incarnation>>,
    heard: BTreeMap<MemberId, Hello>,
}

/// What a hello led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// The sender was started with another configuration.
    OtherConfiguration {
        /// Whose hello it was.
        member: MemberId,
    },
    /// Bound to these voters: save that, then tell all.
    Bind,
    /// All are bound to the same voters: the ring starts with these.
    Start(BTreeMap<MemberId, Incarnation>),
}

impl FirstStart {
    /// Nothing heard; `bound` comes from the storage.
    pub fn new(rules: Rules, bound: Option<BTreeMap<MemberId, Incarnation>>) -> Self {
        FirstStart {
            rules,
            bound,
            heard: BTreeMap::new(),
        }
    }

    /// A hello arrived, from the member itself too.
    pub fn heard(&mut self, from: MemberId, hello: &Hello, configured: &Topology) -> Step {
        let is_same = hello.fingerprint == configured.fingerprint();
        if !is_same && self.rules.keep(Rule::FirstStartComparesFingerprints) {
            self.heard.remove(&from);
            return Step::OtherConfiguration { member: from };
        }
        if !configured.member(from).is_some_and(|m| m.votes) {
            return Step::Wait;
        }
        self.heard.insert(from, hello.clone());
        let voters = || configured.members().filter(|m| m.votes);
        let present: Option<BTreeMap<MemberId, Incarnation>> = voters()
            .map(|m| {
                let hello = self.heard.get(&m.id).filter(|h| h.is_fresh)?;
                Some((m.id, hello.incarnation?))
            })
            .collect();
        let Some(present) = present else {
            return Step::Wait;
        };
        let may_bind = self.bound.is_none() || !self.rules.keep(Rule::FirstStartBindsOnce);
        if may_bind && self.bound.as_ref() != Some(&present) {
            self.bound = Some(present);
            return Step::Bind;
        }
        match &self.bound {
            Some(bound) if voters().all(|m| self.heard[&m.id].bound.as_ref() == Some(bound)) => {
                Step::Start(bound.clone())
            }
            _ => Step::Wait,
        }
    }

    /// The voters that this member has bound itself to.
    pub fn bound(&self) -> Option<&BTreeMap<MemberId, Incarnation>> {
        self.bound.as_ref()
    }
}
