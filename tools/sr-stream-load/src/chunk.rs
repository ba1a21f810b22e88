//! The rows of one load: as text that can be cut at its rows, or as Arrow batches.

use fault::{Error, Kind, Result};
use net::Bytes;
use net::batch::{Batch, Part};
use rows::RecordBatch;
use rows::bulk::{NULL, Separators};
use rows::csv_cell::{self, Value};
use rows::format::{Format, WriteOptions};
use rows::instant::Printer;
use starrocks::request::Form;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are loaded together.
pub struct Chunk {
    /// Its place in the input, from 0.
    pub number: u64,
    pub form: Form,
    pub rows: Rows,
    /// Which cells are times (text only): they are told as times in the rejects.
    pub times: Arc<[bool]>,
}

/// The rows themselves.
pub enum Rows {
    Text(Batch),
    Arrow(Vec<RecordBatch>),
}

impl Chunk {
    /// All rows.
    pub fn whole(&self) -> Part {
        match &self.rows {
            Rows::Text(batch) => batch.whole(),
            Rows::Arrow(batches) => Part::all(batches.iter().map(RecordBatch::num_rows).sum()),
        }
    }

    /// The body of a load of these rows.
    pub fn body(&self, part: &Part) -> Result<Bytes> {
        match &self.rows {
            Rows::Text(batch) => Ok(batch.bytes(part)),
            Rows::Arrow(batches) => arrow(batches, part),
        }
    }

    /// A row as it stands in the body, without its separator; nothing for Arrow.
    pub fn text(&self, row: usize) -> &[u8] {
        match &self.rows {
            Rows::Text(batch) => batch.line(row),
            Rows::Arrow(_) => &[],
        }
    }

    /// A row of delimited text as the server's logs print it; nothing for other forms.
    pub fn printed(&self, row: usize) -> Vec<u8> {
        let (Rows::Text(batch), Form::Csv(by)) = (&self.rows, self.form) else { return Vec::new() };
        let line = batch.line(row);
        let mut out = Vec::with_capacity(line.len() + 8);
        for (at, cell) in line.split(|byte| *byte == by.column).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(if cell == NULL { b"NULL" } else { cell });
        }
        out
    }

    /// A row for people, and for a second try: a line of CSV, or the JSON object as it was sent.
    pub fn shown(&self, row: usize) -> Result<Vec<u8>> {
        match (&self.rows, self.form) {
            (Rows::Text(batch), Form::Csv(by)) => Ok(self.csv(batch.line(row), by)),
            (Rows::Text(batch), _) => Ok(batch.line(row).to_vec()),
            (Rows::Arrow(batches), _) => {
                let mut left = row;
                for batch in batches {
                    if left < batch.num_rows() {
                        return rows::row_text(batch, left);
                    }
                    left -= batch.num_rows();
                }
                Ok(Vec::new())
            }
        }
    }

    fn csv(&self, line: &[u8], by: Separators) -> Vec<u8> {
        let (mut out, mut printer) = (Vec::with_capacity(line.len() + 16), Printer::default());
        for (at, cell) in line.split(|byte| *byte == by.column).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if cell == NULL {
                continue;
            }
            if !self.times.get(at).copied().unwrap_or(false) {
                csv_cell::append(Value::Text(cell), &mut printer, &mut out);
                continue;
            }
            // All times of a CSV have as many digits.
            let start = out.len();
            out.extend_from_slice(cell);
            if let Some(blank) = out.get_mut(start + 10) {
                *blank = b'T';
            }
            out.extend_from_slice(if cell.contains(&b'.') { b"Z" } else { b".000000Z" });
        }
        out
    }
}

/// Collects what a writer writes.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The rows as a stream of Arrow messages.
fn arrow(batches: &[RecordBatch], part: &Part) -> Result<Bytes> {
    let Some(first) = batches.first() else { return Ok(Bytes::new()) };
    let out = Collected::default();
    let options = WriteOptions { to: Format::Arrow, ..WriteOptions::default() };
    let mut writer = rows::format::create(out.clone(), |_| Ok(()), first.schema(), options)?;
    let mut start = 0;
    for batch in batches {
        let end = start + batch.num_rows();
        for &(from, to) in part.ranges() {
            let (from, to) = (from.max(start), to.min(end));
            if from < to {
                writer.write(&batch.slice(from - start, to - from))?;
            }
        }
        start = end;
    }
    writer.finish()?;
    let collected = Arc::try_unwrap(out.0).map_err(|_| Error::new(Kind::Bug, "the Arrow writer is still there"))?;
    Ok(Bytes::from(collected.into_inner().unwrap_or_else(PoisonError::into_inner)))
}
