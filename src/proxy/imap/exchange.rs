//! The SASL mechanisms as a client goes through them. How challenges and responses are written, and who may use which
//! mechanism when, is left to the front.

use crate::proxy::{Credentials, CredentialsError, Mechanism};

/// What the client's next response says.
pub(super) enum Exchange {
    /// All there is.
    Whole(Mechanism),
    /// LOGIN's name.
    Name,
    /// LOGIN's password; this is the name.
    Password(Vec<u8>),
}

/// What follows a response.
pub(super) enum Turn {
    /// One more challenge.
    Challenge(Exchange),
    /// Nothing.
    Done(Result<Credentials, CredentialsError>),
}

impl Exchange {
    /// The start of this mechanism, if it is offered.
    pub(super) fn of(mechanism: &[u8], offers_oauth: bool) -> Option<Self> {
        if mechanism.eq_ignore_ascii_case(b"LOGIN") {
            return Some(Exchange::Name);
        }
        Mechanism::of(mechanism)
            .filter(|mechanism| offers_oauth || *mechanism == Mechanism::Plain)
            .map(Exchange::Whole)
    }

    /// What the client is asked, in base64.
    pub(super) fn challenge(&self) -> &'static str {
        match self {
            Exchange::Whole(_) => "",
            Exchange::Name => "VXNlcm5hbWU6",
            Exchange::Password(_) => "UGFzc3dvcmQ6",
        }
    }

    /// The client has answered, or said it without being asked.
    pub(super) fn respond(self, response: Vec<u8>) -> Turn {
        match self {
            Exchange::Whole(mechanism) => Turn::Done(Credentials::of_response(mechanism, response)),
            Exchange::Name => Turn::Challenge(Exchange::Password(response)),
            Exchange::Password(name) => Turn::Done(Credentials::of_password(&name, &response)),
        }
    }
}
