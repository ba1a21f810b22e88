//! A connection that a fault can break hard: with RST instead of an orderly end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a connection is to end; shared by the connection and what answers its requests.
#[derive(Clone, Default)]
pub struct Ending {
    hard: Arc<AtomicBool>,
}

impl Ending {
    /// The error that makes hyper drop the connection without a (further) reply; the client sees an orderly end.
    pub fn close(&self) -> io::Error {
        io::Error::other("closed on purpose")
    }

    /// The same, and the client sees a reset.
    pub fn reset(&self) -> io::Error {
        self.hard.store(true, Ordering::Relaxed);
        io::Error::other("reset on purpose")
    }
}

/// A TCP stream that ends as its [`Ending`] says.
pub struct Wire {
    stream: TcpStream,
    ending: Ending,
}

impl Wire {
    /// A stream that `ending` can break.
    pub fn new(stream: TcpStream, ending: Ending) -> Wire {
        Wire { stream, ending }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ending.hard.load(Ordering::Relaxed) {
            // Where the system refuses it the client sees an orderly end, which is the milder fault.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An end of stream sent first would make the reset invisible.
        if self.ending.hard.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
