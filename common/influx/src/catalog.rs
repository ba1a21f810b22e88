//! What a database holds: measurements, their tags, and their fields with types.

use crate::client::Client;
use crate::create::quote;
use crate::dump::Window;
use crate::lines::JsonLines;
use crate::query::{Cell, Results, Step};
use crate::request;
use crate::target::Version;
use crate::types::FieldType;
use fault::{Error, Kind, Result};
use std::collections::BTreeMap;

/// A measurement (a table, in version 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measurement {
    /// Its name.
    pub name: String,
    /// Its tag keys, sorted.
    pub tags: Vec<String>,
    /// Its fields, sorted by name. Versions 1 and 2 fix the type of a field per shard, so one may have several.
    pub fields: Vec<(String, Vec<FieldType>)>,
    /// Fields were given one of their types by [`Measurement::choose`], so a query must name the types: without that a
    /// real 1.8.10 or 2.9.1 gives the integers of a field that is also a string, and leaves its strings out in silence.
    pub chosen: bool,
}

impl Measurement {
    /// Of a field's types, reads this one. Numbers of other types are converted by the server (integers beyond 2^53
    /// lose digits as floats); texts and booleans are null. False: there is no such field.
    pub fn choose(&mut self, field: &str, kind: FieldType) -> bool {
        let Some((_, kinds)) = self.fields.iter_mut().find(|(name, _)| name == field) else { return false };
        *kinds = vec![kind];
        self.chosen = true;
        true
    }
}

/// A row of a small result, as texts; null is empty.
type Row = Vec<String>;

impl Client {
    /// The names of all measurements, sorted.
    pub fn measurements(&self) -> Result<Vec<String>> {
        let mut names = match self.target().version {
            Version::V3 => self.tables()?.into_iter().map(|table| table.name).collect(),
            _ => self
                .small("SHOW MEASUREMENTS")?
                .into_iter()
                .filter_map(|(_, row)| row.into_iter().next())
                .collect::<Vec<_>>(),
        };
        names.sort();
        Ok(names)
    }

    /// These measurements with tags and fields, in the order asked for. One that does not exist is `Refused`.
    pub fn describe(&self, names: &[String]) -> Result<Vec<Measurement>> {
        let mut tables: BTreeMap<String, Measurement> = BTreeMap::new();
        match self.target().version {
            Version::V3 => tables.extend(self.tables()?.into_iter().map(|table| (table.name.clone(), table))),
            _ => {
                for name in names {
                    tables.insert(name.clone(), self.describe_one(name)?);
                }
            }
        }
        let known = |name: &String| match tables.get(name) {
            Some(table) if !table.fields.is_empty() => Ok(table.clone()),
            _ => Err(Error::new(Kind::Refused, format!("{}: there is no measurement {name}", self.target()))),
        };
        names.iter().map(known).collect()
    }

    /// The first and the last time in a measurement within a range, in nanoseconds. `None`: nothing is there.
    pub fn ends(&self, name: &str, range: Window) -> Result<Option<(i64, i64)>> {
        let mut ends = [None, None];
        for (end, order) in ends.iter_mut().zip(["ASC", "DESC"]) {
            let rows = format!("FROM {}{} ORDER BY time {order} LIMIT 1", self.from_clause(name), range.condition());
            let found = self.small(&format!("SELECT *::field {rows}"))?;
            *end = found.first().and_then(|(_, row)| row.first()).and_then(|time| time.parse().ok());
        }
        Ok(ends[0].zip(ends[1]))
    }

    /// How many values each field of a measurement has within a range, in the order of its fields. Not rows: a row
    /// without a value for a field is not counted there.
    pub fn counts(&self, table: &Measurement, range: Window) -> Result<Vec<u64>> {
        let mut counts = Vec::with_capacity(table.fields.len());
        // Servers limit the length of a statement, and a measurement may have thousands of fields.
        for fields in table.fields.chunks(100) {
            let list: Vec<String> = fields.iter().map(|(name, _)| format!("COUNT({})", quote(name))).collect();
            let query =
                format!("SELECT {} FROM {}{}", list.join(", "), self.from_clause(&table.name), range.condition());
            let rows = self.small(&query)?;
            // No row at all is what an empty range gives.
            let row = rows.first().map(|(_, row)| row.get(1..).unwrap_or_default()).unwrap_or_default();
            counts.extend((0..fields.len()).map(|i| row.get(i).and_then(|text| text.parse().ok()).unwrap_or(0)));
        }
        Ok(counts)
    }

