//! `sr-pace`: how much at once the clusters can bear, as a number in a file.

pub mod args;
mod backends;
mod control;
mod metrics;
mod sample;
mod timings;

pub use args::Args;

use backends::Cluster;
use cli::output::Output;
use cli::{Run, Tool};
use control::{Controller, Decision};
use fault::{Error, Kind, Result};
use metrics::Page;
use net::{Side, Stop, tls::Tls};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sample::Sample;
use serde_json::json;
use starrocks::Target;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use timings::Timings;

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "sr-pace",
    stage: cli::Stage::Control,
    about: "Watch StarRocks clusters, and write how much may run at once into a file",
    description: "\
Looks at both clusters of a migration every ten seconds: memory, CPU and disks of their back ends by SHOW BACKENDS and SHOW COMPUTE \
NODES, disk utilisation, compaction and the publish queue by /metrics, and the times and failures of our own work by a file. A sign of \
trouble halves the number, three quiet looks in a row add one; who runs the work (queue-recv --concurrency-file, GNU parallel --jobs \
FILE, the file `jobs` in the work directory of run_migration.sh) reads the file again and again. Each change is printed as a line of JSON with its reason.

After a halving its effect is waited for, three looks long; only failures of our own work halve again before. Where some metrics \
are missing the number does not rise; where all are, latency and failures alone decide, and a warning says so.",
    examples: &[
        ("watch both clusters", "sr-pace --concurrency-file jobs --source-url starrocks://root@fe-a --target-url starrocks://root@fe-b"),
        ("what would have been decided", "sr-pace --tape looks.jsonl --max-memory 70"),
    ],
    environment: &[("TS_SOURCE_PASSWORD", "of the source"), ("TS_TARGET_PASSWORD", "of the target")],
};

/// Watches, or replays.
pub fn run(args: Args, run: &Run) -> Result<()> {
    args.check()?;
    let mut controller = Controller::new(args.marks.clone(), args.floor, args.ceiling, args.start());
    let mut out = Output::create(None)?.counting(run.counter("bytes"));
    if let Some(tape) = &args.tape {
        return replay(tape, &mut controller, run, &mut out);
    }
    let mut watch = Watch::new(&args, run)?;
    let mut number = args.start();
    if let Some(file) = &args.concurrency_file {
        write(file, number)?;
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let sample = watch.look()?;
        run.stop().check()?;
        if let Some(file) = &args.record {
            record(file, &sample)?;
        }
        let decision = controller.decide(&sample);
        run.counter("looks").add(1);
        if decision.to != number {
            number = decision.to;
            if let Some(file) = &args.concurrency_file {
                write(file, number)?;
            }
            print(&mut out, &sample, &decision)?;
            run.counter("changes").add(1);
        } else {
            run.info(format!("{number} at once: {}", decision.why));
        }
        run.note("concurrency", number.to_string());
        left -= 1;
        if left > 0 && !rest(args.every, args.pid, run)? {
            run.info("the process that it is for has ended");
            break;
        }
    }
    out.finish()
}

/// How often it is looked whether the process of `--pid` is there.
const TICK: Duration = Duration::from_millis(500);

/// Waits for the next look. False: nobody needs one any more.
fn rest(time: Duration, pid: Option<i32>, run: &Run) -> Result<bool> {
    let pid = pid.and_then(Pid::from_raw);
    let begun = Instant::now();
    loop {
        // Any other answer than this one means that it is there.
        if pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            return Ok(false);
        }
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(true);
        }
        run.stop().sleep(if pid.is_some() { left.min(TICK) } else { left })?;
    }
}

/// What is looked at.
struct Watch<'a> {
    run: &'a Run,
    clusters: Vec<Cluster>,
    pages: Vec<Page>,
    timings: Option<Timings>,
    /// Has it been said that there are no metrics?
    blind: bool,
}

