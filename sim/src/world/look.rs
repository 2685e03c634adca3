//! Looking at a member at one moment. Nothing is changed, and nothing is remembered of the look.

use maildirector::agreement::{Ballot, ValueId};
use maildirector::director::{Director, Door, MemberStatus, Standing};
use maildirector::topology::{BackendId, MemberId, TagId, UserId};
use maildirector::world::Instant;

use super::people::backend_number;
use super::scene::World;
use crate::state::{
    AcceptedState, BackendState, BoundState, DirectorState, HoldState, LinkState, Listed, MemberState,
    NoteState, PeerState, PlacedState, RoundState, SessionState, StorageState, VoteState, WaitingState,
};

fn index(member: MemberId) -> usize {
    usize::from(member.index())
}

fn local_ns(at: Option<Instant>) -> Option<u64> {
    at.map(Instant::as_nanos)
}

fn accepted((ballot, value): (Ballot, ValueId)) -> AcceptedState {
    AcceptedState {
        ballot: ballot.to_string(),
        value: value.to_string(),
    }
}

impl World<'_> {
    /// Every member of the plan as it is where the run has stopped: at the time that was asked for, to which nothing
    /// more happened, or where something broke or all was over before.
    pub(crate) fn members_state(&mut self) -> Vec<MemberState> {
        let last_event_ns = self.now;
        if self.stop_at_ns != u64::MAX && self.broken.is_none() && !self.is_over {
            self.now = self.now.max(self.stop_at_ns);
        }
        let members = 0..self.members.len();
        let states = members.map(|member| self.member_state(member)).collect();
        self.now = last_event_ns;
        states
    }

    fn member_state(&self, number: usize) -> MemberState {
        let member = &self.members[number];
        let place = number as u8;
        let sessions = self.doors.of_member(place).iter();
        let sessions = sessions
            .map(|slot| self.doors.session(*slot))
            .map(|session| SessionState {
                user: self.user_name(session.user),
                backend: session.backend_number,
                door: match session.door {
                    Door::Exact => "exact",
                    Door::Refreshing => "refreshing",
                },
                run: session.run,
                process: session.process,
                serial: session.serial,
                opened_ns: session.opened_ns,
                is_fenced: session.is_fenced,
            });
        let asked = self.doors.waiting().filter(|(_, login)| login.member == place);
        let processes = member.runs().filter_map(|run| {
            let director = self.director(run)?;
            Some(self.director_state(run, director, self.local(place)))
        });
        MemberState {
            member: number,
            at_ns: self.now,
            clock_local_ns: member.clock.at(self.now),
            wall_offset_ns: member.wall_offset_ns,
            boots: member.boots,
            down_faults: member.down,
            paused_faults: member.paused,
            is_disk_broken: member.disk_broken > 0,
            storage: member.storage.kept().map(|record| StorageState {
                boot: record.boot.to_string(),
                epoch: record
                    .committed
                    .as_ref()
                    .map(|committed| committed.epoch().number()),
                promised: record.promised.map(|ballot| ballot.to_string()),
                accepted: record
                    .accepted
                    .as_ref()
                    .map(|(ballot, value)| accepted((*ballot, value.id))),
                is_bound: record.bound.is_some(),
                is_writing: member.storage.is_writing(),
            }),
            processes: processes.collect(),
            sessions: Listed::of(sessions),
            logins_asked: Listed::of(
                asked.map(|(_, login)| self.people.person(login.person).name.to_string()),
            ),
            links: self.links_state(number),
        }
    }

    fn links_state(&self, member: usize) -> Vec<LinkState> {
        let others = (0..self.members.len()).filter(move |other| *other != member);
        let links = others.flat_map(move |other| [(member, other), (other, member)]);
        links
            .map(|(from, to)| LinkState {
                from,
                to,
                faults: self.network.faults_on(from, to).collect(),
            })
            .filter(|link| !link.faults.is_empty())
            .collect()
    }

    fn director_state(&self, run: u32, director: &Director, now: Instant) -> DirectorState {
        let ring = director.ring_status(now);
        let (commands, saves) = (director.commands_status(), director.saves_status());
        let topology = director.topology();
        let placed = |(user, backend)| PlacedState {
            user: self.user_name(user),
            backend: number_of(director, backend),
        };
        let peer = |m: &MemberStatus| PeerState {
            member: index(m.id),
            serves: m.serves,
            votes: m.votes,
            is_leased: m.is_leased,
            heard_boot: m.heard.map(|(boot, _)| boot.to_string()),
            heard_local_ns: m.heard.map(|(_, at)| at.as_nanos()),
        };
        DirectorState {
            run,
            boot: director.boot().to_string(),
            epoch: ring.epoch.number(),
            is_fresh: director.is_fresh(),
            is_halted: director.is_halted(),
            standing: match ring.standing {
                Standing::Leased => "leased",
                Standing::Isolated { .. } => "isolated",
                Standing::Alone { .. } => "alone",
            },
            lease_until_local_ns: local_ns(ring.lease_until),
            lease_epochs: director.lease_epochs(now).map(|epoch| epoch.number()).collect(),
            is_seated: ring.is_seated,
            coordinator: director.coordinator(now).map(index),
            next_wakeup_local_ns: local_ns(director.next_wakeup()),
            members: ring.members.iter().map(peer).collect(),
            backends: backends(director),
            pins: Listed::of(topology.pins().map(placed)),
            vote: vote(director),
            is_surveying: director.is_surveying(),
            round: round(director),
            bound_to: self.bound_to(director),
            frozen_by: director
                .freezing_ballots()
                .iter()
                .map(Ballot::to_string)
                .collect(),
            evicting: Listed::of(
                director
                    .evicting_users()
                    .into_iter()
                    .map(|user| self.user_name(user)),
            ),
            holds: self.holds(director),
            logins_waiting: Listed::of(director.logins_waiting().map(|(user, since)| WaitingState {
                user: self.user_name(user),
                since_local_ns: since.as_nanos(),
            })),
            commands_queued: commands.queued,
            commands_on_the_way: commands.on_the_way,
            saves_wanted: saves.wanted,
            saves_synced: saves.synced,
            unsaid: saves.unsaid,
        }
    }

    fn bound_to(&self, director: &Director) -> Vec<BoundState> {
        let bindings = director.bindings().into_iter();
        bindings
            .map(|binding| BoundState {
                value: binding.value.to_string(),
                is_confirmed: binding.is_confirmed,
                waits_for: binding
                    .waits
                    .into_iter()
                    .map(|user| self.user_name(user))
                    .collect(),
            })
            .collect()
    }

    fn holds(&self, director: &Director) -> Listed<HoldState> {
        Listed::of(director.users(None).map(|hold| HoldState {
            user: self.user_name(hold.user),
            backend: number_of(director, hold.backend),
            sessions: hold.sessions,
            serial: hold.serial,
            is_evicting: hold.is_evicting,
            is_frozen: director.is_frozen(hold.user),
            touched_local_ns: hold.touched.as_nanos(),
        }))
    }

    /// `user3`, with a remark when he came with a tag.
    fn user_name(&self, user: UserId) -> String {
        let name = match self.people.of_key(user.key) {
            Some(person) => self.people.person(person).name.to_string(),
            None => format!("everybody of {:08x}", user.key.hash()),
        };
        if user.tag == TagId::DEFAULT {
            name
        } else {
            format!("{name} (tagged)")
        }
    }
}

