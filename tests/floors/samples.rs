//! Good and bad samples: shows that the rules of `main.rs` let the first pass and catch each of the others.

use crate::{FILE_LINES_MAX, import_faults, shape_faults};

/// The faults of `text` as a file of the room `agreement` (floor 1, pure).
fn faults_in_agreement(text: &str) -> Vec<String> {
    import_faults("src/agreement/voter.rs", text)
}

#[test]
fn what_a_room_may_import_passes() {
    for good in [
        "use crate::topology::{Epoch, UserKey as Key};",
        "use super::round::{self, Round};",
        "use super::*;",
        "use self::inner::Deep;",
        "mod tests { use super::super::ballot::Ballot; }",
        "use std::{collections::BTreeMap, fmt, net::{IpAddr, SocketAddr}, time::Duration};",
        "fn f(d: std::time::Duration) -> crate::topology::Epoch { crate::topology::Epoch::ZERO }",
        "fn f<'a>(x: &'a str) -> impl Iterator<Item = u8> + use<'a> { x.bytes() }",
        "pub(in crate::agreement) struct A<'a>(&'a str); // crate::director",
        "/* use crate::director::X; /* tokio::spawn */ */",
        r##"const A: &str = "crate::director"; const B: &str = r#"use "tokio::x"#; const C: char = '"';"##,
        "let tokio = simulated;",
    ] {
        assert_eq!(faults_in_agreement(good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn every_way_to_reach_a_room_that_is_not_below_is_caught() {
    for bad in [
        "use crate::director::Director;",
        "use crate::config;",
        "use crate::{topology::Epoch, director::{hold::Hold}};",
        "pub use crate::ring::*;",
        "use maildirector::ring::Frame;",
        "fn f() { crate::director::handle() }",
        "fn f() { <A as crate::director::Handle>::handle() }",
        "macro_rules! m { () => { $crate::director::Output } }",
        "use super::super::director::Input;",
        "use super::super::{director};",
        "mod tests { mod deep { use super::super::super::super::ring; } }",
        "mod tests { fn f() {} } use super::super::ring;",
        r#"let c = '\''; let l: &'static str = "\""; use crate::director;"#,
        "use crate as everything;",
        "use super::super::*;",
        "use crate::{self as root};",
        "use crate::unknown::Thing;",
        "#[path = \"../director/hold.rs\"] mod hold;",
        "include!(\"../director/hold.rs\");",
    ] {
        assert_eq!(
            faults_in_agreement(bad).len(),
            1,
            "{bad}: {:?}",
            faults_in_agreement(bad)
        );
    }
}

#[test]
fn a_pure_room_that_names_the_outside_is_caught() {
    for bad in [
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "use std::time;",
        "use std::time::*;",
        "use std::{self as s};",
        "use std::net::TcpStream;",
        "use std::net;",
        "use std::thread;",
        "use tokio::sync::mpsc;",
        "use rand::Rng;",
        "fn f() { std::fs::read(\"x\") }",
        "fn f() { ::std::thread::spawn(g) }",
        "fn f() { tokio::spawn(g) }",
    ] {
        assert_eq!(
            faults_in_agreement(bad).len(),
            1,
            "{bad}: {:?}",
            faults_in_agreement(bad)
        );
        let elsewhere = import_faults("src/daemon/mod.rs", bad);
        assert_eq!(
            elsewhere,
            Vec::<String>::new(),
            "a room that is not pure may: {bad}"
        );
    }
}

#[test]
fn a_fault_names_the_line_where_it_stands() {
    let text = "//! Voters.\n\nuse std::{\n    fmt,\n};\nuse crate::ring::Frame;\n";
    assert_eq!(
        faults_in_agreement(text),
        ["src/agreement/voter.rs:6: `crate::ring::Frame` imports ring (floor 3) into agreement (floor 1)"]
    );
}

#[test]
fn src_that_knows_the_simulator_is_caught_anywhere() {
    for name in ["src/director/hold.rs", "src/main.rs", "src/lib.rs"] {
        assert_eq!(
            import_faults(name, "use sim::World;"),
            [format!("{name}:1: src does not know the simulator")]
        );
    }
}

#[test]
fn a_room_without_a_floor_is_caught() {
    assert_eq!(import_faults("src/attic/mod.rs", "").len(), 1);
    assert_eq!(import_faults("src/attic.rs", "").len(), 1);
}

#[test]
fn rooms_of_the_same_floor_do_not_import_each_other() {
    assert_eq!(
        import_faults("src/proxy/imap.rs", "use crate::dovecot::Kick;").len(),
        1
    );
    assert_eq!(
        import_faults("src/topology/pins.rs", "use crate::world::Instant;").len(),
        1
    );
}

#[test]
fn a_file_that_is_too_long_or_does_not_introduce_itself_is_caught() {
    let long = format!("//! Long.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(
        shape_faults("sim/src/world.rs", &long),
        ["sim/src/world.rs: 701 lines, 700 are allowed"]
    );
    assert_eq!(shape_faults("sim/src/world.rs", "use std::fmt;\n").len(), 1);
    assert_eq!(
        shape_faults(
            "src/ring/mod.rs",
            "//! Frames.\nmod codec;\npub use codec::Frame;\n"
        )
        .len(),
        0
    );
    assert_eq!(
        shape_faults("src/ring/mod.rs", "//! Frames.\npub struct Frame;\n").len(),
        1
    );
}
