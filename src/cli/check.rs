//! `check`: whether a configuration file is sound, with every fault at once.

use std::io::Write;
use std::net::ToSocketAddrs;

use super::arguments::Check;
use super::failure::Failure;
use super::read_config::read_text;
use crate::config::{Config, Fault, Resolved, parse};
use crate::topology::Topology;

/// Resolves a name; the tests have their own.
type Resolver = fn(&str) -> Resolved;

pub(super) fn run(check: &Check, output: &mut impl Write) -> Result<(), Failure> {
    let resolver: Resolver = if check.offline {
        |_| Resolved::default()
    } else {
        ask_system
    };
    run_with(check, resolver, output)
}

fn run_with(check: &Check, resolver: Resolver, output: &mut impl Write) -> Result<(), Failure> {
    let file = check.file.display().to_string();
    let text = match read_text(&check.file) {
        Err(Failure::Faults(faults)) => return refuse(&faults, output),
        text => text?,
    };
    let found = parse(&text, &file);
    let config = found.or_else(|faults| refuse(&faults, output))?;
    let names = config.names();
    if check.offline && !names.is_empty() {
        let names = names.into_iter().collect::<Vec<_>>().join(" ");
        let note = format!("{file}: no faults; not resolved: {names}");
        return writeln!(output, "{note}").map_err(Failure::Output);
    }
    let mut resolved = Resolved::default();
    for name in names {
        resolved.insert(name, resolver(name).addresses(name).to_vec());
    }
    let line = summary(&config, &resolved).or_else(|faults| refuse(&faults, output))?;
    writeln!(output, "{file}: no faults; {line}").map_err(Failure::Output)
}

fn refuse<T>(faults: &[Fault], output: &mut impl Write) -> Result<T, Failure> {
    for fault in faults {
        writeln!(output, "{fault}").map_err(Failure::Output)?;
    }
    Err(Failure::Configuration)
}

fn summary(config: &Config, resolved: &Resolved) -> Result<String, Vec<Fault>> {
    let topology = Topology::new(config.seed(resolved)?).expect("a seed makes a topology");
    let directors = topology.members().filter(|member| member.serves).count();
    let (voters, backends) = (topology.voters(), topology.backends().len());
    Ok(format!(
        "{directors} directors, {voters} voters, {backends} backends"
    ))
}

fn ask_system(name: &str) -> Resolved {
    let mut resolved = Resolved::default();
    if let Ok(addresses) = (name, 0).to_socket_addrs() {
        resolved.insert(name, addresses.map(|address| address.ip()).collect());
    }
    resolved
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn check(name: &str, text: &[u8], offline: bool) -> (bool, String) {
        let file = std::env::temp_dir().join(format!("maildirector-check-{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let mut output = Vec::new();
        let resolver: Resolver = |name| {
            let mut resolved = Resolved::default();
            if name == "mail1" {
                resolved.insert(
                    name,
                    vec!["10.0.2.1".parse().unwrap(), "10.0.2.2".parse().unwrap()],
                );
            }
            resolved
        };
        let options = Check {
            file: file.clone(),
            offline,
        };
        let result = run_with(&options, resolver, &mut output);
        std::fs::remove_file(&file).unwrap();
        let output = String::from_utf8(output).unwrap();
        (
            result.is_ok(),
            output.replace(&file.display().to_string(), "FILE"),
        )
    }

    #[test]
    fn a_sound_file_is_summed_up() {
        let (is_sound, said) = check(
            "sound",
            b"director_mail_servers = \"10.0.1.1-10.0.1.9 mail1\"",
            false,
        );
        assert!(is_sound);
        assert_eq!(said, "FILE: no faults; 1 directors, 1 voters, 11 backends\n");
    }

    #[test]
    fn every_fault_is_a_line() {
        let (is_sound, said) = check("faults", b"lease = 10\ncolour = 1", false);
        assert!(!is_sound);
        assert_eq!(said.lines().count(), 3, "{said}");
        assert!(said.starts_with("FILE:1: lease: is a number"), "{said}");
    }

    #[test]
    fn names_are_resolved_unless_told_otherwise() {
        let file = b"director_mail_servers = \"mail2\"";
        let (is_sound, said) = check("names", file, false);
        assert!(!is_sound);
        assert!(
            said.starts_with("FILE:1: director_mail_servers: the name mail2 could not be resolved"),
            "{said}"
        );
        assert_eq!(
            check("offline", file, true),
            (true, "FILE: no faults; not resolved: mail2\n".to_owned())
        );
    }

    #[test]
    fn a_file_that_is_no_text_is_refused() {
        let (is_sound, said) = check("bytes", b"# one\n# \xff\n", false);
        assert!(!is_sound);
        assert_eq!(said, "FILE:2: is no UTF-8 text\n");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let options = Check {
            file: PathBuf::from("/nowhere/maildirector.toml"),
            offline: true,
        };
        let result = run(&options, &mut Vec::new());
        assert!(
            matches!(result, Err(Failure::Input(why)) if why.starts_with("/nowhere/maildirector.toml: "))
        );
    }
}
