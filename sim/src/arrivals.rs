//! Who comes by himself, when and where: the generated logins. They are drawn by number, so that a plan can list
//! them as work and then do without most of them.

use crate::entropy::{Entropy, Purpose, below};
use crate::knobs::Knobs;
use crate::plan::Plan;
use crate::work::{Errand, Work};

const MS: u64 = 1_000_000;

/// One user who comes, perhaps to several members at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// How long after this one the next comes.
    pub(crate) gap_ns: u64,
    pub(crate) person: u32,
    pub(crate) is_second_tag: bool,
    pub(crate) session_ns: u64,
    first: u64,
    copies: u64,
}

impl Arrival {
    /// The n-th.
    pub(crate) fn draw(entropy: Entropy, knobs: &Knobs, n: u64) -> Arrival {
        let draw = |what: u64, below_what: u64| below(entropy.draw(Purpose::Login, 2 + what, n), below_what);
        let gap_ns = below(
            entropy.draw(Purpose::LoginGap, 0, n),
            knobs.login_gap_ms * 2 * MS + 1,
        );
        let persons = u64::from(knobs.users);
        // A few users come often, as in life: they meet themselves at other directors.
        let crowd = if draw(0, 2) == 0 {
            persons
        } else {
            persons.div_ceil(4)
        };
        let session_ns = match draw(3, 8) {
            0 => draw(4, knobs.session_ms * 4 * MS + 1),
            1 | 2 => draw(4, 20 * MS),
            _ => draw(4, knobs.session_ms * MS + 1),
        };
        let is_several = draw(5, 100) < u64::from(knobs.at_once_percent);
        Arrival {
            gap_ns: gap_ns.max(1_000),
            person: draw(1, crowd) as u32,
            is_second_tag: draw(2, 100) < u64::from(knobs.second_tag_percent),
            session_ns,
            first: draw(7, knobs.members.len() as u64),
            copies: if is_several { 2 + draw(6, 3) } else { 1 },
        }
    }

    /// The directors that the user comes to.
    pub(crate) fn members<'a>(&self, knobs: &'a Knobs) -> impl Iterator<Item = u8> + use<'a> {
        let count = knobs.members.len() as u64;
        let members = (self.first..self.first + self.copies).map(move |place| (place % count) as u8);
        members.filter(|member| knobs.members[usize::from(*member)].serves)
    }
}

/// The generated logins of a plan as work, at whole milliseconds. A plan that lists them and has no login gap is
/// nearly the same run; which of them are needed can then be tried.
pub fn generated_logins(plan: &Plan) -> Vec<Work> {
    let (knobs, entropy) = (&plan.knobs, Entropy::new(plan.seed));
    let mut logins = Vec::new();
    let (mut at_ns, mut n) = (0, 0);
    while knobs.login_gap_ms > 0 && at_ns < plan.duration_ms * MS {
        let arrival = Arrival::draw(entropy, knobs, n);
        logins.extend(arrival.members(knobs).map(|member| Work {
            at_ms: at_ns / MS,
            member: usize::from(member),
            errand: Errand::Login {
                user: arrival.person,
                is_second_tag: arrival.is_second_tag,
                session_ms: arrival.session_ns / MS,
            },
        }));
        at_ns += arrival.gap_ns;
        n += 1;
    }
    logins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Options, run};

    #[test]
    fn listed_logins_are_those_that_would_come() {
        let plan = Plan::from_seed(1);
        let mut listed = plan.clone();
        listed.work.extend(generated_logins(&plan));
        listed.knobs.login_gap_ms = 0;
        // Retries are drawn anew, so the runs may differ by a few of them.
        let [generated, listed] = [&plan, &listed].map(|plan| run(plan, &Options::default()).counters.logins);
        assert!(generated > 50, "{generated}");
        assert!(
            generated.abs_diff(listed) * 10 < generated,
            "{generated} and {listed}"
        );
    }
}
