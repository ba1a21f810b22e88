//! Columns built value by value, from the JSON of REST replies (1.4) and from 2.x blocks.

use crate::block::{decimals, text_or_bytes, timestamps};
use crate::types::{Column, Type};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringDictionaryBuilder};
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array as _, ArrayRef};
use fault::{Error, Kind, Result};
use rows::time::Unit;
use std::str::FromStr;
use std::sync::Arc;

/// One value as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    /// The digits of a JSON number.
    Number(&'a str),
    /// Text, unescaped; not necessarily UTF-8.
    Text(&'a [u8]),
    /// A JSON value as it stands, for columns of type JSON.
    Json(&'a [u8]),
}

/// A column that is being built.
pub struct Builder {
    column: Column,
    unit: Unit,
    values: Values,
}

enum Values {
    Bool(BooleanBuilder),
    I8(PrimitiveBuilder<Int8Type>),
    I16(PrimitiveBuilder<Int16Type>),
    I32(PrimitiveBuilder<Int32Type>),
    I64(PrimitiveBuilder<Int64Type>),
    U8(PrimitiveBuilder<UInt8Type>),
    U16(PrimitiveBuilder<UInt16Type>),
    U32(PrimitiveBuilder<UInt32Type>),
    U64(PrimitiveBuilder<UInt64Type>),
    F32(PrimitiveBuilder<Float32Type>),
    F64(PrimitiveBuilder<Float64Type>),
    Time(PrimitiveBuilder<Int64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Dictionary(StringDictionaryBuilder<Int32Type>),
    Bytes { ends: Vec<i32>, values: Vec<u8>, valid: Vec<bool> },
}

impl Values {
    fn of(column: &Column) -> Values {
        match column.kind {
            Type::Bool => Values::Bool(BooleanBuilder::new()),
            Type::TinyInt => Values::I8(PrimitiveBuilder::new()),
            Type::SmallInt => Values::I16(PrimitiveBuilder::new()),
            Type::Int => Values::I32(PrimitiveBuilder::new()),
            Type::BigInt => Values::I64(PrimitiveBuilder::new()),
            Type::UTinyInt => Values::U8(PrimitiveBuilder::new()),
            Type::USmallInt => Values::U16(PrimitiveBuilder::new()),
            Type::UInt => Values::U32(PrimitiveBuilder::new()),
            Type::UBigInt => Values::U64(PrimitiveBuilder::new()),
            Type::Float => Values::F32(PrimitiveBuilder::new()),
            Type::Double => Values::F64(PrimitiveBuilder::new()),
            Type::Timestamp => Values::Time(PrimitiveBuilder::new()),
            Type::Decimal | Type::Decimal64 => Values::Decimal(PrimitiveBuilder::new()),
            _ if column.is_dictionary() => Values::Dictionary(StringDictionaryBuilder::new()),
            _ => Values::Bytes { ends: vec![0], values: Vec::new(), valid: Vec::new() },
        }
    }
}

impl Builder {
    /// An empty column; times come and go in `unit`.
    pub fn new(column: Column, unit: Unit) -> Builder {
        let values = Values::of(&column);
        Builder { column, unit, values }
    }

    /// The column that is being built.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// Adds one value.
    pub fn append(&mut self, cell: Cell<'_>) -> Result<()> {
        let Builder { column, unit, values } = self;
        let bad = || wrong(column, cell);
        match values {
            Values::Bool(b) => b.append_option(match cell {
                Cell::Null => None,
                Cell::Bool(value) => Some(value),
                // taosd 2.x writes numbers.
                Cell::Number("0") => Some(false),
                Cell::Number("1") => Some(true),
                _ => return Err(bad()),
            }),
            Values::I8(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::I16(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::I32(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::I64(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::U8(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::U16(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::U32(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::U64(b) => b.append_option(number(cell).map_err(|()| bad())?),
            // Parsed as f32, not by way of f64: the shortest text of an f32 is then that f32 again.
            Values::F32(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::F64(b) => b.append_option(number(cell).map_err(|()| bad())?),
            Values::Time(b) => b.append_option(match cell {
                Cell::Null => None,
                Cell::Number(_) => number(cell).map_err(|()| bad())?,
                Cell::Text(text) => Some(instant(text, *unit).ok_or_else(bad)?),
                _ => return Err(bad()),
            }),
            Values::Decimal(b) => b.append_option(match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(decimal(text, column.scale).ok_or_else(bad)?),
                Cell::Number(text) => Some(decimal(text.as_bytes(), column.scale).ok_or_else(bad)?),
                _ => return Err(bad()),
            }),
            Values::Dictionary(b) => match cell {
                Cell::Null => b.append_null(),
                Cell::Text(text) => {
                    let text = std::str::from_utf8(text).map_err(|_| crate::block::not_utf8(column))?;
                    b.append(text).map_err(|_| {
                        Error::new(Kind::Source, format!("column {}: too many different values", column.name))
                    })?;
                }
                _ => return Err(bad()),
            },
            Values::Bytes { ends, values, valid } => {
                let is_valid = match (cell, column.kind) {
                    (Cell::Null, _) => false,
                    (Cell::Text(text), Type::VarBinary | Type::Blob | Type::Geometry) => {
                        let start = values.len();
                        values.resize(start + text.len() / 2, 0);
                        hex::decode_to_slice(text, &mut values[start..]).map_err(|_| bad())?;
                        true
                    }
                    (Cell::Text(text), _) => {
                        values.extend_from_slice(text);
                        true
                    }
                    (Cell::Json(text), Type::Json) => {
                        values.extend_from_slice(text);
                        true
                    }
                    _ => return Err(bad()),
                };
                ends.push(i32::try_from(values.len()).map_err(|_| bad())?);
                valid.push(is_valid);
            }
        }
        Ok(())
    }

    /// The array of what was added, and an empty builder again.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        let fresh = Values::of(&self.column);
        Ok(match std::mem::replace(&mut self.values, fresh) {
            Values::Bool(mut b) => Arc::new(b.finish()),
            Values::I8(mut b) => Arc::new(b.finish()),
            Values::I16(mut b) => Arc::new(b.finish()),
            Values::I32(mut b) => Arc::new(b.finish()),
            Values::I64(mut b) => Arc::new(b.finish()),
            Values::U8(mut b) => Arc::new(b.finish()),
            Values::U16(mut b) => Arc::new(b.finish()),
            Values::U32(mut b) => Arc::new(b.finish()),
            Values::U64(mut b) => Arc::new(b.finish()),
            Values::F32(mut b) => Arc::new(b.finish()),
            Values::F64(mut b) => Arc::new(b.finish()),
            Values::Time(mut b) => timestamps(b.finish(), self.unit)?,
            Values::Decimal(mut b) => decimals(b.finish(), (self.column.precision, self.column.scale))?,
            Values::Dictionary(mut b) => Arc::new(b.finish()),
            Values::Bytes { ends, values, valid } => {
                let nulls = valid.contains(&false).then(|| valid.into());
                let array = text_or_bytes(&self.column, ends, values, nulls)?;
                debug_assert!(array.len() < usize::MAX);
                array
            }
        })
    }
}

fn wrong(column: &Column, cell: Cell<'_>) -> Error {
    let shown = match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Number(text) => text.to_owned(),
        Cell::Text(bytes) | Cell::Json(bytes) => format!("'{}'", fault::excerpt(bytes)),
    };
    Error::new(Kind::Source, format!("column {}: {shown} is no {:?}", column.name, column.kind))
}

fn number<T: FromStr>(cell: Cell<'_>) -> std::result::Result<Option<T>, ()> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Number(text) => text.parse().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// The number of fraction digits in a time's text: 3, 6 or 9 say the unit where nothing else does.
pub fn fraction_digits(text: &[u8]) -> usize {
    match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => text[dot + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        None => 0,
    }
}

/// RFC 3339 with at most the unit's digits (versions before 3.0.5 cut zeros off the end), in `unit`.
pub fn instant(text: &[u8], unit: Unit) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if fraction_digits(text.as_bytes()) > unit.digits() {
        return None;
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let seconds = i128::from(time.timestamp()) * i128::from(unit.per_second());
    let fraction = i128::from(time.timestamp_subsec_nanos()) / i128::from(unit.nanos());
    i64::try_from(seconds + fraction).ok()
}

/// `-12.3400` at scale 4 is -123400; more digits than the scale holds are refused.
pub fn decimal(text: &[u8], scale: u8) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !all_digits(whole)
        || !all_digits(fraction)
        || fraction.len() > usize::from(scale)
    {
        return None;
    }
    let mut value: i128 = 0;
    let zeros = usize::from(scale) - fraction.len();
    for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', zeros)) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_in_their_unit() {
        assert_eq!(instant(b"2023-11-14T22:13:20.123Z", Unit::Ms), Some(1_700_000_000_123));
        assert_eq!(instant(b"2023-11-15T06:13:20.123+08:00", Unit::Ms), Some(1_700_000_000_123));
        assert_eq!(instant(b"2023-11-14T22:13:20.1Z", Unit::Us), Some(1_700_000_000_100_000));
        assert_eq!(instant(b"1969-12-31T23:59:59.999999999Z", Unit::Ns), Some(-1));
        assert_eq!(instant(b"2023-11-14T22:13:20.123456Z", Unit::Ms), None);
        assert_eq!(instant(b"tomorrow", Unit::Ms), None);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal(b"123.4500", 4), Some(1_234_500));
        assert_eq!(decimal(b"-0.01", 4), Some(-100));
        assert_eq!(decimal(b"7", 0), Some(7));
        assert_eq!(decimal(b"1.23", 1), None);
        for text in ["", ".", "1e5", "--1", "170141183460469231731687303715884105728"] {
            assert_eq!(decimal(text.as_bytes(), 0), None, "{text}");
        }
    }
}
