//! HTTP: connections, routes, replies.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Server, rest, schemaless, ws};
use crate::wire::{Ending, Wire};

pub type Body = UnsyncBoxBody<Bytes, io::Error>;
pub type Reply = io::Result<Response<Body>>;

/// Serves one connection until either side ends it, or the server "restarts".
pub async fn connection(server: Arc<Server>, stream: TcpStream) {
    let ending = Ending::default();
    let wire = TokioIo::new(Wire::new(stream, ending.clone()));
    let mut restarts = server.restarts.subscribe();
    let service = hyper::service::service_fn(move |request| {
        let (server, ending) = (server.clone(), ending.clone());
        async move { answer(server, ending, request).await }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).with_upgrades();
    // An error here is a client that went away, or a fault that ended the connection.
    tokio::select! {
        biased;
        _ = restarts.changed() => {}
        _ = serving => {}
    }
}

/// What the handlers need of a request beside its body.
pub struct Call {
    pub server: Arc<Server>,
    pub ending: Ending,
    pub method: Method,
    pub path: String,
    /// Query parameters, decoded.
    pub params: Vec<(String, String)>,
    pub authorization: Option<String>,
    pub gzip: bool,
    /// Size of the request's body.
    pub size: AtomicU64,
}

impl Call {
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Notes the request with the status of its reply; 0 when there is none.
    pub fn log(&self, status: u16) {
        self.server.listener.log.record(self.method.as_str(), &self.path, self.size.load(Ordering::Relaxed), status);
    }
}

async fn answer(server: Arc<Server>, ending: Ending, request: Request<Incoming>) -> Reply {
    let header = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_string);
    let call = Call {
        ending,
        method: request.method().clone(),
        path: request.uri().path().to_string(),
        params: params(request.uri().query().unwrap_or_default()),
        authorization: header(header::AUTHORIZATION),
        gzip: header(header::ACCEPT_ENCODING).is_some_and(|v| v.contains("gzip")),
        size: AtomicU64::new(0),
        server,
    };
    let old = call.server.engine.version.is_2x();
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/-/ping") => {
            call.log(200);
            plain(StatusCode::OK, "", Bytes::new())
        }
        // 2.x has only the older of the two.
        (&Method::GET, "/ws") if !old => ws::upgrade(call, request, ws::Dialect::New),
        (&Method::GET, "/rest/ws") => ws::upgrade(call, request, ws::Dialect::Old),
        (&Method::GET, "/rest/tmq") if !old => ws::upgrade(call, request, ws::Dialect::Tmq),
        (&Method::GET, path) if path.starts_with("/rest/login/") => rest::login(&call),
        (&Method::POST, path) if rest::is_sql(path, old) => {
            let gzip = header_is(&request, header::CONTENT_ENCODING, "gzip");
            rest::sql(call, request.into_body(), gzip).await
        }
        (&Method::POST, path) if schemaless::http::is_write(path) => {
            let gzip = header_is(&request, header::CONTENT_ENCODING, "gzip");
            schemaless::http::write(call, request.into_body(), gzip).await
        }
        _ => {
            call.log(404);
            plain(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"404 page not found"))
        }
    }
}

fn header_is(request: &Request<Incoming>, name: header::HeaderName, value: &str) -> bool {
    request.headers().get(name).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}

/// A complete reply.
pub fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let full = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(full);
    *response.status_mut() = status;
    if !content_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Ok(response)
}

/// `application/json` as the adapter names it.
pub const JSON: &str = "application/json; charset=utf-8";

/// `{"code":..,"desc":..}` with a status.
pub fn refuse(status: u16, code: u32, message: &str) -> Reply {
    let mut body = format!("{{\"code\":{code},\"desc\":");
    super::json::text(&mut body, message.as_bytes());
    body.push('}');
    plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), JSON, Bytes::from(body))
}

fn params(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|p| !p.is_empty());
    pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}

/// Percent-decoding; `+` is a blank.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_are_decoded() {
        assert_eq!(
            super::params("tz=Etc%2FGMT%2B8&a=b+c&x&bad=%zz"),
            [
                ("tz".to_string(), "Etc/GMT+8".to_string()),
                ("a".into(), "b c".into()),
                ("x".into(), String::new()),
                ("bad".into(), "%zz".into()),
            ]
        );
    }
}
