//! A text input as blocks: the buffer that CSV, NDJSON and line protocol cut their rows from. It grows only for a row
//! that is longer than a block, and only up to a bound.

use crate::Limits;
use crate::endmark::{EndMarkReader, PREFIX};
use fault::{Error, Kind, Result};
use std::io::Read;

const BLOCK: usize = 256 << 10;

/// Bytes of a row, at least allowed whatever the limits say.
const LONGEST_ROW: usize = 16 << 20;

/// The input of a text reader.
pub(crate) struct Lines {
    name: String,
    reader: EndMarkReader<Box<dyn Read + Send>>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `start` in the (decompressed) input.
    offset: u64,
    /// Number of the line that begins at `start`, from 1.
    line: u64,
    eof: bool,
    longest: usize,
}

impl Lines {
    pub fn new(name: &str, reader: Box<dyn Read + Send>, end_mark: bool, limits: Limits) -> Lines {
        Lines {
            name: name.to_owned(),
            reader: EndMarkReader::new(reader, name, end_mark),
            buffer: vec![0; BLOCK],
            start: 0,
            end: 0,
            offset: 0,
            line: 1,
            eof: false,
            longest: limits.bytes.max(LONGEST_ROW),
        }
    }

    /// The input's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in the buffer and not yet consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The same, and the `back` bytes before it, which were consumed since the last [`Lines::fill`].
    pub fn bytes_from(&self, back: usize) -> &[u8] {
        self.buffer.get(self.start.saturating_sub(back)..self.end).unwrap_or_default()
    }

    /// No more bytes come.
    pub fn at_eof(&self) -> bool {
        self.eof
    }

    /// The number of the line that [`Lines::bytes`] begins with.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The offset that [`Lines::bytes`] begins at.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The first `n` bytes, holding `lines` line ends, are done with.
    pub fn consume(&mut self, n: usize, lines: u64) {
        self.start += n;
        self.offset += n as u64;
        self.line += lines;
    }

    /// Reads more behind what is there. After it either there are more bytes or [`Lines::at_eof`] is true. A row longer
    /// than the bound is malformed.
    pub fn fill(&mut self) -> Result<()> {
        if self.eof {
            return Ok(());
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= self.longest {
                return Err(Error::malformed(format!(
                    "{}:{}: the row that begins here is longer than {} bytes (a quote that never closes? else raise --batch-bytes)",
                    self.name, self.line, self.longest
                )));
            }
            self.buffer.resize((self.buffer.len() * 2).min(self.longest), 0);
        } else if self.end < BLOCK && self.buffer.len() > 4 * BLOCK {
            // After a giant row: back to a small buffer.
            self.buffer.truncate(BLOCK);
            self.buffer.shrink_to_fit();
        }
        let n = self
            .reader
            .read(&mut self.buffer[self.end..])
            .map_err(|error| Error::io(format!("cannot read {}", self.name), error))?;
        self.end += n;
        self.eof = n == 0;
        Ok(())
    }

    /// The length of the first line with its line end, reading as much as it takes; `None` at the end of the input. The
    /// flag: it has a line end.
    pub fn line_length(&mut self) -> Result<Option<(usize, bool)>> {
        let mut searched = 0;
        loop {
            let bytes = self.bytes();
            if let Some(end) = memchr::memchr(b'\n', &bytes[searched..]) {
                return Ok(Some((searched + end + 1, true)));
            }
            searched = bytes.len();
            if self.eof {
                return Ok((searched > 0).then_some((searched, false)));
            }
            self.fill()?;
        }
    }

    /// All input was read as `rows` data rows: does the end mark, if there is one, agree?
    pub fn check_end(&self, rows: u64) -> Result<()> {
        self.reader.check_rows(rows)
    }

    /// The kind of error that a row beginning with the end mark's text is: a mark that was cut, or data behind one.
    pub fn stray_mark(&self, row: &[u8]) -> Option<Error> {
        if !row.starts_with(PREFIX) {
            return None;
        }
        let cut = self.eof && !row.contains(&b'\n') && self.bytes().len() <= row.len();
        Some(if cut {
            Error::new(Kind::Incomplete, format!("{}:{}: the input was cut within its end mark", self.name, self.line))
        } else {
            Error::malformed(format!(
                "{}:{}: an end mark in the middle: more data follows it, or it is no whole mark",
                self.name, self.line
            ))
        })
    }

    /// `NAME:LINE`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }
}
