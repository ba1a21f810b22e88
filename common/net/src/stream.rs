//! A blocking stream of bytes over TCP, with or without TLS: for protocols that are read by our own code, straight from the
//! socket into the caller's buffer. The runtime is used for connecting only.

use crate::endpoint::bare;
use crate::failure::chain;
use crate::runtime::{TICK, wait};
use crate::tls::Tls;
use crate::{Failure, Stop, What};
use rustls::ClientConnection;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Silence on a connection after which it is tried whether it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// An open connection. Dropping it closes it; after a failure it is of no use.
pub struct Stream {
    tcp: TcpStream,
    /// Between the caller and the socket, once TLS is spoken.
    tls: Option<Box<ClientConnection>>,
    timeout: Duration,
    stop: Stop,
}

impl Stream {
    /// Connects to a host (an IPv6 address in brackets or without). From then on nothing is waited for longer than `timeout`.
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
        let (start, connecting) = (Instant::now(), tokio::net::TcpStream::connect((bare(host), port)));
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
        Ok(Stream { tcp, tls: None, timeout, stop: stop.clone() })
    }

    /// Speaks TLS from here on; `host` is the name that the certificate must have.
    ///
    /// # Errors
    /// [`What::Tls`] for a certificate that is not trusted, and where no TLS is spoken.
    pub fn secure(&mut self, host: &str, tls: &Tls) -> Result<(), Failure> {
        let setup = |text: String| Failure::new(What::Setup, text);
        let config = tls.config().map_err(|error| setup(error.to_string()))?;
        let name = bare(host).to_owned().try_into().map_err(|_| setup("the host is no name for TLS".to_owned()))?;
        if self.tls.is_some() {
            return Err(setup("TLS is spoken already".to_owned()));
        }
        let connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| Failure::new(What::Tls, format!("TLS: {error}")))?;
        self.tls = Some(Box::new(connection));
        self.patiently(
            "waiting for the handshake of TLS",
            |error| Failure::connect(error),
            |tcp, tls| match tls {
                Some(tls) => tls.complete_io(tcp).map(|_| ()),
                None => Ok(()),
            },
        )
    }

    /// Reads what there is, at least a byte unless the buffer is empty.
    ///
    /// # Errors
    /// [`What::ReplyCut`] where the connection ends or breaks, [`What::TimedOut`] if nothing came for the time limit, and
    /// [`What::Stopped`].
    pub fn read(&mut self, buffer: &mut [u8], doing: &str) -> Result<usize, Failure> {
        let wanted = !buffer.is_empty();
        let broken =
            |error: &io::Error| Failure::new(What::ReplyCut, format!("the connection broke: {}", chain(error)));
        let got = self.patiently(doing, broken, |tcp, tls| match tls {
            None => tcp.read(buffer),
            Some(tls) => rustls::Stream::new(tls, tcp).read(buffer),
        })?;
        match got {
            0 if wanted => Err(Failure::new(What::ReplyCut, "the server closed the connection")),
            count => Ok(count),
        }
    }

    /// Writes all of it.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let broken =
            |error: &io::Error| Failure::new(What::ResetWhileSending, format!("cannot send: {}", chain(error)));
        while !bytes.is_empty() {
            let sent = self.patiently("sending", broken, |tcp, tls| match tls {
                None => tcp.write(bytes),
                Some(tls) => rustls::Stream::new(tls, tcp).write(bytes),
            })?;
            if sent == 0 {
                return Err(broken(&ErrorKind::WriteZero.into()));
            }
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        // With TLS the last of it may still be here.
        self.patiently("sending", broken, |tcp, tls| match tls {
            None => Ok(()),
            Some(tls) => rustls::Stream::new(tls, tcp).flush(),
        })
    }

    /// Does one thing, again and again while the socket only says that nothing happened for a [`TICK`]; `broken` is what any
    /// other error of it means.
    fn patiently<T>(
        &mut self,
        doing: &str,
        broken: impl Fn(&io::Error) -> Failure,
        mut act: impl FnMut(&mut TcpStream, Option<&mut ClientConnection>) -> io::Result<T>,
    ) -> Result<T, Failure> {
        let mut since = None;
        loop {
            if self.stop.is_raised() {
                return Err(Failure::new(What::Stopped, "stopped"));
            }
            match act(&mut self.tcp, self.tls.as_deref_mut()) {
                Ok(done) => return Ok(done),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        // The clock is not looked at while bytes come.
                        if since.get_or_insert_with(Instant::now).elapsed() >= self.timeout {
                            let text = format!("timed out after {:?} {doing}", self.timeout);
                            return Err(Failure::new(What::TimedOut, text));
                        }
                    }
                    _ => return Err(broken(&error)),
                },
            }
        }
    }
}
