//! Raw blocks of 3.x (dossier tdengine 2.3, and as recorded).
//!
//! `i32 version | i32 length | i32 rows | i32 columns | u32 flags | u64 group`, then `u8 type | i32 bytes` and then
//! `i32 data length` for each column, then the columns: fixed types as a NULL bitmap and dense values, others as one
//! offset a row (-1: NULL) and `u16 length | bytes` (BLOB: u32). One more byte at the end, unless there is a JSON tag.

use super::chunk::{Cells, Chunk};
use super::types::Kind;

/// The version of blocks from queries, and from subscriptions (recorded).
const QUERIED: i32 = 1;
pub const SUBSCRIBED: i32 = 2;
const HAS_COLUMNS: u32 = 0x8000_0000;

/// Encodes a chunk. `share`: rows that share a value share its bytes; else each row gets a copy.
pub fn encode(chunk: &Chunk, share: bool) -> Vec<u8> {
    encode_version(chunk, share, QUERIED)
}

/// The same, with the version that the block is to name.
pub fn encode_version(chunk: &Chunk, share: bool, version: i32) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(64 + chunk.columns.iter().map(|c| c.fixed.len() + c.bytes.len() + 8).sum::<usize>());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(chunk.rows as i32).to_le_bytes());
    out.extend_from_slice(&(chunk.columns.len() as i32).to_le_bytes());
    out.extend_from_slice(&HAS_COLUMNS.to_le_bytes());
    out.extend_from_slice(&0_u64.to_le_bytes());
    for cells in &chunk.columns {
        out.push(cells.ty.number());
        match cells.ty.kind {
            Kind::Decimal | Kind::Decimal64 => {
                let width = cells.ty.width().unwrap_or(0) as u8;
                out.extend_from_slice(&[cells.ty.scale, cells.ty.precision, 0, width]);
            }
            _ => out.extend_from_slice(&cells.ty.block_bytes().to_le_bytes()),
        }
    }
    let lengths = out.len();
    out.resize(lengths + chunk.columns.len() * 4, 0);
    for (at, cells) in chunk.columns.iter().enumerate() {
        let length = match cells.ty.width() {
            Some(_) => {
                cells.nulls.write(chunk.rows, &mut out);
                out.extend_from_slice(&cells.fixed);
                cells.fixed.len()
            }
            None => variable(cells, chunk.rows, share, &mut out),
        };
        put(&mut out, lengths + at * 4, length as i32);
    }
    if !chunk.columns.iter().any(|c| c.ty.kind == Kind::Json) {
        out.push(0);
    }
    let total = out.len() as i32;
    put(&mut out, 4, total);
    out
}

fn put(out: &mut [u8], at: usize, value: i32) {
    out[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Offsets and data of a variable column; the length of the data.
fn variable(cells: &Cells, rows: usize, share: bool, out: &mut Vec<u8>) -> usize {
    let offsets = out.len();
    out.resize(offsets + rows * 4, 0);
    let start = out.len();
    let mut last: Option<((u32, u32), i32)> = None;
    for row in 0..rows {
        let offset = if cells.nulls.get(row) {
            -1
        } else {
            let span = cells.spans[row];
            match last {
                Some((before, offset)) if share && before == span && span.1 > 0 => offset,
                _ => {
                    let offset = (out.len() - start) as i32;
                    item(cells, row, out);
                    last = Some((span, offset));
                    offset
                }
            }
        };
        put(out, offsets + row * 4, offset);
    }
    out.len() - start
}

fn item(cells: &Cells, row: usize, out: &mut Vec<u8>) {
    let bytes = cells.var(row);
    match cells.ty.kind {
        Kind::NChar => {
            let at = out.len();
            out.extend_from_slice(&[0; 2]);
            for c in String::from_utf8_lossy(bytes).chars() {
                out.extend_from_slice(&u32::from(c).to_le_bytes());
            }
            let length = (out.len() - at - 2) as u16;
            out[at..at + 2].copy_from_slice(&length.to_le_bytes());
        }
        Kind::Blob => {
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        _ => {
            out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::Type;
    use super::super::value::Value;
    use super::*;

    fn cells(ty: &str, values: &[Value<'static>]) -> Cells {
        let mut cells = Cells::new(Type::parse(ty).unwrap());
        values.iter().for_each(|v| cells.push(v));
        cells
    }

    /// `select tbname,ts from st order by ts limit 2`, recorded.
    #[test]
    fn a_recorded_block_comes_out_byte_for_byte() {
        let mut tbname = Cells::new(super::super::types::TBNAME);
        tbname.push(&Value::text("ct1"));
        tbname.push(&Value::text("ct2"));
        let ts = cells("TIMESTAMP", &[Value::Time(1_700_000_000_123), Value::Time(1_700_000_000_123)]);
        let block = encode(&Chunk { rows: 2, columns: vec![tbname, ts] }, false);
        let recorded = "010000005200000002000000020000000000008000000000000000000810010000090800000\
                        00a000000100000000000000005000000030063743103006374320\
                        07b68e5cf8b0100007b68e5cf8b01000000";
        assert_eq!(hex::encode(block), recorded);
    }

    #[test]
    fn nulls_are_bits_from_the_top_or_offsets_of_minus_one() {
        let mut values = vec![Value::Int(7); 9];
        values[0] = Value::Null;
        values[8] = Value::Null;
        let block = encode(&Chunk { rows: 9, columns: vec![cells("TINYINT", &values)] }, true);
        assert_eq!(block[37..39], [0x80, 0x80]);
        assert_eq!(block.len(), 28 + 5 + 4 + 2 + 9 + 1);
        let block = encode(&Chunk { rows: 1, columns: vec![cells("VARCHAR(4)", &[Value::Null])] }, true);
        assert_eq!(block[37..41], [0xff; 4]);
        assert_eq!(block[33..37], [0; 4]);
    }

    #[test]
    fn shared_values_share_their_bytes() {
        let mut tag = Cells::new(Type::parse("NCHAR(4)").unwrap());
        tag.repeat(&Value::text("😀"), 3);
        let chunk = Chunk { rows: 3, columns: vec![tag] };
        let (shared, copied) = (encode(&chunk, true), encode(&chunk, false));
        assert_eq!(shared[33..37], 6_i32.to_le_bytes());
        assert_eq!(copied[33..37], 18_i32.to_le_bytes());
        assert_eq!(shared[37..49], [0; 12]);
        assert_eq!(shared[49..55], [4, 0, 0x00, 0xf6, 0x01, 0x00]);
    }

    #[test]
    fn decimals_say_their_digits_in_the_header_and_blobs_have_long_lengths() {
        let decimal = cells("DECIMAL(38, 4)", &[Value::Decimal(-1, 4)]);
        let blob = cells("BLOB", &[Value::Bytes(vec![1, 2].into())]);
        let block = encode(&Chunk { rows: 1, columns: vec![decimal, blob] }, true);
        assert_eq!(block[28..33], [17, 4, 38, 0, 16]);
        assert_eq!(block[46..47], [0]);
        assert_eq!(block[47..63], [0xff; 16]);
        assert_eq!(block[63..73], [0, 0, 0, 0, 2, 0, 0, 0, 1, 2]);
    }
}
