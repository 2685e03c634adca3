//! A backend: stock Dovecot with Maildir on storage that all backends share.

use std::path::Path;

use crate::instance::{Instance, MAIL_UID};
use crate::net::backend_ip;
use crate::sessions_in_logs::LOGOUT_FORMAT;

/// Everybody's password.
pub const PASSWORD: &str = "secret";

/// Where backends serve the doveadm of the proxies.
pub const DOVEADM_PORT: u16 = 24_245;

/// Where backends relay what is submitted to them, on their own host. They connect there at each login.
pub const RELAY_PORT: u16 = 10_025;

/// What it has to say there.
pub const DOVEADM_PASSWORD: &str = "doveadm-secret";

/// Start the n-th backend. Its login processes serve many clients each, so that hundreds of sessions cost less memory;
/// a session has a process of its own, as usual.
pub fn start(site: &Path, number: usize) -> Instance {
    let mail = site.join("mail");
    let mail = mail.display();
    let certs = site.join("certs");
    let certs = certs.display();
    let settings = format!(
        "mail_location = maildir:{mail}/%u
ssl = yes
ssl_cert = <{certs}/member-1.pem
ssl_key = <{certs}/member-1.key
mail_max_userip_connections = 0
login_trusted_networks = 10.77.1.0/24
imap_logout_format = {LOGOUT_FORMAT}
pop3_logout_format = {LOGOUT_FORMAT}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={MAIL_UID} gid={MAIL_UID} home={mail}/%u
}}
service imap-login {{
  service_count = 0
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  process_limit = 4096
}}
service pop3 {{
  process_limit = 1024
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {RELAY_PORT}
service submission-login {{
  inet_listener submission {{
    port = 587
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = 24
  }}
}}
doveadm_password = {DOVEADM_PASSWORD}
service doveadm {{
  inet_listener {{
    port = {DOVEADM_PORT}
  }}
}}
protocol doveadm {{
  mail_plugins = notify mail_log
}}
plugin {{
  mail_log_events = mailbox_create
}}
"
    );
    Instance::start(
        &site.join(format!("b{number}")),
        &backend_ip(number),
        &settings,
        None,
    )
}
