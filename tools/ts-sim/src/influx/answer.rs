//! Writing the results of a query, piece by piece, in every format that the servers know.

use super::json;
use super::points::Value;
use super::time::rfc3339;
use bytes::Bytes;
use tokio::sync::mpsc;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// v1: `{"results":[…]}`; with a size, one document per so many rows.
    Results { chunk: Option<usize> },
    /// v1: `name,tags,…`; 1.x escapes tags there as in line protocol, 2.x does not.
    ResultsCsv { escape: bool },
    /// v3: one array of objects, or one object a line.
    Objects { lines: bool },
    /// v3: a plain CSV with one header.
    PlainCsv,
}

/// The client went away: stop.
#[derive(Debug)]
pub struct Gone;

/// The size at which what is ready goes out.
const PIECE: usize = 64 * 1024;

/// A result being written.
pub struct Answer {
    format: Format,
    /// ns in one unit of `epoch`; `None` prints RFC 3339.
    epoch: Option<i64>,
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    /// Finished pieces of statements, series and rows so far, for the commas between them.
    statements: usize,
    series: usize,
    rows: usize,
    columns: Vec<String>,
    prefix: Vec<u8>,
    head: Vec<u8>,
    pending: Vec<u8>,
    pending_rows: usize,
    id: usize,
    last_header: Vec<u8>,
    failed: bool,
    any: bool,
}

/// A row being written.
pub struct Row<'a> {
    answer: &'a mut Answer,
    cells: usize,
}

impl Answer {
    /// An empty result.
    pub fn new(format: Format, epoch: Option<i64>, out: mpsc::Sender<Bytes>) -> Answer {
        Answer {
            format,
            epoch,
            out,
            buffer: Vec::with_capacity(PIECE + 4096),
            statements: 0,
            series: 0,
            rows: 0,
            columns: Vec::new(),
            prefix: Vec::new(),
            head: Vec::new(),
            pending: Vec::new(),
            pending_rows: 0,
            id: 0,
            last_header: Vec::new(),
            failed: false,
            any: false,
        }
    }

    fn flush(&mut self, least: usize) -> Result<(), Gone> {
        if self.buffer.len() >= least && !self.buffer.is_empty() {
            let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE + 4096));
            self.out.blocking_send(Bytes::from(piece)).map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Starts the result of a statement.
    pub fn begin_statement(&mut self, id: usize) {
        self.id = id;
        self.series = 0;
        self.failed = false;
        if let Format::Results { chunk: None } = self.format {
            let start = if self.statements == 0 { "{\"results\":[" } else { "," };
            self.buffer.extend_from_slice(format!("{start}{{\"statement_id\":{id}").as_bytes());
        }
        self.statements += 1;
    }

