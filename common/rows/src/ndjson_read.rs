//! NDJSON in: an object per line. Types come from the caller ([`crate::options::ReadOptions::columns`]) or from the first
//! lines; a value that contradicts them later is a bad row, never a changed value.

use crate::column::{Builder, Fit};
use crate::header::{self, Column};
use crate::instant;
use crate::lines::Lines;
use crate::ndjson_infer::{DOUBLE_DIGITS, Seen, choose_time, digits, is_not_finite};
use crate::options::{BadRow, BadRows, ReadOptions};
use crate::time::Unit;
use crate::types::Type;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use fault::{Error, Kind, Result};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// Lines and bytes that types are inferred from.
const SAMPLE_LINES: u64 = 8192;
const SAMPLE_BYTES: usize = 1 << 20;

/// An NDJSON reader.
pub struct NdjsonReader {
    lines: Lines,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Per column: nobody stated its type.
    inferred: Vec<bool>,
    builders: Vec<Builder>,
    /// The value of each column in the current line.
    values: Vec<Option<Range<usize>>>,
    scratch: Vec<u8>,
    epoch: Option<Unit>,
    limits: Limits,
    bad_rows: BadRows,
    rows: u64,
    row_bytes: usize,
    done: bool,
}

impl NdjsonReader {
    /// Reads as many lines as it takes to infer the types.
    pub fn open(name: &str, reader: Box<dyn Read + Send>, options: ReadOptions) -> Result<NdjsonReader> {
        let mut lines = Lines::new(name, reader, options.end_mark, options.limits);
        let (columns, inferred) = infer(&mut lines, &options)?;
        let schema = header::schema(&columns).map_err(|error| error.context(name))?;
        Ok(NdjsonReader {
            lines,
            schema: Arc::new(schema),
            builders: columns.iter().map(|column| Builder::new(column.ty)).collect(),
            row_bytes: columns.iter().map(|column| Builder::row_bytes(column.ty)).sum(),
            values: Vec::new(),
            scratch: Vec::new(),
            columns,
            inferred,
            epoch: options.epoch,
            limits: options.limits,
            bad_rows: options.bad_rows,
            rows: 0,
            done: false,
        })
    }

    fn append(&mut self, len: usize, ended: bool) -> std::result::Result<(), Bad> {
        let line = self.lines.bytes().get(..len).unwrap_or_default();
        self.values.clear();
        self.values.resize(self.columns.len(), None);
        let (columns, values) = (&self.columns, &mut self.values);
        let mut next = 0;
        let mut wrong = None;
        members(line, ended, |key, range, _| {
            // Keys mostly come in the order of the columns.
            let at = match columns.get(next) {
                Some(column) if column.name == key => Some(next),
                _ => columns.iter().position(|column| column.name == key),
            };
            match at {
                None => wrong = Some(format!("the key '{key}' was not in the first lines: give its column and type")),
                Some(at) if values[at].is_some() => wrong = Some(format!("the key '{key}' stands twice in one object")),
                Some(at) => {
                    values[at] = Some(range);
                    next = at + 1;
                }
            }
        })?;
        if let Some(reason) = wrong {
            return Err(Bad::Row(reason));
        }
        let before = self.builders.first().map_or(0, Builder::len);
        for at in 0..self.builders.len() {
            let builder = &mut self.builders[at];
            let raw = self.values[at].clone().and_then(|range| line.get(range)).unwrap_or(b"null");
            if let Err(misfit) = put(builder, raw, self.inferred[at], self.epoch, &mut self.scratch) {
                let column = &self.columns[at];
                let reason = format!("column {} ({}): {} {misfit}", column.name, column.ty, fault::excerpt(raw));
                self.builders.iter_mut().for_each(|builder| builder.truncate(before));
                return Err(Bad::Row(reason));
            }
        }
        Ok(())
    }
}

