//! The size and the habits of one world, drawn first from the seed and printed with it.
//!
//! What a plan's text leaves out has the value that the `Default` of these types gives: the plainest world there is,
//! to which the minimiser leads. These values are a part of the plan format: one that changed would change plans.

use serde::{Deserialize, Serialize};

/// Everything about a world that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Members by number, those too who join only later.
    pub members: Vec<MemberKnobs>,
    /// What directors do without a majority.
    pub policy: PolicyKnob,
    /// L.
    pub lease_ms: u64,
    /// R, in parts per million. All clocks stay within it.
    pub drift_ppm: u32,
    /// How long a user is remembered.
    pub user_expire_ms: u64,
    /// How long a login waits at most.
    pub login_wait_ms: u64,
    /// How long an admin waits at most.
    pub command_wait_ms: u64,
    /// Mail servers by number; number n has the address 10.0.0.n (10.0.1.0 after 10.0.0.255).
    pub backends: Vec<BackendKnobs>,
    /// How many people there are.
    pub users: u32,
    /// So many of a hundred logins are for the second tag, "b".
    pub second_tag_percent: u32,
    /// Mean time between logins in the whole world. 0: only the logins of the plan's work.
    pub login_gap_ms: u64,
    /// So many of a hundred logins come with more of the same user at other directors at the same time.
    pub at_once_percent: u32,
    /// Mean length of a session.
    pub session_ms: u64,
    /// The least time that a message takes.
    pub latency_min_us: u64,
    /// The most time that a message takes, when nothing is wrong.
    pub latency_max_us: u64,
    /// Messages of one link arrive in the order in which they were sent, when nothing is wrong.
    pub is_ordered: bool,
    /// The most time that a sync takes, when nothing is wrong.
    pub disk_us: u64,
    /// How long a health check takes to notice that a backend died or came back.
    pub health_ms: u64,
    /// Logins that may wait at one director.
    pub waiting_logins_max: usize,
    /// Users that one director may hold.
    pub holds_max: usize,
    /// Commands that may wait at one director.
    pub commands_max: usize,
    /// Flush hooks that run at a time at one director; 0: there is none.
    pub flushes_max: usize,
    /// The most time that a flush hook takes.
    pub flush_ms: u64,
    /// Mean time between two looks of a director at a backend; 0: directors do not probe, and an admin's health check says
    /// what is down.
    pub probe_ms: u64,
    /// The brake, of a thousand.
    pub failed_max_permille: u32,
    /// How long users are left on a failed backend.
    pub evict_after_ms: u64,
    /// Directors come and go by address, as `doveadm director ring add` and `ring remove` order it, and get their vote when
    /// they are there.
    pub joins_by_address: bool,
    /// Every command sets a mark in the topology by which it is recognised later; `user_expire` is used for that.
    pub has_markers: bool,
    /// Which kinds of faults this seed was allowed to use (names as in the plan); says nothing to the run itself.
    pub fault_kinds: Vec<String>,
}

impl Knobs {
    /// How many of the first voters are less than half.
    pub fn minority(&self) -> usize {
        self.voters().saturating_sub(1) / 2
    }

    /// How many of the first voters' disks may be wiped in one plan: what more were to be remembered is gone. Of two
    /// one may be, before the ring has decided anything.
    pub fn wipes_max(&self) -> usize {
        self.minority().max(usize::from(self.voters() > 1))
    }

    fn voters(&self) -> usize {
        let votes = |member: &&MemberKnobs| member.votes && member.is_configured;
        self.members.iter().filter(votes).count()
    }
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            members: Vec::new(),
            policy: PolicyKnob::Consistent,
            lease_ms: 1_000,
            drift_ppm: 10_000,
            user_expire_ms: 60_000,
            login_wait_ms: 30_000,
            command_wait_ms: 30_000,
            backends: Vec::new(),
            users: 1,
            second_tag_percent: 0,
            login_gap_ms: 0,
            at_once_percent: 0,
            session_ms: 10_000,
            latency_min_us: 1_000,
            latency_max_us: 1_000,
            is_ordered: true,
            disk_us: 1_000,
            health_ms: 1_000,
            waiting_logins_max: 200,
            holds_max: 1_000,
            commands_max: 50,
            flushes_max: 0,
            flush_ms: 0,
            probe_ms: 0,
            failed_max_permille: 0,
            evict_after_ms: 0,
            joins_by_address: false,
            has_markers: false,
            fault_kinds: Vec::new(),
        }
    }
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemberKnobs {
    /// It answers logins.
    pub serves: bool,
    /// It votes.
    pub votes: bool,
    /// It is in the configuration of the others; one that is not joins by an admin's command.
    pub is_configured: bool,
    /// How users come to it.
    pub doors: Doors,
    /// The longest that its refreshing doors take to close a session. 0 when it has none. Under half a lease.
    pub close_bound_ms: u64,
    /// When it is started for the first time.
    pub starts_at_ms: u64,
    /// It is first started with another configuration, and with the right one at this time. 0: right at once.
    pub wrong_configuration_until_ms: u64,
    /// The operator starts it with the order to vote at epoch 0.
    pub is_bootstrap: bool,
    /// How fast its clock runs, in parts per million off true time.
    pub clock_ppm: i32,
    /// What its clock shows at the beginning.
    pub clock_offset_ms: u64,
}

impl Default for MemberKnobs {
    fn default() -> Self {
        MemberKnobs {
            serves: true,
            votes: true,
            is_configured: true,
            doors: Doors::Exact,
            close_bound_ms: 0,
            starts_at_ms: 0,
            wrong_configuration_until_ms: 0,
            is_bootstrap: false,
            clock_ppm: 0,
            clock_offset_ms: 0,
        }
    }
}

/// The front doors of a director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doors {
    /// Own proxies: sessions live in the director's process and ask before they forward.
    Exact,
    /// Login processes of another program: they outlive the director and can only be kicked.
    Refreshing,
    /// Some users come through the one, some through the other.
    Both,
}

/// One mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackendKnobs {
    /// Its weight.
    pub vhosts: u32,
    /// Its tag.
    pub tag: String,
    /// It is in the configuration; one that is not is added by an admin's command.
    pub is_configured: bool,
}

impl Default for BackendKnobs {
    fn default() -> Self {
        BackendKnobs {
            vhosts: 100,
            tag: String::new(),
            is_configured: true,
        }
    }
}

/// [`maildirector::director`]'s policy for a minority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKnob {
    /// Serve nobody.
    Consistent,
    /// Go on by the last topology.
    Available,
}
