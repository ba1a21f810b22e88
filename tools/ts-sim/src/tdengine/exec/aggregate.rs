//! Aggregates: COUNT, FIRST, LAST, LAST_ROW, MIN, MAX, SUM, AVG, by group.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::sql::error::SqlError;
use super::super::types::{Kind, Type};
use super::super::value::Value;
use super::expr::{Bound, Part, Row, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    First,
    Last,
    LastRow,
    Min,
    Max,
    Sum,
    Avg,
}

impl Aggregate {
    pub fn parse(name: &str) -> Option<Aggregate> {
        Some(match name {
            "count" => Aggregate::Count,
            "first" => Aggregate::First,
            "last" => Aggregate::Last,
            "last_row" => Aggregate::LastRow,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "sum" => Aggregate::Sum,
            "avg" => Aggregate::Avg,
            _ => return None,
        })
    }
}

/// One call in a statement; without an argument it is `count(*)`.
#[derive(Debug, Clone)]
pub struct AggCall {
    aggregate: Aggregate,
    argument: Option<Bound>,
}

impl AggCall {
    pub fn new(aggregate: Aggregate, argument: Option<Bound>) -> Result<AggCall, SqlError> {
        if let Some(argument) = &argument
            && matches!(aggregate, Aggregate::Sum | Aggregate::Avg)
            && (argument.ty().width().is_none() || argument.ty().kind == Kind::Timestamp)
        {
            return Err(SqlError::new(0x2802, "Invalid function para type"));
        }
        Ok(AggCall { aggregate, argument })
    }

    pub fn is_count(&self) -> bool {
        self.aggregate == Aggregate::Count
    }

    pub fn ty(&self) -> Type {
        let argument = self.argument.as_ref().map(Bound::ty);
        match (self.aggregate, argument) {
            (Aggregate::Count, _) | (_, None) => Type::fixed(Kind::BigInt),
            (Aggregate::Avg, _) => Type::fixed(Kind::Double),
            (Aggregate::Sum, Some(ty)) => match ty.kind {
                Kind::UTinyInt | Kind::USmallInt | Kind::UInt | Kind::UBigInt => Type::fixed(Kind::UBigInt),
                Kind::Float | Kind::Double => Type::fixed(Kind::Double),
                Kind::Decimal | Kind::Decimal64 => ty,
                _ => Type::fixed(Kind::BigInt),
            },
            (_, Some(ty)) => ty,
        }
    }

    /// True when the ends of a sorted table give the answer.
    fn needs_only_ends(&self) -> bool {
        matches!(self.argument, Some(Bound::Column(0, ty)) if ty.kind == Kind::Timestamp)
            && !matches!(self.aggregate, Aggregate::Sum | Aggregate::Avg)
    }
}

#[derive(Debug, Clone)]
struct State {
    count: i64,
    value: Value<'static>,
    time: i64,
    double: f64,
    whole: i128,
}

impl State {
    fn new() -> State {
        State { count: 0, value: Value::Null, time: 0, double: 0.0, whole: 0 }
    }

    fn add(&mut self, aggregate: Aggregate, value: &Value<'_>, time: i64) {
        if value.is_null() && aggregate != Aggregate::LastRow {
            return;
        }
        let first = self.count == 0;
        let replace = match aggregate {
            Aggregate::First => first || time < self.time,
            Aggregate::Last | Aggregate::LastRow => first || time >= self.time,
            Aggregate::Min => first || value.compare(&self.value) == Some(Ordering::Less),
            Aggregate::Max => first || value.compare(&self.value) == Some(Ordering::Greater),
            Aggregate::Count | Aggregate::Sum | Aggregate::Avg => false,
        };
        self.count += 1;
        if replace {
            self.value = value.as_ref().into_owned();
            self.time = time;
        }
        if matches!(aggregate, Aggregate::Sum | Aggregate::Avg) {
            self.double += value.double().unwrap_or(0.0);
            if let Value::Decimal(d, _) = value {
                self.whole = self.whole.saturating_add(*d);
            }
            self.whole = self.whole.saturating_add(value.integer().unwrap_or(0));
        }
    }

