//! Bad files, and the exact words for each.

use super::{LEAST, lines};
use crate::config::{FAULTS_MAX, FILE_BYTES_MAX, parse};

/// The faults of a file that says this, besides the least that is needed.
fn faults_of(more: &str) -> String {
    let text = format!("{LEAST}{more}");
    lines(&parse(&text, "t.toml").expect_err("the file is bad"))
}

#[test]
fn every_bad_value_has_its_words() {
    let table: &[(&str, &str)] = &[
        (
            "cluster = \"Mail\"",
            "cluster: \"Mail\" is no name for a ring (1 to 63 of the characters a-z, 0-9 and -)",
        ),
        (
            "cluster = 1",
            "cluster: is a number without quotes, where a text in quotes belongs (as in \"mail\")",
        ),
        (
            "cluster = { }",
            "cluster: is a table, where a text in quotes belongs (as in \"mail\")",
        ),
        (
            "lease = \"10\"",
            "lease: \"10\" has no unit (write \"10s\" or \"10 min\")",
        ),
        (
            "lease = 10",
            "lease: is a number without quotes, where a text in quotes belongs (as in \"10s\")",
        ),
        (
            "lease = \"2 h\"",
            "lease: a lease of 7200s is not within 10ms to 3600s",
        ),
        (
            "lease = \"3s\"",
            "director_user_kick_delay: 2s is too long for a lease of 3s: it would run out while a user is moved \
             (a lease of 9s or more, or a shorter delay)",
        ),
        (
            "director_user_kick_delay = \"5s\"",
            "director_user_kick_delay: 5s is too long for a lease of 10s: it would run out while a user is moved \
             (a lease of 18s or more, or a shorter delay)",
        ),
        (
            "director_user_expire = \"0\"",
            "director_user_expire: a user_expire of 0ns is not within 1s to 604800s",
        ),
        (
            "director_user_kick_delay = \"1 hour\"",
            "director_user_kick_delay: 3600s is more than 600s",
        ),
        (
            "director_username_hash = \"%q\"",
            "director_username_hash: \"%q\": unknown variable %q; there are %u, %n, %d, their long names, \
             and hashes of them",
        ),
        (
            "health = 1",
            "health: is a number without quotes, where a [health] table belongs",
        ),
        (
            "master_user_separator = \"**\"",
            "master_user_separator: \"**\" is more than one visible ASCII character \
             (Dovecot cuts at the first byte alone; write that)",
        ),
        (
            "partition = \"maybe\"",
            "partition: \"maybe\" is no choice (one of \"consistent\", \"available\")",
        ),
        (
            "kick = \"hard\"",
            "kick: \"hard\" is no choice (one of \"ipc\", \"anvil\", \"none\")",
        ),
        (
            "state_folder = \"var\"",
            "state_folder: \"var\" is no absolute path (start it with /)",
        ),
        ("dovecot_base_dir = \"\"", "dovecot_base_dir: \"\" is no path"),
        ("user = \"a b\"", "user: \"a b\" is no name of an account"),
        ("group = \"\"", "group: \"\" is no name of an account"),
        (
            "director_server = \"\"",
            "\"director_server\" is no setting (did you mean director_servers?)",
        ),
        ("protocols = \"imap\"", "\"protocols\" is no setting"),
        (
            "director_flush_socket = \"x\"",
            "director_flush_socket: \"x\" has no scheme \
             (unix:/path/to/socket, tcp:host:port or exec:/path/to/program)",
        ),
        (
            "flush_wait = \"26s\"",
            "flush_wait: 26s is none, or more than 25s",
        ),
        (
            "director_servers = \"d1,d2\"",
            "director_servers: \"d1,d2\" is neither an IP address nor a host name",
        ),
        (
            "witnesses = \"10.0.0.3\"",
            "witnesses: stands without director_servers (name the directors, too)",
        ),
        (
            "director_servers = \"10.0.0.1 10.0.0.2\"",
            "ring.ca: several members need ca, certificate and key in [ring] \
             (or insecure = true, if nobody else can reach the network between the members)",
        ),
        (
            "ring = 1",
            "ring: is a number without quotes, where a [ring] table belongs",
        ),
        (
            "member = 1",
            "member: is a number without quotes, where [[member]] tables belong",
        ),
        (
            "member = [1]",
            "member: a number without quotes stands where a [[member]] table belongs",
        ),
        (
            "listener = true",
            "listener: is true or false, where [[listener]] tables belong",
        ),
        (
            "listener = [2026-11-23]",
            "listener: a date or time of day stands where a [[listener]] table belongs",
        ),
        (
            "x = ",
            "is no TOML: string values must be quoted, expected literal string",
        ),
    ];
    for (more, words) in table {
        assert_eq!(faults_of(more), format!("t.toml:2: {words}"), "{more}");
    }
}

