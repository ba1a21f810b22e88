//! Raw blocks of TDengine 3.x: one block in, Arrow columns out, with one copy per column (2.3).
//!
//! ```text
//! i32 version | i32 length of all | i32 rows | i32 columns | u32 flags | u64 group
//! columns x (u8 type | i32 bytes)        decimals: u8 scale, u8 precision, u8 0, u8 width
//! columns x i32 data length
//! fixed:    NULL bitmap, ceil(rows/8) bytes, most significant bit first, 1 = NULL | data
//! variable: rows x i32 offset, -1 = NULL | data: u16 length (BLOB u32) and payload at each offset
//! one flag byte, sometimes
//! ```

use crate::types::{Column, Rows, Type, dictionary_type};
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, PrimitiveArray, StringArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use fault::{Error, Kind, Result};
use rows::time::Unit;
use std::sync::{Arc, LazyLock};

const HEADER: usize = 28;

/// The shape of a block, from its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub rows: usize,
    /// Type number, and for decimals scale and precision, of each column.
    pub columns: Vec<(u8, u8, u8)>,
}

/// A damaged block: the server (or the line) is at fault, and another attempt may do better.
fn damaged(text: impl Into<String>) -> Error {
    Error::new(Kind::Source, format!("damaged block: {}", text.into()))
}

/// Cuts bytes off the front.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8]> {
        if n > self.bytes.len() {
            return Err(damaged(format!("{what} needs {n} bytes, {} are left", self.bytes.len())));
        }
        let (head, tail) = self.bytes.split_at(n);
        self.bytes = tail;
        Ok(head)
    }

    fn i32(&mut self, what: &str) -> Result<i32> {
        Ok(i32::from_le_bytes(array(self.take(4, what)?)))
    }

    fn count(&mut self, what: &str) -> Result<usize> {
        let value = self.i32(what)?;
        usize::try_from(value).map_err(|_| damaged(format!("{what} is {value}")))
    }
}

/// The first `N` bytes of a slice that has them (zeros otherwise: callers have checked).
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let n = N.min(bytes.len());
    out[..n].copy_from_slice(&bytes[..n]);
    out
}

fn header<'a>(block: &'a [u8]) -> Result<(Shape, Cursor<'a>, usize)> {
    let mut cursor = Cursor { bytes: block };
    let version = cursor.i32("the version")?;
    if version != 1 && version != 2 {
        return Err(damaged(format!("version {version} is none that is known (1, 2)")));
    }
    let total = cursor.count("the length")?;
    let rows = cursor.count("the number of rows")?;
    let columns = cursor.count("the number of columns")?;
    cursor.take(HEADER - 16, "the header")?;
    if total > block.len() {
        return Err(damaged(format!("it says {total} bytes and has {}", block.len())));
    }
    // A column costs 9 bytes of header at least: a larger number would only make us reserve memory.
    if columns > cursor.bytes.len() / 9 {
        return Err(damaged(format!("{columns} columns in {} bytes", block.len())));
    }
    let mut kinds = Vec::with_capacity(columns);
    for _ in 0..columns {
        let [kind, scale, precision, ..] = array::<5>(cursor.take(5, "a column's type")?);
        kinds.push((kind, scale, precision));
    }
    Ok((Shape { rows, columns: kinds }, cursor, total))
}

/// Reads only the header.
pub fn shape(block: &[u8]) -> Result<Shape> {
    Ok(header(block)?.0)
}

/// Decodes a block whose columns are these (from the query's reply, which has the names), with times in `unit`.
pub fn decode(block: &[u8], columns: &[Column], unit: Unit) -> Result<Rows> {
    let (shape, mut cursor, total) = header(block)?;
    if shape.columns.len() != columns.len() {
        return Err(damaged(format!("{} columns, the query has {}", shape.columns.len(), columns.len())));
    }
    let mut lengths = Vec::with_capacity(columns.len());
    for column in columns {
        lengths.push(cursor.i32(&column.name)?);
    }
    order_lengths(&mut lengths, total);
    let mut arrays = Vec::with_capacity(columns.len());
    for ((column, (kind, scale, precision)), length) in columns.iter().zip(&shape.columns).zip(lengths) {
        let in_column = |error: Error| error.context(format!("column {}", column.name));
        let kind = Type::from_number(i64::from(*kind)).map_err(in_column)?;
        if kind != column.kind {
            return Err(in_column(damaged(format!("its type is {kind:?}, the query said {:?}", column.kind))));
        }
        let length = usize::try_from(length).map_err(|_| in_column(damaged(format!("its length is {length}"))))?;
        let array = match kind.width() {
            Some(width) => {
                let nulls =
                    null_buffer(cursor.take(shape.rows.div_ceil(8), "the NULL bitmap").map_err(in_column)?, shape.rows);
                let data = cursor.take(length, "its data").map_err(in_column)?;
                let need = shape.rows.saturating_mul(width);
                if data.len() < need && kind != Type::Null {
                    return Err(in_column(damaged(format!("{} bytes of data, {need} are needed", data.len()))));
                }
                let decimal = if *precision > 0 { (*precision, *scale) } else { (column.precision, column.scale) };
                fixed(kind, decimal, &data[..need.min(data.len())], nulls, shape.rows, unit).map_err(in_column)?
            }
            None => {
                let offsets = cursor.take(shape.rows.saturating_mul(4), "its offsets").map_err(in_column)?;
                let data = cursor.take(length, "its data").map_err(in_column)?;
                variable(column, offsets, data).map_err(in_column)?
            }
        };
        arrays.push(array);
    }
    Ok(Rows { len: shape.rows, columns: arrays })
}

