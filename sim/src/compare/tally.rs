//! What is counted of a run, whichever directors are in it: both worlds tell the same ledger of sessions and logins, and
//! it finds splits by the checker that guards every other run.

use maildirector::topology::{Draft, TagId, Topology, UserId};

use crate::checkers::{Seen, no_split};
use crate::plan::Plan;
use crate::waits::{Fate, Row, Waits};
use crate::work::Order;
use crate::world::{People, backend_number, right_topology};

/// Answers that took less are no delay: a message may be under way.
const DELAY_NS: u64 = 100_000_000;

/// What one run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is its doc")]
pub struct Figures {
    pub logins: u64,
    pub routed: u64,
    pub refused: u64,
    /// Logins at a director that was not there, or died first.
    pub lost: u64,
    pub delayed: u64,
    pub longest_delay_ns: u64,
    /// Users who had sessions on two backends at some time.
    pub users_split: u64,
    /// Logins that were sent to another backend than the one of an open session.
    pub split_logins: u64,
    /// The longest time that one user was on two backends.
    pub longest_split_ns: u64,
    /// Sum of those times.
    pub split_ns: u64,
    pub messages: u64,
    /// Sessions that a director closed.
    pub closed: u64,
    /// ... although its user belonged just there.
    pub closed_needlessly: u64,
    /// From the end of the faults until all directors served with one host list. Nothing where no fault lasted to the
    /// end, or where that did not come.
    pub settled_ns: Option<u64>,
    /// Whether faults lasted to the end, so that there was something to settle.
    pub had_to_settle: bool,
    /// Messages begot messages without end, and the run was cut short there.
    pub is_storm: bool,
    /// How long logins waited, by what was going on.
    pub waits: Waits,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    /// The client, the backend, or the end of the machine.
    Itself,
    /// A director, or its service manager.
    Director,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    number: u32,
    member: u8,
    backend: u32,
}

/// The sessions of one person under one tag.
#[derive(Clone, Debug, Default)]
struct Ledger {
    open: Vec<Open>,
    split_since_ns: Option<u64>,
    was_split: bool,
}

/// The ledger of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) figures: Figures,
    people: People,
    /// Two for each person, by tag.
    ledgers: Vec<Ledger>,
    /// Where users belong by what admins have ordered, whether or not it was carried out yet.
    wanted: Topology,
    dead: Vec<bool>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Self {
        let people = People::of(plan);
        let lasting = |fault: &crate::Fault| fault.to_ms >= plan.duration_ms;
        Tally {
            figures: Figures {
                had_to_settle: plan.faults.iter().any(lasting),
                ..Figures::default()
            },
            ledgers: vec![Ledger::default(); people.len() * 2],
            people,
            wanted: right_topology(plan),
            dead: vec![false; plan.knobs.backends.len()],
        }
    }

    pub(crate) fn asked(&mut self) {
        self.figures.logins += 1;
    }

    pub(crate) fn answered(&mut self, row: Row, fate: Fate) {
        self.figures.waits.count(row, fate);
        match fate {
            Fate::Routed(waited_ns) => {
                self.figures.routed += 1;
                self.figures.delayed += u64::from(waited_ns >= DELAY_NS);
                self.figures.longest_delay_ns = self.figures.longest_delay_ns.max(waited_ns);
            }
            Fate::Refused => self.figures.refused += 1,
            Fate::Lost => self.figures.lost += 1,
        }
    }

    /// A session begins on a backend.
    pub(crate) fn opened(
        &mut self,
        now: u64,
        number: u32,
        (person, is_second_tag): (u32, bool),
        member: u8,
        backend: u32,
    ) {
        let ledger = &mut self.ledgers[person as usize * 2 + usize::from(is_second_tag)];
        let new = Open {
            number,
            member,
            backend,
        };
        let is_split = ledger
            .open
            .iter()
            .any(|other| no_split(person, seen(new), seen(*other)).is_err());
        ledger.open.push(new);
        if is_split {
            self.figures.split_logins += 1;
            self.figures.users_split += u64::from(!ledger.was_split);
            ledger.was_split = true;
            ledger.split_since_ns.get_or_insert(now);
        }
    }

    /// A session ends.
    pub(crate) fn closed(
        &mut self,
        now: u64,
        number: u32,
        (person, is_second_tag): (u32, bool),
        by: ClosedBy,
    ) {
        let ledger = &mut self.ledgers[person as usize * 2 + usize::from(is_second_tag)];
        let Some(at) = ledger.open.iter().position(|open| open.number == number) else {
            return;
        };
        let closed = ledger.open.swap_remove(at);
        let is_still_split = ledger
            .open
            .iter()
            .any(|open| open.backend != ledger.open[0].backend);
        if !is_still_split && let Some(since_ns) = ledger.split_since_ns.take() {
            self.figures.longest_split_ns = self.figures.longest_split_ns.max(now - since_ns);
            self.figures.split_ns += now - since_ns;
        }
        if by == ClosedBy::Director {
            self.figures.closed += 1;
            let is_dead = self.dead.get(closed.backend as usize).is_some_and(|dead| *dead);
            let belongs = self.place(person, is_second_tag) == Some(closed.backend);
            self.figures.closed_needlessly += u64::from(belongs && !is_dead);
        }
    }

    /// An admin orders something of some director.
    pub(crate) fn ordered(&mut self, order: &Order) {
        let Some(change) = order.change(1, |person| self.people.person(person).key) else {
            return;
        };
        let mut draft = Draft::of(&self.wanted);
        if draft.apply(&[change]).is_ok() {
            self.wanted = draft.finish().0;
        }
    }

    pub(crate) fn backend_turned(&mut self, backend: usize, is_dead: bool) {
        self.dead[backend] = is_dead;
    }

    /// The run is over; who is split then stays so, as far as anybody saw.
    pub(crate) fn finish(mut self, now: u64, messages: u64) -> Figures {
        self.figures.messages = messages;
        for since_ns in self.ledgers.iter().filter_map(|ledger| ledger.split_since_ns) {
            self.figures.longest_split_ns = self.figures.longest_split_ns.max(now - since_ns);
            self.figures.split_ns += now - since_ns;
        }
        self.figures
    }

    fn place(&self, person: u32, is_second_tag: bool) -> Option<u32> {
        let tag = if is_second_tag {
            self.wanted.tag(crate::world::SECOND_TAG)?
        } else {
            TagId::DEFAULT
        };
        let key = self.people.person(person).key;
        let id = self.wanted.place(UserId { key, tag })?;
        let backend = self.wanted.backend(id)?;
        Some(backend_number(backend.ip))
    }
}