#[test]
fn every_bad_value_of_the_health_tables_has_its_words() {
    let table: &[(&str, &str)] = &[
        (
            "[health]\ninterval = \"1ms\"",
            "health.interval: 1ms is not within 100ms to 3600s",
        ),
        (
            "[health]\nfall = 0",
            "health.fall: is not a whole number from 1 to 100, without quotes",
        ),
        (
            "[health]\nfailed_max_percent = \"50\"",
            "health.failed_max_percent: is not a whole number from 0 to 100, without quotes",
        ),
        (
            "[health]\ncheck = \"imap\"",
            "health.check: is a text, where [[health.check]] tables belong",
        ),
        (
            "[[health.check]]\nport = 143",
            "health.check.protocol: is missing (tcp, imap, pop3, lmtp, submission, sieve)",
        ),
        (
            "[[health.check]]\nprotocol = \"imap\"\nport = 65536",
            "health.check.port: is not a whole number from 1 to 65535, without quotes",
        ),
        (
            "[[health.check]]\nprotocol = \"tcp\"",
            "health.check.port: is missing (tcp has no usual one here)",
        ),
        (
            "[[health.check]]\nprotocol = \"imap\"\nuser = \"probe\"",
            "health.check.password_file: is missing (a test account has both)",
        ),
        (
            "[[health.check]]\nprotocol = \"imap\"\nrecipient = \"a@b\"",
            "health.check.recipient: has no effect for another protocol than lmtp",
        ),
        (
            "[[health.check]]\nprotocol = \"lmtp\"\nrecipient = \"a@b> NOTIFY\"",
            "health.check.recipient: \"a@b> NOTIFY\" is no name",
        ),
        (
            "[[health.check]]\nprotocol = \"imap\"\nca = \"/ca.pem\"",
            "health.check.ca: has no effect without tls",
        ),
        (
            "[[health.check]]\nprotocol = \"tcp\"\nport = 1\ntls = \"starttls\"",
            "health.check.tls: tcp has no command for TLS (\"tls\", or another protocol)",
        ),
    ];
    for (text, expected) in table {
        let faults = faults_of(text);
        let (place, words) = faults.split_once(": ").expect("a fault has a place");
        assert!(place.starts_with("t.toml:"), "{faults}");
        assert_eq!(words, *expected, "{text}");
    }
}

