//! Types of NDJSON columns, from the first lines: no number goes through a float, no text is taken for a number.

use crate::header::Column;
use crate::instant;
use crate::role::Role;
use crate::time::Unit;
use crate::types::Type;

/// What the values of a column were so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    Boolean,
    /// A whole number that fits both `long` and `ulong`.
    Whole,
    /// A negative whole number.
    Negative,
    /// A whole number above the largest `long`.
    Large,
    Real,
    /// `"NaN"`, `"inf"` or `"-inf"`: text unless numbers come as well.
    NotFinite,
    Time(Unit),
    Text,
    /// Objects or arrays.
    Nested,
}

impl Seen {
    /// What one value, as JSON text, is. `Err`: a whole number too large for any integer.
    pub fn of(raw: &str, text: impl FnOnce() -> Option<Vec<u8>>) -> Result<Seen, &'static str> {
        Ok(match raw.as_bytes().first() {
            Some(b'n') | None => Seen::Nothing,
            Some(b't' | b'f') => Seen::Boolean,
            Some(b'{' | b'[') => Seen::Nested,
            Some(b'"') => match text() {
                Some(text) if is_not_finite(&text) => Seen::NotFinite,
                Some(text) => instant::unit_of(&text).map_or(Seen::Text, Seen::Time),
                None => Seen::Text,
            },
            Some(_) if raw.contains(['.', 'e', 'E']) => {
                if digits(raw.as_bytes()) > DOUBLE_DIGITS {
                    return Err("has more digits than a double holds: give the column's type (decimal(p,s), string)");
                }
                Seen::Real
            }
            Some(b'-') if raw.parse::<i64>().is_ok() => Seen::Negative,
            Some(_) => match raw.parse::<u64>() {
                Ok(value) if i64::try_from(value).is_ok() => Seen::Whole,
                Ok(_) => Seen::Large,
                Err(_) => {
                    return Err("is too large for a whole number: give the column's type (double, decimal, string)");
                }
            },
        })
    }

    /// Both in one column; `None` where no type holds both exactly.
    pub fn merge(self, other: Seen) -> Option<Seen> {
        use Seen::*;
        Some(match (self, other) {
            (a, b) if a == b => a,
            (Nothing, a) | (a, Nothing) => a,
            (Nested, _) | (_, Nested) => Nested,
            (Whole, Negative) | (Negative, Whole) => Negative,
            (Whole, Large) | (Large, Whole) => Large,
            (Real | NotFinite, Whole | Negative | Large | Real)
            | (Whole | Negative | Large | Real, Real | NotFinite) => Real,
            (Text | Time(_) | NotFinite, Text | Time(_) | NotFinite) => Text,
            _ => return None,
        })
    }

    /// The type of a column of such values.
    pub fn ty(self) -> Type {
        match self {
            Seen::Boolean => Type::Boolean,
            Seen::Whole | Seen::Negative => Type::Long,
            Seen::Large => Type::ULong,
            Seen::Real => Type::Double,
            Seen::Time(unit) => Type::Timestamp(unit),
            Seen::Nested => Type::Json,
            Seen::Nothing | Seen::Text | Seen::NotFinite => Type::String,
        }
    }

    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Seen::Nothing => "null",
            Seen::Boolean => "a boolean",
            Seen::Whole | Seen::Negative | Seen::Large => "a whole number",
            Seen::Real => "a number",
            Seen::NotFinite | Seen::Text => "text",
            Seen::Time(_) => "a time",
            Seen::Nested => "an object or array",
        }
    }
}

/// Significant digits that the shortest text of any double has at most.
pub(crate) const DOUBLE_DIGITS: usize = 17;

/// Significant digits of a JSON number.
pub(crate) fn digits(raw: &[u8]) -> usize {
    let mantissa = raw.iter().take_while(|b| !matches!(b, b'e' | b'E')).filter(|b| b.is_ascii_digit());
    let mut count = 0;
    let mut zeros = 0;
    for digit in mantissa {
        match digit {
            b'0' if count == 0 => {}
            b'0' => zeros += 1,
            _ => {
                count += zeros + 1;
                zeros = 0;
            }
        }
    }
    count
}

/// How we write the floats that JSON has no number for.
pub(crate) fn is_not_finite(text: &[u8]) -> bool {
    matches!(text, b"NaN" | b"inf" | b"-inf")
}

/// The time key where nobody stated one: the column named `time` or `ts`, else the only one that holds times.
pub(crate) fn choose_time(columns: &mut [Column], inferred: &[bool]) {
    if columns.iter().any(|column| column.role == Role::Time) {
        return;
    }
    let is_time = |at: &usize| inferred[*at] && matches!(columns[*at].ty, Type::Timestamp(_));
    let times: Vec<usize> = (0..columns.len()).filter(is_time).collect();
    let named = ["time", "ts"].iter().find_map(|name| times.iter().copied().find(|at| columns[*at].name == *name));
    if let Some(at) = named.or(if times.len() == 1 { times.first().copied() } else { None }) {
        columns[at].role = Role::Time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_what_holds_both() {
        let of =
            |raw: &str| Seen::of(raw, || serde_json::from_str::<String>(raw).ok().map(String::into_bytes)).unwrap();
        assert_eq!(of("9223372036854775808"), Seen::Large);
        assert_eq!(of("-1"), Seen::Negative);
        assert_eq!(of("54.0"), Seen::Real);
        assert_eq!(of("\"2024-01-01T00:00:00.000Z\""), Seen::Time(Unit::Ms));
        assert_eq!(of("\"NaN\""), Seen::NotFinite);
        assert!(Seen::of("18446744073709551616", || None).is_err());
        assert!(Seen::of("-9999999999999999.9999", || None).is_err());
        assert_eq!(of("0.30000000000000004"), Seen::Real);
        assert_eq!((digits(b"-0.00123000e5"), digits(b"100.0"), digits(b"0.0")), (3, 1, 0));
        assert_eq!(Seen::Negative.merge(Seen::Large), None);
        assert_eq!(Seen::Boolean.merge(Seen::Whole), None);
        assert_eq!(Seen::Text.merge(Seen::Whole), None);
        assert_eq!(Seen::Time(Unit::S).merge(Seen::Time(Unit::Ms)), Some(Seen::Text));
        assert_eq!(Seen::NotFinite.merge(Seen::Whole), Some(Seen::Real));
        assert_eq!(Seen::Nested.merge(Seen::Whole), Some(Seen::Nested));
    }
}
