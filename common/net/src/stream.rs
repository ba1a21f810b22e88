//! A blocking stream of bytes over TCP, with or without TLS: for protocols that are read by our own code, straight from the
//! socket into the caller's buffer. The runtime is used for connecting only.

use crate::failure::chain;
use crate::runtime::{TICK, wait};
use crate::tls::Tls;
use crate::{Failure, Stop, What};
use rustls::{ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Silence on a connection after which it is tried whether it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// An open connection. Dropping it closes it; after a failure it is of no use.
pub struct Stream {
    wire: Wire,
    timeout: Duration,
    stop: Stop,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the two.
    Gone,
}

impl Stream {
    /// Connects to a host (an IPv6 address without brackets). From then on nothing is waited for longer than `timeout`.
    ///
    /// # Errors
    /// [`What::Connect`] and [`What::TimedOut`], [`What::Stopped`] once `stop` is raised.
    pub fn connect(
        host: &str,
        port: u16,
        connect_timeout: Duration,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Stream, Failure> {
        let (start, connecting) = (Instant::now(), tokio::net::TcpStream::connect((host, port)));
        let connected = wait(connecting, connect_timeout, || start, stop, "waiting for the connection")?;
        let tcp = connected.and_then(|tcp| {
            let tcp = tcp.into_std()?;
            tcp.set_nonblocking(false)?;
            // Requests are a few bytes each and are waited for: never delay them.
            tcp.set_nodelay(true)?;
            // Each wait looks at the stop flag so often.
            tcp.set_read_timeout(Some(TICK))?;
            tcp.set_write_timeout(Some(TICK))?;
            // A query may work for an hour without a word, and what lies between forgets connections after minutes.
            SockRef::from(&tcp).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
            Ok(tcp)
        });
        let tcp = tcp.map_err(|error| Failure::connect(&error))?;
        Ok(Stream { wire: Wire::Plain(tcp), timeout, stop: stop.clone() })
    }

    /// Speaks TLS from here on; `host` is the name that the certificate must have.
    ///
    /// # Errors
    /// [`What::Tls`] for a certificate that is not trusted, and where no TLS is spoken.
    pub fn secure(&mut self, host: &str, tls: &Tls) -> Result<(), Failure> {
        let setup = |text: String| Failure::new(What::Setup, text);
        let config = tls.config().map_err(|error| setup(error.to_string()))?;
        let name = host.to_owned().try_into().map_err(|_| setup("the host is no name for TLS".to_owned()))?;
        let connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| Failure::new(What::Tls, format!("TLS: {error}")))?;
        let Wire::Plain(tcp) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(setup("TLS is spoken already".to_owned()));
        };
        self.wire = Wire::Tls(Box::new(StreamOwned::new(connection, tcp)));
        self.patiently("waiting for the handshake of TLS", |wire| match wire {
            Wire::Tls(tls) => tls.conn.complete_io(&mut tls.sock).map(|_| ()),
            _ => Ok(()),
        })
        .map_err(|failure| match failure {
            Waited::Io(error) => Failure::connect(&error),
            Waited::Failed(failure) => failure,
        })
    }

    /// Reads what there is, at least a byte unless the buffer is empty.
    ///
    /// # Errors
    /// [`What::ReplyCut`] where the connection ends or breaks, [`What::TimedOut`] if nothing came for the time limit, and
    /// [`What::Stopped`].
    pub fn read(&mut self, buffer: &mut [u8], doing: &str) -> Result<usize, Failure> {
        let wanted = !buffer.is_empty();
        let got = self.patiently(doing, |wire| match wire {
            Wire::Plain(tcp) => tcp.read(buffer),
            Wire::Tls(tls) => tls.read(buffer),
            Wire::Gone => Ok(0),
        });
        match got {
            Ok(0) if wanted => Err(Failure::new(What::ReplyCut, "the server closed the connection")),
            Ok(count) => Ok(count),
            Err(Waited::Io(error)) => {
                Err(Failure::new(What::ReplyCut, format!("the connection broke: {}", chain(&error))))
            }
            Err(Waited::Failed(failure)) => Err(failure),
        }
    }

    /// Writes all of it.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let sending =
            |error: &io::Error| Failure::new(What::ResetWhileSending, format!("cannot send: {}", chain(error)));
        while !bytes.is_empty() {
            let sent = self.patiently("sending", |wire| match wire {
                Wire::Plain(tcp) => tcp.write(bytes),
                Wire::Tls(tls) => tls.write(bytes),
                Wire::Gone => Ok(0),
            });
            match sent {
                Ok(0) => return Err(sending(&ErrorKind::WriteZero.into())),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Waited::Io(error)) => return Err(sending(&error)),
                Err(Waited::Failed(failure)) => return Err(failure),
            }
        }
        // With TLS the last of it may still be here.
        self.patiently("sending", |wire| match wire {
            Wire::Tls(tls) => tls.flush(),
            _ => Ok(()),
        })
        .map_err(|failure| match failure {
            Waited::Io(error) => sending(&error),
            Waited::Failed(failure) => failure,
        })
    }

    /// Does one thing, again and again while the socket only says that nothing happened for a [`TICK`].
    fn patiently<T>(&mut self, doing: &str, mut act: impl FnMut(&mut Wire) -> io::Result<T>) -> Result<T, Waited> {
        let mut since = None;
        loop {
            if self.stop.is_raised() {
                return Err(Waited::Failed(Failure::new(What::Stopped, "stopped")));
            }
            match act(&mut self.wire) {
                Ok(done) => return Ok(done),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        // The clock is not looked at while bytes come.
                        if since.get_or_insert_with(Instant::now).elapsed() >= self.timeout {
                            let text = format!("timed out after {:?} {doing}", self.timeout);
                            return Err(Waited::Failed(Failure::new(What::TimedOut, text)));
                        }
                    }
                    _ => return Err(Waited::Io(error)),
                },
            }
        }
    }
}

/// Why a wait ended without what was waited for.
enum Waited {
    Io(io::Error),
    Failed(Failure),
}
