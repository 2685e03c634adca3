//! A world of Dovecot's directors that runs the same plans as the world of this project's: the same users come at the
//! same times, sessions last as long, links are as slow and fail when they do, machines die and backends too.
//!
//! What is of Dovecot's making is TCP between the directors, login processes that live on when a director dies (and keep
//! a session that nobody kicks), and admins who use `doveadm director`: `down` and `flush` as HOST-DOWN and
//! HOST-RESET-USERS. A login process asks its own director, without a network between them.

mod admins;
mod crowd;
mod faults;
mod scene;
mod wires;

pub(crate) use scene::ClassicWorld;
