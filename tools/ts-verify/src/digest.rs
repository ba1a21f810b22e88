//! Digests: for every series and time bucket, the number of cells and the sum of their hashes mod 2^128.
//!
//! A cell is hashed with its series, time, field name and canonical value, so the sum says which cells there are,
//! whatever their order, their batches and the rows that they came in. Addition, not XOR: equal pairs must not cancel.
//! Sums are mergeable: the digest of two parts is the sum of their digests.

use crate::canonical::NON_FINITE;
use crate::column::{Scratch, values};
use crate::layout::Layout;
use crate::options::{Dedupe, Options};
use crate::series::{Key, Table};
use arrow_array::RecordBatch;
use fault::{Context, Error, Kind, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

/// What is known of the cells of one series in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub series: u32,
    /// The bucket's number: its start divided by the width.
    pub bucket: i64,
    /// Cells with a value that every system can hold.
    pub cells: u64,
    /// Rows with such a cell.
    pub rows: u64,
    /// The sum of the hashes of those cells.
    pub sum: u128,
    /// NaN and infinities, apart.
    pub odd_cells: u64,
    pub odd_sum: u128,
    /// First and last instant with any cell.
    pub first: i128,
    pub last: i128,
    /// The bucket may hold several values for one cell.
    pub again: bool,
}

/// Counts that belong to a whole side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows in the input (within the range).
    pub rows: u64,
    /// Cells, with NaN and infinities.
    pub cells: u64,
    pub all_null_rows: u64,
    pub empty_tags: u64,
    pub non_finite: u64,
    /// Cells that were overwritten by, or gave way to, another of the same key.
    pub duplicates: u64,
    /// The same, for instants that only `--precision` made equal.
    pub collisions: u64,
}

/// Bytes that one entry costs in memory: itself, its slot in the index, growth. Documented in the README.
const ENTRY_BYTES: usize = 256;

/// A digest under construction, or finished.
pub struct Digest {
    pub table: Table,
    pub entries: Vec<Entry>,
    pub counts: Counts,
    index: HashMap<(u32, i64), u32, FixedState>,
    max_memory: u64,
    rows: Vec<u32>,
    filled: Vec<u8>,
    heads: Vec<[u8; HEAD]>,
}

/// Series hash and time before the field's hash.
const HEAD: usize = 32;
const OUTSIDE: u32 = u32::MAX;
const REGULAR: u8 = 1;
const ODD: u8 = 2;

