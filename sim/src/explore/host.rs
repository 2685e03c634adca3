//! What the explorer asks of the machine that it runs on: a pause, and the memory in use.
//! Its clock is read in `commands`.

use std::fs;
use std::thread;
use std::time::Duration;

/// Between two looks at a running search.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
