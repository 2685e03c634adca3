//! What two directors say to each other when they connect, and where each line goes that comes later.

use super::connection::{Connection, HostList};
use super::machine::{Director, Known};
use super::messages::{MINOR_VERSION, Message, Place};
use super::users::UserKey;

const OPTIONS: &str = "consistent-hashing";

impl Director {
    pub(super) fn connected(&mut self, id: u32) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.is_connected = true;
        connection.connected_ms = now_ms;
        connection.watched_ms = now_ms;
        self.send_greeting(id);
        let is_there = |(_, known): &(&Place, &Known)| known.removed_ms.is_none();
        let places: Vec<Place> = self.known.iter().filter(is_there).map(|(at, _)| *at).collect();
        for place in places {
            self.send(id, &Message::Director(place));
        }
    }

    pub(super) fn send_greeting(&mut self, id: u32) {
        self.send(id, &Message::Version { minor: MINOR_VERSION });
        let me = Message::Me {
            director: self.me(),
            unix_s: Some(self.now_s()),
        };
        self.send(id, &me);
    }

    /// Hosts, users and the end, from who has connected to who was connected to.
    fn send_handshake(&mut self, id: u32) {
        let is_handshaked = self.is_handshaked;
        self.send(id, &Message::HostHandStart { is_handshaked });
        let hosts: Vec<Message> = self
            .hosts
            .iter()
            .map(|host| Message::Host {
                origin: None,
                host: host.line.clone(),
            })
            .collect();
        for host in &hosts {
            self.send(id, host);
        }
        self.send(id, &Message::HostHandEnd { is_handshaked });
        let users: Vec<Message> = self
            .users
            .living(self.now_s())
            .map(|(key, user)| Message::HandshakeUser {
                hash: key.hash,
                host: user.host,
                timestamp_s: user.timestamp_s,
                is_weak: user.is_weak,
            })
            .collect();
        for user in &users {
            self.send(id, user);
        }
        self.send(id, &Message::Options(OPTIONS.to_owned()));
        self.send(id, &Message::Done);
    }

    pub(super) fn line_came(&mut self, id: u32, line: &str) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.watched_ms = now_ms;
        if connection.close_at_ms.is_some() {
            return;
        }
        let is_in_host_list = connection.host_list.is_some();
        let message = match Message::parse(line, is_in_host_list) {
            Ok(message) => message,
            Err(bad) => return self.protocol_failed(id, &format!("Invalid input: {}", bad.command)),
        };
        self.is_frozen = true;
        self.message_came(id, message);
        self.is_frozen = false;
        if std::mem::take(&mut self.is_sync_pending) {
            self.sync();
        }
    }

    fn message_came(&mut self, id: u32, message: Message) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        if !is_in_order(connection, &message) {
            let line = message.to_string();
            let command = line.split('\t').next().unwrap_or_default();
            return self.protocol_failed(id, &format!("Invalid input: {command}"));
        }
        match message {
            Message::Version { .. } => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.is_version_received = true;
                }
                if self.connection(id).is_some_and(|c| !c.is_incoming) {
                    self.send_handshake(id);
                }
            }
            Message::Me { director, .. } => self.me_came(id, director),
            Message::HostHandStart { is_handshaked } => self.host_list_begins(id, is_handshaked),
            Message::HostHandEnd { .. } => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.host_list = None;
                }
            }
            Message::HandshakeUser {
                hash,
                host,
                timestamp_s,
                is_weak,
            } => {
                if self.hosts.find(host).is_none() {
                    return self.protocol_failed(id, "Invalid input: U");
                }
                let timestamp_s = timestamp_s.min(self.now_s());
                self.user_came(hash, host, timestamp_s, is_weak);
            }
            Message::Options(words) => {
                if !words.split(' ').any(|word| word == OPTIONS) {
                    self.protocol_failed(id, "Invalid input: OPTIONS");
                }
            }
            Message::Done => self.done_came(id),
            Message::Quit(_) => self.give_up(id, ""),
            Message::Ping { .. } => {
                let unix_s = self.now_s();
                self.send(id, &Message::Pong { unix_s, buffered: 0 });
            }
            Message::Pong { .. } => self.pong_came(id),
            Message::Connect(to) => self.connect_came(id, to),
            other => self.told(id, other),
        }
    }

    fn me_came(&mut self, id: u32, director: Place) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if !connection.is_incoming && connection.peer != Some(director) {
            return self.protocol_failed(id, "Invalid input: ME");
        }
        connection.is_me_received = true;
        if !connection.is_incoming {
            return;
        }
        connection.peer = Some(director);
        let known = self.known(director);
        known.removed_ms = None;
        known.restarted();
        let is_banned = known.protocol_failed_ms.is_some_and(|at| at + 60_000 > now_ms);
        if is_banned {
            return self.give_up(id, "Invalid input: ME");
        }
        self.greeted_from_left(id, director);
    }

    fn host_list_begins(&mut self, id: u32, is_theirs_handshaked: bool) {
        let is_ours_handshaked = self.is_handshaked;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if !connection.is_incoming {
            return self.protocol_failed(id, "Invalid input: HOST-HAND-START");
        }
        connection.host_list = Some(match (is_theirs_handshaked, is_ours_handshaked) {
            (false, true) => HostList::Ignored,
            _ => HostList::Merged,
        });
        if is_theirs_handshaked && !is_ours_handshaked {
            let ips: Vec<_> = self.hosts.iter().map(|host| host.line.ip).collect();
            for ip in ips {
                self.users.forget_host(ip);
            }
            self.hosts.clear();
        }
    }

    fn done_came(&mut self, id: u32) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.is_done_received = true;
        let is_incoming = connection.is_incoming;
        let Some(peer) = connection.peer else {
            return;
        };
        self.known(peer).network_failed_ms = None;
        if !is_incoming {
            if !self.assign_right(id) {
                self.give_up(id, "Invalid input: DONE");
            }
            return;
        }
        self.send(id, &Message::Done);
        self.ring_changes += 1;
        self.broadcast(peer, &Message::Director(peer));
        if !self.assign_left(id) {
            self.give_up(id, "Connection from self");
        }
    }

    fn pong_came(&mut self, id: u32) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.ping_sent_ms = None;
        connection.watched_ms = now_ms;
        let was_verified = std::mem::take(&mut connection.is_verifying_left);
        if was_verified && self.left == Some(id) {
            self.left_is_verified();
        }
    }

    /// DIRECTOR: somebody has joined, or was restarted.
    pub(super) fn director_came(&mut self, id: u32, place: Place) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let (is_done, from) = (connection.is_done_received, connection.peer);
        if place == self.me() {
            return;
        }
        let known = self.known(place);
        if known.removed_ms.is_some() {
            return;
        }
        if is_done {
            known.network_failed_ms = None;
        }
        known.restarted();
        // One who would be a better right than ours, and is not, is taken for crashed.
        let is_crashed = self
            .right_peer()
            .is_some_and(|right| self.is_more_right(place, right));
        if let (false, Some(from)) = (is_crashed, from) {
            self.ring_changes += 1;
            self.broadcast(from, &Message::Director(place));
        }
    }

    /// Which user a hash with a host means: the host's tag tells.
    pub(super) fn key_on(&self, hash: u32, host: std::net::IpAddr) -> Option<UserKey> {
        let tag = self.hosts.find(host)?.line.tag.clone();
        Some(UserKey { tag, hash })
    }
}

/// VERSION first, then ME, and nothing but hosts inside the list of hosts.
fn is_in_order(connection: &Connection, message: &Message) -> bool {
    if !connection.is_version_received {
        return matches!(message, Message::Version { .. } | Message::Quit(_));
    }
    if !connection.is_me_received {
        return matches!(message, Message::Me { .. } | Message::Quit(_));
    }
    match message {
        Message::Version { .. } | Message::Me { .. } => false,
        Message::Host { .. } | Message::HostHandEnd { .. } => true,
        _ => connection.host_list.is_none(),
    }
}
