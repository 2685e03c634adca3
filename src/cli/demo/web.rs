//! `demo --web`: a page that shows how the demo goes, live.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::serve::serve_all;
use crate::lookups::{HttpReply, HttpRequest, StatusCode, http_reply, serve_http};
use crate::world::{Listen, RealWorld, Task, World};

/// Asks for `/v1/live` once a second; nothing of it comes from elsewhere.
const PAGE: &str = include_str!("page.html");

/// The page, being served; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Web {
    moment: Arc<Mutex<String>>,
}

impl Web {
    /// From now on the page shows this.
    pub fn show(&self, moment: String) {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }

    fn moment(&self) -> String {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves it until the task is dropped.
    pub async fn open(&self, world: &RealWorld, at: SocketAddr) -> io::Result<Task> {
        let (own, web) = (world.clone(), self.clone());
        let serve = move |client| {
            let (own, web) = (own.clone(), web.clone());
            async move {
                let answer = |request| std::future::ready(web.answer(&request, at));
                // A browser that breaks off is no matter of the demo's.
                let _ = serve_http(own.clock(), client, answer).await;
            }
        };
        serve_all(world, Listen::tcp(at), serve).await
    }

    /// The page holds a login, so it is only for who asked for it by its address: no name that somebody else has pointed here.
    fn answer(&self, request: &HttpRequest, at: SocketAddr) -> HttpReply {
        let host = request.headers().get("host").and_then(|host| host.to_str().ok());
        let names = [at.to_string(), format!("localhost:{}", at.port())];
        if !host.is_some_and(|host| names.iter().any(|name| name == host)) {
            return http_reply(StatusCode::FORBIDDEN, "text/plain", format!("open http://{at}/"));
        }
        match request.uri().path() {
            "/" => http_reply(StatusCode::OK, "text/html; charset=utf-8", PAGE),
            "/v1/live" => http_reply(StatusCode::OK, "application/json", self.moment()),
            _ => http_reply(StatusCode::NOT_FOUND, "text/plain", "there are / and /v1/live"),
        }
    }
}