impl Digest {
    /// An empty digest that fails (exit 10) rather than grow beyond `max_memory` bytes.
    pub fn new(max_memory: u64) -> Self {
        Digest {
            table: Table::new(),
            entries: Vec::new(),
            counts: Counts::default(),
            index: HashMap::with_hasher(FixedState::default()),
            max_memory,
            rows: Vec::new(),
            filled: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// Adds the cells of a batch.
    pub fn add(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        self.table.fill(batch, layout, options)?;
        self.find_entries(options)?;
        self.filled.clear();
        self.filled.resize(batch.num_rows(), 0);
        let (entries, filled, rows) = (&mut self.entries, &mut self.filled, &self.rows);
        each_cell(batch, layout, options, &self.table.keys, &mut self.heads, |row, _, hash, value| {
            let Some(entry) = rows.get(row).and_then(|entry| entries.get_mut(*entry as usize)) else { return Ok(()) };
            if value.first() == Some(&NON_FINITE) {
                entry.odd_cells += 1;
                entry.odd_sum = entry.odd_sum.wrapping_add(hash);
                filled[row] |= ODD;
            } else {
                entry.cells += 1;
                entry.sum = entry.sum.wrapping_add(hash);
                filled[row] |= REGULAR;
            }
            Ok(())
        })?;
        self.count_rows();
        Ok(())
    }

    /// The counts, with those that are sums over entries.
    pub fn finish(&mut self) {
        self.counts.empty_tags = self.table.empty_tags;
        self.counts.cells = self.entries.iter().map(|entry| entry.cells + entry.odd_cells).sum();
        self.counts.non_finite = self.entries.iter().map(|entry| entry.odd_cells).sum();
    }

    /// The number of the entry of a series and a bucket.
    pub fn entry(&self, series: u32, bucket: i64) -> Option<u32> {
        self.index.get(&(series, bucket)).copied()
    }

    fn find_entries(&mut self, options: &Options) -> Result<()> {
        self.rows.clear();
        let mut last = (u32::MAX, 0, OUTSIDE);
        for at in 0..self.table.keys.len() {
            let key = self.table.keys[at];
            if !key.inside {
                self.rows.push(OUTSIDE);
                continue;
            }
            self.counts.rows += 1;
            let bucket = bucket_of(key.time, options.bucket)?;
            let number = if (last.0, last.1) == (key.series, bucket) {
                last.2
            } else {
                match self.index.get(&(key.series, bucket)) {
                    Some(number) => *number,
                    None => self.open(key, bucket)?,
                }
            };
            last = (key.series, bucket, number);
            self.rows.push(number);
            if options.dedupe != Dedupe::Keep && self.table.again(key.series, key.time) {
                self.entries[number as usize].again = true;
            }
        }
        Ok(())
    }

    fn open(&mut self, key: Key, bucket: i64) -> Result<u32> {
        let used = (self.entries.len() * ENTRY_BYTES + self.table.bytes) as u64;
        if used > self.max_memory {
            return Err(Error::new(
                Kind::NoVerdict,
                format!(
                    "{} series and {} buckets need more than --max-memory: use a larger --bucket, a shorter range \
                     (--since, --until), or more memory",
                    self.table.series.len(),
                    self.entries.len()
                ),
            ));
        }
        let number = self.entries.len() as u32;
        self.entries.push(Entry {
            series: key.series,
            bucket,
            cells: 0,
            rows: 0,
            sum: 0,
            odd_cells: 0,
            odd_sum: 0,
            first: i128::MAX,
            last: i128::MIN,
            again: false,
        });
        self.index.insert((key.series, bucket), number);
        Ok(number)
    }

    fn count_rows(&mut self) {
        for (at, (number, filled)) in self.rows.iter().zip(&self.filled).enumerate() {
            let Some(entry) = self.entries.get_mut(*number as usize) else { continue };
            if *filled == 0 {
                self.counts.all_null_rows += 1;
                continue;
            }
            let time = self.table.keys[at].time;
            entry.rows += u64::from(filled & REGULAR);
            entry.first = entry.first.min(time);
            entry.last = entry.last.max(time);
        }
    }
}

/// Calls `each(row, field, hash, value)` for every cell of a batch. `heads` is a buffer.
pub fn each_cell(
    batch: &RecordBatch,
    layout: &Layout,
    options: &Options,
    keys: &[Key],
    heads: &mut Vec<[u8; HEAD]>,
    mut each: impl FnMut(usize, u32, u128, &[u8]) -> Result<()>,
) -> Result<()> {
    heads.clear();
    heads.extend(keys.iter().map(|key| {
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(&key.hash.to_le_bytes());
        head[16..].copy_from_slice(&key.time.to_le_bytes());
        head
    }));
    let mut scratch = Scratch::new(HEAD + 8);
    for (number, field) in layout.fields.iter().enumerate() {
        scratch.head()[HEAD..].copy_from_slice(&field.hash);
        values(batch.column(field.index), field.form, options.rules, &mut scratch, |row, scratch| {
            scratch.head()[..HEAD].copy_from_slice(&heads[row]);
            each(row, number as u32, xxh3_128(&scratch.bytes), scratch.value())
        })
        .context(|| format!("column {}", field.name))?;
    }
    Ok(())
}

/// The number of the bucket of an instant.
pub fn bucket_of(time: i128, width: i64) -> Result<i64> {
    // Division of i64 is several times faster, and enough for all but instants far outside of 1677..2262.
    match i64::try_from(time) {
        Ok(time) => Ok(time.div_euclid(width)),
        Err(_) => i64::try_from(time.div_euclid(i128::from(width)))
            .map_err(|_| Error::malformed(format!("{time} ns is too far away for buckets of {width} ns"))),
    }
}
