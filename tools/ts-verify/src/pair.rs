//! `compare` and `rows`: two sides, one verdict.

use crate::args::{DEFAULTS, PairArgs, RowsArgs};
use crate::classes::{Class, Classes};
use crate::compare::{Outcome, check_headers, compare};
use crate::differing::{Differing, List, ListWriter};
use crate::digest::Counts;
use crate::digest_file::{FileCursor, Header};
use crate::form::{Form, need};
use crate::heat::{Heat, Look};
use crate::html::{self, Page};
use crate::input::Input;
use crate::layout::{Agreement, Layout, RoleConflict, agree};
use crate::lines::{Cursor, Line};
use crate::options::Options;
use crate::recheck::{self, Rechecks};
use crate::report::{Kind as What, Record, Report};
use crate::rerun::Rerun;
use crate::rowdiff::{self, Found, Room, RowOutcome, State};
use crate::side::{Finished, Opened, both, check_names};
use crate::tolerance::Tolerance;
use crate::verdict::Verdict;
use cli::Run;
use cli::output::Output;
use fault::{Error, Kind, Result};
use rows::time::{Nanos, Unit};
use serde_json::{Map, Value, json};
use std::sync::atomic::AtomicBool;

/// A side that is ready to be compared.
enum Side {
    File(Box<FileCursor>, String),
    Made(Box<Finished>, Header),
}

impl Side {
    fn header(&self) -> &Header {
        match self {
            Side::File(cursor, _) => &cursor.header,
            Side::Made(_, header) => header,
        }
    }

    fn name(&self) -> &str {
        match self {
            Side::File(_, name) => name,
            Side::Made(made, _) => &made.rows.name,
        }
    }

    fn unit(&self) -> Unit {
        match self {
            Side::File(..) => Unit::S,
            Side::Made(made, _) => made.layout.unit,
        }
    }
}

/// Both sides, and what their columns needed to be comparable.
struct Pair {
    a: Side,
    b: Side,
    options: Options,
    agreements: Vec<Agreement>,
    conflicts: Vec<RoleConflict>,
}

/// What is said of the comparison, and where.
struct Told {
    classes: Classes,
    report: Report<Output>,
    rerun: Rerun,
    page: Option<Page>,
}

