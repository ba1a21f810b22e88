//! One value, and its texts: as it is loaded and as it is shown.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::datetime;
use super::types::Type;

/// A value without its type: whole numbers, unscaled decimals, days (DATE) and microseconds (DATETIME) are all `Int`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(i128),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
}

/// Why a text is not a value of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not of this type at all.
    Form,
    /// Longer than the column.
    Long,
}

impl<'a> Value<'a> {
    /// A value of its own bytes.
    pub fn owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Int(n) => Value::Int(n),
            Value::Float(f) => Value::Float(f),
            Value::Bytes(b) => Value::Bytes(Cow::Owned(b.into_owned())),
        }
    }

    /// A text.
    pub fn text(text: &str) -> Value<'static> {
        Value::Bytes(Cow::Owned(text.as_bytes().to_vec()))
    }

    /// The text of a value, `None` for NULL.
    pub fn show(&self, ty: &Type) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.write(ty, &mut out).then_some(out)
    }

    /// Appends the text as the MySQL protocol and CSV files have it (dossier starrocks 5.2); false for NULL.
    pub fn write(&self, ty: &Type, out: &mut Vec<u8>) -> bool {
        match self {
            Value::Null => return false,
            Value::Int(n) => write_int(*n, ty, out),
            Value::Float(f) => write_float(*f, matches!(ty, Type::Float), out),
            Value::Bytes(b) => out.extend_from_slice(b),
        }
        true
    }

    /// Order of two values of one type; NULL is the smallest.
    pub fn order(&self, other: &Value<'_>) -> Ordering {
        match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Bytes(_), _) => Ordering::Greater,
            (_, Value::Bytes(_)) => Ordering::Less,
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Value::Int(n) => *n as f64,
            Value::Float(f) => *f,
            _ => f64::NAN,
        }
    }
}

/// Appends an `Int` of this type.
pub fn write_int(n: i128, ty: &Type, out: &mut Vec<u8>) {
    match ty {
        Type::Date => datetime::write_date(out, n as i64),
        Type::DateTime => datetime::write_datetime(out, n as i64),
        Type::Decimal(_, scale) => write_decimal(n, *scale, out),
        _ => match i64::try_from(n) {
            Ok(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Err(_) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        },
    }
}

fn write_decimal(n: i128, scale: u8, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(n.unsigned_abs()).as_bytes();
    if n < 0 {
        out.push(b'-');
    }
    let scale = usize::from(scale);
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        out.extend_from_slice(&digits[whole..]);
    }
}

/// Shortest text that reads back; whole numbers have no fraction (`5`, not `5.0`: [memory]).
pub fn write_float(f: f64, single: bool, out: &mut Vec<u8>) {
    if !f.is_finite() {
        out.extend_from_slice(if f.is_nan() {
            b"nan"
        } else if f > 0.0 {
            b"inf"
        } else {
            b"-inf"
        });
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = if single { buffer.format_finite(f as f32) } else { buffer.format_finite(f) };
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// The value of a text in a column of this type, by the rules of loads (dossier starrocks 1.8).
pub fn parse<'a>(ty: &Type, text: &'a [u8]) -> Result<Value<'a>, Bad> {
    let int = |text: &[u8]| whole(text).ok_or(Bad::Form);
    match ty {
        Type::Boolean => match text {
            b"true" | b"TRUE" | b"True" => Ok(Value::Int(1)),
            b"false" | b"FALSE" | b"False" => Ok(Value::Int(0)),
            _ => int(text).map(|n| Value::Int(i128::from(n != 0))),
        },
        Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt | Type::LargeInt => {
            let n = int(text.trim_ascii())?;
            let (low, high) = ty.bounds().unwrap_or((i128::MIN, i128::MAX));
            if n < low || n > high { Err(Bad::Form) } else { Ok(Value::Int(n)) }
        }
        // `NaN` and `inf` are refused ([memory]).
        Type::Float | Type::Double => {
            let text = std::str::from_utf8(text).map_err(|_| Bad::Form)?.trim();
            let number: f64 = if matches!(ty, Type::Float) {
                text.parse::<f32>().map_err(|_| Bad::Form)?.into()
            } else {
                text.parse().map_err(|_| Bad::Form)?
            };
            if number.is_finite() { Ok(Value::Float(number)) } else { Err(Bad::Form) }
        }
        Type::Decimal(precision, scale) => decimal(text, *precision, *scale).map(Value::Int).ok_or(Bad::Form),
        Type::Date => datetime::parse_date(text).map(|d| Value::Int(d.into())).ok_or(Bad::Form),
        Type::DateTime => datetime::parse_datetime(text).map(|t| Value::Int(t.into())).ok_or(Bad::Form),
        Type::Char(n) | Type::Varchar(n) | Type::VarBinary(n) => {
            if text.len() > *n as usize {
                return Err(Bad::Long);
            }
            Ok(Value::Bytes(Cow::Borrowed(text)))
        }
        Type::Json | Type::Array(_) | Type::Map(..) | Type::Struct(_) => {
            let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| Bad::Form)?;
            let fits = match ty {
                Type::Array(_) => value.is_array(),
                Type::Map(..) | Type::Struct(_) => value.is_object(),
                _ => true,
            };
            if !fits {
                return Err(Bad::Form);
            }
            serde_json::to_vec(&value).map(|text| Value::Bytes(Cow::Owned(text))).map_err(|_| Bad::Form)
        }
        // Only the functions of derived columns make these; a text is what they made.
        Type::Bitmap | Type::Hll | Type::Percentile => Ok(Value::Bytes(Cow::Borrowed(text))),
    }
}

