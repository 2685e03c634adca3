//! What an unknown key was probably meant to be.

/// Settings of Dovecot's director that have no counterpart here, or another name, and what to do about each.
const OF_DOVECOT: [(&str, &str); 10] = [
    ("auth_master_user_separator", "write master_user_separator"),
    ("base_dir", "write dovecot_base_dir"),
    (
        "director_consistent_hashing",
        "hashing is always consistent; leave it out",
    ),
    (
        "director_doveadm_port",
        "write a [[listener]] of kind \"admin\" with an address",
    ),
    (
        "director_max_parallel_kicks",
        "kicks go out in one queue; leave it out",
    ),
    (
        "director_max_parallel_moves",
        "a move needs no limit; leave it out",
    ),
    (
        "director_output_buffer_size",
        "the queues of the ring have a fixed limit; leave it out",
    ),
    (
        "director_ping_idle_timeout",
        "keepalives of the ring follow the lease; leave it out",
    ),
    (
        "director_ping_max_timeout",
        "keepalives of the ring follow the lease; leave it out",
    ),
    ("verbose_proctitle", "leave it out"),
];

/// What to write instead of `unknown`, where `known` are the keys of its table.
pub(super) fn instead_of(unknown: &str, known: &[&str]) -> Option<String> {
    if let Some((_, hint)) = OF_DOVECOT.iter().find(|(name, _)| *name == unknown) {
        return Some((*hint).to_owned());
    }
    let ending = format!("_{unknown}");
    if let Some(longer) = known
        .iter()
        .find(|name| !unknown.is_empty() && name.ends_with(&ending))
    {
        return Some(format!("did you mean {longer}?"));
    }
    let nearest = known
        .iter()
        .map(|name| (distance(unknown, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))?;
    Some(format!("did you mean {}?", nearest.1))
}

/// How many bytes must be put in, taken out or replaced to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    if one.len() > 3 * other.len() + 3 {
        return one.len();
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_offered_when_it_is_near() {
        let known = ["director_servers", "director_mail_servers", "lease", "user"];
        let hint = |unknown| instead_of(unknown, &known);
        assert_eq!(hint("director_server").unwrap(), "did you mean director_servers?");
        assert_eq!(
            hint("mail_servers").unwrap(),
            "did you mean director_mail_servers?"
        );
        assert_eq!(hint("leese").unwrap(), "did you mean lease?");
        assert_eq!(hint("protocols"), None);
        assert_eq!(hint(""), None);
    }

    #[test]
    fn settings_of_dovecot_are_known_by_name() {
        assert_eq!(instead_of("base_dir", &[]).unwrap(), "write dovecot_base_dir");
    }
}
