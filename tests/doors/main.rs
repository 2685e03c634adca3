//! The doors for stock Dovecot over real Unix sockets, with a stub auth server, director, ipc and anvil.

mod authreply;
mod kicks;
mod notify;
mod relay;
mod support;
