//! Whom all directors hold, put together page by page. A user who came through several directors is one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::counts::Counts;
use super::office::Admin;
use crate::agreement::{HeldUser, HeldUsers};
use crate::dovecot::Desk;
use crate::dovecot::broken::Broken;
use crate::topology::{MemberId, Topology, UserId};
use crate::world::{World, deadline};

/// How long another director may take for a page; then the list goes on without it.
const PAGE_MAX: Duration = Duration::from_secs(2);

/// A walk through the users of a stretch of the hash circle.
pub(super) struct Everywhere<'a, W, D> {
    admin: &'a Admin<W, D>,
    /// Who is asked; found out with the first page.
    others: Option<Vec<MemberId>>,
    next: Option<u32>,
    last: u32,
}

/// Some users, in order.
pub(super) struct Page {
    pub users: Vec<HeldUser>,
    /// What tells where their backends are.
    pub topology: Arc<Topology>,
}

impl<'a, W: World, D: Desk> Everywhere<'a, W, D> {
    pub fn new(admin: &'a Admin<W, D>, first: u32, last: u32) -> Self {
        Everywhere {
            admin,
            others: None,
            next: Some(first),
            last,
        }
    }

    /// How many users are held on each backend; `None` when the director has stopped.
    pub async fn count(admin: &'a Admin<W, D>) -> Result<Option<Arc<Counts>>, Broken> {
        let began = admin.now();
        let before = admin.last_count.at(began);
        if before.is_some() {
            return Ok(before);
        }
        let mut walk = Everywhere::new(admin, 0, u32::MAX);
        let mut counts = Counts::new();
        while walk.has_more() {
            let Some(page) = walk.page().await? else {
                return Ok(None);
            };
            for held in page.users {
                *counts.entry(held.backend).or_default() += 1;
            }
        }
        let counts = Arc::new(counts);
        admin.last_count.keep(&counts, began, admin.now());
        Ok(Some(counts))
    }

    /// Who is held of a hash; `None` when the director has stopped.
    pub async fn of_hash(admin: &'a Admin<W, D>, hash: u32) -> Result<Option<Vec<HeldUser>>, Broken> {
        let page = Everywhere::new(admin, hash, hash).page().await?;
        Ok(page.map(|page| page.users))
    }

    /// Whether there may be more users.
    pub fn has_more(&self) -> bool {
        self.next.is_some()
    }

    /// The next users; `None` when the director has stopped.
    pub async fn page(&mut self) -> Result<Option<Page>, Broken> {
        let Some(first) = self.next else { return Ok(None) };
        let last = self.last;
        let is_first = self.others.is_none();
        let looked = self.admin.read(move |director, now| {
            let others = is_first.then(|| director.directors_heard(now));
            (
                director.held_users(first, last, now),
                director.topology().clone(),
                others,
            )
        });
        let Some((own, topology, others)) = looked.await? else {
            return Ok(None);
        };
        let others = others.or_else(|| self.others.take()).unwrap_or_default();
        let mut pages = vec![own];
        self.others = Some(self.ask(others, first, &mut pages).await);
        // Beyond the end of the shortest page somebody may hold users whom nobody has named yet.
        self.next = pages.iter().filter_map(|page| page.next).min();
        let users = merged(pages, self.next);
        Ok(Some(Page { users, topology }))
    }

    /// Asks the others at once, and adds what they say; gives back who answered.
    async fn ask(&self, others: Vec<MemberId>, first: u32, pages: &mut Vec<HeldUsers>) -> Vec<MemberId> {
        let shared = &self.admin.shared;
        let until = self.admin.now().plus(PAGE_MAX);
        let asked: Vec<_> = others
            .into_iter()
            .map(|member| (member, shared.desk.held_users(member, first, self.last)))
            .collect();
        let mut answered = Vec::new();
        for (member, page) in asked {
            match deadline(shared.world.clock(), until, page).await {
                Ok(Some(page)) if is_sound(&page, first, self.last) => {
                    pages.push(page);
                    answered.push(member);
                }
                _ => {
                    let waited = PAGE_MAX.as_secs();
                    warn!(
                        "director {member} did not say within {waited} s whom it holds; the table that an admin asked for \
                         lacks users who are held only there"
                    );
                }
            }
        }
        answered
    }
}

/// Whether the walk can go on from here: each page ends behind its beginning.
fn is_sound(page: &HeldUsers, first: u32, last: u32) -> bool {
    page.next.is_none_or(|next| next > first && next <= last)
}

/// The users below `end` whom any page names, each once, with the time that is left longest.
fn merged(pages: Vec<HeldUsers>, end: Option<u32>) -> Vec<HeldUser> {
    let mut users: BTreeMap<UserId, HeldUser> = BTreeMap::new();
    for held in pages.into_iter().flat_map(|page| page.users) {
        if end.is_some_and(|end| held.user.key.hash() >= end) {
            continue;
        }
        let known = users.entry(held.user).or_insert(held);
        if held.ends_in_s > known.ends_in_s {
            *known = held;
        }
    }
    users.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{BackendId, TagId, UserKey};

    fn held(hash: u32, ends_in_s: u32) -> HeldUser {
        HeldUser {
            user: UserId {
                key: UserKey::from_bits(u64::from(hash) << 32 | 1),
                tag: TagId::DEFAULT,
            },
            backend: BackendId::from_index(0),
            ends_in_s,
        }
    }

    fn page(users: &[HeldUser], next: Option<u32>) -> HeldUsers {
        HeldUsers {
            users: users.to_vec(),
            next,
        }
    }

    #[test]
    fn a_user_of_several_directors_is_one_and_ends_with_the_last() {
        let pages = vec![
            page(&[held(3, 10), held(5, 900)], None),
            page(&[held(3, 20), held(4, 1)], None),
            page(&[held(3, 15)], None),
        ];
        assert_eq!(merged(pages, None), [held(3, 20), held(4, 1), held(5, 900)]);
    }

    #[test]
    fn users_behind_the_end_of_the_shortest_page_come_later() {
        let pages = vec![
            page(&[held(3, 1), held(9, 1)], None),
            page(&[held(4, 1), held(6, 1)], Some(7)),
        ];
        assert_eq!(merged(pages, Some(7)), [held(3, 1), held(4, 1), held(6, 1)]);
    }

    #[test]
    fn a_page_that_leads_back_is_not_believed() {
        assert!(is_sound(&page(&[], None), 5, 9));
        assert!(is_sound(&page(&[], Some(6)), 5, 9));
        assert!(!is_sound(&page(&[], Some(5)), 5, 9));
        assert!(!is_sound(&page(&[], Some(10)), 5, 9));
    }
}
