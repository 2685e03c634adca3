//! Users are spread over the backends by their weights, and none is sent to one that is down or has none.

use std::collections::BTreeMap;

use maildirector::topology::{BackendId, TagId, Topology, UserId};

use super::Broken;
use crate::outcome::Invariant;

/// Where the vhost ring of one tag sends these users.
///
/// The arcs of a ring are as uneven as random points make them: a backend with v of V points gets a share near v/V
/// that strays by about the root of v points. The bounds lie where a right ring strays once in a thousand million.
pub(crate) fn spread_by_weight(
    topology: &Topology,
    tag: TagId,
    users: impl Iterator<Item = UserId>,
) -> Result<(), Broken> {
    let broken = |words: String| Err(Broken::new(Invariant::Distribution, words));
    let mut counts: BTreeMap<BackendId, u64> = BTreeMap::new();
    let mut total = 0;
    for user in users {
        let Some(id) = topology.hashed(user) else {
            continue;
        };
        if !topology
            .backend(id)
            .is_some_and(|backend| backend.tag == tag && backend.points() > 0)
        {
            return broken(format!(
                "user {user} of {tag} is sent to {id}, which takes no such users"
            ));
        }
        *counts.entry(id).or_default() += 1;
        total += 1;
    }
    let points = |id: BackendId| f64::from(topology.backend(id).map_or(0, |backend| backend.points()));
    let all: f64 = topology
        .backends()
        .filter(|b| b.tag == tag)
        .map(|b| f64::from(b.points()))
        .sum();
    if total == 0 {
        return if all > 0.0 {
            broken(format!("nobody of {tag} is sent anywhere"))
        } else {
            Ok(())
        };
    }
    for (id, count) in counts {
        let (own, share) = (points(id), count as f64 / total as f64);
        let sampling = 7.0 * (own / all / total as f64).sqrt() + 10.0 / total as f64;
        let most = (own + 7.5 * own.sqrt() + 20.0) / all + sampling;
        if share > most {
            return broken(format!(
                "{id} has {own} of {all} points and gets {count} of {total} users"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use maildirector::topology::UserKey;

    use super::super::agreement::tests::topology;
    use super::*;

    fn users(step: u64) -> impl Iterator<Item = UserId> {
        (1..500u64).map(move |n| UserId {
            key: UserKey::from_bits((n * step) << 32),
            tag: TagId::DEFAULT,
        })
    }

    #[test]
    fn users_that_all_land_on_one_backend_are_noticed() {
        let topology = topology(&[100, 100, 100, 100]);
        assert!(spread_by_weight(&topology, TagId::DEFAULT, users(0x0080_0001)).is_ok());
        let one = topology.hashed(users(1).next().unwrap());
        let crowd = users(0x0080_0001).filter(|user| topology.hashed(*user) == one);
        assert!(spread_by_weight(&topology, TagId::DEFAULT, crowd).is_err());
    }

    #[test]
    fn a_ring_that_sends_nobody_anywhere_is_noticed() {
        let topology = topology(&[100]);
        assert!(spread_by_weight(&topology, TagId::DEFAULT, std::iter::empty()).is_err());
    }
}
