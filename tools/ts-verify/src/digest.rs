//! Digests: for every series and time bucket, the number of cells and the sum of their hashes mod 2^128.
//!
//! A cell is hashed with its series, time, field name and canonical value, so the sum says which cells there are,
//! whatever their order, their batches and the rows that they came in. Addition, not XOR: equal pairs must not cancel.
//! Sums are mergeable: the digest of two parts is the sum of their digests.

use crate::canonical::NON_FINITE;
use crate::column::{Scratch, plain, values};
use crate::float32;
use crate::form::Form;
use crate::layout::Layout;
use crate::lines::{Cursor, Line, line_of, sorted};
use crate::options::{Dedupe, Options};
use crate::runs::{Run, RunWriter, Runs};
use crate::series::{Input, Key, Table};
use crate::sums::Sums;
use arrow_array::RecordBatch;
use fault::{Context, Error, Result};
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

/// The numbers of the entries by series and bucket.
type Index = HashMap<(u32, i64), u32, FixedState>;

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
    /// Doubles that are the shortest text of an f32, where the other side has such.
    pub float32: u64,
}

/// Bytes that one entry costs in memory: itself, its slot in the index, growth. Documented in the README.
const ENTRY_BYTES: usize = 256;

/// A digest under construction, or finished.
pub struct Digest {
    pub table: Table,
    pub entries: Vec<Entry>,
    pub counts: Counts,
    /// Raised when the series are forgotten: what came before was not seen together with what comes after.
    pub epoch: u32,
    index: Index,
    max_memory: u64,
    runs: Option<Runs>,
    /// All entries, once they had no room: see [`Digest::finish`].
    whole: Option<Whole>,
    rows: Vec<u32>,
    filled: Vec<u8>,
    doubts: Vec<u32>,
    heads: Vec<[u8; HEAD]>,
    sums: Sums,
}

/// The entries on disk.
struct Whole {
    run: Run,
    totals: Totals,
}

/// Sums over all entries.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    cells: u64,
    odd_cells: u64,
    series: u64,
    /// Cells in buckets that may hold several values for one cell.
    doubtful: u64,
}

/// Adds up lines that come in order.
#[derive(Default)]
struct Totaller {
    totals: Totals,
    label: Option<String>,
}

impl Totaller {
    fn add(&mut self, line: &Line) {
        self.totals.cells += line.cells + line.odd_cells;
        self.totals.odd_cells += line.odd_cells;
        self.totals.doubtful += if line.again { line.cells + line.odd_cells } else { 0 };
        if self.label.as_ref() != Some(&line.label) {
            self.totals.series += 1;
            self.label = Some(line.label.clone());
        }
    }
}

/// Series hash and time before the field's hash.
const HEAD: usize = 32;
const OUTSIDE: u32 = u32::MAX;
const REGULAR: u8 = 1;
const ODD: u8 = 2;

impl Digest {
    /// An empty digest, which writes its entries to temporary files where they need more than `max_memory` bytes.
    pub fn new(max_memory: u64) -> Self {
        Digest {
            table: Table::new(),
            entries: Vec::new(),
            counts: Counts::default(),
            index: HashMap::with_hasher(FixedState::default()),
            epoch: 0,
            max_memory,
            runs: None,
            whole: None,
            rows: Vec::new(),
            filled: Vec::new(),
            doubts: Vec::new(),
            heads: Vec::new(),
            sums: Sums::default(),
        }
    }

    /// Adds the cells of a batch.
    pub fn add(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        if self.table.near(batch, layout, options)? {
            self.add_near((batch, layout, options))?;
        } else {
            self.add_far((batch, layout, options))?;
        }
        let used = self.entries.len() * ENTRY_BYTES + self.table.bytes;
        if used as u64 > self.max_memory { self.spill(options) } else { Ok(()) }
    }

    /// Writes the entries to a temporary file; the series too, where they take most of the room.
    fn spill(&mut self, options: &Options) -> Result<()> {
        let mut out = RunWriter::new()?;
        for number in sorted(self) {
            out.put(&line_of(self, number))?;
        }
        self.runs.get_or_insert_with(|| Runs::new(options.dedupe == Dedupe::Keep)).push(out.finish()?)?;
        self.entries.clear();
        self.index.clear();
        if self.table.bytes as u64 > self.max_memory / 2 {
            self.table = Table::new();
            self.epoch += 1;
        } else {
            self.table.forget_buckets();
        }
        Ok(())
    }

