//! Columns built value by value, from the JSON of REST replies (1.4) and from 2.x blocks.

use crate::block::{decimals, not_utf8, text_or_bytes, timestamps};
use crate::types::{Column, Type};
use crate::words::Words;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
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
    pub(crate) column: Column,
    pub(crate) unit: Unit,
    pub(crate) values: Values,
    /// The rows that are NULL, ascending; their values are zeros.
    nulls: Vec<u32>,
    /// Rows so far.
    len: usize,
    /// For times: the minute that was read last.
    pub(crate) minute: Minute,
}

/// The text of a minute (`2024-01-01T00:00`) and its instant: most times repeat it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Minute {
    pub text: [u8; 16],
    pub start: i64,
}

pub(crate) enum Values {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Time(Vec<i64>),
    Decimal(Vec<i128>),
    Dictionary(Words),
    Bytes(Texts),
}

/// Texts one behind the other.
#[derive(Default)]
pub(crate) struct Texts {
    /// Where each ends, and a 0 in front.
    pub ends: Vec<i32>,
    pub values: Vec<u8>,
}

impl Texts {
    /// Ends the text that was appended to `values`. False, with it taken off again: more than offsets can say.
    #[inline]
    pub fn end(&mut self) -> bool {
        match i32::try_from(self.values.len()) {
            Ok(end) => self.ends.push(end),
            Err(_) => self.values.truncate(self.ends.last().map_or(0, |end| *end as usize)),
        }
        self.ends.last().is_some_and(|end| *end as usize == self.values.len())
    }
}

impl Values {
    fn of(column: &Column, rows: usize) -> Values {
        match column.kind {
            Type::Bool => Values::Bool(Vec::with_capacity(rows)),
            Type::TinyInt => Values::I8(Vec::with_capacity(rows)),
            Type::SmallInt => Values::I16(Vec::with_capacity(rows)),
            Type::Int => Values::I32(Vec::with_capacity(rows)),
            Type::BigInt => Values::I64(Vec::with_capacity(rows)),
            Type::UTinyInt => Values::U8(Vec::with_capacity(rows)),
            Type::USmallInt => Values::U16(Vec::with_capacity(rows)),
            Type::UInt => Values::U32(Vec::with_capacity(rows)),
            Type::UBigInt => Values::U64(Vec::with_capacity(rows)),
            Type::Float => Values::F32(Vec::with_capacity(rows)),
            Type::Double => Values::F64(Vec::with_capacity(rows)),
            Type::Timestamp => Values::Time(Vec::with_capacity(rows)),
            Type::Decimal | Type::Decimal64 => Values::Decimal(Vec::with_capacity(rows)),
            _ if column.is_dictionary() => Values::Dictionary(Words::new(rows)),
            _ => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Values::Bytes(Texts { ends, values: Vec::new() })
            }
        }
    }

    fn push_null(&mut self) {
        match self {
            Values::Bool(v) => v.push(false),
            Values::I8(v) => v.push(0),
            Values::I16(v) => v.push(0),
            Values::I32(v) => v.push(0),
            Values::I64(v) | Values::Time(v) => v.push(0),
            Values::U8(v) => v.push(0),
            Values::U16(v) => v.push(0),
            Values::U32(v) => v.push(0),
            Values::U64(v) => v.push(0),
            Values::F32(v) => v.push(0.0),
            Values::F64(v) => v.push(0.0),
            Values::Decimal(v) => v.push(0),
            Values::Dictionary(words) => words.push_null(),
            Values::Bytes(texts) => texts.ends.push(texts.ends.last().copied().unwrap_or(0)),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Values::Bool(v) => v.truncate(rows),
            Values::I8(v) => v.truncate(rows),
            Values::I16(v) => v.truncate(rows),
            Values::I32(v) => v.truncate(rows),
            Values::I64(v) | Values::Time(v) => v.truncate(rows),
            Values::U8(v) => v.truncate(rows),
            Values::U16(v) => v.truncate(rows),
            Values::U32(v) => v.truncate(rows),
            Values::U64(v) => v.truncate(rows),
            Values::F32(v) => v.truncate(rows),
            Values::F64(v) => v.truncate(rows),
            Values::Decimal(v) => v.truncate(rows),
            Values::Dictionary(words) => words.truncate(rows),
            Values::Bytes(texts) => {
                texts.ends.truncate(rows + 1);
                texts.values.truncate(texts.ends.last().map_or(0, |end| *end as usize));
            }
        }
    }
}

impl Builder {
    /// An empty column; times come and go in `unit`.
    pub fn new(column: Column, unit: Unit) -> Builder {
        let values = Values::of(&column, 0);
        Builder { column, unit, values, nulls: Vec::new(), len: 0, minute: Minute::default() }
    }

    /// The column that is being built.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// Adds NULL.
    pub(crate) fn append_null(&mut self) {
        self.nulls.push(u32::try_from(self.len).unwrap_or(u32::MAX));
        self.values.push_null();
        self.len += 1;
    }

