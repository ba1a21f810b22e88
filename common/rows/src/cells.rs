//! The cells of a batch as text: each column downcast once, then written row by row without a String per cell.

use crate::instant::Printer;
use crate::number;
use crate::pen::Pen;
use crate::shortest::Decimals;
use crate::time::Unit;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use fault::{Error, Kind, Result};

/// A typed view of a column. Made from the types of [`crate::types::Type::data_type`] and text dictionaries only:
/// [`crate::foreign`] brings others there.
pub(crate) enum Values<'a> {
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Decimal(&'a [i128], i8),
    Time(&'a [i64], Unit),
    Text(&'a StringArray),
    /// Keys into a dictionary.
    Dictionary(&'a [i32], &'a StringArray),
    Binary(&'a BinaryArray),
}

impl Values<'_> {
    /// Writes an integer, a float or a boolean; `None` if the column has another type or no such row.
    #[inline(always)]
    pub fn put_number(&self, pen: &mut Pen<'_>, row: usize, decimals: &mut Decimals) -> Option<()> {
        match self {
            Values::Bool(v) if row < v.len() => {
                let text = if v.value(row) { b"true\0\0\0\0" } else { b"false\0\0\0" };
                pen.put(text, 5 - usize::from(v.value(row)));
            }
            Values::I8(v) => pen.signed(i64::from(*v.get(row)?)),
            Values::I16(v) => pen.signed(i64::from(*v.get(row)?)),
            Values::I32(v) => pen.signed(i64::from(*v.get(row)?)),
            Values::I64(v) => pen.signed(*v.get(row)?),
            Values::U8(v) => pen.unsigned(u64::from(*v.get(row)?)),
            Values::U16(v) => pen.unsigned(u64::from(*v.get(row)?)),
            Values::U32(v) => pen.unsigned(u64::from(*v.get(row)?)),
            Values::U64(v) => pen.unsigned(*v.get(row)?),
            Values::F32(v) => decimals.float(pen, *v.get(row)?),
            Values::F64(v) => decimals.double(pen, *v.get(row)?),
            _ => return None,
        }
        Some(())
    }
}

/// A column with its NULLs.
pub(crate) struct Cells<'a> {
    pub values: Values<'a>,
    nulls: Option<NullBuffer>,
}

/// What a cell is, for formats that must quote texts.
pub(crate) enum Cell<'a> {
    Null,
    /// The value was appended: digits, `true`, hexadecimal or a time; never a text to quote.
    Written,
    Text(&'a [u8]),
}

impl<'a> Cells<'a> {
    pub fn new(array: &'a ArrayRef) -> Result<Cells<'a>> {
        fn native<T: arrow_array::types::ArrowPrimitiveType>(array: &ArrayRef) -> Option<&[T::Native]> {
            array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| &array.values()[..])
        }
        let values = match array.data_type() {
            DataType::Boolean => array.as_boolean_opt().map(Values::Bool),
            DataType::Int8 => native::<Int8Type>(array).map(Values::I8),
            DataType::Int16 => native::<Int16Type>(array).map(Values::I16),
            DataType::Int32 => native::<Int32Type>(array).map(Values::I32),
            DataType::Int64 => native::<Int64Type>(array).map(Values::I64),
            DataType::UInt8 => native::<UInt8Type>(array).map(Values::U8),
            DataType::UInt16 => native::<UInt16Type>(array).map(Values::U16),
            DataType::UInt32 => native::<UInt32Type>(array).map(Values::U32),
            DataType::UInt64 => native::<UInt64Type>(array).map(Values::U64),
            DataType::Float32 => native::<Float32Type>(array).map(Values::F32),
            DataType::Float64 => native::<Float64Type>(array).map(Values::F64),
            DataType::Decimal128(_, scale) => native::<Decimal128Type>(array).map(|v| Values::Decimal(v, *scale)),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => native::<TimestampSecondType>(array),
                TimeUnit::Millisecond => native::<TimestampMillisecondType>(array),
                TimeUnit::Microsecond => native::<TimestampMicrosecondType>(array),
                TimeUnit::Nanosecond => native::<TimestampNanosecondType>(array),
            }
            .map(|values| Values::Time(values, Unit::from_arrow(unit))),
            DataType::Utf8 => array.as_string_opt::<i32>().map(Values::Text),
            DataType::Binary => array.as_binary_opt::<i32>().map(Values::Binary),
            DataType::Dictionary(..) => array.as_dictionary_opt::<Int32Type>().and_then(|dictionary| {
                let texts = dictionary.values().as_string_opt::<i32>()?;
                Some(Values::Dictionary(&dictionary.keys().values()[..], texts))
            }),
            _ => None,
        };
        match values {
            // A dictionary may hold NULLs among its values too.
            Some(values) => Ok(Cells { values, nulls: array.logical_nulls() }),
            None => Err(Error::new(Kind::Bug, format!("no text form for the Arrow type {}", array.data_type()))),
        }
    }

    /// Is this cell NULL?
    #[inline(always)]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the cell to `out` unless it is NULL or a text.
    pub fn write(&self, row: usize, printer: &mut Printer, out: &mut Vec<u8>) -> Cell<'a> {
        if self.is_null(row) {
            return Cell::Null;
        }
        match &self.values {
            Values::Bool(v) => out.extend_from_slice(if v.value(row) { b"true" } else { b"false" }),
            Values::I8(v) => integer(v[row], out),
            Values::I16(v) => integer(v[row], out),
            Values::I32(v) => integer(v[row], out),
            Values::I64(v) => integer(v[row], out),
            Values::U8(v) => integer(v[row], out),
            Values::U16(v) => integer(v[row], out),
            Values::U32(v) => integer(v[row], out),
            Values::U64(v) => integer(v[row], out),
            Values::F32(v) => out.extend_from_slice(zmij::Buffer::new().format(v[row]).as_bytes()),
            Values::F64(v) => out.extend_from_slice(zmij::Buffer::new().format(v[row]).as_bytes()),
            Values::Decimal(v, scale) => number::print_decimal(v[row], *scale, out),
            Values::Time(v, unit) => printer.print(v[row], *unit, out),
            Values::Text(v) => return Cell::Text(v.value(row).as_bytes()),
            Values::Dictionary(keys, texts) => return Cell::Text(texts.value(keys[row] as usize).as_bytes()),
            Values::Binary(v) => hexadecimal(v.value(row), out),
        }
        Cell::Written
    }
}

/// Is this the dictionary that was prepared before: the very same memory, so that nothing need be compared?
pub(crate) fn same_texts(known: Option<&StringArray>, texts: &StringArray) -> bool {
    known.is_some_and(|known| {
        known.len() == texts.len()
            && known.values().ptr_eq(texts.values())
            && known.offsets().inner().ptr_eq(texts.offsets().inner())
    })
}

pub(crate) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(crate) fn hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}
