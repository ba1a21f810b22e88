//! Answering SELECT: series are merged by time, page by page, so that neither memory nor the lock is held for long.

use super::answer::{Answer, Gone};
use super::condition::Condition;
use super::influxql::{Column, Function, Group, Names, Select, Source};
use super::points::Value;
use super::server::Server;
use super::store::{Measurement, Policy, Store, Type};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Why a statement stopped.
#[derive(Debug)]
pub enum Stop {
    /// The statement's error.
    Failed(String),
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Stop {
        Stop::Gone
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Failed(text)
    }
}

/// Where a query reads: a database (v2: bucket) and a retention policy.
#[derive(Debug, Clone)]
pub struct Place {
    pub database: String,
    pub policy: Option<String>,
}

impl Place {
    /// The policy in the store.
    pub fn policy<'a>(&self, store: &'a Store) -> Result<&'a Policy, String> {
        let database =
            store.databases.get(&self.database).ok_or_else(|| format!("database not found: {}", self.database))?;
        let missing = || format!("retention policy not found: {}", self.policy.as_deref().unwrap_or_default());
        database.policy(self.policy.as_deref()).ok_or_else(missing)
    }
}

/// Rows under one lock.
const PAGE: usize = 8192;

/// One output column.
#[derive(Debug, Clone)]
enum Output {
    Time,
    Field(u32),
    Tag(Vec<u8>),
    /// Neither a field nor a tag of this measurement.
    Nothing,
    Call(Function, u32),
}

/// Runs a SELECT on all its sources.
pub fn run(server: &Server, place: &Place, select: &Select, answer: &mut Answer) -> Result<(), Stop> {
    if select.into {
        return Err("not implemented: SELECT INTO".to_string().into());
    }
    for source in &select.from {
        let place = Place {
            database: source.database.clone().unwrap_or_else(|| place.database.clone()),
            policy: source.policy.clone().or_else(|| place.policy.clone()),
        };
        // the lock ends with this statement: reading takes its own
        let found = names(&server.store(), &place, source)?;
        for name in found {
            one(server, &place, &name, select, answer)?;
        }
    }
    Ok(())
}

/// The measurements that a source means and that exist.
pub fn names(store: &Store, place: &Place, source: &Source) -> Result<Vec<Vec<u8>>, String> {
    let policy = place.policy(store)?;
    Ok(match &source.names {
        Names::All => policy.data.names().into_iter().map(<[u8]>::to_vec).collect(),
        Names::One(name) => policy.data.measurement(name.as_bytes()).map(|m| m.name.clone()).into_iter().collect(),
    })
}

/// What of a measurement is read, and how it is shown.
struct Plan {
    titles: Vec<String>,
    outputs: Vec<Output>,
    /// Tag keys and values of each result series, with the numbers of the stored series in it.
    groups: Vec<(Vec<(Vec<u8>, Vec<u8>)>, Vec<usize>)>,
}

fn one(server: &Server, place: &Place, name: &[u8], select: &Select, answer: &mut Answer) -> Result<(), Stop> {
    let plan = with_measurement(server, place, name, |m| plan(m, select))?;
    let Some(plan) = plan else { return Ok(()) };
    let calls = plan.outputs.iter().any(|o| matches!(o, Output::Call(..)));
    for (tags, series) in &plan.groups {
        let tags: Vec<(&[u8], &[u8])> = tags.iter().map(|(k, v)| (k.as_slice(), v.as_slice())).collect();
        if calls {
            aggregate(server, place, name, select, &plan, &tags, series, answer)?;
        } else {
            raw(server, place, name, select, &plan, &tags, series, answer)?;
        }
    }
    Ok(())
}

/// Lends the measurement with all its series in order.
pub fn with_measurement<T>(
    server: &Server,
    place: &Place,
    name: &[u8],
    lend: impl FnOnce(&Measurement) -> T,
) -> Result<T, Stop> {
    let gone = || Stop::Failed(format!("measurement not found: {}", String::from_utf8_lossy(name)));
    {
        let store = server.store();
        let measurement = place.policy(&store)?.data.measurement(name).ok_or_else(gone)?;
        if !measurement.series.iter().any(|s| s.rows.unsettled()) {
            return Ok(lend(measurement));
        }
    }
    {
        let mut store = server.store_mut();
        let policy = store.databases.get_mut(&place.database).and_then(|d| d.policy_mut(place.policy.as_deref()));
        if let Some(policy) = policy {
            policy.data.settle();
        }
        Ok(lend(place.policy(&store)?.data.measurement(name).ok_or_else(gone)?))
    }
}

