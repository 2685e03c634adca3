//! Replies: texts, JSON, and refusals that say what to do.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// What a client gets.
pub type Reply = Response<Full<Bytes>>;

/// A reply with this body. Nothing of it may be kept by whoever stands between.
pub fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A line of text.
pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut text: String = text.into();
    text.push('\n');
    reply(status, "text/plain; charset=utf-8", text)
}

/// JSON, from what has no maps with odd keys.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            reply(status, "application/json", body)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// Why there is nothing, as JSON.
pub(super) fn refusal(status: StatusCode, error: &str) -> Reply {
    json(status, &Refusal { error })
}

/// The same for now; the client may try again after so long.
pub(super) fn try_again(error: &str, after: Duration) -> Reply {
    let mut reply = refusal(StatusCode::SERVICE_UNAVAILABLE, error);
    reply
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    reply
}

/// Only GET and HEAD are there.
pub(super) fn wrong_method() -> Reply {
    let mut reply = refusal(StatusCode::METHOD_NOT_ALLOWED, "ask with GET");
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}
