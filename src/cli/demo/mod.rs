//! `demo`: three directors as processes of their own, with everything around them played by this one, while links and
//! directors fail.
//!
//! ```text
//!  clients --> login processes --login/director--> director 1 <--relay--> director 2 <--relay--> director 3
//!     |             ^    ^                           |    |
//!     |             |    '---- ipc (kicks) ----------'    '--auth-login--> auth server
//!     '----TCP----> backends: who has open sessions where is the ground truth
//! ```
//!
//! Besides, each director has an IMAP port of its own, where whoever runs the demo can log in as anybody.
//!
//! Only the directors are real. Nothing here decides where users belong, and nothing asks the directors whether it went
//! well: a user with open sessions on two backends at once is a split, as the backends see it.

mod admin;
mod auth;
mod backend;
mod clients;
mod directors;
mod ipc;
mod ledger;
mod live;
mod login;
mod mailbox;
mod observe;
mod play;
mod rate;
mod relay;
mod script;
mod serve;
mod show;
mod stage;
mod summary;
mod tally;
mod web;

pub(super) use play::run;
pub(super) use script::SECONDS_MIN;
