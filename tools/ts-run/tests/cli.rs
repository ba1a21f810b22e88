//! `ts-run` through its binary: with small scripts for what can go wrong, and with a real migration.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::tempfile::TempDir;
use testkit::{Outcome, Sim, bin, tool};

/// A state directory with these splits (id, from, to) of the table `sensors`, and this pipeline.
fn state(splits: &[(&str, &str, &str)], pipeline: &str) -> TempDir {
    let dir = testkit::temp_dir();
    let mut plan = String::from("#ts-plan 1 options=0 source=test\nid\ttable\tpredicate\tfrom\tto\test_rows\n");
    for (id, from, to) in splits {
        plan.push_str(&format!("{id}\tsensors\t\t{from}\t{to}\t\n"));
    }
    std::fs::write(dir.path().join("plan.tsv"), plan).unwrap();
    std::fs::write(dir.path().join("pipeline.sh"), pipeline).unwrap();
    dir
}

const ONE: [(&str, &str, &str); 1] = [("a1", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")];

fn run(dir: &TempDir, id: &str, args: &[&str]) -> Outcome {
    tool("ts-run").args(["--dir", dir.path().to_str().unwrap(), id]).args(args).run()
}

/// A stage that says it was this tool: what a summary in TS_RECEIPT_DIR looks like.
fn stage(name: &str, stage: &str, exit: u8, rows: u64) -> String {
    format!(
        "printf '{{\"tool\":\"{name}\",\"version\":\"0\",\"stage\":\"{stage}\",\"exit\":{exit},\"rows\":{rows},\"bytes\":1,\"retries\":0,\"rejected\":0}}' >$TS_RECEIPT_DIR/{name}.json\n"
    )
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn every_attempt_is_timed() {
    let works = stage("td-dump", "source", 0, 5) + &stage("influx-write", "sink", 0, 5);
    let fails = stage("td-dump", "source", 0, 5) + &stage("influx-write", "sink", 5, 0) + "exit 5\n";
    let dir = state(&ONE, &format!("if [ $TS_SPLIT_ATTEMPT -lt 3 ]; then\n{fails}fi\n{works}"));
    let file = dir.path().join("timings");
    run(&dir, "a1", &["--retry-wait", "1ms", "--timings", file.to_str().unwrap()]).code(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exits: Vec<i64> = lines.iter().map(|line| line["exit"].as_i64().unwrap()).collect();
    assert_eq!(exits, [5, 5, 0]);
    assert!(lines.iter().all(|line| line["split"] == "a1" && line["secs"].as_f64().is_some_and(|s| s < 60.0)));
}

#[test]
fn a_real_migration_of_two_splits() {
    let data = testkit::temp_dir();
    let csv = data.path().join("sensors.csv");
    // Two sub-tables, a row a second: 100 seconds, in two windows.
    tool("ts-gen").args(["sensors", "--rows", "200", "--tables", "2", "-o", csv.to_str().unwrap()]).run().code(0);
    let source = Sim::tdengine(["--load", &format!("d.sensors={}", csv.display())]);
    let target = Sim::influx(["--database", "d"]);
    let pipeline = "td-dump --table \"$TS_SPLIT_TABLE\" --since \"$TS_SPLIT_FROM\" --until \"$TS_SPLIT_TO\" |
        lp-encode --measurement \"$TS_SPLIT_TABLE\" | influx-write --rejects \"$TS_SPLIT_REJECTS\"\n";
    let dir = state(
        &[
            ("a1", "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"),
            ("b2", "2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z"),
        ],
        pipeline,
    );
    let go = |id: &str| {
        tool("ts-run")
            .args(["--dir", dir.path().to_str().unwrap(), id])
            .env("TS_SOURCE_URL", format!("tdengine://root@{}/d", source.host))
            .env("TS_SOURCE_PASSWORD", "taosdata")
            .env("TS_TARGET_URL", format!("influx1+{}/d", target.base))
            .run()
    };
    assert_eq!(go("a1").code(0).number("rows"), 120);
    assert_eq!(go("b2").code(0).number("rows"), 80);
    let receipt = json(dir.path().join("done/a1.json"));
    assert_eq!((receipt["rows"].as_u64(), receipt["attempt"].as_u64()), (Some(120), Some(1)));
    let stages: Vec<&str> = receipt["stages"].as_array().unwrap().iter().map(|s| s["tool"].as_str().unwrap()).collect();
    assert_eq!(stages, ["td-dump", "lp-encode", "influx-write"]);
    // Done is done: nothing is asked of either side again.
    let before = source.requests().len();
    assert!(go("a1").code(0).summary().contains("done=before"));
    assert_eq!(source.requests().len(), before);
}

#[test]
fn rows_that_do_not_add_up_are_no_receipt() {
    let script = stage("td-dump", "source", 0, 10) + &stage("influx-write", "sink", 0, 9);
    let dir = state(&ONE, &script);
    let outcome = run(&dir, "a1", &["--retries", "0"]).code(9);
    assert!(outcome.stderr.contains("10 rows were read, but 9 written"), "{}", outcome.stderr);
    assert!(!dir.path().join("done/a1.json").exists());
    assert_eq!(json(dir.path().join("failed/a1.json"))["retryable"], true);
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_put_on_record() {
    // Fails twice with 4, then succeeds.
    let script = format!(
        "echo x >>$TS_RECEIPT_DIR/../count\nif [ $(wc -l <$TS_RECEIPT_DIR/../count) -lt 3 ]; then {} echo 'td-dump: error: reset' >&2; exit 4; fi\n{}{}",
        stage("td-dump", "source", 4, 0),
        stage("td-dump", "source", 0, 5),
        stage("influx-write", "sink", 0, 5)
    );
    let dir = state(&ONE, &script);
    let outcome = run(&dir, "a1", &["--retry-wait", "10ms"]).code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (5, 2));
    assert_eq!(json(dir.path().join("done/a1.json"))["attempt"], 3);
    assert!(!dir.path().join("failed/a1.json").exists());

    let refused = stage("td-dump", "source", 6, 0) + "echo 'td-dump: error: no such table' >&2; exit 6\n";
    let dir = state(&ONE, &refused);
    let outcome = run(&dir, "a1", &["--retry-wait", "10ms"]).code(6);
    assert!(outcome.stderr.contains("attempt 1: td-dump: error: no such table"), "{}", outcome.stderr);
    // The next run does not even try.
    let outcome = run(&dir, "a1", &[]).code(6);
    assert!(outcome.stderr.contains("ts-state retry a1"), "{}", outcome.stderr);
    assert_eq!(lines(&dir.path().join("journal.jsonl")), 2);
}

#[test]
fn a_script_that_is_too_slow_is_ended_with_all_its_stages() {
    let dir = state(&ONE, "sleep 300 & echo $! >$TS_RECEIPT_DIR/pid; wait\n");
    let start = Instant::now();
    run(&dir, "a1", &["--time-limit", "300ms", "--retries", "0"]).code(9);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    let pid = std::fs::read_to_string(dir.path().join("logs/a1.1/pid")).unwrap();
    wait_until(|| !alive(pid.trim()));
}

#[test]
fn a_killed_runner_takes_its_stages_with_it_and_leaves_no_receipt() {
    // A real stage that would wait for ever, below the shell.
    let dir = state(&ONE, "sleep 300 | ts-convert -t csv >/dev/null\n");
    let binary = bin("ts-run");
    let mut runner = std::process::Command::new(&binary)
        .args(["--dir", dir.path().to_str().unwrap(), "a1"])
        .env("PATH", format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap()))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let log = dir.path().join("logs/a1.1/stderr.log");
    wait_until(|| log.exists() && children_of_group(&dir).contains("ts-convert"));
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait_until(|| !children_of_group(&dir).contains("ts-convert"));
    assert!(!dir.path().join("done/a1.json").exists());
    // The orphaned shell and `sleep` are none of ours: they hold the lock as long as they live, and the next run says so.
    let outcome = run(&dir, "a1", &["--lock-wait", "100ms"]);
    if outcome.code == 6 {
        assert!(outcome.stderr.contains("is being worked on by process"), "{}", outcome.stderr);
    }
    for pid in children_of_group(&dir).split_whitespace().filter_map(|word| word.parse::<u32>().ok()) {
        let _ = std::process::Command::new("kill").arg(pid.to_string()).status();
    }
}

/// `pid name` of every process that has the state directory in its environment.
fn children_of_group(dir: &TempDir) -> String {
    let wanted = format!("TS_RECEIPT_DIR={}", dir.path().display());
    let mut found = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|b| *b == 0).any(|variable| variable.starts_with(wanted.as_bytes())) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push_str(&format!("{} {name} ", entry.file_name().display()));
        }
    }
    found
}

