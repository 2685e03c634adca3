//! The director itself: what it knows, the way in and the way out. What each input does stands in the rooms beside
//! this one, all of them `impl Director`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::admin::{Command, Waiting};
use super::connection::Connection;
use super::hosts::Hosts;
use super::lookup::Pending;
use super::messages::{HostLine, Message, Place, Sync};
use super::users::{UserKey, Users};

/// Numbers of incoming connections, which the world gives, begin here; those below are the director's own.
pub const INCOMING_FROM: u32 = 1 << 31;

/// What a director is started with; times are Dovecot's settings of the same name.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "Dovecot's settings by their names")]
pub struct Settings {
    /// The address of this director, which is among `directors`.
    pub me: Place,
    /// `director_servers`.
    pub directors: Vec<Place>,
    /// `director_mail_servers`.
    pub hosts: Vec<HostLine>,
    pub user_expire_s: u32,
    pub user_kick_delay_ms: u64,
    pub ping_idle_timeout_ms: u64,
    pub ping_max_timeout_ms: u64,
    pub max_parallel_moves: usize,
}

impl Settings {
    /// Dovecot's defaults.
    pub fn new(me: Place, directors: Vec<Place>, hosts: Vec<HostLine>) -> Self {
        Settings {
            me,
            directors,
            hosts,
            user_expire_s: 900,
            user_kick_delay_ms: 2_000,
            ping_idle_timeout_ms: 30_000,
            ping_max_timeout_ms: 60_000,
            max_parallel_moves: 100,
        }
    }
}

/// Something that happens to a director.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// It starts; nothing was given before.
    Start,
    /// Another director has connected.
    Accepted {
        /// The number of the connection, from [`INCOMING_FROM`].
        connection: u32,
    },
    /// A connection that was asked for stands.
    Connected {
        /// Which.
        connection: u32,
    },
    /// A connection ended, or one that was asked for can't be made.
    Closed {
        /// Which.
        connection: u32,
    },
    /// A line came, given without its end.
    Line {
        /// On which connection.
        connection: u32,
        /// What it says.
        line: &'a str,
    },
    /// Somebody wants to log in.
    Login {
        /// Names the login in the answer.
        token: u64,
        /// The user's tag, empty for none.
        tag: &'a str,
        /// The hash of the user's name.
        hash: u32,
    },
    /// A login process says that a session of the user is still there.
    Refresh {
        /// The hash of the user's name.
        hash: u32,
    },
    /// A kick that was to be waited for is done.
    Kicked {
        /// Whose, as [`Output::Kick`] had it.
        tag: &'a str,
        /// Whose.
        hash: u32,
    },
    /// An admin wants something.
    Command {
        /// Names the command in the reply.
        id: u64,
        /// What.
        command: Command,
    },
    /// A timer may be due.
    Tick,
}

/// Something that a director wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to another director.
    Connect {
        /// How the connection is named from now on.
        connection: u32,
        /// Whom to.
        to: Place,
    },
    /// Send a line, given without its end.
    Send {
        /// On which connection.
        connection: u32,
        /// What.
        line: String,
    },
    /// Close a connection when all that was sent on it has gone.
    Close {
        /// Which.
        connection: u32,
    },
    /// The login goes to this mail server.
    Route {
        /// Which login.
        token: u64,
        /// Where to.
        host: IpAddr,
    },
    /// The login fails for now.
    Refuse {
        /// Which login.
        token: u64,
    },
    /// Close the sessions that this director's login processes have of a user.
    Kick {
        /// The user's tag; kicks go by the hash alone.
        tag: String,
        /// The hash of the user's name.
        hash: u32,
        /// Sessions on this mail server are spared.
        except: Option<IpAddr>,
        /// [`Input::Kicked`] is wanted when it is done.
        is_awaited: bool,
    },
    /// A command is answered.
    Reply {
        /// Which.
        id: u64,
        /// Whether it was carried out. After a time out in the wait for the ring the change stays.
        is_done: bool,
    },
    /// Two directors had one user on two mail servers; it is in the log as an error.
    Conflict {
        /// The hash of the user's name.
        hash: u32,
    },
}

/// What is known of a director, oneself included.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) last_seq: u32,
    pub(super) last_sync_seq: u32,
    pub(super) last_sync_s: u32,
    pub(super) sync_repeats: u32,
    /// The host list of its last SYNC, if that was not ours.
    pub(super) wrong_hosts_hash: u32,
    pub(super) delayed_sync: Option<Sync>,
    pub(super) network_failed_ms: Option<u64>,
    pub(super) protocol_failed_ms: Option<u64>,
    pub(super) removed_ms: Option<u64>,
}

impl Known {
    /// It may have been restarted: its counts begin anew.
    pub(super) fn restarted(&mut self) {
        self.last_seq = 0;
        self.last_sync_seq = 0;
        self.last_sync_s = 0;
        self.sync_repeats = 0;
    }
}

/// One of Dovecot's directors.
#[derive(Debug)]
pub struct Director {
    pub(super) settings: Settings,
    pub(super) now_ms: u64,
    pub(super) out: Vec<Output>,

    pub(super) known: BTreeMap<Place, Known>,
    pub(super) connections: Vec<Connection>,
    pub(super) next_connection: u32,
    pub(super) left: Option<u32>,
    pub(super) right: Option<u32>,

