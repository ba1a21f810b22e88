//! A verdict per reply to a load: what it means, and what to do next (dossier starrocks 1.5, 1.6).
//!
//! A load may not be repeated under another label while it is not known what became of it. Repeating it under its own
//! label is harmless: the server takes a label once.

use crate::reply::Reply;
use net::retry::Trouble;
use std::time::Duration;

/// What to do after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rows are there and can be seen.
    Done,
    /// All rows are there and will be seen: wait for it, never send them again.
    Committed { reason: String },
    /// The label has been used. `finished`: by a load that succeeded; else one is under way.
    Exists { finished: bool, reason: String },
    /// It is not known whether the load was done: ask for the state of the label.
    Unknown { trouble: Trouble, reason: String },
    /// Some rows cannot be loaded, whatever one tries; none was.
    Rejected(Rejected),
    /// Too large for the server: halve it.
    Split { reason: String },
    /// Nothing was loaded; the same may succeed later.
    Retry { after: Option<Duration>, trouble: Trouble, reason: String },
    /// Refused: credentials, permission, no such table or column. Trying again does not help (exit 6).
    Refused { reason: String },
    /// Something that should not be: what is there may be wrong (exit 5).
    Fatal { reason: String },
}

/// Rows were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    pub reason: String,
    /// How many, where the server says it.
    pub filtered: Option<u64>,
    /// Where they are listed.
    pub log: Option<String>,
}

/// Parts of messages that mean: these rows cannot be loaded.
const ROWS: [&str; 4] =
    ["too many filtered rows", "primary key size exceed", "no partition for this tuple", "no valid rows"];
/// The server is busy: wait, and send less at once.
const BUSY: [&str; 13] = [
    "running txns",
    "stream load exceed http",
    "memory of process",
    "mem_limit",
    "too many versions",
    "tablet writer write failed",
    "memory limit",
    "mem usage",
    "shutting down",
    "txn_in_processing",
    "too many pending",
    "disk exceed",
    "rejected by load",
];
/// What will not get better by itself.
const REFUSED: [&str; 15] = [
    "access denied",
    "no privilege",
    "unknown table",
    "table not found",
    "unknown database",
    "database not found",
    "can't find table",
    "unknown column",
    "does not exist",
    "cannot be resolved",
    "column not found",
    "only primary key table",
    "partial_update",
    "unknown data format",
    "not implemented",
];
/// The body is larger than the server takes.
const LARGE: [&str; 3] = ["exceed max stream load", "streaming_load_max", "body size"];

fn any(message: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| message.contains(part))
}

/// The verdict on a reply to a load of so many rows. `merged`: the server answers for a group of loads, whose numbers say
/// nothing about ours.
pub fn judge(http: u16, body: &[u8], after: Option<Duration>, rows: u64, merged: bool) -> Verdict {
    let shown = |text: &str| fault::excerpt(text.as_bytes());
    let reply = Reply::parse(body);
    if !(200..300).contains(&http) {
        return status(http, reply.map_or_else(|| fault::excerpt(body), |reply| shown(&reply.message)), after);
    }
    let Some(reply) = reply else {
        let reason = format!("HTTP {http}: {} (is this a StarRocks?)", fault::excerpt(body));
        // A reply that was cut says nothing; whatever answers in another way is no StarRocks.
        let cut = body.is_empty() || body.starts_with(b"{");
        return if cut { Verdict::Unknown { trouble: Trouble::Other, reason } } else { Verdict::Fatal { reason } };
    };
    let message = reply.message.to_ascii_lowercase();
    let reason = format!("{}: {}", reply.status, shown(&reply.message));
    match reply.status.to_ascii_lowercase().as_str() {
        "success" | "ok" if merged => Verdict::Done,
        "success" => counted(&reply, rows),
        "publish timeout" => match counted(&reply, rows) {
            Verdict::Done => Verdict::Committed { reason },
            wrong => wrong,
        },
        "label already exists" => {
            let finished = reply.existing.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("finished"));
            Verdict::Exists { finished, reason }
        }
        _ => failed(&reply, &message, reason, after),
    }
}

/// A reply that says that it was done: were all rows?
fn counted(reply: &Reply, rows: u64) -> Verdict {
    let (loaded, left_out) = (reply.loaded.unwrap_or(0), reply.filtered.unwrap_or(0) + reply.unselected.unwrap_or(0));
    if loaded == rows && left_out == 0 {
        return Verdict::Done;
    }
    Verdict::Fatal {
        reason: format!(
            "the server loaded {loaded} of {rows} rows and left out {left_out}, though it was told to load all or none: {}",
            fault::excerpt(reply.message.as_bytes())
        ),
    }
}

