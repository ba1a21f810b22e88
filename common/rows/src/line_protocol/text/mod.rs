//! CSV straight into line protocol: no column, no number is made of what is text on both sides.
//!
//! A block of the input is indexed ([`crate::csv_index`]), then each row becomes a line by moves of its cells
//! ([`row`]), which are checked to be what the line may hold. Rows about which anything is unusual (a policy applies, a cell
//! is no value of its type, a cell count is wrong) go the long way ([`slow`]), through columns and the encoder, one by one:
//! so repairs, refusals, their words and their order are the same. The lines mean what those of the encoder mean; only
//! numbers may keep the spelling of the input (`54`, where the encoder writes `54.0`).
//!
//! Measured on 10 M rows of sensors: 3.2 s of CPU the long way, about a sixth of it this way.

mod plan;
mod room;
mod row;
mod slow;
mod time;
mod value;

use super::encode::{Encoder, Rejected};
use super::options::EncodeOptions;
use super::plan::Plan;
use super::repair::Repairs;
use super::statement::statement;
use super::writer::{EncodeCounts, NoLines};
use crate::SchemaRef;
use crate::blocks;
use crate::csv_blocks::{Block, CsvBlocks};
use crate::csv_read::CsvReader;
use crate::csv_rows::RowBuilder;
use crate::options::{BadRow, BadRows, WriteOptions};
use crate::text_out::TextOut;
use crate::time::Unit;
use fault::{Error, Result};
use plan::TextPlan;
use room::Room;
use row::{Rules, Text};
use slow::{Counts, Event, LongWay};
use std::io::Write;

/// A CSV on its way into line protocol.
pub struct CsvToLines<W: Write> {
    csv: CsvReader,
    schema: SchemaRef,
    encode: EncodeOptions,
    out: TextOut<W>,
    no_lines: NoLines,
    counts: EncodeCounts,
    threads: usize,
    the_long_way: bool,
}

impl<W: Write> CsvToLines<W> {
    /// `schema`: that of `csv`, perhaps with other names and roles. As [`super::LpWriter::create`] otherwise.
    pub fn create(
        csv: CsvReader,
        schema: SchemaRef,
        out: W,
        finish: fn(W) -> Result<()>,
        options: &WriteOptions,
        encode: EncodeOptions,
        no_lines: NoLines,
    ) -> Result<CsvToLines<W>> {
        // The same complaints about the schema, before any line.
        Encoder::new(&schema, encode.clone())?;
        let mut out = TextOut::new(out, finish, options)?;
        if encode.precision != Unit::Ns {
            out.buffer().extend_from_slice(statement(encode.precision).as_bytes());
            out.write_out()?;
        }
        let counts = EncodeCounts::default();
        Ok(CsvToLines { csv, schema, encode, out, no_lines, counts, threads: 1, the_long_way: false })
    }

    /// Blocks that are encoded at the same time; the output does not depend on it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Every row through columns and the encoder: for tests, which compare.
    pub fn the_long_way(mut self) -> Self {
        self.the_long_way = true;
        self
    }

    /// What has been done so far; stays connected.
    pub fn counts(&self) -> EncodeCounts {
        self.counts.clone()
    }

    /// Writes the lines of all rows. `each` is called for every block, and stops with an error. The output is finished by
    /// [`Written::finish`].
    pub fn run(self, mut each: impl FnMut() -> Result<()>) -> Result<Written<W>> {
        let CsvToLines { csv, schema, encode, mut out, mut no_lines, counts, threads, the_long_way } = self;
        let parts = csv.into_parts();
        let (name, mut bad_rows) = (parts.lines.name().to_owned(), parts.bad_rows);
        let plan = Plan::new(&schema, &encode)?;
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let table = RowBuilder::new(parts.table.columns.clone(), parts.table.grammar.clone());
            let text = TextPlan::new(&plan, &table.columns, &table.grammar, &encode).filter(|_| !the_long_way);

            let rules = Rules { grammar: table.grammar.clone(), dialect: encode.dialect };
            let encoder = Encoder::new(&schema, encode.clone())?;
            let long_way = LongWay::new(name.clone(), table, schema.clone(), encoder, parts.limits);
            let mut worker = Worker { plan: text, rules, long_way, scratch: Vec::new() };
            workers.push(move |block: &mut Block, done: &mut Done| {
                worker.encode(block, done);
                Ok(())
            });
        }
        let source = CsvBlocks::new(parts.lines, parts.table.grammar.delimiter);
        let (mut rows, mut good) = (0, 0);
        let source = blocks::ordered(source, workers, |done: &mut Done| {
            for event in done.events.drain(..) {
                report(event, good, &mut bad_rows, &mut no_lines)?;
            }
            if let Some(error) = done.failed.take() {
                return Err(error);
            }
            rows += done.counts.rows;
            good += done.counts.good;
            out.write_block(done.room.written(), done.counts.lines)?;
            counts.add(done.counts.lines, &done.repairs);
            each()
        })?;
        source.check_end(rows)?;
        Ok(Written { out })
    }
}

