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
    /// Of the configuration of this member, computed once: every hello is compared with it.
    fingerprint: u64,
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
    /// Nothing heard; `configured` stays the configuration until the ring has started, `bound` comes from the storage.
    pub fn new(rules: Rules, configured: &Topology, bound: Option<BTreeMap<MemberId, Incarnation>>) -> Self {
        FirstStart {
            rules,
            fingerprint: configured.fingerprint(),
            bound,
            heard: BTreeMap::new(),
        }
    }

    /// A hello arrived, from the member itself too.
    pub fn heard(&mut self, from: MemberId, hello: &Hello, configured: &Topology) -> Step {
        if self.is_of_other_configuration(hello) && self.rules.keep(Rule::FirstStartComparesFingerprints) {
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

    /// The fingerprint of the configuration of this member.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether who said this was started with another configuration.
    pub fn is_of_other_configuration(&self, hello: &Hello) -> bool {
        hello.fingerprint != self.fingerprint
    }

    /// The voters that this member has bound itself to.
    pub fn bound(&self) -> Option<&BTreeMap<MemberId, Incarnation>> {
        self.bound.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::timing::TIMING_DEFAULT;
    use crate::topology::{Member, NewBackend, TopologySeed};

    fn id(index: u16) -> MemberId {
        MemberId::from_index(index)
    }

    fn storage(bits: u64) -> Incarnation {
        Incarnation::from_bits(bits)
    }

    fn configured(backend: u8) -> Topology {
        let member = |i| Member {
            id: id(i),
            serves: true,
            votes: true,
            incarnation: storage(0),
        };
        let ip = [10, 0, 0, backend].into();
        let seed = TopologySeed {
            members: (1..=2).map(member).collect(),
            backends: vec![NewBackend {
                ip,
                hostname: None,
                vhosts: 1,
                tag: "".into(),
            }],
            timing: TIMING_DEFAULT,
            health: crate::topology::HealthPolicy::default(),
            hash_format: "%u".to_owned(),
        };
        Topology::new(seed).expect("a plain configuration")
    }

    fn hello(bits: u64, bound: Option<&[(u16, u64)]>) -> Hello {
        Hello {
            fingerprint: configured(1).fingerprint(),
            incarnation: Some(storage(bits)),
            is_fresh: true,
            bound: bound.map(|b| b.iter().map(|(m, i)| (id(*m), storage(*i))).collect()),
        }
    }

    #[test]
    fn all_voters_bind_then_start() {
        let mut first = FirstStart::new(Rules::default(), &configured(1), None);
        let configured = configured(1);
        assert_eq!(first.heard(id(1), &hello(11, None), &configured), Step::Wait);
        assert_eq!(first.heard(id(2), &hello(22, None), &configured), Step::Bind);
        let set: &[(u16, u64)] = &[(1, 11), (2, 22)];
        assert_eq!(first.heard(id(1), &hello(11, Some(set)), &configured), Step::Wait);
        let voters = set.iter().map(|(m, i)| (id(*m), storage(*i))).collect();
        assert_eq!(
            first.heard(id(2), &hello(22, Some(set)), &configured),
            Step::Start(voters)
        );
    }

    #[test]
    fn who_is_bound_stays_bound_when_another_comes_back_wiped() {
        let mut first = FirstStart::new(Rules::default(), &configured(1), None);
        let configured = configured(1);
        first.heard(id(1), &hello(11, None), &configured);
        assert_eq!(first.heard(id(2), &hello(22, None), &configured), Step::Bind);
        assert_eq!(first.heard(id(2), &hello(99, None), &configured), Step::Wait);
        assert_eq!(first.bound().and_then(|b| b.get(&id(2))), Some(&storage(22)));
    }

    #[test]
    fn another_configuration_is_named_and_not_counted() {
        let mut first = FirstStart::new(Rules::default(), &configured(1), None);
        let other = Hello {
            fingerprint: configured(2).fingerprint(),
            ..hello(22, None)
        };
        first.heard(id(1), &hello(11, None), &configured(1));
        let step = first.heard(id(2), &other, &configured(1));
        assert_eq!(step, Step::OtherConfiguration { member: id(2) });
        assert_eq!(first.bound(), None);
    }

    #[test]
    fn strangers_do_not_count() {
        let mut first = FirstStart::new(Rules::default(), &configured(1), None);
        first.heard(id(1), &hello(11, None), &configured(1));
        assert_eq!(first.heard(id(7), &hello(77, None), &configured(1)), Step::Wait);
    }
}
