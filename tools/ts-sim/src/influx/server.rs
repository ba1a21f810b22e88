//! The server: its state, its connections, and the faults that it commits on purpose.

use super::accounts::Accounts;
use super::body::{self, Trouble};
use super::flavor::Flavor;
use super::http::{self, Crash};
use super::limits::Limits;
use super::reply::{Body, Content, Reply};
use super::request::{Request, parameters};
use super::store::Store;
use super::throttle::{self, Throttle};
use crate::faults::{Fault, Faults, NO_REPLY_HOLD};
use crate::listen::Listener;
use crate::request_log::agent;
use crate::wire::{Ending, Wire};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Everything that a request can touch.
pub struct Server {
    pub flavor: Flavor,
    /// Largest body; what it counts differs between versions.
    pub max_body: Option<u64>,
    /// Retention of databases that are made without one, ns; 0 = for ever.
    pub retention: i64,
    /// Writes are read and forgotten.
    pub discard: bool,
    /// Limits of what is stored.
    pub limits: Limits,
    /// 1.x: how many `/write` requests are served at once.
    pub writes: Option<Throttle>,
    /// 2.x: how many Flux queries run at once.
    pub queries: Option<Throttle>,
    /// A clock that stands still, ns.
    pub clock: Option<i64>,
    store: RwLock<Store>,
    accounts: RwLock<Accounts>,
    crashed: Notify,
}

impl Server {
    /// A server that holds this.
    pub fn new(flavor: Flavor, store: Store, accounts: Accounts) -> Server {
        Server {
            flavor,
            max_body: flavor.max_body(),
            retention: 0,
            discard: false,
            limits: Limits::default(),
            writes: None,
            queries: None,
            clock: None,
            store: RwLock::new(store),
            accounts: RwLock::new(accounts),
            crashed: Notify::new(),
        }
    }

    /// The server's time, ns.
    pub fn now(&self) -> i64 {
        self.clock.unwrap_or_else(super::time::now)
    }

    /// The data, to read. A lock that a panic poisoned is used all the same.
    pub fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(|e| e.into_inner())
    }

    /// The data, to change.
    pub fn store_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(|e| e.into_inner())
    }

    /// The accounts, to read.
    pub fn accounts(&self) -> RwLockReadGuard<'_, Accounts> {
        self.accounts.read().unwrap_or_else(|e| e.into_inner())
    }

    /// The accounts, to change.
    pub fn accounts_mut(&self) -> RwLockWriteGuard<'_, Accounts> {
        self.accounts.write().unwrap_or_else(|e| e.into_inner())
    }
}

/// Answers requests until the simulated process crashes; the error says on which input.
pub async fn run(server: Arc<Server>, faults: Faults, listener: Listener) -> fault::Result<()> {
    let shared = Arc::new((faults, listener));
    loop {
        let stream = tokio::select! {
            () = server.crashed.notified() => return Err(crash_error()),
            stream = shared.1.accept() => stream,
        };
        let (server, shared) = (server.clone(), shared.clone());
        tokio::spawn(async move {
            let ending = Ending::default();
            let wire = TokioIo::new(Wire::new(stream, ending.clone()));
            let service = hyper::service::service_fn(move |request| {
                let (server, shared, ending) = (server.clone(), shared.clone(), ending.clone());
                async move { answer(&server, &shared.0, &shared.1, &ending, request).await }
            });
            // an error here is a client that went away, or a fault that closed the connection
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).await;
        });
    }
}

fn crash_error() -> fault::Error {
    let text = "the simulated influxd crashed: a field key that ends in a backslash with a string value";
    fault::Error::new(fault::Kind::Source, text)
}

/// Requests that `K` in a fault counts: writes and queries.
fn is_data(path: &str) -> bool {
    path.contains("/write") || path.contains("/query")
}

