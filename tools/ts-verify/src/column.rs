//! Walks a column: one downcast per batch, then canonical bytes per value, in a buffer that the caller reuses.

use crate::canonical::{self, Num, Rules};
use crate::form::Form;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use fault::{Context, Error, Kind, Result};
use std::io::Write as _;

/// Brings the wider relatives of our types (views, large offsets, narrow decimals, dictionaries) to those that
/// [`values`] and [`tags`] know. `keep_dictionary`: a `Dictionary(Int32, Utf8)` stays one.
pub fn plain(array: &ArrayRef, keep_dictionary: bool) -> Result<ArrayRef> {
    let target = match array.data_type() {
        DataType::Dictionary(keys, values)
            if keep_dictionary && **keys == DataType::Int32 && **values == DataType::Utf8 =>
        {
            return Ok(array.clone());
        }
        DataType::Dictionary(_, values) => return plain(&cast(array, values)?, keep_dictionary),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        _ => return Ok(array.clone()),
    };
    cast(array, &target)
}

fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    arrow_cast::cast(array, target).map_err(|error| {
        Error::caused(Kind::Malformed, format!("cannot read {} as {target}", array.data_type()), error)
    })
}

/// A buffer for one hashed message: a head of fixed length that the callback fills, then the value.
pub struct Scratch {
    pub bytes: Vec<u8>,
    head: usize,
}

impl Scratch {
    /// A buffer with a head of so many bytes.
    pub fn new(head: usize) -> Self {
        Scratch { bytes: vec![0; head], head }
    }

    /// A buffer with this head.
    pub fn with_head(head: &[u8]) -> Self {
        Scratch { bytes: head.to_vec(), head: head.len() }
    }

    /// The head.
    pub fn head(&mut self) -> &mut [u8] {
        let end = self.head.min(self.bytes.len());
        &mut self.bytes[..end]
    }

    /// The value after the head.
    pub fn value(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or_default()
    }

    fn clear(&mut self) -> &mut Vec<u8> {
        self.bytes.truncate(self.head);
        &mut self.bytes
    }
}

/// Calls `each(row, scratch)` for every value that is not NULL, with its canonical bytes in `scratch`.
pub fn values(
    array: &ArrayRef,
    form: Form,
    rules: Rules,
    scratch: &mut Scratch,
    mut each: impl FnMut(usize, &mut Scratch) -> Result<()>,
) -> Result<()> {
    let array = plain(array, false)?;
    match array.data_type() {
        DataType::Int8 => numbers::<Int8Type>(&array, |v| Num::Int(v.into()), form, rules, scratch, &mut each),
        DataType::Int16 => numbers::<Int16Type>(&array, |v| Num::Int(v.into()), form, rules, scratch, &mut each),
        DataType::Int32 => numbers::<Int32Type>(&array, |v| Num::Int(v.into()), form, rules, scratch, &mut each),
        DataType::Int64 => numbers::<Int64Type>(&array, Num::Int, form, rules, scratch, &mut each),
        DataType::UInt8 => numbers::<UInt8Type>(&array, |v| Num::UInt(v.into()), form, rules, scratch, &mut each),
        DataType::UInt16 => numbers::<UInt16Type>(&array, |v| Num::UInt(v.into()), form, rules, scratch, &mut each),
        DataType::UInt32 => numbers::<UInt32Type>(&array, |v| Num::UInt(v.into()), form, rules, scratch, &mut each),
        DataType::UInt64 => numbers::<UInt64Type>(&array, Num::UInt, form, rules, scratch, &mut each),
        DataType::Float32 => numbers::<Float32Type>(&array, Num::Single, form, rules, scratch, &mut each),
        DataType::Float64 => numbers::<Float64Type>(&array, Num::Double, form, rules, scratch, &mut each),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            numbers::<Decimal128Type>(&array, |v| Num::Decimal(v, scale), form, rules, scratch, &mut each)
        }
        DataType::Timestamp(unit, _) => instants(&array, *unit, |row, nanos| {
            canonical::timestamp(scratch.clear(), nanos);
            each(row, scratch)
        }),
        DataType::Boolean => {
            let array = array.as_boolean();
            for row in 0..array.len() {
                if array.is_valid(row) {
                    canonical::boolean(scratch.clear(), array.value(row));
                    each(row, scratch)?;
                }
            }
            Ok(())
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            for row in 0..array.len() {
                if array.is_valid(row) {
                    canonical::text(scratch.clear(), array.value(row), form, rules);
                    each(row, scratch)?;
                }
            }
            Ok(())
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            for row in 0..array.len() {
                if array.is_valid(row) {
                    canonical::binary(scratch.clear(), array.value(row));
                    each(row, scratch)?;
                }
            }
            Ok(())
        }
        DataType::Null => Ok(()),
        other => Err(Error::malformed(format!("cannot compare values of the Arrow type {other}"))),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    read: impl Fn(T::Native) -> Num,
    form: Form,
    rules: Rules,
    scratch: &mut Scratch,
    each: &mut impl FnMut(usize, &mut Scratch) -> Result<()>,
) -> Result<()> {
    let array = array.as_primitive::<T>();
    for (row, value) in array.values().iter().enumerate() {
        if array.is_valid(row) {
            canonical::number(scratch.clear(), read(*value), form, rules);
            each(row, scratch)?;
        }
    }
    Ok(())
}

