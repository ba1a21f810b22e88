//! The library's requests over our HTTP client: one TLS provider, our name in the servers' logs, replies timed.

use crate::Options;
use fault::Result;
use net::Timing;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

/// What the library does not tell of the last reply.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) request_id: Option<String>,
    /// The object is encrypted with a key of somebody's, the store's key service or the client.
    pub(crate) sealed: bool,
}

thread_local! {
    /// Of this thread: a future is polled by the thread that waits for it, and a thread waits for one at a time.
    static SAID: RefCell<Option<Said>> = const { RefCell::new(None) };
}

/// Takes what the last reply of this thread said.
pub(crate) fn said() -> Option<Said> {
    SAID.with_borrow_mut(Option::take)
}

#[derive(Debug)]
pub(crate) struct Connector {
    client: HttpClient,
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Connector> {
        let mut http = net::http::Options::new(options.side);
        http.connect_timeout = options.timeout.min(Duration::from_secs(10));
        http.tls = options.tls.clone();
        let inner = HttpClient::new(net::http::transport(&http)?);
        Ok(Connector { client: HttpClient::new(Watched { inner, timing: options.timing.clone() }) })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client.clone())
    }
}

#[derive(Debug)]
struct Watched {
    inner: HttpClient,
    timing: Timing,
}

#[async_trait::async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        SAID.set(None);
        let started = Instant::now();
        let reply = self.inner.execute(request).await?;
        self.timing.tell(started);
        let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
        SAID.set(Some(Said {
            status: reply.status().as_u16(),
            retry_after: header("retry-after").and_then(|text| net::retry::retry_after(text, SystemTime::now())),
            request_id: header("x-amz-request-id").map(str::to_owned),
            sealed: header("x-amz-server-side-encryption").is_some_and(|by| by.starts_with("aws:kms"))
                || header("x-amz-server-side-encryption-customer-algorithm").is_some(),
        }));
        Ok(reply)
    }
}
