//! What happened in a run, line by line, with true times: to compare two runs, and to read when one fails.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::world::current;

/// The lines of a run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Arc<Mutex<Vec<String>>>,
    /// For what happens between two steps, outside of all hosts.
    now: Arc<Mutex<Duration>>,
}

impl Trace {
    pub fn set_now(&self, now: Duration) {
        *self.now.lock().expect("no panic while it is held") = now;
    }

    /// Something that happens.
    pub fn note(&self, who: &str, what: impl AsRef<str>) {
        let now = *self.now.lock().expect("no panic while it is held");
        let now = turmoil::sim_elapsed().unwrap_or(now);
        let line = format!("{:>9.3} {who:<12} {}", now.as_secs_f64(), what.as_ref());
        self.lines.lock().expect("no panic while it is held").push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic while it is held").clone()
    }

    /// The last so many lines.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// Puts what the daemon logs into a trace.
#[derive(Debug)]
pub struct LogLines(pub Trace);

impl Subscriber for LogLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("maildirector") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(event.metadata().level().to_string());
        event.record(&mut words);
        self.0.note(&current(), words.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {field}={value:?}")
        };
        written.expect("a String takes all text");
    }
}
