//! The one private runtime (WebSockets have one each), and waiting on it from ordinary threads.

use crate::{Failure, Stop, What};
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// How often a wait looks at the stop flag.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Two threads are enough to move bytes for any number of connections; the work is done by the callers' threads.
pub(crate) fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let made =
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(2).thread_name("net").enable_all().build());
    made.as_ref().map_err(|error| Failure::new(What::Setup, format!("cannot start the network threads: {error}")))
}

/// Runs `future` to its end, at most until `timeout` after the last sign of life. `alive` is asked for it at every tick, so
/// that a caller can extend the time while there is progress. For clients whose library is async (MySQL, object stores):
/// the future is polled on the calling thread, what it spawns runs on the network threads.
///
/// # Errors
/// [`What::TimedOut`] (`doing` says with what), [`What::Stopped`] once `stop` is raised; what the future gives is not looked at.
pub fn wait<F: Future>(
    future: F,
    timeout: Duration,
    alive: impl Fn() -> Instant,
    stop: &Stop,
    doing: &str,
) -> Result<F::Output, Failure> {
    wait_on(runtime()?, future, timeout, alive, stop, doing)
}

/// As [`wait`], on this runtime.
pub(crate) fn wait_on<F: Future>(
    runtime: &Runtime,
    future: F,
    timeout: Duration,
    alive: impl Fn() -> Instant,
    stop: &Stop,
    doing: &str,
) -> Result<F::Output, Failure> {
    runtime.block_on(async {
        tokio::pin!(future);
        loop {
            let left = timeout.saturating_sub(alive().elapsed());
            match tokio::time::timeout(left.min(TICK), &mut future).await {
                Ok(output) => return Ok(output),
                Err(_) if stop.is_raised() => return Err(Failure::new(What::Stopped, "stopped".to_owned())),
                Err(_) if alive().elapsed() >= timeout => {
                    return Err(Failure::new(What::TimedOut, format!("timed out after {timeout:?} {doing}")));
                }
                Err(_) => {}
            }
        }
    })
}
