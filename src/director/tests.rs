//! A ring in lockstep: no network but a queue, one clock, storage that syncs at once.

mod draining;
mod flushing;
mod health;
mod repeating;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::agreement::{Body, Boot, Envelope, Record, Rules, Whose, timing::TIMING_DEFAULT};
use crate::topology::{
    BackendId, Change, Epoch, HashFormat, HealthPolicy, Incarnation, Member, MemberId, NewBackend, TagId,
    Topology, TopologySeed, UserId, UserKey,
};
use crate::world::Instant;

struct Ring {
    now: Instant,
    configured: Arc<Topology>,
    members: BTreeMap<MemberId, Director>,
    disks: BTreeMap<MemberId, Record>,
    wire: VecDeque<(MemberId, Envelope)>,
    cut: Vec<(MemberId, MemberId)>,
    /// It gets no renewals of others.
    deaf: Option<MemberId>,
    seen: BTreeMap<MemberId, Vec<Output>>,
    /// What flush hooks were asked for.
    hooks: BTreeMap<MemberId, Vec<(UserId, FlushedFrom, BackendId)>>,
    boots: u64,
    limits: Limits,
}

fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

fn backend(last: u8) -> NewBackend {
    NewBackend {
        ip: [10, 0, 0, last].into(),
        hostname: None,
        vhosts: 100,
        tag: "".into(),
    }
}

fn user(name: &str) -> UserId {
    UserId {
        key: HashFormat::default().key(name),
        tag: TagId::DEFAULT,
    }
}

impl Ring {
    /// Directors 1..=n, all voters; backends 10.0.0.1 to 3.
    fn new(directors: u16) -> Ring {
        Ring::with_witnesses(directors, 0)
    }

    /// Directors first, witnesses after them.
    fn with_witnesses(directors: u16, witnesses: u16) -> Ring {
        let member = |i| Member {
            id: id(i),
            serves: i <= directors,
            votes: true,
            incarnation: Incarnation::from_bits(0),
        };
        let seed = TopologySeed {
            members: (1..=directors + witnesses).map(member).collect(),
            backends: (1..=3).map(backend).collect(),
            timing: TIMING_DEFAULT,
            health: HealthPolicy::default(),
            hash_format: "%Lu".to_owned(),
        };
        let configured = Arc::new(Topology::new(seed).expect("a plain configuration"));
        let mut ring = Ring {
            now: Instant::from_nanos(1_000_000_000),
            configured,
            members: BTreeMap::new(),
            disks: BTreeMap::new(),
            wire: VecDeque::new(),
            cut: Vec::new(),
            deaf: None,
            seen: BTreeMap::new(),
            hooks: BTreeMap::new(),
            boots: 0,
            limits: Limits::default(),
        };
        for i in 1..=directors + witnesses {
            ring.boot(id(i));
        }
        ring
    }

    fn serving(directors: u16) -> Ring {
        let mut ring = Ring::new(directors);
        ring.run(Duration::from_secs(3));
        assert!(ring.members.values().all(Director::is_serving));
        ring
    }

    fn serving_with_witness() -> Ring {
        let mut ring = Ring::with_witnesses(2, 1);
        ring.run(Duration::from_secs(3));
        assert!(ring.members[&id(1)].is_serving() && ring.members[&id(2)].is_serving());
        ring
    }

    fn boot(&mut self, me: MemberId) {
        let (director, out) = self.start(me, Gathered::default());
        self.members.insert(me, director);
        self.act(me, out);
    }

    fn start(&mut self, me: MemberId, journal: Gathered) -> (Director, Vec<Output>) {
        self.start_with(me, journal, Vec::new())
    }

