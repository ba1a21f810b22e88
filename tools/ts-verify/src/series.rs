//! Series: measurement and tags. Each part is hashed on its own, length-prefixed, and the hashes are added: the order of
//! the columns does not matter, and a value of a dictionary is hashed once.

use crate::column::{Scratch, plain, tags};
use crate::layout::{Column, Layout};
use crate::options::Options;
use arrow_array::{Array, ArrayRef, RecordBatch};
use fault::{Context, Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

/// A duplicate-proof record of the instants seen in one series: disjoint intervals, in which an instant *may* have been
/// seen. Input in time order, ascending or descending, by whole windows or not, needs one or a few.
#[derive(Clone, Debug, Default)]
struct Seen {
    runs: Vec<(i128, i128)>,
    current: usize,
}

/// Intervals per series, at most. Beyond, neighbours grow together, which costs a second look and no exactness.
const RUNS: usize = 64;

impl Seen {
    /// Notes an instant. False: certainly new. True: it may have been there before.
    fn again(&mut self, at: i128) -> bool {
        if let Some(&(low, high)) = self.runs.get(self.current) {
            let next = self.runs.get(self.current + 1).map_or(i128::MAX, |run| run.0);
            if at > high && at < next {
                self.runs[self.current].1 = at;
                return false;
            }
            let before = if self.current == 0 { i128::MIN } else { self.runs[self.current - 1].1 };
            if at < low && at > before {
                self.runs[self.current].0 = at;
                return false;
            }
        }
        // The first run that does not end before the instant.
        let place = self.runs.partition_point(|run| run.1 < at);
        if self.runs.get(place).is_some_and(|run| run.0 <= at) {
            self.current = place;
            return true;
        }
        if self.runs.len() < RUNS {
            self.runs.insert(place, (at, at));
            self.current = place;
        } else if place > 0 {
            self.runs[place - 1].1 = at;
            self.current = place - 1;
        } else {
            self.runs[0].0 = at;
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
    seen: Seen,
}

/// The series seen so far, and what a batch needs per row.
pub struct Table {
    pub series: Vec<Series>,
    index: HashMap<u128, u32, FixedState>,
    /// Bytes of labels.
    pub bytes: usize,
    /// Rows with a tag that is an empty text.
    pub empty_tags: u64,
    sums: Vec<u128>,
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
            empty_tags: 0,
            sums: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Fills [`Table::keys`] with the key of every row of the batch.
    pub fn fill(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        self.hash_series(batch, layout, options)?;
        self.times(batch, layout, options)?;
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

    /// Notes that the series has a row at this instant. True: it may have had one before.
    pub fn again(&mut self, series: u32, time: i128) -> bool {
        self.series.get_mut(series as usize).is_none_or(|series| series.seen.again(time))
    }

    fn hash_series(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        let rows = batch.num_rows();
        let fixed = layout.measurement.hash();
        self.sums.clear();
        self.sums.resize(rows, fixed);
        let mut empty = vec![false; if layout.tags.is_empty() { 0 } else { rows }];
        let distinct = options.empty_tag_distinct;
        for tag in layout.tags.iter().chain(layout.measurement.column()) {
            let sums = &mut self.sums;
            let entry = |text: &Scratch| (distinct || !text.value().is_empty()).then(|| xxh3_128(&text.bytes));
            let each = |row: usize, hash| match (hash, sums.get_mut(row)) {
                (Some(hash), Some(sum)) => *sum = sum.wrapping_add(hash),
                _ => {
                    if let Some(empty) = empty.get_mut(row) {
                        *empty = true;
                    }
                }
            };
            let mut scratch = Scratch::with_head(&tag.head);
            tags(batch.column(tag.index), tag.form, options.rules, &mut scratch, entry, each)
                .context(|| format!("column {}", tag.name))?;
        }
        self.empty_tags += empty.iter().filter(|empty| **empty).count() as u64;
        Ok(())
    }

    fn times(&mut self, batch: &RecordBatch, layout: &Layout, options: &Options) -> Result<()> {
        let column = batch.column(layout.time);
        if column.null_count() > 0 {
            let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or_default();
            return Err(Error::malformed(format!("row {row} of a batch has no time")));
        }
        let step = i128::from(options.precision.map_or(1, |unit| unit.nanos()));
        self.keys.clear();
        self.keys.resize(batch.num_rows(), Key::default());
        let (keys, sums) = (&mut self.keys, &self.sums);
        crate::column::instants(column, layout.unit.arrow(), |row, exact| {
            let time = if step == 1 { exact } else { exact.div_euclid(step) * step };
            let inside = options.since.is_none_or(|since| exact >= since) && options.until.is_none_or(|until| exact < until);
            keys[row] = Key { series: 0, hash: sums[row], time, exact, inside };
            Ok(())
        })
    }

    fn add(&mut self, hash: u128, batch: &RecordBatch, layout: &Layout, options: &Options, row: usize) -> Result<u32> {
        let number = u32::try_from(self.series.len()).map_err(|_| Error::malformed("more than 2^32 series"))?;
        let mut label = Map::new();
        let measurement = match layout.measurement.column() {
            Some(column) => self.text_of(batch.column(column.index), column, options, row)?,
            None => layout.measurement.name().map(str::to_owned),
        };
        if let Some(name) = measurement {
            label.insert("measurement".into(), name.into());
        }
        let mut texts = Map::new();
        for tag in &layout.tags {
            if let Some(text) = self.text_of(batch.column(tag.index), tag, options, row)? {
                if !text.is_empty() || options.empty_tag_distinct {
                    texts.insert(tag.name.clone(), Value::String(text));
                }
            }
        }
        label.insert("tags".into(), Value::Object(texts));
        let label = Value::Object(label).to_string();
        self.bytes += label.len() + std::mem::size_of::<Series>() + 96;
        self.series.push(Series { label, seen: Seen::default() });
        self.index.insert(hash, number);
        Ok(number)
    }

    fn text_of(&mut self, array: &ArrayRef, tag: &Column, options: &Options, row: usize) -> Result<Option<String>> {
        let mut text = None;
        let one = plain(&array.slice(row, 1), false)?;
        let entry = |scratch: &Scratch| text = Some(String::from_utf8_lossy(scratch.value()).into_owned());
        tags(&one, tag.form, options.rules, &mut Scratch::new(0), entry, |_, ()| {})?;
        Ok(text)
    }
}
