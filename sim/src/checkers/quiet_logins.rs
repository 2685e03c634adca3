//! A login sends no message to the ring.

use maildirector::agreement::Envelope;
use maildirector::director::Output;

use super::Broken;
use crate::outcome::Invariant;

/// What a director did because of a login, a logout or a refresh, when none of its timers was due.
pub(crate) fn quiet_login(member: u8, outputs: &[Output]) -> Result<(), Broken> {
    let sent = outputs.iter().find_map(|output| match output {
        Output::Send { envelope, .. } | Output::Flood(envelope) => Some(envelope),
        _ => None,
    });
    let Some(Envelope { body, .. }) = sent else {
        return Ok(());
    };
    Err(Broken::new(
        Invariant::QuietLogins,
        format!("member {member} told the ring because of a login: {body:?}"),
    ))
}

#[cfg(test)]
mod tests {
    use maildirector::agreement::{Body, Boot};
    use maildirector::topology::{Epoch, MemberId};

    use super::*;

    #[test]
    fn a_message_because_of_a_login_is_noticed() {
        let from = MemberId::from_index(0);
        let envelope = Envelope {
            from,
            boot: Boot::from_bits(1),
            epoch: Epoch::ZERO,
            body: Body::Fetch,
        };
        assert!(quiet_login(0, &[Output::CloseAll { term: 1 }]).is_ok());
        assert!(quiet_login(0, &[Output::Flood(envelope)]).is_err());
    }
}
