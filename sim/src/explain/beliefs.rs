//! What every member believes at the end, as a table: for a terminal by [`table`], for the page by its cells.

use maildirector::topology::UserId;

use super::words::{clock, listed};

/// What one process believes. A member that is down has one without a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Belief {
    pub(crate) member: u8,
    pub(crate) role: &'static str,
    pub(crate) run: Option<u32>,
    /// Another process of the member was started beside it.
    pub(crate) is_old: bool,
    pub(crate) is_paused: bool,
    /// `serves`, `isolated`, `alone`, `witness`, `knows no ring`.
    pub(crate) standing: &'static str,
    pub(crate) epoch: Option<u64>,
    /// In true time, by its clock's rate now; past ones too.
    pub(crate) lease_until_ns: Option<u64>,
    pub(crate) holds: usize,
    /// Of the users concerned, in their order.
    pub(crate) users: Vec<UserBelief>,
    pub(crate) coordinates: Option<String>,
    pub(crate) promised: Option<String>,
    pub(crate) accepted: Option<String>,
    pub(crate) confirmed: Vec<String>,
    /// Leases that its voter has noted: whose, and until when in true time.
    pub(crate) noted: Vec<(u8, u64)>,
}

/// What a process believes of a user.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UserBelief {
    /// Where the topology in force has him.
    pub(crate) placed: Option<u32>,
    /// Where he is held.
    pub(crate) held: Option<u32>,
    pub(crate) is_evicting: bool,
    pub(crate) is_frozen: bool,
}

/// A user whom the story is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Concerned {
    pub(crate) user: UserId,
    pub(crate) person: u32,
    pub(crate) name: String,
}

impl Belief {
    /// Whether its lease runs at this time.
    pub(crate) fn is_leased(&self, now_ns: u64) -> bool {
        self.standing == "serves" && self.lease_until_ns.is_some_and(|until| until > now_ns)
    }

    /// The cells of its row, in the order of [`heads`].
    pub(crate) fn cells(&self, now_ns: u64) -> Vec<String> {
        let none = || "-".to_owned();
        let state = match (self.run, self.is_paused) {
            (None, _) => "down".to_owned(),
            (Some(_), true) => format!("paused, {}", self.standing),
            (Some(_), false) => self.standing.to_owned(),
        };
        let name = if self.is_old {
            format!("{} (old process)", self.member)
        } else {
            self.member.to_string()
        };
        let lease = self
            .lease_until_ns
            .map_or_else(none, |until| lease_words(until, now_ns));
        let run = self.run.map_or_else(none, |run| run.to_string());
        let epoch = self.epoch.map_or_else(none, |epoch| epoch.to_string());
        let mut cells = vec![name, self.role.to_owned(), state, run, epoch, lease];
        let is_up = self.run.is_some();
        cells.push(if is_up { self.holds.to_string() } else { none() });
        cells.extend(
            self.users
                .iter()
                .map(|user| if is_up { user.words() } else { none() }),
        );
        let noted: Vec<String> = self
            .noted
            .iter()
            .map(|(member, until)| format!("{member} to {}", clock(*until)))
            .collect();
        let or_none = |word: &Option<String>| word.clone().unwrap_or_else(none);
        let list = |names: &[String]| {
            if names.is_empty() { none() } else { listed(names) }
        };
        cells.push(or_none(&self.promised));
        cells.push(or_none(&self.accepted));
        cells.push(list(&self.confirmed));
        cells.push(list(&noted));
        cells.push(or_none(&self.coordinates));
        cells
    }
}

impl UserBelief {
    fn words(&self) -> String {
        let backend = |backend: Option<u32>| backend.map_or("nowhere".to_owned(), |n| format!("on {n}"));
        let mut words = match self.held {
            Some(held) => format!("held on {held}"),
            None => "not held".to_owned(),
        };
        if self.is_evicting {
            words.push_str(", closing");
        }
        if self.held.is_none() || self.held != self.placed {
            words.push_str(&format!(", belongs {}", backend(self.placed)));
        }
        if self.is_frozen {
            words.push_str(", frozen");
        }
        words
    }
}

fn lease_words(until_ns: u64, now_ns: u64) -> String {
    if until_ns > now_ns {
        format!(
            "to {}, {} ms more",
            clock(until_ns),
            (until_ns - now_ns) / 1_000_000
        )
    } else {
        format!("over since {}", clock(until_ns))
    }
}

/// The heads of the columns.
pub(crate) fn heads(users: &[Concerned]) -> Vec<String> {
    let mut heads: Vec<String> = ["member", "role", "state", "run", "epoch", "lease", "holds"]
        .map(str::to_owned)
        .to_vec();
    heads.extend(users.iter().map(|user| user.name.clone()));
    heads.extend(["promised", "accepted", "confirmed", "leases noted", "coordinates"].map(str::to_owned));
    heads
}

/// The table for a terminal, at most `rows_max` rows; the members of `first` before all others. Columns that say nothing
/// are left out.
pub(crate) fn table(
    beliefs: &[Belief],
    users: &[Concerned],
    first: &[u8],
    now_ns: u64,
    rows_max: usize,
) -> Vec<String> {
    let mut order: Vec<&Belief> = beliefs.iter().collect();
    if order.len() > rows_max {
        order.sort_by_key(|belief| !first.contains(&belief.member));
    }
    let left_out = order.len().saturating_sub(rows_max);
    let mut rows = vec![heads(users)];
    rows.extend(order.iter().take(rows_max).map(|belief| belief.cells(now_ns)));
    let says = |column: &usize| rows[1..].iter().any(|row| row[*column] != "-");
    let columns: Vec<usize> = (0..rows[0].len()).filter(says).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = columns
            .iter()
            .map(|column| format!("{:<width$}", row[*column], width = width(*column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more members"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_leaves_out_what_says_nothing_and_who_matters_least() {
        let belief = |member| Belief {
            member,
            role: "voter",
            run: Some(3),
            standing: "serves",
            epoch: Some(4),
            lease_until_ns: Some(2_500_000_000),
            promised: Some("7.1".to_owned()),
            ..Belief::default()
        };
        let lines = table(&[belief(0), belief(1), belief(2)], &[], &[2], 2_000_000_000, 2);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("member  role"), "{lines:?}");
        assert!(!lines[0].contains("accepted"), "{lines:?}");
        assert!(lines[1].starts_with("2 "), "{lines:?}");
        assert!(lines[1].contains("to 2.500, 500 ms more"), "{lines:?}");
        assert_eq!(lines[3], "and 1 more members");
    }
}
