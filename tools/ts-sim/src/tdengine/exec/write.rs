//! Rows that arrive as values of their columns' types, not as text: bound parameters and raw blocks.

use std::sync::Arc;

use super::super::convert::{self, Refusal};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Stable, Store};
use super::super::types::Field;
use super::super::value::Value;
use super::Engine;
use super::insert::check_row;

/// Rows for one table.
#[derive(Debug, Clone)]
pub struct TableRows {
    pub database: String,
    pub table: String,
    /// The super table and the tags of a table that may have to be made.
    pub child_of: Option<(String, Vec<Value<'static>>)>,
    /// Positions of the given columns.
    pub columns: Vec<usize>,
    /// One value for each of `columns`.
    pub rows: Vec<Vec<Value<'static>>>,
}

impl Engine {
    /// Writes all of it, or nothing when any row is refused; the number of rows.
    pub fn write(&self, parts: &[TableRows]) -> Result<u64, SqlError> {
        let mut store = self.store.write().map_err(|_| SqlError::internal())?;
        for part in parts {
            check(&store, part)?;
        }
        let mut written = 0;
        for part in parts {
            written += store_rows(&mut store, part)?;
        }
        Ok(written)
    }
}

/// The columns that rows for a table must have, and whether the table has yet to be made from a super table.
fn target<'a>(database: &'a Database, part: &TableRows) -> Result<(&'a [Field], Option<&'a Arc<Stable>>), SqlError> {
    if let Some(table) = database.table(&part.table) {
        return Ok((&table.fields, None));
    }
    let (stable, _) = part.child_of.as_ref().ok_or_else(SqlError::table_missing)?;
    let stable = database.stable(stable).ok_or_else(SqlError::table_missing)?;
    Ok((&stable.fields, Some(stable)))
}

fn check(store: &Store, part: &TableRows) -> Result<(), SqlError> {
    let database = store.database(&part.database).ok_or_else(SqlError::no_database)?;
    let (fields, _) = target(database, part)?;
    for given in &part.rows {
        check_row(&full_row(given, &part.columns, fields.len())?, fields, database)?;
    }
    Ok(())
}

/// A row in the order of the table's columns; what is not given is `None`.
fn full_row<'a>(
    given: &'a [Value<'static>],
    columns: &[usize],
    width: usize,
) -> Result<Vec<Option<Value<'a>>>, SqlError> {
    let mut row = vec![None; width];
    for (value, at) in given.iter().zip(columns) {
        *row.get_mut(*at).ok_or_else(SqlError::parameters)? = Some(value.as_ref());
    }
    Ok(row)
}

fn store_rows(store: &mut Store, part: &TableRows) -> Result<u64, SqlError> {
    let uid = store.next_uid();
    let database = store.database_mut(&part.database).ok_or_else(SqlError::no_database)?;
    let (fields, stable) = target(database, part)?;
    let (width, stable) = (fields.len(), stable.cloned());
    let created = stable.is_some();
    if let Some(stable) = stable {
        let mut tags = part.child_of.as_ref().map(|(_, tags)| tags.clone()).unwrap_or_default();
        tags.resize(stable.tags.len(), Value::Null);
        database.add_table(&part.table, Some(stable.clone()), stable.fields.clone(), tags, uid);
    }
    let rows = part.rows.iter().map(|given| full_row(given, &part.columns, width)).collect::<Result<Vec<_>, _>>()?;
    Ok(database.write(&part.table, &rows, created))
}

/// A value that must be short enough for its column; too long ones are invalid parameters (by the server's sources).
pub fn fitting(value: Value<'static>, field: &Field) -> Result<Value<'static>, SqlError> {
    match value {
        Value::Bytes(bytes) => match convert::fits(bytes.into_owned(), field.ty) {
            Ok(value) => Ok(value),
            Err(Refusal::TooLong | Refusal::Invalid(_) | Refusal::Overflow(_)) => Err(SqlError::parameters()),
        },
        other => Ok(other),
    }
}
