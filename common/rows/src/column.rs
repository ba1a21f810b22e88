//! One column under construction: typed values appended from text or from numbers, without a String per cell.
//!
//! Row-wise readers (CSV, NDJSON, line protocol) append cell by cell; a row that turns out bad is taken back with
//! [`Builder::truncate`], which Arrow's own builders cannot do.

mod run;

pub(crate) use run::Run;

use crate::instant;
use crate::number;
use crate::time::Unit;
use crate::types::Type;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer, OffsetBuffer, ScalarBuffer};
use fault::{Error, Kind, Result};
use std::sync::Arc;

/// Why a cell does not fit its column: the rest of a sentence that begins with the cell's text.
pub type Misfit = &'static str;

/// A cell's way into its column.
pub type Fit<T = ()> = std::result::Result<T, Misfit>;

/// A column that grows.
pub struct Builder {
    ty: Type,
    valid: Valid,
    values: Values,
    times: instant::Parser,
}

enum Values {
    Bool(BooleanBufferBuilder),
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
    Decimal(Vec<i128>),
    Bytes { offsets: Vec<i32>, data: Vec<u8> },
}

/// The validity bitmap, made only when the first NULL comes.
#[derive(Default)]
struct Valid {
    bits: Option<BooleanBufferBuilder>,
    len: usize,
}

impl Valid {
    #[inline(always)]
    fn push(&mut self, valid: bool) {
        if let Some(bits) = &mut self.bits {
            bits.append(valid);
        } else if !valid {
            let mut bits = BooleanBufferBuilder::new(self.len + 64);
            bits.append_n(self.len, true);
            bits.append(false);
            self.bits = Some(bits);
        }
        self.len += 1;
    }

