//! `place`: where users belong by a list of backends, without a ring.

use std::io::{BufRead, Write};

use serde::Serialize;

use super::arguments::Place;
use super::failure::Failure;
use crate::agreement::timing::TIMING_DEFAULT;
use crate::topology::{
    HashFormat, HealthPolicy, Incarnation, Member, MemberId, Topology, TopologySeed, UserId,
};

/// The longest name that is taken from standard input, in bytes; a file that is no list of names is not read whole.
const NAME_BYTES_MAX: usize = 4096;

/// One answer.
#[derive(Serialize)]
struct Placed<'a> {
    user: &'a str,
    hash: u32,
    backend: Option<String>,
}

pub(super) fn run(place: &Place, input: impl BufRead, output: &mut impl Write) -> Result<(), Failure> {
    let format = HashFormat::parse(&place.hash_format)
        .map_err(|error| Failure::Input(format!("--hash-format '{}': {error}", place.hash_format)))?;
    let topology = topology(place)?;
    let tag = topology
        .tag(&place.tag)
        .ok_or_else(|| Failure::Input(format!("--tag '{}': no backend has this tag", place.tag)))?;
    if !place.json {
        writeln!(output, "{:<40} {:>10} mail server ip", "user", "hash").map_err(Failure::Output)?;
    }
    let mut answer = |user: &str| {
        let key = format.key(user);
        let backend = topology
            .place(UserId { key, tag })
            .and_then(|id| topology.backend(id));
        let placed = Placed {
            user,
            hash: key.hash(),
            backend: backend.map(|b| b.ip.to_string()),
        };
        write(&placed, place.json, output).map_err(Failure::Output)
    };
    let mut input = Some(input);
    for user in &place.users {
        match input.take_if(|_| user == "-") {
            Some(lines) => {
                for (number, line) in lines.lines().enumerate() {
                    let line = line.map_err(|e| Failure::Input(format!("line {}: {e}", number + 1)))?;
                    if line.len() > NAME_BYTES_MAX {
                        let (number, bytes) = (number + 1, line.len());
                        let why = format!("line {number}: {bytes} bytes, the limit is {NAME_BYTES_MAX}");
                        return Err(Failure::Input(why));
                    }
                    answer(&line)?;
                }
            }
            None => answer(user)?,
        }
    }
    Ok(())
}

fn write(placed: &Placed<'_>, is_json: bool, output: &mut impl Write) -> std::io::Result<()> {
    if is_json {
        serde_json::to_writer(&mut *output, placed)?;
        return writeln!(output);
    }
    let backend = placed.backend.as_deref().unwrap_or("-");
    writeln!(output, "{:<40} {:>10} {backend}", placed.user, placed.hash)
}

/// A topology with these backends; its one member never speaks.
fn topology(place: &Place) -> Result<Topology, Failure> {
    let member = Member {
        id: MemberId::from_index(1),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(0),
    };
    let seed = TopologySeed {
        members: vec![member],
        backends: place.backends.clone(),
        timing: TIMING_DEFAULT,
        health: HealthPolicy::default(),
        hash_format: place.hash_format.clone(),
    };
    Topology::new(seed).map_err(|error| Failure::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    fn place(line: &[&str], input: &str) -> Result<String, Failure> {
        let arguments = Arguments::parse_from([&["maildirector", "place"], line].concat());
        let Command::Place(place) = arguments.command else {
            unreachable!("the line names place");
        };
        let mut output = Vec::new();
        run(&place, input.as_bytes(), &mut output)?;
        Ok(String::from_utf8(output).expect("names are text"))
    }

    /// From the captured vectors, list1.
    const LIST1: [&str; 6] = ["-b", "10.1.0.1", "-b", "10.1.0.2=50", "-b", "10.1.0.3=200"];

    #[test]
    fn users_are_placed_where_a_running_dovecot_placed_them() {
        let line = [&LIST1[..], &["--json", "alice", "bob"]].concat();
        let expected = "{\"user\":\"alice\",\"hash\":1669653170,\"backend\":\"10.1.0.3\"}\n\
                        {\"user\":\"bob\",\"hash\":2677887420,\"backend\":\"10.1.0.3\"}\n";
        assert_eq!(place(&line, "").expect("well formed"), expected);
    }

    #[test]
    fn names_come_from_standard_input_too() {
        let line = [&LIST1[..], &["-"]].concat();
        let table = place(&line, "alice\nbob\n").expect("well formed");
        assert_eq!(table.lines().count(), 3);
        assert!(
            table
                .lines()
                .nth(1)
                .is_some_and(|l| l.ends_with("1669653170 10.1.0.3"))
        );
    }

    #[test]
    fn an_unknown_tag_and_a_bad_format_are_named() {
        let tag = place(&[&LIST1[..], &["--tag", "gold", "alice"]].concat(), "");
        assert!(matches!(tag, Err(Failure::Input(why)) if why.contains("'gold'")));
        let format = place(&[&LIST1[..], &["--hash-format", "%q", "alice"]].concat(), "");
        assert!(matches!(format, Err(Failure::Input(why)) if why.contains("'%q'")));
    }
}
