//! `sr-pace` through its binary: tapes, files, and a simulated cluster whose load is on a tape.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{Outcome, bin, tool};

fn lines(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// From, to, what.
fn steps(outcome: &Outcome) -> Vec<(u64, u64, String)> {
    let step = |line: &serde_json::Value| {
        (line["from"].as_u64().unwrap(), line["to"].as_u64().unwrap(), line["what"].as_str().unwrap().to_owned())
    };
    lines(outcome).iter().map(step).collect()
}

#[test]
fn a_tape_gives_the_decisions_that_are_documented() {
    let tape = testkit::testdata("starrocks/pace/tape.jsonl");
    let outcome = tool("sr-pace").args(["--start", "4", "--tape", tape.to_str().unwrap()]).run().code(0);
    let expected = std::fs::read_to_string(testkit::testdata("starrocks/pace/decisions.jsonl")).unwrap();
    assert_eq!(outcome.text(), expected);
    assert_eq!(outcome.number("looks"), expected.lines().count() as u64);
    // The same again, with another mark.
    let lower =
        tool("sr-pace").args(["--start", "4", "--max-memory", "20", "--tape", tape.to_str().unwrap()]).run().code(0);
    assert_eq!(steps(&lower)[0], (4, 2, "halve".into()));
}

#[test]
fn our_own_work_alone_decides_where_there_are_no_metrics() {
    let dir = testkit::temp_dir();
    let (jobs, timings) = (dir.path().join("jobs"), dir.path().join("timings"));
    let mut child = Command::new(bin("sr-pace"))
        .args(["--every", "100ms", "--start", "8", "--concurrency-file"])
        .arg(&jobs)
        .arg("--timings")
        .arg(&timings)
        .args(["--metrics-url", "http://127.0.0.1:1/metrics", "--timeout", "2s"])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(dir.path().join("out")).unwrap())
        .stderr(std::fs::File::create(dir.path().join("err")).unwrap())
        .spawn()
        .unwrap();
    let number = || std::fs::read_to_string(&jobs).unwrap_or_default();
    until(|| number() == "8\n");
    append(&timings, &[(1.0, 5)]);
    until(|| number() == "4\n");
    let end = Instant::now() + Duration::from_secs(60);
    while number() != "5\n" {
        assert!(Instant::now() < end, "it never rises");
        append(&timings, &[(1.0, 0), (1.1, 0), (1.2, 0)]);
        std::thread::sleep(Duration::from_millis(30));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(text("err").contains("no metrics, latency and failures of our own work alone decide"), "{}", text("err"));
    assert_eq!(text("err").matches("no metrics,").count(), 1);
    let out = text("out");
    let first: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["to"], &first["why"]), (&4.into(), &"1 of our own work failed".into()));
    assert!(first["at"].as_str().unwrap().ends_with('Z'), "{first}");
}

fn append(path: &Path, ends: &[(f64, i32)]) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    for (secs, exit) in ends {
        file.write_all(format!("{{\"secs\":{secs},\"exit\":{exit}}}\n").as_bytes()).unwrap();
    }
}

fn until(check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Cluster(Child);

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_ends_with_the_process_that_it_is_for() {
    let dir = testkit::temp_dir();
    let jobs = dir.path().join("jobs");
    let mut work = Command::new("sleep").arg("600").spawn().unwrap();
    let mut child = Command::new(bin("sr-pace"))
        .args(["--every", "10m", "--pid", &work.id().to_string(), "--timings", "/none", "--concurrency-file"])
        .arg(&jobs)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(|| jobs.exists());
    assert!(child.try_wait().unwrap().is_none());
    work.kill().unwrap();
    work.wait().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_cluster_is_asked_and_what_was_recorded_can_be_replayed() {
    let dir = testkit::temp_dir();
    let path = |name: &str| dir.path().join(name).display().to_string();
    // Three quiet looks, two under load, then quiet again.
    let quiet = r#"{"MemUsedPct":"30.00 %","CpuUsedPct":"12.0 %","MaxDiskUsedPct":"40.00 %"}"#;
    let busy = r#"{"MemUsedPct":"83.50 %","CpuUsedPct":"12.0 %","MaxDiskUsedPct":"40.00 %"}"#;
    std::fs::write(path("load"), [quiet, quiet, quiet, busy, busy, quiet].join("\n")).unwrap();
    let child = Command::new(bin("ts-sim"))
        .args(["starrocks", "--quiet", "--ready-file", &path("ready"), "--metrics-tape", &path("load")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _cluster = Cluster(child);
    until(|| Path::new(&path("ready")).exists());
    let url = std::fs::read_to_string(path("ready")).unwrap().trim().to_owned();
    let outcome = tool("sr-pace")
        .args(["--target-url", &url, "--every", "10ms", "--limit", "6", "--start", "4"])
        .args(["--concurrency-file", &path("jobs"), "--record", &path("tape")])
        .run()
        .code(0);
    assert_eq!(steps(&outcome), [(4, 5, "raise".into()), (5, 2, "halve".into())], "{}", outcome.stderr);
    let why = lines(&outcome)[1]["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with("target ") && why.ends_with("memory 84 % is above 80 %"), "{why}");
    assert_eq!(std::fs::read_to_string(path("jobs")).unwrap(), "2\n");
    let again = tool("sr-pace").args(["--start", "4", "--tape", &path("tape")]).run().code(0);
    let changes: Vec<_> = steps(&again).into_iter().filter(|step| step.2 != "keep").collect();
    assert_eq!((changes, again.number("looks")), (steps(&outcome), 6));
}

#[test]
fn errors() {
    let dir = testkit::temp_dir();
    let jobs = dir.path().join("jobs").display().to_string();
    let go = |args: &[&str]| tool("sr-pace").args(["--concurrency-file", &jobs]).args(args).run();
    assert!(go(&[]).code(2).stderr.contains("nothing to go by"));
    go(&["--timings", "/x", "--floor", "5", "--ceiling", "4"]).code(2);
    go(&["--timings", "/x", "--start", "40"]).code(2);
    go(&["--target-url", "influx1+http://h"]).code(2);
    let secret = go(&["--target-url", "starrocks://root:s3cret@h/"]).code(2);
    assert!(!secret.stderr.contains("s3cret"), "{}", secret.stderr);
    tool("sr-pace").args(["--concurrency-file", "/no/such/folder/jobs", "--timings", "/x"]).run().code(7);
    std::fs::write(&jobs, "{\"at\":\"\"}\nno\n").unwrap();
    assert!(tool("sr-pace").args(["--tape", &jobs]).run().code(3).stderr.contains("jobs:2"));
    tool("sr-pace").args(["--tape", "/no/such/file"]).run().code(7);
    // A cluster that does not answer is no error: the work goes on.
    let outcome = go(&["--target-url", "starrocks://root@127.0.0.1:1/", "--limit", "1"]).code(0);
    assert!(outcome.stderr.contains("no metrics") && outcome.summary().contains("concurrency=1"), "{}", outcome.stderr);
}
