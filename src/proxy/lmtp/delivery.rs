//! One transaction: each recipient is asked for at the desk, his backend gets a courier, and at the end each has his answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::arguments::Argument;
use super::back::Opening;
use super::courier::{Answer, Courier, Order};
use crate::proxy::counters::count;
use crate::proxy::desk::{MOVED, UNAVAILABLE};
use crate::proxy::reception::Reception;
use crate::proxy::submission::words;
use crate::proxy::{Admitted, Desk, Login, Origin, Refused};
use crate::world::{Task, World};

/// Orders that wait for a courier: with parts of [`PART_BYTES`](super::visit::PART_BYTES), what a slow backend costs.
const ORDERS_MAX: usize = 4;

/// A transaction. Dropping it closes all its connections: no backend gets the end of a message then.
pub(super) struct Delivery<W: World, D> {
    reception: Arc<Reception<W, D>>,
    origin: Origin,
    /// What backends are told of it; nothing when a mail came through too many proxies.
    passed_on: Option<Origin>,
    mail: Argument,
    couriers: BTreeMap<IpAddr, Sent>,
    /// Whom a backend has taken, in order.
    taken: Vec<Taken>,
}

/// A courier, as seen from here.
struct Sent {
    orders: Sender<Order>,
    outcome: oneshot::Receiver<Vec<Answer>>,
    task: Task,
}

struct Taken {
    address: String,
    user: Box<str>,
    backend: IpAddr,
}

impl<W: World, D: Desk> Delivery<W, D> {
    /// A transaction of a client who is at `origin`.
    pub fn new(reception: &Arc<Reception<W, D>>, origin: Origin, mail: Argument) -> Self {
        Delivery {
            reception: Arc::clone(reception),
            passed_on: origin.passed_on(),
            origin,
            mail,
            couriers: BTreeMap::new(),
            taken: Vec::new(),
        }
    }

    /// Asks for a recipient: the reply, and whether it is a yes.
    pub async fn recipient(&mut self, recipient: Argument) -> (Vec<u8>, bool) {
        let settings = &self.reception.settings;
        let address = recipient.address.clone();
        let Some(user) = recipient.user(settings.lmtp_user) else {
            return (reply("501 5.1.3", &address, "Invalid address"), false);
        };
        let at = &settings.listen.address;
        if self.passed_on.is_none() {
            warn!("{at}: a mail for {user} came through too many proxies; is there a loop?");
            return (reply("451 4.4.6", &address, "Too many proxies"), false);
        }
        let login = Login {
            user: &user,
            tag: &settings.tag,
            protocol: settings.protocol.name(),
            client: self.origin.client,
        };
        let admitted = match self.reception.desk.admit(login).await {
            Ok(admitted) => admitted,
            Err(refused) => {
                count(&self.reception.counters.refused);
                if let Refused::Reason(reason) = refused {
                    warn!("{at}: {user} gets no mail now: {reason}");
                }
                return (reply("451 4.3.0", &address, refused.words()), false);
            }
        };
        let backend = admitted.ip;
        let answer = self.ask(admitted, recipient).await;
        let is_yes = is_yes(&answer);
        if let Answer::Said(_) = &answer
            && !is_yes
        {
            count(&self.reception.counters.rejected);
        }
        let taken = Taken {
            address,
            user,
            backend,
        };
        let reply = self.words(&taken, answer);
        if is_yes {
            self.taken.push(taken);
        }
        (reply, is_yes)
    }

    /// The message begins. Backends that fail from here on are known by their answers at the end.
    pub async fn begin(&mut self, is_chunked: bool) {
        for sent in self.couriers.values() {
            // One who is gone has left his answer.
            let _ = sent.orders.send(Order::Begin { is_chunked }).await;
        }
    }

    /// A part of the message. Waits for the slowest backend that is not given up.
    pub async fn content(&mut self, content: &[u8]) {
        let content: Arc<[u8]> = content.into();
        for sent in self.couriers.values() {
            // One who is gone has left his answer.
            let _ = sent.orders.send(Order::Content(Arc::clone(&content))).await;
        }
    }

    /// The message is not wanted any more.
    pub fn give_up(&mut self) {
        self.couriers.clear();
    }

