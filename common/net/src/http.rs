//! A blocking HTTP client for one server.
//!
//! Clones and threads share the connections; several requests may be in flight at once. Redirects are never followed:
//! a `Location` is the caller's to judge (it may lead to another host, which must not get our credentials). Proxies in
//! the environment are not used: these are connections to databases.

use crate::http_body::{Progress, Reading, Sending};
use crate::runtime::{runtime, wait};
use crate::tls::Tls;
use crate::{Bytes, Failure, Side, Stop, Timing};
use fault::{Error, Result, Secret};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use std::borrow::Cow;
use std::time::{Duration, Instant};
use url::Url;

pub use crate::http_body::ReplyBody;
pub use reqwest::Method;

/// Settings of a client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for any sign of life: progress in sending, the reply's head, each piece of its body.
    pub timeout: Duration,
    /// What to trust.
    pub tls: Tls,
    /// Whose failures these are.
    pub side: Side,
    /// Raised: every wait ends with `What::Stopped`.
    pub stop: Stop,
    /// Ask for compressed replies and undo the compression.
    pub gzip_replies: bool,
    /// Hears how long replies take.
    pub timing: Timing,
}

impl Options {
    /// A minute for everything, certificates checked.
    pub fn new(side: Side) -> Options {
        Options {
            connect_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            tls: Tls::default(),
            side,
            stop: Stop::default(),
            gzip_replies: false,
            timing: Timing::default(),
        }
    }
}

/// A client for one server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    client: reqwest::Client,
    base: Url,
    name: String,
    options: Options,
}

/// A request. The path is absolute; query values are encoded.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(Cow<'static, str>, Secret)>,
    body: Bytes,
}

/// A reply: status, headers, and the body still to be read.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    headers: HeaderMap,
    /// The body as it comes.
    pub body: ReplyBody,
}

impl Request {
    /// A request without a body.
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// A request with a body (empty until [`Request::body`]).
    pub fn post(path: impl Into<String>) -> Request {
        Request::new(Method::POST, path)
    }

    /// Any method.
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        Request { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a query parameter.
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Request {
        self.query.push((key.into(), value.into()));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), Secret::public(value)));
        self
    }

    /// Adds a header whose value is a secret (see [`crate::auth`]).
    pub fn secret_header(mut self, name: impl Into<Cow<'static, str>>, value: Secret) -> Request {
        self.headers.push((name.into(), value));
        self
    }

    /// Sets the body. Sent with its length, never chunked, so a server can refuse it before reading it.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = body.into();
        self
    }
}

impl Client {
    /// A client for `base` (`http://host:port`, as [`crate::Endpoint::http_base`] gives it). Does not connect yet.
    pub fn new(base: &str, options: Options) -> Result<Client> {
        let url = Url::parse(base).map_err(|error| Error::usage(format!("bad URL {base}: {error}")))?;
        let client = transport(&options)?;
        let name = base.trim_end_matches('/').to_owned();
        Ok(Client { client, base: url, name, options })
    }

    /// The server, for messages: `http://host:port`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Sends a request and waits for the reply's head. Any HTTP status is a reply, not a failure.
    pub fn send(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let setup = |text: String| Failure::new(crate::What::Setup, text).context(&self.name);
        let mut url =
            self.base.join(&request.path).map_err(|error| setup(format!("bad path {}: {error}", request.path)))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_ref()).map_err(|_| setup(format!("bad header name {name}")))?;
            // The value may be a secret: it is not shown, not even when it is invalid.
            let mut value = HeaderValue::from_bytes(value.expose().as_bytes())
                .map_err(|_| setup(format!("the value of header {name} holds characters that HTTP forbids")))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if self.options.gzip_replies {
            headers.insert(reqwest::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let progress = Progress::new(request.body.len());
        let mut builder = self.client.request(request.method, url).headers(headers);
        if !request.body.is_empty() {
            builder = builder.body(reqwest::Body::wrap(Sending { bytes: request.body, progress: progress.clone() }));
        }
        // reqwest starts timers while sending, so the future must be made on the runtime.
        let guard = runtime()?.enter();
        let future = builder.send();
        drop(guard);
        let started = Instant::now();
        let alive = || started.max(progress.last());
        let response = wait(future, self.options.timeout, alive, &self.options.stop, "waiting for a reply")
            .map_err(|failure| failure.context(&self.name))?
            .map_err(|error| Failure::before_reply(&error, progress.sent_all()).context(&self.name))?;
        self.options.timing.tell(started);
        let headers = response.headers().clone();
        let gzip = headers.get(reqwest::header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
        let reading = Reading {
            timeout: self.options.timeout,
            stop: self.options.stop.clone(),
            side: self.options.side,
            base: self.name.clone(),
        };
        Ok(Reply { status: response.status().as_u16(), headers, body: ReplyBody::new(response, reading, gzip) })
    }
}

/// The client below [`Client`], for libraries that make their own requests (object stores).
pub fn transport(options: &Options) -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(options.tls.config()?)
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(20))
        .tcp_nodelay(true)
        .user_agent(agent())
        .build()
        .map_err(|error| Error::caused(fault::Kind::Usage, "cannot set up HTTP", error))
}

/// `tsferry/VERSION`, and of a stage of a split (`ts-run` says so in its environment) also which one it is: so that a
/// server's log tells who sent a request.
fn agent() -> String {
    let name = concat!("tsferry/", env!("CARGO_PKG_VERSION"));
    match std::env::var("TS_SPLIT_ID") {
        // What is no id cannot break the header.
        Ok(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) => {
            format!("{name} (split {id}; process {})", std::process::id())
        }
        _ => name.to_owned(),
    }
}

impl Reply {
    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `Retry-After`, in seconds or as a date.
    pub fn retry_after(&self) -> Option<Duration> {
        crate::retry::retry_after(self.header("retry-after")?, std::time::SystemTime::now())
    }

    /// Status 200..=299?
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The whole body, if it is not longer than `cap` bytes; a longer one is cut there.
    pub fn bytes(mut self, cap: usize) -> std::result::Result<Vec<u8>, Failure> {
        self.body.capped(cap).map(|(bytes, _)| bytes)
    }
}