    /// As [`Digest::add`], by columns, for times in i64 nanoseconds: those from 1677 to 2262.
    fn add_near(&mut self, (batch, layout, options): Input<'_>) -> Result<()> {
        let Digest { table, rows, sums, entries, index, counts, doubts, .. } = self;
        table.numbers(rows, (batch, layout, options))?;
        counts.rows += rows.len() as u64;
        for (row, _) in rows.iter_mut().zip(&table.inside).filter(|(_, inside)| !**inside) {
            *row = OUTSIDE;
            counts.rows -= 1;
        }
        std::mem::swap(&mut table.sums, &mut sums.series);
        std::mem::swap(&mut table.times, &mut sums.times);
        doubts.clear();
        let note = (options.dedupe != Dedupe::Keep).then_some(&mut *doubts);
        table.buckets(rows, &sums.times, note, |series, time| {
            let (bucket, width) = (time.div_euclid(options.bucket), options.bucket);
            let number = entry_of((entries, index), series, bucket);
            (bucket.saturating_mul(width), bucket.saturating_add(1).saturating_mul(width), number)
        });
        for number in doubts {
            if let Some(entry) = entries.get_mut(*number as usize) {
                entry.again = true;
            }
        }
        sums.add(batch, &layout.fields, options.rules)?;
        self.take_sums();
        self.count_empty_tags();
        Ok(())
    }

    /// The sums of the rows into their entries.
    fn take_sums(&mut self) {
        let Digest { sums, rows, entries, counts, filled, .. } = self;
        filled.clear();
        if !sums.odd.is_empty() {
            filled.resize(rows.len(), 0);
        }
        for (row, hash) in &sums.odd {
            let entry = rows.get(*row).and_then(|entry| entries.get_mut(*entry as usize));
            if let (Some(entry), Some(filled)) = (entry, filled.get_mut(*row)) {
                entry.odd_cells += 1;
                entry.odd_sum = entry.odd_sum.wrapping_add(*hash);
                *filled = ODD;
            }
        }
        counts.float32 += sums.texts.iter().filter(|row| inside(rows, **row)).count() as u64;
        let (entries, every) = (&mut entries[..], sums.every);
        let cells = sums.totals.low.iter().zip(&sums.totals.high).zip(&sums.cells).zip(&sums.times);
        for (row, (number, (((low, high), cells), time))) in rows.iter().zip(cells).enumerate() {
            let Some(entry) = entries.get_mut(*number as usize) else { continue };
            let cells = every.wrapping_add(*cells);
            if cells == 0 && filled.get(row).is_none_or(|filled| *filled == 0) {
                counts.all_null_rows += 1;
                continue;
            }
            entry.cells += u64::from(cells);
            entry.rows += u64::from(cells > 0);
            entry.sum = entry.sum.wrapping_add((u128::from(*high) << 64) | u128::from(*low));
            let time = i128::from(*time);
            if time < entry.first {
                entry.first = time;
            }
            if time > entry.last {
                entry.last = time;
            }
        }
    }

    /// As [`Digest::add`], for any times, cell by cell.
    fn add_far(&mut self, (batch, layout, options): Input<'_>) -> Result<()> {
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
        for field in layout.fields.iter().filter(|field| field.form == Form::Float32) {
            let texts = float32::texts(&plain(batch.column(field.index), false)?);
            self.counts.float32 += texts.into_iter().filter(|row| inside(rows, *row)).count() as u64;
        }
        self.count_rows();
        self.count_empty_tags();
        Ok(())
    }

    fn count_empty_tags(&mut self) {
        self.counts.empty_tags += self.table.empty_tags(|row| inside(&self.rows, row));
    }

    /// After the last batch. Entries on disk are added up to one sorted run.
    pub fn finish(&mut self, options: &Options) -> Result<()> {
        if self.runs.is_some() {
            self.spill(options)?;
            (self.table.series, self.entries, self.index) = Default::default();
        }
        if let Some(runs) = self.runs.take() {
            let mut totals = Totaller::default();
            let run = runs.into_one(|line| totals.add(line))?;
            self.whole = Some(Whole { run, totals: totals.totals });
        }
        self.count();
        Ok(())
    }