    fn finish(self, call: &AggCall) -> Value<'static> {
        match (call.aggregate, self.count) {
            (Aggregate::Count, count) => Value::Int(count),
            (_, 0) => Value::Null,
            (Aggregate::Avg, count) => Value::Double(self.double / count as f64),
            (Aggregate::Sum, _) => match call.ty().kind {
                Kind::Double => Value::Double(self.double),
                Kind::UBigInt => Value::UInt(self.whole as u64),
                Kind::Decimal | Kind::Decimal64 => Value::Decimal(self.whole, call.ty().scale),
                _ => Value::Int(self.whole as i64),
            },
            _ => self.value,
        }
    }
}

/// The groups of a query: key values and aggregates, in the order in which the groups were first seen.
pub type Grouped = Vec<(Vec<Value<'static>>, Vec<Value<'static>>)>;

/// Runs over all rows that pass the filter.
pub fn run(parts: &[Part], filter: Option<&Bound>, keys: &[Bound], calls: &[AggCall]) -> Grouped {
    let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Value<'static>>, Vec<State>)> = Vec::new();
    let by_row = keys.iter().any(Bound::by_row);
    for part in parts {
        if part.range.is_empty() {
            continue;
        }
        if !by_row && filter.is_none() {
            let group = group_of(&mut index, &mut groups, keys, calls, Row::Table(part, part.range.start));
            add_part(part, calls, &mut groups[group].1);
            continue;
        }
        let mut group = None;
        for row in part.range.clone() {
            let view = Row::Table(part, row);
            if filter.is_some_and(|f| f.truth(view) != Some(true)) {
                continue;
            }
            let at = match group {
                Some(at) if !by_row => at,
                _ => group_of(&mut index, &mut groups, keys, calls, view),
            };
            group = Some(at);
            add_row(part, row, calls, &mut groups[at].1);
        }
    }
    // Without keys there is one group even when there are no rows, if something can be counted.
    if keys.is_empty() && groups.is_empty() && calls.iter().any(AggCall::is_count) {
        groups.push((Vec::new(), calls.iter().map(|_| State::new()).collect()));
    }
    let finish = |states: Vec<State>| states.into_iter().zip(calls).map(|(state, call)| state.finish(call)).collect();
    groups.into_iter().map(|(keys, states)| (keys, finish(states))).collect()
}

fn group_of(
    index: &mut HashMap<Vec<u8>, usize>,
    groups: &mut Vec<(Vec<Value<'static>>, Vec<State>)>,
    keys: &[Bound],
    calls: &[AggCall],
    row: Row<'_>,
) -> usize {
    let values: Vec<Value<'_>> = keys.iter().map(|key| key.eval(row)).collect();
    let mut name = Vec::new();
    for value in &values {
        let text = text(value);
        name.push(u8::from(value.is_null()));
        name.extend_from_slice(&(text.len() as u64).to_le_bytes());
        name.extend_from_slice(&text);
    }
    *index.entry(name).or_insert_with(|| {
        groups
            .push((values.into_iter().map(Value::into_owned).collect(), calls.iter().map(|_| State::new()).collect()));
        groups.len() - 1
    })
}

fn add_row(part: &Part, row: usize, calls: &[AggCall], states: &mut [State]) {
    let time = part.rows.time(row);
    for (call, state) in calls.iter().zip(states) {
        match &call.argument {
            None => state.count += 1,
            Some(argument) => state.add(call.aggregate, &argument.eval(Row::Table(part, row)), time),
        }
    }
}

/// All rows of a part, without looking at them where that is possible.
fn add_part(part: &Part, calls: &[AggCall], states: &mut [State]) {
    for (call, state) in calls.iter().zip(states) {
        let rows = part.range.len() as i64;
        match &call.argument {
            None => state.count += rows,
            Some(_) if part.sorted && call.needs_only_ends() => {
                let ends = [part.range.start, part.range.end - 1];
                ends.iter().for_each(|row| {
                    state.add(call.aggregate, &Value::Time(part.rows.time(*row)), part.rows.time(*row))
                });
                state.count += rows - 2;
            }
            Some(argument) => {
                for row in part.range.clone() {
                    state.add(call.aggregate, &argument.eval(Row::Table(part, row)), part.rows.time(row));
                }
            }
        }
    }
}
