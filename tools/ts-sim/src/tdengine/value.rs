//! Single values: tags, literals, aggregates, and everything that is compared.

use std::borrow::Cow;
use std::cmp::Ordering;

/// One value. Integers are widened; the column's type narrows them again.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    /// In the database's precision.
    Time(i64),
    /// Text (UTF-8 as far as the writer kept to it), JSON text, WKB or bytes, by the column's type.
    Bytes(Cow<'a, [u8]>),
    /// Unscaled digits.
    Decimal(i128, u8),
}

impl<'a> Value<'a> {
    /// Text as a value.
    pub fn text(text: impl Into<String>) -> Value<'static> {
        Value::Bytes(Cow::Owned(text.into().into_bytes()))
    }

    /// The same value without its borrow.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(b) => Value::Bool(b),
            Value::Int(i) => Value::Int(i),
            Value::UInt(u) => Value::UInt(u),
            Value::Float(f) => Value::Float(f),
            Value::Double(d) => Value::Double(d),
            Value::Time(t) => Value::Time(t),
            Value::Bytes(b) => Value::Bytes(Cow::Owned(b.into_owned())),
            Value::Decimal(d, s) => Value::Decimal(d, s),
        }
    }

    /// A borrow of the value.
    pub fn as_ref(&self) -> Value<'_> {
        match self {
            Value::Bytes(b) => Value::Bytes(Cow::Borrowed(b)),
            Value::Null => Value::Null,
            Value::Bool(b) => Value::Bool(*b),
            Value::Int(i) => Value::Int(*i),
            Value::UInt(u) => Value::UInt(*u),
            Value::Float(f) => Value::Float(*f),
            Value::Double(d) => Value::Double(*d),
            Value::Time(t) => Value::Time(*t),
            Value::Decimal(d, s) => Value::Decimal(*d, *s),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// As a whole number, when it is one.
    pub fn integer(&self) -> Option<i128> {
        match self {
            Value::Bool(b) => Some(i128::from(*b)),
            Value::Int(i) | Value::Time(i) => Some(i128::from(*i)),
            Value::UInt(u) => Some(i128::from(*u)),
            _ => None,
        }
    }

    /// As a double, when it is a number.
    pub fn double(&self) -> Option<f64> {
        match self {
            Value::Float(f) => Some(f64::from(*f)),
            Value::Double(d) => Some(*d),
            Value::Decimal(d, scale) => Some(*d as f64 / 10_f64.powi(i32::from(*scale))),
            _ => self.integer().map(|i| i as f64),
        }
    }

    /// SQL comparison: `None` when one side is NULL or they cannot be compared.
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        if let (Some(a), Some(b)) = (self.integer(), other.integer()) {
            return Some(a.cmp(&b));
        }
        if let (Value::Bytes(a), Value::Bytes(b)) = (self, other) {
            return Some(a.as_ref().cmp(b.as_ref()));
        }
        if let (Value::Decimal(a, s), Value::Decimal(b, t)) = (self, other)
            && s == t
        {
            return Some(a.cmp(b));
        }
        self.double()?.partial_cmp(&other.double()?)
    }

    /// A total order for ORDER BY: NULL first, then by [`Value::compare`], unordered values equal.
    pub fn order(&self, other: &Value<'_>) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare(other).unwrap_or(Ordering::Equal),
        }
    }
}

/// Digits of a decimal with its scale kept: `123.4500`.
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Reads `-12.5` into unscaled digits; digits beyond the scale are rounded half up, more than `precision` digits refused.
pub fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = usize::from(scale);
    let mut unscaled: i128 = 0;
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(scale);
    for digit in whole.bytes().chain(kept) {
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if fraction.as_bytes().get(scale).is_some_and(|d| *d >= b'5') {
        unscaled += 1;
    }
    if unscaled >= 10_i128.checked_pow(u32::from(precision))? {
        return None;
    }
    Some(if negative { -unscaled } else { unscaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_scale() {
        for (text, unscaled) in [("123.4500", 1_234_500), ("-0.0001", -1), ("0.0000", 0), ("-99.9999", -999_999)] {
            assert_eq!(parse_decimal(text, 10, 4), Some(unscaled));
            assert_eq!(decimal_text(unscaled, 4), text);
        }
        assert_eq!(parse_decimal("1.5", 4, 0), Some(2));
        assert_eq!(parse_decimal("100", 2, 0), None);
        assert_eq!(parse_decimal("1e3", 10, 0), None);
    }

    #[test]
    fn integers_compare_exactly_across_signs() {
        assert_eq!(Value::UInt(u64::MAX).compare(&Value::Int(-1)), Some(Ordering::Greater));
        assert_eq!(Value::Int(i64::MAX).compare(&Value::UInt(i64::MAX as u64)), Some(Ordering::Equal));
        assert_eq!(Value::Null.compare(&Value::Int(1)), None);
        assert_eq!(Value::Int(1).compare(&Value::text("1")), None);
    }
}
