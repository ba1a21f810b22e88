//! The network: blocking HTTP and WebSocket clients over one private runtime, bare streams, TLS, retry, and URLs with secrets.
//!
//! Nothing in here is `async` for a caller, every wait has a time limit, and a failure says what it means for a
//! repeat ([`Failure`]): was anything sent, was the reply cut, did the other side only take too long?

pub mod auth;
pub mod batch;
pub mod breaker;
pub mod endpoint;
mod failure;
pub mod gate;
pub mod http;
mod http_body;
pub mod pack;
pub mod retry;
mod runtime;
mod stream;
pub mod tls;
pub mod window;
pub mod ws;
mod ws_frame;
mod ws_turns;

pub use bytes::Bytes;
pub use endpoint::Endpoint;
pub use failure::{Failure, What};
pub use runtime::wait;
pub use stream::Stream;

use fault::Kind;
use std::sync::Arc;

/// Which end of a migration a connection serves: decides the kind, and with it the exit code, of its failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl Side {
    /// `Kind::Source` (exit 4) or `Kind::Target` (exit 5).
    pub fn kind(self) -> Kind {
        match self {
            Side::Source => Kind::Source,
            Side::Target => Kind::Target,
        }
    }
}

/// Asked several times a second during every wait; `true` abandons it with [`What::Stopped`].
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    /// A stop flag that asks `check`.
    pub fn new(check: impl Fn() -> bool + Send + Sync + 'static) -> Stop {
        Stop(Some(Arc::new(check)))
    }

    /// Has it been raised? A default `Stop` never is.
    pub fn is_raised(&self) -> bool {
        self.0.as_ref().is_some_and(|check| check())
    }
}

/// Told of every reply how long it took to come, from the request to its head (over WebSocket, where requests are sent
/// ahead, from when somebody waited for it); called by several threads.
#[derive(Clone, Default)]
pub struct Timing(Option<Arc<dyn Fn(std::time::Duration) + Send + Sync>>);

impl Timing {
    /// Tells `hear`.
    pub fn new(hear: impl Fn(std::time::Duration) + Send + Sync + 'static) -> Timing {
        Timing(Some(Arc::new(hear)))
    }

    /// A reply has come to what was sent `since`.
    pub fn tell(&self, since: std::time::Instant) {
        if let Some(hear) = &self.0 {
            hear(since.elapsed());
        }
    }
}

impl std::fmt::Debug for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timing({})", self.0.is_some())
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stop({})", self.is_raised())
    }
}
