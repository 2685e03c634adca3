//! One process: a director, its links over TCP, its disk and its front doors, as tasks of one simulated host.
//!
//! Links carry frames one way: each member dials every other and writes length, then frame; the other side answers a byte
//! for each. A connection on which no answer comes in time is given up and made anew; what was lost with it is for the
//! machine to say again.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use maildirector::director::Input;
use maildirector::ring;
use maildirector::topology::MemberId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use turmoil::net::{TcpListener, TcpStream};

use crate::dice::Dice;
use crate::world::{Closing, Doorways, Saving, Shared};

const PORT: u16 = 4_000;
/// A connection, or an answer on one, that takes longer counts as dead.
const PATIENCE: Duration = Duration::from_millis(800);
const REDIAL_AFTER: Duration = Duration::from_millis(100);
/// Frames that wait for a link; further ones are lost.
const LINK_FRAMES_MAX: usize = 128;
/// The slowest write to a disk and the slowest closing of sessions, in milliseconds.
const SAVE_MS_MAX: u64 = 30;
const CLOSE_MS_MAX: u64 = 120;

/// The name of a member's host.
pub fn host(member: MemberId) -> String {
    format!("member-{}", member.index())
}

/// A member's whole process, until the simulation drops it.
pub async fn run(world: Shared, me: MemberId, seed: u64) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let alive = Alive {
        world: Rc::clone(&world),
        me,
    };
    let mut links = BTreeMap::new();
    let purpose = u64::from(me.index()) << 8;
    let peers = world.borrow().members();
    for peer in peers.into_iter().filter(|peer| *peer != me) {
        let (sender, frames) = mpsc::channel(LINK_FRAMES_MAX);
        links.insert(peer, sender);
        let dice = Dice::new(seed, purpose + 10 + u64::from(peer.index()));
        spawn(keep_link(peer, frames, dice));
    }
    let (disk, savings) = mpsc::unbounded_channel();
    let (doors, closings) = mpsc::unbounded_channel();
    spawn(keep_disk(
        Rc::clone(&world),
        me,
        savings,
        Dice::new(seed, purpose + 1),
    ));
    spawn(keep_doors(
        Rc::clone(&world),
        me,
        closings,
        Dice::new(seed, purpose + 2),
    ));
    spawn(accept(Rc::clone(&world), me, listener));
    let wake = Rc::new(Notify::new());
    let doorways = Doorways {
        links,
        disk,
        doors,
        wake: Rc::clone(&wake),
    };
    world.borrow_mut().start(me, doorways, true_time());
    tick(&alive, &wake).await;
    Ok(())
}

/// Gives the machine its ticks, each when it asked for it.
async fn tick(alive: &Alive, wake: &Notify) {
    let Alive { world, me } = alive;
    while let Some(wait) = next_wait(world, *me) {
        if within(wait, wake.notified()).await.is_none() {
            world.borrow_mut().give(*me, Input::Tick, true_time());
        }
    }
}

/// How long nothing is due, unless something arrives; `None` when the run is over.
fn next_wait(world: &Shared, me: MemberId) -> Option<Duration> {
    let world = world.borrow();
    let director = world.director(me).filter(|director| !director.is_halted())?;
    let wait = director
        .next_wakeup()
        .map(|at| world.clock(me).until(at, true_time()));
    Some(wait.unwrap_or(Duration::MAX))
}

/// Takes the process out of the world when its main task is dropped.
struct Alive {
    world: Shared,
    me: MemberId,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.world.borrow_mut().died(self.me);
    }
}

async fn keep_disk(
    world: Shared,
    me: MemberId,
    mut savings: mpsc::UnboundedReceiver<Saving>,
    mut dice: Dice,
) {
    while let Some(saving) = savings.recv().await {
        sleep(Duration::from_millis(dice.below(SAVE_MS_MAX))).await;
        world.borrow_mut().saved(me, saving, true_time());
    }
}

