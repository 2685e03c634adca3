//! The one place of the simulator that reads the host's clock and starts threads and processes.
//!
//! They decide how soon a sweep over seeds is done and when its budget is spent, never what a seed does: each seed
//! is a function of its number, and results are handed on in the order of the seeds, whichever thread was first.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "speed is measured in real time, and seeds are independent of each other"
)]

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Results that may wait for each thread, so that one slow seed does not let the others run far ahead.
const WAITING_PER_THREAD: usize = 64;

/// After so long without a result, the seeds at work are named: one of them may never end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a thread without a seed says that it works on.
const IDLE: u64 = u64::MAX;

/// Real time since a start.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Set by the first signal that wants an end.
static IS_STOP_WANTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT and SIGTERM are heeded by those who ask [`is_stop_wanted`]; the second one ends the program.
pub fn heed_signals() {
    let wanted = IS_STOP_WANTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag set.
        let code = 128 + signal;
        let heeded = register_conditional_shutdown(signal, code, Arc::clone(wanted))
            .and_then(|_| register(signal, Arc::clone(wanted)));
        if let Err(error) = heeded {
            eprintln!("signals end the program at once: {error}");
        }
    }
}

/// Whether somebody wants the work to stop.
pub fn is_stop_wanted() -> bool {
    IS_STOP_WANTED
        .get()
        .is_some_and(|wanted| wanted.load(Ordering::Relaxed))
}

/// How many threads run at once when nobody says: one per core.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `work` for each seed on `jobs` threads, and `take` on this one with the results in the order of the
/// seeds, until the seeds or the budget are used up or `take` breaks.
///
/// Answers how many seeds `take` has seen. They are always the first ones, without a gap.
pub fn in_order<T: Send>(
    seeds: Range<u64>,
    jobs: usize,
    budget: Option<Duration>,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(u64, T) -> ControlFlow<()>,
) -> u64 {
    let started = Stopwatch::start();
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let at_work: Vec<AtomicU64> = (0..jobs.max(1)).map(|_| AtomicU64::new(IDLE)).collect();
    let mut due = seeds.start;
    thread::scope(|scope| {
        let (results, arriving) = mpsc::sync_channel(WAITING_PER_THREAD * at_work.len());
        for mine in &at_work {
            let results = results.clone();
            let (next, is_over, work) = (&next, &is_over, &work);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed)
                    && budget.is_none_or(|budget| started.elapsed() < budget)
                {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    mine.store(seed, Ordering::Relaxed);
                    let result = work(seed);
                    mine.store(IDLE, Ordering::Relaxed);
                    if results.send((seed, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let mut early = BTreeMap::new();
        while let Some((seed, result)) = next_result(&arriving, &at_work) {
            early.insert(seed, result);
            while let Some(result) = early.remove(&due) {
                due += 1;
                if take(due - 1, result).is_break() {
                    is_over.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
    due - seeds.start
}

/// The next result, none when all threads have ended. Names the seeds at work when it takes long.
fn next_result<T>(arriving: &Receiver<(u64, T)>, at_work: &[AtomicU64]) -> Option<(u64, T)> {
    loop {
        match arriving.recv_timeout(PATIENCE) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                let seeds = at_work.iter().map(|seed| seed.load(Ordering::Relaxed));
                let seeds: Vec<String> = seeds
                    .filter(|seed| *seed != IDLE)
                    .map(|seed| seed.to_string())
                    .collect();
                eprintln!(
                    "no result for {} s; at work: seeds {}",
                    PATIENCE.as_secs(),
                    seeds.join(", ")
                );
            }
        }
    }
}

/// What `work` answers on a fresh thread.
pub fn on_another_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().expect("work catches its own panics"))
}

/// What this program prints when it is started once more with these arguments.
///
/// # Errors
///
/// When it can't be started, or when what it prints is no text.
pub fn in_a_child(arguments: &[String]) -> io::Result<String> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

/// Runs this program, or another one, with these arguments, its standard output in a file; answers its exit code, none
/// when a signal ended it. When a stop is wanted, it has a while to end by itself, having heard the same signal.
///
/// # Errors
///
/// When it can't be started, or the file can't be written.
pub fn part(program: Option<&str>, arguments: &[String], output: &Path) -> io::Result<Option<i32>> {
    let mut command = match program {
        Some(program) => Command::new(program),
        None => Command::new(std::env::current_exe()?),
    };
    let mut child = command.args(arguments).stdout(File::create(output)?).spawn()?;
    let mut left = PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        thread::sleep(LOOK_EVERY);
        if is_stop_wanted() {
            left = left.saturating_sub(LOOK_EVERY);
            if left.is_zero() {
                child.kill()?;
            }
        }
    }
}

/// The program of a test of this package; cargo builds it first when it has to.
///
/// # Errors
///
/// When cargo can't be started, or can't build it.
pub fn program_of_test(name: &str) -> io::Result<PathBuf> {
    let output = Command::new("cargo")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "--locked", "--quiet", "--package", "sim", "--test", name])
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    let mut programs = text.lines().filter_map(|line| {
        let told: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = told["target"]["name"] == name;
        Some(PathBuf::from(told["executable"].as_str().filter(|_| is_it)?))
    });
    let missing = || io::Error::other(format!("cargo has not built the test {name}"));
    programs.next_back().ok_or_else(missing)
}

/// Another process that answers lines with lines. It ends with this value.
#[derive(Debug)]
pub struct Companion {
    child: Child,
    asking: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Companion {
    /// Starts one, and waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// When it can't be started, or ends without saying so.
    pub fn start(program: &Path, arguments: &[&str], ready: &str) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (asking, answers) = (child.stdin.take(), child.stdout.take());
        let mut companion = Companion {
            child,
            asking: asking.expect("it was asked for"),
            answers: BufReader::new(answers.expect("it was asked for")),
        };
        while companion.next_line()?.trim_end() != ready {}
        Ok(companion)
    }

    /// Its answer to this line: what follows `mark` in the next line that begins with it.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn ask(&mut self, line: &str, mark: &str) -> io::Result<String> {
        writeln!(self.asking, "{line}")?;
        loop {
            if let Some(answer) = self.next_line()?.strip_prefix(mark) {
                return Ok(answer.to_owned());
            }
        }
    }

    fn next_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it said on the error stream.
    pub err: String,
}