    /// Starts a series; `tags` as GROUP BY has them.
    pub fn begin_series(&mut self, name: &[u8], tags: &[(&[u8], &[u8])], columns: &[String]) -> Result<(), Gone> {
        self.rows = 0;
        match self.format {
            Format::Results { chunk } => {
                let mut head = b"{".to_vec();
                if !name.is_empty() {
                    head.extend_from_slice(b"\"name\":");
                    json::string(&mut head, name);
                    head.push(b',');
                }
                if !tags.is_empty() {
                    head.extend_from_slice(b"\"tags\":{");
                    for (n, (key, value)) in tags.iter().enumerate() {
                        head.extend_from_slice(if n == 0 { b"" } else { b"," });
                        json::string(&mut head, key);
                        head.push(b':');
                        json::string(&mut head, value);
                    }
                    head.extend_from_slice(b"},");
                }
                head.extend_from_slice(b"\"columns\":[");
                for (n, column) in columns.iter().enumerate() {
                    head.extend_from_slice(if n == 0 { b"" } else { b"," });
                    json::string(&mut head, column.as_bytes());
                }
                head.extend_from_slice(b"],\"values\":[");
                if chunk.is_some() {
                    self.flush_chunk(false, true)?;
                    self.head = head;
                    self.any = true;
                } else {
                    self.buffer.extend_from_slice(if self.series == 0 { b",\"series\":[" } else { b"," });
                    self.buffer.extend_from_slice(&head);
                }
            }
            Format::ResultsCsv { escape } => {
                let mut header = b"name,tags".to_vec();
                for column in columns {
                    header.push(b',');
                    csv_cell(&mut header, column.as_bytes());
                }
                header.push(b'\n');
                if header != self.last_header {
                    if !self.last_header.is_empty() {
                        self.buffer.push(b'\n');
                    }
                    self.buffer.extend_from_slice(&header);
                    self.last_header = header;
                }
                self.prefix.clear();
                csv_cell(&mut self.prefix, name);
                self.prefix.push(b',');
                let tags: Vec<Vec<u8>> =
                    tags.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| csv_tag(k, v, escape)).collect();
                csv_cell(&mut self.prefix, &tags.join(&b','));
            }
            Format::Objects { .. } => {
                self.columns = columns.to_vec();
                self.prefix.clear();
                if !name.is_empty() {
                    self.prefix.extend_from_slice(b"\"iox::measurement\":");
                    json::string(&mut self.prefix, name);
                }
                for (key, value) in tags {
                    self.prefix.push(b',');
                    json::string(&mut self.prefix, key);
                    self.prefix.push(b':');
                    json::string(&mut self.prefix, value);
                }
            }
            Format::PlainCsv => {
                let mut header = Vec::new();
                self.prefix.clear();
                let name_column = [(&b"iox::measurement"[..], name)];
                for (key, value) in name_column.iter().filter(|(_, v)| !v.is_empty()).chain(tags) {
                    csv_cell(&mut header, key);
                    header.push(b',');
                    csv_cell(&mut self.prefix, value);
                    self.prefix.push(b',');
                }
                for (n, column) in columns.iter().enumerate() {
                    header.extend_from_slice(if n == 0 { b"" } else { b"," });
                    csv_cell(&mut header, column.as_bytes());
                }
                header.push(b'\n');
                if self.last_header.is_empty() {
                    self.buffer.extend_from_slice(&header);
                    self.last_header = header;
                }
            }
        }
        self.series += 1;
        Ok(())
    }

    /// Writes one row; `fill` writes its cells in the order of the columns.
    pub fn row(&mut self, fill: impl FnOnce(&mut Row)) -> Result<(), Gone> {
        match self.format {
            Format::Results { chunk: Some(size) } => {
                if self.pending_rows >= size {
                    self.flush_chunk(true, true)?;
                }
                let comma: &[u8] = if self.pending_rows == 0 { b"[" } else { b",[" };
                self.pending.extend_from_slice(comma);
                self.pending_rows += 1;
            }
            Format::Results { chunk: None } => self.buffer.extend_from_slice(if self.rows == 0 { b"[" } else { b",[" }),
            Format::ResultsCsv { .. } | Format::PlainCsv => self.buffer.extend_from_slice(&self.prefix),
            Format::Objects { lines } => {
                let start: &[u8] = match (lines, self.any) {
                    (true, _) => b"{",
                    (false, false) => b"[{",
                    (false, true) => b",{",
                };
                self.any = true;
                self.buffer.extend_from_slice(start);
                self.buffer.extend_from_slice(&self.prefix);
            }
        }
        self.rows += 1;
        fill(&mut Row { answer: self, cells: 0 });
        match self.format {
            Format::Results { chunk: Some(_) } => self.pending.push(b']'),
            Format::Results { chunk: None } => self.buffer.push(b']'),
            Format::ResultsCsv { .. } | Format::PlainCsv => self.buffer.push(b'\n'),
            Format::Objects { lines } => self.buffer.extend_from_slice(if lines { b"}\n" } else { b"}" }),
        }
        self.flush(PIECE)
    }

    /// Ends the series.
    pub fn end_series(&mut self) {
        if let Format::Results { chunk: None } = self.format {
            self.buffer.extend_from_slice(b"]}");
        }
    }

    fn flush_chunk(&mut self, same_series: bool, more: bool) -> Result<(), Gone> {
        if self.head.is_empty() {
            return Ok(());
        }
        self.buffer.extend_from_slice(format!("{{\"results\":[{{\"statement_id\":{},\"series\":[", self.id).as_bytes());
        self.buffer.extend_from_slice(&self.head);
        self.buffer.append(&mut self.pending);
        self.buffer.extend_from_slice(if same_series { b"],\"partial\":true}]" } else { b"]}]" });
        self.buffer.extend_from_slice(if more { b",\"partial\":true}]}\n" } else { b"}]}\n" });
        self.pending_rows = 0;
        if !same_series {
            self.head.clear();
        }
        self.flush(PIECE)
    }

    /// Says that the statement failed.
    pub fn error(&mut self, message: &str) -> Result<(), Gone> {
        match self.format {
            Format::Results { chunk: Some(_) } => {
                self.flush_chunk(false, true)?;
                let text = json::quoted(message.as_bytes());
                let document = format!("{{\"results\":[{{\"statement_id\":{},\"error\":{text}}}]}}\n", self.id);
                self.buffer.extend_from_slice(document.as_bytes());
                self.failed = true;
            }
            Format::Results { chunk: None } => {
                if self.series > 0 {
                    self.buffer.push(b']');
                    self.series = 0;
                }
                self.buffer.extend_from_slice(format!(",\"error\":{}", json::quoted(message.as_bytes())).as_bytes());
            }
            // the real servers answer 200 and nothing at all
            Format::ResultsCsv { .. } => {}
            _ => {
                self.buffer.extend_from_slice(b"error\n");
                csv_cell(&mut self.buffer, message.as_bytes());
                self.buffer.push(b'\n');
            }
        }
        Ok(())
    }

    /// Ends the statement's result.
    pub fn end_statement(&mut self) -> Result<(), Gone> {
        match self.format {
            Format::Results { chunk: Some(_) } => {
                self.flush_chunk(false, false)?;
                if self.series == 0 && !self.failed {
                    self.buffer
                        .extend_from_slice(format!("{{\"results\":[{{\"statement_id\":{}}}]}}\n", self.id).as_bytes());
                }
            }
            Format::Results { chunk: None } => {
                self.buffer.extend_from_slice(if self.series > 0 { b"]}" } else { b"}" })
            }
            _ => {}
        }
        self.flush(PIECE)
    }

    /// Ends the whole.
    pub fn finish(mut self) -> Result<(), Gone> {
        match self.format {
            Format::Results { chunk: None } if self.statements == 0 => self.buffer.extend_from_slice(b"{}\n"),
            Format::Results { chunk: None } => self.buffer.extend_from_slice(b"]}\n"),
            Format::Objects { lines: false } => self.buffer.extend_from_slice(if self.any { b"]" } else { b"[]" }),
            _ => {}
        }
        self.flush(0)
    }

    fn target(&mut self) -> &mut Vec<u8> {
        match self.format {
            Format::Results { chunk: Some(_) } => &mut self.pending,
            _ => &mut self.buffer,
        }
    }
}

