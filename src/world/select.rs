//! Waiting for whichever comes first, always in the order written.

/// What one of up to five futures gave.
#[doc(hidden)]
#[derive(Debug)]
pub enum Chosen<A, B, C, D, E> {
    /// The one written first.
    First(A),
    /// The second.
    Second(B),
    /// The third.
    Third(C),
    /// The fourth.
    Fourth(D),
    /// The fifth.
    Fifth(E),
}

/// Waits for two to five futures and does what stands behind the one that is ready; when several are, behind the one
/// written first, so that a run can be repeated. The others are dropped before.
///
/// `select! { pattern = future => expression, ... }`: patterns always match; a block needs no comma behind it.
#[macro_export]
#[doc(hidden)]
macro_rules! __maildirector_select {
    (@five
        [$p1:pat, $f1:expr, $b1:expr] [$p2:pat, $f2:expr, $b2:expr] [$p3:pat, $f3:expr, $b3:expr]
        [$p4:pat, $f4:expr, $b4:expr] [$p5:pat, $f5:expr, $b5:expr] $($surplus:tt)*
    ) => {{
        let chosen = {
            let mut first = ::std::pin::pin!($f1);
            let mut second = ::std::pin::pin!($f2);
            let mut third = ::std::pin::pin!($f3);
            let mut fourth = ::std::pin::pin!($f4);
            let mut fifth = ::std::pin::pin!($f5);
            ::std::future::poll_fn(|context| {
                use ::std::{future::Future, task::Poll};
                if let Poll::Ready(done) = first.as_mut().poll(context) {
                    return Poll::Ready($crate::world::Chosen::First(done));
                }
                if let Poll::Ready(done) = second.as_mut().poll(context) {
                    return Poll::Ready($crate::world::Chosen::Second(done));
                }
                if let Poll::Ready(done) = third.as_mut().poll(context) {
                    return Poll::Ready($crate::world::Chosen::Third(done));
                }
                if let Poll::Ready(done) = fourth.as_mut().poll(context) {
                    return Poll::Ready($crate::world::Chosen::Fourth(done));
                }
                fifth.as_mut().poll(context).map($crate::world::Chosen::Fifth)
            })
            .await
        };
        match chosen {
            $crate::world::Chosen::First($p1) => $b1,
            $crate::world::Chosen::Second($p2) => $b2,
            $crate::world::Chosen::Third($p3) => $b3,
            $crate::world::Chosen::Fourth($p4) => $b4,
            $crate::world::Chosen::Fifth($p5) => $b5,
        }
    }};
    // Branches that are not used never come.
    (@read [$($read:tt)*]) => {
        $crate::world::select!(@five $($read)*
            [never, ::std::future::pending::<::std::convert::Infallible>(), match never {}]
            [never, ::std::future::pending::<::std::convert::Infallible>(), match never {}]
            [never, ::std::future::pending::<::std::convert::Infallible>(), match never {}]
        )
    };
    (@read [$($read:tt)*] $p:pat = $f:expr => $b:block, $($rest:tt)*) => {
        $crate::world::select!(@read [$($read)* [$p, $f, $b]] $($rest)*)
    };
    (@read [$($read:tt)*] $p:pat = $f:expr => $b:block $($rest:tt)*) => {
        $crate::world::select!(@read [$($read)* [$p, $f, $b]] $($rest)*)
    };
    (@read [$($read:tt)*] $p:pat = $f:expr => $b:expr, $($rest:tt)*) => {
        $crate::world::select!(@read [$($read)* [$p, $f, $b]] $($rest)*)
    };
    (@read [$($read:tt)*] $p:pat = $f:expr => $b:expr) => {
        $crate::world::select!(@read [$($read)* [$p, $f, $b]])
    };
    ($($branches:tt)*) => {
        $crate::world::select!(@read [] $($branches)*)
    };
}

pub use __maildirector_select as select;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime can be made").block_on(test)
    }

    #[test]
    fn the_branch_written_first_wins_when_several_are_ready() {
        for _ in 0..100 {
            let chosen = run(async {
                crate::world::select! {
                    () = pending() => 0,
                    number = ready(1) => { number }
                    number = ready(2) => number,
                    () = pending() => { 3 },
                    () = ready(()) => 4
                }
            });
            assert_eq!(chosen, 1);
        }
    }

    #[test]
    fn branches_leave_loops_and_may_use_what_a_future_borrowed() {
        let total = run(async {
            let (mut total, mut turns) = (0, 0);
            loop {
                turns += 1;
                crate::world::select! {
                    added = async { total + 1 } => {
                        total = added;
                        if turns == 3 {
                            break total;
                        }
                    }
                    () = pending() => return 0,
                }
            }
        });
        assert_eq!(total, 3);
    }
}
