//! What the explorer asks of the machine that it runs on: the time that has passed, and the memory in use.

use std::fs;
use std::thread;
use std::time::Duration;

/// Between two looks at a running search.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running stopwatch.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::disallowed_types,
    reason = "measures the search, which does not depend on it unless it is bounded"
)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Started now.
    #[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "see the type")]
    pub fn start() -> Self {
        Stopwatch(std::time::Instant::now())
    }

    /// Since its start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Wait until it is worth another look.
#[expect(clippy::disallowed_methods, reason = "waits for the threads of the search")]
pub fn pause() {
    thread::sleep(LOOK_EVERY);
}

/// Memory of this process in MiB; `None` where the system does not tell.
pub fn memory_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024)
}
