//! Reads the values of one table of the file by key, reporting what is of the wrong kind or unknown.

use toml::de::{DeTable, DeValue};

use super::Written;
use super::complaint::{Complaint, Quoted};
use super::hints;
use super::report::Report;

/// One table of the file.
pub(super) struct Section<'a> {
    /// Before its keys in faults: empty, or `ring.`.
    pub prefix: &'static str,
    /// Where its heading stands; 1 for the file itself.
    pub line: usize,
    /// Every key that it may have.
    pub keys: &'static [&'static str],
    /// What is written.
    pub table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// What stands at `key`, with its line.
    pub fn value(&self, report: &Report, key: &str) -> Option<Written<&'a DeValue<'a>>> {
        let value = self.table.get(key)?;
        Some(Written {
            value: value.get_ref(),
            line: report.line_of(value.span().start),
        })
    }

    /// The text at `key`; `example` shows what it should look like when it is no text.
    pub fn text(&self, report: &mut Report, key: &'static str, example: &str) -> Option<Written<&'a str>> {
        let written = self.value(report, key)?;
        if let DeValue::String(text) = written.value {
            return Some(written.map(|_| &**text));
        }
        let message = format!("is {}, where a text in quotes belongs", kind(written.value));
        self.complain(
            report,
            written.line,
            key,
            Complaint::with_hint(message, format!("as in {example}")),
        );
        None
    }

    /// The text at `key` as `parse` understands it.
    pub fn parsed<T>(
        &self,
        report: &mut Report,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&'a str) -> Result<T, Complaint>,
    ) -> Option<Written<T>> {
        let text = self.text(report, key, example)?;
        match parse(text.value) {
            Ok(value) => Some(text.map(|_| value)),
            Err(complaint) => {
                self.complain(report, text.line, key, complaint);
                None
            }
        }
    }

    /// The entries of the text at `key`, which white space separates; each fault is reported.
    pub fn list<T>(
        &self,
        report: &mut Report,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<Written<Vec<T>>> {
        let text = self.text(report, key, example)?;
        let mut entries = Vec::new();
        let mut is_whole = true;
        for entry in text.value.split_ascii_whitespace() {
            match parse(entry) {
                Ok(value) => entries.push(value),
                Err(complaint) => {
                    is_whole = false;
                    self.complain(report, text.line, key, complaint);
                }
            }
        }
        is_whole.then(|| text.map(|_| entries))
    }

    /// The one of `choices` that the text at `key` names.
    pub fn choice<T: Copy>(
        &self,
        report: &mut Report,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<Written<T>> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let names = names.join(", ");
        self.parsed(report, key, &names, |text| {
            let found = choices.iter().find(|(name, _)| *name == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                Complaint::with_hint(
                    format!("{} is no choice", Quoted(text)),
                    format!("one of {names}"),
                )
            })
        })
    }

    /// The truth at `key`.
    pub fn flag(&self, report: &mut Report, key: &'static str) -> Option<Written<bool>> {
        let written = self.value(report, key)?;
        if let DeValue::Boolean(value) = written.value {
            return Some(written.map(|_| *value));
        }
        let message = format!("is {}, where true or false belongs", kind(written.value));
        self.complain(
            report,
            written.line,
            key,
            Complaint::with_hint(message, "without quotes"),
        );
        None
    }

    /// The whole number at `key`, within both limits.
    pub fn number(&self, report: &mut Report, key: &'static str, min: u32, max: u32) -> Option<Written<u32>> {
        let written = self.value(report, key)?;
        let number = match written.value {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
            return Some(written.map(|_| number));
        }
        let message = format!("is not a whole number from {min} to {max}, without quotes");
        self.complain(report, written.line, key, Complaint::new(message));
        None
    }

    /// The table that stands at `key`, with every key that it may have; a fault when something else stands there. `prefix`
    /// comes before its keys in faults.
    pub fn table(
        &self,
        report: &mut Report,
        key: &'static str,
        written: Written<&'a DeValue<'a>>,
        prefix: &'static str,
        keys: &'static [&'static str],
    ) -> Option<Section<'a>> {
        let line = written.line;
        let DeValue::Table(table) = written.value else {
            let message = format!("is {}, where a [{key}] table belongs", kind(written.value));
            self.complain(report, line, key, Complaint::new(message));
            return None;
        };
        let section = Section {
            prefix,
            line,
            keys,
            table,
        };
        section.report_unknown(report);
        Some(section)
    }

    /// The tables of the array that stands at `key`, at most `max`; a fault for each that is none, and nothing when it is
    /// no array. Otherwise as [`table`](Self::table).
    pub fn tables(
        &self,
        report: &mut Report,
        key: &'static str,
        written: Written<&'a DeValue<'a>>,
        prefix: &'static str,
        keys: &'static [&'static str],
        max: usize,
    ) -> Option<Vec<Section<'a>>> {
        let heading = prefix.trim_end_matches('.');
        let DeValue::Array(array) = written.value else {
            let message = format!("is {}, where [[{heading}]] tables belong", kind(written.value));
            self.complain(report, written.line, key, Complaint::new(message));
            return None;
        };
        if array.len() > max {
            let message = format!("{} {key}s, the limit is {max}", array.len());
            self.complain(report, written.line, key, Complaint::new(message));
        }
        let mut sections = Vec::new();
        for value in array.iter().take(max) {
            let line = report.line_of(value.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                let found = kind(value.get_ref());
                let message = format!("{found} stands where a [[{heading}]] table belongs");
                self.complain(report, line, key, Complaint::new(message));
                continue;
            };
            sections.push(Section {
                prefix,
                line,
                keys,
                table,
            });
        }
        Some(sections)
    }

    /// Report every key that the table may not have.
    pub fn report_unknown(&self, report: &mut Report) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !self.keys.contains(&name) {
                let message = match self.prefix {
                    "" => format!("{} is no setting", Quoted(name)),
                    _ => format!(
                        "{} is no setting of [{}]",
                        Quoted(name),
                        self.prefix.trim_end_matches('.')
                    ),
                };
                let hint = hints::instead_of(name, self.keys);
                report.add(report.line_of(key.span().start), "", Complaint { message, hint });
            }
        }
    }

    /// Report that `key` must be there, unless it is, or may be in a part that could not be read.
    pub fn report_missing(&self, report: &mut Report, key: &'static str, hint: &str) {
        if !self.table.contains_key(key) && !report.has_broken_lines() {
            self.complain(report, self.line, key, Complaint::with_hint("is missing", hint));
        }
    }

    pub fn complain(&self, report: &mut Report, line: usize, key: &str, complaint: Complaint) {
        report.add(line, &format!("{}{key}", self.prefix), complaint);
    }
}

/// What a value is, in a person's words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number without quotes",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time of day",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
