//! What is where.

use std::time::Duration;

use hyper::{Method, Request, StatusCode};
use serde::Serialize;

use super::lookup::lookup;
use super::nginx::nginx;
use super::parameters::Parameters;
use super::reply::{Reply, json, refusal, reply, text, try_again, wrong_method};
use crate::lookups::reception::Reception;
use crate::lookups::{Desk, Health};
use crate::world::World;

/// What a probe may try again after.
const SOON: Duration = Duration::from_secs(1);
/// What is said when the task that owns the machine has gone.
const SILENT: &str = "the director of this process does not answer; it is stopping, or broken: see its log";

/// Answers one request. A body that comes with it is not read.
pub(super) async fn route<W: World, D: Desk, B>(reception: &Reception<W, D>, request: Request<B>) -> Reply {
    let (parts, _body) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return wrong_method();
    }
    let parameters = Parameters(parts.uri.query());
    match parts.uri.path() {
        "/healthz" => alive(reception).await,
        "/readyz" => ready(reception).await,
        "/metrics" => metrics(reception).await,
        "/v1/status" => status(reception).await,
        "/v1/lookup" => lookup(reception, parameters).await,
        "/v1/nginx" => nginx(reception, parameters, &parts.headers).await,
        "/" => text(StatusCode::OK, CONTENTS),
        other => refusal(
            StatusCode::NOT_FOUND,
            &format!("there is no {other}; / says what there is"),
        ),
    }
}

const CONTENTS: &str = "maildirector
/healthz     200 while the process works
/readyz      200 while it lets users in; else 503
/metrics     for Prometheus
/v1/status   the member, its ring and its backends, as JSON
/v1/lookup   ?user=NAME[&tag=TAG]: the user's backend, as JSON; he is held there
/v1/nginx    auth_http of nginx's mail proxy; [?tag=TAG&imap=PORT&pop3=PORT&smtp=PORT]";

async fn alive<W: World, D: Desk>(reception: &Reception<W, D>) -> Reply {
    match reception.desk.health().await {
        Some(_) => text(StatusCode::OK, "ok"),
        None => text(StatusCode::SERVICE_UNAVAILABLE, SILENT),
    }
}

#[derive(Serialize)]
struct Readiness {
    is_ready: bool,
    standing: &'static str,
    epoch: u64,
}

async fn ready<W: World, D: Desk>(reception: &Reception<W, D>) -> Reply {
    let Some(health) = reception.desk.health().await else {
        return try_again(SILENT, SOON);
    };
    let Health {
        is_ready,
        standing,
        epoch,
    } = health;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        is_ready,
        standing,
        epoch,
    };
    json(status, &readiness)
}

async fn metrics<W: World, D: Desk>(reception: &Reception<W, D>) -> Reply {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match reception.desk.metrics().await {
        Some(metrics) => reply(StatusCode::OK, OPEN_METRICS, metrics),
        None => try_again(SILENT, SOON),
    }
}

async fn status<W: World, D: Desk>(reception: &Reception<W, D>) -> Reply {
    match reception.desk.report().await {
        Some(report) => reply(StatusCode::OK, "application/json", report),
        None => try_again(SILENT, SOON),
    }
}