/// Some versions send the column lengths big-endian: only if they do not fit as they are and do fit when swapped (2.3).
fn order_lengths(lengths: &mut [i32], total: usize) {
    let fits = |sum: i64| sum >= 0 && usize::try_from(sum).is_ok_and(|sum| sum <= total);
    let sum: i64 = lengths.iter().map(|n| i64::from(*n)).sum();
    let swapped: i64 = lengths.iter().map(|n| i64::from(n.swap_bytes())).sum();
    let negative = |all: &[i32]| all.iter().any(|n| *n < 0);
    if (!fits(sum) || negative(lengths)) && fits(swapped) && !lengths.iter().any(|n| n.swap_bytes() < 0) {
        lengths.iter_mut().for_each(|n| *n = n.swap_bytes());
    }
}

/// TDengine: bit set = NULL, most significant bit first. Arrow: bit set = valid, least significant bit first.
fn null_buffer(bitmap: &[u8], rows: usize) -> Option<NullBuffer> {
    // Without an early end, so that many bytes are looked at together.
    if bitmap.iter().fold(0, |all, byte| all | byte) == 0 {
        return None;
    }
    let valid: MutableBuffer = bitmap.iter().map(|byte| (!byte).reverse_bits()).collect();
    Some(NullBuffer::new(BooleanBuffer::new(valid.into(), 0, rows)))
}

/// Copies the values into an aligned buffer.
fn primitive<T: ArrowPrimitiveType>(data: &[u8], nulls: Option<NullBuffer>, rows: usize) -> PrimitiveArray<T> {
    let buffer = Buffer::from(data);
    PrimitiveArray::new(ScalarBuffer::new(buffer, 0, rows), nulls)
}

pub(crate) fn fixed(
    kind: Type,
    decimal: (u8, u8),
    data: &[u8],
    nulls: Option<NullBuffer>,
    rows: usize,
    unit: Unit,
) -> Result<ArrayRef> {
    Ok(match kind {
        Type::Null => new_null_array(&arrow_schema::DataType::Utf8, rows),
        Type::Bool => Arc::new(BooleanArray::new(
            BooleanBuffer::collect_bool(rows, |i| data.get(i).is_some_and(|b| *b != 0)),
            nulls,
        )),
        Type::TinyInt => Arc::new(primitive::<Int8Type>(data, nulls, rows)),
        Type::SmallInt => Arc::new(primitive::<Int16Type>(data, nulls, rows)),
        Type::Int => Arc::new(primitive::<Int32Type>(data, nulls, rows)),
        Type::BigInt => Arc::new(primitive::<Int64Type>(data, nulls, rows)),
        Type::UTinyInt => Arc::new(primitive::<UInt8Type>(data, nulls, rows)),
        Type::USmallInt => Arc::new(primitive::<UInt16Type>(data, nulls, rows)),
        Type::UInt => Arc::new(primitive::<UInt32Type>(data, nulls, rows)),
        Type::UBigInt => Arc::new(primitive::<UInt64Type>(data, nulls, rows)),
        Type::Float => Arc::new(primitive::<Float32Type>(data, nulls, rows)),
        Type::Double => Arc::new(primitive::<Float64Type>(data, nulls, rows)),
        Type::Timestamp => timestamps(primitive::<Int64Type>(data, nulls, rows), unit)?,
        Type::Decimal => decimals(primitive::<Decimal128Type>(data, nulls, rows), decimal)?,
        Type::Decimal64 => {
            let narrow = primitive::<Int64Type>(data, nulls, rows);
            decimals(narrow.unary::<_, Decimal128Type>(i128::from), decimal)?
        }
        _ => return Err(Error::new(Kind::Bug, format!("{kind:?} has no fixed width"))),
    })
}

