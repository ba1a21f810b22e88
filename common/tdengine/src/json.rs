//! The body of a REST reply, row by row, in bounded memory (1.3, 1.6).
//!
//! A reply is one JSON object. Everything but `data` is small and kept; the rows of `data` are handed out one at a time.
//! The number after `"rows":` comes last, so a body without it was cut, however valid its beginning looks.

use crate::build::{Builder, Cell};
use crate::types::Type;
use fault::{Error, Kind, Result};
use rows::json_csv::SLACK;
use serde_json::Value;
use std::io::Read;

/// The largest part before and after the rows.
const ENVELOPE: usize = 16 << 20;
/// What is read at once; rows are cut out of it.
const BLOCK: usize = 256 << 10;
/// The largest row: 4,096 columns, each escaped.
const ROW: usize = 64 << 20;

/// A reply that is being read.
pub struct Body<R> {
    input: R,
    buffer: Vec<u8>,
    /// What was read and not yet used: `buffer[at..end]`.
    at: usize,
    end: usize,
    ended: bool,
    scratch: Vec<u8>,
    /// What was said before the rows.
    pub head: Envelope,
    rows: u64,
    in_rows: bool,
}

/// The small members of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// Error code, 0 for success.
    pub code: i64,
    /// What went wrong.
    pub message: String,
    /// `[name, type, length]` of each column.
    pub columns: Vec<Value>,
    /// The number of rows, where it has come yet.
    pub rows: Option<u64>,
    /// `succ` or `error`, from 2.x.
    pub status: Option<String>,
}

/// A body that ends too early or is no reply at all. Another attempt may do better.
fn cut(what: &str) -> Error {
    Error::new(Kind::Source, format!("the reply was cut: {what}"))
}

fn strange(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Source, format!("the reply is not what taosAdapter sends: {what}"))
}

impl<R: Read> Body<R> {
    /// Reads up to the first row, or all of it where there are no rows (errors).
    pub fn open(input: R) -> Result<Body<R>> {
        let mut body = Body {
            input,
            buffer: vec![0; BLOCK + SLACK],
            at: 0,
            end: 0,
            scratch: Vec::new(),
            ended: false,
            head: Envelope::default(),
            rows: 0,
            in_rows: false,
        };
        match body.next_byte()? {
            Some(b'{') => {}
            Some(b'"') => {
                // A paused adapter answers with a bare string.
                let raw = body.value(ENVELOPE)?;
                let text: String = serde_json::from_slice(&raw).unwrap_or_default();
                return Err(Error::new(
                    Kind::Source,
                    format!("the server said only: {}", fault::excerpt(text.as_bytes())),
                ));
            }
            Some(_) => return Err(strange(fault::excerpt(body.unused()))),
            None => return Err(cut("it is empty")),
        }
        body.at += 1;
        body.members()?;
        Ok(body)
    }

    /// What was read and not yet used.
    fn unused(&self) -> &[u8] {
        self.buffer.get(self.at..self.end).unwrap_or_default()
    }

    /// Hands what rows that are in the buffer begin with, behind their brackets, to `row`: so many bytes, with [`SLACK`]
    /// others behind them. It gives the bytes up to behind the other bracket; until it gives none, or it was `most` rows, or another `bytes` bytes were used. Gives
    /// the numbers of rows and of bytes; whatever comes then is for [`Body::next_row`].
    pub(crate) fn scan(
        &mut self,
        most: usize,
        bytes: usize,
        mut row: impl FnMut(&[u8], usize, &mut Vec<u8>) -> Option<usize>,
    ) -> (usize, usize) {
        let (mut at, mut rows) = (0, 0);
        if self.in_rows {
            let all = self.buffer.get(self.at..).unwrap_or_default();
            let len = self.end - self.at;
            while rows < most && at < bytes {
                let start = match all.get(at..len) {
                    Some([b',', b'[', ..]) => at + 2,
                    Some([b'[', ..]) => at + 1,
                    _ => break,
                };
                let json = all.get(start..).unwrap_or_default();
                let Some(taken) = row(json, len - start, &mut self.scratch) else { break };
                at = start + taken;
                rows += 1;
            }
        }
        self.at += at;
        self.rows += rows as u64;
        (rows, at)
    }

