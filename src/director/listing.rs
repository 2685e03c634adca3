//! Whom a director holds, page by page, for its own admins and for those of other members. Who puts the pages of all
//! directors together is left to the doors. Nothing here changes anything.

use super::machine::Director;
use super::output::Output;
use crate::agreement::{Body, HeldUser, HeldUsers};
use crate::topology::MemberId;
use crate::world::Instant;

/// About how many holds one page goes through; whoever else asks the director meanwhile waits for so many.
pub const HELD_PER_PAGE: usize = 2_000;

impl Director {
    /// The first users of a stretch of the hash circle, first and last hash, who are held here at `now`.
    pub fn held_users(&self, first: u32, last: u32, now: Instant) -> HeldUsers {
        let expire = self.timing().user_expire;
        let mut users = Vec::new();
        let mut hash_before = None;
        for (seen, hold) in self.holds.scan(first, last).enumerate() {
            let hash = hold.user.key.hash();
            if seen >= HELD_PER_PAGE && hash_before != Some(hash) {
                let next = Some(hash);
                return HeldUsers { users, next };
            }
            hash_before = Some(hash);
            if !hold.is_live(now, expire) {
                continue;
            }
            let left = if hold.sessions > 0 {
                expire
            } else {
                hold.touched.plus(expire).since(now)
            };
            users.push(HeldUser {
                user: hold.user,
                backend: hold.backend,
                ends_in_s: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
            });
        }
        HeldUsers { users, next: None }
    }

    /// The other directors that were heard lately enough to be asked.
    pub fn directors_heard(&self, now: Instant) -> Vec<MemberId> {
        let members = self.topology().members().filter(|member| member.serves);
        let others = members.map(|member| member.id).filter(|id| *id != self.me());
        others.filter(|id| self.is_heard(*id, now)).collect()
    }

    /// Ask another director whom it holds; its answer comes as [`Output::HeldListed`], if it comes.
    pub(super) fn list_held(
        &mut self,
        to: MemberId,
        number: u64,
        first: u32,
        last: u32,
        out: &mut Vec<Output>,
    ) {
        self.send(to, Body::ListHeld { number, first, last }, out);
    }

    pub(super) fn list_held_received(
        &mut self,
        from: MemberId,
        number: u64,
        first: u32,
        last: u32,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if self.serves() {
            let held = self.held_users(first, last, now);
            self.send(from, Body::HeldListed { number, held }, out);
        }
    }
}
