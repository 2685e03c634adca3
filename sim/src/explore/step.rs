//! One event carried out: an input for one machine, and everything that follows from it in the same instant.

use std::collections::VecDeque;
use std::sync::Arc;

use maildirector::agreement::Boot;
use maildirector::director::{Director, Door, Event, Gathered, Input, LoginToken, Output, RoundLeft, Start};
use maildirector::topology::UserId;

use super::member::{Grants, Member, Session, digest};
use super::state::{Mark, Packet, State};
use super::world::{Stage, place_of};

/// A state being changed.
pub struct Step<'a> {
    stage: &'a Stage,
    state: &'a mut State,
    has_slow_disks: bool,
    has_slow_doors: bool,
}

impl<'a> Step<'a> {
    /// Disks and doors are as fast or slow as the world says.
    pub fn new(stage: &'a Stage, state: &'a mut State) -> Self {
        Step {
            stage,
            state,
            has_slow_disks: stage.world.has_slow_disks,
            has_slow_doors: stage.world.has_slow_doors,
        }
    }

    /// Disks and doors take no time, whatever the world says.
    pub fn at_once(stage: &'a Stage, state: &'a mut State) -> Self {
        Step {
            stage,
            state,
            has_slow_disks: false,
            has_slow_doors: false,
        }
    }

    /// Begin a run of a member, with what its disk has.
    pub fn start(&mut self, place: usize) {
        let settings = self.stage.settings[place].clone();
        let before = self.state.members.get(place);
        let disk = before.and_then(|m| m.disk.clone());
        let boots = before.map_or(1, |m| m.boots + 1);
        let start = Start {
            boot: Boot::from_bits(place as u64 * 100 + boots),
            entropy: place as u64 + 1,
            record: disk.as_deref().cloned(),
            journal: Gathered::default(),
            sessions: Vec::new(),
            is_bootstrap: false,
        };
        let mut out = Vec::new();
        let director = Director::start(settings, start, self.state.now, &mut out);
        let member = Member {
            director,
            disk,
            unsaved: None,
            sessions: Default::default(),
            evicting: Default::default(),
            closing: None,
            boots,
            round: None,
            grants: Grants::default(),
        };
        self.carry_out(place, member, out);
    }

    /// A message arrives.
    pub fn deliver(&mut self, packet: &Packet) {
        let mut member = Member::clone(&self.state.members[packet.to]);
        member.note_received(&packet.envelope);
        self.handle(packet.to, member, Input::Message((*packet.envelope).clone()));
    }

    /// The disk has what it was last given.
    pub fn save(&mut self, place: usize) {
        let mut member = Member::clone(&self.state.members[place]);
        if let Some((number, record)) = member.unsaved.take() {
            member.disk = Some(record);
            self.handle(place, member, Input::Saved { number });
        }
    }

    /// The doors have closed the sessions of one hold.
    pub fn evicted(&mut self, place: usize, user: UserId, serial: u32) {
        let mut member = Member::clone(&self.state.members[place]);
        close_hold(&mut member, user, serial);
        self.handle(place, member, Input::Evicted { user, serial });
    }

    /// The doors have closed all sessions.
    pub fn all_closed(&mut self, place: usize) {
        let mut member = Member::clone(&self.state.members[place]);
        if let Some(term) = close_all(&mut member) {
            self.handle(place, member, Input::AllClosed { term });
        }
    }

    /// A user wants in.
    pub fn login(&mut self, place: usize, user: UserId, token: u64) {
        let input = Input::Login {
            token: LoginToken(token),
            key: user.key,
            tag: "",
            name: "u",
            door: Door::Exact,
        };
        self.give(place, input);
    }

    /// Anything else.
    pub fn give(&mut self, place: usize, input: Input<'_>) {
        let member = Member::clone(&self.state.members[place]);
        self.handle(place, member, input);
    }

