//! The row stage: the buckets whose digests differ, read again, cell by cell.
//!
//! At most `--rows-max` rows per side are in memory, and a share of `--max-memory`: the buckets are taken in groups, and a
//! bucket that is larger on its own is taken in parts, which the times of the rows choose.

use crate::canonical;
use crate::classes::{Class, Classes};
use crate::differing::{Differing, List};
use crate::digest::{bucket_of, each_cell};
use crate::form::Form;
use crate::input::Rows;
use crate::layout::Layout;
use crate::options::{Dedupe, Options};
use crate::report::{Kind, Record, Report};
use crate::sample;
use crate::series::Table;
use crate::tolerance::Tolerance;
use cli::Run;
use fault::{Context, Error, Result};
use rows::time::Unit;
use rows::types::Type;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use xxhash_rust::xxh3::xxh3_64;

/// One side of the row stage.
pub struct Side<'a> {
    pub rows: &'a mut Rows,
    pub layout: &'a Layout,
}

/// What may be in memory, per side.
#[derive(Clone, Copy)]
pub struct Room {
    pub rows: u64,
    pub bytes: u64,
}

impl Room {
    /// Of `--rows-max` and a part of `--max-memory`; a few rows have room in any case.
    pub fn new(rows: u64, max_memory: u64) -> Room {
        Room { rows, bytes: (max_memory / 4).max(4 << 20) }
    }

    /// How much of it a bucket takes, as far as its lines tell, in millionths.
    fn share(self, bucket: &Differing) -> u64 {
        let bytes = bucket.rows() * ROW_BYTES + bucket.cells() * (CELL_BYTES + NUMBER_BYTES);
        let part = |n: u64, of: u64| u128::from(n) * 1_000_000 / u128::from(of.max(1));
        let share = part(bucket.rows(), self.rows).max(part(bytes, self.bytes));
        u64::try_from(share).unwrap_or(u64::MAX).max(1)
    }
}

/// Bytes that a row and a cell cost beside the value, and what a number takes.
const ROW_BYTES: u64 = 120;
const CELL_BYTES: u64 = 64;
const NUMBER_BYTES: u64 = 17;

/// Buckets in one group, at most: they have their price, too.
const BUCKETS: usize = 20_000;

/// A pass over both sides: some buckets of a group, and which part of their rows.
struct Job {
    buckets: std::ops::Range<usize>,
    part: u64,
    parts: u64,
}

/// Passes beyond which more differences are only counted by bucket, once there is a difference.
const PASSES: usize = 16;

/// Rows by (place of the series in the list of differing buckets, time): a value per field, or several with `keep`.
type Cells = BTreeMap<(usize, i128), Vec<Cell>>;

struct Cell {
    field: u32,
    value: Box<[u8]>,
}

/// The result of the row stage.
#[derive(Debug, Default)]
pub struct RowOutcome {
    /// Differences that no allowed class explains.
    pub real: u64,
    /// Buckets that were not looked at.
    pub not_examined: u64,
    /// Buckets whose rows turned out to be equal: an input changed between two passes.
    pub unexplained: bool,
    /// Of each differing bucket.
    pub found: Vec<Found>,
}

/// What the rows of a differing bucket showed: classes of deviations, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found(u16);

impl Found {
    /// A difference that no allowed class explains; or the rows were not all read.
    const REAL: u16 = 1 << 15;

    /// For a bucket whose rows were not read: its digest differs.
    pub const DIGEST: Found = Found(Found::REAL);

    fn note(&mut self, class: Option<Class>) {
        self.0 |= class.map_or(Found::REAL, |class| 1 << class as u16);
    }

    /// What stands in the end, when all deviations are counted.
    pub fn state(self, classes: &Classes) -> State {
        let seen = |class: &Class| self.0 & (1 << *class as u16) != 0;
        if self.0 & Found::REAL != 0 || Class::ALL.iter().any(|class| seen(class) && !classes.within(*class)) {
            State::Differing
        } else if self.0 != 0 {
            State::Tolerated
        } else {
            State::Unchecked
        }
    }
}

/// What is known of a differing bucket in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Only deviations that are allowed.
    Tolerated,
    Differing,
    /// Its digests differ and its rows do not.
    Unchecked,
    /// It did not differ any more when it was read again.
    Equal,
}