impl Reader for NdjsonReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut rows, mut bytes) = (0, 0);
        while !self.done && rows < self.limits.rows {
            let Some((len, ended)) = self.lines.line_length()? else {
                self.lines.check_end(self.rows)?;
                self.done = true;
                break;
            };
            let line = self.lines.bytes().get(..len).unwrap_or_default();
            if let Some(error) = self.lines.stray_mark(line) {
                return Err(error);
            }
            if line.trim_ascii().is_empty() {
                self.lines.consume(len, u64::from(ended));
                continue;
            }
            let size = len + self.row_bytes;
            if rows > 0 && bytes + size > self.limits.bytes {
                break;
            }
            self.rows += 1;
            match self.append(len, ended) {
                Ok(()) => {
                    rows += 1;
                    bytes += size;
                }
                Err(Bad::Cut) => return Err(cut(&self.lines)),
                Err(Bad::Row(reason)) => {
                    let reason = format!("{}: {reason}", self.lines.place());
                    let line = self.lines.bytes().get(..len).unwrap_or_default().trim_ascii_end();
                    (self.bad_rows)(&BadRow {
                        line: self.lines.line(),
                        offset: self.lines.offset(),
                        bytes: line,
                        reason: &reason,
                    })?;
                }
            }
            self.lines.consume(len, u64::from(ended));
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map(Some)
            .map_err(|error| Error::caused(Kind::Bug, "cannot build a batch from NDJSON", error))
    }
}

/// What is wrong with a line.
enum Bad {
    Row(String),
    /// The input ends within it.
    Cut,
}

fn cut(lines: &Lines) -> Error {
    Error::new(Kind::Incomplete, format!("{}: the input ends within this object: it was cut", lines.place()))
}

/// Calls `each` with every key, the range of its value in the line, and the value.
fn members(line: &[u8], ended: bool, each: impl FnMut(&str, Range<usize>, &str)) -> std::result::Result<(), Bad> {
    let mut parser = serde_json::Deserializer::from_slice(line);
    let members = Members { base: line.as_ptr() as usize, each };
    let result = (&mut parser).deserialize_map(members).and_then(|()| parser.end());
    // A number or word that was cut (`-`, `tru`) is a syntax error to the parser, not an early end.
    result.map_err(|error| match error.classify() {
        Category::Eof | Category::Syntax if !ended => Bad::Cut,
        _ => Bad::Row(format!("no JSON object: {error}")),
    })
}

struct Members<F> {
    base: usize,
    each: F,
}

impl<'de, F: FnMut(&str, Range<usize>, &str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let text = value.get();
            let start = text.as_ptr() as usize - self.base;
            (self.each)(&key, start..start + text.len(), text);
        }
        Ok(())
    }
}

/// An object's key, borrowed where it holds no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The content of a JSON string; `raw` is valid JSON and begins with a quote.
fn content<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inner).is_none() {
        return inner;
    }
    scratch.clear();
    // A lone surrogate (`\ud800`) is valid JSON but no text: the caller sees it as bytes that are not UTF-8.
    match serde_json::from_slice::<String>(raw) {
        Ok(text) => scratch.extend_from_slice(text.as_bytes()),
        Err(_) => scratch.push(0xFF),
    }
    scratch
}

/// A value into its column.
fn put(builder: &mut Builder, raw: &[u8], inferred: bool, epoch: Option<Unit>, scratch: &mut Vec<u8>) -> Fit {
    let ty = builder.ty();
    match (raw.first(), ty) {
        (Some(b'n') | None, _) => {
            builder.null();
            Ok(())
        }
        (Some(b'"'), _) => {
            let text = content(raw, scratch);
            match ty {
                Type::Double if inferred && !is_not_finite(text) => Err("is text where numbers were seen before"),
                Type::Boolean | Type::Long | Type::ULong if inferred => Err("is text where the first lines had none"),
                Type::String | Type::Json if text == [0xFF] => Err("holds half a surrogate pair"),
                _ => builder.text(text),
            }
        }
        (Some(b'{' | b'['), Type::Json) => builder.raw(raw),
        (Some(b'{' | b'['), _) => Err("is an object or array, which the column's type does not hold"),
        (_, Type::Json) => builder.raw(raw),
        (_, Type::String) if inferred => Err("is no text, which the first lines had"),
        (_, Type::Timestamp(_)) => match epoch {
            Some(unit) => builder.epoch(raw, unit),
            None => Err("is no RFC 3339 text (for integers state their unit)"),
        },
        (_, Type::Binary | Type::Geometry) => Err("is no hexadecimal text"),
        (Some(b't' | b'f'), Type::Boolean | Type::String) => builder.text(raw),
        (Some(b't' | b'f'), _) => Err("is a boolean, which the column's type does not hold"),
        (_, Type::Boolean) => Err("is no boolean"),
        (_, Type::Double) if inferred && !exact(raw) => {
            Err("has more digits than a double holds: give the column's type")
        }
        _ => builder.text(raw),
    }
}

