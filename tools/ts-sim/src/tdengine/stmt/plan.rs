//! What a prepared INSERT wants to have bound: its table, tags and columns, once the names in it are looked up.

use super::super::exec::{Engine, TableRows, given_value};
use super::super::sql::ast::TableName;
use super::super::sql::error::SqlError;
use super::super::sql::prepared::{Prepared, PreparedTags, PreparedUsing, prepared};
use super::super::store::{Database, Stable, Store};
use super::super::types::Field;
use super::super::value::Value;
use super::Connection;
use crate::args::Precision;

/// A tag or column to bind, and its place in the table.
#[derive(Debug, Clone)]
pub struct Bind {
    pub at: usize,
    pub field: Field,
}

/// A `?` in the order of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Tbname,
    /// Index in [`Plan::tags`].
    Tag(usize),
    /// Index in [`Plan::columns`].
    Column(usize),
}

/// A prepared INSERT with its names resolved.
#[derive(Debug, Clone)]
pub struct Plan {
    pub database: String,
    pub precision: Precision,
    /// `None` while `INSERT INTO ?` has no name.
    pub table: Option<String>,
    /// Tables that are missing are made from it.
    pub stable: Option<String>,
    pub tags: Vec<Bind>,
    pub columns: Vec<Bind>,
    pub slots: Vec<Slot>,
    /// Tags that the statement itself gives, in the order of the super table.
    given: Vec<Value<'static>>,
}

pub fn table_not_set() -> SqlError {
    SqlError::new(0x022B, "Stmt table name not set")
}

/// `db.table`, either in backquotes, else as it is.
pub fn split_name(name: &str) -> (Option<String>, String) {
    let unquoted = |part: &str| {
        let inner = part.strip_prefix('`').and_then(|p| p.strip_suffix('`'));
        inner.unwrap_or(part).to_string()
    };
    let mut quoted = false;
    let dot = name.char_indices().find(|(_, c)| {
        quoted ^= *c == '`';
        *c == '.' && !quoted
    });
    match dot {
        Some((at, _)) => (Some(unquoted(&name[..at])), unquoted(&name[at + 1..])),
        None => (None, unquoted(name)),
    }
}

impl Plan {
    /// Looks up the names of a statement; `name` stands for the `?` after INTO.
    pub fn new(connection: Connection<'_>, sql: &str, name: Option<&str>) -> Result<Plan, SqlError> {
        let statement = prepared(sql)?;
        let table = match (&statement.table, name) {
            (Some(table), _) => Some((table.database.clone(), table.table.clone())),
            (None, Some(name)) => Some(split_name(name)),
            (None, None) => None,
        };
        let store = connection.engine.store.read().map_err(|_| SqlError::internal())?;
        let find = |database: Option<&str>| database_of(&store, database, connection.database);
        match (&statement.using, table) {
            (Some(using), table) => {
                let database = match (&using.stable, &table) {
                    (TableName { database: Some(database), .. }, _) => find(Some(database))?,
                    (_, Some((database, _))) => find(database.as_deref())?,
                    _ => find(None)?,
                };
                with_using(connection, database, &statement, using, table.map(|(_, table)| table))
            }
            (None, Some((database, table))) => {
                let database = find(database.as_deref())?;
                match database.stable(&table) {
                    Some(stable) => by_tbname(database, stable, &statement),
                    None => plain(database, &statement, table),
                }
            }
            (None, None) => Err(table_not_set()),
        }
    }

    /// True when rows for the table need the bound tags: it is not there.
    pub fn needs_tags(&self, engine: &Engine, table: &str) -> bool {
        let there = |store: &Store| store.database(&self.database).is_some_and(|d| d.table(table).is_some());
        !self.tags.is_empty() && !engine.store.read().is_ok_and(|store| there(&store))
    }

    pub fn check_tags(&self, tags: &[Value<'static>]) -> Result<(), SqlError> {
        if tags.len() == self.tags.len() { Ok(()) } else { Err(SqlError::new(0x260D, "Tags number not matched")) }
    }

    /// The super table and all of its tags, for a table that may have to be made.
    pub fn child_of(&self, bound: &[Value<'static>]) -> Option<(String, Vec<Value<'static>>)> {
        let mut tags = self.given.clone();
        for (bind, value) in self.tags.iter().zip(bound) {
            if tags.len() <= bind.at {
                tags.resize(bind.at + 1, Value::Null);
            }
            tags[bind.at] = value.clone();
        }
        self.stable.clone().map(|stable| (stable, tags))
    }

    /// Columns as rows for a table.
    pub fn rows(
        &self,
        table: &str,
        database: Option<String>,
        columns: Vec<Vec<Value<'static>>>,
    ) -> Result<TableRows, SqlError> {
        if columns.len() != self.columns.len() {
            return Err(SqlError::operation("bind number out of range or not match"));
        }
        let count = columns.first().map_or(0, Vec::len);
        let mut rows = vec![Vec::with_capacity(columns.len()); count];
        for column in columns {
            if column.len() != count {
                return Err(SqlError::operation("row number in each bind param should be the same"));
            }
            for (row, value) in rows.iter_mut().zip(column) {
                row.push(value);
            }
        }
        Ok(TableRows {
            database: database.unwrap_or_else(|| self.database.clone()),
            table: table.to_string(),
            child_of: None,
            columns: self.columns.iter().map(|c| c.at).collect(),
            rows,
        })
    }
}

fn database_of<'a>(store: &'a Store, named: Option<&str>, session: Option<&str>) -> Result<&'a Database, SqlError> {
    let name = named.or(session).ok_or_else(SqlError::no_current_database)?;
    store.database(name).ok_or_else(SqlError::no_database)
}

