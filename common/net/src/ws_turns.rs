//! Who moves the bytes of a WebSocket: the caller, while it waits for something, and a thread of the connection's own
//! while the caller stays away.
//!
//! A thread that only reads and hands over costs two wake-ups for each block instead of one, and on a fast line waking
//! is most of the work. But a server that pings must be answered also while the caller is blocked by a full pipe.

use crate::runtime::wait_on;
use crate::{Failure, Stop, What};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// The caller is away when it has not come for so long.
const AWAY: Duration = Duration::from_millis(100);

/// A runtime without threads of its own: what is spawned on it moves only while somebody waits on it.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Failure::new(What::Setup, format!("cannot start the network: {error}")))
}

/// What reads, to its end.
pub(crate) type Reading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the reading gives the one that moves it the chance to look at what has come.
#[derive(Clone, Default)]
pub(crate) struct Pause(Arc<AtomicBool>);

impl Pause {
    /// Goes on when it is moved again.
    pub async fn here(&self) {
        let mut paused = false;
        let pause = poll_fn(|_| match std::mem::replace(&mut paused, true) {
            true => Poll::Ready(()),
            false => {
                self.0.store(true, Ordering::Relaxed);
                Poll::Pending
            }
        });
        pause.await
    }
}

/// The caller's side. Dropping it lets the other side say goodbye and end.
pub(crate) struct Turns {
    shared: Arc<Shared>,
    keeper: Thread,
}

struct Shared {
    runtime: Runtime,
    /// `None` once it has ended.
    reading: Mutex<Option<Reading>>,
    pause: Pause,
    /// The caller is waiting right now.
    waiting: AtomicBool,
    /// How often it has waited.
    waits: AtomicU64,
    /// The keeper is at work, and holds `work`.
    keeping: AtomicBool,
    work: Mutex<()>,
    /// Calls it back.
    enough: Notify,
    closed: AtomicBool,
}

impl Turns {
    /// Starts the keeper; `goodbye` is what it does last.
    pub fn start(runtime: Runtime, reading: Reading, pause: Pause, goodbye: Reading) -> Result<Turns, Failure> {
        let shared = Arc::new(Shared {
            runtime,
            reading: Mutex::new(Some(reading)),
            pause,
            waiting: AtomicBool::new(false),
            waits: AtomicU64::new(0),
            keeping: AtomicBool::new(false),
            work: Mutex::new(()),
            enough: Notify::new(),
            closed: AtomicBool::new(false),
        });
        let keepers = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("net".into())
            .spawn(move || {
                keepers.keep();
                keepers.reading.lock().unwrap_or_else(PoisonError::into_inner).take();
                keepers.runtime.block_on(goodbye);
            })
            .map_err(|error| Failure::new(What::Setup, format!("cannot start the network thread: {error}")))?;
        Ok(Turns { shared, keeper: keeper.thread().clone() })
    }

    /// Moves the reading until `done` says so; it is told whether the reading has ended. The keeper leaves before, if it
    /// is at work.
    pub fn wait<T>(
        &self,
        mut done: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
        timeout: Duration,
        stop: &Stop,
        doing: &str,
    ) -> Result<T, Failure> {
        let (shared, started) = (&*self.shared, Instant::now());
        // One of the two sees what the other has set.
        shared.waiting.store(true, Ordering::SeqCst);
        shared.waits.fetch_add(1, Ordering::Relaxed);
        if shared.keeping.load(Ordering::SeqCst) {
            shared.enough.notify_one();
            drop(shared.work.lock());
        }
        let moving = poll_fn(|cx| shared.advance(cx, &mut done));
        let outcome = wait_on(&shared.runtime, moving, timeout, || started, stop, doing);
        shared.waiting.store(false, Ordering::SeqCst);
        outcome
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.enough.notify_one();
        self.keeper.unpark();
    }
}

impl Shared {
    /// Moves the reading as far as it comes, and asks `done` wherever it pauses.
    fn advance<T>(&self, cx: &mut Context<'_>, mut done: impl FnMut(&mut Context<'_>, bool) -> Poll<T>) -> Poll<T> {
        loop {
            let mut place = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            // Not put back if it ends, or breaks.
            if let Some(mut reading) = place.take()
                && reading.as_mut().poll(cx).is_pending()
            {
                *place = Some(reading);
            }
            let ended = place.is_none();
            drop(place);
            let outcome = done(cx, ended);
            let paused = self.pause.0.swap(false, Ordering::Relaxed);
            if outcome.is_ready() || !paused {
                return outcome;
            }
        }
    }

    /// Stands in for the caller until that is gone.
    fn keep(&self) {
        let mut seen = 0;
        while !self.closed.load(Ordering::SeqCst) {
            let waits = self.waits.load(Ordering::Relaxed);
            if waits == seen && !self.waiting.load(Ordering::SeqCst) {
                let work = self.work.lock();
                self.keeping.store(true, Ordering::SeqCst);
                if !self.waiting.load(Ordering::SeqCst) {
                    let mut enough = std::pin::pin!(self.enough.notified());
                    let moving = poll_fn(|cx| self.advance(cx, |cx, _| enough.as_mut().poll(cx)));
                    self.runtime.block_on(moving);
                }
                self.keeping.store(false, Ordering::SeqCst);
                drop(work);
            }
            seen = waits;
            std::thread::park_timeout(AWAY);
        }
    }
}
