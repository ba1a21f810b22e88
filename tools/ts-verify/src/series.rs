//! Series: measurement and tags. Each part is hashed on its own, length-prefixed, and the hashes are added: the order of
//! the columns does not matter, and a value of a dictionary is hashed once.

use crate::column::{Scratch, plain, tags};
use crate::dictionaries::{Combinations, Dictionaries, NONE};
use crate::layout::{Column, Layout};
use crate::options::Options;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use fault::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rows::time::Unit;
use serde_json::{Map, Value};

/// A duplicate-proof record of the instants seen in one series: disjoint intervals, in which an instant *may* have been
/// seen. Input in time order, or in whole windows in any order, needs one or a few.
#[derive(Clone, Debug, Default)]
struct Seen {
    runs: Vec<Run>,
    current: usize,
    /// The current interval once more, for [`Seen::soon`]: its end (which may be ahead of the interval's), the last
    /// distance, and the instant at which the next interval begins. A distance of 0 is none.
    high: i64,
    step: i64,
    ceiling: i64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    low: i128,
    high: i128,
    /// The last distance between two instants.
    step: i128,
}

/// Intervals per series, at most. Beyond, they grow over gaps, which costs a second look and no exactness.
const RUNS: usize = 16;

/// A gap of so many steps begins another interval: the rows of another window may come in between later.
const GAP: i128 = 64;

impl Seen {
    /// True: the instant is certainly new, and noted, because it is as far from the last one as that was from the one
    /// before. False: nothing was noted.
    #[inline]
    fn soon(&mut self, at: i64) -> bool {
        let soon = at > self.high && at.wrapping_sub(self.high) == self.step && at < self.ceiling;
        if soon {
            self.high = at;
        }
        soon
    }

    /// Notes an instant. False: certainly new. True: it may have been there before.
    fn again(&mut self, at: i128) -> bool {
        if self.step > 0
            && let Some(run) = self.runs.get_mut(self.current)
        {
            run.high = i128::from(self.high);
        }
        let again = self.look(at);
        self.step = 0;
        if let Some(run) = self.runs.get(self.current)
            && let (Ok(high), Ok(step)) = (i64::try_from(run.high), i64::try_from(run.step))
        {
            let next = self.runs.get(self.current + 1).map_or(i128::MAX, |run| run.low);
            (self.high, self.step, self.ceiling) = (high, step, i64::try_from(next).unwrap_or(i64::MAX));
        }
        again
    }

    fn look(&mut self, at: i128) -> bool {
        let next = self.runs.get(self.current + 1).map_or(i128::MAX, |run| run.low);
        if let Some(run) = self.runs.get_mut(self.current) {
            let step = at - run.high;
            if step > 0 && at < next && (run.step == 0 || step <= run.step.saturating_mul(GAP)) {
                (run.high, run.step) = (at, step);
                return false;
            }
        }
        // The first run that does not end before the instant.
        let place = self.runs.partition_point(|run| run.high < at);
        if self.runs.get(place).is_some_and(|run| run.low <= at) {
            self.current = place;
            return true;
        }
        if self.runs.len() < RUNS {
            self.runs.insert(place, Run { low: at, high: at, step: 0 });
            self.current = place;
        } else if let Some(before) = place.checked_sub(1).and_then(|before| self.runs.get_mut(before)) {
            before.high = at;
            self.current = place - 1;
        } else if let Some(first) = self.runs.first_mut() {
            first.low = at;
            self.current = 0;
        }
        false
    }
}

/// One series.
#[derive(Debug)]
pub struct Series {
    /// `{"measurement":…,"tags":{…}}`: canonical JSON, the same text on both sides, and the sort key.
    pub label: String,
    pub hash: u128,
    /// The series that came after this one the last time.
    next: u32,
    seen: Seen,
    /// The bucket of the last row: from, to (exclusive), and what stands for it.
    bucket: (i64, i64, u32),
}

impl Series {
    /// As [`Table::again`]; `bytes` grows with the room that it takes.
    fn again(&mut self, time: i128, bytes: &mut usize) -> bool {
        let runs = self.seen.runs.capacity();
        let again = self.seen.again(time);
        *bytes += (self.seen.runs.capacity() - runs) * std::mem::size_of::<Run>();
        again
    }
}

