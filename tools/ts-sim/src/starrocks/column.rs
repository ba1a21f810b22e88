//! Many values of one column, held compactly.

use std::borrow::Cow;

use super::types::Type;
use super::value::{self, Value};

/// The values of a column in one chunk.
#[derive(Debug, Clone)]
pub struct Column {
    data: Data,
    /// One bit a row, set where the value is NULL; empty as long as none is.
    nulls: Vec<u64>,
    len: usize,
}

#[derive(Debug, Clone)]
enum Data {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes { ends: Vec<u32>, bytes: Vec<u8> },
}

impl Column {
    /// Without values.
    pub fn new(ty: &Type) -> Column {
        let data = match ty {
            Type::Boolean | Type::TinyInt => Data::I8(Vec::new()),
            Type::SmallInt => Data::I16(Vec::new()),
            Type::Int | Type::Date => Data::I32(Vec::new()),
            Type::BigInt | Type::DateTime => Data::I64(Vec::new()),
            Type::Decimal(p, _) if *p <= 18 => Data::I64(Vec::new()),
            Type::LargeInt | Type::Decimal(..) => Data::I128(Vec::new()),
            Type::Float => Data::F32(Vec::new()),
            Type::Double => Data::F64(Vec::new()),
            _ => Data::Bytes { ends: Vec::new(), bytes: Vec::new() },
        };
        Column { data, nulls: Vec::new(), len: 0 }
    }

    /// Appends a value of the column's type.
    pub fn push(&mut self, value: &Value<'_>) {
        let null = matches!(value, Value::Null);
        if null || !self.nulls.is_empty() {
            let words = self.len / 64 + 1;
            if self.nulls.len() < words {
                self.nulls.resize(words, 0);
            }
            if null {
                self.nulls[self.len / 64] |= 1 << (self.len % 64);
            }
        }
        let int = if let Value::Int(n) = value { *n } else { 0 };
        let float = match value {
            Value::Float(f) => *f,
            Value::Int(n) => *n as f64,
            _ => 0.0,
        };
        match &mut self.data {
            Data::I8(v) => v.push(int as i8),
            Data::I16(v) => v.push(int as i16),
            Data::I32(v) => v.push(int as i32),
            Data::I64(v) => v.push(int as i64),
            Data::I128(v) => v.push(int),
            Data::F32(v) => v.push(float as f32),
            Data::F64(v) => v.push(float),
            Data::Bytes { ends, bytes } => {
                if let Value::Bytes(b) = value {
                    bytes.extend_from_slice(b);
                }
                ends.push(bytes.len() as u32);
            }
        }
        self.len += 1;
    }

    /// Bytes of text held: a chunk is closed before offsets overflow.
    pub fn text_bytes(&self) -> usize {
        if let Data::Bytes { bytes, .. } = &self.data { bytes.len() } else { 0 }
    }

    /// Bytes held in all.
    pub fn bytes(&self) -> usize {
        self.nulls.len() * 8
            + match &self.data {
                Data::I8(v) => v.len(),
                Data::I16(v) => v.len() * 2,
                Data::I32(v) => v.len() * 4,
                Data::I64(v) => v.len() * 8,
                Data::I128(v) => v.len() * 16,
                Data::F32(v) => v.len() * 4,
                Data::F64(v) => v.len() * 8,
                Data::Bytes { ends, bytes } => ends.len() * 4 + bytes.len(),
            }
    }

    /// The chunk is complete: spare room is given back.
    pub fn shrink(&mut self) {
        self.nulls.shrink_to_fit();
        match &mut self.data {
            Data::I8(v) => v.shrink_to_fit(),
            Data::I16(v) => v.shrink_to_fit(),
            Data::I32(v) => v.shrink_to_fit(),
            Data::I64(v) => v.shrink_to_fit(),
            Data::I128(v) => v.shrink_to_fit(),
            Data::F32(v) => v.shrink_to_fit(),
            Data::F64(v) => v.shrink_to_fit(),
            Data::Bytes { ends, bytes } => {
                ends.shrink_to_fit();
                bytes.shrink_to_fit();
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The value of a row that there is.
    pub fn get(&self, row: usize) -> Value<'_> {
        if self.is_null(row) {
            return Value::Null;
        }
        match &self.data {
            Data::I8(v) => Value::Int(v[row].into()),
            Data::I16(v) => Value::Int(v[row].into()),
            Data::I32(v) => Value::Int(v[row].into()),
            Data::I64(v) => Value::Int(v[row].into()),
            Data::I128(v) => Value::Int(v[row]),
            Data::F32(v) => Value::Float(v[row].into()),
            Data::F64(v) => Value::Float(v[row]),
            Data::Bytes { .. } => Value::Bytes(Cow::Borrowed(self.slice(row))),
        }
    }

    fn slice(&self, row: usize) -> &[u8] {
        let Data::Bytes { ends, bytes } = &self.data else { return &[] };
        let start = if row == 0 { 0 } else { ends[row - 1] };
        &bytes[start as usize..ends[row] as usize]
    }

    /// Appends the text of a row; false for NULL.
    pub fn write(&self, row: usize, ty: &Type, out: &mut Vec<u8>) -> bool {
        if ty.is_opaque() {
            return false;
        }
        match &self.data {
            Data::Bytes { .. } if !self.is_null(row) => {
                out.extend_from_slice(self.slice(row));
                true
            }
            Data::F32(v) if !self.is_null(row) => {
                value::write_float(v[row].into(), true, out);
                true
            }
            _ => self.get(row).write(ty, out),
        }
    }
}
