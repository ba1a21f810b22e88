//! Writing to InfluxDB 3: the native path with its partial writes, and the two compatible ones that take all or nothing
//! (dossier influxdb 2.4, from the sources of 3.10.1).

use super::body::Damage;
use super::http;
use super::reply::Reply;
use super::request::Request;
use super::server::Server;
use super::store::{Data, Database, Type};
use super::v3_points::{self, Line};
use super::write_api::plain_body;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// Which endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `/api/v3/write_lp`
    Native,
    /// `/write`
    Compat1,
    /// `/api/v2/write`
    Compat2,
}

/// Writes one body.
pub fn write(server: &Server, request: &Request, door: Door) -> Reply {
    let credentials = request.credentials();
    if server.accounts().token(&credentials).is_none() {
        return Reply::empty(401);
    }
    let Some(database) = database(request, door) else {
        return refuse(door, "missing query parameters 'db'", None);
    };
    let Some(precision) = precision(request.param("precision"), door) else {
        return refuse(door, "serde error: unknown variant of precision", None);
    };
    let encoding = request.header("content-encoding");
    if encoding.is_some_and(|e| !matches!(e, "gzip" | "identity")) {
        return refuse(door, "unacceptable content-encoding, must be `gzip` or `identity`", None);
    }
    let body = match plain_body(server, request) {
        Ok(body) => body,
        Err(Damage::TooLarge) => return http::too_large(server),
        Err(damage) => return refuse(door, &format!("error decoding gzip stream: {}", damage.text()), None),
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return refuse(door, "body content is not valid utf8", None);
    };
    let partial = door == Door::Native && request.param("accept_partial") != Some("false");
    let mut lines: Vec<(usize, Line, i64)> = Vec::new();
    let mut errors: Vec<Json> = Vec::new();
    let report = |n: usize, why: &str| {
        // the server pairs its own count of parsed lines with the raw lines of the body, and cuts after 20 bytes
        let original = text.lines().nth(n - 1).unwrap_or_default();
        let cut = (0..=original.len().min(20)).rev().find(|&i| original.is_char_boundary(i)).unwrap_or(0);
        json!({"error_message": why, "line_number": n, "original_line": original.get(..cut).unwrap_or_default()})
    };
    for (n, parsed) in v3_points::parse(&body).into_iter().enumerate() {
        let timed = parsed.and_then(|line| {
            let time = match line.time {
                None => Some(server.now()),
                Some(time) => v3_points::to_ns(time, precision),
            };
            time.map(|time| (line, time)).ok_or_else(|| "timestamp out of range".to_string())
        });
        match timed {
            Ok((line, time)) => lines.push((n + 1, line, time)),
            Err(why) => errors.push(report(n + 1, &why)),
        }
    }
    if lines.is_empty() && errors.is_empty() {
        return refuse(door, "incoming write was empty", None);
    }
    if !partial && let Some(first) = errors.first().cloned() {
        return all_or_nothing(door, first);
    }
    let mut store = server.store_mut();
    let target = store.databases.entry(database).or_insert_with(|| Database::new("autogen", server.retention, 0));
    let Some(policy) = target.policy_mut(None) else { return Reply::empty(500) };
    let mut check = Columns::default();
    let mut good = Vec::with_capacity(lines.len());
    for (n, line, time) in lines {
        match check.add(&policy.data, &line) {
            Ok(()) => good.push((line, time)),
            Err(why) => errors.push(report(n, &why)),
        }
    }
    if !partial && let Some(first) = errors.first().cloned() {
        return all_or_nothing(door, first);
    }
    for (line, time) in good {
        insert(&mut policy.data, &line, time);
    }
    if errors.is_empty() {
        return Reply::empty(204);
    }
    errors.sort_by_key(|e| e.get("line_number").and_then(Json::as_u64));
    Reply::v3_error(400, "partial write of line protocol occurred", Some(Json::from(errors)))
}

fn database(request: &Request, door: Door) -> Option<String> {
    let db = match door {
        Door::Compat2 => request.given("bucket")?,
        _ => request.given("db")?,
    };
    Some(match request.given("rp").filter(|rp| door == Door::Compat1 && *rp != "autogen" && *rp != "default") {
        Some(rp) => format!("{db}/{rp}"),
        None => db.to_string(),
    })
}

/// `Some(None)` is `auto`.
fn precision(given: Option<&str>, door: Door) -> Option<Option<i64>> {
    Some(Some(match given.unwrap_or(if door == Door::Native { "auto" } else { "ns" }) {
        "auto" if door == Door::Native => return Some(None),
        "ns" | "n" | "nanosecond" => 1,
        "us" | "u" | "microsecond" => 1_000,
        "ms" | "millisecond" => 1_000_000,
        "s" | "second" => 1_000_000_000,
        _ => return None,
    }))
}