    fn start_with(
        &mut self,
        me: MemberId,
        journal: Gathered,
        sessions: Vec<(UserId, u16)>,
    ) -> (Director, Vec<Output>) {
        self.boots += 1;
        let settings = Settings {
            me,
            configured: Arc::clone(&self.configured),
            policy: Policy::Consistent,
            close_bound: Duration::ZERO,
            limits: self.limits,
            rules: Rules::default(),
        };
        let start = Start {
            boot: Boot::from_bits(self.boots),
            entropy: 1000 + self.boots,
            record: self.disks.get(&me).cloned(),
            journal,
            sessions,
            is_bootstrap: false,
        };
        let mut out = Vec::new();
        let director = Director::start(settings, start, self.now, &mut out);
        (director, out)
    }

    fn give(&mut self, to: MemberId, input: Input<'_>) {
        let mut out = Vec::new();
        if let Some(director) = self.members.get_mut(&to) {
            director.handle(self.now, input, &mut out);
            self.act(to, out);
        }
    }

    fn act(&mut self, who: MemberId, out: Vec<Output>) {
        for output in out {
            match &output {
                Output::Send { to, envelope } => self.wire.push_back((*to, envelope.clone())),
                Output::Flood(envelope) => {
                    for to in self.members.keys().filter(|to| **to != who) {
                        self.wire.push_back((*to, envelope.clone()));
                    }
                }
                Output::Save { number, record } => {
                    self.disks.insert(who, (**record).clone());
                    let number = *number;
                    self.give(who, Input::Saved { number });
                }
                Output::Evict { user, serial, .. } => {
                    let (user, serial) = (*user, *serial);
                    self.give(who, Input::Evicted { user, serial });
                }
                Output::CloseAll { term } => {
                    let term = *term;
                    self.give(who, Input::AllClosed { term });
                }
                Output::Flush { user, from, to, .. } => {
                    self.hooks.entry(who).or_default().push((*user, *from, *to));
                }
                _ => {}
            }
            self.seen.entry(who).or_default().push(output);
        }
    }

