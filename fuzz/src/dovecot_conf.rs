//! Configurations of Dovecot, and the rows of a director: behind a line `HOST` the hosts, behind `USERS` the users.

use maildirector::config::{RunningRing, import, parse, read_dovecot};

/// Any text is refused, or becomes a file that our own parser reads as TOML, with commands of one line each.
pub fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Some(rows) = text.strip_prefix("HOST\n") {
        let (hosts, users) = rows.split_once("USERS\n").unwrap_or((rows, ""));
        let Ok(running) = RunningRing::parse(hosts, users) else {
            return;
        };
        let imported = import(&[], Some(&running));
        assert!(imported.changes.iter().all(|line| !line.contains('\n')));
        return;
    }
    let mut depth = 0;
    // Every include is the text itself, a few times.
    let mut files = |_: &maildirector::config::Include<'_>| {
        depth += 1;
        if depth > 3 {
            return Ok(Vec::new());
        }
        Ok(vec![("included".to_owned(), text.to_owned())])
    };
    let Ok(settings) = read_dovecot(text, "fuzzed", &mut files) else {
        return;
    };
    let imported = import(&settings, None);
    let is_syntax = |message: &str| message.contains("TOML");
    if let Err(faults) = parse(&imported.toml, "imported") {
        let broken = faults
            .iter()
            .find(|fault| fault.key.is_empty() && is_syntax(&fault.message));
        assert!(broken.is_none(), "{broken:?} in\n{}", imported.toml);
    }
}