fn plan(measurement: &Measurement, select: &Select) -> Option<Plan> {
    let keys = measurement.tag_keys();
    let grouped: Vec<Vec<u8>> = if select.group.all {
        keys.iter().map(|k| k.to_vec()).collect()
    } else {
        let mut tags: Vec<Vec<u8>> = select.group.tags.iter().map(|t| t.clone().into_bytes()).collect();
        tags.sort();
        tags
    };
    let free: Vec<&[u8]> = keys.into_iter().filter(|k| !grouped.iter().any(|g| g == k)).collect();
    let mut columns: Vec<(String, Output)> = vec![("time".to_string(), Output::Time)];
    for column in &select.columns {
        match column {
            Column::All { fields, tags } => {
                let mut all: Vec<(&[u8], Output)> = Vec::new();
                if *fields {
                    let known = measurement.field_types();
                    all.extend(measurement.fields.iter().enumerate().map(|(id, f)| (&**f, Output::Field(id as u32))));
                    all.retain(|(f, _)| known.binary_search_by(|(name, _)| name.cmp(f)).is_ok());
                }
                if *tags {
                    all.extend(free.iter().map(|k| (*k, Output::Tag(k.to_vec()))));
                }
                all.sort_by_key(|(name, _)| *name);
                columns.extend(all.into_iter().map(|(name, output)| (text(name), output)));
            }
            Column::Name { name, alias } => {
                let title = alias.clone().unwrap_or_else(|| name.clone());
                if name == "time" {
                    if let Some((first, _)) = columns.first_mut() {
                        *first = title;
                    }
                    continue;
                }
                let tag = measurement.series.iter().any(|s| !s.tag(name.as_bytes()).is_empty());
                let output = match measurement.field_id(name.as_bytes()) {
                    Some(id) => Output::Field(id),
                    None if tag => Output::Tag(name.clone().into_bytes()),
                    None => Output::Nothing,
                };
                columns.push((title, output));
            }
            Column::Call { function, of, alias } => {
                let mut all: Vec<(&[u8], Type)> = measurement.field_types();
                all.dedup_by_key(|(name, _)| *name);
                for (name, ty) in all {
                    let numeric = matches!(ty, Type::Float | Type::Integer | Type::Unsigned);
                    let any = matches!(function, Function::Count | Function::First | Function::Last);
                    match of {
                        Some(wanted) if wanted.as_bytes() != name => continue,
                        None if !numeric && !any => continue,
                        _ => {}
                    }
                    let title = match (alias, of) {
                        (Some(alias), _) => alias.clone(),
                        (None, Some(_)) => function.name().to_string(),
                        (None, None) => format!("{}_{}", function.name(), text(name)),
                    };
                    if let Some(id) = measurement.field_id(name) {
                        columns.push((title, Output::Call(*function, id)));
                    }
                }
            }
        }
    }
    if !columns.iter().any(|(_, o)| matches!(o, Output::Field(_) | Output::Call(..))) {
        return None;
    }
    let titles = distinct(columns.iter().map(|(title, _)| title.as_str()));
    let groups = groups(measurement, &select.condition, &grouped, &select.group);
    Some(Plan { titles, outputs: columns.into_iter().map(|(_, o)| o).collect(), groups })
}

/// Titles that come again get `_1`, `_2`.
fn distinct<'a>(titles: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for title in titles {
        let mut name = title.to_string();
        let mut n = 0;
        while found.contains(&name) {
            n += 1;
            name = format!("{title}_{n}");
        }
        found.push(name);
    }
    found
}

