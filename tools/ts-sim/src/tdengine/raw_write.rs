//! Raw writes: a block into a table as it is, and the replay of a subscription's messages.

use super::block_in::{Incoming, IncomingColumn};
use super::column::{decode, encode};
use super::exec::{Engine, TableRows, fitting};
use super::raw_message::{DataBlock, NewTable, RawMessage, StableSchema, tag_value};
use super::sql::error::SqlError;
use super::store::{Database, Store};
use super::types::{Field, Kind, Type};
use super::value::Value;

impl Engine {
    /// Writes a block into an existing table: its columns are the table's in their order, or those with these names.
    pub fn write_block(
        &self,
        database: &str,
        table: &str,
        block: Incoming,
        names: Option<&[String]>,
    ) -> Result<u64, SqlError> {
        let store = self.store.read().map_err(|_| SqlError::internal())?;
        let stored = store.database(database).ok_or_else(SqlError::no_database)?;
        let stored = stored.table(table).ok_or_else(SqlError::table_missing)?;
        let part = part(database, table, &stored.fields, block, names)?;
        drop(store);
        self.write(&[part])
    }

    /// Does what a message says, in this database.
    pub fn apply(&self, database: &str, message: RawMessage) -> Result<(), SqlError> {
        if let RawMessage::Data { blocks, tables } = message {
            return self.apply_rows(database, blocks, tables);
        }
        let mut store = self.store.write().map_err(|_| SqlError::internal())?;
        if let RawMessage::CreateTables(tables) = message {
            return tables.into_iter().try_for_each(|table| create_table(&mut store, database, table));
        }
        let into = store.database_mut(database).ok_or_else(SqlError::no_database)?;
        match message {
            RawMessage::CreateStable(schema) => {
                if !into.has(&schema.name) {
                    into.add_stable(&schema.name, schema.fields, schema.tags);
                }
            }
            RawMessage::AlterStable(schema) => alter_stable(into, schema),
            RawMessage::DropStable(name) => {
                into.remove(&name, true);
            }
            RawMessage::SetTag { table, tag, value } => return set_tag(into, &table, &tag, value),
            RawMessage::AddColumn { table, field } => change_columns(into, &table, |fields| {
                if fields.iter().all(|f| f.name != field.name) {
                    fields.push(field);
                }
            }),
            RawMessage::DropColumn { table, column } => {
                change_columns(into, &table, |fields| fields.retain(|f| f.name != column));
            }
            RawMessage::DropTables(tables) => {
                for table in tables {
                    into.remove(&table, false);
                }
            }
            RawMessage::Delete { table, from, to } => delete(into, &table, from, to),
            RawMessage::Data { .. } | RawMessage::CreateTables(_) => {}
        }
        Ok(())
    }

    fn apply_rows(&self, database: &str, blocks: Vec<DataBlock>, tables: Vec<NewTable>) -> Result<(), SqlError> {
        let mut store = self.store.write().map_err(|_| SqlError::internal())?;
        for table in tables {
            create_table(&mut store, database, table)?;
        }
        let stored = store.database(database).ok_or_else(SqlError::no_database)?;
        let mut parts = Vec::with_capacity(blocks.len());
        for data in blocks {
            // Without column names the server stops here, and reports success.
            if data.names.is_empty() {
                break;
            }
            let table = stored.table(&data.table).ok_or_else(SqlError::table_missing)?;
            parts.push(part(database, &data.table, &table.fields, data.block, Some(&data.names))?);
        }
        drop(store);
        self.write(&parts).map(|_| ())
    }
}