impl Row<'_> {
    /// The place of the next cell; `None` when a cell that is null leaves no trace.
    fn next(&mut self, null: bool) -> Option<&mut Vec<u8>> {
        let n = self.cells;
        self.cells += 1;
        let format = self.answer.format;
        let bare = self.answer.prefix.is_empty();
        if let Format::Objects { .. } = format {
            if null {
                return None;
            }
            let column = self.answer.columns.get(n).cloned().unwrap_or_default();
            let out = &mut self.answer.buffer;
            if !(out.ends_with(b"{") && bare) {
                out.push(b',');
            }
            json::string(out, column.as_bytes());
            out.push(b':');
            return Some(out);
        }
        let comma = n > 0 || matches!(format, Format::ResultsCsv { .. });
        let out = self.answer.target();
        if comma {
            out.push(b',');
        }
        Some(out)
    }

    /// A time, ns.
    pub fn time(&mut self, ns: i64) {
        let (format, epoch) = (self.answer.format, self.answer.epoch);
        let Some(out) = self.next(false) else { return };
        match (format, epoch) {
            (Format::Results { .. }, None) => out.extend_from_slice(format!("\"{}\"", rfc3339(ns)).as_bytes()),
            (Format::Results { .. } | Format::ResultsCsv { .. }, unit) => {
                out.extend_from_slice((ns.div_euclid(unit.unwrap_or(1))).to_string().as_bytes());
            }
            // v3 prints times without zone
            (Format::Objects { .. }, _) => {
                out.extend_from_slice(format!("\"{}\"", rfc3339(ns).trim_end_matches('Z')).as_bytes())
            }
            (Format::PlainCsv, _) => out.extend_from_slice(rfc3339(ns).trim_end_matches('Z').as_bytes()),
        }
    }

    /// A field's value.
    pub fn value(&mut self, value: Option<&Value>) {
        let csv = matches!(self.answer.format, Format::ResultsCsv { .. } | Format::PlainCsv);
        let Some(out) = self.next(value.is_none()) else { return };
        match value {
            None if csv => {}
            None => out.extend_from_slice(b"null"),
            Some(Value::Float(x)) if csv => json::float_plain(out, *x),
            Some(Value::Str(s)) if csv => csv_cell(out, s),
            Some(value) => json::value(out, value),
        }
    }

    /// A tag's value; empty is null.
    pub fn tag(&mut self, value: &[u8]) {
        let value = Value::Str(value.into());
        self.value(Some(&value).filter(|v| !matches!(v, Value::Str(s) if s.is_empty())));
    }

    /// Plain text.
    pub fn text(&mut self, text: &[u8]) {
        self.value(Some(&Value::Str(text.into())));
    }
}

/// Appends a CSV cell, quoted when it has to be, as Go's encoding/csv does.
pub fn csv_cell(out: &mut Vec<u8>, text: &[u8]) {
    let quote = text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'))
        || matches!(text.first(), Some(b' ' | b'\t'))
        || text == b"\\.";
    if !quote {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &b in text {
        if b == b'"' {
            out.push(b'"');
        }
        out.push(b);
    }
    out.push(b'"');
}

fn csv_tag(key: &[u8], value: &[u8], escape: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + value.len() + 1);
    for (n, part) in [key, value].into_iter().enumerate() {
        if n == 1 {
            out.push(b'=');
        }
        for &b in part {
            if escape && matches!(b, b',' | b'=' | b' ') {
                out.push(b'\\');
            }
            out.push(b);
        }
    }
    out
}
