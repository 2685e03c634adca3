//! Playing a recorded conversation to the machine: it must say what the real director said, in the same order on each
//! connection. PINGs and PONGs are left out, since they depend on moments; times may be off by two seconds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sim::classic::{Command, Director, HostLine, INCOMING_FROM, Input, Output, Place, Settings};

use crate::transcript::{Event, Transcript, Wire};

/// A clock tick between recording and replay is no difference.
const SLACK_S: u64 = 2;

/// Replays it.
///
/// # Panics
/// The machine says something else; both sides of the conversation are in the message.
pub fn must_repeat(name: &str, transcript: &Transcript) {
    let mut player = Player::new(transcript);
    for (at_ms, event) in &transcript.events {
        player.play(*at_ms, event);
    }
    let theirs = said_by_them(transcript);
    for wire in [Wire::Out, Wire::In] {
        let (ours, theirs) = (&player.said[wire as usize], &theirs[wire as usize]);
        let first = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at));
        if let Some(at) = first {
            panic!(
                "{name}, connection {wire:?}, line {at}: the real director said {:?}, the machine {:?}\nreal:\n{}\n\nmachine:\n{}",
                theirs.get(at),
                ours.get(at),
                theirs.join("\n"),
                ours.join("\n"),
            );
        }
    }
}

struct Player {
    director: Director,
    now_ms: u64,
    /// The machine's numbers of the two connections.
    connections: BTreeMap<usize, u32>,
    said: [Vec<String>; 2],
    next_command: u64,
}

impl Player {
    fn new(transcript: &Transcript) -> Self {
        let start_ms = transcript.events[0].0;
        let (me, peer) = (place(&transcript.me), place(&transcript.peer));
        let host = |ip: &str| HostLine {
            ip: ip.parse().expect("an address"),
            vhosts: 100,
            tag: String::new(),
            is_down: false,
            updown_changed_s: 0,
            hostname: String::new(),
        };
        let hosts = ["10.2.0.1", "10.2.0.2", "10.2.0.3"].map(host).to_vec();
        let settings = Settings {
            user_expire_s: 60,
            ..Settings::new(me, vec![peer, me], hosts)
        };
        let mut player = Player {
            director: Director::new(settings, start_ms),
            now_ms: start_ms,
            connections: BTreeMap::new(),
            said: [Vec::new(), Vec::new()],
            next_command: 0,
        };
        player.give(Input::Start);
        player
    }

    fn give(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.director.handle(self.now_ms, input, &mut out);
        let now_s = self.now_ms / 1_000;
        for output in out {
            match output {
                Output::Connect { connection, .. } => {
                    self.connections.entry(Wire::Out as usize).or_insert(connection);
                }
                Output::Send { connection, line } => {
                    let named = self.connections.iter().find(|(_, id)| **id == connection);
                    if let (Some((wire, _)), Some(line)) = (named, normalised(&line, now_s)) {
                        self.said[*wire].push(line);
                    }
                }
                // The ipc service of a Dovecot without login processes answers at once.
                Output::Kick {
                    tag,
                    hash,
                    is_awaited: true,
                    ..
                } => self.give(Input::Kicked { tag: &tag, hash }),
                _ => {}
            }
        }
    }

    fn play(&mut self, at_ms: u64, event: &Event) {
        while self.director.next_wakeup_ms() <= at_ms {
            self.now_ms = self.now_ms.max(self.director.next_wakeup_ms());
            self.give(Input::Tick);
        }
        self.now_ms = self.now_ms.max(at_ms);
        let connection = |player: &Player, wire: &Wire| player.connections.get(&(*wire as usize)).copied();
        match event {
            Event::Open(Wire::Out) => {
                if let Some(connection) = connection(self, &Wire::Out) {
                    self.give(Input::Connected { connection });
                }
            }
            Event::Open(Wire::In) => {
                self.connections.insert(Wire::In as usize, INCOMING_FROM);
                self.give(Input::Accepted {
                    connection: INCOMING_FROM,
                });
            }
            Event::To(wire, line) => {
                if let Some(connection) = connection(self, wire) {
                    self.give(Input::Line { connection, line });
                }
            }
            Event::Admin(line) => {
                let id = self.next_command;
                self.next_command += 1;
                self.give(Input::Command {
                    id,
                    command: command(line),
                });
            }
            Event::From(..) | Event::Closed(_) => {}
        }
    }
}

fn said_by_them(transcript: &Transcript) -> [Vec<String>; 2] {
    let mut said = [Vec::new(), Vec::new()];
    for (at_ms, event) in &transcript.events {
        if let Event::From(wire, line) = event {
            said[*wire as usize].extend(normalised(line, at_ms / 1_000));
        }
    }
    said
}

/// The line with every time near now as `NOW`.
fn normalised(line: &str, now_s: u64) -> Option<String> {
    if line.starts_with("PING") || line.starts_with("PONG") {
        return None;
    }
    let field = |field: &str| match field.parse::<u64>() {
        Ok(number) if number.abs_diff(now_s) <= SLACK_S => "NOW".to_owned(),
        _ => field.to_owned(),
    };
    Some(line.split('\t').map(field).collect::<Vec<_>>().join("\t"))
}

fn command(line: &str) -> Command {
    let fields: Vec<&str> = line.split('\t').collect();
    let ip = |at: usize| fields[at].parse().expect("an address");
    let number = |at: usize| fields[at].parse().expect("a number");
    match fields[0] {
        "HOST-SET" => Command::HostSet {
            ip: ip(1),
            vhosts: number(2),
        },
        "HOST-DOWN" => Command::HostUpDown {
            ip: ip(1),
            is_down: true,
        },
        _ => Command::UserMove {
            hash: number(1),
            ip: ip(2),
        },
    }
}

fn place(text: &str) -> Place {
    let address: SocketAddr = text.parse().expect("an address with a port");
    Place {
        ip: address.ip(),
        port: address.port(),
    }
}
