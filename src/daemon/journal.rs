//! The journal of holds: whose sessions a killed director has left behind in processes that outlived it.
//!
//! ```text
//! entry   length u16, checksum u32, then so many bytes: a kind, a key, a tag; of a hold also the backend and the name
//! ```
//!
//! A journal that begins with its heading is complete: no answer leaves this process before the hold that it makes is
//! in the journal. When the journal can't be written it is emptied, heading and all, and the next run knows that
//! it does not know everything. Holds that ended by themselves are not struck out; a later run holds their users
//! once more for `user_expire`, which does no harm.

mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::saver::Saved;
use crate::director::{Holds, RefuseReason};
use crate::dovecot::{Answer, Batch, Replies};
use crate::lookups::Found;
use crate::topology::{BackendId, UserId};
use crate::world::{Instant, Storage, World};

pub use reader::journalled_keys;
pub(super) use reader::{Left, Reader, keys};

/// The journal's name in the state folder.
pub const JOURNAL: &str = "holds";

const HEAD_BYTES: usize = 6;
const HEADING: u8 = 0;
const HELD: u8 = 1;
const GONE: u8 = 2;
/// A journal with this many entries more than twice the holds is written anew.
const SLACK: usize = 50_000;

fn checksum(entry: &[u8]) -> [u8; 4] {
    // Begun with something, so that zeros are no entry.
    let mut sum = crc32fast::Hasher::new_with_initial(0x6d64_0001);
    sum.update(entry);
    sum.finalize().to_le_bytes()
}

/// Entries that are not in the journal yet.
#[derive(Debug, Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    count: usize,
}

impl Entries {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A user is held from now on.
    pub fn held(&mut self, user: UserId, backend: BackendId, name: &str) {
        let start = self.begin(HELD, user);
        self.bytes.extend(backend.index().to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.end(start);
    }

    /// A user is held no more.
    pub fn gone(&mut self, user: UserId) {
        let start = self.begin(GONE, user);
        self.end(start);
    }

    /// Everything that is held, from the heading on.
    pub fn whole(holds: &Holds) -> Self {
        let mut entries = Entries::default();
        entries.bytes.extend([0; HEAD_BYTES]);
        entries.bytes.push(HEADING);
        entries.end(0);
        for hold in holds.iter() {
            entries.held(hold.user, hold.backend, hold.name);
        }
        entries
    }

    fn begin(&mut self, kind: u8, user: UserId) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; HEAD_BYTES]);
        self.bytes.push(kind);
        self.bytes.extend(user.key.to_bits().to_le_bytes());
        self.bytes.extend(user.tag.index().to_le_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let body = start + HEAD_BYTES;
        let length = u16::try_from(self.bytes.len() - body).expect("a name has at most 255 bytes");
        let sum = checksum(&self.bytes[body..]);
        self.bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
        self.bytes[start + 2..body].copy_from_slice(&sum);
        self.count += 1;
    }
}

/// An answer that may leave the process once the journal has what it promises.
#[derive(Debug)]
pub(super) enum Delivery {
    Batch(Batch),
    Late {
        replies: Replies,
        id: u64,
        answer: Answer,
    },
    One(Box<LookedUp>),
}

/// The answer to one lookup of another door than Dovecot's, and who asked.
#[derive(Debug)]
pub(super) struct LookedUp {
    pub reply: oneshot::Sender<Result<Found, RefuseReason>>,
    pub found: Result<Found, RefuseReason>,
}

impl Delivery {
    /// `decided` is when the answers were true.
    pub fn deliver(self, decided: Instant) {
        match self {
            Delivery::Batch(batch) => batch.give_back(decided),
            Delivery::Late { replies, id, answer } => replies.late(id, answer, decided),
            Delivery::One(looked_up) => {
                let LookedUp { reply, found } = *looked_up;
                // Whoever asked may have gone.
                let _ = reply.send(found.map(|found| Found { decided, ..found }));
            }
        }
    }
}

