//! A process of a simulated host: tasks that die together, and that stand still together while it is stopped.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use maildirector::world::Task;
use tokio::task::AbortHandle;

/// Handles of ended tasks are thrown away when there are so many.
const SWEEP_MIN: usize = 256;

thread_local! {
    static CURRENT: RefCell<Arc<str>> = RefCell::new(Arc::from("-"));
}

/// The process whose task runs now, for traces.
pub fn current() -> Arc<str> {
    CURRENT.with_borrow(Arc::clone)
}

/// A process. Nothing of it runs after `kill`, and nothing between `stop` and `go_on`.
#[derive(Debug)]
pub struct Process {
    name: Arc<str>,
    pid: i32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_dead: bool,
    is_stopped: bool,
    tasks: Vec<AbortHandle>,
    sweep_at: usize,
    /// Tasks that were woken while the process stood still.
    due: Vec<Waker>,
}

impl Process {
    pub fn new(name: &str, pid: i32) -> Arc<Self> {
        Arc::new(Process {
            name: name.into(),
            pid,
            state: Mutex::default(),
        })
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + 'static) -> Task {
        let scheduled = Scheduled {
            process: Arc::clone(self),
            task: Box::pin(task),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "local tasks are dropped in the order of their making, so that runs can be repeated"
        )]
        let handle = tokio::task::spawn_local(scheduled);
        let mut state = self.state.lock().expect("no panic while it is held");
        if state.is_dead {
            handle.abort();
        }
        if state.tasks.len() >= state.sweep_at {
            state.tasks.retain(|task| !task.is_finished());
            state.sweep_at = SWEEP_MIN.max(2 * state.tasks.len());
        }
        state.tasks.push(handle.abort_handle());
        drop(state);
        Task::new(handle)
    }

    /// As SIGKILL: the system closes its sockets.
    pub fn kill(&self) {
        let mut state = self.state.lock().expect("no panic while it is held");
        state.is_dead = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// As SIGSTOP: the system goes on taking what is sent to it.
    pub fn stop(&self) {
        self.state.lock().expect("no panic while it is held").is_stopped = true;
    }

    /// As SIGCONT.
    pub fn go_on(&self) {
        let mut state = self.state.lock().expect("no panic while it is held");
        state.is_stopped = false;
        let due = std::mem::take(&mut state.due);
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    /// Whether it stands still; then the task is woken when it goes on.
    fn holds_back(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock().expect("no panic while it is held");
        if state.is_stopped {
            state.due.push(waker.clone());
        }
        state.is_stopped
    }
}

struct Scheduled<F> {
    process: Arc<Process>,
    task: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Scheduled<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.process.holds_back(context.waker()) {
            return Poll::Pending;
        }
        let before = CURRENT.replace(Arc::clone(&self.process.name));
        let polled = self.task.as_mut().poll(context);
        CURRENT.set(before);
        polled
    }
}