#[test]
fn every_bad_table_has_its_words() {
    let table: &[(&str, &str)] = &[
        (
            "[ring]\nlisten = \"ring\"",
            "3: ring.listen: \"ring\" is no address to listen on (as in \"10.0.0.1:9090\", or \"*:9090\")",
        ),
        (
            "[ring]\naddress = \"*:9090\"",
            "3: ring.address: \"*:9090\" is no address that others can dial (as the members' list has it)",
        ),
        (
            "[ring]\nlisten = \"10.0.0.1:99999\"",
            "3: ring.listen: \"10.0.0.1:99999\" has no port of 1 to 65535 after the colon \
             (IPv6 addresses with a port are written [fd00::1]:9090)",
        ),
        (
            "[ring]\nca = \"/c\"\nkey = \"/k\"",
            "2: ring.certificate: is missing (ca, certificate and key belong together)",
        ),
        (
            "[ring]\nca = \"c\"\ncertificate = \"/c\"\nkey = \"/k\"",
            "3: ring.ca: \"c\" is no absolute path (start it with /)",
        ),
        (
            "[ring]\ninsecure = \"yes\"",
            "3: ring.insecure: is a text, where true or false belongs (without quotes)",
        ),
        (
            "[ring]\ninsecure = true\nca = \"/c\"",
            "3: ring.insecure: is true, although certificates are named (leave out one of them)",
        ),
        (
            "[ring]\nlisted = \"\"",
            "3: \"listed\" is no setting of [ring] (did you mean listen?)",
        ),
        (
            "[[listener]]\nkind = \"imap\"\npath = \"x\"",
            "3: listener.kind: \"imap\" is no choice \
             (one of \"login\", \"userdb\", \"authreply\", \"notify\", \"admin\", \"http\", \"socketmap\")",
        ),
        (
            "[[listener]]\nkind = \"socketmap\"\npath = \"x\"",
            "2: listener.domains: is missing (as in \"example.org example.net\", or \"*\" when Postfix delivers to nobody else)",
        ),
        (
            "[[listener]]\nkind = \"socketmap\"\npath = \"x\"\ndomains = \"example.org *.example.net\"",
            "5: listener.domains: \"*.example.net\" is no domain (as in \"example.org\"; \"*\" alone stands for all)",
        ),
        (
            "[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:9\"\ntag = \"a\"",
            "5: listener.tag: has no effect for kind \"http\"",
        ),
        (
            "[[listener]]\npath = \"x\"",
            "2: listener.kind: is missing (login, userdb, authreply, notify, admin, http, socketmap)",
        ),
        (
            "[[listener]]\nkind = \"login\"",
            "2: listener.path: is missing (as in \"login/director\", or an address)",
        ),
        (
            "[[listener]]\nkind = \"login\"\npath = \"x\"\naddress = \"127.0.0.1:1\"",
            "2: listener.address: stands beside a path (write two listeners)",
        ),
        (
            "[[listener]]\nkind = \"admin\"\naddress = \"127.0.0.1\"",
            "4: listener.address: \"127.0.0.1\" is no address with a port (as in \"127.0.0.1:9091\")",
        ),
        (
            "[[listener]]\nkind = \"admin\"\naddress = \"127.0.0.1:9\"\nmode = \"0600\"",
            "5: listener.mode: has no effect for an address",
        ),
        (
            "[[listener]]\nkind = \"admin\"\npath = \"a\"\nupstream = \"b\"",
            "5: listener.upstream: has no effect for kind \"admin\"",
        ),
        (
            "[[listener]]\nkind = \"notify\"\naddress = \"127.0.0.1:9\"",
            "2: listener.address: is no place for kind \"notify\", a FIFO (write a path)",
        ),
        (
            "[[listener]]\nkind = \"admin\"\npath = \"a\"\nmode = \"0888\"",
            "5: listener.mode: is no access mode (octal digits in quotes up to \"0777\", as in \"0660\")",
        ),
        (
            "[[listener]]\nkind = \"admin\"\npath = \"a\"\nmode = 600",
            "5: listener.mode: is no access mode (octal digits in quotes up to \"0777\", as in \"0660\")",
        ),
        (
            "[[listener]]\nkind = \"admin\"\npath = \"a\"\nmode = \"0\"",
            "5: listener.mode: lets nobody in (leave the listener out)",
        ),
        (
            "[[listener]]\nkind = \"admin\"\npath = \"a\"\n[[listener]]\nkind = \"login\"\npath = \"/run/dovecot/a\"",
            "5: listener.path: /run/dovecot/a is the place of the listener of line 2 already",
        ),
        (
            "[[member]]\nid = 0\naddress = \"10.0.0.1\"",
            "3: member.id: is no number of 1 to 65535 (without quotes)",
        ),
        (
            "[[member]]\naddress = \"10.0.0.1\"",
            "2: member.id: is missing (a number that stays with this member for ever)",
        ),
        (
            "[[member]]\nid = 1",
            "2: member.address: is missing (as in \"10.0.0.1:9090\")",
        ),
        (
            "[[member]]\nid = 1\naddress = \"10.0.0.1\"\nrole = \"boss\"",
            "5: member.role: \"boss\" is no role (one of director, witness, nonvoting)",
        ),
        (
            "[[member]]\nid = 1\naddress = \"10.0.0.1\"\nrole = \"witness\"",
            "2: member: no member serves logins",
        ),
        (
            "[[member]]\nid = 1\naddress = \"10.0.0.1\"\nrole = \"nonvoting\"",
            "2: member: no member votes",
        ),
    ];
    for (more, words) in table {
        assert_eq!(faults_of(more), format!("t.toml:{words}"), "{more}");
    }
}

#[test]
fn what_has_no_effect_on_a_proxy_of_its_protocol_has_its_words() {
    let lmtp = "[[proxy]]\nprotocol = \"lmtp\"\naddress = \"10.0.0.1:24\"\n";
    let imap = "[[proxy]]\nprotocol = \"imap\"\naddress = \"10.0.0.1:143\"\n";
    for (proxy, more, words) in [
        (
            lmtp,
            "oauth = true",
            "oauth: has no effect with lmtp: nobody logs in",
        ),
        (
            lmtp,
            "cleartext = true",
            "cleartext: has no effect with lmtp: nobody logs in",
        ),
        (
            lmtp,
            "login_within = \"9s\"",
            "login_within: has no effect with lmtp: nobody logs in",
        ),
        (
            lmtp,
            "lmtp_user = \"name\"",
            "lmtp_user: \"name\" is no choice (one of \"address\", \"localpart\")",
        ),
        (
            imap,
            "lmtp_user = \"address\"",
            "lmtp_user: has no effect for another protocol than lmtp",
        ),
    ] {
        let told = faults_of(&format!("{proxy}{more}"));
        assert_eq!(told, format!("t.toml:5: proxy.{words}"), "{more}");
    }
}

