//! One load: rows are converted and sorted into partitions here, and become visible by [`Store::publish`].

use std::sync::Arc;

use super::datetime;
use super::partition::{Bound, Finder, made_for};
use super::rows::{Merge, Staged};
use super::schema::{Default as Given, Model, Schema};
use super::store::Store;
use super::value::{self, Bad, Value};

/// Settings of a load (dossier starrocks 1.3).
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bad values filter their row instead of becoming NULL.
    pub strict: bool,
    /// Columns that are not given keep their values (PRIMARY KEY tables).
    pub partial: bool,
    /// `merge_condition`.
    pub condition: Option<String>,
    /// Only these partitions take rows; empty: all.
    pub partitions: Vec<String>,
}

/// What became of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub total: u64,
    pub loaded: u64,
    pub filtered: u64,
    pub unselected: u64,
    /// The first reasons, one a filtered row: `Error: … Row: …`.
    pub errors: Vec<String>,
}

/// Reasons that are kept.
const REASONS: usize = 1000;

/// Rows of one partition.
#[derive(Debug)]
pub struct Part {
    /// `None`: the load makes the partition.
    pub id: Option<u64>,
    pub name: String,
    pub bound: Arc<Bound>,
    pub staged: Staged,
}

/// A finished load that nobody can see yet.
#[derive(Debug)]
pub struct Prepared {
    pub database: String,
    pub table: String,
    pub table_id: u64,
    pub outcome: Outcome,
    pub parts: Vec<Part>,
    pub merge: Merge,
    pub sequence: i64,
}

/// Takes the rows of one load.
pub struct Loader {
    schema: Arc<Schema>,
    strict: bool,
    /// Column of each cell of a row; `None`: the cell is skipped.
    cells: Vec<Option<usize>>,
    /// What the columns are that no cell gives.
    fixed: Vec<Value<'static>>,
    increments: Vec<usize>,
    finder: Finder,
    all_partitions: bool,
    prepared: Prepared,
}

impl Loader {
    /// For rows with these columns in this order (empty: all of the table); names that the table has not are skipped.
    pub fn new(
        store: &Store,
        database: &str,
        table: &str,
        columns: &[String],
        settings: &Settings,
    ) -> Result<Loader, String> {
        let found = store.table(database, table)?;
        let schema = found.schema.clone();
        let cells: Vec<Option<usize>> = if columns.is_empty() {
            schema.fields.iter().enumerate().filter(|(_, f)| f.generated.is_none()).map(|(at, _)| Some(at)).collect()
        } else {
            columns.iter().map(|name| schema.find(name)).collect()
        };
        let given: Vec<bool> = (0..schema.fields.len()).map(|at| cells.contains(&Some(at))).collect();
        let partial = settings.partial && given.contains(&false);
        if settings.partial && schema.model != Model::Primary {
            return Err("Only primary key table support partial update".to_string());
        }
        let now = Value::Int(datetime::now().into());
        let mut fixed = Vec::new();
        let mut increments = Vec::new();
        for (at, field) in schema.fields.iter().enumerate() {
            fixed.push(match &field.default {
                _ if given[at] => Value::Null,
                Some(Given::Now) => now.clone(),
                Some(Given::Text(text)) => value::parse(&field.ty, text.as_bytes()).map_or(Value::Null, Value::owned),
                None if field.auto_increment => {
                    increments.push(at);
                    Value::Null
                }
                None if field.nullable || field.generated.is_some() || partial && !field.key => Value::Null,
                None => return Err(format!("Column has no default value. column: {}", field.name)),
            });
        }
        let condition = match &settings.condition {
            None => None,
            Some(name) => Some(schema.find(name).ok_or_else(|| format!("unknown column '{name}' in merge_condition"))?),
        };
        let mut parts = Vec::new();
        for partition in &found.partitions {
            let wanted = settings.partitions.iter().any(|name| name.eq_ignore_ascii_case(&partition.name));
            if wanted || settings.partitions.is_empty() {
                let (name, bound) = (partition.name.clone(), partition.bound.clone());
                parts.push(Part { id: Some(partition.id), name, bound, staged: Staged::default() });
            }
        }
        if let Some(name) = settings.partitions.iter().find(|name| found.partition(name).is_none()) {
            return Err(format!("unknown partition {name} in table {table}"));
        }
        let prepared = Prepared {
            database: database.to_string(),
            table: table.to_string(),
            table_id: found.id,
            outcome: Outcome::default(),
            merge: Merge { given: if partial { given } else { Vec::new() }, condition },
            sequence: found.sequence,
            parts: Vec::new(),
        };
        let finder = Finder::new(&schema, parts.iter().map(|p| &p.bound));
        let all_partitions = settings.partitions.is_empty();
        let prepared = Prepared { parts, ..prepared };
        Ok(Loader { schema, strict: settings.strict, cells, fixed, increments, finder, all_partitions, prepared })
    }

