//! `td-dump`: tables of TDengine as a stream of rows.

mod args;
mod dump;
mod groups;
mod identity;
mod inspect;
mod layout;
mod piece;
mod plan;
mod query;
mod read;
mod session;
mod target;

pub use args::Args;

use arrow_schema::SchemaRef;
use cli::output::{Output, file_name};
use cli::{Run, Tool};
use dump::{Sink, Work};
use fault::{Error, Kind, Result};
use identity::Identity;
use layout::Layout;
use plan::Plan;
use rows::format::Format;
use session::{Connector, Session};
use target::Target;

/// What a shell, or another file system, would take amiss in the name of a file.
const TAKEN_AMISS: &str = " *?\"<>|:";

/// The tool.
pub static TOOL: Tool = Tool {
    name: "td-dump",
    stage: cli::Stage::Source,
    about: "Read tables of TDengine as CSV, Arrow, Parquet or NDJSON",
    description: "\
Reads super tables, sub-tables and ordinary tables of TDengine 2 and 3 through taosAdapter: over WebSocket \
(tdengine://host:6041/db), or over REST (tdengine+http://), where every part is counted because the server cuts REST \
results in silence; with TLS as tdengines:// and tdengine+https://. Every column keeps its type; the sub-table's name \
always comes along, and the header says whether it is needed to tell series apart. The upper bound of time is fixed at \
the start. A part whose result breaks is read again as long as none of its rows was written (its beginning is held in memory); with \
--spool parts are held in a temporary file (TMPDIR) until they are complete. Rows are in no order unless --ordered is given.",
    examples: &[
        ("A super table as CSV", "td-dump --table meters -o meters.csv"),
        (
            "A day, in windows of an hour, four at a time",
            "td-dump --table meters --since 2024-01-01 --until 2024-01-02 --split time:1h -t arrow -o day.arrow",
        ),
        ("What is there", "td-dump --list --header plain"),
    ],
    environment: &[
        ("TS_SOURCE_URL", "the source: tdengine://user@host:6041/db"),
        ("TS_SOURCE_PASSWORD", "its password (default: the vendor's)"),
        ("TS_SOURCE_TOKEN", "a bearer token, instead of user and password (server 3.4)"),
        ("TMPDIR", "where --spool and REST hold parts"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    args.check()?;
    run.limit(args.rate.rate_limit);
    let connector = Connector::new(&args, run)?;
    let mut session = connector.session();
    if args.output_dir.is_none() {
        // Opened before anything is asked: a bad path fails in the first second.
        let output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
        return match &args.query {
            Some(sql) => query::run(sql, output, &args, &connector),
            None if args.list => inspect::list(&mut session, output, &args, &connector),
            None if args.count => inspect::count(&mut session, output, &args, &connector),
            None if args.schema => inspect::schema(&mut session, output, &args, &connector),
            None => one_output(output, &mut session, &args, &connector),
        };
    }
    directory(&mut session, &args, &connector)
}

/// The tables and their plans.
fn prepare(session: &mut Session, args: &Args, connector: &Connector) -> Result<Vec<(Target, Plan)>> {
    let database = target::database(session, connector.config.login.database.as_deref())?;
    let targets = target::resolve(session, args, &database)?;
    if targets.is_empty() {
        return Err(Error::new(Kind::Refused, format!("database {database} has no tables")));
    }
    let mut prepared = Vec::with_capacity(targets.len());
    let mut total = 0;
    for target in targets {
        let plan = Plan::of(session, &target, args)?;
        total += plan.rows;
        prepared.push((target, plan));
    }
    connector.run.expect_rows(args.limit.map_or(total, |limit| limit.min(total)));
    connector.run.counter("tables").set(prepared.len() as u64);
    Ok(prepared)
}

fn works(
    prepared: Vec<(Target, Plan)>,
    session: &mut Session,
    args: &Args,
    connector: &Connector,
    measurement: bool,
) -> Result<Vec<Work>> {
    let source = connector.config.name();
    let mut works = Vec::with_capacity(prepared.len());
    for (target, plan) in prepared {
        let identity = Identity::of(session, &target)?;
        let layout = Layout::of_table(&target, identity.redundant, measurement, &args.as_binary, &source)?;
        works.push(Work { plan, layout, target, identity });
    }
    Ok(works)
}

/// What the headers say of the tables holds after the last row, too.
fn unchanged(session: &mut Session, works: &[Work]) -> Result<()> {
    works.iter().try_for_each(|work| work.identity.must_hold(session, &work.target))
}

/// Everything into one stream. Several tables must agree in their columns; each row then carries its table's name.
fn one_output(output: Output, session: &mut Session, args: &Args, connector: &Connector) -> Result<()> {
    let prepared = prepare(session, args, connector)?;
    let several = prepared.len() > 1;
    let names: Vec<String> = prepared.iter().map(|(target, _)| target.table.clone()).collect();
    let mut works = works(prepared, session, args, connector, several)?;
    let schema = common_schema(&works, &names)?;
    for work in &mut works {
        work.layout.schema = schema.clone();
    }
    if args.dry_run {
        return explain(&works, connector);
    }
    let options = args.write_options(args.output.output.as_deref());
    let mut sink = Sink::create(output, schema, options, args.limit, &connector.run)?;
    // The readers have connections of their own, which are given up when they end.
    session.drop_client();
    dump::dump(&works, &mut sink, args, &connector.renewed())?;
    unchanged(session, &works)?;
    sink.finish()
}

/// A file per table.
fn directory(session: &mut Session, args: &Args, connector: &Connector) -> Result<()> {
    let Some(directory) = &args.output_dir else { return Ok(()) };
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::io(format!("cannot create {}", directory.display()), error))?;
    for (target, plan) in prepare(session, args, connector)? {
        let name = file_name(&target.table, TAKEN_AMISS);
        let path = directory.join(format!("{name}.{}", args.to.unwrap_or(Format::Csv)));
        let output = Output::create(Some(&path))?.counting(connector.run.counter("bytes"));
        let works = works(vec![(target, plan)], session, args, connector, false)?;
        if args.dry_run {
            explain(&works, connector)?;
            continue;
        }
        let Some(first) = works.first() else { continue };
        let mut sink = Sink::create(
            output,
            first.layout.schema.clone(),
            args.write_options(Some(&path)),
            args.limit,
            &connector.run,
        )?;
        // Each file's readers are abandoned on their own.
        dump::dump(&works, &mut sink, args, &connector.renewed())?;
        unchanged(session, &works)?;
        sink.finish()?;
    }
    Ok(())
}

/// The schema that all tables share; the name of the measurement is in each row where there are several.
fn common_schema(works: &[Work], names: &[String]) -> Result<SchemaRef> {
    let Some(first) = works.first() else { return Err(Error::new(Kind::Bug, "no tables")) };
    // One table whose sub-tables need their names makes the name needed for all.
    let needed =
        works.iter().find(|work| !work.layout.schema.fields().iter().any(|field| rows::role::is_redundant(field)));
    let schema = needed.unwrap_or(first).layout.schema.clone();
    let plain = |schema: &SchemaRef| -> Vec<(String, arrow_schema::DataType)> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    match works.iter().zip(names).find(|(work, _)| plain(&work.layout.schema) != plain(&schema)) {
        None => Ok(schema),
        Some((_, name)) => Err(Error::usage(format!(
            "{} tables with different columns do not fit into one stream ({} and {name} differ): choose with --table, or write a file for each with --output-dir DIR",
            names.len(),
            names.first().map_or("", String::as_str),
        ))),
    }
}

/// `--dry-run`: the statements, on stderr.
fn explain(works: &[Work], connector: &Connector) -> Result<()> {
    for work in works {
        for part in work.plan.parts() {
            connector.run.warn(format!("would run: {}", part?.select(&work.layout.items)));
        }
    }
    Ok(())
}
