//! Bytes in, bytes out: captured transcripts, late answers, limits, odd names.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::director::RefuseReason;
use crate::dovecot::{Answered, Completes, Place};

const EXPIRE: Duration = Duration::from_secs(900);
const LATER: Instant = Instant::from_nanos(61_000_000_000);

/// A connection, and a desk that knows some users and answers all others late.
struct Bench {
    completer: Completer,
    places: Vec<(&'static str, &'static str, &'static str)>,
    asked: Vec<(u64, String, String, u32)>,
    _answers: UnboundedReceiver<Answered>,
}

impl Bench {
    fn new(completes: Completes, marks_hash: MarksHash) -> Self {
        Self::with(completes, marks_hash, Some(b'*'), WaitLimits::default())
    }

    fn with(
        completes: Completes,
        marks_hash: MarksHash,
        master_user_separator: Option<u8>,
        limits: WaitLimits,
    ) -> Self {
        let (replies, answers) = Replies::new();
        let rule = Rule {
            completes,
            master_user_separator,
            marks_hash,
        };
        Bench {
            completer: Completer::new(rule, limits, replies),
            places: vec![
                ("bob@example.com", "", "10.1.0.3"),
                ("bob2", "", "10.1.0.1"),
                ("y", "", "10.1.0.3"),
                ("z", "", "10.1.0.1"),
                ("z", "tagx", "10.1.0.10"),
                ("bob", "", "10.1.0.1"),
            ],
            asked: Vec::new(),
            _answers: answers,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        self.completer.room().extend(bytes);
        match self.completer.take_lines(key).expect("no line is too long") {
            Taken::Nothing => {}
            Taken::Lines => self.completer.pass(&mut out),
            Taken::Lookups(mut batch) => {
                self.answer(&mut batch);
                self.completer
                    .answered(batch, Duration::ZERO, Instant::ORIGIN, &mut out);
            }
        }
        text(out)
    }

    fn answer(&mut self, batch: &mut Batch) {
        for at in 0..batch.asked.len() {
            let asked = &batch.asked[at];
            let (name, tag) = (batch.name(asked).to_owned(), batch.tag(asked).to_owned());
            let place = self
                .places
                .iter()
                .find(|(user, of, _)| (*user, *of) == (name.as_str(), tag.as_str()));
            let answer = place.map(|(_, _, ip)| backend(ip));
            self.asked.push((asked.id, name, tag, asked.key.hash()));
            batch.asked[at].answer = answer;
        }
    }

    fn late(&mut self, id: u64, answer: &Answer) -> String {
        let mut out = Vec::new();
        self.completer.late(id, answer, Duration::ZERO, &mut out);
        text(out)
    }

    fn expire(&mut self, now: Instant) -> String {
        let mut out = Vec::new();
        self.completer.expire(now, &mut out);
        text(out)
    }
}

fn key(name: &str) -> UserKey {
    UserKey::of_expanded(name.to_ascii_lowercase().as_bytes())
}

fn backend(ip: &str) -> Answer {
    Answer::Backend(Arc::new(Place::new(
        ip.parse().expect("an address"),
        None,
        EXPIRE,
    )))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("these tests write text")
}

#[test]
fn captured_login_dialogue_comes_out_as_dovecots_director_wrote_it() {
    let handshake = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t14720\nCUID\t1\n\
        COOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";
    let mut bench = Bench::new(Completes::Ok, MarksHash::WhenRenamed);
    assert_eq!(bench.feed(handshake.as_bytes()), handshake);
    let ok = "OK\t1\tuser=bob@example.com\tproxy\tlip=127.0.71.1\tlport=143\tpass=secret";
    assert_eq!(
        bench.feed(format!("{ok}\n").as_bytes()),
        format!("{ok}\tproxy_refresh=450\thost=10.1.0.3\n")
    );
    assert_eq!(
        bench.feed(b"CONT\t3\t\nOK\t3\tuser=bob2\tproxy\tpass=secret\nFAIL\t4\tuser=x\n"),
        "CONT\t3\t\nOK\t3\tuser=bob2\tproxy\tpass=secret\tproxy_refresh=450\thost=10.1.0.1\nFAIL\t4\tuser=x\n"
    );
}

#[test]
fn captured_userdb_dialogue_comes_out_as_dovecots_director_wrote_it() {
    let mut bench = Bench::new(Completes::Pass, MarksHash::Never);
    let passing = "VERSION\t1\t1\nSPID\t14720\nOK\t1\tuser=bob\tproxy\n\
        USER\t2\tbob@example.com\tuid=1000\tgid=1000\thome=/home/bob@example.com\nDONE\t3\tfail\nNOTFOUND\t9\n";
    assert_eq!(bench.feed(passing.as_bytes()), passing);
    assert_eq!(
        bench.feed(b"PASS\t1\tuser=bob@example.com\tproxy=y\n"),
        "PASS\t1\tuser=bob@example.com\tproxy=y\tproxy_refresh=450\thost=10.1.0.3\n"
    );
}

#[test]
fn captured_authreply_dialogue_comes_out_as_dovecots_director_wrote_it() {
    let dialogue = [
        (
            "OK\t1\tuser=bob@example.com\tproxy",
            "\tproxy_refresh=450\thost=10.1.0.3",
        ),
        ("PASS\t1\tuser=bob@example.com\tproxy", ""),
        ("OK\t5\tuser=bob@example.com\tproxy\thost=1.2.3.4", ""),
        (
            "OK\t7\tuser=z\tproxy\tdirector_tag=tagx",
            "\tproxy_refresh=450\thost=10.1.0.10",
        ),
        ("OK\t8\tuser=z\tnologin\tproxy_maybe", ""),
        ("OK\t10\tuser=z\tdirector_proxy_maybe\tlip=10.1.0.1", ""),
        (
            "OK\t11\tuser=z\tdirector_proxy_maybe\tlip=10.1.0.3",
            "\tproxy_refresh=450\thost=10.1.0.1",
        ),
        (
            "OK\t12\tuser=z\tproxy\tdestuser=y\tport=24",
            "\tproxy_refresh=450\thost=10.1.0.3",
        ),
        ("garbage", ""),
    ];
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    for (line, added) in dialogue {
        assert_eq!(
            bench.feed(format!("{line}\n").as_bytes()),
            format!("{line}{added}\n")
        );
    }
    let all_lines: String = dialogue.iter().map(|(line, _)| format!("{line}\n")).collect();
    let all_answers: String = dialogue
        .iter()
        .map(|(line, added)| format!("{line}{added}\n"))
        .collect();
    assert_eq!(
        bench.feed(all_lines.as_bytes()),
        all_answers,
        "the same in one read"
    );
    let mut bytewise = String::new();
    for byte in all_lines.bytes() {
        bytewise += &bench.feed(&[byte]);
    }
    assert_eq!(bytewise, all_answers, "the same byte by byte");
}

#[test]
fn hash_is_told_where_dovecots_own_would_miss() {
    let hash = key("bob").hash();
    let told = format!("\tproxy_refresh=450\thost=10.1.0.1\tuser_director_hash={hash}\n");
    let untold = "\tproxy_refresh=450\thost=10.1.0.1\n";
    let lines = [
        ("OK\t1\tuser=bob\tproxy", false),
        ("OK\t1\tuser=bob\tdestuser=bob\tproxy", false),
        ("OK\t1\tuser=carl\tdestuser=bob\tproxy", true),
        ("OK\t1\tuser=bob*master\tproxy", true),
        ("OK\t1\tdestuser=bob\tproxy", true),
    ];
    for (line, is_renamed) in lines {
        let marked = |marks_hash| Bench::new(Completes::Ok, marks_hash).feed(format!("{line}\n").as_bytes());
        let when_renamed = if is_renamed { told.as_str() } else { untold };
        assert_eq!(marked(MarksHash::WhenRenamed), format!("{line}{when_renamed}"));
        assert_eq!(marked(MarksHash::Always), format!("{line}{told}"));
        assert_eq!(marked(MarksHash::Never), format!("{line}{untold}"));
    }
}

#[test]
fn name_ends_at_the_separator_only_when_there_is_one() {
    let mut bench = Bench::with(Completes::Ok, MarksHash::Never, None, WaitLimits::default());
    bench.feed(b"OK\t1\tuser=bob*master\tproxy\n");
    assert_eq!(bench.asked[0].1, "bob*master");
}

#[test]
fn escaped_and_broken_names_are_looked_up_as_they_are_meant() {
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    let lines = b"OK\t1\tuser=a\x01tb\tproxy\nOK\t2\tuser=caf\xe9\tproxy\nOK\t3\tuser=a\x010b\tproxy\tdirector_tag=\x011\n";
    assert_eq!(bench.feed(lines), "");
    let asked: Vec<_> = bench
        .asked
        .iter()
        .map(|(_, name, tag, _)| (name.as_str(), tag.as_str()))
        .collect();
    assert_eq!(asked, [("a\tb", ""), ("caf\u{fffd}", ""), ("a", "\x01")]);
    let mut out = Vec::new();
    bench
        .completer
        .late(1, &backend("10.1.0.1"), Duration::ZERO, &mut out);
    assert_eq!(
        out,
        b"OK\t2\tuser=caf\xe9\tproxy\tproxy_refresh=450\thost=10.1.0.1\n"
    );
    assert_eq!(
        bench.feed(b"DONE\n"),
        "DONE\n",
        "texts behind the read are not mistaken for input"
    );
}

#[test]
fn refused_login_fails_for_now() {
    let mut bench = Bench::new(Completes::Pass, MarksHash::Always);
    assert_eq!(bench.feed(b"PASS\t17\tuser=late\tproxy\n"), "");
    let refusal = Answer::Refused(RefuseReason::UnknownTag);
    assert_eq!(bench.late(0, &refusal), "FAIL\t17\tcode=temp_fail\n");
    let tally = bench.completer.take_tally();
    assert_eq!((tally.lookups, tally.late, tally.failed), (1, 1, 1));
    let failure = tally.failure.expect("told");
    assert_eq!(&*failure.user, "late");
    assert_eq!(failure.why, FailureReason::Refused(RefuseReason::UnknownTag));
}

#[test]
fn answer_that_grew_old_on_its_way_names_no_backend() {
    let limits = WaitLimits {
        answer_age: Duration::from_millis(500),
        ..WaitLimits::default()
    };
    let mut bench = Bench::with(Completes::Ok, MarksHash::Never, None, limits);
    bench.feed(b"OK\t1\tuser=late\tproxy\nOK\t2\tuser=late\tproxy\n");
    let (old, prompt) = (Duration::from_millis(501), Duration::from_millis(500));
    let (first, second) = (bench.asked[0].0, bench.asked[1].0);
    let mut out = Vec::new();
    bench.completer.late(first, &backend("10.1.0.1"), old, &mut out);
    bench
        .completer
        .late(second, &backend("10.1.0.1"), prompt, &mut out);
    assert_eq!(
        text(out),
        "FAIL\t1\tcode=temp_fail\nOK\t2\tuser=late\tproxy\tproxy_refresh=450\thost=10.1.0.1\n"
    );
    let why = bench.completer.take_tally().failure.expect("told").why;
    assert_eq!(why, FailureReason::Refused(RefuseReason::Stale { waited: old }));
}

#[test]
fn lines_behind_a_late_one_go_on() {
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    let out = bench
        .feed(b"CONT\t0\t\nOK\t1\tuser=late\tproxy\nOK\t2\tuser=bob\tproxy\nOK\t3\tuser=later\tproxy\nDON");
    assert_eq!(
        out,
        "CONT\t0\t\nOK\t2\tuser=bob\tproxy\tproxy_refresh=450\thost=10.1.0.1\n"
    );
    assert_eq!(bench.feed(b"E\n"), "DONE\n");
    let (first, second) = (bench.asked[0].0, bench.asked[2].0);
    let answer = backend("10.1.0.9");
    assert_eq!(
        bench.late(second, &answer),
        "OK\t3\tuser=later\tproxy\tproxy_refresh=450\thost=10.1.0.9\n"
    );
    assert_eq!(
        bench.late(first, &answer),
        "OK\t1\tuser=late\tproxy\tproxy_refresh=450\thost=10.1.0.9\n"
    );
    assert_eq!(bench.late(first, &answer), "", "an answer counts once");
    assert_eq!(bench.late(99, &answer), "", "an answer to nothing is nothing");
}

#[test]
fn late_answer_that_never_comes_is_a_failure() {
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    assert_eq!(bench.completer.next_wakeup(), None);
    bench.feed(b"OK\t1\tuser=late\tproxy\n");
    let until = bench.completer.next_wakeup().expect("waits");
    assert_eq!(until, Instant::ORIGIN.plus(LATE_ANSWER_MAX));
    assert_eq!(bench.expire(Instant::ORIGIN), "");
    assert_eq!(bench.expire(LATER), "FAIL\t1\tcode=temp_fail\n");
    assert_eq!(bench.completer.next_wakeup(), None);
    assert_eq!(bench.late(0, &backend("10.1.0.1")), "");
}

#[test]
fn what_exceeds_the_waiting_room_fails_at_once() {
    let limits = WaitLimits {
        lines: 2,
        bytes: 60,
        ..WaitLimits::default()
    };
    let mut bench = Bench::with(Completes::Ok, MarksHash::Never, None, limits);
    assert_eq!(
        bench.feed(b"OK\t1\tuser=late\tproxy\nOK\t2\tuser=late\tproxy\n"),
        ""
    );
    assert_eq!(
        bench.feed(b"OK\t3\tuser=late\tproxy\n"),
        "FAIL\t3\tcode=temp_fail\n"
    );
    let why = bench.completer.take_tally().failure.expect("told").why;
    assert_eq!(
        why.to_string(),
        "too many logins of this connection wait, the limit is 2 or 60 bytes"
    );
    bench.late(0, &backend("10.1.0.1"));
    assert_eq!(
        bench.feed(b"OK\t4\tuser=late\tproxy\tpass=a_long_password_is_in_this_line\n"),
        "FAIL\t4\tcode=temp_fail\n"
    );
    assert_eq!(bench.feed(b"OK\t5\tuser=late\tproxy\n"), "");
}

#[test]
fn longest_line_passes_and_a_longer_one_ends_the_connection() {
    let longest = format!("{}\n", "x".repeat(LINE_BYTES_MAX));
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    assert_eq!(bench.feed(longest.as_bytes()), longest);
    bench.completer.room().extend(format!("x{longest}").as_bytes());
    assert_eq!(bench.completer.take_lines(key).map(drop), Err(LineTooLong));
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    bench.completer.room().extend([b'x'; LINE_BYTES_MAX + 1]);
    assert_eq!(
        bench.completer.take_lines(key).map(drop),
        Err(LineTooLong),
        "even before it ends"
    );
}

#[test]
fn carriage_return_before_the_line_feed_is_no_part_of_an_argument() {
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    assert_eq!(
        bench.feed(b"OK\t1\tproxy\tuser=bob\r\nDONE\r\n"),
        "OK\t1\tproxy\tuser=bob\tproxy_refresh=450\thost=10.1.0.1\nDONE\r\n"
    );
}

#[test]
fn busy_connections_read_more_at_once_and_idle_ones_stay_small() {
    let mut bench = Bench::new(Completes::Ok, MarksHash::Never);
    for _ in 0..10 {
        bench.feed(b"DONE\n");
    }
    assert!(bench.completer.room().capacity() < 2 * CHUNK_BYTES_MIN);
    let mut lines = b"CONT\t1\t\n".repeat(CHUNK_BYTES_MAX);
    for _ in 0..10 {
        let room = bench.completer.room();
        let free = room.capacity() - room.len();
        bench.feed(&lines.drain(..free).collect::<Vec<_>>());
    }
    assert!(bench.completer.room().capacity() >= CHUNK_BYTES_MAX);
    assert!(bench.completer.room().capacity() <= 3 * CHUNK_BYTES_MAX);
}
