//! `import`: a Dovecot director's configuration, and what its ring knows, as a configuration of ours; and the changes
//! that make a new ring of ours the same.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::Import;
use super::failure::Failure;
use crate::config::{DovecotSetting, Imported, Include, RunningRing, import, read_dovecot};

/// The largest file of Dovecot's that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The most that a director may list: a million users have a twentieth of it.
const LIST_BYTES_MAX: u64 = 1 << 30;
/// Files that are read of one configuration.
const FILES_MAX: usize = 1_000;
/// How long a director may say nothing. A flush or a move waits for sessions to end.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const GREETING: &str = "VERSION\tdirector-doveadm\t1\t0\n";

pub(super) fn run(arguments: &Import, input: impl Read, output: &mut impl Write) -> Result<(), Failure> {
    if let Some(changes) = &arguments.apply {
        return apply(changes, &arguments.socket, output);
    }
    let settings = match &arguments.from {
        None => Vec::new(),
        Some(path) => settings(path, input)?,
    };
    let running = if arguments.from_ring {
        Some(running(&arguments.socket)?)
    } else {
        None
    };
    let imported = import(&settings, running.as_ref());
    write(arguments, &imported, output)
}

fn write(arguments: &Import, imported: &Imported, output: &mut impl Write) -> Result<(), Failure> {
    match &arguments.output {
        None => output
            .write_all(imported.toml.as_bytes())
            .map_err(Failure::Output)?,
        Some(file) => write_new(file, &imported.toml, arguments.force)?,
    }
    for note in &imported.notes {
        eprintln!("maildirector: note: {note}");
    }
    if !arguments.from_ring {
        return Ok(());
    }
    let mut text = imported.changes.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    let count = imported.changes.len();
    match &arguments.changes {
        Some(file) => {
            write_new(file, &text, arguments.force)?;
            eprintln!(
                "maildirector: {count} changes for the new ring are in {0}: before users are sent to it, give them to one \
                 director by `maildirector import --apply {0}`",
                file.display()
            );
        }
        None if count > 0 => eprintln!(
            "maildirector: {count} changes (weights, down, moved users) are not in this file: --changes FILE writes them"
        ),
        None => {}
    }
    Ok(())
}

/// Writes a file that nobody may have yet.
fn write_new(file: &Path, text: &str, is_forced: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o644);
    if is_forced {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Input(format!(
            "{}: there is such a file, and it stays as it is; --force writes over it",
            file.display()
        )),
        _ => Failure::Start(format!("{}: {error}", file.display())),
    })
}

/// The settings in a folder's `dovecot.conf`, in a file, or on standard input for `-`.
fn settings(path: &Path, mut input: impl Read) -> Result<Vec<DovecotSetting>, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        let read = input.by_ref().take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| Failure::Input(format!("standard input: {error}")))?;
        read_dovecot(&text, "standard input", &mut included_from)
    } else {
        let file = if path.is_dir() {
            path.join("dovecot.conf")
        } else {
            path.to_owned()
        };
        let text = text_of(&file).map_err(Failure::Input)?;
        let mut count = 0;
        read_dovecot(&text, &file.display().to_string(), &mut |include| {
            let found = included_from(include)?;
            count += found.len();
            if count > FILES_MAX {
                return Err(format!("more than {FILES_MAX} files are included"));
            }
            Ok(found)
        })
    };
    read.map_err(Failure::faults)
}

