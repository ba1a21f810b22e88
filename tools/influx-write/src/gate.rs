//! The gate before the server: a thread waits here until the window lets one more request out.

use crate::window::{Begun, Change, Window};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiting thread looks whether it shall end.
const TICK: Duration = Duration::from_millis(100);

/// Shared by all that send to one server.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug)]
struct State {
    window: Window,
    in_flight: usize,
    most: usize,
}

/// The right to send one request; given back with [`Gate::answered`] or [`Gate::failed`].
#[derive(Debug)]
pub struct Turn {
    begun: Begun,
    at: Instant,
}

impl Gate {
    /// At most `most` requests at a time.
    pub fn new(most: usize) -> Gate {
        let state = State { window: Window::new(most), in_flight: 0, most: 0 };
        Gate { state: Mutex::new(state), left: Condvar::new() }
    }

    /// Waits for a turn. When `ended` says so it gives one at once: a request that is not to be sent ends by itself.
    pub fn enter(&self, ended: impl Fn() -> bool) -> Turn {
        let mut state = self.lock();
        while state.in_flight >= state.window.limit() && !ended() {
            state = self.left.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.in_flight += 1;
        state.most = state.most.max(state.in_flight);
        Turn { begun: state.window.begin(state.in_flight), at: Instant::now() }
    }

    /// The server has answered a request of so many bytes of lines.
    pub fn answered(&self, turn: Turn, bytes: usize) -> Option<Change> {
        let seconds = turn.at.elapsed().as_secs_f64();
        self.leave(|window| window.answered(turn.begun, seconds, bytes))
    }

    /// The server was busy, or could not be reached.
    pub fn failed(&self, turn: Turn, why: &str) -> Option<Change> {
        self.leave(|window| window.failed(turn.begun, why))
    }

    /// The most requests that were in flight at once.
    pub fn most(&self) -> usize {
        self.lock().most
    }

    fn leave(&self, learn: impl FnOnce(&mut Window) -> Option<Change>) -> Option<Change> {
        let mut state = self.lock();
        state.in_flight -= 1;
        let change = learn(&mut state.window);
        // A larger window lets more than one out.
        self.left.notify_all();
        change
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_the_window_are_out_and_none_waits_for_ever() {
        let gate = Arc::new(Gate::new(3));
        let (out, worst) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..6)
            .map(|_| {
                let (gate, out, worst) = (Arc::clone(&gate), Arc::clone(&out), Arc::clone(&worst));
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        let turn = gate.enter(|| false);
                        worst.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(200));
                        out.fetch_sub(1, Ordering::SeqCst);
                        gate.answered(turn, 1000);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!((2..=3).contains(&worst.load(Ordering::SeqCst)));
        assert_eq!(gate.most(), worst.load(Ordering::SeqCst));
    }

    #[test]
    fn an_end_opens_the_gate() {
        let gate = Gate::new(1);
        let first = gate.enter(|| false);
        let second = gate.enter(|| true);
        gate.failed(second, "stopped");
        gate.answered(first, 1);
    }
}