    fn truncate(&mut self, len: usize) {
        if let Some(bits) = &mut self.bits {
            bits.truncate(len);
        }
        self.len = self.len.min(len);
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        self.len = 0;
        self.bits.take().map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

impl Builder {
    /// An empty column.
    pub fn new(ty: Type) -> Builder {
        let values = match ty {
            Type::Boolean => Values::Bool(BooleanBufferBuilder::new(0)),
            Type::Byte => Values::I8(Vec::new()),
            Type::Short => Values::I16(Vec::new()),
            Type::Int => Values::I32(Vec::new()),
            Type::Long | Type::Timestamp(_) => Values::I64(Vec::new()),
            Type::UByte => Values::U8(Vec::new()),
            Type::UShort => Values::U16(Vec::new()),
            Type::UInt => Values::U32(Vec::new()),
            Type::ULong => Values::U64(Vec::new()),
            Type::Float => Values::F32(Vec::new()),
            Type::Double => Values::F64(Vec::new()),
            Type::Decimal(..) => Values::Decimal(Vec::new()),
            Type::String | Type::Json | Type::Binary | Type::Geometry => {
                Values::Bytes { offsets: vec![0], data: Vec::new() }
            }
        };
        Builder { ty, valid: Valid::default(), values, times: instant::Parser::default() }
    }

    /// The type.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.valid.len
    }

    /// No rows yet?
    pub fn is_empty(&self) -> bool {
        self.valid.len == 0
    }

    /// Is this text (or JSON), whose bytes must be UTF-8?
    pub fn is_text(&self) -> bool {
        matches!(self.ty, Type::String | Type::Json)
    }

    /// Bytes that a row of this type takes whatever its value.
    pub fn row_bytes(ty: Type) -> usize {
        match ty {
            Type::Boolean | Type::Byte | Type::UByte => 1,
            Type::Short | Type::UShort => 2,
            Type::Int | Type::UInt | Type::Float => 4,
            Type::Long | Type::ULong | Type::Double | Type::Timestamp(_) => 8,
            Type::Decimal(..) => 16,
            Type::String | Type::Json | Type::Binary | Type::Geometry => 4,
        }
    }

    /// A NULL.
    pub fn null(&mut self) {
        match &mut self.values {
            Values::Bool(v) => v.append(false),
            Values::I8(v) => v.push(0),
            Values::I16(v) => v.push(0),
            Values::I32(v) => v.push(0),
            Values::I64(v) => v.push(0),
            Values::U8(v) => v.push(0),
            Values::U16(v) => v.push(0),
            Values::U32(v) => v.push(0),
            Values::U64(v) => v.push(0),
            Values::F32(v) => v.push(0.0),
            Values::F64(v) => v.push(0.0),
            Values::Decimal(v) => v.push(0),
            Values::Bytes { offsets, data } => offsets.push(data.len() as i32),
        }
        self.valid.push(false);
    }

    /// A value in the text form of its type (the CSV grammar). Text must be valid UTF-8: the caller checks it, whole
    /// rows at a time.
    pub fn text(&mut self, text: &[u8]) -> Fit {
        match &mut self.values {
            Values::Bool(v) => v.append(number::boolean(text)?),
            Values::I8(v) => v.push(number::signed(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::I16(v) => v.push(number::signed(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::I32(v) => v.push(number::signed(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::I64(v) => v.push(match self.ty {
                Type::Timestamp(unit) => self.times.parse(text, unit)?,
                _ => number::signed(text)?,
            }),
            Values::U8(v) => v.push(number::unsigned(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::U16(v) => v.push(number::unsigned(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::U32(v) => v.push(number::unsigned(text)?.try_into().map_err(|_| number::RANGE)?),
            Values::U64(v) => v.push(number::unsigned(text)?),
            Values::F32(v) => v.push(number::float(text)?),
            Values::F64(v) => v.push(number::double(text)?),
            Values::Decimal(v) => {
                let Type::Decimal(precision, scale) = self.ty else { return Err("is no decimal") };
                v.push(number::decimal(text, precision, scale)?);
            }
            Values::Bytes { offsets, data } => {
                match self.ty {
                    Type::Binary | Type::Geometry => {
                        let start = data.len();
                        data.resize(start + text.len() / 2, 0);
                        if hex::decode_to_slice(text, &mut data[start..]).is_err() {
                            data.truncate(start);
                            return Err("is no hexadecimal text");
                        }
                    }
                    _ => data.extend_from_slice(text),
                }
                offsets.push(data.len() as i32);
            }
        }
        self.valid.push(true);
        Ok(())
    }

    /// A time that the text gives as an integer of the column's unit (foreign files; `--epoch`).
    pub fn epoch(&mut self, text: &[u8], given: Unit) -> Fit {
        let value = number::signed(text)?;
        match (&mut self.values, self.ty) {
            (Values::I64(v), Type::Timestamp(unit)) if unit == given => v.push(value),
            _ => return Err("is an integer where a time is expected"),
        }
        self.valid.push(true);
        Ok(())
    }

    /// A signed whole number, for any numeric or time column that holds it exactly.
    #[inline(always)]
    pub fn signed(&mut self, value: i64) -> Fit {
        if let Values::I64(v) = &mut self.values {
            v.push(value);
            self.valid.push(true);
            return Ok(());
        }
        self.narrow(value)
    }

    fn narrow(&mut self, value: i64) -> Fit {
        match &mut self.values {
            Values::I8(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::I16(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::I32(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::U8(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::U16(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::U32(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            Values::U64(v) => v.push(value.try_into().map_err(|_| number::RANGE)?),
            _ => return Err("is a whole number, which the column's type does not hold"),
        }
        self.valid.push(true);
        Ok(())
    }

    /// An unsigned whole number.
    pub fn unsigned(&mut self, value: u64) -> Fit {
        match &mut self.values {
            Values::U64(v) => {
                v.push(value);
                self.valid.push(true);
                Ok(())
            }
            _ => self.signed(value.try_into().map_err(|_| number::RANGE)?),
        }
    }

    /// A float, for columns of type double (or float, which takes the nearest).
    #[inline(always)]
    pub fn real(&mut self, value: f64) -> Fit {
        if let Values::F64(v) = &mut self.values {
            v.push(value);
            self.valid.push(true);
            return Ok(());
        }
        self.single(value)
    }

    fn single(&mut self, value: f64) -> Fit {
        match &mut self.values {
            Values::F32(v) => v.push(value as f32),
            _ => return Err("is a float, which the column's type does not hold"),
        }
        self.valid.push(true);
        Ok(())
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) -> Fit {
        match &mut self.values {
            Values::Bool(v) => v.append(value),
            _ => return Err("is a boolean, which the column's type does not hold"),
        }
        self.valid.push(true);
        Ok(())
    }

    /// The bytes as they are, for text (UTF-8, checked by the caller) and binary columns.
    pub fn raw(&mut self, bytes: &[u8]) -> Fit {
        match &mut self.values {
            Values::Bytes { offsets, data } => {
                data.extend_from_slice(bytes);
                offsets.push(data.len() as i32);
            }
            _ => return Err("is text, which the column's type does not hold"),
        }
        self.valid.push(true);
        Ok(())
    }

    /// Takes back every row from `len` on.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Bool(v) => v.truncate(len),
            Values::I8(v) => v.truncate(len),
            Values::I16(v) => v.truncate(len),
            Values::I32(v) => v.truncate(len),
            Values::I64(v) => v.truncate(len),
            Values::U8(v) => v.truncate(len),
            Values::U16(v) => v.truncate(len),
            Values::U32(v) => v.truncate(len),
            Values::U64(v) => v.truncate(len),
            Values::F32(v) => v.truncate(len),
            Values::F64(v) => v.truncate(len),
            Values::Decimal(v) => v.truncate(len),
            Values::Bytes { offsets, data } => {
                offsets.truncate(len + 1);
                data.truncate(offsets.last().map_or(0, |end| *end as usize));
            }
        }
        self.valid.truncate(len);
    }

    /// Ends the batch: the array, and an empty column for the next.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        let rows = self.valid.len;
        let nulls = self.valid.finish();
        Ok(match &mut self.values {
            Values::Bool(v) => {
                let bits = std::mem::replace(v, BooleanBufferBuilder::new(rows)).finish();
                Arc::new(BooleanArray::new(BooleanBuffer::slice(&bits, 0, rows), nulls))
            }
            Values::I8(v) => primitive::<Int8Type>(v, nulls)?,
            Values::I16(v) => primitive::<Int16Type>(v, nulls)?,
            Values::I32(v) => primitive::<Int32Type>(v, nulls)?,
            Values::I64(v) => match self.ty {
                Type::Timestamp(unit) => time(unit, v, nulls)?,
                _ => primitive::<Int64Type>(v, nulls)?,
            },
            Values::U8(v) => primitive::<UInt8Type>(v, nulls)?,
            Values::U16(v) => primitive::<UInt16Type>(v, nulls)?,
            Values::U32(v) => primitive::<UInt32Type>(v, nulls)?,
            Values::U64(v) => primitive::<UInt64Type>(v, nulls)?,
            Values::F32(v) => primitive::<Float32Type>(v, nulls)?,
            Values::F64(v) => primitive::<Float64Type>(v, nulls)?,
            Values::Decimal(v) => {
                let array = PrimitiveArray::<Decimal128Type>::try_new(take(v, rows), nulls).map_err(bug)?;
                Arc::new(array.with_data_type(self.ty.data_type()))
            }
            Values::Bytes { offsets, data } => {
                let mut next = Vec::with_capacity(rows + 1);
                next.push(0);
                let capacity = data.len();
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, next)));
                let data = std::mem::replace(data, Vec::with_capacity(capacity)).into();
                match self.ty {
                    Type::String | Type::Json => Arc::new(StringArray::try_new(offsets, data, nulls).map_err(bug)?),
                    _ => Arc::new(BinaryArray::try_new(offsets, data, nulls).map_err(bug)?),
                }
            }
        })
    }
}

fn take<T: arrow_buffer::ArrowNativeType>(values: &mut Vec<T>, rows: usize) -> ScalarBuffer<T> {
    std::mem::replace(values, Vec::with_capacity(rows)).into()
}

fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let rows = values.len();
    Ok(Arc::new(PrimitiveArray::<T>::try_new(take(values, rows), nulls).map_err(bug)?))
}

/// An array of UTC timestamps.
pub(crate) fn time(unit: Unit, values: &mut Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    use arrow_array::{
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    };
    let rows = values.len();
    let values = take(values, rows);
    Ok(match unit {
        Unit::S => Arc::new(TimestampSecondArray::try_new(values, nulls).map_err(bug)?.with_timezone("UTC")),
        Unit::Ms => Arc::new(TimestampMillisecondArray::try_new(values, nulls).map_err(bug)?.with_timezone("UTC")),
        Unit::Us => Arc::new(TimestampMicrosecondArray::try_new(values, nulls).map_err(bug)?.with_timezone("UTC")),
        Unit::Ns => Arc::new(TimestampNanosecondArray::try_new(values, nulls).map_err(bug)?.with_timezone("UTC")),
    })
}

/// What cannot happen with columns that we built ourselves.
fn bug(error: arrow_schema::ArrowError) -> Error {
    Error::caused(Kind::Bug, "cannot build a column", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;

    #[test]
    fn a_row_can_be_taken_back() {
        for (ty, text) in [
            (Type::Long, "5"),
            (Type::String, "abc"),
            (Type::Boolean, "true"),
            (Type::Decimal(5, 2), "-1.20"),
            (Type::Binary, "00ff"),
        ] {
            let mut builder = Builder::new(ty);
            builder.text(text.as_bytes()).unwrap();
            builder.null();
            builder.text(text.as_bytes()).unwrap();
            builder.truncate(2);
            builder.text(text.as_bytes()).unwrap();
            let array = builder.finish().unwrap();
            assert_eq!((array.len(), array.null_count(), array.is_null(1)), (3, 1, true), "{ty}");
            assert_eq!(array.slice(0, 1).as_ref(), array.slice(2, 1).as_ref());
            assert!(builder.is_empty());
        }
    }
}
