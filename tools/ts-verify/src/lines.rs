//! The lines of a digest, one per series and bucket, in sorted order: from memory, from runs on disk or from a digest
//! file.

use crate::digest::{Counts, Digest};
use crate::digest_file::FileCursor;
use crate::runs::RunReader;
use fault::Result;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// One (series, bucket) of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub label: String,
    pub bucket: i64,
    pub cells: u64,
    pub rows: u64,
    pub sum: u128,
    pub odd_cells: u64,
    pub odd_sum: u128,
    pub first: i128,
    pub last: i128,
    /// The hash of the series; 0 in a line of a digest file.
    pub hash: u128,
    /// The bucket may hold several values for one cell.
    pub again: bool,
    /// Lines of one epoch were looked through together for such values.
    pub epoch: u32,
}

/// The epoch of a sum over several.
pub const MIXED: u32 = u32::MAX;

impl Line {
    /// In the order of a digest.
    pub fn order(&self, other: &Line) -> Ordering {
        (&self.label, self.bucket).cmp(&(&other.label, other.bucket))
    }

    /// Adds what another part knows of the same series and bucket.
    pub fn absorb(&mut self, other: &Line) {
        self.cells += other.cells;
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
        self.odd_cells += other.odd_cells;
        self.odd_sum = self.odd_sum.wrapping_add(other.odd_sum);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.again |= other.again;
        if self.epoch != other.epoch {
            self.epoch = MIXED;
        }
    }
}

/// The numbers of the entries with cells, by series and bucket.
pub fn sorted(digest: &Digest) -> Vec<u32> {
    let series = &digest.table.series;
    let mut order: Vec<u32> = (0..series.len() as u32).collect();
    order.sort_by(|a, b| series[*a as usize].label.cmp(&series[*b as usize].label));
    let mut rank = vec![0u32; series.len()];
    for (place, number) in order.into_iter().enumerate() {
        rank[number as usize] = place as u32;
    }
    let entries = &digest.entries;
    let mut numbers: Vec<u32> =
        (0..entries.len() as u32).filter(|n| entries[*n as usize].cells + entries[*n as usize].odd_cells > 0).collect();
    numbers.sort_by_key(|n| (rank[entries[*n as usize].series as usize], entries[*n as usize].bucket));
    numbers
}

/// The line of an entry.
pub fn line_of(digest: &Digest, number: u32) -> Line {
    let entry = &digest.entries[number as usize];
    let series = &digest.table.series[entry.series as usize];
    Line {
        label: series.label.clone(),
        bucket: entry.bucket,
        cells: entry.cells,
        rows: entry.rows,
        sum: entry.sum,
        odd_cells: entry.odd_cells,
        odd_sum: entry.odd_sum,
        first: entry.first,
        last: entry.last,
        hash: series.hash,
        again: entry.again,
        epoch: digest.epoch,
    }
}

/// The sorted lines of a digest.
pub enum Cursor<'a> {
    Memory { digest: &'a Digest, left: VecDeque<u32>, series: u64 },
    Runs { reader: RunReader, counts: Counts, series: u64 },
    File(&'a mut FileCursor),
}

impl<'a> Cursor<'a> {
    /// Over a digest in memory.
    pub fn memory(digest: &'a Digest) -> Self {
        let left = sorted(digest);
        let mut series: Vec<u32> = left.iter().map(|number| digest.entries[*number as usize].series).collect();
        series.dedup();
        Cursor::Memory { digest, left: left.into(), series: series.len() as u64 }
    }

    /// The next line; `None` at the end. A file without its trailer is an error of kind `Incomplete`.
    pub fn next(&mut self) -> Result<Option<Line>> {
        match self {
            Cursor::Memory { digest, left, .. } => Ok(left.pop_front().map(|number| line_of(digest, number))),
            Cursor::Runs { reader, .. } => reader.next(),
            Cursor::File(file) => file.next(),
        }
    }

    /// The counts and the number of series with a cell; complete once `next` gave `None`.
    pub fn counts(&self) -> (Counts, u64) {
        match self {
            Cursor::Memory { digest, series, .. } => (digest.counts, *series),
            Cursor::Runs { counts, series, .. } => (*counts, *series),
            Cursor::File(file) => (file.counts, file.series),
        }
    }
}
