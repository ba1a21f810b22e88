//! Databases, super tables and tables.

use std::collections::HashMap;
use std::sync::Arc;

use super::table::Rows;
use super::time;
use super::types::{Field, Type};
use super::value::Value;
use crate::args::Precision;

/// Everything there is. Queries clone the `Arc`s they need, so that they see one moment.
#[derive(Debug, Default)]
pub struct Store {
    databases: Vec<Database>,
    next_uid: i64,
}

/// One database.
#[derive(Debug)]
pub struct Database {
    pub name: String,
    pub precision: Precision,
    /// Milliseconds since 1970.
    pub created: i64,
    pub vgroups: i32,
    /// Minutes.
    pub duration: i64,
    /// Minutes; older rows are refused.
    pub keep: i64,
    pub stables: Vec<Arc<Stable>>,
    tables: Vec<Table>,
    by_name: HashMap<String, usize>,
}

/// A super table: the schema of its children.
#[derive(Debug)]
pub struct Stable {
    pub name: String,
    pub fields: Arc<[Field]>,
    pub tags: Arc<[Field]>,
    pub created: i64,
}

/// A child table (with a super table) or an ordinary one.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: Arc<str>,
    pub stable: Option<Arc<Stable>>,
    pub tags: Arc<[Value<'static>]>,
    pub fields: Arc<[Field]>,
    pub rows: Arc<Rows>,
    pub created: i64,
    pub uid: i64,
    /// Days to live, 0 is forever. Only reported.
    pub ttl: i32,
}

/// Milliseconds since 1970, now.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

impl Store {
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|d| d.name == name)
    }

    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.iter_mut().find(|d| d.name == name)
    }

    /// Adds a database with the defaults of the recorded server.
    pub fn create_database(&mut self, name: &str, precision: Precision) -> &mut Database {
        self.databases.push(Database {
            name: name.to_string(),
            precision,
            created: now_ms(),
            vgroups: 2,
            duration: 14_400,
            keep: 5_256_000,
            stables: Vec::new(),
            tables: Vec::new(),
            by_name: HashMap::new(),
        });
        let last = self.databases.len() - 1;
        &mut self.databases[last]
    }

    /// False when there is none.
    pub fn drop_database(&mut self, name: &str) -> bool {
        let before = self.databases.len();
        self.databases.retain(|d| d.name != name);
        self.databases.len() < before
    }

    /// The next table identifier.
    pub fn next_uid(&mut self) -> i64 {
        self.next_uid += 1;
        3_226_582_704_517_546_394 + self.next_uid
    }
}

impl Database {
    pub fn stable(&self, name: &str) -> Option<&Arc<Stable>> {
        self.stables.iter().find(|s| s.name == name)
    }

    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.by_name.get(name).and_then(|at| self.tables.get(*at))
    }

    pub fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.by_name.get(name).and_then(|at| self.tables.get_mut(*at))
    }

    /// True when a table or super table has the name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.stable(name).is_some()
    }

    /// Children of a super table, in the order of their creation.
    pub fn children<'a>(&'a self, stable: &'a str) -> impl Iterator<Item = &'a Table> {
        self.tables.iter().filter(move |t| t.stable.as_ref().is_some_and(|s| s.name == stable))
    }

    pub fn add_stable(&mut self, name: &str, fields: Vec<Field>, tags: Vec<Field>) -> Arc<Stable> {
        let stable =
            Arc::new(Stable { name: name.to_string(), fields: fields.into(), tags: tags.into(), created: now_ms() });
        self.stables.push(stable.clone());
        stable
    }

    /// False for a time that is older than what the database keeps, or beyond the end of its calendar (the year 2970 in
    /// ms and us, 2262 in ns).
    pub fn keeps(&self, time: i64) -> bool {
        let newest = match self.precision {
            Precision::Ms => 31_556_995_200_000,
            Precision::Us => 31_556_995_200_000_000,
            Precision::Ns => 9_214_646_400_000_000_000,
        };
        let unit = i128::from(self.precision.per_second() / 1000);
        let oldest = i128::from(time::now(self.precision)) - i128::from(self.keep) * 60_000 * unit;
        i128::from(time) >= oldest && time <= newest
    }

    /// Adds an empty table; the caller has looked that the name is free.
    pub fn add_table(
        &mut self,
        name: &str,
        stable: Option<Arc<Stable>>,
        fields: Arc<[Field]>,
        tags: Vec<Value<'static>>,
        uid: i64,
    ) -> &mut Table {
        let at = self.tables.len();
        self.by_name.insert(name.to_string(), at);
        self.tables.push(Table {
            name: name.into(),
            stable,
            tags: tags.into(),
            rows: Arc::new(Rows::new(fields.clone())),
            fields,
            created: now_ms(),
            uid,
            ttl: 0,
        });
        &mut self.tables[at]
    }

    /// Removes a table, or a super table with its children; false when there is neither.
    pub fn remove(&mut self, name: &str, as_stable: bool) -> bool {
        let (stables, tables) = (self.stables.len(), self.tables.len());
        if as_stable {
            self.stables.retain(|s| s.name != name);
            self.tables.retain(|t| t.stable.as_ref().is_none_or(|s| s.name != name));
        } else {
            self.tables.retain(|t| &*t.name != name);
        }
        self.by_name = self.tables.iter().enumerate().map(|(at, t)| (t.name.to_string(), at)).collect();
        (stables, tables) != (self.stables.len(), self.tables.len())
    }

    /// The vgroup of a table: names are spread over the groups in a fixed way.
    pub fn vgroup(&self, table: &str) -> i32 {
        let sum = table.bytes().fold(5381_u32, |h, b| h.wrapping_mul(33) ^ u32::from(b));
        2 + (sum % self.vgroups.max(1) as u32) as i32
    }
}

/// The name and type of every column and tag of a (super) table, tags last, as in DESCRIBE.
pub fn described(fields: &[Field], tags: &[Field]) -> Vec<(String, Type, &'static str)> {
    let note = |f: &Field| if f.key { "PRIMARY KEY" } else { "" };
    let columns = fields.iter().map(|f| (f.name.clone(), f.ty, note(f)));
    columns.chain(tags.iter().map(|f| (f.name.clone(), f.ty, "TAG"))).collect()
}
