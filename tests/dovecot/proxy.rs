//! A proxy: stock Dovecot whose login processes, LMTP and doveadm ask a director, as an operator sets it up.

use std::fs;
use std::path::Path;

use crate::backend::{DOVEADM_PASSWORD, DOVEADM_PORT, PASSWORD};
use crate::instance::{Instance, MAIL_UID};
use crate::net::{backend_ip, member_ip, namespace};

/// A user whose passdb entry names backend 1, 2 or 3.
pub fn fixed_user(backend: usize) -> String {
    format!("fixed{backend}")
}

/// A user who is not proxied.
pub const LOCAL_USER: &str = "local";

/// Start the n-th proxy. The IMAP login processes are two that serve many clients each, the POP3 ones one for each
/// client: Dovecot's two ways.
pub fn start(site: &Path, number: usize) -> Instance {
    let folder = site.join(format!("p{number}"));
    fs::create_dir_all(folder.join("mail")).expect("the folder of the test is writable");
    std::os::unix::fs::chown(folder.join("mail"), Some(MAIL_UID), Some(MAIL_UID)).expect("root may");
    let mut users = format!("{LOCAL_USER}:{{PLAIN}}{PASSWORD}::::::\n");
    for backend in 1..=crate::net::BACKENDS {
        let (user, host) = (fixed_user(backend), backend_ip(backend));
        users.push_str(&format!("{user}:::::::proxy=y nopassword=y host={host}\n"));
    }
    fs::write(folder.join("users"), users).expect("the folder of the test is writable");
    Instance::start(
        &folder,
        &member_ip(number),
        &settings(&folder),
        Some(&namespace(number)),
    )
}

fn settings(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "mail_location = maildir:{at}/mail/%u
mail_max_userip_connections = 0
lmtp_proxy = yes
passdb {{
  driver = passwd-file
  args = username_format=%u {at}/users
}}
passdb {{
  driver = static
  args = proxy=y nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {at}/users
  default_fields = uid={MAIL_UID} gid={MAIL_UID} home={at}/mail/%u
}}
userdb {{
  driver = static
  args = uid={MAIL_UID} gid={MAIL_UID} home={at}/mail/%u
}}
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
service director {{
  unix_listener director-admin {{
    mode = 0
  }}
}}
service imap-login {{
  executable = imap-login director
  service_count = 0
  process_min_avail = 2
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  executable = pop3-login director
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  executable = managesieve-login director
}}
service submission-login {{
  executable = submission-login director
  inet_listener submission {{
    port = 587
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = 24
  }}
}}
protocol lmtp {{
  auth_socket_path = director-userdb
}}
doveadm_port = {DOVEADM_PORT}
doveadm_password = {DOVEADM_PASSWORD}
protocol doveadm {{
  auth_socket_path = director-userdb
}}
"
    )
}
