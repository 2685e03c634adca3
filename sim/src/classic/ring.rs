//! Who is left and who is right: connecting, losing a connection, being alone, and the CONNECT by which directors send
//! each other elsewhere. What is said while connecting is left to `handshake`.

use super::connection::{Connection, Due};
use super::machine::{Director, Output, Reconnect};
use super::messages::{Message, Place};

/// A host that failed is not tried again so long.
const RETRY_FAILED_MS: u64 = 60_000;
/// A connection that lived shorter says that the network is bad.
const GOOD_LIFE_MS: u64 = 40_000;
/// So long, once in the life of a process, others are waited for before it counts itself alone.
const ALONE_MAX_MS: u64 = 20_000;
const QUICK_RETRY_MS: u64 = 1_000;
const PREFERRED_RETRY_MS: u64 = 30_000;
const AFTER_CONNECT_MS: u64 = 10_000;
const AFTER_WRONG_CONNECT_MS: u64 = 1_000;

impl Director {
    pub(super) fn connection(&self, id: u32) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    pub(super) fn connection_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// The other directors, in the order in which they are met going right.
    fn rightward(&self) -> Vec<Place> {
        let me = self.me();
        let others = |place: &&Place| self.known[place].removed_ms.is_none();
        let after = self.known.keys().filter(|place| **place > me);
        let before = self.known.keys().filter(|place| **place < me);
        after.chain(before).filter(others).copied().collect()
    }

    /// Connects to the first director on the right that has not failed lately. Without any, this one is alone.
    pub(super) fn connect(&mut self) {
        let others = self.rightward();
        for place in &others {
            let now_ms = self.now_ms;
            let known = self.known(*place);
            let is_recent = |at: Option<u64>| at.is_some_and(|at| at + RETRY_FAILED_MS > now_ms);
            if !is_recent(known.network_failed_ms) && !is_recent(known.protocol_failed_ms) {
                self.connect_to(*place);
                return;
            }
        }
        if !others.is_empty() && self.waits_for_others() {
            return;
        }
        self.is_alone();
    }

    fn waits_for_others(&mut self) -> bool {
        let first_ms = *self.first_alone_ms.get_or_insert(self.now_ms);
        if self.now_ms - first_ms > ALONE_MAX_MS {
            return false;
        }
        for known in self.known.values_mut() {
            known.network_failed_ms = None;
            known.protocol_failed_ms = None;
        }
        self.reconnect_at_ms = Some((self.now_ms + QUICK_RETRY_MS, Reconnect::Quick));
        true
    }

    /// Nobody can be reached: this director serves by its own list from now on.
    fn is_alone(&mut self) {
        if let Some(left) = self.left.take() {
            self.drop_connection(left, "This connection is dead?");
        }
        if !self.is_synced {
            self.set_synced();
        }
    }

    fn has_outgoing(&self, place: Place) -> bool {
        self.connections
            .iter()
            .any(|c| !c.is_incoming && c.peer == Some(place))
    }

    pub(super) fn has_any_outgoing(&self) -> bool {
        self.connections
            .iter()
            .any(|c| !c.is_incoming && c.close_at_ms.is_none())
    }

    pub(super) fn connect_to(&mut self, place: Place) {
        if self.has_outgoing(place) {
            return;
        }
        let known = self.known(place);
        known.network_failed_ms = None;
        known.restarted();
        let id = self.next_connection;
        self.next_connection += 1;
        self.connections
            .push(Connection::new(id, Some(place), self.now_ms));
        self.out.push(Output::Connect {
            connection: id,
            to: place,
        });
    }

    pub(super) fn reconnect_is_due(&mut self, kind: Reconnect) {
        match kind {
            Reconnect::Quick => {
                self.reconnect_at_ms = None;
                if self.right.is_none() {
                    self.connect();
                }
            }
            Reconnect::Preferred => {
                self.reconnect_at_ms = Some((self.now_ms + PREFERRED_RETRY_MS, Reconnect::Preferred));
                let preferred = self.rightward().first().copied();
                if let Some(preferred) = preferred.filter(|_| self.right_peer() != preferred) {
                    self.connect_to(preferred);
                }
            }
        }
    }

    pub(super) fn right_peer(&self) -> Option<Place> {
        self.neighbours().1
    }

    pub(super) fn left_peer(&self) -> Option<Place> {
        self.neighbours().0
    }

