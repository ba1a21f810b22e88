//! Running SQL: rows in the order of time, aggregates by tag values, and the information schema.

use super::answer::{Answer, Row};
use super::condition::Filter;
use super::influxql::Function;
use super::points::Value;
use super::select::{Merge, Place, Stop, with_measurement};
use super::server::Server;
use super::sql::{Column, From, Query};
use super::store::{Measurement, Series, Type};
use super::totals::Total;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows under one lock.
const PAGE: usize = 8192;

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Time,
    Field(u32),
    Tag(Vec<u8>),
}

impl Source {
    /// The value in one row; `None` is NULL.
    fn value<'a>(&self, series: &'a Series, row: usize) -> Option<Value<'a>> {
        match self {
            Source::Time => series.rows.times().get(row).map(|t| Value::Int(*t)),
            Source::Field(id) => series.rows.get(row, *id),
            Source::Tag(key) => {
                let value = series.tag(key);
                (!value.is_empty()).then_some(Value::Str(Cow::Borrowed(value)))
            }
        }
    }
}

/// Checks a query before anything is sent, so that its error can have a status of its own.
pub fn check(server: &Server, place: &Place, query: &Query) -> Result<(), String> {
    match &query.from {
        From::Table(name) => {
            let missing = || format!("error while planning query: table 'public.iox.{name}' not found");
            let found = with_measurement(server, place, name.as_bytes(), |m| shape(m, query).map(|_| ()));
            found.map_err(|_| missing())?
        }
        From::Tables | From::Columns => {
            let store = server.store();
            place.policy(&store).map(|_| ())
        }
    }
}

/// Runs a query into the answer.
pub fn run(server: &Server, place: &Place, query: &Query, answer: &mut Answer) -> Result<(), Stop> {
    match &query.from {
        From::Table(name) => table(server, place, name.as_bytes(), query, answer),
        From::Tables | From::Columns => schema(server, place, query, answer),
    }
}

/// Titles and sources; `None` as the source of `COUNT(*)`.
type Shape = Vec<(String, Option<Function>, Option<Source>)>;

fn shape(m: &Measurement, query: &Query) -> Result<Shape, String> {
    let types = m.field_types();
    let keys = m.tag_keys();
    let find = |name: &str| -> Result<Source, String> {
        let bytes = name.as_bytes();
        match m.field_id(bytes) {
            _ if name == "time" => Ok(Source::Time),
            Some(id) if types.iter().any(|(n, _)| *n == bytes) => Ok(Source::Field(id)),
            _ if keys.binary_search(&bytes).is_ok() => Ok(Source::Tag(bytes.to_vec())),
            _ => Err(format!("error while planning query: Schema error: No field named {name}")),
        }
    };
    let mut found = Shape::new();
    for column in &query.columns {
        match column {
            Column::All => {
                // columns are stored in the order of their names, `time` among them
                let mut names: Vec<&[u8]> =
                    types.iter().map(|(n, _)| *n).chain(keys.iter().copied()).chain([&b"time"[..]]).collect();
                names.sort_unstable();
                for name in names {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let source = find(&name)?;
                    found.push((name, None, Some(source)));
                }
            }
            Column::Name { name, alias } => {
                found.push((alias.clone().unwrap_or_else(|| name.clone()), None, Some(find(name)?)))
            }
            Column::Call { function, of, alias } => {
                let title =
                    || format!("{}({})", function.name(), of.as_deref().map_or("*".to_string(), |n| n.to_string()));
                let source = of.as_deref().map(find).transpose()?;
                found.push((alias.clone().unwrap_or_else(title), Some(*function), source));
            }
        }
    }
    for name in &query.group {
        find(name)?;
    }
    Ok(found)
}

fn cell(out: &mut Row, source: &Source, series: &Series, row: usize) {
    match (source, source.value(series, row)) {
        (Source::Time, Some(Value::Int(time))) => out.time(time),
        (_, value) => out.value(value.as_ref()),
    }
}

