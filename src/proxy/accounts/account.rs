//! What a verifier found: a verdict, and with it the account, made from Dovecot's extra fields.

use std::{fmt, net::IpAddr};

use crate::proxy::{Credentials, Mechanism};

/// Bytes that a host's name may have (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// Bytes that a tag may have.
const TAG_BYTES_MAX: usize = 255;
/// Characters of a reason that a client is told.
const REASON_CHARS_MAX: usize = 200;
/// What a client is told if nothing else is said.
const NO_LOGIN: &str = "This account is not allowed to log in.";

/// Who was let in, and where he goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose mailbox: who is routed. Always `sent.user`.
    pub user: String,
    /// The backend, if the entry names one.
    pub host: Option<Host>,
    /// The backend's port, if the entry names one.
    pub port: Option<u16>,
    /// The `director_tag`: which backends he may be sent to.
    pub tag: Option<Box<str>>,
    /// What the backend gets.
    pub sent: Credentials,
}

/// A backend as an entry names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `host=` or `hostip=` with an address.
    Address(IpAddr),
    /// `host=` with a name. TLS checks it.
    Name {
        /// The name, in lower case.
        name: Box<str>,
        /// `hostip=`: where to connect to, without a question to DNS.
        address: Option<IpAddr>,
    },
}

/// What a verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// He is who he says.
    In(Box<Account>),
    /// No such user, or not his password. Nobody is told which.
    Wrong,
    /// He may not log in, whatever he proves. The text is for the client: one line of printable ASCII.
    Refused(String),
    /// Nobody knows now. The text is for the log.
    TemporarilyUnavailable(String),
}

/// An extra field that can't be used. Says nothing of its value, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name.
    pub name: &'static str,
    /// What it has to be.
    pub rule: &'static str,
}

/// A password for a backend. Never shown.
#[derive(Clone, PartialEq, Eq)]
struct Hidden(Box<[u8]>);

/// The extra fields of an entry, as far as they are used (Dovecot 2.3, "passdb extra fields", "proxy passdb").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    user: Option<Box<str>>,
    destuser: Option<Box<str>>,
    master: Option<Box<str>>,
    auth_user: Option<Box<str>>,
    pass: Option<Hidden>,
    host: Option<Host>,
    hostip: Option<IpAddr>,
    port: Option<u16>,
    tag: Option<Box<str>>,
    is_nologin: bool,
    reason: Option<Box<str>>,
    /// Any password is right; the backend verifies it.
    pub(super) is_nopassword: bool,
    /// Its password opens any mailbox. Ours; Dovecot has a passdb of its own for these.
    pub(super) is_master_user: bool,
}

impl Host {
    /// Of a `host=`: an address, or else a name.
    fn of(value: &str) -> Result<Self, FieldError> {
        if let Ok(address) = value.parse() {
            return Ok(Host::Address(address));
        }
        let is_name = !value.is_empty()
            && value.len() <= HOST_BYTES_MAX
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if is_name {
            let name = value.to_ascii_lowercase().into_boxed_str();
            return Ok(Host::Name { name, address: None });
        }
        Err(FieldError {
            name: "host",
            rule: "has to be an address or a host's name",
        })
    }
}