    /// Deliver what is on the wire, then jump to the next timer, until `span` has passed.
    fn run(&mut self, span: Duration) {
        let end = self.now.plus(span);
        loop {
            while let Some((to, envelope)) = self.wire.pop_front() {
                let from = envelope.from;
                let is_unheard = self.deaf == Some(to) && matches!(envelope.body, Body::Renew(_));
                if !is_unheard && !self.cut.contains(&(from, to)) && !self.cut.contains(&(to, from)) {
                    self.give(to, Input::Message(envelope));
                }
            }
            let next = self
                .members
                .iter()
                .filter_map(|(id, d)| Some((d.next_wakeup()?, *id)))
                .min();
            match next {
                Some((at, who)) if at <= end => {
                    assert!(at > self.now || self.now <= end, "time stands still");
                    self.now = self.now.max(at);
                    self.give(who, Input::Tick);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn login(&mut self, at: u16, name: &str) -> Option<BackendId> {
        self.log_in(at, user(name), name)
    }

    fn login_of(&mut self, at: u16, user: UserId) -> Option<BackendId> {
        self.log_in(at, user, "somebody")
    }

    fn log_in(&mut self, at: u16, user: UserId, name: &str) -> Option<BackendId> {
        let (token, key) = (LoginToken(7), user.key);
        self.give(
            id(at),
            Input::Login {
                token,
                key,
                tag: "",
                name,
                door: Door::Exact,
            },
        );
        self.take(at, |o| match o {
            Output::Route { backend, .. } => Some(Some(*backend)),
            Output::Refuse { .. } => Some(None),
            _ => None,
        })?
    }

    /// The user's session ends.
    fn end(&mut self, at: u16, user: UserId) {
        let hold = self.members[&id(at)].holds().find(user).expect("held");
        let serial = hold.serial;
        self.give(id(at), Input::SessionEnded { user, serial });
    }

    /// The last output that fits, forgetting what was seen.
    fn take<T>(&mut self, at: u16, fits: impl Fn(&Output) -> Option<T>) -> Option<T> {
        let seen = self.seen.insert(id(at), Vec::new()).unwrap_or_default();
        seen.iter().rev().find_map(fits)
    }

    fn command(&mut self, at: u16, changes: Vec<Change>) {
        self.give(
            id(at),
            Input::Command {
                id: CommandId(1),
                changes,
            },
        );
    }

    fn reply(&mut self, at: u16) -> Option<Result<crate::topology::Epoch, CommandError>> {
        self.take(at, |o| match o {
            Output::Reply { result, .. } => Some(result.clone()),
            _ => None,
        })
    }

    fn epochs(&self) -> Vec<u64> {
        self.members.values().map(|d| d.epoch().number()).collect()
    }
}

#[test]
fn three_fresh_voters_start_a_ring_and_place_alike() {
    let mut ring = Ring::serving(3);
    for name in ["alice", "bob", "carol"] {
        let here = ring.login(1, name);
        assert!(here.is_some());
        assert_eq!(here, ring.login(2, name));
        assert_eq!(here, ring.login(3, name));
    }
}

#[test]
fn a_single_director_serves() {
    let mut ring = Ring::serving(1);
    assert!(ring.login(1, "alice").is_some());
    ring.command(1, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(2));
    assert!(matches!(ring.reply(1), Some(Ok(_))));
}

#[test]
fn a_new_backend_pins_who_is_held_elsewhere() {
    let mut ring = Ring::serving(3);
    let names: Vec<String> = (0..60).map(|i| format!("user{i}")).collect();
    let before: Vec<_> = names.iter().map(|n| ring.login(1, n)).collect();
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(2));
    assert!(matches!(ring.reply(2), Some(Ok(_))));
    assert_eq!(ring.epochs(), [1, 1, 1]);
    let after: Vec<_> = names.iter().map(|n| ring.login(3, n)).collect();
    assert_eq!(before, after);
    assert!(ring.members[&id(1)].topology().pins().len() > 5);
}

#[test]
fn a_flush_moves_and_closes() {
    let mut ring = Ring::serving(3);
    let name = "alice";
    let before = ring.login(1, name).expect("served");
    let ip = ring.members[&id(1)].topology().backend(before).expect("known").ip;
    ring.command(
        2,
        vec![Change::Down { ip, at_unix_s: 5 }, Change::Flush { ip: Some(ip) }],
    );
    ring.run(Duration::from_secs(2));
    assert!(matches!(ring.reply(2), Some(Ok(_))));
    assert!(ring.members[&id(1)].holds().is_empty());
    let after = ring.login(3, name).expect("served");
    assert_ne!(before, after);
    assert_eq!(ring.login(1, name), Some(after));
    assert_eq!(ring.members[&id(1)].history(user(name)).count(), 1);
}

#[test]
fn a_director_cut_off_stops_and_the_others_go_on() {
    let mut ring = Ring::serving(3);
    let before = ring.login(1, "alice").expect("served");
    ring.cut = vec![(id(1), id(2)), (id(1), id(3))];
    let ip = ring.members[&id(1)].topology().backend(before).expect("known").ip;
    ring.command(
        2,
        vec![Change::Down { ip, at_unix_s: 5 }, Change::Flush { ip: Some(ip) }],
    );
    ring.run(Duration::from_secs(30));
    assert_eq!(ring.epochs(), [0, 1, 1]);
    assert_eq!(ring.login(1, "alice"), None);
    assert!(ring.login(2, "alice").is_some_and(|b| b != before));
    ring.cut.clear();
    ring.run(Duration::from_secs(10));
    assert_eq!(ring.epochs(), [1, 1, 1]);
    assert_eq!(ring.login(1, "alice"), ring.login(3, "alice"));
}

#[test]
fn a_restarted_voter_remembers_and_a_wiped_one_is_seated_anew() {
    let mut ring = Ring::serving(3);
    ring.boot(id(1));
    ring.run(Duration::from_secs(15));
    assert!(ring.members[&id(1)].is_serving());
    ring.disks.remove(&id(1));
    ring.boot(id(1));
    ring.run(Duration::from_secs(60));
    let wiped = &ring.members[&id(1)];
    assert!(wiped.is_serving() && wiped.ring_status(ring.now).is_seated);
    assert!(ring.epochs()[0] >= 2);
}

#[test]
fn a_wiped_witness_is_seated_anew_in_two_rounds() {
    let mut ring = Ring::serving_with_witness();
    ring.disks.remove(&id(3));
    ring.boot(id(3));
    ring.run(Duration::from_secs(60));
    let witness = ring.members[&id(3)].ring_status(ring.now);
    assert!(witness.is_seated && witness.members[2].votes && !witness.members[2].serves);
    assert_eq!(ring.epochs(), [2, 2, 2]);
}

#[test]
fn a_witness_sends_what_its_admin_asked_as_soon_as_it_hears_of_a_coordinator() {
    let mut ring = Ring::serving_with_witness();
    ring.boot(id(3));
    ring.command(3, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(3));
    assert!(matches!(ring.reply(3), Some(Ok(_))));
}

#[test]
fn a_name_that_no_hold_can_keep_is_refused_whatever_the_limit_says() {
    let mut ring = Ring::new(1);
    ring.limits.name_bytes = 100_000;
    ring.boot(id(1));
    ring.run(Duration::from_secs(20));
    assert!(ring.login(1, &"a".repeat(NAME_BYTES_MAX)).is_some());
    assert_eq!(ring.login(1, &"a".repeat(NAME_BYTES_MAX + 1)), None);
}

#[test]
fn pins_go_when_nobody_needs_them() {
    let mut ring = Ring::serving(3);
    let names: Vec<String> = (0..60).map(|i| format!("user{i}")).collect();
    for name in &names {
        ring.login(1, name);
    }
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(2));
    assert!(ring.members[&id(1)].topology().pins().len() > 5);
    for name in &names {
        ring.end(1, user(name));
    }
    ring.run(TIMING_DEFAULT.user_expire * 4);
    assert_eq!(ring.members[&id(1)].topology().pins().len(), 0);
    assert!(ring.members[&id(1)].holds().is_empty());
}

/// As when a new process takes over from one that keeps its sessions.
#[test]
fn sessions_that_outlived_a_run_one_by_one_keep_their_users_until_the_last_has_ended() {
    let mut ring = Ring::serving(3);
    let alice = user("alice");
    let backend = ring.configured.place(alice).expect("backends are up");
    let expire = ring.configured.timing().user_expire;
    let mut journal = Gathered::default();
    journal.held(Journalled {
        user: alice,
        name: "alice",
        backend,
    });
    let strange = user("bob");
    let (mut director, _) = ring.start_with(id(1), journal, vec![(alice, 2), (strange, 1)]);
    assert!(director.holds().find(strange).is_none(), "no journal names him");
    let hold = director.holds().find(alice).expect("the journal names her");
    let (serial, since) = (hold.serial, hold.touched);
    assert_eq!(hold.sessions, 2);
    let held = |director: &Director, after: Duration| {
        let hold = director.holds().find(alice).expect("it is not swept here");
        hold.is_live(since.plus(after), expire)
    };
    assert!(held(&director, expire * 3));
    let ended = |director: &mut Director| {
        director.handle(
            ring.now,
            Input::SessionEnded { user: alice, serial },
            &mut Vec::new(),
        );
    };
    ended(&mut director);
    assert!(held(&director, expire * 3));
    ended(&mut director);
    assert!(!held(&director, expire * 3));
}

#[test]
fn a_restarted_director_holds_whom_its_journal_names_and_closes_who_is_misplaced_before_it_asks() {
    let mut ring = Ring::serving(3);
    let names = ["alice", "bob", "carol", "dave"];
    let right = names.map(|name| ring.configured.place(user(name)).expect("backends are up"));
    let wrong = BackendId::from_index((right[1].index() + 1) % 3);
    let mut journal = Gathered::default();
    for (name, backend) in names.into_iter().zip([right[0], wrong, right[2], right[3]]) {
        let user = user(name);
        journal.held(Journalled { user, name, backend });
    }
    journal.gone(user("dave"));
    let (mut director, mut out) = ring.start(id(1), journal);
    let held: Vec<UserId> = director.holds().iter().map(|hold| hold.user).collect();
    let mut expected = [user("alice"), user("bob"), user("carol")];
    expected.sort_unstable();
    assert_eq!(held, expected);
    let evicted: Vec<(UserId, u32)> = out
        .iter()
        .filter_map(|output| match output {
            Output::Evict { user, serial, .. } => Some((*user, *serial)),
            _ => None,
        })
        .collect();
    let [(bob, serial)] = evicted[..] else {
        panic!("{evicted:?}")
    };
    assert_eq!(bob, user("bob"));
    let asks = |out: &[Output]| {
        out.iter().any(|output| match output {
            Output::Flood(envelope) => matches!(envelope.body, Body::Renew(_)),
            _ => false,
        })
    };
    assert!(!asks(&out), "bob is not closed yet");
    out.clear();
    director.handle(ring.now, Input::Evicted { user: bob, serial }, &mut out);
    assert!(asks(&out));
    assert_eq!(director.holds().len(), 2);
}

/// Another user of the same hash.
fn namesake(name: &str) -> UserId {
    let bits = user(name).key.to_bits();
    UserId {
        key: UserKey::from_bits(bits ^ 1),
        ..user(name)
    }
}

/// The order to move everybody of the user's hash away from a backend, and where to.
fn away_from(ring: &Ring, from: BackendId, name: &str) -> (Change, BackendId) {
    let mut others = ring.members[&id(1)].topology().backends();
    let to = others.find(|backend| backend.id != from).expect("three backends");
    let key = UserKey::everybody_of(user(name).key.hash());
    (Change::Move { key, ip: to.ip }, to.id)
}

#[test]
fn a_move_of_everybody_closes_all_of_the_hash_and_keeps_them_together() {
    let mut ring = Ring::serving(3);
    let before = ring.login(1, "alice").expect("served");
    assert_eq!(ring.login_of(2, namesake("alice")), Some(before));
    let (order, to) = away_from(&ring, before, "alice");
    ring.command(3, vec![order]);
    ring.run(Duration::from_secs(2));
    assert!(matches!(ring.reply(3), Some(Ok(_))));
    for at in [1, 2] {
        assert!(ring.members[&id(at)].holds().is_empty());
    }
    assert_eq!(ring.login(2, "alice"), Some(to));
    assert_eq!(ring.login_of(1, namesake("alice")), Some(to));
}

#[test]
fn a_pin_of_everybody_stays_while_anybody_is_held_by_it_and_then_goes() {
    let mut ring = Ring::serving(3);
    let hashed = ring.members[&id(1)]
        .topology()
        .place(user("alice"))
        .expect("served");
    let (order, to) = away_from(&ring, hashed, "alice");
    ring.command(3, vec![order]);
    ring.run(Duration::from_secs(2));
    assert_eq!(ring.login_of(2, namesake("alice")), Some(to));
    ring.run(TIMING_DEFAULT.user_expire * 4);
    let pins = |ring: &Ring| ring.members[&id(1)].topology().pins().collect::<Vec<_>>();
    assert_eq!(pins(&ring), [(user("alice").everybody(), to)]);
    ring.end(2, namesake("alice"));
    ring.run(TIMING_DEFAULT.user_expire * 4);
    assert_eq!(pins(&ring), []);
}

#[test]
fn a_move_of_somebody_unknown_is_kept_in_mind_for_as_long_as_users_are() {
    let mut ring = Ring::serving(3);
    let hashed = ring.members[&id(1)]
        .topology()
        .place(user("alice"))
        .expect("served");
    let (order, to) = away_from(&ring, hashed, "alice");
    ring.command(3, vec![order]);
    ring.run(TIMING_DEFAULT.user_expire);
    assert_eq!(ring.login(1, "alice"), Some(to));
}

#[test]
fn a_kick_closes_the_user_at_every_director_that_hears_of_it_and_nobody_else() {
    let mut ring = Ring::serving(3);
    for at in 1..=3 {
        ring.login(at, "alice");
        ring.login(at, "bob");
        ring.login_of(at, namesake("alice"));
    }
    ring.cut = vec![(id(1), id(3))];
    for _ in 0..2 {
        ring.give(id(1), Input::Kick(Whose::User(user("alice").key)));
        ring.run(Duration::from_millis(10));
    }
    let is_held = |at: u16, user| ring.members[&id(at)].holds().find(user).is_some();
    assert_eq!(
        [1, 2, 3].map(|at| is_held(at, user("alice"))),
        [false, false, true]
    );
    for at in 1..=3 {
        assert!(is_held(at, user("bob")) && is_held(at, namesake("alice")));
    }
    assert_eq!(ring.epochs(), [0, 0, 0]);
}

#[test]
fn a_kick_from_another_epoch_is_carried_out() {
    let mut ring = Ring::serving(3);
    ring.login(3, "alice");
    let kick = |epoch| Envelope {
        from: id(1),
        boot: Boot::from_bits(1),
        epoch: Epoch::from_number(epoch),
        body: Body::Kick(Whose::User(user("alice").key)),
    };
    ring.give(id(3), Input::Message(kick(7)));
    assert!(ring.members[&id(3)].holds().is_empty());
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    ring.run(Duration::from_secs(2));
    ring.login(3, "alice");
    ring.give(id(3), Input::Message(kick(0)));
    assert!(ring.members[&id(3)].holds().is_empty());
}

#[test]
fn a_director_is_told_whom_another_holds_whatever_their_epochs() {
    let mut ring = Ring::serving(3);
    let backend = ring.login(2, "alice").expect("served");
    ring.login_of(2, namesake("alice"));
    let hash = user("alice").key.hash();
    let ask = Input::ListHeld {
        of: id(2),
        number: 5,
        first: hash,
        last: hash,
    };
    ring.give(id(1), ask);
    ring.run(Duration::from_millis(10));
    let (of, held) = ring
        .take(1, |output| match output {
            Output::HeldListed { of, number: 5, held } => Some((*of, held.clone())),
            _ => None,
        })
        .expect("it answers");
    let mut users = [user("alice"), namesake("alice")];
    users.sort_unstable();
    assert_eq!(of, id(2));
    assert_eq!(held.next, None);
    assert_eq!(held.users.iter().map(|held| held.user).collect::<Vec<_>>(), users);
    let expire = TIMING_DEFAULT.user_expire.as_secs();
    for user in held.users {
        assert_eq!(user.backend, backend);
        assert!((expire - 1..=expire).contains(&user.ends_in_s.into()), "{user:?}");
    }
}

#[test]
fn a_page_of_users_ends_between_two_hashes() {
    let mut ring = Ring::serving(1);
    let user_of = |hash: u32, rest: u32| UserId {
        key: UserKey::from_bits(u64::from(hash) << 32 | u64::from(rest)),
        ..user("alice")
    };
    let per_page = u32::try_from(HELD_PER_PAGE).expect("a handful");
    for hash in 1..per_page {
        ring.login_of(1, user_of(hash, 1));
    }
    for rest in 1..=3 {
        ring.login_of(1, user_of(per_page, rest));
    }
    ring.login_of(1, user_of(per_page + 1, 1));
    let director = &ring.members[&id(1)];
    let first = director.held_users(0, u32::MAX, ring.now);
    assert_eq!(
        (first.users.len(), first.next),
        (HELD_PER_PAGE + 2, Some(per_page + 1))
    );
    let second = director.held_users(per_page + 1, u32::MAX, ring.now);
    assert_eq!((second.users.len(), second.next), (1, None));
}
