//! What changes while it is read: rows that arrive, rows that expire, sub-tables that appear, a server that is started
//! again. What is there from the first to the last moment comes exactly once; nothing comes twice; and where that cannot
//! be promised, the exit code says so.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Source, meters, rows, same_rows};
use testkit::{Outcome, Tool, http, tool};

/// Runs a statement on the simulator at `host`, past our client.
fn execute(host: &str, sql: &str) {
    let reply = http::post(host, "/rest/sql/test", &["Authorization: Basic cm9vdDp0YW9zZGF0YQ=="], sql.as_bytes());
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("{\"code\":0,"), "{sql}: {text}");
}

/// Ways to read, each with another idea of what a part is and what is held back.
const WAYS: [(bool, &[&str]); 6] = [
    (false, &["--hold", "1"]),
    (false, &["--split", "time:1d", "--concurrency", "1"]),
    (false, &["--split", "table:1", "--spool"]),
    (false, &["--split", "time:1d", "--check-counts"]),
    (true, &[]),
    (true, &["--split", "table"]),
];

/// 600 rows over five days in three sub-tables; every reply takes a moment, so that there is a middle.
fn slow(csv: &str) -> Source {
    Source::with("meters", csv, &["--block-rows", "50", "--fault", "delay=4ms"])
}

fn way(source: &Source, rest: bool, args: &[&str]) -> Tool {
    let tool = if rest { source.rest() } else { source.dump() };
    tool.args(["--table", "meters"]).args(args)
}

/// Runs the dump, and `change` once the server has seen `n` requests of it.
fn during(source: &Source, dump: Tool, n: usize, change: impl Fn() + Sync) -> Outcome {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let end = Instant::now() + Duration::from_secs(2);
            while source.sim.requests().len() < n && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            change();
        });
        dump.run()
    })
}

/// How often each row came.
fn counted(outcome: &Outcome) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for row in rows(&outcome.text()).1 {
        *all.entry(row).or_insert(0) += 1;
    }
    all
}

/// Every row of `always` once, every one of `maybe` at most once, and no other.
#[track_caller]
fn holds(outcome: &Outcome, always: &BTreeSet<String>, maybe: &BTreeSet<String>, what: &str) {
    let found = counted(outcome);
    let lost: Vec<_> = always.iter().filter(|row| !found.contains_key(*row)).take(3).collect();
    assert!(lost.is_empty(), "{what}: lost {lost:?}\n{}", outcome.stderr);
    for (row, times) in &found {
        assert!(*times == 1, "{what}: {times} times {row}\n{}", outcome.stderr);
        assert!(always.contains(row) || maybe.contains(row), "{what}: {row} was never there\n{}", outcome.stderr);
    }
    assert_eq!(outcome.number("rows"), found.len() as u64, "{what}");
}

fn set(rows: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    rows.into_iter().collect()
}

/// The requests of a whole dump.
fn requests(csv: &str, rest: bool, args: &[&str]) -> usize {
    let source = slow(csv);
    way(&source, rest, args).run().code(0);
    source.sim.requests().len()
}

/// Behind all that was there.
const NEWER: &str = "2024-03-01T00:00:00.000Z";

#[test]
fn rows_that_arrive_come_once_or_with_the_next_dump() {
    let csv = meters(3, 200);
    let always = set(rows(&csv).1);
    let mut seen = BTreeMap::<&str, usize>::new();
    for (rest, args) in WAYS {
        let all = requests(&csv, rest, args);
        for n in (1..=all).step_by(all / 10 + 1) {
            let source = slow(&csv);
            // Behind the newest row, and late ones on the first and the last day, in every sub-table.
            let (mut late, mut newer) = (BTreeSet::new(), BTreeSet::new());
            let mut insert = String::from("INSERT INTO");
            for table in 0..3 {
                insert.push_str(&format!(" d{table} (ts, current, voltage) VALUES"));
                for time in ["2024-01-01T00:05:00.000Z", "2024-01-02T09:05:00.000Z", NEWER] {
                    insert.push_str(&format!(" ('{time}', 0.25, 7)"));
                    let of = if time == NEWER { &mut newer } else { &mut late };
                    of.insert(format!("{time},d{table},{},\"it's {table}, \\here\",0.25,7", table % 2));
                }
            }
            let outcome = during(&source, way(&source, rest, args), n, || execute(&source.sim.host, &insert)).code(0);
            let maybe = &late | &newer;
            let what = format!("rest {rest} {args:?}, request {n}");
            holds(&outcome, &always, &maybe, &what);
            let text = outcome.text();
            *seen.entry("late").or_default() += late.iter().filter(|row| text.contains(*row)).count();
            let ahead = newer.iter().filter(|row| text.contains(*row)).count();
            // The upper bound is fixed once for all sub-tables.
            assert!(ahead == 0 || ahead == 3, "{what}: {ahead} of 3 newer rows");
            *seen.entry("newer").or_default() += ahead;
            *seen.entry("dumps").or_default() += 1;
            // The next dump has all of them.
            holds(&way(&source, rest, args).run().code(0), &(&always | &maybe), &BTreeSet::new(), &what);
        }
    }
    assert!(seen["late"] > 20, "the late rows never came in time: {seen:?}");
    assert!(seen["newer"] < 3 * seen["dumps"], "the upper bound is not fixed at the start: {seen:?}");
}

