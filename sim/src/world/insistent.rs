//! The admin of a comparison of two worlds: gives the plan's orders one after the other, each until it is answered for good.

use maildirector::director::CommandError;
use maildirector::topology::{Change, Draft, Topology};

use super::admins::Asker;
use super::happening::Happening;
use super::orders::name_of;
use super::people::People;
use super::scene::{MS, World};
use crate::checkers::Broken;
use crate::converged::Converged;
use crate::outcome::Invariant;
use crate::work::Errand;

/// How long after an answer that is none the order is given again.
const AGAIN_NS: u64 = 200 * MS;
/// How soon after an answer, or after nobody was there to be asked, the admin looks again.
const LOOK_NS: u64 = 10 * MS;

/// How long after the faults the last order is answered at the latest.
const ORDERS_MAX_NS: u64 = 600_000 * MS;

/// Where the admin is.
#[derive(Debug, Default)]
pub(crate) struct Insistent {
    /// Places in the plan's work, of orders only.
    orders: Vec<u32>,
    answered: usize,
    is_asking: bool,
    /// How often this order was given in vain.
    attempts: usize,
    repeated: u64,
    given: Vec<Change>,
    end: Option<Converged>,
}

impl World<'_> {
    /// Has all orders of the plan given by the insistent admin, and people known by their names alone, as in every other
    /// world. Comes before anything happens.
    pub(crate) fn insist(&mut self) {
        let places = (0..).zip(&self.plan.work);
        let orders = places.filter(|(_, work)| matches!(work.errand, Errand::Command { .. }));
        self.insistent = Some(Box::new(Insistent {
            orders: orders.map(|(place, _)| place).collect(),
            ..Insistent::default()
        }));
        self.people = People::plain(self.knobs().users.max(1));
        self.push(0, Happening::AdminInsists);
    }

    /// Whether there are orders without an answer.
    pub(super) fn has_orders_left(&self) -> bool {
        let insistent = self.insistent.as_ref();
        insistent.is_some_and(|admin| admin.answered < admin.orders.len())
    }

    pub(super) fn admin_insists(&mut self) {
        let Some(admin) = &self.insistent else { return };
        let Some(place) = admin.orders.get(admin.answered).filter(|_| !admin.is_asking) else {
            return;
        };
        let (plan, attempts) = (self.plan, admin.attempts);
        let work = &plan.work[*place as usize];
        let due_ns = work.at_ms * MS;
        if due_ns > self.now {
            return self.push(due_ns, Happening::AdminInsists);
        }
        let Errand::Command { orders } = &work.errand else {
            return;
        };
        let changes: Vec<Change> = orders.iter().map(|order| self.change(order)).collect();
        let what = orders.first().map_or("nothing", name_of);
        let count = self.members.len();
        // The answer may come at once.
        self.insistent_mut().is_asking = true;
        let is_asked = (0..count).any(|further| {
            let member = (work.member + attempts + further) % count;
            let knobs = &plan.knobs.members[member];
            knobs.serves
                && knobs.is_configured
                && self.command(member as u8, changes.clone(), what, Asker::Insistent)
        });
        if !is_asked {
            self.insistent_mut().is_asking = false;
            self.push(self.now + LOOK_NS, Happening::AdminInsists);
        }
    }

    /// An answer, or none when the director died.
    pub(super) fn insistent_is_answered(&mut self, result: Option<Result<(), &CommandError>>) {
        let admin = self.insistent_mut();
        admin.is_asking = false;
        let is_final = matches!(result, Some(Ok(()) | Err(CommandError::Refused(_))));
        if !is_final {
            admin.attempts += 1;
            admin.repeated += 1;
            return self.push(self.now + AGAIN_NS, Happening::AdminInsists);
        }
        let place = admin.orders[admin.answered];
        (admin.answered, admin.attempts) = (admin.answered + 1, 0);
        let plan = self.plan;
        if let Errand::Command { orders } = &plan.work[place as usize].errand {
            let changes: Vec<Change> = orders.iter().map(|order| self.change(order)).collect();
            self.insistent_mut().given.extend(changes);
        }
        self.push(self.now + LOOK_NS, Happening::AdminInsists);
    }

    /// All is healed, and orders have no answer yet: for how long is that well?
    pub(super) fn orders_left_in_time(&self) -> Result<(), Broken> {
        let healed_ns = self.plan.duration_ms * MS;
        if self.now < healed_ns + ORDERS_MAX_NS {
            return Ok(());
        }
        let words = "orders of the insistent admin are not answered long after all has healed";
        Err(Broken::new(Invariant::Liveness, words))
    }

    /// The ring has recovered: what has it come to?
    pub(super) fn note_end(&mut self) {
        let end = self.state_of(self.newest_topology());
        if let Some(admin) = &mut self.insistent {
            admin.end = Some(end);
        }
    }

    pub(crate) fn take_end(&mut self) -> Option<Converged> {
        self.insistent_mut().end.take()
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.insistent.as_ref().map_or(0, |admin| admin.repeated)
    }

    /// What the orders make of the configuration.
    pub(crate) fn ordered(&self) -> Converged {
        let mut topology = Topology::clone(&self.right);
        let given = self.insistent.iter().flat_map(|admin| &admin.given);
        for change in given {
            let mut draft = Draft::of(&topology);
            // One that is refused changes nothing.
            if draft.apply(std::slice::from_ref(change)).is_ok() {
                topology = draft.finish().0.advanced(&[]);
            }
        }
        self.state_of(&topology)
    }

    fn state_of(&self, topology: &Topology) -> Converged {
        Converged::of(topology, self.knobs().users, 0)
    }

    fn insistent_mut(&mut self) -> &mut Insistent {
        self.insistent
            .as_mut()
            .expect("only such an admin is answered as one")
    }
}
