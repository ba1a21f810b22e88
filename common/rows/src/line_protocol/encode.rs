//! Batches to lines, column by column prepared, row by row written: dictionary texts are escaped once per dictionary, keys
//! and separators once per stream. Most rows go the quick way ([`super::quick`]); this is the careful one, for all others.

use super::cell::{self, Wrote};
use super::dictionary::{Rendered, put_tag};
use super::options::{AllNull, EncodeOptions};
use super::plan::{Name, Plan};
use super::quick::Quick;
use super::repair::{Repair, RepairSet, Repairs};
use crate::RecordBatch;
use crate::cells::{Cell, Cells, Values};
use crate::foreign::Foreign;
use crate::instant::Printer;
use crate::time::Unit;
use arrow_schema::Schema;
use fault::Result;
use lp::{Checker, Element, Refusal, escape, write};
use std::fmt;

/// Why a row cannot be a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The dialect has no place for a name or a value.
    Refused(Refusal),
    /// A line feed in a string field, which the options do not allow.
    LineFeedInString,
    /// An unsigned value above 2^63 - 1 where unsigned integers become integers.
    UintTooLarge,
    /// A decimal with more digits than a float holds.
    DecimalInexact,
    /// The time is NULL.
    NoTime,
    /// The time has digits below the unit of the lines.
    TimeNotWhole,
    /// An empty tag, which the options do not allow.
    EmptyTag,
    /// Every field is NULL, which the options do not allow.
    NoField,
    /// The line as a whole: too long, or a server would misread it.
    Line(lp::Reason),
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Why {
        Why::Refused(refusal)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Refused(refusal @ Refusal::NotFinite) => write!(f, "{refusal} (see lp-encode --nan)"),
            Why::Refused(refusal @ Refusal::TrailingBackslash(_)) => {
                write!(f, "{refusal} (see lp-encode --trailing-backslash)")
            }
            Why::Refused(refusal @ (Refusal::LineFeed(_) | Refusal::Control(_))) => {
                write!(f, "{refusal} (see lp-encode --newline)")
            }
            Why::Refused(refusal @ Refusal::Backslash(_)) => {
                write!(f, "{refusal} (name the server: lp-encode --dialect)")
            }
            Why::Refused(refusal) => write!(f, "{refusal}"),
            Why::LineFeedInString => f.write_str("line feed in a string (see lp-encode --newline)"),
            Why::UintTooLarge => f.write_str("unsigned integer above 2^63-1 (see lp-encode --uint, --dialect)"),
            Why::DecimalInexact => f.write_str("decimal with more digits than a float holds (see lp-encode --decimal)"),
            Why::NoTime => f.write_str("the time is null"),
            Why::TimeNotWhole => {
                f.write_str("the time has digits below the unit of the lines (see lp-encode --precision)")
            }
            Why::EmptyTag => f.write_str("empty tag (see lp-encode --empty-tag)"),
            Why::NoField => f.write_str("every field is null (see lp-encode --all-null)"),
            Why::Line(reason) => write!(f, "{reason}"),
        }
    }
}

/// A row that was left out because of an error in it.
pub struct Rejected<'a> {
    /// The batch, and the row in it.
    pub batch: &'a RecordBatch,
    pub row: usize,
    /// Its number in the stream, from 1.
    pub number: u64,
    /// The column at which it was seen, if it was one.
    pub column: Option<&'a str>,
    pub why: Why,
}

impl fmt::Display for Rejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "column {column}: {}", self.why),
            None => write!(f, "{}", self.why),
        }
    }
}

