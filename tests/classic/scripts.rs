//! What the scripted neighbour says. `PEER` stands for its own address with a tab before the port, `SELF` for the
//! director's, `NOW` for the time, and `NOW-n` for n seconds before.

use crate::transcript::Wire;

/// One step of a script.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The neighbour says this.
    Say(Wire, &'static str),
    /// An admin says this; its answer is waited for.
    Admin(&'static str),
    /// The director's last SYNC is let round the ring, as a neighbour that agrees does.
    Sync,
}

/// A conversation to hold.
pub struct Script {
    pub name: &'static str,
    pub about: &'static str,
    /// After the handshakes of both sides and the first SYNC.
    pub steps: &'static [Step],
}

use Step::{Admin, Say, Sync};
use Wire::{In, Out};

/// All of them.
pub fn all() -> [Script; 4] {
    [
        Script {
            name: "users",
            about: "Users: told, told again, told of two hosts, weak, too old, and on unknown hosts.",
            steps: USERS,
        },
        Script {
            name: "hosts",
            about: "Hosts: changed, changed twice before a sync, added, removed, flushed; SYNCs of another list.",
            steps: HOSTS,
        },
        Script {
            name: "moves",
            about: "Moves: by the neighbour, by an admin, and what USER-KILLED does in each state.",
            steps: MOVES,
        },
        Script {
            name: "strangers",
            about: "A third director is told of, a wrong CONNECT, and a line that is none.",
            steps: STRANGERS,
        },
    ]
}

const USERS: &[Step] = &[
    Say(In, "USER\t1001\t10.2.0.2\tNOW"),
    Say(In, "USER\t1001\t10.2.0.2\tNOW-5"),
    // A higher address loses, and is not answered.
    Say(In, "USER\t1001\t10.2.0.3\tNOW"),
    // A lower one wins, and is told back.
    Say(In, "USER\t1001\t10.2.0.1\tNOW"),
    Say(Out, "USER\t1002\t10.2.0.3\tNOW-10"),
    Say(Out, "USER\t1002\t10.2.0.3\tNOW-2"),
    Say(Out, "USER\t1002\t10.2.0.2\tNOW-9"),
    // Expired, or nobody's host.
    Say(In, "USER\t1003\t10.2.0.1\tNOW-60"),
    Say(In, "USER\t1003\t10.9.9.9\tNOW"),
    Say(In, "USER\t1004\t10.2.0.1"),
    // Near its end: the told host is taken without a fight.
    Say(In, "USER\t1005\t10.2.0.1\tNOW-56"),
    Say(In, "USER\t1005\t10.2.0.3\tNOW"),
    // Weak: unknown, long not refreshed, lately refreshed, and not weak any more.
    Say(In, "USER-WEAK\tPEER\t101\t1006\t10.2.0.2"),
    Say(In, "USER\t1006\t10.2.0.2\tNOW"),
    Say(In, "USER\t1007\t10.2.0.1\tNOW-40"),
    Say(In, "USER-WEAK\tPEER\t102\t1007\t10.2.0.3"),
    Say(In, "USER\t1008\t10.2.0.1\tNOW"),
    Say(In, "USER-WEAK\tPEER\t103\t1008\t10.2.0.3"),
    Say(In, "USER-WEAK\tPEER\t103\t1008\t10.2.0.3"),
    Say(In, "USER-KICK-HASH\tPEER\t104\t1001\t10.2.0.1"),
    Say(In, "USER-KICK-HASH\tPEER\t104\t1001\t10.2.0.1"),
];

const HOSTS: &[Step] = &[
    Say(In, "USER\t2001\t10.2.0.2\tNOW"),
    Say(In, "HOST\tPEER\t11\t10.2.0.2\t50\t\tU0\t"),
    // Seen: nothing.
    Say(Out, "HOST\tPEER\t11\t10.2.0.2\t50\t\tU0\t"),
    // Twice before a sync: the lower weight, as the director's own.
    Say(In, "HOST\tPEER\t12\t10.2.0.2\t80\t\tU0\t"),
    Sync,
    Say(In, "HOST\tPEER\t13\t10.2.0.2\t70\t\tD1795437035\t"),
    Sync,
    Say(In, "HOST\tPEER\t14\t10.2.0.9\t20\ttagx\tU0\t"),
    Sync,
    Say(In, "HOST-FLUSH\tPEER\t15\t10.2.0.2"),
    Sync,
    // It was forgotten, so it is taken as new.
    Say(In, "USER\t2001\t10.2.0.3\tNOW"),
    Say(In, "HOST-REMOVE\tPEER\t16\t10.2.0.3"),
    Sync,
    Say(In, "HOST-REMOVE\tPEER\t17\t10.2.0.3"),
    Admin("HOST-SET\t10.2.0.1\t30"),
    Admin("HOST-DOWN\t10.2.0.1"),
    // Another host list: silence, then all hosts.
    Say(In, "SYNC\tPEER\t5\t9\tNOW\t12345"),
    Say(In, "SYNC\tPEER\t6\t9\tNOW\t12345"),
];

const MOVES: &[Step] = &[
    Say(In, "USER\t3001\t10.2.0.1\tNOW"),
    Say(In, "USER-MOVE\tPEER\t21\t3001\t10.2.0.2"),
    // Another host is not fought over meanwhile.
    Say(In, "USER\t3001\t10.2.0.1\tNOW"),
    Say(In, "USER-KILLED\t3001"),
    Say(In, "USER-KILLED-EVERYWHERE\tPEER\t22\t3001"),
    // In its last delay: answered at once.
    Say(In, "USER-KILLED\t3001"),
    Say(In, "USER\t3002\t10.2.0.1\tNOW"),
    Admin("USER-MOVE\t3002\t10.2.0.3"),
    Say(In, "USER-KILLED\t3002"),
    Say(In, "USER\t3003\t10.2.0.1\tNOW"),
    Admin("USER-MOVE\t3003\t10.2.0.3"),
    Say(In, "USER-KILLED-EVERYWHERE\tPEER\t23\t3003"),
    // Where he is, and of whom nobody knew.
    Say(In, "USER\t3004\t10.2.0.1\tNOW"),
    Say(In, "USER-MOVE\tPEER\t24\t3004\t10.2.0.1"),
    Admin("USER-MOVE\t3005\t10.2.0.2"),
    Say(In, "USER-KILLED-EVERYWHERE\tPEER\t25\t3009"),
    Say(In, "USER-KILLED\t3009"),
    Say(In, "USER-MOVE\tPEER\t26\t3010\t10.9.9.9"),
];

const STRANGERS: &[Step] = &[
    Say(In, "DIRECTOR\tSELF"),
    Say(In, "PING\tNOW\t0"),
    Say(In, "HOST-FLUSH\t127.0.77.7\t9999\t1\t10.2.0.2"),
    Sync,
    Say(In, "BOGUS\tline"),
];
