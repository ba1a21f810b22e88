//! The HTTP sides of frontend and backend: connections, faults, and what a request is made of.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::load::fault::LoadFault;
use super::load::{be, fe};
use super::server::Server;
use crate::faults::{Fault, NO_REPLY_HOLD};
use crate::listen::Listener;
use crate::request_log::agent;
use crate::wire::{Ending, Wire};

type Body = BoxBody<Bytes, io::Error>;

/// Which side of the cluster a socket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Fe,
    /// Which one, from 0.
    Be(usize),
}

impl Node {
    /// `fe`, `be1`, `be2`, … in logs and in the prefixes of faults.
    fn name(self) -> String {
        match self {
            Node::Fe => "fe".to_owned(),
            Node::Be(number) => format!("be{}", number + 1),
        }
    }
}

/// A request without its body.
pub struct Call {
    pub node: Node,
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    path: String,
    decoded: Vec<String>,
    params: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub is_http_1_0: bool,
    /// What goes wrong with it.
    fault: Option<Fault>,
}

impl Call {
    fn new(node: Node, head: &hyper::http::request::Parts) -> Call {
        let path = head.uri.path().to_owned();
        Call {
            node,
            method: head.method.to_string(),
            target: head.uri.path_and_query().map_or_else(|| path.clone(), ToString::to_string),
            decoded: path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect(),
            params: parameters(head.uri.query().unwrap_or_default()),
            headers: head.headers.clone(),
            is_http_1_0: head.version == Version::HTTP_10,
            path,
            fault: None,
        }
    }

    /// The parts of the path, decoded.
    pub fn parts(&self) -> Vec<&str> {
        self.decoded.iter().map(String::as_str).collect()
    }

    /// The value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// `Expect: 100-continue`.
    pub fn expects_continue(&self) -> bool {
        self.headers.get("expect").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    }

