//! Everything that the simulated cluster holds: databases, tables, partitions, and the loads that became visible.
//!
//! A load is made of three steps: [`Loader`](super::loading::Loader) collects rows without touching the store,
//! [`Store::publish`] makes them visible and raises the version of every partition they touched; dropping what the loader
//! gave ([`Prepared`]) is the abort.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::datetime;
use super::exec::export::Export;
use super::loading::Prepared;
use super::partition::{Bound, Partition};
use super::rows::Rows;
use super::schema::{Partitioning, Schema};

/// A view or materialized view: only its text.
#[derive(Debug, Clone)]
pub struct View {
    pub name: String,
    pub query: String,
    pub materialized: bool,
    /// The whole CREATE statement.
    pub create: String,
}

/// A table with its partitions, in the order of their ranges.
#[derive(Debug, Clone)]
pub struct Table {
    pub id: u64,
    pub name: String,
    pub schema: Arc<Schema>,
    pub partitions: Vec<Partition>,
    /// Microseconds.
    pub created: i64,
    /// The next AUTO_INCREMENT value.
    pub sequence: i64,
}

impl Table {
    /// A partition by name; names ignore case.
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.partitions.iter().map(|p| p.rows.count()).sum()
    }
}

/// A database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    pub id: u64,
    pub tables: BTreeMap<String, Table>,
    pub views: BTreeMap<String, View>,
}

/// One row of `information_schema.loads`.
#[derive(Debug, Clone, Default)]
pub struct LoadRecord {
    pub id: u64,
    pub label: String,
    pub database: String,
    pub table: String,
    /// PENDING, LOADING, FINISHED, CANCELLED, …
    pub state: String,
    /// `STREAM LOAD`, `INSERT`, `BROKER`.
    pub kind: String,
    pub scan_rows: u64,
    pub scan_bytes: u64,
    pub filtered_rows: u64,
    pub unselected_rows: u64,
    pub sink_rows: u64,
    /// Microseconds.
    pub created: i64,
    pub finished: i64,
    pub error: String,
    pub tracking_log: String,
}

/// Everything.
#[derive(Debug, Default)]
pub struct Store {
    pub databases: BTreeMap<String, Database>,
    /// Loads of every kind, in the order of their beginning.
    pub loads: Vec<LoadRecord>,
    /// EXPORT jobs.
    pub exports: Vec<Export>,
    next_id: u64,
    next_transaction: u64,
}

