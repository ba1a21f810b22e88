//! `--list`, `--schema`, `--count`: what is there, without reading rows.

use crate::args::Args;
use crate::dump::Sink;
use crate::plan::Plan;
use crate::session::{Connector, Session};
use crate::target::{self, Target};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use cli::output::Output;
use fault::{Error, Kind, Result};
use rows::instant;
use rows::role::{self, Role};
use rows::time::Unit;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use tdengine::catalog::{self, Described, TableKind};

/// A line of `--list`.
struct Listed {
    database: String,
    table: String,
    kind: &'static str,
    sub_tables: i64,
    columns: i64,
    tags: i64,
    rows: i64,
    first: Option<String>,
    last: Option<String>,
}

/// `--list`: one row per super table and ordinary table.
pub fn list(session: &mut Session, output: Output, args: &Args, connector: &Connector) -> Result<()> {
    let databases: Vec<String> = match &connector.config.login.database {
        Some(name) => vec![name.clone()],
        None => session.repeat(catalog::databases)?.into_iter().map(|found| found.name).collect(),
    };
    let mut lines = Vec::new();
    for database in &databases {
        for target in target::resolve(session, args, database)? {
            let plan = Plan::of(session, &target, args)?;
            let (first, last) = plan.ends();
            lines.push(Listed {
                database: database.to_owned(),
                kind: kind(&target.kind),
                sub_tables: if target.is_super() { sub_tables(session, &target)? } else { 0 },
                columns: target.shape.columns.len() as i64 + 1,
                tags: target.shape.tags.len() as i64,
                rows: i64::try_from(plan.rows).unwrap_or(i64::MAX),
                first: first.map(|at| text(at, target.unit)),
                last: last.map(|at| text(at, target.unit)),
                table: target.table,
            });
        }
    }
    let texts =
        |of: &dyn Fn(&Listed) -> Option<&str>| Arc::new(lines.iter().map(of).collect::<StringArray>()) as ArrayRef;
    let numbers =
        |of: &dyn Fn(&Listed) -> i64| Arc::new(Int64Array::from_iter_values(lines.iter().map(of))) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("database", texts(&|line| Some(&line.database))),
        ("table", texts(&|line| Some(&line.table))),
        ("kind", texts(&|line| Some(line.kind))),
        ("sub_tables", numbers(&|line| line.sub_tables)),
        ("columns", numbers(&|line| line.columns)),
        ("tags", numbers(&|line| line.tags)),
        ("rows", numbers(&|line| line.rows)),
        ("first", texts(&|line| line.first.as_deref())),
        ("last", texts(&|line| line.last.as_deref())),
    ];
    write(columns, output, args, connector)
}

/// `--count`: one row per table.
pub fn count(session: &mut Session, output: Output, args: &Args, connector: &Connector) -> Result<()> {
    let database = target::database(session, connector.config.login.database.as_deref())?;
    let (mut names, mut numbers) = (Vec::new(), Vec::new());
    for target in target::resolve(session, args, &database)? {
        numbers.push(i64::try_from(Plan::of(session, &target, args)?.rows).unwrap_or(i64::MAX));
        names.push(target.table);
    }
    let columns: Vec<(&str, ArrayRef)> =
        vec![("table", Arc::new(StringArray::from(names))), ("rows", Arc::new(Int64Array::from(numbers)))];
    write(columns, output, args, connector)
}

fn write(columns: Vec<(&str, ArrayRef)>, output: Output, args: &Args, connector: &Connector) -> Result<()> {
    let field = |(name, array): &(&str, ArrayRef)| {
        let text = array.data_type() == &DataType::Utf8;
        // A role of their own for names and numbers alike: `table` here is a word, not an identity.
        role::with_role(Field::new(*name, array.data_type().clone(), text), Role::Field)
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect())
        .map_err(|error| Error::caused(Kind::Bug, "cannot build the list", error))?;
    let options = args.write_options(args.output.output.as_deref());
    let mut sink = Sink::create(output, schema, options, None, &connector.run)?;
    sink.write(batch)?;
    sink.finish()
}

/// `--schema`: a JSON document.
pub fn schema(session: &mut Session, mut output: Output, args: &Args, connector: &Connector) -> Result<()> {
    let database = target::database(session, connector.config.login.database.as_deref())?;
    let targets = target::resolve(session, args, &database)?;
    let version = session.repeat(|client| Ok(client.version()))?;
    let tables: Vec<Value> = targets.iter().map(describe).collect();
    let precision = targets.first().map(|target| target.unit.as_str());
    let document = json!({
        "source": connector.config.name(),
        "server_version": version.to_string(),
        "database": database,
        "precision": precision,
        "tables": tables,
    });
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| Error::caused(Kind::Bug, "cannot print the schema", error))?;
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.write_all(b"\n"))
        .map_err(|error| Error::io("cannot write the schema", error))?;
    connector.run.counter("rows").add(targets.len() as u64);
    output.finish()
}

fn describe(target: &Target) -> Value {
    let shape = &target.shape;
    let one = |column: &Described| json!({ "name": column.name, "type": column.type_name, "length": column.length });
    let mut key = vec![shape.time.name.as_str()];
    key.extend(shape.key.as_deref());
    json!({
        "table": target.table,
        "kind": kind(&target.kind),
        "primary_key": key,
        "columns": std::iter::once(&shape.time).chain(&shape.columns).map(one).collect::<Vec<_>>(),
        "tags": shape.tags.iter().map(one).collect::<Vec<_>>(),
    })
}

fn kind(kind: &TableKind) -> &'static str {
    match kind {
        TableKind::Super => "super",
        TableKind::Child(_) => "child",
        TableKind::Normal => "normal",
    }
}

fn sub_tables(session: &mut Session, target: &Target) -> Result<i64> {
    session.repeat(|client| {
        let mut count = 0;
        catalog::each_child(client, &target.database, &target.table, &[], None, |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    })
}

/// RFC 3339, with the unit's digits.
fn text(value: i64, unit: Unit) -> String {
    let mut out = Vec::new();
    instant::Printer::default().print(value, unit, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