/// Runs a program in a directory with some variables in its environment, to its end.
///
/// # Errors
///
/// When it can't be started.
pub fn ended(
    program: &str,
    arguments: &[&str],
    directory: &Path,
    environment: &[(&str, &str)],
) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output()?;
    Ok(Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A new empty directory for temporary files, whose name begins so.
///
/// # Errors
///
/// When none can be made.
pub fn fresh_directory(name: &str) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{name}-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
}

/// What is to be gone when this is dropped, or when this program ends in another way: by a signal, even by one that
/// nothing can catch.
#[derive(Debug)]
pub struct Leftovers {
    guard: Child,
}

/// Waits until this program has closed the pipe, as it does when it dies, and then clears up. Ctrl-C reaches it too.
const CLEAR: &str = r#"
trap "" INT TERM HUP
cat >/dev/null
git -C "$1" worktree remove --force "$2"
rm -rf "$3"
git -C "$1" worktree prune
"#;

/// Has a worktree of the repository and a directory removed at the end.
///
/// # Errors
///
/// When the shell that does so can't be started.
pub fn clear_at_the_end(repository: &Path, worktree: &Path, directory: &Path) -> io::Result<Leftovers> {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", CLEAR, "sh"])
        .args([repository, worktree, directory]);
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(Leftovers {
        guard: shell.spawn()?,
    })
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nothing can be done about a guard that fails; what is left is in the directory for temporary files.
        let _ = self.guard.wait();
    }
}

/// The commit that this program was built from, when the build said so (`SIM_COMMIT`), else that of the checkout
/// around the working directory.
pub fn commit() -> String {
    if let Some(commit) = option_env!("SIM_COMMIT") {
        return commit.to_owned();
    }
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output();
    match described.map(|output| String::from_utf8(output.stdout)) {
        Ok(Ok(text)) if !text.trim().is_empty() => format!("{} (the checkout here)", text.trim()),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_seeds() {
        let mut seen = Vec::new();
        let work = |seed: u64| {
            // The even seeds take longer, so that the threads overtake each other.
            let rounds = if seed.is_multiple_of(2) { 20_000 } else { 1 };
            (0..rounds).fold(seed, |sum: u64, n| std::hint::black_box(sum.wrapping_add(n)))
        };
        let count = in_order(5..205, 4, None, work, |seed, _| {
            seen.push(seed);
            ControlFlow::Continue(())
        });
        assert_eq!(count, 200);
        assert_eq!(seen, (5..205).collect::<Vec<_>>());
    }

    #[test]
    fn a_break_ends_the_sweep_at_that_seed() {
        let mut last = 0;
        let count = in_order(
            0..u64::MAX,
            3,
            None,
            |seed| seed,
            |_, seed| {
                last = seed;
                if seed == 100 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        assert_eq!((count, last), (101, 100));
    }

    #[test]
    fn a_spent_budget_leaves_a_prefix() {
        let mut seen = Vec::new();
        let count = in_order(
            0..u64::MAX,
            2,
            Some(Duration::from_millis(20)),
            |seed| seed,
            |seed, _| {
                seen.push(seed);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}