/// Does a process of this number still run? One that nobody has asked for its exit code yet does not.
fn alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it did not come to that within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_runs_of_one_split_never_write_at_the_same_time() {
    let script = format!(
        "mkdir $TS_RECEIPT_DIR/../busy\nsleep 0.5\nrmdir $TS_RECEIPT_DIR/../busy\n{}{}",
        stage("td-dump", "source", 0, 1),
        stage("influx-write", "sink", 0, 1)
    );
    let dir = state(&ONE, &script);
    let path = dir.path().to_owned();
    let other = std::thread::spawn(move || tool("ts-run").args(["--dir", path.to_str().unwrap(), "a1"]).run().code);
    let codes = (run(&dir, "a1", &[]).code, other.join().unwrap());
    assert_eq!(codes, (0, 0));
    let journal = std::fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    assert_eq!(journal.matches("\"started\"").count(), 1, "{journal}");
}

#[test]
fn usage_errors() {
    let dir = state(&ONE, "true\n");
    assert!(run(&dir, "zz", &[]).code(2).stderr.contains("no split zz"));
    assert!(run(&dir, "a1", &["--pipeline", "/nonexistent"]).code(2).stderr.contains("no such script"));
    // A pipeline without our tools has nothing to count by.
    assert!(run(&dir, "a1", &[]).code(2).stderr.contains("no source has told"));
    let empty = testkit::temp_dir();
    let outcome = tool("ts-run").args(["--dir", empty.path().to_str().unwrap(), "a1"]).run().code(2);
    assert!(outcome.stderr.contains("holds no plan.tsv"), "{}", outcome.stderr);
}

#[test]
fn a_signal_ends_the_pipeline_and_is_no_failure_of_the_split() {
    let dir = state(&ONE, "sleep 300\n");
    let outcome = tool("ts-run")
        .args(["--dir", dir.path().to_str().unwrap(), "a1"])
        .terminate_after(Duration::from_millis(500))
        .run();
    outcome.code(143);
    assert!(!dir.path().join("failed/a1.json").exists());
}
