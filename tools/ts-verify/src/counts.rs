//! `counts`: how many values each table has in each bucket of time, counted by the systems themselves. Quick, and no proof:
//! equal counts say nothing of values. Two StarRocks clusters count by partition (`partitioned`).

use crate::args::{CountsArgs, DEFAULTS};
use crate::canonical::instant;
use crate::counted::{self, Counted, File, Source};
use crate::digest::bucket_of;
use crate::input::{Input, Spec};
use crate::names::Names;
use crate::options::Options;
use crate::partitioned::{self, Plan};
use crate::report::Out;
use crate::sides::Place;
use cli::Run;
use cli::output::Output;
use fault::{Error, Kind, Result};
use rows::time::{Nanos, Unit, parse_instant};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Buckets of all tables together, at most: each is a question to both sides.
const BUCKETS: i128 = 100_000;
/// The width of a bucket where nothing is said.
const DAY: Duration = Duration::from_secs(86_400);

/// A side that can be asked.
struct Side {
    name: String,
    source: Box<dyn Source>,
    /// A file whose rows do not name their table.
    unnamed: bool,
    rows: Option<u64>,
    cells: u64,
}

/// Counts both sides.
pub fn run(args: &CountsArgs, run: &Run) -> Result<()> {
    let given_up = Arc::new(AtomicBool::new(false));
    let (a, b) = match args.sides.open(&given_up, run)? {
        (Place::Starrocks(a), Place::Starrocks(b)) if !args.by_time() => {
            let plan = Plan { list: &args.list, sides: &args.sides, select: &args.select, hash: None };
            return partitioned::run(&plan, [a, b], &given_up, run);
        }
        _ if args.select.is_given() => {
            let text = "--partitions, --where and --ignore are for two StarRocks clusters, counted by partition";
            return Err(Error::usage(text));
        }
        places => places,
    };
    let mut out = BufWriter::new(Output::create(args.list.output.output.as_deref())?);
    let width = i64::try_from(args.bucket.unwrap_or(DAY).as_nanos()).ok().filter(|width| *width > 0);
    let width = width.ok_or_else(|| Error::usage("--bucket must be between 1ns and 292 years"))?;
    let settled = args.settle.settled()?;
    let at = |text: &Option<String>| text.as_deref().map(parse_instant).transpose();
    let (since, until) = (at(&args.since)?, at(&args.until)?.into_iter().chain(settled).min());
    let options = Options { since, until, bucket: width, ..DEFAULTS };
    let names = args.map.as_deref().map(Names::new).transpose()?;
    let mut a = side(a, args, Kind::Source, &options, run)?;
    let mut b = side(b, args, Kind::Target, &options, run)?;
    let tables = tables(args, names.as_ref(), &mut a, &mut b)?;
    let (mut buckets, mut differing, mut shown) = (0u64, 0u64, 0u64);
    for (name, theirs) in &tables {
        for (from, to) in windows(&options, &mut a, name, &mut b, theirs)? {
            run.stop().check()?;
            let x = rename(a.source.count(name, from, to)?, names.as_ref());
            let y = b.source.count(theirs, from, to)?;
            a.add(&x);
            b.add(&y);
            buckets += 1;
            let fields = differences(&x, &y);
            differing += u64::from(!fields.is_empty());
            run.counter("buckets").set(buckets);
            if (fields.is_empty() && !args.list.all) || shown >= args.list.limit {
                continue;
            }
            shown += 1;
            let line = match args.list.out {
                Out::Json => json(name, theirs, (from, to), (&x, &y), &fields),
                Out::Text => text(name, from, (&x, &y), &fields),
            };
            writeln!(out, "{line}").map_err(cannot_write)?;
        }
    }
    let empty = a.cells + b.cells == 0 && !args.list.allow_empty;
    let none = "none: nothing was counted on either side, which proves nothing: check the names and the range, or say --allow-empty";
    let (word, message) = match (differing, empty) {
        (0, true) => ("none", none.to_owned()),
        (0, false) => (
            "equal",
            format!(
                "equal counts: {} values of {} tables in {buckets} buckets; no value was compared",
                a.cells,
                tables.len()
            ),
        ),
        _ => ("different", format!("different: {differing} of {buckets} buckets")),
    };
    let side = |side: &Side| json!({ "name": side.name, "rows": side.rows, "cells": side.cells });
    let time = |at: Option<Nanos>| at.map(|at| instant(at, Unit::S));
    let summary = json!({
        "kind": "summary", "verdict": word, "message": message, "complete": !empty, "level": "counts",
        "a": side(&a), "b": side(&b), "tables": tables.len(), "buckets": buckets, "buckets_differing": differing, "shown": shown,
        "options": { "since": time(since), "until": time(until), "settled_until": time(settled), "bucket": width.to_string() },
        "version": env!("CARGO_PKG_VERSION"),
    });
    run.counter("cells").set(a.cells.max(b.cells));
    run.counter("differences").set(differing);
    run.note("verdict", word);
    let last = match args.list.out {
        Out::Json => summary.to_string(),
        Out::Text => {
            let side = |which: &str, side: &Side| {
                let rows = side.rows.map_or(String::new(), |rows| format!("{rows} rows, "));
                format!("{which}: {rows}{} cells ({})\n", side.cells, side.name)
            };
            format!("{}{}verdict: {message}", side("a", &a), side("b", &b))
        }
    };
    writeln!(out, "{last}").map_err(cannot_write)?;
    out.into_inner().map_err(|error| cannot_write(error.into_error()))?.finish()?;
    match word {
        "equal" => Ok(()),
        "none" => Err(Error::new(Kind::NoVerdict, message)),
        _ => Err(Error::new(Kind::Negative, message)),
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the report", error)
}

impl Side {
    fn add(&mut self, counted: &Counted) {
        self.cells += counted.cells.values().sum::<u64>();
        if let Some(rows) = counted.rows {
            *self.rows.get_or_insert(0) += rows;
        }
    }
}

/// A side that can be asked.
fn side(place: Place, args: &CountsArgs, which: Kind, options: &Options, run: &Run) -> Result<Side> {
    let made = |name, source| Side { name, source, unnamed: false, rows: None, cells: 0 };
    Ok(match place {
        Place::File(path) => {
            let rows = counted::rows(Input::open(&Spec::Path(path), args.read.settings(None), false, which, run)?)?;
            let name = rows.name.clone();
            let file = File::read(rows, options, run)?;
            Side { unnamed: file.unnamed, ..made(name, Box::new(file)) }
        }
        Place::Tdengine(name, server) => made(name, Box::new(server)),
        Place::Influx(name, server) => made(name, Box::new(server)),
        Place::Starrocks(cluster) => made(cluster.name().to_owned(), Box::new(cluster)),
    })
}

/// The tables to count: the name in a, and that in b.
fn tables(args: &CountsArgs, names: Option<&Names>, a: &mut Side, b: &mut Side) -> Result<Vec<(String, String)>> {
    let (mine, theirs) = (a.source.tables()?, b.source.tables()?);
    let named = |side: &Side| !side.unnamed;
    let mine = named(a).then_some(mine.as_slice());
    let mut pairs = args.sides.tables(names, mine, named(b).then_some(theirs.as_slice()))?;
    if pairs.is_empty() && (a.unnamed || b.unnamed) {
        pairs.insert((String::new(), String::new()));
    }
    match (a.unnamed || b.unnamed) && pairs.len() > 1 {
        true => Err(Error::usage("a file does not name the table of its rows: say which one it is with --table NAME")),
        false => Ok(pairs.into_iter().collect()),
    }
}

/// The buckets of a table, cut to the range that was asked for.
fn windows(options: &Options, a: &mut Side, name: &str, b: &mut Side, other: &str) -> Result<Vec<(Nanos, Nanos)>> {
    let (since, until) = (options.since, options.until);
    let ends = [a.source.ends(name, since, until)?, b.source.ends(other, since, until)?];
    let first = ends.iter().flatten().map(|(first, _)| *first).min();
    let last = ends.iter().flatten().map(|(_, last)| *last).max();
    let Some((first, last)) = first.zip(last) else { return Ok(Vec::new()) };
    let (first, last) = (bucket_of(first, options.bucket)?, bucket_of(last, options.bucket)?);
    if i128::from(last) - i128::from(first) >= BUCKETS {
        return Err(Error::usage(format!(
            "table {name} spans {} buckets, and each is counted on its own: use a larger --bucket, or --since and --until",
            i128::from(last) - i128::from(first) + 1
        )));
    }
    let width = i128::from(options.bucket);
    let window = |bucket: i64| {
        let (from, to) = (i128::from(bucket) * width, (i128::from(bucket) + 1) * width);
        (since.map_or(from, |since| since.max(from)), until.map_or(to, |until| until.min(to)))
    };
    Ok((first..=last).map(window).collect())
}

/// The fields of the source as `--map` names them.
fn rename(counted: Counted, names: Option<&Names>) -> Counted {
    let Some(names) = names else { return counted };
    let cells = counted.cells.iter().filter_map(|(name, count)| Some((names.field(name)?.to_owned(), *count)));
    Counted { rows: counted.rows, cells: cells.collect() }
}

/// Fields that do not have as many values on both sides.
fn differences(a: &Counted, b: &Counted) -> BTreeMap<String, (u64, u64)> {
    let of = |counted: &Counted, name: &String| counted.cells.get(name).copied().unwrap_or(0);
    let names = a.cells.keys().chain(b.cells.keys());
    let both = names.map(|name| (name.clone(), (of(a, name), of(b, name))));
    both.filter(|(_, (x, y))| x != y).collect()
}

type Fields = BTreeMap<String, (u64, u64)>;

fn json(name: &str, other: &str, (from, to): (Nanos, Nanos), (a, b): (&Counted, &Counted), fields: &Fields) -> String {
    let side = |counted: &Counted| json!({ "rows": counted.rows, "cells": counted.cells.values().sum::<u64>() });
    let fields: Map<String, Value> = fields.iter().map(|(name, (x, y))| (name.clone(), json!([x, y]))).collect();
    let mut line = json!({
        "kind": "counts", "table": name, "from": instant(from, Unit::S), "to": instant(to, Unit::S),
        "equal": fields.is_empty(), "a": side(a), "b": side(b), "fields": fields,
    });
    if let (true, Some(line)) = (other != name, line.as_object_mut()) {
        line.insert("table_b".into(), other.into());
    }
    line.to_string()
}

fn text(name: &str, from: Nanos, (a, b): (&Counted, &Counted), fields: &Fields) -> String {
    let name = if name.is_empty() { "-" } else { name };
    let at = instant(from, Unit::S);
    if fields.is_empty() {
        return format!("equal    {at} {name} {} values", a.cells.values().sum::<u64>());
    }
    let words: Vec<String> = fields.iter().map(|(field, (x, y))| format!("{field}: a {x}, b {y}")).collect();
    let rows = match (a.rows, b.rows) {
        (Some(x), Some(y)) if x != y => format!("; rows: a {x}, b {y}"),
        _ => String::new(),
    };
    format!("differs  {at} {name} {}{rows}", words.join("; "))
}
