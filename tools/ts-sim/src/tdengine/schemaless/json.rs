//! OpenTSDB's JSON: `{"metric":..,"timestamp":..,"value":..,"tags":{..}}` or an array of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::sql::error::SqlError;
use super::super::time;
use super::super::types::Kind;
use super::super::value::Value;
use super::telnet::VALUE;
use super::{Item, MAX_BYTES, MAX_KEY, MAX_NCHAR, MAX_TABLE, Point, table_name, too_long};
use crate::args::Precision;

/// JSON as the server's parser sees it: every number a double, and members in order, twice if they were sent twice.
#[derive(Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}

fn bad_json() -> SqlError {
    SqlError::new(0x0221, "Invalid JSON format")
}

fn bad_type() -> SqlError {
    SqlError::new(0x0222, "Invalid JSON data type")
}

fn out_of_range() -> SqlError {
    SqlError::new(0x0224, "Value out of range")
}

fn bad_time(words: &str) -> SqlError {
    SqlError::new(0x0127, words)
}

/// All points of the data. What follows the JSON is not looked at.
pub fn parse(data: &[u8]) -> Result<Vec<Point<'static>>, SqlError> {
    let mut reader = serde_json::Deserializer::from_slice(data);
    match Node::deserialize(&mut reader) {
        Ok(Node::Array(points)) => points.iter().map(point).collect(),
        Ok(single @ Node::Object(_)) => Ok(vec![point(&single)?]),
        _ => Err(bad_json()),
    }
}

/// A member, whatever the case of its name.
fn member<'a>(members: &'a [(String, Node)], name: &str) -> Option<&'a Node> {
    members.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, node)| node)
}

fn point(node: &Node) -> Result<Point<'static>, SqlError> {
    let Node::Object(members) = node else { return Err(bad_json()) };
    let get = |name| member(members, name).ok_or_else(bad_json);
    if members.len() != 4 {
        return Err(bad_json());
    }
    let (metric, timestamp, value_node, tags) = (get("metric")?, get("timestamp")?, get("value")?, get("tags")?);
    let Node::Text(metric) = metric else { return Err(bad_json()) };
    if metric.is_empty() || metric.len() > MAX_TABLE {
        return Err(SqlError::new(0x020A, "Invalid table name length"));
    }
    let field = item(VALUE, value_node)?;
    let tags = match tags {
        Node::Object(tags) if !tags.is_empty() => tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?,
        _ => return Err(bad_json()),
    };
    let time = instant(timestamp)?;
    let stable = table_name(metric.as_bytes());
    Ok(Point { measure: stable.clone().into_bytes(), stable, tags, fields: vec![field], time })
}

fn tag((name, node): &(String, Node)) -> Result<Item<'static>, SqlError> {
    if name.is_empty() || name.len() > MAX_KEY {
        return Err(SqlError::new(0x021F, "Invalid column length"));
    }
    item(name, node)
}

/// A value: plain, or `{"value":..,"type":".."}`.
fn item(name: &str, node: &Node) -> Result<Item<'static>, SqlError> {
    let (kind, value) = match node {
        Node::Bool(value) => (Kind::Bool, Value::Bool(*value)),
        Node::Number(value) => (Kind::Double, Value::Double(*value)),
        Node::Text(text) => typed_text(text, "binary")?,
        Node::Object(members) => match (members.len(), member(members, "value"), member(members, "type")) {
            (2, Some(value), Some(Node::Text(kind))) => match value {
                Node::Bool(value) if kind.eq_ignore_ascii_case("bool") => (Kind::Bool, Value::Bool(*value)),
                Node::Number(value) => typed_number(*value, kind)?,
                Node::Text(text) => typed_text(text, kind)?,
                _ => return Err(bad_type()),
            },
            _ => return Err(bad_json()),
        },
        Node::Null | Node::Array(_) => return Err(bad_json()),
    };
    let len = if let Value::Bytes(text) = &value { text.len() as u32 } else { 0 };
    Ok(Item { name: name.to_string(), near: VALUE.as_bytes(), kind, len, value })
}

fn typed_number(value: f64, kind: &str) -> Result<(Kind, Value<'static>), SqlError> {
    let within = |low: f64, high: f64| if value >= low && value <= high { Ok(()) } else { Err(out_of_range()) };
    // A cast of a double holds the value to the type's bounds, as the server does for BIGINT.
    let whole = Value::Int(value as i64);
    Ok(match kind.to_ascii_lowercase().as_str() {
        "i8" | "tinyint" => within(-128.0, 127.0).map(|()| (Kind::TinyInt, whole))?,
        "i16" | "smallint" => within(-32768.0, 32767.0).map(|()| (Kind::SmallInt, whole))?,
        "i32" | "int" => within(f64::from(i32::MIN), f64::from(i32::MAX)).map(|()| (Kind::Int, whole))?,
        "i64" | "bigint" => (Kind::BigInt, whole),
        "f32" | "float" => {
            within(-f64::from(f32::MAX), f64::from(f32::MAX))?;
            (Kind::Float, Value::Float(value as f32))
        }
        "f64" | "double" => (Kind::Double, Value::Double(value)),
        _ => return Err(bad_type()),
    })
}

