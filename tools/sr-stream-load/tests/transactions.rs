//! All of the input at once, and the steps of a transaction from the shell.

mod common;

use common::{all, cluster, held, load, rows};

#[test]
fn all_of_it_becomes_visible_at_once() {
    let cluster = cluster(&[]);
    let outcome =
        load(&cluster).args(["--txn", "--label", "night-1", "--batch-rows", "30"]).stdin(rows(0, 90)).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("requests"), held(&cluster)), (90, 3, all(90)));
    assert!(outcome.summary().contains("label=night-1"));
    // The same again is known to be there.
    let outcome = load(&cluster).args(["--txn", "--label", "night-1"]).stdin(rows(0, 90)).run().code(0);
    assert_eq!((outcome.number("already"), held(&cluster)), (90, all(90)));
}

#[test]
fn an_input_that_was_cut_leaves_nothing() {
    let cluster = cluster(&[]);
    let tool = load(&cluster).args(["--txn", "--label", "L", "--batch-rows", "10", "--end-mark"]);
    let outcome = tool.stdin(rows(0, 95)).run();
    assert_eq!((outcome.code, held(&cluster)), (9, (0, 0)), "{}", outcome.stderr);
    // And the label is free again.
    load(&cluster).args(["--txn", "--label", "L"]).stdin(rows(0, 90)).run().code(0);
    assert_eq!(held(&cluster), all(90));
}

#[test]
fn a_bad_row_leaves_nothing() {
    let cluster = cluster(&[]);
    let input = rows(0, 20) + "2024-01-01T00:00:00Z,much-too-long,1\n";
    let outcome = load(&cluster).args(["--txn", "--label", "L", "--batch-rows", "10"]).stdin(input).run().code(3);
    assert!(outcome.stderr.contains("whole or not at all"), "{}", outcome.stderr);
    assert_eq!(held(&cluster), (0, 0));
}

#[test]
fn a_part_whose_reply_is_lost_fails_and_leaves_nothing() {
    let cluster = cluster(&["lost-reply@1/be/api/transaction/load"]);
    load(&cluster).args(["--txn", "--label", "L"]).stdin(rows(0, 20)).run().code(5);
    assert_eq!(held(&cluster), (0, 0));
    load(&cluster).args(["--txn", "--label", "L"]).stdin(rows(0, 20)).run().code(0);
    assert_eq!(held(&cluster), all(20));
}

#[test]
fn a_commit_whose_reply_is_lost_is_a_commit() {
    for fault in ["lost-reply@1/api/transaction/commit", "lost-reply@1/api/transaction/prepare"] {
        let cluster = cluster(&[fault]);
        let outcome = load(&cluster).args(["--txn", "--label", "L"]).stdin(rows(0, 20)).run().code(0);
        assert_eq!((outcome.number("rows"), held(&cluster)), (20, all(20)), "{fault}");
    }
}

/// What goes wrong at which step, and comes right by itself.
#[test]
fn steps_that_fail_are_repeated_or_found_done() {
    for fault in [
        "lost-reply@1/be/api/transaction/begin",
        "running-txns@1/be/api/transaction/begin",
        "http-limit@1/be/api/transaction/begin",
        "status=503:retry-after=1@1/be/api/transaction/begin",
        "status=503@1/be/api/transaction/load",
        "status=502@1/be/api/transaction/prepare",
        "status=503@1/fe/api/transaction/commit",
        "publish-timeout=300ms@1/api/transaction/commit",
        "cut-body@1/api/transaction/commit",
        "fail=busy@1/api/transaction/commit",
        "no-reply@1/be/api/transaction/prepare",
        "delay=700ms@1/be/api/transaction/load",
        "lost-reply@1-2/fe/api/plant/get_load_state",
    ] {
        let cluster = cluster(&[fault]);
        let tool = load(&cluster).args(["--txn", "--label", "L", "--batch-rows", "10", "--timeout", "1s"]);
        let outcome = tool.stdin(rows(0, 20)).run();
        assert_eq!((outcome.code, held(&cluster)), (0, all(20)), "{fault}\n{}", outcome.stderr);
    }
}

/// What goes wrong for good: nothing stays, and the label is free again.
#[test]
fn parts_that_fail_roll_everything_back() {
    for fault in [
        "too-many-versions@2/be/api/transaction/load",
        "mem-limit@1/be/api/transaction/load",
        "truncated-body@2/be/api/transaction/load",
        "filtered=1@2/be/api/transaction/load",
        "lose-rows=1@2/be/api/transaction/load",
        "reset-upload@2/be/api/transaction/load",
        "no-reply@2/be/api/transaction/load",
        "fail=something new@1/be/api/transaction/prepare",
    ] {
        let cluster = cluster(&[fault]);
        let load = || load(&cluster).args(["--txn", "--label", "L", "--batch-rows", "10", "--timeout", "1s"]);
        let outcome = load().stdin(rows(0, 20)).run();
        let expected = if fault.starts_with("filtered") { 3 } else { 5 };
        assert_eq!((outcome.code, held(&cluster)), (expected, (0, 0)), "{fault}\n{}", outcome.stderr);
        load().stdin(rows(0, 20)).run().code(0);
        assert_eq!(held(&cluster), all(20), "{fault}");
    }
}

#[test]
fn the_split_names_the_transaction() {
    let cluster = cluster(&[]);
    for _ in 0..2 {
        load(&cluster).arg("--txn").env("TS_SPLIT_ID", "part-7").stdin(rows(0, 20)).run().code(0);
    }
    load(&cluster).arg("--txn").env("TS_SPLIT_ID", "part-8").stdin(rows(20, 10)).run().code(0);
    assert_eq!(held(&cluster), all(30));
}

#[test]
fn steps_from_the_shell_may_be_repeated() {
    let cluster = cluster(&[]);
    let step = |step: &str| load(&cluster).args([step, "--label", "two-phase"]).run();
    for name in ["--begin", "--begin"] {
        step(name).code(0);
    }
    for from in [0, 30] {
        load(&cluster).args(["--load", "--label", "two-phase"]).stdin(rows(from, 30)).run().code(0);
    }
    for name in ["--prepare", "--prepare"] {
        step(name).code(0);
    }
    assert_eq!(held(&cluster), (0, 0), "not committed yet");
    for name in ["--commit", "--commit"] {
        step(name).code(0);
    }
    assert_eq!(held(&cluster), all(60));
    let late = step("--abort").code(6);
    assert!(late.stderr.contains("two-phase is VISIBLE"), "{}", late.stderr);
    step("--begin").code(6);
}

#[test]
fn what_is_rolled_back_is_gone() {
    let cluster = cluster(&[]);
    let step = |step: &str| load(&cluster).args([step, "--label", "L"]).run();
    step("--abort").code(0);
    step("--begin").code(0);
    load(&cluster).args(["--load", "--label", "L"]).stdin(rows(0, 30)).run().code(0);
    step("--abort").code(0);
    step("--abort").code(0);
    step("--commit").code(6);
    assert_eq!(held(&cluster), (0, 0));
    let unknown = load(&cluster).args(["--load", "--label", "other"]).stdin(rows(0, 1)).run();
    assert_eq!(unknown.code, 6, "{}", unknown.stderr);
}

#[test]
fn steps_need_a_label_and_go_one_at_a_time() {
    let cluster = cluster(&[]);
    load(&cluster).arg("--begin").run().code(2);
    load(&cluster).args(["--begin", "--commit", "--label", "L"]).run().code(2);
    load(&cluster).args(["--txn", "--label", "not a label"]).run().code(2);
}