/// A reply that says that nothing was done.
fn failed(reply: &Reply, message: &str, reason: String, after: Option<Duration>) -> Verdict {
    if any(message, &REFUSED) {
        return Verdict::Refused { reason };
    }
    if any(message, &ROWS) || reply.filtered.is_some_and(|filtered| filtered > 0) {
        return Verdict::Rejected(Rejected { reason, filtered: reply.filtered, log: reply.error_url.clone() });
    }
    if any(message, &LARGE) {
        return Verdict::Split { reason };
    }
    let trouble = if any(message, &BUSY) { Trouble::Throttled } else { Trouble::Other };
    Verdict::Retry { after, trouble, reason }
}

/// A reply with another HTTP status than 200: of the server before it looked at the load, or of what stands before it.
fn status(http: u16, said: String, after: Option<Duration>) -> Verdict {
    let reason = format!("HTTP {http}: {said}");
    let throttled = after.is_some() || matches!(http, 429 | 503);
    match http {
        401 => Verdict::Refused { reason: format!("{reason} (the user or the password is wrong: see --help)") },
        403 | 404 | 407 => Verdict::Refused { reason },
        413 => Verdict::Split { reason },
        // Whoever answers so may have passed the load on.
        502 | 504 => Verdict::Unknown { trouble: Trouble::Down, reason },
        _ if throttled => Verdict::Retry { after, trouble: Trouble::Throttled, reason },
        500.. | 408 | 425 | 499 => Verdict::Unknown { trouble: Trouble::Other, reason },
        _ => Verdict::Fatal { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(status: &str, message: &str, more: &str) -> Verdict {
        let body = format!("{{\"Status\":\"{status}\",\"Message\":\"{message}\"{more}}}");
        judge(200, body.as_bytes(), None, 10, false)
    }

    #[test]
    fn every_status_has_its_verdict() {
        let all = ",\"NumberLoadedRows\":10,\"NumberFilteredRows\":0,\"NumberUnselectedRows\":0";
        assert_eq!(on("Success", "OK", all), Verdict::Done);
        assert!(matches!(on("Publish Timeout", "later", all), Verdict::Committed { .. }));
        for less in [",\"NumberLoadedRows\":9", ",\"NumberLoadedRows\":10,\"NumberUnselectedRows\":1", ""] {
            assert!(matches!(on("Success", "OK", less), Verdict::Fatal { .. }), "{less}");
        }
        let exists = |state: &str| on("Label Already Exists", "used", &format!(",\"ExistingJobStatus\":\"{state}\""));
        assert!(matches!(exists("FINISHED"), Verdict::Exists { finished: true, .. }));
        assert!(matches!(exists("RUNNING"), Verdict::Exists { finished: false, .. }));
        let log = ",\"NumberFilteredRows\":2,\"ErrorURL\":\"http://be:8040/api/_load_error_log?file=x\"";
        let Verdict::Rejected(rejected) = on("Fail", "too many filtered rows", log) else { panic!() };
        assert_eq!((rejected.filtered, rejected.log.is_some()), (Some(2), true));
        for busy in [
            "current running txns on db 10005 is 100, larger than limit 100",
            "Stream Load exceed http concurrent limit",
            "tablet writer write failed, too many versions",
            "BE is shutting down",
            "TXN_IN_PROCESSING",
        ] {
            let verdict = on("Fail", busy, "");
            assert!(matches!(verdict, Verdict::Retry { trouble: Trouble::Throttled, .. }), "{busy}: {verdict:?}");
        }
        assert!(matches!(on("Fail", "rpc failed", ""), Verdict::Retry { trouble: Trouble::Other, .. }));
        for refused in [
            "Access denied for u",
            "unknown table t",
            "Unknown column 'x'",
            "Only primary key table support partial update",
        ] {
            assert!(matches!(on("Fail", refused, ""), Verdict::Refused { .. }), "{refused}");
        }
    }

    #[test]
    fn other_answers_are_judged_by_their_http_status() {
        let on = |http, body: &str| judge(http, body.as_bytes(), None, 1, false);
        assert!(matches!(on(401, ""), Verdict::Refused { .. }));
        assert!(matches!(on(413, ""), Verdict::Split { .. }));
        assert!(matches!(on(429, ""), Verdict::Retry { trouble: Trouble::Throttled, .. }));
        assert!(matches!(on(503, "busy"), Verdict::Retry { trouble: Trouble::Throttled, .. }));
        for http in [500, 502, 504] {
            assert!(matches!(on(http, "<html>"), Verdict::Unknown { .. }), "{http}");
        }
        assert!(matches!(on(200, "<html>hello"), Verdict::Fatal { .. }));
        assert!(matches!(on(200, "{\"Status\":\"Succ"), Verdict::Unknown { .. }));
        assert!(matches!(judge(200, b"{\"Status\":\"Success\",\"RequestId\":\"x\"}", None, 7, true), Verdict::Done));
    }
}
