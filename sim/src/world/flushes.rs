//! Flush hooks: each takes a while, and whoever waits for one is let in only afterwards.

use maildirector::director::Input;
use maildirector::topology::{BackendId, UserId};

use super::happening::Happening;
use super::scene::{MS, World};
use crate::entropy::{Purpose, below};
use crate::marks::Mark;

impl World<'_> {
    pub(super) fn flush_wanted(&mut self, run: u32, user: UserId, to: BackendId) {
        self.mark(Mark::Flushed);
        self.flushing.insert((run, user));
        let number = u64::from(self.doors.next_number());
        let bits = self.entropy.draw(Purpose::Flush, u64::from(run), number);
        let takes_ns = below(bits, self.knobs().flush_ms.max(1) * MS);
        self.push(self.now + takes_ns, Happening::FlushEnds { run, user, to });
    }

    pub(super) fn flush_ends(&mut self, run: u32, user: UserId, to: BackendId) {
        let member = self.runs[run as usize].member;
        if self.is_put_off(member, Happening::FlushEnds { run, user, to }) {
            return;
        }
        self.flushing.remove(&(run, user));
        self.give(run, Input::Flushed { user, to }, Some(user));
    }
}