    /// The message has ended: a reply for each recipient who was taken, in order. The tasks have still to say goodbye.
    pub async fn end(mut self) -> (Vec<u8>, Vec<Task>) {
        let is_given_up = self.couriers.is_empty();
        for sent in self.couriers.values() {
            // One who is gone has left his answer.
            let _ = sent.orders.send(Order::End).await;
        }
        let (mut answers, mut tasks) = (BTreeMap::new(), Vec::new());
        for (backend, sent) in std::mem::take(&mut self.couriers) {
            let of_backend = sent.outcome.await.unwrap_or_default();
            answers.insert(backend, VecDeque::from(of_backend));
            tasks.push(sent.task);
        }
        let mut replies = Vec::new();
        for taken in std::mem::take(&mut self.taken) {
            if is_given_up {
                let text = "Message size exceeds fixed limit";
                replies.extend(reply("552 5.3.4", &taken.address, text));
                continue;
            }
            let mut answer = answers.get_mut(&taken.backend).and_then(VecDeque::pop_front);
            let lost = || Answer::Failed("its task is gone".to_owned());
            let answer = answer.take().unwrap_or_else(lost);
            self.tell(&taken, &answer);
            replies.extend(self.words(&taken, answer));
        }
        (replies, tasks)
    }

    async fn ask(&mut self, admitted: Admitted, recipient: Argument) -> Answer {
        let backend = admitted.ip;
        if !self.couriers.contains_key(&backend) {
            let sent = self.send_courier();
            self.couriers.insert(backend, sent);
        }
        let lost = || Answer::Failed("its connection failed before, in this transaction".to_owned());
        let Some(sent) = self.couriers.get(&backend) else {
            return lost();
        };
        let (said, answer) = oneshot::channel();
        let order = Order::Recipient {
            admitted,
            recipient,
            reply: said,
        };
        if sent.orders.send(order).await.is_err() {
            return lost();
        }
        answer.await.unwrap_or_else(|_| lost())
    }

    fn send_courier(&self) -> Sent {
        let settings = &self.reception.settings;
        let opening = Opening {
            host: settings.front.host.clone(),
            origin: self.passed_on.clone().filter(|_| settings.backend.tells_origin),
            wants_starttls: settings.backend.wants_starttls(),
            mail: self.mail.clone(),
        };
        let courier = Courier::new(Arc::clone(&self.reception), self.origin.clone(), opening);
        let ((orders, taken), (told, outcome)) = (channel(ORDERS_MAX), oneshot::channel());
        let task = self
            .reception
            .world
            .spawn("lmtp courier", courier.run(taken, told));
        Sent {
            orders,
            outcome,
            task,
        }
    }

    fn tell(&self, taken: &Taken, answer: &Answer) {
        let Taken { user, backend, .. } = taken;
        let session = &self.origin.session;
        let counters = &self.reception.counters;
        match answer {
            Answer::Said(said) => {
                count(if is_yes(answer) {
                    &counters.logins
                } else {
                    &counters.rejected
                });
                let said = said.printable();
                info!("lmtp {session}: mail for {user} at {backend}: {said}");
            }
            Answer::Revoked => info!("lmtp {session}: mail for {user} at {backend}: stopped by the director"),
            Answer::Failed(_) => {}
        }
    }

    fn words(&self, taken: &Taken, answer: Answer) -> Vec<u8> {
        match answer {
            Answer::Said(said) => said.bytes,
            Answer::Revoked => reply("451 4.3.0", &taken.address, MOVED),
            Answer::Failed(why) => {
                count(&self.reception.counters.backend_failed);
                let at = &self.reception.settings.listen.address;
                let Taken { user, backend, .. } = taken;
                warn!("{at}: mail for {user} was not delivered at backend {backend}: {why}");
                reply("451 4.4.1", &taken.address, UNAVAILABLE)
            }
        }
    }
}

fn is_yes(answer: &Answer) -> bool {
    matches!(answer, Answer::Said(said) if (200..300).contains(&said.code))
}

fn reply(code: &str, address: &str, text: &str) -> Vec<u8> {
    let address = words::printable(address.as_bytes());
    format!("{code} <{address}> {text}\r\n").into_bytes()
}

#[cfg(test)]
mod tests;
