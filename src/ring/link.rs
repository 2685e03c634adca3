//! A link that stands: writes what waits for it, takes what comes, and ends when it is silent for too long.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::framing::{Found, KEEPALIVE};
use super::handshake::Ends;
use super::hub::Place;
use super::incoming::Incoming;
use super::party::Party;
use crate::world::{Clock, World, deadline, select};

/// Written at once at most: each piece must be taken before the link counts as dead.
const PIECE_BYTES: usize = 64 << 10;
/// A buffer that grew beyond this for a large frame is given back afterwards.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Keeps a link until it ends.
pub(super) async fn keep<W, R, S>(party: &Party<W>, ends: Ends<R, S>, mut place: Place)
where
    W: World,
    R: AsyncRead + Unpin + Send,
    S: AsyncWrite + Unpin + Send,
{
    let Ends { incoming, writer } = ends;
    let why = select! {
        why = read(party, incoming, &place) => why,
        why = write(party, writer, &place) => why,
    };
    place.because(why);
}

async fn read<W: World, R: AsyncRead + Unpin>(
    party: &Party<W>,
    mut incoming: Incoming<R>,
    place: &Place,
) -> String {
    let clock = party.world.clock();
    let dead_after = party.settings.limits.dead_after;
    loop {
        let now = clock.now();
        party.hub.touch(place.number(), now);
        loop {
            let used = match incoming.frame() {
                Found::Incomplete => break,
                Found::Malformed(why) => return format!("it sent {why}"),
                Found::Skip(used) => used,
                Found::Message(head, payload, used) => {
                    party.hub.receive(place.number(), head, payload, now);
                    used
                }
            };
            incoming.skip(used);
        }
        match deadline(clock, now.plus(dead_after), incoming.fill()).await {
            Err(_) => return format!("nothing came for {} s", dead_after.as_secs_f32()),
            Ok(Ok(0)) => return "the other side closed it".to_owned(),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return format!("reading failed: {error}"),
        }
    }
}

async fn write<W: World, S: AsyncWrite + Unpin>(party: &Party<W>, mut writer: S, place: &Place) -> String {
    let clock = party.world.clock();
    let limits = &party.settings.limits;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if bytes.capacity() > KEPT_BYTES_MAX {
            bytes = Vec::new();
        }
        let idle_until = clock.now().plus(limits.keepalive_every);
        match deadline(clock, idle_until, place.queue.take(&mut bytes, PIECE_BYTES)).await {
            Ok(true) => {}
            Ok(false) => {
                // Only a courtesy: the other side notices the end without it.
                let _ = deadline(clock, clock.now().plus(limits.dead_after), writer.shutdown()).await;
                return "it is not needed any more".to_owned();
            }
            Err(_) => bytes.extend_from_slice(&KEEPALIVE),
        }
        for piece in bytes.chunks(PIECE_BYTES) {
            let written = async {
                writer.write_all(piece).await?;
                writer.flush().await
            };
            match deadline(clock, clock.now().plus(limits.dead_after), written).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return format!("writing failed: {error}"),
                Err(_) => return format!("it took nothing for {} s", limits.dead_after.as_secs_f32()),
            }
        }
    }
}
