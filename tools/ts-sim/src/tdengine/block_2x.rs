//! Blocks of 2.x over the WebSocket (dossier tdengine 2.4): columns of fixed slots, NULL as a value of its own.

use super::chunk::{Cells, Chunk};
use super::types::{Kind, Type};

/// Bytes of a slot: the width, or for strings their declared length with its prefix.
pub fn slot(ty: Type) -> usize {
    ty.width().unwrap_or(ty.block_bytes() as usize)
}

/// The columns one after the other, without a header: the lengths are in the reply to `fetch`.
pub fn encode(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::new();
    for cells in &chunk.columns {
        match cells.ty.width() {
            Some(width) => fixed(cells, chunk.rows, width, &mut out),
            None => (0..chunk.rows).for_each(|row| string(cells, row, &mut out)),
        }
    }
    out
}

fn fixed(cells: &Cells, rows: usize, width: usize, out: &mut Vec<u8>) {
    for row in 0..rows {
        if cells.nulls.get(row) {
            out.extend_from_slice(&null(cells.ty.kind)[..width]);
        } else {
            out.extend_from_slice(&cells.fixed[row * width..(row + 1) * width]);
        }
    }
}

/// The value that stands for NULL, so that 2.x cannot hold it.
fn null(kind: Kind) -> [u8; 16] {
    let word: u64 = match kind {
        Kind::Bool => 0x02,
        Kind::TinyInt => 0x80,
        Kind::SmallInt => 0x8000,
        Kind::Int => 0x8000_0000,
        Kind::Float => 0x7FF0_0000,
        Kind::Double => 0x7FFF_FF00_0000_0000,
        Kind::BigInt | Kind::Timestamp => 0x8000_0000_0000_0000,
        _ => u64::MAX,
    };
    let mut out = [0; 16];
    out[..8].copy_from_slice(&word.to_le_bytes());
    out
}

fn string(cells: &Cells, row: usize, out: &mut Vec<u8>) {
    let size = slot(cells.ty);
    let start = out.len();
    out.resize(start + size, 0);
    let null: &[u8] = if matches!(cells.ty.kind, Kind::NChar | Kind::Json) { &[0xff; 4] } else { &[0xff] };
    let bytes = if cells.nulls.get(row) { null } else { cells.var(row) };
    let length = bytes.len().min(size - 2);
    out[start..start + 2].copy_from_slice(&(length as u16).to_le_bytes());
    out[start + 2..start + 2 + length].copy_from_slice(&bytes[..length]);
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    #[test]
    fn nulls_are_sentinels_and_strings_have_slots() {
        let mut int = Cells::new(Type::parse("INT").unwrap());
        int.push(&Value::Int(5));
        int.push(&Value::Null);
        let mut text = Cells::new(Type::parse("VARCHAR(3)").unwrap());
        text.push(&Value::text("ab"));
        text.push(&Value::Null);
        let mut wide = Cells::new(Type::parse("NCHAR(2)").unwrap());
        wide.push(&Value::text("é"));
        wide.push(&Value::Null);
        let out = encode(&Chunk { rows: 2, columns: vec![int, text, wide] });
        assert_eq!(out[..8], [5, 0, 0, 0, 0, 0, 0, 0x80]);
        assert_eq!(out[8..18], [2, 0, b'a', b'b', 0, 1, 0, 0xff, 0, 0]);
        assert_eq!(out[18..28], [2, 0, 0xc3, 0xa9, 0, 0, 0, 0, 0, 0]);
        assert_eq!(out[28..34], [4, 0, 0xff, 0xff, 0xff, 0xff]);
    }
}
