//! Who logs in: names, keys, and all that a person can be to a director.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use maildirector::topology::{TagId, Topology, UserId, UserKey};

use crate::entropy::{Entropy, Purpose};
use crate::plan::Plan;

/// The tag of the second kind of users and backends; the first kind has none.
pub(crate) const SECOND_TAG: &str = "b";

/// One person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: Arc<str>,
    pub(crate) key: UserKey,
}

/// Everybody.
#[derive(Debug)]
pub(crate) struct People {
    persons: Vec<Person>,
    by_key: Vec<(UserKey, u32)>,
}

impl People {
    /// Every eighth person has the 32-bit hash of the person before, as the names of a large site have now and then.
    pub(crate) fn new(count: u32, entropy: Entropy) -> Self {
        let mut persons: Vec<Person> = Vec::with_capacity(count as usize);
        for number in 0..count {
            let name: Arc<str> = format!("user{number}").into();
            let bits = UserKey::of_expanded(name.as_bytes()).to_bits()
                ^ entropy.draw(Purpose::Login, 1, u64::from(number));
            let key = match persons.last() {
                Some(before) if number % 8 == 7 => {
                    UserKey::from_bits(u64::from(before.key.hash()) << 32 | u64::from(bits as u32))
                }
                _ => UserKey::from_bits(bits),
            };
            persons.push(Person { name, key });
        }
        let mut by_key: Vec<(UserKey, u32)> = persons.iter().map(|person| person.key).zip(0..).collect();
        by_key.sort_unstable();
        People { persons, by_key }
    }

    /// Everybody by his name alone, as in worlds that know nothing else of him.
    pub(crate) fn plain(count: u32) -> Self {
        let person = |number: u32| {
            let name: Arc<str> = format!("user{number}").into();
            let key = UserKey::of_expanded(name.as_bytes());
            Person { name, key }
        };
        let persons: Vec<Person> = (0..count).map(person).collect();
        let mut by_key: Vec<(UserKey, u32)> = persons.iter().map(|person| person.key).zip(0..).collect();
        by_key.sort_unstable();
        People { persons, by_key }
    }

    /// Those of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        People::new(plan.knobs.users.max(1), Entropy::new(plan.seed))
    }

    pub(crate) fn person(&self, number: u32) -> &Person {
        &self.persons[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.persons.len()
    }

    /// Whose key this is.
    pub(crate) fn of_key(&self, key: UserKey) -> Option<u32> {
        let at = self.by_key.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.by_key[at].1)
    }

    /// Everything that the persons are under this topology: each with every tag that users come with.
    pub(crate) fn users<'a>(&'a self, topology: &Topology) -> impl Iterator<Item = UserId> + use<'a> {
        let second = topology.tag(SECOND_TAG);
        self.persons.iter().flat_map(move |person| {
            let tags = [Some(TagId::DEFAULT), second];
            tags.into_iter()
                .flatten()
                .map(|tag| UserId { key: person.key, tag })
        })
    }
}

/// The address of a backend by its number.
pub(crate) fn backend_ip(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
}

/// The number of the backend with this address.
pub(crate) fn backend_number(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip) - 0x0a00_0000,
        IpAddr::V6(_) => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_found_by_his_key() {
        let people = People::new(40, Entropy::new(3));
        for number in 0..40 {
            assert_eq!(people.of_key(people.person(number).key), Some(number));
        }
        assert_eq!(people.person(7).key.hash(), people.person(6).key.hash());
        assert_ne!(people.person(7).key, people.person(6).key);
    }
}
