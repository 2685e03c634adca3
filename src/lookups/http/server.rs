//! One connection: as many requests as come in time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use super::routes::route;
use crate::lookups::Desk;
use crate::lookups::door::{Reception, StreamOf};
use crate::world::{Clock, World, deadline};

/// From one request's end to the end of the next one's head.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// A connection's whole life; monitors open another one then.
const LIFE_MAX: Duration = Duration::from_secs(600);
/// Bytes of a request's head, and of what is written and not taken yet.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Header fields of a request.
const HEADERS_MAX: usize = 100;

pub(in crate::lookups) async fn serve<W: World, D: Desk>(
    reception: &Arc<Reception<W, D>>,
    stream: StreamOf<W>,
) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(route(reception, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let clock = reception.world.clock();
    if let Ok(Err(error)) = deadline(clock, clock.now().plus(LIFE_MAX), connection).await {
        reception.counters.broken();
        debug!("{}: {error}", reception.settings.listen.address);
    }
}
