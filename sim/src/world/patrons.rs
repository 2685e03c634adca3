//! Users who come again and again, and what each sees of the ring: whether he is served, and since when he is not.

use super::happening::Happening;
use super::logins::{Caller, Wish};
use super::scene::{MS, World};
use crate::entropy::{Purpose, below};
use crate::outages::{Outage, Visits};

/// How long after a failure a user tries the same director again, and another one.
const AGAIN_NS: u64 = 1_000 * MS;
const ELSEWHERE_NS: u64 = 100 * MS;
/// After so long without an answer, who goes to other directors does.
const PATIENCE_NS: u64 = 5_000 * MS;

/// One user.
#[derive(Debug)]
struct Patron {
    member: u8,
    is_roaming: bool,
    /// When the attempt was made that is not answered yet.
    asked_ns: Option<u64>,
    without_since_ns: Option<u64>,
    total_ns: u64,
}

/// All of them, by person.
#[derive(Debug, Default)]
pub(crate) struct Patrons {
    visits: Option<Visits>,
    patrons: Vec<Patron>,
}

impl Patrons {
    /// How it went for each until `now`.
    pub(crate) fn outages(&self, now: u64) -> Vec<Outage> {
        let outage = |patron: &Patron| {
            let since_ns = patron.without_since_ns.or(patron.asked_ns);
            let unended_ns = since_ns.map_or(0, |since| now - since);
            Outage {
                is_roaming: patron.is_roaming,
                total_ns: patron.total_ns + unended_ns,
                is_unended: unended_ns > 0,
            }
        };
        self.patrons.iter().map(outage).collect()
    }
}

impl World<'_> {
    /// Everybody is given a director to come to.
    pub(super) fn visits_are_planned(&mut self, visits: Visits) {
        let knobs = self.knobs();
        let members = (0..).zip(&knobs.members).filter(|(_, member)| member.serves);
        let directors: Vec<u8> = members.map(|(at, _)| at).collect();
        self.patrons.visits = Some(visits);
        for person in 0..self.people.len() {
            self.patrons.patrons.push(Patron {
                member: directors[person % directors.len()],
                is_roaming: person / directors.len() % 2 == 1,
                asked_ns: None,
                without_since_ns: None,
                total_ns: 0,
            });
            let bits = self.entropy.draw(Purpose::LoginGap, 1 + person as u64, 0);
            let at_ns = visits.from_ms * MS + below(bits, visits.gap_ms * MS);
            let person = person as u32;
            self.push(at_ns, Happening::PatronComes { person });
        }
    }

    pub(super) fn patron_comes(&mut self, person: u32) {
        let patron = &mut self.patrons.patrons[person as usize];
        if patron.asked_ns.is_some() {
            return;
        }
        patron.asked_ns = Some(self.now);
        let (member, asked_ns) = (patron.member, self.now);
        if patron.is_roaming {
            self.push(
                self.now + PATIENCE_NS,
                Happening::PatronGivesUp { person, asked_ns },
            );
        }
        let gap_ms = self.patrons.visits.map_or(0, |visits| visits.gap_ms);
        let wish = Wish {
            person,
            is_second_tag: false,
            session_ns: 2 * gap_ms * MS,
            tries: 0,
            caller: Caller::Patron,
        };
        self.log_in(member, wish);
    }

    /// The attempt of that time is answered, with a backend that works or not.
    pub(super) fn patron_is_told(&mut self, person: u32, asked_ns: u64, is_served: bool) {
        let now = self.now;
        let patron = &mut self.patrons.patrons[person as usize];
        if patron.asked_ns != Some(asked_ns) {
            return;
        }
        patron.asked_ns = None;
        if !is_served {
            patron.without_since_ns.get_or_insert(asked_ns);
            return self.patron_tries_again(person);
        }
        let since_ns = patron.without_since_ns.take().unwrap_or(asked_ns);
        patron.total_ns += now - since_ns;
        let gap_ns = self.patrons.visits.map_or(0, |visits| visits.gap_ms) * MS;
        let bits = self.entropy.draw(Purpose::LoginGap, 1 + u64::from(person), now);
        let at_ns = now + gap_ns / 2 + below(bits, gap_ns + 1);
        self.push(at_ns, Happening::PatronComes { person });
    }

    pub(super) fn patron_gives_up(&mut self, person: u32, asked_ns: u64) {
        let patron = &mut self.patrons.patrons[person as usize];
        if patron.asked_ns == Some(asked_ns) {
            patron.asked_ns = None;
            patron.without_since_ns.get_or_insert(asked_ns);
            self.patron_tries_again(person);
        }
    }

    fn patron_tries_again(&mut self, person: u32) {
        let members = &self.knobs().members;
        let patron = &mut self.patrons.patrons[person as usize];
        let after_ns = if patron.is_roaming {
            let count = members.len();
            let mut following = (1..=count).map(|step| (usize::from(patron.member) + step) % count);
            let next = following.find(|at| members[*at].serves);
            patron.member = next.map_or(patron.member, |next| next as u8);
            ELSEWHERE_NS
        } else {
            AGAIN_NS
        };
        let bits = self.entropy.draw(Purpose::Retry, 3, self.events);
        let at_ns = self.now + after_ns / 2 + below(bits, after_ns + 1);
        self.push(at_ns, Happening::PatronComes { person });
    }
}