    /// User and password of `Authorization: Basic`.
    pub fn account(&self) -> Option<(String, String)> {
        let text = self.headers.get("authorization")?.to_str().ok()?;
        let (scheme, code) = text.split_once(' ')?;
        let plain = base64::engine::general_purpose::STANDARD.decode(code.trim()).ok()?;
        let plain = String::from_utf8(plain).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        plain.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The number of the backend that was called; of the frontend 0.
    pub fn backend(&self) -> usize {
        match self.node {
            Node::Fe => 0,
            Node::Be(number) => number,
        }
    }

    /// What goes wrong with a load.
    pub fn load_fault(&self) -> Option<&LoadFault> {
        match &self.fault {
            Some(Fault::Load(fault)) => Some(fault),
            _ => None,
        }
    }
}

fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|pair| hex::decode(pair).ok());
        match pair {
            Some(value) => {
                out.extend(value);
                at += 3;
            }
            None => {
                out.push(if plus && *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (decode(n, true), decode(v, true)))
        .collect()
}

/// A request's body, read when it is wanted: only then does the client get its `100 Continue`.
pub struct Upload {
    incoming: Incoming,
    /// Bytes a second.
    rate: Option<u64>,
    pub received: u64,
    ended: bool,
}

impl Upload {
    /// At least `most` bytes, or all that is left (then the second is true); `None`: the client is gone.
    pub async fn next(&mut self, most: usize) -> Option<(Vec<u8>, bool)> {
        let mut piece = Vec::new();
        while piece.len() < most {
            let Some(frame) = self.incoming.frame().await else {
                self.ended = true;
                // A connection that hyper gives up ends its body like a whole one: only the length tells.
                let cut = self.incoming.size_hint().exact().is_some_and(|left| left > 0);
                return (!cut).then_some((piece, true));
            };
            let Ok(frame) = frame else {
                self.ended = true;
                return None;
            };
            let Some(data) = frame.data_ref() else { continue };
            piece.extend_from_slice(data);
            self.received += data.len() as u64;
            if let Some(rate) = self.rate {
                tokio::time::sleep(Duration::from_secs_f64(data.len() as f64 / rate as f64)).await;
            }
        }
        Some((piece, false))
    }

    /// Reads the rest and forgets it.
    pub async fn drain(&mut self) {
        while !self.ended && self.next(1 << 20).await.is_some() {}
    }
}

/// What a request comes to.
pub enum Outcome {
    Reply(Reply),
    /// The connection ends without a reply.
    Close,
}

impl Outcome {
    /// 200 with JSON.
    pub fn json(text: String) -> Outcome {
        Outcome::Reply(Reply::json(200, text))
    }

    /// 200 with plain text.
    pub fn text(text: String) -> Outcome {
        Outcome::Reply(Reply::text(200, text))
    }

    /// The connection ends after it.
    pub fn closing(self) -> Outcome {
        match self {
            Outcome::Reply(reply) => Outcome::Reply(reply.with("Connection", "close")),
            Outcome::Close => Outcome::Close,
        }
    }
}

/// A reply before it goes out.
pub struct Reply {
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// With a body of JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.into() }
    }

    /// With a body of text.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: vec![("Content-Type", "text/plain".to_owned())], body: body.into() }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    fn into_response(self, body: impl FnOnce(Bytes) -> Body) -> Response<Body> {
        let mut response = Response::new(body(Bytes::from(self.body)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            // A value that HTTP cannot carry is left out.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The frontend's HTTP port.
pub async fn run_fe(server: Arc<Server>, listener: Listener) {
    loop {
        let stream = listener.accept().await;
        tokio::spawn(connection(server.clone(), Node::Fe, stream));
    }
}

/// The HTTP port of a backend.
pub async fn run_be(server: Arc<Server>, number: usize, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Replies are small and complete: waiting for more to send would only add 40 ms.
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(server.clone(), Node::Be(number), stream));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(server: Arc<Server>, node: Node, stream: TcpStream) {
    let ending = Ending::default();
    let wire = TokioIo::new(Wire::new(stream, ending.clone()));
    let service = hyper::service::service_fn(move |request| {
        let (server, ending) = (server.clone(), ending.clone());
        // In a task of its own: hyper drops a request half done when the connection breaks at the wrong moment, and then
        // nobody would roll its load back.
        let work = tokio::spawn(async move { answer(&server, node, &ending, request).await });
        async move { work.await.unwrap_or_else(|failed| Err(io::Error::other(failed))) }
    });
    // An error here is a client that went away, or a fault that closed the connection.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).await;
}

/// Whether the request is one that faults count: bodies, and operations of transactions.
fn is_data(call: &Call) -> bool {
    call.path.ends_with("/_stream_load") || call.path.starts_with("/api/transaction/")
}

/// What goes wrong. A rule counts the requests of the node that does the work; with the prefix `/fe` those of the
/// frontend whatever they ask, with `/be` those of the backends, with `/be2` those of the second one.
fn verdict(server: &Server, call: &Call) -> Option<Fault> {
    let works = match call.node {
        Node::Be(_) => is_data(call),
        Node::Fe => fe::works_itself(server, call),
    };
    let own = match call.node {
        Node::Fe => "/fe",
        Node::Be(_) => "/be",
    };
    let (kind, one) = (format!("{own}{}", call.path), format!("/{}{}", call.node.name(), call.path));
    let full = |prefix: &str| kind.starts_with(prefix) || one.starts_with(prefix);
    server.faults.verdict_where(|fault, prefix| match fault {
        Fault::Load(LoadFault::BeUnreachable) => {
            call.node == Node::Fe && is_data(call) && (call.path.starts_with(prefix) || full(prefix))
        }
        fault if !fault.is_of_http() && !matches!(fault, Fault::Load(_)) => false,
        _ if prefix.starts_with("/fe") || prefix.starts_with("/be") => full(prefix),
        _ => works && call.path.starts_with(prefix),
    })
}

async fn answer(
    server: &Arc<Server>,
    node: Node,
    ending: &Ending,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (head, incoming) = request.into_parts();
    let mut call = Call::new(node, &head);
    call.fault = verdict(server, &call);
    let entry = server.log.begin(&call.method, &call.path, agent(&call.headers)).of(node.name());
    let mut upload = Upload { incoming, rate: None, received: 0, ended: false };
    match &call.fault {
        Some(Fault::ResetUpload) => {
            // The first bytes are read, so that the client is really in the middle of its body.
            let _ = upload.incoming.frame().await;
            entry.end(0, 0);
            return Err(ending.reset());
        }
        Some(Fault::Status { code, retry_after }) => {
            if node != Node::Fe {
                upload.drain().await;
            }
            entry.end(upload.received, *code);
            let reply = Reply::text(*code, format!("failure on purpose: status {code}"));
            return Ok(finish(retry_later(reply, *retry_after), &call, upload));
        }
        Some(Fault::QueueFull { retry_after }) => {
            upload.drain().await;
            entry.end(upload.received, 503);
            let reply = Reply::text(503, "request throttled, queue full");
            return Ok(finish(retry_later(reply, Some(*retry_after)), &call, upload));
        }
        Some(Fault::NoReply) => {
            upload.drain().await;
            entry.end(upload.received, 0);
            tokio::time::sleep(NO_REPLY_HOLD).await;
            return Err(ending.close());
        }
        Some(Fault::SlowRead(rate)) => upload.rate = Some(*rate),
        _ => {}
    }
    let outcome = match node {
        Node::Fe => fe::answer(server, &call).await,
        Node::Be(_) => be::answer(server, &call, &mut upload).await,
    };
    let reply = match outcome {
        Outcome::Reply(reply) => reply,
        Outcome::Close => {
            entry.end(upload.received, 0);
            return Err(ending.close());
        }
    };
    match call.fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::LostReply) => {
            entry.end(upload.received, 0);
            return Err(ending.close());
        }
        Some(Fault::CutBody) => {
            entry.end(upload.received, reply.status);
            return Ok(cut(reply, ending));
        }
        _ => {}
    }
    entry.end(upload.received, reply.status);
    Ok(finish(reply, &call, upload))
}

fn retry_later(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        Some(seconds) => reply.with("Retry-After", seconds.to_string()),
        None => reply,
    }
}