/// Numbers in a column that was inferred to be double: does a double hold this one? A whole number must be exact; a
/// number with a fraction may have as many digits as a double ever needs, more are those of a decimal.
fn exact(raw: &[u8]) -> bool {
    if raw.len() <= 15 {
        return true;
    }
    if raw.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return digits(raw) <= DOUBLE_DIGITS;
    }
    let value: Option<i128> = std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok());
    value.is_some_and(|value| (value as f64) as i128 == value)
}

/// The columns, and which of them nobody stated: first the stated ones, then others in the order of their appearance.
fn infer(lines: &mut Lines, options: &ReadOptions) -> Result<(Vec<Column>, Vec<bool>)> {
    let mut columns = options.columns.clone();
    let given = columns.len();
    let mut seen = vec![Seen::Nothing; given];
    let (mut at, mut count) = (0, 0);
    let mut scratch = Vec::new();
    while count < SAMPLE_LINES && at < SAMPLE_BYTES {
        let Some(end) = memchr::memchr(b'\n', lines.bytes().get(at..).unwrap_or_default()).map(|end| at + end + 1)
        else {
            if !lines.at_eof() {
                lines.fill()?;
                continue;
            }
            // The last line, without a line end: what is wrong with it is said when it is read.
            let rest = lines.bytes().get(at..).unwrap_or_default();
            observe(rest, &mut columns, &mut seen, given, &mut scratch).ok();
            break;
        };
        count += 1;
        let line = lines.bytes().get(at..end).unwrap_or_default();
        at = end;
        if line.trim_ascii().is_empty() {
            continue;
        }
        // A line that is no object is a bad row when it is read; one that contradicts those before it ends the guessing.
        if let Err(reason) = observe(line, &mut columns, &mut seen, given, &mut scratch) {
            return Err(Error::malformed(format!("{}:{count}: {reason}", lines.name())));
        }
    }
    for (column, seen) in columns.iter_mut().zip(&seen).skip(given) {
        column.ty = seen.ty();
    }
    let mut inferred = vec![false; given];
    inferred.resize(columns.len(), true);
    choose_time(&mut columns, &inferred);
    let key = columns.iter().find(|c| c.role == crate::role::Role::Time && c.unit_stated).map(|c| c.ty);
    for (column, seen) in columns.iter_mut().zip(&seen) {
        if header::open_unit(column) {
            column.ty = match (seen, options.epoch, key) {
                (_, Some(unit), _) => Type::Timestamp(unit),
                (Seen::Time(unit), ..) => Type::Timestamp(*unit),
                (.., Some(key)) => key,
                _ => Type::Timestamp(Unit::Ns),
            };
            column.unit_stated = true;
        }
    }
    Ok((columns, inferred))
}

/// Takes a line of the sample into account.
fn observe(
    line: &[u8],
    columns: &mut Vec<Column>,
    seen: &mut Vec<Seen>,
    given: usize,
    scratch: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    let mut wrong = None;
    let result = members(line, true, |key, _, raw| {
        let at = match columns.iter().position(|column| column.name == key) {
            Some(at) => at,
            None => {
                columns.push(Column::text(key));
                seen.push(Seen::Nothing);
                columns.len() - 1
            }
        };
        if at < given {
            // Only the unit of a time is still open; the first value states it.
            if seen[at] == Seen::Nothing && header::open_unit(&columns[at]) && raw.starts_with('"') {
                seen[at] = instant::unit_of(content(raw.as_bytes(), scratch)).map_or(Seen::Nothing, Seen::Time);
            }
            return;
        }
        let kind = Seen::of(raw, || Some(content(raw.as_bytes(), scratch).to_vec()));
        match kind.map_err(|reason| format!("column {key}: {raw} {reason}")) {
            Ok(kind) => match seen[at].merge(kind) {
                Some(both) => seen[at] = both,
                None => {
                    wrong = Some(format!(
                        "column {key}: {} where {} was before: give its type",
                        kind.name(),
                        seen[at].name()
                    ))
                }
            },
            Err(reason) => wrong = Some(reason),
        }
    });
    match (result, wrong) {
        (Ok(()), Some(reason)) => Err(reason),
        _ => Ok(()),
    }
}