/// Compares two sides; with `rows_max` down to the rows.
pub fn run(args: &PairArgs, rows: Option<&RowsArgs>, run: &Run) -> Result<()> {
    let rows_max = rows.map(|rows| rows.rows_max);
    let tolerance = Tolerance::new(rows.map_or(&[], |rows| &rows.tolerance))?;
    let mut classes = Classes::new(&args.report.allow, args.report.strict)?;
    let out = Output::create(args.output.output.as_deref())?;
    let repair = args.report.repair.as_deref().map(Output::file).transpose()?;
    let html = args.report.html.as_deref().map(Output::file).transpose()?;
    let mut options = args.equal.options(&args.map)?;
    let settled = args.live.settle.settled()?;
    options.until = options.until.into_iter().chain(settled).min();
    let pair = open(args, rows_max.is_some(), options, &classes, run)?;
    if pair.options.sample.is_some() && repair.is_some() {
        return Err(Error::usage(
            "--repair lists everything that differs, and a sample does not see everything: compare all series",
        ));
    }
    classes.add(Class::TypeChanged, pair.agreements.len() as u64);
    classes.add(Class::TagFieldRole, pair.conflicts.len() as u64);
    let unit = pair.a.unit().max(pair.b.unit());
    let shown = if html.is_some() { html::SHOWN } else { 0 };
    let mut report = Report::new(out, args.report.out, args.report.limit, unit, shown);
    show_conflicts(&pair.conflicts, &classes, &mut report)?;
    let Pair { mut a, mut b, options, agreements, .. } = pair;
    if let (Side::Made(a, _), Side::Made(b, _)) = (&a, &b) {
        tolerance.check([&a.layout, &b.layout])?;
    }
    let page = html.map(|out| Page::new(out, Heat::new(&options)));
    let mut told = Told { classes, report, rerun: Rerun::new(repair, &options), page };
    let again = args.live.rechecks > 0;
    let mut seen = told.first_look(&mut a, &mut b, rows_max.is_some() || again, args.report.limit)?;
    let (mut range, mut rechecks) = (options, None);
    if again {
        let read = |part: Options, classes: &Classes| {
            let pair = open(args, rows_max.is_some(), part, classes, run)?;
            (a, b, range) = (pair.a, pair.b, part);
            let seen = Seen::compare(&mut a, &mut b, u64::MAX, |_, _| {}, |_| Ok(()))?;
            release([&mut a, &mut b]);
            Ok(seen.differing)
        };
        rechecks = Some(told.look_again(args, &options, &mut seen, run, read)?);
        if rows_max.is_none() {
            told.note_for_repair(&seen.differing)?;
        }
    }
    count_classes(&mut told.classes, &seen);

    let odd = !told.classes.within(Class::NonFinite);
    let buckets = seen.outcome.differing + if odd { seen.outcome.only_odd } else { 0 };
    let outcome = match (rows_max, &mut a, &mut b) {
        (Some(rows), Side::Made(a, _), Side::Made(b, _)) => {
            let room = Room::new(rows, args.equal.max_memory);
            let sides = (row_side(a), row_side(b));
            let (differing, equal) = ((&seen.differing, odd), (&range, &tolerance));
            rowdiff::run(sides, differing, equal, room, (&mut told.classes, &mut told.report), run)?
        }
        _ => {
            told.show_buckets(&seen.differing, odd, buckets, options.bucket)?;
            RowOutcome { real: buckets, ..RowOutcome::default() }
        }
    };
    if rows_max.is_some() {
        told.take_rows(&seen.differing, odd, &outcome)?;
    }

    let verdict =
        Verdict::new(&outcome, &told.classes, &told.report, (seen.a.0, seen.b.0), options.sample, &args.report);
    run.counter("cells").set(seen.a.0.cells.max(seen.b.0.cells));
    run.counter("differences").set(told.report.total());
    run.note("verdict", verdict.word());
    if let Some(sample) = options.sample {
        run.note("sample", sample.to_string());
    }
    if let Verdict::Different(text) = &verdict {
        run.note("reason", text.trim_start_matches("different: "));
    }
    let summary = Summary {
        verdict: &verdict,
        level: if rows_max.is_some() { "rows" } else { "digest" },
        sides: (&a, &b),
        seen: &seen,
        buckets,
        outcome: &outcome,
        agreements: &agreements,
        rechecks,
        options: &options,
        tolerance: &tolerance,
        settled,
    };
    told.finish(&summary, odd)?;
    verdict.into_result()
}

/// Columns that are a tag on one side and a field on the other, unless that is allowed however often.
fn show_conflicts(conflicts: &[RoleConflict], classes: &Classes, report: &mut Report<Output>) -> Result<()> {
    for conflict in conflicts.iter().filter(|_| !classes.unlimited(Class::TagFieldRole)) {
        let (a, b) = if conflict.tag_in_a { ("tag", "field") } else { ("field", "tag") };
        report.difference(&Record {
            kind: What::Type,
            series: None,
            time: None,
            field: Some(&conflict.name),
            a: a.into(),
            b: b.into(),
            class: Some(Class::TagFieldRole),
            more: Map::new(),
        })?;
    }
    Ok(())
}

/// What the digests say of the classes.
fn count_classes(classes: &mut Classes, seen: &Seen) {
    let (x, y) = (seen.a.0, seen.b.0);
    classes.set(Class::NonFinite, seen.outcome.non_finite);
    classes.set(Class::AllNullRow, x.all_null_rows.abs_diff(y.all_null_rows));
    classes.set(Class::EmptyTag, x.empty_tags.abs_diff(y.empty_tags));
    classes.set(Class::Duplicate, x.duplicates.abs_diff(y.duplicates));
    classes.set(Class::Float32, x.float32 + y.float32);
    classes.set(Class::PrecisionCollision, x.collisions.max(y.collisions));
}

/// How a bucket that differs looked at first.
fn first_look(bucket: &Differing) -> Look {
    if bucket.only_odd { Look::Odd } else { Look::Differing }
}

impl Told {
    /// Compares the digests. `later`: the rows, or another look, will tell which buckets need a repair; then all that
    /// differ are kept, else `limit` of them.
    fn first_look(&mut self, a: &mut Side, b: &mut Side, later: bool, limit: u64) -> Result<Seen> {
        let Told { classes, rerun, page, .. } = self;
        let look = |line: &Line, look| {
            if let Some(page) = page {
                page.heat.add(&line.label, line.bucket, look);
            }
        };
        let seen = Seen::compare(a, b, if later { u64::MAX } else { limit }, look, |bucket| match later {
            true => Ok(()),
            false => rerun.add_unless_allowed(bucket, classes),
        })?;
        release([a, b]);
        Ok(seen)
    }

