//! Answering SELECT: series are merged by time, page by page, so that neither memory nor the lock is held for long.

use super::answer::{Answer, Gone};
use super::condition::Condition;
use super::influxql::{Function, Names, Select, Source};
use super::points::Value;
use super::select_plan::{Output, Plan, Scope, plan};
use super::server::Server;
use super::store::{Measurement, Policy, Store};
use super::totals::Total;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

/// Runs a SELECT on all its sources.
pub fn run(server: &Server, place: &Place, select: &Select, answer: &mut Answer) -> Result<(), Stop> {
    if select.into {
        return Err("not implemented: SELECT INTO".to_string().into());
    }
    let mut found: Vec<(Place, Vec<u8>)> = Vec::new();
    let mut scope = Scope::default();
    for source in &select.from {
        let place = Place {
            database: source.database.clone().unwrap_or_else(|| place.database.clone()),
            policy: source.policy.clone().or_else(|| place.policy.clone()),
        };
        let store = server.store();
        for name in names(&store, &place, source)? {
            if let Some(measurement) = place.policy(&store)?.data.measurement(&name) {
                scope.add(measurement);
            }
            found.push((place.clone(), name));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    for (place, name) in found {
        one(server, &place, &name, select, &scope, answer)?;
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

fn one(
    server: &Server,
    place: &Place,
    name: &[u8],
    select: &Select,
    scope: &Scope,
    answer: &mut Answer,
) -> Result<(), Stop> {
    let plan = with_measurement(server, place, name, |m| plan(m, select, scope))??;
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
        if !measurement.disorder {
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
    let calls: Vec<(Function, Option<u32>)> =
        plan.outputs.iter().filter_map(|o| if let Output::Call(f, id) = o { Some((*f, *id)) } else { None }).collect();
    let mut totals: Vec<Total> = calls.iter().map(|_| Total::default()).collect();
    // beside one selector, columns show what else its point holds
    let selects = |f: &Function| matches!(f, Function::Min | Function::Max | Function::First | Function::Last);
    let selector = matches!(calls.as_slice(), [(f, _)] if selects(f));
    let mut beside: Vec<Option<Value<'static>>> = vec![None; plan.outputs.len()];
    let mut cursor = Merge::new(series, &select.condition, false);
    loop {
        let more = with_measurement(server, place, name, |m| {
            cursor.page(m, PAGE, |series, row, time| {
                if select.condition.filter.as_ref().is_none_or(|f| f.passes(m, series, row)) {
                    for ((function, id), total) in calls.iter().zip(&mut totals) {
                        let value = id.and_then(|id| series.rows.get(row, id));
                        let chosen = value.is_some_and(|value| total.add(*function, &value, time));
                        if chosen && selector {
                            for (cell, output) in beside.iter_mut().zip(&plan.outputs) {
                                *cell = match output {
                                    Output::Field(id) => series.rows.get(row, *id).map(|v| v.owned()),
                                    Output::Tag(key) => Some(Value::Str(series.tag(key).to_vec().into())),
                                    _ => None,
                                };
                            }
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
    if totals.iter().all(|t| t.count() == 0) {
        return Ok(());
    }
    // one selector alone shows the time of its point, everything else the start of the range
    let chosen = totals.first().filter(|_| selector).and_then(Total::time);
    let start = if select.condition.from == i64::MIN { 0 } else { select.condition.from };
    answer.begin_series(name, tags, &plan.titles)?;
    answer.row(|out| {
        let mut results = calls.iter().zip(&totals).map(|((function, _), total)| total.result(*function));
        for (output, beside) in plan.outputs.iter().zip(&beside) {
            match output {
                Output::Time => out.time(chosen.unwrap_or(start)),
                Output::Call(..) => out.value(results.next().flatten().as_ref()),
                _ => out.value(beside.as_ref()),
            }
        }
    })?;
    answer.end_series();
    Ok(())
}
