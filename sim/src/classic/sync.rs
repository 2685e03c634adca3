//! SYNC: a message that goes once round the ring to the right and so shows that the ring is whole and that all host
//! lists are one. Until a director's own has come back it lets no new users in.

use super::machine::Director;
use super::messages::{MINOR_VERSION, Message, Origin, Sync};

const RESEND_MS: u64 = 5_000;
/// So often the same SYNC is passed on.
const REPEATS_MAX: u32 = 4;
/// A count that went back is a restart, not an old message, after this time.
const STALE_S: u32 = 120;

impl Director {
    /// Something changed that the whole ring must have seen before new users are let in.
    pub(super) fn sync(&mut self) {
        self.sync_seq += 1;
        if self.left.is_none() && self.right.is_none() {
            return;
        }
        self.set_unsynced();
        if self.is_frozen {
            self.is_sync_pending = true;
            return;
        }
        let neighbours: Vec<u32> = self.left.into_iter().chain(self.right).collect();
        if self.right.is_none() {
            return;
        }
        for id in neighbours {
            self.set_connection_synced(id, false);
        }
        self.send_own_sync();
    }

    pub(super) fn send_own_sync(&mut self) {
        self.ring_changes_at_sync = self.ring_changes;
        self.last_own_sync_s = self.now_s();
        let sync = Sync {
            director: self.me(),
            seq: self.sync_seq,
            minor: MINOR_VERSION,
            timestamp_s: self.now_s(),
            hosts_hash: self.hosts.hash(),
        };
        self.send_sync(sync);
    }

    fn send_sync(&mut self, sync: Sync) {
        if let Some(right) = self.right {
            self.send(right, &Message::Sync(sync));
        }
        // A neighbour that hangs is to be noticed soon.
        for id in self.left.into_iter().chain(self.right).collect::<Vec<_>>() {
            self.ping(id);
        }
    }

    pub(super) fn send_delayed_syncs(&mut self) {
        let delayed: Vec<Sync> = self
            .known
            .values_mut()
            .filter_map(|known| known.delayed_sync.take())
            .collect();
        for sync in delayed {
            self.send_sync(sync);
        }
    }

    pub(super) fn set_unsynced(&mut self) {
        self.is_synced = false;
        self.sync_resend_at_ms = Some(self.now_ms + RESEND_MS);
    }

    pub(super) fn set_synced(&mut self) {
        self.is_handshaked = true;
        self.is_synced = true;
        self.sync_resend_at_ms = None;
        self.look_for_preferred();
        for id in self.left.into_iter().chain(self.right).collect::<Vec<_>>() {
            self.set_connection_synced(id, true);
        }
        self.known.retain(|_, known| known.removed_ms.is_none());
        self.hosts.set_synced();
        self.is_state_changed = true;
    }

    fn set_connection_synced(&mut self, id: u32, is_synced: bool) {
        let now_ms = self.now_ms;
        if let Some(connection) = self.connection_mut(id)
            && connection.is_synced != is_synced
        {
            connection.is_synced = is_synced;
            if connection.ping_sent_ms.is_none() {
                connection.watched_ms = now_ms;
            }
        }
    }

    /// The ring has not been synced for a while: perhaps the SYNC got lost.
    pub(super) fn sync_is_late(&mut self) {
        if !self.resend_sync()
            && self.right.is_none()
            && self.reconnect_at_ms.is_none()
            && !self.has_any_outgoing()
        {
            self.connect();
        }
        if !self.is_synced {
            self.sync_resend_at_ms = Some(self.now_ms + RESEND_MS);
        }
    }

    fn resend_sync(&mut self) -> bool {
        let is_due = !self.is_synced && self.left.is_some() && self.right.is_some();
        if is_due {
            self.send_own_sync();
            self.sync_resend_at_ms = Some(self.now_ms + RESEND_MS);
        }
        is_due
    }

    pub(super) fn sync_came(&mut self, sync: Sync) {
        let is_taken = if sync.director == self.me() {
            self.own_sync_came(sync);
            return;
        } else if self.known.contains_key(&sync.director) {
            self.foreign_sync_came(sync)
        } else {
            true
        };
        let is_ring_changed = self.ring_changes != self.ring_changes_at_sync;
        if is_taken && is_ring_changed && self.last_own_sync_s != self.now_s() {
            self.resend_sync();
        }
    }

    fn own_sync_came(&mut self, sync: Sync) {
        if sync.seq != self.sync_seq {
            return;
        }
        if sync.hosts_hash != 0 && sync.hosts_hash != self.hosts.hash() {
            self.resend_sync();
            return;
        }
        if !self.is_synced {
            self.set_synced();
        }
    }

    /// Whether the SYNC was taken and passed on.
    fn foreign_sync_came(&mut self, sync: Sync) -> bool {
        let own_hash = self.hosts.hash();
        let known = self.known(sync.director);
        let is_older = sync.seq < known.last_sync_seq;
        if is_older && sync.timestamp_s < known.last_sync_s + STALE_S {
            return false;
        }
        if is_older || sync.seq > known.last_sync_seq || sync.timestamp_s > known.last_sync_s {
            known.last_sync_seq = sync.seq;
            known.last_sync_s = sync.timestamp_s;
            known.sync_repeats = 1;
        } else {
            known.sync_repeats += 1;
            if known.sync_repeats > REPEATS_MAX {
                return false;
            }
        }
        if sync.hosts_hash != 0 && sync.hosts_hash != own_hash {
            if known.wrong_hosts_hash == sync.hosts_hash {
                self.resend_hosts();
            } else {
                known.wrong_hosts_hash = sync.hosts_hash;
            }
            return false;
        }
        known.wrong_hosts_hash = 0;
        let sync = Sync {
            minor: sync.minor.min(MINOR_VERSION),
            ..sync
        };
        if self.right.is_some() {
            self.send_sync(sync);
        } else {
            self.known(sync.director).delayed_sync = Some(sync);
        }
        true
    }

    /// Another director has another host list for good: it is told ours.
    fn resend_hosts(&mut self) {
        let me = self.me();
        let lines: Vec<_> = self.hosts.iter().map(|host| host.line.clone()).collect();
        for host in lines {
            let origin = Origin {
                director: me,
                seq: self.next_seq(),
            };
            let origin = Some(origin);
            self.broadcast(me, &Message::Host { origin, host });
        }
    }
}
