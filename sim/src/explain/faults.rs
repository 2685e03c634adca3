//! The faults of a plan: in words, when they were in force, whom they strike, and which of them lost, held back or
//! delayed a message.

use super::recorder::{Flight, Recorder};
use super::words::{clock, listed};
use crate::fault::{Fault, FaultKind, Links, MessageKind};
use crate::plan::Plan;
use crate::world::{Fate, Note};

/// When each fault of the plan was in force, in true time.
#[derive(Clone, Debug)]
pub(crate) struct InForce<'p> {
    plan: &'p Plan,
    /// By the fault's number in the plan. The end of time for one that lasted to the end of the run.
    pub(crate) spans: Vec<Option<(u64, u64)>>,
    /// What the plan's ending left broken, and since when.
    left: Option<(u64, &'static str)>,
}

impl<'p> InForce<'p> {
    pub(crate) fn new(plan: &'p Plan, recorder: &Recorder) -> Self {
        let mut spans = vec![None; plan.faults.len()];
        let mut left = None;
        for (_, noted) in recorder.all() {
            match noted.note {
                Note::FaultBegan { index, .. } => spans[index as usize] = Some((noted.at_ns, u64::MAX)),
                Note::FaultEnded { index, .. } => {
                    let from = spans[index as usize].map_or(0, |(from, _)| from);
                    spans[index as usize] = Some((from, noted.at_ns));
                }
                Note::LeftBroken { words } => left = Some((noted.at_ns, words)),
                _ => {}
            }
        }
        InForce { plan, spans, left }
    }

    /// What the plan's ending leaves broken at a time.
    pub(crate) fn left_broken(&self, at_ns: u64) -> Option<&'static str> {
        let (_, words) = self.left.filter(|(from_ns, _)| *from_ns <= at_ns)?;
        Some(words)
    }

    /// What became of a message in words; nothing of one that simply arrived.
    pub(crate) fn fate_words(&self, flight: &Flight, now_ns: u64) -> Option<String> {
        let behind = self.behind(flight);
        let mut causes: Vec<String> = behind.iter().map(|index| format!("fault {index}")).collect();
        if causes.is_empty() && self.left_broken(flight.sent_ns).is_some() {
            causes.push("the plan's ending".to_owned());
        }
        let by = if causes.is_empty() {
            String::new()
        } else {
            format!(" by {}", listed(&causes))
        };
        let is_paused = || {
            let pauses = |index: usize| {
                self.plan.faults[index].kind
                    == FaultKind::Pause {
                        member: flight.to.into(),
                    }
            };
            self.at(now_ns).any(pauses)
        };
        let arrived_ns = flight.arrived_ns.first();
        match (flight.fate, arrived_ns) {
            (Fate::Lost, _) => Some(format!("lost{by}")),
            (Fate::Held, None) => Some(format!("held back{by}")),
            (Fate::Held, Some(at_ns)) => Some(format!("held back{by} until {}", clock(*at_ns))),
            (_, None) if is_paused() => Some("waits there, for it is paused".to_owned()),
            (_, None) if !behind.is_empty() => Some(format!("lost on its way{by}")),
            (_, None) if flight.sent_ns + UNDER_WAY_NS / 10 > now_ns => Some("still on its way".to_owned()),
            (_, None) => Some("never taken in".to_owned()),
            (_, Some(at_ns)) if !behind.is_empty() && at_ns - flight.sent_ns > UNDER_WAY_NS / 20 => {
                Some(format!("{} ms late{by}", (at_ns - flight.sent_ns) / 1_000_000))
            }
            _ => None,
        }
    }

    /// The faults in force at a time, by number.
    pub(crate) fn at(&self, at_ns: u64) -> impl Iterator<Item = usize> + '_ {
        let is_on =
            move |span: &Option<(u64, u64)>| span.is_some_and(|(from, to)| from <= at_ns && at_ns < to);
        self.spans
            .iter()
            .enumerate()
            .filter(move |(_, span)| is_on(span))
            .map(|(index, _)| index)
    }

    /// The faults that may have done this to a message: all of that effect on its link at its sending, or, of one that was
    /// lost on its way, at the end of its way.
    pub(crate) fn behind(&self, flight: &Flight) -> Vec<usize> {
        let (from, to, kind) = (flight.message.from(), flight.to, flight.message.kind());
        let on_link =
            |index: &usize| touches_link(&self.plan.faults[*index].kind, from.into(), to.into(), kind);
        let is_meant = |index: &usize| {
            let kind = &self.plan.faults[*index].kind;
            match flight.fate {
                Fate::Held => matches!(kind, FaultKind::Hold { .. }),
                Fate::Lost => is_cut(kind) || matches!(kind, FaultKind::Loss { .. }),
                Fate::ArrivesTwice => matches!(kind, FaultKind::Duplicate { .. }),
                Fate::Arrives if flight.arrived_ns.is_empty() => is_cut(kind),
                Fate::Arrives => matches!(kind, FaultKind::Delay { .. }),
            }
        };
        if flight.fate == Fate::Arrives && flight.arrived_ns.is_empty() {
            // Cut while it was under way: the fault began after its sending.
            let began = |index: &usize| {
                self.spans[*index].is_some_and(|(from, _)| {
                    from >= flight.sent_ns && from < flight.sent_ns.saturating_add(UNDER_WAY_NS)
                })
            };
            let all = 0..self.plan.faults.len();
            return all.filter(began).filter(on_link).filter(is_meant).collect();
        }
        self.at(flight.sent_ns).filter(on_link).filter(is_meant).collect()
    }
}