#[test]
fn rows_that_expire_take_no_other_with_them() {
    let csv = meters(3, 200);
    let all_rows = set(rows(&csv).1);
    let stays =
        |from: &str| -> BTreeSet<String> { all_rows.iter().filter(|row| row.as_str() >= from).cloned().collect() };
    for (rest, args) in WAYS {
        let all = requests(&csv, rest, args);
        for n in (1..=all).step_by(all / 6 + 1) {
            // What the server keeps ends in the middle of the first day, at its end, and after all.
            for bound in ["2024-01-01T11:00:00.000Z", "2024-01-02T00:00:00.000Z", "2025-01-01T00:00:00.000Z"] {
                let source = slow(&csv);
                let delete = format!("DELETE FROM meters WHERE ts < '{bound}'");
                let outcome = during(&source, way(&source, rest, args), n, || execute(&source.sim.host, &delete));
                let what = format!("rest {rest} {args:?}, request {n}, expired before {bound}");
                assert_eq!(outcome.code, 0, "{what}: {}", outcome.stderr);
                holds(&outcome, &stays(bound), &all_rows, &what);
            }
        }
    }
}

/// Rows that arrive again and again where they are counted: an end, and never a wrong one.
#[test]
fn counts_that_never_agree_are_a_failed_source() {
    let csv = meters(3, 200);
    let source = slow(&csv);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let time = 1_704_067_200_001_i64 + n;
                execute(&source.sim.host, &format!("INSERT INTO d0 (ts, current) VALUES ({time}, 1)"));
            }
        });
        let outcome = source.dump().args(["--table", "meters", "--check-counts"]).run();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome
    });
    assert!(matches!(outcome.code, 0 | 4), "{}", outcome.stderr);
    if outcome.code == 4 {
        assert!(outcome.stderr.contains("or rows arrived late"), "{}", outcome.stderr);
        assert!(rows(&outcome.text()).1.is_empty(), "not one row of a part that does not agree");
    }
}

/// Two sub-tables with equal tags are told apart by their names; that they are is said in the header, which is written
/// before the rows. When one appears behind that, the dump must not end well.
#[test]
fn a_sub_table_with_the_tags_of_another_is_never_merged_in_silence() {
    let csv = meters(3, 200);
    let create = "CREATE TABLE twin USING meters TAGS (1, 'it''s 1, \\\\here')";
    let insert = "INSERT INTO twin (ts, current, voltage) VALUES ('2024-01-02T00:00:00.000Z', 0.25, 7)";
    let mut ends = BTreeMap::<String, usize>::new();
    for (rest, args) in WAYS {
        let all = requests(&csv, rest, args);
        for n in (1..=all).step_by(all / 10 + 1) {
            let source = slow(&csv);
            let outcome = during(&source, way(&source, rest, args).arg("--end-mark"), n, || {
                execute(&source.sim.host, create);
                execute(&source.sim.host, insert);
            });
            let what = format!("rest {rest} {args:?}, request {n}");
            let text = outcome.text();
            let redundant = text.starts_with("ts|time,tbname|table:redundant,");
            let twin = text.contains(",twin,");
            match outcome.code {
                0 => assert!(!(redundant && twin), "{what}: rows of two sub-tables look like one series"),
                4 => {
                    assert!(
                        outcome.stderr.contains("twin") || outcome.stderr.contains("equal tags"),
                        "{what}: {}",
                        outcome.stderr
                    );
                    assert!(!text.contains("#ts-end"), "{what}");
                }
                other => panic!("{what}: exit {other}: {}", outcome.stderr),
            }
            *ends.entry(format!("exit {} redundant {redundant} twin {twin}", outcome.code)).or_default() += 1;
        }
    }
    assert!(ends.keys().any(|end| end.starts_with("exit 4")), "no dump met a new sub-table in its middle: {ends:?}");
}

