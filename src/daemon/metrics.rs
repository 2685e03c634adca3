//! Everything that is measured, gathered when a monitor asks, in the OpenMetrics text format.
//!
//! `docs/LOOKUPS.md` lists the names; a test compares.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::status::MemberReport;
use crate::{dovecot, lookups, proxy};

/// What is spoken at a socket, where it is, and what it counts.
pub(super) type Meter<C> = (&'static str, String, Arc<C>);

/// The counters of all sockets.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub doors: Vec<Meter<dovecot::Counters>>,
    pub lookups: Vec<Meter<lookups::Counters>>,
    pub proxies: Vec<Meter<proxy::Counters>>,
}

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct Measured {
    pub report: MemberReport,
    /// Sessions at the proxies.
    pub sessions: usize,
    /// Messages from members that made no sense.
    pub nonsense: u64,
    /// Reports of users alive that came too fast.
    pub refreshes_dropped: u64,
    pub meters: Option<Arc<Meters>>,
}

impl Measured {
    /// As text.
    pub fn text(self) -> String {
        let mut registry = Registry::with_prefix("maildirector");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

type Labels = Vec<(&'static str, String)>;

/// Writes families of metrics.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            let mut counter = family.encode_family(&labels)?;
            counter.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        }
        Ok(())
    }
}

/// As 0 or 1.
fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.ring(&mut families)?;
        self.backends(&mut families)?;
        if let Some(meters) = &self.meters {
            meters.encode(&mut families)?;
        }
        families.counters(
            "ring_nonsense",
            "Messages from members that made no sense and were dropped",
            [(Labels::new(), self.nonsense)],
        )?;
        families.counters(
            "refreshes_dropped",
            "Reports of users alive that came faster than they could be noted",
            [(Labels::new(), self.refreshes_dropped)],
        )
    }
}

impl Measured {
    fn ring(&self, families: &mut Families<'_>) -> fmt::Result {
        let report = &self.report;
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        families.gauges("build_info", "The version that runs", [(version, 1.0)])?;
        families.gauge("epoch", "The epoch in force here", report.epoch as f64)?;
        let is_serving = report.standing != "isolated";
        families.gauge("serving", "1 while users are let in here", flag(is_serving))?;
        let lease = report.lease_ms.unwrap_or(0) as f64 / 1e3;
        families.gauge("lease_seconds", "What is left of the lease", lease)?;
        families.gauge(
            "seated",
            "1 while the vote of this member counts",
            flag(report.is_seated),
        )?;
        families.gauge(
            "changing",
            "1 while a change is under way",
            flag(report.is_changing),
        )?;
        families.gauge("held_users", "Users held here", report.users as f64)?;
        families.gauge("sessions", "Sessions at the proxies", self.sessions as f64)?;
        families.gauge(
            "waiting_logins",
            "Logins that wait for a change to end",
            report.waiting_logins as f64,
        )?;
        families.gauge("links", "Links that stand", report.links.len() as f64)?;
        families.gauge(
            "differences",
            "Settings in force that are others than the configuration's",
            report.differences.len() as f64,
        )?;
        let member = |id: u16| vec![("member", id.to_string())];
        let heard = report.members.iter();
        let heard = heard.filter_map(|other| Some((member(other.id), other.heard_ms_ago? as f64 / 1e3)));
        families.gauges(
            "member_heard_seconds",
            "How long ago a member was heard last",
            heard,
        )?;
        let leased = report.members.iter().filter(|other| other.serves);
        let leased = leased.map(|other| (member(other.id), flag(other.is_leased)));
        families.gauges(
            "member_leased",
            "1 while a director is known to hold a lease",
            leased,
        )
    }

