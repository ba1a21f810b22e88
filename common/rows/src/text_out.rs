//! The output of the text writers: a buffer of rows, the end mark, the compression, and the order in which they end.

use crate::compress::Sink;
use crate::endmark::EndMarkWriter;
use crate::options::WriteOptions;
use fault::{Error, Result};
use std::io::Write;

/// Written out when the buffer is this full: one `write(2)` of 256 KiB and not one per row.
const BLOCK: usize = 256 << 10;

pub(crate) struct TextOut<W: Write> {
    buffer: Vec<u8>,
    sink: EndMarkWriter<Sink<W>>,
    end_mark: bool,
    rows: u64,
    finish: fn(W) -> Result<()>,
}

impl<W: Write> TextOut<W> {
    pub fn new(out: W, finish: fn(W) -> Result<()>, options: &WriteOptions) -> Result<TextOut<W>> {
        let compression = options.compression.unwrap_or(crate::compress::Compression::None);
        Ok(TextOut {
            buffer: Vec::with_capacity(BLOCK + (BLOCK >> 2)),
            sink: EndMarkWriter::new(Sink::new(out, compression)?),
            end_mark: options.end_mark,
            rows: 0,
            finish,
        })
    }

    /// Where the next row is appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// A row was appended.
    pub fn row_done(&mut self) -> Result<()> {
        self.rows_done(1)
    }

    /// So many rows were appended.
    pub fn rows_done(&mut self, count: u64) -> Result<()> {
        self.rows += count;
        if self.buffer.len() >= BLOCK { self.write_out() } else { Ok(()) }
    }

    /// Hands on a block that was not put into the buffer, behind what is there. It holds so many rows.
    pub fn write_block(&mut self, block: &[u8], rows: u64) -> Result<()> {
        if !self.buffer.is_empty() {
            self.write_out()?;
        }
        self.rows += rows;
        self.hand_on(block)
    }

    /// Appends rows that stand elsewhere: many of them go out from where they are.
    pub fn put(&mut self, bytes: &[u8], rows: u64) -> Result<()> {
        if self.buffer.is_empty() && bytes.len() >= BLOCK / 2 {
            return self.write_block(bytes, rows);
        }
        self.buffer.extend_from_slice(bytes);
        self.rows_done(rows)
    }

    /// Hands the buffer on.
    pub fn write_out(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.hand_on(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn hand_on(&mut self, bytes: &[u8]) -> Result<()> {
        let written = if self.end_mark { self.sink.write_all(bytes) } else { self.sink.unhashed().write_all(bytes) };
        written.map_err(failed)
    }

    /// End mark, compression's trailer, the output's own finish.
    pub fn finish(mut self) -> Result<()> {
        self.write_out()?;
        let sink = if self.end_mark { self.sink.mark(self.rows).map_err(failed)? } else { self.sink.into_inner() };
        (self.finish)(sink.finish().map_err(failed)?)
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("cannot write the output", error)
}