impl<'a> Watch<'a> {
    fn new(args: &Args, run: &'a Run) -> Result<Watch<'a>> {
        let tls = || Tls { insecure: args.tls.tls_insecure, ca_file: args.tls.tls_ca_file.clone() };
        let stop = || Stop::new(run.stopped());
        let mut clusters = Vec::new();
        for (name, variable, side, url, file) in [
            ("source", "SOURCE", Side::Source, &args.source_url, &args.source_password_file),
            ("target", "TARGET", Side::Target, &args.target_url, &args.target_password_file),
        ] {
            let Some(url) = url else { continue };
            let endpoint = cli::args::endpoint(variable, Some(url), file.as_ref(), None)?;
            let options = starrocks::client::Options {
                connect_timeout: args.timeout,
                timeout: args.timeout,
                tls: tls(),
                stop: stop(),
                ..starrocks::client::Options::new(side)
            };
            clusters.push(Cluster::new(name, Target::parse(&endpoint.url, endpoint.password)?, options));
        }
        let options = net::http::Options {
            connect_timeout: args.timeout,
            timeout: args.timeout,
            tls: tls(),
            stop: stop(),
            ..net::http::Options::new(Side::Source)
        };
        let pages = args.metrics_url.iter().map(|url| Page::new(url, options.clone())).collect::<Result<_>>()?;
        let timings = args.timings.clone().map(Timings::new);
        Ok(Watch { run, clusters, pages, timings, blind: false })
    }

    /// Everything once. What does not answer is `silent`, never an error: the work goes on without us, too.
    fn look(&mut self) -> Result<Sample> {
        let mut sample = Sample { at: state::now(), ..Sample::default() };
        for cluster in &mut self.clusters {
            match cluster.look() {
                Ok(nodes) => sample.nodes.extend(nodes),
                Err(error) => sample.silent.push(format!("{} ({error})", cluster.side)),
            }
        }
        for page in &mut self.pages {
            match page.look() {
                Ok(node) => sample.nodes.push(node),
                Err(error) => sample.silent.push(error.to_string()),
            }
        }
        if let Some(timings) = &mut self.timings {
            let ended = timings.look()?;
            (sample.ended, sample.failed, sample.p95) = (ended.count, ended.failed, ended.p95);
        }
        let blind = sample.nodes.is_empty();
        if blind && !self.blind {
            let why = if sample.silent.is_empty() { "none asked for".to_owned() } else { sample.silent.join("; ") };
            self.run.warn(format!("no metrics, latency and failures of our own work alone decide: {why}"));
        }
        self.blind = blind;
        Ok(sample)
    }
}

fn print(out: &mut Output, sample: &Sample, decision: &Decision) -> Result<()> {
    let mut line = json!({"from": decision.from, "to": decision.to, "what": decision.what, "why": decision.why});
    if !sample.at.is_empty() {
        line["at"] = sample.at.as_str().into();
    }
    writeln!(out, "{line}").map_err(|error| Error::io("cannot write to stdout", error))
}

/// As a whole: a reader never sees half a number.
fn write(file: &Path, number: u32) -> Result<()> {
    let mut output = Output::file(file)?;
    writeln!(output, "{number}").map_err(|error| Error::io(format!("cannot write {}", file.display()), error))?;
    output.finish()
}

fn record(file: &Path, sample: &Sample) -> Result<()> {
    let fail = |error| Error::io(format!("cannot write {}", file.display()), error);
    let line = serde_json::to_string(sample).map_err(|error| fail(error.into()))?;
    let mut file = OpenOptions::new().append(true).create(true).open(file).map_err(fail)?;
    writeln!(file, "{line}").map_err(fail)
}

/// Every decision over a tape.
fn replay(tape: &Path, controller: &mut Controller, run: &Run, out: &mut Output) -> Result<()> {
    let input = cli::input::open(tape, run)?;
    for (number, line) in BufReader::new(input.reader).lines().enumerate() {
        let line = line.map_err(|error| Error::io(format!("cannot read {}", input.name), error))?;
        if line.trim().is_empty() {
            continue;
        }
        let sample: Sample = serde_json::from_str(&line).map_err(|error| {
            Error::caused(Kind::Malformed, format!("{}:{}: no look of sr-pace", input.name, number + 1), error)
        })?;
        let decision = controller.decide(&sample);
        run.counter("looks").add(1);
        run.counter("changes").add(u64::from(decision.from != decision.to));
        run.note("concurrency", decision.to.to_string());
        print(out, &sample, &decision)?;
    }
    Ok(())
}