    fn backends(&self, families: &mut Families<'_>) -> fmt::Result {
        type Measure = (&'static str, &'static str, fn(&super::BackendReport) -> f64);
        const MEASURES: [Measure; 6] = [
            ("backend_up", "1 while an admin has it up", |backend| {
                flag(backend.is_up)
            }),
            (
                "backend_failed",
                "1 while the ring has it out of service by its probes",
                |backend| flag(backend.is_failed),
            ),
            (
                "backend_failing_here",
                "1 while the probes of this director fail",
                |backend| flag(backend.fails_here),
            ),
            ("backend_vhosts", "Its weight", |backend| {
                f64::from(backend.vhosts)
            }),
            ("backend_users", "Users held there by this director", |backend| {
                f64::from(backend.users)
            }),
            ("backend_pinned_users", "Users pinned there", |backend| {
                backend.pinned as f64
            }),
        ];
        for (name, help, measure) in MEASURES {
            let values = self.report.backends.iter().map(|backend| {
                let labels = vec![("backend", backend.ip.clone()), ("tag", backend.tag.clone())];
                (labels, measure(backend))
            });
            families.gauges(name, help, values)?;
        }
        Ok(())
    }
}

/// A counter: its name, what it counts, and where it is.
type Count<C> = (&'static str, &'static str, fn(&C) -> u64);

const DOORS: Sort<dovecot::Counted> = Sort {
    open: (
        "door_connections",
        "Connections of Dovecot's processes and admins",
        |of| of.open,
    ),
    counts: &[
        (
            "door_accepted",
            "Connections accepted from Dovecot's processes and admins",
            |of| of.accepted,
        ),
        (
            "door_turned_away",
            "Connections closed at once, because too many were open",
            |of| of.turned_away,
        ),
        ("door_broken", "Connections closed for a fault", |of| of.broken),
        (
            "door_unreachable",
            "Connections closed because the auth server could not be reached",
            |of| of.unreachable,
        ),
        ("door_lookups", "Lines that wanted a backend", |of| of.lookups),
        ("door_lookups_late", "Of these, those that had to wait", |of| {
            of.late
        }),
        ("door_lookups_failed", "Of these, those that failed", |of| {
            of.failed
        }),
    ],
};

const LOOKUPS: Sort<lookups::Counted> = Sort {
    open: (
        "lookup_connections",
        "Connections of those who look users up",
        |of| of.open,
    ),
    counts: &[
        (
            "lookup_accepted",
            "Connections accepted from those who look users up",
            |of| of.accepted,
        ),
        (
            "lookup_turned_away",
            "Connections closed at once, because too many were open",
            |of| of.turned_away,
        ),
        ("lookup_broken", "Connections closed for a fault", |of| of.broken),
        ("lookup_found", "Users who were found", |of| of.found),
        ("lookup_refused", "Users for whom there was no answer", |of| {
            of.refused
        }),
    ],
};

const PROXIES: Sort<proxy::Counted> = Sort {
    open: ("proxy_connections", "Connections of clients", |of| of.open),
    counts: &[
        ("proxy_accepted", "Connections accepted from clients", |of| {
            of.accepted
        }),
        (
            "proxy_turned_away",
            "Connections closed at once, because too many were open",
            |of| of.turned_away,
        ),
        (
            "proxy_broken",
            "Connections that ended before a login by a fault of the client",
            |of| of.broken,
        ),
        (
            "proxy_logins",
            "Clients who were logged in; by LMTP, recipients whose mail was taken",
            |of| of.logins,
        ),
        (
            "proxy_logins_rejected",
            "Logins, or recipients, that a backend has refused, or the accounts",
            |of| of.rejected,
        ),
        (
            "proxy_logins_unverified",
            "Logins that nobody could verify",
            |of| of.unverified,
        ),
        (
            "proxy_logins_refused",
            "Logins, or recipients, that the director has refused",
            |of| of.refused,
        ),
        (
            "proxy_logins_failed",
            "Logins, or recipients, for which no backend could be used",
            |of| of.backend_failed,
        ),
    ],
};

/// What is counted at the sockets of one sort.
struct Sort<C: 'static> {
    /// The gauge of connections that are open: its name, and what it says.
    open: (&'static str, &'static str, fn(&C) -> u64),
    counts: &'static [Count<C>],
}

