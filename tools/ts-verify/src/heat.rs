//! Buckets by table and day, for the heat map of the HTML report: counts per slot of a day, over all series of a table.

use crate::options::Options;
use crate::rowdiff::State;
use serde_json::Value;
use std::collections::BTreeMap;

const DAY: i128 = 86_400_000_000_000;

/// Days of tables that are drawn; those with a difference have as much room again.
const ROWS: usize = 2000;

/// What the digests say of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Equal,
    /// It differs only in NaN and infinities that one side does not have: what that means is known at the end.
    Odd,
    Differing,
}

/// Buckets of all series of a table in one slot of a day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub equal: u64,
    pub tolerated: u64,
    pub differing: u64,
    pub unchecked: u64,
    odd: u64,
}

impl Slot {
    /// All buckets.
    pub fn total(&self) -> u64 {
        self.equal + self.tolerated + self.differing + self.unchecked + self.odd
    }

    fn of(&mut self, look: Look) -> &mut u64 {
        match look {
            Look::Equal => &mut self.equal,
            Look::Odd => &mut self.odd,
            Look::Differing => &mut self.differing,
        }
    }

    fn revise(&mut self, from: Look, to: State) {
        let from = self.of(from);
        *from = from.saturating_sub(1);
        match to {
            State::Tolerated => self.tolerated += 1,
            State::Differing => self.differing += 1,
            State::Unchecked => self.unchecked += 1,
            State::Equal => self.equal += 1,
        }
    }

    fn settle(&mut self, odd_differs: bool) {
        let odd = std::mem::take(&mut self.odd);
        *(if odd_differs { &mut self.differing } else { &mut self.tolerated }) += odd;
    }
}

/// The map.
pub struct Heat {
    width: i128,
    since: Option<i128>,
    until: Option<i128>,
    /// Slots in a day.
    slots: usize,
    tables: Vec<String>,
    rows: BTreeMap<(usize, i64), Vec<Slot>>,
    /// Buckets of days for which there was no room.
    pub left_out: Slot,
    last: (String, usize),
}

impl Heat {
    /// An empty map. A slot is a bucket, or an hour where buckets are shorter, or a day where they are longer.
    pub fn new(options: &Options) -> Self {
        let width = i128::from(options.bucket.max(1));
        let slots = match DAY / width {
            0 | 1 => 1,
            n if n < 24 && DAY % width == 0 => n as usize,
            _ => 24,
        };
        Heat {
            width,
            since: options.since,
            until: options.until,
            slots,
            tables: Vec::new(),
            rows: BTreeMap::new(),
            left_out: Slot::default(),
            last: (String::new(), usize::MAX),
        }
    }

    /// Counts a bucket.
    pub fn add(&mut self, label: &str, bucket: i64, look: Look) {
        *self.slot(label, bucket, look != Look::Equal).of(look) += 1;
    }

    /// A bucket that was counted as `from` turned out to be something else.
    pub fn revise(&mut self, label: &str, bucket: i64, from: Look, to: State) {
        self.slot(label, bucket, true).revise(from, to);
    }

    /// At the end: are buckets that differ only in NaN and infinities differing ones?
    pub fn settle(&mut self, odd_differs: bool) {
        for slot in self.rows.values_mut().flatten().chain([&mut self.left_out]) {
            slot.settle(odd_differs);
        }
    }

    /// Slots in a day.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The tables and their days: number of the day since 1970, and its slots.
    pub fn tables(&self) -> Vec<(&str, Vec<(i64, &[Slot])>)> {
        let mut tables: Vec<(&str, Vec<(i64, &[Slot])>)> =
            self.tables.iter().map(|name| (name.as_str(), Vec::new())).collect();
        for ((table, day), slots) in &self.rows {
            if let Some((_, days)) = tables.get_mut(*table) {
                days.push((*day, slots));
            }
        }
        tables.retain(|(_, days)| !days.is_empty());
        tables
    }

    /// Is a part of the slot outside of the range that was compared?
    pub fn outside(&self, day: i64, slot: usize) -> bool {
        let start = self.start(day, slot);
        let end = start + DAY / self.slots as i128;
        self.since.is_some_and(|since| start < since) || self.until.is_some_and(|until| end > until)
    }

    /// When a slot begins, in nanoseconds since 1970.
    pub fn start(&self, day: i64, slot: usize) -> i128 {
        i128::from(day) * DAY + DAY / self.slots as i128 * slot as i128
    }

    fn slot(&mut self, label: &str, bucket: i64, matters: bool) -> &mut Slot {
        let table = self.table(label);
        let start = i128::from(bucket) * self.width;
        let key = (table, start.div_euclid(DAY) as i64);
        let room = if matters { 2 * ROWS } else { ROWS };
        if self.rows.len() >= room && !self.rows.contains_key(&key) {
            return &mut self.left_out;
        }
        let place = (start.rem_euclid(DAY) * self.slots as i128 / DAY) as usize;
        let slots = self.rows.entry(key).or_insert_with(|| vec![Slot::default(); self.slots]);
        slots.get_mut(place).unwrap_or(&mut self.left_out)
    }

    /// The number of a series' table, which is its measurement.
    fn table(&mut self, label: &str) -> usize {
        if self.last.0 == label {
            return self.last.1;
        }
        let series: Value = serde_json::from_str(label).unwrap_or_default();
        let name = series.get("measurement").and_then(Value::as_str).unwrap_or_default();
        let number = self.tables.iter().rposition(|table| table == name).unwrap_or_else(|| {
            self.tables.push(name.to_owned());
            self.tables.len() - 1
        });
        self.last = (label.to_owned(), number);
        number
    }
}