/// A server on a port of its own choice at first, and on the same one later.
struct Server {
    child: Child,
    host: String,
}

impl Server {
    fn start(directory: &std::path::Path, listen: &str) -> Server {
        let ready = directory.join("ready");
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(testkit::bin("ts-sim"));
        command.args(["tdengine", "--listen", listen, "--block-rows", "50", "--fault", "delay=8ms", "--load"]);
        command.arg(format!("test.meters={}", directory.join("meters.csv").display()));
        command.arg("--ready-file").arg(&ready).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while !ready.exists() {
            assert!(Instant::now() < end, "ts-sim does not start on {listen}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let base = std::fs::read_to_string(&ready).unwrap();
        Server { child, host: base.trim().trim_start_matches("http://").to_owned() }
    }

    /// As by `kill -9`: whatever is under way is gone.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_costs_retries_only() {
    let csv = meters(3, 200);
    let mut retried = 0;
    for scheme in ["tdengine", "tdengine+http"] {
        for args in [
            &["--split", "time:1d", "--concurrency", "1"][..],
            &["--split", "table:1", "--concurrency", "2"],
            &["--spool"],
        ] {
            for after in [0, 60, 120, 180] {
                let directory = testkit::temp_dir();
                std::fs::write(directory.path().join("meters.csv"), &csv).unwrap();
                let mut server = Server::start(directory.path(), "127.0.0.1:0");
                let host = server.host.clone();
                let dump = tool("td-dump")
                    .env("TS_SOURCE_URL", format!("{scheme}://{host}/test"))
                    .args(["--table", "meters", "--reconnect-interval", "50ms", "--timeout", "10s"])
                    .args(args);
                let outcome = std::thread::scope(|scope| {
                    let dump = scope.spawn(|| dump.run());
                    std::thread::sleep(Duration::from_millis(after));
                    server.kill();
                    std::thread::sleep(Duration::from_millis(150));
                    server = Server::start(directory.path(), &host);
                    dump.join().unwrap()
                });
                assert_eq!(outcome.code, 0, "{scheme} {args:?} after {after} ms: {}", outcome.stderr);
                same_rows(&outcome, &csv);
                retried += usize::from(outcome.number("retries") > 0);
            }
        }
    }
    assert!(retried >= 8, "only {retried} of 24 dumps met the restart");
}

/// REST cuts results in silence: the lists that decide what is read are results, too.
#[test]
fn lists_that_rest_has_cut_are_noticed() {
    // Sixty sub-tables of one row. The last two share their tags; each has a tag value of its own otherwise.
    let mut csv = String::from("ts|time,tbname|table,place|tag,v|int\n");
    for n in 0..60 {
        csv.push_str(&format!("2024-01-01T00:00:{n:02}.000Z,t{n:02},p{:02},{n}\n", n.min(58)));
    }
    let limited = Source::with("m", &csv, &["--rest-row-limit", "50"]);
    let free = Source::with("m", &csv, &[]);
    let whole = free.rest().args(["--table", "m", "--split", "tag:place"]).run().code(0);
    same_rows(&whole, &csv);
    assert!(whole.text().starts_with("ts|time,tbname|table,"), "t58 and t59 have equal tags: {}", whole.text());
    for args in [&["--split", "tag:place"][..], &["--split", "time:10s"], &["--split", "table:10"]] {
        let outcome = limited.rest().args(["--table", "m"]).args(args).run().code(4);
        assert!(outcome.stderr.contains("50") && outcome.stderr.contains("60"), "{args:?}: {}", outcome.stderr);
        assert!(rows(&outcome.text()).1.is_empty(), "{args:?}: {}", outcome.text());
    }
    // Sixty ordinary tables: all of the database, and those that a pattern names.
    let host = &limited.sim.host;
    for n in 0..60 {
        execute(host, &format!("CREATE TABLE plain{n:02} (ts TIMESTAMP, v INT)"));
    }
    for args in [&["--table", "plain*"][..], &["--count"], &["--list"]] {
        let outcome = limited.rest().args(args).run().code(4);
        assert!(outcome.stderr.contains("cut"), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(limited.dump().args(["--table", "plain*", "--count"]).run().code(0).number("rows"), 60);
}