    /// Rows handed out so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next row, as the raw text between its brackets, or `None` after the last one, once the end of the reply
    /// has been checked.
    pub fn next_row(&mut self) -> Result<Option<&[u8]>> {
        if !self.in_rows {
            return Ok(None);
        }
        let mut byte = self.next_byte()?;
        if byte == Some(b',') {
            self.at += 1;
            byte = self.next_byte()?;
        }
        match byte {
            Some(b'[') => {
                let length = self.value_length(ROW)?;
                let start = self.at;
                self.at += length;
                self.rows += 1;
                Ok(Some(&self.buffer[start + 1..start + length - 1]))
            }
            Some(b']') => {
                self.at += 1;
                self.in_rows = false;
                self.members()?;
                match self.head.rows {
                    Some(rows) if rows == self.rows => Ok(None),
                    Some(rows) => Err(cut(&format!("{} rows came, it says {rows}", self.rows))),
                    None => Err(cut("the number of rows is missing")),
                }
            }
            Some(_) => Err(strange(format!("row {}: {}", self.rows + 1, fault::excerpt(self.unused())))),
            None => Err(cut(&format!("after {} rows", self.rows))),
        }
    }

    /// Reads members up to `data` (then `in_rows`) or the end of the object.
    fn members(&mut self) -> Result<()> {
        loop {
            match self.next_byte()? {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'"') => {
                    let key: String = serde_json::from_slice(&self.value(ENVELOPE)?).map_err(strange)?;
                    if self.next_byte()? != Some(b':') {
                        return Err(cut(&format!("after \"{key}\"")));
                    }
                    self.at += 1;
                    if key == "data" && self.next_byte()? == Some(b'[') {
                        self.at += 1;
                        self.in_rows = true;
                        return Ok(());
                    }
                    self.next_byte()?;
                    let raw = self.value(ENVELOPE)?;
                    self.member(&key, &raw)?;
                }
                Some(_) => return Err(strange(fault::excerpt(self.unused()))),
                None => return Err(cut("its end is missing")),
            }
        }
    }

    fn member(&mut self, key: &str, raw: &[u8]) -> Result<()> {
        let value: Value = serde_json::from_slice(raw).map_err(|error| strange(format!("\"{key}\": {error}")))?;
        match (key, value) {
            ("code", Value::Number(number)) => self.head.code = number.as_i64().unwrap_or(-1),
            ("desc", Value::String(text)) => self.head.message = text,
            ("status", Value::String(text)) => self.head.status = Some(text),
            ("column_meta", Value::Array(columns)) => self.head.columns = columns,
            ("rows", Value::Number(number)) => self.head.rows = number.as_u64(),
            // `head`, `timing` and what later versions may add.
            _ => {}
        }
        Ok(())
    }

    /// The next byte that is no white space, not consumed; `None` at the end.
    fn next_byte(&mut self) -> Result<Option<u8>> {
        loop {
            while let Some(byte) = self.unused().first() {
                if !byte.is_ascii_whitespace() {
                    return Ok(Some(*byte));
                }
                self.at += 1;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads more; drops what was consumed. False at the end of the input.
    fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.end, 0);
            self.end -= self.at;
            self.at = 0;
        }
        if self.buffer.len() < self.end + BLOCK / 4 + SLACK {
            // A row larger than the buffer.
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.end..self.buffer.len() - SLACK;
        let read = loop {
            match self.input.read(self.buffer.get_mut(room.clone()).unwrap_or_default()) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                let own = Error::io("cannot read the reply", error);
                return Err(if own.kind() == Kind::LocalIo { own.with_kind(Kind::Source) } else { own });
            }
        };
        self.end += read;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// The text of the value at hand, consumed.
    fn value(&mut self, cap: usize) -> Result<Vec<u8>> {
        let length = self.value_length(cap)?;
        let raw = self.buffer[self.at..self.at + length].to_vec();
        self.at += length;
        Ok(raw)
    }

    /// The length of the JSON value that begins at `self.at`; reads on until all of it is in the buffer.
    fn value_length(&mut self, cap: usize) -> Result<usize> {
        let mut scan = Scan::default();
        let mut seen = 0;
        loop {
            if let Some(length) = scan.run(self.unused(), &mut seen) {
                return Ok(length);
            }
            if seen > cap {
                return Err(strange(format!("a value of more than {cap} bytes")));
            }
            if !self.fill()? {
                return Err(cut(&format!("in the middle of a value, after {} rows", self.rows)));
            }
        }
    }
}

/// Finds the end of a value: brackets are counted, strings skipped.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    scalar: bool,
}

impl Scan {
    /// Goes on from `seen`; the length of the value once its end is there.
    fn run(&mut self, bytes: &[u8], seen: &mut usize) -> Option<usize> {
        while let Some(byte) = bytes.get(*seen) {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(*seen + 1);
                        }
                    }
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'[' | b'{' => self.depth += 1,
                    b']' | b'}' | b',' if self.depth == 0 && self.scalar => return Some(*seen),
                    b']' | b'}' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return Some(*seen + 1);
                        }
                    }
                    _ => self.scalar = true,
                }
            }
            *seen += 1;
        }
        None
    }
}

