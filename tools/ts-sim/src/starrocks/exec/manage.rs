//! CREATE, DROP, TRUNCATE, DELETE.

use super::query;
use super::{Answer, Refusal, Session};
use crate::starrocks::loading::{Loader, Settings};
use crate::starrocks::sql::cursor::Qualified;
use crate::starrocks::sql::expr::Expr;
use crate::starrocks::sql::select::From;
use crate::starrocks::sql::statement::{Statement, everything};
use crate::starrocks::store::{View, unknown_database, unknown_table};
use crate::starrocks::value::Value;

/// Runs a statement about databases and whole tables.
pub fn run(session: &Session, statement: Statement) -> Result<Answer, Refusal> {
    match statement {
        Statement::CreateDatabase { name, if_not_exists } => {
            let mut store = session.server.store_mut();
            if !(if_not_exists && store.databases.contains_key(&name)) {
                store.create_database(&name)?;
            }
        }
        Statement::CreateTable(create) => {
            let database = session.database_of(&create.table)?;
            let mut store = session.server.store_mut();
            if !(create.if_not_exists && store.table(&database, &create.table.name).is_ok()) {
                store.create_table(&database, &create.table.name, create.schema, create.partitions)?;
            }
        }
        Statement::CreateView { view, query, create, materialized } => {
            let database = session.database_of(&view)?;
            let mut store = session.server.store_mut();
            let found = store.databases.get_mut(&database).ok_or_else(|| unknown_database(&database))?;
            let made = View { name: view.name.clone(), query, materialized, create };
            found.views.insert(view.name, made);
        }
        Statement::DropDatabase { name, if_exists } => {
            if session.server.store_mut().databases.remove(&name).is_none() && !if_exists {
                return Err(Refusal {
                    code: 1008,
                    message: format!("Can't drop database '{name}'; database doesn't exist"),
                });
            }
        }
        Statement::Drop { table, if_exists } => {
            let database = session.database_of(&table)?;
            let mut store = session.server.store_mut();
            let found = store.databases.get_mut(&database).ok_or_else(|| unknown_database(&database))?;
            let dropped = found.tables.remove(&table.name).is_some() || found.views.remove(&table.name).is_some();
            if !dropped && !if_exists {
                return Err(unknown_table(&database, &table.name).into());
            }
        }
        Statement::Truncate { table, partitions } => {
            let database = session.database_of(&table)?;
            session.server.store_mut().truncate(&database, &table.name, &partitions)?;
        }
        Statement::Delete { table, partitions, filter } => return delete(session, &table, partitions, filter),
        _ => return Err("the simulator cannot run this statement".into()),
    }
    Ok(Answer::done())
}

/// Rows are deleted as a load with `__op` = 1 would: only PRIMARY KEY tables can.
fn delete(
    session: &Session,
    table: &Qualified,
    partitions: Option<Vec<String>>,
    filter: Option<Expr>,
) -> Result<Answer, Refusal> {
    let database = session.database_of(table)?;
    let mut select = everything();
    select.filter = Some(filter.ok_or("Delete must specify where clause to prevent full table delete")?);
    select.from = Some(From::Table { table: table.clone(), partitions, tablets: None });
    let mut loader = Loader::new(&session.server.store(), &database, &table.name, &[], &Settings::default())?;
    if loader.schema().model != crate::starrocks::schema::Model::Primary {
        return Err("the simulator deletes rows of PRIMARY KEY tables only".into());
    }
    let Answer::Rows { source, .. } = query::run(session, &select)? else { return Ok(Answer::done()) };
    source.each(|row| Ok(loader.values(row.iter().cloned().map(Value::owned).collect(), true)?))?;
    let load = loader.finish();
    let affected = load.outcome.loaded;
    session.server.store_mut().publish(load)?;
    Ok(Answer::Done { affected, info: String::new() })
}
