//! Plans with one fault in an otherwise calm ring of the size and the timing of production, so that what users see has
//! one cause.

use crate::entropy::{Entropy, Purpose, Stream};
use crate::fault::{Fault, FaultKind, Links};
use crate::knobs::{BackendKnobs, Doors, Knobs, MemberKnobs, PolicyKnob};
use crate::outages::Visits;
use crate::plan::{Ending, FORMAT, Plan};
use crate::work::{Errand, Order, Work};

/// The default lease.
const LEASE_MS: u64 = 10_000;
/// When the users of the plans begin to come: the ring has long started.
const VISITS: Visits = Visits {
    from_ms: 10_000,
    gap_ms: 1_000,
};
/// When the fault begins, within a lease.
const BEGINS_MS: u64 = 30_000;
/// How long the ring goes on after the fault.
const AFTERWARDS_MS: u64 = 60_000;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Single {
    /// In words.
    pub words: &'static str,
    /// How long it lasts.
    pub length_ms: u64,
    make: fn(Struck) -> Vec<FaultKind>,
    /// An admin takes a backend down and its users away, so long after the beginning.
    down_after_ms: Option<u64>,
}

/// What a fault strikes.
#[derive(Clone, Copy, Debug)]
struct Struck {
    member: usize,
    backend: usize,
    members: usize,
}

const fn single(words: &'static str, length_ms: u64, make: fn(Struck) -> Vec<FaultKind>) -> Single {
    Single {
        words,
        length_ms,
        make,
        down_after_ms: None,
    }
}

/// All of them.
pub const SINGLES: &[Single] = &[
    single("a director is restarted", 1_000, |struck| {
        vec![FaultKind::Crash {
            member: struck.member,
        }]
    }),
    single("a director is dead for a minute", 60_000, |struck| {
        vec![FaultKind::Crash {
            member: struck.member,
        }]
    }),
    single("a director's machine is off for a minute", 60_000, |struck| {
        vec![FaultKind::PowerCut {
            member: struck.member,
        }]
    }),
    single("a director comes back with an empty disk", 5_000, |struck| {
        vec![FaultKind::Wipe {
            member: struck.member,
        }]
    }),
    single("a second process takes over from a director", 5_000, |struck| {
        vec![FaultKind::SecondProcess {
            member: struck.member,
        }]
    }),
    single("a director stands still for 5 s", 5_000, |struck| {
        vec![FaultKind::Pause {
            member: struck.member,
        }]
    }),
    single("a director stands still for 30 s", 30_000, |struck| {
        vec![FaultKind::Pause {
            member: struck.member,
        }]
    }),
    single("a director is cut off for 5 s", 5_000, |struck| {
        vec![FaultKind::Partition {
            side: vec![struck.member],
        }]
    }),
    single("a director is cut off for a minute", 60_000, |struck| {
        vec![FaultKind::Partition {
            side: vec![struck.member],
        }]
    }),
    single("a director hears nobody for a minute", 60_000, |struck| {
        vec![FaultKind::Cut {
            links: to(struck.member),
        }]
    }),
    single("a director is not heard for a minute", 60_000, |struck| {
        vec![FaultKind::Cut {
            links: from(struck.member),
        }]
    }),
    single("all are cut off from each other for 30 s", 30_000, |struck| {
        let alone = |member| FaultKind::Partition { side: vec![member] };
        (0..struck.members).map(alone).collect()
    }),
    single(
        "a director's links fail and work in turns of 2 s for a minute",
        60_000,
        |struck| {
            vec![
                FaultKind::Flap {
                    links: to(struck.member),
                    period_ms: 4_000,
                },
                FaultKind::Flap {
                    links: from(struck.member),
                    period_ms: 4_000,
                },
            ]
        },
    ),
    single("every tenth message is lost for a minute", 60_000, |_| {
        vec![FaultKind::Loss {
            links: Links::default(),
            permille: 100,
        }]
    }),
    single("every third message is lost for a minute", 60_000, |_| {
        vec![FaultKind::Loss {
            links: Links::default(),
            permille: 333,
        }]
    }),
    single("messages are late by up to 0.5 s for a minute", 60_000, |_| {
        vec![FaultKind::Delay {
            links: Links::default(),
            up_to_ms: 500,
        }]
    }),
    single(
        "a director's disk takes up to 0.5 s to sync for a minute",
        60_000,
        |struck| {
            vec![FaultKind::SlowDisk {
                member: struck.member,
                up_to_ms: 500,
            }]
        },
    ),
    single("a director's disk fails for a minute", 60_000, |struck| {
        vec![FaultKind::BrokenDisk {
            member: struck.member,
        }]
    }),
    single("a backend is dead for a minute", 60_000, |struck| {
        vec![FaultKind::BackendDown {
            backend: struck.backend,
        }]
    }),
    single(
        "a backend dies and comes back every 4 s for a minute",
        60_000,
        |struck| {
            vec![FaultKind::BackendFlap {
                backend: struck.backend,
                period_ms: 4_000,
            }]
        },
    ),
    single("a director reaches no backend for a minute", 60_000, |struck| {
        vec![FaultKind::Cable {
            member: struck.member,
        }]
    }),
    Single {
        down_after_ms: Some(0),
        ..single("nothing, and an admin takes a backend down", 60_000, |_| {
            Vec::new()
        })
    },
    Single {
        down_after_ms: Some(1_000),
        ..single(
            "a director dies, and 1 s later an admin takes a backend down",
            60_000,
            |struck| {
                vec![FaultKind::Crash {
                    member: struck.member,
                }]
            },
        )
    },
    Single {
        down_after_ms: Some(15_000),
        ..single(
            "a director hears nobody, and 15 s later an admin takes a backend down",
            60_000,
            |struck| {
                vec![FaultKind::Cut {
                    links: to(struck.member),
                }]
            },
        )
    },
];

