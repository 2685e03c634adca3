//! Every login is answered exactly once, unless its director dies first.

use maildirector::director::LoginToken;

use super::Broken;
use crate::outcome::Invariant;

/// An answer to a login: by `run`, which was asked by `asked`, if anybody still waits for it.
pub(crate) fn answered_once(token: LoginToken, run: u32, asked: Option<Option<u32>>) -> Result<(), Broken> {
    let words = match asked {
        None => format!("login {:x} was answered again, or never asked", token.0),
        Some(asked) if asked != Some(run) => {
            format!("login {:x} was answered by a run that it never reached", token.0)
        }
        Some(_) => return Ok(()),
    };
    Err(Broken::new(Invariant::AnsweredOnce, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_answer_and_a_strange_one_are_noticed() {
        assert!(answered_once(LoginToken(1), 3, Some(Some(3))).is_ok());
        assert!(answered_once(LoginToken(1), 3, None).is_err());
        assert!(answered_once(LoginToken(1), 3, Some(Some(2))).is_err());
        assert!(answered_once(LoginToken(1), 3, Some(None)).is_err());
    }
}
