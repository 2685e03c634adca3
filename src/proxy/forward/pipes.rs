//! Pipes of the kernel, for bytes on their way from one socket to another. All sessions share them, and there are only so many.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

/// So many pipes at once; each takes two file descriptors. 64 of 1 MiB are what Linux lets a user without privileges have
/// (fs.pipe-user-pages-soft), and all that slow readers can keep in them together is 64 MiB.
const PIPES_MAX: usize = 64;
/// What a pipe is to hold, in bytes: the first of these that the kernel gives, or else what it has anyway.
const PIPE_BYTES: [i32; 2] = [1 << 20, 256 << 10];
/// A pipe that holds less is worse than the buffer: a user without privileges who has too many gets those.
const PIPE_BYTES_MIN: i32 = 64 << 10;
/// When the kernel has no pipe to give, so many are not even asked for.
const SKIPPED: u32 = 1_000;

/// The pipes of this process.
pub(super) static PIPES: Pipes = Pipes::new(PIPES_MAX);

/// A limited number of pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Pipes there are, taken or not.
    open: usize,
    /// Those that nobody has. They are empty.
    idle: Vec<Ends>,
    to_skip: u32,
}

/// The end that is read, and the one that is written.
type Ends = (OwnedFd, OwnedFd);

/// A pipe. It is closed when it is dropped; one that is empty can be [given back](Pipe::give_back) instead.
#[derive(Debug)]
pub(super) struct Pipe {
    /// There until it is given back.
    ends: Option<Ends>,
    pipes: &'static Pipes,
}

impl Pipes {
    /// At most so many pipes. None is opened before it is needed.
    pub const fn new(max: usize) -> Self {
        let state = State {
            open: 0,
            idle: Vec::new(),
            to_skip: 0,
        };
        Pipes {
            max,
            state: Mutex::new(state),
        }
    }

    /// An empty pipe. None when all are taken, or the kernel has none to give.
    pub fn take(&'static self) -> Option<Pipe> {
        let mut state = self.state();
        let ends = match state.idle.pop() {
            Some(ends) => ends,
            None if state.open >= self.max => return None,
            None if state.to_skip > 0 => {
                state.to_skip -= 1;
                return None;
            }
            None => match open() {
                Ok(ends) => {
                    state.open += 1;
                    ends
                }
                // No file descriptor or no memory for one: the session goes on without, and accepting says so, if it has to.
                Err(_) => {
                    state.to_skip = SKIPPED;
                    return None;
                }
            },
        };
        Some(Pipe {
            ends: Some(ends),
            pipes: self,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open() -> io::Result<Ends> {
    let (reading, writing) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // The kernel may refuse: fs.pipe-max-size, fs.pipe-user-pages-soft. What counts is what it has then.
    let _ = PIPE_BYTES
        .iter()
        .any(|bytes| fcntl(&writing, FcntlArg::F_SETPIPE_SZ(*bytes)).is_ok());
    if fcntl(&writing, FcntlArg::F_GETPIPE_SZ)? < PIPE_BYTES_MIN {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    Ok((reading, writing))
}

impl Pipe {
    /// The end that is read.
    pub fn reading(&self) -> BorrowedFd<'_> {
        self.ends().0.as_fd()
    }

    /// The end that is written.
    pub fn writing(&self) -> BorrowedFd<'_> {
        self.ends().1.as_fd()
    }

    fn ends(&self) -> &Ends {
        let ends = self.ends.as_ref();
        ends.expect("both ends are there until it is given back, and then it is gone")
    }

    /// Keeps it for whoever takes one next. Only for a pipe that is empty: what is left in it would get into another session.
    pub fn give_back(mut self) {
        let ends = self.ends.take();
        self.pipes.state().idle.extend(ends);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(ends) = self.ends.take() {
            // Closed before it is no longer counted: there are never more than the limit.
            drop(ends);
            self.pipes.state().open -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
