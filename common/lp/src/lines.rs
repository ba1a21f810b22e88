//! Where lines end.
//!
//! A line feed inside a quoted string belongs to the string, in every server. So a line with an unclosed quote would run
//! on and swallow its neighbours, as it does in the servers; here it ends at its first line feed after that quote, is
//! refused by the parser, and the next line is read as if nothing had happened.
//! A backslash before a line feed in the measurement or the tags continues the line, again as in the servers; the parser
//! then refuses the whole, because no dialect writes such lines.

use memchr::{memchr, memchr2, memmem, memrchr};

use crate::parse::Parser;
use crate::swar::find_class;
use crate::{BadLine, Dialect, Line, LineError};

/// One line as it stands in the buffer, without its line feed and without a carriage return before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Byte offset of the line in the stream.
    pub offset: u64,
    /// Number of the line in the stream, from 1, counting line feeds.
    pub number: u64,
    /// The line starts with `#` (after spaces). Only seen with [`Lines::with_comments`].
    pub comment: bool,
}

impl RawLine<'_> {
    /// Puts the place of this line to what is wrong with it.
    pub fn error(&self, bad: BadLine) -> LineError {
        LineError { offset: self.offset, line: self.number, at: bad.at, reason: bad.reason }
    }
}

/// The lines of a buffer. Blank lines and comments are skipped. The end of the buffer ends the last line.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    buf: &'a [u8],
    pos: usize,
    dialect: Dialect,
    max_line: usize,
    first_offset: u64,
    number: u64,
    comments: bool,
    goes_on: bool,
}

impl<'a> Lines<'a> {
    /// Lines of `buf`, which is the start of a stream.
    pub fn new(buf: &'a [u8], dialect: Dialect) -> Self {
        Lines::at(buf, dialect, 0, 1)
    }

    /// Lines of `buf`, which stands at byte `offset` of a stream and starts with its line number `number`.
    pub fn at(buf: &'a [u8], dialect: Dialect, offset: u64, number: u64) -> Self {
        let max_line = crate::Limits::default().line;
        Lines { buf, pos: 0, dialect, max_line, first_offset: offset, number, comments: false, goes_on: false }
    }

    /// A string open for more than so many bytes counts as not closed.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Yields comments too.
    pub fn with_comments(mut self) -> Self {
        self.comments = true;
        self
    }

    /// The stream goes on where the buffer ends: a last line that is not whole is not given. See [`Lines::passed`].
    pub fn goes_on(mut self) -> Self {
        self.goes_on = true;
        self
    }

    /// How many bytes of the buffer have been given, or skipped.
    pub fn passed(&self) -> usize {
        self.pos
    }

    /// The whole buffer.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.buf
    }

    /// The bytes from the start of the next line on.
    pub fn rest(&self) -> &'a [u8] {
        self.buf.get(self.pos..).unwrap_or_default()
    }

    /// Goes over a line that the caller has read by itself: so many bytes of [`Lines::rest`], with its line feed, which
    /// is the only one among them.
    #[inline]
    pub fn pass(&mut self, bytes: usize) {
        self.pos += bytes;
        self.number += 1;
    }

    /// Where the buffer stands in the stream.
    pub fn offset(&self) -> u64 {
        self.first_offset
    }

    /// The number that the line after this buffer has; known when the iterator has ended; before, that of the next line.
    pub fn next_number(&self) -> u64 {
        self.number
    }

    /// Parses every line: `(place, parts)`, or what is wrong, and goes on.
    pub fn for_each_parsed(
        &mut self,
        parser: &mut Parser,
        mut f: impl FnMut(RawLine<'a>, Result<Line<'_>, LineError>),
    ) {
        for raw in self.by_ref() {
            f(raw, parser.parse(raw.bytes).map_err(|bad| raw.error(bad)));
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = RawLine<'a>;

    fn next(&mut self) -> Option<RawLine<'a>> {
        while self.pos < self.buf.len() {
            let start = self.pos;
            let (end, next, simple) = match line_end(self.buf, start, self.dialect, !self.goes_on, self.max_line) {
                End::First(lf) => (lf, lf + 1, true),
                End::At(lf) => (lf, lf + 1, false),
                End::Open if self.goes_on => return None,
                End::Open => (self.buf.len(), self.buf.len(), false),
            };
            self.pos = next;
            let mut bytes = self.buf.get(start..end).unwrap_or_default();
            let number = self.number;
            self.number += 1;
            if !simple {
                self.number += memchr::memchr_iter(b'\n', bytes).count() as u64;
            }
            if let Some((b'\r', head)) = bytes.split_last() {
                bytes = head;
            }
            let comment = match bytes.iter().find(|b| !is_blank(**b)) {
                None => continue,
                Some(first) => *first == b'#',
            };
            if comment && !self.comments {
                continue;
            }
            return Some(RawLine { bytes, offset: self.first_offset + start as u64, number, comment });
        }
        None
    }
}

