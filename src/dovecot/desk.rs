//! The desk where doors ask: how lookups reach the process's director, and how the answers come back.
//!
//! A door hands over all lookups of one read as one [`Batch`] and gets that very batch back, so the buffers go
//! round and no lookup allocates. What cannot be answered at once stays open in the batch and comes later, one by one.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Answer;
use crate::agreement::{HeldUsers, Whose};
use crate::director::{CommandError, Director};
use crate::topology::{Change, Epoch, MemberId, UserKey};
use crate::world::Instant;

/// The process's director, as doors see it.
pub trait Desk: Clone + Send + Sync + 'static {
    /// Takes a batch of lookups. The batch comes back by [`Batch::give_back`] at once; lookups left open in it are
    /// answered by [`Replies::late`], each once.
    fn ask(&self, batch: Batch);

    /// A user's sessions were seen alive: refreshes his hold under every tag.
    fn refresh(&self, key: UserKey);

    /// The key of a user's name, by `director_username_hash`.
    fn key(&self, name: &str) -> UserKey;

    /// Carries out an admin's changes, all or none.
    fn command(&self, changes: Vec<Change>) -> impl Future<Output = Result<Epoch, CommandError>> + Send;

    /// Closes sessions here and at every director that can be reached now.
    fn kick(&self, whose: Whose);

    /// The first users of a stretch of the hash circle, first and last hash, whom another director holds. It is asked at
    /// once, and not again; `None` when this director has stopped.
    fn held_users(
        &self,
        of: MemberId,
        first: u32,
        last: u32,
    ) -> impl Future<Output = Option<HeldUsers>> + Send + use<Self>;

    /// What `look` finds in the director, at the instant given to it. `None` when the director has stopped.
    fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Director, Instant) -> R + Send + 'static,
    ) -> impl Future<Output = Option<R>> + Send;

    /// The links to the neighbours in the ring.
    fn links(&self) -> Vec<LinkRow>;
}

/// One link of the ring, for an admin's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// To whom.
    pub peer: MemberId,
    /// Where he is.
    pub address: SocketAddr,
    /// What the link does now, in the words of `ring status`.
    pub state: Box<str>,
}

/// One lookup.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The door's name for it, for a late answer.
    pub id: u64,
    /// Who.
    pub key: UserKey,
    /// Where in the batch his name stands; see [`Batch::name`].
    pub name: Range<u32>,
    /// Where in the batch his tag stands; see [`Batch::tag`].
    pub tag: Range<u32>,
    /// To be filled in; left empty when the answer comes later.
    pub answer: Option<Answer>,
}

/// The lookups of one read of a door.
#[derive(Debug)]
pub struct Batch {
    /// The lookups, in the order of their lines.
    pub asked: Vec<Asked>,
    pub(super) bytes: Vec<u8>,
    pub(super) replies: Replies,
}

impl Batch {
    /// The name of the user that was looked up, without that of a master user.
    pub fn name(&self, asked: &Asked) -> &str {
        self.text(&asked.name)
    }

    /// The name of the tag, "" by default.
    pub fn tag(&self, asked: &Asked) -> &str {
        self.text(&asked.tag)
    }

    /// Where late answers of this batch go.
    pub fn replies(&self) -> Replies {
        self.replies.clone()
    }

    /// Brings the batch, answered as far as possible, back to its door; drops it when the door is gone. `decided` is
    /// when its answers were true.
    pub fn give_back(self, decided: Instant) {
        let replies = self.replies.clone();
        // A connection that ended meanwhile wants no answer.
        let _ = replies.to_door.send(Answered::Batch { batch: self, decided });
    }

    fn text(&self, range: &Range<u32>) -> &str {
        let bytes = self.bytes.get(range.start as usize..range.end as usize);
        bytes.and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

/// What a door gets from the desk.
#[derive(Debug)]
pub enum Answered {
    /// The batch that it handed over.
    Batch {
        /// With its answers.
        batch: Batch,
        /// When they were true.
        decided: Instant,
    },
    /// The answer to a lookup that was left open.
    Late {
        /// The door's name for the lookup.
        id: u64,
        /// Its answer.
        answer: Answer,
        /// When that was true.
        decided: Instant,
    },
}

/// The way back to one connection of a door.
#[derive(Clone, Debug)]
pub struct Replies {
    to_door: UnboundedSender<Answered>,
}

impl Replies {
    /// A way back, and its end at the door. At most one batch and the answers to the lookups left open are ever on it.
    pub fn new() -> (Self, UnboundedReceiver<Answered>) {
        let (to_door, answers) = unbounded_channel();
        (Replies { to_door }, answers)
    }

    /// Answers a lookup that was left open; `decided` is when the answer was true. An answer that nobody waits for any
    /// more is dropped.
    pub fn late(&self, id: u64, answer: Answer, decided: Instant) {
        // A connection that ended meanwhile wants no answer.
        let _ = self.to_door.send(Answered::Late { id, answer, decided });
    }
}
