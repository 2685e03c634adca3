//! `/v1/nginx`: nginx's mail proxy asks where a user's session goes (`auth_http`, ngx_mail_auth_http_module).
//!
//! nginx does not say whether the password holds: that is the backend's to find, to which nginx passes it on. So it is not
//! even looked at here.

use std::fmt;
use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::parameters::{Parameters, decoded};
use super::reply::{Reply, refusal, text};
use crate::lookups::reception::Reception;
use crate::lookups::{Desk, Query};
use crate::world::World;

/// What a client is told whose user can't be let in now.
const UNAVAILABLE: &str = "The mail server is not available, please try again.";
/// What a client of SMTP is told besides (RFC 4954, section 6).
const ERROR_CODE: &str = "454 4.7.0";
/// After so many seconds nginx lets the client try again.
const WAIT_S: u64 = 2;

const STATUS: HeaderName = HeaderName::from_static("auth-status");
const SERVER: HeaderName = HeaderName::from_static("auth-server");
const PORT: HeaderName = HeaderName::from_static("auth-port");
const WAIT: HeaderName = HeaderName::from_static("auth-wait");
const CODE: HeaderName = HeaderName::from_static("auth-error-code");

pub(super) async fn nginx<W: World, D: Desk>(
    reception: &Reception<W, D>,
    parameters: Parameters<'_>,
    headers: &HeaderMap,
) -> Reply {
    let (port, tag) = match asked(parameters, headers) {
        Ok(asked) => asked,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let user = header(headers, "auth-user").map(decoded);
    let Some(Ok(user)) = user else {
        return refused("Authentication failed.");
    };
    // As at the proxies: `auth_username_format = %Lu` is Dovecot's default.
    let user = user.to_ascii_lowercase();
    let Some(query) = Query::new(&user, &tag) else {
        return refused("Authentication failed.");
    };
    match reception.look_up(query).await {
        Ok(found) => server(SocketAddr::new(found.ip, port)),
        Err(_) => refused(UNAVAILABLE),
    }
}

/// The backends' port, and their tag.
fn asked(parameters: Parameters<'_>, headers: &HeaderMap) -> Result<(u16, String), String> {
    let port = match header(headers, "auth-protocol") {
        Some("imap") => parameters.port("imap", 143)?,
        Some("pop3") => parameters.port("pop3", 110)?,
        Some("smtp") => parameters.port("smtp", 587)?,
        other => return Err(NoProtocol(other.unwrap_or_default()).to_string()),
    };
    Ok((port, parameters.find("tag")?.unwrap_or_default().into_owned()))
}

struct NoProtocol<'a>(&'a str);

impl fmt::Display for NoProtocol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Auth-Protocol {:?} is none of imap, pop3, smtp: this is for auth_http of nginx",
            self.0
        )
    }
}

fn server(backend: SocketAddr) -> Reply {
    let mut reply = text(StatusCode::OK, "");
    let headers = reply.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static("OK"));
    // An address is always a header's value.
    if let Ok(ip) = HeaderValue::from_str(&backend.ip().to_string()) {
        headers.insert(SERVER, ip);
    }
    headers.insert(PORT, HeaderValue::from(backend.port()));
    reply
}

fn refused(why: &'static str) -> Reply {
    let mut reply = text(StatusCode::OK, "");
    let headers = reply.headers_mut();
    headers.insert(STATUS, HeaderValue::from_static(why));
    headers.insert(WAIT, HeaderValue::from(WAIT_S));
    headers.insert(CODE, HeaderValue::from_static(ERROR_CODE));
    reply
}

/// The first value of a header, if it is text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
