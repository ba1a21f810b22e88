//! A proxy in front of a real server that commits the same faults as the simulators.
//!
//! Bodies are streamed in both directions, so a server that refuses an upload half-way is seen to do so. A fault decides
//! whether the server ever hears of the request: after `lost-reply` and `cut-body` it has done the work, after `status`,
//! `queue-full`, `reset-upload` and `no-reply` it knows nothing of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fault::{Error, Result};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::args::ProxyArgs;
use crate::faults::{Fault, Faults, NO_REPLY_HOLD};
use crate::listen::Listener;
use crate::request_log::agent;
use crate::wire::{Ending, Wire};

type Body = BoxBody<Bytes, io::Error>;

struct Proxy {
    /// `HOST:PORT` of the real server.
    upstream: String,
    client: Client<HttpConnector, Body>,
    faults: Faults,
    listener: Listener,
}

/// Serves until the process is killed.
pub async fn serve(args: ProxyArgs, faults: Faults, listener: Listener) -> Result<()> {
    let upstream = authority(&args.upstream)?;
    if let Some((spec, _)) = args.common.fault.iter().zip(faults.iter()).find(|(_, fault)| !fault.is_of_http()) {
        return Err(Error::usage(format!(
            "--fault {spec}: a proxy cannot do this to a real server; only a simulator can"
        )));
    }
    listener.announce()?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = Arc::new(Proxy { upstream, client, faults, listener });
    loop {
        let stream = proxy.listener.accept().await;
        let proxy = proxy.clone();
        tokio::spawn(async move {
            let ending = Ending::default();
            let wire = TokioIo::new(Wire::new(stream, ending.clone()));
            let service = hyper::service::service_fn(move |request| {
                let (proxy, ending) = (proxy.clone(), ending.clone());
                async move { proxy.answer(&ending, request).await }
            });
            // An error here is a client that went away, or a fault that ended the connection.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).await;
        });
    }
}

/// `http://HOST:PORT` without path, user or query.
fn authority(url: &str) -> Result<String> {
    let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).unwrap_or_default();
    if host.is_empty() || host.contains(['/', '@', '?', '#']) || format!("http://{host}/").parse::<Uri>().is_err() {
        return Err(Error::usage("--upstream must be http://HOST:PORT, without path, user and query"));
    }
    Ok(host.to_owned())
}

/// Requests that `K` in a fault without a path counts: writes and queries of the systems that we know. One with a path counts
/// every request below it: any server can be behind a proxy.
fn is_data(path: &str) -> bool {
    ["/write", "/query", "/rest/sql"].iter().any(|part| path.contains(part))
}

impl Proxy {
    async fn answer(&self, ending: &Ending, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let path = request.uri().path().to_owned();
        let method = request.method().to_string();
        let data = is_data(&path);
        let fault = self.faults.verdict_where(|_, prefix| path.starts_with(prefix) && (data || !prefix.is_empty()));
        let size = Arc::new(AtomicU64::new(0));
        let entry = self.listener.log.begin(&method, &path, agent(request.headers()));
        let log = |status: u16| entry.end(size.load(Ordering::Relaxed), status);
        let (head, mut body) = request.into_parts();
        match &fault {
            Some(Fault::ResetUpload) => {
                // The first bytes are read, so that the client is really in the middle of its body.
                if let Some(Ok(frame)) = body.frame().await {
                    size.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
                }
                log(0);
                return Err(ending.reset());
            }
            Some(Fault::Status { code, retry_after }) => {
                drain(body, &size).await;
                log(*code);
                return refusal(*code, *retry_after, &format!("failure on purpose: status {code}"));
            }
            Some(Fault::QueueFull { retry_after }) => {
                drain(body, &size).await;
                log(503);
                return refusal(503, Some(*retry_after), "request throttled, queue full");
            }
            Some(Fault::NoReply) => {
                drain(body, &size).await;
                log(0);
                tokio::time::sleep(NO_REPLY_HOLD).await;
                return Err(ending.close());
            }
            _ => {}
        }
        let rate = match fault {
            Some(Fault::SlowRead(rate)) => Some(rate),
            _ => None,
        };
        let forwarded = self.forward(head, counted(body, size.clone(), rate)).await;
        let reply = match forwarded {
            Ok(reply) => reply,
            Err(error) if error.is_connect() => {
                log(502);
                return refusal(502, None, &format!("no server at {}", self.upstream));
            }
            // The server hung up: so do we, the client must see the same.
            Err(_) => {
                log(0);
                return Err(ending.close());
            }
        };
        let status = reply.status().as_u16();
        match fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::LostReply) => {
                // The whole reply has come: whatever was asked for is done.
                let _ = reply.into_body().collect().await;
                log(0);
                return Err(ending.close());
            }
            Some(Fault::CutBody) => {
                log(status);
                return cut(reply, ending).await;
            }
            _ => {}
        }
        log(status);
        let (mut head, body) = reply.into_parts();
        strip(&mut head.headers);
        Ok(Response::from_parts(head, paced(body, rate)))
    }

    async fn forward(
        &self,
        mut head: hyper::http::request::Parts,
        body: Body,
    ) -> std::result::Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        // Both parts were valid before they were joined: a failure leaves the path as it came, and the request fails.
        if let Ok(uri) = format!("http://{}{path}", self.upstream).parse() {
            head.uri = uri;
        }
        strip(&mut head.headers);
        if let Ok(host) = HeaderValue::from_str(&self.upstream) {
            head.headers.insert(header::HOST, host);
        }
        self.client.request(Request::from_parts(head, body)).await
    }
}

