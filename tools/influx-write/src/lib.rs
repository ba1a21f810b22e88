//! `influx-write`: line protocol into InfluxDB 1, 2 or 3, with a verdict for every line.

mod ahead;
pub mod args;
pub mod deliver;
pub mod find;
pub mod lines;
mod live;
mod pool;
mod source;

use args::{Args, Plan};
use cli::rejects::Rejects;
use cli::workers::Shared;
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use influx::Client;
use lines::Lines;
use live::Live;
use net::http::Options;
use net::retry::Policy;
use net::{Side, tls::Tls};
use pool::Pool;
use rows::time::Unit;
use std::sync::Arc;
use std::time::Duration;

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "influx-write",
    stage: cli::Stage::Sink,
    about: "Write line protocol, or rows, into InfluxDB 1, 2 or 3",
    description: "\
Reads line protocol (or CSV, Arrow, Parquet, NDJSON, which it encodes), checks every line, and sends it in batches with \
as many requests in flight as the server answers without slowing down. A batch that the server refuses in part is searched: bad lines go to --rejects with the \
server's reason, all others are stored. Busy servers are waited for, too large requests are halved, and a reply that \
got lost is asked for again: points are the same however often they are written, if they carry their time. While a target that had \
answered before is down, nothing is read, and one request at a time asks whether it is back.

URLs: influx1+http://user@host:8086/DB[/RP], influx2+https://host:8086/?org=ORG&bucket=BUCKET, \
influx3+https://host:8181/DB. Summary keys: rows and bytes (delivered), retries, rejected, requests, splits, \
sent_bytes, inflight_max (most requests at once), slowdowns (how often their number was cut), throttled (requests answered with 429 or \
503), throttle_wait_ms (time that the server asked for with Retry-After), outages and outage_ms (the target was down: how often, how long).",
    examples: &[
        ("a file of line protocol into a database of version 1, made if need be", "influx-write --url influx1+http://localhost:8086/plant --create meters.lp"),
        ("from TDengine into a bucket, up to 100 bad lines set aside", "td-dump --url tdengine://root@td:6041/plant --table meters | lp-encode | TS_TARGET_TOKEN=$TOKEN influx-write --url 'influx2+https://influx:8086/?org=acme&bucket=plant' --rejects bad.lp --max-rejects 100"),
        ("check a file, send nothing", "influx-write --url influx3+http://localhost:8181/plant --dry-run meters.lp"),
    ],
    environment: &[
        ("TS_TARGET_URL", "the target, if --url is not given"),
        ("TS_TARGET_PASSWORD", "password of the user in the URL (version 1)"),
        ("TS_TARGET_TOKEN", "token (versions 2 and 3; user:password or a JWT for version 1)"),
    ],
};

/// Keys of the summary, in their order, besides those of every tool.
const KEYS: [&str; 9] = [
    "requests",
    "splits",
    "sent_bytes",
    "inflight_max",
    "slowdowns",
    "throttled",
    "throttle_wait_ms",
    "outages",
    "outage_ms",
];

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let plan = args.plan()?;
    for key in KEYS {
        run.counter(key);
    }
    run.limit(plan.rate);
    let shared = Shared::new(run, Rejects::create(&args.rejects, run)?);
    let input = cli::input::open(&args.input, run)?;
    let mut encoded = source::open(input, &args, &plan, &shared, run)?;
    let (encoder, mark) = (encoded.take_encoder(), encoded.mark);
    let lines = Lines::open(&encoded.name, encoded.reader, args.precision)?;
    let mut into =
        Target { pool: open(&args, &plan, lines.unit, &shared, run)?, shared: Arc::clone(&shared), run: run.clone() };
    let read = lines.read(&args, &plan, mark, &mut into);
    // The lines of rows end cleanly when the encoder fails: it has the say.
    let read = match &read {
        Ok(_) => source::outcome(encoder).and(read),
        Err(_) => read,
    };
    if args.dry_run {
        run.note("dry_run", "true");
        run.note("checked", read.as_ref().map_or(0, |lines| *lines).to_string());
    }
    // A stream that was cut is reported, but what stood before the cut is whole and is sent.
    let abandon = read.as_ref().is_err_and(|error| error.kind() != Kind::Incomplete);
    let sent = match into.pool {
        Some(pool) => pool.finish(abandon).map_err(|error| at(&plan, error)),
        None => Ok(()),
    };
    // A worker's error comes first: it is why the reading ended, if both failed. Workers that a signal stopped have no
    // error, and the reader then only knows that they are gone.
    sent.and(run.stop().check()).and(read.map(drop)).and(shared.flush_rejects())
}

/// An error of the server, with its URL and what to do.
fn at(plan: &Plan, error: Error) -> Error {
    if !matches!(error.kind(), Kind::Target | Kind::Refused) {
        return error;
    }
    let missing = error.kind() == Kind::Refused && error.message().contains("HTTP 404");
    let hint = if missing { " (is the database or bucket there? --create makes it)" } else { "" };
    Error::new(error.kind(), format!("{}: {error}{hint}", plan.target))
}

/// The connection and its workers; none in a dry run.
fn open(args: &Args, plan: &Plan, unit: Unit, shared: &Arc<Shared>, run: &Run) -> Result<Option<Pool>> {
    if args.dry_run {
        return Ok(None);
    }
    let options = Options {
        connect_timeout: args.retry.timeout.min(Duration::from_secs(30)),
        timeout: args.retry.timeout,
        tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
        timing: net::Timing::new(run.replied()),
        ..Options::new(Side::Target)
    };
    let client = Client::new(plan.target.clone(), options)?;
    let policy = Policy::new(args.retry.retries);
    if args.create {
        create(&client, policy, run)?;
    }
    let live = Live::new(shared, client, unit, plan);
    Pool::start(plan, args.order, Arc::clone(shared), &live, policy).map(Some)
}

/// `--create`, tried again while the server cannot be reached.
fn create(client: &Client, policy: Policy, run: &Run) -> Result<()> {
    let heard = |error: &Error, _| {
        run.counter("retries").add(1);
        run.info(error.to_string());
    };
    net::retry::repeat(policy, &run.stopped(), heard, || client.create())
}

struct Target {
    pool: Option<Pool>,
    shared: Arc<Shared>,
    run: Run,
}

impl lines::Into for Target {
    #[inline]
    fn line(&mut self, series: u64, line: &[u8]) -> Result<()> {
        match &mut self.pool {
            Some(pool) => pool.push(series, line),
            None => Ok(()),
        }
    }

    fn reject(&mut self, line: &[u8], reason: &str) -> Result<()> {
        self.shared.reject(line, reason)
    }

    fn check_stop(&mut self) -> Result<()> {
        self.run.stop().check()
    }
}
