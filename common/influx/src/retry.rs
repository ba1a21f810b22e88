//! A verdict per reply to a write: what was stored, and what to do next (dossier influxdb 2.4, measured 2.1 to 2.12).
//!
//! Writing the same points again is harmless in InfluxDB (the same series and time is overwritten), so every doubt is
//! settled by sending again: after a partial write the lines that the server did not name are sent once more, and only
//! a 204 says that they are stored.

use crate::reply::{self, ErrorBody, Named};
pub use net::retry::Trouble;
use std::time::Duration;

/// What to do after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every line is stored.
    Done,
    /// Some lines of this request cannot be stored, whatever one tries.
    Rejected(Rejected),
    /// The request is too large for the server: halve it.
    Split {
        /// The server said so (413); otherwise it only hung up while we sent, which is what servers do that refuse a
        /// large body, and what a restart looks like.
        certain: bool,
        /// What the server said.
        reason: String,
    },
    /// Try the same request again.
    Retry {
        /// The server's wish (`Retry-After`).
        after: Option<Duration>,
        /// What kind of trouble the server is in.
        trouble: Trouble,
        /// What the server said.
        reason: String,
    },
    /// Refused: credentials, permission, no such database. Trying again does not help (exit 6).
    Refused {
        /// What the server said.
        reason: String,
    },
    /// The server does not do what this request asks; a bug or a wrong address (exit 5).
    Fatal {
        /// What the server said.
        reason: String,
    },
}

/// Lines were rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What became of the other lines.
    pub stored: Stored,
    /// How many points the server says it dropped: a lower bound.
    pub dropped: Option<u64>,
    /// The rejected lines that it named.
    pub named: Vec<Named>,
    /// Its message.
    pub reason: String,
}

/// What became of the good lines of a request with bad ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// None of them is stored.
    Nothing,
    /// All of them are stored.
    Rest,
    /// Some may be.
    Unknown,
}

/// A reply to a write.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body, possibly cut by the client.
    pub body: &'a [u8],
    /// `Retry-After`, already turned into a duration.
    pub retry_after: Option<Duration>,
}

/// The verdict on a reply. The same rules fit all versions: their bodies tell them apart.
pub fn judge(reply: &Reply<'_>) -> Verdict {
    if reply.status == 204 {
        return Verdict::Done;
    }
    let body = reply::parse(reply.body);
    let reason = reason(reply.status, &body, reply.body);
    let asks = reply.retry_after.is_some() || matches!(reply.status, 429 | 503);
    let trouble = match reply.status {
        _ if asks => Trouble::Throttled,
        502 | 504 => Trouble::Down,
        _ => Trouble::Other,
    };
    let retry = |trouble, reason: String| Verdict::Retry { after: reply.retry_after, trouble, reason };
    let message = body.message.to_ascii_lowercase();
    match reply.status {
        413 => Verdict::Split { certain: true, reason },
        401 => {
            Verdict::Refused { reason: format!("{reason} (the token or the password is missing or wrong: see --help)") }
        }
        403 | 404 | 407 => Verdict::Refused { reason },
        408 | 425 | 429 | 499 => retry(trouble, reason),
        400 | 422 => bad_request(reply, body, &message, reason),
        // The cache empties only when the server writes it out, or never, if one batch is larger than the cache.
        500.. if message.contains("cache-max-memory-size exceeded") => retry(
            Trouble::Full,
            format!("{reason} (the server's write cache is full: raise its limit, or write smaller batches)"),
        ),
        // 1.x answers 500 to an unknown retention policy.
        500.. if message.contains("retention policy not found") => Verdict::Refused { reason },
        500.. => retry(trouble, reason),
        // A login page, a gateway, another service; 1.x says 200 when it could not complete what it had understood.
        200..300 => {
            Verdict::Fatal { reason: format!("{reason} (what is stored is answered with 204: is this an InfluxDB?)") }
        }
        _ => Verdict::Fatal { reason },
    }
}

