//! Only so many at a time, and so many waiting: the write throttle of 1.x and the query queue of 2.x.

use super::flavor::Flavor;
use super::reply::{Body, Reply};
use super::server::refuse_upload;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A door for a number of requests at once.
pub struct Throttle {
    current: Arc<Semaphore>,
    /// Places inside and in the queue together; `None`: any number may wait.
    places: Option<Arc<Semaphore>>,
    /// How long to wait in the queue; zero: for ever.
    patience: Duration,
}

/// A place inside, until it is dropped.
pub struct Pass {
    _current: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a request does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    QueueFull,
    TooLong,
}

impl Throttle {
    /// `current` at once; `queue` more may wait, any number when it is `None`.
    pub fn new(current: u32, queue: Option<u32>, patience: Duration) -> Throttle {
        let semaphore = |n: u32| Arc::new(Semaphore::new(n as usize));
        let places = queue.map(|queue| semaphore(current.saturating_add(queue)));
        Throttle { current: semaphore(current), places, patience }
    }

    /// Waits for a place.
    pub async fn enter(&self) -> Result<Pass, Closed> {
        let place = match &self.places {
            Some(places) => Some(places.clone().try_acquire_owned().map_err(|_| Closed::QueueFull)?),
            None => None,
        };
        let inside = self.current.clone().acquire_owned();
        let inside = match self.patience.is_zero() {
            true => inside.await,
            false => tokio::time::timeout(self.patience, inside).await.map_err(|_| Closed::TooLong)?,
        };
        Ok(Pass { _current: inside.map_err(|_| Closed::QueueFull)?, _place: place })
    }
}

/// 1.x's answer to a write that does not come in (dossier measured 2.11). What is left of its body is read, if it is
/// not much, as Go does it.
pub async fn refuse_write(why: Closed, flavor: Flavor, mut incoming: Incoming) -> Response<Body> {
    let why = match why {
        Closed::QueueFull => "queue full",
        Closed::TooLong => "exceeds timeout",
    };
    let reply = Reply::of(503, "text/plain; charset=utf-8", format!("request throttled, {why}\n"))
        .with("X-Content-Type-Options", "nosniff");
    const DISCARDED: usize = 256 << 10;
    let mut seen = 0;
    while seen <= DISCARDED {
        match incoming.frame().await {
            Some(Ok(frame)) => seen += frame.data_ref().map_or(0, |data| data.len()),
            _ => return reply.into_response(flavor),
        }
    }
    refuse_upload(reply, flavor, incoming)
}
