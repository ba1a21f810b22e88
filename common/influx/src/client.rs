//! A connection to one server: writes that end in a [`Verdict`], queries that end in a body to be read.

use crate::request;
use crate::retry::{Reply, Trouble, Verdict, judge};
use crate::target::Target;
use fault::{Error, Kind, Result};
use net::http::{Options, Request};
use net::{Bytes, Failure, What};
use rows::time::Unit;

/// Bytes of an error that are read. Servers quote every rejected line, 5,000 of them make 400 KB (measured 2.10).
const ERROR_BODY: usize = 16 << 20;

/// A client for one target. Cheap to clone; threads share its connections.
#[derive(Clone)]
pub struct Client {
    http: net::http::Client,
    target: Target,
}

impl Client {
    /// Does not connect yet.
    pub fn new(target: Target, options: Options) -> Result<Client> {
        Ok(Client { http: net::http::Client::new(&target.base(), options)?, target })
    }

    /// What it is a client of.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Writes whole lines, once; never fails in another way than by its verdict.
    pub fn write(&self, precision: Unit, body: Bytes, gzip: bool) -> Verdict {
        let reply = match self.http.send(request::write(&self.target, precision, body, gzip)) {
            Ok(reply) => reply,
            Err(failure) => return judge_failure(&failure),
        };
        if reply.status == 204 {
            return Verdict::Done;
        }
        let (status, retry_after) = (reply.status, reply.retry_after());
        match reply.bytes(ERROR_BODY) {
            Ok(body) => judge(&Reply { status, body: &body, retry_after }),
            // The status stands; only what the server said about it is lost.
            Err(failure) => match judge(&Reply { status, body: failure.to_string().as_bytes(), retry_after }) {
                Verdict::Fatal { reason } if matches!(status, 400 | 422) => {
                    Verdict::Retry { after: retry_after, trouble: Trouble::Other, reason }
                }
                verdict => verdict,
            },
        }
    }

    /// Sends a request of another kind. A status from 400 on is an error: `Refused` where trying again cannot help,
    /// else of the side's kind.
    pub fn call(&self, request: Request) -> Result<net::http::Reply> {
        let (side, name) = (self.http.options().side, self.http.name().to_owned());
        let reply = self.http.send(request).map_err(|failure| failure.error(side))?;
        if reply.is_success() {
            return Ok(reply);
        }
        let (status, retry_after) = (reply.status, reply.retry_after());
        let body = reply.bytes(ERROR_BODY).map_err(|failure| failure.error(side))?;
        Err(match judge(&Reply { status, body: &body, retry_after }) {
            Verdict::Done => Error::new(side.kind(), format!("{name}: HTTP {status}")),
            Verdict::Retry { reason, .. } | Verdict::Fatal { reason } => {
                Error::new(side.kind(), format!("{name}: {reason}"))
            }
            Verdict::Rejected(rejected) => Error::new(Kind::Refused, format!("{name}: {}", rejected.reason)),
            Verdict::Split { reason, .. } => Error::new(side.kind(), format!("{name}: {reason}")),
            Verdict::Refused { reason } => Error::new(Kind::Refused, format!("{name}: {reason}")),
        })
    }

    /// The side's kind, for errors found while reading a body.
    pub(crate) fn kind(&self) -> Kind {
        self.http.options().side.kind()
    }
}

/// What a failure without a reply means for a write. Repeating is harmless in all cases.
fn judge_failure(failure: &Failure) -> Verdict {
    let reason = failure.to_string();
    match failure.what() {
        // A server that refuses large bodies closes while we still send (dossier influxdb 2.2). 1.x repeats all of an
        // error in a header; one that is longer than the client takes comes from a batch with thousands of bad lines.
        What::ResetWhileSending => Verdict::Split { certain: false, reason },
        _ if reason.contains("too large") => Verdict::Split { certain: false, reason },
        What::Connect | What::TimedOut | What::NoReply => {
            Verdict::Retry { after: None, trouble: Trouble::Down, reason }
        }
        what if what.transient() => Verdict::Retry { after: None, trouble: Trouble::Other, reason },
        What::Protocol => Verdict::Retry { after: None, trouble: Trouble::Other, reason },
        What::Tls => Verdict::Refused { reason },
        _ => Verdict::Fatal { reason },
    }
}
