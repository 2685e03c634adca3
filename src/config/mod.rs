//! The configuration file: its text to a [`Config`], with every fault at once, and from there to a topology.
//!
//! | step | needs | gives |
//! |---|---|---|
//! | [`import`] | what a Dovecot director was configured with | a file for [`parse`], and notes |
//! | [`parse`] | the text | a [`Config`], or all its [`Fault`]s, each with line, key and hint |
//! | [`Config::names`] | - | the host names that must be resolved; resolving is left to the caller |
//! | [`Config::members`], [`Config::seed`] | [`Resolved`] names | the members with their numbers; the first topology |
//! | [`Config::me`] | addresses of this machine | which member this process is |
//! | [`roster`] | the topology in force | whom to link with, as admins have changed it since |
//! | [`Config::ring_wide`] | the members | what neighbours compare when they meet |
//! | [`Config::reloaded`] | a changed configuration | what a running member does to follow it |
//! | [`Config::compared`] | an old and a new answer of the resolver | backends to add, addresses that went |
//!
//! Settings with a name of Dovecot's keep its grammar and its defaults, so that they can be copied over. No file is
//! opened and no name resolved here; `docs/CONFIG.md` describes every setting to operators.

mod backend_spec;
mod complaint;
#[expect(
    clippy::module_inception,
    reason = "one main type per file, named like the file"
)]
mod config;
mod fault;
mod flush_hook;
mod health_spec;
mod hints;
mod host;
mod import;
mod interval;
mod listener;
mod members;
mod parse;
mod proxy_spec;
mod recipient;
mod reloaded;
mod report;
mod resolved;
mod ring_wide;
mod roster;
mod section;
mod seed;
#[cfg(test)]
mod tests;

pub use backend_spec::{BackendPlace, BackendSpec};
pub use config::{
    CLUSTER_BYTES_MAX, CLUSTER_DEFAULT, Config, DOVECOT_BASE_DIR_DEFAULT, DRIFT_PPM, FLUSH_WAIT_DEFAULT,
    FLUSH_WAIT_MAX, HASH_FORMAT_DEFAULT, KickBy, LEASE_DEFAULT, MemberList, NumberedMember, Partition,
    RING_PORT_DEFAULT, RingSecurity, RingSettings, STATE_FOLDER_DEFAULT, STOP_WAIT_MAX, UPGRADE_WAIT_MAX,
    UPGRADE_WAIT_USUAL, USER_EXPIRE_DEFAULT, USER_KICK_DELAY_DEFAULT, USER_KICK_DELAY_MAX, VHOSTS_DEFAULT,
    Written,
};
pub use fault::Fault;
pub use flush_hook::FlushHook;
pub use health_spec::{
    AccountSpec, CHECKS_MAX, CheckSpec, FALL_DEFAULT, HealthSpec, PROBE_INTERVAL_DEFAULT, PROBE_INTERVAL_MAX,
    PROBE_INTERVAL_MIN, PROBE_TIMEOUT_DEFAULT, PROBE_TIMEOUT_MAX, PROBE_TIMEOUT_MIN, Protocol, RISE_DEFAULT,
    THRESHOLD_MAX, TlsUse,
};
pub use host::{Host, ServerSpec, parse_ip};
pub use import::{
    DovecotSetting, Imported, Include, Note, RunningError, RunningHost, RunningRing, import, read_dovecot,
};
pub use interval::{format_interval, parse_interval};
pub use listener::{Listener, ListenerKind, Place, SOCKET_PATH_BYTES_MAX, TransportSpec};
pub use members::{MemberRole, MemberSpec};
pub use parse::{FILE_BYTES_MAX, parse};
pub use proxy_spec::{
    IDLE_DEFAULT, IDLE_RANGE, LMTP_IDLE_DEFAULT, LOGIN_WITHIN_DEFAULT, LOGIN_WITHIN_RANGE,
    OF_ADDRESS_DEFAULT, PROXIES_MAX, PROXY_CONNECTIONS_DEFAULT, PROXY_CONNECTIONS_MAX, ProxyProtocol,
    ProxySpec, VerifierSpec,
};
pub use recipient::{LmtpUser, UserDomains};
pub use reloaded::{Reload, ReloadError};
pub use report::FAULTS_MAX;
pub use resolved::{RESOLVE_EVERY, Resolved};
pub use ring_wide::{RingWide, member_setting};
pub use roster::{number_for, roster};
pub use seed::NamesCompared;
