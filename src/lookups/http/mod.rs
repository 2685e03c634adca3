//! HTTP/1.1: lookups for programs (`/v1/lookup`) and for nginx (`/v1/nginx`), and what monitors ask (`/healthz`, `/readyz`,
//! `/metrics`, `/v1/status`).
//!
//! The protocol itself is hyper's; this says what is there and how it answers.

mod lookup;
mod nginx;
mod parameters;
mod reply;
mod routes;
mod server;

pub use hyper::StatusCode;
pub use reply::{Reply, reply};
pub(super) use server::serve;
pub use server::{HttpRequest, serve_http};
