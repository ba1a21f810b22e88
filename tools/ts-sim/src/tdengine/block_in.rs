//! Raw blocks that a client sends: the layout of [`super::block`], read.

use std::borrow::Cow;

use super::byte_reader::ByteReader;
use super::column::decode;
use super::types::{Kind, Type};
use super::value::Value;

/// A block's columns, each with one value a row.
#[derive(Debug)]
pub struct Incoming {
    pub rows: usize,
    pub columns: Vec<IncomingColumn>,
}

/// One column.
#[derive(Debug)]
pub struct IncomingColumn {
    pub ty: Type,
    /// As the header says: with the length prefix, NCHAR in UCS-4.
    pub bytes: u32,
    pub values: Vec<Value<'static>>,
}

/// Most cells of a block: what claims more lies.
const MAX_CELLS: usize = 1 << 26;

/// How long the block is, by its own header.
pub fn length(block: &[u8]) -> Option<usize> {
    let mut reader = ByteReader::new(block);
    reader.i32()?;
    reader.size()
}

/// Reads a block; `None` when it is damaged or has a type that is not known.
pub fn decode_block(block: &[u8]) -> Option<Incoming> {
    let mut reader = ByteReader::new(block);
    let _version = reader.i32()?;
    let _length = reader.i32()?;
    let (rows, columns) = (reader.size()?, reader.size()?);
    let _flags = reader.u32()?;
    let _group = reader.u64()?;
    // A column has a header of nine bytes, and at least a bit for each row.
    if columns > reader.rest().len() / 9 || rows.div_ceil(8) > reader.rest().len() || rows * columns > MAX_CELLS {
        return None;
    }
    let mut types = Vec::with_capacity(columns);
    for _ in 0..columns {
        let number = reader.u8()?;
        let sizes = reader.take(4)?.try_into().ok()?;
        types.push((Type::from_wire(number, sizes)?, u32::from_le_bytes(sizes)));
    }
    let lengths = (0..columns).map(|_| reader.size()).collect::<Option<Vec<_>>>()?;
    let columns = types
        .into_iter()
        .zip(lengths)
        .map(|((ty, bytes), length)| {
            let values = match ty.width() {
                Some(width) => fixed(&mut reader, ty, width, rows, length)?,
                None => variable(&mut reader, ty, rows, length)?,
            };
            Some(IncomingColumn { ty, bytes, values })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Incoming { rows, columns })
}

fn fixed(
    reader: &mut ByteReader<'_>,
    ty: Type,
    width: usize,
    rows: usize,
    length: usize,
) -> Option<Vec<Value<'static>>> {
    let nulls = reader.take(rows.div_ceil(8))?;
    let data = reader.take(length)?;
    // A column of NULL only may come without data.
    (0..rows)
        .map(|row| {
            if nulls[row / 8] & (0x80 >> (row % 8)) != 0 {
                return Some(Value::Null);
            }
            data.get(row * width..(row + 1) * width).map(|bytes| decode(ty, bytes))
        })
        .collect()
}

fn variable(reader: &mut ByteReader<'_>, ty: Type, rows: usize, length: usize) -> Option<Vec<Value<'static>>> {
    let mut offsets = ByteReader::new(reader.take(rows.checked_mul(4)?)?);
    let data = reader.take(length)?;
    (0..rows)
        .map(|_| {
            let Ok(offset) = usize::try_from(offsets.i32()?) else { return Some(Value::Null) };
            let mut item = ByteReader::new(data.get(offset..)?);
            let length = if ty.kind == Kind::Blob { item.u32()? as usize } else { usize::from(item.u16()?) };
            let bytes = item.take(length)?;
            Some(Value::Bytes(Cow::Owned(if ty.kind == Kind::NChar { from_ucs4(bytes)? } else { bytes.to_vec() })))
        })
        .collect()
}

/// UCS-4 code points, little-endian, as UTF-8; `None` when they are none.
pub fn from_ucs4(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let text: Option<String> =
        bytes.chunks_exact(4).map(|c| char::from_u32(u32::from_le_bytes([c[0], c[1], c[2], c[3]]))).collect();
    text.map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use testkit::proptest::prelude::*;

    use super::super::block;
    use super::super::chunk::{Cells, Chunk};
    use super::*;

    #[test]
    fn every_type_reads_back_from_a_block() {
        let cases = [
            ("BOOL", Value::Bool(true)),
            ("TINYINT UNSIGNED", Value::UInt(255)),
            ("BIGINT", Value::Int(i64::MIN)),
            ("FLOAT", Value::Float(-0.5)),
            ("TIMESTAMP", Value::Time(-1)),
            ("VARCHAR(9)", Value::text("a\0b")),
            ("NCHAR(9)", Value::text("😀中")),
            ("VARBINARY(9)", Value::Bytes(vec![0xff, 0].into())),
            ("GEOMETRY(9)", Value::text("")),
            ("BLOB", Value::text("long")),
            ("DECIMAL(38, 2)", Value::Decimal(-(10_i128.pow(37)), 2)),
            ("DECIMAL(18, 3)", Value::Decimal(-1, 3)),
        ];
        let mut chunk = Chunk::new(cases.iter().map(|(ty, _)| Type::parse(ty).unwrap()));
        for row in 0..9 {
            for (cells, (_, value)) in chunk.columns.iter_mut().zip(&cases) {
                cells.push(if row % 3 == 1 { &Value::Null } else { value });
            }
            chunk.rows += 1;
        }
        for share in [true, false] {
            let bytes = block::encode(&chunk, share);
            let read = decode_block(&bytes).unwrap();
            assert_eq!((read.rows, length(&bytes)), (9, Some(bytes.len())));
            for (column, (ty, value)) in read.columns.iter().zip(&cases) {
                assert_eq!(column.ty, Type::parse(ty).unwrap());
                for (row, read) in column.values.iter().enumerate() {
                    assert_eq!(read, if row % 3 == 1 { &Value::Null } else { value }, "{ty}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_refused_and_never_worse(cut in 0_usize..120, at in 0_usize..120, byte in any::<u8>()) {
            let mut cells = Cells::new(Type::parse("NCHAR(4)").unwrap());
            let mut numbers = Cells::new(Type::parse("INT").unwrap());
            for text in ["a", "bb", "中"] {
                cells.push(&Value::text(text));
                numbers.push(&Value::Int(7));
            }
            let mut bytes = block::encode(&Chunk { rows: 3, columns: vec![numbers, cells] }, true);
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = decode_block(&bytes);
        }
    }
}
