//! What became of a change, as the line that `doveadm` waits for.

use crate::director::CommandError;
use crate::topology::{ChangeError, Epoch};

/// The line, with its end. Dovecot's own words where it has some; else what happened, or may still happen.
pub fn reply(result: &Result<Epoch, CommandError>) -> String {
    let error = match result {
        Ok(_) => return "OK\n".to_owned(),
        Err(error) => error,
    };
    let text = match error {
        CommandError::Refused(ChangeError::UnknownBackend { .. } | ChangeError::UnknownMember { .. }) => {
            "NOTFOUND".to_owned()
        }
        CommandError::Refused(ChangeError::VhostsOutOfRange { .. }) => "vhost count too large".to_owned(),
        // Another admin was faster.
        CommandError::Refused(ChangeError::BackendExists { .. }) => {
            "host is already being updated - try again later".to_owned()
        }
        CommandError::Refused(ChangeError::MemberExists { .. }) => {
            "another director was added at the same time - try again".to_owned()
        }
        error => error.to_string(),
    };
    line(&text)
}

/// Text as one line: whatever would end it, or a field of it, becomes a space.
pub(super) fn line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.push('\n');
    line
}
