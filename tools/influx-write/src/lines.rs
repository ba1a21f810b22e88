//! Line protocol as it comes in: cut into lines, checked, and handed on.

use crate::ahead::Ahead;
use crate::ahead::Chunk;
use crate::args::{Args, Plan};
use crate::source::Mark;
use fault::{Context as _, Error, Result};
use lp::known::hash;
use lp::{BadLine, Checker, RawLine};
use rows::endmark::EndMarkReader;
use rows::line_protocol::{agreed, lp_precision, stated};
use rows::time::Unit;
use std::io::{self, Read};

/// Bytes of the first line that are looked at.
const HEAD: usize = 256;

/// Where lines go.
pub trait Into {
    /// A line to be sent, and the hash of the series that it belongs to.
    fn line(&mut self, series: u64, line: &[u8]) -> Result<()>;
    /// A line that must not be sent.
    fn reject(&mut self, line: &[u8], reason: &str) -> Result<()>;
    /// Asked once a block: shall it end?
    fn check_stop(&mut self) -> Result<()>;
}

/// An input of line protocol whose first line has been looked at.
pub struct Lines<R> {
    name: String,
    reader: io::Chain<io::Cursor<Vec<u8>>, R>,
    /// The unit of its times.
    pub unit: Unit,
}

impl<R: Read + Send + 'static> Lines<R> {
    /// Looks at the first line. Exit 2 if the unit asked for is not the one that the input states.
    pub fn open(name: &str, mut reader: R, asked: Option<Unit>) -> Result<Lines<R>> {
        let mut head = Vec::new();
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|e| cannot_read(name, e))?;
        let stated = match head.split(|&b| b == b'\n').next() {
            Some(first) => stated(first).context(|| name)?,
            None => None,
        };
        let unit = agreed(asked, stated).context(|| name)?;
        Ok(Lines { name: name.to_owned(), reader: io::Cursor::new(head).chain(reader), unit })
    }

    /// Reads all of it. Gives the number of lines that are data. A required mark that is missing, or a wrong one, is
    /// exit 9, after every line before it has been handed on.
    pub fn read(self, args: &Args, plan: &Plan, mark: Mark, into: &mut impl Into) -> Result<u64> {
        let Lines { name, reader, unit } = self;
        let limits = lp::Limits::default();
        let marked = EndMarkReader::new(reader, &name, mark == Mark::Required).with_line_ends();
        let marked = if mark == Mark::None { marked.unmarked() } else { marked };
        let mut ahead = Ahead::start(marked, plan.dialect, limits.line)?;
        let mut checker = Checker::new(plan.dialect).precision(lp_precision(unit)).limits(limits);
        if args.allow_missing_time {
            checker = checker.allow_missing_timestamps();
        }
        let (mut count, mut series) = (0, Vec::new());
        while let Some(chunk) = ahead.next_chunk().map_err(|e| cannot_read(&name, e))? {
            into.check_stop()?;
            let lines = match chunk {
                Chunk::Lines(lines) => lines,
                Chunk::TooLong(error) => {
                    count += 1;
                    into.reject(b"", &format!("{name}: {error} (it is not repeated here)"))?;
                    continue;
                }
            };
            let mut lines = lines.with_comments();
            loop {
                if !args.no_check
                    && let Some(line) = checker.known(&mut lines)
                {
                    count += 1;
                    into.line(line.hash, line.bytes)?;
                    continue;
                }
                let Some(raw) = lines.next() else { break };
                if raw.comment {
                    stated(raw.bytes).and_then(|stated| agreed(Some(unit), stated)).context(|| name.as_str())?;
                    continue;
                }
                count += 1;
                if args.no_check {
                    into.line(hash(lp::series::key(raw.bytes, plan.dialect).unwrap_or_default()), raw.bytes)?;
                    continue;
                }
                match checker.parse(raw.bytes) {
                    Ok(line) => {
                        series.clear();
                        lp::series::canonical(&mut series, &line);
                        into.line(hash(&series), raw.bytes)?;
                    }
                    Err(bad) => into.reject(raw.bytes, &place(&name, raw, bad))?,
                }
            }
            let (passed, number) = (lines.passed(), lines.next_number());
            ahead.passed(passed, number);
        }
        ahead.finish()?.check_rows(count)?;
        Ok(count)
    }
}

fn place(name: &str, raw: RawLine<'_>, bad: BadLine) -> String {
    format!("{name}: {}", raw.error(bad))
}

/// A read error that carries an error of ours (a missing end mark, a signal) is that error.
fn cannot_read(name: &str, error: io::Error) -> Error {
    Error::io(format!("cannot read {name}"), error)
}
