//! What an operator does with the stock `doveadm director` on a proxy's machine.

use std::collections::BTreeMap;

use crate::command::must;
use crate::instance::Instance;
use crate::member::PROGRAM;
use crate::net::{BACKENDS, backend_ip};

/// `doveadm director WORDS` at one proxy; it must succeed.
pub fn director(proxy: &Instance, words: &[&str]) -> String {
    proxy.doveadm(&[&["director"], words].concat())
}

/// Where users belong when nothing holds them, by `maildirector place`; the numbers of backends.
pub fn computed_places(users: &[String]) -> BTreeMap<String, usize> {
    let mut words = vec![PROGRAM.to_owned(), "place".to_owned(), "--json".to_owned()];
    for backend in 1..=BACKENDS {
        words.extend(["-b".to_owned(), backend_ip(backend)]);
    }
    words.extend(users.iter().cloned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let place = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        let text = |key: &str| {
            line[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {line}"))
                .to_owned()
        };
        let (user, ip) = (text("user"), text("backend"));
        let number = (1..=BACKENDS).find(|backend| backend_ip(*backend) == ip);
        (user, number.expect("one of the given backends"))
    };
    must(&words).lines().map(place).collect()
}
