//! Which user an address means, and whose addresses are ours.

use std::collections::BTreeSet;

use crate::topology::is_user_name;

/// What stands between a user's name and a detail, in Dovecot's `recipient_delimiter` and here.
const DETAIL: char = '+';

/// Which part of a recipient's address is the user, without the detail behind `+`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LmtpUser {
    /// All of it, as in Dovecot by default.
    #[default]
    Address,
    /// What stands before the `@` (`auth_username_format = %Ln`).
    LocalPart,
}

impl LmtpUser {
    /// All of them.
    pub const ALL: [LmtpUser; 2] = [LmtpUser::Address, LmtpUser::LocalPart];

    /// As the configuration has it.
    pub const fn name(self) -> &'static str {
        match self {
            LmtpUser::Address => "address",
            LmtpUser::LocalPart => "localpart",
        }
    }

    /// The user whom an address means, its local part unquoted: in lower case, without the detail. Nothing if that is no
    /// name.
    pub fn of(self, local: &str, domain: Option<&str>) -> Option<Box<str>> {
        let cut = local.split_once(DETAIL).map(|(user, _)| user);
        let mut user = cut.filter(|user| !user.is_empty()).unwrap_or(local).to_owned();
        if user.is_empty() {
            return None;
        }
        if let (LmtpUser::Address, Some(domain)) = (self, domain) {
            user.push('@');
            user.push_str(domain);
        }
        user.make_ascii_lowercase();
        is_user_name(&user).then(|| user.into())
    }
}

/// Domains whose recipients are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDomains {
    has_all: bool,
    names: BTreeSet<Box<str>>,
}

impl UserDomains {
    /// What stands for every domain.
    pub const ALL: &str = "*";

    /// Of these names, in any case.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut domains = UserDomains::default();
        for name in names {
            domains.has_all |= name == Self::ALL;
            domains.names.insert(name.to_ascii_lowercase().into());
        }
        domains
    }

    /// Whether it is one of them, in any case.
    pub fn has(&self, domain: &str) -> bool {
        let is_named = || self.names.contains(domain.to_ascii_lowercase().as_str());
        !domain.is_empty() && (self.has_all || is_named())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_compared_in_any_case_and_a_star_is_all_of_them() {
        let domains = UserDomains::new(["Example.org", "example.net"]);
        assert!(domains.has("example.ORG"));
        assert!(!domains.has("sub.example.org"));
        assert!(!domains.has(""));
        assert!(UserDomains::new(["*"]).has("anything.example"));
        assert!(!UserDomains::new(["*"]).has(""));
    }
}
