//! The way of a request: from a front end (FE) to the back end (BE) that it names, as two requests of ours.
//!
//! A front end answers a load with a redirect before it reads a body, and only if `Expect: 100-continue` is said. So it is
//! asked without a body; who it names gets the body, and our credentials again, which no HTTP library would send to
//! another host (dossier starrocks 1.1, 1.2).

use crate::Target;
use crate::be_map::BeMap;
use crate::request::Headers;
use fault::{Error, Result, Secret};
use net::http::{Client, Method, Options, Request};
use net::{Bytes, Failure, What};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Redirects of one request, at most: to the leader, to a back end, and one to spare.
const HOPS: usize = 3;
/// Bytes of a reply that are read.
const REPLY: usize = 1 << 20;

/// How back ends are found.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// Where the addresses that front ends give lead to from here.
    pub map: BeMap,
    /// This back end takes all loads; no front end is asked where to.
    pub be: Option<String>,
    /// Who answers at the front end's address does the redirect itself: it gets the body.
    pub proxy: bool,
    /// Follow a redirect from https to http: the password is then sent in clear.
    pub insecure_redirect: bool,
}

/// One request; its body goes to the back end.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub headers: Headers,
    pub body: Bytes,
}

/// A reply that was read.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub retry_after: Option<Duration>,
}

/// Why there is none.
#[derive(Debug)]
pub enum Missed {
    /// Nobody can have acted on it.
    Unsent(Failure),
    /// It may have been done.
    Unknown(Failure),
    /// The way that it was sent is not gone, and never will be.
    Refused(String),
}

/// The way to one cluster. Cheap to clone; threads share its connections.
#[derive(Clone)]
pub struct Hops(Arc<Inner>);

struct Inner {
    options: Options,
    fronts: Vec<Client>,
    /// The front end that answered last.
    current: AtomicUsize,
    others: Mutex<HashMap<String, Client>>,
    authorization: Secret,
    route: Route,
    be: Option<Client>,
    secure: bool,
    /// A back end has answered.
    reached: AtomicBool,
}

impl Hops {
    /// Does not connect yet.
    pub fn new(target: &Target, route: Route, options: Options) -> Result<Hops> {
        let fronts =
            target.http_bases().iter().map(|base| Client::new(base, options.clone())).collect::<Result<Vec<_>>>()?;
        let be = route.be.as_deref().map(|base| Client::new(base, options.clone())).transpose()?;
        Ok(Hops(Arc::new(Inner {
            fronts,
            be,
            current: AtomicUsize::new(0),
            others: Mutex::default(),
            authorization: target.authorization(),
            secure: target.http_tls,
            route,
            options,
            reached: AtomicBool::new(false),
        })))
    }

    /// The settings of the connections.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Sends a load (or a call of a transaction) on its way, and reads the reply to it.
    pub fn load(&self, call: &Call) -> std::result::Result<Answer, Missed> {
        if let Some(be) = &self.0.be {
            return self.follow(be.clone(), call, true);
        }
        self.front(|front| self.follow(front.clone(), call, self.0.route.proxy))
    }

    /// Asks a front end something.
    pub fn ask(&self, call: &Call) -> std::result::Result<Answer, Missed> {
        self.front(|front| self.follow(front.clone(), call, true))
    }

    /// The text behind a link that a back end gave, at most `cap` bytes. No credentials are sent.
    pub fn fetch(&self, link: &str, cap: usize) -> Result<Vec<u8>> {
        let side = self.0.options.side;
        let url = Url::parse(link).map_err(|error| Error::new(side.kind(), format!("bad link {link}: {error}")))?;
        let (base, path) = self.place(&url).map_err(|reason| Error::new(side.kind(), reason))?;
        let reply = self.client(&base)?.send(Request::get(path)).map_err(|failure| hint(failure).error(side))?;
        let status = reply.status;
        let body = reply.bytes(cap).map_err(|failure| failure.error(side))?;
        if status != 200 {
            return Err(Error::new(side.kind(), format!("{base}: HTTP {status}: {}", fault::excerpt(&body))));
        }
        Ok(body)
    }

    /// The first front end that can be reached, the one that answered last first.
    fn front(
        &self,
        send: impl Fn(&Client) -> std::result::Result<Answer, Missed>,
    ) -> std::result::Result<Answer, Missed> {
        let (count, start) = (self.0.fronts.len(), self.0.current.load(Ordering::Relaxed));
        let mut missed = None;
        for step in 0..count {
            let index = (start + step) % count;
            let Some(front) = self.0.fronts.get(index) else { break };
            match send(front) {
                Err(Missed::Unsent(failure)) if failure.what() == What::Connect && self.is_front(&failure) => {
                    missed = Some(Missed::Unsent(failure));
                }
                other => {
                    self.0.current.store(index, Ordering::Relaxed);
                    return other;
                }
            }
        }
        Err(missed.unwrap_or_else(|| Missed::Refused("the URL names no front end".to_owned())))
    }

