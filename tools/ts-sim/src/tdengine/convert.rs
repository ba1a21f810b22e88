//! A literal into a column's type: what INSERT accepts, and with which words it refuses.

use std::borrow::Cow;

use super::time::{self, Zone};
use super::types::{Field, Kind, Type};
use super::value::{Value, parse_decimal};
use super::{geometry, version};
use crate::args::Precision;

/// Why a literal does not fit. The words are the server's.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// "invalid int data" and the like; the statement is rejected as a syntax error (534).
    Invalid(&'static str),
    /// 9811.
    TooLong,
    /// The number does not fit into the type; a syntax error too.
    Overflow(&'static str),
}

/// A literal of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Digits with an optional sign, point and exponent, as written.
    Number(String),
    /// A quoted text, escapes resolved.
    Text(Vec<u8>),
    /// A time computed already (`now`, `now - 1d`), in the database's precision.
    Time(i64),
}

/// Converts for one column.
pub fn literal(literal: &Literal, field: &Field, precision: Precision, zone: Zone) -> Result<Value<'static>, Refusal> {
    let ty = field.ty;
    match (ty.kind, literal) {
        (_, Literal::Null) => Ok(Value::Null),
        (Kind::Json, Literal::Text(text)) => json(text, ty),
        (Kind::VarChar | Kind::NChar | Kind::VarBinary | Kind::Blob | Kind::Geometry, _) => bytes(literal, ty),
        (Kind::Timestamp, Literal::Time(time)) => Ok(Value::Time(*time)),
        (Kind::Timestamp, Literal::Number(digits)) => {
            digits.parse().map(Value::Time).map_err(|_| Refusal::Invalid("invalid timestamp"))
        }
        (Kind::Timestamp, Literal::Text(text)) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| time::parse(text, precision, zone).or_else(|| text.parse().ok()))
            .map(Value::Time)
            .ok_or(Refusal::Invalid("invalid timestamp")),
        (_, Literal::Bool(b)) => number(if *b { "1" } else { "0" }, ty),
        (Kind::Bool, Literal::Text(text)) => match text.to_ascii_lowercase().as_slice() {
            b"true" => Ok(Value::Bool(true)),
            b"false" => Ok(Value::Bool(false)),
            _ => Err(Refusal::Invalid("invalid bool data")),
        },
        (_, Literal::Number(digits)) => number(digits, ty),
        (_, Literal::Text(text)) => match std::str::from_utf8(text) {
            Ok(text) => number(text, ty),
            Err(_) => Err(Refusal::Invalid(complaint(ty))),
        },
        (_, Literal::Time(time)) => number(&time.to_string(), ty),
    }
}

fn complaint(ty: Type) -> &'static str {
    match ty.kind {
        Kind::Bool => "invalid bool data",
        Kind::TinyInt => "invalid tinyint data",
        Kind::UTinyInt => "invalid unsigned tinyint data",
        Kind::SmallInt => "invalid smallint data",
        Kind::USmallInt => "invalid unsigned smallint data",
        Kind::Int => "invalid int data",
        Kind::UInt => "invalid unsigned int data",
        Kind::BigInt => "invalid bigint data",
        Kind::UBigInt => "invalid unsigned bigint data",
        Kind::Float => "illegal float data",
        Kind::Double => "illegal double data",
        Kind::Decimal | Kind::Decimal64 => "invalid decimal data",
        Kind::Timestamp => "invalid timestamp",
        Kind::Json => "json parse error",
        Kind::VarChar | Kind::NChar | Kind::VarBinary | Kind::Blob | Kind::Geometry => "invalid data",
    }
}

/// Smallest and largest value of an integer type.
pub fn bounds(kind: Kind) -> Option<(i128, i128)> {
    let signed = |bits: u32| (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let unsigned = |bits: u32| (0, (1_i128 << bits) - 1);
    Some(match kind {
        Kind::TinyInt => signed(8),
        Kind::SmallInt => signed(16),
        Kind::Int => signed(32),
        Kind::BigInt | Kind::Timestamp => signed(64),
        Kind::UTinyInt => unsigned(8),
        Kind::USmallInt => unsigned(16),
        Kind::UInt => unsigned(32),
        Kind::UBigInt => unsigned(64),
        _ => return None,
    })
}

fn number(digits: &str, ty: Type) -> Result<Value<'static>, Refusal> {
    let complaint = complaint(ty);
    let digits = digits.trim();
    if let Some((low, high)) = bounds(ty.kind) {
        let whole: i128 = match digits.parse() {
            Ok(whole) => whole,
            // 1.5 and 1e3 are rounded into an integer column, other text is refused.
            Err(_) => finite(digits).ok_or(Refusal::Invalid(complaint))?.round() as i128,
        };
        if whole < low || whole > high {
            return Err(Refusal::Overflow(complaint));
        }
        return Ok(if low < 0 { Value::Int(whole as i64) } else { Value::UInt(whole as u64) });
    }
    match ty.kind {
        Kind::Bool => finite(digits).map(|d| Value::Bool(d != 0.0)).ok_or(Refusal::Invalid(complaint)),
        Kind::Float => {
            let value: f32 = finite(digits).and_then(|_| digits.parse().ok()).ok_or(Refusal::Invalid(complaint))?;
            if value.is_finite() { Ok(Value::Float(value)) } else { Err(Refusal::Overflow(complaint)) }
        }
        Kind::Double => finite(digits).map(Value::Double).ok_or(Refusal::Invalid(complaint)),
        Kind::Decimal | Kind::Decimal64 => parse_decimal(digits, ty.precision, ty.scale)
            .map(|d| Value::Decimal(d, ty.scale))
            .ok_or(Refusal::Invalid(complaint)),
        _ => Err(Refusal::Invalid(complaint)),
    }
}