#[test]
fn every_bad_list_of_backends_has_its_words() {
    let table: &[(&str, &str)] = &[
        (
            "",
            "is missing (the backends, as in \"10.0.1.1-10.0.1.9 10.0.2.1@gold\")",
        ),
        (
            "director_mail_servers = \"\"",
            "names no backend (the backends, as in \"10.0.1.1-10.0.1.9 10.0.2.1@gold\")",
        ),
        (
            "director_mail_servers = [\"10.0.1.1\"]",
            "is an array, where a text in quotes belongs (as in \"10.0.1.1-10.0.1.9\")",
        ),
        (
            "director_mail_servers = \"10.0.1.1 10.0.1.1@gold\"",
            "10.0.1.1@gold names 10.0.1.1, as 10.0.1.1 does",
        ),
        (
            "director_mail_servers = \"10.0.1.1-10.0.1.9 10.0.1.9-10.0.1.11\"",
            "10.0.1.9-10.0.1.11 names 10.0.1.9, as 10.0.1.1-10.0.1.9 does",
        ),
        (
            "director_mail_servers = \"10.1\"",
            "\"10.1\" is no full IPv4 address (Dovecot reads it as 10.0.0.1; write that if it is meant)",
        ),
        (
            "director_mail_servers = \"fd00::-fd00::ffff\"",
            "more than 10000 backends",
        ),
        (
            "director_mail_servers = \"10.0.1.1:143\"",
            "\"10.0.1.1:143\" has a port, which a backend may not have (the passdb names the port)",
        ),
    ];
    for (text, words) in table {
        let faults = lines(&parse(text, "t.toml").expect_err("the file is bad"));
        assert_eq!(
            faults,
            format!("t.toml:1: director_mail_servers: {words}"),
            "{text}"
        );
    }
}

#[test]
fn every_fault_of_a_file_is_reported_in_the_order_of_its_lines() {
    let text = "\
        director_user_expire = \"15\"\n\
        lease = \"tomorrow\"\n\
        [ring]\n\
        listen = 9090\n\
        colour = \"red\"\n\
        [[member]]\n\
        id = 1\n\
        address = \"10.0.0.1\"\n\
        [[member]]\n\
        id = 1\n\
        address = \"10.0.0.1\"\n";
    let expected = "\
        t.toml:1: director_user_expire: \"15\" has no unit (write \"15s\" or \"15 min\")\n\
        t.toml:1: director_mail_servers: is missing (the backends, as in \"10.0.1.1-10.0.1.9 10.0.2.1@gold\")\n\
        t.toml:2: lease: \"tomorrow\" is no time (a number and a unit, as in \"60s\" or \"15 min\")\n\
        t.toml:4: ring.listen: is a number without quotes, where a text in quotes belongs (as in \"10.0.0.1:9090\")\n\
        t.toml:5: \"colour\" is no setting of [ring]\n\
        t.toml:6: ring.ca: several members need ca, certificate and key in [ring] \
        (or insecure = true, if nobody else can reach the network between the members)\n\
        t.toml:9: member.id: 1 is the number of the member of line 6 already\n\
        t.toml:9: member.address: 10.0.0.1:9090 is the address of the director of line 6 already";
    assert_eq!(lines(&parse(text, "t.toml").unwrap_err()), expected);
}

#[test]
fn a_line_that_is_no_toml_hides_no_other_fault_and_makes_none_up() {
    let text = "director_mail_servers = \"10.0.1.1\nlease = 10x\nkick = \"hard\"\n";
    let faults = lines(&parse(text, "t.toml").unwrap_err());
    assert!(
        faults.contains("t.toml:3: kick: \"hard\" is no choice"),
        "{faults}"
    );
    assert!(!faults.contains("missing"), "{faults}");
    assert!(faults.starts_with("t.toml:1: is no TOML: "), "{faults}");
}

#[test]
fn a_key_that_stands_twice_is_no_toml() {
    let faults = faults_of("lease = \"10s\"\nlease = \"11s\"");
    assert_eq!(faults, "t.toml:3: is no TOML: duplicate key");
}

#[test]
fn a_file_of_another_kind_is_not_read_whole_nor_reported_whole() {
    let large = "#".repeat(FILE_BYTES_MAX + 1);
    assert_eq!(
        lines(&parse(&large, "t.toml").unwrap_err()),
        "t.toml:1: the file has 1048577 bytes, the limit is 1048576"
    );
    let junk: String = (0..1_000).map(|number| format!("key{number} = 1\n")).collect();
    let faults = parse(&junk, "t.toml").unwrap_err();
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert_eq!(
        faults[FAULTS_MAX].message,
        "901 more faults, 100 are shown".into()
    );
}
