//! Every fault that a cluster can have while it is loaded into, and what becomes of the rows: the table in the README, a test
//! for each of its rows.

mod common;

use common::{all, cluster, held, load, loads, rows};
use testkit::Outcome;

/// Loads 90 rows in loads of 30, one after the other.
fn run(faults: &[&str], more: &[&str]) -> (testkit::Starrocks, Outcome) {
    let cluster = cluster(faults);
    let tool = load(&cluster).args(["--batch-rows", "30", "--concurrency", "1"]).args(more);
    let outcome = tool.stdin(rows(0, 90)).run();
    (cluster, outcome)
}

/// Every row is there once, after so many requests to the back end and so many retries.
#[track_caller]
fn once(fault: &str, more: &[&str], requests: usize, retries: u64) {
    let (cluster, outcome) = run(&[fault], more);
    let outcome = outcome.code(0);
    assert_eq!(held(&cluster), all(90), "{fault}\n{}", outcome.stderr);
    assert_eq!((outcome.number("rows"), outcome.number("rejected"), outcome.number("already")), (90, 0, 0));
    assert_eq!((loads(&cluster), outcome.number("retries")), (requests, retries), "{fault}\n{}", outcome.stderr);
}

#[test]
fn success() {
    let (cluster, outcome) = run(&[], &[]);
    assert_eq!((outcome.code(0).number("rows"), held(&cluster), loads(&cluster)), (90, all(90), 3));
}

#[test]
fn publish_timeout_is_done_when_it_is_visible() {
    once("publish-timeout=300ms@2", &[], 3, 0);
}

#[test]
fn publish_timeout_that_lasts_is_done_and_never_sent_again() {
    let cluster = cluster(&["publish-timeout=3s@1"]);
    let tool = load(&cluster).args(["--poll-limit", "100ms"]);
    let outcome = tool.stdin(rows(0, 10)).run().code(0);
    assert_eq!((outcome.number("rows"), loads(&cluster)), (10, 1));
}

#[test]
fn lost_reply_of_a_load_that_was_done() {
    once("lost-reply@2", &[], 3, 1);
}

#[test]
fn cut_reply_of_a_load_that_was_done() {
    once("cut-body@2", &[], 3, 1);
}

#[test]
fn reply_that_never_comes() {
    once("no-reply@2", &["--timeout", "1s"], 4, 1);
}

#[test]
fn connection_reset_in_mid_upload() {
    once("reset-upload@2", &[], 4, 1);
}

#[test]
fn body_that_arrives_cut() {
    once("truncated-body@2", &[], 4, 1);
}

#[test]
fn too_many_versions() {
    once("too-many-versions@2", &[], 4, 1);
}

#[test]
fn too_many_running_transactions() {
    once("running-txns@2", &[], 4, 1);
}

#[test]
fn too_many_requests_at_once() {
    once("http-limit@2", &[], 4, 1);
}

/// Some versions misspell it, all mean it.
#[test]
fn too_many_requests_at_once_in_each_spelling() {
    for word in ["cuncurrent", "concurrent"] {
        let fault = format!("fail=Stream Load exceed http {word} limit 47, please try again later@2");
        let (cluster, outcome) = run(&[&fault], &[]);
        let outcome = outcome.code(0);
        assert_eq!((outcome.number("throttled"), held(&cluster)), (1, all(90)), "{word}: {}", outcome.stderr);
    }
}

#[test]
fn a_back_end_that_is_shut_down() {
    let (cluster, outcome) = run(&["fail=Service is shutting down, please retry later!@2"], &[]);
    let outcome = outcome.code(0);
    assert_eq!((outcome.number("throttled"), held(&cluster)), (1, all(90)), "{}", outcome.stderr);
}

#[test]
fn no_memory() {
    once("mem-limit@2", &[], 4, 1);
}

#[test]
fn any_other_failure_is_tried_again() {
    once("fail=something new@2", &[], 4, 1);
}

