//! Probes of backends that are played here: what is said, line by line, and what becomes of bad ones over real sockets.

mod sockets;
mod talks;

use super::{Account, Check, Trust};
use crate::config::{Protocol, TlsUse};

fn check(protocol: Protocol, tls: TlsUse) -> Check {
    Check {
        protocol,
        port: 1,
        tls,
        account: None,
        recipient: None,
        trust: Trust::load(None, None).expect("nothing is read"),
    }
}

fn with_account(protocol: Protocol, tls: TlsUse) -> Check {
    let account = Account {
        user: "probe".into(),
        password: "secret".into(),
    };
    Check {
        account: Some(account),
        ..check(protocol, tls)
    }
}
