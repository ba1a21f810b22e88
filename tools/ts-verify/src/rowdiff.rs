//! The row stage: the buckets whose digests differ, read again, cell by cell.
//!
//! At most `--rows-max` rows per side are in memory: the buckets are taken in groups, and a bucket that is larger on its
//! own is taken in parts, which the times of the rows choose.

use crate::canonical;
use crate::classes::{Class, Classes};
use crate::compare::Differing;
use crate::digest::{Digest, bucket_of, each_cell};
use crate::form::Form;
use crate::input::Rows;
use crate::layout::Layout;
use crate::options::{Dedupe, Options};
use crate::report::{Kind, Record, Report};
use crate::sample;
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
    pub digest: &'a mut Digest,
}

/// A pass over both sides: some buckets, and which part of their rows.
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

/// What the rows of a differing bucket showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// A difference that no allowed class explains; or they were not all read.
    real: bool,
    /// Classes of the others, a bit each.
    classes: u32,
}

impl Found {
    /// For a bucket whose rows were not read: its digest differs.
    pub const DIGEST: Found = Found { real: true, classes: 0 };

    /// What stands in the end, when all deviations are counted.
    pub fn state(self, classes: &Classes) -> State {
        let seen = |class: &Class| self.classes & (1 << *class as u32) != 0;
        if self.real || Class::ALL.iter().any(|class| seen(class) && !classes.within(*class)) {
            State::Differing
        } else if self.classes != 0 {
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
}

/// Looks at the rows of the differing buckets, in order, and reports.
pub fn run<W: Write>(
    (mut a, mut b): (Side, Side),
    differing: &[Differing],
    options: &Options,
    rows_max: u64,
    classes: &mut Classes,
    report: &mut Report<W>,
    run: &Run,
) -> Result<RowOutcome> {
    let mut outcome = RowOutcome { found: vec![Found::default(); differing.len()], ..RowOutcome::default() };
    let names = Names::new(a.layout, b.layout);
    for (pass, job) in jobs(differing, rows_max).into_iter().enumerate() {
        if outcome.real > 0 && (!report.has_room() || pass >= PASSES) {
            for found in outcome.found.get_mut(job.buckets.clone()).unwrap_or_default() {
                found.real = true;
            }
            // A bucket of which a part was looked at counts as looked at.
            if job.part == 0 {
                outcome.not_examined += job.buckets.len() as u64;
            }
            continue;
        }
        let buckets = differing.get(job.buckets.clone()).unwrap_or_default();
        let x = collect(&mut a, buckets, &job, options, &names.a, run).context(|| a.rows.name.clone())?;
        let y = collect(&mut b, buckets, &job, options, &names.b, run).context(|| b.rows.name.clone())?;
        let found = outcome.found.get_mut(job.buckets.clone()).unwrap_or_default();
        outcome.real += diff((&x, &y), (buckets, found), &names, options, classes, report)?;
    }
    outcome.unexplained = outcome.found.iter().any(|found| !found.real && found.classes == 0);
    Ok(outcome)
}

fn jobs(differing: &[Differing], rows_max: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, bucket) in differing.iter().enumerate() {
        let rows = bucket.rows();
        if held > 0 && held + rows > rows_max {
            jobs.push(Job { buckets: start..at, part: 0, parts: 1 });
            (start, held) = (at, 0);
        }
        if rows > rows_max {
            let parts = rows.div_ceil(rows_max);
            jobs.extend((0..parts).map(|part| Job { buckets: at..at + 1, part, parts }));
            (start, held) = (at + 1, 0);
        } else {
            held += rows.max(1);
        }
    }
    if start < differing.len() {
        jobs.push(Job { buckets: start..differing.len(), part: 0, parts: 1 });
    }
    jobs
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
            columns
                .all(|field| field.form == Form::Single || (field.form == Form::Own && field.declared == Type::Float))
        };
        Names { a: number(a), b: number(b), single: names.iter().map(is_single).collect(), names }
    }

    fn show(&self, field: u32, value: &[u8]) -> Value {
        match canonical::show(value, Unit::S) {
            Value::Number(number) if self.single.get(field as usize) == Some(&true) && number.is_f64() => {
                let short = number.as_f64().map(|wide| (wide as f32).to_string());
                short.and_then(|text| text.parse::<f64>().ok()).map_or(Value::Number(number), Value::from)
            }
            value => value,
        }
    }
}

fn collect(
    side: &mut Side,
    buckets: &[Differing],
    job: &Job,
    options: &Options,
    fields: &[u32],
    run: &Run,
) -> Result<Cells> {
    let numbers: HashMap<&str, u32> =
        side.digest.table.series.iter().enumerate().map(|(n, series)| (series.label.as_str(), n as u32)).collect();
    let wanted: HashMap<(u32, i64), usize> = buckets
        .iter()
        .enumerate()
        .filter_map(|(at, bucket)| Some(((*numbers.get(bucket.label.as_str())?, bucket.bucket), at)))
        .collect();
    // Buckets of one series stand together: the first one's place orders the rows of all.
    let first: Vec<usize> =
        buckets.iter().map(|bucket| buckets.partition_point(|other| other.label < bucket.label)).collect();
    let mut found = Cells::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let mut reader = sample::open(side.rows, side.layout, options)?;
    let mut heads = Vec::new();
    let mut places = Vec::new();
    while let Some(batch) = reader.next()? {
        run.stop().check()?;
        let table = &mut side.digest.table;
        table.fill(&batch, side.layout, options)?;
        places.clear();
        for key in &table.keys {
            let mine = key.inside && (job.parts == 1 || xxh3_64(&key.time.to_le_bytes()) % job.parts == job.part);
            let place = if mine { wanted.get(&(key.series, bucket_of(key.time, options.bucket)?)) } else { None };
            places.push(place.and_then(|place| first.get(*place)).copied());
        }
        if places.iter().all(Option::is_none) {
            continue;
        }
        each_cell(&batch, side.layout, options, &table.keys, &mut heads, |row, field, _, value| {
            let (Some(place), Some(field)) = (places[row], fields.get(field as usize)) else { return Ok(()) };
            let cells = found.entry((place, table.keys[row].time)).or_default();
            match cells.iter_mut().find(|cell| cell.field == *field && options.dedupe != Dedupe::Keep) {
                None => cells.push(Cell { field: *field, value: value.into() }),
                Some(cell) if options.dedupe == Dedupe::Last => cell.value = value.into(),
                Some(_) => {}
            }
            Ok(())
        })?;
    }
    for cells in found.values_mut() {
        cells.sort_by(|a, b| (a.field, &a.value).cmp(&(b.field, &b.value)));
    }
    Ok(found)
}

fn diff<W: Write>(
    (a, b): (&Cells, &Cells),
    (buckets, found): (&[Differing], &mut [Found]),
    names: &Names,
    options: &Options,
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
                match explained {
                    Some(class) => found.classes |= 1 << class as u32,
                    None => found.real = true,
                }
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
                put(kind, name, show(x), show(y), Class::of(x, y), more)
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
