//! A blocking WebSocket client.
//!
//! The caller reads while it waits for a message; while it is busy for longer, a thread of the connection's own does
//! ([`crate::ws_turns`]), so that the socket is drained and pings are answered: a server that pings every minute must
//! not drop a tool whose output pipe is full. Back-pressure is the caller's: it asks for the next block only when it
//! can use it. A server that sends much more than it was asked for is cut off, so memory stays bounded.

use crate::endpoint::bare;
use crate::failure::chain;
use crate::http::Options;
use crate::runtime::wait_on;
use crate::ws_frame::{Handshaking, Item, Reader, masked};
use crate::ws_turns::{self, Pause, Turns};
use crate::{Bytes, Failure, Timing, What};
use fault::Secret;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{MaybeTlsStream, client_async};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use url::Url;

/// Frames that may wait for the caller. One request has one reply, so more than one is rare.
const QUEUE: usize = 16;
/// A frame may hold 4,096 rows of 64 KiB (dossier tdengine 2.1), which is beyond the library's limits.
const LARGEST: usize = 512 << 20;

type Wire = MaybeTlsStream<TcpStream>;
/// Where requests and pongs are written, whole frames at a time.
type Sink = Arc<Mutex<WriteHalf<Wire>>>;
/// Since when a reply is waited for: the request, or the caller's coming back to it.
type Asked = Arc<std::sync::Mutex<Option<Instant>>>;

/// What came and was not taken yet; an error is the last.
type Incoming = Arc<std::sync::Mutex<VecDeque<Result<Message, Failure>>>>;

/// Looks at each binary message before the caller gets it, and may give one to be sent at once: the server then works on
/// the next request while the caller works on this message.
pub type Follow = Box<dyn FnMut(&Bytes) -> Option<Bytes> + Send>;

/// The one in use, if any.
type Following = Arc<std::sync::Mutex<Option<Follow>>>;

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
    sink: Sink,
    following: Following,
    incoming: Incoming,
    asked: Asked,
    turns: Turns,
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
    let encrypted = parsed.scheme() == "wss";
    let address = (bare(&host).to_owned(), port);
    let opening = async {
        let stream =
            TcpStream::connect((address.0.as_str(), address.1)).await.map_err(|error| Failure::connect(&error))?;
        // Requests are a few bytes each and are waited for: never delay them.
        let _ = stream.set_nodelay(true);
        let wire = if encrypted {
            let name = address.0.try_into().map_err(|_| Failure::new(What::Setup, "the host is no name for TLS"))?;
            let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
            Wire::Rustls(stream.map_err(|error| Failure::connect(&error))?)
        } else {
            Wire::Plain(stream)
        };
        let opened = client_async(request, Handshaking::new(wire)).await;
        opened.map(|(stream, _)| stream.into_inner().finish()).map_err(|error| refused(&error))
    };
    let (started, runtime) = (Instant::now(), ws_turns::runtime()?);
    let opened = wait_on(&runtime, opening, options.connect_timeout, || started, &options.stop, "connecting");
    let (stream, head) = match opened.and_then(|opened| opened) {
        Ok(opened) => opened,
        Err(failure) => {
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            return Err(failure.context(&name));
        }
    };
    let (source, sink) = split(stream);
    let sink = Arc::new(Mutex::new(sink));
    let (asked, following, incoming) = (Asked::default(), Following::default(), Incoming::default());
    let hear = Hear { asked: asked.clone(), timing: options.timing.clone(), following: Arc::clone(&following) };
    let pause = Pause::default();
    let reading = read(Reader::new(source, head, LARGEST), incoming.clone(), sink.clone(), hear, pause.clone());
    let turns = Turns::start(runtime, Box::pin(reading), pause, Box::pin(goodbye(sink.clone())))?;
    Ok(Socket { name, options: options.clone(), sink, following, incoming, asked, turns })
}

