//! One list of behaviours for every source: a new system inherits all of them with one line, [`crate::source_suite`].
//!
//! A source under test says how to start its server with some tables and faults, and how to call its tool. What the tool
//! printed is compared with what was loaded by [`Table`], which shares nothing with the tools.

use crate::conformance::Server;
use crate::table::Table;
use crate::{Outcome, Tool, temp_dir};
use std::time::{Duration, Instant};

/// What the suite needs to know of a source.
pub trait Source {
    /// A server that holds these tables, with these faults (specs as `ts-sim --fault` has them).
    fn start(&self, tables: &[Table], faults: &[&str]) -> Server;
    /// The tool, pointed at a table; typed CSV on stdout.
    fn tool(&self, server: &Server, table: &str) -> Tool;
    /// The same with a wrong password or token.
    fn unauthorised(&self, server: &Server, table: &str) -> Tool;
    /// Types that a field can have, as in the typed CSV header.
    fn types(&self) -> Vec<&'static str>;
    /// Can a table be empty?
    fn has_empty_tables(&self) -> bool {
        true
    }
    /// Rows in a piece of the server's reply.
    fn page(&self) -> usize {
        4096
    }
    /// Faults that hit a result of 30,000 rows in its middle: (once, from then on). `requests`: the simulator's log of one
    /// whole run.
    fn breaks(&self, requests: &[serde_json::Value]) -> Vec<(String, String)>;
    /// Faults after which trying again helps, before the first row has come.
    fn busy(&self) -> Vec<&'static str> {
        vec!["status=503@1", "status=429:retry-after=1@1", "queue-full@1", "lost-reply@1", "status=500@2"]
    }
}

/// The rows that a tool printed.
fn read(outcome: &Outcome) -> Table {
    Table::from_csv(&outcome.text())
}

#[track_caller]
fn all_once(table: &Table, outcome: &Outcome, what: &str) {
    assert_eq!(outcome.code, 0, "{what}: {}", outcome.stderr);
    table.assert_same(&read(outcome), what);
    assert_eq!(outcome.number("rows"), table.rows.len() as u64, "{what}: {}", outcome.stderr);
}

#[track_caller]
fn dumps(source: &dyn Source, table: Table) -> Outcome {
    let server = source.start(std::slice::from_ref(&table), &[]);
    let outcome = source.tool(&server, &table.name).run();
    all_once(&table, &outcome, &table.name);
    outcome
}

/// Every type that the system has, with its extremes, and NULL in every column.
pub fn reads_every_type(source: &dyn Source) {
    dumps(source, Table::every_type("every_type", &source.types()));
}

/// Texts with quotes, line ends, separators and letters beyond the BMP, in fields and tags; "" is not NULL.
pub fn reads_every_text(source: &dyn Source) {
    dumps(source, Table::texts("texts"));
}

/// A table or a range without rows is a header and a success.
pub fn reads_nothing(source: &dyn Source) {
    let table = Table::numbers("t", 10, 2);
    let server = source.start(std::slice::from_ref(&table), &[]);
    let later =
        source.tool(&server, "t").args(["--since", "2024-01-02T00:00:00Z", "--until", "2024-01-03T00:00:00Z"]).run();
    all_once(&table.slice(0..0), &later, "an empty range");
    assert_eq!(later.text().lines().count(), 1, "a header and nothing else: {}", later.text());
    if source.has_empty_tables() {
        dumps(source, table.slice(0..0));
    }
}

/// As many rows as fit the server's pages exactly, one more, one less.
pub fn reads_at_page_boundaries(source: &dyn Source) {
    let page = source.page();
    let sizes = [1, page - 1, page, page + 1, 2 * page - 1, 2 * page, 2 * page + 1, 3 * page];
    let tables: Vec<Table> = sizes.iter().map(|&size| Table::numbers(&format!("t{size}"), size, 1)).collect();
    let server = source.start(&tables, &[]);
    for table in &tables {
        let outcome = source.tool(&server, &table.name).run();
        all_once(table, &outcome, &table.name);
    }
}

/// Many series, more rows than one batch.
pub fn reads_many_series(source: &dyn Source) {
    dumps(source, Table::numbers("many", 20_000, 100));
}

