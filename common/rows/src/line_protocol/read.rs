//! Lines to batches.

use super::merge::Merge;
use super::shape::{Shape, Survey};
use super::statement;
use crate::column::Builder;
use crate::endmark::EndMarkReader;
use crate::header::Column;
use crate::options::{BadRow, BadRows};
use crate::time::Unit;
use crate::types::Type;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use fault::{Error, Result};
use lp::{Blocks, Chunk, Dialect, Element, Kind, Line, Lines, Parser, RawValue, Reason, unescape};
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
            let mut blocks = Blocks::new(EndMarkReader::new(file, name, end_mark), dialect);
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
        let mut marked = EndMarkReader::new(input, name, end_mark);
        let mut head = Vec::new();
        (&mut marked).take(SAMPLE_BYTES as u64).read_to_end(&mut head).map_err(fail)?;
        let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
        let stated = statement::stated(first).map_err(|e| e.context(name))?;
        let precision = statement::agreed(options.precision, stated).map_err(|e| e.context(name))?;
        let unit = options.time_unit.unwrap_or(precision);
        let shape = match options.columns {
            Some(columns) => Shape::given(columns, unit)?,
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
        let schema = shape.schema(dialect).map_err(|e| e.context(name))?;
        let builders = shape.columns.iter().map(|c| Builder::new(c.ty)).collect();
        let row_bytes = shape.columns.iter().map(|c| Builder::row_bytes(c.ty)).sum();
        let rows = Rows {
            shape,
            schema,
            builders,
            row_bytes,
            bytes: 0,
            limits,
            dialect,
            precision,
            unit,
            widen: options.widen,
            scanned: options.scan,
            scratch: Vec::new(),
        };
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
        for raw in lines {
            counts.add(0, 1);
            let reason = match parser.parse(raw.bytes) {
                Ok(line) if filter.as_ref().is_some_and(|only| !is_of(&line, only, rows.dialect)) => {
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
                    _ => match rows.append(&line) {
                        Ok(()) => {
                            ready.extend(rows.cut(raw.bytes.len())?);
                            continue;
                        }
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
        self.rows.schema.clone()
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
    for raw in lines.take(most) {
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

/// The batch under construction.
struct Rows {
    shape: Shape,
    schema: SchemaRef,
    builders: Vec<Builder>,
    row_bytes: usize,
    /// Bytes of the rows in the builders, roughly.
    bytes: usize,
    limits: Limits,
    dialect: Dialect,
    precision: Unit,
    unit: Unit,
    widen: bool,
    scanned: bool,
    scratch: Vec<u8>,
}

impl Rows {
    /// A merged point, by way of the line that it makes.
    fn point(
        &mut self,
        point: &super::merge::Point,
        parser: &mut Parser,
        ready: &mut VecDeque<RecordBatch>,
        name: &str,
        bad_rows: &mut BadRows,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        point.write(&mut bytes);
        let result = match parser.parse(&bytes) {
            Ok(line) => self.append(&line),
            Err(bad) => Err(bad.to_string()),
        };
        match result {
            Ok(()) => ready.extend(self.cut(bytes.len())?),
            Err(reason) => {
                let reason = format!("{name}: line {}, offset {}: {reason}", point.line, point.offset);
                bad_rows(&BadRow { line: point.line, offset: point.offset, bytes: &bytes, reason: &reason })?;
            }
        }
        Ok(())
    }

    /// Appends a line as a row; `Err` says why not, and the row is taken back.
    fn append(&mut self, line: &Line<'_>) -> std::result::Result<(), String> {
        let before = self.builders.first().map_or(0, Builder::len);
        let done = self.try_append(line, before);
        if done.is_err() {
            self.builders.iter_mut().for_each(|b| b.truncate(before));
        }
        done
    }

    fn try_append(&mut self, line: &Line<'_>, row: usize) -> std::result::Result<(), String> {
        let time = line.timestamp().ok_or_else(|| Reason::MissingTimestamp.to_string())?;
        let time = self.in_unit(time)?;
        let (dialect, width) = (self.dialect, self.builders.len());
        self.put(self.shape.time, row, "time", |b| b.signed(time))?;
        match (self.shape.measurement, &self.shape.only) {
            (Some(column), _) => {
                let name = unescape(line.measurement(), Element::Measurement, dialect);
                utf8(&name)?;
                self.put(column, row, "measurement", |b| b.raw(&name))?;
            }
            (None, Some(only)) if only != line.measurement() => {
                let name = String::from_utf8_lossy(line.measurement()).into_owned();
                return Err(format!("measurement {name} was not among the first lines: {}", self.advice()));
            }
            _ => {}
        }
        let mut guess = 0;
        for (key, value) in line.tags() {
            let column = self.column(true, key, guess)?;
            guess = column + 1;
            let text = unescape(value, Element::TagValue, dialect);
            utf8(&text)?;
            self.put(column, row, "tag", |b| if b.is_text() { b.raw(&text) } else { b.text(&text) })?;
        }
        for (key, value) in line.fields() {
            let column = self.column(false, key, guess)?;
            guess = column + 1;
            self.field(column, row, value)?;
        }
        for column in 0..width {
            if let Some(builder) = self.builders.get_mut(column)
                && builder.len() == row
            {
                builder.null();
            }
        }
        Ok(())
    }

    fn column(&mut self, tag: bool, key: &[u8], guess: usize) -> std::result::Result<usize, String> {
        self.shape.column(tag, key, guess, self.dialect).ok_or_else(|| {
            let what = if tag { "tag" } else { "field" };
            format!("{what} {} is no column: {}", String::from_utf8_lossy(key), self.advice())
        })
    }

    fn advice(&self) -> &'static str {
        if self.scanned {
            "lp-decode --schema FILE states the columns"
        } else {
            "lp-decode --scan looks at all lines first, --schema FILE states the columns"
        }
    }

    /// Puts a value into a column that has none in this row yet.
    fn put(
        &mut self,
        column: usize,
        row: usize,
        what: &str,
        put: impl FnOnce(&mut Builder) -> std::result::Result<(), crate::column::Misfit>,
    ) -> std::result::Result<(), String> {
        let Some(builder) = self.builders.get_mut(column) else { return Err(format!("no column for the {what}")) };
        if builder.len() > row {
            return Err(format!("{what} {} comes twice", self.name(column)));
        }
        put(builder).map_err(|misfit| format!("{what} {} {misfit}", self.name(column)))
    }

    fn name(&self, column: usize) -> &str {
        self.shape.columns.get(column).map_or("", |c| c.name.as_str())
    }

    fn field(&mut self, column: usize, row: usize, value: RawValue<'_>) -> std::result::Result<(), String> {
        let ty = self.shape.columns.get(column).map_or(Type::String, |c| c.ty);
        let textual = matches!(ty, Type::String | Type::Json);
        let fits = match value.kind {
            Kind::Float => matches!(ty, Type::Double | Type::Float | Type::Decimal(..)),
            Kind::Int if matches!(ty, Type::Double | Type::Float) => self.widen && exact(value.text),
            Kind::Int | Kind::UInt => {
                !textual && !matches!(ty, Type::Boolean | Type::Binary | Type::Geometry | Type::Double | Type::Float)
            }
            Kind::Bool => ty == Type::Boolean,
            Kind::Str => matches!(
                ty,
                Type::String | Type::Json | Type::Binary | Type::Geometry | Type::Decimal(..) | Type::Timestamp(_)
            ),
        };
        if !fits {
            let kind = super::shape::type_of(value.kind);
            let hint = match (value.kind, ty) {
                (Kind::Int, Type::Double | Type::Float) => {
                    "lp-decode --widen reads integers as floats where that loses nothing"
                }
                _ => self.advice(),
            };
            return Err(format!("field {} is {kind} here, its column is {ty}: {hint}", self.name(column)));
        }
        match value.value() {
            lp::FieldValue::Int(v) if !matches!(ty, Type::Decimal(..) | Type::Double | Type::Float) => {
                self.put(column, row, "field", |b| b.signed(v))
            }
            lp::FieldValue::UInt(v) if !matches!(ty, Type::Decimal(..)) => {
                self.put(column, row, "field", |b| b.unsigned(v))
            }
            lp::FieldValue::Bool(v) => self.put(column, row, "field", |b| b.boolean(v)),
            lp::FieldValue::Str(escaped) => {
                let mut text = std::mem::take(&mut self.scratch);
                text.clear();
                lp::unescape::append_string(&mut text, escaped);
                let put = utf8(&text).and_then(|()| {
                    self.put(column, row, "field", |b| if b.is_text() { b.raw(&text) } else { b.text(&text) })
                });
                self.scratch = text;
                put
            }
            lp::FieldValue::Float(v) if ty == Type::Double => self.put(column, row, "field", |b| b.real(v)),
            _ => self.put(column, row, "field", |b| b.text(value.text)),
        }
    }

    fn in_unit(&self, time: i64) -> std::result::Result<i64, String> {
        let (from, to) = (self.precision.nanos(), self.unit.nanos());
        if from >= to {
            return time
                .checked_mul(from / to)
                .ok_or_else(|| format!("time {time} is out of the range of the unit {}", self.unit));
        }
        if time % (to / from) != 0 {
            return Err(format!("time {time} has digits below the unit {}", self.unit));
        }
        Ok(time / (to / from))
    }

    /// A row was appended: a batch, if it is full.
    fn cut(&mut self, line: usize) -> Result<Option<RecordBatch>> {
        self.bytes += line + self.row_bytes;
        let rows = self.builders.first().map_or(0, Builder::len);
        if rows >= self.limits.rows || self.bytes >= self.limits.bytes { self.finish() } else { Ok(None) }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.builders.first().is_none_or(Builder::is_empty) {
            return Ok(None);
        }
        self.bytes = 0;
        let columns = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema.clone(), columns)
            .map(Some)
            .map_err(|error| Error::caused(fault::Kind::Bug, "cannot build a batch", error))
    }
}

/// Whether a float holds this integer to the last digit.
fn exact(text: &[u8]) -> bool {
    let value: i64 = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(i64::MAX);
    value.unsigned_abs() <= 1 << 53
}

fn utf8(text: &[u8]) -> std::result::Result<(), String> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Reason::NotUtf8.to_string()),
    }
}