#[test]
fn server_errors_of_http() {
    once("status=500@2", &[], 4, 1);
}

#[test]
fn a_server_that_asks_for_time() {
    once("status=503:retry-after=1@2", &[], 4, 1);
}

#[test]
fn a_queue_that_is_full_and_a_proxy_that_says_429() {
    once("queue-full=1@2", &[], 4, 1);
    once("status=429@2", &[], 4, 1);
}

#[test]
fn a_gateway_that_may_have_passed_it_on() {
    once("status=502@2", &[], 4, 1);
    once("status=504@2", &[], 4, 1);
}

#[test]
fn a_load_that_is_too_large_is_halved() {
    let (cluster, outcome) = run(&["status=413@2"], &[]);
    let outcome = outcome.code(0);
    assert_eq!((outcome.number("splits"), loads(&cluster), held(&cluster)), (1, 5, all(90)), "{}", outcome.stderr);
}

#[test]
fn slow_answers_are_waited_for() {
    once("delay=1s@2", &[], 3, 0);
    once("slow-read=4KB/s@2", &[], 3, 0);
}

#[test]
fn front_ends_that_fail_are_asked_again() {
    once("status=500@2/fe/api/plant/m", &[], 4, 1);
    once("lost-reply@2/fe/api/plant/m", &[], 4, 1);
    once("no-reply@2/fe/api/plant/m", &["--timeout", "1s"], 4, 1);
}

#[test]
fn a_state_that_nobody_tells_is_asked_for_again() {
    let (cluster, outcome) = run(&["lost-reply@2", "status=500@1-3/fe/api/plant/get_load_state"], &[]);
    assert_eq!((outcome.code(0).number("rows"), held(&cluster), loads(&cluster)), (90, all(90), 3));
}

/// No list of bad rows comes with it, so they are looked for by halves, and found to be good.
#[test]
fn keys_that_are_too_long() {
    let (cluster, outcome) = run(&["fail=primary key size exceed the limit.@2"], &["--max-rejects", "5"]);
    let outcome = outcome.code(0);
    assert_eq!((outcome.number("splits"), loads(&cluster), held(&cluster)), (1, 5, all(90)), "{}", outcome.stderr);
}

#[test]
fn a_failure_that_stays_ends_with_5() {
    let (cluster, outcome) = run(&["fail=something new"], &["--retries", "2"]);
    let outcome = outcome.code(5);
    assert_eq!((held(&cluster), loads(&cluster)), ((0, 0), 3));
    assert!(outcome.stderr.contains("something new") && outcome.stderr.contains("label "), "{}", outcome.stderr);
}

#[test]
fn rows_that_are_counted_wrong_end_with_5() {
    let (_, outcome) = run(&["lose-rows=2@2"], &[]);
    let outcome = outcome.code(5);
    assert!(outcome.stderr.contains("loaded 28 of 30 rows"), "{}", outcome.stderr);
    assert_eq!(outcome.number("rows"), 30);
}

#[test]
fn filtered_rows_are_loaded_on_their_own() {
    // The first two rows of the second load are refused once: what is left of it is loaded, then they are found good.
    let (cluster, outcome) = run(&["filtered=2@2"], &["--max-rejects", "5"]);
    let rejected = outcome.number("rejected");
    assert_eq!(outcome.code, if rejected == 0 { 0 } else { 8 }, "{}", outcome.stderr);
    assert_eq!(held(&cluster).0 + rejected, 90);
}

#[test]
fn a_label_that_was_forgotten_before_anything_went_wrong() {
    once("label-evict@2", &[], 3, 0);
}

#[test]
fn labels_of_an_earlier_run_are_not_loaded_again() {
    let cluster = cluster(&[]);
    let again = || load(&cluster).args(["--label-prefix", "night", "--batch-rows", "30"]).stdin(rows(0, 90)).run();
    assert_eq!(again().code(0).number("already"), 0);
    let outcome = again().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("already"), held(&cluster)), (90, 90, all(90)));
    assert!(outcome.stderr.contains("loaded before under the same label"), "{}", outcome.stderr);
}