/// A range of time is half-open: the first instant belongs to it, the last does not.
pub fn reads_a_range(source: &dyn Source) {
    let table = Table::numbers("t", 100, 3);
    let server = source.start(std::slice::from_ref(&table), &[]);
    let range = ["--since", "2024-01-01T00:00:10Z", "--until", "2024-01-01T00:00:20Z"];
    let outcome = source.tool(&server, "t").args(range).run();
    all_once(&table.slice(10..20), &outcome, "ten seconds");
}

/// `--limit` ends the run after so many rows, which is a success.
pub fn stops_at_the_limit(source: &dyn Source) {
    let table = Table::numbers("t", 5_000, 1);
    let server = source.start(std::slice::from_ref(&table), &[]);
    let outcome = source.tool(&server, "t").args(["--limit", "7"]).run().code(0);
    assert_eq!(read(&outcome).rows.len(), 7);
    assert_eq!(outcome.number("rows"), 7);
}

/// Arrow holds what CSV holds.
pub fn writes_arrow(source: &dyn Source) {
    let table = Table::every_type("every_type", &source.types());
    let server = source.start(std::slice::from_ref(&table), &[]);
    let arrow = source.tool(&server, &table.name).args(["-t", "arrow"]).run().code(0);
    let csv = crate::tool("ts-convert").args(["-f", "arrow", "-t", "csv"]).stdin(arrow.stdout).run();
    all_once(&table, &csv, "Arrow");
}

/// The end mark says how many rows there are.
pub fn ends_with_its_mark(source: &dyn Source) {
    let table = Table::numbers("t", 50, 3);
    let server = source.start(std::slice::from_ref(&table), &[]);
    let outcome = source.tool(&server, "t").env("TS_END_MARK", "1").run();
    all_once(&table, &outcome, "with an end mark");
    let text = outcome.text();
    let last = text.lines().last().unwrap_or("");
    assert!(last.starts_with("#ts-end rows=50 xxh3="), "{last}");
}

/// A busy server is tried again, and nothing is read twice.
pub fn retries_when_busy(source: &dyn Source) {
    let table = Table::numbers("t", 200, 3);
    for fault in source.busy() {
        let server = source.start(std::slice::from_ref(&table), &[fault]);
        let outcome = source.tool(&server, "t").run();
        all_once(&table, &outcome, fault);
        assert!(outcome.number("retries") >= 1, "{fault}: {}", outcome.stderr);
    }
}

/// A slow server and a slow line are waited for.
pub fn waits_for_a_slow_server(source: &dyn Source) {
    let table = Table::numbers("t", 2_000, 3);
    for fault in ["delay=400ms@1-2", "slow-read=100kB/s"] {
        let server = source.start(std::slice::from_ref(&table), &[fault]);
        let outcome = source.tool(&server, "t").run();
        all_once(&table, &outcome, fault);
        assert_eq!(outcome.number("retries"), 0, "{fault}: {}", outcome.stderr);
    }
}

/// A server that stays away ends the run with 4.
pub fn gives_up_with_4(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &["status=503"]);
    let outcome = source.tool(&server, "t").args(["--retries", "1"]).run().code(4);
    assert_eq!(outcome.number("retries"), 1, "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{}", outcome.text());
}

/// Whatever breaks a result in its middle: either all rows come, once, or the run ends with 4, without an end mark, and
/// without a file under the final name.
pub fn never_takes_a_cut_for_the_end(source: &dyn Source) {
    let table = Table::numbers("t", 30_000, 1);
    let server = source.start(std::slice::from_ref(&table), &[]);
    source.tool(&server, "t").args(["--retries", "1", "--timeout", "3s"]).run().code(0);
    let breaks = source.breaks(&server.sim.requests());
    assert!(!breaks.is_empty());
    for (once, always) in breaks {
        let server = source.start(std::slice::from_ref(&table), &[&once]);
        let tool = source.tool(&server, "t").args(["--retries", "1", "--timeout", "3s"]).env("TS_END_MARK", "1");
        let outcome = tool.run();
        match outcome.code {
            0 => all_once(&table, &outcome, &once),
            _ => broken(&outcome, &once),
        }
        let server = source.start(std::slice::from_ref(&table), &[&always]);
        let tool = || source.tool(&server, "t").args(["--retries", "1", "--timeout", "3s"]);
        broken(&tool().env("TS_END_MARK", "1").run(), &always);
        let directory = temp_dir();
        broken(&tool().arg("-o").arg(directory.path().join("out.csv")).run(), &always);
        let left: Vec<_> = std::fs::read_dir(directory.path()).expect("readable").flatten().collect();
        assert!(left.is_empty(), "{always}: left {left:?}");
    }
}