impl Store {
    /// A number that nothing else has.
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        10_000 + self.next_id
    }

    /// The number of a new transaction.
    pub fn new_transaction(&mut self) -> u64 {
        self.next_transaction += 1;
        self.next_transaction
    }

    /// A table, or the message of an error.
    pub fn table(&self, database: &str, table: &str) -> Result<&Table, String> {
        let found = self.databases.get(database).ok_or_else(|| unknown_database(database))?;
        found.tables.get(table).ok_or_else(|| unknown_table(database, table))
    }

    /// The same, to change.
    pub fn table_mut(&mut self, database: &str, table: &str) -> Result<&mut Table, String> {
        let found = self.databases.get_mut(database).ok_or_else(|| unknown_database(database))?;
        found.tables.get_mut(table).ok_or_else(|| unknown_table(database, table))
    }

    /// A new database.
    pub fn create_database(&mut self, name: &str) -> Result<(), String> {
        if self.databases.contains_key(name) {
            return Err(format!("Can't create database '{name}'; database exists"));
        }
        let id = self.new_id();
        self.databases.insert(name.to_string(), Database { id, ..Database::default() });
        Ok(())
    }

    /// A new table with these partitions; one for all rows when it is not partitioned.
    pub fn create_table(
        &mut self,
        database: &str,
        name: &str,
        schema: Schema,
        bounds: Vec<(String, Bound)>,
    ) -> Result<(), String> {
        let Some(found) = self.databases.get(database) else { return Err(unknown_database(database)) };
        if found.tables.contains_key(name) || found.views.contains_key(name) {
            return Err(format!("Table '{name}' already exists"));
        }
        let bounds =
            if schema.partitioning == Partitioning::None { vec![(name.to_string(), Bound::All)] } else { bounds };
        let id = self.new_id();
        let mut table = Table {
            id,
            name: name.to_string(),
            schema: Arc::new(schema),
            partitions: Vec::new(),
            created: datetime::now(),
            sequence: 1,
        };
        for (partition, bound) in bounds {
            let id = self.new_id();
            add(&mut table, id, &partition, Arc::new(bound))?;
        }
        if let Some(found) = self.databases.get_mut(database) {
            found.tables.insert(name.to_string(), table);
        }
        Ok(())
    }

    /// `ALTER TABLE … ADD PARTITION`.
    pub fn add_partition(&mut self, database: &str, table: &str, name: &str, bound: Bound) -> Result<(), String> {
        let id = self.new_id();
        add(self.table_mut(database, table)?, id, name, Arc::new(bound))
    }

    /// Makes a prepared load visible. Fails only if the table is gone or was made anew meanwhile.
    pub fn publish(&mut self, load: Prepared) -> Result<(), String> {
        let now = datetime::now();
        let ids: Vec<u64> = load.parts.iter().map(|_| self.new_id()).collect();
        let table = self.table_mut(&load.database, &load.table)?;
        if table.id != load.table_id {
            return Err(unknown_table(&load.database, &load.table));
        }
        let schema = table.schema.clone();
        for (part, id) in load.parts.into_iter().zip(ids) {
            let found = match part.id {
                Some(id) => table.partitions.iter().position(|p| p.id == id),
                // Another load may have made the partition meanwhile.
                None => table.partitions.iter().position(|p| p.bound == part.bound),
            };
            let at = match found {
                Some(at) => at,
                None if part.id.is_some() => return Err(format!("partition {} was dropped", part.name)),
                None => {
                    let mut name = part.name.clone();
                    while table.partition(&name).is_some() {
                        name.push('_');
                    }
                    add(table, id, &name, part.bound.clone())?;
                    table.partitions.iter().position(|p| p.id == id).unwrap_or(0)
                }
            };
            if let Some(partition) = table.partitions.get_mut(at) {
                partition.rows.publish(&schema, part.staged, &load.merge);
                partition.version += 1;
                partition.version_time = now;
            }
        }
        table.sequence = table.sequence.max(load.sequence);
        Ok(())
    }

    /// Empties partitions (all without names); their versions begin anew, as those of new partitions do.
    pub fn truncate(&mut self, database: &str, table: &str, names: &[String]) -> Result<(), String> {
        let ids: Vec<u64> = (0..self.table(database, table)?.partitions.len()).map(|_| self.new_id()).collect();
        let table = self.table_mut(database, table)?;
        if let Some(name) = names.iter().find(|name| table.partition(name).is_none()) {
            return Err(format!("Partition {name} does not exist"));
        }
        for (partition, id) in table.partitions.iter_mut().zip(ids) {
            if names.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(&partition.name)) {
                (partition.id, partition.rows, partition.version) = (id, Rows::default(), 1);
                partition.version_time = datetime::now();
            }
        }
        Ok(())
    }
}

/// Message of an unknown database.
pub fn unknown_database(name: &str) -> String {
    format!("Unknown database '{name}'")
}

/// Message of an unknown table.
pub fn unknown_table(database: &str, table: &str) -> String {
    format!("Unknown table '{database}.{table}'")
}

fn add(table: &mut Table, id: u64, name: &str, bound: Arc<Bound>) -> Result<(), String> {
    if table.partition(name).is_some() {
        return Err(format!("Duplicate partition name {name}"));
    }
    if let Some(other) = table.partitions.iter().find(|p| p.bound.overlaps(&bound)) {
        return Err(format!("Range of partition {name} intersects with that of partition {}", other.name));
    }
    let place = table.partitions.partition_point(|p| p.bound.order(&bound).is_le());
    let (version_time, rows) = (datetime::now(), Rows::default());
    table.partitions.insert(place, Partition { id, name: name.to_string(), bound, version: 1, version_time, rows });
    Ok(())
}
