//! Panics of the machine under test, caught and kept: a panic is a verdict, not the end of a sweep.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// A panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// What it said.
    pub message: String,
    /// File and line.
    pub place: String,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.place)
    }
}

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// What `work` answers, or how it panicked. Panics elsewhere are printed as always.
///
/// # Errors
///
/// The panic.
pub fn catching<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    LAST.set(None);
    let was_catching = IS_CATCHING.replace(true);
    // What `work` leaves half done is dropped with it, and nobody looks at it again.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CATCHING.set(was_catching);
    result.map_err(|_| {
        last_panic().unwrap_or(Panic {
            message: String::new(),
            place: String::new(),
        })
    })
}

/// The last panic of this thread since [`catching`] began, for work that catches its panics itself.
pub fn last_panic() -> Option<Panic> {
    LAST.take()
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CATCHING.get() {
                return usual(info);
            }
            let message = info
                .payload_as_str()
                .unwrap_or("a panic without words")
                .to_owned();
            let place = info
                .location()
                .map_or(String::new(), |at| format!("{}:{}", at.file(), at.line()));
            LAST.set(Some(Panic { message, place }));
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_keeps_its_words_and_its_place() {
        let panic = catching(|| panic!("epoch {} twice", 7)).expect_err("it panics");
        assert_eq!(panic.message, "epoch 7 twice");
        assert!(panic.place.contains("caught.rs:"), "{}", panic.place);
    }

    #[test]
    fn a_panic_that_the_work_catches_itself_is_kept_too() {
        let caught = catching(|| panic::catch_unwind(|| panic!("inside")).is_err());
        assert_eq!(caught, Ok(true));
        assert_eq!(last_panic().expect("it was kept").message, "inside");
        assert_eq!(last_panic(), None);
    }

    #[test]
    fn work_without_a_panic_is_answered() {
        assert_eq!(catching(|| 3), Ok(3));
    }
}