async fn answer(
    server: &Arc<Server>,
    faults: &Faults,
    listener: &Listener,
    ending: &Ending,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (head, mut incoming) = request.into_parts();
    let (method, path) = (head.method.to_string(), head.uri.path().to_string());
    let fault = if is_data(&path) { faults.verdict(&path) } else { None };
    let is_write = path.contains("/write");
    let entry = Arc::new(listener.log.begin(&method, &path, agent(&head.headers)));
    let log = |bytes: usize, status: u16| entry.end(bytes as u64, status);
    if fault == Some(Fault::ResetUpload) {
        // the first bytes are read, so that the client is really in the middle of its body
        let _ = incoming.frame().await;
        log(0, 0);
        return Err(ending.reset());
    }
    // before anything else of the request is looked at, and until it is answered
    let _pass = match server.writes.as_ref().filter(|_| method == "POST" && path == "/write") {
        None => None,
        Some(door) => match door.enter().await {
            Ok(pass) => Some(pass),
            Err(why) => {
                log(0, 503);
                return Ok(throttle::refuse_write(why, server.flavor, incoming).await);
            }
        },
    };
    let rate = match fault {
        Some(Fault::SlowRead(rate)) => Some(rate),
        _ => None,
    };
    // 2.x has no limit on what comes over the wire, only on what it inflates to
    let limit = server.max_body.filter(|_| is_write && server.flavor != Flavor::V29);
    let received = match body::receive(&mut incoming, limit, rate).await {
        Ok(received) => received,
        Err(Trouble::Gone) => {
            log(0, 0);
            return Err(ending.close());
        }
        Err(Trouble::TooLarge) => {
            log(0, 413);
            return Ok(refuse_upload(http::too_large(server), server.flavor, incoming));
        }
    };
    let size = received.len();
    let early = match &fault {
        Some(Fault::Status { code, retry_after }) => Some(http::failure(server, *code, *retry_after)),
        Some(Fault::QueueFull { retry_after }) => Some(http::queue_full(*retry_after)),
        Some(Fault::NoReply) => {
            log(size, 0);
            tokio::time::sleep(NO_REPLY_HOLD).await;
            return Err(ending.close());
        }
        _ => (server.discard && is_write).then(|| Reply::empty(204)),
    };
    if let Some(reply) = early {
        log(size, reply.status);
        return Ok(reply.into_response(server.flavor));
    }
    let mut request = Request {
        method: method.clone(),
        path: path.clone(),
        params: parameters(head.uri.query().unwrap_or_default()),
        headers: head.headers,
        body: received,
    };
    request.take_form();
    // A request whose client goes away is not over before its work is.
    let (worker, working) = (server.clone(), entry.clone());
    let routed = tokio::task::spawn_blocking(move || {
        let reply = http::route(&worker, request);
        drop(working);
        reply
    })
    .await;
    let reply = match routed {
        Ok(Ok(reply)) => reply,
        Ok(Err(Crash)) => {
            server.crashed.notify_one();
            log(size, 0);
            return Err(ending.reset());
        }
        Err(_) => Reply::v1_error(500, b"internal error of the simulator"),
    };
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::LostReply) => {
            log(size, 0);
            return Err(ending.close());
        }
        Some(Fault::CutBody) => {
            log(size, reply.status);
            return cut(reply, server.flavor, ending).await;
        }
        _ => {}
    }
    log(size, reply.status);
    let reply = match rate {
        Some(rate) if !is_write => throttled(reply, rate),
        _ => reply,
    };
    Ok(reply.into_response(server.flavor))
}

/// Answers while the client still sends, and goes on reading for a moment: a connection that is closed with unread bytes
/// would take the reply with it. A client that sends more than this moment allows sees a broken pipe, then the reply.
pub fn refuse_upload(mut reply: Reply, flavor: Flavor, incoming: Incoming) -> Response<Body> {
    let body = match std::mem::replace(&mut reply.body, Content::Whole(Vec::new())) {
        Content::Whole(bytes) => Bytes::from(bytes),
        Content::Pieces(_) => Bytes::new(),
    };
    let (parts, _) = reply.with("Connection", "close").into_response(flavor).into_parts();
    let frames = futures_util::stream::unfold((Some(body), incoming), |(body, mut incoming)| async move {
        if let Some(body) = body {
            return Some((Ok(hyper::body::Frame::data(body)), (None, incoming)));
        }
        let rest = async { while let Some(Ok(_)) = incoming.frame().await {} };
        let _ = tokio::time::timeout(Duration::from_millis(500), rest).await;
        None
    });
    Response::from_parts(parts, BodyExt::boxed(StreamBody::new(Box::pin(frames))))
}

/// Sends the status and the first half of the body (of its first piece), then breaks the connection.
/// A reply without body is lost as a whole.
async fn cut(mut reply: Reply, flavor: Flavor, ending: &Ending) -> io::Result<Response<Body>> {
    let first = match std::mem::replace(&mut reply.body, Content::Whole(Vec::new())) {
        Content::Whole(bytes) => Some(Bytes::from(bytes)),
        Content::Pieces(mut pieces) => pieces.recv().await,
    };
    let first = first.filter(|b| !b.is_empty()).ok_or_else(|| ending.reset())?;
    let half = first.slice(..first.len() / 2);
    let (parts, _) = reply.into_response(flavor).into_parts();
    let ending = ending.clone();
    let frames = futures_util::stream::unfold((Some(half), ending), |(half, ending)| async move {
        match half {
            Some(half) => Some((Ok(hyper::body::Frame::data(half)), (None, ending))),
            None => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Err(ending.reset()), (None, ending)))
            }
        }
    });
    Ok(Response::from_parts(parts, StreamBody::new(frames).boxed()))
}

/// The same reply at no more than `rate` bytes a second.
fn throttled(reply: Reply, rate: u64) -> Reply {
    let (sender, receiver) = mpsc::channel(1);
    let Reply { status, headers, body, pass } = reply;
    tokio::spawn(async move {
        let mut body = body;
        loop {
            let piece = match &mut body {
                Content::Whole(bytes) if bytes.is_empty() => return,
                Content::Whole(bytes) => Bytes::from(std::mem::take(bytes)),
                Content::Pieces(pieces) => match pieces.recv().await {
                    Some(piece) => piece,
                    None => return,
                },
            };
            let step = usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1);
            for part in piece.chunks(step) {
                tokio::time::sleep(Duration::from_secs_f64(part.len() as f64 / rate as f64)).await;
                if sender.send(Bytes::copy_from_slice(part)).await.is_err() {
                    return;
                }
            }
        }
    });
    Reply { status, headers, body: Content::Pieces(receiver), pass }
}