fn typed_text(text: &str, kind: &str) -> Result<(Kind, Value<'static>), SqlError> {
    let (kind, most) = match kind.to_ascii_lowercase().as_str() {
        "binary" => (Kind::VarChar, MAX_BYTES),
        "varbinary" => (Kind::VarBinary, MAX_BYTES),
        "nchar" => (Kind::NChar, MAX_NCHAR),
        _ => return Err(bad_type()),
    };
    if text.len() > most { Err(too_long()) } else { Ok((kind, Value::text(text))) }
}

/// Ten digits are seconds, thirteen milliseconds, 0 is now; or `{"value":..,"type":"s|ms|us|ns"}`.
fn instant(node: &Node) -> Result<i64, SqlError> {
    let (value, unit) = match node {
        Node::Number(value) => (*value, None),
        Node::Object(members) => match (members.len(), member(members, "value"), member(members, "type")) {
            (2, Some(Node::Number(value)), Some(Node::Text(unit))) => (*value, Some(unit.to_ascii_lowercase())),
            _ => return Err(bad_time("invalidate json")),
        },
        _ => return Err(bad_time("invalidate json")),
    };
    if value >= i64::MAX as f64 || value <= i64::MIN as f64 {
        return Err(bad_time("timestamp is too large"));
    }
    if value < 0.0 {
        return Err(bad_time(if unit.is_none() { "timestamp is negative" } else { "Invalid timestamp format" }));
    }
    let whole = value as i64;
    if value == 0.0 {
        return Ok(time::now(Precision::Ns));
    }
    let factor = match (unit.as_deref(), whole.checked_ilog10().unwrap_or(0) + 1) {
        (Some("s"), _) | (None, 10) => 1_000_000_000,
        (Some("ms"), _) | (None, 13) => 1_000_000,
        (Some("us"), _) => 1_000,
        (Some("ns"), _) => 1,
        (None, _) => {
            return Err(bad_time("timestamp precision can only be seconds(10 digits) or milli seconds(13 digits)"));
        }
        (Some(_), _) => return Err(bad_time("Invalid timestamp format")),
    };
    whole.checked_mul(factor).ok_or_else(|| bad_time("Invalid timestamp format"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Point<'static>, (u32, String)> {
        parse(text.as_bytes()).map(|mut points| points.remove(0)).map_err(|e| (e.code, e.message))
    }

    #[test]
    fn types_are_taken_from_the_json_or_named() {
        let point = one(
            r#"{"Metric":"a.b","timestamp":{"value":1700000000123456,"type":"us"},"value":{"value":7,"type":"SmallInt"},
              "tags":{"s":"text","n":1.5,"b":true,"w":{"value":"中","type":"nchar"}}} rest"#,
        )
        .unwrap();
        assert_eq!((point.stable.as_str(), point.time), ("a_b", 1_700_000_000_123_456_000));
        assert_eq!((point.fields[0].kind, &point.fields[0].value), (Kind::SmallInt, &Value::Int(7)));
        let kinds: Vec<Kind> = point.tags.iter().map(|t| t.kind).collect();
        assert_eq!(kinds, [Kind::VarChar, Kind::Double, Kind::Bool, Kind::NChar]);
        let twice = one(r#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"x","a":"y"}}"#).unwrap();
        assert_eq!(twice.tags.len(), 2);
    }

    #[test]
    fn what_is_no_point_has_its_code() {
        let with = |time: &str, value: &str, tags: &str| {
            one(&format!(r#"{{"metric":"m","timestamp":{time},"value":{value},"tags":{tags}}}"#)).map(|p| p.time)
        };
        let tags = r#"{"a":"b"}"#;
        for (time, value, tags, code) in [
            ("1700000000", "null", tags, 0x0221),
            ("1700000000", "1", "{}", 0x0221),
            ("1700000000", "1", "[1]", 0x0221),
            ("1700000000", r#"{"value":300,"type":"i8"}"#, tags, 0x0224),
            ("1700000000", r#"{"value":1,"type":"text"}"#, tags, 0x0222),
            ("1700000000", r#"{"value":1}"#, tags, 0x0221),
            ("17000000001", "1", tags, 0x0127),
            ("-5", "1", tags, 0x0127),
            ("1e30", "1", tags, 0x0127),
            (r#""2023-01-01""#, "1", tags, 0x0127),
            (r#"{"value":1,"type":"d"}"#, "1", tags, 0x0127),
        ] {
            assert_eq!(with(time, value, tags).map_err(|e| e.0), Err(code), "{time} {value} {tags}");
        }
        assert_eq!(with("1700000000000", "1", tags), Ok(1_700_000_000_000_000_000));
        for text in ["", "5", "[1]", "{\"metric\":\"x\"}", "[{}", "nonsense"] {
            assert_eq!(one(text).map_err(|e| e.0), Err(0x0221), "{text}");
        }
    }
}
