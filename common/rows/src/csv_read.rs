//! CSV in: typed, plain or no header; cells go straight into typed columns.

use crate::csv_rows::{BEHIND_QUOTE, Grammar, RowBuilder};
use crate::csv_split::{Cell, Form, Split, split, unescape};
use crate::header::{self, Column};
use crate::instant;
use crate::lines::Lines;
use crate::options::{BadRow, BadRows, Header, ReadOptions};
use crate::time::Unit;
use crate::types::Type;
use crate::{Limits, Reader, RecordBatch, SchemaRef};
use fault::{Error, Kind, Result};
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

/// Rows and bytes that are looked at for the units of times.
const SAMPLE_ROWS: usize = 8192;
const SAMPLE_BYTES: usize = 1 << 20;

/// A CSV reader. See [`crate::options::ReadOptions`] for what it is told.
pub struct CsvReader {
    lines: Lines,
    schema: SchemaRef,
    table: RowBuilder,
    cells: Vec<Cell>,
    limits: Limits,
    bad_rows: BadRows,
    /// Data rows seen, good and bad.
    rows: u64,
    done: bool,
}

impl CsvReader {
    /// Reads the header, and as many rows as it takes to know the units of times.
    pub fn open(name: &str, reader: Box<dyn Read + Send>, options: ReadOptions) -> Result<CsvReader> {
        check_delimiter(options.delimiter)?;
        check_null(options.null.as_deref(), options.delimiter)?;
        let mut lines = Lines::new(name, reader, options.end_mark, options.limits);
        let grammar =
            Grammar { delimiter: options.delimiter, null: options.null, header: options.header, epoch: options.epoch };
        let mut columns = read_header(&mut lines, &grammar)?;
        header::apply(&mut columns, &options.columns)?;
        find_units(&mut lines, &grammar, &mut columns)?;
        let schema = header::schema(&columns).map_err(|error| error.context(name))?;
        Ok(CsvReader {
            lines,
            schema: Arc::new(schema),
            table: RowBuilder::new(columns, grammar),
            cells: Vec::new(),
            limits: options.limits,
            bad_rows: options.bad_rows,
            rows: 0,
            done: false,
        })
    }

    /// Hands a bad row to the caller, who decides whether to go on.
    fn reject(&mut self, len: usize, reason: &str) -> Result<()> {
        let row = self.lines.bytes().get(..len).unwrap_or_default();
        let reason = format!("{}: {reason}", self.lines.place());
        let bytes = row.strip_suffix(b"\n").map_or(row, |row| row.strip_suffix(b"\r").unwrap_or(row));
        (self.bad_rows)(&BadRow { line: self.lines.line(), offset: self.lines.offset(), bytes, reason: &reason })
    }
}

impl Reader for CsvReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut rows = 0;
        let mut bytes = 0;
        while !self.done && rows < self.limits.rows {
            if self.lines.bytes().is_empty() && self.lines.at_eof() {
                self.lines.check_end(self.rows)?;
                self.done = true;
                break;
            }
            match split(self.lines.bytes(), self.table.grammar.delimiter, self.lines.at_eof(), &mut self.cells) {
                Split::More => self.lines.fill()?,
                // Nothing at all in the buffer, and the end not yet seen, is `More`; so there is a row here.
                Split::Row { len, lines, ended } => {
                    let row = self.lines.bytes().get(..len).unwrap_or_default();
                    if let Some(error) = self.lines.stray_mark(row) {
                        return Err(error);
                    }
                    if !ended && self.table.grammar.header == Header::Typed {
                        return Err(cut(&self.lines));
                    }
                    let blank = matches!(row, b"\n" | b"\r\n");
                    // A blank line is a NULL where there is one column, and no row where there are more.
                    if blank && self.table.columns.len() != 1 {
                        self.lines.consume(len, lines);
                        continue;
                    }
                    let size = len + self.table.row_bytes();
                    if rows > 0 && bytes + size > self.limits.bytes {
                        break;
                    }
                    self.rows += 1;
                    let row = self.lines.bytes().get(..len).unwrap_or_default();
                    match self.table.append(row, &self.cells) {
                        Ok(()) => {
                            rows += 1;
                            bytes += size;
                        }
                        Err(reason) => self.reject(len, &reason)?,
                    }
                    self.lines.consume(len, lines);
                }
                Split::Bad { len, lines } => {
                    self.rows += 1;
                    self.reject(len, BEHIND_QUOTE)?;
                    self.lines.consume(len, lines);
                }
                Split::OpenQuote => return Err(open_quote(&self.lines)),
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        self.table.finish(&self.schema).map(Some)
    }
}

/// The delimiters that no number or time contains.
pub(crate) fn check_delimiter(delimiter: u8) -> Result<()> {
    match delimiter {
        b',' | b';' | b'\t' | b'|' | b' ' | b'~' | b'^' | b'\x01'..=b'\x08' | b'\x0e'..=b'\x1f' => Ok(()),
        other => Err(Error::usage(format!(
            "'{}' is no delimiter: use a comma, semicolon, tab, space, |, ~, ^ or a control character",
            other.escape_ascii()
        ))),
    }
}

