//! The ring as stateright sees it: first state, possible events, properties.

use std::sync::atomic::{AtomicBool, Ordering};

use maildirector::agreement::Rule;
use maildirector::director::{CommandId, Input};
use maildirector::world::Instant;
use stateright::{Model, Property};

use super::action::Action;
use super::first_start::{serving, show_time};
use super::invariants;
use super::state::{Mark, Marks, State};
use super::step::Step;
use super::tidy::{is_sound_without, tidy};
use super::world::{LEASE, Stage, Wait, World};

/// One world, explored.
pub struct Exploration {
    stage: Stage,
    is_tidied: bool,
    is_stopped: AtomicBool,
}

impl Exploration {
    /// Of this world, with this rule broken.
    pub fn new(world: World, broken: Option<Rule>) -> Self {
        let forgets = world.has_slow_disks && !world.restarts.is_empty();
        Exploration {
            stage: Stage::new(world, broken),
            is_tidied: !forgets && broken.is_none_or(is_sound_without),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Go no further, if so: what is waiting to be explored is looked at and left.
    pub fn stop(&self, is_stopped: bool) {
        self.is_stopped.store(is_stopped, Ordering::Relaxed);
    }

    fn may_tick(&self, state: &State, place: usize) -> bool {
        let is_due = |at: Instant| at <= state.now;
        state.used.ticks[place] < self.stage.world.ticks
            && state.members[place].director.next_wakeup().is_some_and(is_due)
    }

    fn wait(&self, state: &mut State) -> Option<()> {
        state.now = match self.stage.world.waits.get(state.used.waits)? {
            Wait::Percent(percent) => state.now.plus(LEASE * *percent / 100),
            Wait::LeaseEnd => {
                let ends = state.members.iter().filter_map(|m| m.director.lease_until());
                ends.filter(|end| *end > state.now).min()?
            }
        };
        state.used.waits += 1;
        show_time(&self.stage, state);
        Some(())
    }

    /// A message that changes nothing now is left on the wire: whatever could follow its delivery can follow without.
    fn deliver(&self, state: &mut State, index: usize, is_kept: bool) -> Option<()> {
        let packet = state.wire[index].clone();
        if !is_kept {
            state.wire.remove(index);
        }
        let (before, posted) = (state.members[packet.to].digest(), state.wire.len());
        Step::new(&self.stage, state).deliver(&packet);
        let has_changed = state.members[packet.to].digest() != before || state.wire.len() != posted;
        state.used.duplicates += u8::from(is_kept);
        has_changed.then_some(())
    }

    fn tick(&self, state: &mut State, place: usize) -> Option<()> {
        let before = state.members[place].digest();
        Step::new(&self.stage, state).give(place, Input::Tick);
        state.used.ticks[place] += 1;
        (state.members[place].digest() != before).then_some(())
    }
}

impl Model for Exploration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![serving(&self.stage)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let is_over = state
            .members
            .iter()
            .all(|m| m.epoch().number() >= self.stage.world.epochs);
        if is_over || self.is_stopped.load(Ordering::Relaxed) {
            return;
        }
        let world = &self.stage.world;
        actions.extend((0..state.wire.len()).map(Action::Deliver));
        if state.used.duplicates < world.duplicates {
            actions.extend((0..state.wire.len()).map(Action::Duplicate));
        }
        for (place, member) in state.members.iter().enumerate() {
            if self.may_tick(state, place) {
                actions.push(Action::Tick(place));
            }
            if member.unsaved.is_some() {
                actions.push(Action::Save(place));
            }
            let evicting = member.evicting.iter();
            actions.extend(evicting.map(|(user, serial)| Action::Evicted(place, *user, *serial)));
            if member.closing.is_some() {
                actions.push(Action::AllClosed(place));
            }
        }
        let left = |used: u32, count: usize| (0..count).filter(move |index| used & (1 << index) == 0);
        actions.extend(left(state.used.logins, world.logins.len()).map(Action::Login));
        actions.extend(left(state.used.orders, world.orders.len()).map(Action::Order));
        actions.extend(left(state.used.restarts, world.restarts.len()).map(Action::Restart));
        if state.used.waits < world.waits.len() {
            actions.push(Action::Wait);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.seen = Marks::default();
        let world = &self.stage.world;
        match action {
            Action::Deliver(index) => self.deliver(&mut state, index, false)?,
            Action::Duplicate(index) => self.deliver(&mut state, index, true)?,
            Action::Tick(place) => self.tick(&mut state, place)?,
            Action::Save(place) => Step::new(&self.stage, &mut state).save(place),
            Action::Evicted(place, user, serial) => {
                Step::new(&self.stage, &mut state).evicted(place, user, serial)
            }
            Action::AllClosed(place) => Step::new(&self.stage, &mut state).all_closed(place),
            Action::Login(index) => {
                let (place, who) = world.logins[index];
                state.used.logins |= 1 << index;
                Step::new(&self.stage, &mut state).login(place, self.stage.users.id(who), index as u64);
            }
            Action::Order(index) => {
                let (place, order) = world.orders[index];
                state.used.orders |= 1 << index;
                let (id, changes) = (CommandId(index as u64), order.changes(&self.stage.users));
                Step::new(&self.stage, &mut state).give(place, Input::Command { id, changes });
            }
            Action::Restart(index) => {
                let place = world.restarts[index];
                state.used.restarts |= 1 << index;
                Step::new(&self.stage, &mut state).start(place);
            }
            Action::Wait => self.wait(&mut state)?,
        }
        if self.is_tidied {
            tidy(&mut state, self.stage.world.epochs);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("S1", |_, state| invariants::is_nobody_split(state)),
            Property::always("S2", |_, state| invariants::is_agreed(state)),
            Property::always("S3", |_, state| invariants::is_leased(state)),
            Property::always("S4", |model: &Self, state| {
                invariants::is_overlap_frozen(state, &model.stage.users.both())
            }),
            Property::always("S5", |_, state| invariants::are_holds_placed(state)),
        ];
        properties.extend(self.stage.world.reaches.iter().map(|mark| sometimes(*mark)));
        properties
    }

    fn within_boundary(&self, state: &State) -> bool {
        state
            .members
            .iter()
            .all(|m| m.epoch().number() <= self.stage.world.epochs)
    }
}

fn sometimes(mark: Mark) -> Property<Exploration> {
    match mark {
        Mark::EpochOne => Property::sometimes("epoch 1", |_, s: &State| s.seen.has(Mark::EpochOne)),
        Mark::EpochTwo => Property::sometimes("epoch 2", |_, s: &State| s.seen.has(Mark::EpochTwo)),
        Mark::LeaseRanOut => {
            Property::sometimes("lease ran out", |_, s: &State| s.seen.has(Mark::LeaseRanOut))
        }
        Mark::Takeover => Property::sometimes("takeover", |_, s: &State| s.seen.has(Mark::Takeover)),
        Mark::UserMoved => Property::sometimes("user moved", |_, s: &State| s.seen.has(Mark::UserMoved)),
        Mark::Outbid => Property::sometimes("outbid", |_, s: &State| s.seen.has(Mark::Outbid)),
    }
}
