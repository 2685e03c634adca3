//! The rules of the protocol, section 4, asked of one state.

use maildirector::topology::UserId;

use super::member::Member;
use super::state::State;

/// S1: no two sessions of one user on different backends through which bytes may go.
pub fn is_nobody_split(state: &State) -> bool {
    let live = || state.members.iter().filter(|m| m.may_forward(state.now));
    let sessions = || live().flat_map(|m| &m.sessions);
    sessions().all(|one| sessions().all(|other| one.user != other.user || one.backend == other.backend))
}

/// S2: one table for each epoch.
pub fn is_agreed(state: &State) -> bool {
    !state.has_disagreed
}

/// S3: who may forward has been granted so by a majority, less than a lease after it asked.
pub fn is_leased(state: &State) -> bool {
    let is_granted = |m: &Member| m.grants.until().is_some_and(|until| until > state.now);
    state
        .members
        .iter()
        .all(|m| !m.may_forward(state.now) || is_granted(m))
}

/// S4: directors with leases are at one epoch or at two neighbours, and who is behind has frozen whoever differs and
/// holds nobody who does.
pub fn is_overlap_frozen(state: &State, users: &[UserId]) -> bool {
    let live = || state.members.iter().filter(|m| m.may_forward(state.now));
    live().all(|behind| {
        live().all(|ahead| {
            let (here, there) = (behind.epoch(), ahead.epoch());
            here >= there || (here.next() == there && users.iter().all(|u| is_kept_apart(behind, ahead, *u)))
        })
    })
}

fn is_kept_apart(behind: &Member, ahead: &Member, user: UserId) -> bool {
    let next = ahead.director.topology().place(user);
    if behind.director.topology().place(user) == next {
        return true;
    }
    let hold = behind.director.holds().find(user);
    behind.director.is_frozen(user) && hold.is_none_or(|h| h.is_evicting || Some(h.backend) == next)
}

/// S5: every hold is where the table in force has its user, unless it is being closed.
pub fn are_holds_placed(state: &State) -> bool {
    state.members.iter().all(|m| {
        let table = m.director.topology();
        m.director
            .holds()
            .iter()
            .all(|hold| hold.is_evicting || table.place(hold.user) == Some(hold.backend))
    })
}
