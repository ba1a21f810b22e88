//! `POST /influxdb/v1/write`, `/opentsdb/v1/put/json/DB`, `/opentsdb/v1/put/telnet/DB`.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::StatusCode;
use hyper::body::Incoming;

use super::super::auth::Denied;
use super::super::http::{Call, JSON, Reply, decode, plain};
use super::super::sql::error::SqlError;
use super::super::{json, rest, version};
use super::{Protocol, Request, unit};
use crate::faults::Fault;

const INFLUX: &str = "/influxdb/v1/write";
const OPENTSDB: &str = "/opentsdb/v1/put/";

/// Paths that take writes.
pub fn is_write(path: &str) -> bool {
    path == INFLUX || opentsdb(path).is_some()
}

/// The protocol and the database of an OpenTSDB path.
fn opentsdb(path: &str) -> Option<(Protocol, String)> {
    let (protocol, database) = path.strip_prefix(OPENTSDB)?.split_once('/')?;
    let protocol = match protocol {
        "json" => Protocol::Json,
        "telnet" => Protocol::Telnet,
        _ => return None,
    };
    (!database.is_empty() && !database.contains('/')).then(|| (protocol, decode(database)))
}

/// One write.
pub async fn write(call: Call, body: Incoming, gzip: bool) -> Reply {
    let (body, fault) = rest::received(&call, body).await?;
    if let Some(Fault::SlowRead(rate)) = fault {
        tokio::time::sleep(Duration::from_secs_f64(body.len() as f64 / rate as f64)).await;
    }
    let code = if let Some(Fault::Code(code)) = fault { Some(code) } else { None };
    if code.is_none()
        && let Some(reply) = rest::instead(&call, fault.as_ref()).await
    {
        return reply;
    }
    let reply = tokio::task::block_in_place(|| match unpacked(&body, gzip) {
        Ok(body) => answer(&call, &body, code),
        // The adapter's decompressor ends the request before it is looked at.
        Err(_) => plain(StatusCode::BAD_REQUEST, "", Bytes::new()),
    });
    let reply = rest::compressed(&call, reply).await;
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::LostReply) => {
            call.log(0);
            return Err(call.ending.close());
        }
        Some(Fault::CutBody) => {
            call.log(0);
            return Err(call.ending.reset());
        }
        _ => {}
    }
    call.log(reply.as_ref().map_or(0, |r| r.status().as_u16()));
    reply
}

fn unpacked(body: &[u8], gzip: bool) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    if gzip {
        GzDecoder::new(body).read_to_end(&mut out)?;
    } else {
        out.extend_from_slice(body);
    }
    Ok(out)
}

fn answer(call: &Call, body: &[u8], code: Option<u32>) -> Reply {
    match opentsdb(&call.path) {
        None => influx(call, body, code),
        Some((protocol, database)) => put(call, body, code, protocol, &database),
    }
}

/// Account, database, `ttl`, then the write: the order of the adapter.
fn influx(call: &Call, body: &[u8], code: Option<u32>) -> Reply {
    if numeric::<u64>(call, "req_id").is_err() {
        return bad_request("illegal param", "req_id must be numeric", "parse req_id");
    }
    let (mut user, mut password) = basic(call).unwrap_or_default();
    for (name, target) in [("u", &mut user), ("p", &mut password)] {
        if let Some(value) = call.param(name).filter(|v| !v.is_empty()) {
            *target = value.to_string();
        }
    }
    let login = match bearer(call) {
        Some(token) => call.server.accounts.token(token),
        None if user.is_empty() || password.is_empty() => {
            // The words changed with the tokens of 3.4.
            let newer = call.server.adapter.at_least(version::BEARER);
            let words = if newer { "no auth info found" } else { "get auth error" };
            return named(StatusCode::UNAUTHORIZED, "forbidden", words);
        }
        None => call.server.accounts.login(&user, &password),
    };
    let database = call.param("db").unwrap_or_default();
    if database.is_empty() {
        return bad_request("not found", "db required", "get db query");
    }
    let Ok(ttl) = numeric::<i32>(call, "ttl") else {
        return bad_request("illegal param", "ttl must be numeric", "parse ttl");
    };
    let request = Request {
        database,
        protocol: Protocol::Line,
        unit: unit(call.param("precision").unwrap_or_default()),
        ttl,
        table_name_key: table_name_key(call),
        data: body.trim_ascii(),
    };
    match done(call, login, code, &request) {
        Ok(()) => plain(StatusCode::NO_CONTENT, "", Bytes::new()),
        Err(error) => named(StatusCode::INTERNAL_SERVER_ERROR, "internal error", &coded(&error)),
    }
}

