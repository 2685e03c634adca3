//! One fault, played from a warm ring: what it costs users until everything is as before.

use maildirector::topology::{BackendId, Change};

use super::agenda::Event;
use super::calendar::{Entry, struck};
use super::crowd::Group;
use super::rates::Cause;
use super::scene::{MS, SECOND, Scene};
use super::setup::{Setup, VHOSTS, backend_ip};

/// Of a fault that lasts longer only so much is played; the rest is as the last of it.
const PLAYED_MS: u64 = 40_000;
/// The end of what is played, by which the rest is judged.
const PLATEAU_NS: u64 = 10 * SECOND;
/// After the fault has ended, until nothing of it is left.
const AFTER_NS: u64 = 35 * SECOND;
/// A failed backend is found by probes within this time: every 5 s, three in a row, each given 3 s.
const FALL_NS: (u64, u64) = (10 * SECOND, 18 * SECOND);
/// One that works again: two in a row.
const RISE_NS: (u64, u64) = (5 * SECOND, 10 * SECOND);
/// A link that was cut is dialled again no less often.
const REDIAL_NS: u64 = 5 * SECOND;
const REDIAL_PAUSED_NS: u64 = 200 * MS;

/// What an incident cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Seconds without service of a mean user of the whole site, through his own director.
    pub fixed_s: f64,
    /// The same, with a balancer that tries the others.
    pub retry_s: f64,
    /// The longest time of one user, with the balancer.
    pub longest_s: f64,
    /// Sessions let in while another one was on another backend.
    pub splits: u64,
    /// Epochs decided.
    pub epochs: u64,
    /// Simulated time that was played, in seconds.
    pub played_s: f64,
    /// Inputs that directors took.
    pub inputs: u64,
    /// Whether all directors serve at the end.
    pub is_over: bool,
}

/// An incident under way.
struct Play<'a> {
    setup: &'a Setup,
    scene: Scene,
    entry: Entry,
    /// Time without service that was not played, in seconds: through the own director, and through any.
    beyond: [(f64, f64); 2],
}

/// Plays an incident from the moment at which `warm` stands.
pub(super) fn play(setup: &Setup, warm: &Scene, entry: &Entry, number: u64) -> Cost {
    let mut scene = warm.clone();
    scene.reseed(setup.seed ^ (entry.cause as u64 + 1) << 48 ^ number << 24 ^ u64::from(setup.directors));
    scene.crowd.without = Default::default();
    let (began_ns, before) = (scene.now, scene.counts);
    let mut play = Play {
        setup,
        scene,
        entry: *entry,
        beyond: [(0.0, 0.0); 2],
    };
    play.run();
    let mut scene = play.scene;
    scene.crowd.close(scene.now);
    let whole = |group| {
        let ((fixed, retry), beyond) = (scene.crowd.mean_s(group), play.beyond[group as usize]);
        (fixed + beyond.0, retry + beyond.1)
    };
    let (all, concerned) = (whole(Group::All), whole(Group::Concerned));
    // The sample of everybody hardly ever has users of the one backend; those stand for its share of the site.
    let share = 1.0 / f64::from(setup.backends);
    Cost {
        fixed_s: all.0 * (1.0 - share) + concerned.0 * share,
        retry_s: all.1 * (1.0 - share) + concerned.1 * share,
        longest_s: scene.crowd.longest_ns as f64 / SECOND as f64,
        splits: scene.crowd.splits,
        epochs: scene.counts.epochs - before.epochs,
        played_s: (scene.now - began_ns) as f64 / SECOND as f64,
        inputs: scene.counts.inputs - before.inputs,
        is_over: scene.is_settled(),
    }
}

