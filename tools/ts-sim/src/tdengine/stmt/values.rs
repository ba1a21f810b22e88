//! Bound values: from JSON, from a raw block, from the bytes of a `stmt2` frame, into a column's type or refused.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::super::block_in::IncomingColumn;
use super::super::column::decode;
use super::super::convert::{self, Literal};
use super::super::exec::fitting;
use super::super::sql::error::SqlError;
use super::super::time::{self, Zone};
use super::super::types::{Field, Kind, Type};
use super::super::value::{Value, parse_decimal};
use super::frame::BoundColumn;
use crate::args::Precision;

fn mismatch() -> SqlError {
    SqlError::operation("column type mis-match with buffer type")
}

/// A column of a block; its type must be the field's.
pub fn from_block(column: IncomingColumn, field: &Field) -> Result<Vec<Value<'static>>, SqlError> {
    let all_null = column.values.iter().all(Value::is_null);
    if column.ty.number() != field.ty.number() && !all_null {
        return Err(mismatch());
    }
    column.values.into_iter().map(|value| fit(value, field)).collect()
}

/// A column of a frame; its type must be the field's, unless it is one NULL.
pub fn from_bytes(column: &BoundColumn<'_>, field: &Field) -> Result<Vec<Value<'static>>, SqlError> {
    let one_null = column.values.len() == 1 && column.values[0].is_none();
    if column.number != i32::from(field.ty.number()) && !one_null {
        return Err(mismatch());
    }
    column.values.iter().map(|bytes| bytes.map_or(Ok(Value::Null), |bytes| one(bytes, field))).collect()
}

/// A parameter of a query: its type is what it says.
pub fn from_bytes_alone(column: &BoundColumn<'_>) -> Result<Vec<Value<'static>>, SqlError> {
    let number = u8::try_from(column.number).map_err(|_| SqlError::parameters())?;
    let mut ty = Type::from_wire(number, [0; 4]).ok_or_else(SqlError::parameters)?;
    // As long as any value: nothing has to fit into a column.
    ty.len = u32::MAX;
    from_bytes(column, &Field::new("parameter", ty))
}

/// `-1.25E+3` as `-1250.`: clients send a decimal as their library prints it.
fn plain_decimal(text: &str) -> Option<Cow<'_, str>> {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return Some(Cow::Borrowed(text)) };
    let exponent: i32 = exponent.parse().ok()?;
    let (sign, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (&digits[..1], rest),
        None => ("", digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // More than the digits of any decimal would only be zeros.
    if exponent.unsigned_abs() > 100 || digits.len() > 100 {
        return None;
    }
    let zeros = "0".repeat(exponent.unsigned_abs() as usize);
    Some(Cow::Owned(if exponent >= 0 {
        let fraction = format!("{fraction}{zeros}");
        let (head, tail) = fraction.split_at_checked(exponent as usize)?;
        format!("{sign}{whole}{head}.{tail}")
    } else {
        let whole = format!("{zeros}{whole}");
        let (head, tail) = whole.split_at_checked(whole.len() - exponent.unsigned_abs() as usize)?;
        format!("{sign}{head}.{tail}{fraction}")
    }))
}

fn one(bytes: &[u8], field: &Field) -> Result<Value<'static>, SqlError> {
    match (field.ty.kind, field.ty.width()) {
        (Kind::Decimal | Kind::Decimal64, _) => std::str::from_utf8(bytes)
            .ok()
            .and_then(plain_decimal)
            .and_then(|text| parse_decimal(&text, field.ty.precision, field.ty.scale))
            .map(|digits| Value::Decimal(digits, field.ty.scale))
            .ok_or_else(SqlError::parameters),
        (_, Some(width)) if bytes.len() == width => Ok(decode(field.ty, bytes)),
        (_, Some(_)) => Err(SqlError::parameters()),
        (_, None) => fit(Value::Bytes(bytes.to_vec().into()), field),
    }
}

/// A value of the right type that must also fit into its column, or be JSON.
pub fn fit(value: Value<'static>, field: &Field) -> Result<Value<'static>, SqlError> {
    match value {
        Value::Bytes(text) if field.ty.kind == Kind::Json => {
            convert::literal(&Literal::Text(text.into_owned()), field, Precision::Ms, Zone::default())
                .map_err(|_| SqlError::insert("json", "json parse error"))
        }
        Value::Decimal(_, scale) if scale != field.ty.scale => Err(mismatch()),
        value => fitting(value, field),
    }
}

/// A JSON value as the adapter reads it: numbers must fit, bytes are hexadecimal, times integers or RFC 3339. The
/// error is the rest of its message.
pub fn from_json(json: &Json, field: &Field, precision: Precision) -> Result<Value<'static>, String> {
    let wrong = || format!("{}: {json} is no {}", field.name, field.ty.name());
    let text = || json.as_str().ok_or_else(wrong);
    Ok(match field.ty.kind {
        _ if json.is_null() => Value::Null,
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(wrong)?),
        Kind::Float => {
            let value = json.as_f64().ok_or_else(wrong)? as f32;
            if value.is_infinite() {
                return Err(wrong());
            }
            Value::Float(value)
        }
        Kind::Double => Value::Double(json.as_f64().ok_or_else(wrong)?),
        Kind::Timestamp => match json {
            Json::String(text) => Value::Time(time::parse(text, precision, Zone::default()).ok_or_else(wrong)?),
            _ => Value::Time(json.as_i64().ok_or_else(wrong)?),
        },
        Kind::VarBinary | Kind::Geometry => Value::Bytes(hex::decode(text()?).map_err(|_| wrong())?.into()),
        Kind::VarChar | Kind::NChar | Kind::Json => Value::text(text()?),
        Kind::Decimal | Kind::Decimal64 | Kind::Blob => {
            return Err(format!("unknown column types {}", field.ty.number()));
        }
        kind => {
            let whole = json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from)).ok_or_else(wrong)?;
            let (low, high) = convert::bounds(kind).ok_or_else(wrong)?;
            match whole {
                w if w < low || w > high => return Err(wrong()),
                w if low < 0 => Value::Int(w as i64),
                w => Value::UInt(w as u64),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(ty: &str) -> Field {
        Field::new("c", Type::parse(ty).unwrap())
    }

    #[test]
    fn json_is_taken_only_where_it_fits() {
        let read = |ty: &str, value: Json| from_json(&value, &field(ty), Precision::Us);
        assert_eq!(read("TINYINT", json!(-128)), Ok(Value::Int(-128)));
        assert!(read("TINYINT", json!(128)).is_err() && read("INT", json!(1.5)).is_err());
        assert_eq!(read("BIGINT UNSIGNED", json!(u64::MAX)), Ok(Value::UInt(u64::MAX)));
        assert_eq!(read("VARBINARY(8)", json!("98f46e")), Ok(Value::Bytes(vec![0x98, 0xf4, 0x6e].into())));
        assert!(read("VARBINARY(8)", json!("98f")).is_err() && read("BOOL", json!(1)).is_err());
        assert_eq!(read("TIMESTAMP", json!("2023-11-14T22:13:20.1Z")), Ok(Value::Time(1_700_000_000_100_000)));
        assert_eq!(read("NCHAR(2)", Json::Null), Ok(Value::Null));
    }

    #[test]
    fn bytes_must_have_the_type_and_the_length() {
        let bound = |number: i32, bytes| BoundColumn { number, values: vec![Some(bytes)] };
        assert_eq!(from_bytes(&bound(4, &[1, 0, 0, 0]), &field("INT")), Ok(vec![Value::Int(1)]));
        assert_eq!(from_bytes(&bound(5, &[1, 0, 0, 0]), &field("INT")).unwrap_err().code, 0x0200);
        assert_eq!(from_bytes(&bound(4, &[1, 0]), &field("INT")).unwrap_err().code, 0x0118);
        assert_eq!(from_bytes(&bound(8, b"abc"), &field("VARCHAR(2)")).unwrap_err().code, 0x0118);
        assert_eq!(from_bytes(&bound(10, "äöü".as_bytes()), &field("NCHAR(3)")), Ok(vec![Value::text("äöü")]));
        assert_eq!(from_bytes(&bound(21, b"-1.5"), &field("DECIMAL(9, 2)")), Ok(vec![Value::Decimal(-150, 2)]));
        for (text, unscaled) in [("1.25E+3", 125_000), ("0E-10", 0), ("-125e-2", -125), ("12E-1", 120), ("5E-2", 5)] {
            let read = from_bytes(&bound(21, text.as_bytes()), &field("DECIMAL(9, 2)"));
            assert_eq!(read, Ok(vec![Value::Decimal(unscaled, 2)]), "{text}");
        }
        assert!(from_bytes(&bound(21, b"1E+99"), &field("DECIMAL(9, 2)")).is_err());
        assert!(from_bytes(&bound(21, b"1E999999999"), &field("DECIMAL(9, 2)")).is_err());
        assert_eq!(from_bytes(&bound(15, br#"{"a" : 1}"#), &field("JSON")), Ok(vec![Value::text(r#"{"a":1}"#)]));
        assert!(from_bytes(&bound(15, b"[1]"), &field("JSON")).is_err());
        let null = BoundColumn { number: 0, values: vec![None] };
        assert_eq!(from_bytes(&null, &field("INT")), Ok(vec![Value::Null]));
    }
}
