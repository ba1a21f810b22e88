//! The gate before the server: a thread waits here until the window lets one more request out, and as long as the breaker
//! says that the target is down or asked for time.

use crate::breaker::{Breaker, Go, News};
use crate::retry::Trouble;
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
    breaker: Breaker,
    in_flight: usize,
    most: usize,
}

/// What a reply changed.
#[derive(Debug, Default)]
pub struct Learnt {
    pub change: Option<Change>,
    pub news: Option<News>,
}

/// What has been so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The most requests that were in flight at once.
    pub most: usize,
    pub outages: u64,
    /// Time that the target was down, up to now.
    pub outage: Duration,
    /// It is down now.
    pub down: bool,
    /// Time that the target asked to be left alone.
    pub asked: Duration,
}

/// The right to send one request; given back with [`Gate::answered`] or [`Gate::failed`].
#[derive(Debug)]
pub struct Turn {
    begun: Begun,
    at: Instant,
    probe: bool,
}

impl Gate {
    /// At most `most` requests at a time; an outage may last for `outage`.
    pub fn new(most: usize, outage: Duration) -> Gate {
        let state = State { window: Window::new(most), breaker: Breaker::new(outage), in_flight: 0, most: 0 };
        Gate { state: Mutex::new(state), left: Condvar::new() }
    }

    /// Waits for a turn. When `ended` says so it gives one at once: a request that is not to be sent ends by itself.
    pub fn enter(&self, ended: impl Fn() -> bool) -> Turn {
        let mut state = self.lock();
        let probe = loop {
            let now = Instant::now();
            let wait = match state.breaker.go(now) {
                _ if ended() => break false,
                Go::Probe => break true,
                Go::Free if state.in_flight < state.window.limit() => break false,
                Go::Free => TICK,
                Go::At(time) => time.saturating_duration_since(now).min(TICK),
            };
            state = self.left.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        };
        if probe {
            state.breaker.probing();
        }
        state.in_flight += 1;
        state.most = state.most.max(state.in_flight);
        Turn { begun: state.window.begin(state.in_flight), at: Instant::now(), probe }
    }

    /// The server has answered a request of so many bytes of lines.
    pub fn answered(&self, turn: Turn, bytes: usize) -> Learnt {
        let seconds = turn.at.elapsed().as_secs_f64();
        self.leave(|state| Learnt {
            change: state.window.answered(turn.begun, seconds, bytes),
            news: state.breaker.answered(Instant::now()),
        })
    }

    /// The server was busy, or could not be reached; `after` is how long it asked to wait.
    pub fn failed(&self, turn: Turn, trouble: Trouble, after: Option<Duration>, why: &str) -> Learnt {
        self.leave(|state| Learnt {
            change: state.window.failed(turn.begun, why),
            news: state.breaker.failed(Instant::now(), trouble, after, turn.probe),
        })
    }

    /// The server hung up while we sent: it is there.
    pub fn hung_up(&self, turn: Turn, why: &str) -> Learnt {
        self.leave(|state| Learnt {
            change: state.window.failed(turn.begun, why),
            news: if turn.probe { state.breaker.answered(Instant::now()) } else { None },
        })
    }

    /// Is the target down? An error says that it has been for too long.
    pub fn down(&self) -> std::result::Result<bool, Duration> {
        self.lock().breaker.down(Instant::now())
    }

    /// What has been so far.
    pub fn totals(&self) -> Totals {
        let state = self.lock();
        let (now, breaker) = (Instant::now(), &state.breaker);
        Totals {
            most: state.most,
            outages: breaker.outages(),
            outage: breaker.outage(now),
            down: breaker.is_open(),
            asked: breaker.asked(),
        }
    }

    fn leave(&self, learn: impl FnOnce(&mut State) -> Learnt) -> Learnt {
        let mut state = self.lock();
        state.in_flight -= 1;
        let learnt = learn(&mut state);
        // A larger window lets more than one out, and so does the end of an outage.
        self.left.notify_all();
        learnt
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
        let gate = Arc::new(Gate::new(3, Duration::ZERO));
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
        assert_eq!(gate.totals().most, worst.load(Ordering::SeqCst));
    }

    #[test]
    fn an_outage_lets_one_out_at_a_time_and_its_end_all() {
        let gate = Arc::new(Gate::new(4, Duration::from_secs(60)));
        gate.answered(gate.enter(|| false), 1000);
        for _ in 0..5 {
            gate.failed(gate.enter(|| false), Trouble::Down, None, "refused");
        }
        assert_eq!(gate.down(), Ok(true));
        let (out, worst) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let sent = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (gate, out, worst, sent) =
                    (Arc::clone(&gate), Arc::clone(&out), Arc::clone(&worst), Arc::clone(&sent));
                std::thread::spawn(move || {
                    let turn = gate.enter(|| false);
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    if number < 2 {
                        worst.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(30));
                        out.fetch_sub(1, Ordering::SeqCst);
                        gate.failed(turn, Trouble::Down, None, "refused");
                    } else {
                        gate.answered(turn, 1000);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((worst.load(Ordering::SeqCst), gate.down()), (1, Ok(false)));
        let totals = gate.totals();
        assert!(totals.outages == 1 && totals.outage >= Duration::from_millis(500) && !totals.down, "{totals:?}");
    }

    #[test]
    fn an_end_opens_the_gate() {
        let gate = Gate::new(1, Duration::ZERO);
        let first = gate.enter(|| false);
        let second = gate.enter(|| true);
        gate.failed(second, Trouble::Other, None, "stopped");
        gate.answered(first, 1);
    }
}
