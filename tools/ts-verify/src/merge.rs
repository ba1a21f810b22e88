//! Digests of parts, added up to the digest of the whole.
//!
//! The sum is the digest of the whole only if no cell is in two parts. That is proved, not assumed: where two parts have
//! a line for the same series and bucket, their first and last instants must leave no instant that both could hold.

use crate::args::MergeArgs;
use crate::digest::Counts;
use crate::digest_file::{ColumnHead, FileCursor, Header, LineWriter};
use crate::input::{Input, Settings, Spec};
use crate::lines::Line;
use crate::options::{Dedupe, Options};
use cli::Run;
use cli::output::Output;
use fault::{Error, Kind, Result};
use lp::Dialect;
use rows::time::{Nanos, Unit};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Merges digests of parts.
pub fn run(args: &MergeArgs, run: &Run) -> Result<()> {
    check_paths(&args.inputs)?;
    let mut out = BufWriter::with_capacity(1 << 16, Output::create(args.output.output.as_deref())?);
    let mut parts = args.inputs.iter().map(|path| open(path, run)).collect::<Result<Vec<FileCursor>>>()?;
    let header = merged_header(&parts)?;
    let mut lines = LineWriter::new(&mut out, &header)?;
    let mut heap = BinaryHeap::with_capacity(parts.len());
    for part in 0..parts.len() {
        heap.extend(next(&mut parts, part)?);
    }
    let mut same: Vec<Head> = Vec::new();
    while let Some(head) = heap.pop() {
        run.stop().check()?;
        heap.extend(next(&mut parts, head.part)?);
        if same.first().is_some_and(|first| first.key() != head.key()) {
            lines.put(&sum(&mut same, header.options, &parts)?)?;
        }
        same.push(head);
    }
    if !same.is_empty() {
        lines.put(&sum(&mut same, header.options, &parts)?)?;
    }
    let mut counts = Counts::default();
    for part in &parts {
        add(&mut counts, &part.counts);
    }
    lines.finish(&counts)?;
    run.counter("rows").set(counts.rows);
    run.counter("cells").set(counts.cells);
    run.counter("parts").set(parts.len() as u64);
    out.into_inner().map_err(|error| Error::io("cannot write the digest", error.into_error()))?.finish()
}

/// The same file named twice, which would count twice even where it holds no line.
fn check_paths(inputs: &[PathBuf]) -> Result<()> {
    let mut seen = HashSet::new();
    for path in inputs {
        if !seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())) {
            return Err(Error::usage(format!("{} is given twice: it would be counted twice", path.display())));
        }
    }
    Ok(())
}

fn open(path: &Path, run: &Run) -> Result<FileCursor> {
    let settings = Settings { from: None, precision: Unit::Ns, dialect: Dialect::Portable, end_mark: false };
    match Input::open(&Spec::Path(path.to_owned()), settings, false, Kind::Source, run)? {
        Input::Digest(cursor) => Ok(cursor),
        Input::Rows(rows) => Err(Error::usage(format!("{} is no digest: make one with ts-verify digest", rows.name))),
    }
}

/// A line and the part that it is of, in the order of the keys.
struct Head {
    line: Line,
    part: usize,
}

impl Head {
    fn key(&self) -> (&str, i64) {
        (&self.line.label, self.line.bucket)
    }
}

