//! A table as it is read: its columns, what becomes of each, and the statements.

use crate::args::{Args, LargeInt};
use arrow_schema::{Field, Schema};
use fault::{Error, Kind, Result};
use rows::SchemaRef;
use rows::role::{self, Role};
use rows::types::Type;
use starrocks::catalog::{Column, Kindred, Partition};
use starrocks::types::{Form, Policy, Reading, reading};
use starrocks::{Client, roles, sql};
use std::sync::Arc;

/// Field metadata: the function around a column whose own text would be NULL; what loads it again has to undo it.
const WRAPPER: &str = "starrocks.wrapper";
/// Field metadata: the column's type there.
const TYPE: &str = "starrocks.type";

/// A table, or what `--columns` leaves of it.
#[derive(Debug)]
pub struct Table {
    pub database: String,
    pub name: String,
    pub schema: SchemaRef,
    /// How the text of each column is spelled.
    pub forms: Vec<Form>,
    /// The select list.
    items: String,
    /// ` WHERE …`, or nothing.
    filter: String,
    /// Names of the columns.
    pub columns: Vec<String>,
}

/// What one worker reads at a time: a partition, or a table as a whole.
#[derive(Clone, Debug)]
pub struct Unit {
    pub table: Arc<Table>,
    pub partition: Option<Partition>,
}

impl Unit {
    /// For messages: `table meters, partition p202401`.
    pub fn name(&self) -> String {
        match &self.partition {
            Some(partition) => format!("table {}, partition {}", self.table.name, partition.name),
            None => format!("table {}", self.table.name),
        }
    }

    /// The partition's name; for a whole table `all`.
    pub fn partition_name(&self) -> &str {
        self.partition.as_ref().map_or("all", |partition| &partition.name)
    }

    /// `` `db`.`table` PARTITION(`p`) WHERE … ``
    pub fn from(&self) -> Result<String> {
        let Table { database, name, filter, .. } = &*self.table;
        sql::source(database, name, self.partition.as_ref().map(|partition| partition.name.as_str()), filter)
    }

    /// The statement that reads it.
    pub fn select(&self, limit: Option<u64>) -> Result<String> {
        let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        Ok(format!("SELECT {} FROM {}{limit}", self.table.items, self.from()?))
    }
}

/// The tables that the names and globs mean, with their kinds. Exit 6 for a name that is not there.
pub fn find(client: &mut Client, args: &Args, database: &str) -> Result<Vec<(String, Kindred)>> {
    let there = client.tables(database)?;
    if args.table.is_empty() {
        return Ok(there);
    }
    let mut found: Vec<(String, Kindred)> = Vec::new();
    for wanted in &args.table {
        let glob = globset::Glob::new(wanted)
            .map_err(|error| Error::usage(format!("--table {wanted}: {}", error.kind())))?
            .compile_matcher();
        let before = found.len();
        found.extend(there.iter().filter(|(name, _)| name == wanted || glob.is_match(name)).cloned());
        if found.len() == before {
            return Err(Error::new(Kind::Refused, format!("{}: there is no table {database}.{wanted}", client.at())));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|a, b| a.0 == b.0);
    Ok(found)
}

impl Table {
    /// Asks for the table's columns and decides how each is read. Exit 2 for a column that cannot be, or is not there.
    pub fn describe(client: &mut Client, database: &str, name: &str, args: &Args, source: &str) -> Result<Table> {
        let all = client.columns(database, name)?;
        let wanted = wanted(&all, args, name)?;
        let time = time_column(&wanted, args, name)?;
        let tags = tag_columns(&wanted, time, args, name)?;
        let mut items = Vec::with_capacity(wanted.len());
        let mut fields = Vec::with_capacity(wanted.len());
        let mut forms = Vec::with_capacity(wanted.len());
        for column in &wanted {
            let read = read(column, args)?;
            let quoted = sql::name(&column.name)?;
            items.push(match read.expression == quoted {
                true => quoted,
                false => format!("{} AS {quoted}", read.expression),
            });
            let role = match column.name.as_str() {
                name if Some(name) == time => Role::Time,
                name if tags.contains(&name) && args.tags.is_none() && column.comment == "table" => Role::Table,
                name if tags.contains(&name) => Role::Tag,
                _ => Role::Field,
            };
            fields.push(field(column, &read, role));
            forms.push(read.form);
        }
        let schema = Schema::new_with_metadata(fields, role::metadata(Some(name), Some(source)));
        Ok(Table {
            database: database.to_owned(),
            name: name.to_owned(),
            schema: Arc::new(schema),
            forms,
            items: items.join(", "),
            filter: sql::filter(&conditions(args, time)?),
            columns: wanted.iter().map(|column| column.name.clone()).collect(),
        })
    }

    /// What decides the content of files: the same for every run that may go on with them.
    pub fn fingerprint(&self) -> String {
        format!("{}|{}|{:?}", self.items, self.filter, self.schema.fields())
    }

    /// The select list.
    pub fn items(&self) -> &str {
        &self.items
    }
}

fn wanted(all: &[Column], args: &Args, table: &str) -> Result<Vec<Column>> {
    let Some(names) = &args.columns else { return Ok(all.to_vec()) };
    names.iter().map(|name| find_column(all, name, table, "--columns").cloned()).collect()
}

fn find_column<'a>(all: &'a [Column], name: &str, table: &str, flag: &str) -> Result<&'a Column> {
    all.iter().find(|column| column.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
        Error::usage(format!("{flag} {name}: table {table} has {}", names.join(", ")))
    })
}

