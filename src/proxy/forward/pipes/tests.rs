//! Which pipes there are, and how many.

use super::*;

impl Pipes {
    /// How many there are, and how many of these nobody has.
    pub(in crate::proxy::forward) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.open, state.idle.len())
    }

    /// Adds one that was made elsewhere.
    pub(in crate::proxy::forward) fn add(&self, ends: Ends) {
        let mut state = self.state();
        state.open += 1;
        state.idle.push(ends);
    }
}

#[test]
fn there_are_no_more_pipes_than_the_limit_and_a_closed_one_makes_room() {
    static TWO: Pipes = Pipes::new(2);
    assert_eq!(TWO.counts(), (0, 0), "none is opened before it is needed");
    let first = TWO.take().expect("the first");
    let second = TWO.take().expect("the second");
    assert!(TWO.take().is_none());
    assert_eq!(TWO.counts(), (2, 0));
    drop(first);
    assert_eq!(TWO.counts(), (1, 0));
    let third = TWO.take().expect("there is room again");
    second.give_back();
    third.give_back();
    assert_eq!(TWO.counts(), (2, 2));
}

#[test]
fn a_pipe_that_was_given_back_is_taken_again() {
    static ONE: Pipes = Pipes::new(1);
    let pipe = ONE.take().expect("the first");
    let number = fd_number(&pipe);
    pipe.give_back();
    assert_eq!(ONE.counts(), (1, 1));
    let again = ONE.take().expect("the same");
    assert_eq!(fd_number(&again), number);
    assert_eq!(ONE.counts(), (1, 0));
}

#[test]
fn a_pipe_holds_at_least_what_the_buffer_does() {
    static ONE: Pipes = Pipes::new(1);
    let pipe = ONE.take().expect("the first");
    let bytes = fcntl(pipe.writing(), FcntlArg::F_GETPIPE_SZ).expect("it is a pipe");
    assert!(bytes >= PIPE_BYTES_MIN, "{bytes}");
}

#[test]
fn after_a_refusal_the_kernel_is_left_alone_for_a_while() {
    static PIPES: Pipes = Pipes::new(2);
    PIPES.state().to_skip = 2;
    assert!(PIPES.take().is_none());
    assert!(PIPES.take().is_none());
    assert!(PIPES.take().is_some());
}

fn fd_number(pipe: &Pipe) -> i32 {
    use std::os::fd::AsRawFd;
    pipe.reading().as_raw_fd()
}
