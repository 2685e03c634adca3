//! Making the machine's record durable, outside of its task: only the newest one counts.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::{error, info};

use crate::agreement::Record;
use crate::ring::encode_record;
use crate::world::{Storage, World};

/// The record's name in the state folder.
pub(super) const RECORD: &str = "record";

/// A record to be made durable.
pub(super) struct Saving {
    pub number: u64,
    pub record: Arc<Record>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// It is durable, and so are all with lower numbers.
    Durable(u64),
    /// It is not; the machine tries again with a newer one.
    Failed,
    /// The journal of holds had to be emptied.
    JournalBroken,
}

/// Saves what comes, and tells what became of it, until nobody sends any more.
pub(super) async fn run<W: World>(
    world: W,
    mut records: UnboundedReceiver<Saving>,
    told: UnboundedSender<Saved>,
) {
    let mut is_failing = false;
    while let Some(mut newest) = records.recv().await {
        while let Ok(newer) = records.try_recv() {
            newest = newer;
        }
        let saved = match encode_record(&newest.record) {
            Ok(bytes) => world
                .storage()
                .save(RECORD, &bytes)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let outcome = match saved {
            Ok(()) => {
                if is_failing {
                    info!("the state folder takes records again; this member votes again");
                }
                is_failing = false;
                Saved::Durable(newest.number)
            }
            Err(why) => {
                if !is_failing {
                    error!("{why}; this member does not vote until its record can be saved");
                }
                is_failing = true;
                Saved::Failed
            }
        };
        if told.send(outcome).is_err() {
            return;
        }
    }
}
