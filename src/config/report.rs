//! The faults found so far in one file, and the lines that byte positions stand on.

use std::collections::BTreeSet;

use super::Fault;
use super::complaint::Complaint;

/// The most faults that are reported of one file.
pub const FAULTS_MAX: usize = 100;

/// Collects the faults of one file. A line that is no TOML is reported for that alone.
pub(super) struct Report<'a> {
    file: &'a str,
    line_starts: Vec<usize>,
    faults: Vec<Fault>,
    broken_lines: BTreeSet<usize>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Report {
            file,
            line_starts,
            faults: Vec::new(),
            broken_lines: BTreeSet::new(),
        }
    }

    /// The text at `offset` is no TOML.
    pub fn add_syntax(&mut self, offset: usize, message: &str) {
        let line = self.line_of(offset);
        if self.broken_lines.insert(line) {
            let message = format!("is no TOML: {}", message.replace('\n', ", "));
            self.push(line, "", Complaint::new(message));
        }
    }

    pub fn add(&mut self, line: usize, key: &str, complaint: Complaint) {
        if !self.broken_lines.contains(&line) {
            self.push(line, key, complaint);
        }
    }

    /// Faults that were found by other means; those of settings that were reported already follow from them.
    pub fn extend_with_new(&mut self, faults: Vec<Fault>) {
        let new: Vec<_> = faults
            .into_iter()
            .filter(|fault| !self.names(&fault.key))
            .collect();
        self.faults.extend(new);
    }

    /// Whether a fault of this setting was found.
    pub fn names(&self, key: &str) -> bool {
        self.faults.iter().any(|fault| &*fault.key == key)
    }

    /// Whether some of the text could not be read, so that what seems to be missing may be there.
    pub fn has_broken_lines(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    /// The line, from 1, of a position in the text.
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset).max(1)
    }

    /// The faults, by line; beyond [`FAULTS_MAX`] only their number.
    pub fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| fault.line);
        let more = self.faults.len().saturating_sub(FAULTS_MAX);
        if more > 0 {
            self.faults.truncate(FAULTS_MAX);
            let line = self.faults.last().map_or(1, |fault| fault.line);
            let message = format!("{more} more faults, {FAULTS_MAX} are shown");
            self.push(line, "", Complaint::new(message));
        }
        self.faults
    }

    fn push(&mut self, line: usize, key: &str, complaint: Complaint) {
        self.faults.push(Fault {
            file: self.file.into(),
            line,
            key: key.into(),
            message: complaint.message.into(),
            hint: complaint.hint.map(Into::into),
        });
    }
}
