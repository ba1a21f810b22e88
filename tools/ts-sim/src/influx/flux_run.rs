//! Running Flux pipelines: one table per series and field, in the server's order, written while it is read.

use super::answer::Gone;
use super::condition::Condition;
use super::flux::{Literal, Pipeline, Predicate, Step};
use super::flux_csv::{Cell, Column, Kind, Writer};
use super::flux_small::{self, Small};
use super::influxql::Function;
use super::points::Value;
use super::select::{Merge, Place, Stop, with_measurement};
use super::server::Server;
use super::store::{Measurement, Series, Type};
use super::totals::Total;

/// Rows under one lock.
const PAGE: usize = 8192;

/// What a pipeline reads.
pub struct Plan {
    pub place: Place,
    pub pipeline: Pipeline,
}

/// A table before its rows: where it comes from, and what it is sorted by.
struct Source {
    order: Vec<u8>,
    measurement: Vec<u8>,
    series: usize,
    /// Field ids and types; one, or all of them for a pivot.
    fields: Vec<(u32, Kind)>,
    labels: Vec<(String, Vec<u8>)>,
}

impl Source {
    /// The type of the only field.
    fn kind(&self) -> Kind {
        self.fields.first().map_or(Kind::String, |(_, kind)| *kind)
    }
}

/// Refuses a pivot that would make a column twice, as the server does before it sends anything.
pub fn feasible(server: &Server, plan: &Plan) -> Result<(), Stop> {
    if !plan.pipeline.steps.contains(&Step::Pivot) {
        return Ok(());
    }
    for source in sources(server, plan, plan.pipeline.range.unwrap_or((i64::MIN, i64::MAX)), true)? {
        let twice = with_measurement(server, &plan.place, &source.measurement, |m| {
            let names = source.fields.iter().filter_map(|(id, _)| m.fields.get(*id as usize));
            let names = names.map(|n| String::from_utf8_lossy(n).into_owned());
            names.into_iter().find(|n| source.labels.iter().any(|(label, _)| label == n))
        })?;
        if let Some(name) = twice {
            let advice = format!("consider renaming \"{name}\" to something else before pivoting");
            return Err(Stop::Failed(format!(
                "pivot: value \"{name}\" appears in a column key column, but a column named \"{name}\" already exists; {advice}"
            )));
        }
    }
    Ok(())
}

/// Runs one pipeline into the writer.
pub fn run(server: &Server, plan: &Plan, out: &mut Writer) -> Result<(), Stop> {
    let Some((from, to)) = plan.pipeline.range else {
        let bucket = &plan.pipeline.bucket;
        let text = format!("cannot submit unbounded read to \"{bucket}\"; try bounding 'from' with a call to 'range'");
        return Err(Stop::Failed(text));
    };
    out.begin(&plan.pipeline.name);
    let pivot = plan.pipeline.steps.contains(&Step::Pivot);
    let condition = Condition { from, to: Some(to), filter: None };
    let mut smalls: Vec<Small> = Vec::new();
    let first = plan.pipeline.steps.iter().position(|s| matches!(s, Step::Aggregate(_)));
    let aggregate = first.and_then(|n| plan.pipeline.steps.get(n)).and_then(|s| match s {
        Step::Aggregate(function) => Some(*function),
        _ => None,
    });
    // steps that need all tables; without them each is written as soon as it is known
    let later = first.map_or(&[][..], |first| plan.pipeline.steps.get(first + 1..).unwrap_or_default());
    let collects = later.iter().any(|s| matches!(s, Step::Group(_) | Step::Aggregate(_) | Step::Pivot));
    for source in sources(server, plan, (from, to), pivot)? {
        match aggregate {
            Some(function) => {
                let small = total(server, plan, &source, &condition, function)?;
                match small {
                    Some(small) if !collects => flux_small::write(&small, (from, to), &plan.pipeline.steps, out)?,
                    small => smalls.extend(small),
                }
            }
            None => table(server, plan, &source, &condition, (from, to), out)?,
        }
    }
    for step in later {
        smalls = flux_small::apply(smalls, step)?;
    }
    for small in smalls {
        flux_small::write(&small, (from, to), &plan.pipeline.steps, out)?;
    }
    out.end()?;
    Ok(())
}

