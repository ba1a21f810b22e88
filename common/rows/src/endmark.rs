//! The end mark of text streams: `#ts-end rows=N xxh3=HEX`, the last line, where HEX is xxh3-64 (16 hex digits) of every
//! byte before that line. Without one a text stream that was cut at a line end looks whole.

use crate::compress;
use fault::{Error, Kind, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use xxhash_rust::xxh3::Xxh3;

/// What the line begins with. No row of ours begins so: the CSV writer quotes such a text.
pub const PREFIX: &[u8] = b"#ts-end";

/// `#ts-end rows=` 20 digits ` xxh3=` 16 digits LF, and the byte before, which shows that the line begins there.
const LONGEST: usize = 1 + 13 + 20 + 6 + 16 + 1;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Data rows before the mark.
    pub rows: u64,
    /// xxh3-64 of the bytes before the mark.
    pub hash: u64,
}

impl Mark {
    /// The mark that this line (with its LF) is, if it is exactly one.
    pub fn parse(line: &[u8]) -> Option<Mark> {
        let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
        let (rows, hash) = text.strip_prefix("#ts-end rows=")?.split_once(" xxh3=")?;
        let digits = !rows.is_empty() && rows.bytes().all(|b| b.is_ascii_digit());
        let hex = hash.len() == 16 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !hex {
            return None;
        }
        Some(Mark { rows: rows.parse().ok()?, hash: u64::from_str_radix(hash, 16).ok()? })
    }
}

/// Hashes what goes through, and writes the mark at the end. Dropped without [`EndMarkWriter::mark`] it leaves none.
pub struct EndMarkWriter<W> {
    inner: W,
    hash: Xxh3,
}

impl<W: Write> EndMarkWriter<W> {
    /// Nothing was written to `inner` before.
    pub fn new(inner: W) -> Self {
        EndMarkWriter { inner, hash: Xxh3::new() }
    }