#[test]
fn without_a_prefix_labels_hold_for_one_run() {
    let cluster = cluster(&[]);
    for _ in 0..2 {
        load(&cluster).stdin(rows(0, 10)).run().code(0);
    }
    assert_eq!(held(&cluster).0, 20);
}

#[test]
fn who_may_not_ends_with_6() {
    let cluster = cluster(&[]);
    let outcome = load(&cluster).env("TS_TARGET_PASSWORD", "wrong").stdin(rows(0, 10)).run().code(6);
    assert_eq!(outcome.number("retries"), 0);
    let outcome = load(&cluster).args(["--table", "missing"]).stdin(rows(0, 10)).run();
    assert_eq!(outcome.code, 2, "twice --table: {}", outcome.stderr);
}

#[test]
fn no_such_table_or_column_ends_with_6() {
    let cluster = cluster(&[]);
    let tool = testkit::tool("sr-stream-load").args(["--url", &cluster.database("plant"), "--table", "missing"]);
    let outcome = tool.stdin(rows(0, 10)).run().code(6);
    assert!(outcome.stderr.contains("missing"), "{}", outcome.stderr);
    let outcome = load(&cluster).args(["--columns", "ts,dev,nothing"]).stdin(rows(0, 10)).run().code(6);
    assert_eq!(outcome.number("retries"), 0, "{}", outcome.stderr);
}

/// Elsewhere what is taken off the queue before the work is lost when the worker dies.
#[test]
fn a_killed_load_is_taken_up_and_nothing_is_lost() {
    let cluster = cluster(&["delay=400ms@2-3"]);
    let begin = || load(&cluster).args(["--batch-rows", "30", "--concurrency", "1"]).env("TS_SPLIT_ID", "part-1");
    begin().stdin(rows(0, 90)).terminate_after(std::time::Duration::from_millis(300)).run();
    begin().stdin(rows(0, 90)).run().code(0);
    assert_eq!(held(&cluster), all(90));
}

/// Elsewhere labels are those of the moment, so that a retry loads a file twice.
#[test]
fn a_retry_loads_nothing_twice() {
    let cluster = cluster(&["lost-reply@1", "status=500@3"]);
    for _ in 0..3 {
        load(&cluster).args(["--batch-rows", "30"]).env("TS_SPLIT_ID", "part-1").stdin(rows(0, 90)).run().code(0);
    }
    assert_eq!(held(&cluster), all(90));
}

/// Elsewhere a load that nobody can see yet is taken for one that failed.
#[test]
fn a_load_that_still_runs_has_not_failed() {
    once("late-commit=700ms@2", &[], 3, 1);
}

/// Elsewhere two sides do not agree on what stands between cells.
#[test]
fn separators_are_said_and_texts_that_hold_them_arrive() {
    let cluster = common::with(&[], &[], "ts DATETIME, dev VARCHAR(80), v BIGINT", "DUPLICATE KEY(ts, dev)");
    let texts = ["a|b#c", "tab\there", "\u{1}\u{2}", "\"quoted\"", "line\nfeed", "\\N", "\\", ""];
    let mut csv = "ts|time,dev|tag,v|long\n".to_owned();
    for (row, text) in texts.iter().enumerate() {
        csv.push_str(&format!("2024-01-01T00:00:0{row}Z,\"{}\",{row}\n", text.replace('"', "\"\"")));
    }
    load(&cluster).stdin(csv).run().code(0);
    let mut stored: Vec<Option<String>> =
        cluster.query("SELECT dev, v FROM plant.m").into_iter().map(|row| row[0].clone()).collect();
    let mut expected: Vec<Option<String>> = texts.iter().map(|text| Some((*text).to_owned())).collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected);
}