/// A finite double; `nan` and `inf` are no literals.
fn finite(digits: &str) -> Option<f64> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    digits.parse::<f64>().ok().filter(|d| plain && d.is_finite())
}

fn bytes(literal: &Literal, ty: Type) -> Result<Value<'static>, Refusal> {
    let text: Cow<'_, [u8]> = match literal {
        Literal::Text(text) => Cow::Borrowed(text),
        Literal::Number(digits) => Cow::Borrowed(digits.as_bytes()),
        Literal::Bool(b) => Cow::Borrowed(if *b { b"true" } else { b"false" }),
        Literal::Time(time) => Cow::Owned(time.to_string().into_bytes()),
        Literal::Null => return Ok(Value::Null),
    };
    let bytes = match ty.kind {
        Kind::Geometry => {
            let text = std::str::from_utf8(&text).ok().and_then(geometry::wkb);
            text.ok_or(Refusal::Invalid("invalid geometry data"))?
        }
        Kind::VarBinary | Kind::Blob if text.starts_with(b"\\x") || text.starts_with(b"\\X") => {
            hex::decode(&text[2..]).map_err(|_| Refusal::Invalid("invalid varbinary data"))?
        }
        _ => text.into_owned(),
    };
    fits(bytes, ty)
}

/// Bytes into a column, when they are not too long for it (NCHAR counts characters).
pub fn fits(bytes: Vec<u8>, ty: Type) -> Result<Value<'static>, Refusal> {
    let length = match ty.kind {
        Kind::NChar => match std::str::from_utf8(&bytes) {
            Ok(text) => text.chars().count(),
            Err(_) => return Err(Refusal::Invalid("invalid nchar data")),
        },
        _ => bytes.len(),
    };
    if length > ty.declared() as usize { Err(Refusal::TooLong) } else { Ok(Value::Bytes(Cow::Owned(bytes))) }
}

/// A JSON tag: an object, printed again without blanks. An empty text is no tag at all.
fn json(text: &[u8], ty: Type) -> Result<Value<'static>, Refusal> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(serde_json::Value::Null) => Ok(Value::Null),
        Ok(parsed @ serde_json::Value::Object(_)) => fits(parsed.to_string().into_bytes(), ty),
        _ => Err(Refusal::Invalid("json parse error")),
    }
}

/// True when this version knows the type.
pub fn known(ty: Type, server: &version::Version) -> bool {
    match ty.kind {
        Kind::Decimal | Kind::Decimal64 => server.at_least(version::DECIMAL),
        Kind::Blob => server.at_least(version::BLOB),
        Kind::VarBinary | Kind::Geometry => !server.is_2x(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(ty: &str, value: &Literal) -> Result<Value<'static>, Refusal> {
        literal(value, &Field::new("c", Type::parse(ty).unwrap()), Precision::Ms, Zone::default())
    }

    fn number(text: &str) -> Literal {
        Literal::Number(text.to_string())
    }

    #[test]
    fn extremes_fit_and_the_next_does_not() {
        assert_eq!(convert("TINYINT", &number("-128")), Ok(Value::Int(-128)));
        assert_eq!(convert("TINYINT", &number("128")), Err(Refusal::Overflow("invalid tinyint data")));
        assert_eq!(convert("BIGINT UNSIGNED", &number("18446744073709551615")), Ok(Value::UInt(u64::MAX)));
        assert_eq!(convert("INT UNSIGNED", &number("-1")), Err(Refusal::Overflow("invalid unsigned int data")));
        assert_eq!(convert("FLOAT", &number("1e39")), Err(Refusal::Overflow("illegal float data")));
        assert_eq!(convert("INT", &Literal::Text(b"abc".into())), Err(Refusal::Invalid("invalid int data")));
        assert_eq!(convert("DOUBLE", &number("nan")), Err(Refusal::Invalid("illegal double data")));
    }

    #[test]
    fn lengths_count_bytes_or_characters() {
        let text = Literal::Text("äöü".as_bytes().to_vec());
        assert_eq!(convert("VARCHAR(5)", &text), Err(Refusal::TooLong));
        assert_eq!(convert("NCHAR(3)", &text), Ok(Value::text("äöü")));
        assert_eq!(
            convert("VARBINARY(2)", &Literal::Text(b"\\x98f4".into())),
            Ok(Value::Bytes(vec![0x98, 0xf4].into()))
        );
        assert_eq!(convert("JSON", &Literal::Text(br#"{"a" : 1}"#.to_vec())), Ok(Value::text(r#"{"a":1}"#)));
        assert_eq!(convert("JSON", &Literal::Text(b"[1]".to_vec())), Err(Refusal::Invalid("json parse error")));
    }
}
