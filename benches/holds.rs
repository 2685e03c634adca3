//! The table of holds at a million users: memory, fill, login, new user, scan of an arc, sweep, restart.
//!
//! Prints first what a user costs: as the table computes it from its capacities, and as the process grows.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant as WallInstant};

use criterion::{BatchSize, Criterion, criterion_group};
use maildirector::director::{Gathered, Holds, Journalled};
use maildirector::topology::{BackendId, TagId, UserId, UserKey};
use maildirector::world::Instant;

const USERS: u64 = 1_000_000;
const BACKENDS: u32 = 50;
const EXPIRE: Duration = Duration::from_secs(900);
const PAGE_BYTES: u64 = 4096;

/// Spreads a number as a hash spreads names (the finisher of splitmix64).
fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn user(number: u64) -> UserId {
    UserId {
        key: UserKey::from_bits(spread(number)),
        tag: TagId::DEFAULT,
    }
}

fn name(number: u64) -> String {
    format!("user{number:07}@example.com")
}

fn hold(holds: &mut Holds, number: u64) {
    let backend = BackendId::from_index((number % u64::from(BACKENDS)) as u32);
    holds.insert(user(number), &name(number), backend, 1, Instant::ORIGIN);
}

fn full_table() -> Holds {
    let mut holds = Holds::default();
    (0..USERS).for_each(|number| hold(&mut holds, number));
    holds
}

/// Memory of this process that is in use; nothing where `/proc` is not there.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

fn report_memory() {
    let before = resident_bytes();
    let mut longest = Duration::ZERO;
    let mut holds = Holds::default();
    let began = WallInstant::now();
    for number in 0..USERS {
        let inserting = WallInstant::now();
        hold(&mut holds, number);
        longest = longest.max(inserting.elapsed());
    }
    let filled = began.elapsed();
    report_bytes("filled with new users", &holds, before);
    println!(
        "fill: {} ns per user, the longest insert {longest:?}",
        filled.as_nanos() / u128::from(USERS)
    );

    // A day's coming and going: every user leaves once and another comes, in another order.
    for round in 0..USERS {
        holds.remove(user(spread(round) % USERS));
        hold(&mut holds, spread(round) % USERS);
        holds.remove(user(round));
        hold(&mut holds, round);
    }
    report_bytes("after 2 M users left and came", &holds, before);
    // Two of three users leave in no order.
    (0..USERS).filter(|number| number % 3 != 0).for_each(|number| {
        holds.remove(user(number));
    });
    report_bytes("after two of three left", &holds, before);
    for number in 0..USERS {
        if number % 3 != 0 {
            hold(&mut holds, number);
        }
    }
    report_bytes("after they came back", &holds, before);
}

fn report_bytes(when: &str, holds: &Holds, before: Option<u64>) {
    let users = holds.len() as f64;
    let name_bytes = name(0).len() as f64;
    let computed = holds.bytes() as f64 / users;
    print!(
        "{when}: {} users, {computed:.1} B per user and {name_bytes} B of name",
        holds.len()
    );
    match resident_bytes().zip(before) {
        Some((after, before)) => println!(", resident {:.1} B per user", (after - before) as f64 / users),
        None => println!(),
    }
}

fn login(c: &mut Criterion) {
    let mut holds = full_table();
    let mut number = 0;
    c.bench_function("holds/login_of_a_held_user", |b| {
        b.iter(|| {
            number += 1;
            let user = user(spread(number) % USERS);
            black_box(holds.open_session(user, Instant::ORIGIN).is_ok())
        });
    });
    c.bench_function("holds/find", |b| {
        b.iter(|| {
            number += 1;
            black_box(holds.find(user(spread(number) % USERS)).map(|hold| hold.backend))
        });
    });
    // Each look waits for the one before it, as a login waits for its message.
    let mut serial = 0;
    c.bench_function("holds/find_one_after_the_other", |b| {
        b.iter(|| {
            number += 1;
            let wanted = user(spread(number ^ u64::from(serial >> 30)) % USERS);
            serial = holds.find(wanted).map_or(0, |hold| hold.serial);
        });
    });
}

fn come_and_go(c: &mut Criterion) {
    let mut holds = full_table();
    let names: Vec<String> = (USERS..USERS + 10_000).map(name).collect();
    let mut next = USERS;
    c.bench_function("holds/insert_10000", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let began = WallInstant::now();
                for (at, name) in names.iter().enumerate() {
                    let backend = BackendId::from_index(at as u32 % BACKENDS);
                    holds.insert(user(next + at as u64), name, backend, 1, Instant::ORIGIN);
                }
                spent += began.elapsed();
                (next..next + 10_000).for_each(|number| drop(holds.remove(user(number))));
                next += 10_000;
            }
            spent
        });
    });
    c.bench_function("holds/remove_10000", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                (next..next + 10_000).for_each(|number| hold(&mut holds, number));
                let began = WallInstant::now();
                (next..next + 10_000).for_each(|number| drop(holds.remove(user(number))));
                spent += began.elapsed();
                next += 10_000;
            }
            spent
        });
    });
}

fn walk(c: &mut Criterion) {
    let mut holds = full_table();
    c.bench_function("holds/scan_of_a_twentieth", |b| {
        let mut first = 0;
        b.iter(|| {
            first = (spread(u64::from(first) + 1) as u32) / 2;
            let on_first = holds
                .scan(first, first + u32::MAX / 20)
                .filter(|hold| hold.backend == BackendId::from_index(0));
            black_box(on_first.count())
        });
    });
    let mut ended = Vec::new();
    c.bench_function("holds/sweep_over_10000_live", |b| {
        b.iter(|| holds.sweep(Instant::ORIGIN, EXPIRE, 10_000, &mut ended));
    });
    (0..USERS).for_each(|number| {
        let serial = holds.find(user(number)).map_or(0, |hold| hold.serial);
        holds.close_session(user(number), serial, Instant::ORIGIN);
    });
    let late = Instant::ORIGIN.plus(EXPIRE);
    c.bench_function("holds/sweep_out_10000", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let mut table = holds.clone();
                let began = WallInstant::now();
                table.sweep(late, EXPIRE, 10_000, &mut ended);
                spent += began.elapsed();
                ended.clear();
            }
            spent
        });
    });
}

fn gathered(names: &[String]) -> Gathered {
    let mut gathered = Gathered::with_room(names.len());
    for (name, number) in names.iter().zip(0..) {
        gathered.held(Journalled {
            user: user(number),
            name,
            backend: BackendId::from_index((number % u64::from(BACKENDS)) as u32),
        });
    }
    gathered
}

fn restart(c: &mut Criterion) {
    let names: Vec<String> = (0..USERS).map(name).collect();
    c.bench_function("holds/gather_1000000", |b| {
        b.iter_with_large_drop(|| gathered(&names));
    });
    c.bench_function("holds/table_of_1000000_gathered", |b| {
        b.iter_batched(
            || gathered(&names),
            |gathered| Holds::of_gathered(gathered, usize::MAX, Instant::ORIGIN, |_, _| ()),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = login, come_and_go, walk, restart
);

fn main() {
    report_memory();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