/// One of the threads that turn blocks into lines.
struct Worker {
    /// `None`: every row goes the long way.
    plan: Option<TextPlan>,
    rules: Rules,
    long_way: LongWay,
    /// Lines of the long way, before they come behind the others.
    scratch: Vec<u8>,
}

/// What became of a block.
#[derive(Default)]
struct Done {
    room: Room,
    counts: Counts,
    repairs: Repairs,
    events: Vec<Event>,
    failed: Option<Error>,
}

/// So many rows of a block take the long way one by one. If there are more, and they are more than one in eight, the rest
/// of the block follows them together, which is faster than one after another.
const FEW: usize = 16;

impl Worker {
    fn encode(&mut self, block: &Block, done: &mut Done) {
        done.room.clear();
        done.events.clear();
        done.counts = Counts::default();
        let before = self.long_way.repairs();
        self.long_way.begin(block);
        // The caller hears of what came before an error first.
        let rows = self.rows(block, done);
        let flushed = flush(&mut self.long_way, &mut self.scratch, done);
        done.failed = rows.and(flushed).err();
        done.repairs = self.long_way.repairs().since(&before);
    }

    fn rows(&mut self, block: &Block, done: &mut Done) -> Result<()> {
        let (bytes, index, whole) = (block.text(), &block.index, block.index.len());
        let simple = !index.has_quotes() && !index.has_returns() && self.rules.grammar.null.is_none();
        let text = Text {
            bytes,
            utf8: index.is_ascii() || std::str::from_utf8(bytes.get(..whole).unwrap_or_default()).is_ok(),
        };
        let mut odd = 0;
        let mut rows = index.rows();
        loop {
            let row = match &mut self.plan {
                Some(plan) if odd < FEW || odd * 8 < index.rows().len() - rows.len() => {
                    if self.long_way.waits() {
                        flush(&mut self.long_way, &mut self.scratch, done)?;
                    }
                    let encode = if simple { row::encode::<true> } else { row::encode::<false> };
                    let (lines, row) = encode(plan, &self.rules, text, &mut rows, &mut done.room);
                    done.counts.straight(lines);
                    odd += 1;
                    row
                }
                _ => rows.next(),
            };
            let Some(row) = row else { break };
            let place = (row.start, row.end);
            self.long_way.row(block, place, &mut done.counts, &mut done.events, &mut self.scratch)?;
        }
        let tail = (whole, whole + block.tail);
        self.long_way.row(block, tail, &mut done.counts, &mut done.events, &mut self.scratch)
    }
}

fn flush(long_way: &mut LongWay, scratch: &mut Vec<u8>, done: &mut Done) -> Result<()> {
    long_way.flush(&mut done.counts, &mut done.events, scratch)?;
    done.room.append(scratch);
    scratch.clear();
    Ok(())
}

/// Lines that are written, of an output that is not finished.
pub struct Written<W: Write> {
    out: TextOut<W>,
}

impl<W: Write> Written<W> {
    /// End mark, compression's trailer, the output's own finish.
    pub fn finish(self) -> Result<()> {
        self.out.finish()
    }
}

fn report(event: Event, good: u64, bad_rows: &mut BadRows, no_lines: &mut NoLines) -> Result<()> {
    match event {
        Event::BadRow { line, offset, bytes, reason } => {
            bad_rows(&BadRow { line, offset, bytes: &bytes, reason: &reason })
        }
        Event::NoLine { batch, row, number, column, why } => {
            no_lines(&Rejected { batch: &batch, row, number: good + number, column: column.as_deref(), why })
        }
    }
}
