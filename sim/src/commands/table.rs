//! Tables for people: aligned text, or markdown for the documentation.

use std::fmt::Write;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table under construction.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(heads: &[(&'static str, Side)]) -> Self {
        Table {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with one cell for each column.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.heads.len(), "a row has a cell for every column");
        self.rows.push(cells);
    }

    /// As markdown or as text.
    pub fn rendered(&self, is_markdown: bool) -> String {
        if is_markdown { self.markdown() } else { self.text() }
    }

    /// As markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let heads: Vec<&str> = self.heads.iter().map(|(head, _)| *head).collect();
        let rules = self
            .heads
            .iter()
            .map(|(_, side)| if *side == Side::Left { "---" } else { "---:" });
        let _ = writeln!(text, "| {} |", heads.join(" | "));
        let _ = writeln!(text, "|{}|", rules.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    /// As text with aligned columns.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| {
                let cells = self.rows.iter().chain(std::iter::once(&heads));
                cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, side)) in row.iter().zip(&widths).zip(&self.heads) {
                let _ = match side {
                    Side::Left => write!(line, "  {cell:<width$}"),
                    Side::Right => write!(line, "  {cell:>width$}"),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A whole number with its thousands apart: `1 234 567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("what", Side::Left), ("seeds", Side::Right)]);
        table.row(vec!["one|two".to_owned(), "7".to_owned()]);
        table.row(vec!["x".to_owned(), "1 000".to_owned()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            table().text(),
            "  what     seeds\n  one|two      7\n  x        1 000\n"
        );
    }

    #[test]
    fn markdown_escapes_bars() {
        assert_eq!(
            table().markdown(),
            "| what | seeds |\n|---|---:|\n| one\\|two | 7 |\n| x | 1 000 |\n"
        );
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)],
            ["0", "999", "1 000", "12 345 678"]
        );
    }
}
