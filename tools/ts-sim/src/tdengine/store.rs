//! Databases, super tables and tables.

use std::collections::HashMap;
use std::sync::Arc;

use super::changelog::{Change, ChangeLog, Created};
use super::table::Rows;
use super::time;
use super::topic::Topics;
use super::types::{Field, Type};
use super::value::Value;
use crate::args::Precision;

/// Everything there is. Queries clone the `Arc`s they need, so that they see one moment.
#[derive(Debug, Default)]
pub struct Store {
    databases: Vec<Database>,
    next_uid: i64,
    /// Topics and who reads them.
    pub topics: Topics,
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
    /// Every change, for subscriptions.
    pub log: ChangeLog,
}

/// A super table: the schema of its children.
#[derive(Debug, Clone)]
pub struct Stable {
    pub name: String,
    pub fields: Arc<[Field]>,
    pub tags: Arc<[Field]>,
    pub created: i64,
    pub uid: i64,
    /// Numbers of the columns and tags: never used again when one is dropped.
    pub ids: Arc<[i16]>,
    pub tag_ids: Arc<[i16]>,
    /// Changes of the columns, and of the tags, from 1.
    pub version: i32,
    pub tag_version: i32,
    /// Columns that were there from the start: they have pre-computed aggregates, later ones do not (recorded).
    pub first_columns: i16,
}

/// The super tables of a database have identifiers that those of tables, which count up, never reach.
const FIRST_STABLE_UID: i64 = 4_019_735_512_381_456_000;

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
            log: ChangeLog::default(),
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
        let columns = fields.len() as i16;
        let created = now_ms();
        let stable = Arc::new(Stable {
            name: name.to_string(),
            uid: FIRST_STABLE_UID + created + self.stables.len() as i64,
            ids: (1..=columns).collect(),
            tag_ids: (columns + 1..=columns + tags.len() as i16).collect(),
            fields: fields.into(),
            tags: tags.into(),
            created,
            version: 1,
            tag_version: 1,
            first_columns: columns,
        });
        self.stables.push(stable.clone());
        self.log_everywhere(&Change::CreateStable(stable.clone()));
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
        let table = Table {
            name: name.into(),
            stable,
            tags: tags.into(),
            rows: Arc::new(Rows::new(fields.clone())),
            fields,
            created: now_ms(),
            uid,
            ttl: 0,
        };
        self.log.append(self.place(name), Change::Create(Box::new(Created::of(&table))));
        self.tables.push(table);
        &mut self.tables[at]
    }

    /// Removes a table, or a super table with its children; false when there is neither.
    pub fn remove(&mut self, name: &str, as_stable: bool) -> bool {
        let (stables, tables) = (self.stables.len(), self.tables.len());
        if as_stable {
            if let Some(stable) = self.stable(name).cloned() {
                self.log_everywhere(&Change::DropStable(stable));
            }
            self.stables.retain(|s| s.name != name);
            self.tables.retain(|t| t.stable.as_ref().is_none_or(|s| s.name != name));
        } else {
            if let Some(table) = self.table(name) {
                let change = Change::Drop { name: table.name.clone(), stable: table.stable.clone() };
                self.log.append(self.place(name), change);
            }
            self.tables.retain(|t| &*t.name != name);
        }
        self.by_name = self.tables.iter().enumerate().map(|(at, t)| (t.name.to_string(), at)).collect();
        (stables, tables) != (self.stables.len(), self.tables.len())
    }

    /// Notes a change that concerns every vgroup.
    pub fn log_everywhere(&mut self, change: &Change) {
        (0..self.vgroups.max(1) as usize).for_each(|at| self.log.append(at, change.clone()));
    }

    /// The numbers of the vgroups.
    pub fn vgroup_ids(&self) -> std::ops::Range<i32> {
        FIRST_VGROUP..FIRST_VGROUP + self.vgroups.max(1)
    }

    /// The vgroup of a table: a hash of its full name, as the server spreads them (the recorded tables of `tmqdb` fall as there).
    pub fn vgroup(&self, table: &str) -> i32 {
        FIRST_VGROUP + self.place(table) as i32
    }

    /// The same, counted from 0.
    pub fn place(&self, table: &str) -> usize {
        let groups = u64::from(self.vgroups.max(1) as u32);
        let width = u64::from(u32::MAX) / groups;
        (u64::from(murmur3(format!("1.{}.{table}", self.name).as_bytes())) / width.max(1)).min(groups - 1) as usize
    }
}

/// The first vgroup of a database.
pub const FIRST_VGROUP: i32 = 2;

/// MurmurHash3, 32 bits, with the server's seed.
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash: u32 = 0x1234_5678;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash ^= mix(u32::from_le_bytes(last));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// The name and type of every column and tag of a (super) table, tags last, as in DESCRIBE.
pub fn described(fields: &[Field], tags: &[Field]) -> Vec<(String, Type, &'static str)> {
    let note = |f: &Field| if f.key { "PRIMARY KEY" } else { "" };
    let columns = fields.iter().map(|f| (f.name.clone(), f.ty, note(f)));
    columns.chain(tags.iter().map(|f| (f.name.clone(), f.ty, "TAG"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fall_into_the_vgroups_of_the_recorded_server() {
        let mut store = Store::default();
        let database = store.create_database("tmqdb", Precision::Ms);
        let places = |names: [&str; 3]| names.map(|n| database.vgroup(n));
        assert_eq!((places(["c0", "c2", "auto1"]), places(["c1", "c3", "n1"])), ([2; 3], [3; 3]));
    }
}
