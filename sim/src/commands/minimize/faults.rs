//! Fewer and plainer faults in the place of those that are left.

use sim::fault::Links;
use sim::{Fault, FaultKind};

use super::minimizer::Minimizer;

/// Puts a plainer fault in the place of each, where that does as well.
pub fn make_plainer(minimizer: &mut Minimizer) {
    for place in 0..minimizer.plan().faults.len() {
        for plainer in plainer(&minimizer.plan().faults[place].kind.clone()) {
            if minimizer.try_change(|plan| plan.faults[place].kind = plainer) {
                break;
            }
        }
    }
}

/// Puts one fault in the place of two of a kind, which lasts as long as both and the time between them.
pub fn merge(minimizer: &mut Minimizer) {
    while (0..minimizer.plan().faults.len()).any(|first| merge_with_later(minimizer, first)) {}
}

fn merge_with_later(minimizer: &mut Minimizer, first: usize) -> bool {
    (first + 1..minimizer.plan().faults.len()).any(|second| {
        let faults = &minimizer.plan().faults;
        let Some(both) = merged(&faults[first], &faults[second]) else {
            return false;
        };
        minimizer.try_change(|plan| {
            plan.faults[first] = both;
            plan.faults.remove(second);
        })
    })
}

/// One fault that does all that these two do, if one can.
fn merged(one: &Fault, other: &Fault) -> Option<Fault> {
    Some(Fault {
        from_ms: one.from_ms.min(other.from_ms),
        to_ms: one.to_ms.max(other.to_ms),
        kind: merged_kind(&one.kind, &other.kind)?,
    })
}

fn merged_kind(one: &FaultKind, other: &FaultKind) -> Option<FaultKind> {
    match (one, other) {
        (FaultKind::Cut { links: a }, FaultKind::Cut { links: b }) => Some(FaultKind::Cut {
            links: merged_links(a, b),
        }),
        (
            FaultKind::Loss { links: a, permille },
            FaultKind::Loss {
                links: b,
                permille: other,
            },
        ) => Some(FaultKind::Loss {
            links: merged_links(a, b),
            permille: *permille.max(other),
        }),
        (FaultKind::Hold { links: a }, FaultKind::Hold { links: b }) => Some(FaultKind::Hold {
            links: merged_links(a, b),
        }),
        _ => (one == other).then(|| one.clone()),
    }
}

/// From all senders of both to all receivers of both; in each list nothing means everything.
fn merged_links(one: &Links, other: &Links) -> Links {
    fn both<T: Copy + Ord>(one: &[T], other: &[T]) -> Vec<T> {
        if one.is_empty() || other.is_empty() {
            return Vec::new();
        }
        let mut all = [one, other].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
    Links {
        from: both(&one.from, &other.from),
        to: both(&one.to, &other.to),
        only: both(&one.only, &other.only),
    }
}

/// Plainer kinds, the plainest first. None of them ever leads back.
fn plainer(kind: &FaultKind) -> Vec<FaultKind> {
    let cut = |links: &Links| {
        let all = Links {
            only: Vec::new(),
            ..links.clone()
        };
        vec![
            FaultKind::Cut { links: all },
            FaultKind::Cut { links: links.clone() },
        ]
    };
    match kind {
        FaultKind::Loss { links, .. }
        | FaultKind::Flap { links, .. }
        | FaultKind::Duplicate { links, .. }
        | FaultKind::Delay { links, .. }
        | FaultKind::Hold { links } => cut(links),
        FaultKind::Cut { links } if !links.only.is_empty() => cut(links),
        FaultKind::PowerCut { member } | FaultKind::Wipe { member } => {
            vec![FaultKind::Crash { member: *member }]
        }
        FaultKind::BackendFlap { backend, .. } => vec![FaultKind::BackendDown { backend: *backend }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use sim::fault::MessageKind;

    use super::*;

    fn cut(from_ms: u64, to_ms: u64, from: &[usize], to: &[usize]) -> Fault {
        let links = Links {
            from: from.to_vec(),
            to: to.to_vec(),
            only: Vec::new(),
        };
        Fault {
            from_ms,
            to_ms,
            kind: FaultKind::Cut { links },
        }
    }

    #[test]
    fn two_cuts_become_one_that_covers_both() {
        let both = merged(&cut(10, 20, &[0], &[2]), &cut(15, 40, &[1, 0], &[2]));
        assert_eq!(both, Some(cut(10, 40, &[0, 1], &[2])));
    }

    #[test]
    fn a_list_that_means_everything_goes_on_to_mean_it() {
        let both = merged(&cut(10, 20, &[], &[2]), &cut(0, 5, &[1], &[]));
        assert_eq!(both, Some(cut(0, 20, &[], &[])));
    }

    #[test]
    fn faults_of_two_kinds_or_members_stay_two() {
        assert_eq!(
            merged_kind(&FaultKind::Crash { member: 0 }, &FaultKind::Crash { member: 1 }),
            None
        );
        assert_eq!(
            merged_kind(&FaultKind::Crash { member: 0 }, &FaultKind::Pause { member: 0 }),
            None
        );
    }

    #[test]
    fn what_is_plainer_ends_at_a_whole_cut() {
        let links = Links {
            only: vec![MessageKind::Grant],
            ..Links::default()
        };
        let mut kind = FaultKind::Flap { links, period_ms: 10 };
        let mut steps = 0;
        while let Some(next) = plainer(&kind).into_iter().find(|next| *next != kind) {
            (kind, steps) = (next, steps + 1);
        }
        assert_eq!(
            (kind, steps),
            (
                FaultKind::Cut {
                    links: Links::default()
                },
                1
            )
        );
    }
}
