//! Statements with bound parameters, as the client library behind the adapter keeps them: the older kind (`stmt`: a table,
//! its tags, rows, a batch) and the newer (`stmt2`: many tables at once). Nothing is written before `exec`.

mod plan;
mod values;

pub mod frame;

pub use plan::{Plan, Slot};
pub use values::{fit, from_block, from_bytes, from_bytes_alone, from_json};

use super::exec::{Engine, Outcome, ResultSet, TableRows};
use super::sql::error::SqlError;
use super::sql::prepared;
use super::time::Zone;
use super::types::Kind;
use super::value::{Value, decimal_text};

/// What a statement sees of its connection.
#[derive(Clone, Copy)]
pub struct Connection<'a> {
    pub engine: &'a Engine,
    pub database: Option<&'a str>,
    pub zone: Zone,
}

/// Which interface made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    Stmt,
    Stmt2,
}

/// How far the older interface has come; it refuses what is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Init,
    Prepared,
    Bound,
    Batched,
}

/// One statement.
pub struct Statement {
    pub interface: Interface,
    pub is_insert: bool,
    sql: String,
    status: Status,
    /// Known once the table is.
    plan: Option<Plan>,
    tags: Vec<Value<'static>>,
    /// Bound, and not yet in a batch.
    bound: Vec<TableRows>,
    batches: Vec<TableRows>,
    /// What stands for the `?` of a query.
    parameters: Option<Vec<Value<'static>>>,
    /// What a query gave, until it is asked for.
    pub result: Option<ResultSet>,
}

/// One table of a `stmt2` bind: tags and columns as values of their types.
pub struct TableBind {
    pub name: Option<String>,
    pub tags: Option<Vec<Value<'static>>>,
    /// One list a column.
    pub columns: Vec<Vec<Value<'static>>>,
}

fn out_of_order() -> SqlError {
    SqlError::new(0x022A, "Stmt API usage error")
}

impl Statement {
    pub fn new(interface: Interface) -> Statement {
        Statement {
            interface,
            is_insert: false,
            sql: String::new(),
            status: Status::Init,
            plan: None,
            tags: Vec::new(),
            bound: Vec::new(),
            batches: Vec::new(),
            parameters: None,
            result: None,
        }
    }

    /// Takes the text; it is looked at when the table is known. What was bound before is forgotten.
    pub fn prepare(&mut self, sql: &str) {
        *self = Statement {
            is_insert: prepared::is_insert(sql),
            sql: sql.trim().to_string(),
            status: Status::Prepared,
            ..Statement::new(self.interface)
        };
    }

    /// Names the table of `INSERT INTO ?`.
    pub fn set_table(&mut self, connection: Connection<'_>, name: &str) -> Result<(), SqlError> {
        if matches!(self.status, Status::Init | Status::Bound) {
            return Err(out_of_order());
        }
        self.plan = None;
        self.plan = Some(Plan::new(connection, &self.sql, Some(name))?);
        self.tags.clear();
        Ok(())
    }

