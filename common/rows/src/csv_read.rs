//! CSV in: typed, plain or no header; cells go straight into typed columns.

use crate::column::Run;
use crate::csv_index::Index;
use crate::csv_rows::{BEHIND_QUOTE, CUT, Grammar, OPEN_QUOTE, RowBuilder};
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
    ahead: Ahead,
    cells: Vec<Cell>,
    limits: Limits,
    bad_rows: BadRows,
    /// Data rows seen, good and bad.
    rows: u64,
    done: bool,
    /// Every row goes the slow way, to which the tests hold the quick one.
    #[cfg(test)]
    careful: bool,
}

/// Rows at a time, at least and at most. After a bad row there may be more.
const FEWEST: usize = 16;
const MANY: usize = 4096;

/// What the index of the buffer says of the rows to come.
#[derive(Default)]
struct Ahead {
    index: Index,
    /// The next row.
    row: usize,
    /// Bytes consumed since the index was made.
    consumed: usize,
    known: bool,
    /// Rows that are tried at a time.
    rows: usize,
}

impl Ahead {
    /// A row was consumed on another way.
    fn consumed(&mut self, len: usize) {
        let next = self.index.row(self.row).map(|(row, _)| row.end - row.start);
        self.known &= next == Some(len);
        (self.row, self.consumed) = (self.row + 1, self.consumed + len);
    }
}

/// What became of the rows that the index knows.
enum Known {
    /// So many rows, of so many bytes in the batch.
    Taken(usize, usize),
    /// The next row would make the batch too large.
    Full,
    /// The next row is not one for columns.
    Other,
}

/// What a [`CsvReader`] knows before its first row, for those who go on otherwise.
pub(crate) struct Parts {
    pub lines: Lines,
    pub table: RowBuilder,
    pub limits: Limits,
    pub bad_rows: BadRows,
}