/// The files that an include names, by name.
fn included_from(include: &Include<'_>) -> Result<Vec<(String, String)>, String> {
    let from = Path::new(include.from).parent().unwrap_or(Path::new("."));
    let wanted = from.join(include.pattern);
    let mut files = matching(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    files.sort();
    if files.is_empty() && !include.is_optional {
        return Err(format!("{}: there is no such file", wanted.display()));
    }
    let read = files
        .into_iter()
        .map(|file| Ok((file.display().to_string(), text_of(&file)?)));
    let read: Result<_, String> = read.collect();
    if include.is_optional {
        Ok(read.unwrap_or_default())
    } else {
        read
    }
}

/// Files of the folder whose names fit the last part of the pattern.
fn matching(wanted: &Path) -> io::Result<Vec<PathBuf>> {
    let name = wanted.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if !name.contains(['*', '?']) {
        return Ok(if wanted.is_file() {
            vec![wanted.to_owned()]
        } else {
            Vec::new()
        });
    }
    let folder = wanted.parent().unwrap_or(Path::new("."));
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_hidden = |file: &str| file.starts_with('.') && !name.starts_with('.');
        let file = path.file_name().and_then(|file| file.to_str());
        if file.is_some_and(|file| !is_hidden(file) && fits(file.as_bytes(), name.as_bytes()))
            && path.is_file()
        {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether the name fits the pattern, where `*` stands for any bytes and `?` for one.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[at] => {
                at += 1;
                in_pattern += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                in_pattern = star_at + 1;
                at = taken + 1;
            }
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}

fn text_of(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(file);
    let read = opened.and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "{}: has more than {FILE_BYTES_MAX} bytes",
            file.display()
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count()
            - 1;
        format!("{}:{line}: is no UTF-8 text", file.display())
    })
}

/// A conversation with a director's admin socket.
struct Admin {
    at: PathBuf,
    stream: BufReader<io::Take<UnixStream>>,
}

impl Admin {
    fn connect(at: &Path) -> Result<Self, Failure> {
        let failed =
            |error: io::Error| Failure::Start(format!("{}: {error}; is a director running?", at.display()));
        let stream = UnixStream::connect(at).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        stream.set_write_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        let mut admin = Admin {
            at: at.to_owned(),
            stream: BufReader::new(stream.take(LIST_BYTES_MAX)),
        };
        admin.say(GREETING)?;
        let greeting = admin.line()?;
        if !greeting.starts_with("VERSION\tdirector-doveadm\t1\t") {
            return Err(Failure::Start(format!(
                "{}: no director speaks there: {greeting:?}",
                at.display()
            )));
        }
        Ok(admin)
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Start(format!("{}: {error}", self.at.display()))
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        let said = self.stream.get_mut().get_mut().write_all(text.as_bytes());
        said.map_err(|error| self.failed(&error))
    }

    /// A line with its end.
    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => Ok(line),
            Ok(_) => Err(self.failed(&"the director closed the connection")),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The rows of an answer that ends by an empty line.
    fn table(&mut self, command: &str) -> Result<String, Failure> {
        self.say(&format!("{command}\n"))?;
        let mut rows = String::new();
        loop {
            match self.line()?.as_str() {
                "\n" => return Ok(rows),
                row => rows.push_str(row),
            }
        }
    }
}

fn running(socket: &Path) -> Result<RunningRing, Failure> {
    let mut admin = Admin::connect(socket)?;
    let hosts = admin.table("HOST-LIST")?;
    let users = admin.table("USER-LIST")?;
    RunningRing::parse(&hosts, &users).map_err(|error| admin.failed(&error))
}

/// Gives each line of the file to a director and checks its answer. What is so already is no fault, so it can be repeated.
fn apply(changes: &Path, socket: &Path, output: &mut impl Write) -> Result<(), Failure> {
    let text = text_of(changes).map_err(Failure::Input)?;
    let mut admin = Admin::connect(socket)?;
    let mut done = 0;
    let mut refused = 0;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        admin.say(&format!("{line}\n"))?;
        let answer = admin.line()?;
        if answer == "OK\n" {
            done += 1;
        } else {
            refused += 1;
            let place = format!("{}:{}", changes.display(), number + 1);
            eprintln!(
                "maildirector: {place}: {}: {}",
                line.escape_debug(),
                answer.trim_end()
            );
        }
    }
    writeln!(output, "{done} changes made, {refused} refused").map_err(Failure::Output)?;
    if refused > 0 { Err(Failure::Found) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn names_fit_patterns_as_in_a_shell() {
        for (name, pattern) in [
            ("10-auth.conf", "*.conf"),
            ("a", "?"),
            ("", "*"),
            ("aXbXc", "a*X*c"),
            ("abab", "*ab"),
        ] {
            assert!(fits(name.as_bytes(), pattern.as_bytes()), "{name} {pattern}");
        }
        for (name, pattern) in [
            ("10-auth.conf.bak", "*.conf"),
            ("ab", "?"),
            ("a", ""),
            ("abc", "a*b"),
        ] {
            assert!(!fits(name.as_bytes(), pattern.as_bytes()), "{name} {pattern}");
        }
    }
}
