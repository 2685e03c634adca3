//! What the world knows at the end of a recorded run that is in no event: what every member believes, and where the
//! users concerned belong in every epoch.

use std::collections::{BTreeMap, BTreeSet};

use maildirector::agreement::ValueId;
use maildirector::director::{Director, Standing};
use maildirector::topology::{TagId, Topology, UserId};

use super::note::Note;
use super::people::{SECOND_TAG, backend_number};
use super::scene::World;
use crate::explain::{Belief, Concerned, Recorder, Subject, Testimony, UserBelief, ballot_name, value_name};

/// Users whom a story follows at most.
const CONCERNED_MAX: usize = 4;

impl World<'_> {
    /// What is known of the members and of the users whom the verdict names. Where it names nobody, of none.
    pub(crate) fn testify(&self, subject: &Subject, recorder: &Recorder) -> Testimony {
        let users = self.concerned(subject, recorder, self.broken_words());
        let mut beliefs = Vec::new();
        for member in 0..self.members.len() as u8 {
            let runs: Vec<u32> = self.members[usize::from(member)].runs().collect();
            if runs.is_empty() {
                beliefs.push(self.belief(member, None, &users));
            }
            beliefs.extend(runs.into_iter().map(|run| self.belief(member, Some(run), &users)));
        }
        let of_members = |run: &u32| self.runs.get(*run as usize).map(|run| run.member);
        Testimony {
            now_ns: self.now,
            places: self.places(&users),
            value_places: self.value_places(&users, recorder),
            members_of_runs: subject.runs.iter().filter_map(of_members).collect(),
            users,
            beliefs,
        }
    }

    /// Persons are named alone, or as users of a tag; alone they are the users as whom they have come.
    fn concerned(&self, subject: &Subject, recorder: &Recorder, words: &str) -> Vec<Concerned> {
        let named = subject.keys.iter().filter_map(|key| self.people.of_key(*key));
        let mut persons: BTreeSet<u32> = subject
            .persons
            .iter()
            .copied()
            .filter(|person| (*person as usize) < self.people.len())
            .chain(named)
            .collect();
        if persons.is_empty() && !words.is_empty() {
            // What broke was seen when somebody was let in or served.
            let last = recorder.all().next_back().map(|(_, noted)| noted.note);
            if let Some(Note::Byte { person, .. } | Note::Routed { person, .. }) = last {
                persons.insert(person);
            }
        }
        let second = self.newest_topology().tag(SECOND_TAG);
        let mut users = Vec::new();
        for person in persons {
            let key = self.people.person(person).key;
            let of_tag = |tag| UserId { key, tag };
            let is_seen = |user: &UserId| recorder.sessions.iter().any(|session| session.user == *user);
            let all = [Some(TagId::DEFAULT), second].into_iter().flatten().map(of_tag);
            let mut seen: Vec<UserId> = all.filter(is_seen).collect();
            if words.contains(&key.to_string()) {
                let tagged = second
                    .map(of_tag)
                    .filter(|user| words.contains(&user.to_string()));
                seen = vec![tagged.unwrap_or(of_tag(TagId::DEFAULT))];
            }
            if seen.is_empty() {
                seen.push(of_tag(TagId::DEFAULT));
            }
            for user in seen {
                let tag = if user.tag == TagId::DEFAULT { "" } else { "/b" };
                let name = format!("user{person}{tag}");
                users.push(Concerned { user, person, name });
            }
        }
        users.truncate(CONCERNED_MAX);
        users
    }

    fn belief(&self, member: u8, run: Option<u32>, users: &[Concerned]) -> Belief {
        let state = &self.members[usize::from(member)];
        let knobs = &self.plan.knobs.members[usize::from(member)];
        let role = match (knobs.serves, knobs.votes) {
            (true, true) => "director+voter",
            (true, false) => "director",
            (false, _) => "witness",
        };
        let director = run.and_then(|run| self.director(run));
        let Some(director) = director else {
            return Belief {
                member,
                role,
                users: vec![UserBelief::default(); users.len()],
                ..Belief::default()
            };
        };
        let local = self.local(member);
        let vote = director.vote_status();
        let confirmed = director
            .bindings()
            .into_iter()
            .filter(|binding| binding.is_confirmed);
        let running = vote.notes.iter().filter(|(_, _, until)| *until > local);
        let noted = running.map(|(holder, _, until)| (holder.index() as u8, self.when(member, *until)));
        Belief {
            member,
            role,
            run,
            is_old: state.old.is_some() && state.old == run,
            is_paused: state.paused > 0,
            standing: standing_words(director, knobs.serves),
            epoch: (!director.is_fresh()).then(|| director.epoch().number()),
            lease_until_ns: director.lease_until().map(|until| self.when(member, until)),
            holds: director.holds().len(),
            users: users
                .iter()
                .map(|user| user_belief(director, user.user))
                .collect(),
            coordinates: director.round_status().map(|round| ballot_name(round.ballot)),
            promised: vote.promised.map(ballot_name),
            accepted: vote
                .accepted
                .map(|(ballot, value)| format!("{} in {}", value_name(value), ballot_name(ballot))),
            confirmed: confirmed.map(|binding| value_name(binding.value)).collect(),
            noted: noted.collect(),
        }
    }

    fn places(&self, users: &[Concerned]) -> BTreeMap<u64, Vec<Option<u32>>> {
        let of = |committed: &maildirector::agreement::Committed| {
            users
                .iter()
                .map(|user| placed(&committed.topology, user.user))
                .collect()
        };
        let epochs = self.agreement.epochs().iter();
        epochs
            .map(|(epoch, committed)| (epoch.number(), of(committed)))
            .collect()
    }

    /// Where each value that was proposed would put the users.
    fn value_places(&self, users: &[Concerned], recorder: &Recorder) -> BTreeMap<ValueId, Vec<Option<u32>>> {
        let mut places = BTreeMap::new();
        for (id, proposed) in &recorder.values {
            let epoch = maildirector::topology::Epoch::from_number(proposed.epoch);
            if let Some(before) = self.agreement.epochs().get(&epoch) {
                let next = before.next(&proposed.value, self.rules).topology;
                let of_users = users.iter().map(|user| placed(&next, user.user));
                places.insert(*id, of_users.collect());
            }
        }
        places
    }
}

fn standing_words(director: &Director, serves: bool) -> &'static str {
    match director.standing() {
        _ if director.is_fresh() => "knows no ring",
        _ if !serves => "witness",
        Standing::Leased => "serves",
        Standing::Isolated { .. } => "isolated",
        Standing::Alone { .. } => "alone",
    }
}

fn user_belief(director: &Director, user: UserId) -> UserBelief {
    let hold = director.holds().find(user);
    let topology = director.topology();
    let number = |id| topology.backend(id).map(|backend| backend_number(backend.ip));
    UserBelief {
        placed: placed(topology, user),
        held: hold.as_ref().and_then(|hold| number(hold.backend)),
        is_evicting: hold.is_some_and(|hold| hold.is_evicting),
        is_frozen: director.is_frozen(user),
    }
}

/// The backend on which a topology places a user, by its number in the plan.
fn placed(topology: &Topology, user: UserId) -> Option<u32> {
    let id = topology.place(user)?;
    topology.backend(id).map(|backend| backend_number(backend.ip))
}