/// A message that was sent so long before a cut may have been under way when it came.
const UNDER_WAY_NS: u64 = 1_000_000_000;

fn is_cut(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Partition { .. } | FaultKind::Cut { .. } | FaultKind::Flap { .. }
    )
}

fn touches_link(kind: &FaultKind, from: usize, to: usize, message: MessageKind) -> bool {
    if let FaultKind::Partition { side } = kind {
        return side.contains(&from) != side.contains(&to);
    }
    kind.links().is_some_and(|links| {
        let names = |named: &[usize], member| named.is_empty() || named.contains(&member);
        let is_kind = links.only.is_empty() || links.only.contains(&message);
        names(&links.from, from) && names(&links.to, to) && is_kind
    })
}

/// The members at whose lanes a fault is shown: those whom it strikes, or whose links it is on. Empty for what strikes
/// backends.
pub(crate) fn struck(kind: &FaultKind, members: usize) -> Vec<usize> {
    match kind {
        FaultKind::Partition { side } => return side.clone(),
        FaultKind::BackendDown { .. } | FaultKind::BackendFlap { .. } => return Vec::new(),
        _ => {}
    }
    if let Some(member) = kind.member() {
        return vec![member];
    }
    let links = kind.links().cloned().unwrap_or_default();
    // Where one side is all, the other one is whom it is about.
    let mut named: Vec<usize> = links.from.into_iter().chain(links.to).collect();
    named.sort_unstable();
    named.dedup();
    if named.is_empty() {
        (0..members).collect()
    } else {
        named
    }
}

/// A fault in words, without its times.
pub(crate) fn words(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Partition { side } => format!("partition: {} cut off from all others", members(side)),
        FaultKind::Cut { links } => format!("nothing passes {}", way(links)),
        FaultKind::Flap { links, period_ms } => {
            format!("links flap every {period_ms} ms {}", way(links))
        }
        FaultKind::Loss { links, permille } => format!("{permille} of 1000 messages are lost {}", way(links)),
        FaultKind::Duplicate { links, permille } => {
            format!("{permille} of 1000 messages come twice {}", way(links))
        }
        FaultKind::Delay { links, up_to_ms } => {
            format!("messages are up to {up_to_ms} ms late {}", way(links))
        }
        FaultKind::Hold { links } => format!("messages are held back {}", way(links)),
        FaultKind::Crash { member } => format!("member {member} crashes"),
        FaultKind::PowerCut { member } => format!("member {member}'s machine is off"),
        FaultKind::Wipe { member } => format!("member {member} crashes and its disk is wiped"),
        FaultKind::Pause { member } => format!("member {member} is paused, its clock goes on"),
        FaultKind::Drift { member, ppm } => format!("member {member}'s clock runs {ppm} ppm off"),
        FaultKind::WallJump { member, by_ms } => {
            format!("member {member}'s wall clock is {by_ms} ms off")
        }
        FaultKind::SlowEvict { member, up_to_ms } => {
            format!("member {member}'s own proxies take up to {up_to_ms} ms to close a session")
        }
        FaultKind::SlowDisk { member, up_to_ms } => {
            format!("member {member}'s disk takes up to {up_to_ms} ms to sync")
        }
        FaultKind::BrokenDisk { member } => format!("member {member}'s disk fails to save"),
        FaultKind::BackendDown { backend } => format!("backend {backend} is dead"),
        FaultKind::BackendFlap { backend, period_ms } => {
            format!("backend {backend} dies and comes back every {period_ms} ms")
        }
        FaultKind::Cable { member } => format!("member {member} reaches no backend"),
        FaultKind::SecondProcess { member } => format!("a second process is started at member {member}"),
        FaultKind::Upgrade { member } => {
            format!("member {member} is upgraded: a new process takes over, the old one keeps its sessions")
        }
    }
}

/// A fault with its number and its times.
pub(crate) fn line(index: usize, fault: &Fault) -> String {
    let s = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let (from, to) = (s(fault.from_ms), s(fault.to_ms));
    format!("fault {index}, {from} to {to} s: {}", words(&fault.kind))
}

fn members(of: &[usize]) -> String {
    let names: Vec<String> = of.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "nobody".to_owned(),
        [one] => format!("member {one}"),
        _ => format!("members {}", listed(&names)),
    }
}

fn way(links: &Links) -> String {
    let side = |of: &[usize]| {
        if of.is_empty() {
            "all".to_owned()
        } else {
            members(of)
        }
    };
    let only = if links.only.is_empty() {
        String::new()
    } else {
        let kinds: Vec<String> = links.only.iter().map(|kind| format!("{kind:?}")).collect();
        format!(" ({} only)", listed(&kinds))
    };
    format!("from {} to {}{only}", side(&links.from), side(&links.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_whom_it_strikes_and_when() {
        let links = Links {
            from: vec![2],
            to: vec![],
            only: vec![MessageKind::Commit],
        };
        let fault = Fault {
            from_ms: 1_200,
            to_ms: 3_000,
            kind: FaultKind::Cut { links },
        };
        let words = line(4, &fault);
        assert_eq!(
            words,
            "fault 4, 1.200 to 3.000 s: nothing passes from member 2 to all (Commit only)"
        );
        assert_eq!(struck(&fault.kind, 3), [2]);
        assert!(touches_link(&fault.kind, 2, 0, MessageKind::Commit));
        assert!(!touches_link(&fault.kind, 2, 0, MessageKind::Renew));
        assert!(!touches_link(&fault.kind, 0, 2, MessageKind::Commit));
    }
}