/// A backend's number in the plan, by its place in this director's topology.
fn number_of(director: &Director, backend: BackendId) -> u32 {
    let backend = director.topology().backend(backend);
    backend.map_or(u32::MAX, |backend| backend_number(backend.ip))
}

fn backends(director: &Director) -> Vec<BackendState> {
    let topology = director.topology();
    let backends = director.backend_status().into_iter();
    backends
        .map(|status| BackendState {
            backend: backend_number(status.backend.ip),
            vhosts: status.backend.vhosts,
            tag: topology
                .tag_name(status.backend.tag)
                .unwrap_or_default()
                .to_owned(),
            is_up: status.backend.is_up,
            is_failed: status.backend.is_failed,
            is_drained: status.backend.drain.is_some(),
            held: status.held,
            pinned: status.pinned,
        })
        .collect()
}

fn vote(director: &Director) -> VoteState {
    let vote = director.vote_status();
    let notes = vote.notes.iter();
    VoteState {
        promised: vote.promised.map(|ballot| ballot.to_string()),
        accepted: vote.accepted.map(accepted),
        notes: notes
            .map(|(member, boot, until)| NoteState {
                member: index(*member),
                boot: boot.to_string(),
                until_local_ns: until.as_nanos(),
            })
            .collect(),
        grace_until_local_ns: vote.grace_until.as_nanos(),
    }
}

fn round(director: &Director) -> Option<RoundState> {
    let round = director.round_status()?;
    Some(RoundState {
        ballot: round.ballot.to_string(),
        epoch: round.epoch.number(),
        value: round.value.map(|value| value.to_string()),
        voters_answered: round.voters.into_iter().map(index).collect(),
        directors_answered: round.directors.into_iter().map(index).collect(),
        commits_at_local_ns: local_ns(round.commits_at),
    })
}
