//! Waiting for whichever comes first, always in the order written.

/// `tokio::select!` that is always biased: the branch written first wins when several are ready, so that a run can be
/// repeated. Its grammar is tokio's.
#[macro_export]
#[doc(hidden)]
macro_rules! __maildirector_select {
    ($($branches:tt)*) => {{
        #[allow(
            clippy::disallowed_macros,
            clippy::let_unit_value,
            clippy::let_and_return,
            unreachable_code,
            reason = "this is the wrapper that makes it biased"
        )]
        let chosen = ::tokio::select! { biased; $($branches)* };
        chosen
    }};
}

pub use crate::__maildirector_select as select;
