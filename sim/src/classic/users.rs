//! The users whom a director remembers, as `user-directory.c` of Dovecot 2.3 does: when they expire, when they are
//! near it, and what a telling about one changes. Telling others about it is left to `tellings`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::moves::Kill;

/// A weak user is dropped only so long after everybody else would have been.
const WEAK_FURTHER_S: u32 = 30;

/// A user whom the director remembers.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// The last refresh, in Unix seconds.
    pub(super) timestamp_s: u32,
    pub(super) host: IpAddr,
    /// It may be expired elsewhere, and be on another host there.
    pub(super) is_weak: bool,
    /// Present while sessions are being killed, in whatever state.
    pub(super) kill: Option<Kill>,
}

/// Which user: a hash, of one tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UserKey {
    pub(super) tag: String,
    pub(super) hash: u32,
}

/// All users, those of each tag for themselves.
#[derive(Debug)]
pub(super) struct Users {
    expire_s: u32,
    near_s: u32,
    users: BTreeMap<UserKey, User>,
    /// Of all who were ever added.
    tags: BTreeSet<String>,
}

impl Users {
    pub(super) fn new(expire_s: u32) -> Self {
        Users {
            expire_s,
            near_s: (expire_s / 10).clamp(3, 30),
            users: BTreeMap::new(),
            tags: BTreeSet::new(),
        }
    }

    /// The user, unless he has expired: then he is forgotten.
    pub(super) fn find(&mut self, key: &UserKey, now_s: u32) -> Option<&mut User> {
        if self.users.get(key).is_some_and(|user| self.is_over(user, now_s)) {
            self.users.remove(key);
        }
        self.users.get_mut(key)
    }

    /// The user as he stands, expired or not.
    pub(super) fn peek(&self, key: &UserKey) -> Option<&User> {
        self.users.get(key)
    }

    pub(super) fn peek_mut(&mut self, key: &UserKey) -> Option<&mut User> {
        self.users.get_mut(key)
    }

    pub(super) fn add(&mut self, key: UserKey, host: IpAddr, timestamp_s: u32, now_s: u32) -> &mut User {
        let user = User {
            timestamp_s: timestamp_s.min(now_s),
            host,
            is_weak: false,
            kill: None,
        };
        if !self.tags.contains(&key.tag) {
            self.tags.insert(key.tag.clone());
        }
        self.users.entry(key).insert_entry(user).into_mut()
    }

    /// Users who have not expired, by tag and hash.
    pub(super) fn living(&self, now_s: u32) -> impl Iterator<Item = (&UserKey, &User)> + '_ {
        self.users
            .iter()
            .filter(move |(_, user)| !self.is_over(user, now_s))
    }

    /// The keys of everybody with this hash, one for each tag.
    pub(super) fn of_hash(&self, hash: u32) -> Vec<UserKey> {
        let key = |tag: &String| UserKey {
            tag: tag.clone(),
            hash,
        };
        let keys = self.tags.iter().map(key);
        keys.filter(|key| self.users.contains_key(key)).collect()
    }

    /// Forgets everybody on a host; their connections stay.
    pub(super) fn forget_host(&mut self, ip: IpAddr) {
        self.users.retain(|_, user| user.host != ip);
    }

    pub(super) fn forget_expired(&mut self, now_s: u32) {
        let (expire_s, near) = (self.expire_s, WEAK_FURTHER_S);
        self.users.retain(|_, user| !is_over(user, expire_s, near, now_s));
    }

    pub(super) fn expire_s(&self) -> u32 {
        self.expire_s
    }

    /// He may have expired elsewhere already.
    pub(super) fn is_near_expiring(&self, user: &User, now_s: u32) -> bool {
        user.timestamp_s + (self.expire_s - self.near_s) < now_s
    }

    pub(super) fn is_recently_updated(&self, user: &User, now_s: u32) -> bool {
        user.timestamp_s + self.expire_s / 2 >= now_s
    }

    fn is_over(&self, user: &User, now_s: u32) -> bool {
        is_over(user, self.expire_s, WEAK_FURTHER_S, now_s)
    }
}

fn is_over(user: &User, expire_s: u32, weak_further_s: u32, now_s: u32) -> bool {
    let further_s = if user.is_weak { weak_further_s } else { 0 };
    user.kill.is_none() && user.timestamp_s + expire_s + further_s <= now_s
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn key(hash: u32) -> UserKey {
        UserKey {
            tag: String::new(),
            hash,
        }
    }

    #[test]
    fn a_user_ends_at_his_expiry_to_the_second() {
        let mut users = Users::new(60);
        users.add(key(1), HOST, 1_000, 1_000);
        assert!(users.find(&key(1), 1_059).is_some());
        assert!(users.find(&key(1), 1_060).is_none());
    }

    #[test]
    fn near_is_a_tenth_of_the_expiry_within_bounds() {
        for (expire_s, near_s) in [(900, 30), (60, 6), (10, 3)] {
            let mut users = Users::new(expire_s);
            users.add(key(1), HOST, 1_000, 1_000);
            let user = users.peek(&key(1)).expect("he was added");
            assert!(!users.is_near_expiring(user, 1_000 + expire_s - near_s));
            assert!(users.is_near_expiring(user, 1_000 + expire_s - near_s + 1));
        }
    }

    #[test]
    fn a_weak_user_stays_half_a_minute_longer() {
        let mut users = Users::new(60);
        users.add(key(1), HOST, 1_000, 1_000).is_weak = true;
        assert!(users.find(&key(1), 1_089).is_some());
        assert!(users.find(&key(1), 1_090).is_none());
    }
}