/// The same numbers as instants of this unit, UTC.
pub(crate) fn timestamps(values: PrimitiveArray<Int64Type>, unit: Unit) -> Result<ArrayRef> {
    let data = values.into_data().into_builder().data_type(unit.data_type()).build();
    let data: ArrayData = data.map_err(|error| damaged(error.to_string()))?;
    Ok(arrow_array::make_array(data))
}

pub(crate) fn decimals(values: PrimitiveArray<Decimal128Type>, (precision, scale): (u8, u8)) -> Result<ArrayRef> {
    let scale = i8::try_from(scale).map_err(|_| damaged(format!("decimal scale {scale}")))?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale).map_err(|error| damaged(error.to_string()))?))
}

/// The payload at `offset`.
fn payload(data: &[u8], offset: i32, wide: bool) -> Result<&[u8]> {
    let start = usize::try_from(offset).ok().and_then(|start| data.get(start..));
    let read = start.and_then(|rest| {
        let (length, rest) = if wide {
            (usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?, &rest[4..])
        } else {
            (usize::from(u16::from_le_bytes(*rest.first_chunk()?)), &rest[2..])
        };
        rest.get(..length)
    });
    read.ok_or_else(|| damaged(format!("offset {offset} leads outside its {} bytes", data.len())))
}

fn variable(column: &Column, offsets: &[u8], data: &[u8]) -> Result<ArrayRef> {
    let (offsets, _) = offsets.as_chunks::<4>();
    if column.is_dictionary() {
        return dictionary(column, offsets, data);
    }
    let offsets = offsets.iter().map(|bytes| i32::from_le_bytes(*bytes));
    let rows = offsets.len();
    let nchar = column.kind == Type::NChar;
    let mut ends: Vec<i32> = Vec::with_capacity(rows + 1);
    ends.push(0);
    let mut values: Vec<u8> = Vec::with_capacity(data.len());
    let mut nulls = Nulls::new(rows);
    for offset in offsets {
        if offset < 0 {
            nulls.null(ends.len() - 1);
        } else {
            let bytes = payload(data, offset, column.kind == Type::Blob)?;
            if nchar {
                utf8_from_code_points(bytes, &mut values)
                    .map_err(|error| error.context(format!("row {}", ends.len())))?;
            } else {
                values.extend_from_slice(bytes);
            }
        }
        // Repeated offsets can blow a small block up: stay within what Arrow's offsets can say.
        ends.push(i32::try_from(values.len()).map_err(|_| damaged("more than 2 GiB in one column"))?);
    }
    text_or_bytes(column, ends, values, nulls.finish())
}

/// Builds the array of a variable column. Text is checked once for the whole column.
pub(crate) fn text_or_bytes(
    column: &Column,
    ends: Vec<i32>,
    values: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let binary = column.as_bytes || matches!(column.kind, Type::VarBinary | Type::Blob | Type::Geometry);
    if binary {
        return Ok(Arc::new(BinaryArray::new(offsets, Buffer::from_vec(values), nulls)));
    }
    match StringArray::try_new(offsets.clone(), Buffer::from_vec(values), nulls) {
        Ok(array) => Ok(Arc::new(array)),
        Err(_) => Err(not_utf8(column)),
    }
}

pub(crate) fn not_utf8(column: &Column) -> Error {
    Error::new(
        Kind::Malformed,
        format!("column {} holds bytes that are not UTF-8: read it with --as-binary {}", column.name, column.name),
    )
}