/// Where the lines go.
pub trait Sink {
    /// The buffer that the next line is appended to. Whatever is taken out of it stays whole lines.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// So many lines with their line feeds are complete: the sink may write the buffer out and clear it.
    fn lines(&mut self, count: u64) -> Result<()>;
    /// The same for lines that stand elsewhere.
    fn put(&mut self, lines: &[u8], count: u64) -> Result<()> {
        self.buffer().extend_from_slice(lines);
        self.lines(count)
    }
    /// A row is no line. An error stops the encoder.
    fn reject(&mut self, row: &Rejected<'_>) -> Result<()>;
}

/// Writes the lines of one stream of batches.
pub struct Encoder {
    plan: Plan,
    options: EncodeOptions,
    foreign: Foreign,
    dictionaries: Vec<Rendered>,
    quick: Option<Quick>,
    checker: Checker,
    repairs: Repairs,
    rows: u64,
    /// The text of a tag that is not text in its column.
    scratch: Vec<u8>,
}

impl Encoder {
    /// An encoder for batches of this schema. A schema that cannot be written is a usage error.
    pub fn new(schema: &Schema, options: EncodeOptions) -> Result<Encoder> {
        let foreign = Foreign::new(schema)?;
        let plan = Plan::new(&foreign.schema(), &options)?;
        let dictionaries = plan.tags.iter().map(|_| Rendered::default()).collect();
        let checker = Checker::new(options.dialect).precision(options.lp_precision());
        Ok(Encoder {
            quick: Quick::new(&plan, &options),
            plan,
            options,
            foreign,
            dictionaries,
            checker,
            repairs: Repairs::default(),
            rows: 0,
            scratch: Vec::new(),
        })
    }

    /// The same encoder without its quick way: every row is looked at with care. Slow; what the quick way is held to.
    pub fn careful(mut self) -> Encoder {
        self.quick = None;
        self
    }

    /// What was changed so far.
    pub fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    /// Rows that came in so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the lines of a batch; gives their number. Rows that are no lines go to [`Sink::reject`].
    pub fn encode<S: Sink + ?Sized>(&mut self, given: &RecordBatch, sink: &mut S) -> Result<u64> {
        let batch = self.foreign.convert(given)?;
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for (tag, rendered) in self.plan.tags.iter().zip(&mut self.dictionaries) {
            if let Some(Cells { values: Values::Dictionary(_, texts), .. }) = columns.get(tag.index) {
                rendered.prepare(&tag.prefix, texts, &self.options);
            }
        }
        let (mut lines, mut row) = (0, 0);
        while row < batch.num_rows() {
            if let Some(quick) = &mut self.quick {
                let done = quick.rows(&columns, &self.dictionaries, &self.plan, &self.options, row..batch.num_rows());
                if done > 0 {
                    sink.put(quick.lines(), done as u64)?;
                    lines += done as u64;
                    self.rows += done as u64;
                    row += done;
                    continue;
                }
            }
            lines += u64::from(self.one(given, &columns, row, sink)?);
            row += 1;
        }
        Ok(lines)
    }

    /// One row, with care. False: it is no line.
    fn one<S: Sink + ?Sized>(
        &mut self,
        given: &RecordBatch,
        columns: &[Cells<'_>],
        row: usize,
        sink: &mut S,
    ) -> Result<bool> {
        self.rows += 1;
        let out = sink.buffer();
        let start = out.len();
        let mut repairs = RepairSet::default();
        let mut line = Line { encoder: self, columns, row, repairs: &mut repairs };
        match line.write(out, start) {
            Ok(true) => {
                out.push(b'\n');
                self.repairs.count(repairs);
                sink.lines(1)?;
                Ok(true)
            }
            Ok(false) => {
                out.truncate(start);
                repairs.add(Repair::AllNullRow);
                self.repairs.count(repairs);
                Ok(false)
            }
            Err((column, why)) => {
                out.truncate(start);
                let column = column.and_then(|i| self.plan_name(i, given));
                sink.reject(&Rejected { batch: given, row, number: self.rows, column, why })?;
                Ok(false)
            }
        }
    }

    fn plan_name<'a>(&self, index: usize, batch: &'a RecordBatch) -> Option<&'a str> {
        batch.schema_ref().fields().get(index).map(|f| f.name().as_str())
    }
}

/// A column (by index) and what is wrong there.
type At = (Option<usize>, Why);

struct Line<'e, 'c, 'a> {
    encoder: &'e mut Encoder,
    columns: &'c [Cells<'a>],
    row: usize,
    repairs: &'e mut RepairSet,
}

