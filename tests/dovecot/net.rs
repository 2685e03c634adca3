//! The network: one namespace for each member and its proxy, one for all else, and cables that can be cut.
//!
//! A cut drops what arrives in one direction, as a broken cable does: nobody is told, and a connection that stood goes
//! on when the cable is mended in time. It is a routing rule of the receiver, so it needs no firewall.

use crate::command::must;

/// Directors, each with its own proxy.
pub const MEMBERS: usize = 3;
/// Backends.
pub const BACKENDS: usize = 3;

/// The address of the n-th member and its proxy.
pub fn member_ip(member: usize) -> String {
    format!("10.77.1.{member}")
}

/// The address of the n-th backend.
pub fn backend_ip(backend: usize) -> String {
    format!("10.77.2.{backend}")
}

/// The name of a member's network namespace.
pub fn namespace(member: usize) -> String {
    format!("m{member}")
}

/// Lay all cables.
pub fn lay() {
    ip("link set lo up");
    ip("link add ring type bridge");
    ip("addr add 10.77.0.1/16 dev ring");
    ip("link set ring up");
    for backend in 1..=BACKENDS {
        ip(&format!("addr add {}/32 dev lo", backend_ip(backend)));
    }
    for member in 1..=MEMBERS {
        let inside = namespace(member);
        ip(&format!("netns add {inside}"));
        ip(&format!(
            "link add cable{member} type veth peer name eth0 netns {inside}"
        ));
        ip(&format!("link set cable{member} master ring up"));
        ip(&format!("-n {inside} link set lo up"));
        ip(&format!("-n {inside} addr add {}/16 dev eth0", member_ip(member)));
        ip(&format!("-n {inside} link set eth0 up"));
        // Rules of ours have to come before the one that says which addresses are here.
        ip(&format!("-n {inside} rule add pref 100 lookup local"));
        ip(&format!("-n {inside} rule del pref 0"));
    }
}

/// From now on nothing that one member sends reaches the other.
pub fn cut(from: usize, to: usize) {
    rule("add", from, to);
}

/// Undo a cut.
pub fn mend(from: usize, to: usize) {
    rule("del", from, to);
}

/// From now on nothing that a backend sends reaches this member's host.
pub fn cut_backend(backend: usize, to: usize) {
    backend_rule("add", backend, to);
}

/// Undo that.
pub fn mend_backend(backend: usize, to: usize) {
    backend_rule("del", backend, to);
}

fn backend_rule(verb: &str, backend: usize, to: usize) {
    blackhole(verb, to, &backend_ip(backend));
}

fn blackhole(verb: &str, to: usize, sender: &str) {
    let inside = namespace(to);
    ip(&format!(
        "-n {inside} rule {verb} pref 10 from {sender} blackhole"
    ));
}

fn rule(verb: &str, from: usize, to: usize) {
    blackhole(verb, to, &member_ip(from));
}

fn ip(words: &str) {
    let words: Vec<&str> = ["ip"].into_iter().chain(words.split(' ')).collect();
    must(&words);
}
