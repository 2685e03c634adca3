//! What can happen next.

use maildirector::topology::UserId;

/// One event. Places and indices are those of the state in which it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message at this index arrives.
    Deliver(usize),
    /// The message at this index arrives and will arrive again.
    Duplicate(usize),
    /// A member is given its timers.
    Tick(usize),
    /// A member's disk has saved.
    Save(usize),
    /// A member's doors have closed the sessions of one hold.
    Evicted(usize, UserId, u32),
    /// A member's doors have closed everything.
    AllClosed(usize),
    /// A login of the world's list.
    Login(usize),
    /// An order of the world's list.
    Order(usize),
    /// A restart of the world's list: the run ends, the next begins in the same instant.
    Restart(usize),
    /// Time passes, by the next jump of the world's list.
    Wait,
}
