//! Times and lists as people read them.

/// Entries of a list that are named; of the others only the count.
const NAMED_MAX: usize = 4;

/// True time in seconds, to the millisecond.
pub(crate) fn clock(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

/// A list of which only the first are named.
pub(crate) fn listed(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(NAMED_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_names_the_first_and_counts_the_others() {
        let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3 and 2 more");
        assert_eq!(listed(&names[..2]), "0, 1");
    }
}
