//! The grammar of Dovecot 2.3's configuration files, as far as it says which setting has which value where.

use super::super::Fault;
use super::super::complaint::{Complaint, Quoted};

/// The longest line, in bytes, with all that is continued.
const LINE_BYTES_MAX: usize = 65_536;
/// Sections within sections.
const DEPTH_MAX: usize = 16;
/// Files that include files.
const INCLUDES_MAX: usize = 16;
/// Settings of one configuration.
const SETTINGS_MAX: usize = 100_000;
/// Faults that are told; a file that is no configuration has one in each line.
const FAULTS_MAX: usize = 50;

/// One setting, with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DovecotSetting {
    /// The sections around it, outermost first, as written: `service director`, `unix_listener login/director`. An empty
    /// section is a setting without a key.
    pub sections: Vec<String>,
    /// Its name; empty for the section itself.
    pub key: String,
    /// Its value, without quotes.
    pub value: String,
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// What an `!include` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include<'a> {
    /// The file in which it stands.
    pub from: &'a str,
    /// What is to be read; the last part may have `*` and `?`.
    pub pattern: &'a str,
    /// Whether it is no fault when nothing is there.
    pub is_optional: bool,
}

/// Gives the files of an include, each with its name, or tells why not.
type Files<'a> = &'a mut dyn FnMut(&Include<'_>) -> Result<Vec<(String, String)>, String>;

/// Reads a configuration; `files` gives what it includes.
///
/// # Errors
/// All faults, in the order in which they stand, at most 50 of them.
pub fn read_dovecot(text: &str, file: &str, files: Files<'_>) -> Result<Vec<DovecotSetting>, Vec<Fault>> {
    let mut reader = Reader {
        settings: Vec::new(),
        faults: Vec::new(),
        files,
    };
    reader.read(text, file, 0);
    if reader.faults.is_empty() {
        Ok(reader.settings)
    } else {
        Err(reader.faults)
    }
}

struct Reader<'a> {
    settings: Vec<DovecotSetting>,
    faults: Vec<Fault>,
    files: Files<'a>,
}

impl Reader<'_> {
    fn fault(&mut self, file: &str, line: usize, complaint: Complaint) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault {
                file: file.into(),
                line,
                key: "".into(),
                message: complaint.message.into(),
                hint: complaint.hint.map(Into::into),
            });
        }
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= FAULTS_MAX || self.settings.len() >= SETTINGS_MAX
    }

    fn read(&mut self, text: &str, file: &str, includes: usize) {
        let mut sections: Vec<(String, usize)> = Vec::new();
        let mut lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
        while let Some((number, line)) = lines.next() {
            if self.is_full() {
                if self.settings.len() >= SETTINGS_MAX {
                    let message = format!("more than {SETTINGS_MAX} settings; the rest was not read");
                    self.fault(file, number, Complaint::new(message));
                }
                return;
            }
            let mut line = without_comment(line).to_owned();
            while let Some(begun) = line.strip_suffix('\\') {
                let mut joined = begun.trim_end().to_owned();
                let Some((_, more)) = lines.next() else { break };
                joined.push(' ');
                joined.push_str(without_comment(more).trim_start());
                line = joined;
                if line.len() > LINE_BYTES_MAX {
                    break;
                }
            }
            if line.len() > LINE_BYTES_MAX {
                let message = format!("the line has more than {LINE_BYTES_MAX} bytes");
                self.fault(file, number, Complaint::new(message));
                continue;
            }
            self.line(line.trim(), file, number, &mut sections, includes);
        }
        if let Some((name, line)) = sections.pop() {
            let message = format!("the section {} is not closed", Quoted(&name));
            self.fault(file, line, Complaint::with_hint(message, "a } is missing"));
        }
    }

    fn line(
        &mut self,
        line: &str,
        file: &str,
        number: usize,
        sections: &mut Vec<(String, usize)>,
        includes: usize,
    ) {
        if line.is_empty() {
            return;
        }
        if line == "}" {
            if sections.pop().is_none() {
                self.fault(file, number, Complaint::new("a } without a section"));
            }
            return;
        }
        if let Some(rest) = line.strip_prefix("!include") {
            let is_optional = rest.starts_with("_try");
            let pattern = rest.trim_start_matches("_try").trim();
            self.include(pattern, is_optional, file, number, includes);
            return;
        }
        // A value may end in a brace, a section's name has no "=".
        if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), unquoted(value.trim()));
            if key.is_empty() || key.contains(char::is_whitespace) {
                let message = format!("{} is no name of a setting", Quoted(key));
                self.fault(file, number, Complaint::new(message));
                return;
            }
            let value = self.expanded(value);
            self.push(sections, key, value, file, number);
            return;
        }
        if let Some(name) = line.strip_suffix('{') {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if name.is_empty() || sections.len() >= DEPTH_MAX {
                let message = format!("a section without a name, or more than {DEPTH_MAX} within each other");
                self.fault(file, number, Complaint::new(message));
            }
            sections.push((unquoted(&name).to_owned(), number));
            self.push(sections, "", String::new(), file, number);
            return;
        }
        let message = format!("{} is no setting and no section", Quoted(line));
        self.fault(
            file,
            number,
            Complaint::with_hint(message, "write NAME = VALUE or NAME {"),
        );
    }

    fn push(&mut self, sections: &[(String, usize)], key: &str, value: String, file: &str, line: usize) {
        self.settings.push(DovecotSetting {
            sections: sections.iter().map(|(name, _)| name.clone()).collect(),
            key: key.to_owned(),
            value,
            file: file.to_owned(),
            line,
        });
    }

    fn include(&mut self, pattern: &str, is_optional: bool, file: &str, number: usize, includes: usize) {
        if includes >= INCLUDES_MAX {
            let message = format!("more than {INCLUDES_MAX} files include each other");
            return self.fault(file, number, Complaint::new(message));
        }
        let asked = Include {
            from: file,
            pattern,
            is_optional,
        };
        match (self.files)(&asked) {
            Ok(found) => {
                for (name, text) in found {
                    self.read(&text, &name, includes + 1);
                }
            }
            Err(why) => self.fault(file, number, Complaint::new(why)),
        }
    }

    /// `$name` at the start of a value is what that setting was before, as in `mail_plugins = $mail_plugins quota`.
    fn expanded(&self, value: &str) -> String {
        let words = value.split(' ').map(|word| {
            let named = word.strip_prefix('$').filter(|name| !name.is_empty())?;
            let earlier = self.settings.iter().rev();
            let mut earlier = earlier.filter(|setting| setting.sections.is_empty() && setting.key == named);
            earlier.next().map(|setting| setting.value.clone())
        });
        let words = words.zip(value.split(' '));
        let mut expanded = String::new();
        for (number, (found, word)) in words.enumerate() {
            if number > 0 {
                expanded.push(' ');
            }
            expanded.push_str(found.as_deref().unwrap_or(word));
            if expanded.len() > LINE_BYTES_MAX {
                break;
            }
        }
        expanded
    }
}

/// A comment starts the line, or follows a blank outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before.is_whitespace() => return line[..at].trim_end(),
            (None, '"' | '\'') if before.is_whitespace() || before == '=' => quote = Some(character),
            (Some(open), _) if open == character && before != '\\' => quote = None,
            _ => {}
        }
        before = character;
    }
    line.trim_end()
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}
