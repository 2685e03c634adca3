//! Dovecot's director as the simulator has it, against the real one of Debian's dovecot-core 2.3: the same answers for
//! the same host lists, and line by line the same conversation with a scripted neighbour.
//!
//! Conversations that were recorded stand in `tests/vectors/classic` and are replayed everywhere. Where the real
//! director can be started (it is installed, and this is root), they are also held anew; elsewhere the reason why not is
//! printed. To record them again: `cargo test -p sim --test classic -- --ignored`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a real process is talked to in real time, by threads"
)]

mod conversation;
mod lookups;
mod real;
mod replay;
mod scripts;
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use transcript::Transcript;

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors/classic")
        .join(format!("{name}.txt"))
}

#[test]
fn recorded_conversations_are_repeated_line_by_line() {
    for script in scripts::all() {
        let text = fs::read_to_string(recorded(script.name)).expect("every script was recorded");
        replay::must_repeat(script.name, &Transcript::parse(&text));
    }
}

#[test]
fn the_real_director_still_says_what_the_machine_says() {
    if let Some(why) = real::missing() {
        println!("skipped: {why}");
        return;
    }
    for script in scripts::all() {
        replay::must_repeat(script.name, &conversation::hold(&script));
    }
}

#[test]
fn users_go_where_the_real_director_sends_them() {
    if let Some(why) = real::missing() {
        println!("skipped: {why}");
        return;
    }
    lookups::must_agree();
}

#[test]
#[ignore = "writes the recorded conversations anew"]
fn records_the_conversations() {
    for script in scripts::all() {
        let text = conversation::hold(&script).to_text(script.about);
        fs::write(recorded(script.name), text).expect("the folder is writable");
    }
}
