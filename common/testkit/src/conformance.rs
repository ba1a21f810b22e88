//! One list of behaviours for every sink: a new system inherits all of them with one line, [`crate::sink_suite`].
//!
//! A sink under test says how to start its server with faults, how to call its tool, and how to read back what was
//! stored without any code of ours. The server may be a simulator, or a real one behind `ts-sim proxy`. Each behaviour is
//! a function here, so that its name is the same for every system.

use crate::{Outcome, Sim, Tool, temp_dir};
use std::collections::BTreeMap;

/// A server, and the empty place in it that one test has for itself.
pub struct Server {
    /// What the tool talks to: a simulator, or the proxy in front of a real server.
    pub sim: Sim,
    /// `HOST:PORT` to read back from, without faults where the server is real.
    pub direct: String,
    /// Database, bucket or table.
    pub place: String,
}

/// What the suite needs to know of a sink.
pub trait Sink {
    /// A server with these faults (specs as `ts-sim --fault` has them).
    fn start(&self, faults: &[&str]) -> Server;
    /// A server that refuses larger requests, and their size in bytes; `None` if it has no such setting.
    fn start_limited(&self) -> Option<(Server, usize)>;
    /// The tool, pointed at the server; batches of at most `batch` rows, `at_once` requests in flight.
    fn tool(&self, server: &Server, batch: usize, at_once: usize) -> Tool;
    /// The same tool with a wrong password or token.
    fn unauthorised(&self, server: &Server) -> Tool;
    /// What the target holds now: (row number, value) as the rows of [`rows`] were written.
    fn stored(&self, server: &Server) -> BTreeMap<u64, i64>;
    /// A well-formed row for the same measurement that the server, not the tool, refuses.
    fn refused_row(&self) -> &'static str;
    /// That row as it stands among the rejects.
    fn refused_text(&self) -> &'static str {
        self.refused_row()
    }
    /// So many rows are read in part before the input has ended (columns are inferred from the first ones).
    fn many(&self) -> u64 {
        2_000
    }
    /// Is this the path of a request that writes?
    fn is_write(&self, path: &str) -> bool {
        path.contains("write")
    }
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

/// The requests that wrote, or tried to.
fn writes(sink: &dyn Sink, server: &Server) -> Vec<serde_json::Value> {
    let requests = server.sim.requests().into_iter();
    // Who is sent on has not written yet.
    let writes = |request: &serde_json::Value| request["status"] != 307;
    requests.filter(|r| r["path"].as_str().is_some_and(|path| sink.is_write(path)) && writes(r)).collect()
}

#[track_caller]
fn all_once(sink: &dyn Sink, server: &Server, outcome: Outcome, n: u64) -> Outcome {
    let outcome = outcome.code(0);
    assert_same(&sink.stored(server), &expected(n), &outcome.stderr);
    assert_eq!(outcome.number("rows"), n);
    assert_eq!(outcome.number("rejected"), 0);
    outcome
}

/// Says what is missing and what is too much, not thousands of rows.
#[track_caller]
fn assert_same(stored: &BTreeMap<u64, i64>, expected: &BTreeMap<u64, i64>, stderr: &str) {
    let missing: Vec<_> = expected.iter().filter(|(row, value)| stored.get(row) != Some(value)).take(5).collect();
    let more: Vec<_> = stored.iter().filter(|(row, value)| expected.get(row) != Some(value)).take(5).collect();
    let counts = (stored.len(), expected.len());
    assert!(missing.is_empty() && more.is_empty(), "{counts:?} rows; missing {missing:?}…, wrong {more:?}…\n{stderr}");
}

/// Every row is stored, with its value, and the summary counts them.
pub fn writes_all_rows(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(1_050)).run();
    all_once(sink, &server, outcome, 1_050);
    assert_eq!(writes(sink, &server).len(), 11, "1,050 rows in batches of 100");
}

/// An empty input is a success of zero rows.
pub fn takes_empty_input(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let outcome = sink.tool(&server, 100, 1).run().code(0);
    assert_eq!(outcome.number("rows"), 0);
    assert_eq!(writes(sink, &server).len(), 0);
}