impl Ord for Head {
    /// Reversed: the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key()).then(other.part.cmp(&self.part))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

fn next(parts: &mut [FileCursor], part: usize) -> Result<Option<Head>> {
    let Some(cursor) = parts.get_mut(part) else { return Ok(None) };
    Ok(cursor.next()?.map(|line| Head { line, part }))
}

/// The sum of the lines of one series and bucket; `same` is empty afterwards.
fn sum(same: &mut Vec<Head>, options: Options, parts: &[FileCursor]) -> Result<Line> {
    same.sort_by_key(|head| (head.line.first, head.line.last));
    let name = |head: &Head| parts.get(head.part).map_or("", |part| part.name.as_str());
    for pair in same.windows(2) {
        let [x, y] = pair else { continue };
        // With --dedupe keep every value counts, so a value in two parts is two values; but two equal lines are one part
        // that came twice.
        let twice = match options.dedupe {
            Dedupe::Keep => x.line == y.line,
            _ => y.line.first <= x.line.last,
        };
        if twice {
            let at = |time| crate::canonical::instant(time, Unit::S);
            return Err(Error::usage(format!(
                "{} and {} may hold the same values: both have series {} from {} to {}: merge parts that are cut by \
                 series or by time, each once",
                name(x),
                name(y),
                x.line.label,
                at(y.line.first),
                at(y.line.last.min(x.line.last))
            )));
        }
    }
    let mut heads = same.drain(..);
    let Some(Head { line: mut total, .. }) = heads.next() else {
        return Err(Error::new(Kind::Bug, "a sum of no lines"));
    };
    for Head { line, .. } in heads {
        total.absorb(&line);
    }
    Ok(total)
}

fn add(total: &mut Counts, part: &Counts) {
    total.rows += part.rows;
    total.cells += part.cells;
    total.all_null_rows += part.all_null_rows;
    total.empty_tags += part.empty_tags;
    total.non_finite += part.non_finite;
    total.duplicates += part.duplicates;
    total.collisions += part.collisions;
    total.float32 += part.float32;
}

/// The header of the whole: the options and columns that all parts share, over all their ranges. Exit 2 if they do not.
fn merged_header(parts: &[FileCursor]) -> Result<Header> {
    let Some(first) = parts.first() else { return Err(Error::usage("give the digests to merge")) };
    let anytime = |options: Options| Options { since: None, until: None, ..options };
    let mut columns: BTreeMap<(bool, &str), (&ColumnHead, &str)> = BTreeMap::new();
    for part in parts {
        let refuse =
            |what: String| Err(Error::usage(format!("{} and {} cannot be merged: {what}", first.name, part.name)));
        let (mine, theirs) = (anytime(first.header.options), anytime(part.header.options));
        if let Some(difference) = mine.difference(theirs) {
            return refuse(format!("they were made with different options: {difference}"));
        }
        if mine.dedupe != theirs.dedupe {
            return refuse("they were made with different --dedupe".to_owned());
        }
        if first.header.measurement != part.header.measurement {
            return refuse("only one names its measurement: make both with --measurement NAME".to_owned());
        }
        for column in &part.header.columns {
            // Tags before fields, each by name: as in the digest of the whole.
            let (known, of) = columns.entry((!column.tag, &column.name)).or_insert((column, &part.name));
            if *known != column {
                return Err(Error::usage(format!(
                    "{of} and {} cannot be merged: column {} is {} (read as {}) in one and {} (read as {}) in the other: \
                     make both with the same types, or with --read {}=FORM",
                    part.name, column.name, known.declared, known.form, column.declared, column.form, column.name
                )));
            }
        }
    }
    let role = columns.values().find(|(column, _)| column.tag && columns.contains_key(&(true, &column.name)));
    if let Some((column, of)) = role
        && !parts.iter().any(|part| part.header.columns.iter().filter(|other| other.name == column.name).count() > 1)
    {
        return Err(Error::usage(format!(
            "column {} is a tag in {of} and a field in another part: say --tag or --field {} for all",
            column.name, column.name
        )));
    }
    let (since, until) = range(parts)?;
    Ok(Header {
        options: Options { since, until, ..first.header.options },
        columns: columns.values().map(|(column, _)| (*column).clone()).collect(),
        measurement: first.header.measurement,
    })
}

/// The range of all parts together, which must have no hole.
fn range(parts: &[FileCursor]) -> Result<(Option<Nanos>, Option<Nanos>)> {
    let mut ranges: Vec<(Option<Nanos>, Option<Nanos>, &str)> =
        parts.iter().map(|part| (part.header.options.since, part.header.options.until, part.name.as_str())).collect();
    // No beginning sorts first.
    ranges.sort();
    let mut whole: Option<(Option<Nanos>, Option<Nanos>)> = None;
    for (since, until, name) in ranges {
        let Some((_, end)) = &mut whole else {
            whole = Some((since, until));
            continue;
        };
        if let (Some(end), Some(since)) = (*end, since)
            && since > end
        {
            let at = |time| crate::canonical::instant(time, Unit::S);
            return Err(Error::usage(format!(
                "no part covers {} to {}, before {name}: the digest of the whole range needs one",
                at(end),
                at(since)
            )));
        }
        // No end is later than any.
        *end = end.zip(until).map(|(x, y)| x.max(y));
    }
    whole.ok_or_else(|| Error::usage("give the digests to merge"))
}