impl Line<'_, '_, '_> {
    /// Appends the line without its line feed. False: no field had a value.
    fn write(&mut self, out: &mut Vec<u8>, start: usize) -> std::result::Result<bool, At> {
        self.series(out)?;
        let series = out.len() - start;
        let Encoder { plan, options, checker, .. } = &mut *self.encoder;
        if !escape::key_fits(options.dialect, series, plan.longest_key) {
            return Err((None, Refusal::TooLong(Element::TagValue).into()));
        }
        let mut first = true;
        for column in &plan.fields {
            let Some(cells) = self.columns.get(column.index) else { continue };
            let before = out.len();
            out.extend_from_slice(&column.prefix);
            match cell::field(out, cells, self.row, options, self.repairs) {
                Ok(Wrote::Value) if first => {
                    first = false;
                    if let Some(separator) = out.get_mut(before) {
                        *separator = b' ';
                    }
                }
                Ok(Wrote::Value) => {}
                Ok(Wrote::Nothing) => out.truncate(before),
                Err(why) => return Err((Some(column.index), why)),
            }
        }
        if first {
            return match options.all_null {
                AllNull::Skip => Ok(false),
                AllNull::Error => Err((None, Why::NoField)),
            };
        }
        out.push(b' ');
        let time = self.columns.get(plan.time);
        write_time(out, time, self.row, options).map_err(|why| (Some(plan.time), why))?;
        let line = out.get(start..).unwrap_or_default();
        if line.len() > lp::Limits::default().line {
            return Err((None, Why::Line(lp::Reason::LineTooLong)));
        }
        // Each part can be read back; whether a server sees the end of such a line where we do is another question.
        let careful = plan.careful || memchr::memchr(b'\\', line.get(..series).unwrap_or_default()).is_some();
        if careful && let Err(bad) = checker.check(line) {
            return Err((None, Why::Line(bad.reason)));
        }
        Ok(true)
    }

    fn series(&mut self, out: &mut Vec<u8>) -> std::result::Result<(), At> {
        let Encoder { plan, options, dictionaries, scratch, .. } = &mut *self.encoder;
        match &plan.measurement {
            Name::Constant(name) => out.extend_from_slice(name),
            Name::Column(index) => {
                let cells = self
                    .columns
                    .get(*index)
                    .ok_or((Some(*index), Why::Refused(Refusal::Empty(Element::Measurement))))?;
                let text = plain(scratch, cells, self.row);
                cell::name(out, Element::Measurement, text, options, self.repairs)
                    .map_err(|why| (Some(*index), why))?;
            }
        }
        for (tag, rendered) in plan.tags.iter().zip(dictionaries) {
            let Some(cells) = self.columns.get(tag.index) else { continue };
            if cells.is_null(self.row) {
                continue;
            }
            let wrote = match &cells.values {
                Values::Dictionary(keys, _) => {
                    rendered.put(out, keys.get(self.row).copied().unwrap_or(-1), self.repairs)
                }
                _ => put_tag(out, &tag.prefix, plain(scratch, cells, self.row), options, self.repairs),
            };
            wrote.map_err(|why| (Some(tag.index), why))?;
        }
        Ok(())
    }
}

/// The text of a value that becomes a tag or measurement: as in CSV, so numbers in their shortest form, times as
/// RFC 3339, binary as hexadecimal. Empty for NULL.
fn plain<'a>(scratch: &'a mut Vec<u8>, cells: &Cells<'a>, row: usize) -> &'a [u8] {
    scratch.clear();
    match cells.write(row, &mut Printer::default(), scratch) {
        Cell::Text(text) => text,
        Cell::Null | Cell::Written => scratch,
    }
}

fn write_time(
    out: &mut Vec<u8>,
    cells: Option<&Cells<'_>>,
    row: usize,
    options: &EncodeOptions,
) -> std::result::Result<(), Why> {
    let Some(Cells { values: Values::Time(values, unit), .. }) = cells else { return Err(Why::NoTime) };
    let Some(value) = values.get(row).filter(|_| cells.is_some_and(|c| !c.is_null(row))) else {
        return Err(Why::NoTime);
    };
    let value = in_unit(*value, *unit, options.precision)?;
    Ok(write::timestamp(out, options.dialect, options.lp_precision(), value)?)
}

fn in_unit(value: i64, from: Unit, to: Unit) -> std::result::Result<i64, Why> {
    if from.nanos() >= to.nanos() {
        return value.checked_mul(from.nanos() / to.nanos()).ok_or(Why::Refused(Refusal::TimeOutOfRange));
    }
    let step = to.nanos() / from.nanos();
    if value % step == 0 { Ok(value / step) } else { Err(Why::TimeNotWhole) }
}
