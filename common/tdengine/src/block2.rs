//! Blocks of TDengine 2.x over WebSocket: no header, no bitmap, NULL is a value of its own (2.4).
//!
//! Fixed columns are dense arrays; variable columns are fixed slots of `lengths[i]` bytes, each `u16 length | bytes`.
//! NCHAR is UTF-8 already.

use crate::block::{Nulls, fixed, text_or_bytes};
use crate::types::{Column, Rows, Type};
use fault::{Error, Kind, Result};
use rows::time::Unit;

/// Decodes the columns of a 2.x block of `rows` rows. `lengths` are those of the `fetch` reply: bytes per value.
pub fn decode(block: &[u8], rows: usize, lengths: &[i64], columns: &[Column], unit: Unit) -> Result<Rows> {
    let damaged = |text: String| Error::new(Kind::Source, format!("damaged block: {text}"));
    if lengths.len() != columns.len() {
        return Err(damaged(format!("{} lengths for {} columns", lengths.len(), columns.len())));
    }
    let mut rest = block;
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, length) in columns.iter().zip(lengths) {
        let name = &column.name;
        let width = match column.kind.width() {
            Some(width) => width,
            None => usize::try_from(*length).map_err(|_| damaged(format!("column {name}: length {length}")))?,
        };
        let need = rows.checked_mul(width).filter(|need| *need <= rest.len());
        let need = need.ok_or_else(|| {
            damaged(format!("column {name}: {rows} values of {width} bytes, {} are left", rest.len()))
        })?;
        let (data, after) = rest.split_at(need);
        rest = after;
        let array = if column.kind.width().is_some() {
            let mut nulls = Nulls::new(rows);
            for (row, value) in data.chunks_exact(width).enumerate() {
                if is_null(column.kind, value) {
                    nulls.null(row);
                }
            }
            fixed(column.kind, (column.precision, column.scale), data, nulls.finish(), rows, unit)?
        } else {
            // Dictionaries are built from whole columns of text only where the schema asks for them.
            slots(column, data, width, rows, unit).map_err(|error| error.context(format!("column {name}")))?
        };
        arrays.push(array);
    }
    Ok(Rows { len: rows, columns: arrays })
}

/// The value that stands for NULL; so 2.x cannot hold the smallest signed and the largest unsigned numbers.
fn is_null(kind: Type, value: &[u8]) -> bool {
    match kind {
        Type::Null => true,
        Type::Bool => value == [2],
        Type::TinyInt => value == i8::MIN.to_le_bytes(),
        Type::SmallInt => value == i16::MIN.to_le_bytes(),
        Type::Int => value == i32::MIN.to_le_bytes(),
        Type::BigInt | Type::Timestamp => value == i64::MIN.to_le_bytes(),
        Type::UTinyInt | Type::USmallInt | Type::UInt | Type::UBigInt => value.iter().all(|byte| *byte == 0xff),
        Type::Float => value == 0x7FF0_0000u32.to_le_bytes(),
        Type::Double => value == 0x7FFF_FF00_0000_0000u64.to_le_bytes(),
        _ => false,
    }
}

fn slots(column: &Column, data: &[u8], width: usize, rows: usize, unit: Unit) -> Result<arrow_array::ArrayRef> {
    let damaged =
        |row: usize| Error::new(Kind::Source, format!("damaged block: row {row}: its length leads out of its slot"));
    let mut builder = column.is_dictionary().then(|| crate::build::Builder::new(column.clone(), unit));
    let mut nulls = Nulls::new(rows);
    let mut ends = vec![0];
    let mut values = Vec::new();
    for row in 0..rows {
        let slot = data.get(row * width..(row + 1) * width).ok_or_else(|| damaged(row))?;
        let (length, rest) = slot.split_first_chunk::<2>().ok_or_else(|| damaged(row))?;
        let bytes = rest.get(..usize::from(u16::from_le_bytes(*length))).ok_or_else(|| damaged(row))?;
        let null = match column.kind {
            Type::NChar | Type::Json => bytes == [0xff; 4],
            _ => bytes == [0xff],
        };
        match &mut builder {
            Some(builder) if null => builder.append(crate::build::Cell::Null)?,
            Some(builder) => builder.append(crate::build::Cell::Text(bytes))?,
            None => {
                if null {
                    nulls.null(row);
                } else {
                    values.extend_from_slice(bytes);
                }
                ends.push(i32::try_from(values.len()).map_err(|_| damaged(row))?);
            }
        }
    }
    match builder {
        Some(mut builder) => builder.finish(),
        None => text_or_bytes(column, ends, values, nulls.finish()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Float64Type, Int32Type, UInt8Type};

    #[test]
    fn columns_and_their_nulls() {
        let mut block = Vec::new();
        for number in [7, i32::MIN] {
            block.extend_from_slice(&i32::to_le_bytes(number));
        }
        block.extend_from_slice(&[255, 254]);
        block.extend_from_slice(&1.5f64.to_le_bytes());
        block.extend_from_slice(&0x7FFF_FF00_0000_0000u64.to_le_bytes());
        block.extend_from_slice(b"\x02\0ab??\x01\0\xff???"); // two slots of 6: the filling is garbage
        block.extend_from_slice("\x03\0一?\x04\0".as_bytes());
        block.extend_from_slice(&[0xff; 4]);
        let columns = [
            Column::new("i", Type::Int),
            Column::new("u", Type::UTinyInt),
            Column::new("d", Type::Double),
            Column::new("s", Type::Varchar),
            Column { dictionary: true, ..Column::new("n", Type::NChar) },
        ];
        let rows = decode(&block, 2, &[4, 1, 8, 6, 6], &columns, Unit::Ms).unwrap();
        let null = |i: usize| (rows.columns[i].is_null(0), rows.columns[i].is_null(1));
        assert_eq!((null(0), rows.columns[0].as_primitive::<Int32Type>().value(0)), ((false, true), 7));
        assert_eq!((null(1), rows.columns[1].as_primitive::<UInt8Type>().value(1)), ((true, false), 254));
        assert_eq!((null(2), rows.columns[2].as_primitive::<Float64Type>().value(0)), ((false, true), 1.5));
        assert_eq!((null(3), rows.columns[3].as_string::<i32>().value(0)), ((false, true), "ab"));
        assert_eq!(null(4), (false, true));
        assert_eq!(rows.columns[4].as_dictionary::<Int32Type>().values().as_string::<i32>().value(0), "一");
        for cut in 0..block.len() {
            assert!(decode(&block[..cut], 2, &[4, 1, 8, 6, 6], &columns, Unit::Ms).is_err());
        }
    }
}
