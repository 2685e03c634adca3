//! Laws of the lines that pass a door: nothing is lost, nothing that is not ours is touched, portions do not matter.

use std::sync::Arc;
use std::time::Duration;

use maildirector::director::RefuseReason;
use maildirector::dovecot::{
    Answer, Batch, Completer, Completes, LINE_BYTES_MAX, LineTooLong, MarksHash, Names, Place, Replies, Rule,
    Taken, WaitLimits,
};
use maildirector::topology::UserKey;
use maildirector::world::{Instant, escape, unescape};
use proptest::collection::vec;
use proptest::prelude::*;

/// How a stub director answers, by the user's key.
#[derive(Clone, Copy)]
enum Manner {
    /// Every user gets a backend at once.
    AtOnce,
    /// Some are refused, some wait until the end.
    Mixed,
}

fn key(name: &str) -> UserKey {
    UserKey::of_expanded(name.as_bytes())
}

fn backend() -> Answer {
    let ip = [10, 1, 0, 3].into();
    Answer::Backend(Arc::new(Place::new(ip, None, Duration::from_secs(900))))
}

fn answer(batch: &mut Batch, manner: Manner, late: &mut Vec<u64>) {
    for asked in &mut batch.asked {
        asked.answer = match (manner, asked.key.to_bits() % 4) {
            (Manner::Mixed, 0) => Some(Answer::Refused(RefuseReason::UnknownTag)),
            (Manner::Mixed, 1) => {
                late.push(asked.id);
                None
            }
            _ => Some(backend()),
        };
    }
}

/// All that comes out for these portions, late answers last.
fn passed<'a>(
    rule: &Rule,
    manner: Manner,
    portions: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, LineTooLong> {
    let (replies, _answers) = Replies::new();
    let limits = WaitLimits {
        lines: 3,
        bytes: 200,
        ..WaitLimits::default()
    };
    let mut completer = Completer::new(rule.clone(), limits, replies);
    let (mut out, mut late) = (Vec::new(), Vec::new());
    for portion in portions {
        completer.room().extend(portion);
        match completer.take_lines(key)? {
            Taken::Nothing => {}
            Taken::Lines => completer.pass(&mut out),
            Taken::Lookups(mut batch) => {
                answer(&mut batch, manner, &mut late);
                completer.answered(batch, Duration::ZERO, Instant::ORIGIN, &mut out);
            }
        }
    }
    for id in late {
        completer.late(id, &backend(), Duration::ZERO, &mut out);
    }
    assert_eq!(completer.next_wakeup(), None, "nothing is kept");
    Ok(out)
}

fn rules() -> impl Strategy<Value = Rule> {
    let completes = prop_oneof![Just(Completes::Ok), Just(Completes::Pass)];
    let marks = prop_oneof![
        Just(MarksHash::Never),
        Just(MarksHash::WhenRenamed),
        Just(MarksHash::Always)
    ];
    let separator = prop_oneof![Just(None), Just(Some(b'*'))];
    (completes, marks, separator).prop_map(|(completes, marks_hash, master_user_separator)| Rule {
        completes,
        master_user_separator,
        marks_hash,
    })
}

/// Bytes that often are lines of an auth server, or nearly.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "OK",
        "PASS",
        "FAIL",
        "CONT",
        "1",
        "27",
        "user=bob",
        "user=bob*master",
        "user=",
        "destuser=carl",
        "destuser=b\u{e9}\x01t",
        "proxy",
        "proxy=y",
        "proxy_maybe",
        "director_proxy_maybe",
        "lip=10.1.0.3",
        "lip=x",
        "lport=143",
        "port=143",
        "port=0",
        "host=",
        "director_tag=t",
        "\r",
        "\0",
        "\x01",
        "",
    ]);
    let line = vec(word, 0..8).prop_map(|words| words.join("\t").into_bytes());
    let ours = vec(any::<u8>(), 0..3).prop_map(|id| [b"OK\t", id.as_slice(), b"\tuser=dora\tproxy"].concat());
    let junk = vec(any::<u8>(), 0..40);
    let piece = prop_oneof![4 => line, 2 => ours, 1 => junk];
    vec(piece, 0..20).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn each_line_comes_out_once_and_only_ours_grow(rule in rules(), stream in streams()) {
        let out = passed(&rule, Manner::AtOnce, [stream.as_slice()].into_iter()).expect("short lines");
        let whole = stream.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let said: Vec<_> = stream[..whole].split_inclusive(|&byte| byte == b'\n').collect();
        let heard: Vec<_> = out.split_inclusive(|&byte| byte == b'\n').collect();
        prop_assert_eq!(said.len(), heard.len());
        for (said, heard) in said.into_iter().zip(heard) {
            if said == heard {
                continue;
            }
            prop_assert!(said.starts_with(rule.completes.prefix()), "not ours, and yet changed");
            let bare = &said[..said.len() - 1];
            let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
            let added = heard.strip_prefix(bare);
            prop_assert!(added.is_some(), "the line itself was changed");
            let added = added.unwrap_or_default();
            prop_assert!(added == b"\n" || added.starts_with(b"\tproxy_refresh=450\thost=10.1.0.3"));
        }
    }

    #[test]
    fn portions_do_not_matter(rule in rules(), stream in streams(), size in 1_usize..60) {
        for manner in [Manner::AtOnce, Manner::Mixed] {
            let at_once = passed(&rule, manner, [stream.as_slice()].into_iter());
            let in_portions = passed(&rule, manner, stream.chunks(size));
            prop_assert_eq!(at_once, in_portions);
        }
    }

    #[test]
    fn any_bytes_pass_or_are_a_line_too_long(
        rule in rules(),
        stream in vec(any::<u8>(), 0..2_000),
        long in prop::option::of(0..2 * LINE_BYTES_MAX),
        size in 1_usize..5_000,
    ) {
        let long = vec![b'x'; long.unwrap_or(0)];
        let stream = [stream, long.clone()].concat();
        let passed = passed(&rule, Manner::Mixed, stream.chunks(size));
        let longest = stream.split(|&byte| byte == b'\n').map(<[u8]>::len).max();
        prop_assert_eq!(passed.is_err(), longest > Some(LINE_BYTES_MAX));
    }

    #[test]
    fn escaped_fields_survive_and_stay_one_field(field in vec(any::<u8>(), 0..100)) {
        let mut escaped = Vec::new();
        escape(&field, &mut escaped);
        prop_assert!(!escaped.iter().any(|byte| b"\t\r\n\0".contains(byte)));
        let mut again = Vec::new();
        unescape(&escaped, &mut again);
        prop_assert_eq!(again, field);
    }

    #[test]
    fn names_do_not_depend_on_portions(stream in vec(any::<u8>(), 0..3_000), size in 1_usize..2_000) {
        let taken = |portions: &mut dyn Iterator<Item = &[u8]>| {
            let (mut names, mut found, mut too_long) = (Names::new(Some(b'*')), Vec::new(), 0);
            for portion in portions {
                names.room().extend(portion);
                too_long += names.take(|name| found.push(name.to_owned()));
            }
            (found, too_long)
        };
        prop_assert_eq!(taken(&mut [stream.as_slice()].into_iter()), taken(&mut stream.chunks(size)));
    }
}
