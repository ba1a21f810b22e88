//! NDJSON out: an object per line, every key in every object (NULL is `null`), so that types can be inferred again.
//!
//! Times are RFC 3339 texts, binary is hexadecimal text, decimals are numbers with all their digits, floats that JSON
//! has no number for are the texts `NaN`, `inf` and `-inf`. A JSON document that is an object or array stands as such;
//! any other is a text.

use crate::cells::{Cell, Cells, Values};
use crate::foreign::Foreign;
use crate::header::Column;
use crate::instant::Printer;
use crate::options::WriteOptions;
use crate::text_out::TextOut;
use crate::types::Type;
use crate::{RecordBatch, Schema, Writer};
use fault::Result;
use serde_json::value::RawValue;
use std::io::Write;

/// An NDJSON writer.
pub struct NdjsonWriter<W: Write> {
    out: TextOut<W>,
    foreign: Foreign,
    columns: Vec<Plan>,
}

struct Plan {
    /// `{"name":` or `,"name":`.
    key: Vec<u8>,
    json: bool,
    printer: Printer,
}

impl<W: Write> NdjsonWriter<W> {
    pub fn create(
        out: W,
        finish: fn(W) -> Result<()>,
        schema: &Schema,
        options: &WriteOptions,
    ) -> Result<NdjsonWriter<W>> {
        let foreign = Foreign::new(schema)?;
        let columns = Column::all(&foreign.schema())?
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let mut key = vec![if at == 0 { b'{' } else { b',' }];
                quote(column.name.as_bytes(), &mut key);
                key.push(b':');
                Plan { key, json: column.ty == Type::Json, printer: Printer::default() }
            })
            .collect();
        Ok(NdjsonWriter { out: TextOut::new(out, finish, options)?, foreign, columns })
    }
}

impl<W: Write + Send> Writer for NdjsonWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.foreign.convert(batch)?;
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let out = self.out.buffer();
            for (cells, plan) in columns.iter().zip(&mut self.columns) {
                out.extend_from_slice(&plan.key);
                let start = out.len();
                match cells.write(row, &mut plan.printer, out) {
                    Cell::Null => out.extend_from_slice(b"null"),
                    Cell::Text(text) if plan.json && is_document(text) => out.extend_from_slice(text),
                    Cell::Text(text) => quote(text, out),
                    Cell::Written => {
                        let text = match cells.values {
                            Values::Time(..) | Values::Binary(_) => true,
                            Values::F32(v) => !v[row].is_finite(),
                            Values::F64(v) => !v[row].is_finite(),
                            _ => false,
                        };
                        if text {
                            out.insert(start, b'"');
                            out.push(b'"');
                        }
                    }
                }
            }
            out.extend_from_slice(if self.columns.is_empty() { b"{}\n" } else { b"}\n" });
            self.out.row_done()?;
        }
        self.out.write_out()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.finish()
    }
}

/// An object or array on one line that may stand in the line as it is.
pub(crate) fn is_document(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'['))
        && !text.contains(&b'\n')
        && serde_json::from_slice::<&RawValue>(text).is_ok_and(|raw| raw.get().len() == text.len())
}

/// A JSON string.
pub(crate) fn quote(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text[start..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        start = at + 1;
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}
