//! A client's connection, and its transactions one after the other.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::arguments::Argument;
use super::delivery::Delivery;
use super::front::{Front, Step};
use crate::proxy::Desk;
use crate::proxy::entry::StreamOf;
use crate::proxy::guest::{FAREWELL_MAX, Guest, Left};
use crate::proxy::reception::Reception;
use crate::world::{Clock, Instant, Task, World, deadline};

/// What is read of a message at once, in bytes.
pub(super) const PART_BYTES: usize = 64 << 10;
/// Replies that are kept for a client who has said many commands at once, in bytes.
const OUT_BYTES_MAX: usize = 16 << 10;

/// Serves one client, until he is not served any more.
pub(in crate::proxy) async fn serve<W: World, D: Desk>(
    reception: &Arc<Reception<W, D>>,
    stream: StreamOf<W>,
    from: SocketAddr,
) -> Left {
    let mut visit = Visit {
        guest: Guest::meet(reception, stream, from),
        reception,
        delivery: None,
        leaving: Vec::new(),
    };
    match visit.run().await {
        Ok(()) => Left::Gone,
        Err(left) => left,
    }
}

struct Visit<'a, W: World, D> {
    reception: &'a Arc<Reception<W, D>>,
    guest: Guest<'a, W, D>,
    /// From the first recipient on.
    delivery: Option<Delivery<W, D>>,
    /// Couriers of the last one, who say goodbye.
    leaving: Vec<Task>,
}

impl<W: World, D: Desk> Visit<'_, W, D> {
    async fn run(&mut self) -> Result<(), Left> {
        let settings = &self.reception.settings;
        self.guest.begin().await?;
        let mut front = Front::new(Arc::clone(&settings.front), self.guest.is_tls());
        front.greet(&mut self.guest.out);
        loop {
            self.guest.until = self.reception.world.clock().now().plus(settings.limits.idle);
            let step = front.feed(&mut self.guest.input, &mut self.guest.out);
            if step == Step::More {
                self.guest.write().await?;
                if front.is_in_content() {
                    self.guest.read_part(PART_BYTES).await?;
                } else {
                    self.guest.read().await?;
                }
                continue;
            }
            if self.guest.out.len() > OUT_BYTES_MAX {
                self.guest.write().await?;
            }
            if !self.act(&mut front, step).await? {
                return Ok(());
            }
        }
    }

    /// False when the connection is over.
    async fn act(&mut self, front: &mut Front, step: Step) -> Result<bool, Left> {
        match step {
            Step::More => {}
            Step::Reset => self.delivery = None,
            Step::StartTls => {
                self.delivery = None;
                self.guest.write().await?;
                self.guest.input.clear();
                self.guest.start_tls().await?;
                front.tls_started();
            }
            Step::Recipient(recipient) => self.recipient(front, recipient).await,
            Step::Begin { is_chunked } => {
                // The client waits for it with his message.
                self.guest.write().await?;
                if let Some(delivery) = &mut self.delivery {
                    delivery.begin(is_chunked).await;
                }
            }
            Step::Content(content) => {
                if let Some(delivery) = &mut self.delivery {
                    delivery.content(&content).await;
                }
            }
            Step::TooLarge => {
                if let Some(delivery) = &mut self.delivery {
                    delivery.give_up();
                }
            }
            Step::End => {
                if let Some(delivery) = self.delivery.take() {
                    let (replies, leaving) = delivery.end().await;
                    self.guest.out.extend(replies);
                    self.leaving = leaving;
                    self.guest.until = self.soon();
                    self.guest.write().await?;
                }
            }
            Step::Close => {
                self.delivery = None;
                self.guest.write().await?;
                self.close().await;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn recipient(&mut self, front: &mut Front, recipient: Argument) {
        self.leaving.clear();
        if let (None, Some(mail)) = (&self.delivery, front.mail()) {
            let origin = self.guest.origin(front.claims(), None);
            self.delivery = Some(Delivery::new(self.reception, origin, mail.clone()));
        }
        if let Some(delivery) = &mut self.delivery {
            let (reply, is_accepted) = delivery.recipient(recipient).await;
            self.guest.out.extend(reply);
            if is_accepted {
                front.recipient_accepted();
            }
        }
    }

    async fn close(&mut self) {
        let clock = self.reception.world.clock();
        if let Some(client) = &mut self.guest.client {
            // He may have gone first.
            let _ = deadline(clock, clock.now().plus(FAREWELL_MAX), client.shutdown()).await;
        }
        for task in std::mem::take(&mut self.leaving) {
            task.finished().await;
        }
    }

    fn soon(&self) -> Instant {
        let clock = self.reception.world.clock();
        clock.now().plus(self.reception.settings.limits.idle)
    }
}