    /// Reads again what differs; `read` gives the buckets that differ in a range.
    fn look_again(
        &mut self,
        args: &PairArgs,
        options: &Options,
        seen: &mut Seen,
        run: &Run,
        mut read: impl FnMut(Options, &Classes) -> Result<List>,
    ) -> Result<Rechecks> {
        let Told { classes, page, .. } = self;
        let settle = |bucket: &Differing| {
            if let Some(page) = page {
                page.heat.revise(&bucket.label, bucket.bucket, first_look(bucket), State::Equal);
            }
        };
        let differing = std::mem::replace(&mut seen.differing, ListWriter::new()?.finish()?);
        let (list, made) = recheck::run(&args.live, options, differing, run, |part| read(part, classes), settle)?;
        seen.differing = list;
        seen.outcome.recount(&seen.differing)?;
        Ok(made)
    }

    /// Every bucket of the list that is not allowed needs a repair.
    fn note_for_repair(&mut self, differing: &List) -> Result<()> {
        let mut list = differing.open();
        while let Some(bucket) = list.next()? {
            self.rerun.add_unless_allowed(&bucket, &self.classes)?;
        }
        Ok(())
    }

    /// Reports the buckets that differ, `buckets` in all, where no rows are looked at. `odd`: those too that differ in NaN
    /// and infinities only.
    fn show_buckets(&mut self, differing: &List, odd: bool, buckets: u64, width: i64) -> Result<()> {
        let (mut list, mut shown) = (differing.open(), 0);
        while let Some(bucket) = list.next()? {
            if odd || !bucket.only_odd {
                shown += 1;
                self.report.difference(&bucket_record(&bucket, width))?;
            }
        }
        self.report.count_more(What::Bucket, buckets.saturating_sub(shown));
        if odd { self.rerun.add_held() } else { Ok(()) }
    }

    /// Takes over what the rows of each bucket said.
    fn take_rows(&mut self, differing: &List, odd: bool, outcome: &RowOutcome) -> Result<()> {
        let (mut list, mut found) = (differing.open(), outcome.found.iter());
        while let Some(bucket) = list.next()? {
            if bucket.only_odd && !odd {
                continue;
            }
            let state = found.next().unwrap_or(&Found::DIGEST).state(&self.classes);
            if state != State::Tolerated {
                self.rerun.add(&bucket)?;
            }
            if let Some(page) = &mut self.page {
                page.heat.revise(&bucket.label, bucket.bucket, first_look(&bucket), state);
            }
        }
        Ok(())
    }

    /// Writes the summary to the report and the page, and completes all outputs.
    fn finish(mut self, summary: &Summary, odd: bool) -> Result<()> {
        let summary = summary.to_json(&self);
        self.rerun.finish()?;
        if let Some(mut page) = self.page.take() {
            page.heat.settle(odd);
            page.finish(&summary, &self.report.first)?;
        }
        self.report.finish(&summary)?.finish()
    }
}

/// The whole comparison, for the last line of the report.
struct Summary<'a> {
    verdict: &'a Verdict,
    level: &'static str,
    sides: (&'a Side, &'a Side),
    seen: &'a Seen,
    /// Those that differ.
    buckets: u64,
    outcome: &'a RowOutcome,
    agreements: &'a [Agreement],
    rechecks: Option<Rechecks>,
    options: &'a Options,
    tolerance: &'a Tolerance,
    settled: Option<Nanos>,
}