fn table(server: &Server, place: &Place, name: &[u8], query: &Query, answer: &mut Answer) -> Result<(), Stop> {
    let shape = with_measurement(server, place, name, |m| shape(m, query))??;
    let titles: Vec<String> = shape.iter().map(|(title, ..)| title.clone()).collect();
    let series: Vec<usize> = with_measurement(server, place, name, |m| {
        let passes = |s: &Series| query.condition.filter.as_ref().is_none_or(|f| f.passes_series(m, s));
        let mut found: Vec<usize> = (0..m.series.len()).filter(|n| m.series.get(*n).is_some_and(passes)).collect();
        found.sort_by_key(|n| m.series.get(*n).map(|s| s.tags.clone()));
        found
    })?;
    answer.begin_series(b"", &[], &titles)?;
    if query.distinct || !query.group.is_empty() || shape.iter().any(|(_, call, _)| call.is_some()) {
        return grouped(server, place, name, query, &shape, &series, answer);
    }
    let (mut skip, mut left) = (query.offset, query.limit.unwrap_or(u64::MAX));
    let mut cursor = Merge::new(&series, &query.condition, query.descending);
    while left > 0 {
        let more = with_measurement(server, place, name, |m| {
            cursor.page(m, PAGE, |series, row, _| {
                if query.condition.filter.as_ref().is_some_and(|f| !f.passes(m, series, row)) {
                    return Ok(true);
                }
                if skip > 0 {
                    skip -= 1;
                    return Ok(true);
                }
                if left == 0 {
                    return Ok(false);
                }
                left -= 1;
                answer.row(|out| {
                    for (_, _, source) in &shape {
                        if let Some(source) = source {
                            cell(out, source, series, row);
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
    Ok(())
}

/// A group's key cells, and a running total for every column.
type Groups = BTreeMap<Vec<Option<Vec<u8>>>, (Vec<Option<Value<'static>>>, Vec<Total>)>;

fn grouped(
    server: &Server,
    place: &Place,
    name: &[u8],
    query: &Query,
    shape: &Shape,
    series: &[usize],
    answer: &mut Answer,
) -> Result<(), Stop> {
    let keys: Vec<Source> = if query.distinct {
        shape.iter().filter_map(|(_, _, source)| source.clone()).collect()
    } else {
        query.group.iter().map(|n| Source::Tag(n.clone().into_bytes())).collect()
    };
    let mut groups = Groups::new();
    if keys.is_empty() {
        // an aggregate without groups has one row even when nothing is there
        groups.insert(Vec::new(), (vec![None; shape.len()], shape.iter().map(|_| Total::default()).collect()));
    }
    let mut cursor = Merge::new(series, &query.condition, false);
    loop {
        let more = with_measurement(server, place, name, |m| {
            cursor.page(m, PAGE, |series, row, time| {
                if query.condition.filter.as_ref().is_some_and(|f| !f.passes(m, series, row)) {
                    return Ok(true);
                }
                let key = keys.iter().map(|k| k.value(series, row).map(|v| sortable(&v))).collect();
                let (cells, totals) = groups
                    .entry(key)
                    .or_insert_with(|| (vec![None; shape.len()], shape.iter().map(|_| Total::default()).collect()));
                for ((cell, total), (_, call, source)) in cells.iter_mut().zip(totals).zip(shape) {
                    let value = source.as_ref().map_or(Some(Value::Int(1)), |s| s.value(series, row));
                    match (call, value) {
                        (Some(function), Some(value)) => {
                            total.add(*function, &value, time);
                        }
                        (None, Some(value)) => *cell = Some(value.owned()),
                        _ => {}
                    }
                }
                Ok(true)
            })
        })??;
        if !more {
            break;
        }
    }
    let limit = usize::try_from(query.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    for (cells, totals) in groups.values().skip(offset).take(limit) {
        answer.row(|out| {
            for ((cell, total), (_, call, source)) in cells.iter().zip(totals).zip(shape) {
                let value = match call {
                    None => cell.clone(),
                    Some(function) => {
                        total.result(*function).or((*function == Function::Count).then_some(Value::Int(0)))
                    }
                };
                let is_time = *source == Some(Source::Time) && *call != Some(Function::Count);
                match value {
                    Some(Value::Int(time)) if is_time => out.time(time),
                    value => out.value(value.as_ref()),
                }
            }
        })?;
    }
    Ok(())
}

fn sortable(value: &Value) -> Vec<u8> {
    match value {
        Value::Str(s) => s.to_vec(),
        Value::Int(x) => (x ^ i64::MIN).to_be_bytes().to_vec(),
        other => format!("{other:?}").into_bytes(),
    }
}

/// A row of the information schema.
type Facts = Vec<(&'static str, Value<'static>)>;

fn schema(server: &Server, place: &Place, query: &Query, answer: &mut Answer) -> Result<(), Stop> {
    let rows: Vec<Facts> = {
        let store = server.store();
        let data = &place.policy(&store)?.data;
        let tables = data.names().into_iter().filter_map(|name| data.measurement(name));
        match query.from {
            From::Columns => tables.flat_map(columns_of).collect(),
            _ => tables.map(|m| [base(m), vec![("table_type", word("BASE TABLE"))]].concat()).collect(),
        }
    };
    let all: &[&str] = match query.from {
        From::Columns => &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "is_nullable",
            "data_type",
        ],
        _ => &["table_catalog", "table_schema", "table_name", "table_type"],
    };
    let mut wanted: Vec<(String, &str)> = Vec::new();
    for column in &query.columns {
        match column {
            Column::All => wanted.extend(all.iter().map(|n| ((*n).to_string(), *n))),
            Column::Name { name, alias } => {
                let known = all.iter().find(|n| *n == name).ok_or_else(|| format!("No field named {name}"))?;
                wanted.push((alias.clone().unwrap_or_else(|| name.clone()), known));
            }
            Column::Call { .. } => {
                return Err("the simulator does not know functions on the information schema".to_string().into());
            }
        }
    }
    let titles: Vec<String> = wanted.iter().map(|(title, _)| title.clone()).collect();
    answer.begin_series(b"", &[], &titles)?;
    for row in rows.iter().filter(|row| query.condition.filter.as_ref().is_none_or(|f| holds(f, row))) {
        answer.row(|out| {
            for (_, name) in &wanted {
                out.value(row.iter().find(|(n, _)| n == name).map(|(_, v)| v));
            }
        })?;
    }
    Ok(())
}

fn word(text: &str) -> Value<'static> {
    Value::Str(Cow::Owned(text.as_bytes().to_vec()))
}

fn base(m: &Measurement) -> Facts {
    let name = Value::Str(Cow::Owned(m.name.clone()));
    vec![("table_catalog", word("public")), ("table_schema", word("iox")), ("table_name", name)]
}

fn columns_of(m: &Measurement) -> Vec<Facts> {
    let fields = m.field_types().into_iter().map(|(name, ty)| (name.to_vec(), arrow(ty)));
    let tags = m.tag_keys().into_iter().map(|name| (name.to_vec(), "Dictionary(Int32, Utf8)"));
    let mut columns: Vec<(Vec<u8>, &str)> =
        fields.chain(tags).chain([(b"time".to_vec(), "Timestamp(Nanosecond, None)")]).collect();
    columns.sort();
    let rows = columns.into_iter().enumerate().map(|(n, (name, ty))| {
        let nullable = if name == b"time" { "NO" } else { "YES" };
        let own = vec![
            ("column_name", Value::Str(Cow::Owned(name))),
            ("ordinal_position", Value::Int(n as i64)),
            ("is_nullable", word(nullable)),
            ("data_type", word(ty)),
        ];
        [base(m), own].concat()
    });
    rows.collect()
}

fn arrow(ty: Type) -> &'static str {
    match ty {
        Type::Float => "Float64",
        Type::Integer => "Int64",
        Type::Unsigned => "UInt64",
        Type::String => "Utf8",
        Type::Boolean => "Boolean",
    }
}

fn holds(filter: &Filter, row: &Facts) -> bool {
    match filter {
        Filter::And(a, b) => holds(a, row) && holds(b, row),
        Filter::Or(a, b) => holds(a, row) || holds(b, row),
        Filter::Compare { name, sign, with } => {
            let equal = row.iter().any(|(n, v)| n == name && v == with);
            if *sign == "!=" { !equal } else { equal }
        }
    }
}
