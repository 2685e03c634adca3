//! What the page of `demo --web` draws, once a second: everything at one moment, as JSON.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::rate::Rate;
use super::relay::Cables;
use super::show::Scene;
use super::stage::{LEASE, backends, directors};
use crate::daemon::BackendReport;
use crate::world::Instant;

/// How long a move is shown.
const MOVES_FOR: Duration = Duration::from_secs(5);
/// Moves and events that are kept.
const KEPT_MAX: usize = 50;
/// Anybody may log in, with any password.
const LOGIN: Login = Login {
    user: "anna",
    password: "x",
};

/// What has to be remembered from one moment to the next.
#[derive(Debug)]
pub(super) struct Live {
    began: Instant,
    whole: Duration,
    places: BTreeMap<String, u16>,
    moves: VecDeque<(Instant, Move)>,
    rate: Rate,
}

#[derive(Serialize)]
struct Moment<'a> {
    second: f64,
    whole: f64,
    is_over: bool,
    counts: Counts,
    directors: Vec<Director>,
    links: Vec<Link>,
    backends: Vec<Backend>,
    moving: Vec<&'a Move>,
    events: Vec<Event<'a>>,
    login: Login,
}

#[derive(Serialize)]
struct Counts {
    logins: u64,
    logins_per_second: f64,
    refused: u64,
    waiting: usize,
    longest_wait_ms: u128,
    splits: usize,
    moved: u64,
}

#[derive(Serialize)]
struct Director {
    id: u16,
    name: String,
    imap: String,
    standing: String,
    epoch: Option<u64>,
    lease_ms: Option<u64>,
    lease_whole_ms: u128,
    users: usize,
    waiting: usize,
    is_coordinator: bool,
}

#[derive(Serialize)]
struct Link {
    a: u16,
    b: u16,
    is_cut: bool,
}

#[derive(Serialize)]
struct Backend {
    id: u16,
    address: String,
    state: &'static str,
    vhosts: u32,
    users: usize,
    sessions: u32,
}

#[derive(Clone, Debug, Serialize)]
struct Move {
    user: String,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Event<'a> {
    second: f64,
    text: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct Login {
    user: &'static str,
    password: &'static str,
}

impl Live {
    /// A run that begins now.
    pub fn new(began: Instant, whole: Duration) -> Self {
        Live {
            began,
            whole,
            places: BTreeMap::new(),
            moves: VecDeque::new(),
            rate: Rate::new(began),
        }
    }

    /// How it stands, as JSON.
    pub fn moment(&mut self, scene: &Scene<'_>, cables: &Cables, is_over: bool, now: Instant) -> String {
        self.follow_users(scene, now);
        self.rate.measure(scene.counts.logins, now);
        let second = |at: Instant| at.since(self.began).as_secs_f64();
        let told = scene.counts.told.iter().rev().take(KEPT_MAX);
        let events = told.map(|told| Event {
            second: second(told.at),
            text: &told.what,
        });
        let moment = Moment {
            second: second(now),
            whole: self.whole.as_secs_f64(),
            is_over,
            counts: self.counts(scene, now),
            directors: directors().map(|number| director(scene, number)).collect(),
            links: links(cables),
            backends: backends_of(scene),
            moving: self.moves.iter().map(|(_, moved)| moved).collect(),
            events: events.collect(),
            login: LOGIN,
        };
        // Text, numbers and lists of them are always JSON.
        serde_json::to_string(&moment).unwrap_or_default()
    }

    fn follow_users(&mut self, scene: &Scene<'_>, now: Instant) {
        let address = |backend| scene.stage.backend(backend).ip().to_string();
        for (user, backend) in scene.ledger.places() {
            let before = self.places.insert(user.clone(), backend);
            if let Some(before) = before.filter(|before| *before != backend) {
                let moved = Move {
                    user,
                    from: address(before),
                    to: address(backend),
                };
                self.moves.push_front((now, moved));
            }
        }
        self.moves.truncate(KEPT_MAX);
        while self
            .moves
            .back()
            .is_some_and(|(at, _)| now.since(*at) > MOVES_FOR)
        {
            self.moves.pop_back();
        }
    }

    fn counts(&self, scene: &Scene<'_>, now: Instant) -> Counts {
        let counts = &scene.counts;
        let longest = counts.longest_wait(now);
        Counts {
            logins: counts.logins,
            logins_per_second: self.rate.per_second(),
            refused: counts.refusals(),
            waiting: counts.trying.len(),
            longest_wait_ms: longest.map_or(0, |(wait, _)| wait.as_millis()),
            splits: scene.ledger.split_count(),
            moved: counts.kicked,
        }
    }
}

fn director(scene: &Scene<'_>, number: u16) -> Director {
    let away = Director {
        id: number,
        name: format!("director {number}"),
        imap: scene.stage.imap(number).to_string(),
        standing: "stopped".to_owned(),
        epoch: None,
        lease_ms: None,
        lease_whole_ms: LEASE.as_millis(),
        users: 0,
        waiting: 0,
        is_coordinator: false,
    };
    let Some(report) = scene.observed.report(number) else {
        return away;
    };
    let own = report.members.iter().find(|member| member.id == report.me);
    Director {
        is_coordinator: own.is_some_and(|own| own.is_coordinator),
        standing: report.standing,
        epoch: Some(report.epoch),
        lease_ms: report.lease_ms,
        users: report.users,
        waiting: report.waiting_logins,
        ..away
    }
}

fn links(cables: &Cables) -> Vec<Link> {
    let pairs = directors().flat_map(|a| directors().filter(move |b| a < *b).map(move |b| (a, b)));
    let link = |(a, b)| Link {
        a,
        b,
        is_cut: cables.is_cut(a, b),
    };
    pairs.map(link).collect()
}

fn backends_of(scene: &Scene<'_>) -> Vec<Backend> {
    let report = scene.best_report();
    let of = |backend: u16| {
        let address = scene.stage.backend(backend).ip().to_string();
        let known = report.as_ref();
        let known = known.and_then(|report| report.backends.iter().find(|found| found.ip == address));
        Backend {
            id: backend,
            state: known.map_or("up", state),
            vhosts: known.map_or(0, |found| found.vhosts),
            users: scene.ledger.users(backend),
            sessions: scene.ledger.sessions_at(backend),
            address,
        }
    };
    backends().map(of).collect()
}

fn state(backend: &BackendReport) -> &'static str {
    match (backend.is_up, backend.is_failed, backend.drain.is_some()) {
        (false, ..) => "down",
        (_, true, _) => "failed",
        (_, _, true) => "draining",
        _ => "up",
    }
}
