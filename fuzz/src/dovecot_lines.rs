//! Lines of an auth server through a door: the first byte chooses the rule, the second the portions, the rest is said.

use std::sync::Arc;
use std::time::Duration;

use maildirector::director::RefuseReason;
use maildirector::dovecot::{
    Answer, Completer, Completes, LineTooLong, MarksHash, Names, Place, Replies, Rule, Taken, WaitLimits,
};
use maildirector::topology::UserKey;
use maildirector::world::Instant;

/// Lines pass once each, in order, and only those that want a backend change; portions do not matter.
pub fn run(bytes: &[u8]) {
    let &[choice, size, ref said @ ..] = bytes else {
        return;
    };
    let rule = rule(choice);
    let portion = usize::from(size).max(1);
    for is_prompt in [true, false] {
        let at_once = heard(&rule, is_prompt, [said].into_iter());
        let in_portions = heard(&rule, is_prompt, said.chunks(portion));
        assert_eq!(at_once, in_portions, "portions matter");
        if let (true, Ok(heard)) = (is_prompt, at_once) {
            passes(&rule, said, &heard);
        }
    }
    let mut names = Names::new(rule.master_user_separator);
    for portion in said.chunks(portion) {
        names.room().extend(portion);
        names.take(|name| assert!(!name.contains('\0'), "a name ends at a NUL"));
    }
}

fn rule(choice: u8) -> Rule {
    Rule {
        completes: if choice & 1 == 0 {
            Completes::Ok
        } else {
            Completes::Pass
        },
        master_user_separator: (choice & 2 != 0).then_some(b'*'),
        marks_hash: match choice / 4 % 3 {
            0 => MarksHash::Never,
            1 => MarksHash::WhenRenamed,
            _ => MarksHash::Always,
        },
    }
}

fn backend() -> Answer {
    let place = Place::new([10, 1, 0, 3].into(), Some("mail3"), Duration::from_secs(900));
    Answer::Backend(Arc::new(place))
}

/// What comes out; the director answers all at once, or by the user's key: with a backend, a refusal, or at the end.
fn heard<'a>(
    rule: &Rule,
    is_prompt: bool,
    portions: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, LineTooLong> {
    let (replies, _answers) = Replies::new();
    let limits = WaitLimits {
        lines: 4,
        bytes: 400,
        ..WaitLimits::default()
    };
    let mut completer = Completer::new(rule.clone(), limits, replies);
    let (mut out, mut late) = (Vec::new(), Vec::new());
    for portion in portions {
        completer.room().extend(portion);
        match completer.take_lines(|name| UserKey::of_expanded(name.as_bytes()))? {
            Taken::Nothing => {}
            Taken::Lines => completer.pass(&mut out),
            Taken::Lookups(mut batch) => {
                for asked in &mut batch.asked {
                    asked.answer = match asked.key.to_bits() % 4 {
                        0 if !is_prompt => Some(Answer::Refused(RefuseReason::UnknownTag)),
                        1 if !is_prompt => {
                            late.push(asked.id);
                            None
                        }
                        _ => Some(backend()),
                    };
                }
                completer.answered(batch, Duration::ZERO, Instant::ORIGIN, &mut out);
            }
        }
    }
    for id in late {
        completer.late(id, &backend(), Duration::ZERO, &mut out);
    }
    assert_eq!(completer.next_wakeup(), None, "every line was answered");
    Ok(out)
}

/// Line for line: the same, or one of ours with a backend added.
fn passes(rule: &Rule, said: &[u8], heard: &[u8]) {
    let whole = said
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut heard = heard.split_inclusive(|&byte| byte == b'\n');
    for said in said[..whole].split_inclusive(|&byte| byte == b'\n') {
        let heard = heard.next().expect("no line is lost");
        if heard == said {
            continue;
        }
        assert!(
            said.starts_with(rule.completes.prefix()),
            "a line was changed that is not ours"
        );
        let bare = &said[..said.len() - 1];
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        let added = heard.strip_prefix(bare).expect("the line itself stays");
        let is_own_place = added == b"\n";
        assert!(is_own_place || added.starts_with(b"\tproxy_refresh=450\thost=mail3\thostip=10.1.0.3"));
    }
    assert_eq!(heard.next(), None, "no line is made up");
}