impl Fields {
    /// One more field. Those that nobody here knows are ignored, as `proxy` and `proxy_maybe` are: everybody is proxied. The
    /// last one of a name counts. Flags are on however they are written, as in Dovecot.
    ///
    /// # Errors
    /// It is known, and its value can't be used.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        match name {
            "user" => self.user = Some(text("user", value)?.into()),
            "destuser" => self.destuser = Some(text("destuser", value)?.into()),
            "master" => self.master = Some(text("master", value)?.into()),
            "auth_user" => self.auth_user = Some(text("auth_user", value)?.into()),
            "pass" if value.contains(&0) => {
                return Err(FieldError {
                    name: "pass",
                    rule: "must not have a NUL",
                });
            }
            "pass" => self.pass = Some(Hidden(value.into())),
            "host" => self.host = Some(Host::of(text("host", value)?)?),
            "hostip" => {
                let address = text("hostip", value)?.parse().map_err(|_| FieldError {
                    name: "hostip",
                    rule: "has to be an IP address",
                })?;
                self.hostip = Some(address);
            }
            "port" => {
                let port: Option<u16> = text("port", value)?.parse().ok();
                let port = port.filter(|port| *port != 0).ok_or(FieldError {
                    name: "port",
                    rule: "has to be a number from 1 to 65535",
                })?;
                self.port = Some(port);
            }
            "director_tag" if value.len() > TAG_BYTES_MAX => {
                return Err(FieldError {
                    name: "director_tag",
                    rule: "may have at most 255 bytes",
                });
            }
            // An empty tag is the one of backends without a tag.
            "director_tag" if value.is_empty() => self.tag = None,
            "director_tag" => self.tag = Some(text("director_tag", value)?.into()),
            "nologin" => self.is_nologin = true,
            "reason" => self.reason = printable(value).map(String::into_boxed_str),
            "nopassword" => self.is_nopassword = true,
            "master_user" => self.is_master_user = true,
            _ => {}
        }
        Ok(())
    }

    /// The user, if a field says him.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether the backend gets something else than the client's own password, so that it can't verify that one.
    pub(super) fn has_other_proof(&self) -> bool {
        self.pass.is_some() || self.master.is_some()
    }

    /// What a client is told who may not log in; nothing if he may.
    pub(super) fn refusal(&self) -> Option<String> {
        let reason = || self.reason.as_deref().unwrap_or(NO_LOGIN);
        self.is_nologin.then(|| reason().to_owned())
    }

    /// The verdict for a client whose credentials hold. `name` is whose mailbox he wants; `opener` who has proved himself, if
    /// that is somebody else.
    pub(super) fn admit(&self, name: &str, opener: Option<&str>, client: &Credentials) -> Verdict {
        if let Some(reason) = self.refusal() {
            return Verdict::Refused(reason);
        }
        match self.sent(name, opener, client) {
            Ok(sent) => Verdict::In(Box::new(Account {
                user: sent.user.clone(),
                host: self.place(),
                port: self.port,
                tag: self.tag.clone(),
                sent,
            })),
            Err(why) => Verdict::TemporarilyUnavailable(format!(
                "user {name:?} has proved himself, but {why}; he was not let in: correct his entry"
            )),
        }
    }

    fn place(&self) -> Option<Host> {
        match (self.host.clone(), self.hostip) {
            (Some(Host::Name { name, .. }), address) => Some(Host::Name { name, address }),
            (_, Some(address)) => Some(Host::Address(address)),
            (host, None) => host,
        }
    }

    /// What the backend gets.
    fn sent(
        &self,
        name: &str,
        opener: Option<&str>,
        client: &Credentials,
    ) -> Result<Credentials, &'static str> {
        let target = self.destuser.as_deref().or(self.user.as_deref()).unwrap_or(name);
        // A password of the entry is not the one of the user who opens the mailbox.
        let opener = opener.or(self.auth_user.as_deref().filter(|user| *user != target));
        let opener = opener.filter(|_| self.pass.is_none());
        let master = self.master.as_deref().or(opener);
        let token = token_of(client);
        let pass = self.pass.as_ref().map(|pass| &*pass.0);
        let password = match (pass, token) {
            // Dovecot's auth gives the client's token back as if it were a password.
            (None, Some(_)) => None,
            (Some(pass), Some(token)) if pass == token => None,
            (Some(pass), _) => Some(pass),
            (None, None) => client.response.bytes().splitn(3, |byte| *byte == 0).nth(2),
        };
        let Some(password) = password else {
            return if master.is_none() && target.eq_ignore_ascii_case(&client.user) {
                Ok(client.clone())
            } else {
                Err("his token says another user than his entry does, and only pass= could replace it")
            };
        };
        let (authzid, authcid) = match master {
            Some(master) => (target, master),
            None => ("", target),
        };
        let response = [authzid.as_bytes(), authcid.as_bytes(), password].join(&0);
        Credentials::of_response(Mechanism::Plain, response)
            .map_err(|_| "the name or the password for the backend is too long or has control characters")
    }
}

/// One line of printable ASCII that a client can be told; nothing if it is empty.
pub(super) fn printable(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let text: String = text.chars().take(REASON_CHARS_MAX).map(shown).collect();
    (!text.is_empty()).then_some(text)
}

fn text<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a str, FieldError> {
    let text = std::str::from_utf8(value).ok();
    let is_usable = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    text.filter(is_usable).ok_or(FieldError {
        name,
        rule: "has to be text, without control characters, and not empty",
    })
}

/// The bearer's token; nothing for PLAIN. An empty one if the response has none.
fn token_of(client: &Credentials) -> Option<&[u8]> {
    if client.mechanism == Mechanism::Plain {
        return None;
    }
    let mut fields = client.response.bytes().split(|byte| *byte == 1);
    let token = fields.find_map(|field| {
        let (scheme, token) = field.split_at_checked(b"auth=Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"auth=Bearer ").then_some(token)
    });
    Some(token.unwrap_or_default())
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}= {}", self.name, self.rule)
    }
}

impl std::error::Error for FieldError {}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secret bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests;
