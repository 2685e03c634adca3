//! One connection between two directors: what is known of it, and the timers that watch over it.

use super::messages::Place;

const ME_WAIT_MS: u64 = 10_000;
const CONNECT_WAIT_MS: u64 = 10_000;
const DONE_WAIT_MS: u64 = 40_000;
const SEND_USERS_WAIT_MS: u64 = 30_000;
const PING_EVERY_MS: u64 = 15_000;
const PING_EVERY_UNSYNCED_MS: u64 = 1_000;

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: u32,
    pub(super) is_incoming: bool,
    /// The other director: known from the start on outgoing ones, by its ME on incoming ones.
    pub(super) peer: Option<Place>,
    pub(super) is_connected: bool,
    pub(super) connected_ms: u64,
    pub(super) is_version_received: bool,
    pub(super) is_me_received: bool,
    pub(super) is_done_received: bool,
    pub(super) is_synced: bool,
    /// Inside the host list of a handshake, and what is done with the hosts there.
    pub(super) host_list: Option<HostList>,
    pub(super) is_verifying_left: bool,
    /// It was told to go elsewhere, or was wrong itself: closed at this time, input of it is ignored.
    pub(super) close_at_ms: Option<u64>,
    /// A PING is out since this time.
    pub(super) ping_sent_ms: Option<u64>,
    /// From when on the next thing is waited for: any input, and what restarts a timer.
    pub(super) watched_ms: u64,
}

/// What is done with the hosts of a handshake's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostList {
    Merged,
    Ignored,
}

/// What a connection's timer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A PING is to be sent.
    Ping,
    /// The other side is taken for dead, with these words to it.
    Dead(&'static str),
    /// It has not gone by itself.
    Close,
}

impl Connection {
    pub(super) fn new(id: u32, peer: Option<Place>, now_ms: u64) -> Self {
        let is_incoming = peer.is_none();
        Connection {
            id,
            is_incoming,
            peer,
            is_connected: is_incoming,
            connected_ms: now_ms,
            is_version_received: false,
            is_me_received: false,
            is_done_received: false,
            is_synced: false,
            host_list: None,
            is_verifying_left: false,
            close_at_ms: None,
            ping_sent_ms: None,
            watched_ms: now_ms,
        }
    }

    /// When its timer is due, and for what.
    pub(super) fn deadline(&self, idle_timeout_ms: u64, max_timeout_ms: u64) -> (u64, Due) {
        let (at_ms, due) = self.watch_deadline(idle_timeout_ms, max_timeout_ms);
        match self.close_at_ms {
            Some(close_at_ms) if close_at_ms <= at_ms => (close_at_ms, Due::Close),
            _ => (at_ms, due),
        }
    }

    fn watch_deadline(&self, idle_timeout_ms: u64, max_timeout_ms: u64) -> (u64, Due) {
        let from_ms = self.watched_ms;
        if !self.is_connected {
            return (from_ms + CONNECT_WAIT_MS, Due::Dead("Handshake timeout"));
        }
        if let Some(sent_ms) = self.ping_sent_ms {
            let idle_at_ms = from_ms.max(sent_ms) + idle_timeout_ms;
            let max_at_ms = sent_ms + max_timeout_ms;
            return if idle_at_ms <= max_at_ms {
                (idle_at_ms, Due::Dead("Ping timeout"))
            } else {
                (max_at_ms, Due::Dead("Pong timeout"))
            };
        }
        if !self.is_me_received {
            return (from_ms + ME_WAIT_MS, Due::Dead("Handshake timeout"));
        }
        if !self.is_done_received {
            let wait_ms = if self.is_incoming {
                DONE_WAIT_MS
            } else {
                SEND_USERS_WAIT_MS
            };
            return (from_ms + wait_ms, Due::Dead("Handshake timeout"));
        }
        let every_ms = if self.is_synced {
            PING_EVERY_MS
        } else {
            PING_EVERY_UNSYNCED_MS
        };
        (from_ms + every_ms, Due::Ping)
    }
}
