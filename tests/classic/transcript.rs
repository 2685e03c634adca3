//! A recorded conversation: who said what, when, on which of the two connections between a director and its neighbour.

use std::fmt::Write;

/// Which connection: the director's own to its right neighbour, or the neighbour's to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// The director's own.
    Out,
    /// The neighbour's.
    In,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection stands.
    Open(Wire),
    /// The neighbour said this to the director.
    To(Wire, String),
    /// The director said this.
    From(Wire, String),
    /// The director closed it.
    Closed(Wire),
    /// An admin said this to the director.
    Admin(String),
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The director that was recorded and its neighbour, as `director_servers` has them.
    pub me: String,
    pub peer: String,
    /// What happened, with the Unix time in milliseconds.
    pub events: Vec<(u64, Event)>,
}

impl Transcript {
    pub fn parse(text: &str) -> Transcript {
        let mut transcript = Transcript {
            me: String::new(),
            peer: String::new(),
            events: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (at, rest) = line.split_once(' ').expect("a time and an event");
            match at {
                "me" => transcript.me = rest.to_owned(),
                "peer" => transcript.peer = rest.to_owned(),
                _ => {
                    let at_ms = at.parse().expect("milliseconds");
                    transcript.events.push((at_ms, event(rest)));
                }
            }
        }
        transcript
    }

    pub fn to_text(&self, about: &str) -> String {
        let mut text = format!(
            "# {about}\n# Recorded from the director of Dovecot 2.3.19.1; fields are apart by tabs.\n\
             # MS out|in > what its neighbour said, < what it said; out is its own connection.\nme {}\npeer {}\n",
            self.me, self.peer
        );
        for (at_ms, event) in &self.events {
            let _ = match event {
                Event::Open(wire) => writeln!(text, "{at_ms} {} open", word(*wire)),
                Event::Closed(wire) => writeln!(text, "{at_ms} {} closed", word(*wire)),
                Event::To(wire, line) => writeln!(text, "{at_ms} {} > {line}", word(*wire)),
                Event::From(wire, line) => writeln!(text, "{at_ms} {} < {line}", word(*wire)),
                Event::Admin(line) => writeln!(text, "{at_ms} admin {line}"),
            };
        }
        text
    }
}

fn word(wire: Wire) -> &'static str {
    match wire {
        Wire::Out => "out",
        Wire::In => "in",
    }
}

fn event(text: &str) -> Event {
    let (who, rest) = text.split_once(' ').expect("who and what");
    let wire = match who {
        "admin" => return Event::Admin(rest.to_owned()),
        "out" => Wire::Out,
        _ => Wire::In,
    };
    match rest.split_at_checked(2) {
        Some(("> ", line)) => Event::To(wire, line.to_owned()),
        Some(("< ", line)) => Event::From(wire, line.to_owned()),
        _ if rest == "open" => Event::Open(wire),
        _ => Event::Closed(wire),
    }
}
