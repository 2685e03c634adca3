//! `drain`: empties a backend in peace, and tells how far that is.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::arguments::Drain;
use super::ask;
use super::failure::Failure;
use super::read_config::state_folder;
use super::runtime::runtime;
use crate::config::format_interval;
use crate::daemon::{BackendReport, ControlRequest};
use crate::world::{BootClock, Clock, sleep};

/// Between two lines of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How far a drain is.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Progress {
    backend: String,
    /// `draining` or `in service`; `empty` when nobody is left.
    state: &'static str,
    /// Users who are still there, in the whole ring.
    left: usize,
    /// Seconds until they are moved.
    deadline_in_s: Option<u64>,
    /// Seconds until nobody is left, at the latest.
    empty_in_s: Option<u64>,
    /// How many are moved in a second then.
    per_second: Option<u32>,
}

pub(super) fn run(drain: &Drain, output: &mut impl Write) -> Result<(), Failure> {
    let folder = state_folder(&drain.here)?;
    if !drain.status {
        let ip = drain.backend;
        let request = if drain.cancel {
            ControlRequest::CancelDrain { ip }
        } else {
            ControlRequest::Drain {
                ip,
                deadline_s: drain.deadline.as_secs(),
                per_second: drain.rate,
            }
        };
        let lines = ask::done(&folder, &request)?;
        if !drain.json {
            let mut lines = lines.iter();
            lines
                .try_for_each(|line| writeln!(output, "{line}"))
                .map_err(Failure::Output)?;
        }
    }
    let mut earlier: Option<(u64, usize)> = None;
    loop {
        let report = ask::status(&folder)?;
        let ip = drain.backend.to_string();
        let backend = report.backends.iter().find(|backend| backend.ip == ip);
        let backend = backend.ok_or_else(|| Failure::Input(format!("{ip} is no backend of this ring")))?;
        let now = BootClock.unix_seconds();
        let progress = progress(backend, now);
        write(&progress, drain.json, pace(earlier, (now, progress.left)), output).map_err(Failure::Output)?;
        output.flush().map_err(Failure::Output)?;
        if !drain.watch || progress.state != "draining" {
            return Ok(());
        }
        earlier = earlier.or(Some((now, progress.left)));
        runtime()?.block_on(sleep(&BootClock, WATCH_EVERY));
    }
}

fn progress(backend: &BackendReport, now_unix_s: u64) -> Progress {
    let left = backend.pinned;
    let drain = backend.drain.as_ref();
    let deadline_in_s = drain.map(|drain| drain.until_unix_s.saturating_sub(now_unix_s));
    let moving_s = drain.map(|drain| (left as u64).div_ceil(u64::from(drain.per_second.max(1))));
    Progress {
        backend: backend.ip.clone(),
        state: match drain {
            None => "in service",
            Some(_) if left == 0 => "empty",
            Some(_) => "draining",
        },
        left,
        deadline_in_s,
        empty_in_s: deadline_in_s
            .zip(moving_s)
            .map(|(wait, moving)| if left == 0 { 0 } else { wait + moving }),
        per_second: drain.map(|drain| drain.per_second),
    }
}

/// When nobody is left if users go on leaving as since the first look.
fn pace(earlier: Option<(u64, usize)>, now: (u64, usize)) -> Option<Duration> {
    let (then_s, then_left) = earlier?;
    let (now_s, left) = now;
    let gone = then_left.checked_sub(left).filter(|gone| *gone > 0)? as u64;
    let passed_s = now_s.saturating_sub(then_s);
    Some(Duration::from_secs((left as u64).saturating_mul(passed_s) / gone))
}

fn write(
    progress: &Progress,
    is_json: bool,
    pace: Option<Duration>,
    output: &mut impl Write,
) -> std::io::Result<()> {
    if is_json {
        return writeln!(output, "{}", serde_json::to_string(progress).unwrap_or_default());
    }
    let Progress {
        backend, state, left, ..
    } = progress;
    let (Some(deadline), Some(empty), Some(rate)) =
        (progress.deadline_in_s, progress.empty_in_s, progress.per_second)
    else {
        return writeln!(output, "{backend}: {state}, {left} users pinned there");
    };
    if *left == 0 {
        return writeln!(
            output,
            "{backend}: empty; take it down, or `--cancel` to have it back"
        );
    }
    let span = |seconds: u64| format_interval(Duration::from_secs(seconds));
    let moved = match deadline {
        0 => format!("moved now, {rate} a second"),
        wait => format!("moved in {}, {rate} a second", span(wait)),
    };
    let pace = pace.map(|pace| format!(", in {} at the pace so far", span(pace.as_secs())));
    writeln!(
        output,
        "{backend}: {state}, {left} users left; who is left is {moved}; empty in {} at the latest{}",
        span(empty),
        pace.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    fn report(pinned: usize, drain: Option<topology::Drain>) -> BackendReport {
        BackendReport {
            ip: "10.0.1.1".to_owned(),
            hostname: None,
            tag: String::new(),
            vhosts: 100,
            is_up: true,
            is_failed: false,
            fails_here: false,
            drain,
            users: 0,
            pinned,
        }
    }

    fn said(pinned: usize, now: u64, pace: Option<Duration>) -> String {
        let drain = topology::Drain {
            since_unix_s: 1_000,
            until_unix_s: 2_800,
            per_second: 50,
        };
        let mut out = Vec::new();
        write(
            &progress(&report(pinned, Some(drain)), now),
            false,
            pace,
            &mut out,
        )
        .expect("a Vec takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn progress_is_told_with_an_estimate() {
        assert_eq!(
            said(1_234, 1_000, None),
            "10.0.1.1: draining, 1234 users left; who is left is moved in 30 min, 50 a second; empty in 1825s at the latest\n"
        );
        assert_eq!(
            said(100, 3_000, pace(Some((2_990, 600)), (3_000, 100))),
            "10.0.1.1: draining, 100 users left; who is left is moved now, 50 a second; empty in 2s at the latest, in 2s at \
             the pace so far\n"
        );
        assert_eq!(
            said(0, 1_500, None),
            "10.0.1.1: empty; take it down, or `--cancel` to have it back\n"
        );
        assert_eq!(progress(&report(3, None), 1_000).state, "in service");
    }
}