/// Rows that are written a second time are the same rows.
pub fn writes_the_same_rows_again(sink: &dyn Sink) {
    let server = sink.start(&[]);
    sink.tool(&server, 100, 1).stdin(rows(250)).run().code(0);
    let outcome = sink.tool(&server, 70, 2).stdin(rows(300)).run();
    all_once(sink, &server, outcome, 300);
}

/// An unavailable server is tried again until it answers.
pub fn retries_when_unavailable(sink: &dyn Sink) {
    let server = sink.start(&["status=503@2-3"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(500)).run();
    let outcome = all_once(sink, &server, outcome, 500);
    assert_eq!(outcome.number("retries"), 2);
}

/// So are errors of the server itself, and of what stands in front of it.
pub fn retries_after_server_errors(sink: &dyn Sink) {
    let server = sink.start(&["status=500@1", "status=502@3", "status=504@5"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(500)).run();
    let outcome = all_once(sink, &server, outcome, 500);
    assert_eq!(outcome.number("retries"), 3);
}

/// `Retry-After` is obeyed: the run cannot be shorter than what the server asked for.
pub fn obeys_retry_after(sink: &dyn Sink) {
    let server = sink.start(&["status=429:retry-after=2@2"]);
    let start = std::time::Instant::now();
    let outcome = sink.tool(&server, 100, 1).stdin(rows(300)).run();
    all_once(sink, &server, outcome, 300);
    assert!(start.elapsed().as_millis() >= 1_950, "ended after {:?}", start.elapsed());
}

/// A server that stays away ends the run with 5, after a bounded number of requests.
pub fn gives_up_with_5(sink: &dyn Sink) {
    let server = sink.start(&["status=503"]);
    let outcome = sink.tool(&server, 100, 1).args(["--retries", "2"]).stdin(rows(300)).run().code(5);
    assert!(outcome.stderr.contains("503"), "{}", outcome.stderr);
    assert_eq!(outcome.number("rows"), 0);
    assert_eq!(writes(sink, &server).len(), 3, "the first request and two retries");
}

/// Wrong credentials are refused with 6, and not tried again.
pub fn is_refused_with_6(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let outcome = sink.unauthorised(&server).stdin(rows(300)).run().code(6);
    assert_eq!(outcome.number("retries"), 0);
    assert!(sink.stored(&server).is_empty());
    assert_eq!(writes(sink, &server).len(), 1, "one request was enough to know");
}

/// A reply that is lost after the commit leads to a second write of the same rows, and to no second copy.
pub fn survives_a_lost_reply(sink: &dyn Sink) {
    let server = sink.start(&["lost-reply@2"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(500)).run();
    let outcome = all_once(sink, &server, outcome, 500);
    assert!(outcome.number("retries") >= 1);
}

/// A reply that breaks off: the same.
pub fn survives_a_cut_reply(sink: &dyn Sink) {
    let server = sink.start(&["cut-body@2"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(500)).run();
    let outcome = all_once(sink, &server, outcome, 500);
    assert!(outcome.number("retries") >= 1);
}

/// A connection that is reset during the upload: all rows once.
pub fn survives_a_reset_upload(sink: &dyn Sink) {
    let server = sink.start(&["reset-upload@2"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(500)).run();
    all_once(sink, &server, outcome, 500);
}

/// A reply that never comes is given up after `--timeout`, and the request is made again.
pub fn does_not_wait_for_ever(sink: &dyn Sink) {
    let server = sink.start(&["no-reply@2"]);
    let outcome = sink.tool(&server, 100, 1).args(["--timeout", "1s"]).stdin(rows(300)).run();
    let outcome = all_once(sink, &server, outcome, 300);
    assert!(outcome.number("retries") >= 1);
}

/// A slow server is waited for.
pub fn waits_for_a_slow_server(sink: &dyn Sink) {
    let server = sink.start(&["delay=300ms@2"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(300)).run();
    let outcome = all_once(sink, &server, outcome, 300);
    assert_eq!(outcome.number("retries"), 0);
}

/// A slow line is waited for, as long as something moves within `--timeout`.
pub fn waits_for_a_slow_line(sink: &dyn Sink) {
    let server = sink.start(&["slow-read=20kB/s@1-2"]);
    let outcome = sink.tool(&server, 300, 1).stdin(rows(600)).run();
    let outcome = all_once(sink, &server, outcome, 600);
    assert_eq!(outcome.number("retries"), 0);
}

/// A full queue (503 with Retry-After) is waited for.
pub fn waits_for_a_full_queue(sink: &dyn Sink) {
    let server = sink.start(&["queue-full=1@1-2"]);
    let outcome = sink.tool(&server, 100, 1).stdin(rows(300)).run();
    let outcome = all_once(sink, &server, outcome, 300);
    assert_eq!(outcome.number("retries"), 2);
}

/// Faults hit one of several requests in flight: the others go on, and no row is lost or counted twice.
pub fn survives_faults_with_many_in_flight(sink: &dyn Sink) {
    let faults = ["lost-reply@3", "status=503@5-7", "reset-upload@9", "cut-body@11", "delay=200ms@12"];
    let server = sink.start(&faults);
    let outcome = sink.tool(&server, 50, 4).stdin(rows(1_500)).run();
    let outcome = all_once(sink, &server, outcome, 1_500);
    assert!(outcome.number("retries") >= 4);
}

/// Requests over the server's limit are cut into smaller ones.
pub fn cuts_at_the_servers_limit(sink: &dyn Sink) {
    let Some((server, limit)) = sink.start_limited() else {
        return crate::skip("cuts_at_the_servers_limit: this server has no limit on the size of a request");
    };
    // A row has about 33 bytes: all of them are more than three requests of the largest size.
    let n = limit as u64 / 10;
    let outcome = sink.tool(&server, n as usize, 1).stdin(rows(n)).run();
    all_once(sink, &server, outcome, n);
    let writes = writes(sink, &server);
    assert!(writes.iter().any(|request| request["status"] == 413), "nothing was refused: {writes:?}");
}

/// A bad row goes to the rejects file with its reason; the others are stored; exit 8.
pub fn sets_bad_rows_aside(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let directory = temp_dir();
    let rejects = directory.path().join("rejects.lp");
    let mut input = rows(120);
    input.extend_from_slice(b"m,t=bad v=notanumber 1704067200000000000\n");
    let tool = sink.tool(&server, 50, 1).arg("--rejects").arg(&rejects).args(["--max-rejects", "1"]);
    let outcome = tool.stdin(input).run().code(8);
    assert_eq!((outcome.number("rows"), outcome.number("rejected")), (120, 1));
    assert_same(&sink.stored(&server), &expected(120), &outcome.stderr);
    assert_rejects(&rejects, "m,t=bad v=notanumber 1704067200000000000");
}

/// A row that only the server can find wrong: it is found in its batch, which is stored without it; exit 8.
pub fn finds_the_row_that_the_server_refuses(sink: &dyn Sink) {
    // The first batch of a new measurement, and one in the middle: servers answer differently.
    for before in [30, 170] {
        let server = sink.start(&[]);
        let directory = temp_dir();
        let rejects = directory.path().join("rejects.lp");
        let all = rows(300);
        let cut = rows(before).len();
        let input = [&all[..cut], sink.refused_row().as_bytes(), b"\n", &all[cut..]].concat();
        let tool = sink.tool(&server, 100, 1).arg("--rejects").arg(&rejects).args(["--max-rejects", "1"]);
        let outcome = tool.stdin(input).run().code(8);
        assert_eq!((outcome.number("rows"), outcome.number("rejected")), (300, 1), "{}", outcome.stderr);
        assert_same(&sink.stored(&server), &expected(300), &outcome.stderr);
        assert_rejects(&rejects, sink.refused_text());
        assert_eq!(outcome.number("retries"), 0, "a refusal is not tried again: {}", outcome.stderr);
    }
}

/// One rejected row with a reason in the line before it.
#[track_caller]
fn assert_rejects(path: &std::path::Path, row: &str) {
    let text = std::fs::read_to_string(path).expect("a rejects file");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("# ") && lines[0].len() > 10 && lines[1] == row, "{text}");
}

/// Without `--max-rejects` the first bad row ends the run with 3, and is named.
pub fn stops_at_a_bad_row(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let mut input = rows(20);
    input.extend_from_slice(b"m,t=bad v=notanumber 1704067200000000000\n");
    let outcome = sink.tool(&server, 50, 1).stdin(input).run().code(3);
    assert!(outcome.stderr.contains("21"), "line 21 is not named: {}", outcome.stderr);
    assert!(sink.stored(&server).len() <= 20);
    let server = sink.start(&[]);
    let input = [rows(20), sink.refused_row().as_bytes().to_vec(), b"\n".to_vec()].concat();
    sink.tool(&server, 50, 1).stdin(input).run().code(3);
    assert_same(&sink.stored(&server), &expected(20), "the rows before the refused one");
}

/// An input without its end mark, with a wrong one, or cut in the middle of a row is not taken for a whole one.
pub fn misses_the_end_mark(sink: &dyn Sink) {
    let whole = rows(120);
    let wrong = [&whole, &b"#ts-end rows=120 xxh3=0000000000000000\n"[..]].concat();
    let cut = whole[..whole.len() - 5].to_vec();
    for (input, what) in [(whole.clone(), "no mark"), (wrong, "a wrong mark"), (cut, "a cut row")] {
        let server = sink.start(&[]);
        let outcome = sink.tool(&server, 50, 1).env("TS_END_MARK", "1").stdin(input).run();
        assert_eq!(outcome.code, 9, "{what}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("end mark"), "{what}: {}", outcome.stderr);
        // Whatever was stored before the end was reached is right.
        let stored = sink.stored(&server);
        let right = expected(120);
        assert!(stored.iter().all(|(row, value)| right.get(row) == Some(value)), "{what}: a wrong row is stored");
    }
}

/// SIGTERM: the batch in flight is finished or given up, the summary is printed, 143.
pub fn ends_on_sigterm(sink: &dyn Sink) {
    let server = sink.start(&["delay=200ms"]);
    let many = sink.many();
    let outcome =
        sink.tool(&server, 10, 1).stdin(rows(many)).terminate_after(std::time::Duration::from_millis(700)).run();
    let outcome = outcome.code(143);
    assert!(outcome.summary().contains("terminated"), "{}", outcome.stderr);
    let stored = sink.stored(&server);
    assert!((stored.len() as u64) < many && stored.len() as u64 >= outcome.number("rows"), "{} stored", stored.len());
    assert!(outcome.number("rows") >= 10, "nothing was written in 700 ms: {}", outcome.stderr);
}

/// Nobody listens: exit 5.
pub fn cannot_connect(sink: &dyn Sink) {
    let server = sink.start(&[]);
    let tool = sink.tool(&server, 100, 1).args(["--retries", "1", "--timeout", "2s"]);
    drop(server);
    tool.stdin(rows(10)).run().code(5);
}

/// The suite as tests. `testkit::sink_suite!(influx_2_9, Influx::simulated("2.9"));` makes one per behaviour. With `?`
/// before the sink it is an `Option`, and without a value every test says that it was skipped.
#[macro_export]
macro_rules! sink_suite {
    ($module:ident, ? $sink:expr, $reason:expr) => {
        mod $module {
            use super::*;
            $crate::sink_suite!(@list each_optional ($sink, $reason));
        }
    };
    ($module:ident, $sink:expr) => {
        mod $module {
            use super::*;
            $crate::sink_suite!(@list each ($sink));
        }
    };
    (@list $rule:ident $arguments:tt) => {
        $crate::sink_suite!(@$rule $arguments
            writes_all_rows takes_empty_input writes_the_same_rows_again retries_when_unavailable
            retries_after_server_errors obeys_retry_after gives_up_with_5 is_refused_with_6 survives_a_lost_reply
            survives_a_cut_reply survives_a_reset_upload does_not_wait_for_ever waits_for_a_slow_server
            waits_for_a_slow_line waits_for_a_full_queue survives_faults_with_many_in_flight
            cuts_at_the_servers_limit sets_bad_rows_aside finds_the_row_that_the_server_refuses stops_at_a_bad_row
            misses_the_end_mark ends_on_sigterm cannot_connect);
    };
    (@each ($sink:expr) $($behaviour:ident)*) => {
        $(#[test]
        fn $behaviour() {
            $crate::conformance::$behaviour(&$sink);
        })*
    };
    (@each_optional ($sink:expr, $reason:expr) $($behaviour:ident)*) => {
        $(#[test]
        fn $behaviour() {
            match $sink {
                Some(sink) => $crate::conformance::$behaviour(&sink),
                None => println!("skipped: {}: {}", stringify!($behaviour), $reason),
            }
        })*
    };
}
