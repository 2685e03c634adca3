//! When a director has something to do by itself, and what.

use super::machine::Director;

const FORGET_EVERY_MS: u64 = 30_000;

impl Director {
    /// When [`super::Input::Tick`] is wanted next, in milliseconds of the machine's Unix time.
    pub fn next_wakeup_ms(&self) -> u64 {
        let (idle_ms, max_ms) = (
            self.settings.ping_idle_timeout_ms,
            self.settings.ping_max_timeout_ms,
        );
        let connections = self.connections.iter().map(|c| c.deadline(idle_ms, max_ms).0);
        let timers = [
            self.reconnect_at_ms.map(|(at_ms, _)| at_ms),
            self.sync_resend_at_ms,
            self.requests_at_ms,
            self.next_move_ends_ms(),
            self.next_command_ms(),
            Some(self.forget_at_ms),
        ];
        let next = connections.chain(timers.into_iter().flatten()).min();
        next.unwrap_or(self.forget_at_ms)
    }

    pub(super) fn tick(&mut self) {
        let now_ms = self.now_ms;
        let is_due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        self.look_at_connections();
        if let Some((at_ms, kind)) = self.reconnect_at_ms
            && at_ms <= now_ms
        {
            self.reconnect_is_due(kind);
        }
        if is_due(self.sync_resend_at_ms) {
            self.sync_is_late();
        }
        self.look_at_moves();
        if is_due(self.requests_at_ms) {
            self.requests_are_late();
        }
        if is_due(self.next_command_ms()) {
            self.try_commands();
        }
        if self.forget_at_ms <= now_ms {
            self.forget_at_ms = now_ms + FORGET_EVERY_MS;
            let now_s = self.now_s();
            self.users.forget_expired(now_s);
            let is_kept = |at: Option<u64>| at.is_none_or(|at| at + FORGET_EVERY_MS > now_ms);
            self.known.retain(|_, known| is_kept(known.removed_ms));
        }
    }
}
