//! How the demo goes: a table that is drawn again in place, or a line a second.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use super::ledger::Ledger;
use super::observe::Observed;
use super::rate::Rate;
use super::stage::{Stage, backends, directors};
use super::tally::{Counts, Told};
use crate::daemon::MemberReport;
use crate::world::Instant;

/// Events below the table.
const EVENTS_SHOWN: usize = 10;
/// The width of the table. A longer line would be two on a narrow terminal, and the next frame would miss its place.
const COLUMNS: usize = 79;

/// What there is to show.
pub(super) struct Scene<'a> {
    pub stage: &'a Stage,
    pub ledger: &'a Ledger,
    pub observed: &'a Observed,
    pub counts: Counts,
}

impl Scene<'_> {
    /// What the director says that is furthest: it knows best.
    pub fn best_report(&self) -> Option<MemberReport> {
        let reports = directors().filter_map(|director| self.observed.report(director));
        reports.max_by_key(|report| report.epoch)
    }

    /// The backends that the ring has out of service by its probes.
    pub fn failed(&self) -> BTreeSet<u16> {
        let Some(report) = self.best_report() else {
            return BTreeSet::new();
        };
        let is_failed = |ip: &str| {
            report
                .backends
                .iter()
                .any(|found| found.ip == ip && found.is_failed)
        };
        backends()
            .filter(|backend| is_failed(&self.stage.backend(*backend).ip().to_string()))
            .collect()
    }
}

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    is_live: bool,
    began: Instant,
    whole: Duration,
    /// Lines of the last frame.
    lines: usize,
    /// Events that were told.
    told: usize,
    rate: Rate,
}

impl Screen {
    /// A screen that is drawn again in place, or else lines for a pipe.
    pub fn new(is_live: bool, began: Instant, whole: Duration) -> Self {
        Screen {
            is_live,
            began,
            whole,
            lines: 0,
            told: 0,
            rate: Rate::new(began),
        }
    }

    /// Whether it is drawn again in place.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// When the run began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// How long it is to be.
    pub fn whole(&self) -> Duration {
        self.whole
    }

    /// Shows how it stands.
    pub fn draw(&mut self, scene: &Scene<'_>, now: Instant, output: &mut impl Write) -> io::Result<()> {
        self.rate.measure(scene.counts.logins, now);
        if self.is_live {
            self.draw_table(scene, now, output)
        } else {
            self.draw_line(scene, now, output)
        }
    }

    fn draw_table(&mut self, scene: &Scene<'_>, now: Instant, output: &mut impl Write) -> io::Result<()> {
        let lines = self.table(scene, now);
        if self.lines > 0 {
            write!(output, "\x1b[{}A", self.lines)?;
        }
        for line in &lines {
            let line: String = line.chars().take(COLUMNS).collect();
            writeln!(output, "\x1b[2K{line}")?;
        }
        self.lines = lines.len();
        Ok(())
    }

    fn table(&self, scene: &Scene<'_>, now: Instant) -> Vec<String> {
        let counts = &scene.counts;
        let mut lines = vec![
            String::new(),
            format!(
                "maildirector demo: {:.0} s of {} s; Ctrl-C ends it",
                now.since(self.began).as_secs_f64(),
                self.whole.as_secs()
            ),
            String::new(),
            "director  standing  epoch  lease left  users held  links with".to_owned(),
        ];
        lines.extend(directors().map(|director| director_row(director, scene)));
        lines.push(String::new());
        lines.push("backend   state  users".to_owned());
        lines.extend(backends().map(|backend| backend_row(backend, scene)));
        lines.push(String::new());
        lines.push(format!(
            "logins {} ({:.0}/s)   open sessions {}   kicked {}   refused {}",
            counts.logins,
            self.rate.per_second(),
            scene.ledger.sessions(),
            counts.kicked,
            counts.refusals()
        ));
        lines.push(format!(
            "longest wait {}   waiting now {}   splits = {}",
            wait(counts, now),
            counts.trying.len(),
            scene.ledger.split_count()
        ));
        lines.push(String::new());
        let first = counts.told.len().saturating_sub(EVENTS_SHOWN);
        lines.extend(counts.told[first..].iter().map(|told| self.event(told)));
        lines
    }

    fn draw_line(&mut self, scene: &Scene<'_>, now: Instant, output: &mut impl Write) -> io::Result<()> {
        for told in &scene.counts.told[self.told..] {
            writeln!(output, "{}", self.event(told))?;
        }
        self.told = scene.counts.told.len();
        let counts = &scene.counts;
        let users: Vec<String> = backends()
            .map(|backend| scene.ledger.users(backend).to_string())
            .collect();
        let standings: Vec<String> = directors()
            .map(|director| match scene.observed.report(director) {
                None => format!("{director}:away"),
                Some(report) => {
                    let (standing, epoch) = (report.standing, report.epoch);
                    format!("{director}:{standing}/{epoch}/{}", lease(report.lease_ms))
                }
            })
            .collect();
        writeln!(
            output,
            "{:5.1} s  {:.0} logins/s, {} refused, {} waiting; users on backends {}; directors {}; splits = {}",
            now.since(self.began).as_secs_f64(),
            self.rate.per_second(),
            counts.refusals(),
            counts.trying.len(),
            users.join(" "),
            standings.join(" "),
            scene.ledger.split_count()
        )
    }

    fn event(&self, told: &Told) -> String {
        format!(
            "{:5.1} s  * {}",
            told.at.since(self.began).as_secs_f64(),
            told.what
        )
    }
}

fn director_row(director: u16, scene: &Scene<'_>) -> String {
    match scene.observed.report(director) {
        None => format!("{director:<9} away"),
        Some(report) => {
            let links: Vec<String> = report.links.iter().map(|link| link.peer.to_string()).collect();
            format!(
                "{director:<9} {:<9} {:<6} {:<11} {:<11} {}",
                report.standing,
                report.epoch,
                lease(report.lease_ms),
                report.users,
                links.join(" ")
            )
        }
    }
}

fn backend_row(backend: u16, scene: &Scene<'_>) -> String {
    let ip = scene.stage.backend(backend).ip().to_string();
    let seen = scene.best_report();
    let seen = seen.and_then(|report| report.backends.into_iter().find(|found| found.ip == ip));
    let state = match seen {
        None => "?",
        Some(found) if found.is_failed => "failed",
        Some(found) if found.is_up => "up",
        Some(_) => "down",
    };
    let users = scene.ledger.users(backend);
    format!("{backend:<9} {state:<6} {users:<4} {}", "#".repeat(users / 2))
}

/// What is left of a lease.
fn lease(left_ms: Option<u64>) -> String {
    left_ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0))
}

/// The longest wait, in words.
pub(super) fn wait(counts: &Counts, now: Instant) -> String {
    match counts.longest_wait(now) {
        None => "-".to_owned(),
        Some((wait, user)) => format!("{:.2} s ({user})", wait.as_secs_f64()),
    }
}
