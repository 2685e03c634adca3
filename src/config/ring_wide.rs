//! The settings that neighbours compare when they meet.

use std::fmt::Write;

use md5::{Digest, Md5};

use super::{Config, MemberSpec, format_interval};

/// A longer value is compared by its digest: a handshake stays small whatever the configuration.
const VALUE_BYTES_MAX: usize = 2_000;

/// One setting that should be alike in the whole ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingWide {
    /// Its name in the configuration; `member N` for one member.
    pub name: String,
    /// Its value in one form, however it is written.
    pub value: String,
    /// A link to a member with another value is refused; else a warning is enough.
    pub must_match: bool,
}

impl Config {
    /// The ring-wide settings, in a fixed order. `members` are those of [`Config::members`]; each is a setting of its
    /// own, so that a ring whose list grows goes on: a member that only one side names is no contradiction.
    pub fn ring_wide(&self, members: &[MemberSpec]) -> Vec<RingWide> {
        let separator = self.master_user_separator.map(String::from);
        let mut mail_servers: Vec<_> = self.mail_servers.value.iter().map(ToString::to_string).collect();
        mail_servers.sort();
        let must = |name: &str, value| RingWide {
            name: name.to_owned(),
            value: bounded(value),
            must_match: true,
        };
        let mut all = vec![
            must("cluster", self.cluster.to_string()),
            must("director_username_hash", self.username_hash.as_str().to_owned()),
            must("director_user_expire", format_interval(self.user_expire)),
            must("master_user_separator", separator.unwrap_or_default()),
            must("lease", format_interval(self.lease)),
            must(
                "health.failed_max_percent",
                (self.health.policy.failed_max_per_mille / 10).to_string(),
            ),
            must(
                "health.evict_after",
                format_interval(self.health.policy.evict_after),
            ),
            must("partition", self.partition.name().to_owned()),
            RingWide {
                name: "director_mail_servers".to_owned(),
                value: bounded(mail_servers.join(" ")),
                must_match: false,
            },
        ];
        all.extend(members.iter().map(member_setting));
        all
    }
}

/// What neighbours compare of one member.
pub fn member_setting(member: &MemberSpec) -> RingWide {
    RingWide {
        name: format!("member {}", member.id.index()),
        value: format!("{} {}", member.role.name(), member.address),
        must_match: true,
    }
}

fn bounded(value: String) -> String {
    if value.len() <= VALUE_BYTES_MAX {
        return value;
    }
    let mut short = format!("{} bytes, md5 ", value.len());
    for byte in Md5::digest(value.as_bytes()) {
        write!(short, "{byte:02x}").expect("text grows without fail");
    }
    short
}
