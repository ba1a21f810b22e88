//! The long way of a row: cells, columns, a batch, the encoder. It takes every row, makes the repairs that the options
//! allow, and says what is wrong with the others: the words and numbers are those of the reader and the encoder.

use super::super::encode::{Encoder, Rejected, Sink, Why};
use super::super::repair::Repairs;
use crate::csv_blocks::Block;
use crate::csv_rows::{BEHIND_QUOTE, CUT, OPEN_QUOTE, RowBuilder};
use crate::csv_split::{Cell, Split, split};
use crate::endmark::PREFIX;
use crate::lines::stray_mark;
use crate::options::Header;
use crate::{Limits, RecordBatch, SchemaRef};
use fault::{Error, Kind, Result};

/// Something that the caller must hear, in the order of the rows.
pub(super) enum Event {
    /// A row that could not be read.
    BadRow { line: u64, offset: u64, bytes: Vec<u8>, reason: String },
    /// A row that is no line: `row` of the batch, the `number`-th good row of the block.
    NoLine { batch: RecordBatch, row: usize, number: u64, column: Option<String>, why: Why },
}

/// What became of a block.
#[derive(Default)]
pub(super) struct Counts {
    /// Data rows, good and bad.
    pub rows: u64,
    /// Rows that could be read.
    pub good: u64,
    pub lines: u64,
}

impl Counts {
    /// Rows that became lines at once.
    pub fn straight(&mut self, rows: u64) {
        self.rows += rows;
        self.good += rows;
        self.lines += rows;
    }
}

/// Takes rows one by one; their lines come in groups.
pub(super) struct LongWay {
    name: String,
    table: RowBuilder,
    schema: SchemaRef,
    encoder: Encoder,
    limits: Limits,
    cells: Vec<Cell>,
    /// Bytes of the rows that wait.
    bytes: usize,
    lines: Gathered,
    /// A position in the block and the number of the line there.
    known: (usize, u64),
}

/// Lines and refusals of a group.
#[derive(Default)]
struct Gathered {
    out: Vec<u8>,
    /// Good rows of the block before the group.
    before: u64,
    refused: Vec<Event>,
}

impl Sink for Gathered {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn lines(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, row: &Rejected<'_>) -> Result<()> {
        self.refused.push(Event::NoLine {
            batch: row.batch.clone(),
            row: row.row,
            number: self.before + row.row as u64 + 1,
            column: row.column.map(str::to_owned),
            why: row.why,
        });
        Ok(())
    }
}

impl LongWay {
    /// `schema`: what the encoder was made for; the columns are those of the table.
    pub fn new(name: String, table: RowBuilder, schema: SchemaRef, encoder: Encoder, limits: Limits) -> LongWay {
        let (cells, lines) = (Vec::new(), Gathered::default());
        LongWay { name, table, schema, encoder, limits, cells, bytes: 0, lines, known: (0, 0) }
    }

    /// A new block: positions start again.
    pub fn begin(&mut self, block: &Block) {
        self.known = (0, block.line);
    }

    /// Do rows wait whose lines must come before others?
    #[inline(always)]
    pub fn waits(&self) -> bool {
        self.bytes > 0
    }

    /// What was changed so far, in all blocks.
    pub fn repairs(&self) -> Repairs {
        *self.encoder.repairs()
    }

    /// Takes the row (or the tail) at `start..end`. An error ends the input: it was cut, or it is no CSV.
    pub fn row(
        &mut self,
        block: &Block,
        (start, end): (usize, usize),
        counts: &mut Counts,
        events: &mut Vec<Event>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let whole = block.index.len();
        let mut start = start;
        while start < end {
            let rest = block.text().get(start..end).unwrap_or_default();
            let eof = end > whole;
            let len = match split(rest, self.table.grammar.delimiter, eof, &mut self.cells) {
                Split::Row { len, ended, .. } => {
                    let row = rest.get(..len).unwrap_or_default();
                    if row.starts_with(PREFIX) {
                        let cut = eof && len == rest.len() && !row.contains(&b'\n');
                        return Err(self.stray_mark(block, start, cut));
                    }
                    if !ended && self.table.grammar.header == Header::Typed {
                        return Err(self.incomplete(block, start, CUT));
                    }
                    let blank = matches!(row, b"\n" | b"\r\n");
                    // A blank line is a NULL where there is one column, and no row where there are more.
                    if !blank || self.table.columns.len() == 1 {
                        self.append(block, start, len, counts, events, out)?;
                    }
                    len
                }
                Split::Bad { len, .. } => {
                    counts.rows += 1;
                    self.flush(counts, events, out)?;
                    events.push(self.bad_row(block, start, len, BEHIND_QUOTE));
                    len
                }
                Split::More | Split::OpenQuote => return Err(self.incomplete(block, start, OPEN_QUOTE)),
            };
            start += len;
        }
        Ok(())
    }

    fn append(
        &mut self,
        block: &Block,
        start: usize,
        len: usize,
        counts: &mut Counts,
        events: &mut Vec<Event>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let size = len + self.table.row_bytes();
        if self.waits() && (self.table.rows() >= self.limits.rows || self.bytes + size > self.limits.bytes) {
            self.flush(counts, events, out)?;
        }
        counts.rows += 1;
        let row = block.text().get(start..start + len).unwrap_or_default();
        match self.table.append(row, &self.cells) {
            Ok(()) => {
                if !self.waits() {
                    self.lines.before = counts.good;
                }
                counts.good += 1;
                self.bytes += size;
            }
            Err(reason) => {
                self.flush(counts, events, out)?;
                events.push(self.bad_row(block, start, len, &reason));
            }
        }
        Ok(())
    }

    /// The lines of the rows that wait, appended to `out`.
    pub fn flush(&mut self, counts: &mut Counts, events: &mut Vec<Event>, out: &mut Vec<u8>) -> Result<()> {
        if !self.waits() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = self.table.finish(&self.schema)?;
        self.lines.out = std::mem::take(out);
        let encoded = self.encoder.encode(&batch, &mut self.lines);
        *out = std::mem::take(&mut self.lines.out);
        events.append(&mut self.lines.refused);
        counts.lines += encoded?;
        Ok(())
    }

    fn bad_row(&mut self, block: &Block, start: usize, len: usize, reason: &str) -> Event {
        let line = self.line(block, start);
        let row = block.text().get(start..start + len).unwrap_or_default();
        let bytes = row.strip_suffix(b"\n").map_or(row, |row| row.strip_suffix(b"\r").unwrap_or(row));
        Event::BadRow {
            line,
            offset: block.offset + start as u64,
            bytes: bytes.to_vec(),
            reason: format!("{}:{line}: {reason}", self.name),
        }
    }

    fn stray_mark(&mut self, block: &Block, start: usize, cut: bool) -> Error {
        stray_mark(&self.place(block, start), cut)
    }

    fn incomplete(&mut self, block: &Block, start: usize, what: &str) -> Error {
        Error::new(Kind::Incomplete, format!("{}: {what}", self.place(block, start)))
    }

    /// `NAME:LINE`.
    fn place(&mut self, block: &Block, position: usize) -> String {
        let line = self.line(block, position);
        format!("{}:{line}", self.name)
    }

    /// The number of the line at `position`, which is behind the last one asked for.
    fn line(&mut self, block: &Block, position: usize) -> u64 {
        let (from, line) = self.known;
        let passed = block.text().get(from..position).unwrap_or_default();
        let line = line + memchr::memchr_iter(b'\n', passed).count() as u64;
        self.known = (position, line);
        line
    }
}
