//! The way to a ring that serves, in one order of events: what may go wrong on it is left to the simulator.

use maildirector::director::{CommandId, Input};
use maildirector::world::Instant;

use super::state::{Marks, Packet, State, Used};
use super::step::Step;
use super::world::{Duty, LEASE, Stage, place_of};

/// Far more events than a first start takes.
const EVENTS_MAX: usize = 10_000;

/// A ring at epoch 0 whose directors all got their lease in the same instant, with the world's sessions open, after the
/// world's idle time, when its first orders were just given.
///
/// # Panics
/// The ring does not come to serve.
pub fn serving(stage: &Stage) -> State {
    let world = &stage.world;
    let mut state = State {
        now: Instant::from_nanos(1_000_000_000),
        members: Vec::new(),
        wire: Vec::new(),
        decided: Vec::new(),
        has_disagreed: false,
        used: Used::default(),
        seen: Marks::default(),
    };
    for place in 0..world.duties.len() {
        Step::at_once(stage, &mut state).start(place);
    }
    let is_serving = |state: &State, place: usize| {
        world.duties[place] == Duty::Witness || state.members[place].director.is_serving()
    };
    settle(stage, &mut state, |state| {
        (0..world.duties.len()).all(|place| is_serving(state, place))
    });
    // Later than every renewal that is planned: so all renew now, and in the same instant.
    state.now = state.now.plus(LEASE * 3 / 10);
    settle(stage, &mut state, |_| true);
    state.now = state.now.plus(LEASE * world.idle_percent / 100);
    state.used.ticks = vec![0; world.duties.len()];
    show_time(stage, &mut state);
    if world.apart.is_empty() {
        state.wire.clear();
    }
    for place in world.apart {
        talk_apart(stage, &mut state, *place);
    }
    // What the others ask for is still on its way.
    state
        .wire
        .retain(|packet| !world.apart.contains(&place_of(packet.envelope.from)));
    for (token, (place, who)) in (1000..).zip(world.opened) {
        Step::at_once(stage, &mut state).login(*place, stage.users.id(*who), token);
        assert!(
            !state.members[*place].sessions.is_empty(),
            "nobody is served in {}",
            world.name
        );
    }
    for (id, (place, order)) in (1000..).zip(world.ordered) {
        let (id, changes) = (CommandId(id), order.changes(&stage.users));
        Step::new(stage, &mut state).give(*place, Input::Command { id, changes });
    }
    state.seen = Marks::default();
    state
}

/// Every member that is awake sees what time it is; a lease that has run out ends in the same instant.
pub fn show_time(stage: &Stage, state: &mut State) {
    if stage.world.is_sleepy {
        return;
    }
    for place in 0..state.members.len() {
        // Says nothing new to the machine but the time.
        Step::new(stage, state).give(place, Input::Saved { number: 0 });
    }
}

/// Let things happen until nothing is on the wire, no timer is due, and what is wanted is so.
fn settle(stage: &Stage, state: &mut State, is_wanted: impl Fn(&State) -> bool) {
    let is_due = |state: &State| {
        let wakeups = state.members.iter().filter_map(|m| m.director.next_wakeup());
        wakeups.min().is_some_and(|at| at <= state.now)
    };
    let mut events = 0;
    while !state.wire.is_empty() || is_due(state) || !is_wanted(state) {
        settle_once(stage, state);
        events += 1;
        assert!(
            events < EVENTS_MAX,
            "the ring of {} does not start",
            stage.world.name
        );
    }
}

/// What this director and the last member have for each other arrives: an asking for a lease, then its grant.
fn talk_apart(stage: &Stage, state: &mut State, place: usize) {
    let last = state.members.len() - 1;
    for way in [(place, last), (last, place)] {
        let is_on_way = |packet: &Packet| (place_of(packet.envelope.from), packet.to) == way;
        let (arriving, others) = std::mem::take(&mut state.wire).into_iter().partition(is_on_way);
        state.wire = others;
        let arriving: Vec<Packet> = arriving;
        for packet in arriving {
            Step::at_once(stage, state).deliver(&packet);
        }
    }
}

/// The first message arrives; if there is none, the next timer is given.
fn settle_once(stage: &Stage, state: &mut State) {
    if state.wire.is_empty() {
        let wakeups = state.members.iter().enumerate();
        let next = wakeups.filter_map(|(place, m)| Some((m.director.next_wakeup()?, place)));
        let (at, place) = next.min().expect("a member without a lease has timers");
        state.now = state.now.max(at);
        Step::at_once(stage, state).give(place, Input::Tick);
    } else {
        let packet = state.wire.remove(0);
        Step::at_once(stage, state).deliver(&packet);
    }
}
