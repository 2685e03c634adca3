//! S2, agreement: at most one topology is ever in force for each epoch number.

use std::collections::BTreeMap;

use maildirector::agreement::Committed;
use maildirector::topology::Epoch;

use super::Broken;
use crate::outcome::Invariant;

/// Every epoch that was in force anywhere, with its topology.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    epochs: BTreeMap<Epoch, Committed>,
}

impl Agreement {
    /// A member has this in force. Whether it is the first with this epoch.
    pub(crate) fn installed(&mut self, member: u8, committed: &Committed) -> Result<bool, Broken> {
        let epoch = committed.epoch();
        match self.epochs.get(&epoch) {
            None => {
                self.epochs.insert(epoch, committed.clone());
                Ok(true)
            }
            Some(first) if first == committed => Ok(false),
            Some(_) => {
                let words = format!("member {member} has another topology of {epoch} than who had it first");
                Err(Broken::new(Invariant::Agreement, words))
            }
        }
    }

    /// The newest epoch in force anywhere.
    pub(crate) fn newest(&self) -> Option<&Committed> {
        self.epochs.last_key_value().map(|(_, committed)| committed)
    }

    /// What was in force, in order.
    pub(crate) fn epochs(&self) -> &BTreeMap<Epoch, Committed> {
        &self.epochs
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use maildirector::topology::{
        HealthPolicy, Incarnation, Member, MemberId, NewBackend, Timing, Topology, TopologySeed,
    };

    use super::*;

    /// A topology of one member and backends of these weights.
    pub(in crate::checkers) fn topology(vhosts: &[u32]) -> Topology {
        let backend = |(index, vhosts): (usize, &u32)| NewBackend {
            ip: [10, 0, 0, index as u8].into(),
            hostname: None,
            vhosts: *vhosts,
            tag: "".into(),
        };
        let id = MemberId::from_index(0);
        Topology::new(TopologySeed {
            members: vec![Member {
                id,
                serves: true,
                votes: true,
                incarnation: Incarnation::from_bits(0),
            }],
            backends: vhosts.iter().enumerate().map(backend).collect(),
            timing: Timing {
                lease: Duration::from_secs(10),
                drift_ppm: 10_000,
                user_expire: Duration::from_secs(60),
            },
            health: HealthPolicy::default(),
            hash_format: "%Lu".to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn two_topologies_of_one_epoch_are_noticed() {
        let mut agreement = Agreement::default();
        let one = Committed::genesis(topology(&[100]));
        let other = Committed::genesis(topology(&[100, 100]));
        assert_eq!(agreement.installed(0, &one), Ok(true));
        assert_eq!(agreement.installed(1, &one), Ok(false));
        assert_eq!(
            agreement.installed(2, &other).unwrap_err().invariant,
            Invariant::Agreement
        );
    }
}
