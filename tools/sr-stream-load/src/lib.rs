//! `sr-stream-load`: rows into StarRocks by Stream Load, each of them once.

pub mod args;
mod check;
pub mod chunk;
pub mod create;
pub mod deliver;
mod fill;
mod live;
mod pool;
mod whole;

use args::{Args, Job, LoadFormat, Naming, Plan};
use cli::rejects::Rejects;
use cli::workers::Shared;
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use fill::{Columns, Filler};
use live::Live;
use net::batch::Spares;
use net::http::Options;
use net::retry::Policy;
use net::{Side, tls::Tls};
use pool::Pool;
use rows::format::{BadRow, ReadOptions, Source};
use rows::time::Unit;
use rows::{Reader, RecordBatch, SchemaRef};
use starrocks::hops::Hops;
use starrocks::load::Loader;
use starrocks::request::Settings;
use std::sync::Arc;
use std::time::Duration;
use whole::Transaction;

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "sr-stream-load",
    stage: cli::Stage::Sink,
    about: "Load rows into StarRocks, each of them once",
    description: "\
Reads rows in any format and loads them by Stream Load, in large batches, a few of them at a time. A front end is asked where to, \
the back end that it names gets the rows and our credentials; --be-map says where that is from here. Every load has a label that \
follows from its content and is fixed before the first attempt: when a reply gets lost the server is asked what became of the label, and \
what was loaded is never loaded again. Loads are strict: the server must count as many rows as were sent. Rows that it refuses are found by its \
list or by halving, and go to --rejects; all others are loaded. --txn makes all of the input visible at once, or nothing; \
--begin, --load, --prepare, --commit and --abort do the same step by step.

URLs: starrocks://user@fe1:9030,fe2:9030/DB?http=8030 (starrockss:// with TLS). Summary keys: rows and bytes (loaded), retries, \
rejected, requests, splits, already (rows that another run had loaded under the same label), sent_bytes, inflight_max (most loads at once), \
slowdowns (how often their number was cut), throttled (loads that a busy server refused), outages and outage_ms, nulled (NaN loaded as \
NULL), truncated (times cut to microseconds).",
    examples: &[
        ("a file into a table", "sr-stream-load --url starrocks://root@fe:9030/plant --table meters meters.csv"),
        ("a back end with a private address", "sr-stream-load --url starrocks://root@fe:9030/plant --table meters --be-map 10.0.0.7:8040=be.example:18040 meters.parquet"),
        ("all or nothing, from TDengine", "td-dump --url tdengine://root@td:6041/plant --table meters --end-mark | sr-stream-load --url starrocks://root@fe:9030/plant --table meters --txn --label-prefix plant --end-mark"),
    ],
    environment: &[
        ("TS_TARGET_URL", "the target, if --url is not given"),
        ("TS_TARGET_PASSWORD", "password of the user in the URL"),
        ("TS_SPLIT_ID", "names the part of a larger work that is loaded: labels follow from it (ts-run sets it)"),
    ],
};

/// Keys of the summary, in their order, besides those of every tool.
const KEYS: [&str; 11] = [
    "requests",
    "splits",
    "already",
    "sent_bytes",
    "inflight_max",
    "slowdowns",
    "throttled",
    "outages",
    "outage_ms",
    "nulled",
    "truncated",
];

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let mut plan = args.plan()?;
    for key in KEYS {
        run.counter(key);
    }
    run.limit(plan.rate);
    let shared = Shared::new(run, Rejects::create(&args.rejects, run)?);
    let outcome = match plan.job {
        Job::Begin | Job::Prepare | Job::Commit | Job::Abort => step(&args, &plan, &shared, run),
        Job::Loads | Job::Whole | Job::Load => load(&args, &mut plan, &shared, run),
    };
    // Rejects are written out however it ended.
    outcome.map_err(|error| at(&plan, error)).and(shared.flush_rejects())
}

/// An error of the server, with its URL.
fn at(plan: &Plan, error: Error) -> Error {
    match error.kind() {
        Kind::Target | Kind::Refused => Error::new(error.kind(), format!("{}: {error}", plan.target)),
        _ => error,
    }
}

