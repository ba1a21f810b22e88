//! `ts-plan`: what a migration has to do, as a list of splits.

pub mod args;
mod identity;
mod repair;
mod rounds;
mod source;
mod windows;

pub use args::Args;

use args::Width;
use cli::output::Output;
use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use identity::Identity;
use rows::instant::Printer;
use rows::time::{Nanos, Unit, ceil_to};
use source::{Source, Table};
use state::plan::MOST;
use state::{Directory, Plan, Split};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use windows::{Range, Window};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "ts-plan",
    stage: cli::Stage::Control,
    about: "Write the plan of a migration: its splits, each a table's rows in a window of time",
    description: "\
Reads the catalog of a TDengine database and counts rows where they are; no row is read. The plan is a TSV with the columns id, table, \
predicate, from, to, est_rows, which ts-run and ts-state understand. Windows are half-open and aligned to the epoch; those without \
rows are left out. The id of a split is a hash of what would be written (source, target, table, predicate, window, --options), so \
the same split has the same id in every later plan, on every host, wherever it stands. Without --until the upper bound is just after \
the newest row at this moment: what arrives later belongs to a later plan.

With --width auto a window is halved until it has no more than --rows-per-split rows. A plan has at most 100,000 splits. A plan that \
exists is replaced only by one that was made with the same options, over whatever range.

--from-repair keeps the splits of an earlier plan whose windows hold a difference. --since-state plans the next round of an \
incremental migration: each table from where it is done without a gap, less --lateness, up to now, less --settle.",
    examples: &[
        ("a plan with splits of about a million rows", "ts-plan --rows-per-split 1500000 -o migration/plan.tsv"),
        ("days of two tables", "ts-plan --table meters --table 'alarm*' --since 2024-01-01 --width 1d -o migration/plan.tsv"),
        (
            "what has to be moved again",
            "ts-plan --from-repair again.jsonl --plan migration/plan.tsv -o repair/plan.tsv",
        ),
    ],
    environment: &[
        ("TS_SOURCE_URL", "the source: tdengine://user@host:6041/db"),
        ("TS_SOURCE_PASSWORD", "its password (default: the vendor's)"),
        ("TS_SOURCE_TOKEN", "a bearer token, instead of user and password (server 3.4)"),
        ("TS_TARGET_URL", "the target, part of every id"),
    ],
};

/// Runs the tool.
pub fn run(args: Args, run: &Run) -> Result<()> {
    args.check()?;
    if let (Some(list), Some(path)) = (&args.from_repair, &args.plan) {
        let (plan, outside) = repair::differing(Plan::read(path)?, list)?;
        if outside > 0 {
            run.warn(format!(
                "{outside} differences lie in no split of {}: repeating splits does not mend them",
                path.display()
            ));
            run.counter("outside").set(outside);
        }
        if plan.splits.is_empty() {
            return Err(Error::new(
                Kind::NoVerdict,
                format!("{} holds no difference in any split of {}: nothing to repair", list.display(), path.display()),
            ));
        }
        return write(&plan, &args, run);
    }
    let mut identity = Identity::new(&args)?;
    let state = args.since_state.as_deref().map(Directory::open).transpose()?;
    let until = match &state {
        Some(_) => Some(args.until.unwrap_or_else(|| rounds::before(now(), args.settle))),
        None => args.until,
    };
    let marks = state.as_ref().zip(until).map(|(state, until)| rounds::marks(state, until)).transpose()?;
    let mut source = Source::new(&args, run)?;
    let tables = source.tables(&args.table)?;
    let mut plan = Plan { options: identity.options(&args), source: identity.source.clone(), splits: Vec::new() };
    for table in &tables {
        let mark = marks.as_ref().and_then(|marks| marks.get(&table.name).copied());
        let since = mark.map(|mark| rounds::before(mark, args.lateness)).max(args.since);
        let mut planner = Planner { args: &args, source: &mut source, table, since, until };
        let windows = if marks.is_some() { planner.round(mark)? } else { planner.windows()? };
        for (predicate, window) in planner.divide(windows)? {
            let (from, to) = (text(window.from, table.unit), text(window.to, table.unit));
            plan.splits.push(Split {
                id: identity.split(&table.name, &predicate, &from, &to),
                table: table.name.clone(),
                predicate,
                from,
                to,
                est_rows: Some(window.rows),
            });
        }
    }
    if let (Some(state), Some(until), Some(table)) = (&state, until, tables.first()) {
        identity.other_round(&mut plan, state, &text(ceil_to(until, table.unit), table.unit))?;
    }
    if plan.splits.is_empty() {
        return Err(Error::new(Kind::NoVerdict, "the tables have no rows in this range: there is nothing to plan"));
    }
    if plan.splits.len() > MOST {
        let times = plan.splits.len().div_ceil(MOST);
        return Err(Error::usage(format!(
            "{} splits of {} tables, and a plan has at most {MOST}: use windows {} times as wide, or --width auto",
            plan.splits.len(),
            tables.len(),
            times + 1
        )));
    }
    write(&plan, &args, run)
}