/// The last that the server hears.
async fn goodbye(sink: Sink) {
    let goodbye = async {
        let mut sink = sink.lock().await;
        sink.write_all(&masked(Frame::close(None))).await?;
        sink.shutdown().await
    };
    // Whatever comes of it, nobody is interested any more.
    let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
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

/// What the reading task does with a message besides handing it on.
struct Hear {
    asked: Asked,
    timing: Timing,
    following: Following,
}

impl Hear {
    /// A reply has come.
    fn replied(&self) {
        if let Some(since) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.timing.tell(since);
        }
    }

    /// The request that follows this reply, as sent now.
    fn next(&self, reply: &Bytes) -> Option<Bytes> {
        let next = self.following.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?(reply);
        if next.is_some() {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
        next
    }
}

/// Reads until the end. Never waits for the caller.
async fn read(mut source: Reader<ReadHalf<Wire>>, incoming: Incoming, sink: Sink, hear: Hear, pause: Pause) {
    loop {
        let item = match source.next().await {
            Ok(Some(Item::Binary(bytes))) => {
                hear.replied();
                // A few bytes, to a server that has taken in every request before: there is room for them.
                let sent = match hear.next(&bytes) {
                    Some(next) => sink.lock().await.write_all(&masked(binary(next))).await,
                    None => Ok(()),
                };
                sent.map(|()| Message::Binary(bytes)).map_err(|error| cannot_send(&error))
            }
            Ok(Some(Item::Text(bytes))) => {
                hear.replied();
                match String::from_utf8(bytes.into()) {
                    Ok(text) => Ok(Message::Text(text)),
                    Err(_) => Err(Failure::new(What::ReplyCut, "the connection broke: text that is not UTF-8")),
                }
            }
            Ok(Some(Item::Ping(bytes))) => {
                // Not waited for: reading must go on even if nothing can be written.
                let sink = sink.clone();
                tokio::spawn(async move { sink.lock().await.write_all(&masked(Frame::pong(bytes))).await });
                continue;
            }
            Ok(Some(Item::Pong)) => continue,
            Ok(Some(Item::Close(bytes))) => {
                let reason = match bytes.split_first_chunk::<2>() {
                    Some((code, text)) => format!(" ({} {})", u16::from_be_bytes(*code), fault::excerpt(text)),
                    None => String::new(),
                };
                Err(Failure::new(What::ReplyCut, format!("the server closed the connection{reason}")))
            }
            Err(error) => Err(Failure::new(What::ReplyCut, format!("the connection broke: {}", chain(&error)))),
            Ok(None) => Err(Failure::new(What::ReplyCut, "the server closed the connection")),
        };
        let ended = item.is_err();
        // A full queue: the caller sees the end after the frames it has.
        if !put(&incoming, item) || ended {
            return;
        }
        // Taken before the socket is looked at again.
        pause.here().await;
    }
}

/// False: there is no room.
fn put(incoming: &Incoming, item: Result<Message, Failure>) -> bool {
    let mut incoming = incoming.lock().unwrap_or_else(PoisonError::into_inner);
    let room = incoming.len() < QUEUE;
    if room {
        incoming.push_back(item);
    }
    room
}

fn binary(bytes: impl Into<Bytes>) -> Frame {
    Frame::message(bytes, OpCode::Data(Data::Binary), true)
}

fn cannot_send(error: &std::io::Error) -> Failure {
    Failure::new(What::ResetWhileSending, format!("cannot send: {}", chain(error)))
}

impl Socket {
    /// The server, for messages, without query and secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a text message.
    pub fn send_text(&self, text: String) -> Result<(), Failure> {
        self.send(Frame::message(text, OpCode::Data(Data::Text), true))
    }

    /// Sends a binary message.
    pub fn send_binary(&self, bytes: impl Into<Bytes>) -> Result<(), Failure> {
        self.send(binary(bytes))
    }

    /// From now on, `follow` (or nothing) answers binary messages before they are given out.
    pub fn follow(&self, follow: Option<Follow>) {
        *self.following.lock().unwrap_or_else(PoisonError::into_inner) = follow;
    }

    /// Writes from this thread: a request is small, and another thread would only have to be woken.
    fn send(&self, frame: Frame) -> Result<(), Failure> {
        let frame = masked(frame);
        let sending = async {
            let mut sink = self.sink.lock().await;
            sink.write_all(&frame).await?;
            sink.flush().await
        };
        let started = Instant::now();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(started);
        let mut sending = pin!(sending);
        self.turns
            .wait(|cx, _| sending.as_mut().poll(cx), self.options.timeout, &self.options.stop, "sending")
            .and_then(|sent| sent.map_err(|error: std::io::Error| cannot_send(&error)))
            .map_err(|failure| failure.context(&self.name))
    }

    /// The next message, waiting at most `timeout`. After a failure other than a time-out the connection is dead.
    pub fn recv(&self, timeout: Duration) -> Result<Message, Failure> {
        let waited = match self.taken() {
            Some(item) => Ok(item),
            None => {
                // While the caller was busy nobody looked: only what is waited for is the server's time.
                if let Some(since) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    *since = Instant::now();
                }
                let taken = |ended| match self.taken() {
                    None if ended => Poll::Ready(Err(Failure::new(What::ReplyCut, "the connection is gone"))),
                    None => Poll::Pending,
                    Some(item) => Poll::Ready(item),
                };
                self.turns.wait(|_, ended| taken(ended), timeout, &self.options.stop, "waiting for a reply")
            }
        };
        waited.and_then(|item| item).map_err(|failure| failure.context(&self.name))
    }

    fn taken(&self) -> Option<Result<Message, Failure>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
