//! CSV out. Cells are written into one buffer, texts quoted where they must be; floats are the shortest text that
//! reads back to the same value, always with a point or an exponent (`54.0`). Most rows go the quick way
//! ([`crate::csv_quick`]); here they are written cell by cell.

use crate::cells::{Cell, Cells};
use crate::csv_quick::Quick;
use crate::csv_read::{check_delimiter, check_null};
use crate::foreign::Foreign;
use crate::header::Column;
use crate::instant::Printer;
use crate::options::{Header, WriteOptions};
use crate::text_out::TextOut;
use crate::{RecordBatch, Schema, Writer};
use fault::Result;
use std::io::Write;

/// A CSV writer; see [`crate::options::WriteOptions`].
pub struct CsvWriter<W: Write> {
    out: TextOut<W>,
    foreign: Foreign,
    delimiter: u8,
    null: Option<Vec<u8>>,
    printers: Vec<Printer>,
    /// Not where NULL has a text of its own, which values may be spelled like.
    quick: Option<Quick>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header at once.
    pub fn create(
        out: W,
        finish: fn(W) -> Result<()>,
        schema: &Schema,
        options: &WriteOptions,
    ) -> Result<CsvWriter<W>> {
        check_delimiter(options.delimiter)?;
        check_null(options.null.as_deref(), options.delimiter)?;
        let foreign = Foreign::new(schema)?;
        let columns = Column::all(&foreign.schema())?;
        let mut writer = CsvWriter {
            out: TextOut::new(out, finish, options)?,
            foreign,
            delimiter: options.delimiter,
            null: options.null.clone(),
            printers: columns.iter().map(|_| Printer::default()).collect(),
            quick: options.null.is_none().then(|| Quick::new(columns.len(), options.delimiter)),
        };
        if options.header != Header::None {
            let buffer = writer.out.buffer();
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    buffer.push(options.delimiter);
                }
                let cell = if options.header == Header::Typed { column.to_string() } else { column.name.clone() };
                quote_if_needed(cell.as_bytes(), options.delimiter, None, buffer);
            }
            buffer.push(b'\n');
            writer.out.write_out()?;
        }
        Ok(writer)
    }
}

impl<W: Write> CsvWriter<W> {
    /// One row, cell by cell.
    fn row(&mut self, columns: &[Cells<'_>], row: usize) -> Result<()> {
        let null = self.null.as_deref();
        let out = self.out.buffer();
        for (at, (cells, printer)) in columns.iter().zip(&mut self.printers).enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            let start = out.len();
            match cells.write(row, printer, out) {
                Cell::Null => out.extend_from_slice(null.unwrap_or_default()),
                Cell::Text(text) => quote_if_needed(text, self.delimiter, null, out),
                Cell::Written => {
                    // A number that is spelled like NULL, or binary data without a byte.
                    if out.len() == start || null.is_some_and(|null| null == &out[start..]) {
                        out.insert(start, b'"');
                        out.push(b'"');
                    }
                }
            }
        }
        out.push(b'\n');
        self.out.row_done()
    }
}

impl<W: Write + Send> Writer for CsvWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.foreign.convert(batch)?;
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        if let Some(quick) = &mut self.quick {
            quick.prepare(&columns);
        }
        let mut row = 0;
        while row < batch.num_rows() {
            if let Some(quick) = &mut self.quick {
                let done = quick.rows(&columns, row..batch.num_rows());
                if done > 0 {
                    self.out.put(quick.written(), done as u64)?;
                    row += done;
                    continue;
                }
            }
            self.row(&columns, row)?;
            row += 1;
        }
        self.out.write_out()
    }

    fn write_text(&mut self, rows: u64, text: &[u8]) -> Result<()> {
        self.out.write_block(text, rows)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.finish()
    }
}

/// One row of a batch as a line of CSV, without header and line end: for rejects and messages.
pub fn row_text(batch: &RecordBatch, row: usize) -> Result<Vec<u8>> {
    let batch = Foreign::new(batch.schema_ref())?.convert(&batch.slice(row, 1))?;
    let mut out = Vec::new();
    for (at, column) in batch.columns().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let (cells, start) = (Cells::new(column)?, out.len());
        match cells.write(0, &mut Printer::default(), &mut out) {
            Cell::Null => {}
            Cell::Text(text) => quote_if_needed(text, b',', None, &mut out),
            Cell::Written if out.len() == start => out.extend_from_slice(b"\"\""),
            Cell::Written => {}
        }
    }
    Ok(out)
}

/// Quotes what would be read as something else: nothing, NULL's text, delimiters, quotes, line ends, and a leading `#`
/// (comments in csv2lp's grammar, and our end mark).
pub(crate) fn quote_if_needed(text: &[u8], delimiter: u8, null: Option<&[u8]>, out: &mut Vec<u8>) {
    let special = |b: &u8| *b == delimiter || matches!(b, b'"' | b'\n' | b'\r');
    let plain = match text.first() {
        None | Some(b'#') => false,
        Some(_) => null != Some(text) && !text.iter().any(special),
    };
    if plain {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=quote]);
        out.push(b'"');
        rest = &rest[quote + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
