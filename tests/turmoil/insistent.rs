//! The admin of a comparison of two worlds: types the plan's orders one after the other, each until it is answered for good.
//! The same admin of the discrete-event world stands in `sim::both`.

use std::collections::VecDeque;
use std::time::Duration;

use sim::{Errand, Plan, Work};

use crate::doveadm::request;
use crate::host::Order;
use crate::run::{Stage, Struck, unix_s};

/// How long after an answer that is none the order is given again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Where the admin is.
#[derive(Debug)]
pub struct Insistent {
    left: VecDeque<Work>,
    /// The member that was asked and has not answered.
    asked: Option<usize>,
    /// How often this order was given in vain.
    attempts: usize,
    not_before: Duration,
}

impl Insistent {
    pub fn new(plan: &Plan) -> Self {
        let orders = plan.work.iter().cloned();
        Insistent {
            left: orders.filter(is_order).collect(),
            asked: None,
            attempts: 0,
            not_before: Duration::ZERO,
        }
    }
}

/// Whether this admin gives it.
pub fn is_order(work: &Work) -> bool {
    matches!(work.errand, Errand::Command { .. })
}

impl Stage<'_> {
    /// Takes the answer to the last order, and gives the next one that is due.
    pub fn insist(&mut self) {
        let now = self.sim.elapsed();
        let Some(admin) = &mut self.insistent else { return };
        if let Some(member) = admin.asked {
            let Some(is_final) = self.truth.facts().insisted.remove(&member) else {
                return;
            };
            admin.asked = None;
            if is_final {
                admin.left.pop_front();
                admin.attempts = 0;
            } else {
                admin.attempts += 1;
                admin.not_before = now + AGAIN_AFTER;
            }
        }
        let Some(work) = admin.left.front().filter(|_| admin.not_before <= now) else {
            return;
        };
        if Duration::from_millis(work.at_ms) > now {
            return;
        }
        let Errand::Command { orders } = &work.errand else {
            return;
        };
        let request = request(orders, unix_s(now));
        // What a machine said when it lost its power is no answer to what is asked now.
        self.truth.facts().insisted.clear();
        let count = self.stations.len();
        let first = work.member + admin.attempts;
        let found = (first..first + count)
            .map(|member| member % count)
            .find(|member| {
                let knobs = &self.plan.knobs.members[*member];
                let is_there =
                    self.struck[*member] == Struck::default() && knobs.serves && knobs.is_configured;
                is_there && self.stations[*member].order(Order::Insist(request.clone()))
            });
        if let Some(admin) = &mut self.insistent {
            admin.asked = found;
        }
    }

    pub fn orders_left(&self) -> usize {
        self.insistent.as_ref().map_or(0, |admin| admin.left.len())
    }
}