/// One step of a transaction that needs no input.
fn step(args: &Args, plan: &Plan, shared: &Arc<Shared>, run: &Run) -> Result<()> {
    let mut transaction = transaction(args, plan, connect(args, plan, shared, run)?, shared, &Arc::default());
    match plan.job {
        Job::Begin => transaction.begin(),
        Job::Prepare => transaction.prepare(),
        Job::Commit => transaction.commit(),
        _ => transaction.abort(),
    }
}

/// Everything that reads the input.
fn load(args: &Args, plan: &mut Plan, shared: &Arc<Shared>, run: &Run) -> Result<()> {
    let input = cli::input::open(&args.input, run)?;
    let (name, bad) = (input.name.clone(), Arc::clone(shared));
    let options = ReadOptions {
        from: args.from,
        end_mark: args.end_mark.end_mark,
        precision: args.precision.unwrap_or(Unit::Ns),
        bad_rows: Box::new(move |row: &BadRow<'_>| bad.reject(row.bytes, row.reason)),
        ..ReadOptions::default()
    };
    let reader = rows::format::open(Source::new(input.name, input.reader, input.file), options)?;
    if create::table(args, &plan.target, &reader.schema(), run)? {
        return Ok(());
    }
    let columns = Columns::new(&reader.schema(), args)?;
    let mut reader = Begun::new(rows::pipe::threaded(reader))?;
    // Who has nothing to load asks nobody.
    if !args.dry_run && !args.no_column_check && reader.first.is_some() {
        let stop = net::Stop::new(run.stopped());
        let arrow = args.load_format == LoadFormat::Arrow;
        check::columns(&plan.target, &plan.settings.database, args, &columns, stop, arrow)?;
    }
    plan.settings = Settings { columns: columns.header.clone(), ..std::mem::take(&mut plan.settings) };
    let spares: Arc<Spares> = Arc::default();
    let mut filler = Filler::new(columns, &name, args, plan, Arc::clone(&spares), run)?;
    let live = if args.dry_run { None } else { Some(connect(args, plan, shared, run)?) };
    if let (Some(live), Job::Whole | Job::Load) = (&live, plan.job) {
        let transaction = transaction(args, plan, live.clone(), shared, &spares);
        return match plan.job {
            Job::Whole => transaction.whole(&mut reader, &mut filler),
            _ => transaction.load(&mut reader, &mut filler),
        };
    }
    let mut pool = Pool::start(plan, live.as_ref(), Policy::new(args.retry.retries), Arc::clone(shared), &spares)?;
    let read = fill(&mut reader, &mut filler, &mut pool, run);
    if args.dry_run {
        run.note("dry_run", "true");
        run.note("checked", filler.seen.to_string());
    }
    // The last load goes out only if the input has ended well.
    let sent = pool.finish(read.is_err());
    // A worker's error comes first: it is why the reading ended, if both failed.
    sent.and(run.stop().check()).and(read)
}

fn fill(reader: &mut dyn Reader, filler: &mut Filler, pool: &mut Pool, run: &Run) -> Result<()> {
    while let Some(batch) = reader.next()? {
        run.stop().check()?;
        filler.add(&batch, pool)?;
    }
    filler.finish(pool)
}

/// A reader whose first batch has been read.
struct Begun {
    first: Option<RecordBatch>,
    reader: Box<dyn Reader>,
}

impl Begun {
    fn new(mut reader: Box<dyn Reader>) -> Result<Begun> {
        Ok(Begun { first: reader.next()?, reader })
    }
}

impl Reader for Begun {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.first.take() {
            Some(batch) => Ok(Some(batch)),
            None => self.reader.next(),
        }
    }
}

fn transaction(args: &Args, plan: &Plan, live: Live, shared: &Arc<Shared>, spares: &Arc<Spares>) -> Transaction {
    let label = match &plan.naming {
        Naming::One(label) => label.clone(),
        Naming::Content(labels) => labels.whole(),
    };
    Transaction::new(live, label, Policy::new(args.retry.retries), shared, spares)
}

fn connect(args: &Args, plan: &Plan, shared: &Arc<Shared>, run: &Run) -> Result<Live> {
    let options = Options {
        connect_timeout: args.retry.timeout.min(Duration::from_secs(30)),
        timeout: args.retry.timeout,
        tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
        timing: net::Timing::new(run.replied()),
        ..Options::new(Side::Target)
    };
    let loader = Loader::new(Hops::new(&plan.target, plan.route.clone(), options)?, plan.settings.clone());
    Ok(Live::new(shared, loader, plan, args.rejects.max_rejects))
}