    /// The inner writer, for bytes that no mark will cover.
    pub fn unhashed(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The inner writer, without a mark.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Writes the mark after `rows` data rows and gives the inner writer back.
    pub fn mark(mut self, rows: u64) -> io::Result<W> {
        let line = format!("#ts-end rows={rows} xxh3={:016x}\n", self.hash.digest());
        self.inner.write_all(line.as_bytes())?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for EndMarkWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n.min(bytes.len())]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hands the bytes before the mark on, and holds back the last line until it is known whether it is a mark.
///
/// At the end of the input: a mark is checked against the hash ([`Kind::Incomplete`] when they disagree) and is not
/// handed on; a missing one is an error if it was `required`. [`EndMarkReader::mark`] then gives it to the caller, who
/// compares the rows.
pub struct EndMarkReader<R> {
    inner: R,
    /// None where no mark is to come.
    hash: Option<Xxh3>,
    /// Bytes read but not handed on: while the input lasts, at most [`LONGEST`] after each read.
    held: Vec<u8>,
    at: usize,
    block: Vec<u8>,
    required: bool,
    /// A last line without a line end is an error.
    line_ends: bool,
    end: bool,
    mark: Option<Mark>,
    name: String,
}

impl<R: Read> EndMarkReader<R> {
    /// `name` stands in messages.
    pub fn new(inner: R, name: &str, required: bool) -> Self {
        EndMarkReader {
            inner,
            hash: Some(Xxh3::new()),
            held: Vec::new(),
            at: 0,
            block: Vec::new(),
            required,
            line_ends: false,
            end: false,
            mark: None,
            name: name.to_owned(),
        }
    }

    /// A last line without a line end is [`Kind::Incomplete`] and is not handed on whole: for line protocol, where a line
    /// that was cut within its time is a good line with another time.
    pub fn with_line_ends(mut self) -> Self {
        self.line_ends = true;
        self
    }

    /// Hashes nothing, for an input that was seen to have no mark (see [`surely_unmarked`]). A mark that is met all the same
    /// is [`Kind::Incomplete`]: nothing says that the bytes before it are those that were meant.
    pub fn unmarked(mut self) -> Self {
        self.hash = None;
        self
    }

    /// The mark, once the end was reached and one was there.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// At the end: the number of data rows must be the mark's.
    pub fn check_rows(&self, rows: u64) -> Result<()> {
        match self.mark {
            Some(mark) if mark.rows != rows => Err(Error::new(
                Kind::Incomplete,
                format!(
                    "{}: the end mark says {} rows, but {rows} were read: run the writer again",
                    self.name, mark.rows
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The end of the input was seen: what is held is the last lines.
    fn finish(&mut self) -> io::Result<()> {
        self.end = true;
        let held = &self.held[self.at..];
        let body = held.strip_suffix(b"\n").unwrap_or(held);
        let start = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        // A line that begins before what is held is longer than any mark.
        let whole_line = start > 0 || held.len() < LONGEST;
        let mark = if whole_line { Mark::parse(&held[start..]) } else { None };
        match mark {
            Some(mark) => {
                let hash = self.hash.as_mut().map(|hash| {
                    hash.update(&held[..start]);
                    hash.digest()
                });
                if hash != Some(mark.hash) {
                    let what = match hash {
                        Some(_) => {
                            "the end mark's hash disagrees with the data (something was lost or changed): run the writer again"
                        }
                        None => "an end mark was added while it was read: read it again",
                    };
                    return Err(Error::new(Kind::Incomplete, format!("{}: {what}", self.name)).into());
                }
                self.held.truncate(self.at + start);
                self.mark = Some(mark);
            }
            None if self.required => {
                let what = "the end mark is missing: the input was cut, or its writer did not run with --end-mark";
                return Err(Error::new(Kind::Incomplete, format!("{}: {what}", self.name)).into());
            }
            None if self.line_ends && held.last().is_some_and(|last| *last != b'\n') => {
                let what = "the last line has no line end: the input was cut (if it is whole, end it with a line end)";
                return Err(Error::new(Kind::Incomplete, format!("{}: {what}", self.name)).into());
            }
            None => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for EndMarkReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready =
                if self.end { self.held.len() - self.at } else { (self.held.len() - self.at).saturating_sub(LONGEST) };
            if ready > 0 || (self.end && ready == 0) || out.is_empty() {
                let n = ready.min(out.len());
                let bytes = &self.held[self.at..self.at + n];
                out[..n].copy_from_slice(bytes);
                if let Some(hash) = &mut self.hash
                    && !self.end
                {
                    hash.update(bytes);
                }
                self.at += n;
                return Ok(n);
            }
            // What is held moves to the front, then comes a new block: the copy is at most LONGEST bytes.
            self.held.drain(..self.at);
            self.at = 0;
            if out.len() > 4 * LONGEST {
                // The usual way: read behind the held bytes straight into the caller's buffer.
                let kept = self.held.len();
                out[..kept].copy_from_slice(&self.held);
                let n = read(&mut self.inner, &mut out[kept..])?;
                if n == 0 {
                    self.finish()?;
                    continue;
                }
                let total = kept + n;
                let ready = total.saturating_sub(LONGEST);
                self.held.clear();
                self.held.extend_from_slice(&out[ready..total]);
                if ready == 0 {
                    continue;
                }
                if let Some(hash) = &mut self.hash {
                    hash.update(&out[..ready]);
                }
                return Ok(ready);
            }
            self.block.resize(4096, 0);
            let n = read(&mut self.inner, &mut self.block)?;
            if n == 0 {
                self.finish()?;
                continue;
            }
            self.held.extend_from_slice(&self.block[..n]);
        }
    }
}

/// Whether this is a text, not compressed, in whose last bytes no end mark stands now. A look at both its ends; false where
/// that fails.
pub fn surely_unmarked(file: &File) -> bool {
    let look = || -> io::Result<bool> {
        let size = file.metadata()?.len();
        let mut head = [0; 4];
        let head = head.get_mut(..size.min(4) as usize).unwrap_or_default();
        file.read_exact_at(head, 0)?;
        let mut tail = [0; LONGEST];
        let tail = tail.get_mut(..size.min(LONGEST as u64) as usize).unwrap_or_default();
        file.read_exact_at(tail, size - tail.len() as u64)?;
        Ok(compress::magic(head).is_none() && memchr::memmem::find(tail, PREFIX).is_none())
    };
    look().unwrap_or(false)
}

fn read(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn marked(data: &[u8], rows: u64) -> Vec<u8> {
        let mut writer = EndMarkWriter::new(Vec::new());
        writer.write_all(data).unwrap();
        writer.mark(rows).unwrap()
    }

    /// A reader that gives at most `step` bytes at a time, read through a buffer of `size`.
    fn drain(bytes: &[u8], step: usize, size: usize, required: bool) -> Result<(Vec<u8>, Option<Mark>)> {
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = self.1.min(out.len()).min(self.0.len());
                out[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let mut reader = EndMarkReader::new(Slow(bytes, step), "x", required);
        let (mut out, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            match reader.read(&mut buffer).map_err(|e| Error::io("x", e))? {
                0 => return Ok((out, reader.mark())),
                n => out.extend_from_slice(&buffer[..n]),
            }
        }
    }

    /// What has no mark is not hashed; what has one, or may have one, is.
    #[test]
    fn a_look_at_the_end_saves_the_hash_and_no_mark_is_missed() {
        let unmarked = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            surely_unmarked(&file)
        };
        for plain in [&b""[..], b"m f=1 1\n", &b"m f=1 1\n".repeat(1000), b"\n"] {
            assert!(unmarked(plain));
            assert!(!unmarked(&marked(plain, 1)) && !unmarked(&marked(plain, u64::MAX)));
        }
        assert!(!unmarked(b"\x1f\x8b compressed") && !unmarked(b"\x28\xb5\x2f\xfd"));
        let mut text = Vec::new();
        let data = b"m f=1 1\n".repeat(1000);
        EndMarkReader::new(&data[..], "x", false).unmarked().read_to_end(&mut text).unwrap();
        assert_eq!(text, data);
        let grown = marked(&data, 1000);
        let error = EndMarkReader::new(&grown[..], "x", false).unmarked().read_to_end(&mut text).unwrap_err();
        assert_eq!(Error::io("x", error).kind(), Kind::Incomplete);
    }

    proptest! {
        #[test]
        fn a_marked_stream_comes_back_and_a_cut_one_never(
            data in testkit::proptest::collection::vec(any::<u8>(), 0..700), rows: u64, step in 1usize..600, size in 1usize..1000, cut in any::<testkit::proptest::sample::Index>(),
        ) {
            let mut data = data;
            if !data.is_empty() {
                data.push(b'\n');
            }
            let bytes = marked(&data, rows);
            let (out, mark) = drain(&bytes, step, size, true).unwrap();
            prop_assert_eq!(&out, &data);
            prop_assert_eq!(mark.unwrap().rows, rows);
            let cut = cut.index(bytes.len());
            prop_assert_eq!(drain(&bytes[..cut], step, size, true).unwrap_err().kind(), Kind::Incomplete);
            prop_assert_eq!(drain(&data, step, size, false).unwrap(), (data, None));
        }
    }

    #[test]
    fn a_last_line_without_its_end_is_not_handed_on() {
        for lines in ["m v=1 1704067200000000000", "m v=1 1\nm v=2 2", &"x".repeat(5000)] {
            for step in [1, 100, 10_000] {
                let mut reader = EndMarkReader::new(lines.as_bytes().take(10_000), "x", false).with_line_ends();
                let (mut out, mut buffer) = (Vec::new(), vec![0; step]);
                let error = loop {
                    match reader.read(&mut buffer) {
                        Ok(n) => out.extend_from_slice(&buffer[..n]),
                        Err(error) => break Error::io("x", error),
                    }
                };
                assert_eq!(error.kind(), Kind::Incomplete, "{error}");
                assert!(out.len() < lines.len() && lines.as_bytes().starts_with(&out));
            }
        }
        for whole in ["", "m v=1 1\n", "\n"] {
            let mut reader = EndMarkReader::new(whole.as_bytes(), "x", false).with_line_ends();
            let mut out = String::new();
            reader.read_to_string(&mut out).unwrap();
            assert_eq!(out, whole);
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let mut bytes = marked(b"a|int\n1\n", 1);
        bytes[6] = b'2';
        assert_eq!(drain(&bytes, 10, 1000, false).unwrap_err().kind(), Kind::Incomplete);
    }

    #[test]
    fn a_mark_stands_on_a_line_of_its_own() {
        // The same bytes behind other text on the line are data.
        let text = format!("{}#ts-end rows=1 xxh3={:016x}\n", "x".repeat(100), 1);
        assert_eq!(drain(text.as_bytes(), 7, 1000, false).unwrap().0, text.as_bytes());
    }
}
