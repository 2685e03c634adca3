//! The admin door in front of a director that is a ring of its own: by hand, and by the `doveadm` of Dovecot 2.3.

mod by_hand;
mod doveadm;
mod grown;
mod lone;
