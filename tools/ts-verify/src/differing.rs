//! Buckets that are not the same on both sides; a list of them, in an unlinked temporary file, for there can be many.

use crate::lines::Line;
use crate::runs::{Run, RunReader, RunWriter};
use fault::{Error, Kind, Result};

/// A bucket that is not the same on both sides.
#[derive(Clone, Debug)]
pub struct Differing {
    pub label: String,
    /// The hash of the series, if a side is data.
    pub hash: u128,
    pub bucket: i64,
    /// Without their labels.
    pub a: Option<Line>,
    pub b: Option<Line>,
    /// It differs only in NaN and infinities that one side does not have at all.
    pub only_odd: bool,
}

impl Differing {
    /// From the lines of both sides, of which at least one is there.
    pub fn new(mut a: Option<Line>, mut b: Option<Line>, only_odd: bool) -> Differing {
        let (label, bucket) =
            a.as_ref().or(b.as_ref()).map_or((String::new(), 0), |line| (line.label.clone(), line.bucket));
        let hash = a.iter().chain(&b).map(|line| line.hash).find(|hash| *hash != 0).unwrap_or_default();
        for line in a.iter_mut().chain(&mut b) {
            line.label = String::new();
        }
        Differing { label, hash, bucket, a, b, only_odd }
    }

    /// Rows to look at, on the larger side (at most).
    pub fn rows(&self) -> u64 {
        let rows = |line: &Option<Line>| line.as_ref().map_or(0, |line| line.rows + line.odd_cells);
        rows(&self.a).max(rows(&self.b))
    }

    /// Cells, on the larger side.
    pub fn cells(&self) -> u64 {
        let cells = |line: &Option<Line>| line.as_ref().map_or(0, |line| line.cells + line.odd_cells);
        cells(&self.a).max(cells(&self.b))
    }

    /// NaN and infinities, on the side that has more of them.
    pub fn odd_cells(&self) -> u64 {
        let cells = |line: &Option<Line>| line.as_ref().map_or(0, |line| line.odd_cells);
        cells(&self.a).max(cells(&self.b))
    }
}

/// What stands in the place of the epoch: which sides have a line.
const BOTH: u32 = 0;
const ONLY_A: u32 = 1;
const ONLY_B: u32 = 2;

/// A list under construction.
pub struct ListWriter {
    lines: RunWriter,
}

impl ListWriter {
    /// In `TMPDIR`.
    pub fn new() -> Result<ListWriter> {
        Ok(ListWriter { lines: RunWriter::new()? })
    }

    /// Adds a bucket.
    pub fn put(&mut self, bucket: &Differing) -> Result<()> {
        let (sides, lines) = match (&bucket.a, &bucket.b) {
            (Some(a), Some(b)) => (BOTH, [Some(a), Some(b)]),
            (Some(a), None) => (ONLY_A, [Some(a), None]),
            (None, b) => (ONLY_B, [b.as_ref(), None]),
        };
        for line in lines.into_iter().flatten() {
            let (label, hash, again) = (bucket.label.clone(), bucket.hash, bucket.only_odd);
            self.lines.put(&Line { label, hash, again, epoch: sides, ..line.clone() })?;
        }
        Ok(())
    }

    /// The list.
    pub fn finish(self) -> Result<List> {
        Ok(List { lines: self.lines.finish()? })
    }
}

/// Differing buckets by series and bucket.
pub struct List {
    lines: Run,
}

impl List {
    /// From the beginning.
    pub fn open(&self) -> ListReader {
        ListReader { lines: self.lines.open() }
    }
}

/// Reads a list.
pub struct ListReader {
    lines: RunReader,
}

impl ListReader {
    /// The next bucket.
    pub fn next(&mut self) -> Result<Option<Differing>> {
        let Some(first) = self.lines.next()? else { return Ok(None) };
        let (sides, only_odd) = (first.epoch, first.again);
        let (a, b) = match sides {
            ONLY_A => (Some(first), None),
            ONLY_B => (None, Some(first)),
            _ => {
                let second = self.lines.next()?;
                (Some(first), Some(second.ok_or_else(|| Error::new(Kind::Bug, "half a bucket"))?))
            }
        };
        Ok(Some(Differing::new(a, b, only_odd)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_put() {
        let line = |label: &str, cells| Line {
            label: label.to_owned(),
            bucket: 7,
            cells,
            rows: 1,
            sum: 9,
            odd_cells: 2,
            odd_sum: 3,
            first: -1,
            last: 1,
            hash: 11,
            again: true,
            epoch: 5,
        };
        let mut list = ListWriter::new().unwrap();
        let sides = [(Some(1), Some(2)), (Some(3), None), (None, Some(4)), (Some(5), Some(6))];
        for (n, (a, b)) in sides.into_iter().enumerate() {
            let label = format!("s{}", n / 2);
            let bucket = Differing::new(a.map(|cells| line(&label, cells)), b.map(|cells| line(&label, cells)), n == 1);
            list.put(&bucket).unwrap();
        }
        let list = list.finish().unwrap();
        let mut reader = list.open();
        for (n, (a, b)) in sides.into_iter().enumerate() {
            let bucket = reader.next().unwrap().unwrap();
            assert_eq!((bucket.label, bucket.hash, bucket.bucket), (format!("s{}", n / 2), 11, 7));
            assert_eq!((bucket.a.map(|line| line.cells), bucket.b.map(|line| line.cells)), (a, b));
            assert_eq!(bucket.only_odd, n == 1);
        }
        assert!(reader.next().unwrap().is_none());
    }
}
