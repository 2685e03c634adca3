//! Whose bytes a director's own proxies give to which backend: read off the login, and from then on counted as his.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use sim::Knobs;

use crate::settings::backend;
use crate::stubs::BACKEND_PORT;
use crate::truth::{Truth, Who};
use crate::world::{Tap, Taps};

/// Hears a member's connections to backends.
pub fn listen_to_users(truth: &Truth, knobs: &Rc<Knobs>, member: usize) -> Taps {
    let second_tag: Vec<IpAddr> = (0..)
        .zip(&knobs.backends)
        .filter(|(_, backend)| !backend.tag.is_empty())
        .map(|(number, _)| backend(number))
        .collect();
    let truth = truth.clone();
    Taps::new(move |to: SocketAddr| {
        if to.port() != BACKEND_PORT || to.ip().is_loopback() {
            return None;
        }
        let (truth, ip) = (truth.clone(), to.ip());
        let is_second_tag = second_tag.contains(&ip);
        let mut said = Vec::new();
        let mut who = None;
        let tap: Tap = Box::new(move |bytes| match who {
            Some(who) => truth.forwards(who, ip, member, bytes.len()),
            None => {
                said.extend_from_slice(bytes);
                who = user_of(&said).map(|user| Who { user, is_second_tag });
                if let Some(who) = who {
                    truth.serves(who, ip, member);
                }
            }
        });
        Some(tap)
    })
}

/// Who logs in by the lines so far.
fn user_of(said: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(said).ok()?;
    let name = text.split_once(" LOGIN \"user")?.1;
    name.split_once('"')?.0.parse().ok()
}