    /// The counts that are sums over entries.
    fn count(&mut self) {
        let totals = self.totals();
        (self.counts.cells, self.counts.non_finite) = (totals.cells, totals.odd_cells);
    }

    fn totals(&self) -> Totals {
        if let Some(whole) = &self.whole {
            return whole.totals;
        }
        let sum = |cells: fn(&Entry) -> u64| self.entries.iter().map(cells).sum();
        Totals {
            cells: sum(|entry| entry.cells + entry.odd_cells),
            odd_cells: sum(|entry| entry.odd_cells),
            series: 0,
            doubtful: sum(|entry| if entry.again { entry.cells + entry.odd_cells } else { 0 }),
        }
    }

    /// Cells in buckets that may hold several values for one cell.
    pub fn doubtful(&self) -> u64 {
        self.totals().doubtful
    }

    /// All entries with cells as sorted lines, after [`Digest::finish`].
    pub fn cursor(&self) -> Cursor<'_> {
        match &self.whole {
            None => Cursor::memory(self),
            Some(whole) => Cursor::Runs { reader: whole.run.open(), counts: self.counts, series: whole.totals.series },
        }
    }

    /// Takes other sums for the doubtful lines: one each, in their order.
    pub fn correct(&mut self, corrections: &Run) -> Result<()> {
        let mut corrections = corrections.open();
        let mut next = || corrections.next()?.ok_or_else(|| Error::new(fault::Kind::Bug, "a correction is missing"));
        if let Some(whole) = &mut self.whole {
            let (mut reader, mut out) = (whole.run.open(), RunWriter::new()?);
            let mut totals = Totaller::default();
            while let Some(line) = reader.next()? {
                let line = if line.again { Line { label: line.label, again: false, ..next()? } } else { line };
                totals.add(&line);
                out.put(&line)?;
            }
            *whole = Whole { run: out.finish()?, totals: totals.totals };
        } else {
            for number in sorted(self) {
                let Some(entry) = self.entries.get_mut(number as usize).filter(|entry| entry.again) else { continue };
                let line = next()?;
                entry.again = false;
                (entry.cells, entry.rows, entry.sum) = (line.cells, line.rows, line.sum);
                (entry.odd_cells, entry.odd_sum) = (line.odd_cells, line.odd_sum);
            }
        }
        self.count();
        Ok(())
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
                entry_of((&mut self.entries, &mut self.index), key.series, bucket)
            };
            last = (key.series, bucket, number);
            self.rows.push(number);
            if options.dedupe != Dedupe::Keep && self.table.again(key.series, key.time) {
                self.entries[number as usize].again = true;
            }
        }
        Ok(())
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

