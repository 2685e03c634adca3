//! What goes wrong, and when. Carrying it out is left to `play`.

use std::fmt;
use std::time::Duration;

use super::stage::{BACKENDS, DIRECTORS, LEASE};

/// One thing that is done to the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A backend gets no new users, and those that it has go elsewhere.
    Down(u16),
    /// It gets users again, and those that belong there come back.
    Up(u16),
    /// A backend accepts connections and says nothing: the directors' probes find out.
    Silence(u16),
    /// It answers again.
    Answer(u16),
    /// The cable between two directors is cut.
    Cut(u16, u16),
    /// It is mended.
    Mend(u16, u16),
    /// All cables of a director are cut.
    Isolate(u16),
    /// They are mended.
    Rejoin(u16),
    /// A director is killed.
    Kill(u16),
    /// It is started again.
    Restart(u16),
}

impl Act {
    /// The kinds of faults, as the summary counts them; `None` for what ends a fault.
    pub const fn fault(self) -> Option<&'static str> {
        match self {
            Act::Down(_) => Some("backends taken down"),
            Act::Silence(_) => Some("backends fallen silent"),
            Act::Cut(..) => Some("cables cut"),
            Act::Isolate(_) => Some("directors isolated"),
            Act::Kill(_) => Some("directors killed"),
            Act::Up(_) | Act::Answer(_) | Act::Mend(..) | Act::Rejoin(_) | Act::Restart(_) => None,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Down(backend) => write!(f, "backend {backend} is taken down and flushed"),
            Act::Up(backend) => write!(f, "backend {backend} is brought back, all are flushed"),
            Act::Silence(backend) => write!(f, "backend {backend} hangs: it accepts and stays silent"),
            Act::Answer(backend) => write!(f, "backend {backend} answers again"),
            Act::Cut(one, other) => write!(f, "the cable between directors {one} and {other} is cut"),
            Act::Mend(one, other) => write!(f, "the cable between directors {one} and {other} is mended"),
            Act::Isolate(director) => write!(f, "director {director} is cut off from both others"),
            Act::Rejoin(director) => write!(f, "director {director} has its cables back"),
            Act::Kill(director) => write!(f, "director {director} is killed (SIGKILL)"),
            Act::Restart(director) => write!(f, "director {director} is started again"),
        }
    }
}

/// The shortest run in which a director can be isolated for longer than its lease, and more.
pub(in crate::cli) const SECONDS_MIN: u64 = 15;
/// A longer run repeats the script, with other directors and backends.
const ROUND_S: u64 = 60;
/// In a round of this length there is time to change the ring while a director is dead.
const LONG_ROUND: Duration = Duration::from_secs(30);
const HALF_SECOND: Duration = Duration::from_millis(500);

/// Everything that is done in a run of this length, in order, by the time since its beginning.
pub(super) fn script(whole: Duration) -> Vec<(Duration, Act)> {
    let rounds = u16::try_from(whole.as_secs() / ROUND_S)
        .unwrap_or(u16::MAX)
        .max(1);
    let length = whole / u32::from(rounds);
    let mut acts = Vec::new();
    for round in 0..rounds {
        let begins = length * u32::from(round);
        acts.extend(
            self::round(round, length)
                .into_iter()
                .map(|(at, act)| (begins + at, act)),
        );
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

fn round(number: u16, length: Duration) -> Vec<(Duration, Act)> {
    let director = |offset: u16| (number + offset) % DIRECTORS + 1;
    let backend = |offset: u16| (number + offset) % BACKENDS + 1;
    let part = |percent: u32| length * percent / 100;
    let isolated = part(38);
    let rejoined = isolated + part(15).max(LEASE + 2 * HALF_SECOND);
    let killed = part(76).max(rejoined + 2 * HALF_SECOND);
    let restarted = killed + part(12);
    let mut acts = vec![
        (part(8), Act::Down(backend(1))),
        (part(18), Act::Up(backend(1))),
        (part(21), Act::Silence(backend(0))),
        (part(26), Act::Cut(director(0), director(1))),
        (part(33), Act::Mend(director(0), director(1))),
        (isolated, Act::Isolate(director(2))),
        // The isolated director still has a lease and still serves: the change must wait for it.
        (isolated + HALF_SECOND, Act::Down(backend(2))),
        (part(60), Act::Answer(backend(0))),
        (rejoined, Act::Rejoin(director(2))),
        (rejoined + HALF_SECOND, Act::Up(backend(2))),
        (killed, Act::Kill(director(1))),
        (restarted, Act::Restart(director(1))),
    ];
    if length >= LONG_ROUND {
        acts.push((killed + HALF_SECOND, Act::Down(backend(3))));
        acts.push((restarted + HALF_SECOND, Act::Up(backend(3))));
    }
    acts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(acts: &[(Duration, Act)], is_meant: impl Fn(&Act) -> bool) -> Duration {
        let found = acts.iter().find(|(_, act)| is_meant(act));
        found.expect("the act is in the script").0
    }

    #[test]
    fn every_run_isolates_a_director_for_longer_than_its_lease_and_ends_whole() {
        for seconds in [SECONDS_MIN, 20, 45, 60, 119, 600] {
            let whole = Duration::from_secs(seconds);
            let acts = script(whole);
            let cut_off = time_of(&acts, |act| matches!(act, Act::Isolate(_)));
            let back = time_of(&acts, |act| matches!(act, Act::Rejoin(_)));
            assert!(back - cut_off > LEASE, "{seconds}");
            assert!(acts.last().expect("there are acts").0 < whole, "{seconds}");
            let faults = acts.iter().filter(|(_, act)| act.fault().is_some()).count();
            assert_eq!(faults * 2, acts.len(), "each fault ends: {seconds}");
        }
    }

    #[test]
    fn a_minute_leaves_a_dead_director_dead_for_longer_than_its_lease() {
        let acts = script(Duration::from_secs(60));
        let killed = time_of(&acts, |act| matches!(act, Act::Kill(_)));
        let back = time_of(&acts, |act| matches!(act, Act::Restart(_)));
        assert!(back - killed > LEASE);
    }
}