/// How many bytes of `buf` are whole lines, their line feeds included. `at_end`: nothing follows the buffer, so that its
/// end ends the last line. A string open for more than `max_line` bytes counts as not closed.
pub fn whole_lines(buf: &[u8], dialect: Dialect, at_end: bool, max_line: usize) -> usize {
    if at_end {
        return buf.len();
    }
    // Only a quote, or a backslash right before it, can make a line feed a part of its line.
    if memchr(b'"', buf).is_none() && memmem::find(buf, b"\\\n").is_none() {
        return memrchr(b'\n', buf).map_or(0, |lf| lf + 1);
    }
    let mut pos = 0;
    while pos < buf.len() {
        match line_end(buf, pos, dialect, false, max_line) {
            End::First(lf) | End::At(lf) => pos = lf + 1,
            End::Open => break,
        }
    }
    pos
}

/// Whether the splitter sees the end of measurement and tags where `series` ends, if a space follows.
pub(crate) fn series_ends(series: &[u8], dialect: Dialect) -> bool {
    let buf = [series, b" "].concat();
    let mut scan = Scan { buf: &buf, pos: 0 };
    matches!(scan.series(dialect), Stop::Fields) && scan.pos == series.len()
}

pub(crate) fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | 0)
}

/// Where a line ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// At this line feed, which is the first.
    First(usize),
    /// At this line feed.
    At(usize),
    /// Not within the buffer.
    Open,
}

fn line_feed_from(buf: &[u8], from: usize) -> End {
    match buf.get(from..).and_then(|rest| memchr(b'\n', rest)) {
        Some(i) => End::At(from + i),
        None => End::Open,
    }
}

fn line_end(buf: &[u8], start: usize, dialect: Dialect, at_end: bool, max_line: usize) -> End {
    let End::At(lf) = line_feed_from(buf, start) else { return End::Open };
    let first = buf.get(start..lf).unwrap_or_default();
    if memchr2(b'"', b'\\', first).is_none() || first.iter().find(|b| !is_blank(**b)) == Some(&b'#') {
        return End::First(lf);
    }
    let mut scan = Scan { buf, pos: start };
    match scan.line(dialect, at_end, max_line) {
        // Nothing may keep a line open for ever, not even backslashes before line feeds.
        End::Open if buf.len() - start > max_line => End::At(lf),
        end => end,
    }
}

enum Stop {
    Fields,
    LineFeed,
    End,
}

enum Closed {
    Yes,
    No,
}

/// A look at the shape of a line: just enough to find the quotes that open a string.
struct Scan<'a> {
    buf: &'a [u8],
    pos: usize,
}

