//! What a login and a change cost at a director that holds a million users.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a benchmark times the real world")]
use std::time::Instant as WallInstant;

use criterion::{Criterion, criterion_group, criterion_main};
use maildirector::agreement::{Boot, Rules, timing::TIMING_DEFAULT};
use maildirector::director::{
    CommandId, Director, Door, Gathered, Input, Limits, LoginToken, Output, Policy, Settings, Start,
};
use maildirector::topology::{
    Change, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, Topology, TopologySeed,
    UserKey,
};
use maildirector::world::Instant;

const USERS: u64 = 1_000_000;

fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 100,
        tag: "".into(),
    }
}

/// A ring of one that serves: what the other members do is not measured here.
fn serving() -> (Director, Instant) {
    let me = MemberId::from_index(1);
    let seed = TopologySeed {
        members: vec![Member {
            id: me,
            serves: true,
            votes: true,
            incarnation: Incarnation::from_bits(0),
        }],
        backends: (1..=19).map(backend).collect(),
        timing: TIMING_DEFAULT,
        health: HealthPolicy::default(),
        hash_format: "%Lu".to_owned(),
    };
    let settings = Settings {
        me,
        configured: Arc::new(Topology::new(seed).expect("a plain configuration")),
        policy: Policy::Consistent,
        close_bound: Duration::ZERO,
        limits: Limits::default(),
        rules: Rules::default(),
    };
    let boot = Boot::from_bits(1);
    let start = Start {
        boot,
        entropy: 1,
        record: None,
        journal: Gathered::default(),
        sessions: Vec::new(),
        is_bootstrap: false,
    };
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut out = Vec::new();
    let mut director = Director::start(settings, start, now, &mut out);
    while !director.is_serving() {
        sync(&mut director, now, &mut out);
        now = director.next_wakeup().unwrap_or(now).max(now);
        director.handle(now, Input::Tick, &mut out);
    }
    (director, now)
}

/// A disk that syncs at once.
fn sync(director: &mut Director, now: Instant, out: &mut Vec<Output>) {
    for output in std::mem::take(out) {
        if let Output::Save { number, .. } = output {
            director.handle(now, Input::Saved { number }, out);
        }
    }
}

fn login<'a>(key: UserKey, name: &'a str, door: Door) -> Input<'a> {
    Input::Login {
        token: LoginToken(1),
        key,
        tag: "",
        name,
        door,
    }
}

fn filled() -> (Director, Instant, Vec<(UserKey, String)>) {
    let (mut director, now) = serving();
    let format = HashFormat::default();
    let name = |i| format!("user{i:07}@example.com");
    let users: Vec<_> = (0..USERS).map(|i| (format.key(&name(i)), name(i))).collect();
    let mut out = Vec::new();
    for (key, name) in &users {
        director.handle(now, login(*key, name, Door::Exact), &mut out);
        out.clear();
    }
    assert_eq!(director.holds().len() as u64, USERS);
    (director, now, users)
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark times the real world"
)]
fn wall_now() -> WallInstant {
    WallInstant::now()
}

/// So many keys in an order without locality, laid out one after the other: reading them costs next to nothing, so
/// what is timed is the machine's own memory. The stride is prime to the number of users.
fn shuffled(users: &[(UserKey, String)], count: u64) -> Vec<UserKey> {
    (0..count as usize)
        .map(|i| users[i.wrapping_mul(7_919_317) % users.len()].0)
        .collect()
}

fn machine(c: &mut Criterion) {
    let (mut director, now, users) = filled();
    let bytes = director.holds().bytes() as f64 / USERS as f64;
    println!("bytes per held user at 1 M, without the name: {bytes:.1}");
    let mut out = Vec::with_capacity(4);
    let mut group = c.benchmark_group("machine, 1 M users held");
    group.bench_function("login of a held user", |b| {
        b.iter_custom(|logins| {
            let keys = shuffled(&users, logins);
            let started = wall_now();
            for key in keys {
                director.handle(now, login(key, "", Door::Refreshing), &mut out);
                black_box(&out);
                out.clear();
            }
            started.elapsed()
        });
    });
    group.bench_function("login of a held user and the end of the session", |b| {
        b.iter_custom(|logins| {
            let keys = shuffled(&users, logins);
            let started = wall_now();
            for key in keys {
                director.handle(now, login(key, "", Door::Exact), &mut out);
                if let Some(Output::Route { user, serial, .. }) = out.pop() {
                    director.handle(now, Input::SessionEnded { user, serial }, &mut out);
                }
                out.clear();
            }
            started.elapsed()
        });
    });
    group.sample_size(20);
    // One backend more beside nineteen displaces 5 % of the users. A dry run finds them as a round's freeze does.
    group.bench_function("find the users whom a change displaces, 5 %", |b| {
        b.iter(|| {
            let changes = vec![Change::AddBackend(backend(99))];
            director.handle(
                now,
                Input::DryRun {
                    id: CommandId(1),
                    changes,
                },
                &mut out,
            );
            let found = out.iter().find_map(|o| match o {
                Output::DryRunReply {
                    result: Ok(dry_run), ..
                } => Some(dry_run.pinned),
                _ => None,
            });
            assert!(found.is_some_and(|n| n > USERS / 30 && n < USERS / 12));
            out.clear();
        });
    });
    group.finish();
}

criterion_group!(benches, machine);
criterion_main!(benches);
