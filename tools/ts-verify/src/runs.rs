//! Lines that have no room in memory: sorted runs in unlinked temporary files, added up as they are merged.

use crate::lines::{Line, MIXED};
use fault::{Error, Kind, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Runs that are merged into one, so that there are never more than a few dozen open files.
const FAN_IN: usize = 24;

const BUFFER: usize = 1 << 16;

/// A finished run. It disappears with its last reader.
#[derive(Clone)]
pub struct Run {
    file: Arc<File>,
}

impl Run {
    /// Its lines from the beginning.
    pub fn open(&self) -> RunReader {
        let input = BufReader::with_capacity(BUFFER, FromStart { file: self.file.clone(), at: 0 });
        RunReader { input, label: String::new() }
    }
}

/// Reads a file that others read, too.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

fn cannot_write(error: io::Error) -> Error {
    let directory = std::env::temp_dir();
    Error::io(format!("cannot write a temporary file in {} (set TMPDIR)", directory.display()), error)
}

fn cannot_read(error: io::Error) -> Error {
    Error::io("cannot read a temporary file back", error)
}

/// Says that the label is that of the line before.
const SAME: u32 = u32::MAX;

/// Writes a run, whose lines must come in the order in which they are to be read.
pub struct RunWriter {
    out: BufWriter<File>,
    label: String,
}

impl RunWriter {
    /// In `TMPDIR`.
    pub fn new() -> Result<RunWriter> {
        Ok(RunWriter { out: BufWriter::with_capacity(BUFFER, rows::spool::temporary()?), label: String::new() })
    }

    /// Writes a line.
    pub fn put(&mut self, line: &Line) -> Result<()> {
        self.put_line(line).map_err(cannot_write)
    }

    fn put_line(&mut self, line: &Line) -> io::Result<()> {
        let out = &mut self.out;
        if line.label == self.label {
            out.write_all(&SAME.to_le_bytes())?;
        } else {
            out.write_all(&(line.label.len() as u32).to_le_bytes())?;
            out.write_all(line.label.as_bytes())?;
            self.label.clone_from(&line.label);
        }
        out.write_all(&line.bucket.to_le_bytes())?;
        for number in [line.cells, line.rows, line.odd_cells] {
            out.write_all(&number.to_le_bytes())?;
        }
        for number in [line.sum, line.odd_sum, line.first as u128, line.last as u128, line.hash] {
            out.write_all(&number.to_le_bytes())?;
        }
        out.write_all(&line.epoch.to_le_bytes())?;
        out.write_all(&[u8::from(line.again)])
    }

    /// The run.
    pub fn finish(self) -> Result<Run> {
        let file = self.out.into_inner().map_err(|error| cannot_write(error.into_error()))?;
        Ok(Run { file: Arc::new(file) })
    }
}

/// Reads a run.
pub struct RunReader {
    input: BufReader<FromStart>,
    label: String,
}

impl RunReader {
    /// The next line.
    pub fn next(&mut self) -> Result<Option<Line>> {
        let mut head = [0; 4];
        match self.input.read(&mut head[..1]).map_err(cannot_read)? {
            0 => return Ok(None),
            _ => self.input.read_exact(&mut head[1..]).map_err(cannot_read)?,
        }
        let len = u32::from_le_bytes(head);
        if len != SAME {
            let mut label = vec![0; len as usize];
            self.input.read_exact(&mut label).map_err(cannot_read)?;
            self.label = String::from_utf8(label).map_err(|_| Error::new(Kind::Bug, "a run holds no text"))?;
        }
        let (bucket, cells, rows, odd_cells) = (self.word()?, self.word()?, self.word()?, self.word()?);
        let (sum, odd_sum, first, last) = (self.wide()?, self.wide()?, self.wide()?, self.wide()?);
        let hash = self.wide()?;
        let (epoch, again) = (u32::from_le_bytes(self.bytes()?), self.bytes::<1>()? != [0]);
        let (first, last) = (first as i128, last as i128);
        let label = self.label.clone();
        let bucket = bucket as i64;
        Ok(Some(Line { label, bucket, cells, rows, sum, odd_cells, odd_sum, first, last, hash, again, epoch }))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(cannot_read)?;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn wide(&mut self) -> Result<u128> {
        Ok(u128::from_le_bytes(self.bytes()?))
    }
}

/// Sorted runs of one digest.
pub struct Runs {
    /// With how many merges behind them.
    runs: Vec<(u32, Run)>,
    /// Several values for one cell all count: none is looked for.
    keep: bool,
}

impl Runs {
    /// No run yet.
    pub fn new(keep: bool) -> Runs {
        Runs { runs: Vec::new(), keep }
    }

    /// Adds a run; where there are many, they become one.
    pub fn push(&mut self, run: Run) -> Result<()> {
        self.runs.push((0, run));
        while let Some(&(level, _)) = self.runs.last()
            && self.runs.iter().rev().take_while(|(other, _)| *other == level).count() >= FAN_IN
        {
            let some = self.runs.split_off(self.runs.len() - FAN_IN);
            let mut out = RunWriter::new()?;
            merge(some.into_iter().map(|(_, run)| run), self.keep, |line| out.put(&line))?;
            self.runs.push((level + 1, out.finish()?));
        }
        Ok(())
    }

    /// Adds all up to one run; `each` sees its lines.
    pub fn into_one(self, mut each: impl FnMut(&Line)) -> Result<Run> {
        let mut out = RunWriter::new()?;
        merge(self.runs.into_iter().map(|(_, run)| run), self.keep, |line| {
            each(&line);
            out.put(&line)
        })?;
        out.finish()
    }
}

fn merge(runs: impl Iterator<Item = Run>, keep: bool, mut put: impl FnMut(Line) -> Result<()>) -> Result<()> {
    let mut readers: Vec<RunReader> = runs.map(|run| run.open()).collect();
    let mut heads: Vec<Option<Line>> = readers.iter_mut().map(RunReader::next).collect::<Result<_>>()?;
    let key = |line: &Line, place: usize| Reverse((line.label.clone(), line.bucket, place));
    let mut heap: BinaryHeap<_> =
        heads.iter().enumerate().filter_map(|(place, line)| Some(key(line.as_ref()?, place))).collect();
    let mut same: Vec<Line> = Vec::new();
    while let Some(Reverse((_, _, place))) = heap.pop() {
        let (Some(head), Some(reader)) = (heads.get_mut(place), readers.get_mut(place)) else { continue };
        let Some(line) = std::mem::replace(head, reader.next()?) else { continue };
        heap.extend(head.as_ref().map(|head| key(head, place)));
        if same.first().is_some_and(|first| first.order(&line).is_ne()) {
            put(add_up(&mut same, keep)?)?;
        }
        same.push(line);
    }
    if same.is_empty() { Ok(()) } else { put(add_up(&mut same, keep)?) }
}

/// The sum of the lines of one series and bucket; `same` is empty afterwards. Where the instants of two lines overlap that
/// were not looked through together, both may hold a value for one cell.
fn add_up(same: &mut Vec<Line>, keep: bool) -> Result<Line> {
    same.sort_by_key(|line| (line.first, line.last));
    let mut lines = same.drain(..);
    let mut total = lines.next().ok_or_else(|| Error::new(Kind::Bug, "a sum of no lines"))?;
    for line in lines {
        let together = total.epoch == line.epoch && line.epoch != MIXED;
        total.again |= !keep && !together && line.first <= total.last;
        total.absorb(&line);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, bucket: i64, first: i128, last: i128, epoch: u32) -> Line {
        let label = label.to_owned();
        let (cells, rows, sum, odd_cells, odd_sum) = (3, 2, u128::MAX - 1, 1, 7);
        Line { label, bucket, cells, rows, sum, odd_cells, odd_sum, first, last, hash: 5, again: false, epoch }
    }

    fn run(lines: &[Line]) -> Run {
        let mut out = RunWriter::new().unwrap();
        lines.iter().for_each(|line| out.put(line).unwrap());
        out.finish().unwrap()
    }

    fn all(run: &Run) -> Vec<Line> {
        let mut reader = run.open();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    #[test]
    fn a_run_gives_back_what_was_put() {
        let lines =
            [line("a", -1, -5, i128::MAX, 0), line("a", 2, 1, 2, 1), line("", 2, 1, 2, 1), line("ü", 0, 0, 0, 2)];
        let run = run(&lines);
        assert_eq!(all(&run), lines);
        // Two readers do not disturb each other.
        let (mut x, mut y) = (run.open(), run.open());
        assert_eq!((x.next().unwrap(), y.next().unwrap(), x.next().unwrap()).2.unwrap(), lines[1]);
    }

    #[test]
    fn many_runs_add_up_to_one() {
        let mut runs = Runs::new(false);
        for i in 0..100 {
            let (x, y) = (line("a", 0, i, i, i as u32), line("b", i as i64 % 7, 0, 0, i as u32));
            runs.push(run(&[x, y])).unwrap();
            assert!(runs.runs.len() < 2 * FAN_IN);
        }
        let mut seen = 0;
        let one = all(&runs.into_one(|_| seen += 1).unwrap());
        assert_eq!((one.len(), seen), (8, 8));
        assert_eq!((one[0].cells, one[0].sum), (300, (u128::MAX - 1).wrapping_mul(100)));
        assert_eq!((one[0].first, one[0].last), (0, 99));
        // The instants of "a" all differ, those of "b" do not.
        assert!(!one[0].again && one[1..].iter().all(|line| line.again));
    }

    #[test]
    fn what_overlaps_is_doubted_unless_it_was_seen_together() {
        let doubt = |keep, x: (i128, i128, u32), y: (i128, i128, u32)| {
            let mut same = vec![line("a", 0, x.0, x.1, x.2), line("a", 0, y.0, y.1, y.2)];
            add_up(&mut same, keep).unwrap().again
        };
        assert!(doubt(false, (0, 5, 0), (5, 9, 1)) && doubt(false, (5, 9, 0), (0, 5, 1)));
        assert!(!doubt(false, (0, 4, 0), (5, 9, 1)));
        assert!(!doubt(false, (0, 9, 3), (5, 6, 3)));
        assert!(doubt(false, (0, 9, MIXED), (5, 6, MIXED)));
        assert!(!doubt(true, (0, 9, 0), (5, 6, 1)));
    }
}
