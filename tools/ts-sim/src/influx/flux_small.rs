//! Aggregated Flux tables: a few rows each, held in memory, on which further steps work.

use super::flux::Step;
use super::flux_csv::{Cell, Column, Kind, Writer};
use super::flux_run::{bounds, check, column, kind_of, projection};
use super::points::Value;
use super::select::Stop;
use super::totals::Total;
use std::collections::{BTreeMap, BTreeSet};

/// Tag, field and measurement of a row.
pub type Labels = Vec<(String, Vec<u8>)>;

/// How far a table has come, which decides its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// One table per series and field, with the range in its key.
    Fresh,
    /// After `group()`: all columns are left, few are in the key.
    Grouped,
    /// Aggregated after `group()`: the key and the value.
    Reduced,
}

/// A table after an aggregate.
pub struct Small {
    stage: Stage,
    key: Labels,
    kind: Kind,
    rows: Vec<(Option<i64>, Value<'static>, Labels)>,
}

impl Small {
    /// The result of one series and field.
    pub fn new(labels: Labels, time: Option<i64>, value: Value<'static>) -> Small {
        let kind = kind_of(&value);
        Small { stage: Stage::Fresh, key: labels.clone(), kind, rows: vec![(time, value, labels)] }
    }
}

/// A step over aggregated tables.
pub fn apply(tables: Vec<Small>, step: &Step) -> Result<Vec<Small>, Stop> {
    match step {
        Step::Group(columns) => {
            let mut merged: BTreeMap<Labels, Small> = BTreeMap::new();
            for mut table in tables {
                for row in table.rows.drain(..) {
                    let key: Labels = row.2.iter().filter(|(name, _)| columns.contains(name)).cloned().collect();
                    let same = merged.entry(key.clone()).or_insert_with(|| Small {
                        stage: Stage::Grouped,
                        key,
                        kind: table.kind,
                        rows: Vec::new(),
                    });
                    if same.kind != table.kind {
                        let text = "schema collision: cannot group different column types together";
                        return Err(Stop::Failed(text.into()));
                    }
                    same.rows.push(row);
                }
            }
            Ok(merged.into_values().collect())
        }
        Step::Aggregate(function) => tables
            .into_iter()
            .map(|table| {
                check(*function, table.kind)?;
                let mut total = Total::default();
                for (time, value, _) in &table.rows {
                    total.add(*function, value, time.unwrap_or_default());
                }
                let value = total.result(*function).unwrap_or(Value::Int(0));
                let stage = if table.stage == Stage::Fresh { Stage::Fresh } else { Stage::Reduced };
                let kind = kind_of(&value);
                Ok(Small { stage, rows: vec![(None, value, table.key.clone())], key: table.key, kind })
            })
            .collect(),
        Step::Pivot => Err(Stop::Failed("the simulator does not know pivot after an aggregate".into())),
        Step::Drop(_) | Step::Keep(_) | Step::Limit(_) => Ok(tables),
    }
}

/// Writes one table.
pub fn write(table: &Small, range: (i64, i64), steps: &[Step], out: &mut Writer) -> Result<(), Stop> {
    let timed = table.rows.iter().all(|(time, ..)| time.is_some());
    let in_key = |name: &str| table.key.iter().any(|(k, _)| k == name);
    let names = label_names(table);
    let label = |name: &String| Column { name: name.clone(), kind: Kind::String, group: in_key(name) };
    let bounded = table.stage != Stage::Reduced;
    let mut columns: Vec<Column> = Vec::new();
    if bounded {
        columns.extend(bounds().map(|c| Column { group: table.stage == Stage::Fresh, ..c }));
        if timed {
            columns.push(column("_time", Kind::Time));
        }
        columns.push(column("_value", table.kind));
    }
    columns.extend(names.iter().map(label));
    if !bounded {
        columns.push(column("_value", table.kind));
    }
    let (kept, limit) = projection(&columns, steps);
    out.table(&columns, &kept)?;
    for (time, value, labels) in table.rows.iter().take(limit) {
        let texts =
            names.iter().map(|n| labels.iter().find(|(k, _)| k == n).map_or(Cell::Null, |(_, v)| Cell::Text(v)));
        if bounded {
            let bounds = [range.0, range.1].map(Cell::Time).into_iter();
            let time = time.filter(|_| timed).map(Cell::Time);
            out.row(bounds.chain(time).chain([Cell::Value(value)]).chain(texts), &kept)?;
        } else {
            out.row(texts.chain([Cell::Value(value)]), &kept)?;
        }
    }
    Ok(())
}

/// `_field`, `_measurement` and then the tags, of all rows together.
fn label_names(table: &Small) -> Vec<String> {
    let all: BTreeSet<&String> =
        table.rows.iter().flat_map(|(_, _, labels)| labels.iter().map(|(name, _)| name)).collect();
    let first = ["_field", "_measurement"];
    let special = first.iter().filter(|n| all.iter().any(|a| a == *n)).map(|n| (*n).to_string());
    special.chain(all.iter().filter(|n| !first.contains(&n.as_str())).map(|n| (*n).clone())).collect()
}