#[track_caller]
fn broken(outcome: &Outcome, fault: &str) {
    assert_eq!(outcome.code, 4, "{fault}: {}", outcome.stderr);
    assert!(!outcome.text().contains("#ts-end"), "{fault}: an end mark after an error");
    assert!(outcome.summary().contains("source-failed"), "{fault}: {}", outcome.stderr);
}

/// The reader of stdout goes away: a quiet 141.
pub fn ends_with_its_reader(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 80_000, 10)], &[]);
    let outcome = source.tool(&server, "t").hang_up_after(100).run().code(141);
    assert_eq!(outcome.stderr.lines().count(), 1, "not quiet: {}", outcome.stderr);
}

/// A full disk: 7.
pub fn meets_a_full_disk(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 5_000, 10)], &[]);
    let outcome = source.tool(&server, "t").args(["-o", "/dev/full"]).run().code(7);
    assert!(outcome.stderr.contains("space"), "{}", outcome.stderr);
}

/// SIGTERM while the server keeps it waiting: 143, at once.
pub fn ends_on_sigterm(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &["delay=20s"]);
    let start = Instant::now();
    let outcome = source.tool(&server, "t").terminate_after(Duration::from_millis(500)).run().code(143);
    assert!(outcome.summary().contains("terminated"), "{}", outcome.stderr);
    assert!(start.elapsed() < Duration::from_secs(8), "took {:?}", start.elapsed());
}

/// A reply that never comes ends the run with 4 after `--timeout` and the retries.
pub fn does_not_wait_for_ever(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &["no-reply"]);
    let start = Instant::now();
    source.tool(&server, "t").args(["--retries", "1", "--timeout", "1s"]).run().code(4);
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
}

/// Wrong credentials: 6, and not tried again.
pub fn is_refused_with_6(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &[]);
    let outcome = source.unauthorised(&server, "t").run().code(6);
    assert_eq!(outcome.number("retries"), 0);
    assert!(outcome.stdout.is_empty(), "{}", outcome.text());
}

/// No such table: 6, and it is named.
pub fn knows_what_is_not_there(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &[]);
    let outcome = source.tool(&server, "no_such_table").run().code(6);
    assert!(outcome.stderr.contains("no_such_table"), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{}", outcome.text());
}

/// Nobody listens: exit 4.
pub fn cannot_connect(source: &dyn Source) {
    let server = source.start(&[Table::numbers("t", 10, 1)], &[]);
    let tool = source.tool(&server, "t").args(["--retries", "1", "--timeout", "2s"]);
    drop(server);
    tool.run().code(4);
}

/// The suite as tests: `testkit::source_suite!(influx_2_9, Influx::simulated("2.9"));`. With `?` before the source it is an
/// `Option`, and without a value every test says that it was skipped.
#[macro_export]
macro_rules! source_suite {
    ($module:ident, ? $source:expr, $reason:expr) => {
        mod $module {
            use super::*;
            $crate::source_suite!(@list each_optional ($source, $reason));
        }
    };
    ($module:ident, $source:expr) => {
        mod $module {
            use super::*;
            $crate::source_suite!(@list each ($source));
        }
    };
    (@list $rule:ident $arguments:tt) => {
        $crate::source_suite!(@$rule $arguments
            reads_every_type reads_every_text reads_nothing reads_at_page_boundaries reads_many_series reads_a_range
            stops_at_the_limit writes_arrow ends_with_its_mark retries_when_busy waits_for_a_slow_server gives_up_with_4
            never_takes_a_cut_for_the_end ends_with_its_reader meets_a_full_disk ends_on_sigterm
            does_not_wait_for_ever is_refused_with_6 knows_what_is_not_there cannot_connect);
    };
    (@each ($source:expr) $($behaviour:ident)*) => {
        $(#[test]
        fn $behaviour() {
            $crate::conformance_source::$behaviour(&$source);
        })*
    };
    (@each_optional ($source:expr, $reason:expr) $($behaviour:ident)*) => {
        $(#[test]
        fn $behaviour() {
            match $source {
                Some(source) => $crate::conformance_source::$behaviour(&source),
                None => println!("skipped: {}: {}", stringify!($behaviour), $reason),
            }
        })*
    };
}
