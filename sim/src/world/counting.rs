//! What a world tells the ledger of a comparison, when it has one.

use maildirector::topology::{TagId, Topology};

use super::configuration::{Variant, topology};
use super::doors::Session;
use super::scene::World;
use crate::compare::{ClosedBy, Figures, Tally};
use crate::plan::Plan;
use crate::work::Order;

impl World<'_> {
    /// Has this run counted.
    pub(crate) fn count(&mut self, tally: Tally) {
        self.counted = Some(Box::new(tally));
    }

    /// What was counted; nothing is from now on.
    pub(crate) fn take_count(&mut self) -> Figures {
        let messages = self.counted_messages;
        let tally = self.counted.take();
        tally.map_or_else(Figures::default, |tally| tally.finish(self.now, messages))
    }

    pub(super) fn count_opened(&mut self, session: &Session) {
        if let Some(tally) = &mut self.counted {
            let who = (session.person, session.user.tag != TagId::DEFAULT);
            tally.opened(
                self.now,
                session.number,
                who,
                session.member,
                session.backend_number,
            );
        }
    }

    pub(super) fn count_closed(&mut self, slot: u32, why: &'static str) {
        if let Some(tally) = &mut self.counted {
            let session = self.doors.session(slot);
            let by = match why {
                "the client goes" | "its machine is off" | "its process is dead" => ClosedBy::Itself,
                _ => ClosedBy::Director,
            };
            let who = (session.person, session.user.tag != TagId::DEFAULT);
            tally.closed(self.now, session.number, who, by);
        }
    }

    pub(super) fn count_orders(&mut self, orders: &[Order]) {
        if let Some(tally) = &mut self.counted {
            orders.iter().for_each(|order| tally.ordered(order));
        }
    }
}

/// What a plan's members are configured with.
pub(crate) fn right_topology(plan: &Plan) -> Topology {
    topology(&plan.knobs, Variant::Right)
}