    /// `"m"`, or `"policy"."m"` where the URL names a retention policy.
    pub fn from_clause(&self, name: &str) -> String {
        match self.target().query_names().1 {
            Some(policy) => format!("{}.{}", quote(policy), quote(name)),
            None => quote(name),
        }
    }

    fn describe_one(&self, name: &str) -> Result<Measurement> {
        let mut table = Measurement { name: name.to_owned(), ..Measurement::default() };
        for (_, row) in self.small(&format!("SHOW FIELD KEYS FROM {}", self.from_clause(name)))? {
            let [field, kind] = &row[..] else { return Err(self.strange("SHOW FIELD KEYS", &row)) };
            let kind = FieldType::from_influxql(kind).ok_or_else(|| self.strange("SHOW FIELD KEYS", &row))?;
            match table.fields.iter_mut().find(|(known, _)| known == field) {
                Some((_, kinds)) => kinds.push(kind),
                None => table.fields.push((field.clone(), vec![kind])),
            }
        }
        table.tags = self
            .small(&format!("SHOW TAG KEYS FROM {}", self.from_clause(name)))?
            .into_iter()
            .filter_map(|(_, row)| row.into_iter().next())
            .collect();
        table.tags.sort();
        table.tags.dedup();
        table.fields.sort();
        for (_, kinds) in &mut table.fields {
            kinds.sort();
            kinds.dedup();
        }
        Ok(table)
    }

    /// All tables of version 3.
    fn tables(&self) -> Result<Vec<Measurement>> {
        let query =
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox'";
        let reply = self.call(request::sql(self.target(), query))?;
        let mut lines = JsonLines::new(reply.body, self.kind());
        let mut tables: BTreeMap<String, Measurement> = BTreeMap::new();
        loop {
            let (mut table, mut column, mut kind) = (String::new(), String::new(), String::new());
            let more = lines.row(&mut |key, cell| {
                if let Cell::Text(text) = cell {
                    match key {
                        "table_name" => table = text.to_owned(),
                        "column_name" => column = text.to_owned(),
                        "data_type" => kind = text.to_owned(),
                        _ => {}
                    }
                }
                Ok(())
            })?;
            if !more {
                break;
            }
            let entry =
                tables.entry(table.clone()).or_insert_with(|| Measurement { name: table, ..Measurement::default() });
            if kind.starts_with("Dictionary(") {
                entry.tags.push(column);
            } else if !kind.starts_with("Timestamp(") {
                let found = FieldType::from_arrow(&kind)
                    .ok_or_else(|| self.strange("information_schema", &[column.clone(), kind]))?;
                entry.fields.push((column, vec![found]));
            }
        }
        let sorted = |mut table: Measurement| {
            table.tags.sort();
            table.fields.sort();
            table
        };
        Ok(tables.into_values().map(sorted).collect())
    }

    /// A statement with a small result: (series name, row).
    pub fn small(&self, statement: &str) -> Result<Vec<(String, Row)>> {
        let reply = self.call(request::influxql(self.target(), statement, None))?;
        let mut results = Results::new(reply.body, self.kind());
        let mut rows = Vec::new();
        loop {
            let mut row = Row::new();
            match results.step(&mut |_, cell| {
                row.push(match cell {
                    Cell::Null => String::new(),
                    Cell::Bool(value) => value.to_string(),
                    Cell::Number(text) | Cell::Text(text) => text.to_owned(),
                });
                Ok(())
            })? {
                Step::Series => {}
                Step::Row => rows.push((results.series().name.clone(), row)),
                Step::End => return Ok(rows),
            }
        }
    }

    fn strange(&self, what: &str, row: &[String]) -> Error {
        Error::new(self.kind(), format!("{}: {what} answers {row:?}, which this version does not know", self.target()))
    }
}