async fn keep_doors(
    world: Shared,
    me: MemberId,
    mut closings: mpsc::UnboundedReceiver<Closing>,
    mut dice: Dice,
) {
    while let Some(closing) = closings.recv().await {
        sleep(Duration::from_millis(dice.below(CLOSE_MS_MAX))).await;
        world.borrow_mut().closed(me, closing, true_time());
    }
}

async fn accept(world: Shared, me: MemberId, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = Rc::clone(&world);
        spawn(async move {
            // Whatever ends the connection, its dialler makes another.
            let _ = receive(world, me, stream).await;
        });
    }
}

async fn receive(world: Shared, me: MemberId, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let bytes = stream.read_u32().await? as usize;
        if bytes > ring::FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; bytes];
        stream.read_exact(&mut frame).await?;
        let envelope = ring::decode(&frame).map_err(|_| io::ErrorKind::InvalidData)?;
        world.borrow_mut().give(me, Input::Message(envelope), true_time());
        stream.write_u8(0).await?;
    }
}

async fn keep_link(peer: MemberId, mut frames: mpsc::Receiver<Vec<u8>>, mut dice: Dice) {
    loop {
        if let Some(Ok(stream)) = within(PATIENCE, TcpStream::connect((host(peer), PORT))).await {
            let _ = write_frames(stream, &mut frames, &mut dice).await;
        }
        sleep(REDIAL_AFTER).await;
    }
}

/// Writes frames as long as each is answered in time.
async fn write_frames(
    stream: TcpStream,
    frames: &mut mpsc::Receiver<Vec<u8>>,
    dice: &mut Dice,
) -> io::Result<()> {
    let (mut answers, mut writer) = stream.into_split();
    let mut buffer = [0; 64];
    let mut unanswered = 0;
    let mut heard = true_time();
    loop {
        let patience = if unanswered == 0 {
            Duration::MAX
        } else {
            (heard + PATIENCE).saturating_sub(true_time())
        };
        let event = within(patience, first(answers.read(&mut buffer), frames.recv()));
        match event.await {
            None | Some(Err(None)) => return Err(io::ErrorKind::TimedOut.into()),
            Some(Ok(count)) => {
                let count = count?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                unanswered -= count;
                heard = true_time();
            }
            Some(Err(Some(frame))) => {
                if unanswered == 0 {
                    heard = true_time();
                }
                unanswered += 1;
                let written = within(PATIENCE, write_chopped(&mut writer, &frame, dice)).await;
                written.ok_or(io::ErrorKind::TimedOut)??;
            }
        }
    }
}

/// Writes length and frame in two pieces cut anywhere, as networks do.
async fn write_chopped(
    writer: &mut (impl AsyncWriteExt + Unpin),
    frame: &[u8],
    dice: &mut Dice,
) -> io::Result<()> {
    let length = u32::try_from(frame.len()).expect("a frame is below FRAME_BYTES_MAX");
    let bytes = [&length.to_be_bytes(), frame].concat();
    let (head, tail) = bytes.split_at(dice.below(bytes.len() as u64) as usize);
    for piece in [head, tail] {
        writer.write_all(piece).await?;
    }
    Ok(())
}

/// True time: that of the simulation, which a restart does not set back.
fn true_time() -> Duration {
    turmoil::sim_elapsed().expect("the driver runs on simulated hosts only")
}

fn spawn(task: impl Future<Output = ()> + 'static) {
    #[expect(
        clippy::disallowed_methods,
        reason = "local tasks are dropped in the order of their making, so runs can be repeated; this driver has no other seam"
    )]
    tokio::task::spawn_local(task);
}

async fn sleep(span: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the clock here is the simulation's")]
    tokio::time::sleep(span).await;
}

/// What the future gives if it does within `span`.
async fn within<T>(span: Duration, future: impl Future<Output = T>) -> Option<T> {
    first(future, sleep(span)).await.ok()
}

/// Whichever is done first; the one named first when both are.
async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Result<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(done) = one.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        other.as_mut().poll(context).map(Err)
    })
    .await
}