fn bad_request(reply: &Reply<'_>, body: ErrorBody, message: &str, reason: String) -> Verdict {
    let starts = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text));
    if starts(&["database is required", "please provide either org", "bucket name", "bucket not found"])
        || message.contains("limit of") && message.contains("databases")
    {
        return Verdict::Refused { reason };
    }
    if starts(&["invalid precision"]) {
        // 1.8.10 stores the points nevertheless, as nanoseconds (measured 2.3): the reader must know.
        return Verdict::Fatal {
            reason: format!("{reason} (this server may have stored the points with a wrong time)"),
        };
    }
    // Our own gzip is right, so the request was damaged on its way.
    if starts(&["gzip: ", "unable to read data", "unexpected eof", "hinted handoff", "queue length exceeded"])
        || message.contains("hinted handoff")
    {
        return Verdict::Retry { after: reply.retry_after, trouble: Trouble::Other, reason };
    }
    if !body.known {
        return Verdict::Fatal { reason };
    }
    let stored = if message.contains("partial write") {
        Stored::Rest
    } else if !body.named.is_empty() || starts(&["field type conflict", "unable to parse", "incoming write was empty"])
    {
        // v2: one bad line and nothing is stored. v1: no "partial write" means that every line was bad. 1.8 stores
        // nothing either when the types of a new measurement disagree within the batch (measured 2.4).
        Stored::Nothing
    } else {
        Stored::Unknown
    };
    Verdict::Rejected(Rejected { stored, dropped: body.dropped, named: body.named, reason })
}

/// `HTTP 400: the first 300 bytes of what it said`.
fn reason(status: u16, body: &ErrorBody, raw: &[u8]) -> String {
    let text = if body.message.is_empty() { fault::excerpt(raw) } else { fault::excerpt(body.message.as_bytes()) };
    if text.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(status: u16, body: &str) -> Verdict {
        judge(&Reply { status, body: body.as_bytes(), retry_after: Some(Duration::from_secs(7)) })
    }

    #[test]
    fn documented_replies_of_v3_and_of_proxies() {
        assert_eq!(on(204, ""), Verdict::Done);
        for (status, body) in [(200, ""), (200, "<html>please log in</html>"), (201, "{}"), (202, "")] {
            assert!(matches!(on(status, body), Verdict::Fatal { reason } if reason.contains("204")), "{status}");
        }
        let partial = on(
            400,
            r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"x","line_number":1,"original_line":"m"}]}"#,
        );
        assert!(
            matches!(&partial, Verdict::Rejected(r) if r.stored == Stored::Rest && r.named.len() == 1),
            "{partial:?}"
        );
        let none = on(
            400,
            r#"{"error":"line protocol parsing error","data":{"error_message":"x","line_number":1,"original_line":"m"}}"#,
        );
        assert!(matches!(&none, Verdict::Rejected(r) if r.stored == Stored::Nothing), "{none:?}");
        let compat =
            on(400, r#"{"code":"invalid","message":"write buffer error: line protocol parse failed: no fields"}"#);
        assert!(matches!(&compat, Verdict::Rejected(r) if r.named.is_empty()), "{compat:?}");
        let columns =
            on(422, r#"{"error":"Update to schema would exceed number of columns per table limit of 500 columns"}"#);
        assert!(matches!(columns, Verdict::Rejected(_)));
        let databases = on(422, r#"{"error":"Adding a new database would exceed limit of 100 databases"}"#);
        assert!(matches!(databases, Verdict::Refused { .. }));
        assert!(matches!(on(429, ""), Verdict::Retry { after: Some(_), trouble: Trouble::Throttled, .. }));
        let trouble = |status| match judge(&Reply { status, body: b"", retry_after: None }) {
            Verdict::Retry { trouble, .. } => trouble,
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!([429, 503].map(trouble), [Trouble::Throttled; 2]);
        assert_eq!([502, 504].map(trouble), [Trouble::Down; 2]);
        assert_eq!([408, 500].map(trouble), [Trouble::Other; 2]);
        for status in [408, 499, 500, 502, 503, 504, 529] {
            assert!(matches!(on(status, "<html>Bad Gateway</html>"), Verdict::Retry { .. }), "{status}");
        }
        assert!(matches!(on(401, ""), Verdict::Refused { .. }));
        assert!(matches!(on(413, "x"), Verdict::Split { .. }));
        for status in [302, 402, 405, 415] {
            assert!(matches!(on(status, ""), Verdict::Fatal { .. }), "{status}");
        }
        assert!(
            matches!(on(400, "<html>Bad Request</html>"), Verdict::Fatal { .. }),
            "a proxy's 400 says nothing about lines"
        );
    }
}
