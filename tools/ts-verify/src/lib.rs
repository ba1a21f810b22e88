//! Proves that two systems hold the same time series, or shows where they do not.
//!
//! Everything is reduced to cells, `(series, time, field) -> value` ([`layout`], [`canonical`]); a side becomes a digest
//! ([`digest`]); digests are compared ([`compare`]); where they differ, the rows are read again ([`rowdiff`]).

pub mod args;
mod canonical;
mod classes;
mod cluster;
mod column;
mod compare;
mod counted;
mod counts;
mod dedupe;
mod dictionaries;
mod differing;
mod digest;
mod digest_file;
mod float32;
mod form;
mod hash;
mod heat;
mod html;
mod input;
mod json;
mod lanes;
mod layout;
mod lines;
mod listing;
mod merge;
mod names;
mod options;
mod pair;
mod partitioned;
mod recheck;
mod repair;
mod report;
mod rerun;
mod rowdiff;
mod runs;
mod sample;
mod series;
mod side;
mod sides;
mod sums;
mod tolerance;
mod verdict;

use args::{Args, Command, DigestArgs};
use cli::output::Output;
use cli::{Run, Tool};
use digest_file::Header;
use fault::{Error, Kind, Result};
use input::{Input, Spec};
use side::{Opened, check_names};
use std::io::BufWriter;
use std::sync::atomic::AtomicBool;

pub static TOOL: Tool = Tool {
    name: "ts-verify",
    stage: cli::Stage::Control,
    about: "Prove that two sides hold the same time series, or show where they differ",
    description: "\
Everything is reduced to cells: (series, time, field) -> value. A NULL, an absent field and an absent row are the same: \
no cell. The order of rows and columns, the size of batches, the format and the spelling of numbers do not matter.

counts asks both sides how many values their tables have, per bucket of time (two StarRocks clusters: per partition). hash asks two \
StarRocks clusters for the sum of the hashes of all rows of each partition. digest makes a small digest of one side: per series and hour the number of cells and the sum of their 128-bit hashes. \
merge adds up the digests of parts that were read apart. compare compares two digests, two files of rows, or one of each, and names the series and hours that differ. rows \
compares two inputs the same way, then reads the differing hours again and shows every row and value.

Exit 0 means: everything was compared, there was something to compare, and it is equal. Differences are exit 1. Two \
empty sides, or anything that could not be checked, are no verdict: exit 10. A side that was cut is exit 9.",
    examples: &[
        ("two files, whatever their formats", "ts-verify rows source.csv target.parquet"),
        ("digests made where the data is", "ts-verify digest source.csv -o a.digest && ts-verify digest target.parquet -o b.digest && ts-verify compare a.digest b.digest"),
        ("parts that were read apart, for example by one worker each", "ts-verify merge part-*.digest -o whole.digest"),
        ("a quick look at two databases: counts, which they make themselves", "ts-verify counts tdengine://root@host:6041/db influx1+http://host:8086/db"),
        ("two StarRocks clusters: which partitions differ, and in which columns", "ts-verify hash starrocks://root@a:9030/db starrocks://root@b:9030/db"),
        ("a page for people, and a list of what to run again", "ts-verify rows source.csv target.parquet --html report.html --repair again.jsonl"),
        ("two commands; a failing one is never taken for a shorter side", "ts-verify rows --source-cmd 'cat source.csv' --target-cmd 'cat target.parquet' --out text"),
    ],
    environment: &[
        ("TS_SOURCE_URL", "the first side of counts and hash; _PASSWORD and _TOKEN go with it"),
        ("TS_TARGET_URL", "the second side of counts and hash; _PASSWORD and _TOKEN go with it"),
    ],
};

/// Runs one of the commands.
pub fn run(args: Args, run: &Run) -> Result<()> {
    match args.command {
        Command::Digest(args) => make_digest(&args, run),
        Command::Merge(args) => merge::run(&args, run),
        Command::Counts(args) => counts::run(&args, run),
        Command::Hash(args) => partitioned::hash(&args, run),
        Command::Compare(args) => pair::run(&args, None, run),
        Command::Rows(args) => pair::run(&args.pair, Some(&args), run),
    }
}

fn make_digest(args: &DigestArgs, run: &Run) -> Result<()> {
    let options = args.equal.options(&args.map)?;
    let mapping = args.map.mapping(false)?;
    let mut out = BufWriter::with_capacity(1 << 16, Output::create(args.output.output.as_deref())?);
    let spec = Spec::Path(args.input.clone());
    let rows = match Input::open(&spec, args.read.settings(None), args.spool, Kind::Source, run)? {
        Input::Rows(rows) => rows,
        Input::Digest(_) => return Err(Error::usage("the input is a digest already: use ts-verify compare")),
    };
    let side = Opened::named(rows, &mapping, args.map.names()?.as_ref())?;
    check_names(&mapping, &[&side.layout])?;
    let header = Header::new(&side.layout, options);
    let side = side.digest(&options, args.equal.max_memory / 2, run, &AtomicBool::new(false))?;
    digest_file::write(&mut out, &header, &side.digest)?;
    if let Some(sample) = options.sample {
        run.note("sample", sample.to_string());
    }
    run.counter("cells").set(side.digest.counts.cells);
    out.into_inner().map_err(|error| Error::io("cannot write the digest", error.into_error()))?.finish()
}