/// The number of the entry of a bucket of a series, a new one if there is none.
fn entry_of((entries, index): (&mut Vec<Entry>, &mut Index), series: u32, bucket: i64) -> u32 {
    *index.entry((series, bucket)).or_insert_with(|| {
        entries.push(Entry {
            series,
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
        entries.len() as u32 - 1
    })
}

/// Has the row an entry?
fn inside(rows: &[u32], row: usize) -> bool {
    rows.get(row).is_some_and(|number| *number != OUTSIDE)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Rules;
    use crate::layout::Mapping;
    use arrow_array::types::Int32Type;
    use arrow_array::*;
    use arrow_schema::{Field, Schema};
    use rows::role::{self, Role};
    use rows::time::Unit;
    use std::sync::Arc;

    /// Some values of every type, the awkward ones often.
    fn batch(random: &mut impl FnMut() -> u64, rows: usize, far: bool) -> RecordBatch {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        macro_rules! column {
            ($name:expr, $role:expr, $array:ty, $value:expr) => {{
                let nulls = if $role == Role::Time || random() % 3 == 0 { 0 } else { 3 };
                #[allow(unused_mut)] // one of them counts
                let mut value = $value;
                let cell = |_| (nulls == 0 || random() % nulls > 0).then(|| value(random()));
                let array: $array = (0..rows).map(cell).collect();
                let field = Field::new($name, array.data_type().clone(), true);
                columns.push((role::with_role(field, $role), Arc::new(array) as ArrayRef));
            }};
        }
        let start = if far { -62_135_596_800_000 } else { (random() % 7) as i64 * 600_000 - 900_000 };
        let step = [1, 1000, 60_000][random() as usize % 3];
        let mut at = start;
        let time = |r: u64| {
            at += if r.is_multiple_of(8) { (r >> 8) as i64 % 5000 - 2500 } else { step };
            at
        };
        column!("time", Role::Time, TimestampMillisecondArray, time);
        let texts = ["a", "b", "", "\u{e4}"];
        column!("t", Role::Tag, DictionaryArray<Int32Type>, |r: u64| texts[r as usize % 4]);
        column!("u", Role::Tag, StringArray, |r: u64| texts[r as usize % 2]);
        column!("i8", Role::Field, Int8Array, |r: u64| r as i8);
        column!("i32", Role::Field, Int32Array, |r: u64| r as i32);
        column!("i64", Role::Field, Int64Array, |r: u64| r as i64);
        column!("u16", Role::Field, UInt16Array, |r: u64| r as u16);
        column!("u64", Role::Field, UInt64Array, |r: u64| r);
        let floats = [
            0.0,
            -0.0,
            1.0,
            -7.0,
            0.1,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            -9.223_372_036_854_776e18,
            9.223_372_036_854_776e18,
            1.7e38,
            5e-324,
        ];
        column!("f32", Role::Field, Float32Array, |r: u64| if r.is_multiple_of(2) {
            f32::from_bits((r >> 9) as u32)
        } else {
            floats[(r >> 8) as usize % floats.len()] as f32
        });
        column!("f64", Role::Field, Float64Array, |r: u64| if r.is_multiple_of(2) {
            f64::from_bits(r)
        } else {
            floats[(r >> 8) as usize % floats.len()]
        });
        column!("f", Role::Field, Float64Array, |r: u64| (r % 100_000) as f64 / 100.0);
        column!("ts", Role::Field, TimestampSecondArray, |r: u64| r as i64);
        column!("ok", Role::Field, BooleanArray, |r: u64| r.is_multiple_of(2));
        column!("s", Role::Field, StringArray, |r: u64| texts[r as usize % 4]);
        column!("d", Role::Field, Decimal128Array, |r: u64| i128::from(r as i64));
        column!("x", Role::Field, BinaryArray, |r: u64| texts[r as usize % 4].as_bytes());
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let schema = Schema::new_with_metadata(fields, role::metadata(Some("m"), None));
        RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
    }

    /// By columns is the same as cell by cell: sums, counts, doubts; also where both take turns.
    #[test]
    fn by_columns_as_by_cells() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D)
        };
        for round in 0..120 {
            let defaults = crate::args::DEFAULTS;
            let options = Options {
                rules: Rules { strict_numbers: round % 5 == 0, negative_zero: round % 3 == 0, ..defaults.rules },
                precision: [None, Some(Unit::S), Some(Unit::Ns)][round % 3],
                since: (round % 4 == 1).then_some(-200_000_000_000),
                until: (round % 4 == 1).then_some(900_000_000_000),
                bucket: [1_000_000_000, 3_600_000_000_000, 17][round % 3],
                empty_tag_distinct: round % 2 == 0,
                dedupe: if round % 7 == 0 { Dedupe::Keep } else { defaults.dedupe },
                ..defaults
            };
            let (mut columns, mut cells) = (Digest::new(1 << 30), Digest::new(1 << 30));
            for part in 0..4 {
                let batch = batch(&mut random, 60, part == 2 && round % 6 == 0);
                let layout = Layout::new(&batch.schema(), &Mapping::default()).unwrap();
                let near = columns.table.near(&batch, &layout, &options).unwrap();
                assert_eq!(near, !(part == 2 && round % 6 == 0));
                columns.add(&batch, &layout, &options).unwrap();
                cells.add_far((&batch, &layout, &options)).unwrap();
                assert_eq!(columns.entries, cells.entries);
            }
            columns.finish(&options).unwrap();
            cells.finish(&options).unwrap();
            assert_eq!(columns.counts, cells.counts);
            assert!(options.since.is_some() || (columns.counts.cells > 1000 && columns.counts.non_finite > 10));
            let labels = |digest: &Digest| digest.table.series.iter().map(|s| s.label.clone()).collect::<Vec<_>>();
            assert_eq!(labels(&columns), labels(&cells));
        }
    }
}
