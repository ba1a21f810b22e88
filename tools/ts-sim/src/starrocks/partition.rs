//! Partitions: their bounds, their names, and which one a row belongs to.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::datetime::{self, DAY};
use super::rows::Rows;
use super::schema::{Partitioning, Schema, encode};
use super::types::Type;
use super::value::Value;

/// One end of a range, for one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Edge {
    Min,
    At(Value<'static>),
    Max,
}

/// Which rows a partition takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    All,
    /// From (included) to (excluded), one edge a column.
    Range {
        from: Vec<Edge>,
        to: Vec<Edge>,
    },
    List(Vec<Vec<Value<'static>>>),
}

/// A partition with its rows.
#[derive(Debug, Clone)]
pub struct Partition {
    pub id: u64,
    pub name: String,
    pub bound: Arc<Bound>,
    /// 1 as long as nothing was ever loaded.
    pub version: u64,
    /// When that version became visible, microseconds.
    pub version_time: i64,
    pub rows: Rows,
}

fn against(edges: &[Edge], values: &[Value<'_>]) -> Ordering {
    for (edge, value) in edges.iter().zip(values) {
        let order = match edge {
            // NULL belongs to the lowest partition (dossier starrocks 5.1).
            Edge::Min if matches!(value, Value::Null) => Ordering::Equal,
            Edge::Min => Ordering::Less,
            Edge::Max => Ordering::Greater,
            Edge::At(at) => at.order(value),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn edges(a: &[Edge], b: &[Edge]) -> Ordering {
    let rank = |edge: &Edge| match edge {
        Edge::Min => 0,
        Edge::At(_) => 1,
        Edge::Max => 2,
    };
    for (a, b) in a.iter().zip(b) {
        let order = match (a, b) {
            (Edge::At(a), Edge::At(b)) => a.order(b),
            _ => rank(a).cmp(&rank(b)),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

impl Bound {
    /// Whether a row with these values of the partition columns belongs here.
    pub fn holds(&self, values: &[Value<'_>]) -> bool {
        match self {
            Bound::All => true,
            Bound::Range { from, to } => against(from, values).is_le() && against(to, values).is_gt(),
            Bound::List(lists) => lists.iter().any(|list| list.iter().zip(values).all(|(a, b)| a.order(b).is_eq())),
        }
    }

    /// Whether some row could belong to both.
    pub fn overlaps(&self, other: &Bound) -> bool {
        match (self, other) {
            (Bound::Range { from, to }, Bound::Range { from: from2, to: to2 }) => {
                edges(from, to2).is_lt() && edges(from2, to).is_lt()
            }
            (Bound::List(lists), other) => lists.iter().any(|list| other.holds(list)),
            _ => true,
        }
    }

    /// The order in which SHOW PARTITIONS lists ranges.
    pub fn order(&self, other: &Bound) -> Ordering {
        match (self, other) {
            (Bound::Range { from, .. }, Bound::Range { from: from2, .. }) => edges(from, from2),
            _ => Ordering::Equal,
        }
    }

    /// The text of SHOW PARTITIONS' Range or List column (dossier starrocks 3.1).
    pub fn show(&self, types: &[&Type]) -> String {
        match self {
            Bound::All => String::new(),
            Bound::Range { from, to } => {
                format!("[{}; ..{}; )", show_edges(from, types), show_edges(to, types))
            }
            Bound::List(lists) => {
                let rows: Vec<String> = lists
                    .iter()
                    .map(|list| {
                        let cells: Vec<String> =
                            list.iter().zip(types).map(|(value, ty)| format!("'{}'", plain(value, ty))).collect();
                        format!("({})", cells.join(", "))
                    })
                    .collect();
                format!("({})", rows.join(", "))
            }
        }
    }
}

/// A value as plain text; NULL as `NULL`.
pub fn plain(value: &Value<'_>, ty: &Type) -> String {
    value.show(ty).map_or_else(|| "NULL".to_string(), |text| String::from_utf8_lossy(&text).into_owned())
}

fn show_edges(edges: &[Edge], types: &[&Type]) -> String {
    let names: Vec<String> = types.iter().map(|ty| type_word(ty)).collect();
    let keys: Vec<String> = edges
        .iter()
        .zip(types)
        .map(|(edge, ty)| match edge {
            Edge::At(value) => plain(value, ty),
            Edge::Max => "MAXVALUE".to_string(),
            Edge::Min => lowest(ty),
        })
        .collect();
    format!("types: [{}]; keys: [{}]", names.join(", "), keys.join(", "))
}

fn type_word(ty: &Type) -> String {
    ty.data_type().replace("bigint unsigned", "largeint").to_uppercase()
}

/// How the lower end of a first `VALUES LESS THAN` partition is shown ([memory]).
fn lowest(ty: &Type) -> String {
    match ty {
        Type::Date => "0000-01-01".to_string(),
        Type::DateTime => "0000-01-01 00:00:00".to_string(),
        ty => ty.bounds().map_or_else(|| "MINVALUE".to_string(), |(low, _)| low.to_string()),
    }
}

/// Finds the partition of a row: by binary search among ranges, by table among lists.
pub struct Finder {
    columns: Vec<usize>,
    /// Ascending ranges with the place of their partition.
    ranges: Vec<(Arc<Bound>, usize)>,
    lists: HashMap<Vec<u8>, usize>,
    everything: Option<usize>,
    last: Option<(Arc<Bound>, usize)>,
}

impl Finder {
    /// Over these partitions; what is found are their places here.
    pub fn new<'a>(schema: &Schema, bounds: impl Iterator<Item = &'a Arc<Bound>>) -> Finder {
        let columns = schema.partitioning.columns().to_vec();
        let mut finder = Finder { columns, ranges: Vec::new(), lists: HashMap::new(), everything: None, last: None };
        for (at, bound) in bounds.enumerate() {
            finder.add(bound.clone(), at);
        }
        finder
    }

    /// One more partition.
    pub fn add(&mut self, bound: Arc<Bound>, at: usize) {
        match &*bound {
            Bound::All => self.everything = Some(at),
            Bound::Range { .. } => {
                let place = self.ranges.partition_point(|(other, _)| other.order(&bound).is_lt());
                self.ranges.insert(place, (bound, at));
            }
            Bound::List(lists) => {
                for list in lists {
                    self.lists.insert(list_key(list), at);
                }
            }
        }
    }

    /// The place of the partition of a row with these values of all columns.
    pub fn find(&mut self, row: &[Value<'_>]) -> Option<usize> {
        if self.everything.is_some() {
            return self.everything;
        }
        let key: Vec<Value<'_>> = self.columns.iter().filter_map(|at| row.get(*at).cloned()).collect();
        if let Some((bound, at)) = &self.last
            && bound.holds(&key)
        {
            return Some(*at);
        }
        if !self.lists.is_empty() {
            return self.lists.get(&list_key(&key)).copied();
        }
        let place = self
            .ranges
            .partition_point(|(bound, _)| matches!(&**bound, Bound::Range { from, .. } if against(from, &key).is_le()));
        let (bound, at) = self.ranges.get(place.checked_sub(1)?)?;
        if !bound.holds(&key) {
            return None;
        }
        self.last = Some((bound.clone(), *at));
        Some(*at)
    }
}

fn list_key(values: &[Value<'_>]) -> Vec<u8> {
    let mut key = Vec::new();
    for value in values {
        encode(value, &mut key);
    }
    key
}

/// Name and bound of the partition that an automatic partitioning makes for a row; `None` where it makes none.
pub fn made_for(schema: &Schema, row: &[Value<'_>]) -> Option<(String, Bound)> {
    match &schema.partitioning {
        Partitioning::Truncated { unit, column } => {
            let ty = &schema.fields.get(*column)?.ty;
            let scale = if *ty == Type::Date { DAY } else { 1 };
            let Value::Int(n) = row.get(*column)? else {
                return Some(("pnull".to_string(), Bound::Range { from: vec![Edge::Min], to: vec![Edge::Min] }));
            };
            let from = datetime::truncate(unit, i64::try_from(*n).ok()?.checked_mul(scale)?)?;
            let to = datetime::add(unit, 1, from)?;
            let edge = |micros: i64| vec![Edge::At(Value::Int((micros.div_euclid(scale)).into()))];
            Some((name_of(unit, from), Bound::Range { from: edge(from), to: edge(to) }))
        }
        Partitioning::Values(columns) => {
            let values: Vec<Value<'static>> =
                columns.iter().filter_map(|at| row.get(*at).cloned()).map(Value::owned).collect();
            let words: Vec<String> = values
                .iter()
                .zip(columns)
                .filter_map(|(value, at)| Some(plain(value, &schema.fields.get(*at)?.ty)))
                .map(|text| text.chars().filter(|c| c.is_alphanumeric()).collect())
                .collect();
            Some((format!("p{}", words.join("_")), Bound::List(vec![values])))
        }
        _ => None,
    }
}

/// The name of a partition of one unit (dossier starrocks 5.1).
pub fn name_of(unit: &str, from: i64) -> String {
    let day = from.div_euclid(DAY);
    let (year, month, of_month) = datetime::civil(day);
    let hour = from.rem_euclid(DAY) / 3_600_000_000;
    match unit.to_ascii_lowercase().as_str() {
        "year" => format!("p{year:04}"),
        "quarter" | "month" => format!("p{year:04}{month:02}"),
        "week" => {
            // ISO: the week of the Thursday.
            let (of_year, _, _) = datetime::civil(day + 3);
            let week = (day + 3 - datetime::days(of_year, 1, 1)) / 7 + 1;
            format!("p{year:04}_{week:02}")
        }
        "day" => format!("p{year:04}{month:02}{of_month:02}"),
        "hour" => format!("p{year:04}{month:02}{of_month:02}{hour:02}"),
        _ => {
            let minute = from.rem_euclid(3_600_000_000) / 60_000_000;
            format!("p{year:04}{month:02}{of_month:02}{hour:02}{minute:02}")
        }
    }
}