fn to(member: usize) -> Links {
    Links {
        to: vec![member],
        ..Links::default()
    }
}

fn from(member: usize) -> Links {
    Links {
        from: vec![member],
        ..Links::default()
    }
}

impl Single {
    /// The users who see what comes of it.
    pub fn visits(&self) -> Visits {
        VISITS
    }

    /// A plan with this fault in a ring of so many directors; whom it strikes, and when, depends on the seed.
    pub fn plan(&self, directors: usize, seed: u64) -> Plan {
        let mut stream = Entropy::new(seed).stream(Purpose::Knobs);
        let knobs = knobs(&mut stream, directors);
        let struck = Struck {
            member: stream.index(directors),
            backend: stream.index(knobs.backends.len()),
            members: directors,
        };
        let from_ms = BEGINS_MS + stream.range(0, LEASE_MS);
        let to_ms = from_ms + self.length_ms;
        let fault = |kind| Fault { from_ms, to_ms, kind };
        let work = self.down_after_ms.map(|after_ms| Work {
            at_ms: from_ms + after_ms,
            member: (struck.member + 1) % directors,
            errand: Errand::Command {
                orders: vec![
                    Order::Down {
                        backend: struck.backend as u32,
                    },
                    Order::Flush {
                        backend: Some(struck.backend as u32),
                    },
                ],
            },
        });
        Plan {
            format: FORMAT,
            note: self.words.to_owned(),
            expect: None,
            seed,
            duration_ms: to_ms + AFTERWARDS_MS,
            ending: Ending::None,
            knobs,
            faults: (self.make)(struck).into_iter().map(fault).collect(),
            work: work.into_iter().collect(),
        }
    }
}

/// A ring behind stock Dovecot with the defaults of the configuration.
fn knobs(stream: &mut Stream, directors: usize) -> Knobs {
    let mut member = || MemberKnobs {
        serves: true,
        votes: true,
        is_configured: true,
        doors: Doors::Refreshing,
        // Two kicks a `director_user_kick_delay` apart, and a second.
        close_bound_ms: 3_000,
        starts_at_ms: stream.range(0, 30),
        wrong_configuration_until_ms: 0,
        is_bootstrap: false,
        clock_ppm: stream.range(0, 200) as i32 - 100,
        clock_offset_ms: stream.range(0, 10_000_000),
    };
    let backend = BackendKnobs {
        vhosts: 100,
        tag: String::new(),
        is_configured: true,
    };
    Knobs {
        members: (0..directors).map(|_| member()).collect(),
        policy: PolicyKnob::Consistent,
        lease_ms: LEASE_MS,
        drift_ppm: 10_000,
        user_expire_ms: 900_000,
        login_wait_ms: 30_000,
        command_wait_ms: 30_000,
        backends: vec![backend; 4],
        users: 40,
        second_tag_percent: 0,
        login_gap_ms: 0,
        at_once_percent: 0,
        session_ms: 2_000,
        latency_min_us: 200,
        latency_max_us: 1_000,
        is_ordered: true,
        disk_us: 5_000,
        health_ms: 0,
        waiting_logins_max: 10_000,
        holds_max: 100_000,
        commands_max: 1_000,
        flushes_max: 0,
        flush_ms: 0,
        probe_ms: 5_000,
        failed_max_permille: 500,
        evict_after_ms: 0,
        joins_by_address: false,
        has_markers: false,
        fault_kinds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outages::{Outage, Outages};
    use crate::outcome::Verdict;
    use crate::run::{Options, run};

    fn outages(words: &str, is_roaming: bool) -> Outages {
        let single = SINGLES.iter().find(|single| single.words == words).expect(words);
        let options = Options {
            visits: Some(single.visits()),
            ..Options::default()
        };
        let mut outages = Outages::default();
        for seed in 0..3 {
            let outcome = run(&single.plan(3, seed), &options);
            assert_eq!(outcome.verdict, Verdict::Ok, "{words}, seed {seed}");
            let its = outcome
                .outages
                .into_iter()
                .filter(|outage: &Outage| outage.is_roaming == is_roaming);
            its.for_each(|outage| outages.add(outage));
        }
        outages.sort();
        outages
    }

    #[test]
    fn every_plan_can_be_run() {
        for single in SINGLES {
            for directors in [3, 5] {
                let plan = single.plan(directors, 1);
                plan.check()
                    .unwrap_or_else(|error| panic!("{}: {error}", single.words));
            }
        }
    }

    #[test]
    fn who_stays_at_a_dead_director_waits_for_it_and_who_goes_elsewhere_does_not() {
        let staying = outages("a director is dead for a minute", false);
        assert_eq!(staying.unended(), 0);
        assert!(
            staying
                .quantile_ms(500)
                .is_some_and(|ms| (55_000..65_000).contains(&ms)),
            "{staying:?}"
        );
        assert!(staying.touched() * 2 < staying.users(), "{staying:?}");
        let roaming = outages("a director is dead for a minute", true);
        assert!(
            roaming.quantile_ms(1_000).is_some_and(|ms| ms < 1_000),
            "{roaming:?}"
        );
    }

    #[test]
    fn a_director_that_is_cut_off_for_less_than_its_lease_is_missed_for_a_moment_at_most() {
        // Of the lease of 10 s the doors may use 7, and it is asked for every 2. Whoever loses it waits for the closing of
        // the sessions (2 s) and an asking, and tries once a second.
        let staying = outages("a director is cut off for 5 s", false);
        assert!(staying.touched() * 3 < staying.users(), "{staying:?}");
        assert!(
            staying.quantile_ms(1_000).is_none_or(|ms| ms < 5_000),
            "{staying:?}"
        );
    }
}