    pub(super) hosts: Hosts,
    pub(super) users: Users,
    /// Who has a kill going on.
    pub(super) moving: BTreeSet<UserKey>,
    pub(super) pending: Vec<Pending>,
    pub(super) commands: Vec<Waiting>,

    pub(super) sync_seq: u32,
    pub(super) is_handshaked: bool,
    pub(super) is_synced: bool,
    pub(super) is_frozen: bool,
    pub(super) is_sync_pending: bool,
    pub(super) ring_changes: u32,
    pub(super) ring_changes_at_sync: u32,
    pub(super) last_own_sync_s: u32,
    /// Requests that wait are to be tried again.
    pub(super) is_state_changed: bool,

    pub(super) first_alone_ms: Option<u64>,
    pub(super) reconnect_at_ms: Option<(u64, Reconnect)>,
    pub(super) sync_resend_at_ms: Option<u64>,
    pub(super) requests_at_ms: Option<u64>,
    pub(super) forget_at_ms: u64,
}

/// What a reconnect timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reconnect {
    /// Tries everybody.
    Quick,
    /// Tries the director to the right.
    Preferred,
}

impl Director {
    /// A director that has not been started.
    ///
    /// # Panics
    /// `me` is not among the directors.
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        assert!(
            settings.directors.contains(&settings.me),
            "director_servers doesn't list ourself"
        );
        let known = settings
            .directors
            .iter()
            .map(|place| (*place, Known::default()))
            .collect();
        Director {
            now_ms,
            out: Vec::new(),
            known,
            connections: Vec::new(),
            next_connection: 0,
            left: None,
            right: None,
            hosts: Hosts::new(&settings.hosts),
            users: Users::new(settings.user_expire_s),
            moving: BTreeSet::new(),
            pending: Vec::new(),
            commands: Vec::new(),
            sync_seq: 0,
            is_handshaked: false,
            is_synced: false,
            is_frozen: false,
            is_sync_pending: false,
            ring_changes: 0,
            ring_changes_at_sync: 0,
            last_own_sync_s: 0,
            is_state_changed: false,
            first_alone_ms: None,
            reconnect_at_ms: None,
            sync_resend_at_ms: None,
            requests_at_ms: None,
            forget_at_ms: now_ms,
            settings,
        }
    }

    /// Takes one input at `now_ms`, milliseconds of the machine's Unix time, and adds what it wants done to `out`.
    pub fn handle(&mut self, now_ms: u64, input: Input<'_>, out: &mut Vec<Output>) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Start => self.connect(),
            Input::Accepted { connection } => self.accepted(connection),
            Input::Connected { connection } => self.connected(connection),
            Input::Closed { connection } => self.lost(connection),
            Input::Line { connection, line } => self.line_came(connection, line),
            Input::Login { token, tag, hash } => self.login(token, tag, hash),
            Input::Refresh { hash } => self.refresh(hash),
            Input::Kicked { tag, hash } => {
                let tag = tag.to_owned();
                self.kicked(&UserKey { tag, hash });
            }
            Input::Command { id, command } => self.command(id, command),
            Input::Tick => self.tick(),
        }
        if std::mem::take(&mut self.is_state_changed) {
            self.try_pending();
            self.try_commands();
        }
        out.append(&mut self.out);
    }

    /// Whether new users are let in.
    pub fn is_synced(&self) -> bool {
        self.is_handshaked && self.is_synced
    }

    /// Its left and right neighbour in the ring.
    pub fn neighbours(&self) -> (Option<Place>, Option<Place>) {
        let place = |id: Option<u32>| id.and_then(|id| self.connection(id)).and_then(|c| c.peer);
        (place(self.left), place(self.right))
    }

    /// Where this director believes a user to be, when it remembers him.
    pub fn host_of(&self, tag: &str, hash: u32, now_ms: u64) -> Option<IpAddr> {
        let tag = tag.to_owned();
        let key = UserKey { tag, hash };
        let now_s = (now_ms / 1_000) as u32;
        let mut living = self.users.living(now_s).filter(|(at, _)| **at == key);
        living.next().map(|(_, user)| user.host)
    }

    /// The host list in one number.
    pub fn hosts_hash(&self) -> u32 {
        self.hosts.hash()
    }

    pub(super) fn me(&self) -> Place {
        self.settings.me
    }

    pub(super) fn now_s(&self) -> u32 {
        (self.now_ms / 1_000) as u32
    }

    pub(super) fn known(&mut self, place: Place) -> &mut Known {
        self.known.entry(place).or_default()
    }

    /// The number of one's own next telling.
    pub(super) fn next_seq(&mut self) -> u32 {
        let me = self.me();
        let known = self.known(me);
        known.last_seq += 1;
        known.last_seq
    }

    pub(super) fn send(&mut self, connection: u32, message: &Message) {
        self.out.push(Output::Send {
            connection,
            line: message.to_string(),
        });
    }

    /// Sends to everybody but one director: also to who has not finished his handshake.
    pub(super) fn broadcast(&mut self, except: Place, message: &Message) {
        let line = message.to_string();
        let to = self
            .connections
            .iter()
            .filter(|c| c.is_connected && c.peer != Some(except));
        for connection in to {
            self.out.push(Output::Send {
                connection: connection.id,
                line: line.clone(),
            });
        }
    }
}
