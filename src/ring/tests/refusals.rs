//! Connections that must not become links, each with words that name the place.

use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::support::{CLUSTER, Running, Yard, id, run};
use crate::ring::{Ring, RingError, RingSettings, Security};
use crate::world::{Address, Network, World};

/// Starts members 1 and 2, the second changed.
async fn two(yard: &mut Yard, change: impl FnOnce(&Yard, &mut RingSettings)) -> (Running, Running) {
    let mut other = yard.settings(2);
    change(yard, &mut other);
    let settings = yard.settings(1);
    (yard.start(settings).await, yard.start(other).await)
}

/// The first refusal that contains these words.
async fn refused(member: &mut Running, words: &str) -> String {
    loop {
        let refusal = member.refusal().await;
        if refusal.contains(words) {
            return refusal;
        }
        // Others come first: a port not yet open, or the other's view of the same quarrel.
    }
}

fn has_no_links(ring: &Ring) -> bool {
    ring.links().is_empty()
}

#[test]
fn a_certificate_of_another_ca_is_refused_on_both_sides() {
    run(async {
        let mut yard = Yard::new(2).await;
        let (mut one, mut two) = two(&mut yard, |yard, settings| {
            settings.security = Security::Tls(yard.tls("other-ca", CLUSTER, 2));
        })
        .await;
        let here = refused(&mut one, "its certificate is not to be trusted").await;
        assert!(here.starts_with("member 2 (m2, 127.0.0.2:"), "{here}");
        assert!(here.contains("/ca/ca.pem: UnknownIssuer"), "{here}");
        let there = refused(&mut two, "does not take this member's certificate").await;
        assert!(
            there.contains("UnknownCA") || there.contains("UnknownCa"),
            "{there}"
        );
        assert!(has_no_links(&one.ring) && has_no_links(&two.ring));
    });
}

#[test]
fn another_members_certificate_is_refused_by_who_dials() {
    run(async {
        let mut yard = Yard::new(3).await;
        // Member 1 believes that member 2 is where member 3 listens.
        let mut misled = yard.settings(1);
        misled.peers[1].address = yard.peers[2].address;
        misled.peers[2].address = yard.peers[1].address;
        let mut one = yard.start(misled).await;
        let settings = yard.settings(3);
        let _three = yard.start(settings).await;
        let words = refused(&mut one, "TLS failed").await;
        assert!(
            words.contains("member-2.mail") && words.contains("member-3.mail"),
            "{words}"
        );
    });
}

#[test]
fn who_speaks_as_another_member_than_his_certificate_is_refused() {
    run(async {
        let mut yard = Yard::new(3).await;
        let settings = yard.settings(1);
        let mut one = yard.start(settings).await;
        let stolen = yard.tls("ca", CLUSTER, 3);
        let (connector, _) = stolen.sides(*yard.world.clock()).expect("the files are good");
        let to = Address::Tcp(yard.peers[0].address);
        let stream = yard.world.network().connect(&to, None).await.expect("it listens");
        let name = ServerName::try_from("member-1.mail").expect("a name");
        let stream = connector
            .connect(name, stream)
            .await
            .expect("the certificate is good");
        let (reader, mut writer) = tokio::io::split(stream);
        let greeting = "maildirector-ring 1 1\ncluster\tmail\nfrom\t2\nboot\t7\nend\nok 1\n";
        writer.write_all(greeting.as_bytes()).await.expect("it listens");
        writer.flush().await.expect("it listens");
        let mut lines = BufReader::new(reader).lines();
        let verdict = loop {
            let line = lines.next_line().await.expect("it answers").expect("it answers");
            if line.starts_with("refused ") {
                break line;
            }
        };
        assert!(
            verdict.contains("its certificate is not for member-2.mail"),
            "{verdict}"
        );
        let words = refused(&mut one, "its certificate is not for").await;
        assert!(words.starts_with("member 2 (m2, 127.0.0.2:"), "{words}");
    });
}

#[test]
fn a_member_with_another_members_certificate_does_not_start() {
    run(async {
        let yard = Yard::new(2).await;
        let mut settings = yard.settings(1);
        settings.security = Security::Tls(yard.tls("ca", CLUSTER, 2));
        let (listener, _) = yard.listen(1).await;
        let (to_core, _events) = tokio::sync::mpsc::channel(1);
        let error = crate::ring::start(yard.world.clone(), settings, listener, to_core);
        let error = error.expect_err("the certificate is another member's");
        assert!(matches!(error, RingError::Tls(_)), "{error}");
        assert!(error.to_string().contains("is not for member-1.mail"), "{error}");
    });
}

