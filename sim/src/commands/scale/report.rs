//! What `sim scale` prints: one table for each question.

use sim::scale::{ChangeTimes, Mean, RATES};

use super::limits::limits;
use super::site::Site;
use crate::commands::table::{Side, Table, grouped};

/// All tables under their headings, as text or markdown.
pub fn report(sites: &[Site], is_markdown: bool) -> String {
    let tables = [
        ("A quiet ring", quiet(sites)),
        ("Time of a change", changes(sites)),
        ("Memory of one director", memory(sites)),
        ("Without service", unavailability(sites)),
        (
            "Seconds a year and user without service, by cause, with a balancer",
            causes(sites, |cause| cause.retry_min),
        ),
        (
            "The same through a fixed director",
            causes(sites, |cause| cause.fixed_min),
        ),
        ("Incidents: in all years, of them played", played(sites)),
        ("Rates", rates()),
        ("Limits", limits(sites)),
    ];
    let mut text = String::new();
    for (heading, table) in tables {
        let mark = if is_markdown { "### " } else { "" };
        text.push_str(&format!("{mark}{heading}\n\n{}\n", table.rendered(is_markdown)));
    }
    text
}

fn quiet(sites: &[Site]) -> Table {
    let mut table = Table::new(&[
        ("directors", Side::Right),
        ("messages/s said in the ring", Side::Right),
        ("messages/s handled by one", Side::Right),
        ("frames/s through one", Side::Right),
        ("kbit/s in and out of one", Side::Right),
        ("inputs/s of one machine", Side::Right),
        ("links on the longest way", Side::Right),
    ]);
    for site in sites {
        let steady = site.steady;
        table.row(vec![
            site.setup.directors.to_string(),
            format!("{:.1}", steady.said),
            format!("{:.1}", steady.handled),
            format!("{:.1}", steady.frames),
            format!("{:.1}", steady.link_bytes * 8.0 / 1e3),
            format!("{:.1}", steady.inputs),
            steady.hops.to_string(),
        ]);
    }
    table
}

fn changes(sites: &[Site]) -> Table {
    let mut table = Table::new(&[
        ("directors", Side::Right),
        ("changes", Side::Right),
        ("answered, median", Side::Right),
        ("everywhere, median", Side::Right),
        ("everywhere, 99 %", Side::Right),
        ("longest", Side::Right),
        ("messages handled for one", Side::Right),
    ]);
    for site in sites {
        let changes = &site.changes;
        let ms = |times: &[u64], percent| {
            format!(
                "{:.1} ms",
                ChangeTimes::percentile_ns(times, percent) as f64 / 1e6
            )
        };
        table.row(vec![
            site.setup.directors.to_string(),
            (changes.everywhere_ns.len() as u64 + changes.given_up).to_string(),
            ms(&changes.answered_ns, 50),
            ms(&changes.everywhere_ns, 50),
            ms(&changes.everywhere_ns, 99),
            ms(&changes.everywhere_ns, 100),
            grouped(changes.messages.max(0.0) as u64),
        ]);
    }
    table
}

fn memory(sites: &[Site]) -> Table {
    let mut table = Table::new(&[
        ("directors", Side::Right),
        ("users held by one", Side::Right),
        ("holds and names", Side::Right),
        ("rings of vhosts, 4 copies", Side::Right),
        ("which messages came", Side::Right),
        ("in all", Side::Right),
        ("topology as sent", Side::Right),
    ]);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    for site in sites {
        let memory = site.memory;
        table.row(vec![
            site.setup.directors.to_string(),
            grouped(memory.users),
            mib(memory.holds_bytes),
            mib(memory.rings_bytes),
            mib(memory.seen_bytes),
            mib(memory.bytes()),
            format!("{:.1} KiB", memory.topology_frame_bytes as f64 / 1024.0),
        ]);
    }
    table
}

fn unavailability(sites: &[Site]) -> Table {
    let mut table = Table::new(&[
        ("directors", Side::Right),
        ("fixed director, min/year", Side::Right),
        ("with a balancer, min/year", Side::Right),
        ("served", Side::Right),
        ("of it no majority, min/year", Side::Right),
        ("two things wrong, h/year", Side::Right),
        ("longest", Side::Right),
        ("epochs/year", Side::Right),
        ("splits", Side::Right),
    ]);
    for site in sites {
        let estimate = &site.estimate;
        let retry = estimate.retry_min();
        let minutes_per_year = 365.25 * 24.0 * 60.0;
        table.row(vec![
            site.setup.directors.to_string(),
            with_margin(estimate.fixed_min()),
            with_margin(retry),
            format!("{:.5} %", 100.0 * (1.0 - retry.value / minutes_per_year)),
            format!("{:.2}", estimate.no_majority_min()),
            format!(
                "{:.1}",
                estimate.absences.overlapping_ms as f64 / 3_600_000.0 / estimate.years
            ),
            format!("{:.0} s", estimate.longest_s()),
            format!("{:.0}", estimate.epochs_per_year()),
            estimate.splits().to_string(),
        ]);
    }
    table
}

fn causes(sites: &[Site], of: impl Fn(&sim::scale::CauseEstimate) -> Mean) -> Table {
    let mut heads = vec![("directors", Side::Right)];
    heads.extend(RATES.iter().map(|rate| (rate.cause.name(), Side::Right)));
    let mut table = Table::new(&heads);
    for site in sites {
        let mut cells = vec![site.setup.directors.to_string()];
        let seconds = |cause| {
            let Mean { value, margin } = of(cause);
            with_margin(Mean {
                value: value * 60.0,
                margin: margin * 60.0,
            })
        };
        cells.extend(site.estimate.causes.iter().map(seconds));
        table.row(cells);
    }
    table
}

fn played(sites: &[Site]) -> Table {
    let mut heads = vec![("directors", Side::Right)];
    heads.extend(RATES.iter().map(|rate| (rate.cause.name(), Side::Right)));
    heads.push(("hours played", Side::Right));
    let mut table = Table::new(&heads);
    for site in sites {
        let mut cells = vec![site.setup.directors.to_string()];
        let causes = site.estimate.causes.iter();
        cells.extend(causes.map(|cause| format!("{}, {}", grouped(cause.count), cause.played)));
        cells.push(format!("{:.1}", site.estimate.played_s / 3_600.0));
        table.row(cells);
    }
    table
}

fn rates() -> Table {
    let mut table = Table::new(&[
        ("what", Side::Left),
        ("of each", Side::Left),
        ("a year", Side::Right),
        ("lasts", Side::Left),
        ("why", Side::Left),
    ]);
    for rate in &RATES {
        let (low, high) = rate.lasts_ms;
        table.row(vec![
            rate.cause.to_string(),
            rate.per.to_string(),
            format!("{:.2}", rate.per_thousand_years as f64 / 1_000.0),
            format!("{} to {}", span(low), span(high)),
            rate.why.to_owned(),
        ]);
    }
    table
}

fn with_margin(mean: Mean) -> String {
    format!("{:.2} ± {:.2}", mean.value, mean.margin)
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}