/// The reply as it goes out. A body that nobody has read ends the connection; a client that sends it all the same is
/// listened to for a moment, as a connection that is closed with unread bytes would take the reply with it.
fn finish(reply: Reply, call: &Call, upload: Upload) -> Response<Body> {
    if upload.ended || upload.incoming.is_end_stream() {
        return reply.into_response(|body| Full::new(body).map_err(|never| match never {}).boxed());
    }
    let listen = !call.expects_continue();
    reply.with("Connection", "close").into_response(|body| {
        let frames = futures_util::stream::unfold((Some(body), upload), move |(body, mut upload)| async move {
            if let Some(body) = body.filter(|body| !body.is_empty()) {
                return Some((Ok(Frame::data(body)), (None, upload)));
            }
            if listen {
                let _ = tokio::time::timeout(Duration::from_millis(500), upload.drain()).await;
            }
            None
        });
        StreamBody::new(Box::pin(frames)).boxed()
    })
}

/// The first half of a reply, then a reset.
fn cut(reply: Reply, ending: &Ending) -> Response<Body> {
    let ending = ending.clone();
    let length = reply.body.len().to_string();
    reply.with("Content-Length", length).into_response(|body| {
        let half = body.slice(..body.len() / 2);
        let frames = futures_util::stream::unfold((Some(half), ending), |(half, ending)| async move {
            match half {
                Some(half) => Some((Ok(Frame::data(half)), (None, ending))),
                None => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Some((Err(ending.reset()), (None, ending)))
                }
            }
        });
        StreamBody::new(frames).boxed()
    })
}
