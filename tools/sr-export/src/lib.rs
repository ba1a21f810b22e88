//! `sr-export`: tables of StarRocks, partition by partition.

mod args;
mod cluster;
mod ddl;
mod directory;
mod export;
mod inspect;
mod manifest;
mod session;
mod stream;
mod table;
mod versions;

pub use args::Args;

use cli::output::Output;
use cli::{Run, Tool};
use ddl::{Create, Months};
use export::Settings;
use fault::{Error, Kind, Result};
use rows::Limits;
use rows::format::Format;
use session::{Connector, Session};
use starrocks::catalog::{Kindred, Partition};
use starrocks::partitions::Selection;
use starrocks::sql;
use std::io::Write as _;
use std::sync::Arc;
use table::{Table, Unit};
use versions::Seen;

/// The tool.
pub static TOOL: Tool = Tool {
    name: "sr-export",
    stage: cli::Stage::Source,
    about: "Read tables of StarRocks, partition by partition",
    description: "\
Reads tables through the MySQL port of a front end (starrocks://user@fe1:9030,fe2:9030/db; starrockss:// with TLS): each \
partition by its name, with as many connections as asked for, in bounded memory, as CSV with a typed header, Arrow, Parquet, \
NDJSON or line protocol. Before and after a partition is read, the server is asked for its count and its version. What differs \
is read again where that is possible (always with --output-dir; else as long as the partition fits --hold), and ends the run \
with 4 where it is not, without an end mark.

With --output-dir a partition's files get their names when they are complete, and manifest.jsonl says what is in them: run \
again, it passes over what is there and has not changed. --via flight reads the same rows from the back ends over Arrow Flight \
SQL, past the front end; --via files and --via export let the cluster write to object storage by itself.",
    examples: &[
        ("what is there", "sr-export --list"),
        ("a table as CSV", "sr-export --table meters -o meters.csv"),
        (
            "every table into Parquet files, eight partitions at a time; again: only what has changed",
            "sr-export --output-dir export -t parquet --concurrency 8",
        ),
        (
            "the same from the back ends, over Arrow Flight SQL",
            "sr-export --url 'starrocks://fe:9030/plant?flight=9408' --via flight --output-dir export -t parquet",
        ),
        (
            "the tables for a cluster with one replica",
            "sr-export --ddl --replication-num 1 -o tables.sql",
        ),
    ],
    environment: &[
        ("TS_SOURCE_URL", "the source: starrocks://user@host:9030/db"),
        ("TS_SOURCE_PASSWORD", "its password (default: none)"),
        ("AWS_ACCESS_KEY_ID, …", "for --via files and --via export: what the cluster shows to the object store"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    args.check()?;
    run.limit(args.rate.rate_limit);
    let connector = Connector::new(&args, run)?;
    // A bad path fails before the server is asked.
    let output = match &args.output_dir {
        Some(_) => None,
        None => Some(Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"))),
    };
    // A signal shows as a broken wait; what it was is the run's to say.
    work(&args, output, &connector).map_err(|error| run.stop().rather_than(error))
}

fn work(args: &Args, output: Option<Output>, connector: &Connector) -> Result<()> {
    let mut session = connector.session();
    let database = connector.target.database()?.to_owned();
    let tables = session.repeat(|client| table::find(client, args, &database))?;
    if tables.is_empty() {
        return Err(Error::new(Kind::Refused, format!("{}: there are no tables", connector.target)));
    }
    if args.schema {
        return write_text(output, &inspect::schema(&mut session, &database, &tables)?);
    }
    if args.ddl {
        return write_text(output, &statements(&mut session, args, &database, &tables)?);
    }
    if args.list {
        let found = partitions(&mut session, args, &database, &tables)?;
        let found: Vec<(String, Partition)> =
            found.into_iter().filter_map(|(table, partition)| Some((table, partition?))).collect();
        return write_list(output, args, inspect::list(&found)?, connector);
    }
    let streams = args.output_dir.is_none() && args.via.is_read();
    let readable = tables.iter().filter(|(_, kind)| *kind == Kindred::Table || !args.table.is_empty()).count();
    if streams && readable != 1 {
        let names: Vec<&str> = tables.iter().take(5).map(|(name, _)| name.as_str()).collect();
        return Err(Error::usage(format!(
            "{readable} tables ({} …) do not fit one stream: choose with --table, or give --output-dir",
            names.join(", ")
        )));
    }
    let units = units(&mut session, args, &database, &tables)?;
    session.drop_client();
    connector.run.expect_rows(units.iter().filter_map(|unit| Some(unit.partition.as_ref()?.rows)).sum());
    if !args.via.is_read() {
        let storage = cluster::Storage::new(args)?;
        return match (args.dry_run, output) {
            (false, Some(output)) => cluster::write(output, &units, &storage, args, connector),
            (_, output) => write_text(output, &cluster::explain(&units, &storage)?),
        };
    }
    if args.dry_run {
        let mut text = String::new();
        for unit in &units {
            text.push_str(&format!("{};\n", unit.select(args.limit)?));
        }
        let output = output.map_or_else(|| Output::create(None), Ok)?;
        return write_text(Some(output), &text);
    }
    let settings = Settings {
        limits: Limits { rows: args.batch.batch_rows as usize, bytes: args.batch.batch_bytes as usize },
        limit: args.limit,
        allow_changes: args.allow_changes,
    };
    match (output, &args.output_dir) {
        (Some(output), _) => {
            let schema = match units.first() {
                Some(unit) => unit.table.schema.clone(),
                None => describe(&mut session, args, &database, &tables)?.schema.clone(),
            };
            stream::stream(output, schema, &units, settings, args, connector)
        }
        (None, Some(directory)) => directory::export_into(directory, units, settings, args, connector),
        (None, None) => Err(Error::new(Kind::Bug, "no output")),
    }
}

/// The one table of a stream that has no partition to read.
fn describe(session: &mut Session, args: &Args, database: &str, tables: &[(String, Kindred)]) -> Result<Table> {
    let chosen = tables.iter().find(|(_, kind)| *kind == Kindred::Table).or(tables.first());
    let (name, _) = chosen.ok_or_else(|| Error::new(Kind::Bug, "no table"))?;
    let source = session.connector.target.to_string();
    session.repeat(|client| Table::describe(client, database, name, args, &source))
}

/// The partitions of the tables that the flags choose; `None` for a view, or a table as a whole.
fn partitions(
    session: &mut Session,
    args: &Args,
    database: &str,
    tables: &[(String, Kindred)],
) -> Result<Vec<(String, Option<Partition>)>> {
    let seen = args.since_version.as_ref().map(|since| Seen::open(since, &session.connector.run)).transpose()?;
    let mut found = Vec::new();
    let mut known = Vec::new();
    for (name, kind) in tables {
        if *kind == Kindred::View || matches!(args.partitions, Some(Selection::Whole)) && !args.list {
            // A view is read only where it is named: its rows are those of tables.
            if *kind == Kindred::Table || !args.table.is_empty() {
                found.push((name.clone(), None));
            }
            continue;
        }
        if *kind == Kindred::MaterializedView && args.table.is_empty() {
            continue;
        }
        for partition in session.repeat(|client| client.partitions(database, name))? {
            known.push(partition.name.clone());
            let chosen = args.partitions.as_ref().is_none_or(|selection| selection.takes(&partition.name));
            if chosen && seen.as_ref().is_none_or(|seen| seen.is_news(name, &partition)) {
                found.push((name.clone(), Some(partition)));
            }
        }
    }
    // A name that is not there is a mistake, not an empty table.
    if let Some(Selection::Names(names)) = &args.partitions
        && let Some(missing) = names.iter().find(|wanted| !known.iter().any(|name| wanted.matches(name)))
    {
        return Err(Error::new(Kind::Refused, format!("no partition of {database} is called {}", missing.text())));
    }
    Ok(found)
}

fn units(session: &mut Session, args: &Args, database: &str, tables: &[(String, Kindred)]) -> Result<Vec<Unit>> {
    let source = session.connector.target.to_string();
    let mut units: Vec<Unit> = Vec::new();
    for (name, partition) in partitions(session, args, database, tables)? {
        let table = match units.last() {
            Some(unit) if unit.table.name == name => unit.table.clone(),
            _ => Arc::new(session.repeat(|client| Table::describe(client, database, &name, args, &source))?),
        };
        units.push(Unit { table, partition });
    }
    Ok(units)
}

/// `--ddl`: the tables' statements, and those of views as comments.
fn statements(session: &mut Session, args: &Args, database: &str, tables: &[(String, Kindred)]) -> Result<String> {
    let mut text = String::new();
    let into = args.rewrite.into_database.as_deref().unwrap_or(database);
    for (name, kind) in tables {
        let statement = session.repeat(|client| client.create_statement(database, name, *kind))?;
        if *kind != Kindred::Table {
            let what = if *kind == Kindred::View { "view" } else { "materialized view" };
            text.push_str(&format!("-- {what} {name}: to be made when the tables have their rows\n"));
            text.extend(statement.lines().map(|line| format!("-- {line}\n")));
            text.push('\n');
            continue;
        }
        let months = match &args.rewrite.monthly {
            Some(column) => Some(months(session, database, name, column)?),
            None => None,
        };
        let mut create = Create::parse(&statement)?;
        for note in create.rewrite(&args.rewrite, months.as_ref())? {
            session.connector.run.warn(format!("table {name}: {note}"));
        }
        text.push_str(&create.print(into, name)?);
        text.push('\n');
    }
    session.connector.run.counter("rows").set(tables.len() as u64);
    Ok(text)
}

/// The months that have rows.
fn months(session: &mut Session, database: &str, table: &str, column: &str) -> Result<Months> {
    let (from, quoted) = (sql::table(database, table)?, sql::name(column)?);
    let ends = session.repeat(|client| client.query(&format!("SELECT min({quoted}), max({quoted}) FROM {from}")))?;
    let cell = |index: usize| ends.rows.first().and_then(|row| row.get(index)).and_then(Option::as_deref);
    let (Some(first), Some(last)) = (cell(0), cell(1)) else {
        return Err(Error::usage(format!("--monthly {column}: table {table} has no rows, so there are no months")));
    };
    let month = |text: &str| text.get(..7).unwrap_or(text).to_owned();
    Ok(Months { first: month(first), last: month(last), datetime: first.len() > 10 })
}

fn write_text(output: Option<Output>, text: &str) -> Result<()> {
    let Some(mut output) = output else { return Err(Error::new(Kind::Bug, "no output")) };
    output.write_all(text.as_bytes()).map_err(|error| Error::io("cannot write", error))?;
    output.finish()
}

fn write_list(output: Option<Output>, args: &Args, batch: rows::RecordBatch, connector: &Connector) -> Result<()> {
    let Some(output) = output else { return Err(Error::new(Kind::Bug, "no output")) };
    let mut options = args.write_options(args.output.output.as_deref());
    if options.to == Format::Lp {
        // A list is no time series.
        options.to = Format::Csv;
    }
    let mut writer = rows::format::create(output, Output::finish, batch.schema(), options)?;
    writer.write(&batch)?;
    connector.run.counter("rows").add(batch.num_rows() as u64);
    writer.finish()
}
