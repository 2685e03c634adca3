//! Everything together: the network, the backends, the proxies with their directors, the crowd and the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend;
use crate::crowd::Crowd;
use crate::doveadm::director;
use crate::flush_hook;
use crate::instance::{Instance, MAIL_UID};
use crate::member::{self, Member, last_lines};
use crate::net::{self, BACKENDS, MEMBERS};
use crate::own_accounts;
use crate::proxy;
use crate::sessions_in_logs::{self, Told};
use crate::truth::{PLANTED_SPLIT, PROBE, Truth};

const CROWD_USERS: usize = 200;
const SESSIONS_PER_USER: usize = 3;

/// A running site.
pub struct Site {
    /// Where all files are.
    pub folder: PathBuf,
    /// Who keeps sessions open.
    pub crowd: Crowd,
    /// Who is where.
    pub truth: Truth,
    backends: Vec<Instance>,
    proxies: Vec<Instance>,
    members: Vec<Member>,
}

impl Site {
    /// Start everything in an empty folder; the crowd is still on its way.
    pub fn start(folder: &Path) -> Self {
        net::lay();
        let mail = folder.join("mail");
        fs::create_dir(&mail).expect("the folder of the test is writable");
        std::os::unix::fs::chown(&mail, Some(MAIL_UID), Some(MAIL_UID)).expect("root may");
        member::issue_certificates(folder);
        flush_hook::install(folder);
        own_accounts::write_accounts(folder);
        fs::write(folder.join("probe.password"), backend::PASSWORD)
            .expect("the folder of the test is writable");
        member::give_secrets(folder);
        let backends: Vec<Instance> = (1..=BACKENDS)
            .map(|number| backend::start(folder, number))
            .collect();
        let proxies = (1..=MEMBERS).map(|number| proxy::start(folder, number)).collect();
        let members: Vec<Member> = (1..=MEMBERS)
            .map(|number| Member::start_first(folder, number))
            .collect();
        for member in &members {
            member.must_serve();
        }
        let users = (0..CROWD_USERS)
            .map(|number| format!("user{number:03}"))
            .collect();
        Site {
            folder: folder.to_owned(),
            truth: Truth::watch(backends.iter().map(Instance::config).collect()),
            crowd: Crowd::start(users, SESSIONS_PER_USER),
            backends,
            proxies,
            members,
        }
    }

    /// The n-th proxy, from 1.
    pub fn proxy(&self, number: usize) -> &Instance {
        &self.proxies[number - 1]
    }

    /// The n-th backend, from 1.
    pub fn backend(&self, number: usize) -> &Instance {
        &self.backends[number - 1]
    }

    /// The n-th director, from 1.
    pub fn member(&self, number: usize) -> &Member {
        &self.members[number - 1]
    }

    /// The n-th director, from 1.
    pub fn member_mut(&mut self, number: usize) -> &mut Member {
        &mut self.members[number - 1]
    }

    /// Wait until every director serves and every session of the crowd is at its own proxy.
    pub fn must_be_calm(&mut self) {
        for member in &self.members {
            member.must_serve();
        }
        self.crowd.go_home();
    }

    /// Have everybody go where he belongs, and wait until all sessions stand again.
    pub fn flush_all(&self, proxy: usize) {
        director(self.proxy(proxy), &["flush", "all"]);
        self.crowd_must_return();
    }

    /// Wait until all sessions stand, wherever.
    pub fn crowd_must_return(&self) {
        self.crowd.must_be_whole(Duration::from_secs(40));
    }

    /// What the backends' logs tell.
    pub fn logged_sessions(&self) -> Told {
        let logs = self.backends.iter().map(|backend| backend.folder().join("log"));
        sessions_in_logs::read(&logs.collect::<Vec<PathBuf>>())
    }

    /// How many sessions the backends' logs tell of.
    ///
    /// # Panics
    /// They tell of somebody who was at two backends at once.
    pub fn logs_must_show_no_split(&self) -> usize {
        let told = self.logged_sessions();
        let splits = told
            .splits
            .into_iter()
            .filter(|(user, _)| user != PLANTED_SPLIT && user != PROBE);
        let splits: Vec<String> = splits.map(|(_, what)| what).collect();
        assert!(
            splits.is_empty(),
            "split users by the logs:\n{}",
            splits.join("\n")
        );
        told.sessions
    }

    /// The ends of all logs.
    pub fn last_words(&self) -> String {
        let mut said = self.crowd.last_words();
        for member in &self.members {
            said += &format!("\n--- director {}\n{}", member.number(), member.last_words(15));
        }
        for instance in self.proxies.iter().chain(&self.backends) {
            let folder = instance.folder();
            said += &format!(
                "\n--- {}\n{}",
                folder.display(),
                last_lines(&folder.join("log"), 5)
            );
        }
        said
    }
}