impl<C> Sort<C> {
    fn encode(&self, families: &mut Families<'_>, all: &[(Labels, C)]) -> fmt::Result {
        let (name, help, open) = self.open;
        let values = all
            .iter()
            .map(|(labels, counted)| (labels.clone(), open(counted) as f64));
        families.gauges(name, help, values)?;
        for (name, help, count) in self.counts {
            let values = all
                .iter()
                .map(|(labels, counted)| (labels.clone(), count(counted)));
            families.counters(name, help, values)?;
        }
        Ok(())
    }
}

fn counted<C, T>(meters: &[Meter<C>], count: impl Fn(&C) -> T) -> Vec<(Labels, T)> {
    let labels =
        |speaks: &str, address: &str| vec![("door", address.to_owned()), ("protocol", speaks.to_owned())];
    let all = meters.iter();
    all.map(|(speaks, address, counters)| (labels(speaks, address), count(counters)))
        .collect()
}

impl Meters {
    fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        DOORS.encode(families, &counted(&self.doors, dovecot::Counters::counted))?;
        LOOKUPS.encode(families, &counted(&self.lookups, lookups::Counters::counted))?;
        PROXIES.encode(families, &counted(&self.proxies, proxy::Counters::counted))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::daemon::{BackendReport, OtherReport};

    const DOCUMENT: &str = include_str!("../../docs/LOOKUPS.md");

    fn measured() -> Measured {
        let member = OtherReport {
            id: 2,
            serves: true,
            votes: true,
            heard_ms_ago: Some(1_500),
            is_leased: true,
            is_coordinator: false,
        };
        let backend = BackendReport {
            ip: "10.0.0.9".to_owned(),
            hostname: None,
            tag: "a\"b\\c".to_owned(),
            vhosts: 100,
            is_up: true,
            is_failed: false,
            fails_here: false,
            drain: None,
            users: 7,
            pinned: 0,
        };
        let report = MemberReport {
            me: 1,
            epoch: 3,
            standing: "isolated".to_owned(),
            lease_ms: None,
            is_seated: true,
            is_changing: false,
            users: 7,
            waiting_logins: 0,
            members: vec![member],
            backends: vec![backend],
            links: Vec::new(),
            differences: Vec::new(),
        };
        let meters = Meters {
            doors: vec![("login", "/run/login".to_owned(), Arc::default())],
            lookups: vec![("http", "127.0.0.1:9180".to_owned(), Arc::default())],
            proxies: vec![("imap", "0.0.0.0:143".to_owned(), Arc::default())],
        };
        Measured {
            report,
            sessions: 0,
            nonsense: 2,
            refreshes_dropped: 0,
            meters: Some(Arc::new(meters)),
        }
    }

    #[test]
    fn every_figure_is_documented_and_nothing_else() {
        let text = measured().text();
        let names = text.lines().filter(|line| !line.starts_with('#'));
        let names: BTreeSet<&str> = names.filter_map(|line| line.split(['{', ' ']).next()).collect();
        let documented = DOCUMENT
            .lines()
            .filter_map(|line| line.strip_prefix("| `maildirector_"));
        let documented: BTreeSet<&str> = documented
            .flat_map(|row| {
                row.split(" | ")
                    .next()
                    .expect("a row has a cell")
                    .split("`, `maildirector_")
            })
            .map(|name| name.trim_end_matches('`'))
            .collect();
        let names: BTreeSet<&str> = names
            .into_iter()
            .map(|name| name.strip_prefix("maildirector_").expect("they have one prefix"))
            .collect();
        assert_eq!(documented, names);
    }

    #[test]
    fn a_figure_has_its_labels_escaped_and_its_unit_is_a_second() {
        let text = measured().text();
        for line in [
            "maildirector_serving 0.0",
            "maildirector_member_heard_seconds{member=\"2\"} 1.5",
            "maildirector_backend_users{backend=\"10.0.0.9\",tag=\"a\\\"b\\\\c\"} 7.0",
            "maildirector_ring_nonsense_total 2",
            "maildirector_door_accepted_total{door=\"/run/login\",protocol=\"login\"} 0",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing:\n{text}"
            );
        }
    }
}
