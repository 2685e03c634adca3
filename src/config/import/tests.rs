//! A site's configuration becomes ours, and what is no configuration is refused with its place.

use super::{Imported, Include, RunningRing, import, read_dovecot};
use crate::config::{ListenerKind, parse};

const SITE: &str = include_str!("tests/site.conf");
const DIRECTOR: &str = include_str!("tests/10-director.conf");
const EXPECTED: &str = include_str!("tests/expected.toml");

fn nothing(include: &Include<'_>) -> Result<Vec<(String, String)>, String> {
    Err(format!("{}: there is nothing", include.pattern))
}

fn site() -> Imported {
    let mut files = |include: &Include<'_>| match (include.pattern, include.is_optional) {
        ("conf.d/*.conf", false) => Ok(vec![("conf.d/10-director.conf".to_owned(), DIRECTOR.to_owned())]),
        ("local.conf", true) => Ok(Vec::new()),
        _ => nothing(include),
    };
    let settings = read_dovecot(SITE, "dovecot.conf", &mut files).expect("it is sound");
    import(&settings, None)
}

fn faults(text: &str) -> Vec<String> {
    let read = read_dovecot(text, "t.conf", &mut nothing);
    read.expect_err("it has faults")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_sites_configuration_becomes_ours() {
    let imported = site();
    assert_eq!(imported.toml, EXPECTED, "{}", imported.toml);
    let config = parse(&imported.toml, "t.toml").expect("our own file is sound");
    assert_eq!(config.mail_servers.value.len(), 2);
    assert_eq!(config.user_expire.as_secs(), 1_200);
    let kinds: Vec<ListenerKind> = config.listeners.iter().map(|listener| listener.kind).collect();
    for kind in ListenerKind::USUAL {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert_eq!(imported.changes, [""; 0]);
}

#[test]
fn every_setting_that_is_left_out_is_noted_with_its_place() {
    let notes: Vec<String> = site().notes.iter().map(ToString::to_string).collect();
    for start in [
        "conf.d/10-director.conf:6: director_max_parallel_moves: not carried over: ",
        "conf.d/10-director.conf:8: director_user_kick_delay: a user is moved within a lease, so that is ",
        "dovecot.conf:13: director_user_expire: inside of protocol pop3",
    ] {
        assert!(
            notes.iter().any(|note| note.starts_with(start)),
            "no {start:?} in {notes:#?}"
        );
    }
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    assert_eq!(
        faults("a = 1\nservice x {\n  b = 2\n"),
        ["t.conf:2: the section \"service x\" is not closed (a } is missing)"]
    );
    assert_eq!(faults("}\n"), ["t.conf:1: a } without a section"]);
    assert_eq!(
        faults("\n!include conf.d/*.conf\nnonsense\n"),
        [
            "t.conf:2: conf.d/*.conf: there is nothing",
            "t.conf:3: \"nonsense\" is no setting and no section (write NAME = VALUE or NAME {)"
        ]
    );
    let long = format!("a = {}\n", "x".repeat(1 << 20));
    assert_eq!(faults(&long), ["t.conf:1: the line has more than 65536 bytes"]);
    let mut itself = |_: &Include<'_>| Ok(vec![("t.conf".to_owned(), "!include t.conf\n".to_owned())]);
    let read = read_dovecot("!include t.conf\n", "t.conf", &mut itself).expect_err("it includes itself");
    assert!(
        read[0]
            .to_string()
            .ends_with("more than 16 files include each other"),
        "{}",
        read[0]
    );
}

#[test]
fn values_may_be_quoted_continued_commented_and_built_on_others() {
    let text = "a = \"x # y\" # z\nb = one \\\n  two\nc = $a more\n# d = 1\ne=1#2\n";
    let settings = read_dovecot(text, "t.conf", &mut nothing).expect("it is sound");
    let values: Vec<(&str, &str, usize)> = settings
        .iter()
        .map(|setting| (setting.key.as_str(), setting.value.as_str(), setting.line))
        .collect();
    let expected = [
        ("a", "x # y", 1),
        ("b", "one two", 2),
        ("c", "x # y more", 4),
        ("e", "1#2", 6),
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_running_ring_wins_and_its_exceptions_become_changes() {
    let hosts = "10.0.1.1\t100\t3\t\tU\t0\n10.0.1.2\t50\t0\t\tU\t0\n10.0.1.3\t100\t1\t\tD\t1795437764\n";
    // bob's own place among the two that are up, and another user on the one that is down.
    let running = RunningRing::parse(hosts, "2677887420\t1795437764\t10.0.1.3\n").expect("well formed");
    let imported = import(&[], Some(&running));
    let written = "director_mail_servers = \"10.0.1.1 10.0.1.2 10.0.1.3\"\n";
    assert!(imported.toml.contains(written), "{}", imported.toml);
    let expected = [
        "HOST-UPDATE\t10.0.1.2\t50",
        "HOST-DOWN\t10.0.1.3",
        "USER-MOVE\t2677887420\t10.0.1.3",
    ];
    assert_eq!(imported.changes, expected);
    for (hosts, users) in [
        ("10.0.1.1\t100\n", ""),
        ("", "x\ty\tz\n"),
        ("10.0.1.1\t5000\t0\t\tU\t0\n", ""),
    ] {
        let error = RunningRing::parse(hosts, users).expect_err("a row makes no sense");
        assert!(error.to_string().contains("nothing was imported"), "{error}");
    }
}