fn groups(
    m: &Measurement,
    condition: &Condition,
    keys: &[Vec<u8>],
    group: &Group,
) -> Vec<(Vec<(Vec<u8>, Vec<u8>)>, Vec<usize>)> {
    let mut found: BTreeMap<Vec<&[u8]>, Vec<usize>> = BTreeMap::new();
    for (n, series) in m.series.iter().enumerate() {
        if condition.filter.as_ref().is_none_or(|f| f.passes_series(m, series)) {
            found.entry(keys.iter().map(|k| series.tag(k)).collect()).or_default().push(n);
        }
    }
    let named = |values: Vec<&[u8]>| keys.iter().cloned().zip(values.into_iter().map(<[u8]>::to_vec)).collect();
    found
        .into_iter()
        .map(|(values, series)| (if group.is_none() { Vec::new() } else { named(values) }, series))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

type Tags<'a> = [(&'a [u8], &'a [u8])];

#[expect(clippy::too_many_arguments)]
fn raw(
    server: &Server,
    place: &Place,
    name: &[u8],
    select: &Select,
    plan: &Plan,
    tags: &Tags,
    series: &[usize],
    answer: &mut Answer,
) -> Result<(), Stop> {
    let fields: Vec<u32> =
        plan.outputs.iter().filter_map(|o| if let Output::Field(id) = o { Some(*id) } else { None }).collect();
    let (mut skip, mut left) = (select.offset, select.limit.filter(|l| *l > 0).unwrap_or(u64::MAX));
    let mut open = false;
    // per series: the next row to look at, counted from the start or, descending, from the end
    let mut cursor = Merge::new(series, &select.condition, select.descending);
    while left > 0 {
        let more = with_measurement(server, place, name, |m| -> Result<bool, Gone> {
            cursor.page(m, PAGE, |series, row, time| {
                let stored = &series.rows;
                if left == 0 || !fields.iter().any(|f| stored.get(row, *f).is_some()) {
                    return Ok(left > 0);
                }
                if select.condition.filter.as_ref().is_some_and(|f| !f.passes(m, series, row)) {
                    return Ok(true);
                }
                if skip > 0 {
                    skip -= 1;
                    return Ok(true);
                }
                if !open {
                    answer.begin_series(name, tags, &plan.titles)?;
                    open = true;
                }
                left -= 1;
                answer.row(|out| {
                    for output in &plan.outputs {
                        match output {
                            Output::Time => out.time(time),
                            Output::Field(id) => out.value(stored.get(row, *id).as_ref()),
                            Output::Tag(key) => out.tag(series.tag(key)),
                            Output::Nothing | Output::Call(..) => out.value(None),
                        }
                    }
                })?;
                Ok(true)
            })
        })??;
        if !more {
            break;
        }
    }
    if open {
        answer.end_series();
    }
    Ok(())
}

/// Walks through several series in the order of time, in pages; between two pages rows may be added.
pub struct Merge<'a> {
    /// Series number and the time from which on (descending: up to which) it is still to be read.
    cursors: Vec<(usize, i64)>,
    condition: &'a Condition,
    descending: bool,
}

impl<'a> Merge<'a> {
    /// All rows of these series in the condition's range.
    pub fn new(series: &[usize], condition: &'a Condition, descending: bool) -> Merge<'a> {
        let start = if descending { condition.to.map_or(i64::MAX, |to| to.saturating_sub(1)) } else { condition.from };
        Merge { cursors: series.iter().map(|s| (*s, start)).collect(), condition, descending }
    }

    /// Visits at most `most` rows; false when there are no more. `visit` returns false to stop for good.
    pub fn page(
        &mut self,
        m: &Measurement,
        most: usize,
        mut visit: impl FnMut(&super::store::Series, usize, i64) -> Result<bool, Gone>,
    ) -> Result<bool, Gone> {
        // (sort key, cursor number, row); the smallest comes first, so descending times are negated
        let mut heap: BinaryHeap<Reverse<(i128, usize, usize)>> = BinaryHeap::with_capacity(self.cursors.len());
        let key = |time: i64| if self.descending { -i128::from(time) } else { i128::from(time) };
        let inside = |time: i64| time >= self.condition.from && self.condition.to.is_none_or(|to| time < to);
        for (n, (series, from)) in self.cursors.iter().enumerate() {
            let Some(times) = m.series.get(*series).map(|s| s.rows.times()) else { continue };
            let row = match self.descending {
                false => Some(times.partition_point(|t| t < from)),
                true => times.partition_point(|t| t <= from).checked_sub(1),
            };
            if let Some((row, time)) = row.and_then(|r| times.get(r).map(|t| (r, *t))).filter(|(_, t)| inside(*t)) {
                heap.push(Reverse((key(time), n, row)));
            }
        }
        let mut visited = 0;
        while let Some(Reverse((_, n, row))) = heap.pop() {
            let Some((number, from)) = self.cursors.get_mut(n) else { continue };
            let Some(series) = m.series.get(*number) else { continue };
            let times = series.rows.times();
            let Some(&time) = times.get(row) else { continue };
            if visited == most {
                return Ok(true);
            }
            visited += 1;
            if !visit(series, row, time)? {
                return Ok(false);
            }
            let next = if self.descending { row.checked_sub(1) } else { Some(row + 1) };
            let after = if self.descending { time.checked_sub(1) } else { time.checked_add(1) };
            match after {
                Some(after) => *from = after,
                // the last time there is: nothing can follow it
                None => continue,
            }
            if let Some((next, time)) = next.and_then(|r| times.get(r).map(|t| (r, *t))).filter(|(_, t)| inside(*t)) {
                heap.push(Reverse((key(time), n, next)));
            }
        }
        Ok(false)
    }
}

/// A running aggregate.
#[derive(Default)]
pub struct Total {
    count: i64,
    best: Option<(Value<'static>, i64)>,
    int: i128,
    float: f64,
    is_float: bool,
}

impl Total {
    /// Takes one value.
    pub fn add(&mut self, function: Function, value: &Value, time: i64) {
        self.count += 1;
        match value {
            Value::Int(x) => (self.int, self.float) = (self.int + i128::from(*x), self.float + *x as f64),
            Value::Uint(x) => (self.int, self.float) = (self.int + i128::from(*x), self.float + *x as f64),
            Value::Float(x) => (self.is_float, self.float) = (true, self.float + *x),
            _ => {}
        }
        let better = match (&self.best, function) {
            (None, _) => true,
            (Some((_, at)), Function::First) => time < *at,
            (Some((_, at)), Function::Last) => time >= *at,
            (Some((best, _)), Function::Min) => less(value, best),
            (Some((best, _)), Function::Max) => less(best, value),
            _ => false,
        };
        if better {
            self.best = Some((value.owned(), time));
        }
    }

