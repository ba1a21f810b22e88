//! One list of behaviours for every sink: a new system inherits all of them with one line, [`crate::sink_suite`].
//!
//! A sink under test says how to start its simulator with faults, how to call its tool, and how to read back what was
//! stored without any code of ours. Each behaviour is a function here, so that its name is the same for every system.

use crate::{Outcome, Sim, Tool, temp_dir};
use std::collections::BTreeMap;

/// What the suite needs to know of a sink.
pub trait Sink {
    /// A simulator with these faults (specs as `ts-sim --fault` has them) and other options.
    fn start(&self, faults: &[&str], options: &[&str]) -> Sim;
    /// The tool, pointed at the simulator; batches of at most `batch` rows, one request at a time.
    fn tool(&self, sim: &Sim, batch: usize) -> Tool;
    /// What the target holds now: (row number, value) as the rows of [`rows`] were written.
    fn stored(&self, sim: &Sim) -> BTreeMap<u64, i64>;
    /// The option that limits the size of a request, with this many bytes.
    fn body_limit(&self, bytes: usize) -> Vec<String>;
    /// The same tool with a wrong password or token.
    fn unauthorised(&self, sim: &Sim) -> Tool;
}

/// `n` rows of line protocol: `m,t=<row % 7> v=<row * 3>i <row>`, timestamps in ns from 2024-01-01, a second apart.
pub fn rows(n: u64) -> Vec<u8> {
    let mut text = String::new();
    for row in 0..n {
        text.push_str(&format!("m,t={} v={}i {}\n", row % 7, row * 3, time(row)));
    }
    text.into_bytes()
}

/// The timestamp of a row.
pub fn time(row: u64) -> i64 {
    (1_704_067_200 + row as i64) * 1_000_000_000
}

/// The row of a timestamp.
pub fn row_of(time: i64) -> u64 {
    (time / 1_000_000_000 - 1_704_067_200) as u64
}

fn expected(n: u64) -> BTreeMap<u64, i64> {
    (0..n).map(|row| (row, row as i64 * 3)).collect()
}

/// The number of data requests that the simulator has seen.
fn writes(sim: &Sim) -> usize {
    sim.requests().iter().filter(|r| r["path"].as_str().is_some_and(|path| path.contains("write"))).count()
}

#[track_caller]
fn all_once(sink: &dyn Sink, sim: &Sim, outcome: Outcome, n: u64) -> Outcome {
    let outcome = outcome.code(0);
    assert_eq!(sink.stored(sim), expected(n), "{}", outcome.stderr);
    assert_eq!(outcome.number("rows"), n);
    assert_eq!(outcome.number("rejected"), 0);
    outcome
}

/// Every row is stored, with its value, and the summary counts them.
pub fn writes_all_rows(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(1_050)).run();
    all_once(sink, &sim, outcome, 1_050);
    assert_eq!(writes(&sim), 11, "1,050 rows in batches of 100");
}

/// An empty input is a success of zero rows.
pub fn takes_empty_input(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let outcome = sink.tool(&sim, 100).run().code(0);
    assert_eq!(outcome.number("rows"), 0);
    assert_eq!(writes(&sim), 0);
}

/// An unavailable server is tried again until it answers.
pub fn retries_when_unavailable(sink: &dyn Sink) {
    let sim = sink.start(&["status=503@2-3"], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(500)).run();
    let outcome = all_once(sink, &sim, outcome, 500);
    assert_eq!(outcome.number("retries"), 2);
}

/// `Retry-After` is obeyed: the run cannot be shorter than what the server asked for.
pub fn obeys_retry_after(sink: &dyn Sink) {
    let sim = sink.start(&["status=429:retry-after=1@2"], &[]);
    let start = std::time::Instant::now();
    let outcome = sink.tool(&sim, 100).stdin(rows(300)).run();
    all_once(sink, &sim, outcome, 300);
    assert!(start.elapsed().as_millis() >= 950, "ended after {:?}", start.elapsed());
}

/// A server that stays away ends the run with 5, after a bounded number of requests.
pub fn gives_up_with_5(sink: &dyn Sink) {
    let sim = sink.start(&["status=503"], &[]);
    let outcome = sink.tool(&sim, 100).args(["--retries", "2"]).stdin(rows(300)).run().code(5);
    assert!(outcome.stderr.contains("503"), "{}", outcome.stderr);
    assert!(writes(&sim) <= 6, "{} requests", writes(&sim));
}

/// Wrong credentials are refused with 6, and not tried again.
pub fn is_refused_with_6(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let outcome = sink.unauthorised(&sim).stdin(rows(300)).run().code(6);
    assert_eq!(outcome.number("retries"), 0);
    assert!(sink.stored(&sim).is_empty());
}

/// A reply that is lost after the commit leads to a second write of the same rows, and to no second copy.
pub fn survives_a_lost_reply(sink: &dyn Sink) {
    let sim = sink.start(&["lost-reply@2"], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(500)).run();
    let outcome = all_once(sink, &sim, outcome, 500);
    assert!(outcome.number("retries") >= 1);
}