/// A block of one sub-table holds one value per tag, at one offset (older servers: a copy for each row): runs of equal
/// offsets are taken together, and texts compared with the one before.
fn dictionary(column: &Column, offsets: &[[u8; 4]], data: &[u8]) -> Result<ArrayRef> {
    let rows = offsets.len();
    let mut keys: Vec<i32> = Vec::new();
    let mut ends = vec![0];
    let mut values: Vec<u8> = Vec::new();
    let mut nulls = Nulls::new(rows);
    let mut last: Option<(&[u8], i32)> = None;
    let (mut least, mut largest) = (0, 0);
    let mut scratch = Vec::new();
    let mut rest = offsets;
    while let Some(first) = rest.first() {
        let (offset, run) = (i32::from_le_bytes(*first), run(rest));
        let key = if offset < 0 {
            (keys.len()..keys.len() + run).for_each(|row| nulls.null(row));
            0
        } else {
            let bytes = payload(data, offset, false)?;
            let key = match last {
                Some((same, key)) if same == bytes => key,
                _ => {
                    scratch.clear();
                    let text = if column.kind == Type::NChar {
                        utf8_from_code_points(bytes, &mut scratch)?;
                        scratch.as_slice()
                    } else {
                        bytes
                    };
                    find_or_add(text, &mut ends, &mut values)?
                }
            };
            last = Some((bytes, key));
            key
        };
        (least, largest) = (least.min(key), largest.max(key));
        // The only run: its key is 0.
        if run < rows {
            keys.reserve(rest.len());
            keys.resize(keys.len() + run, key);
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    if ends.len() == 1 && rows > 0 {
        // All NULL: keys must still point somewhere.
        ends.push(0);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let values = StringArray::try_new(offsets, Buffer::from_vec(values), None).map_err(|_| not_utf8(column))?;
    let keys = if keys.is_empty() { zeros(rows) } else { ScalarBuffer::from(keys) };
    let keys = PrimitiveArray::<Int32Type>::new(keys, nulls.finish());
    if rows > 0 && (least < 0 || largest as usize >= values.len()) {
        return Err(Error::new(Kind::Bug, format!("keys up to {largest} of {} values", values.len())));
    }
    // SAFETY: every key is 0 or was put in by `resize`, and lies between `least` and `largest`, which were just compared with the
    // number of values. The safe constructor looks at each of them again: 9 of 22 instructions a cell.
    let array = unsafe { DictionaryArray::new_unchecked(keys, Arc::new(values)) };
    debug_assert_eq!(array.data_type(), &dictionary_type());
    Ok(Arc::new(array))
}

/// Keys of a column with one value, as most blocks of a sub-table are.
fn zeros(rows: usize) -> ScalarBuffer<i32> {
    const KEPT: usize = 8192;
    static ZEROS: LazyLock<ScalarBuffer<i32>> = LazyLock::new(|| vec![0; KEPT].into());
    if rows <= KEPT { ZEROS.slice(0, rows) } else { vec![0; rows].into() }
}

/// How many elements, from the first on, are equal to it: many at a time, as the sub-tables of a block have many rows.
fn run(offsets: &[[u8; 4]]) -> usize {
    let Some(first) = offsets.first().map(|bytes| u32::from_le_bytes(*bytes)) else { return 0 };
    let differs = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) ^ first;
    let (chunks, _) = offsets.as_chunks::<32>();
    let same = chunks.iter().take_while(|chunk| chunk.iter().fold(0, |all, bytes| all | differs(bytes)) == 0).count();
    let rest = offsets.get(32 * same..).unwrap_or_default();
    32 * same + rest.iter().take_while(|bytes| differs(bytes) == 0).count()
}

/// Looks among the last few values only: a block has one per tag, or is no candidate for a dictionary at all.
fn find_or_add(text: &[u8], ends: &mut Vec<i32>, values: &mut Vec<u8>) -> Result<i32> {
    let count = ends.len() - 1;
    for key in (count.saturating_sub(8)..count).rev() {
        let (start, end) = (ends[key] as usize, ends[key + 1] as usize);
        if values.get(start..end) == Some(text) {
            return Ok(key as i32);
        }
    }
    values.extend_from_slice(text);
    ends.push(i32::try_from(values.len()).map_err(|_| damaged("more than 2 GiB in one column"))?);
    Ok(count as i32)
}

/// NCHAR: four bytes a code point, little-endian.
pub(crate) fn utf8_from_code_points(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let (points, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(damaged(format!("an NCHAR of {} bytes", bytes.len())));
    }
    // Most text is ASCII: a byte of each point, without looking at them one by one.
    if points.iter().fold(0, |all, point| all | u32::from_le_bytes(*point)) < 0x80 {
        out.extend(points.iter().map(|point| point[0]));
        return Ok(());
    }
    let mut buffer = [0; 4];
    for point in points {
        let number = u32::from_le_bytes(*point);
        let character = char::from_u32(number).ok_or_else(|| damaged(format!("U+{number:04X} is no character")))?;
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
    Ok(())
}

/// Collects NULLs, and costs nothing where there are none.
pub(crate) struct Nulls {
    rows: usize,
    valid: Option<Vec<bool>>,
}

impl Nulls {
    pub(crate) fn new(rows: usize) -> Nulls {
        Nulls { rows, valid: None }
    }

    pub(crate) fn null(&mut self, row: usize) {
        let rows = self.rows;
        if let Some(slot) = self.valid.get_or_insert_with(|| vec![true; rows]).get_mut(row) {
            *slot = false;
        }
    }

    pub(crate) fn finish(self) -> Option<NullBuffer> {
        self.valid.map(NullBuffer::from)
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_as_one_by_one(first: [u8; 4], length in 0..200_usize, other: Vec<[u8; 4]>) {
            let offsets = [vec![first; length], other].concat();
            let slow = offsets.iter().take_while(|next| Some(*next) == offsets.first()).count();
            prop_assert_eq!(run(&offsets), slow);
        }
    }
}