    /// A value was added to `values`.
    #[inline]
    pub(crate) fn added(&mut self) {
        self.len += 1;
    }

    /// Takes rows off the end until `rows` are left.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if self.len > rows {
            self.values.truncate(rows);
            while self.nulls.last().is_some_and(|row| *row as usize >= rows) {
                self.nulls.pop();
            }
            self.len = rows;
        }
    }

    /// Adds one value.
    pub fn append(&mut self, cell: Cell<'_>) -> Result<()> {
        if cell == Cell::Null {
            self.append_null();
            return Ok(());
        }
        let Builder { column, unit, values, .. } = self;
        let bad = || wrong(column, cell);
        match values {
            Values::Bool(v) => v.push(match cell {
                Cell::Bool(value) => value,
                // taosd 2.x writes numbers.
                Cell::Number("0") => false,
                Cell::Number("1") => true,
                _ => return Err(bad()),
            }),
            Values::I8(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::I16(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::I32(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::I64(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::U8(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::U16(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::U32(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::U64(v) => v.push(number(cell).ok_or_else(bad)?),
            // Parsed as f32, not by way of f64: the shortest text of an f32 is then that f32 again.
            Values::F32(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::F64(v) => v.push(number(cell).ok_or_else(bad)?),
            Values::Time(v) => v.push(match cell {
                Cell::Number(_) => number(cell).ok_or_else(bad)?,
                Cell::Text(text) => instant(text, *unit).ok_or_else(bad)?,
                _ => return Err(bad()),
            }),
            Values::Decimal(v) => v.push(match cell {
                Cell::Text(text) => decimal(text, column.scale).ok_or_else(bad)?,
                Cell::Number(text) => decimal(text.as_bytes(), column.scale).ok_or_else(bad)?,
                _ => return Err(bad()),
            }),
            Values::Dictionary(words) => match cell {
                Cell::Text(text) if std::str::from_utf8(text).is_err() => return Err(not_utf8(column)),
                Cell::Text(text) => {
                    if !words.push(text) {
                        let text = format!("column {}: too many different values", column.name);
                        return Err(Error::new(Kind::Source, text));
                    }
                }
                _ => return Err(bad()),
            },
            Values::Bytes(texts) => {
                match (cell, column.kind) {
                    (Cell::Text(text), Type::VarBinary | Type::Blob | Type::Geometry) => {
                        let start = texts.values.len();
                        texts.values.resize(start + text.len() / 2, 0);
                        if hex::decode_to_slice(text, &mut texts.values[start..]).is_err() {
                            texts.values.truncate(start);
                            return Err(bad());
                        }
                    }
                    (Cell::Text(text), _) => texts.values.extend_from_slice(text),
                    (Cell::Json(text), Type::Json) => texts.values.extend_from_slice(text),
                    _ => return Err(bad()),
                };
                if !texts.end() {
                    return Err(bad());
                }
            }
        }
        self.len += 1;
        Ok(())
    }

    /// The array of what was added, and an empty builder again.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        let rows = std::mem::take(&mut self.len);
        // The next batch is likely to be as long.
        let values = std::mem::replace(&mut self.values, Values::of(&self.column, rows));
        let nulls = validity(&std::mem::take(&mut self.nulls), rows);
        Ok(match values {
            Values::Bool(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
            Values::I8(v) => primitive::<Int8Type>(v, nulls),
            Values::I16(v) => primitive::<Int16Type>(v, nulls),
            Values::I32(v) => primitive::<Int32Type>(v, nulls),
            Values::I64(v) => primitive::<Int64Type>(v, nulls),
            Values::U8(v) => primitive::<UInt8Type>(v, nulls),
            Values::U16(v) => primitive::<UInt16Type>(v, nulls),
            Values::U32(v) => primitive::<UInt32Type>(v, nulls),
            Values::U64(v) => primitive::<UInt64Type>(v, nulls),
            Values::F32(v) => primitive::<Float32Type>(v, nulls),
            Values::F64(v) => primitive::<Float64Type>(v, nulls),
            Values::Time(v) => timestamps(PrimitiveArray::new(ScalarBuffer::from(v), nulls), self.unit)?,
            Values::Decimal(v) => {
                let digits = (self.column.precision, self.column.scale);
                decimals(PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(v), nulls), digits)?
            }
            Values::Dictionary(words) => words.finish(&self.column, nulls)?,
            Values::Bytes(texts) => text_or_bytes(&self.column, texts.ends, texts.values, nulls)?,
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}

/// A bitmap of `rows` rows without those in `nulls`.
fn validity(nulls: &[u32], rows: usize) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut bits = vec![0xff_u8; rows.div_ceil(8)];
    for row in nulls {
        if let Some(byte) = bits.get_mut(*row as usize / 8) {
            *byte &= !(1 << (row % 8));
        }
    }
    Some(NullBuffer::new(BooleanBuffer::new(bits.into(), 0, rows)))
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

fn number<T: FromStr>(cell: Cell<'_>) -> Option<T> {
    match cell {
        Cell::Number(text) => text.parse().ok(),
        _ => None,
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