impl Summary<'_> {
    fn to_json(&self, told: &Told) -> Value {
        let (seen, outcome, report) = (self.seen, self.outcome, &told.report);
        let side = |name: &str, (counts, series): (Counts, u64), buckets: u64| {
            json!({
                "name": name, "rows": counts.rows, "cells": counts.cells, "series": series, "buckets": buckets,
                "all_null_rows": counts.all_null_rows, "empty_tags": counts.empty_tags, "nan_inf": counts.non_finite,
                "duplicates": counts.duplicates, "collisions": counts.collisions,
                "float32": counts.float32,
            })
        };
        let all = outcome.not_examined == 0 && self.options.sample.is_none();
        json!({
            "kind": "summary",
            "verdict": self.verdict.word(),
            "message": self.verdict.message(),
            "complete": all && !matches!(self.verdict, Verdict::None(_)),
            "level": self.level,
            "a": side(self.sides.0.name(), seen.a, seen.outcome.buckets_a),
            "b": side(self.sides.1.name(), seen.b, seen.outcome.buckets_b),
            "buckets_differing": self.buckets,
            "buckets_not_examined": outcome.not_examined,
            "differences": report.counts(),
            "allowed": report.allowed,
            "tolerated": told.classes.count(Class::Tolerated),
            "shown": report.shown,
            "repair": told.rerun.lines(),
            "classes": told.classes.to_json(),
            "read": self.read(),
            "rechecks": self.rechecks.as_ref().map(|made| made.to_json()),
            "options": self.options(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// How columns whose types differ were read.
    fn read(&self) -> Map<String, Value> {
        let read = |x: &Agreement| json!({ "a": x.a.to_string(), "b": x.b.to_string(), "as": x.form.to_string() });
        self.agreements.iter().map(|x| (x.name.clone(), read(x))).collect()
    }

    fn options(&self) -> Value {
        let mut told = self.options.to_json();
        if let (Some(text), Some(map)) = (self.tolerance.to_json(), told.as_object_mut()) {
            map.insert("tolerance".into(), text);
        }
        if let (Some(end), Some(map)) = (self.settled, told.as_object_mut()) {
            map.insert("settled_until".into(), crate::canonical::instant(end, Unit::S).into());
        }
        told
    }
}

/// Frees what the digests hold in memory or on disk.
fn release(sides: [&mut Side; 2]) {
    for side in sides {
        if let Side::Made(made, _) = side {
            made.release();
        }
    }
}

fn row_side(side: &mut Finished) -> rowdiff::Side<'_> {
    rowdiff::Side { rows: &mut side.rows, layout: &side.layout }
}

/// Opens both sides and makes the digests that are not there yet.
fn open(args: &PairArgs, rows: bool, mut options: Options, classes: &Classes, run: &Run) -> Result<Pair> {
    let (a, b) = args.specs()?;
    args.live.check([&a, &b])?;
    let (a, b) = (a.within(&options)?, b.within(&options)?);
    let names = args.map.names()?;
    let mapping = args.map.mapping(classes.allows(Class::TagFieldRole))?;
    // At once: two commands, or two ends of pipes, need not wait for each other.
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| Input::open(&b, args.read.settings(args.from_b), rows, Kind::Target, run));
        let a = Input::open(&a, args.read.settings(args.from_a), rows, Kind::Source, run);
        (a, other.join())
    });
    let (a, b) = (a?, b.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a thread panicked")))?);
    let memory = args.equal.max_memory;
    let (mut agreements, mut conflicts) = (Vec::new(), Vec::new());
    let (a, b) = match (a, b) {
        (Input::Rows(a), Input::Rows(b)) => {
            let (mut a, mut b) = (Opened::named(a, &mapping, names.as_ref())?, Opened::new(b, &mapping)?);
            check_names(&mapping, &[&a.layout, &b.layout])?;
            (agreements, conflicts) = agree(&mut a.layout, &mut b.layout, &mapping, options);
            check_headers(&Header::new(&a.layout, options), &Header::new(&b.layout, options))?;
            let (a, b) = both(a, b, &options, memory / 4, run)?;
            (made(a, options), made(b, options))
        }
        _ if rows => {
            return Err(Error::usage("a digest holds no rows: give the data of both sides, or use ts-verify compare"));
        }
        (a, b) if args.live.rechecks > 0 && (matches!(a, Input::Digest(_)) || matches!(b, Input::Digest(_))) => {
            return Err(Error::usage("--rechecks reads both sides again, and a digest is what it is: give the data"));
        }
        (Input::Digest(_), Input::Digest(_)) if args.live.settle.settle.is_some() => {
            return Err(Error::usage(
                "--settle leaves out rows, and digests have none: make both with the same --until",
            ));
        }
        (Input::Digest(_), _) if names.is_some() => {
            return Err(Error::usage("--map is for the first side, which is a digest: make that one with --map"));
        }
        (Input::Digest(a), Input::Digest(b)) => {
            check_headers(&a.header, &b.header)?;
            options = a.header.options;
            (file(a), file(b))
        }
        (Input::Digest(a), Input::Rows(b)) => {
            options = adopt(options, a.header.options)?;
            let b = beside(&a.header, Opened::new(b, &mapping)?, options, &mapping)?;
            check_headers(&a.header, &Header::new(&b.layout, options))?;
            let b = b.digest(&options, memory / 2, run, &AtomicBool::new(false))?;
            (file(a), made(b, options))
        }
        (Input::Rows(a), Input::Digest(b)) => {
            options = adopt(options, b.header.options)?;
            let a = beside(&b.header, Opened::named(a, &mapping, names.as_ref())?, options, &mapping)?;
            check_headers(&Header::new(&a.layout, options), &b.header)?;
            let a = a.digest(&options, memory / 2, run, &AtomicBool::new(false))?;
            (made(a, options), file(b))
        }
    };
    Ok(Pair { a, b, options, agreements, conflicts })
}

