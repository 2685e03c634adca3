//! Others than Dovecot ask a director where a user is: nginx's mail proxy, Postfix, curl; and monitors how it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::backend::PASSWORD;
use crate::command::{must, run};
use crate::companions::{backends_whose_logs, one_for_each_backend, some_for_each_backend};
use crate::net::{MEMBERS, backend_ip, member_ip, namespace};
use crate::own_lmtp::saved;
use crate::postfix::{DOMAIN, Postfix};
use crate::site::Site;
use crate::waiting::eventually;

/// Where every member answers by HTTP.
pub const HTTP_PORT: u16 = 9_180;
/// Where it answers Postfix.
pub const SOCKETMAP_PORT: u16 = 9_181;
/// Where nginx's mail proxy listens, on each member's host.
const NGINX_IMAP: u16 = 2_143;
const NGINX_POP3: u16 = 2_110;

/// What a member answers to a GET: the status, and the body.
pub fn ask(member: usize, path: &str) -> (u16, String) {
    let url = format!("http://{}:{HTTP_PORT}{path}", member_ip(member));
    let curl = ["curl", "--silent", "--show-error", "--max-time", "10"];
    let said = must(&[&curl[..], &["--write-out", "\n%{http_code}", &url]].concat());
    let (body, status) = said.rsplit_once('\n').expect("curl writes the status behind it");
    (status.parse().expect("a status"), body.to_owned())
}

pub fn programs_are_told_by_http_where_a_user_is(_site: &mut Site) {
    for (user, backend) in &one_for_each_backend("asked") {
        for member in 1..=MEMBERS {
            let (status, body) = ask(member, &format!("/v1/lookup?user={user}"));
            let place: Value = serde_json::from_str(&body).expect("it is JSON");
            assert_eq!(status, 200, "{body}");
            assert_eq!(
                place["backend"],
                backend_ip(*backend),
                "of {user} at director {member}"
            );
            assert_eq!(place["refresh_within_s"], 10, "half of director_user_expire");
        }
    }
    assert_eq!(ask(1, "/v1/lookup?user=ann&tag=none").0, 404);
    assert_eq!(ask(1, "/v1/lookup").0, 400);
    assert_eq!(ask(1, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(ask(1, "/readyz").0, 200);
    assert_eq!(ask(1, "/nowhere").0, 404);
    let metrics = ask(1, "/metrics").1;
    assert!(metrics.contains("maildirector_serving 1.0\n"), "{metrics}");
    assert!(metrics.contains("maildirector_held_users "), "{metrics}");
    let found = format!(
        "maildirector_lookup_found_total{{door=\"{}:{HTTP_PORT}\",protocol=\"http\"}} 3\n",
        member_ip(1)
    );
    assert!(metrics.contains(&found), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}

/// nginx on each member's host. It ends with this.
struct Nginx(Vec<Child>);

impl Nginx {
    fn start(folder: &Path) -> Self {
        let start = |member: usize| {
            let folder = folder.join(format!("nginx{member}"));
            fs::create_dir(&folder).expect("the folder of the test is writable");
            fs::write(folder.join("nginx.conf"), configuration(member)).expect("it is writable");
            let folder = folder.to_str().expect("ASCII");
            let child = Command::new("ip")
                .args(["netns", "exec", &namespace(member), "nginx", "-p", folder])
                .args(["-c", "nginx.conf", "-e", "error.log"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            child.expect("ip is installed")
        };
        Nginx((1..=MEMBERS).map(start).collect())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // What has ended by itself is seen in its log.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn configuration(member: usize) -> String {
    let me = member_ip(member);
    format!(
        "load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
master_process off;
pid nginx.pid;
events {{}}
mail {{
  server_name {me};
  auth_http {me}:{HTTP_PORT}/v1/nginx?imap=143&pop3=110;
  server {{
    listen {me}:{NGINX_IMAP};
    protocol imap;
  }}
  server {{
    listen {me}:{NGINX_POP3};
    protocol pop3;
  }}
}}
"
    )
}

pub fn nginx_sends_each_user_to_his_own_backend(site: &mut Site) {
    site.must_be_calm();
    let _nginx = Nginx::start(&site.folder);
    for (user, backend) in &one_for_each_backend("nginx") {
        for (scheme, port) in [("imap", NGINX_IMAP), ("pop3", NGINX_POP3)] {
            let members = if scheme == "imap" { 1..=MEMBERS } else { 3..=3 };
            for member in members {
                let url = format!("{scheme}://{}:{port}/", member_ip(member));
                let login = format!("{user}:{PASSWORD}");
                let curl = ["curl", "--silent", "--max-time", "10", "--user", &login, &url];
                eventually("nginx lets the user in", Duration::from_secs(10), || {
                    run(&curl).status.success().then_some(())
                });
            }
        }
        for service in ["imap", "pop3"] {
            let said = format!("{service}-login: Info: Login: user=<{user}>");
            let there = backends_whose_logs(&site.folder, |line| line.contains(&said));
            assert_eq!(there, BTreeSet::from([*backend]), "{service} of {user}");
        }
    }
    let wrong = format!("imap://{}:{NGINX_IMAP}/", member_ip(1));
    let curl = ["curl", "--silent", "--max-time", "10", "--user", "nginxwrong:no"];
    let output = run(&[&curl[..], &[&wrong]].concat());
    assert!(!output.status.success(), "the backend refuses the password");
}

pub fn postfix_is_told_the_transport_of_each_recipient(site: &mut Site) {
    site.must_be_calm();
    let names: Vec<String> = (0..60).map(|number| format!("mapped{number}@{DOMAIN}")).collect();
    let users = some_for_each_backend(&names);
    for (member, (user, backend)) in (1..=MEMBERS).cycle().zip(&users) {
        let map = map(member);
        let detailed = user.replace('@', "+detail@");
        let said = must(&["postmap", "-q", &detailed, &map]);
        assert_eq!(
            said,
            format!("lmtp:inet:[{}]:24\n", backend_ip(*backend)),
            "{user}"
        );
        let elsewhere = run(&["postmap", "-q", "ann@example.com", &map]);
        assert_eq!(elsewhere.status.code(), Some(1), "a domain that is not ours");
        assert!(elsewhere.stdout.is_empty() && elsewhere.stderr.is_empty());
    }
    let route = format!("virtual_transport = error:nobody\ntransport_maps = {}\n", map(1));
    let postfix = Postfix::start_with(&site.folder, "postfix-map", &route);
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    postfix.send(&recipients, "one for all");
    eventually(
        "each has the mail at his own backend",
        Duration::from_secs(20),
        || {
            let has = |(user, backend): &(String, usize)| {
                saved(&site.folder, user) == BTreeMap::from([(*backend, 1)])
            };
            users.iter().all(has).then_some(())
        },
    );
}

/// What Postfix calls the map of a member.
fn map(member: usize) -> String {
    format!("socketmap:inet:{}:{SOCKETMAP_PORT}:lmtp", member_ip(member))
}
