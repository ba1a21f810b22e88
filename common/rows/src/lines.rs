//! A text input as blocks: the buffer that CSV, NDJSON and line protocol cut their rows from. It grows only for a row
//! that is longer than a block, and only up to a bound.

use crate::Limits;
use crate::endmark::{EndMarkReader, PREFIX};
use fault::{Error, Kind, Result};
use std::io::Read;

pub(crate) const BLOCK: usize = 256 << 10;

/// Bytes of a buffer that are never read into: whoever looks at a row through a window of fixed size looks beyond the
/// end.
pub(crate) const SLACK: usize = 64 << 10;

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
            buffer: vec![0; BLOCK + SLACK],
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

    /// Gives the buffer away, with [`SLACK`] behind its bytes, of which the first `n` hold `lines` line ends and are done
    /// with; the others go on in `next`, a buffer of any size. Gives also where the bytes begin.
    pub fn take(&mut self, n: usize, lines: u64, mut next: Vec<u8>) -> (Vec<u8>, usize) {
        let start = self.start;
        self.consume(n, lines);
        let left = self.buffer.get(self.start..self.end).unwrap_or_default();
        // Not smaller than it was: what is left may be the beginning of a row longer than a block.
        let size = if left.len() < BLOCK { BLOCK + SLACK } else { self.buffer.len() };
        next.resize(size, 0);
        if size == BLOCK + SLACK && next.capacity() > 4 * BLOCK {
            next.shrink_to_fit();
        }
        if let Some(room) = next.get_mut(..left.len()) {
            room.copy_from_slice(left);
        }
        (self.start, self.end) = (0, left.len());
        (std::mem::replace(&mut self.buffer, next), start)
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
        let room = self.buffer.len().saturating_sub(SLACK);
        if self.end >= room {
            if room >= self.longest {
                return Err(Error::malformed(format!(
                    "{}:{}: the row that begins here is longer than {} bytes (a quote that never closes? else raise --batch-bytes)",
                    self.name, self.line, self.longest
                )));
            }
            self.buffer.resize((room * 2).clamp(BLOCK, self.longest.max(BLOCK)) + SLACK, 0);
        } else if self.end < BLOCK && room > 4 * BLOCK {
            // After a giant row: back to a small buffer.
            self.buffer.truncate(BLOCK + SLACK);
            self.buffer.shrink_to_fit();
        }
        let room = self.buffer.len().saturating_sub(SLACK);
        let n = self
            .reader
            .read(self.buffer.get_mut(self.end..room).unwrap_or_default())
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
        Some(stray_mark(&self.place(), cut))
    }

    /// `NAME:LINE`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }
}

/// At `place`, a row begins with the end mark's text. `cut`: it is the last, and has no line end.
pub(crate) fn stray_mark(place: &str, cut: bool) -> Error {
    if cut {
        Error::new(Kind::Incomplete, format!("{place}: the input was cut within its end mark"))
    } else {
        let what = "an end mark in the middle: more data follows it, or it is no whole mark";
        Error::malformed(format!("{place}: {what}"))
    }
}
