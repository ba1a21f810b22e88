//! Lines to batches.

use super::append::Rows;
use super::merge::Merge;
use super::shape::{Shape, Survey};
use super::statement;
use crate::endmark::EndMarkReader;
use crate::header::Column;
use crate::options::{BadRow, BadRows};
use crate::time::Unit;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use fault::{Error, Result};
use lp::{Blocks, Chunk, Dialect, Element, Line, Lines, Parser, unescape};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines and bytes from which the columns are inferred.
const SAMPLE_LINES: usize = 8192;
const SAMPLE_BYTES: usize = 1 << 20;

/// Bytes of points that wait while merging, in batches.
const WAITING: usize = 16;

/// How lines become columns.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// Whose backslashes.
    pub dialect: Dialect,
    /// The unit of the times in the lines; by default what the input states, else nanoseconds.
    pub precision: Option<Unit>,
    /// The unit of the time column; by default that of the lines.
    pub time_unit: Option<Unit>,
    /// Read only lines of this measurement.
    pub measurement: Option<String>,
    /// A field with integers and floats is a column of floats.
    pub widen: bool,
    /// The columns, where the user states them.
    pub columns: Option<Vec<Column>>,
    /// Read the whole input once for its columns before it is read for its rows.
    pub scan: bool,
    /// Join lines of one series and time among this many points.
    pub merge: Option<usize>,
}

/// What a reader has seen, for the summary; shared with it.
#[derive(Clone, Debug, Default)]
pub struct DecodeCounts(Arc<[AtomicU64; 4]>);

impl DecodeCounts {
    fn add(&self, i: usize, n: u64) {
        if let Some(counter) = self.0.get(i) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn get(&self, i: usize) -> u64 {
        self.0.get(i).map_or(0, |c| c.load(Ordering::Relaxed))
    }

    /// Lines read, bad ones included.
    pub fn lines(&self) -> u64 {
        self.get(0)
    }

    /// Lines left out because they are of another measurement.
    pub fn skipped(&self) -> u64 {
        self.get(1)
    }

    /// Fields of a point that came twice while merging: the later one was kept.
    pub fn overwritten(&self) -> u64 {
        self.get(2)
    }

    /// Points that could not wait for more of their fields as long as the window says, for want of memory.
    pub fn hurried(&self) -> u64 {
        self.get(3)
    }
}

type Input = io::Chain<Cursor<Vec<u8>>, EndMarkReader<Box<dyn Read + Send>>>;

/// A reader of line protocol.
pub struct LpReader {
    name: String,
    blocks: Blocks<Input>,
    rows: Rows,
    merge: Option<Merge>,
    filter: Option<Vec<u8>>,
    parser: Parser,
    ready: VecDeque<RecordBatch>,
    bad_rows: BadRows,
    counts: DecodeCounts,
    done: bool,
}

impl LpReader {
    /// Reads as much as it takes to know the columns: a part of the input, or with `scan` all of it, which is spooled
    /// into an unlinked temporary file unless `file` is the regular file behind `reader`.
    pub fn open(
        name: &str,
        reader: Box<dyn Read + Send>,
        file: Option<File>,
        options: DecodeOptions,
        limits: Limits,
        end_mark: bool,
        bad_rows: BadRows,
    ) -> Result<LpReader> {
        let fail = |error| Error::io(format!("cannot read {name}"), error);
        let dialect = options.dialect;
        let filter = options.measurement.as_deref().map(str::as_bytes).map(<[u8]>::to_vec);
        let mut survey = Survey::new(dialect, options.widen);
        let mut input: Box<dyn Read + Send> = reader;
        if options.scan && options.columns.is_none() {
            let mut file = match file {
                Some(file) => {
                    drop(input);
                    file
                }
                None => crate::spool::spool(input)?,
            };
            file.rewind().map_err(fail)?;
            let again = file.try_clone().map_err(fail)?;
            let mut blocks = Blocks::new(EndMarkReader::new(file, name, end_mark).with_line_ends(), dialect);
            while let Some(chunk) = blocks.next_chunk().map_err(fail)? {
                if let Chunk::Lines(mut lines) = chunk {
                    look(&mut lines, &mut survey, filter.as_deref(), usize::MAX)?;
                }
            }
            drop(blocks);
            let mut again = again;
            again.rewind().map_err(fail)?;
            input = Box::new(again);
        }
        let mut marked = EndMarkReader::new(input, name, end_mark).with_line_ends();
        let mut head = Vec::new();
        (&mut marked).take(SAMPLE_BYTES as u64).read_to_end(&mut head).map_err(fail)?;
        let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
        let stated = statement::stated(first).map_err(|e| e.context(name))?;
        let precision = statement::agreed(options.precision, stated).map_err(|e| e.context(name))?;
        let unit = options.time_unit.unwrap_or(precision);
        let shape = match &options.columns {
            Some(columns) => Shape::given(columns.clone(), unit)?,
            None => {
                if !options.scan {
                    let all = head.len() < SAMPLE_BYTES;
                    let whole = lp::whole_lines(&head, dialect, all, SAMPLE_BYTES);
                    let mut lines = Lines::new(head.get(..whole).unwrap_or_default(), dialect);
                    look(&mut lines, &mut survey, filter.as_deref(), SAMPLE_LINES)?;
                }
                if let Some(conflict) = survey.conflict() {
                    return Err(Error::malformed(format!("{name}: {conflict}")));
                }
                survey.shape(unit).map_err(|e| e.context(name))?
            }
        };
        let rows = Rows::new(shape, limits, &options, (precision, unit)).map_err(|e| e.context(name))?;
        Ok(LpReader {
            name: name.to_owned(),
            blocks: Blocks::new(Cursor::new(head).chain(marked), dialect),
            rows,
            merge: options.merge.map(|window| Merge::new(window, limits.bytes.saturating_mul(WAITING))),
            filter,
            parser: Parser::new(dialect).any_numbers(),
            ready: VecDeque::new(),
            bad_rows,
            counts: DecodeCounts::default(),
            done: false,
        })
    }