/// The windows of one table.
struct Planner<'a> {
    args: &'a Args,
    source: &'a mut Source,
    table: &'a Table,
    since: Option<Nanos>,
    until: Option<Nanos>,
}

impl Planner<'_> {
    fn windows(&mut self) -> Result<Vec<Window>> {
        let unit = self.table.unit;
        let (since, until) = (self.since.map(|at| ceil_to(at, unit)), self.until.map(|at| ceil_to(at, unit)));
        let extent = self.source.extent(self.table, "", since, until)?;
        let Some(ends) = extent.range.filter(|_| extent.rows > 0) else { return Ok(Vec::new()) };
        let newest = ends.1.saturating_add(1);
        // A round ends with what is there: its end becomes a mark.
        let round = self.args.since_state.is_some();
        let range = Range { from: since, to: until.filter(|_| !round).unwrap_or(newest), ends };
        let per_second = unit.per_second();
        let (source, table) = (&mut *self.source, self.table);
        let mut count = |from, to| source.extent(table, "", Some(from), Some(to));
        match self.args.width {
            Width::Auto => windows::by_rows(&range, self.args.rows_per_split, per_second, &mut count),
            Width::Fixed(width) => windows::fixed(&range, width_in(width, unit)?, per_second, &table.name, &mut count),
        }
    }

    /// As [`Planner::windows`]; where there are none, one that ends with the mark, so that it stays.
    fn round(&mut self, mark: Option<Nanos>) -> Result<Vec<Window>> {
        let windows = self.windows()?;
        let unit = self.table.unit;
        match (self.since, mark) {
            (Some(since), Some(mark)) if windows.is_empty() => {
                let (from, to) = (ceil_to(since, unit), ceil_to(mark, unit));
                Ok(if from < to { vec![Window { from, to, rows: 0 }] } else { windows })
            }
            _ => Ok(windows),
        }
    }

    /// With --group: windows that are too large, by ranges of sub-tables.
    fn divide(&mut self, windows: Vec<Window>) -> Result<Vec<(String, Window)>> {
        let Some(groups) = self.args.group else {
            return Ok(windows.into_iter().map(|window| (String::new(), window)).collect());
        };
        let mut predicates: Option<Vec<String>> = None;
        let mut divided = Vec::with_capacity(windows.len());
        for window in windows {
            if window.rows <= self.args.rows_per_split {
                divided.push((String::new(), window));
                continue;
            }
            let all = match &predicates {
                Some(all) => all,
                None => predicates.insert(self.source.groups(self.table, usize::from(groups))?),
            };
            for predicate in all {
                // A range without rows is planned as well: a sub-table that is new may fall into it.
                let rows = self.source.extent(self.table, predicate, Some(window.from), Some(window.to))?.rows;
                divided.push((predicate.clone(), Window { rows, ..window }));
            }
        }
        Ok(divided)
    }
}

fn width_in(width: Duration, unit: Unit) -> Result<i64> {
    let (nanos, step) = (i128::try_from(width.as_nanos()).unwrap_or(i128::MAX), i128::from(unit.nanos()));
    i64::try_from(nanos / step).ok().filter(|number| *number > 0 && nanos % step == 0).ok_or_else(|| {
        Error::usage(format!("--width: {width:?} is no whole number of {unit}, the database's precision"))
    })
}

/// Writes the plan, unless another one would be lost.
fn write(plan: &Plan, args: &Args, run: &Run) -> Result<()> {
    if let Some(path) = args.output.output.as_deref().filter(|path| path.is_file() && !args.accept_changed_options) {
        refuse_other(plan, path)?;
    }
    let mut output = Output::create(args.output.output.as_deref())?.counting(run.counter("bytes"));
    output.write_all(plan.print().as_bytes()).map_err(|error| Error::io("cannot write the plan", error))?;
    output.finish()?;
    run.counter("splits").set(plan.splits.len() as u64);
    run.counter("rows").set(plan.splits.iter().filter_map(|split| split.est_rows).sum());
    Ok(())
}

fn refuse_other(plan: &Plan, path: &Path) -> Result<()> {
    let name = path.display();
    let old = Plan::read(path).map_err(|error| {
        Error::usage(format!("{error}: it is not overwritten: remove it, or give --accept-changed-options"))
    })?;
    if (&old.options, &old.source) != (&plan.options, &plan.source) {
        return Err(Error::usage(format!(
            "{name} was planned with other options (source {}, options {}; now {}, {}): its receipts would not fit: give the same options, another -o, or --accept-changed-options",
            old.source, old.options, plan.source, plan.options
        )));
    }
    Ok(())
}

/// RFC 3339 with the unit's digits.
fn text(value: i64, unit: Unit) -> String {
    let mut out = Vec::new();
    Printer::default().print(value, unit, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}
