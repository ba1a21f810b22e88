//! Statements carried out on the store.

mod aggregate;
mod bind;
mod catalog;
mod ddl;
mod expr;
mod insert;
mod scan;
mod select;
mod show;
mod source;
mod window;

pub use scan::Cursor;

use std::sync::RwLock;

use super::sql;
use super::sql::ast::Statement;
use super::sql::error::SqlError;
use super::store::Store;
use super::time::Zone;
use super::types::Field;
use super::version::Version;
use crate::args::Precision;

/// The database engine behind every connection.
pub struct Engine {
    pub store: RwLock<Store>,
    pub version: Version,
    pub block_rows: usize,
    pub user: String,
}

/// What one statement sees.
pub struct Context<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    pub database: Option<&'a str>,
    pub zone: Zone,
}

/// A result with rows.
pub struct ResultSet {
    pub fields: Vec<Field>,
    pub precision: Precision,
    pub cursor: Box<dyn Cursor>,
}

/// What became of a statement.
pub enum Outcome {
    Rows(ResultSet),
    Affected(u64),
    /// USE.
    Database(String),
}

impl Engine {
    /// Carries out one statement. `database` is the session's; literals without an offset are in `zone`.
    pub fn execute(&self, text: &str, database: Option<&str>, zone: Zone) -> Result<Outcome, SqlError> {
        let statement = sql::parse(text)?;
        let broken = |_| SqlError::new(0x0107, "Internal error");
        if matches!(statement, Statement::Select(_) | Statement::Describe(_) | Statement::Show(_) | Statement::Use(_)) {
            let store = self.store.read().map_err(|_| broken(()))?;
            let context = Context { engine: self, store: &store, database, zone };
            return match statement {
                Statement::Select(select) => select::select(&context, &select).map(Outcome::Rows),
                Statement::Describe(table) => show::describe(&context, &table).map(Outcome::Rows),
                Statement::Show(show) => show::show(&context, &show).map(Outcome::Rows),
                Statement::Use(name) if store.database(&name).is_some() || name == "information_schema" => {
                    Ok(Outcome::Database(name))
                }
                _ => Err(SqlError::no_database()),
            };
        }
        let mut store = self.store.write().map_err(|_| broken(()))?;
        match statement {
            Statement::Insert(tables) => {
                insert::insert(self, &mut store, database, zone, &tables).map(Outcome::Affected)
            }
            other => ddl::run(self, &mut store, database, zone, other).map(Outcome::Affected),
        }
    }

    /// True when there is such a database.
    pub fn has_database(&self, name: &str) -> bool {
        name == "information_schema" || self.store.read().is_ok_and(|store| store.database(name).is_some())
    }
}