/// Looks at the rows of the differing buckets, in order, and reports. `odd`: also of those that differ only in NaN and
/// infinities.
pub fn run<W: Write>(
    (a, b): (Side, Side),
    (differing, odd): (&List, bool),
    (options, tolerance): (&Options, &Tolerance),
    room: Room,
    (classes, report): (&mut Classes, &mut Report<W>),
    run: &Run,
) -> Result<RowOutcome> {
    let names = Names::new(a.layout, b.layout);
    let outcome = RowOutcome::default();
    let mut stage = Stage { a, b, names, options, tolerance, room, classes, report, run, outcome, passes: 0 };
    let (mut list, mut group, mut held) = (differing.open(), Vec::new(), 0);
    loop {
        let next = list.next()?;
        if next.as_ref().is_some_and(|bucket| bucket.only_odd && !odd) {
            continue;
        }
        let share = next.as_ref().map_or(0, |bucket| room.share(bucket));
        if !group.is_empty() && (next.is_none() || held + share > 1_000_000 || group.len() >= BUCKETS) {
            stage.group(&group)?;
            group.clear();
            held = 0;
        }
        held += share;
        match next {
            None => break,
            Some(bucket) => group.push(bucket),
        }
    }
    let mut outcome = stage.outcome;
    outcome.unexplained = outcome.found.contains(&Found::default());
    Ok(outcome)
}

/// The row stage under way.
struct Stage<'a, W: Write> {
    a: Side<'a>,
    b: Side<'a>,
    names: Names,
    options: &'a Options,
    tolerance: &'a Tolerance,
    room: Room,
    classes: &'a mut Classes,
    report: &'a mut Report<W>,
    run: &'a Run,
    outcome: RowOutcome,
    passes: usize,
}

impl<W: Write> Stage<'_, W> {
    /// Looks at some buckets.
    fn group(&mut self, group: &[Differing]) -> Result<()> {
        let mut found = vec![Found::default(); group.len()];
        // Only a bucket that is alone can take more than all of the room.
        let share = group.iter().map(|bucket| self.room.share(bucket)).max().unwrap_or_default();
        let parts = share.div_ceil(1_000_000).max(1);
        let mut jobs: Vec<Job> = (0..parts).rev().map(|part| Job { buckets: 0..group.len(), part, parts }).collect();
        while let Some(job) = jobs.pop() {
            let (buckets, found) = (group.get(job.buckets.clone()), found.get_mut(job.buckets.clone()));
            let (buckets, found) = (buckets.unwrap_or_default(), found.unwrap_or_default());
            if self.outcome.real > 0 && (!self.report.has_room() || self.passes >= PASSES) {
                // A bucket of which a part was looked at counts as looked at.
                if job.part == 0 {
                    self.outcome.not_examined += buckets.len() as u64;
                }
                found.iter_mut().for_each(|found| found.note(None));
                continue;
            }
            self.passes += 1;
            let (options, room) = (self.options, self.room.bytes);
            let x = collect(&mut self.a, buckets, &job, options, &self.names.a, room, self.run);
            let x = x.context(|| self.a.rows.name.clone())?;
            let y = match x {
                None => None,
                Some(_) => collect(&mut self.b, buckets, &job, options, &self.names.b, room, self.run)
                    .context(|| self.b.rows.name.clone())?,
            };
            let (Some(x), Some(y)) = (x, y) else {
                jobs.extend(job.halves());
                continue;
            };
            let known = (&self.names, options, self.tolerance);
            self.outcome.real += diff((&x, &y), (buckets, found), known, self.classes, self.report)?;
        }
        self.outcome.found.extend(found);
        Ok(())
    }
}

impl Job {
    /// Two jobs, the second first, with half of the rows each.
    fn halves(self) -> [Job; 2] {
        let Job { buckets, part, parts } = self;
        if buckets.len() > 1 {
            let middle = buckets.start + buckets.len() / 2;
            let half = |buckets| Job { buckets, part, parts };
            [half(middle..buckets.end), half(buckets.start..middle)]
        } else {
            let half = |part| Job { buckets: buckets.clone(), part, parts: parts * 2 };
            [half(part + parts), half(part)]
        }
    }
}

/// Names of fields, numbered over both sides.
struct Names {
    names: Vec<String>,
    /// Both sides hold f32: values are shown with so many digits.
    single: Vec<bool>,
    /// From the number of a field in the layout of a side.
    a: Vec<u32>,
    b: Vec<u32>,
}

