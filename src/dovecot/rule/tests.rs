//! Lines, and what they want: each row of the rule, and the captured lines.

use super::*;

/// The id, name, user and tag that a line wants, or none.
fn wants(line: &str) -> Option<(&str, &str, Option<&str>, &str)> {
    let command = line.find('\t').expect("a command and a tab") + 1;
    wish(line.as_bytes(), command).map(|wish| {
        (
            &line[wish.id],
            &line[wish.name],
            wish.user.map(|user| &line[user]),
            &line[wish.tag],
        )
    })
}

fn own(line: &str) -> Own {
    wish(line.as_bytes(), 3)
        .expect("wants a backend")
        .own
        .expect("asks for its own")
}

#[test]
fn captured_login_wants_a_backend_for_its_user() {
    let line = "OK\t1\tuser=bob@example.com\tproxy\tlip=127.0.71.1\tlport=143\tpass=secret";
    assert_eq!(
        wants(line),
        Some(("1", "bob@example.com", Some("bob@example.com"), ""))
    );
    assert_eq!(
        wants("OK\t3\tuser=bob2\tproxy\tpass=secret"),
        Some(("3", "bob2", Some("bob2"), ""))
    );
}

#[test]
fn captured_pass_reply_wants_a_backend_for_its_user() {
    let line = "PASS\t1\tuser=bob@example.com\tproxy=y";
    assert_eq!(
        wants(line),
        Some(("1", "bob@example.com", Some("bob@example.com"), ""))
    );
}

#[test]
fn proxy_counts_with_any_value_but_not_as_a_prefix() {
    assert_eq!(wants("OK\t1\tuser=a\tproxy=n"), Some(("1", "a", Some("a"), "")));
    assert_eq!(wants("OK\t1\tuser=a\tproxy="), Some(("1", "a", Some("a"), "")));
    assert_eq!(wants("OK\t8\tuser=z\tnologin\tproxy_maybe"), None);
    assert_eq!(wants("OK\t1\tuser=a\tdirector_proxy_maybe_not"), None);
}

#[test]
fn line_with_a_host_passes() {
    assert_eq!(wants("OK\t5\tuser=bob@example.com\tproxy\thost=1.2.3.4"), None);
    assert_eq!(wants("OK\t5\thost=\tuser=bob@example.com\tproxy"), None);
    assert!(wants("OK\t5\tuser=bob@example.com\tproxy\thostip=1.2.3.4").is_some());
}

#[test]
fn line_without_a_user_passes() {
    assert_eq!(wants("OK\t1\tproxy"), None);
    assert_eq!(wants("OK\t"), None);
    assert_eq!(wants("OK\t1"), None);
    assert_eq!(wants("OK\t1\t\t\t"), None);
    assert_eq!(wants("OK\t1\tproxy\tuser="), Some(("1", "", Some(""), "")));
}

#[test]
fn last_destuser_wins_over_the_first_user() {
    let line = "OK\t12\tdestuser=x\tuser=z\tproxy\tuser=other\tdestuser=y\tport=24";
    assert_eq!(wants(line), Some(("12", "y", Some("z"), "")));
    assert_eq!(wants("OK\t1\tdestuser=x\tproxy"), Some(("1", "x", None, "")));
}

#[test]
fn last_tag_wins() {
    let line = "OK\t7\tuser=z\tproxy\tdirector_tag=tagx\tdirector_tag=tagy";
    assert_eq!(wants(line), Some(("7", "z", Some("z"), "tagy")));
}

#[test]
fn id_is_not_an_argument() {
    assert_eq!(wants("OK\tproxy\tuser=a"), None);
    assert_eq!(
        wants("OK\thost=1\tuser=a\tproxy"),
        Some(("host=1", "a", Some("a"), ""))
    );
}

#[test]
fn own_place_is_the_ip_with_equal_ports() {
    let ip: IpAddr = "10.1.0.1".parse().expect("an address");
    let other: IpAddr = "10.1.0.3".parse().expect("an address");
    let line = "OK\t10\tuser=z\tdirector_proxy_maybe\tlip=10.1.0.1";
    assert!(own(line).is(ip));
    assert!(!own(line).is(other));
    assert!(
        own(&format!("{line}\tport=143")).is(ip),
        "one port alone says nothing"
    );
    assert!(own(&format!("{line}\tport=143\tlport=143")).is(ip));
    assert!(!own(&format!("{line}\tport=143\tlport=144")).is(ip));
    assert!(
        own(&format!("{line}\tport=0\tlport=144")).is(ip),
        "a bad port is ignored"
    );
    assert!(!own("OK\t10\tuser=z\tdirector_proxy_maybe=y").is(ip));
    assert!(!own("OK\t10\tuser=z\tdirector_proxy_maybe\tlip=bad").is(ip));
    assert!(own("OK\t10\tuser=z\tdirector_proxy_maybe\tlip=[::1]").is("::1".parse().expect("an address")));
}

#[test]
fn plain_proxy_is_not_asked_for_its_own_place() {
    let wish = wish(b"OK\t1\tuser=z\tproxy\tlip=10.1.0.1", 3).expect("wants a backend");
    assert_eq!(wish.own, None);
}
