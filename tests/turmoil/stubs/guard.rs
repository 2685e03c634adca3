//! What `maildirector guard` does, for one run of a director: when no word of a longer lease has come in time, it
//! closes all sessions by the real kicks. The real one reads its notes from a pipe and asks at the status socket; the
//! rest is the same.

use std::time::Duration;

use maildirector::daemon::LeaseNote;
use maildirector::dovecot::{Kick, KickBy, KickDone, KickSettings, Kicks, Processes, start_kicks};
use maildirector::world::{Address, Clock, World, select, sleep};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::BASE;
use crate::trace::Trace;
use crate::world::{SimWorld, current};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What happened.
enum Happened {
    Note(Option<LeaseNote>),
    LeaseEnded,
    TimeToLook,
}

/// Guards until another run of the director serves.
pub async fn watch(
    world: SimWorld,
    mut notes: UnboundedReceiver<LeaseNote>,
    grace: Duration,
    kick_delay: Duration,
    does_successor_serve: impl Fn() -> bool,
    trace: Trace,
) {
    let (done, mut kicked) = unbounded_channel();
    let kicks = KickSettings {
        by: Some(KickBy::Ipc),
        service: Address::Unix(format!("{BASE}/ipc").into()),
        delay: kick_delay,
        processes: Processes::new(|_| true, true),
    };
    let kicks = start_kicks(world.clone(), kicks, done);
    let mut note: Option<LeaseNote> = None;
    let mut has_ended = false;
    loop {
        if has_ended && (does_successor_serve() || note.is_none()) {
            return;
        }
        let ends_at = note.as_ref().map(|note| note.until.plus(grace));
        let clock = world.clock();
        let ended = async {
            match ends_at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let happened = if has_ended {
            select! {
                () = ended => Happened::LeaseEnded,
                () = sleep(clock, LOOK_EVERY) => Happened::TimeToLook,
            }
        } else {
            select! {
                note = notes.recv() => Happened::Note(note),
                () = ended => Happened::LeaseEnded,
            }
        };
        match happened {
            Happened::Note(Some(newer)) => note = Some(newer),
            Happened::Note(None) => has_ended = true,
            Happened::TimeToLook => {}
            Happened::LeaseEnded => {
                trace.note(&current(), "the guard closes all sessions");
                close_all(&kicks, &mut kicked, note.take()).await;
            }
        }
    }
}

async fn close_all(kicks: &Kicks, kicked: &mut UnboundedReceiver<KickDone>, note: Option<LeaseNote>) {
    let Some(note) = note else {
        return;
    };
    let all = Kick::All {
        token: 1,
        backends: note.backends,
        keys: Vec::new(),
    };
    if kicks.kick(all).is_ok() {
        kicked.recv().await;
    }
}
