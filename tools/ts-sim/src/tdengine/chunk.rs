//! A piece of a result, at most one block: columns of values as the encoders need them.

use std::borrow::Cow;

use super::bits::Bits;
use super::column::{Column, decode, encode};
use super::types::Type;
use super::value::Value;

/// Some rows of a result.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub rows: usize,
    pub columns: Vec<Cells>,
}

/// One column of a chunk. Variable values are (start, length) in `bytes`; several rows may share one.
#[derive(Debug, Clone)]
pub struct Cells {
    pub ty: Type,
    pub nulls: Bits,
    pub fixed: Vec<u8>,
    pub spans: Vec<(u32, u32)>,
    pub bytes: Vec<u8>,
    len: usize,
}

impl Chunk {
    /// No rows yet.
    pub fn new(types: impl Iterator<Item = Type>) -> Chunk {
        Chunk { rows: 0, columns: types.map(Cells::new).collect() }
    }
}

impl Cells {
    pub fn new(ty: Type) -> Cells {
        Cells { ty, nulls: Bits::default(), fixed: Vec::new(), spans: Vec::new(), bytes: Vec::new(), len: 0 }
    }

    /// Appends one value of the column's type.
    pub fn push(&mut self, value: &Value<'_>) {
        self.repeat(value, 1);
    }

    /// Appends the same value `times` times; a variable value is stored once.
    pub fn repeat(&mut self, value: &Value<'_>, times: usize) {
        if value.is_null() {
            (self.len..self.len + times).for_each(|row| self.nulls.set(row));
        }
        match self.ty.width() {
            Some(width) => {
                let (bytes, _) = encode(self.ty, value);
                for _ in 0..times {
                    self.fixed.extend_from_slice(&bytes[..width]);
                }
            }
            None => {
                let start = self.bytes.len() as u32;
                if let Value::Bytes(bytes) = value {
                    self.bytes.extend_from_slice(bytes);
                }
                let span = (start, self.bytes.len() as u32 - start);
                self.spans.resize(self.spans.len() + times, span);
            }
        }
        self.len += times;
    }

    /// Appends rows `from..to` of a stored column of the same type.
    pub fn copy(&mut self, column: &Column, from: usize, to: usize) {
        if column.has_nulls() {
            (from..to).filter(|row| column.is_null(*row)).for_each(|row| self.nulls.set(self.len + row - from));
        }
        if self.ty.width().is_some() {
            self.fixed.extend_from_slice(column.fixed(from, to));
        } else {
            for row in from..to {
                let bytes = column.var(row);
                self.spans.push((self.bytes.len() as u32, bytes.len() as u32));
                self.bytes.extend_from_slice(bytes);
            }
        }
        self.len += to - from;
    }

    /// The value of a row; NULL beyond the end.
    pub fn get(&self, row: usize) -> Value<'_> {
        if row >= self.len || self.nulls.get(row) {
            return Value::Null;
        }
        match self.ty.width() {
            Some(width) => decode(self.ty, &self.fixed[row * width..(row + 1) * width]),
            None => Value::Bytes(Cow::Borrowed(self.var(row))),
        }
    }

    /// The bytes of a variable value.
    pub fn var(&self, row: usize) -> &[u8] {
        let (start, len) = self.spans[row];
        &self.bytes[start as usize..(start + len) as usize]
    }
}
