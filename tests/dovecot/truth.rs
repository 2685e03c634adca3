//! The ground truth: every second all backends are asked who is there, and nobody may be at two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::command::must;

/// A user whom `checkers` puts on two backends by hand, to see that it is noticed.
pub const PLANTED_SPLIT: &str = "planted";

/// The account of the directors' probes, which log in at every backend and open no mailbox: no user of the ring.
pub const PROBE: &str = "probe";

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who is where, but for the probes: for each user, for each backend, the processes that serve the user there.
pub type Sample = BTreeMap<String, BTreeMap<usize, BTreeSet<u32>>>;

/// Somebody who is at several backends.
struct Split {
    user: String,
    what: String,
}

/// Asks the backends, in a thread of its own, until it is dropped.
pub struct Truth {
    configs: Vec<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    samples: AtomicU64,
    splits: Mutex<Vec<String>>,
    /// The thread's own trouble.
    broken: Mutex<Option<String>>,
}

impl Truth {
    /// Watch the backends with these configuration files; the first is number 1.
    pub fn watch(configs: Vec<String>) -> Self {
        let shared = Arc::new(Shared::default());
        let (notes, asked) = (Arc::clone(&shared), configs.clone());
        let thread = std::thread::spawn(move || {
            while !notes.ends.load(Ordering::Relaxed) {
                let started = Instant::now();
                match look_for_splits(&asked) {
                    Ok(splits) => {
                        let splits = splits.into_iter().filter(|split| split.user != PLANTED_SPLIT);
                        let splits = splits.map(|split| split.what);
                        notes.splits.lock().expect("nobody panics with it").extend(splits);
                    }
                    Err(why) => *notes.broken.lock().expect("nobody panics with it") = Some(why),
                }
                notes.samples.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY.saturating_sub(started.elapsed()));
            }
        });
        Truth {
            configs,
            shared,
            thread: Some(thread),
        }
    }

    /// How often the backends have been asked.
    pub fn samples(&self) -> u64 {
        self.shared.samples.load(Ordering::Relaxed)
    }

    /// # Panics
    /// Somebody was seen at two backends at once, or the backends could not be asked.
    pub fn must_be_whole(&self) {
        let splits = self.shared.splits.lock().expect("nobody panics with it");
        assert!(splits.is_empty(), "split users:\n{}", splits.join("\n"));
        let broken = self.shared.broken.lock().expect("nobody panics with it");
        assert!(broken.is_none(), "the backends cannot be asked: {broken:?}");
    }

    /// Who is seen to be split now.
    pub fn split_users(&self) -> Vec<String> {
        let splits = look_for_splits(&self.configs).expect("the backends answer");
        splits.into_iter().map(|split| split.user).collect()
    }

    /// Who is where now.
    pub fn sample(&self) -> Sample {
        sample(&self.configs).expect("the backends answer")
    }

    /// The one backend of each of these users, and nobody else's.
    ///
    /// # Panics
    /// One of them is nowhere, or at several.
    pub fn places<'a>(&self, users: impl IntoIterator<Item = &'a String>) -> BTreeMap<String, usize> {
        let sample = self.sample();
        let place = |user: &String| {
            let at: Vec<usize> = sample
                .get(user)
                .map(|at| at.keys().copied().collect())
                .unwrap_or_default();
            assert!(at.len() == 1, "{user} is at the backends {at:?}");
            (user.clone(), at[0])
        };
        users.into_iter().map(place).collect()
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

/// The backends are not asked at one instant, so somebody who moved between two answers seems to be at two. A second
/// look tells: sessions that both looks found on two backends were there together between the looks.
fn look_for_splits(configs: &[String]) -> Result<Vec<Split>, String> {
    let first = sample(configs)?;
    if first.values().all(|places| places.len() < 2) {
        return Ok(Vec::new());
    }
    let second = sample(configs)?;
    let mut splits = Vec::new();
    for (user, places) in first.iter().filter(|(_, places)| places.len() > 1) {
        let stayed = |(backend, processes): (&usize, &BTreeSet<u32>)| {
            let now = second.get(user)?.get(backend)?;
            processes.intersection(now).next().map(|pid| (*backend, *pid))
        };
        let stayed: Vec<(usize, u32)> = places.iter().filter_map(stayed).collect();
        if stayed.len() > 1 {
            let what = format!("{user} is at the backends (with process) {stayed:?}");
            let user = user.clone();
            splits.push(Split { user, what });
        }
    }
    Ok(splits)
}

fn sample(configs: &[String]) -> Result<Sample, String> {
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = configs
            .iter()
            .map(|config| scope.spawn(move || must(&["doveadm", "-c", config, "who", "-1"])))
            .collect();
        asked.into_iter().map(|answer| answer.join()).collect()
    });
    let mut sample = Sample::new();
    for (backend, answer) in (1..).zip(answers) {
        let answer = answer.map_err(|_| format!("backend {backend}: `doveadm who` failed"))?;
        let told = answer.lines().skip(1).filter_map(user_and_process);
        for (user, process) in told.filter(|(user, _)| user != PROBE) {
            sample
                .entry(user)
                .or_default()
                .entry(backend)
                .or_default()
                .insert(process);
        }
    }
    Ok(sample)
}

/// A line of `doveadm who -1`: user, protocol, process, address.
fn user_and_process(line: &str) -> Option<(String, u32)> {
    let mut words = line.split_whitespace();
    let user = words.next()?.to_owned();
    Some((user, words.nth(1)?.parse().ok()?))
}
