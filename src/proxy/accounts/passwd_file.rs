//! A Dovecot passwd-file: `user:password:uid:gid:gecos:home:shell:extra_fields`, one user a line (Dovecot 2.3,
//! "Passwd-file"). Of these only the user, his password and the extra fields are looked at.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use crate::proxy::{Credentials, Mechanism};
use crate::topology::is_user_name;

use super::account::{Fields, Verdict};
use super::fault::{Fault, FaultKind};
use super::limits::{ENTRY_BYTES_MAX, FAULTS_MAX, USERS_MAX};
use super::password::{Cost, Password};

/// What a client is told whose mechanism can't be verified with a file.
const NO_TOKENS: &str = "Tokens can't be used for this account; log in with a password.";

/// Everybody of a file.
#[derive(Clone)]
pub struct PasswdFile {
    name: Arc<str>,
    entries: BTreeMap<Box<str>, Entry>,
    /// What is verified for those who are not there: a password of the cost that most have. Nothing is let in by it.
    dummy: Option<Password>,
    master_separator: Option<char>,
}

#[derive(Clone)]
struct Entry {
    line: usize,
    /// Nothing if none matches.
    password: Option<Password>,
    fields: Fields,
}

/// What a client says, taken apart.
struct Claim<'a> {
    /// Whose mailbox, in lower case.
    target: Cow<'a, str>,
    /// Whose password.
    opener: Cow<'a, str>,
    password: &'a [u8],
}

impl PasswdFile {
    /// From a file's text. `name_of_file` is for the faults and the log.
    ///
    /// # Errors
    /// Everything that is wrong in it, at most [`FAULTS_MAX`] and one that says that there are more.
    pub fn parse(text: &str, name_of_file: &str) -> Result<Self, Vec<Fault>> {
        let file: Arc<str> = name_of_file.into();
        let mut entries: BTreeMap<Box<str>, Entry> = BTreeMap::new();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let fault_of = |kind| Fault {
                file: Arc::clone(&file),
                line: index + 1,
                kind,
            };
            let (name, entry) = match entry_of(line, index + 1) {
                Ok(None) => continue,
                Ok(Some(found)) => found,
                Err(kind) => {
                    faults.push(fault_of(kind));
                    if faults.len() == FAULTS_MAX {
                        faults.push(fault_of(FaultKind::TooManyFaults));
                        break;
                    }
                    continue;
                }
            };
            if let Some(earlier) = entries.get(&*name) {
                faults.push(fault_of(FaultKind::Twice(earlier.line)));
            } else if entries.len() == USERS_MAX {
                faults.push(fault_of(FaultKind::TooManyUsers));
                break;
            } else {
                entries.insert(name, entry);
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(PasswdFile {
            name: file,
            dummy: commonest(&entries),
            entries,
            master_separator: None,
        })
    }

    /// With this between two names, `alice*admin` opens alice's mailbox with the password of admin, if he is a `master_user`.
    /// As Dovecot's `auth_master_user_separator`.
    #[must_use]
    pub fn with_master_separator(mut self, separator: Option<char>) -> Self {
        self.master_separator = separator;
        self
    }

    /// Whether these credentials hold. The same time passes, and the same is said, for a user who is not there and for a wrong
    /// password.
    pub fn verify(&self, credentials: &Credentials) -> Verdict {
        if credentials.mechanism != Mechanism::Plain {
            return self.verify_token(credentials);
        }
        let Some(claim) = self.claim(credentials) else {
            return Verdict::Wrong;
        };
        let opener = self.entries.get(&*claim.opener);
        let holds = match opener {
            Some(entry) if entry.fields.is_nopassword => Ok(true),
            Some(Entry {
                password: Some(password),
                ..
            }) => password.is(claim.password),
            // Somebody who isn't there, or is locked: only for the time that it takes.
            _ => match &self.dummy {
                Some(dummy) => dummy.is(claim.password).map(|_| false),
                None => Ok(false),
            },
        };
        let Ok(holds) = holds else {
            return Verdict::TemporarilyUnavailable(format!(
                "{}: there was no memory to verify a password with Argon2; the client was told to try again: verify fewer at a \
                 time, or make hashes that take less memory",
                self.name
            ));
        };
        match opener {
            Some(opener) if holds => self.admit(&claim, opener, credentials),
            _ => Verdict::Wrong,
        }
    }

    /// Whether [`PasswdFile::verify`] takes more than about 100 microseconds for these. It does for those who are not there
    /// if it does for most.
    pub fn is_slow(&self, credentials: &Credentials) -> bool {
        if credentials.mechanism != Mechanism::Plain {
            return false;
        }
        let Some(claim) = self.claim(credentials) else {
            return false;
        };
        let opener = self.entries.get(&*claim.opener);
        if opener.is_some_and(|entry| entry.fields.is_nopassword) {
            return false;
        }
        let password = opener.and_then(|entry| entry.password.as_ref());
        password.or(self.dummy.as_ref()).is_some_and(Password::is_slow)
    }

    /// A client whose password holds: he gets his own mailbox, or as a master user any.
    fn admit(&self, claim: &Claim<'_>, opener: &Entry, credentials: &Credentials) -> Verdict {
        if claim.opener == claim.target {
            return opener.fields.admit(&claim.target, None, credentials);
        }
        if !opener.fields.is_master_user {
            return Verdict::Wrong;
        }
        // A master user who is locked out opens nothing.
        if let Some(reason) = opener.fields.refusal() {
            return Verdict::Refused(reason);
        }
        match self.entries.get(&*claim.target) {
            Some(entry) => entry
                .fields
                .admit(&claim.target, Some(&claim.opener), credentials),
            None => Verdict::Wrong,
        }
    }

    /// Tokens can't be verified here; the backend can.
    fn verify_token(&self, credentials: &Credentials) -> Verdict {
        let name = credentials.user.to_ascii_lowercase();
        match self.entries.get(name.as_str()) {
            Some(entry) if entry.fields.is_nopassword => entry.fields.admit(&name, None, credentials),
            // Also said of those who are not there.
            _ => Verdict::Refused(NO_TOKENS.to_owned()),
        }
    }

    /// Nothing if it isn't text, or a name is missing.
    fn claim<'a>(&self, credentials: &'a Credentials) -> Option<Claim<'a>> {
        let mut parts = credentials.response.bytes().splitn(3, |byte| *byte == 0);
        let (authzid, authcid, password) = (parts.next()?, parts.next()?, parts.next()?);
        let authzid = std::str::from_utf8(authzid).ok()?;
        let authcid = std::str::from_utf8(authcid).ok()?;
        let (target, opener) = match self.master_separator {
            _ if !authzid.is_empty() => (authzid, authcid),
            Some(separator) => authcid.split_once(separator).unwrap_or((authcid, authcid)),
            None => (authcid, authcid),
        };
        if target.is_empty() || opener.is_empty() {
            return None;
        }
        Some(Claim {
            target: lower(target),
            opener: lower(opener),
            password,
        })
    }
}