    /// What must be bound; the table must be known, except by `stmt2` when a super table says it.
    pub fn plan(&mut self, connection: Connection<'_>) -> Result<&Plan, SqlError> {
        if self.status == Status::Init {
            return Err(out_of_order());
        }
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => Plan::new(connection, &self.sql, None)?,
        };
        if plan.table.is_none() && self.interface == Interface::Stmt {
            return Err(plan::table_not_set());
        }
        Ok(self.plan.insert(plan))
    }

    /// The number of `?` that rows are bound to.
    pub fn parameter_count(&mut self, connection: Connection<'_>) -> Result<usize, SqlError> {
        if self.is_insert {
            return Ok(self.plan(connection)?.columns.len());
        }
        Ok(prepared::placeholders(&self.sql)?.len())
    }

    /// The tags of the table, should it have to be made.
    pub fn set_tags(&mut self, connection: Connection<'_>, tags: Vec<Value<'static>>) -> Result<(), SqlError> {
        self.plan(connection)?.check_tags(&tags)?;
        self.tags = tags;
        Ok(())
    }

    /// Binds rows to the table of the older interface, one list a column.
    pub fn bind(&mut self, connection: Connection<'_>, columns: Vec<Vec<Value<'static>>>) -> Result<(), SqlError> {
        if !self.is_insert {
            return self.bind_query(columns);
        }
        let plan = self.plan(connection)?.clone();
        let table = plan.table.as_deref().ok_or_else(plan::table_not_set)?;
        if plan.needs_tags(connection.engine, table) {
            plan.check_tags(&self.tags)?;
        }
        let rows = plan.rows(table, None, columns)?;
        self.bound.push(TableRows { child_of: plan.child_of(&self.tags), ..rows });
        self.status = Status::Bound;
        Ok(())
    }

    /// Binds the parameters of a query: one row.
    fn bind_query(&mut self, columns: Vec<Vec<Value<'static>>>) -> Result<(), SqlError> {
        if self.status == Status::Init {
            return Err(out_of_order());
        }
        let values: Option<Vec<_>> = columns.into_iter().map(|c| c.into_iter().next()).collect();
        self.parameters = Some(values.ok_or_else(SqlError::parameters)?);
        self.status = Status::Bound;
        Ok(())
    }

    /// What rows of the named table need. Without a super table every table has columns of its own.
    pub fn plan_for(&mut self, connection: Connection<'_>, name: Option<&str>) -> Result<Plan, SqlError> {
        match name {
            Some(name) if self.status != Status::Init => {
                let by_itself = self.plan.as_ref().is_none_or(|plan| plan.stable.is_none());
                if by_itself {
                    self.plan = Some(Plan::new(connection, &self.sql, Some(name))?);
                }
                self.plan.clone().ok_or_else(out_of_order)
            }
            _ => self.plan(connection).cloned(),
        }
    }

    /// Binds the rows of several tables, for the newer interface: all or none of them.
    pub fn bind_tables(&mut self, connection: Connection<'_>, tables: Vec<TableBind>) -> Result<(), SqlError> {
        if !self.is_insert {
            let columns = tables.into_iter().next().map(|t| t.columns).unwrap_or_default();
            return self.bind_query(columns);
        }
        let mut parts = Vec::with_capacity(tables.len());
        for bind in tables {
            let plan = self.plan_for(connection, bind.name.as_deref())?;
            let (database, table) = match (&plan.table, &bind.name) {
                (Some(table), _) => (None, table.clone()),
                (None, Some(name)) => plan::split_name(name),
                (None, None) => return Err(plan::table_not_set()),
            };
            let tags = bind.tags.unwrap_or_default();
            if plan.needs_tags(connection.engine, &table) {
                plan.check_tags(&tags)?;
            }
            let rows = plan.rows(&table, database, bind.columns)?;
            parts.push(TableRows { child_of: plan.child_of(&tags), ..rows });
        }
        self.bound.extend(parts);
        self.status = Status::Bound;
        Ok(())
    }

    /// Closes what was bound into a batch.
    pub fn add_batch(&mut self) -> Result<(), SqlError> {
        if self.status != Status::Bound {
            return Err(out_of_order());
        }
        self.batches.append(&mut self.bound);
        self.status = Status::Batched;
        Ok(())
    }

    /// Writes the batches, or runs the query; the number of rows written.
    pub fn execute(&mut self, connection: Connection<'_>) -> Result<u64, SqlError> {
        if self.interface == Interface::Stmt2 && self.status == Status::Bound {
            self.batches.append(&mut self.bound);
            self.status = Status::Batched;
        }
        if !self.is_insert && matches!(self.status, Status::Bound | Status::Batched) {
            let sql = self.with_parameters()?;
            self.status = Status::Prepared;
            return match connection.engine.execute(&sql, connection.database, connection.zone)? {
                Outcome::Rows(result) => {
                    self.result = Some(result);
                    Ok(0)
                }
                Outcome::Affected(rows) => Ok(rows),
                Outcome::Database(_) => Err(SqlError::new(0x022C, "not supported stmt clause")),
            };
        }
        if self.status != Status::Batched {
            return Err(out_of_order());
        }
        self.status = Status::Prepared;
        let batches = std::mem::take(&mut self.batches);
        connection.engine.write(&batches)
    }

    /// The query with literals for its `?`.
    fn with_parameters(&self) -> Result<String, SqlError> {
        let places = prepared::placeholders(&self.sql)?;
        let values = self.parameters.as_deref().unwrap_or_default();
        if places.len() != values.len() {
            return Err(SqlError::operation("bind number out of range or not match"));
        }
        let mut sql = String::with_capacity(self.sql.len() + 16 * values.len());
        let mut from = 0;
        for (at, value) in places.into_iter().zip(values) {
            sql.push_str(&self.sql[from..at]);
            sql.push_str(&literal(value)?);
            from = at + 1;
        }
        sql.push_str(&self.sql[from..]);
        Ok(sql)
    }
}

/// A value as it is written in SQL.
fn literal(value: &Value<'_>) -> Result<String, SqlError> {
    Ok(match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) | Value::Time(i) => i.to_string(),
        Value::UInt(u) => u.to_string(),
        Value::Float(f) if f.is_finite() => format!("{f:e}"),
        Value::Double(d) if d.is_finite() => format!("{d:e}"),
        Value::Decimal(d, scale) => decimal_text(*d, *scale),
        Value::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| SqlError::parameters())?;
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        Value::Float(_) | Value::Double(_) => return Err(SqlError::parameters()),
    })
}

/// True for the types whose bound bytes are text or bytes of any length.
pub fn is_variable(kind: Kind) -> bool {
    use Kind::*;
    matches!(kind, VarChar | NChar | VarBinary | Geometry | Json | Blob | Decimal | Decimal64)
}
