//! A stream cut into blocks of whole lines, in bounded memory.

use std::io::{self, Read};

use memchr::memchr;

use crate::{Dialect, LineError, Lines, Reason, whole_lines};

/// What [`Blocks::next_chunk`] gives.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// Whole lines, and where they stand in the stream.
    Lines(Lines<'a>),
    /// A line longer than the limit; its bytes have been skipped.
    TooLong(LineError),
}

/// Reads a stream in blocks and gives them out cut at line ends.
#[derive(Debug)]
pub struct Blocks<R> {
    input: R,
    buf: Vec<u8>,
    len: usize,
    /// What the caller has had of `buf`.
    used: usize,
    block: usize,
    max_line: usize,
    dialect: Dialect,
    at_end: bool,
    /// How reading ended while a line was skipped.
    failed: Option<io::Error>,
    offset: u64,
    number: u64,
}

impl<R: Read> Blocks<R> {
    /// Reads `input` in blocks of 256 KiB; no line may be longer than 4 MiB.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Blocks::with_sizes(input, dialect, 256 << 10, crate::Limits::default().line)
    }

    /// Reads in blocks of `block` bytes. The buffer never grows beyond `max_line + 2 * block`.
    pub fn with_sizes(input: R, dialect: Dialect, block: usize, max_line: usize) -> Self {
        let block = block.max(16);
        let (len, used) = (0, 0);
        let (at_end, failed, offset, number) = (false, None, 0, 1);
        Blocks { input, buf: Vec::new(), len, used, block, max_line, dialect, at_end, failed, offset, number }
    }

    /// The next block, or None at the end of the stream. Fails only if reading fails.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk<'_>>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.buf.copy_within(self.used..self.len, 0);
        self.len -= self.used;
        self.offset += self.used as u64;
        self.used = 0;
        loop {
            let have = self.buf.get(..self.len).unwrap_or_default();
            if self.at_end && have.is_empty() {
                return Ok(None);
            }
            let whole = whole_lines(have, self.dialect, self.at_end, self.max_line);
            if whole > 0 {
                let overlong = self.at_end && whole > self.max_line && memchr(b'\n', have).is_none();
                if overlong {
                    return Ok(Some(self.too_long(whole)));
                }
                let (offset, number) = (self.offset, self.number);
                self.used = whole;
                self.number += memchr::memchr_iter(b'\n', have.get(..whole).unwrap_or_default()).count() as u64;
                let lines = self.buf.get(..whole).unwrap_or_default();
                let lines = Lines::at(lines, self.dialect, offset, number).max_line(self.max_line);
                return Ok(Some(Chunk::Lines(lines)));
            }
            if self.len > self.max_line && memchr(b'\n', have).is_none() {
                return Ok(Some(self.skip_line()));
            }
            self.fill()?;
        }
    }

    /// What it reads from.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// Bytes given out or skipped so far.
    pub fn consumed(&self) -> u64 {
        self.offset + self.used as u64
    }

    fn too_long(&mut self, used: usize) -> Chunk<'static> {
        self.used = used;
        let error = LineError { offset: self.offset, line: self.number, at: 0, reason: Reason::LineTooLong };
        Chunk::TooLong(error)
    }

    /// Drops bytes up to and with the next line feed. An error on the way comes next: what is known of the line comes first.
    fn skip_line(&mut self) -> Chunk<'static> {
        let error = LineError { offset: self.offset, line: self.number, at: 0, reason: Reason::LineTooLong };
        loop {
            let have = self.buf.get(..self.len).unwrap_or_default();
            let (drop, found) = match memchr(b'\n', have) {
                Some(lf) => (lf + 1, true),
                None => (self.len, self.at_end),
            };
            self.buf.copy_within(drop..self.len, 0);
            self.len -= drop;
            self.offset += drop as u64;
            if found {
                self.number += 1;
                return Chunk::TooLong(error);
            }
            if let Err(failed) = self.fill() {
                self.failed = Some(failed);
                return Chunk::TooLong(error);
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let want = self.len + self.block;
        if self.buf.len() < want {
            self.buf.resize(want, 0);
        }
        loop {
            let room = self.buf.get_mut(self.len..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(());
                }
                Ok(n) => {
                    self.len += n;
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
