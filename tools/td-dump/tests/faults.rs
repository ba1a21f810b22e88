//! What goes wrong: every row once, or an exit code that says so.

mod support;

use std::time::{Duration, Instant};
use support::{Source, meters, rows, same_rows};
use testkit::{shell, tool};

/// 3,000 rows in blocks of 100.
fn source(faults: &[&str]) -> (String, Source) {
    let csv = meters(3, 1000);
    let mut options = vec!["--block-rows", "100"];
    for fault in faults {
        options.extend(["--fault", fault]);
    }
    let source = Source::with("meters", &csv, &options);
    (csv, source)
}

#[test]
fn a_refused_login_is_not_repeated() {
    let (_, source) = source(&[]);
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.env("TS_SOURCE_PASSWORD", "sesame").args(["--table", "meters"]).run().code(6);
        assert!(outcome.stderr.contains("authentication failure (server code 0x0357)"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("sesame"));
        assert_eq!(outcome.number("retries"), 0);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let (_, source) = source(&[]);
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--table", "nosuch"]).run().code(6);
        assert!(outcome.stderr.contains("no such table: nosuch"), "{}", outcome.stderr);
    }
    let outcome = source.dump().args(["--database", "nosuch"]).run().code(6);
    assert!(outcome.stderr.contains("no such database"), "{}", outcome.stderr);
    let outcome = source.dump().args(["--query", "SELECT * FROM nosuch"]).run().code(6);
    assert!(
        outcome.stderr.contains("no such table (server code 0x2662)") && outcome.stderr.contains("req_id"),
        "{}",
        outcome.stderr
    );
    let outcome = source.dump().args(["--query", "SELECT FROM WHERE"]).run().code(6);
    assert!(outcome.stderr.contains("syntax error (server code 0x2600)"), "{}", outcome.stderr);
}

#[test]
fn nobody_there_is_a_failed_source() {
    for scheme in ["tdengine", "tdengine+http"] {
        let outcome = tool("td-dump")
            .args([
                "--url",
                &format!("{scheme}://127.0.0.1:1/db"),
                "--table",
                "t",
                "--retries",
                "2",
                "--reconnect-interval",
                "1ms",
            ])
            .run()
            .code(4);
        assert!(
            outcome.stderr.contains("cannot connect") && outcome.stderr.contains("gave up after 2 retries"),
            "{}",
            outcome.stderr
        );
        assert_eq!(outcome.number("retries"), 2);
    }
}

