//! All checks of all backends, again and again: one task for each pair, and one that listens to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::check::Check;
use super::fault::ProbeFault;
use super::judge::{Judge, Verdict, pause};
use super::probe::probe;
use crate::config::HealthSpec;
use crate::world::{Clock, Task, World, select, sleep};

/// What is probed, and how often.
#[derive(Clone, Debug)]
pub struct ProberSettings {
    /// The checks that each backend has to stand.
    pub checks: Arc<[Check]>,
    /// Between two probes of one backend by one check, from end to start, a tenth more or less.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Failures in a row that make a backend failing.
    pub fall: u32,
    /// Successes in a row that make it work again.
    pub rise: u32,
}

impl ProberSettings {
    /// As configured; nothing when nothing is to be checked.
    ///
    /// # Errors
    /// A check names a file that can't be used.
    pub fn load(spec: &HealthSpec) -> Result<Option<Self>, super::CheckError> {
        if spec.checks.is_empty() {
            return Ok(None);
        }
        let checks: Result<Vec<Check>, _> = spec.checks.iter().map(Check::load).collect();
        Ok(Some(ProberSettings {
            checks: checks?.into(),
            interval: spec.interval,
            timeout: spec.timeout,
            fall: spec.fall,
            rise: spec.rise,
        }))
    }
}

/// Whose backends are probed.
pub trait Watched: Clone + Send + 'static {
    /// The backends now; `None` when nobody wants to know any more.
    fn backends(&self) -> impl Future<Output = Option<Vec<IpAddr>>> + Send;

    /// These fail and all others work, as seen from here.
    fn found(&self, failing: Vec<IpAddr>);
}

/// An answer of one backend to one check.
struct Answer {
    ip: IpAddr,
    check: usize,
    result: Result<(), ProbeFault>,
}

/// The probes of one backend.
struct Probed {
    judges: Vec<Judge>,
    _tasks: Vec<Task>,
}

impl Probed {
    fn is_failing(&self) -> bool {
        self.judges
            .iter()
            .any(|judge| judge.verdict() == Verdict::Failing)
    }

    fn is_known(&self) -> bool {
        self.is_failing()
            || self
                .judges
                .iter()
                .all(|judge| judge.verdict() == Verdict::Working)
    }
}

/// Probes until nobody wants to know any more. Nothing is said before every backend of the start was judged once: a
/// director that has just started takes nobody's side.
pub async fn run<W: World>(world: W, settings: ProberSettings, watched: impl Watched) {
    let (answers, mut answered) = unbounded_channel();
    let mut probed: BTreeMap<IpAddr, Probed> = BTreeMap::new();
    let mut said: Option<Vec<IpAddr>> = None;
    let mut look_at = world.clock().now();
    loop {
        select! {
            answer = answered.recv() => {
                let Some(answer) = answer else { return };
                hear(&settings, &mut probed, &answer);
            }
            () = world.clock().sleep_until(look_at) => {
                let Some(backends) = watched.backends().await else { return };
                probed.retain(|ip, _| backends.contains(ip));
                for ip in backends {
                    probed.entry(ip).or_insert_with(|| begin(&world, &settings, ip, &answers));
                }
                look_at = world.clock().now().plus(settings.interval);
            }
        }
        if said.is_none() && !probed.values().all(Probed::is_known) {
            continue;
        }
        let failing = probed.iter().filter(|(_, probed)| probed.is_failing());
        let failing: Vec<IpAddr> = failing.map(|(ip, _)| *ip).collect();
        if said.as_ref() != Some(&failing) {
            watched.found(failing.clone());
            said = Some(failing);
        }
    }
}

fn begin<W: World>(
    world: &W,
    settings: &ProberSettings,
    ip: IpAddr,
    answers: &UnboundedSender<Answer>,
) -> Probed {
    let tasks = (0..settings.checks.len()).map(|check| {
        let again = again(world.clone(), settings.clone(), ip, check, answers.clone());
        world.spawn("probe", again)
    });
    Probed {
        judges: vec![Judge::new(settings.fall, settings.rise); settings.checks.len()],
        _tasks: tasks.collect(),
    }
}

/// At most one answer of each task waits: the listener does nothing else, and a pause lies between two.
async fn again<W: World>(
    world: W,
    settings: ProberSettings,
    ip: IpAddr,
    check: usize,
    answers: UnboundedSender<Answer>,
) {
    loop {
        let result = probe(&world, &settings.checks[check], ip, settings.timeout).await;
        if answers.send(Answer { ip, check, result }).is_err() {
            return;
        }
        sleep(world.clock(), pause(settings.interval, world.entropy())).await;
    }
}

fn hear(settings: &ProberSettings, probed: &mut BTreeMap<IpAddr, Probed>, answer: &Answer) {
    let Some(backend) = probed.get_mut(&answer.ip) else {
        return;
    };
    let judge = &mut backend.judges[answer.check];
    let before = judge.verdict();
    if !judge.hear(answer.result.is_ok()) {
        return;
    }
    let (ip, name) = (answer.ip, settings.checks[answer.check].name());
    match &answer.result {
        Err(fault) => warn!(
            "backend {ip} fails {name}: {fault} ({} times in a row); it goes out of service when a majority of the \
             directors finds so",
            settings.fall
        ),
        Ok(()) if before == Verdict::Failing => info!("backend {ip} stands {name} again"),
        Ok(()) => {}
    }
}
