//! What a client proves himself with, as it is handed on to the backend.

use std::fmt;

pub use crate::topology::USER_NAME_BYTES_MAX as NAME_BYTES_MAX;
use crate::topology::is_user_name;

/// Bytes that a decoded SASL response may have; tokens of OAuth are long.
pub const RESPONSE_BYTES_MAX: usize = 12 << 10;

/// How the client proves himself (RFC 4422).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616. What LOGIN, USER and PASS say is handed on so, too.
    Plain,
    /// Google's and Microsoft's.
    XOauth2,
    /// RFC 7628.
    OauthBearer,
}

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Who wants in, and his proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// How he proves himself.
    pub mechanism: Mechanism,
    /// Whose mailbox he wants: who is routed. Not empty, at most [`NAME_BYTES_MAX`] bytes, without control characters, in
    /// lower case as Dovecot's `auth_username_format` has it by default.
    pub user: String,
    /// The whole response of the mechanism, not in base64.
    pub response: Secret,
}

/// Why credentials can't be used. The client's fault; he may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Not what the mechanism says.
    Malformed,
    /// No name, a name that is too long, or one that is no text.
    Name,
    /// Longer than [`RESPONSE_BYTES_MAX`].
    TooLong,
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    pub fn of(name: &[u8]) -> Option<Self> {
        [Mechanism::Plain, Mechanism::XOauth2, Mechanism::OauthBearer]
            .into_iter()
            .find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::XOauth2 => "XOAUTH2",
            Mechanism::OauthBearer => "OAUTHBEARER",
        }
    }
}

impl Credentials {
    /// From a name and a password.
    ///
    /// # Errors
    /// They can't be used.
    pub fn of_password(name: &[u8], password: &[u8]) -> Result<Self, CredentialsError> {
        let mut response = Vec::with_capacity(name.len() + password.len() + 2);
        response.push(0);
        response.extend_from_slice(name);
        response.push(0);
        response.extend_from_slice(password);
        Self::of_response(Mechanism::Plain, response)
    }

    /// From a mechanism's response, already decoded.
    ///
    /// # Errors
    /// It can't be used.
    pub fn of_response(mechanism: Mechanism, response: Vec<u8>) -> Result<Self, CredentialsError> {
        if response.len() > RESPONSE_BYTES_MAX {
            return Err(CredentialsError::TooLong);
        }
        let name = match mechanism {
            Mechanism::Plain => plain_name(&response),
            Mechanism::XOauth2 => xoauth2_name(&response),
            Mechanism::OauthBearer => oauthbearer_name(&response),
        };
        let user = checked_name(&name?)?;
        Ok(Credentials {
            mechanism,
            user,
            response: Secret(response),
        })
    }

    /// Name and password, for backends without SASL; nothing for mechanisms without a password, or when another user's
    /// mailbox is wanted.
    pub fn name_and_password(&self) -> Option<(&[u8], &[u8])> {
        if self.mechanism != Mechanism::Plain {
            return None;
        }
        let mut parts = self.response.bytes().splitn(3, |byte| *byte == 0);
        let (authzid, authcid, password) = (parts.next()?, parts.next()?, parts.next()?);
        (authzid.is_empty() || authzid == authcid).then_some((authcid, password))
    }
}

impl Secret {
    /// What it hides.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

/// Three parts (RFC 4616): for whom, who, password. An empty first one says that both are the same.
fn plain_name(response: &[u8]) -> Result<Vec<u8>, CredentialsError> {
    let mut parts = response.split(|byte| *byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(authzid), Some(authcid), Some(_), None) => {
            let name = if authzid.is_empty() { authcid } else { authzid };
            Ok(name.to_vec())
        }
        _ => Err(CredentialsError::Malformed),
    }
}

/// `user=NAME^Aauth=Bearer TOKEN^A^A`.
fn xoauth2_name(response: &[u8]) -> Result<Vec<u8>, CredentialsError> {
    let mut fields = response.split(|byte| *byte == 1);
    let name = fields.find_map(|field| field.strip_prefix(b"user="));
    name.map(<[u8]>::to_vec).ok_or(CredentialsError::Malformed)
}

/// `n,a=NAME,^Ahost=...^Aauth=Bearer TOKEN^A^A` (RFC 7628, section 3.1; names as in RFC 5801, section 4).
fn oauthbearer_name(response: &[u8]) -> Result<Vec<u8>, CredentialsError> {
    let header = response
        .split(|byte| *byte == 1)
        .next()
        .ok_or(CredentialsError::Malformed)?;
    let name = header
        .split(|byte| *byte == b',')
        .find_map(|part| part.strip_prefix(b"a="))
        .ok_or(CredentialsError::Malformed)?;
    let mut unescaped = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'=', [b'2', b'C', after @ ..]) => (b',', after),
            (b'=', [b'3', b'D', after @ ..]) => (b'=', after),
            (b'=', _) => return Err(CredentialsError::Malformed),
            (byte, after) => (*byte, after),
        };
        unescaped.push(byte);
        rest = after;
    }
    Ok(unescaped)
}

fn checked_name(name: &[u8]) -> Result<String, CredentialsError> {
    let name = std::str::from_utf8(name).map_err(|_| CredentialsError::Name)?;
    if !is_user_name(name) {
        return Err(CredentialsError::Name);
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_of(mechanism: Mechanism, response: &[u8]) -> Result<String, CredentialsError> {
        Credentials::of_response(mechanism, response.to_vec()).map(|credentials| credentials.user)
    }

    #[test]
    fn the_user_is_whose_mailbox_is_wanted() {
        assert_eq!(
            user_of(Mechanism::Plain, b"\0Alice\0secret"),
            Ok("alice".to_owned())
        );
        assert_eq!(
            user_of(Mechanism::Plain, b"bob\0alice\0secret"),
            Ok("bob".to_owned())
        );
        let token = b"user=alice@example.org\x01auth=Bearer t\x01\x01";
        assert_eq!(
            user_of(Mechanism::XOauth2, token),
            Ok("alice@example.org".to_owned())
        );
        let token = b"n,a=a=2Cb=3Dc,\x01host=h\x01auth=Bearer t\x01\x01";
        assert_eq!(user_of(Mechanism::OauthBearer, token), Ok("a,b=c".to_owned()));
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        assert_eq!(
            user_of(Mechanism::Plain, b"alice\0secret"),
            Err(CredentialsError::Malformed)
        );
        assert_eq!(
            user_of(Mechanism::Plain, b"\0a\0b\0c"),
            Err(CredentialsError::Malformed)
        );
        assert_eq!(
            user_of(Mechanism::Plain, b"\0\0secret"),
            Err(CredentialsError::Name)
        );
        assert_eq!(
            user_of(Mechanism::Plain, b"\0a\rb\0secret"),
            Err(CredentialsError::Name)
        );
        let long = [b'x'; NAME_BYTES_MAX + 1];
        assert_eq!(Credentials::of_password(&long, b""), Err(CredentialsError::Name));
        assert_eq!(
            user_of(Mechanism::OauthBearer, b"n,,\x01auth=Bearer t\x01\x01"),
            Err(CredentialsError::Malformed)
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials::of_password(b"alice", b"xyzzy").expect("usable");
        assert!(!format!("{credentials:?}").contains("xyzzy"));
        assert_eq!(
            credentials.name_and_password(),
            Some((&b"alice"[..], &b"xyzzy"[..]))
        );
    }
}