/// Adds the row that `json` begins with, behind its bracket; the bytes up to behind the other bracket. `None`: it is
/// not there as a whole, or not spelled as usual; some of its cells may have been added.
pub(crate) fn scan_row(json: &[u8], builders: &mut [Builder], scratch: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    let last = builders.len().checked_sub(1)?;
    for (index, builder) in builders.iter_mut().enumerate() {
        let rest = json.get(at..)?;
        at += match builder.scan(rest) {
            Some(taken) => taken,
            None => {
                let (cell, length) = careful(rest, builder.column().kind == Type::Json, scratch)?;
                builder.append(cell).ok()?;
                length
            }
        };
        let end = if index == last { b']' } else { b',' };
        if json.get(at) != Some(&end) {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// The cell that `json` begins with, without white space around it, and its length. `None`: it is not there as a whole, or
/// no cell at all.
pub(crate) fn careful<'a>(json: &'a [u8], as_json: bool, scratch: &'a mut Vec<u8>) -> Option<(Cell<'a>, usize)> {
    let mut seen = 0;
    let length = Scan::default().run(json, &mut seen)?;
    let raw = json.get(..length)?;
    if raw.trim_ascii().len() < length {
        return None;
    }
    Some((cell(raw, as_json, scratch).ok()?, length))
}

/// A row has a cell for each column.
pub(crate) fn check_count(cells: usize, columns: usize) -> Result<()> {
    if cells == columns {
        return Ok(());
    }
    Err(Error::new(Kind::Source, format!("{cells} values for {columns} columns")))
}

/// Takes the cells of a row apart, and gives each with its index to `each`. `json` says which columns are kept as JSON
/// text. `scratch` holds unescaped text between calls.
pub fn cells(
    row: &[u8],
    json: impl Fn(usize) -> bool,
    scratch: &mut Vec<u8>,
    mut each: impl FnMut(usize, Cell<'_>) -> Result<()>,
) -> Result<usize> {
    let mut rest = row;
    let mut index = 0;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return if index == 0 { Ok(0) } else { Err(strange("a comma with nothing after it")) };
        }
        let mut seen = 0;
        let length = Scan::default().run(rest, &mut seen).unwrap_or(rest.len());
        let (raw, after) = rest.split_at(length);
        each(index, cell(raw.trim_ascii_end(), json(index), scratch)?)?;
        index += 1;
        rest = after.trim_ascii_start();
        match rest.split_first() {
            None => return Ok(index),
            Some((b',', tail)) => rest = tail,
            Some(_) => return Err(strange(fault::excerpt(rest))),
        }
    }
}

/// What a JSON value is. `json`: it is kept as it stands.
fn cell<'a>(raw: &'a [u8], json: bool, scratch: &'a mut Vec<u8>) -> Result<Cell<'a>> {
    Ok(match raw {
        b"null" => Cell::Null,
        _ if json => Cell::Json(raw),
        b"true" => Cell::Bool(true),
        b"false" => Cell::Bool(false),
        [b'"', inner @ .., b'"'] => {
            if inner.contains(&b'\\') {
                unescape(inner, scratch)?;
                Cell::Text(scratch)
            } else {
                Cell::Text(inner)
            }
        }
        _ => Cell::Number(std::str::from_utf8(raw).map_err(strange)?),
    })
}

/// JSON's escapes. Text that is UTF-8 goes through the library; other bytes (1.4) through the rules by hand.
fn unescape(inner: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let mut rest = inner;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (escape, length) = match rest.get(at + 1) {
            Some(b'u') => {
                // A surrogate pair is two escapes; let the library decide what they mean.
                let pair = rest.get(at + 6..at + 8) == Some(b"\\u") && high_surrogate(&rest[at + 2..]);
                let length = if pair { 12 } else { 6 };
                (rest.get(at..at + length), length)
            }
            _ => (rest.get(at..at + 2), 2),
        };
        let escape = escape.ok_or_else(|| strange("an unfinished escape"))?;
        let mut quoted = Vec::with_capacity(14);
        quoted.push(b'"');
        quoted.extend_from_slice(escape);
        quoted.push(b'"');
        let text: String =
            serde_json::from_slice(&quoted).map_err(|_| strange(format!("escape {}", fault::excerpt(escape))))?;
        out.extend_from_slice(text.as_bytes());
        rest = &rest[at + length..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn high_surrogate(hex: &[u8]) -> bool {
    matches!(hex, [b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..])
}
