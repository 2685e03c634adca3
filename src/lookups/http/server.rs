//! One connection: as many requests as come in time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::reply::Reply;
use super::routes::route;
use crate::lookups::Desk;
use crate::lookups::reception::{Reception, StreamOf};
use crate::world::{Clock, World, deadline};

/// From one request's end to the end of the next one's head.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// A connection's whole life; monitors open another one then.
const LIFE_MAX: Duration = Duration::from_secs(600);
/// Bytes of a request's head, and of what is written and not taken yet.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Header fields of a request.
const HEADERS_MAX: usize = 100;

/// A request with its body, which need not be read.
pub type HttpRequest = Request<Incoming>;

pub(in crate::lookups) async fn serve<W: World, D: Desk>(
    reception: &Arc<Reception<W, D>>,
    stream: StreamOf<W>,
) {
    let answer = |request| route(reception, request);
    if let Err(error) = serve_http(reception.world.clock(), stream, answer).await {
        reception.counters.broken();
        debug!("{}: {error}", reception.settings.listen.address);
    }
}

/// Answers what comes on a connection, for ten minutes at most.
///
/// # Errors
/// It broke, or what came was no HTTP.
pub async fn serve_http<C, S, F>(clock: &C, stream: S, answer: impl Fn(HttpRequest) -> F) -> io::Result<()>
where
    C: Clock,
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Reply>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match deadline(clock, clock.now().plus(LIFE_MAX), connection).await {
        Ok(Err(error)) => Err(io::Error::other(error)),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}
