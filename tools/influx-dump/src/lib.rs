//! `influx-dump`: measurements of InfluxDB 1, 2 or 3 as rows in any format.

pub mod args;
pub mod pattern;
mod report;
pub mod select;
mod sink;

use args::{Args, Plan};
use cli::{Run, Tool};
use fault::{Error, Result};
use influx::Client;
use influx::catalog::Measurement;
use influx::dump::{Dump, Options};
use net::retry::Policy;
use net::{Side, tls::Tls};
use rows::format::Format;
use rows::{Limits, Reader};
use sink::Sink;
use std::time::Duration;

/// The tool's texts.
pub static TOOL: Tool = Tool {
    name: "influx-dump",
    stage: cli::Stage::Source,
    about: "Read measurements of InfluxDB 1, 2 or 3 as rows",
    description: "\
Reads whole measurements, or windows of time, through /query (versions 1 and 2) or SQL (version 3), as a stream in bounded \
memory, and writes CSV with a typed header, Arrow, Parquet, NDJSON or line protocol. Types come from the server's own catalog, \
and numbers from its digits: a 64-bit integer is exact. Rows come series by series (versions 1 and 2). A reply that the server \
cut, or an error within a reply of success, ends the tool with 4.

Several measurements go to line protocol, to one table with --union, or to a file each with --output-dir. \
URLs: influx1+http://user@host:8086/DB[/RP], influx2+https://host:8086/?org=ORG&bucket=BUCKET, influx3+https://host:8181/DB.",
    examples: &[
        ("what is there", "influx-dump --url influx1+http://localhost:8086/plant --list"),
        ("one measurement and one day as CSV", "influx-dump --url influx1+http://localhost:8086/plant --measurement meters --since 2024-01-01 --until 2024-01-02"),
        ("a bucket into another server", "TS_SOURCE_TOKEN=$OLD influx-dump --url 'influx2+https://old:8086/?org=acme&bucket=plant' -t lp | TS_TARGET_TOKEN=$NEW influx-write --url influx3+https://new:8181/plant"),
    ],
    environment: &[
        ("TS_SOURCE_URL", "the source, if --url is not given"),
        ("TS_SOURCE_PASSWORD", "password of the user in the URL (version 1)"),
        ("TS_SOURCE_TOKEN", "token (versions 2 and 3; user:password or a JWT for version 1)"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let plan = args.plan()?;
    run.limit(args.rate.rate_limit);
    // A bad path fails before the server is asked.
    let sink = Sink::open(&args, &plan, run)?;
    let options = net::http::Options {
        connect_timeout: args.retry.timeout.min(Duration::from_secs(30)),
        timeout: args.retry.timeout,
        tls: Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() },
        stop: net::Stop::new(run.stopped()),
        gzip_replies: !plan.target.endpoint.is_loopback(),
        timing: net::Timing::new(run.replied()),
        ..net::http::Options::new(Side::Source)
    };
    let client = Client::new(plan.target.clone(), options)?;
    // A signal shows as a broken wait; what it was is the run's to say.
    dump(&args, &plan, &client, sink, run).map_err(|error| run.stop().rather_than(error))
}

fn dump(args: &Args, plan: &Plan, client: &Client, sink: Sink, run: &Run) -> Result<()> {
    let tables = retried(args, run, || select::measurements(client, plan))?;
    if !plan.types.is_empty() {
        run.warn("--field-type: values of the other types of these fields are converted or left out");
    }
    if args.list {
        return sink.write_table(report::list(&tables)?);
    }
    if args.schema {
        return sink.write_text(&report::schema(&tables, client)?);
    }
    if args.count {
        return sink
            .write_table(report::counts(&tables, |table| retried(args, run, || client.counts(table, plan.range)))?);
    }
    if tables.is_empty() {
        return Err(Error::new(fault::Kind::Refused, format!("{}: there is no measurement", plan.target)));
    }
    let groups: Vec<&[Measurement]> = if args.union { vec![&tables[..]] } else { tables.chunks(1).collect() };
    if groups.len() > 1 && plan.format != Format::Lp && args.output_dir.is_none() {
        let names: Vec<&str> = tables.iter().take(5).map(|table| table.name.as_str()).collect();
        let text =
            format!("{} measurements ({} …) do not fit one {} table", tables.len(), names.join(", "), plan.format);
        return Err(Error::usage(format!(
            "{text}: choose with --measurement, or give --union, --output-dir or --to lp"
        )));
    }
    let mut sink = sink;
    for group in groups {
        let mut reader = open(args, plan, client, group, run)?;
        sink.begin(group, reader.schema())?;
        while let Some(batch) = reader.next()? {
            run.stop().check()?;
            if !sink.write(&batch)? {
                break;
            }
        }
        sink.end()?;
    }
    sink.finish()
}

/// A reader of these measurements, in a thread of its own.
fn open(args: &Args, plan: &Plan, client: &Client, group: &[Measurement], run: &Run) -> Result<Box<dyn Reader>> {
    let (stop, retries, log) = (run.stop(), run.counter("retries"), run.clone());
    let options = Options {
        limits: Limits { rows: args.batch.batch_rows as usize, bytes: args.batch.batch_bytes as usize },
        chunk: args.chunk_rows as usize,
        policy: Policy::new(args.retry.retries),
        union: args.union,
        before_wait: Box::new(move |error, wait| {
            retries.add(1);
            log.info(format!("{error}; trying again in {:.1} s", wait.as_secs_f64()));
            stop.sleep(wait)
        }),
    };
    let mut tasks = Vec::new();
    for (index, table) in group.iter().enumerate() {
        let windows = retried(args, run, || select::windows(client, plan, table))?;
        tasks.extend(windows.into_iter().map(|window| (index, window)));
    }
    Ok(rows::pipe::threaded(Box::new(Dump::new(client.clone(), group.to_vec(), tasks, options)?)))
}

/// A question to the catalog, asked again while the server is busy.
fn retried<T>(args: &Args, run: &Run, ask: impl FnMut() -> Result<T>) -> Result<T> {
    let heard = |error: &Error, _| {
        run.counter("retries").add(1);
        run.info(error.to_string());
    };
    net::retry::repeat(Policy::new(args.retry.retries), &run.stopped(), heard, ask)
}