fn time_column<'a>(all: &'a [Column], args: &Args, table: &str) -> Result<Option<&'a str>> {
    if let Some(name) = &args.time {
        let column = find_column(all, name, table, "--time")?;
        return match roles::is_time(column) {
            true => Ok(Some(&column.name)),
            false => Err(Error::usage(format!("--time {name}: it is a {}, not a DATETIME", column.text))),
        };
    }
    Ok(roles::time_column(all))
}

fn tag_columns<'a>(all: &'a [Column], time: Option<&str>, args: &Args, table: &str) -> Result<Vec<&'a str>> {
    match &args.tags {
        Some(names) => names
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| find_column(all, name, table, "--tags").map(|column| column.name.as_str()))
            .collect(),
        None => Ok(roles::tag_columns(all, time)),
    }
}

fn read(column: &Column, args: &Args) -> Result<Reading> {
    let quoted = sql::name(&column.name)?;
    if let Some((_, expression)) = args.expression.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)) {
        let expression = format!("CAST({expression} AS VARCHAR)");
        return Ok(Reading { expression, ty: Type::String, form: Form::Text, wrapper: None });
    }
    match column.ty {
        Some(ty) => reading(&quoted, ty, Policy { largeint_as_text: args.largeint == LargeInt::Text }),
        None => Err(Error::usage(format!(
            "column {}: the type {} is not known: leave it out with --columns, or say how to read it with --expression",
            column.name, column.text
        ))),
    }
}

fn field(column: &Column, reading: &Reading, role: Role) -> Field {
    let field = reading.ty.field(&column.name);
    let mut field = if role == Role::Field { field } else { role::with_role(field, role) };
    if let Some(wrapper) = reading.wrapper {
        field = role::with(field, WRAPPER, wrapper);
        field = role::with(field, TYPE, &column.text);
    }
    field
}

fn conditions(args: &Args, time: Option<&str>) -> Result<Vec<String>> {
    let mut conditions: Vec<String> = args.condition.iter().cloned().collect();
    let bounds = [(args.since, ">="), (args.until, "<")];
    for (bound, sign) in bounds {
        let Some(bound) = bound else { continue };
        let time = time.ok_or_else(|| Error::usage("--since and --until need a time column: name it with --time"))?;
        conditions.push(format!("{} {sign} {}", sql::name(time)?, sql::string(&sql::datetime(bound))));
    }
    Ok(conditions)
}
