//! What we send: paths and parameters of each version.

use crate::target::{Target, Version};
use net::Bytes;
use net::http::Request;
use rows::time::Unit;

/// A write of whole lines. `gzip`: the body is compressed.
///
/// The precision is always said, in the one spelling that every release of the version understands: version 1 takes
/// unknown names (and before 1.8 `us`) for nanoseconds in silence, version 3 guesses where nothing is said (dossier
/// influxdb 2.3).
pub fn write(target: &Target, precision: Unit, body: Bytes, gzip: bool) -> Request {
    let request = match target.version {
        Version::V1 => {
            let request =
                Request::post("/write").query("db", &target.database).query("precision", v1_precision(precision));
            match &target.policy {
                Some(policy) => request.query("rp", policy),
                None => request,
            }
        }
        Version::V2 => {
            let request =
                Request::post("/api/v2/write").query("bucket", &target.database).query("precision", precision.as_str());
            match &target.org {
                Some(org) => request.query("org", org),
                None => request,
            }
        }
        Version::V3 => {
            let request = Request::post("/api/v3/write_lp")
                .query("db", &target.database)
                .query("precision", v3_precision(precision))
                .query("accept_partial", "true");
            if target.no_sync { request.query("no_sync", "true") } else { request }
        }
    };
    let request = request.header("content-type", "text/plain; charset=utf-8");
    let request = if gzip { request.header("content-encoding", "gzip") } else { request };
    authorized(target, request).body(body)
}

/// An InfluxQL query on `/query` (versions 1, 2 and 3), times as integers in nanoseconds. `chunk`: rows in a piece of
/// the reply. Statements that change something must be POSTed, and 1.x takes SELECT that way too.
pub fn influxql(target: &Target, query: &str, chunk: Option<usize>) -> Request {
    let (database, policy) = target.query_names();
    let request = Request::post("/query").query("db", database).query("epoch", "ns");
    let request = match policy {
        Some(policy) => request.query("rp", policy),
        None => request,
    };
    let request = match chunk {
        Some(rows) => request.query("chunked", "true").query("chunk_size", rows.to_string()),
        None => request,
    };
    // The statement goes into the body: it may be longer than a URL may be.
    let mut form = String::from("q=");
    percent(query, &mut form);
    authorized(target, request).header("content-type", "application/x-www-form-urlencoded").body(form.into_bytes())
}

/// A SQL query of version 3, rows as JSON lines.
pub fn sql(target: &Target, query: &str) -> Request {
    let body = serde_json::json!({ "db": target.database, "q": query, "format": "jsonl" }).to_string();
    authorized(target, Request::post("/api/v3/query_sql"))
        .header("content-type", "application/json")
        .body(body.into_bytes())
}

/// Adds the `Authorization` header.
pub(crate) fn authorized(target: &Target, request: Request) -> Request {
    match &target.authorization {
        Some(secret) => request.secret_header("authorization", secret.clone()),
        None => request,
    }
}

fn v1_precision(unit: Unit) -> &'static str {
    match unit {
        Unit::S => "s",
        Unit::Ms => "ms",
        Unit::Us => "u",
        Unit::Ns => "n",
    }
}

fn v3_precision(unit: Unit) -> &'static str {
    match unit {
        Unit::S => "second",
        Unit::Ms => "millisecond",
        Unit::Us => "microsecond",
        Unit::Ns => "nanosecond",
    }
}

/// Percent-encodes everything but unreserved characters.
fn percent(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                for half in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
}