/// Calls `each(row, nanoseconds)` for every instant that is not NULL.
pub fn instants(array: &ArrayRef, unit: TimeUnit, mut each: impl FnMut(usize, i128) -> Result<()>) -> Result<()> {
    fn walk<T: ArrowPrimitiveType<Native = i64>>(
        array: &ArrayRef,
        factor: i128,
        each: &mut impl FnMut(usize, i128) -> Result<()>,
    ) -> Result<()> {
        let array = array.as_primitive::<T>();
        for (row, value) in array.values().iter().enumerate() {
            if array.is_valid(row) {
                each(row, i128::from(*value) * factor)?;
            }
        }
        Ok(())
    }
    match unit {
        TimeUnit::Second => walk::<TimestampSecondType>(array, 1_000_000_000, &mut each),
        TimeUnit::Millisecond => walk::<TimestampMillisecondType>(array, 1_000_000, &mut each),
        TimeUnit::Microsecond => walk::<TimestampMicrosecondType>(array, 1_000, &mut each),
        TimeUnit::Nanosecond => walk::<TimestampNanosecondType>(array, 1, &mut each),
    }
}

/// Calls `each(row, made)` for every tag value that is not NULL, of an array that is no dictionary: with what `entry` made
/// of its text in `scratch`.
pub fn tags<T>(
    array: &ArrayRef,
    form: Form,
    rules: Rules,
    scratch: &mut Scratch,
    mut entry: impl FnMut(&Scratch) -> T,
    mut each: impl FnMut(usize, T),
) -> Result<()> {
    if form == Form::Own && *array.data_type() == DataType::Utf8 {
        let array = array.as_string::<i32>();
        for row in 0..array.len() {
            if array.is_valid(row) {
                scratch.clear().extend_from_slice(array.value(row).as_bytes());
                rules.repairs.tag(&mut scratch.bytes, scratch.head);
                each(row, entry(scratch));
            }
        }
        return Ok(());
    }
    // As the encoders write them: floats shortest, decimals with all digits of their scale.
    let mut write = |row: usize, put: &dyn Fn(&mut Vec<u8>)| {
        put(scratch.clear());
        each(row, entry(scratch));
    };
    match (form, array.data_type()) {
        (Form::Own, DataType::Float32) => {
            for (row, value) in array.as_primitive::<Float32Type>().iter().enumerate() {
                if let Some(value) = value {
                    write(row, &|out| out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes()));
                }
            }
            return Ok(());
        }
        (Form::Own, DataType::Float64) => {
            for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
                if let Some(value) = value {
                    write(row, &|out| out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes()));
                }
            }
            return Ok(());
        }
        (Form::Own, DataType::Decimal128(_, scale)) => {
            for (row, value) in array.as_primitive::<Decimal128Type>().iter().enumerate() {
                if let Some(value) = value {
                    write(row, &|out| rows::number::print_decimal(value, *scale, out));
                }
            }
            return Ok(());
        }
        _ => {}
    }
    let mut typed = Scratch::new(0);
    let unit = match (form, array.data_type()) {
        (Form::Timestamp(unit), _) => unit,
        (_, DataType::Timestamp(unit, _)) => rows::time::Unit::from_arrow(unit),
        _ => rows::time::Unit::S,
    };
    values(array, form, rules, &mut typed, |row, typed| {
        write(row, &|out| tag_text(out, typed.value(), unit));
        Ok(())
    })
    .context(|| "a tag")
}

/// The text of a typed tag: integers plain, booleans `true` and `false`, bytes hexadecimal, instants RFC 3339.
fn tag_text(out: &mut Vec<u8>, canonical: &[u8], unit: rows::time::Unit) {
    match canonical::show(canonical, unit) {
        serde_json::Value::String(text) => out.extend_from_slice(text.as_bytes()),
        // Writing to a Vec cannot fail.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}
