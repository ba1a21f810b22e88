//! `POST /rest/sql`, streamed (dossier tdengine 1, and as recorded).

use std::io::{self, Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::auth::Denied;
use super::exec::{Outcome, ResultSet};
use super::http::{Call, JSON, Reply, plain, refuse};
use super::json::{self, Style, Times};
use super::time::Zone;
use super::types::{Field, Kind, Type};
use super::version;
use crate::faults::{Fault, NO_REPLY_HOLD};

/// The adapter flushes its JSON in pieces of this size.
const PIECE: usize = 16 * 1024;
/// Bodies that are sent again have larger ones: then the reader is what is measured.
const KEPT_PIECE: usize = 256 * 1024;
/// Statements may have 1 MiB.
const MAX_SQL: u64 = 1 << 20;

/// Paths that take SQL: `/rest/sql[/DB]`, and on 2.x `/rest/sqlt` and `/rest/sqlutc`.
pub fn is_sql(path: &str, old: bool) -> bool {
    let Some(rest) = path.strip_prefix("/rest/sql") else { return false };
    let rest = if old { rest.strip_prefix("utc").or_else(|| rest.strip_prefix('t')).unwrap_or(rest) } else { rest };
    rest.is_empty() || rest.starts_with('/')
}

/// `GET /rest/login/USER/PASSWORD`.
pub fn login(call: &Call) -> Reply {
    let mut parts = call.path.trim_start_matches("/rest/login/").splitn(2, '/').map(super::http::decode);
    let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match call.server.accounts.login(&user, &password) {
        Ok(()) => {
            call.log(200);
            refuse(200, 0, &call.server.accounts.taosd_token())
        }
        Err(_) => {
            call.log(401);
            refuse(401, 3, "Authentication failure")
        }
    }
}

/// One statement.
pub async fn sql(call: Call, body: Incoming, gzip: bool) -> Reply {
    let (body, fault) = received(&call, body).await?;
    if let Some(reply) = instead(&call, fault.as_ref()).await {
        return reply;
    }
    let reply = compressed(&call, run(&call, &body, gzip, fault.as_ref())).await;
    if let Some(Fault::Delay(time)) = fault {
        tokio::time::sleep(time).await;
    }
    if fault == Some(Fault::LostReply) {
        call.log(0);
        return Err(call.ending.close());
    }
    call.log(reply.as_ref().map_or(0, |r| r.status().as_u16()));
    reply
}

/// The body of a data request, and the fault that it gets.
pub async fn received(call: &Call, body: Incoming) -> io::Result<(Bytes, Option<Fault>)> {
    let fault = call.server.faults.query_verdict(&call.path);
    if fault == Some(Fault::ResetUpload) {
        call.log(0);
        return Err(call.ending.reset());
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    call.size.store(body.len() as u64, Ordering::Relaxed);
    Ok((body, fault))
}

/// Compresses a complete reply when the client asked for it, errors too (recorded); streamed ones are compressed already.
pub async fn compressed(call: &Call, reply: Reply) -> Reply {
    let (mut head, body) = reply?.into_parts();
    if !call.gzip
        || !head.headers.contains_key(header::CONTENT_TYPE)
        || head.headers.contains_key(header::CONTENT_ENCODING)
    {
        return Ok(Response::from_parts(head, body));
    }
    let bytes = body.collect().await?.to_bytes();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes)?;
    let packed = Full::new(Bytes::from(encoder.finish()?)).map_err(|never| match never {}).boxed_unsync();
    gzip_headers(&mut head.headers);
    Ok(Response::from_parts(head, packed))
}

fn gzip_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// Faults before the statement is looked at.
pub async fn instead(call: &Call, fault: Option<&Fault>) -> Option<Reply> {
    let reply = match fault? {
        // A bare JSON string, as when the adapter is short of memory (dossier tdengine 1.3).
        Fault::Status { code, retry_after } => {
            let mut reply = plain(status(*code), JSON, Bytes::from_static(b"\"query memory exceeds threshold\""));
            set_retry_after(&mut reply, *retry_after);
            reply
        }
        Fault::QueueFull { retry_after } => {
            let mut reply = refuse(503, 0xffff, "get connection timeout: the pool is busy");
            set_retry_after(&mut reply, Some(*retry_after));
            reply
        }
        Fault::Code(code) => refuse(200, code & 0xffff, "failure on purpose"),
        Fault::NoReply => {
            call.log(0);
            tokio::time::sleep(NO_REPLY_HOLD).await;
            return Some(Err(call.ending.close()));
        }
        Fault::Restart => {
            call.log(0);
            call.server.restarts.send_modify(|n| *n += 1);
            return Some(Err(call.ending.reset()));
        }
        _ => return None,
    };
    call.log(reply.as_ref().map_or(0, |r| r.status().as_u16()));
    Some(reply)
}

fn set_retry_after(reply: &mut Reply, seconds: Option<u64>) {
    if let (Ok(reply), Some(seconds)) = (reply, seconds) {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Parameters, then the account, then the statement: the order of the recorded server.
fn run(call: &Call, body: &[u8], gzip: bool, fault: Option<&Fault>) -> Reply {
    let started = Instant::now();
    let old = call.server.engine.version.is_2x();
    let denied = match call.param("token") {
        Some(token) if call.server.accounts.token.is_some() => call.server.accounts.token(token),
        _ => call.server.accounts.header(call.authorization.as_deref()),
    };
    if let Err(denied) = &denied
        && denied.status != 200
    {
        return refuse_as(old, denied);
    }
    if let Some(id) = call.param("req_id") {
        if id.parse::<i64>().is_err() {
            let message =
                format!("illegal param, req_id must be numeric strconv.ParseInt: parsing \"{id}\": invalid syntax");
            return refuse(400, 0xffff, &message);
        }
        if id.parse() == Ok(0_i64) {
            return refuse(400, 0xffff, "illegal param, req_id must not be zero");
        }
    }
    let (output, input) = match (zone(call, "tz"), zone(call, "conn_tz")) {
        (Err(name), _) | (_, Err(name)) => return refuse(400, 0xffff, &format!("unknown time zone {name}")),
        (Ok(tz), Ok(conn)) => {
            // conn_tz wins over tz, and tz never changes how literals are read.
            let conn = conn.filter(|_| call.server.adapter.at_least(version::CONN_TZ));
            (conn.or(tz).unwrap_or_default(), conn.unwrap_or_default())
        }
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return refuse(400, 4358, "request is empty");
    }
    if let Err(denied) = &denied {
        return refuse_as(old, denied);
    }
    let mut text = Vec::new();
    let read = if gzip {
        GzDecoder::new(body).take(MAX_SQL + 1).read_to_end(&mut text)
    } else {
        body.take(MAX_SQL + 1).read_to_end(&mut text)
    };
    if read.is_err() {
        return refuse(400, 0xffff, "gzip: invalid header");
    }
    if text.len() as u64 > MAX_SQL {
        return error(old, 0x0219, "SQL statement too long");
    }
    let Ok(text) = String::from_utf8(text) else { return error(old, 0x2600, "syntax error near \"invalid UTF-8\"") };
    let text = text.trim();
    let (database, vgid) = database_of(&call.path);
    if vgid {
        return vgids(call, &database, text);
    }
    // An unknown database in the path is no error by itself (recorded: 9750 comes from the statement).
    let database = Some(database).filter(|d| call.server.engine.has_database(d));
    let key = format!("{} {database:?} {input:?} {output:?} {:?} {text}", call.path, call.param("row_with_meta"));
    let replay = call.server.replay.as_ref().filter(|_| fault.is_none() && call.param("timing").is_none());
    if let Some(kept) = replay.and_then(|replay| replay.get(&key)) {
        return stream_body(call, kept.pieces(), fault);
    }
    let outcome = tokio::task::block_in_place(|| call.server.engine.execute(text, database.as_deref(), input));
    match outcome {
        Err(failed) => error(old, failed.code, &failed.message),
        Ok(Outcome::Rows(result)) => {
            let (precision, size) = (result.precision, if replay.is_some() { KEPT_PIECE } else { PIECE });
            let pieces = rows(call, result, output, started, fault, size);
            match replay {
                None => stream_body(call, pieces, fault),
                Some(replay) => {
                    let fresh = Box::new(pieces.map(Bytes::from));
                    let kept = tokio::task::block_in_place(|| replay.keep(key, Vec::new(), precision, fresh));
                    stream_body(call, kept, fault)
                }
            }
        }
        Ok(Outcome::Affected(n)) => affected(call, n, started, fault),
        Ok(Outcome::Database(_)) => affected(call, 0, started, fault),
    }
}

fn zone(call: &Call, param: &str) -> Result<Option<Zone>, String> {
    match call.param(param) {
        None | Some("") => Ok(None),
        Some(name) => Zone::parse(name).map(Some).ok_or_else(|| name.to_string()),
    }
}

/// The database of `/rest/sql/DB[/vgid]`, and whether it asks for vgroups.
fn database_of(path: &str) -> (String, bool) {
    let mut parts = path.trim_start_matches("/rest/").split('/').skip(1);
    (super::http::decode(parts.next().unwrap_or_default()), parts.next() == Some("vgid"))
}

fn vgids(call: &Call, database: &str, body: &str) -> Reply {
    let Ok(names) = serde_json::from_str::<Vec<String>>(body) else { return refuse(400, 0xffff, "illegal params") };
    let Ok(store) = call.server.engine.store.read() else { return refuse(500, 0xffff, "internal error") };
    match store.database(database) {
        None => refuse(200, 0x0388, "Database not exist"),
        Some(db) => {
            let ids: Vec<i32> = names.iter().map(|n| db.vgroup(n)).collect();
            plain(StatusCode::OK, JSON, Bytes::from(serde_json::json!({"code": 0, "vgIDs": ids}).to_string()))
        }
    }
}

fn refuse_as(old: bool, denied: &Denied) -> Reply {
    if old {
        error_2x(denied.status, denied.code, denied.message)
    } else {
        refuse(denied.status, denied.code, denied.message)
    }
}

/// A database error: HTTP 200.
fn error(old: bool, code: u32, message: &str) -> Reply {
    if old { error_2x(200, code, message) } else { refuse(200, code & 0xffff, message) }
}

fn error_2x(code: u16, number: u32, message: &str) -> Reply {
    let mut body = format!("{{\"status\":\"error\",\"code\":{number},\"desc\":");
    json::text(&mut body, message.as_bytes());
    body.push('}');
    plain(status(code), JSON, Bytes::from(body))
}

fn affected(call: &Call, rows: u64, started: Instant, fault: Option<&Fault>) -> Reply {
    let field = Field::new("affected_rows", Type::fixed(Kind::Int));
    let head = head(call, std::slice::from_ref(&field));
    stream_body(call, vec![format!("{head}[{rows}]{}", tail(call, 1, started))].into_iter(), fault)
}

/// Everything up to the bracket that opens the rows.
fn head(call: &Call, fields: &[Field]) -> String {
    if !call.server.engine.version.is_2x() {
        return format!("{{\"code\":0,{},\"data\":[", json::column_meta(fields, false));
    }
    let mut names = String::new();
    for (at, field) in fields.iter().enumerate() {
        names.push_str(if at > 0 { "," } else { "" });
        json::text(&mut names, field.name.as_bytes());
    }
    format!("{{\"status\":\"succ\",\"head\":[{names}],{},\"data\":[", json::column_meta(fields, true))
}

/// Everything from the bracket that closes the rows.
fn tail(call: &Call, rows: u64, started: Instant) -> String {
    let timing = call.param("timing") == Some("true");
    let timing = if timing { format!(",\"timing\":{}", started.elapsed().as_nanos()) } else { String::new() };
    format!("],\"rows\":{rows}{timing}}}")
}

/// The body of a result, in pieces of about `size` bytes.
fn rows(
    call: &Call,
    mut result: ResultSet,
    zone: Zone,
    started: Instant,
    fault: Option<&Fault>,
    size: usize,
) -> impl Iterator<Item = String> + Send + use<> {
    let times = match (call.server.engine.version.is_2x(), call.path.as_str()) {
        (false, _) => Times::Rfc3339,
        (true, path) if path.starts_with("/rest/sqlutc") => Times::Offset,
        (true, path) if path.starts_with("/rest/sqlt") => Times::Epoch,
        _ => Times::Local,
    };
    let style = Style {
        times,
        zone,
        precision: result.precision,
        objects: call.param("row_with_meta") == Some("true"),
        nan_as_null: call.server.adapter.at_least(version::NAN_AS_NULL) || call.server.engine.version.is_2x(),
    };
    let limit = match fault {
        Some(Fault::TruncateRest(rows)) => (*rows).min(call.server.row_limit),
        _ => call.server.row_limit,
    };
    let head = head(call, &result.fields);
    let timing = call.param("timing") == Some("true");
    let mut written = 0;
    let mut text = head;
    let mut done = false;
    std::iter::from_fn(move || {
        while !done {
            let chunk = result.cursor.next();
            let Some(chunk) = chunk.filter(|_| written < limit) else {
                done = true;
                let timing =
                    if timing { format!(",\"timing\":{}", started.elapsed().as_nanos()) } else { String::new() };
                text.push_str(&format!("],\"rows\":{written}{timing}}}"));
                break;
            };
            for row in 0..chunk.rows {
                if written == limit {
                    break;
                }
                if written > 0 {
                    text.push(',');
                }
                if !json::row(&mut text, &chunk, row, &result.fields, style) {
                    // The adapter's JSON writer refuses NaN and writes nothing more, not even the end.
                    done = true;
                    break;
                }
                written += 1;
            }
            if text.len() >= size {
                break;
            }
        }
        (!text.is_empty()).then(|| std::mem::take(&mut text))
    })
}

/// A chunked body from pieces of text, perhaps compressed, perhaps broken on purpose.
fn stream_body<P>(call: &Call, pieces: P, fault: Option<&Fault>) -> Reply
where
    P: Iterator<Item: Into<Bytes>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(4);
    let gzip = call.gzip;
    let cut = (fault == Some(&Fault::CutBody)).then(|| call.ending.clone());
    let rate = if let Some(Fault::SlowRead(rate)) = fault { Some(*rate) } else { None };
    tokio::task::spawn_blocking(move || {
        let mut encoder = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        for piece in pieces {
            let piece: Bytes = piece.into();
            let mut bytes = match &mut encoder {
                None => piece,
                Some(encoder) => {
                    // Writing into memory does not fail.
                    let _ = encoder.write_all(&piece).and_then(|()| encoder.flush());
                    Bytes::from(std::mem::take(encoder.get_mut()))
                }
            };
            if let Some(ending) = &cut {
                bytes.truncate(bytes.len() / 2);
                let _ = sender.blocking_send(Ok(bytes));
                // Time for the first half to reach the client before the reset overtakes it.
                std::thread::sleep(Duration::from_millis(100));
                let _ = sender.blocking_send(Err(ending.reset()));
                return;
            }
            if let Some(rate) = rate {
                std::thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / rate as f64));
            }
            if sender.blocking_send(Ok(bytes)).is_err() {
                return;
            }
        }
        if let Some(end) = encoder.and_then(|e| e.finish().ok()) {
            let _ = sender.blocking_send(Ok(Bytes::from(end)));
        }
    });
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece.map(Frame::data), receiver))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    if gzip {
        gzip_headers(response.headers_mut());
    }
    Ok(response)
}
