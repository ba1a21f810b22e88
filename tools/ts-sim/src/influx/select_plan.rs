//! What a SELECT means for one measurement: its columns, where they come from, and which series go together.

use super::condition::Condition;
use super::influxql::{Column, Function, Group, Select};
use super::store::{Measurement, Type};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// One output column.
#[derive(Debug, Clone)]
pub enum Output {
    Time,
    Field(u32),
    Tag(Vec<u8>),
    /// Neither a field nor a tag of this measurement.
    Nothing,
    /// An aggregate of a field; `None` when this measurement does not have it.
    Call(Function, Option<u32>),
}

/// The fields and tags of all measurements that a SELECT reads: `*` means all of them in every one.
#[derive(Default)]
pub struct Scope {
    fields: BTreeMap<Vec<u8>, Type>,
    tags: BTreeSet<Vec<u8>>,
}

impl Scope {
    /// Adds what one measurement has.
    pub fn add(&mut self, m: &Measurement) {
        for (name, ty) in m.field_types() {
            self.fields.entry(name.to_vec()).or_insert(ty);
        }
        self.tags.extend(m.tag_keys().into_iter().map(<[u8]>::to_vec));
    }
}

/// What of a measurement is read, and how it is shown.
pub struct Plan {
    pub titles: Vec<String>,
    pub outputs: Vec<Output>,
    /// Tag keys and values of each result series, with the numbers of the stored series in it.
    pub groups: Vec<(Vec<(Vec<u8>, Vec<u8>)>, Vec<usize>)>,
}

/// The plan for one measurement; `None` when the SELECT reads nothing of it. The error is the statement's.
pub fn plan(measurement: &Measurement, select: &Select, scope: &Scope) -> Result<Option<Plan>, String> {
    let grouped: Vec<Vec<u8>> = if select.group.all {
        scope.tags.iter().cloned().collect()
    } else {
        let mut tags: Vec<Vec<u8>> = select.group.tags.iter().map(|t| t.clone().into_bytes()).collect();
        tags.sort();
        tags
    };
    let field = |name: &[u8]| measurement.field_id(name).filter(|_| scope.fields.contains_key(name));
    let mut columns: Vec<(String, Output)> = vec![("time".to_string(), Output::Time)];
    for column in &select.columns {
        match column {
            Column::All { fields, tags } => {
                let mut all: Vec<(&[u8], Output)> = Vec::new();
                if *fields {
                    let output = |name: &Vec<u8>| field(name).map_or(Output::Nothing, Output::Field);
                    all.extend(scope.fields.keys().map(|name| (name.as_slice(), output(name))));
                }
                if *tags {
                    let free = scope.tags.iter().filter(|k| !grouped.contains(k));
                    all.extend(free.map(|k| (k.as_slice(), Output::Tag(k.clone()))));
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
                let output = match field(name.as_bytes()) {
                    Some(id) => Output::Field(id),
                    None if tag => Output::Tag(name.clone().into_bytes()),
                    None => Output::Nothing,
                };
                columns.push((title, output));
            }
            Column::Unknown(name) => return Err(format!("undefined function {name}()")),
            Column::Call { function, of: Some(name), alias } => {
                let Some(ty) = scope.fields.get(name.as_bytes()) else { continue };
                if !takes(*function, *ty) {
                    let (function, ty) = (function.name(), ty.name());
                    return Err(format!("unsupported {function} iterator type: *query.{ty}InterruptIterator"));
                }
                let title = alias.clone().unwrap_or_else(|| function.name().to_string());
                columns.push((title, Output::Call(*function, field(name.as_bytes()))));
            }
            Column::Call { function, of: None, .. } => {
                for (name, _) in scope.fields.iter().filter(|(_, ty)| takes(*function, **ty)) {
                    let title = format!("{}_{}", function.name(), text(name));
                    columns.push((title, Output::Call(*function, field(name))));
                }
            }
        }
    }
    if !columns.iter().any(|(_, o)| matches!(o, Output::Field(_) | Output::Call(_, Some(_)))) {
        return Ok(None);
    }
    let titles = distinct(columns.iter().map(|(title, _)| title.as_str()));
    let groups = groups(measurement, &select.condition, &grouped, &select.group);
    Ok(Some(Plan { titles, outputs: columns.into_iter().map(|(_, o)| o).collect(), groups }))
}

fn takes(function: Function, ty: Type) -> bool {
    match function {
        Function::Count | Function::First | Function::Last => true,
        Function::Min | Function::Max => ty != Type::String,
        Function::Sum | Function::Mean => !matches!(ty, Type::String | Type::Boolean),
    }
}

/// Titles that come again get `_1`, `_2`.
fn distinct<'a>(titles: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut found: Vec<String> = Vec::new();
    for title in titles {
        let mut name = title.to_string();
        let mut n = 0;
        while !seen.insert(name.clone()) {
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