/// A connection that is reset during the upload: all rows once.
pub fn survives_a_reset_upload(sink: &dyn Sink) {
    let sim = sink.start(&["reset-upload@2"], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(500)).run();
    all_once(sink, &sim, outcome, 500);
}

/// A reply that never comes is given up after `--timeout`, and the request is made again.
pub fn does_not_wait_for_ever(sink: &dyn Sink) {
    let sim = sink.start(&["no-reply@2"], &[]);
    let outcome = sink.tool(&sim, 100).args(["--timeout", "1s"]).stdin(rows(300)).run();
    let outcome = all_once(sink, &sim, outcome, 300);
    assert!(outcome.number("retries") >= 1);
}

/// A slow server is waited for.
pub fn waits_for_a_slow_server(sink: &dyn Sink) {
    let sim = sink.start(&["delay=300ms@2"], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(300)).run();
    let outcome = all_once(sink, &sim, outcome, 300);
    assert_eq!(outcome.number("retries"), 0);
}

/// A full queue (503 with Retry-After) is waited for.
pub fn waits_for_a_full_queue(sink: &dyn Sink) {
    let sim = sink.start(&["queue-full=1@1-2"], &[]);
    let outcome = sink.tool(&sim, 100).stdin(rows(300)).run();
    all_once(sink, &sim, outcome, 300);
}

/// Requests over the server's limit are cut into smaller ones.
pub fn cuts_at_the_servers_limit(sink: &dyn Sink) {
    let limit = sink.body_limit(2_000);
    let limit: Vec<&str> = limit.iter().map(String::as_str).collect();
    let sim = sink.start(&[], &limit);
    let outcome = sink.tool(&sim, 500).stdin(rows(500)).run();
    all_once(sink, &sim, outcome, 500);
}

/// A bad row goes to the rejects file with its reason; the others are stored; exit 8.
pub fn sets_bad_rows_aside(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let directory = temp_dir();
    let rejects = directory.path().join("rejects.lp");
    let mut input = rows(120);
    input.extend_from_slice(b"m,t=bad v=notanumber 1704067200000000000\n");
    let tool = sink.tool(&sim, 50).arg("--rejects").arg(&rejects).args(["--max-rejects", "1"]);
    let outcome = tool.stdin(input).run().code(8);
    assert_eq!(outcome.number("rejected"), 1);
    assert_eq!(sink.stored(&sim), expected(120));
    let text = std::fs::read_to_string(&rejects).expect("a rejects file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("# ") && lines[1] == "m,t=bad v=notanumber 1704067200000000000", "{text}");
}

/// Without `--max-rejects` the first bad row ends the run with 3.
pub fn stops_at_a_bad_row(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let mut input = rows(20);
    input.extend_from_slice(b"m,t=bad v=notanumber 1704067200000000000\n");
    sink.tool(&sim, 50).stdin(input).run().code(3);
}

/// An input without its end mark is not taken for a whole one.
pub fn misses_the_end_mark(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let outcome = sink.tool(&sim, 50).env("TS_END_MARK", "1").stdin(rows(120)).run().code(9);
    assert!(outcome.stderr.contains("end mark"), "{}", outcome.stderr);
}

/// SIGTERM: the batch in flight is finished or given up, the summary is printed, 143.
pub fn ends_on_sigterm(sink: &dyn Sink) {
    let sim = sink.start(&["delay=200ms"], &[]);
    let outcome = sink.tool(&sim, 10).stdin(rows(2_000)).terminate_after(std::time::Duration::from_millis(700)).run();
    let outcome = outcome.code(143);
    assert!(outcome.summary().contains("terminated"), "{}", outcome.stderr);
    let stored = sink.stored(&sim);
    assert!(stored.len() < 2_000 && stored.len() as u64 >= outcome.number("rows"), "{} stored", stored.len());
}

/// Nobody listens: exit 5.
pub fn cannot_connect(sink: &dyn Sink) {
    let sim = sink.start(&[], &[]);
    let tool = sink.tool(&sim, 100).args(["--retries", "1", "--timeout", "2s"]);
    drop(sim);
    tool.stdin(rows(10)).run().code(5);
}

/// The suite as tests: `testkit::sink_suite!(influx_2_9, Influx("2.9"));`
#[macro_export]
macro_rules! sink_suite {
    ($module:ident, $sink:expr) => {
        mod $module {
            use super::*;
            $crate::sink_suite!(@each $sink,
                writes_all_rows takes_empty_input retries_when_unavailable obeys_retry_after gives_up_with_5
                is_refused_with_6 survives_a_lost_reply survives_a_reset_upload does_not_wait_for_ever
                waits_for_a_slow_server waits_for_a_full_queue cuts_at_the_servers_limit sets_bad_rows_aside
                stops_at_a_bad_row misses_the_end_mark ends_on_sigterm cannot_connect);
        }
    };
    (@each $sink:expr, $($behaviour:ident)*) => {
        $(#[test]
        fn $behaviour() {
            $crate::conformance::$behaviour(&$sink);
        })*
    };
}