impl Names {
    fn new(a: &Layout, b: &Layout) -> Names {
        let mut names: Vec<String> = a.fields.iter().chain(&b.fields).map(|field| field.name.clone()).collect();
        names.sort();
        names.dedup();
        let number = |layout: &Layout| {
            layout.fields.iter().map(|field| names.binary_search(&field.name).unwrap_or_default() as u32).collect()
        };
        let is_single = |name: &String| {
            let mut columns = a.fields.iter().chain(&b.fields).filter(|field| field.name == *name);
            columns.all(|field| {
                matches!(field.form, Form::Single | Form::Float32)
                    || (field.form == Form::Own && field.declared == Type::Float)
            })
        };
        Names { a: number(a), b: number(b), single: names.iter().map(is_single).collect(), names }
    }

    fn show(&self, field: u32, value: &[u8]) -> Value {
        match canonical::show(value, Unit::S) {
            Value::Number(number) if self.single.get(field as usize) == Some(&true) && number.is_f64() => {
                let single = |wide: &f64| f64::from(*wide as f32) == *wide;
                let short = number.as_f64().filter(single).map(|wide| (wide as f32).to_string());
                short.and_then(|text| text.parse::<f64>().ok()).map_or(Value::Number(number), Value::from)
            }
            value => value,
        }
    }
}

/// The cells of the buckets; `None` if they need more than `room` bytes and could be had in parts.
fn collect(
    side: &mut Side,
    buckets: &[Differing],
    job: &Job,
    options: &Options,
    fields: &[u32],
    room: u64,
    run: &Run,
) -> Result<Option<Cells>> {
    let wanted: HashMap<(u128, i64), usize> =
        buckets.iter().enumerate().map(|(at, bucket)| ((bucket.hash, bucket.bucket), at)).collect();
    // Buckets of one series stand together: the first one's place orders the rows of all.
    let first: Vec<usize> =
        buckets.iter().map(|bucket| buckets.partition_point(|other| other.label < bucket.label)).collect();
    let mut found = Cells::new();
    let mut reader = sample::open(side.rows, side.layout, options)?;
    let (mut table, mut heads, mut places, mut bytes) = (Table::new(), Vec::new(), Vec::new(), 0);
    while let Some(batch) = reader.next()? {
        run.stop().check()?;
        table.hashes(&batch, side.layout, options)?;
        places.clear();
        for key in &table.keys {
            let mine = key.inside && (job.parts == 1 || xxh3_64(&key.time.to_le_bytes()) % job.parts == job.part);
            let place = if mine { wanted.get(&(key.hash, bucket_of(key.time, options.bucket)?)) } else { None };
            places.push(place.and_then(|place| first.get(*place)).copied());
        }
        if places.iter().all(Option::is_none) {
            continue;
        }
        each_cell(&batch, side.layout, options, &table.keys, &mut heads, |row, field, _, value| {
            let (Some(place), Some(field)) = (places[row], fields.get(field as usize)) else { return Ok(()) };
            let cells = found.entry((place, table.keys[row].time)).or_default();
            bytes += if cells.is_empty() { ROW_BYTES } else { 0 };
            match cells.iter_mut().find(|cell| cell.field == *field && options.dedupe != Dedupe::Keep) {
                None => {
                    bytes += CELL_BYTES + value.len() as u64;
                    cells.push(Cell { field: *field, value: value.into() });
                }
                Some(cell) if options.dedupe == Dedupe::Last => cell.value = value.into(),
                Some(_) => {}
            }
            Ok(())
        })?;
        // Rows of one instant of one series stay together, however small the part.
        if bytes > room && (buckets.len() > 1 || (found.len() > 1 && job.parts < 1 << 20)) {
            return Ok(None);
        }
    }
    for cells in found.values_mut() {
        cells.sort_by(|a, b| (a.field, &a.value).cmp(&(b.field, &b.value)));
    }
    Ok(Some(found))
}

