//! `store-watch` through its binary, on folders.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{Outcome, bin, tool};

fn once(folder: &Path, args: &[&str]) -> Outcome {
    tool("store-watch").args(["--once", &format!("file://{}/", folder.display())]).args(args).run()
}

fn keys(outcome: &Outcome) -> Vec<String> {
    let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
    let name = |line: &str| value(line)["key"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut keys: Vec<String> = outcome.text().lines().map(name).collect();
    keys.sort();
    keys
}

#[test]
fn new_and_changed_objects_are_told_once() {
    let dir = testkit::temp_dir();
    let data = dir.path().join("data");
    let state = dir.path().join("state.jsonl").display().to_string();
    std::fs::create_dir_all(data.join("p1/_temporary")).unwrap();
    for name in ["a.csv", "p1/b c.csv", "p1/_temporary/x.csv", "_SUCCESS", ".hidden"] {
        std::fs::write(data.join(name), "1").unwrap();
    }
    let first = once(&data, &["--state", &state]).code(0);
    assert_eq!(keys(&first), ["a.csv", "b c.csv"]);
    let line: serde_json::Value =
        serde_json::from_str(first.text().lines().find(|l| l.contains("b c")).unwrap()).unwrap();
    assert_eq!(line["url"], format!("file://{}/p1/b c.csv", data.display()));
    assert_eq!((&line["event"], &line["size"]), (&"created".into(), &1.into()));
    assert!(keys(&once(&data, &["--state", &state]).code(0)).is_empty());
    std::fs::write(data.join("a.csv"), "changed").unwrap();
    std::fs::write(data.join("d.csv"), "new").unwrap();
    assert_eq!(keys(&once(&data, &["--state", &state]).code(0)), ["a.csv", "d.csv"]);
    // One that went and came again is new.
    std::fs::remove_file(data.join("d.csv")).unwrap();
    assert!(keys(&once(&data, &["--state", &state]).code(0)).is_empty());
    std::fs::write(data.join("d.csv"), "new").unwrap();
    assert_eq!(keys(&once(&data, &["--state", &state]).code(0)), ["d.csv"]);
    // Without a state all is new.
    assert_eq!(once(&data, &[]).code(0).number("rows"), 3);
}

#[test]
fn a_queue_is_filled_and_worked_off() {
    let dir = testkit::temp_dir();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let queue = format!("dir://{}/queue", dir.path().display());
    for n in 0..20 {
        std::fs::write(data.join(format!("part-{n:02}.csv")), "x").unwrap();
    }
    assert_eq!(once(&data, &["--notify", &queue]).code(0).text(), "");
    let outcome = tool("queue-recv")
        .args([
            "--url",
            &queue,
            "--idle",
            "100ms",
            "--concurrency",
            "4",
            "--",
            "sh",
            "-c",
            "cat $(dirname /$TS_EVENT_KEY)/$(basename $TS_EVENT_KEY)",
        ])
        .run()
        .code(0);
    assert_eq!((outcome.text(), outcome.number("rows")), ("x".repeat(20), 20));
}

#[test]
fn it_looks_again_and_ends_by_signal() {
    let dir = testkit::temp_dir();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let out = dir.path().join("out");
    let mut child = Command::new(bin("store-watch"))
        .args(["--every", "50ms", &format!("file://{}/", data.display())])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || std::fs::read_to_string(&out).unwrap().lines().count();
    for n in 1..=3 {
        std::fs::write(data.join(format!("{n}.csv")), "x").unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while lines() < n {
            assert!(Instant::now() < end, "{n} is not seen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(lines(), 3);
}

#[test]
fn files_that_are_still_written_wait() {
    let dir = testkit::temp_dir();
    std::fs::write(dir.path().join("a.csv"), "x").unwrap();
    assert_eq!(once(dir.path(), &["--settle", "1h"]).code(0).text(), "");
    let old = std::time::SystemTime::now() - Duration::from_secs(7200);
    std::fs::File::open(dir.path().join("a.csv")).unwrap().set_modified(old).unwrap();
    assert_eq!(keys(&once(dir.path(), &["--settle", "1h"]).code(0)), ["a.csv"]);
}

#[test]
fn errors() {
    let dir = testkit::temp_dir();
    std::fs::write(dir.path().join("state"), "no\n").unwrap();
    let state = dir.path().join("state").display().to_string();
    let outcome = once(dir.path(), &["--state", &state]).code(3);
    assert!(outcome.stderr.contains("state:1"), "{}", outcome.stderr);
    once(dir.path(), &["--state", "/no/such/folder/state"]).code(7);
    once(dir.path(), &["--notify", "s3://b/k"]).code(2);
    tool("store-watch").args(["--once", "http://h/x"]).run().code(2);
    tool("store-watch").args(["--once", "--every", "1s", "file:///tmp/"]).run().code(2);
}