/// The series seen so far, and what a batch needs per row.
pub struct Table {
    pub series: Vec<Series>,
    index: HashMap<u128, u32, FixedState>,
    /// Bytes of labels.
    pub bytes: usize,
    dictionaries: Dictionaries,
    /// Of each row of the batch: it has a tag that is an empty text. Empty where none has.
    empty: Vec<bool>,
    /// Of each row of the batch: the hash of its series.
    pub sums: Vec<u128>,
    /// After [`Table::near`]: the instants.
    pub times: Vec<i64>,
    /// After [`Table::near`]: the rows that are in the range; empty if all are.
    pub inside: Vec<bool>,
    /// After [`Table::fill`].
    pub keys: Vec<Key>,
}

/// A row's key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Key {
    /// The index of its series.
    pub series: u32,
    /// The hash of its series.
    pub hash: u128,
    /// Its instant in nanoseconds, rounded down as `--precision` says.
    pub time: i128,
    /// Its instant before that.
    pub exact: i128,
    /// It is in the range that is compared.
    pub inside: bool,
}

impl Table {
    /// No series yet.
    pub fn new() -> Self {
        Table {
            series: Vec::new(),
            index: HashMap::with_hasher(FixedState::default()),
            bytes: 0,
            dictionaries: Dictionaries::default(),
            empty: Vec::new(),
            sums: Vec::new(),
            times: Vec::new(),
            inside: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Fills [`Table::sums`], and [`Table::times`] and [`Table::inside`] if every instant is one in i64 nanoseconds. False if
    /// not.
    pub fn near(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<bool> {
        self.dictionaries.add(batch, layout, options, (&mut self.sums, &mut self.empty))?;
        let column = batch.column(layout.time);
        all_valid(column)?;
        let factor = layout.unit.nanos();
        self.times.clear();
        self.inside.clear();
        let values = match layout.unit {
            Unit::S => &column.as_primitive::<TimestampSecondType>().values()[..],
            Unit::Ms => &column.as_primitive::<TimestampMillisecondType>().values()[..],
            Unit::Us => &column.as_primitive::<TimestampMicrosecondType>().values()[..],
            Unit::Ns => &column.as_primitive::<TimestampNanosecondType>().values()[..],
        };
        let range = i64::MIN / factor..=i64::MAX / factor;
        if !values.iter().fold(true, |all, value| all & range.contains(value)) {
            return Ok(false);
        }
        self.times.extend(values.iter().map(|value| value.wrapping_mul(factor)));
        if options.since.is_some() || options.until.is_some() {
            let within = |time: &i64| {
                let time = i128::from(*time);
                options.since.is_none_or(|since| time >= since) && options.until.is_none_or(|until| time < until)
            };
            self.inside.extend(self.times.iter().map(within));
        }
        if let Some(unit) = options.precision {
            let step = unit.nanos();
            for time in &mut self.times {
                let Some(down) = time.div_euclid(step).checked_mul(step) else { return Ok(false) };
                *time = down;
            }
        }
        Ok(true)
    }

    /// How many rows of the batch have an empty tag, of those that are in the range.
    pub fn empty_tags(&self, inside: impl Fn(usize) -> bool) -> u64 {
        self.empty.iter().enumerate().filter(|(row, empty)| **empty && inside(*row)).count() as u64
    }

    /// The numbers of the series of all rows, after [`Table::near`].
    pub fn numbers(&mut self, out: &mut Vec<u32>, input: Input<'_>) -> Result<()> {
        out.clear();
        let Combinations { rows, numbers, .. } = &self.dictionaries.combinations;
        out.extend(rows.iter().map(|at| numbers.get(*at as usize).copied().unwrap_or(NONE)));
        out.resize(self.sums.len(), NONE);
        if !out.contains(&NONE) {
            return Ok(());
        }
        let mut last = 0;
        for (row, number) in out.iter_mut().enumerate() {
            if *number == NONE {
                *number = self.search(last, row, input)?;
                let Combinations { rows, numbers, .. } = &mut self.dictionaries.combinations;
                if let Some(known) = rows.get(row).and_then(|at| numbers.get_mut(*at as usize)) {
                    *known = *number;
                }
            }
            last = *number;
        }
        Ok(())
    }

    #[inline]
    fn search(&mut self, last: u32, row: usize, (batch, layout, options): Input<'_>) -> Result<u32> {
        let hash = self.sums.get(row).copied().unwrap_or_default();
        let guess = self.series.get(last as usize).map_or(0, |series| series.next);
        if self.series.get(guess as usize).is_some_and(|series| series.hash == hash) {
            return Ok(guess);
        }
        let number = match self.index.get(&hash) {
            Some(number) => *number,
            None => self.add(hash, batch, layout, options, row)?,
        };
        if let Some(last) = self.series.get_mut(last as usize) {
            last.next = number;
        }
        Ok(number)
    }

    /// Puts what stands for the buckets of rows in the place of the numbers of their series; `turn` gives it, with the ends
    /// of the bucket, where a row is in another bucket than the last one of its series. A row without a series stays as it
    /// is. With `doubts` the instants are noted, and it gets the buckets in which a series may have had a row at the same.
    pub fn buckets(
        &mut self,
        rows: &mut [u32],
        times: &[i64],
        mut doubts: Option<&mut Vec<u32>>,
        mut turn: impl FnMut(u32, i64) -> (i64, i64, u32),
    ) {
        let (all, bytes) = (&mut self.series[..], &mut self.bytes);
        for (row, time) in rows.iter_mut().zip(times) {
            let Some(series) = all.get_mut(*row as usize) else { continue };
            let (from, to, _) = series.bucket;
            if !(from <= *time && *time < to) {
                series.bucket = turn(*row, *time);
            }
            *row = series.bucket.2;
            if let Some(doubts) = &mut doubts
                && !series.seen.soon(*time)
                && series.again(i128::from(*time), bytes)
            {
                doubts.push(*row);
            }
        }
    }

    /// Fills [`Table::keys`] with the key of every row of the batch, but for the number of its series.
    pub fn hashes(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        self.dictionaries.add(batch, layout, options, (&mut self.sums, &mut self.empty))?;
        self.times(batch, layout, options)
    }

    /// Fills [`Table::keys`] with the key of every row of the batch.
    pub fn fill(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        self.hashes(batch, layout, options)?;
        let mut last: Option<(u128, u32)> = None;
        for row in 0..batch.num_rows() {
            let hash = self.keys[row].hash;
            let series = match last {
                Some((known, series)) if known == hash => series,
                _ => match self.index.get(&hash) {
                    Some(series) => *series,
                    None => self.add(hash, batch, layout, options, row)?,
                },
            };
            last = Some((hash, series));
            self.keys[row].series = series;
        }
        Ok(())
    }

    /// The buckets of [`Table::buckets`] stand for nothing any more.
    pub fn forget_buckets(&mut self) {
        for series in &mut self.series {
            series.bucket = (0, 0, 0);
        }
    }

    /// Notes that the series has a row at this instant. True: it may have had one before.
    pub fn again(&mut self, series: u32, time: i128) -> bool {
        let (all, bytes) = (&mut self.series, &mut self.bytes);
        all.get_mut(series as usize).is_none_or(|series| series.again(time, bytes))
    }

    fn times(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        let column = batch.column(layout.time);
        all_valid(column)?;
        let step = i128::from(options.precision.map_or(1, |unit| unit.nanos()));
        self.keys.clear();
        self.keys.resize(batch.num_rows(), Key::default());
        let (keys, sums) = (&mut self.keys, &self.sums);
        crate::column::instants(column, layout.unit.arrow(), |row, exact| {
            let time = if step == 1 { exact } else { exact.div_euclid(step) * step };
            let inside =
                options.since.is_none_or(|since| exact >= since) && options.until.is_none_or(|until| exact < until);
            keys[row] = Key { series: 0, hash: sums[row], time, exact, inside };
            Ok(())
        })
    }

    fn add(&mut self, hash: u128, batch: &RecordBatch, layout: &Layout, options: &Options, row: usize) -> Result<u32> {
        let number = u32::try_from(self.series.len()).map_err(|_| Error::malformed("more than 2^32 series"))?;
        let label = label(batch, layout, options, row)?;
        // Twice the record, because the vector grows by doubling, and its place in the index.
        self.bytes += label.len() + 2 * std::mem::size_of::<Series>() + 96;
        let next = number;
        self.series.push(Series { label, hash, next, seen: Seen::default(), bucket: (0, 0, 0) });
        self.index.insert(hash, number);
        Ok(number)
    }
}

/// The label of the series of a row.
pub fn label(batch: &RecordBatch, layout: &Layout, options: &Options, row: usize) -> Result<String> {
    let mut label = Map::new();
    let measurement = match layout.measurement.column() {
        Some(column) => text_of(batch.column(column.index), column, options, row)?,
        None => layout.measurement.name().map(str::to_owned),
    };
    if let Some(name) = measurement {
        label.insert("measurement".into(), name.into());
    }
    let mut texts = Map::new();
    for tag in &layout.tags {
        if let Some(text) = text_of(batch.column(tag.index), tag, options, row)?
            && (!text.is_empty() || options.empty_tag_distinct)
        {
            texts.insert(tag.name.clone(), Value::String(text));
        }
    }
    label.insert("tags".into(), Value::Object(texts));
    Ok(Value::Object(label).to_string())
}

fn text_of(array: &ArrayRef, tag: &Column, options: &Options, row: usize) -> Result<Option<String>> {
    let mut text = None;
    let one = plain(&array.slice(row, 1), false)?;
    let entry = |scratch: &Scratch| text = Some(String::from_utf8_lossy(scratch.value()).into_owned());
    tags(&one, tag.form, options.rules, &mut Scratch::new(0), entry, |_, ()| {})?;
    Ok(text)
}

/// A batch and how to read it.
pub type Input<'a> = (&'a RecordBatch, &'a Layout, &'a Options);

fn all_valid(times: &ArrayRef) -> Result<()> {
    if times.null_count() == 0 {
        return Ok(());
    }
    match (0..times.len()).find(|row| times.is_null(*row)) {
        Some(row) => Err(Error::malformed(format!("row {row} of a batch has no time"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_doubt(times: &[i128]) -> Option<usize> {
        let mut seen = Seen::default();
        times.iter().position(|time| seen.again(*time))
    }

    #[test]
    fn ordered_and_windowed_input_is_without_doubt() {
        let rising: Vec<i128> = (0..10_000).map(|i| i * 1000).collect();
        assert_eq!(first_doubt(&rising), None);
        let falling: Vec<i128> = rising.iter().rev().copied().collect();
        assert_eq!(first_doubt(&falling), None);
        // Eight windows of 100 instants, in any order, and rows of two windows in turns.
        let window = |w: i128| (0..100).map(move |i| (w * 100 + i) * 1000);
        let mixed: Vec<i128> = [3, 1, 7, 0, 2, 6, 5, 4].into_iter().flat_map(window).collect();
        assert_eq!(first_doubt(&mixed), None);
        let turns: Vec<i128> =
            (0..20).flat_map(|turn| [0, 7].map(|w| window(w).skip(turn * 5).take(5))).flatten().collect();
        assert_eq!(first_doubt(&turns), None);
    }

    /// The quick way says and notes what the other does.
    #[test]
    fn soon_is_as_again() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..300 {
            let (mut quick, mut slow) = (Seen::default(), Seen::default());
            let (mut at, mut step) = (if round % 5 == 0 { i64::MAX - 500 } else { 0 }, 1i64);
            for _ in 0..300 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                match state % 16 {
                    0 => step = (state >> 8) as i64 % 2000 - 500,
                    1 => at = at.wrapping_sub((state >> 8) as i64 % 1000),
                    2 if round % 7 == 0 => at = state as i64,
                    _ => {}
                }
                at = at.wrapping_add(step);
                let soon = quick.soon(at);
                assert_eq!(!soon && quick.again(i128::from(at)), slow.again(i128::from(at)));
            }
        }
    }

    /// Nothing that was there before may ever be called new.
    #[test]
    fn every_duplicate_is_doubted() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        for round in 0..200 {
            let mut seen = Seen::default();
            let mut all = std::collections::HashSet::new();
            for _ in 0..300 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = i128::from(state % (50 + round * 20)) * if round % 2 == 0 { 1 } else { 1_000_000 };
                let soon = round % 3 == 0 && seen.soon(at as i64);
                let again = !soon && seen.again(at);
                assert!(all.insert(at) || again, "{at} was there before");
                assert!(
                    seen.runs.len() <= RUNS && seen.runs.windows(2).all(|w| w[0].high < w[1].low),
                    "{:?}",
                    seen.runs
                );
            }
        }
    }
}