fn diff<W: Write>(
    (a, b): (&Cells, &Cells),
    (buckets, found): (&[Differing], &mut [Found]),
    (names, options, tolerance): (&Names, &Options, &Tolerance),
    classes: &mut Classes,
    report: &mut Report<W>,
) -> Result<u64> {
    let mut real = 0;
    let keys: std::collections::BTreeSet<&(usize, i128)> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let series = buckets.get(key.0).map(|bucket| bucket.label.as_str());
        let mut put = |kind, field: Option<&str>, a: Value, b: Value, class: Option<Class>, more| {
            if let Some(class) = class {
                // NaN and infinities were counted from the digests.
                if class != Class::NonFinite {
                    classes.add(class, 1);
                }
            }
            let explained = class.filter(|class| classes.allows(*class));
            real += u64::from(explained.is_none());
            if let Some(found) = bucket_at(buckets, *key, options.bucket)?.and_then(|at| found.get_mut(at)) {
                found.note(explained);
            }
            if class.is_some_and(|class| classes.unlimited(class)) {
                report.allowed += 1;
                return Ok(());
            }
            report.difference(&Record { kind, series, time: Some(key.1), field, a, b, class, more })
        };
        match (a.get(key), b.get(key)) {
            (Some(row), None) => {
                put(Kind::Missing, None, whole(row, names), Value::Null, class_of_row(row), Map::new())?
            }
            (None, Some(row)) => put(Kind::Extra, None, Value::Null, whole(row, names), class_of_row(row), Map::new())?,
            (Some(x), Some(y)) => diff_row(x, y, |field, x, y| {
                let name = names.names.get(field as usize).map(String::as_str);
                let show = |value: Option<&[u8]>| value.map_or(Value::Null, |value| names.show(field, value));
                let mut more = Map::new();
                let kind = match (x, y) {
                    (Some(_), None) => Kind::Missing,
                    (None, _) => Kind::Extra,
                    (Some(x), Some(y)) if !same_family(x, y, options) => {
                        more.insert("a_type".into(), canonical::type_name(x).into());
                        more.insert("b_type".into(), canonical::type_name(y).into());
                        Kind::Type
                    }
                    _ => Kind::Changed,
                };
                let near = kind == Kind::Changed
                    && x.zip(y).is_some_and(|(x, y)| tolerance.allows(name.unwrap_or_default(), x, y));
                let class = if near { Some(Class::Tolerated) } else { Class::of(x, y) };
                put(kind, name, show(x), show(y), class, more)
            })?,
            (None, None) => {}
        }
    }
    Ok(real)
}

/// Which of the buckets a row is in.
fn bucket_at(buckets: &[Differing], (first, time): (usize, i128), width: i64) -> Result<Option<usize>> {
    let number = bucket_of(time, width)?;
    let rest = buckets.get(first..).unwrap_or_default();
    let Some(label) = rest.first().map(|bucket| bucket.label.as_str()) else { return Ok(None) };
    let place = rest.binary_search_by(|bucket| (bucket.label.as_str(), bucket.bucket).cmp(&(label, number)));
    Ok(place.ok().map(|place| first + place))
}

/// All numbers are one family, unless they are strict.
fn same_family(a: &[u8], b: &[u8], options: &Options) -> bool {
    use canonical::{DECIMAL, FLOAT, INT, NON_FINITE, SINGLE, UINT};
    let family = |value: &[u8]| match value.first() {
        Some(&(INT | UINT | FLOAT | SINGLE | DECIMAL | NON_FINITE)) if !options.rules.strict_numbers => INT,
        Some(&NON_FINITE) => FLOAT,
        Some(tag) => *tag,
        None => 0,
    };
    family(a) == family(b)
}

fn whole(row: &[Cell], names: &Names) -> Value {
    let cells = row
        .iter()
        .filter_map(|cell| Some((names.names.get(cell.field as usize)?.clone(), names.show(cell.field, &cell.value))));
    Value::Object(cells.collect())
}

fn class_of_row(row: &[Cell]) -> Option<Class> {
    let odd = row.iter().all(|cell| Class::of(Some(&cell.value), None) == Some(Class::NonFinite));
    odd.then_some(Class::NonFinite)
}

/// Calls `each` for every field whose values differ. Cells are sorted by field and value.
fn diff_row(
    a: &[Cell],
    b: &[Cell],
    mut each: impl FnMut(u32, Option<&[u8]>, Option<&[u8]>) -> Result<()>,
) -> Result<()> {
    let fields: std::collections::BTreeSet<u32> = a.iter().chain(b).map(|cell| cell.field).collect();
    for field in fields {
        let values = |row: &'_ [Cell]| -> Vec<Vec<u8>> {
            row.iter().filter(|cell| cell.field == field).map(|cell| cell.value.to_vec()).collect()
        };
        let (mut x, mut y) = (values(a), values(b));
        // What both sides have equally often is no difference.
        x.retain(|value| match y.iter().position(|other| other == value) {
            Some(at) => {
                y.remove(at);
                false
            }
            None => true,
        });
        for at in 0..x.len().max(y.len()) {
            each(field, x.get(at).map(Vec::as_slice), y.get(at).map(Vec::as_slice))?;
        }
    }
    Ok(())
}

/// The error for buckets that differ in the digests and not in the rows.
pub fn changed_meanwhile() -> Error {
    Error::new(
        fault::Kind::NoVerdict,
        "the digests differ and the rows do not: an input changed while it was read; compare again when nothing writes to it",
    )
}
