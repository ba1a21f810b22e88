//! Annotated CSV, as `/api/v2/query` answers: a header whenever the columns change, CRLF line ends, NULL and "" alike.

use super::answer::Gone;
use super::json;
use super::points::Value;
use super::time::rfc3339;
use bytes::Bytes;
use tokio::sync::mpsc;

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Time,
    Double,
    Long,
    UnsignedLong,
    Boolean,
    String,
}

impl Kind {
    fn annotation(self) -> &'static str {
        match self {
            Kind::Time => "dateTime:RFC3339",
            Kind::Double => "double",
            Kind::Long => "long",
            Kind::UnsignedLong => "unsignedLong",
            Kind::Boolean => "boolean",
            Kind::String => "string",
        }
    }

    /// The name in Flux's error texts.
    pub fn flux_name(self) -> &'static str {
        match self {
            Kind::Time => "time",
            Kind::Double => "float",
            Kind::Long => "int",
            Kind::UnsignedLong => "uint",
            Kind::Boolean => "boolean",
            Kind::String => "string",
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// Part of the table's key.
    pub group: bool,
}

/// A cell.
pub enum Cell<'a> {
    Null,
    Time(i64),
    Text(&'a [u8]),
    Value(&'a Value<'a>),
}

/// What the request asked for.
#[derive(Debug, Clone, Default)]
pub struct Dialect {
    pub datatype: bool,
    pub group: bool,
    pub default: bool,
    pub header: bool,
}

/// Writes tables.
pub struct Writer {
    dialect: Dialect,
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    last: Vec<Column>,
    result: String,
    tables: usize,
    open: bool,
}

const PIECE: usize = 64 * 1024;

impl Writer {
    /// An empty answer.
    pub fn new(dialect: Dialect, out: mpsc::Sender<Bytes>) -> Writer {
        Writer { dialect, out, buffer: Vec::new(), last: Vec::new(), result: String::new(), tables: 0, open: false }
    }

    /// Starts the result of a pipeline.
    pub fn begin(&mut self, name: &str) {
        self.result = name.to_string();
        self.tables = 0;
        self.last.clear();
        self.open = false;
    }

    /// Starts a table; only columns that are `kept` are shown.
    pub fn table(&mut self, columns: &[Column], kept: &[bool]) -> Result<(), Gone> {
        let shown: Vec<Column> = columns.iter().zip(kept).filter(|(_, keep)| **keep).map(|(c, _)| c.clone()).collect();
        if self.open && self.last == shown {
            self.tables += 1;
            return Ok(());
        }
        if self.open {
            self.buffer.extend_from_slice(b"\r\n");
            self.tables += 1;
        }
        self.open = true;
        if self.dialect.datatype {
            self.line("#datatype,string,long", shown.iter().map(|c| c.kind.annotation()));
        }
        if self.dialect.group {
            self.line("#group,false,false", shown.iter().map(|c| if c.group { "true" } else { "false" }));
        }
        if self.dialect.default {
            let start = format!("#default,{},", self.result);
            self.line(&start, shown.iter().map(|_| ""));
        }
        if self.dialect.header {
            self.line(",result,table", shown.iter().map(|c| c.name.as_str()));
        }
        self.last = shown;
        self.flush(PIECE)
    }

    fn line<'a>(&mut self, start: &str, cells: impl Iterator<Item = &'a str>) {
        self.buffer.extend_from_slice(start.as_bytes());
        for cell in cells {
            self.buffer.push(b',');
            csv_cell(&mut self.buffer, cell.as_bytes());
        }
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Writes a row of the current table.
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>, kept: &[bool]) -> Result<(), Gone> {
        let result = if self.dialect.default { "" } else { &self.result };
        self.buffer.extend_from_slice(format!(",{result},{}", self.tables).as_bytes());
        for (cell, _) in cells.zip(kept).filter(|(_, keep)| **keep) {
            self.buffer.push(b',');
            match cell {
                Cell::Null => {}
                Cell::Time(time) => self.buffer.extend_from_slice(rfc3339(time).as_bytes()),
                Cell::Text(text) => csv_cell(&mut self.buffer, text),
                Cell::Value(Value::Str(text)) => csv_cell(&mut self.buffer, text),
                Cell::Value(Value::Float(x)) => json::float_plain(&mut self.buffer, *x),
                Cell::Value(value) => json::value(&mut self.buffer, value),
            }
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.flush(PIECE)
    }

    /// Ends the result of a pipeline; an empty one is an empty line.
    pub fn end(&mut self) -> Result<(), Gone> {
        self.buffer.extend_from_slice(b"\r\n");
        self.flush(PIECE)
    }

    /// An error after the status has gone out: a table of its own (the server answers 200 then).
    pub fn error(&mut self, message: &str) -> Result<(), Gone> {
        self.buffer.extend_from_slice(b"\r\n");
        if self.dialect.datatype {
            self.buffer.extend_from_slice(b"#datatype,string,string\r\n");
        }
        if self.dialect.group {
            self.buffer.extend_from_slice(b"#group,true,true\r\n");
        }
        if self.dialect.default {
            self.buffer.extend_from_slice(b"#default,,\r\n");
        }
        self.buffer.extend_from_slice(b",error,reference\r\n,");
        csv_cell(&mut self.buffer, message.as_bytes());
        self.buffer.extend_from_slice(b",\r\n");
        self.flush(0)
    }

    /// Sends what is left.
    pub fn finish(mut self) -> Result<(), Gone> {
        self.flush(0)
    }

    fn flush(&mut self, least: usize) -> Result<(), Gone> {
        if self.buffer.len() >= least && !self.buffer.is_empty() {
            let piece = std::mem::take(&mut self.buffer);
            self.out.blocking_send(Bytes::from(piece)).map_err(|_| Gone)?;
        }
        Ok(())
    }
}

/// A cell as Go writes it with CRLF line ends: a LF inside becomes CRLF, a CR is lost (dossier measured 2.7).
fn csv_cell(out: &mut Vec<u8>, text: &[u8]) {
    let special = text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'));
    if !special && !matches!(text.first(), Some(b' ' | b'\t')) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &b in text {
        match b {
            b'"' => out.extend_from_slice(b"\"\""),
            b'\r' => {}
            b'\n' => out.extend_from_slice(b"\r\n"),
            b => out.push(b),
        }
    }
    out.push(b'"');
}
