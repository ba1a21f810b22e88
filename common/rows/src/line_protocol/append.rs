//! The batch under construction: a line becomes a row, or says why not.

use super::known::Expected;
use super::merge::Point;
use super::read::DecodeOptions;
use super::series::{Fact, NONE, Series};
use super::shape::Shape;
use crate::column::{Builder, Misfit};
use crate::options::{BadRow, BadRows};
use crate::time::Unit;
use crate::types::Type;
use crate::{Limits, RecordBatch, SchemaRef};
use fault::{Error, Result};
use lp::{Dialect, Element, Kind, Line, Parser, RawValue, Reason, unescape};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// The batch under construction.
pub(super) struct Rows {
    shape: Shape,
    schema: SchemaRef,
    pub(super) series: Series,
    /// By column. May have fewer values than there are rows: NULLs are put when a value comes, or the batch ends.
    /// Columns of dictionaries have none.
    pub(super) builders: Vec<Builder>,
    pub(super) expected: Expected,
    pub(super) time_column: usize,
    /// Columns of the fields of the line that was appended last.
    columns: Vec<usize>,
    row_bytes: usize,
    /// Bytes of the rows in the builders, roughly.
    bytes: usize,
    limits: Limits,
    pub(super) dialect: Dialect,
    /// Units of the times in the lines and in the column.
    units: (Unit, Unit),
    factor: Factor,
    widen: bool,
    scanned: bool,
    scratch: Vec<u8>,
}

/// Why a line is no row.
pub(super) type Refused<T = ()> = std::result::Result<T, String>;

/// From the unit of the lines to that of the column.
#[derive(Clone, Copy)]
enum Factor {
    Same,
    Times(i64),
    Divided(i64),
}

impl Factor {
    fn of((from, to): (Unit, Unit)) -> Factor {
        let (from, to) = (from.nanos(), to.nanos());
        match from.cmp(&to) {
            Ordering::Equal => Factor::Same,
            Ordering::Greater => Factor::Times(from / to),
            Ordering::Less => Factor::Divided(to / from),
        }
    }
}