fn whole(text: &[u8]) -> Option<i128> {
    // Short texts are nearly all there is.
    if (1..=18).contains(&text.len()) {
        let (negative, digits) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        if digits.is_empty() {
            return None;
        }
        let mut n: i64 = 0;
        for byte in digits {
            if !byte.is_ascii_digit() {
                return None;
            }
            n = n * 10 + i64::from(byte - b'0');
        }
        return Some((if negative { -n } else { n }).into());
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An unscaled decimal: digits beyond the scale are rounded half up, digits beyond the precision refused ([memory]).
pub fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut n: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(usize::from(scale))) {
        if !byte.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    let rest = fraction.get(usize::from(scale)..).unwrap_or_default();
    if !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if rest.bytes().next().is_some_and(|b| b >= b'5') {
        n = n.checked_add(1)?;
    }
    let most = 10i128.checked_pow(precision.into()).unwrap_or(i128::MAX);
    (n < most).then_some(if negative { -n } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(ty: Type, text: &str) -> String {
        let value = parse(&ty, text.as_bytes()).unwrap();
        String::from_utf8(value.show(&ty).unwrap()).unwrap()
    }

    #[test]
    fn texts_of_types() {
        assert_eq!(round(Type::Boolean, "true"), "1");
        assert_eq!(round(Type::LargeInt, "-170141183460469231731687303715884105728"), i128::MIN.to_string());
        assert_eq!(round(Type::Decimal(10, 3), "-0.0015"), "-0.002");
        assert_eq!(round(Type::Decimal(38, 2), "7"), "7.00");
        assert_eq!(round(Type::Double, "5.0"), "5");
        assert_eq!(round(Type::Float, "0.1"), "0.1");
        assert_eq!(round(Type::DateTime, "2025-01-01T00:00:00.5"), "2025-01-01 00:00:00.500000");
        assert_eq!(round(Type::Json, "{ \"a\" : [1, null] }"), "{\"a\":[1,null]}");
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(parse(&Type::TinyInt, b"128"), Err(Bad::Form));
        assert_eq!(parse(&Type::Int, b""), Err(Bad::Form));
        assert_eq!(parse(&Type::Double, b"NaN"), Err(Bad::Form));
        assert_eq!(parse(&Type::Varchar(3), "äö".as_bytes()), Err(Bad::Long));
        assert_eq!(parse(&Type::Decimal(4, 2), b"100.00"), Err(Bad::Form));
        assert_eq!(parse(&Type::Array(Box::new(Type::Int)), b"{}"), Err(Bad::Form));
    }
}