impl CsvReader {
    /// The input behind the header, and how its rows are read. Only before the first batch.
    pub(crate) fn into_parts(self) -> Parts {
        Parts { lines: self.lines, table: self.table, limits: self.limits, bad_rows: self.bad_rows }
    }

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
            ahead: Ahead::default(),
            cells: Vec::new(),
            limits: options.limits,
            bad_rows: options.bad_rows,
            rows: 0,
            done: false,
            #[cfg(test)]
            careful: false,
        })
    }

    /// Takes rows by the index, column by column, into a batch that has `rows` of `bytes` already.
    fn take(&mut self, rows: usize, bytes: usize) -> Known {
        #[cfg(test)]
        if self.careful {
            return Known::Other;
        }
        let CsvReader { lines, table, ahead, limits, .. } = self;
        if !ahead.known {
            ahead.index.scan(lines.bytes(), table.grammar.delimiter);
            *ahead = Ahead {
                row: 0,
                consumed: 0,
                known: true,
                rows: ahead.rows.max(FEWEST),
                index: std::mem::take(&mut ahead.index),
            };
        }
        let Some((first, cells)) = ahead.index.row(ahead.row) else { return Known::Other };
        let block = lines.bytes_from(ahead.consumed);
        let columns = table.columns.len();
        let most = ahead.rows.min(limits.rows - rows);
        let (mut size, mut count, mut end) = (bytes, 0, first.start);
        while count < most
            && let Some((row, _)) = ahead.index.row(ahead.row + count)
            && row.ends.len() == columns
            && block.get(row.start) != Some(&b'#')
        {
            let with = size + row.end - row.start + table.row_bytes();
            if with > limits.bytes && rows + count > 0 {
                if count == 0 {
                    return Known::Full;
                }
                break;
            }
            (size, count, end) = (with, count + 1, row.end);
        }
        let text = block.get(first.start..end).unwrap_or_default();
        let run = Run {
            block,
            start: first.start,
            ends: ahead.index.ends().get(cells..cells + count * columns).unwrap_or_default(),
            columns,
            quotes: ahead.index.has_quotes(),
            returns: ahead.index.has_returns(),
            valid: ahead.index.is_ascii() || std::str::from_utf8(text).is_ok(),
            null: None,
            epoch: None,
        };
        let taken = if count == 0 { 0 } else { table.run(&run) };
        if taken < count {
            ahead.rows = FEWEST;
            let Some((row, _)) = ahead.index.row(ahead.row + taken) else { return Known::Other };
            end = row.start;
        } else {
            ahead.rows = (ahead.rows * 2).min(MANY);
        }
        if taken == 0 {
            return Known::Other;
        }
        let len = end - first.start;
        let text = text.get(..len).unwrap_or_default();
        let line_ends = if run.quotes { memchr::memchr_iter(b'\n', text).count() } else { taken };
        ahead.row += taken;
        ahead.consumed += len;
        self.rows += taken as u64;
        lines.consume(len, line_ends as u64);
        Known::Taken(taken, len + taken * table.row_bytes())
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
            match self.take(rows, bytes) {
                Known::Taken(count, size) => {
                    rows += count;
                    bytes += size;
                    continue;
                }
                Known::Full => break,
                Known::Other => {}
            }
            match split(self.lines.bytes(), self.table.grammar.delimiter, self.lines.at_eof(), &mut self.cells) {
                Split::More => {
                    self.lines.fill()?;
                    self.ahead.known = false;
                }
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
                        self.ahead.consumed(len);
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
                    self.ahead.consumed(len);
                }
                Split::Bad { len, lines } => {
                    self.rows += 1;
                    self.reject(len, BEHIND_QUOTE)?;
                    self.lines.consume(len, lines);
                    self.ahead.consumed(len);
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
    Error::new(Kind::Incomplete, format!("{}: {CUT}", lines.place()))
}

fn open_quote(lines: &Lines) -> Error {
    Error::new(Kind::Incomplete, format!("{}: {OPEN_QUOTE}", lines.place()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use testkit::proptest::prelude::*;

    /// What a reader gives: its rows, the rows that it refused, and how it ended.
    fn read(text: &[u8], options: ReadOptions, careful: bool) -> (Vec<RecordBatch>, Vec<String>, String) {
        let bad = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&bad);
        let bad_rows: BadRows = Box::new(move |row: &BadRow<'_>| {
            let text = String::from_utf8_lossy(row.bytes).into_owned();
            keep.lock().unwrap().push(format!("{} {} {text:?} {}", row.line, row.offset, row.reason));
            Ok(())
        });
        let reader = Box::new(std::io::Cursor::new(text.to_vec()));
        let mut batches = Vec::new();
        let end = match CsvReader::open("test", reader, ReadOptions { bad_rows, ..options }) {
            Err(error) => error.to_string(),
            Ok(mut reader) => {
                reader.careful = careful;
                loop {
                    match reader.next() {
                        Ok(Some(batch)) => batches.push(batch),
                        Ok(None) => break format!("{} rows", reader.rows),
                        Err(error) => break error.to_string(),
                    }
                }
            }
        };
        let bad = bad.lock().unwrap().clone();
        (batches, bad, end)
    }

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => prop::sample::select(&["2024-01-01T00:00:00.000Z", "2024-01-02T23:59:59.999Z", "2024-01-01T00:00:01Z", "1", "-5", "300", "1.5", "-0.0", "27.996981", "1e5", "true", "1.25", "00ff", "", "", "x", "a b", "NaN"][..]).prop_map(str::to_owned),
            2 => "-?[0-9]{1,9}([.][0-9]{1,9})?",
            1 => prop::sample::select(&["\"\"", "\"a,b\"", "\"a\"\"b\"", "\"l\nm\"", "\"1\"", "\"2024-01-01T00:00:00.000Z\"", "\"a\"b", "a\"b", "\\N", "#x", "#ts-end", "\u{e4}", "a long text of more than thirty-two bytes"][..]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn columns_take_what_rows_take(
            types in testkit::proptest::collection::vec(prop::sample::select(&["time", "timestamp", "tag", "double", "float", "long", "int", "short", "byte", "ulong", "uint", "ushort", "ubyte", "boolean", "string", "decimal(5;2)", "binary", "json"][..]), 1..5),
            rows in testkit::proptest::collection::vec((testkit::proptest::collection::vec(cell(), 5), 0usize..20, prop::sample::select(&["\n", "\n", "\r\n"][..])), 0..40),
            same: bool, returns: bool, (null, epoch) in any::<(bool, bool)>(), max in 1usize..40, bytes in 30usize..2000, damage in prop::option::of((any::<testkit::proptest::sample::Index>(), any::<u8>())),
        ) {
            let mut header: Vec<String> = Vec::new();
            for (at, ty) in types.iter().enumerate() {
                let once = *ty != "time" || !header.iter().any(|cell| cell.ends_with("|time"));
                let name = format!("c{at}|{}", if once { ty } else { "string" }).replace(';', ",");
                header.push(if name.contains(',') { format!("\"{name}\"") } else { name });
            }
            let mut text = format!("{}\n", header.join(",")).into_bytes();
            let start = text.len();
            for (cells, kind, end) in &rows {
                let cells = match kind {
                    // Mostly the right number of cells, often those of the row before.
                    0 => &cells[..1],
                    1 => &cells[..],
                    2 => &[][..],
                    _ if same => &rows[0].0[..types.len()],
                    _ => &cells[..types.len()],
                };
                text.extend_from_slice(cells.join(",").as_bytes());
                text.extend_from_slice(if returns { end.as_bytes() } else { b"\n" });
            }
            if let Some((at, byte)) = damage && text.len() > start {
                let at = start + at.index(text.len() - start);
                text[at] = byte;
            }
            let options = || ReadOptions {
                limits: Limits { rows: max, bytes },
                null: null.then(|| b"\\N".to_vec()),
                epoch: epoch.then_some(Unit::Ms),
                ..ReadOptions::default()
            };
            let (quick, careful) = (read(&text, options(), false), read(&text, options(), true));
            prop_assert_eq!(quick, careful, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn blocks_end_within_rows() {
        // Some two megabytes, so that rows are cut by the ends of blocks, with a bad row now and then.
        let mut text = b"ts|time,d|tag,v|double,n|int,s|string\n".to_vec();
        for i in 0..40_000 {
            let second = i / 7 % 60;
            let bad = if i % 997 == 0 { "x" } else { "" };
            let quoted = if i % 501 == 0 { "\"q\n\"" } else { "plain" };
            let row = format!(
                "2024-01-01T00:00:{second:02}.{:03}Z,d{},{}.{i},{bad}{i},{quoted}\n",
                i % 1000,
                i % 13,
                i % 100
            );
            text.extend_from_slice(row.as_bytes());
        }
        for rows in [100, 8192] {
            let options = || ReadOptions { limits: Limits { rows, bytes: 1 << 20 }, ..ReadOptions::default() };
            let (quick, careful) = (read(&text, options(), false), read(&text, options(), true));
            assert_eq!((quick.1.len(), &quick.2[..]), (41, "40000 rows"));
            assert!(quick == careful);
        }
    }
}
