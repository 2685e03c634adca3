//! The plots of `sim scale`: what each shows of the sites.

use sim::scale::{Cause, ChangeTimes, LinkSpeed};

use super::chart::{Chart, Line};
use super::limits::PINS_MAX;
use super::site::Site;

const DIRECTORS: &str = "directors in the ring";

/// All plots with the names of their files.
pub fn plots(sites: &[Site]) -> Vec<(&'static str, String)> {
    vec![
        ("messages.svg", messages(sites).svg()),
        ("bandwidth.svg", bandwidth(sites).svg()),
        ("change.svg", change(sites).svg()),
        ("memory.svg", memory(sites).svg()),
        ("unavailability.svg", unavailability(sites).svg()),
        ("causes.svg", causes(sites).svg()),
        ("values.svg", values(sites).svg()),
    ]
}

fn chart(sites: &[Site], title: &'static str, subtitle: &str, y: &'static str, lines: Vec<Line>) -> Chart {
    Chart {
        title,
        subtitle: subtitle.to_owned(),
        x: DIRECTORS,
        y,
        marks: sites.iter().map(|site| f64::from(site.setup.directors)).collect(),
        lines,
    }
}

fn line(sites: &[Site], name: &str, of: impl Fn(&Site) -> f64) -> Line {
    Line {
        name: name.to_owned(),
        points: sites
            .iter()
            .map(|site| (f64::from(site.setup.directors), of(site)))
            .collect(),
        is_bound: false,
    }
}

fn bound(sites: &[Site], name: &str, value: f64) -> Line {
    Line {
        is_bound: true,
        ..line(sites, name, |_| value)
    }
}

fn messages(sites: &[Site]) -> Chart {
    let lines = vec![
        line(sites, "said in the whole ring", |site| site.steady.said),
        line(sites, "frames through one director", |site| site.steady.frames),
        line(sites, "handled by one director", |site| site.steady.handled),
    ];
    let subtitle = "A quiet ring: leases are renewed every 2 s; logins send nothing";
    chart(sites, "Messages a second", subtitle, "messages a second", lines)
}

fn bandwidth(sites: &[Site]) -> Chart {
    let lines = vec![
        line(sites, "one director", |site| site.steady.link_bytes * 8.0 / 1e3),
        bound(sites, "1 % of 1 Gbit/s", 1e4),
    ];
    let subtitle = "A quiet ring: what one director gets over both links, and sends, without TLS and TCP";
    chart(sites, "Traffic of one director", subtitle, "kbit/s", lines)
}

fn change(sites: &[Site]) -> Chart {
    let within = |percent| {
        move |site: &Site| ChangeTimes::percentile_ns(&site.changes.everywhere_ns, percent) as f64 / 1e6
    };
    let answered = |site: &Site| ChangeTimes::percentile_ns(&site.changes.answered_ns, 50) as f64 / 1e6;
    let lines = vec![
        line(sites, "everywhere, 99 %", within(99)),
        line(sites, "everywhere, median", within(50)),
        line(sites, "answered, median", answered),
    ];
    let subtitle = "A new weight of one backend, asked for at any director, until all have installed it";
    chart(sites, "Time of a change", subtitle, "milliseconds", lines)
}

fn memory(sites: &[Site]) -> Chart {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let lines = vec![
        line(sites, "holds and names", |site| mib(site.memory.holds_bytes)),
        line(sites, "rings of vhosts, four copies", |site| {
            mib(site.memory.rings_bytes)
        }),
        line(sites, "which messages came", |site| mib(site.memory.seen_bytes)),
    ];
    let subtitle = "All users held, spread evenly over the directors";
    chart(sites, "Memory of one director", subtitle, "MiB", lines)
}

fn unavailability(sites: &[Site]) -> Chart {
    let lines = vec![
        line(sites, "through a fixed director", |site| {
            site.estimate.fixed_min().value
        }),
        line(sites, "with a balancer", |site| site.estimate.retry_min().value),
        line(sites, "no majority (overlaps)", |site| {
            site.estimate.no_majority_min()
        }),
        bound(sites, "99.999 %", 5.26),
    ];
    let subtitle = "Ten years of faults; a balancer tries the next director when one refuses or is silent";
    chart(
        sites,
        "Without service",
        subtitle,
        "minutes a year and user",
        lines,
    )
}

fn causes(sites: &[Site]) -> Chart {
    let mut causes: Vec<Cause> = Cause::all().collect();
    let total = |cause: Cause| -> f64 {
        sites
            .iter()
            .map(|site| site.estimate.causes[cause as usize].retry_min.value)
            .sum()
    };
    causes.sort_by(|a, b| {
        total(*b)
            .partial_cmp(&total(*a))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    causes.truncate(6);
    let lines = causes.into_iter().map(|cause| {
        line(sites, &cause.to_string(), move |site| {
            site.estimate.causes[cause as usize].retry_min.value * 60.0
        })
    });
    let subtitle = "With a balancer; the six causes that cost most";
    chart(
        sites,
        "Why users are without service",
        subtitle,
        "seconds a year and user",
        lines.collect(),
    )
}

fn values(sites: &[Site]) -> Chart {
    let pins = |speed: usize| move |site: &Site| site.values[speed].1 as f64 / sim::scale::pin_bytes();
    let names = sites.first().map_or(Vec::new(), |site| {
        site.values.iter().map(|(speed, _)| speed_name(*speed)).collect()
    });
    let mut lines: Vec<Line> = names
        .iter()
        .enumerate()
        .map(|(speed, name)| line(sites, name, pins(speed)))
        .collect();
    lines.push(bound(sites, "pins of a topology, at most", PINS_MAX as f64));
    let subtitle = "A change that pins so many users is decided everywhere and nobody loses a lease";
    chart(
        sites,
        "How many users one change may pin",
        subtitle,
        "users pinned by one change",
        lines,
    )
}

pub fn speed_name(speed: LinkSpeed) -> &'static str {
    match speed {
        LinkSpeed::Mbit100 => "100 Mbit/s links",
        LinkSpeed::Gbit1 => "1 Gbit/s links",
        LinkSpeed::Gbit10 => "10 Gbit/s links",
    }
}