fn refuse(door: Door, why: &str, data: Option<Json>) -> Reply {
    match door {
        Door::Compat2 => Reply::v2_error(400, "invalid", why.as_bytes()),
        _ => Reply::v3_error(400, why, data),
    }
}

fn all_or_nothing(door: Door, first: Json) -> Reply {
    let why = first.get("error_message").and_then(Json::as_str).unwrap_or_default().to_string();
    match door {
        Door::Native => refuse(door, "line protocol parsing error", Some(first)),
        _ => refuse(door, &format!("write buffer error: line protocol parse failed: {why}"), None),
    }
}

/// What a column of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Tag,
    Field(Type),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Column::Time => "iox::column_type::timestamp",
            Column::Tag => "iox::column_type::tag",
            Column::Field(Type::Float) => "iox::column_type::field::float",
            Column::Field(Type::Integer) => "iox::column_type::field::integer",
            Column::Field(Type::Unsigned) => "iox::column_type::field::uinteger",
            Column::Field(Type::String) => "iox::column_type::field::string",
            Column::Field(Type::Boolean) => "iox::column_type::field::boolean",
        }
    }
}

/// The columns of the tables that a batch touches, as they become line by line.
#[derive(Default)]
struct Columns {
    tables: HashMap<Vec<u8>, HashMap<Vec<u8>, Column>>,
}

impl Columns {
    fn add(&mut self, data: &Data, line: &Line) -> Result<(), String> {
        let table = self.tables.entry(line.measurement.clone()).or_insert_with(|| existing(data, &line.measurement));
        let tags = line.tags.iter().map(|(key, _)| (key, Column::Tag));
        let fields = line.fields.iter().map(|(key, value)| (key, Column::Field(Type::of(value))));
        let wanted: Vec<(&Vec<u8>, Column)> = tags.chain(fields).collect();
        for (n, (key, column)) in wanted.iter().enumerate() {
            let earlier = wanted.iter().take(n).find(|(k, _)| k == key).map(|(_, c)| *c);
            if let Some(known) = table.get(*key).copied().or(earlier).filter(|known| known != column) {
                let key = String::from_utf8_lossy(key);
                let (known, got) = (known.name(), column.name());
                return Err(format!("invalid column type for column '{key}', expected {known}, got {got}"));
            }
        }
        for (key, column) in wanted {
            table.insert(key.clone(), column);
        }
        Ok(())
    }
}

fn existing(data: &Data, measurement: &[u8]) -> HashMap<Vec<u8>, Column> {
    let mut columns = HashMap::from([(b"time".to_vec(), Column::Time)]);
    if let Some(measurement) = data.measurement(measurement) {
        columns.extend(measurement.tag_keys().into_iter().map(|k| (k.to_vec(), Column::Tag)));
        columns.extend(measurement.field_types().into_iter().map(|(k, ty)| (k.to_vec(), Column::Field(ty))));
    }
    columns
}

fn insert(data: &mut Data, line: &Line, time: i64) {
    let (m, s) = data.series(&v3_points::series_key(line), v3_points::split_key);
    let Some(measurement) = data.measurements.get_mut(m as usize) else { return };
    let ids: Vec<u32> = line.fields.iter().map(|(key, _)| measurement.field(key)).collect();
    let types = measurement.shards.entry(0).or_default();
    for (id, (_, value)) in ids.iter().zip(&line.fields) {
        if types.len() <= *id as usize {
            types.resize(*id as usize + 1, None);
        }
        if let Some(slot) = types.get_mut(*id as usize) {
            *slot = Some(Type::of(value));
        }
    }
    measurement.push(s, time, ids.into_iter().zip(line.fields.iter().map(|(_, value)| value)));
}

/// Loads line protocol (ns): every line has to be good.
pub fn load(server: &Server, target: &str, bytes: &[u8]) -> Result<(), String> {
    let mut store = server.store_mut();
    let policy = store.databases.get_mut(target).and_then(|d| d.policy_mut(None));
    let policy = policy.ok_or_else(|| format!("no database {target}"))?;
    let mut check = Columns::default();
    for line in v3_points::parse(bytes) {
        let line = line?;
        check.add(&policy.data, &line)?;
        insert(&mut policy.data, &line, line.time.unwrap_or_else(|| server.now()));
    }
    Ok(())
}
