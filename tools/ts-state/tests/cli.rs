//! `ts-state` through its binary.

use testkit::tempfile::TempDir;
use testkit::{Outcome, tool};

/// Five splits: done, failed, blocked, skipped, pending.
fn state() -> TempDir {
    let dir = testkit::temp_dir();
    let mut plan = String::from("#ts-plan 1 options=0 source=test\nid\ttable\tpredicate\tfrom\tto\test_rows\n");
    for id in ["d1", "f2", "b3", "s4", "p5"] {
        plan.push_str(&format!("{id}\tsensors\t\t2024-01-01T00:00:00Z\t2024-01-02T00:00:00Z\t100\n"));
    }
    std::fs::write(dir.path().join("plan.tsv"), plan).unwrap();
    for (id, script, code) in [
        (
            "d1",
            "s() { printf '{\"tool\":\"%s\",\"version\":\"0\",\"stage\":\"%s\",\"exit\":0,\"rows\":42,\"bytes\":1,\"retries\":0,\"rejected\":0}' $1 $2 >$TS_RECEIPT_DIR/$1.json; }\ns td-dump source\ns influx-write sink\n",
            0,
        ),
        ("f2", "echo 'td-dump: error: connection refused' >&2; exit 4\n", 4),
        ("b3", "echo 'td-dump: error: no such table' >&2; exit 6\n", 6),
    ] {
        std::fs::write(dir.path().join("pipeline.sh"), script).unwrap();
        tool("ts-run").args(["--retries", "0", "--dir", dir.path().to_str().unwrap(), id]).run().code(code);
    }
    state_tool(&dir, &["skip", "s4", "--reason", "not wanted any more"]).code(0);
    dir
}

fn state_tool(dir: &TempDir, args: &[&str]) -> Outcome {
    tool("ts-state").args(args).args(["--dir", dir.path().to_str().unwrap()]).run()
}

#[test]
fn pending_is_what_an_executor_should_run() {
    let dir = state();
    assert_eq!(state_tool(&dir, &["pending"]).code(0).text(), "f2\np5\n");
    assert_eq!(state_tool(&dir, &["retry", "failed"]).code(0).number("splits"), 2);
    assert_eq!(state_tool(&dir, &["pending"]).code(0).text(), "f2\nb3\np5\n");
    state_tool(&dir, &["retry", "s4"]).code(0);
    assert_eq!(state_tool(&dir, &["pending"]).code(0).text(), "f2\nb3\ns4\np5\n");
    let nothing = state_tool(&dir, &["retry", "d1"]).code(0);
    assert!(nothing.stderr.contains("neither failed nor been skipped"), "{}", nothing.stderr);
}

#[test]
fn a_list_in_both_forms() {
    let dir = state();
    let text = state_tool(&dir, &["ls"]).code(0).text();
    let states: Vec<&str> = text.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(states, ["done", "failed", "blocked", "skipped", "pending"]);
    assert!(text.contains("exit 6: td-dump: error: no such table") && text.contains("not wanted any more"), "{text}");
    let one = state_tool(&dir, &["ls", "--only", "done", "--out", "json"]).code(0).text();
    let line: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!((line["id"].as_str(), line["rows"].as_u64()), (Some("d1"), Some(42)));
    state_tool(&dir, &["ls", "--only", "lost"]).code(2);
}

#[test]
fn a_report_is_clean_only_with_every_receipt() {
    let dir = state();
    let report = state_tool(&dir, &["report", "--out", "json"]).code(1);
    let sums: serde_json::Value = serde_json::from_str(&report.text()).unwrap();
    for (key, value) in
        [("splits", 5), ("done", 1), ("failed", 1), ("blocked", 1), ("skipped", 1), ("pending", 1), ("rows", 42)]
    {
        assert_eq!(sums[key].as_u64(), Some(value), "{key}");
    }
    state_tool(&dir, &["skip", "f2", "b3", "p5", "--reason", "x"]).code(0);
    // All that is left was left out on purpose: never 0.
    state_tool(&dir, &["report"]).code(8);
    assert!(state_tool(&dir, &["skip", "d1", "--reason", "x"]).code(2).stderr.contains("is done"));
}

#[test]
fn an_empty_plan_is_no_verdict() {
    let dir = testkit::temp_dir();
    std::fs::write(
        dir.path().join("plan.tsv"),
        "#ts-plan 1 options=0 source=test\nid\ttable\tpredicate\tfrom\tto\test_rows\n",
    )
    .unwrap();
    state_tool(&dir, &["report"]).code(10);
    assert_eq!(state_tool(&dir, &["pending"]).code(0).text(), "");
}