    /// Did it happen on the way to a front end?
    fn is_front(&self, failure: &Failure) -> bool {
        let text = failure.to_string();
        self.0.fronts.iter().any(|front| text.starts_with(front.name()))
    }

    /// Sends to `client`, and to where the replies lead. `body`: it goes to the first one already.
    fn follow(&self, mut client: Client, call: &Call, mut body: bool) -> std::result::Result<Answer, Missed> {
        let mut path = call.path.clone();
        let mut query: &[(&'static str, String)] = &call.query;
        let direct = self.0.be.is_some();
        for hop in 0..=HOPS {
            let front = hop == 0 && !direct;
            let mut request = Request::new(call.method.clone(), path.clone());
            for (name, value) in query {
                request = request.query(*name, value);
            }
            for (name, value) in &call.headers {
                request = request.header(name.clone(), value);
            }
            request = request.secret_header("authorization", self.0.authorization.clone());
            if call.method != Method::GET && (front || !body) {
                request = request.header("expect", "100-continue");
            }
            if body && !call.body.is_empty() {
                request = request.body(call.body.clone());
            } else if call.method != Method::GET {
                request = request.header("content-length", "0");
            }
            let reply = client.send(request).map_err(|failure| self.missed(failure, body, front))?;
            if matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                let Some(location) = reply.header("location").map(str::to_owned) else {
                    return Err(Missed::Refused(format!("{}: a redirect without a location", client.name())));
                };
                let base = Url::parse(client.name()).and_then(|base| base.join(&location));
                let url = base.map_err(|_| Missed::Refused(format!("{}: a redirect to nowhere", client.name())))?;
                let (base, to) = self.place(&url).map_err(Missed::Refused)?;
                client = self.client(&base).map_err(|error| Missed::Refused(error.to_string()))?;
                (path, query) = (to, &[]);
                // Only calls of transactions are passed from one front end to another, which must not get the body.
                body = !self.0.fronts.iter().any(|front| front.name() == base);
                continue;
            }
            if !front {
                self.0.reached.store(true, Ordering::Relaxed);
            }
            let (status, retry_after) = (reply.status, reply.retry_after());
            let bytes = reply.bytes(REPLY).map_err(|failure| self.missed(failure, body, front))?;
            return Ok(Answer { status, body: bytes, retry_after });
        }
        Err(Missed::Refused(format!("{}: more than {HOPS} redirects", client.name())))
    }

    /// A failure as it counts for a load.
    fn missed(&self, failure: Failure, body: bool, front: bool) -> Missed {
        let unsent = failure.what().never_sent() || !body;
        if failure.what() == What::Tls {
            return Missed::Refused(failure.to_string());
        }
        if front || failure.what() != What::Connect {
            return if unsent { Missed::Unsent(failure) } else { Missed::Unknown(failure) };
        }
        // A name that nobody knows here will not be known later either, unless it was before.
        let text = failure.to_string();
        let nameless = ["dns error", "lookup address", "resolve"].iter().any(|part| text.contains(part));
        let failure = hint(failure);
        if nameless && !self.0.reached.load(Ordering::Relaxed) {
            return Missed::Refused(failure.to_string());
        }
        Missed::Unsent(failure)
    }

    /// `scheme://host:port` and the path of an address that a server gave, as it is to be reached from here. Whatever
    /// credentials stand in it are dropped.
    fn place(&self, url: &Url) -> std::result::Result<(String, String), String> {
        let Some(host) = url.host_str() else { return Err(format!("no host in {}", url.path())) };
        if self.0.secure && url.scheme() != "https" && !self.0.route.insecure_redirect {
            return Err(format!(
                "the front end was asked by https and leads to {}://{host}: the password would be sent in clear \
                 (--allow-insecure-redirect allows it)",
                url.scheme()
            ));
        }
        let (host, port) = self.0.route.map.apply(host, url.port_or_known_default().unwrap_or(80));
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok((format!("{}://{host}:{port}", url.scheme()), format!("{}{query}", url.path())))
    }

    fn client(&self, base: &str) -> Result<Client> {
        let mut others = self.0.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = others.get(base) {
            return Ok(client.clone());
        }
        let client = Client::new(base, self.0.options.clone())?;
        others.insert(base.to_owned(), client.clone());
        Ok(client)
    }
}

/// What helps against a back end that cannot be reached.
fn hint(failure: Failure) -> Failure {
    let text = "the back end that the front end named cannot be reached from here (--be-map OLD=NEW says where it is)";
    failure.context(text)
}