#[test]
fn a_silent_server_meets_the_time_limit() {
    let (_, source) = source(&["no-reply"]);
    for tool in [source.dump(), source.rest()] {
        let started = Instant::now();
        let outcome = tool.args(["--table", "meters", "--timeout", "300ms", "--retries", "1"]).run().code(4);
        assert!(outcome.stderr.contains("timed out"), "{}", outcome.stderr);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_result_that_breaks_is_read_again_or_fails() {
    let (mut mended, mut failed) = (0, 0);
    for (fault, requests) in
        [("cut-block", 1..=12), ("lost-reply", 1..=6), ("status=503", 1..=6), ("restart", 1..=6), ("close-ws", 1..=6)]
    {
        // Whichever request of a dump breaks: the rows come once, or the exit code says that they did not.
        for request in requests {
            for more in [&["--hold", "1"][..], &[], &["--spool"]] {
                let (csv, source) = source(&[&format!("{fault}@{request}")]);
                let outcome = source.dump().args(["--table", "meters"]).args(more).run();
                match outcome.code {
                    0 => {
                        same_rows(&outcome, &csv);
                        assert_eq!(outcome.number("retries"), 1, "{fault}@{request} did nothing");
                        mended += 1;
                    }
                    4 => {
                        assert!(
                            more.contains(&"--hold"),
                            "{fault}@{request}: a part that is held can be read again: {}",
                            outcome.stderr
                        );
                        assert!(outcome.stderr.contains("--spool"), "{}", outcome.stderr);
                        let unique: std::collections::BTreeSet<_> = rows(&outcome.text()).1.into_iter().collect();
                        assert_eq!(unique.len() as u64, outcome.number("rows"), "{fault}@{request}: a row came twice");
                        failed += 1;
                    }
                    other => panic!("{fault}@{request}: exit {other}: {}", outcome.stderr),
                }
            }
        }
    }
    assert!(mended > 20 && failed > 2, "{mended} mended, {failed} failed");
}

#[test]
fn an_error_in_the_middle_of_a_result_is_no_end() {
    // A block of the rows is an error frame instead (query killed); over the older dialogues too.
    for version in ["3.3.6.0", "3.3.1.0", "2.6.0.0"] {
        let csv = meters(3, 1000);
        let mut broken = 0;
        for request in 5..=9 {
            let fault = format!("ws-error=0x022d@{request}");
            let source =
                Source::with("meters", &csv, &["--block-rows", "100", "--server-version", version, "--fault", &fault]);
            let outcome = source.dump().args(["--table", "meters", "--hold", "1"]).run();
            if outcome.code == 0 {
                same_rows(&outcome, &csv);
                continue;
            }
            broken += 1;
            assert_eq!(outcome.code, 4, "{}", outcome.stderr);
            assert!(
                outcome.stderr.contains("query killed (server code 0x022d)")
                    && outcome.stderr.contains("already written"),
                "{}",
                outcome.stderr
            );
            let source =
                Source::with("meters", &csv, &["--block-rows", "100", "--server-version", version, "--fault", &fault]);
            let spooled = source.dump().args(["--table", "meters", "--spool"]).run().code(0);
            same_rows(&spooled, &csv);
            assert_eq!(spooled.number("retries"), 1);
        }
        assert!(broken > 0, "{version}: no fault hit the rows");
    }
}

#[test]
fn rest_truncation_is_noticed() {
    let (csv, cut) = source(&["truncate-rest=1000"]);
    let outcome = cut.rest().args(["--table", "meters"]).run().code(4);
    assert!(outcome.stderr.contains("1000 rows came, the server counts 3000"), "{}", outcome.stderr);
    assert!(rows(&outcome.text()).1.is_empty(), "not one row of a cut part may come out");
    let outcome = cut.rest().args(["--query", "SELECT * FROM meters"]).run().code(4);
    assert!(outcome.stderr.contains("REST cut the result in silence"), "{}", outcome.stderr);
    // Parts that stay under the limit are whole.
    same_rows(&cut.rest().args(["--table", "meters", "--split", "time:1d"]).run().code(0), &csv);
    let limited = Source::with("meters", &csv, &["--rest-row-limit", "500"]);
    limited.rest().args(["--table", "meters"]).run().code(4);
}

#[test]
fn a_busy_server_is_asked_again() {
    for request in 1..=8 {
        let (csv, source) = source(&[&format!("status=503:retry-after=0@{request}")]);
        let outcome = source.rest().args(["--table", "meters"]).run().code(0);
        same_rows(&outcome, &csv);
    }
}

#[test]
fn the_server_says_when_to_come_back() {
    let (csv, source) = source(&["queue-full=1@3"]);
    let started = Instant::now();
    let outcome = source.rest().args(["--table", "meters"]).run().code(0);
    same_rows(&outcome, &csv);
    assert_eq!(outcome.number("retries"), 1);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn nowhere_to_hold_a_part_is_a_local_failure() {
    let (_, source) = source(&[]);
    let outcome = source.dump().args(["--table", "meters", "--spool"]).env("TMPDIR", "/nonexistent").run().code(7);
    assert!(outcome.stderr.contains("/nonexistent"), "{}", outcome.stderr);
}

#[test]
fn the_readers_of_stdout_may_go_or_be_full() {
    let (_, source) = source(&[]);
    let url = format!("tdengine://{}/test", source.sim.host);
    let closed =
        shell(&format!("set +e; td-dump --url {url} --table meters | head -n 1 >/dev/null; exit ${{PIPESTATUS[0]}}"));
    // 3,000 rows fit into a pipe: a large table is needed to see it close.
    let big = Source::with("meters", &meters(20, 4000), &[]);
    let big_url = format!("tdengine://{}/test", big.sim.host);
    let outcome = shell(&format!(
        "set +e; td-dump --url {big_url} --table meters | head -n 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    ))
    .run()
    .code(141);
    assert!(outcome.summary().starts_with("td-dump: truncated"), "{}", outcome.stderr);
    assert!(matches!(closed.run().code, 0 | 141));
    let full = shell(&format!("td-dump --url {url} --table meters >/dev/full")).run().code(7);
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
    shell(&format!("td-dump --url {url} --table meters -o /nonexistent/x.csv")).run().code(7);
}

#[test]
fn a_failed_dump_leaves_no_file_and_no_end_mark() {
    let (_, cut) = source(&["truncate-rest=1000"]);
    let directory = testkit::temp_dir();
    let path = directory.path().join("out.csv");
    cut.rest().args(["--table", "meters", "--end-mark", "-o"]).arg(&path).run().code(4);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let outcome = cut.rest().args(["--table", "meters", "--end-mark"]).run().code(4);
    assert!(!outcome.text().contains("#ts-end"));
    let whole = cut.dump().args(["--table", "meters", "--end-mark"]).run().code(0);
    assert!(whole.text().lines().last().unwrap().starts_with("#ts-end rows=3000 xxh3="));
}

#[test]
fn sigterm_ends_it_with_a_summary() {
    let (_, source) = source(&["delay=30s"]);
    let started = Instant::now();
    let outcome = source.dump().args(["--table", "meters"]).terminate_after(Duration::from_millis(500)).run().code(143);
    assert!(outcome.summary().starts_with("td-dump: terminated"), "{}", outcome.stderr);
    assert!(started.elapsed() < Duration::from_secs(9));
}