#[test]
fn why_tells_cause_advice_and_history() {
    let dir = state();
    let text = state_tool(&dir, &["why", "b3"]).code(0).text();
    for part in [
        "state       blocked",
        "exit 6: td-dump: error: no such table",
        "mend the cause, then ts-state retry",
        "logs/b3.1/stderr.log",
        " started attempt 1",
        " failed exit 6",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let text = state_tool(&dir, &["why", "d1"]).code(0).text();
    assert!(text.contains("rows        42") && text.contains("stage       td-dump"), "{text}");
    state_tool(&dir, &["why", "zz"]).code(2);
}

#[test]
fn watch_ends_when_nothing_is_left_to_run() {
    let dir = state();
    state_tool(&dir, &["skip", "p5", "--reason", "x"]).code(0);
    let outcome = state_tool(&dir, &["watch", "--every", "50ms"]).code(1);
    assert!(outcome.text().starts_with("1/5 splits, 0 running, 1 failed, 1 blocked, 42 rows"), "{}", outcome.text());
}

#[test]
fn damage_is_an_error_and_nothing_is_concluded() {
    let dir = state();
    std::fs::write(dir.path().join("done/p5.json"), "{").unwrap();
    assert!(state_tool(&dir, &["report"]).code(7).stderr.contains("done/p5.json is damaged"));
    std::fs::write(dir.path().join("plan.tsv"), "x").unwrap();
    state_tool(&dir, &["pending"]).code(3);
}

#[test]
fn metrics_say_what_the_report_says() {
    let dir = state();
    let text = state_tool(&dir, &["metrics", "--migration", "plant"]).code(0).text();
    let metrics = testkit::prometheus::Metrics::parse(&text).unwrap();
    for (state, count) in
        [("done", 1.0), ("failed", 1.0), ("blocked", 1.0), ("skipped", 1.0), ("pending", 1.0), ("running", 0.0)]
    {
        assert_eq!(
            metrics.value("tsferry_splits", &[("state", state), ("migration", "plant")]),
            Some(count),
            "{state}"
        );
    }
    assert_eq!(metrics.value("tsferry_migration_rows_total", &[]), Some(42.0));
    assert_eq!(metrics.value("tsferry_migration_rows_left", &[]), Some(300.0));
    assert_eq!(metrics.value("tsferry_failed_splits", &[("exit", "4")]), Some(1.0));
    assert_eq!(metrics.value("tsferry_failed_splits", &[("exit", "6")]), Some(1.0));
    let now = metrics.value("tsferry_migration_update_time_seconds", &[]).unwrap();
    for name in ["tsferry_last_done_time_seconds", "tsferry_last_failure_time_seconds"] {
        let labels: &[(&str, &str)] = if name.contains("failure") { &[("exit", "6")] } else { &[] };
        let at = metrics.value(name, labels).unwrap();
        assert!(at <= now && now - at < 120.0, "{name}: {at}, {now}");
    }
    assert_eq!(metrics.value("tsferry_oldest_running_split_age_seconds", &[]), Some(0.0));

    // Without a name, that of the directory; with a running split, its age.
    let script = "sleep 30\n";
    std::fs::write(dir.path().join("pipeline.sh"), script).unwrap();
    let mut child = std::process::Command::new(testkit::bin("ts-run"))
        .args(["--quiet", "--dir", dir.path().to_str().unwrap(), "p5"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let file = dir.path().join("m.prom");
    let read = || {
        tool("ts-state").args(["metrics", "--dir"]).arg(dir.path()).arg("-o").arg(&file).run().code(0);
        testkit::prometheus::Metrics::read(&file)
    };
    while read().value("tsferry_splits", &[("state", "running")]) != Some(1.0) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let metrics = read();
    let age = metrics.value("tsferry_oldest_running_split_age_seconds", &[]).unwrap();
    assert!((1.0..60.0).contains(&age), "{age}");
    let name = dir.path().file_name().unwrap().to_str().unwrap();
    assert!(metrics.value("tsferry_splits", &[("state", "done"), ("migration", name)]).is_some());
    let _ = std::process::Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
    state_tool(&dir, &["metrics", "--every", "1s"]).code(2);
}

#[test]
fn a_report_tells_the_throttles_of_each_split() {
    let dir = state();
    let script = "s() { printf '{\"tool\":\"%s\",\"version\":\"0\",\"stage\":\"%s\",\"exit\":0,\"rows\":7,\"bytes\":1,\"retries\":0,\"rejected\":0,\"throttled\":%s,\"outage_ms\":%s}' $1 $2 $3 $4 >$TS_RECEIPT_DIR/$1.json; }\ns td-dump source 0 0\ns influx-write sink 5 1234\n";
    std::fs::write(dir.path().join("pipeline.sh"), script).unwrap();
    tool("ts-run").args(["--dir", dir.path().to_str().unwrap(), "p5"]).run().code(0);
    let text = state_tool(&dir, &["report"]).code(1).text();
    assert!(text.contains("\nthrottled  5\n"), "{text}");
    assert!(
        text.contains("\nsplit p5: 5 requests throttled, target down for 1.2 s\n") && !text.contains("split d1"),
        "{text}"
    );
    let report: serde_json::Value =
        serde_json::from_str(&state_tool(&dir, &["report", "--out", "json"]).text()).unwrap();
    assert_eq!(report["strained"], serde_json::json!([{ "id": "p5", "throttled": 5, "outage_ms": 1234 }]));
    assert!(state_tool(&dir, &["ls"]).text().contains("5 requests throttled"));
    let metrics = testkit::prometheus::Metrics::parse(&state_tool(&dir, &["metrics"]).code(0).text()).unwrap();
    assert_eq!(metrics.value("tsferry_migration_throttled_requests_total", &[]), Some(5.0));
    assert_eq!(metrics.value("tsferry_migration_outage_seconds_total", &[]), Some(1.234));
}