    /// The time of the chosen value.
    pub fn time(&self) -> Option<i64> {
        self.best.as_ref().map(|(_, time)| *time)
    }

    /// The result; `None` when there was no value.
    pub fn result(&self, function: Function) -> Option<Value<'static>> {
        let (best, _) = self.best.as_ref()?;
        Some(match function {
            Function::Count => Value::Int(self.count),
            Function::Mean => Value::Float(self.float / self.count as f64),
            Function::Sum if self.is_float => Value::Float(self.float),
            // sums wrap around in the server's 64 bits
            Function::Sum if matches!(best, Value::Uint(_)) => Value::Uint(self.int as u64),
            Function::Sum => Value::Int(self.int as i64),
            _ => best.clone(),
        })
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Uint(a), Value::Uint(b)) => a < b,
        (Value::Bool(a), Value::Bool(b)) => a < b,
        (Value::Str(a), Value::Str(b)) => a < b,
        _ => false,
    }
}

#[expect(clippy::too_many_arguments)]
fn aggregate(
    server: &Server,
    place: &Place,
    name: &[u8],
    select: &Select,
    plan: &Plan,
    tags: &Tags,
    series: &[usize],
    answer: &mut Answer,
) -> Result<(), Stop> {
    let calls: Vec<(Function, u32)> =
        plan.outputs.iter().filter_map(|o| if let Output::Call(f, id) = o { Some((*f, *id)) } else { None }).collect();
    let mut totals: Vec<Total> = calls.iter().map(|_| Total::default()).collect();
    let mut cursor = Merge::new(series, &select.condition, false);
    loop {
        let more = with_measurement(server, place, name, |m| {
            cursor.page(m, PAGE, |series, row, time| {
                if select.condition.filter.as_ref().is_none_or(|f| f.passes(m, series, row)) {
                    for ((function, id), total) in calls.iter().zip(&mut totals) {
                        if let Some(value) = series.rows.get(row, *id) {
                            total.add(*function, &value, time);
                        }
                    }
                }
                Ok(true)
            })
        })??;
        if !more {
            break;
        }
    }
    if totals.iter().all(|t| t.count == 0) {
        return Ok(());
    }
    // one selector alone shows the time of its point, everything else the start of the range
    let chosen = match (calls.as_slice(), totals.as_slice()) {
        ([(Function::Min | Function::Max | Function::First | Function::Last, _)], [total]) => {
            total.best.as_ref().map(|(_, t)| *t)
        }
        _ => None,
    };
    let start = if select.condition.from == i64::MIN { 0 } else { select.condition.from };
    answer.begin_series(name, tags, &plan.titles)?;
    answer.row(|out| {
        let mut results = calls.iter().zip(&totals).map(|((function, _), total)| total.result(*function));
        for output in &plan.outputs {
            match output {
                Output::Time => out.time(chosen.unwrap_or(start)),
                Output::Call(..) => out.value(results.next().flatten().as_ref()),
                _ => out.value(None),
            }
        }
    })?;
    answer.end_series();
    Ok(())
}
