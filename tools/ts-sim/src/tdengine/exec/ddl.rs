//! CREATE, DROP, DELETE.

use super::super::convert;
use super::super::sql::ast::{Expr, Statement, TableName};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Store, Table};
use super::super::time::Zone;
use super::super::types::Field;
use super::bind::Scope;
use super::expr::{Part, Row};
use super::{Engine, alter, insert, topic, window};
use crate::args::Precision;

/// Carries out one statement; the number of rows that it changed.
pub fn run(
    engine: &Engine,
    store: &mut Store,
    session: Option<&str>,
    zone: Zone,
    statement: Statement,
) -> Result<u64, SqlError> {
    match statement {
        Statement::CreateDatabase { name, if_not_exists, precision, keep, duration, vgroups } => {
            if store.database(&name).is_some() || name == "information_schema" {
                return if if_not_exists { Ok(0) } else { Err(SqlError::new(0x0381, "Database already exists")) };
            }
            let database = store.create_database(&name, precision.unwrap_or(Precision::Ms));
            database.keep = keep.unwrap_or(database.keep);
            database.duration = duration.unwrap_or(database.duration);
            database.vgroups = vgroups.unwrap_or(database.vgroups);
        }
        Statement::CreateStable { name, if_not_exists, fields, tags } => {
            known_types(engine, fields.iter().chain(&tags))?;
            let database = database_mut(store, &name, session)?;
            if !is_free(database, &name.table, if_not_exists)? {
                return Ok(0);
            }
            database.add_stable(&name.table, fields, tags);
        }
        Statement::CreateTable { name, if_not_exists, fields } => {
            known_types(engine, fields.iter())?;
            let uid = store.next_uid();
            let database = database_mut(store, &name, session)?;
            if !is_free(database, &name.table, if_not_exists)? {
                return Ok(0);
            }
            database.add_table(&name.table, None, fields.into(), Vec::new(), uid);
        }
        Statement::CreateChildren(children) => {
            for child in children {
                let uid = store.next_uid();
                let database = database_mut(store, &child.name, session)?;
                if !is_free(database, &child.name.table, child.if_not_exists)? {
                    continue;
                }
                insert::create_child(database, &child.name.table, &child.using, zone, uid)?;
            }
        }
        Statement::Alter(statement) => alter::alter(engine, store, session, zone, &statement)?,
        Statement::CreateTopic(statement) => topic::create(engine, store, session, statement)?,
        Statement::DropTopic { name, if_exists, force } => topic::drop(store, &name, if_exists, force)?,
        Statement::DropDatabase { name, if_exists } => {
            if store.topics.iter().any(|t| t.database == name) {
                return Err(SqlError::new(0x03ED, "Topic must be dropped first"));
            }
            if !store.drop_database(&name) && !if_exists {
                return Err(SqlError::no_database());
            }
        }
        Statement::DropTable { tables, stable } => {
            for (name, if_exists) in tables {
                let database = database_mut(store, &name, session)?;
                let as_stable = stable || database.stable(&name.table).is_some();
                if !database.remove(&name.table, as_stable) && !if_exists {
                    return Err(SqlError::table_missing());
                }
            }
        }
        Statement::Delete { table, condition } => {
            return delete(engine, store, session, zone, &table, condition.as_ref());
        }
        Statement::Select(_)
        | Statement::Insert(_)
        | Statement::Use(_)
        | Statement::Describe(_)
        | Statement::Show(_) => {
            return Err(SqlError::incomplete());
        }
    }
    Ok(0)
}

fn known_types<'a>(engine: &Engine, mut fields: impl Iterator<Item = &'a Field>) -> Result<(), SqlError> {
    match fields.find(|f| !convert::known(f.ty, &engine.version)) {
        Some(field) => Err(SqlError::syntax(&field.ty.full_name())),
        None => Ok(()),
    }
}

/// The database of a name, or of the session.
pub fn database_mut<'a>(
    store: &'a mut Store,
    name: &TableName,
    session: Option<&str>,
) -> Result<&'a mut Database, SqlError> {
    let database = name.database.as_deref().or(session).ok_or_else(SqlError::no_current_database)?;
    store.database_mut(database).ok_or_else(SqlError::no_database)
}

fn is_free(database: &Database, name: &str, if_not_exists: bool) -> Result<bool, SqlError> {
    match (database.has(name), if_not_exists) {
        (false, _) => Ok(true),
        (true, true) => Ok(false),
        (true, false) => Err(SqlError::new(0x0603, "Table already exists")),
    }
}

/// DELETE knows time conditions and, on super tables, tags; anything else is refused.
fn delete(
    engine: &Engine,
    store: &mut Store,
    session: Option<&str>,
    zone: Zone,
    name: &TableName,
    condition: Option<&Expr>,
) -> Result<u64, SqlError> {
    let database = database_mut(store, name, session)?;
    let (fields, tags) = match (database.stable(&name.table), database.table(&name.table)) {
        (Some(stable), _) => (stable.fields.clone(), stable.tags.clone()),
        (None, Some(table)) => (table.fields.clone(), [].into()),
        (None, None) => return Err(SqlError::no_table()),
    };
    let scope = Scope {
        columns: &fields,
        tags: &tags,
        tbname: true,
        precision: database.precision,
        zone,
        server_version: engine.version.text(),
        database: None,
    };
    let split = window::split(condition.map(|c| scope.row(c)).transpose()?, true);
    if split.by_row.is_some() {
        return Err(SqlError::new(0x2658, "Only tag or the first column conditions are allowed in DELETE"));
    }
    let part = |t: &Table| Part {
        name: t.name.clone(),
        tags: t.tags.clone(),
        rows: t.rows.clone(),
        range: 0..0,
        sorted: true,
    };
    let meets = |t: &Table| split.by_table.iter().all(|c| c.truth(Row::Table(&part(t), 0)) == Some(true));
    let tables: Vec<&Table> = match database.stable(&name.table) {
        Some(stable) => database.children(&stable.name).collect(),
        None => database.table(&name.table).into_iter().collect(),
    };
    let targets: Vec<String> = tables.into_iter().filter(|t| meets(t)).map(|t| t.name.to_string()).collect();
    Ok(database.delete_rows(&name.table, &targets, split.from, split.to))
}