    /// The table's definition.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What was counted until now.
    pub fn outcome(&self) -> &Outcome {
        &self.prepared.outcome
    }

    /// One row of texts (`None` is NULL); `delete` is `__op` = 1. False when it was filtered.
    pub fn row(&mut self, cells: &[Option<&[u8]>], delete: bool) -> bool {
        self.prepared.outcome.total += 1;
        if cells.len() != self.cells.len() {
            let (has, wants) = (cells.len(), self.cells.len());
            let why = format!("Value count does not match column count. Expect {wants}, but got {has}");
            return self.filter(&why, cells);
        }
        let schema = self.schema.clone();
        let mut row: Vec<Value<'_>> = self.fixed.clone();
        for (cell, column) in cells.iter().zip(&self.cells) {
            let (Some(column), Some(text)) = (*column, cell) else { continue };
            let Some(field) = schema.fields.get(column) else { continue };
            match value::parse(&field.ty, text) {
                Ok(value) => row[column] = value,
                Err(bad) if self.strict => {
                    let shown = String::from_utf8_lossy(text.get(..100).unwrap_or(text));
                    let (name, ty) = (&field.name, &field.ty);
                    let why = match bad {
                        Bad::Form => format!("Value '{shown}' is out of range. The type of '{name}' is {ty}"),
                        Bad::Long => {
                            format!(
                                "String '{shown}'(length: {}) is too long. The max length of '{name}' is {ty}",
                                text.len()
                            )
                        }
                    };
                    return self.filter(&why, cells);
                }
                Err(_) => {}
            }
        }
        match self.place(&schema, &mut row, delete) {
            Ok(()) => true,
            Err(why) => self.filter(&why, cells),
        }
    }

    /// One row of values of the columns' types, in the order of the cells.
    pub fn values(&mut self, values: Vec<Value<'_>>, delete: bool) -> Result<(), String> {
        self.prepared.outcome.total += 1;
        let schema = self.schema.clone();
        let mut row: Vec<Value<'_>> = self.fixed.clone();
        for (value, column) in values.into_iter().zip(&self.cells) {
            if let Some(place) = column.and_then(|at| row.get_mut(at)) {
                *place = value;
            }
        }
        let placed = self.place(&schema, &mut row, delete);
        if placed.is_err() {
            self.prepared.outcome.filtered += 1;
        }
        placed
    }

    /// A row that the load's `where` leaves out.
    pub fn unselected(&mut self) {
        self.prepared.outcome.total += 1;
        self.prepared.outcome.unselected += 1;
    }

    /// A row that is filtered before it has cells.
    pub fn reject(&mut self, why: &str, raw: &[u8]) {
        self.prepared.outcome.total += 1;
        self.filter(why, &[Some(raw)]);
    }

    /// Ends the load.
    pub fn finish(mut self) -> Prepared {
        self.prepared.parts.retain(|part| !part.staged.is_empty());
        self.prepared
    }

    fn place(&mut self, schema: &Schema, row: &mut [Value<'_>], delete: bool) -> Result<(), String> {
        for at in &self.increments {
            row[*at] = Value::Int(self.prepared.sequence.into());
            self.prepared.sequence += 1;
        }
        for (at, (field, value)) in schema.fields.iter().zip(row.iter()).enumerate() {
            let kept = self.prepared.merge.given.get(at) == Some(&false) || delete && !field.key;
            if !field.nullable && !kept && field.generated.is_none() && matches!(value, Value::Null) {
                return Err(format!("NULL value in non-nullable column '{}'", field.name));
            }
        }
        let at = match self.finder.find(row) {
            Some(at) => at,
            None => match made_for(schema, row).filter(|_| self.all_partitions) {
                Some((name, bound)) => {
                    let bound = Arc::new(bound);
                    let at = self.prepared.parts.len();
                    self.finder.add(bound.clone(), at);
                    self.prepared.parts.push(Part { id: None, name, bound, staged: Staged::default() });
                    at
                }
                None => return Err("The row is out of partition ranges. Please add a new partition.".to_string()),
            },
        };
        if let Some(part) = self.prepared.parts.get_mut(at) {
            part.staged.push(schema, row, delete);
            self.prepared.outcome.loaded += 1;
        }
        Ok(())
    }

    fn filter(&mut self, why: &str, cells: &[Option<&[u8]>]) -> bool {
        let outcome = &mut self.prepared.outcome;
        outcome.filtered += 1;
        if outcome.errors.len() < REASONS {
            let texts: Vec<String> = cells
                .iter()
                .map(|cell| cell.map_or("\\N".to_string(), |text| String::from_utf8_lossy(text).into_owned()))
                .collect();
            outcome.errors.push(format!("Error: {why}. Row: {}", texts.join(",")));
        }
        false
    }
}
