//! HTTP replies in the shapes of the three APIs.

use super::flavor::Flavor;
use super::json;
use super::throttle::Pass;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode};
use std::io;
use tokio::sync::mpsc;

/// A reply's body on the wire.
pub type Body = BoxBody<Bytes, io::Error>;

/// A reply before it goes out.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
    /// A place that is taken until the last byte is sent.
    pub pass: Option<Pass>,
}

/// All at once, or piece by piece from a thread that makes it.
pub enum Content {
    Whole(Vec<u8>),
    Pieces(mpsc::Receiver<Bytes>),
}

impl Reply {
    /// A reply without body.
    pub fn empty(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Content::Whole(Vec::new()), pass: None }
    }

    /// A reply with a body of this type.
    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let headers = vec![("Content-Type", content_type.to_string())];
        Reply { status, headers, body: Content::Whole(body.into()), pass: None }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// v1: `{"error":"…"}` and the text again in a header, cut after 1024 bytes.
    pub fn v1_error(status: u16, message: &[u8]) -> Reply {
        let mut body = b"{\"error\":".to_vec();
        json::string(&mut body, message);
        body.extend_from_slice(b"}\n");
        let header: Vec<u8> = message.iter().take(1024).map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect();
        let header = String::from_utf8_lossy(&header).into_owned();
        Reply::of(status, "application/json", body).with("X-Influxdb-Error", header)
    }

    /// v2: `{"code":"…","message":"…"}`.
    pub fn v2_error(status: u16, code: &str, message: &[u8]) -> Reply {
        let mut body = format!("{{\"code\":\"{code}\",\"message\":").into_bytes();
        json::string(&mut body, message);
        body.push(b'}');
        Reply::of(status, "application/json; charset=utf-8", body).with("X-Platform-Error-Code", code)
    }

    /// v3: `{"error":"…"}` and, for lines, `"data"`.
    pub fn v3_error(status: u16, message: &str, data: Option<serde_json::Value>) -> Reply {
        let body = match data {
            Some(data) => serde_json::json!({"error": message, "data": data}),
            None => serde_json::json!({"error": message}),
        };
        Reply::of(status, "application/json", body.to_string())
    }

    /// Pretty JSON as the v2 management API prints it.
    pub fn v2_json(status: u16, value: &serde_json::Value) -> Reply {
        let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
        body.push(b'\n');
        Reply::of(status, "application/json; charset=utf-8", body)
    }

    /// What goes out: the servers' common headers, then this reply's.
    pub fn into_response(self, flavor: Flavor) -> Response<Body> {
        let body = match self.body {
            Content::Whole(bytes) => Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed(),
            Content::Pieces(pieces) => {
                let frames = futures_util::stream::unfold((pieces, self.pass), |(mut pieces, pass)| async {
                    pieces.recv().await.map(|piece| (Ok(Frame::data(piece)), (pieces, pass)))
                });
                StreamBody::new(frames).boxed()
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let common = [
            ("X-Influxdb-Build", if flavor == Flavor::V3 { "Core" } else { "OSS" }),
            ("X-Influxdb-Version", flavor.version()),
        ];
        let headers = common.into_iter().map(|(n, v)| (n, v.to_string())).chain(self.headers);
        for (name, value) in headers {
            // a value that HTTP cannot carry (a raw control byte) is left out, as a proxy would
            if let Ok(value) = hyper::header::HeaderValue::from_bytes(value.as_bytes())
                && let Ok(name) = hyper::header::HeaderName::from_bytes(name.as_bytes())
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