pub(crate) fn check_null(null: Option<&[u8]>, delimiter: u8) -> Result<()> {
    match null {
        Some(null)
            if null.iter().any(|b| matches!(b, b'"' | b'\n' | b'\r') || *b == delimiter) || null.starts_with(b"#") =>
        {
            Err(Error::usage("the text for NULL must not hold a quote, a line end or the delimiter, nor begin with #"))
        }
        _ => Ok(()),
    }
}

fn cut(lines: &Lines) -> Error {
    Error::new(
        Kind::Incomplete,
        format!(
            "{}: the last line has no line end: the input was cut (if it is whole, end it with a line end)",
            lines.place()
        ),
    )
}

fn open_quote(lines: &Lines) -> Error {
    Error::new(
        Kind::Incomplete,
        format!("{}: the input ends within a quoted cell of the row that begins here", lines.place()),
    )
}

/// The columns that the first line gives; with [`Header::None`] it stays where it is.
fn read_header(lines: &mut Lines, grammar: &Grammar) -> Result<Vec<Column>> {
    let mut cells = Vec::new();
    let (len, line_ends, ended) = loop {
        let bytes = lines.bytes();
        if lines.line() == 1 && lines.offset() == 0 && bytes.starts_with(b"\xEF\xBB\xBF") {
            lines.consume(3, 0);
            continue;
        }
        if bytes.is_empty() && lines.at_eof() {
            let what = "the input is empty: not even a header line";
            return Err(Error::new(Kind::Incomplete, format!("{}: {what}", lines.name())));
        }
        match split(bytes, grammar.delimiter, lines.at_eof(), &mut cells) {
            Split::More => lines.fill()?,
            Split::OpenQuote => return Err(open_quote(lines)),
            Split::Bad { .. } => {
                return Err(Error::malformed(format!(
                    "{}: text behind a closing quote in the first line",
                    lines.place()
                )));
            }
            Split::Row { len, lines, ended } => break (len, lines, ended),
        }
    };
    if !ended && grammar.header == Header::Typed {
        return Err(cut(lines));
    }
    let row = lines.bytes().get(..len).unwrap_or_default();
    if let Some(error) = lines.stray_mark(row) {
        return Err(error);
    }
    let mut columns = Vec::with_capacity(cells.len());
    for (at, cell) in cells.iter().enumerate() {
        let text = unescaped(row, cell);
        let text = std::str::from_utf8(&text)
            .map_err(|_| Error::malformed(format!("{}: the header is not valid UTF-8", lines.place())))?;
        columns.push(match grammar.header {
            Header::Typed => text.parse::<Column>().map_err(|error| error.context(lines.place()))?,
            Header::Plain => Column::text(text),
            Header::None => Column::text(&format!("c{}", at + 1)),
        });
    }
    if grammar.header != Header::None {
        lines.consume(len, line_ends);
    }
    Ok(columns)
}

fn unescaped<'a>(row: &'a [u8], cell: &Cell) -> Cow<'a, [u8]> {
    let text = &row[cell.start..cell.end];
    match cell.form {
        Form::Escaped => {
            let mut out = Vec::with_capacity(text.len());
            unescape(text, &mut out);
            Cow::Owned(out)
        }
        _ => Cow::Borrowed(text),
    }
}

/// The units of times, from the digits of each column's first value. A column without a value in the sample has the
/// unit of the time key, else nanoseconds: a later value with other digits is then a bad row, never a wrong time.
fn find_units(lines: &mut Lines, grammar: &Grammar, columns: &mut [Column]) -> Result<()> {
    if let Some(unit) = grammar.epoch {
        for column in columns.iter_mut().filter(|column| header::open_unit(column)) {
            column.ty = Type::Timestamp(unit);
            column.unit_stated = true;
        }
    }
    let mut cells = Vec::new();
    let (mut at, mut rows) = (0, 0);
    while rows < SAMPLE_ROWS && at < SAMPLE_BYTES && columns.iter().any(header::open_unit) {
        let bytes = lines.bytes().get(at..).unwrap_or_default();
        if bytes.is_empty() && lines.at_eof() {
            break;
        }
        match split(bytes, grammar.delimiter, lines.at_eof(), &mut cells) {
            Split::More => {
                lines.fill()?;
                continue;
            }
            Split::OpenQuote => break,
            Split::Bad { len, .. } => at += len,
            Split::Row { len, .. } => {
                for (cell, column) in cells.iter().zip(columns.iter_mut()) {
                    if header::open_unit(column)
                        && let Some(unit) = instant::unit_of(&unescaped(bytes, cell))
                    {
                        column.ty = Type::Timestamp(unit);
                        column.unit_stated = true;
                    }
                }
                at += len;
            }
        }
        rows += 1;
    }
    let key = columns.iter().find(|c| c.role == crate::role::Role::Time && c.unit_stated).map(|c| c.ty);
    for column in columns.iter_mut().filter(|column| header::open_unit(column)) {
        column.ty = key.unwrap_or(Type::Timestamp(Unit::Ns));
        column.unit_stated = true;
    }
    Ok(())
}
