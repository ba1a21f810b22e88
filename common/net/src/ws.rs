//! A blocking WebSocket client.
//!
//! Two tasks on the private runtime own the socket. The reading one always drains it and answers pings, whatever the
//! caller is doing: a server that pings every minute must not drop a tool whose output pipe is full. Back-pressure is
//! the caller's: it asks for the next block only when it can use it. A server that sends much more than it was asked
//! for is cut off, so memory stays bounded.

use crate::failure::chain;
use crate::http::Options;
use crate::runtime::{runtime, wait};
use crate::{Bytes, Failure, What};
use fault::Secret;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::WebSocketConfig;
use url::Url;

/// Frames that may wait for the caller. One request has one reply, so more than one is rare.
const QUEUE: usize = 16;
/// A frame may hold 4,096 rows of 64 KiB (dossier tdengine 2.1), which is beyond the library's limits.
const LARGEST: usize = 512 << 20;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A message, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Text(String),
    Binary(Bytes),
}

/// An open connection. Dropping it says goodbye to the server without waiting for an answer.
pub struct Socket {
    name: String,
    options: Options,
    outgoing: mpsc::Sender<Outgoing>,
    incoming: Receiver<Result<Message, Failure>>,
}

struct Outgoing {
    message: tungstenite::Message,
    done: oneshot::Sender<Result<(), Failure>>,
}

/// Connects to `url` (`ws://host:port/path`; a query may hold a token and is never shown).
pub fn connect(url: &str, headers: &[(&'static str, Secret)], options: &Options) -> Result<Socket, Failure> {
    let setup = |text: String| Failure::new(What::Setup, text);
    let parsed = Url::parse(url).map_err(|error| setup(format!("bad WebSocket URL: {error}")))?;
    let (host, port) = match (parsed.host_str(), parsed.port_or_known_default()) {
        (Some(host), Some(port)) => (host.to_owned(), port),
        _ => return Err(setup("the WebSocket URL names no host".to_owned())),
    };
    let name = format!("{}://{host}:{port}{}", parsed.scheme(), parsed.path());
    let mut request =
        url.into_client_request().map_err(|error| setup(format!("{name}: bad WebSocket URL: {error}")))?;
    for (header, value) in headers {
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| setup(format!("{name}: the value of header {header} holds characters that HTTP forbids")))?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::from_static(header), value);
    }
    let tls = options.tls.config().map_err(|error| setup(error.to_string()))?;
    let mut limits = WebSocketConfig::default();
    limits.max_message_size = Some(LARGEST);
    limits.max_frame_size = Some(LARGEST);
    let address = (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port);
    let opening = async {
        let stream = TcpStream::connect(address).await.map_err(|error| Failure::connect(&error))?;
        // Requests are a few bytes each and are waited for: never delay them.
        let _ = stream.set_nodelay(true);
        let connector = Some(Connector::Rustls(Arc::new(tls)));
        let opened = client_async_tls_with_config(request, stream, Some(limits), connector).await;
        opened.map(|(stream, _)| stream).map_err(|error| refused(&error))
    };
    let started = Instant::now();
    let stream = wait(opening, options.connect_timeout, || started, &options.stop, "connecting")
        .and_then(|opened| opened)
        .map_err(|failure| failure.context(&name))?;
    let (sink, source) = stream.split();
    let (outgoing, commands) = mpsc::channel(1);
    let (frames, incoming) = sync_channel(QUEUE);
    let runtime = runtime()?;
    let reader = runtime.spawn(read(source, frames)).abort_handle();
    runtime.spawn(write(sink, commands, reader));
    Ok(Socket { name, options: options.clone(), outgoing, incoming })
}

fn refused(error: &tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().map(fault::excerpt).unwrap_or_default();
            Failure::new(
                What::Handshake(status),
                format!("the server refused the WebSocket: HTTP {status} {body}").trim().to_owned(),
            )
        }
        tungstenite::Error::Io(_) | tungstenite::Error::Tls(_) => Failure::connect(error),
        _ => Failure::new(What::Connect, format!("no WebSocket there: {}", chain(error))),
    }
}