    fn handle(&mut self, place: usize, mut member: Member, input: Input<'_>) {
        let mut out = Vec::new();
        member.director.handle(self.state.now, input, &mut out);
        self.carry_out(place, member, out);
    }

    fn carry_out(&mut self, place: usize, mut member: Member, out: Vec<Output>) {
        let mut out = VecDeque::from(out);
        while let Some(output) = out.pop_front() {
            if let Some(answer) = self.answer(place, &mut member, output) {
                let mut more = Vec::new();
                member.director.handle(self.state.now, answer, &mut more);
                out.extend(more);
            }
        }
        self.note_table(&member);
        let sealed = member.sealed();
        match self.state.members.get_mut(place) {
            Some(slot) => *slot = sealed,
            None => self.state.members.push(sealed),
        }
    }

    /// What is done about one output, and what the machine is told at once.
    fn answer(&mut self, place: usize, member: &mut Member, output: Output) -> Option<Input<'static>> {
        match output {
            Output::Send { to, envelope } => {
                member.note_sent(&envelope, self.state.now);
                self.state.post(Packet::new(place_of(to), Arc::new(envelope)));
            }
            Output::Flood(envelope) => {
                member.note_sent(&envelope, self.state.now);
                let envelope = Arc::new(envelope);
                for to in (0..self.stage.world.duties.len()).filter(|to| *to != place) {
                    self.state.post(Packet::new(to, Arc::clone(&envelope)));
                }
            }
            Output::Save { number, record } if self.has_slow_disks => member.unsaved = Some((number, record)),
            Output::Save { number, record } => {
                member.disk = Some(record);
                return Some(Input::Saved { number });
            }
            Output::Route {
                user,
                backend,
                serial,
                ..
            } => {
                if !self.stage.users.is_home(user, backend) {
                    self.state.seen.add(Mark::UserMoved);
                }
                member.sessions.insert(Session {
                    user,
                    backend,
                    serial,
                });
            }
            Output::Evict { user, serial, .. } => {
                if self.has_slow_doors {
                    member.evicting.insert((user, serial));
                } else {
                    close_hold(member, user, serial);
                    return Some(Input::Evicted { user, serial });
                }
            }
            Output::CloseAll { term } => {
                member.closing = Some(term);
                if !self.has_slow_doors {
                    return close_all(member).map(|term| Input::AllClosed { term });
                }
            }
            Output::Halt => {
                member.sessions.clear();
                member.unsaved = None;
            }
            Output::Event(event) => {
                member.note_event(&event);
                self.note_event(&event);
            }
            _ => {}
        }
        None
    }

    fn note_event(&mut self, event: &Event) {
        let mark = match event {
            Event::Committed { epoch, .. } if epoch.number() == 1 => Mark::EpochOne,
            Event::Committed { epoch, .. } if epoch.number() == 2 => Mark::EpochTwo,
            Event::Isolated { .. } => Mark::LeaseRanOut,
            Event::RoundAdopted { .. } => Mark::Takeover,
            Event::RoundLeft {
                why: RoundLeft::Outbid,
                ..
            } => Mark::Outbid,
            _ => return,
        };
        self.state.seen.add(mark);
    }

    /// Remember the first table of each epoch; a second one is a disagreement.
    fn note_table(&mut self, member: &Member) {
        let Some(index) = member.director.epoch().number().checked_sub(1) else {
            return;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let decided = &mut self.state.decided;
        if decided.len() <= index {
            decided.resize(index + 1, 0);
        }
        let table = digest(member.director.committed());
        if decided[index] == 0 {
            decided[index] = table;
        }
        self.state.has_disagreed |= decided[index] != table;
    }
}

fn close_hold(member: &mut Member, user: UserId, serial: u32) {
    member.evicting.remove(&(user, serial));
    member
        .sessions
        .retain(|session| (session.user, session.serial) != (user, serial));
}

fn close_all(member: &mut Member) -> Option<u32> {
    member.sessions.clear();
    member.evicting.clear();
    member.closing.take()
}