impl Play<'_> {
    fn run(&mut self) {
        let members = struck(self.entry.cause, self.entry.item, self.setup.directors);
        match self.entry.cause {
            Cause::ProcessCrash | Cause::Upgrade => {
                self.scene.kill(members[0]);
                self.last();
                self.scene.start(members[0]);
            }
            Cause::HostReboot | Cause::MachineLoss => {
                self.scene.vanish(members[0]);
                self.last();
                if self.entry.cause == Cause::MachineLoss {
                    self.scene.seats[members[0]].record = None;
                }
                self.scene.start(members[0]);
            }
            Cause::Pause => {
                self.scene.pause(members[0]);
                self.last();
                // Its links are dead by then, or it had none of what was said meanwhile.
                self.scene.run_for(REDIAL_PAUSED_NS);
                self.scene.resume(members[0]);
            }
            Cause::RingCut => self.cut(&members),
            Cause::SwitchFailure => self.switch(&members),
            Cause::OperatorError => {
                for member in members {
                    self.scene.kill(member);
                    let at = self.scene.now + self.scene.between((SECOND, self.entry.lasts_ms * MS));
                    self.scene.agenda.push(at, Event::Starts { member });
                }
                self.scene.run_for(self.entry.lasts_ms * MS);
            }
            Cause::BackendFailure => self.backend_failure(),
            Cause::BackendWork => self.backend_work(),
        }
        self.scene.run_for(AFTER_NS);
    }

    /// Lets the fault last. What is not played is taken to be as the end of what is.
    fn last(&mut self) {
        let played_ms = self.entry.lasts_ms.min(PLAYED_MS);
        let beyond_s = (self.entry.lasts_ms - played_ms) as f64 / 1_000.0;
        if beyond_s == 0.0 {
            self.scene.run_for(played_ms * MS);
            return;
        }
        self.scene.run_for(played_ms * MS - PLATEAU_NS);
        let before = self.means();
        self.scene.run_for(PLATEAU_NS);
        let (after, plateau_s) = (self.means(), PLATEAU_NS as f64 / SECOND as f64);
        for ((beyond, after), before) in self.beyond.iter_mut().zip(after).zip(before) {
            beyond.0 += (after.0 - before.0) / plateau_s * beyond_s;
            beyond.1 += (after.1 - before.1) / plateau_s * beyond_s;
        }
    }

    fn means(&self) -> [(f64, f64); 2] {
        [Group::All, Group::Concerned].map(|group| self.scene.crowd.mean_s(group))
    }

    fn cut(&mut self, members: &[usize]) {
        let now = self.scene.now;
        self.scene.wires.cut(members, now);
        self.last();
        let redialled_ns = self.scene.between((0, REDIAL_NS));
        self.scene.run_for(redialled_ns);
        self.scene.wires.mend();
    }

    /// The directors behind it live, but neither clients nor the others reach them.
    fn switch(&mut self, members: &[usize]) {
        let now = self.scene.now;
        members
            .iter()
            .for_each(|member| self.scene.wires.silent(*member, now));
        self.last();
        let redialled_ns = self.scene.between((0, REDIAL_NS));
        self.scene.run_for(redialled_ns);
        members.iter().for_each(|member| self.scene.wires.here(*member));
    }

    fn concern(&mut self) -> BackendId {
        let ip = backend_ip(self.entry.item);
        let topology = self.scene.seats[0].settings.configured.clone();
        let backend = topology.backend_at(ip).expect("the calendar is of this site").id;
        let directors = usize::from(self.setup.directors);
        let first = self.scene.crowd.concern(&topology, backend, directors);
        self.scene.begin_logins_from(first);
        // They have sessions when it begins.
        self.scene.run_for(2 * SECOND);
        backend
    }

    fn backend_failure(&mut self) {
        let ip = backend_ip(self.entry.item);
        self.scene.dead_backend = Some(self.concern());
        self.scene.probe_all(Some(ip), FALL_NS);
        self.last();
        self.scene.dead_backend = None;
        self.scene.probe_all(None, RISE_NS);
    }

    fn backend_work(&mut self) {
        let ip = backend_ip(self.entry.item);
        self.concern();
        let member = (self.scene.draw() % u64::from(self.setup.directors)) as usize;
        let empty = vec![
            Change::SetVhosts { ip, vhosts: 0 },
            Change::Flush { ip: Some(ip) },
        ];
        self.scene.command(member, 1, empty);
        self.last();
        self.scene
            .command(member, 2, vec![Change::SetVhosts { ip, vhosts: VHOSTS }]);
    }
}
