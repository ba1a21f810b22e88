//! The rows of one load: as text that can be cut at its rows, or as a stream of Arrow messages.

use fault::Result;
use net::Bytes;
use net::batch::{Batch, Builder, Part, Spares};
use rows::batch::slice_bytes;
use rows::bulk::{NULL, Separators};
use rows::csv_cell::{self, Value};
use rows::format::{Format, ReadOptions, Source, WriteOptions};
use rows::instant::Printer;
use rows::{RecordBatch, SchemaRef, Writer};
use starrocks::request::Form;
use std::cell::OnceCell;
use std::io::{self, Cursor, Write};
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
    Arrow(Messages),
}

/// A stream of Arrow messages.
pub struct Messages {
    bytes: Batch,
    rows: usize,
    /// What the stream holds, once it has been needed: only a load that does not go through whole is read again.
    batches: OnceCell<Vec<RecordBatch>>,
}

impl Chunk {
    /// All rows.
    pub fn whole(&self) -> Part {
        match &self.rows {
            Rows::Text(batch) => batch.whole(),
            Rows::Arrow(messages) => Part::all(messages.rows),
        }
    }

    /// The body of a load of these rows.
    pub fn body(&self, part: &Part) -> Result<Bytes> {
        match &self.rows {
            Rows::Text(batch) => Ok(batch.bytes(part)),
            Rows::Arrow(messages) => messages.part(part),
        }
    }

    /// The memory of a load that is delivered, for one to come.
    pub fn give_back(self, spares: &Spares) {
        match self.rows {
            Rows::Text(batch) | Rows::Arrow(Messages { bytes: batch, .. }) => spares.put(batch),
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
            (Rows::Arrow(messages), _) => {
                let mut left = row;
                for batch in messages.batches()? {
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
#[derive(Clone)]
struct Collected(Arc<Mutex<Builder>>);

impl Collected {
    fn with<T>(&self, work: impl FnOnce(&mut Builder) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|all| all.buffer().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream of Arrow messages that is being written: batches are written as they come, so that only the stream takes memory.
pub struct Stream {
    writer: Box<dyn Writer>,
    out: Collected,
    rows: usize,
}

impl Stream {
    /// Into this memory.
    pub fn new(schema: SchemaRef, memory: Builder) -> Result<Stream> {
        let out = Collected(Arc::new(Mutex::new(memory)));
        let options = WriteOptions { to: Format::Arrow, ..WriteOptions::default() };
        let writer = rows::format::create(out.clone(), |_| Ok(()), schema, options)?;
        Ok(Stream { writer, out, rows: 0 })
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows of a batch still fit into a load of so many rows and bytes, about. One does if there is none yet.
    pub fn fit(&self, batch: &RecordBatch, rows: usize, bytes: usize) -> usize {
        let each = (slice_bytes(batch) / batch.num_rows().max(1)).max(1);
        let left = bytes.saturating_sub(self.out.with(|all| all.bytes())) / each;
        left.min(rows.saturating_sub(self.rows)).max(usize::from(self.rows == 0)).min(batch.num_rows())
    }

    /// Adds rows.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.writer.write(batch)
    }

    /// Ends the stream.
    pub fn finish(self) -> Result<Messages> {
        self.writer.finish()?;
        let bytes = self.out.with(Builder::finish);
        Ok(Messages { bytes, rows: self.rows, batches: OnceCell::new() })
    }
}

impl Messages {
    /// The stream of some of the rows.
    fn part(&self, part: &Part) -> Result<Bytes> {
        if part.len() == self.rows {
            return Ok(self.bytes.all());
        }
        let batches = self.batches()?;
        let Some(first) = batches.first() else { return Ok(Bytes::new()) };
        let mut stream = Stream::new(first.schema(), Builder::default())?;
        let mut start = 0;
        for batch in batches {
            let end = start + batch.num_rows();
            for &(from, to) in part.ranges() {
                let (from, to) = (from.max(start), to.min(end));
                if from < to {
                    stream.add(&batch.slice(from - start, to - from))?;
                }
            }
            start = end;
        }
        stream.finish().map(|messages| messages.bytes.all())
    }

    fn batches(&self) -> Result<&[RecordBatch]> {
        if let Some(batches) = self.batches.get() {
            return Ok(batches);
        }
        let source = Source::new("the load", Box::new(Cursor::new(self.bytes.all())), None);
        let mut reader =
            rows::format::open(source, ReadOptions { from: Some(Format::Arrow), ..ReadOptions::default() })?;
        let mut batches = Vec::new();
        while let Some(batch) = reader.next()? {
            batches.push(batch);
        }
        Ok(self.batches.get_or_init(|| batches))
    }
}