fn sources(server: &Server, plan: &Plan, range: (i64, i64), pivot: bool) -> Result<Vec<Source>, Stop> {
    let (place, filters) = (&plan.place, &plan.pipeline.filters);
    let (names, shard): (Vec<Vec<u8>>, i64) = {
        let store = server.store();
        let policy = place.policy(&store)?;
        (policy.data.names().into_iter().map(<[u8]>::to_vec).collect(), policy.shard)
    };
    let mut found = Vec::new();
    for name in names {
        if filters.iter().any(|p| excludes(p, &name)) {
            continue;
        }
        with_measurement(server, place, &name, |m| {
            let kinds = kinds(m, range, shard);
            for (number, series) in m.series.iter().enumerate() {
                let mut tables: Vec<Source> = Vec::new();
                for field in series.rows.fields() {
                    let key = m.fields.get(field as usize).map(|f| f.to_vec()).unwrap_or_default();
                    let Some(kind) = kinds.get(field as usize).copied().flatten() else { continue };
                    if filters.iter().any(|p| decide(p, m, series, &key, None) == Some(false)) {
                        continue;
                    }
                    tables.extend(source(m, number, &key, (field, kind), server.flavor.is_v1()));
                }
                tables.sort_by(|a, b| a.order.cmp(&b.order));
                if pivot && let Some(mut all) = tables.pop() {
                    let mut fields: Vec<(u32, Kind)> = tables.iter().flat_map(|t| t.fields.clone()).collect();
                    fields.append(&mut all.fields);
                    all.fields = fields;
                    all.labels.retain(|(name, _)| name != "_field");
                    tables = vec![all];
                }
                found.append(&mut tables);
            }
        })?;
    }
    let regrouped = plan.pipeline.steps.iter().any(|step| matches!(step, Step::Drop(_) | Step::Keep(_)));
    if regrouped && !pivot {
        // tables whose key loses a column are made anew, in the order of the key: field, measurement, tags
        found.sort_by(|a, b| a.labels.iter().map(|(_, v)| v).cmp(b.labels.iter().map(|(_, v)| v)));
    } else {
        found.sort_by(|a, b| a.order.cmp(&b.order));
    }
    Ok(found)
}

/// The type of each field: that of the oldest shard in the range. Values of another type in later shards are not shown,
/// and nobody says so (recorded from 2.9.1).
fn kinds(m: &Measurement, (from, to): (i64, i64), shard: i64) -> Vec<Option<Kind>> {
    let mut kinds: Vec<Option<Kind>> = vec![None; m.fields.len()];
    for (_, types) in
        m.shards.iter().filter(|(start, _)| shard == 0 || (**start < to && start.saturating_add(shard) > from))
    {
        for (kind, ty) in kinds.iter_mut().zip(types) {
            if kind.is_none() {
                *kind = ty.map(|ty| match ty {
                    Type::Float => Kind::Double,
                    Type::Integer => Kind::Long,
                    Type::Unsigned => Kind::UnsignedLong,
                    Type::String => Kind::String,
                    Type::Boolean => Kind::Boolean,
                });
            }
        }
    }
    kinds
}

fn source(m: &Measurement, number: usize, key: &[u8], (field, kind): (u32, Kind), v1: bool) -> Option<Source> {
    let series = m.series.get(number)?;
    let mut order = m.name.clone();
    let mut labels = vec![("_field".to_string(), key.to_vec()), ("_measurement".to_string(), m.name.clone())];
    for (tag, value) in &series.tags {
        order.push(b',');
        order.extend_from_slice(tag);
        order.push(b'=');
        order.extend_from_slice(value);
        labels.push((String::from_utf8_lossy(tag).into_owned(), value.clone()));
    }
    // 2.x stores the field as the last tag, with a key that sorts after all others; in 1.x it comes after all tags
    order.extend_from_slice(if v1 { b"\x01" } else { b",\xff=" });
    order.extend_from_slice(key);
    Some(Source { order, measurement: m.name.clone(), series: number, fields: vec![(field, kind)], labels })
}