impl Scan<'_> {
    /// The end of the line that starts here.
    fn line(&mut self, dialect: Dialect, at_end: bool, max_line: usize) -> End {
        let start = self.pos;
        while self.peek().is_some_and(is_blank) {
            self.pos += 1;
        }
        match self.series(dialect) {
            Stop::Fields => {}
            Stop::LineFeed => return End::At(self.pos),
            Stop::End => return End::Open,
        }
        loop {
            if !self.key() {
                return line_feed_from(self.buf, self.pos);
            }
            let from = self.pos;
            let after = match self.peek() {
                Some(b'"') => match self.string() {
                    Closed::Yes => self.peek().or(at_end.then_some(b'\n')),
                    Closed::No if at_end || self.pos - start > max_line => return line_feed_from(self.buf, from),
                    Closed::No => return End::Open,
                },
                _ => self.bare(),
            };
            match after {
                Some(b',') => self.pos += 1,
                Some(b' ' | b'\n' | b'\r') => return line_feed_from(self.buf, self.pos),
                // Something after a closing quote: the quote was most likely opened by the next line's.
                Some(_) => return line_feed_from(self.buf, from),
                None => return End::Open,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.buf.get(self.pos).copied()
    }

    /// To the first of these bytes, or to the end.
    #[inline]
    fn stop_at(&mut self, stops: u8) -> Option<u8> {
        self.pos = find_class(self.buf, self.pos, &STOPS, stops);
        self.peek()
    }

    /// To the first space that no backslash escapes: the end of measurement and tags.
    fn series(&mut self, dialect: Dialect) -> Stop {
        while let Some(b) = self.stop_at(BACKSLASH | SPACE | LINE_FEED) {
            match b {
                b'\\' => {
                    // v1 and v2 look one byte back, v3 reads pairs.
                    let pair = self.buf.get(self.pos + 1) == Some(&b'\\');
                    self.pos += if pair && dialect != Dialect::V3 { 1 } else { 2 };
                }
                b' ' => return Stop::Fields,
                _ => return Stop::LineFeed,
            }
        }
        self.pos = self.pos.min(self.buf.len());
        Stop::End
    }

    /// Over a field key and its `=`. False if there is none.
    fn key(&mut self) -> bool {
        while self.peek() == Some(b' ') {
            self.pos += 1;
        }
        while let Some(b) = self.stop_at(BACKSLASH | EQUALS | COMMA | SPACE | LINE_FEED) {
            match b {
                b'\\' if self.buf.get(self.pos + 1) != Some(&b'\n') => self.pos += 2,
                b'\\' => self.pos += 1,
                b'=' => {
                    self.pos += 1;
                    return true;
                }
                _ => return false,
            }
        }
        self.pos = self.pos.min(self.buf.len());
        false
    }

    /// Over a string, from its opening quote.
    fn string(&mut self) -> Closed {
        self.pos += 1;
        while let Some(i) = self.buf.get(self.pos..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            self.pos += i;
            if self.peek() == Some(b'"') {
                self.pos += 1;
                return Closed::Yes;
            }
            self.pos += 2;
        }
        self.pos = self.buf.len();
        Closed::No
    }

    /// Over a value without quotes; the byte that ends it.
    fn bare(&mut self) -> Option<u8> {
        self.stop_at(COMMA | SPACE | LINE_FEED)
    }
}

const COMMA: u8 = 1;
const EQUALS: u8 = 2;
const SPACE: u8 = 4;
const BACKSLASH: u8 = 8;
const LINE_FEED: u8 = 16;

/// What each byte means to [`Scan`].
static STOPS: [u8; 256] = {
    let mut t = [0; 256];
    t[b',' as usize] = COMMA;
    t[b'=' as usize] = EQUALS;
    t[b' ' as usize] = SPACE;
    t[b'\\' as usize] = BACKSLASH;
    t[b'\n' as usize] = LINE_FEED;
    t
};

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    /// The end of a line, byte by byte.
    fn slow(buf: &[u8], dialect: Dialect, at_end: bool) -> Option<usize> {
        let mut i = 0;
        let at = |i: usize| buf.get(i).copied();
        let feed = |from: usize| (from..buf.len()).find(|i| buf[*i] == b'\n');
        let first = feed(0)?;
        if buf[..first].iter().find(|b| !is_blank(**b)) == Some(&b'#')
            || !buf[..first].iter().any(|b| matches!(b, b'"' | b'\\'))
        {
            return Some(first);
        }
        while at(i).is_some_and(is_blank) {
            i += 1;
        }
        loop {
            match at(i)? {
                b'\\' => i += if at(i + 1) == Some(b'\\') && dialect != Dialect::V3 { 1 } else { 2 },
                b' ' => break,
                b'\n' => return Some(i),
                _ => i += 1,
            }
        }
        loop {
            while at(i) == Some(b' ') {
                i += 1;
            }
            loop {
                match at(i) {
                    Some(b'\\') if at(i + 1) != Some(b'\n') => i += 2,
                    Some(b'=') => break,
                    Some(b',' | b' ' | b'\n') | None => return feed(i),
                    Some(_) => i += 1,
                }
            }
            i += 1;
            let from = i;
            let after = if at(i) == Some(b'"') {
                i += 1;
                loop {
                    match at(i) {
                        Some(b'"') => break,
                        Some(b'\\') => i += 2,
                        Some(_) => i += 1,
                        None if at_end => return feed(from),
                        None => return None,
                    }
                }
                i += 1;
                at(i).or(at_end.then_some(b'\n'))
            } else {
                i = (i..buf.len()).find(|i| matches!(buf[*i], b',' | b' ' | b'\n'))?;
                at(i)
            };
            match after? {
                b',' => i += 1,
                b' ' | b'\n' | b'\r' => return feed(i),
                _ => return feed(from),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn as_byte_by_byte(text in "[mtf=, ]{0,6}([a-c=, \\\\\"#\n\t]|=\"|\",|=1){0,40}\n[a-z\n]{0,9}", at_end: bool, dialect in prop::sample::select(&Dialect::ALL[..])) {
            let end = match line_end(text.as_bytes(), 0, dialect, at_end, 1 << 20) {
                End::First(at) | End::At(at) => Some(at),
                End::Open => None,
            };
            prop_assert_eq!(end, slow(text.as_bytes(), dialect, at_end));
        }
    }
}