/// Sessions of login processes can always forward.
fn seen(open: Open) -> Seen {
    Seen {
        member: open.member,
        backend: open.backend,
        is_able: true,
        is_open: true,
    }
}

impl Figures {
    /// Adds another run's.
    pub fn merge(&mut self, other: &Figures) {
        self.logins += other.logins;
        self.routed += other.routed;
        self.refused += other.refused;
        self.lost += other.lost;
        self.delayed += other.delayed;
        self.longest_delay_ns = self.longest_delay_ns.max(other.longest_delay_ns);
        self.users_split += other.users_split;
        self.split_logins += other.split_logins;
        self.longest_split_ns = self.longest_split_ns.max(other.longest_split_ns);
        self.split_ns += other.split_ns;
        self.messages += other.messages;
        self.closed += other.closed;
        self.closed_needlessly += other.closed_needlessly;
        self.waits.merge(&other.waits);
    }
}

/// The same ledger for both: a world that is not compared has none.
pub(crate) type Counted = Option<Box<Tally>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::plan;

    #[test]
    fn a_user_on_two_backends_is_split_until_one_session_ends() {
        let mut tally = Tally::new(&plan(0));
        let who = (3, false);
        tally.opened(10, 1, who, 0, 1);
        tally.opened(20, 2, who, 1, 1);
        assert_eq!(tally.figures.split_logins, 0);
        tally.opened(30, 3, who, 1, 2);
        tally.opened(40, 4, who, 1, 2);
        tally.closed(50, 1, who, ClosedBy::Itself);
        tally.closed(70, 2, who, ClosedBy::Itself);
        let figures = tally.finish(100, 0);
        assert_eq!((figures.split_logins, figures.users_split), (2, 1));
        assert_eq!((figures.longest_split_ns, figures.split_ns), (40, 40));
    }

    #[test]
    fn a_closed_session_was_needed_only_where_its_user_belongs() {
        let mut tally = Tally::new(&plan(0));
        let belongs = tally.place(3, false).expect("there are backends");
        let (who, elsewhere) = ((3, false), (belongs + 1) % 3);
        for (number, backend) in [(1, belongs), (2, elsewhere)] {
            tally.opened(10, number, who, 0, backend);
            tally.closed(20, number, who, ClosedBy::Director);
        }
        assert_eq!((tally.figures.closed, tally.figures.closed_needlessly), (2, 1));
        tally.ordered(&Order::Move {
            user: 3,
            backend: elsewhere,
        });
        assert_eq!(tally.place(3, false), Some(elsewhere));
    }
}