/// One piece of work for the task that writes.
#[derive(Debug)]
pub(super) struct Writing {
    entries: Entries,
    is_whole: bool,
    deliveries: Vec<Delivery>,
    since: Instant,
}

/// The machine's end of the journal.
pub(super) struct Journal {
    writings: UnboundedSender<Writing>,
    /// Entries for the next writing.
    pub entries: Entries,
    /// Answers that wait for it.
    pub deliveries: Vec<Delivery>,
    written: usize,
    /// Writings that are not done.
    under_way: Arc<AtomicUsize>,
}

impl Journal {
    /// `under_way` is shared with the task that writes.
    pub fn new(writings: UnboundedSender<Writing>, under_way: Arc<AtomicUsize>) -> Self {
        Journal {
            writings,
            under_way,
            entries: Entries::default(),
            deliveries: Vec::new(),
            written: 0,
        }
    }

    /// Goes on with the journal of an earlier run, which has so many entries.
    pub fn go_on(&mut self, entries: usize) {
        self.written = entries;
    }

    /// Hands over what has gathered since `turn`, when no answer had been decided. Answers that promise nothing new leave
    /// at once, unless what they promise is still being written.
    pub fn flush(&mut self, holds: &Holds, turn: Instant) {
        let is_whole = self.written > SLACK + 2 * holds.len();
        if self.entries.is_empty() && !is_whole {
            if self.deliveries.is_empty() {
                return;
            }
            if self.under_way.load(Ordering::Acquire) == 0 {
                let deliveries = self.deliveries.drain(..);
                deliveries.for_each(|delivery| delivery.deliver(turn));
                return;
            }
        }
        if is_whole {
            self.write_whole(holds, turn);
            return;
        }
        self.written += self.entries.count;
        let entries = std::mem::take(&mut self.entries);
        self.hand_over(entries, false, turn);
    }

    /// Writes the journal anew.
    pub fn write_whole(&mut self, holds: &Holds, now: Instant) {
        let whole = Entries::whole(holds);
        self.entries = Entries::default();
        self.written = whole.count;
        self.hand_over(whole, true, now);
    }

    fn hand_over(&mut self, entries: Entries, is_whole: bool, since: Instant) {
        let writing = Writing {
            entries,
            is_whole,
            deliveries: std::mem::take(&mut self.deliveries),
            since,
        };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        // The task ends only with this.
        let _ = self.writings.send(writing);
    }
}

/// What the task that writes shares with the machine's.
pub(super) struct Writer {
    pub writings: UnboundedReceiver<Writing>,
    /// Writings that are not done.
    pub under_way: Arc<AtomicUsize>,
    /// Where to tell when the journal had to be emptied.
    pub told: UnboundedSender<Saved>,
}

/// Writes what comes, and lets the answers go.
pub(super) async fn write<W: World>(world: W, writer: Writer) {
    let Writer {
        mut writings,
        under_way,
        told,
    } = writer;
    let storage = world.storage();
    let mut is_broken = false;
    while let Some(writing) = writings.recv().await {
        let written = if writing.is_whole {
            storage.rewrite(JOURNAL, &writing.entries.bytes).await
        } else if is_broken || writing.entries.is_empty() {
            Ok(())
        } else {
            storage.append(JOURNAL, &writing.entries.bytes).await
        };
        match written {
            Ok(()) if writing.is_whole && is_broken => {
                info!("the journal of holds is whole again");
                is_broken = false;
            }
            Ok(()) => {}
            Err(why) => {
                if !is_broken {
                    error!(
                        "{why}; logins go on, but if this process ends before the journal is whole again, the next one \
                         closes all sessions before it serves"
                    );
                }
                is_broken = true;
                if let Err(why) = storage.truncate(JOURNAL).await {
                    error!("{why}; remove the file \"{JOURNAL}\" in the state folder before a restart");
                }
                if told.send(Saved::JournalBroken).is_err() {
                    return;
                }
            }
        }
        for delivery in writing.deliveries {
            delivery.deliver(writing.since);
        }
        under_way.fetch_sub(1, Ordering::AcqRel);
    }
}