#[test]
fn another_cluster_is_refused_by_its_certificates_and_without_tls_by_its_name() {
    run(async {
        let mut yard = Yard::new(2).await;
        let (mut one, _two) = two(&mut yard, |yard, settings| {
            settings.cluster = "test".to_owned();
            settings.security = Security::Tls(yard.tls("test-ca", "test", 2));
        })
        .await;
        let words = refused(&mut one, "TLS failed").await;
        assert!(words.contains("member 2 (m2, 127.0.0.2:"), "{words}");

        let mut yard = Yard::new(2).await;
        let mut plain = yard.settings(1);
        plain.security = Security::Insecure;
        let mut other = plain.clone();
        other.me = id(2);
        other.cluster = "test".to_owned();
        let (mut one, mut two) = (yard.start(plain).await, yard.start(other).await);
        let here = refused(&mut one, "the setting cluster is \"mail\" here, \"test\" there").await;
        assert!(here.starts_with("member 2 (m2, 127.0.0.2:"), "{here}");
        refused(&mut two, "the setting cluster is \"test\" here, \"mail\" there").await;
    });
}

#[test]
fn a_release_too_far_away_is_refused_with_both_ranges() {
    run(async {
        let mut yard = Yard::new(2).await;
        let (mut one, mut two) = two(&mut yard, |_, settings| settings.limits.versions = (2, 3)).await;
        let words = refused(&mut one, "1 to 1 here, 2 to 3 there").await;
        assert!(words.starts_with("member 2 (m2, 127.0.0.2:"), "{words}");
        refused(&mut two, "2 to 3 here, 1 to 1 there").await;
        assert!(has_no_links(&one.ring) && has_no_links(&two.ring));
    });
}

#[test]
fn settings_that_must_match_are_named_with_both_values() {
    run(async {
        let mut yard = Yard::new(2).await;
        let (mut one, mut two) = two(&mut yard, |_, settings| {
            settings.said[0].value = "%u".to_owned();
        })
        .await;
        let words = "the setting director_username_hash is \"%Lu\" here, \"%u\" there";
        let here = refused(&mut one, words).await;
        assert!(here.starts_with("member 2 (m2, 127.0.0.2:"), "{here}");
        refused(
            &mut two,
            "the setting director_username_hash is \"%u\" here, \"%Lu\" there",
        )
        .await;
        assert!(has_no_links(&one.ring) && has_no_links(&two.ring));
    });
}

#[test]
fn plain_connections_are_refused_unless_both_sides_say_insecure() {
    run(async {
        let mut yard = Yard::new(2).await;
        let (mut one, mut two) = two(&mut yard, |_, settings| settings.security = Security::Insecure).await;
        refused(&mut one, "is ring.insecure set there and not here?").await;
        refused(&mut two, "ring.insecure is set here and not there").await;
        assert!(has_no_links(&one.ring) && has_no_links(&two.ring));

        let mut yard = Yard::new(2).await;
        let mut plain = yard.settings(1);
        plain.security = Security::Insecure;
        let mut other = plain.clone();
        other.me = id(2);
        let (mut one, _two) = (yard.start(plain).await, yard.start(other).await);
        one.linked_to(2).await;
    });
}

#[test]
fn what_is_no_member_is_shown_as_it_began_and_gets_no_further() {
    run(async {
        let mut yard = Yard::new(2).await;
        let mut plain = yard.settings(1);
        plain.security = Security::Insecure;
        let mut one = yard.start(plain).await;
        let to = Address::Tcp(yard.peers[0].address);
        let stream = yard.world.network().connect(&to, None).await;
        let mut stream = stream.expect("it listens");
        stream
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .await
            .expect("it listens");
        let words = refused(&mut one, "it does not speak the ring's protocol").await;
        assert!(words.contains("it began with \"GET / HTTP/1.1\\r\""), "{words}");
        drop(stream);
        let stream = yard.world.network().connect(&to, None).await;
        let mut endless = stream.expect("it listens");
        let flood = vec![b'x'; 400 << 10];
        // It may close before all of it is written.
        let _ = endless.write_all(&flood).await;
        refused(&mut one, "more than 262144 bytes").await;
        let mut rest = Vec::new();
        let _ = endless.read_to_end(&mut rest).await;
    });
}
