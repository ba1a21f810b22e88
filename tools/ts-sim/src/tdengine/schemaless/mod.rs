//! Schemaless writing: InfluxDB's line protocol, OpenTSDB's telnet lines and OpenTSDB's JSON, as TDengine reads them.
//!
//! Parsing, the words of refusals and what is stored follow the recorded server (taosd 3.3.1); what was not recorded
//! follows the behaviour that its documentation and sources describe.

pub mod http;
mod json;
mod line;
mod number;
mod tables;
mod telnet;
mod value;

use super::exec::Engine;
use super::sql::error::SqlError;
use super::types::Kind;
use super::value::Value;

/// What the data is written in; the numbers are those of the WebSocket's `insert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Line,
    Telnet,
    Json,
}

impl Protocol {
    pub fn from_number(number: i64) -> Option<Protocol> {
        Some(match number {
            1 => Protocol::Line,
            2 => Protocol::Telnet,
            3 => Protocol::Json,
            _ => return None,
        })
    }
}

/// One write.
pub struct Request<'a> {
    pub database: &'a str,
    pub protocol: Protocol,
    /// Nanoseconds in a unit of the lines' times, see [`unit`]; the other protocols have their own rule.
    pub unit: i64,
    /// Days that new tables live; only reported.
    pub ttl: i32,
    /// The tag whose value names the table.
    pub table_name_key: Option<&'a str>,
    pub data: &'a [u8],
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows stored; two points of one table and time make one.
    pub affected: u64,
    /// Points sent.
    pub total: u64,
}

/// Nanoseconds in a unit of `precision`. Other words, also `us` and `n`, are taken as nanoseconds in silence (recorded).
pub fn unit(precision: &str) -> i64 {
    match precision {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "u" | "μ" => 1_000,
        _ => 1,
    }
}

/// A tag or a field.
#[derive(Debug, Clone, PartialEq)]
struct Item<'a> {
    name: String,
    /// The data from the name on, for messages.
    near: &'a [u8],
    kind: Kind,
    /// Bytes of a text as sent: what decides the width of its column.
    len: u32,
    value: Value<'static>,
}

/// One row for one table.
#[derive(Debug, Clone, PartialEq)]
struct Point<'a> {
    /// Name of the super table: unescaped, with underscores for dots.
    stable: String,
    /// The measurement as it enters the name of the table.
    measure: Vec<u8>,
    tags: Vec<Item<'a>>,
    fields: Vec<Item<'a>>,
    /// Nanoseconds since 1970.
    time: i64,
}

/// Parses everything, then widens the super tables, then writes all rows; the first error ends it (recorded: a bad
/// line stores nothing, but columns added for a batch stay when its rows are refused).
pub fn insert(engine: &Engine, request: &Request<'_>) -> Result<Written, SqlError> {
    if !engine.has_database(request.database) {
        return Err(SqlError::no_database());
    }
    let points = match request.protocol {
        Protocol::Line => line::parse(request.data, request.unit)?,
        Protocol::Telnet => telnet::parse(request.data)?,
        Protocol::Json => json::parse(request.data)?,
    };
    let mut store = engine.store.write().map_err(|_| SqlError::new(0x0107, "Internal error"))?;
    let total = points.len() as u64;
    let affected = tables::write(&mut store, request, points)?;
    Ok(Written { affected, total })
}

/// Lines as they are counted: a line feed at the very end starts no other line.
fn lines(data: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= data.len() {
            return None;
        }
        let end = memchr::memchr(b'\n', &data[start..]).map_or(data.len(), |at| start + at);
        let line = (start, end);
        start = end + 1;
        Some(line)
    })
}

const NO_LINES: &str = "line num is invalid";
const BAD_KEY: &str = "invalid key or key is too long than 64";
/// Longest name of a column or tag, and of a table, in bytes.
const MAX_KEY: usize = 64;
const MAX_TABLE: usize = 192;
/// Longest text of a tag or an NCHAR, in bytes as sent.
const MAX_NCHAR: usize = 16_379;
/// Longest VARCHAR, VARBINARY, GEOMETRY.
const MAX_BYTES: usize = 65_517;

/// 0x3002 without words of its own.
fn invalid_data() -> SqlError {
    SqlError::new(0x3002, "Invalid data format")
}

/// 0x0127 without words of its own.
fn invalid_time() -> SqlError {
    SqlError::new(0x0127, "Invalid timestamp format")
}

/// 0x2642 without words of its own.
fn too_long() -> SqlError {
    SqlError::new(0x2642, "Invalid varbinary/binary/nchar column/tag length")
}

/// `what:` with the data from where it went wrong to its end, the following lines too, in 511 bytes (recorded).
fn complaint(code: u32, what: &str, near: &[u8]) -> SqlError {
    let mut text = what.as_bytes().to_vec();
    text.push(b':');
    text.extend_from_slice(excerpt(near));
    text.truncate(511);
    SqlError::new(code, String::from_utf8_lossy(&text))
}

/// As much of the data as a message can show; a zero byte ends it.
fn excerpt(near: &[u8]) -> &[u8] {
    let end = near.iter().take(511).position(|b| *b == 0).unwrap_or(near.len().min(511));
    &near[..end]
}

/// Drops the backslash before each of `special`.
fn unescape(bytes: &[u8], special: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        match bytes.get(at + 1) {
            Some(next) if byte == b'\\' && special.contains(next) => {
                out.push(*next);
                at += 2;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// The name of a super table.
fn table_name(measure: &[u8]) -> String {
    String::from_utf8_lossy(measure).replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_like_the_servers() {
        let count = |data: &[u8]| lines(data).count();
        assert_eq!((count(b""), count(b"a"), count(b"a\n"), count(b"a\n\n"), count(b"a\n\nb")), (0, 1, 1, 2, 3));
    }

    #[test]
    fn backslashes_vanish_only_before_what_they_escape() {
        assert_eq!(unescape(br"a\=b\,c\ d\e", b",= "), b"a=b,c d\\e");
        assert_eq!(unescape(br#"x\\\"y\\"#, b"\"\\"), br#"x\"y\"#);
    }

    #[test]
    fn messages_are_cut_and_end_at_a_zero_byte() {
        assert_eq!(complaint(1, "w", &[b'x'; 600]).message.len(), 511);
        assert_eq!(complaint(1, "w", b"ab\0cd").message, "w:ab");
    }
}
