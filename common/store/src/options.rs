//! What a tool says of how it wants to be served.

use fault::{Error, Result};
use net::retry::Policy;
use net::tls::Tls;
use net::{Side, Stop, Timing};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`crate::Client`].
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
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options({:?}, {:?})", self.side, self.policy)
    }
}