    /// The reconnect timer after the ring was synced: on while the right is not the preferred one.
    pub(super) fn look_for_preferred(&mut self) {
        let preferred = self.rightward().first().copied();
        self.reconnect_at_ms = (self.right_peer() != preferred)
            .then_some((self.now_ms + PREFERRED_RETRY_MS, Reconnect::Preferred));
    }

    pub(super) fn accepted(&mut self, id: u32) {
        self.connections.push(Connection::new(id, None, self.now_ms));
        self.send_greeting(id);
    }

    /// The other side closed the connection, or it never stood.
    pub(super) fn lost(&mut self, id: u32) {
        self.disconnected(id, "");
    }

    /// A connection is at its end; one that did not live long says that its network is bad.
    pub(super) fn disconnected(&mut self, id: u32, reason: &str) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_short = !connection.is_connected || connection.connected_ms + GOOD_LIFE_MS > now_ms;
        if let (true, Some(peer)) = (is_short, connection.peer) {
            self.known(peer).network_failed_ms = Some(now_ms);
        }
        self.drop_connection(id, reason);
        if self.right.is_none() {
            self.connect();
        }
    }

    /// Something that makes no sense came: the connection ends, and the other director is left alone for a while.
    pub(super) fn protocol_failed(&mut self, id: u32, reason: &str) {
        let now_ms = self.now_ms;
        if let Some(peer) = self.connection(id).and_then(|c| c.peer) {
            self.known(peer).protocol_failed_ms = Some(now_ms);
        }
        self.give_up(id, reason);
    }

    /// Ends a connection and looks for another right when it was the right one.
    pub(super) fn give_up(&mut self, id: u32, reason: &str) {
        self.drop_connection(id, reason);
        if self.right.is_none() {
            self.connect();
        }
    }

    /// Ends a connection, with a word to the other side when there is one.
    pub(super) fn drop_connection(&mut self, id: u32, reason: &str) {
        let Some(at) = self.connections.iter().position(|c| c.id == id) else {
            return;
        };
        let connection = self.connections.remove(at);
        if !reason.is_empty() && connection.is_connected && connection.is_version_received {
            self.send(id, &Message::Quit(reason.to_owned()));
        }
        self.out.push(Output::Close { connection: id });
        if self.left == Some(id) {
            self.left = None;
            self.assign_any_left();
        }
        if self.right == Some(id) {
            self.right = None;
        }
        if self.left.is_none() || self.right.is_none() {
            // Unsynced until it is connected to a ring again.
            self.sync_seq += 1;
            self.set_unsynced();
        }
    }

    /// ME came on an incoming connection: who belongs to the left?
    pub(super) fn greeted_from_left(&mut self, id: u32, peer: Place) {
        let Some(left) = self.left else {
            self.known(peer).network_failed_ms = None;
            if !self.has_any_outgoing() {
                self.connect();
            }
            return;
        };
        let left_peer = self.left_peer().expect("a left neighbour has said who it is");
        if left_peer == peer {
            self.left = None;
            self.drop_connection(left, "Replacing with new incoming connection");
        } else if self.is_more_left(peer, left_peer) {
            self.send_connect(left, peer);
        } else {
            if let Some(left) = self.connection_mut(left) {
                left.is_verifying_left = true;
            }
            self.ping(left);
        }
        debug_assert!(self.connection(id).is_some(), "the new connection stays");
    }

    /// The left neighbour that was doubted has answered: whoever wants its place is sent to it.
    pub(super) fn left_is_verified(&mut self) {
        let left_peer = self.left_peer().expect("a left neighbour has said who it is");
        let wrong: Vec<u32> = self
            .connections
            .iter()
            .filter(|c| c.is_incoming && c.is_me_received && Some(c.id) != self.left)
            .filter(|c| c.peer.is_some_and(|peer| self.is_more_left(left_peer, peer)))
            .map(|c| c.id)
            .collect();
        for id in wrong {
            self.send_connect(id, left_peer);
        }
    }

    fn send_connect(&mut self, id: u32, to: Place) {
        let close_at_ms = self.now_ms + AFTER_CONNECT_MS;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.close_at_ms.is_none() {
            connection.close_at_ms = Some(close_at_ms);
            self.send(id, &Message::Connect(to));
        }
    }

    /// Its handshake is finished: may this connection be the left neighbour now? False when it may never be.
    pub(super) fn assign_left(&mut self, id: u32) -> bool {
        let Some(peer) = self.connection(id).and_then(|c| c.peer) else {
            return false;
        };
        if peer == self.me() {
            return false;
        }
        if let Some(left) = self.left {
            let left_peer = self.left_peer().expect("a left neighbour has said who it is");
            let is_verifying = self.connection(left).is_some_and(|c| c.is_verifying_left);
            if left_peer == peer {
                self.left = None;
                self.drop_connection(left, "Replacing with the new connection");
            } else if is_verifying {
                return true;
            } else {
                if self.is_more_left(left_peer, peer) {
                    self.send_connect(id, left_peer);
                }
                return true;
            }
        }
        self.left = Some(id);
        self.assigned(id);
        true
    }

    fn assign_any_left(&mut self) {
        let waiting: Vec<u32> = self
            .connections
            .iter()
            .filter(|c| c.is_incoming && c.is_done_received && c.close_at_ms.is_none())
            .map(|c| c.id)
            .collect();
        for id in waiting {
            if self.left != Some(id) && !self.assign_left(id) {
                self.drop_connection(id, "Unwanted incoming connection");
            }
        }
    }

    /// Its handshake is finished: may this connection be the right neighbour? False when another one is better.
    pub(super) fn assign_right(&mut self, id: u32) -> bool {
        let Some(peer) = self.connection(id).and_then(|c| c.peer) else {
            return false;
        };
        if let (Some(right), Some(right_peer)) = (self.right, self.right_peer()) {
            if !self.is_more_right(peer, right_peer) {
                return false;
            }
            self.drop_connection(right, &format!("Replacing with {}:{}", peer.ip, peer.port));
        }
        self.right = Some(id);
        self.assigned(id);
        self.send_delayed_syncs();
        true
    }

    fn assigned(&mut self, id: u32) {
        if self.left.is_some() && self.right.is_some() {
            self.sync_seq += 1;
            self.set_unsynced();
            self.send_own_sync();
        }
        let now_ms = self.now_ms;
        if let Some(connection) = self.connection_mut(id) {
            connection.watched_ms = now_ms;
        }
    }

    /// CONNECT: this director's right should be another one.
    pub(super) fn connect_came(&mut self, id: u32, to: Place) {
        let known = self.known(to);
        let is_removed = known.removed_ms.is_some();
        let is_better = self
            .right_peer()
            .is_none_or(|right| self.is_more_right(to, right));
        if is_removed || !is_better {
            let close_at_ms = self.now_ms + AFTER_WRONG_CONNECT_MS;
            if let Some(connection) = self.connection_mut(id) {
                connection.close_at_ms.get_or_insert(close_at_ms);
            }
            return;
        }
        let known = self.known(to);
        known.network_failed_ms = None;
        known.protocol_failed_ms = None;
        if let Some(right) = self.right {
            self.drop_connection(right, "CONNECT requested");
        }
        self.connect_to(to);
    }

    /// Going right from here, `one` comes before `other`.
    pub(super) fn is_more_right(&self, one: Place, other: Place) -> bool {
        self.order(one, other) > 0
    }

    /// `one` is the better left neighbour.
    fn is_more_left(&self, one: Place, other: Place) -> bool {
        self.order(one, other) < 0
    }

    fn order(&self, one: Place, other: Place) -> i32 {
        let me = self.me();
        if one == other {
            return 0;
        }
        if one > other {
            return -self.order(other, one);
        }
        let is_between = one < me && me < other;
        if is_between { -1 } else { 1 }
    }

    pub(super) fn ping(&mut self, id: u32) {
        let (now_ms, unix_s) = (self.now_ms, self.now_s());
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.ping_sent_ms.is_none() && connection.is_connected {
            connection.ping_sent_ms = Some(now_ms);
            connection.watched_ms = now_ms;
            self.send(id, &Message::Ping { unix_s, buffered: 0 });
        }
    }

    /// Looks at every connection's timer.
    pub(super) fn look_at_connections(&mut self) {
        let (idle_ms, max_ms) = (
            self.settings.ping_idle_timeout_ms,
            self.settings.ping_max_timeout_ms,
        );
        let ids: Vec<u32> = self.connections.iter().map(|c| c.id).collect();
        for id in ids {
            let Some(connection) = self.connection(id) else {
                continue;
            };
            let (at_ms, due) = connection.deadline(idle_ms, max_ms);
            if at_ms > self.now_ms {
                continue;
            }
            match due {
                Due::Ping => self.ping(id),
                Due::Dead(reason) => self.disconnected(id, reason),
                Due::Close => self.give_up(id, "Timeout waiting for disconnect after CONNECT"),
            }
        }
    }
}