/// Reads until the end. Never waits for the caller.
async fn read(mut source: SplitStream<Stream>, frames: SyncSender<Result<Message, Failure>>) {
    use tungstenite::Message as Raw;
    loop {
        let item = match source.next().await {
            Some(Ok(Raw::Text(text))) => Ok(Message::Text(text.as_str().to_owned())),
            Some(Ok(Raw::Binary(bytes))) => Ok(Message::Binary(bytes)),
            // The library answers pings by itself, on the next poll.
            Some(Ok(Raw::Ping(_) | Raw::Pong(_) | Raw::Frame(_))) => continue,
            Some(Ok(Raw::Close(reason))) => {
                let reason = reason.map(|r| format!(" ({} {})", u16::from(r.code), r.reason)).unwrap_or_default();
                Err(Failure::new(What::ReplyCut, format!("the server closed the connection{reason}")))
            }
            Some(Err(error)) => Err(Failure::new(What::ReplyCut, format!("the connection broke: {}", chain(&error)))),
            None => Err(Failure::new(What::ReplyCut, "the server closed the connection")),
        };
        let ended = item.is_err();
        match frames.try_send(item) {
            Ok(()) if !ended => {}
            // A full queue: its sender is dropped here, and the caller sees the end after the frames it has.
            Ok(()) | Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => return,
        }
    }
}

async fn write(
    mut sink: SplitSink<Stream, tungstenite::Message>,
    mut commands: mpsc::Receiver<Outgoing>,
    reader: AbortHandle,
) {
    while let Some(Outgoing { message, done }) = commands.recv().await {
        let sent = sink.send(message).await;
        let failed = sent.is_err();
        let sent =
            sent.map_err(|error| Failure::new(What::ResetWhileSending, format!("cannot send: {}", chain(&error))));
        // The caller may have given up waiting.
        let _ = done.send(sent);
        if failed {
            return;
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.close()).await;
    reader.abort();
}

impl Socket {
    /// The server, for messages, without query and secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a text message.
    pub fn send_text(&self, text: String) -> Result<(), Failure> {
        self.send(tungstenite::Message::text(text))
    }

    /// Sends a binary message.
    pub fn send_binary(&self, bytes: impl Into<Bytes>) -> Result<(), Failure> {
        self.send(tungstenite::Message::binary(bytes))
    }

    fn send(&self, message: tungstenite::Message) -> Result<(), Failure> {
        let (done, sent) = oneshot::channel();
        let gone = || Failure::new(What::ResetWhileSending, "the connection is gone");
        let sending = async {
            self.outgoing.send(Outgoing { message, done }).await.map_err(|_| gone())?;
            sent.await.unwrap_or_else(|_| Err(gone()))
        };
        let started = Instant::now();
        wait(sending, self.options.timeout, || started, &self.options.stop, "sending")
            .and_then(|sent| sent)
            .map_err(|failure| failure.context(&self.name))
    }

    /// The next message, waiting at most `timeout`. After a failure other than a time-out the connection is dead.
    pub fn recv(&self, timeout: Duration) -> Result<Message, Failure> {
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let failure = match self.incoming.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(Ok(message)) => return Ok(message),
                Ok(Err(failure)) => failure,
                Err(RecvTimeoutError::Disconnected) => Failure::new(What::ReplyCut, "the connection is gone"),
                Err(RecvTimeoutError::Timeout) if self.options.stop.is_raised() => {
                    Failure::new(What::Stopped, "stopped")
                }
                Err(RecvTimeoutError::Timeout) if end <= Instant::now() => {
                    Failure::new(What::TimedOut, format!("timed out after {timeout:?} waiting for a reply"))
                }
                Err(RecvTimeoutError::Timeout) => continue,
            };
            return Err(failure.context(&self.name));
        }
    }
}
