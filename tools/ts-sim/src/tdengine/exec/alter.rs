//! ALTER TABLE.

use super::super::convert;
use super::super::sql::ast::{Alter, AlterWhat, Given};
use super::super::sql::error::SqlError;
use super::super::store::{Database, Stable, Store};
use super::super::time::Zone;
use super::super::types::Field;
use super::Engine;
use super::ddl::database_mut;
use super::insert;

/// Carries the statement out; ordinary tables are not altered here.
pub fn alter(
    engine: &Engine,
    store: &mut Store,
    session: Option<&str>,
    zone: Zone,
    statement: &Alter,
) -> Result<(), SqlError> {
    let database = database_mut(store, &statement.name, session)?;
    let name = &statement.name.table;
    if let AlterWhat::SetTag(tag, value) = &statement.what {
        return set_tag(database, name, tag, value, zone);
    }
    let Some(stable) = database.stable(name).cloned() else {
        return Err(match database.table(name) {
            Some(_) => SqlError::syntax("alter of a table that is no super table"),
            None => SqlError::table_missing(),
        });
    };
    let (mut fields, mut tags) = (stable.fields.to_vec(), stable.tags.to_vec());
    let mut renamed = None;
    match &statement.what {
        AlterWhat::Add { tag, field } => {
            if !convert::known(field.ty, &engine.version) {
                return Err(SqlError::syntax(&field.ty.full_name()));
            }
            if has(&stable, &field.name) {
                return Err(SqlError::new(0x036B, "Column already exists"));
            }
            if *tag { tags.push(field.clone()) } else { fields.push(field.clone()) }
        }
        AlterWhat::Modify { tag, field } => {
            let list = if *tag { &mut tags } else { &mut fields };
            let at = position(list, &field.name)?;
            let old = &mut list[at].ty;
            if old.kind != field.ty.kind || old.width().is_some() || old.len >= field.ty.len {
                return Err(SqlError::new(
                    0x2649,
                    "Only varbinary/binary/nchar/geometry column length could be modified, and the length can only be increased, \
                     not decreased",
                ));
            }
            *old = field.ty;
        }
        AlterWhat::Drop { tag, name } => {
            let list = if *tag { &mut tags } else { &mut fields };
            let at = position(list, name)?;
            if (!*tag && at == 0) || list.len() < if *tag { 2 } else { 3 } {
                return Err(SqlError::new(0x2648, "Invalid alter table statement"));
            }
            list.remove(at);
        }
        AlterWhat::RenameTag { from, to } => {
            let at = position(&tags, from)?;
            if has(&stable, to) {
                return Err(SqlError::new(0x0369, "Tag already exists"));
            }
            tags[at].name.clone_from(to);
            renamed = Some((from.as_str(), to.as_str()));
        }
        AlterWhat::SetTag(..) => {}
    }
    database.alter_stable_by(name, fields.into(), tags.into(), renamed, Some(&statement.sql));
    Ok(())
}

fn has(stable: &Stable, name: &str) -> bool {
    stable.fields.iter().chain(&*stable.tags).any(|f| f.name == name)
}

fn position(list: &[Field], name: &str) -> Result<usize, SqlError> {
    list.iter().position(|f| f.name == name).ok_or_else(|| SqlError::column(name))
}

fn set_tag(database: &mut Database, name: &str, tag: &str, given: &Given, zone: Zone) -> Result<(), SqlError> {
    let table = database.table(name).ok_or_else(SqlError::table_missing)?;
    let stable = table.stable.clone().ok_or_else(|| SqlError::syntax("set tag"))?;
    let at = position(&stable.tags, tag)?;
    let value = insert::given_value(given, &stable.tags[at], database.precision, zone)?;
    database.set_tag(name, tag, value);
    Ok(())
}