impl Rows {
    /// `units`: of the times in the lines and in the column.
    pub fn new(shape: Shape, limits: Limits, options: &DecodeOptions, units: (Unit, Unit)) -> Result<Rows> {
        let schema = shape.schema(options.dialect)?;
        Ok(Rows {
            schema,
            series: Series::new(shape.dictionaries()),
            builders: shape.columns.iter().map(|c| Builder::new(c.ty)).collect(),
            expected: Expected::new(&shape),
            time_column: shape.time,
            columns: Vec::new(),
            row_bytes: shape.columns.iter().map(|c| Builder::row_bytes(c.ty)).sum(),
            bytes: 0,
            limits,
            dialect: options.dialect,
            factor: Factor::of(units),
            units,
            widen: options.widen,
            scanned: options.scan,
            scratch: Vec::new(),
            shape,
        })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// A merged point, by way of the line that it makes.
    pub fn point(
        &mut self,
        point: &Point,
        parser: &mut Parser,
        ready: &mut VecDeque<RecordBatch>,
        name: &str,
        bad_rows: &mut BadRows,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        point.write(&mut bytes);
        let result = match parser.parse(&bytes) {
            Ok(line) => self.append(&line, &bytes, ready)?,
            Err(bad) => Err(bad.to_string()),
        };
        if let Err(reason) = result {
            let reason = format!("{name}: line {}, offset {}: {reason}", point.line, point.offset);
            bad_rows(&BadRow { line: point.line, offset: point.offset, bytes: &bytes, reason: &reason })?;
        }
        Ok(())
    }

    /// Appends a line as a row; the inner `Err` says why not, and the row is taken back. Batches that are full go to
    /// `ready`.
    pub fn append(&mut self, line: &Line<'_>, bytes: &[u8], ready: &mut VecDeque<RecordBatch>) -> Result<Refused> {
        if self.series.is_full() {
            ready.extend(self.finish()?);
            self.series.forget();
        }
        let row = self.series.rows();
        match self.try_append(line, row) {
            Ok(number) => {
                self.end_row(number, bytes.len());
                let Rows { expected, columns, series, .. } = self;
                expected.learn(columns, number, series);
                if self.is_full() {
                    ready.extend(self.finish()?);
                }
                Ok(Ok(()))
            }
            Err(reason) => {
                self.take_back(row);
                Ok(Err(reason))
            }
        }
    }

    /// All values of a row are in their columns.
    #[inline]
    pub(super) fn end_row(&mut self, series: u32, line: usize) {
        self.series.push(series);
        self.bytes += line + self.row_bytes;
    }

    /// Takes back the values of a row that is none.
    pub(super) fn take_back(&mut self, row: usize) {
        for builder in self.builders.iter_mut().filter(|builder| builder.len() > row) {
            builder.truncate(row);
        }
    }

    fn try_append(&mut self, line: &Line<'_>, row: usize) -> Refused<u32> {
        let time = line.timestamp().ok_or_else(|| Reason::MissingTimestamp.to_string())?;
        let time = self.in_unit(time)?;
        self.put(self.time_column, row, "time", |b| b.signed(time))?;
        let number = self.series_of(line, row)?;
        self.columns.clear();
        let mut guess = 0;
        for (key, value) in line.fields() {
            let column = self.column(false, key, guess)?;
            guess = column + 1;
            self.columns.push(column);
            self.field(column, row, value)?;
        }
        Ok(number)
    }

    /// The series of a line: its tags, and its measurement, in dictionaries. What has another type is put into its
    /// column.
    fn series_of(&mut self, line: &Line<'_>, row: usize) -> Refused<u32> {
        if let Some(number) = self.series.number(line.series()) {
            if self.series.fact(number).is_some_and(|fact| !fact.whole) {
                self.tags(line, row, None)?;
            }
            return Ok(number);
        }
        let dialect = self.dialect;
        let mut keys = vec![NONE; self.shape.dictionaries()];
        match (self.shape.measurement, &self.shape.only) {
            (Some(column), _) => {
                let name = unescape(line.measurement(), Element::Measurement, dialect);
                utf8(&name)?;
                let slot = self.shape.dictionary(column);
                if let Some((slot, key)) = slot.and_then(|slot| Some((slot, keys.get_mut(slot)?))) {
                    *key = self.series.key(slot, &name);
                }
            }
            (None, Some(only)) if only != line.measurement() => {
                let name = String::from_utf8_lossy(line.measurement()).into_owned();
                return Err(format!("measurement {name} was not among the first lines: {}", self.advice()));
            }
            _ => {}
        }
        let whole = self.tags(line, row, Some(&mut keys))?;
        let trusted = lp::known::ends_for_all(line.series(), dialect);
        let learnt = self.series.learn(line.series(), &keys, Fact { whole, trusted, start: u32::MAX });
        learnt.ok_or_else(|| "too many series".to_owned())
    }

    /// Puts tags into their columns, or their keys into `keys` where the column is a dictionary. True if all are.
    fn tags(&mut self, line: &Line<'_>, row: usize, mut keys: Option<&mut Vec<i32>>) -> Refused<bool> {
        let (mut guess, mut whole) = (0, true);
        for (key, value) in line.tags() {
            let column = self.column(true, key, guess)?;
            guess = column + 1;
            let slot = self.shape.dictionary(column);
            if slot.is_some() && keys.is_none() {
                continue;
            }
            let text = unescape(value, Element::TagValue, self.dialect);
            utf8(&text)?;
            match slot {
                Some(slot) => {
                    let Some(place) = keys.as_mut().and_then(|keys| keys.get_mut(slot)) else { continue };
                    if *place != NONE {
                        return Err(format!("tag {} comes twice", self.name(column)));
                    }
                    *place = self.series.key(slot, &text);
                }
                None => {
                    whole = false;
                    self.put(column, row, "tag", |b| if b.is_text() { b.raw(&text) } else { b.text(&text) })?;
                }
            }
        }
        Ok(whole)
    }

    fn column(&mut self, tag: bool, key: &[u8], guess: usize) -> Refused<usize> {
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
        put: impl FnOnce(&mut Builder) -> std::result::Result<(), Misfit>,
    ) -> Refused {
        let Some(builder) = self.builders.get_mut(column) else { return Err(format!("no column for the {what}")) };
        if builder.len() > row {
            return Err(format!("{what} {} comes twice", self.name(column)));
        }
        pad(builder, row);
        put(builder).map_err(|misfit| format!("{what} {} {misfit}", self.name(column)))
    }

    fn name(&self, column: usize) -> &str {
        self.shape.columns.get(column).map_or("", |c| c.name.as_str())
    }

    /// Puts a field of any type.
    pub(super) fn field(&mut self, column: usize, row: usize, value: RawValue<'_>) -> Refused {
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

    /// A time in the unit of the column.
    #[inline]
    pub(super) fn in_unit(&self, time: i64) -> Refused<i64> {
        match self.factor {
            Factor::Same => Ok(time),
            Factor::Times(n) => {
                let unit = self.units.1;
                time.checked_mul(n).ok_or_else(|| format!("time {time} is out of the range of the unit {unit}"))
            }
            Factor::Divided(n) if time % n == 0 => Ok(time / n),
            Factor::Divided(_) => Err(format!("time {time} has digits below the unit {}", self.units.1)),
        }
    }

    /// The batch is full.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.series.rows() >= self.limits.rows || self.bytes >= self.limits.bytes
    }

    /// The rows so far as a batch.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let rows = self.series.rows();
        if rows == 0 {
            return Ok(None);
        }
        self.bytes = 0;
        let room = self.limits.bytes / 2 / self.shape.dictionaries().max(1);
        let mut columns = Vec::with_capacity(self.builders.len());
        for (column, builder) in self.builders.iter_mut().enumerate() {
            columns.push(match self.shape.dictionary(column) {
                Some(slot) => self.series.column(slot, room)?,
                None => {
                    pad(builder, rows);
                    builder.finish()?
                }
            });
        }
        self.series.end_batch();
        RecordBatch::try_new(self.schema.clone(), columns)
            .map(Some)
            .map_err(|error| Error::caused(fault::Kind::Bug, "cannot build a batch", error))
    }
}

/// NULLs for the rows that had no value.
#[inline]
pub(super) fn pad(builder: &mut Builder, rows: usize) {
    while builder.len() < rows {
        builder.null();
    }
}

/// Whether a float holds this integer to the last digit.
fn exact(text: &[u8]) -> bool {
    let value: i64 = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(i64::MAX);
    value.unsigned_abs() <= 1 << 53
}

fn utf8(text: &[u8]) -> Refused {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Reason::NotUtf8.to_string()),
    }
}