/// The entry of a line; nothing for a comment.
fn entry_of(line: &str, number: usize) -> Result<Option<(Box<str>, Entry)>, FaultKind> {
    if line.len() > ENTRY_BYTES_MAX {
        return Err(FaultKind::LineTooLong);
    }
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut columns = line.splitn(8, ':');
    let name = columns.next().unwrap_or_default();
    let password = columns.next().unwrap_or_default();
    if !is_user_name(name) {
        return Err(FaultKind::Name);
    }
    let name = lower(name);
    let password = Password::parse(password).map_err(FaultKind::Hash)?;
    let mut fields = Fields::default();
    // An empty column with more behind it is an old form, whose last column isn't ours.
    let extra = columns.nth(5).filter(|extra| !extra.starts_with(':'));
    for field in extra.unwrap_or_default().split_ascii_whitespace() {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        // The last is only said by Dovecot's auth.
        if key.starts_with("userdb_") || key == "auth_user" {
            continue;
        }
        let value = expanded(value, &name).ok_or_else(|| FaultKind::Percent(printable_key(key)))?;
        fields.set(key, value.as_bytes()).map_err(FaultKind::Field)?;
    }
    if fields.is_nopassword {
        if password.is_some() {
            return Err(FaultKind::NoPasswordWithPassword);
        }
        if fields.has_other_proof() {
            return Err(FaultKind::NoPasswordWithProof);
        }
        if fields.is_master_user {
            return Err(FaultKind::NoPasswordMaster);
        }
    }
    let entry = Entry {
        line: number,
        password,
        fields,
    };
    Ok(Some((name.into(), entry)))
}

/// A value with the user (`%u`), his name before the `@` (`%n`) and his domain (`%d`) in it, as Dovecot expands it. Nothing if
/// there is another variable, which Dovecot would know.
fn expanded<'a>(value: &'a str, user: &str) -> Option<Cow<'a, str>> {
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let (name, domain) = user.split_once('@').unwrap_or((user, ""));
    let mut parts = value.split('%');
    let mut whole = parts.next()?.to_owned();
    while let Some(part) = parts.next() {
        let mut rest = part.chars();
        whole.push_str(match rest.next() {
            Some('u') => user,
            Some('n') => name,
            Some('d') => domain,
            // A doubled one: what is behind it is as it is.
            None => {
                rest = parts.next()?.chars();
                "%"
            }
            Some(_) => return None,
        });
        whole.push_str(rest.as_str());
    }
    Some(Cow::Owned(whole))
}

/// A password of the cost that most entries have.
fn commonest(entries: &BTreeMap<Box<str>, Entry>) -> Option<Password> {
    let mut costs: BTreeMap<Cost, (usize, &Password)> = BTreeMap::new();
    for password in entries.values().filter_map(|entry| entry.password.as_ref()) {
        costs.entry(password.cost()).or_insert((0, password)).0 += 1;
    }
    let most = costs.into_values().max_by_key(|(count, _)| *count);
    most.map(|(_, password)| password.clone())
}

fn printable_key(key: &str) -> Box<str> {
    super::account::printable(key.as_bytes())
        .unwrap_or_default()
        .into()
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

impl fmt::Debug for PasswdFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} users", self.name, self.entries.len())
    }
}

#[cfg(test)]
mod tests;
