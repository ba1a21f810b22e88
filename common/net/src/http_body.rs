//! The two bodies of an exchange: one that is sent with a note of its progress, one that is read as it comes.

use crate::failure::chain;
use crate::runtime::wait;
use crate::{Bytes, Failure, Side, Stop, What};
use flate2::read::MultiGzDecoder;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Bytes handed to the connection at once: small enough that progress is seen on a slow link.
const CHUNK: usize = 64 << 10;

/// How far the sending of a body is.
pub(crate) struct Progress {
    started: Instant,
    last: AtomicU64,
    left: AtomicUsize,
}

impl Progress {
    pub(crate) fn new(length: usize) -> Arc<Progress> {
        Arc::new(Progress { started: Instant::now(), last: AtomicU64::new(0), left: AtomicUsize::new(length) })
    }

    /// When the connection last took some of the body.
    pub(crate) fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Has the connection taken all of it?
    pub(crate) fn sent_all(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// A body that is sent. Its length is known, so the request carries `Content-Length`.
pub(crate) struct Sending {
    pub(crate) bytes: Bytes,
    pub(crate) progress: Arc<Progress>,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.bytes.len().min(CHUNK);
        let chunk = self.bytes.split_to(size);
        self.progress.left.store(self.bytes.len(), Ordering::Relaxed);
        let elapsed = u64::try_from(self.progress.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.last.store(elapsed, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// What a body needs to be read: limits and where its failures belong.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) timeout: Duration,
    pub(crate) stop: Stop,
    pub(crate) side: Side,
    pub(crate) base: String,
}

/// The body of a reply, read as it comes; gzip is undone where the server used it. Errors carry a `fault::Error` of
/// the side's kind. Dropping it unread gives up the connection.
pub struct ReplyBody {
    inner: Inner,
}

enum Inner {
    Plain(Box<Raw>),
    Gzip(Box<MultiGzDecoder<Raw>>),
}

impl ReplyBody {
    pub(crate) fn new(response: reqwest::Response, reading: Reading, gzip: bool) -> ReplyBody {
        let raw = Raw { response, reading, chunk: Bytes::new(), ended: false };
        let inner = if gzip { Inner::Gzip(Box::new(MultiGzDecoder::new(raw))) } else { Inner::Plain(Box::new(raw)) };
        ReplyBody { inner }
    }

    /// At most `cap` bytes of the body; the rest is left unread. Second value: was there more?
    pub fn capped(&mut self, cap: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut bytes = Vec::new();
        let limit = cap as u64 + 1;
        match self.by_ref().take(limit).read_to_end(&mut bytes) {
            Ok(_) => {
                let more = bytes.len() > cap;
                bytes.truncate(cap);
                Ok((bytes, more))
            }
            Err(error) => Err(Failure::of_io(error)),
        }
    }
}

impl Read for ReplyBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(raw) => raw.read(buffer),
            Inner::Gzip(decoder) => {
                let side = decoder.get_ref().reading.side;
                let base = decoder.get_ref().reading.base.clone();
                decoder.read(buffer).map_err(|error| match error.get_ref() {
                    Some(own) if own.is::<fault::Error>() => error,
                    _ => {
                        let failure = Failure::new(What::ReplyCut, format!("the compressed reply is damaged: {error}"));
                        failure.context(base).error(side).into()
                    }
                })
            }
        }
    }
}

struct Raw {
    response: reqwest::Response,
    reading: Reading,
    chunk: Bytes,
    ended: bool,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            if self.ended {
                return Ok(0);
            }
            let started = Instant::now();
            let timeout = self.reading.timeout;
            let doing = "waiting for more of the reply";
            let next = wait(self.response.chunk(), timeout, || started, &self.reading.stop, doing);
            let failure = match next {
                Ok(Ok(Some(chunk))) => {
                    self.chunk = chunk;
                    continue;
                }
                Ok(Ok(None)) => {
                    self.ended = true;
                    continue;
                }
                Ok(Err(error)) => Failure::new(What::ReplyCut, format!("the reply was cut: {}", chain(&error))),
                Err(failure) => failure,
            };
            self.ended = true;
            return Err(failure.context(&self.reading.base).error(self.reading.side).into());
        }
        let size = self.chunk.len().min(buffer.len());
        buffer[..size].copy_from_slice(&self.chunk.split_to(size));
        Ok(size)
    }
}

impl Failure {
    /// A read error of a body, back as a failure.
    fn of_io(error: io::Error) -> Failure {
        let stopped = error.get_ref().and_then(|own| own.downcast_ref::<fault::Error>());
        let what = match stopped.map(fault::Error::kind) {
            Some(fault::Kind::Interrupted) => What::Stopped,
            _ => What::ReplyCut,
        };
        Failure::new(what, error.to_string())
    }
}