/// Removes the headers that speak of one connection, not of the message.
fn strip(headers: &mut HeaderMap) {
    for name in
        ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"]
    {
        headers.remove(name);
    }
}

async fn drain(mut body: Incoming, size: &AtomicU64) {
    while let Some(Ok(frame)) = body.frame().await {
        size.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
    }
}

/// A request's body on its way to the server; `size` follows it, `rate` (bytes a second) holds it back.
fn counted(body: Incoming, size: Arc<AtomicU64>, rate: Option<u64>) -> Body {
    let body = body.map_frame(move |frame| {
        size.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        frame
    });
    throttle(body.map_err(io::Error::other).boxed(), rate)
}

/// A reply's body on its way to the client.
fn paced(body: Incoming, rate: Option<u64>) -> Body {
    throttle(body.map_err(io::Error::other).boxed(), rate)
}

/// At most `rate` bytes a second, in steps of a tenth of a second.
fn throttle(body: Body, rate: Option<u64>) -> Body {
    let Some(rate) = rate else { return body };
    let step = usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1);
    let frames = futures_util::stream::unfold((body, Bytes::new()), move |(mut body, mut rest)| async move {
        while rest.is_empty() {
            match body.frame().await? {
                Ok(frame) => rest = frame.into_data().unwrap_or_default(),
                Err(error) => return Some((Err(error), (body, Bytes::new()))),
            }
        }
        let part = rest.split_to(step.min(rest.len()));
        tokio::time::sleep(Duration::from_secs_f64(part.len() as f64 / rate as f64)).await;
        Some((Ok(Frame::data(part)), (body, rest)))
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// An answer of the proxy's own, in words that every client shows.
fn refusal(code: u16, retry_after: Option<u64>, text: &str) -> io::Result<Response<Body>> {
    let body = serde_json::json!({"error": text, "message": text}).to_string();
    let body = if code == 204 { Bytes::new() } else { Bytes::from(body) };
    let mut reply = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    *reply.status_mut() = StatusCode::from_u16(code).map_err(io::Error::other)?;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(reply)
}

/// Passes the head and half of the body's first piece on, then breaks the connection. A reply without body is lost whole.
async fn cut(reply: Response<Incoming>, ending: &Ending) -> io::Result<Response<Body>> {
    let (mut head, mut body) = reply.into_parts();
    let first = match body.is_end_stream() {
        true => None,
        false => body.frame().await.and_then(|frame| frame.ok()?.into_data().ok()),
    };
    let Some(first) = first.filter(|first| !first.is_empty()) else { return Err(ending.reset()) };
    // The server is let finish: the work is done, only the client does not hear of it.
    tokio::spawn(body.collect());
    strip(&mut head.headers);
    let half = first.slice(..first.len() / 2);
    let ending = ending.clone();
    let frames = futures_util::stream::unfold(Some(half), move |half| {
        let ending = ending.clone();
        async move {
            if let Some(half) = half {
                return Some((Ok(Frame::data(half)), None));
            }
            // Long enough for the half to be on its way before the reset overtakes it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Err(ending.reset()), None))
        }
    });
    Ok(Response::from_parts(head, BodyExt::boxed(StreamBody::new(frames))))
}