/// True when no row of this measurement can pass.
fn excludes(p: &Predicate, measurement: &[u8]) -> bool {
    match p {
        Predicate::And(a, b) => excludes(a, measurement) || excludes(b, measurement),
        Predicate::Or(a, b) => excludes(a, measurement) && excludes(b, measurement),
        Predicate::Compare { column, sign: "==", with: Literal::Text(text) } => {
            column == "_measurement" && text.as_bytes() != measurement
        }
        _ => false,
    }
}

/// What a predicate says of a row; without a row, what can be said of the whole table.
fn decide(p: &Predicate, m: &Measurement, series: &Series, field: &[u8], row: Option<(&Value, i64)>) -> Option<bool> {
    match p {
        Predicate::And(a, b) => match (decide(a, m, series, field, row), decide(b, m, series, field, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Predicate::Or(a, b) => match (decide(a, m, series, field, row), decide(b, m, series, field, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Predicate::Exists(column) => Some(column.starts_with('_') || !series.tag(column.as_bytes()).is_empty()),
        Predicate::Compare { column, sign, with } => {
            let text = match column.as_str() {
                "_measurement" => m.name.as_slice(),
                "_field" => field,
                "_value" => return row.map(|(value, _)| compare_value(value, sign, with)),
                "_time" => {
                    return row.map(|(_, time)| match with {
                        Literal::Time(other) => signed(time.cmp(other), sign),
                        _ => false,
                    });
                }
                tag => series.tag(tag.as_bytes()),
            };
            Some(matches!(with, Literal::Text(other) if signed(text.cmp(other.as_bytes()), sign)))
        }
    }
}

fn compare_value(value: &Value, sign: &str, with: &Literal) -> bool {
    let number = match value {
        Value::Float(x) => Some(*x),
        Value::Int(x) => Some(*x as f64),
        Value::Uint(x) => Some(*x as f64),
        _ => None,
    };
    match (value, with) {
        (Value::Str(s), Literal::Text(other)) => signed((**s).cmp(other.as_bytes()), sign),
        (Value::Bool(b), Literal::Bool(other)) => signed(b.cmp(other), sign),
        (_, Literal::Number(other)) => number.and_then(|n| n.partial_cmp(other)).is_some_and(|o| signed(o, sign)),
        _ => false,
    }
}

fn signed(order: std::cmp::Ordering, sign: &str) -> bool {
    match sign {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn passes(
    filters: &[Predicate],
    m: &Measurement,
    series: &Series,
    (field, kind): (u32, Kind),
    value: &Value,
    time: i64,
) -> bool {
    if kind_of(value) != kind {
        return false;
    }
    let key = m.fields.get(field as usize).map(|f| &**f).unwrap_or_default();
    filters.iter().all(|p| decide(p, m, series, key, Some((value, time))) == Some(true))
}

fn label_columns(labels: &[(String, Vec<u8>)]) -> impl Iterator<Item = Column> + '_ {
    labels.iter().map(|(name, _)| Column { name: name.clone(), kind: Kind::String, group: true })
}

/// The columns of the range.
pub fn bounds() -> [Column; 2] {
    ["_start", "_stop"].map(|name| Column { name: name.to_string(), kind: Kind::Time, group: true })
}

/// A column that is not in the key.
pub fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_string(), kind, group: false }
}

/// Which of the columns are left, and how many rows.
pub fn projection(columns: &[Column], steps: &[Step]) -> (Vec<bool>, usize) {
    let mut kept = vec![true; columns.len()];
    let mut limit = usize::MAX;
    for step in steps {
        for (keep, column) in kept.iter_mut().zip(columns) {
            match step {
                Step::Drop(names) if names.contains(&column.name) => *keep = false,
                Step::Keep(names) if !names.contains(&column.name) => *keep = false,
                _ => {}
            }
        }
        if let Step::Limit(n) = step {
            limit = limit.min(*n);
        }
    }
    (kept, limit)
}

fn table(
    server: &Server,
    plan: &Plan,
    source: &Source,
    condition: &Condition,
    range: (i64, i64),
    out: &mut Writer,
) -> Result<(), Stop> {
    let pivot = plan.pipeline.steps.contains(&Step::Pivot);
    if let Some(Step::Group(_)) = plan.pipeline.steps.iter().find(|s| matches!(s, Step::Group(_))) {
        return Err(Stop::Failed("the simulator does not know group before an aggregate".into()));
    }
    let mut columns: Vec<Column> = bounds().into_iter().chain([column("_time", Kind::Time)]).collect();
    if pivot {
        columns.extend(label_columns(&source.labels));
        let names = with_measurement(server, &plan.place, &source.measurement, |m| {
            let names = source.fields.iter().filter_map(|(f, kind)| m.fields.get(*f as usize).map(|n| (n, *kind)));
            names.map(|(n, kind)| (n.to_vec(), kind)).collect::<Vec<_>>()
        })?;
        columns.extend(names.into_iter().map(|(name, kind)| column(&String::from_utf8_lossy(&name), kind)));
    } else {
        columns.push(column("_value", source.kind()));
        columns.extend(label_columns(&source.labels));
    }
    let (kept, mut left) = projection(&columns, &plan.pipeline.steps);
    let mut open = false;
    let mut cursor = Merge::new(&[source.series], condition, false);
    loop {
        let more = with_measurement(server, &plan.place, &source.measurement, |m| -> Result<bool, Gone> {
            cursor.page(m, PAGE, |series, row, time| {
                let values: Vec<Option<Value>> = source
                    .fields
                    .iter()
                    .map(|f| {
                        series.rows.get(row, f.0).filter(|v| passes(&plan.pipeline.filters, m, series, *f, v, time))
                    })
                    .collect();
                if left == 0 || values.iter().all(Option::is_none) {
                    return Ok(left > 0);
                }
                left -= 1;
                if !open {
                    out.table(&columns, &kept)?;
                    open = true;
                }
                let times = [range.0, range.1, time].map(Cell::Time);
                let labels = source.labels.iter().map(|(_, v)| Cell::Text(v));
                let values = values.iter().map(|v| v.as_ref().map_or(Cell::Null, Cell::Value));
                if pivot {
                    out.row(times.into_iter().chain(labels).chain(values), &kept)?;
                } else {
                    out.row(times.into_iter().chain(values).chain(labels), &kept)?;
                }
                Ok(true)
            })
        })??;
        if !more {
            return Ok(());
        }
    }
}

fn total(
    server: &Server,
    plan: &Plan,
    source: &Source,
    condition: &Condition,
    function: Function,
) -> Result<Option<Small>, Stop> {
    check(function, source.kind())?;
    let mut total = Total::default();
    let mut cursor = Merge::new(&[source.series], condition, false);
    let Some(&field) = source.fields.first() else { return Ok(None) };
    loop {
        let more = with_measurement(server, &plan.place, &source.measurement, |m| -> Result<bool, Gone> {
            cursor.page(m, PAGE, |series, row, time| {
                let value = series.rows.get(row, field.0);
                if let Some(value) = value.filter(|v| passes(&plan.pipeline.filters, m, series, field, v, time)) {
                    total.add(function, &value, time);
                }
                Ok(true)
            })
        })??;
        if !more {
            break;
        }
    }
    Ok(total.result(function).map(|value| {
        let selector = matches!(function, Function::Min | Function::Max | Function::First | Function::Last);
        let time = total.time().filter(|_| selector);
        Small::new(source.labels.clone(), time, value)
    }))
}

/// Refuses a function that does not take this type.
pub fn check(function: Function, kind: Kind) -> Result<(), Stop> {
    let needs_number = matches!(function, Function::Sum | Function::Mean | Function::Min | Function::Max);
    if needs_number && matches!(kind, Kind::Boolean | Kind::String) {
        let text = format!("unsupported input type for {} aggregate: {}", function.name(), kind.flux_name());
        return Err(Stop::Failed(text));
    }
    Ok(())
}

/// The column type of a value.
pub fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Float(_) => Kind::Double,
        Value::Int(_) => Kind::Long,
        Value::Uint(_) => Kind::UnsignedLong,
        Value::Bool(_) => Kind::Boolean,
        Value::Str(_) => Kind::String,
    }
}