    /// What has been seen so far; stays connected.
    pub fn counts(&self) -> DecodeCounts {
        self.counts.clone()
    }

    /// Reads a block. False at the end of the input.
    fn block(&mut self) -> Result<bool> {
        let LpReader { name, blocks, rows, merge, filter, parser, ready, bad_rows, counts, .. } = self;
        let dialect = parser.dialect();
        let chunk = blocks.next_chunk().map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        let lines = match chunk {
            None => {
                while let Some(point) = merge.as_mut().and_then(|m| m.pop(true)) {
                    rows.point(&point, parser, ready, name, bad_rows)?;
                }
                counts.add(2, merge.as_ref().map_or(0, |m| m.overwritten));
                counts.add(3, merge.as_ref().map_or(0, |m| m.hurried));
                ready.extend(rows.finish()?);
                blocks.get_ref().get_ref().1.check_rows(counts.lines())?;
                return Ok(false);
            }
            Some(Chunk::TooLong(error)) => {
                counts.add(0, 1);
                let reason = format!("{name}: {error}");
                bad_rows(&BadRow { line: error.line, offset: error.offset, bytes: b"", reason: &reason })?;
                return Ok(true);
            }
            Some(Chunk::Lines(lines)) => lines,
        };
        let (mut lines, mut read) = (lines, 0);
        loop {
            if merge.is_none() && rows.append_known(&mut lines) {
                read += 1;
                if rows.is_full() {
                    ready.extend(rows.finish()?);
                }
                continue;
            }
            counts.add(0, std::mem::take(&mut read));
            let Some(raw) = lines.next() else { break };
            counts.add(0, 1);
            let reason = match parser.parse(raw.bytes) {
                Ok(line) if filter.as_ref().is_some_and(|only| !is_of(&line, only, dialect)) => {
                    counts.add(1, 1);
                    continue;
                }
                Ok(line) => match (merge.as_mut(), line.timestamp()) {
                    (Some(merge), Some(time)) => {
                        merge.add(&line, time, raw.number, raw.offset);
                        while let Some(point) = merge.pop(false) {
                            rows.point(&point, parser, ready, name, bad_rows)?;
                        }
                        continue;
                    }
                    _ => match rows.append(&line, raw.bytes, ready)? {
                        Ok(()) => continue,
                        Err(reason) => format!("{name}: line {}, offset {}: {reason}", raw.number, raw.offset),
                    },
                },
                Err(bad) => format!("{name}: {}", raw.error(bad)),
            };
            bad_rows(&BadRow { line: raw.number, offset: raw.offset, bytes: raw.bytes, reason: &reason })?;
        }
        Ok(true)
    }
}

impl Reader for LpReader {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.ready.is_empty() && !self.done {
            self.done = !self.block()?;
        }
        Ok(self.ready.pop_front())
    }
}

/// Takes the good lines of a buffer into the survey.
fn look(lines: &mut Lines<'_>, survey: &mut Survey, only: Option<&[u8]>, most: usize) -> Result<()> {
    let dialect = survey.dialect();
    let mut parser = Parser::new(dialect).any_numbers();
    for _ in 0..most {
        if survey.pass(lines) {
            continue;
        }
        let Some(raw) = lines.next() else { break };
        if let Ok(line) = parser.parse(raw.bytes)
            && only.is_none_or(|only| is_of(&line, only, dialect))
        {
            survey.see(&line)?;
        }
    }
    Ok(())
}

fn is_of(line: &Line<'_>, measurement: &[u8], dialect: Dialect) -> bool {
    unescape(line.measurement(), Element::Measurement, dialect).as_ref() == measurement
}