fn made(side: Finished, options: Options) -> Side {
    let header = Header::new(&side.layout, options);
    Side::Made(Box::new(side), header)
}

fn file(cursor: FileCursor) -> Side {
    let name = cursor.name.clone();
    Side::File(Box::new(cursor), name)
}

/// Data beside a digest is digested as the digest was; options that say otherwise are refused.
fn adopt(mine: Options, digest: Options) -> Result<Options> {
    let mine = if mine.difference(DEFAULTS).is_none() { Options { dedupe: mine.dedupe, ..digest } } else { mine };
    match mine.difference(digest) {
        None => Ok(mine),
        Some(difference) => Err(Error::usage(format!(
            "the options and the digest differ: {difference}; leave the options out, they are the digest's"
        ))),
    }
}

/// Reads the columns of data as those of the digest beside it.
fn beside(header: &Header, mut side: Opened, options: Options, mapping: &crate::layout::Mapping) -> Result<Opened> {
    check_names(mapping, &[&side.layout])?;
    side.layout.use_spare(|name| header.columns.iter().any(|column| column.tag && column.name == name));
    let read = |layout: &mut Layout| {
        for (columns, tags) in [(&mut layout.tags, true), (&mut layout.fields, false)] {
            for column in columns.iter_mut().filter(|column| !column.told) {
                let Some(other) = header.columns.iter().find(|x| x.tag == tags && x.name == column.name) else {
                    continue;
                };
                let needed = need(other.declared, column.declared, options.float32, mapping.bytes.unwrap_or(Form::Hex));
                let form = if tags { Some(other.form) } else { needed.or(Some(other.form)) };
                if let Some(form) = form.filter(|form| *form != Form::Own) {
                    column.form = form;
                }
            }
        }
    };
    read(&mut side.layout);
    Ok(side)
}

/// What the digests say.
struct Seen {
    outcome: Outcome,
    differing: List,
    a: (Counts, u64),
    b: (Counts, u64),
}

impl Seen {
    /// Compares, shows every differing bucket to `each`, and keeps so many of either sort.
    fn compare(
        a: &mut Side,
        b: &mut Side,
        keep: u64,
        look: impl FnMut(&Line, Look),
        mut each: impl FnMut(&Differing) -> Result<()>,
    ) -> Result<Seen> {
        check_headers(a.header(), b.header())?;
        let (a, b) = (&mut cursor(a), &mut cursor(b));
        let (mut differing, mut kept) = (ListWriter::new()?, [0; 2]);
        let outcome = compare(a, b, look, |bucket| {
            each(&bucket)?;
            let kept = &mut kept[usize::from(bucket.only_odd)];
            *kept += 1;
            if *kept <= keep { differing.put(&bucket) } else { Ok(()) }
        })?;
        Ok(Seen { outcome, differing: differing.finish()?, a: a.counts(), b: b.counts() })
    }
}

fn cursor(side: &mut Side) -> Cursor<'_> {
    match side {
        Side::File(cursor, _) => Cursor::File(cursor),
        Side::Made(made, _) => made.digest.cursor(),
    }
}

fn bucket_record(bucket: &Differing, width: i64) -> Record<'_> {
    let side = |line: &Option<Line>| match line {
        None => Value::Null,
        Some(line) => json!({
            "rows": line.rows, "cells": line.cells, "nan_inf": line.odd_cells,
            "first": crate::canonical::instant(line.first, Unit::S), "last": crate::canonical::instant(line.last, Unit::S),
        }),
    };
    let start = i128::from(bucket.bucket) * i128::from(width);
    let mut more = Map::new();
    more.insert("until".into(), crate::canonical::instant(start + i128::from(width), Unit::S).into());
    Record {
        kind: What::Bucket,
        series: Some(&bucket.label),
        time: Some(start),
        field: None,
        a: side(&bucket.a),
        b: side(&bucket.b),
        class: bucket.only_odd.then_some(Class::NonFinite),
        more,
    }
}