fn with_using(
    connection: Connection<'_>,
    database: &Database,
    statement: &Prepared,
    using: &PreparedUsing,
    table: Option<String>,
) -> Result<Plan, SqlError> {
    let stable = database.stable(&using.stable.table).ok_or_else(SqlError::table_missing)?;
    let targets = binds(&stable.tags, using.names.as_deref())?;
    let mut plan = empty(database, table, Some(stable));
    plan.given = vec![Value::Null; stable.tags.len()];
    if statement.table.is_none() {
        plan.slots.push(Slot::Tbname);
    }
    match &using.tags {
        PreparedTags::Bound(count) if *count == targets.len() => {
            plan.slots.extend((0..targets.len()).map(Slot::Tag));
            plan.tags = targets;
        }
        PreparedTags::Given(given) if given.len() == targets.len() => {
            for (given, target) in given.iter().zip(&targets) {
                plan.given[target.at] = given_value(given, &target.field, database.precision, connection.zone)?;
            }
        }
        _ => return Err(SqlError::new(0x260D, "Tags number not matched")),
    }
    set_columns(&mut plan, &stable.fields, statement)?;
    Ok(plan)
}

fn plain(database: &Database, statement: &Prepared, table: String) -> Result<Plan, SqlError> {
    let fields = database.table(&table).ok_or_else(SqlError::table_missing)?.fields.clone();
    let mut plan = empty(database, Some(table), None);
    if statement.table.is_none() {
        plan.slots.push(Slot::Tbname);
    }
    set_columns(&mut plan, &fields, statement)?;
    Ok(plan)
}

/// `INSERT INTO stable (tbname, tag.., ts, column..) VALUES (?, ..)`, in any order.
fn by_tbname(database: &Database, stable: &Stable, statement: &Prepared) -> Result<Plan, SqlError> {
    let names =
        statement.columns.as_deref().ok_or_else(|| SqlError::insert(&stable.name, "(tbname, ...) is expected"))?;
    check_count(statement.values, names.len())?;
    let mut plan = empty(database, None, Some(stable));
    plan.given = vec![Value::Null; stable.tags.len()];
    for name in names {
        let place = |fields: &[Field]| fields.iter().position(|f| f.name == *name);
        if name == "tbname" {
            plan.slots.push(Slot::Tbname);
        } else if let Some(at) = place(&stable.fields) {
            plan.slots.push(Slot::Column(plan.columns.len()));
            plan.columns.push(Bind { at, field: stable.fields[at].clone() });
        } else if let Some(at) = place(&stable.tags) {
            plan.slots.push(Slot::Tag(plan.tags.len()));
            plan.tags.push(Bind { at, field: stable.tags[at].clone() });
        } else {
            return Err(SqlError::column(name));
        }
    }
    if plan.slots.contains(&Slot::Tbname) {
        Ok(plan)
    } else {
        Err(SqlError::insert(&stable.name, "tbname is expected"))
    }
}

fn empty(database: &Database, table: Option<String>, stable: Option<&Stable>) -> Plan {
    Plan {
        database: database.name.clone(),
        precision: database.precision,
        table,
        stable: stable.map(|s| s.name.clone()),
        tags: Vec::new(),
        columns: Vec::new(),
        slots: Vec::new(),
        given: Vec::new(),
    }
}

fn set_columns(plan: &mut Plan, fields: &[Field], statement: &Prepared) -> Result<(), SqlError> {
    plan.columns = binds(fields, statement.columns.as_deref())?;
    check_count(statement.values, plan.columns.len())?;
    plan.slots.extend((0..plan.columns.len()).map(Slot::Column));
    Ok(())
}

/// The named fields, or all.
fn binds(fields: &[Field], names: Option<&[String]>) -> Result<Vec<Bind>, SqlError> {
    let bind = |at: usize| Bind { at, field: fields[at].clone() };
    match names {
        None => Ok((0..fields.len()).map(bind).collect()),
        Some(names) => names
            .iter()
            .map(|name| fields.iter().position(|f| f.name == *name).map(bind).ok_or_else(|| SqlError::column(name)))
            .collect(),
    }
}

fn check_count(bound: usize, wanted: usize) -> Result<(), SqlError> {
    match bound {
        n if n < wanted => Err(SqlError::insert(")", ", expected")),
        n if n > wanted => Err(SqlError::insert(",", ") expected")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_a_database_and_backquotes() {
        let name = |database: Option<&str>, table: &str| (database.map(str::to_string), table.to_string());
        assert_eq!(split_name("d1"), name(None, "d1"));
        assert_eq!(split_name("`a.b`"), name(None, "a.b"));
        assert_eq!(split_name("db.`A.b`"), name(Some("db"), "A.b"));
        assert_eq!(split_name("`d b`.t"), name(Some("d b"), "t"));
    }
}