fn put(call: &Call, body: &[u8], code: Option<u32>, protocol: Protocol, database: &str) -> Reply {
    let refuse = |status: StatusCode, words: &str| {
        let status_code = status.as_u16();
        plain(status, JSON, format!("{{\"code\":{status_code},\"message\":{}}}", quoted(words)).into())
    };
    let login = match (bearer(call), basic(call)) {
        (Some(token), _) => call.server.accounts.token(token),
        (None, Some((user, password))) => call.server.accounts.login(&user, &password),
        (None, None) => {
            let words = match call.authorization.as_deref().map(str::trim) {
                None | Some("") => "auth needed",
                Some(header) if header.starts_with("Basic ") => "illegal base64 data at input byte 0",
                Some(_) => "unsupported auth type",
            };
            return refuse(StatusCode::UNAUTHORIZED, words);
        }
    };
    if let Err(bad) = numeric::<u64>(call, "req_id") {
        let words =
            format!("illegal param, req_id must be numeric strconv.ParseUint: parsing \"{bad}\": invalid syntax");
        return refuse(StatusCode::BAD_REQUEST, &words);
    }
    let ttl = match numeric::<i32>(call, "ttl") {
        Ok(ttl) => ttl,
        Err(bad) => {
            let words = format!("illegal param, ttl must be numeric strconv.Atoi: parsing \"{bad}\": invalid syntax");
            return refuse(StatusCode::BAD_REQUEST, &words);
        }
    };
    let telnet = telnet_lines(body);
    let data: &[u8] = if protocol == Protocol::Telnet { &telnet } else { body };
    let request = Request { database, protocol, unit: 1, ttl, table_name_key: table_name_key(call), data };
    // Nothing to write is no error, whatever the database; the account is looked at first.
    let outcome = match &login {
        Ok(()) if data.is_empty() && code.is_none() => Ok(()),
        _ => done(call, login, code, &request),
    };
    match outcome {
        Ok(()) => plain(StatusCode::NO_CONTENT, "", Bytes::new()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &coded(&error)),
    }
}

/// The lines that are not empty, without blanks around them and without `put `.
fn telnet_lines(body: &[u8]) -> Vec<u8> {
    let lines = body.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).filter(|l| !l.is_empty());
    let lines: Vec<&[u8]> = lines.map(|l| l.trim_ascii()).map(|l| l.strip_prefix(b"put ").unwrap_or(l)).collect();
    lines.join(&b'\n')
}

fn done(call: &Call, login: Result<(), Denied>, code: Option<u32>, request: &Request<'_>) -> Result<(), SqlError> {
    login.map_err(|denied| SqlError::new(denied.code, denied.message))?;
    if let Some(code) = code {
        return Err(SqlError::new(code & 0xffff, "failure on purpose"));
    }
    super::insert(&call.server.engine, request).map(|_| ())
}

fn table_name_key(call: &Call) -> Option<&str> {
    call.param("table_name_key").filter(|k| !k.is_empty() && call.server.adapter.at_least(version::TABLE_NAME_KEY))
}

/// A parameter as a number, 0 when it is missing; the text when it is none.
fn numeric<N: std::str::FromStr + Default>(call: &Call, name: &str) -> Result<N, String> {
    match call.param(name) {
        None | Some("") => Ok(N::default()),
        Some(text) => text.parse().map_err(|_| text.to_string()),
    }
}

fn basic(call: &Call) -> Option<(String, String)> {
    super::super::auth::basic(call.authorization.as_deref()?.trim().strip_prefix("Basic ")?)
}

fn bearer(call: &Call) -> Option<&str> {
    let token = call.authorization.as_deref()?.trim().strip_prefix("Bearer ")?.trim();
    (call.server.accounts.bearer && !token.is_empty()).then_some(token)
}

/// How the adapter prints a database error.
fn coded(error: &SqlError) -> String {
    format!("[{:#x}] {}", error.code & 0xffff, error.message)
}

fn named(status: StatusCode, code: &str, message: &str) -> Reply {
    plain(status, JSON, format!("{{\"code\":{},\"message\":{}}}", quoted(code), quoted(message)).into())
}

fn bad_request(code: &str, message: &str, op: &str) -> Reply {
    let (code, message, op) = (quoted(code), quoted(message), quoted(op));
    let body = format!("{{\"code\":{code},\"message\":{message},\"op\":{op},\"err\":{message},\"line\":0}}");
    plain(StatusCode::BAD_REQUEST, JSON, body.into())
}

/// A JSON string as Go writes it, with what HTML would read escaped.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::text(&mut out, text.as_bytes());
    for (plain, escaped) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        if out.contains(plain) {
            out = out.replace(plain, escaped);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_protocol_and_database() {
        assert_eq!(opentsdb("/opentsdb/v1/put/json/a%20b"), Some((Protocol::Json, "a b".into())));
        assert_eq!(opentsdb("/opentsdb/v1/put/telnet/db"), Some((Protocol::Telnet, "db".into())));
        for path in
            ["/opentsdb/v1/put/json/", "/opentsdb/v1/put/xml/db", "/opentsdb/v1/put/json/a/b", "/influxdb/v1/query"]
        {
            assert!(!is_write(path), "{path}");
        }
        assert!(is_write("/influxdb/v1/write"));
    }

    #[test]
    fn telnet_lines_lose_put_blanks_and_empty_lines() {
        assert_eq!(telnet_lines(b"put a 1 2 b=c\r\n\n  d 3 4 e=f \n"), b"a 1 2 b=c\nd 3 4 e=f");
    }

    #[test]
    fn replies_escape_what_html_reads() {
        assert_eq!(quoted("a<b>&\"\n"), r#""a\u003cb\u003e\u0026\"\n""#);
    }
}
