//! What a tool says of how it wants to be served, by a store or by a queue.

use fault::{Error, Result};
use net::retry::Policy;
use net::tls::Tls;
use net::{Side, Stop, Timing};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`crate::Client`], and of a queue ([`crate::queue::open`]).
#[derive(Clone)]
pub struct Options {
    /// Whose failures these are (exit 4 or 5), and whose variables are read (`TS_SOURCE_AWS_…` or `TS_TARGET_AWS_…` before `AWS_…`).
    pub side: Side,
    /// How often a request is repeated, and when.
    pub policy: Policy,
    /// Longest wait for any sign of life.
    pub timeout: Duration,
    /// What to trust.
    pub tls: Tls,
    /// Raised: every wait ends.
    pub stop: Stop,
    /// Hears how long replies take.
    pub timing: Timing,
    /// Size of the pieces in which large objects are read and written, in bytes.
    pub part_bytes: usize,
    /// Pieces of one object that are on their way at once; memory is this many times `part_bytes`, and one more.
    pub parts: usize,
    /// Hears of every repeat: the failure and the wait.
    pub retried: Arc<dyn Fn(&Error, Duration) + Send + Sync>,
    /// Asked before so many bytes are moved; may wait (a limit of the rate), and may refuse.
    pub moving: Arc<dyn Fn(u64) -> Result<()> + Send + Sync>,
}

impl Options {
    /// A minute for everything, eight repeats, four parts of 8 MiB.
    pub fn new(side: Side) -> Options {
        Options {
            side,
            policy: Policy::new(8),
            timeout: Duration::from_secs(60),
            tls: Tls::default(),
            stop: Stop::default(),
            timing: Timing::default(),
            part_bytes: 8 << 20,
            parts: 4,
            retried: Arc::new(|_, _| ()),
            moving: Arc::new(|_| Ok(())),
        }
    }

    /// A request is repeated so often, and waits so long for any sign of life.
    pub fn patient(self, retries: u32, timeout: Duration) -> Options {
        Options { policy: Policy::new(retries), timeout, ..self }
    }

    /// What is trusted: any certificate, or those in this file too.
    pub fn trusting(self, insecure: bool, ca_file: Option<&PathBuf>) -> Options {
        Options { tls: Tls { insecure, ca_file: ca_file.cloned() }, ..self }
    }

    /// The run that it is for: whether it has been stopped, and what hears of the time of every reply and of every repeat.
    pub fn serving(
        self,
        stopped: impl Fn() -> bool + Send + Sync + 'static,
        replied: impl Fn(Duration) + Send + Sync + 'static,
        repeated: impl Fn(&Error, Duration) + Send + Sync + 'static,
    ) -> Options {
        Options { stop: Stop::new(stopped), timing: Timing::new(replied), retried: Arc::new(repeated), ..self }
    }

    /// Large objects go in pieces of so many bytes, so many of them at once.
    pub fn in_parts(self, bytes: u64, at_once: u16) -> Options {
        Options { part_bytes: usize::try_from(bytes).unwrap_or(usize::MAX), parts: usize::from(at_once), ..self }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options({:?}, {:?})", self.side, self.policy)
    }
}