/// The rows of a block for a table with these columns.
fn part(
    database: &str,
    table: &str,
    fields: &[Field],
    block: Incoming,
    names: Option<&[String]>,
) -> Result<TableRows, SqlError> {
    let columns: Vec<Option<usize>> = match names {
        Some(names) if names.len() == block.columns.len() => {
            names.iter().map(|name| fields.iter().position(|f| f.name == *name)).collect()
        }
        None if block.columns.len() == fields.len() => (0..fields.len()).map(Some).collect(),
        _ => return Err(SqlError::parameters()),
    };
    let mut rows: Vec<Vec<Value<'static>>> = vec![Vec::new(); block.rows];
    for (column, at) in block.columns.into_iter().zip(&columns) {
        // A column that the table does not have is left out.
        let Some(field) = at.and_then(|at| fields.get(at)) else { continue };
        if column.ty.number() != field.ty.number() && column.bytes != field.ty.block_bytes() {
            return Err(SqlError::parameters());
        }
        let IncomingColumn { ty, values, .. } = column;
        for (row, value) in rows.iter_mut().zip(values) {
            row.push(fitting(same_bytes(value, ty, field.ty)?, field)?);
        }
    }
    let columns = columns.into_iter().flatten().collect();
    Ok(TableRows { database: database.to_string(), table: table.to_string(), child_of: None, columns, rows })
}

/// The server compares types or sizes: values of another type of the same size keep their bytes.
fn same_bytes(value: Value<'static>, from: Type, to: Type) -> Result<Value<'static>, SqlError> {
    match (from.width(), to.width()) {
        _ if value.is_null() || from.kind == to.kind => Ok(value),
        (Some(_), Some(width)) => Ok(decode(to, &encode(from, &value).0[..width])),
        (None, None) if from.kind != Kind::NChar && to.kind != Kind::NChar => Ok(value),
        _ => Err(SqlError::parameters()),
    }
}

fn alter_stable(database: &mut Database, schema: StableSchema) {
    if database.stable(&schema.name).is_none() {
        database.add_stable(&schema.name, schema.fields, schema.tags);
        return;
    }
    database.alter_stable(&schema.name, schema.fields.into(), schema.tags.into());
}

/// Makes a table that is not there yet.
fn create_table(store: &mut Store, database: &str, table: NewTable) -> Result<(), SqlError> {
    let uid = store.next_uid();
    let database = store.database_mut(database).ok_or_else(SqlError::no_database)?;
    match table {
        NewTable::Normal { name, fields } if !database.has(&name) => {
            database.add_table(&name, None, fields.into(), Vec::new(), uid);
        }
        NewTable::Child { name, stable, tags: given } if !database.has(&name) => {
            let stable = database.stable(&stable).ok_or_else(SqlError::table_missing)?.clone();
            let mut tags = vec![Value::Null; stable.tags.len()];
            for (name, value) in given {
                let at = stable.tags.iter().position(|t| t.name == name).ok_or_else(|| SqlError::column(&name))?;
                tags[at] = fitting(value, &stable.tags[at])?;
            }
            database.add_table(&name, Some(stable.clone()), stable.fields.clone(), tags, uid);
        }
        _ => {}
    }
    Ok(())
}

fn set_tag(database: &mut Database, table: &str, tag: &str, value: Option<Vec<u8>>) -> Result<(), SqlError> {
    // A table that is gone is no error: the message was true once.
    let Some(stable) = database.table(table).and_then(|t| t.stable.clone()) else { return Ok(()) };
    let field = stable.tags.iter().find(|t| t.name == tag).ok_or_else(|| SqlError::column(tag))?;
    let value = match value {
        Some(bytes) => fitting(tag_value(field.ty, &bytes).ok_or_else(SqlError::parameters)?, field)?,
        None => Value::Null,
    };
    database.set_tag(table, tag, value);
    Ok(())
}

fn change_columns(database: &mut Database, table: &str, change: impl FnOnce(&mut Vec<Field>)) {
    let Some(mut fields) = database.table(table).map(|t| t.fields.to_vec()) else { return };
    change(&mut fields);
    database.alter_table(table, fields.into());
}

/// Deletes the rows with `from <= ts <= to` of a table, or of a super table's children.
fn delete(database: &mut Database, name: &str, from: i64, to: i64) {
    let tables: Vec<String> = match database.stable(name) {
        Some(_) => database.children(name).map(|t| t.name.to_string()).collect(),
        None => vec![name.to_string()],
    };
    database.delete_rows(name, &tables, from.into(), i128::from(to) + 1);
}
