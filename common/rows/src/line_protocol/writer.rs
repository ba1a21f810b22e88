//! Line protocol as an output of rows: buffer, end mark and compression around the [`Encoder`].

use super::encode::{Encoder, Rejected, Sink};
use super::options::EncodeOptions;
use super::repair::Repairs;
use super::statement::statement;
use crate::options::WriteOptions;
use crate::text_out::TextOut;
use crate::time::Unit;
use crate::{RecordBatch, Schema, Writer};
use fault::{Error, Result};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// What to do with a row that is no line: `Ok` leaves it out, `Err` stops.
pub type NoLines = Box<dyn FnMut(&Rejected<'_>) -> Result<()> + Send>;

/// What a writer has done, for the summary; shared with it.
#[derive(Clone, Debug, Default)]
pub struct EncodeCounts(Arc<Mutex<(u64, Repairs)>>);

impl EncodeCounts {
    /// Lines written, up to the last whole batch.
    pub fn lines(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What was changed.
    pub fn repairs(&self) -> Repairs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// So many more lines, for which so much more was changed.
    pub(super) fn add(&self, lines: u64, repairs: &Repairs) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0 += lines;
        counts.1.add(repairs);
    }
}

/// A writer of line protocol.
pub struct LpWriter<W: Write> {
    encoder: Encoder,
    out: Lines<W>,
    counts: EncodeCounts,
}

struct Lines<W: Write> {
    out: TextOut<W>,
    no_lines: NoLines,
}

impl<W: Write> LpWriter<W> {
    /// States the unit of the times at once, unless it is nanoseconds.
    pub fn create(
        out: W,
        finish: fn(W) -> Result<()>,
        schema: &Schema,
        options: &WriteOptions,
        encode: EncodeOptions,
        no_lines: NoLines,
    ) -> Result<LpWriter<W>> {
        let unit = encode.precision;
        let encoder = Encoder::new(schema, encode)?;
        let mut out = TextOut::new(out, finish, options)?;
        if unit != Unit::Ns {
            out.buffer().extend_from_slice(statement(unit).as_bytes());
            out.write_out()?;
        }
        Ok(LpWriter { encoder, out: Lines { out, no_lines }, counts: EncodeCounts::default() })
    }

    /// What has been done so far; stays connected.
    pub fn counts(&self) -> EncodeCounts {
        self.counts.clone()
    }
}

/// For [`LpWriter::create`]: the first row that is no line stops the writer.
pub fn stop_at_first() -> NoLines {
    Box::new(|row| Err(Error::malformed(format!("a row cannot be written as line protocol: {row}"))))
}

impl<W: Write> Sink for Lines<W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.out.buffer()
    }

    fn lines(&mut self, count: u64) -> Result<()> {
        self.out.rows_done(count)
    }

    fn put(&mut self, lines: &[u8], count: u64) -> Result<()> {
        self.out.put(lines, count)
    }

    fn reject(&mut self, row: &Rejected<'_>) -> Result<()> {
        (self.no_lines)(row)
    }
}

impl<W: Write + Send> Writer for LpWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let before = *self.encoder.repairs();
        let result = self.encoder.encode(batch, &mut self.out);
        let repairs = self.encoder.repairs().since(&before);
        self.counts.add(result.as_ref().copied().unwrap_or_default(), &repairs);
        result?;
        self.out.out.write_out()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.out.finish()
    }
}
