//! The cluster writes by itself, and this tool waits and compares.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::{METERS, cluster, export, rows};
use testkit::{Outcome, temp_dir, tool};

fn lines(outcome: &Outcome) -> Vec<Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The files in the folder of a line.
fn folder(line: &Value) -> Vec<PathBuf> {
    let path = line["path"].as_str().unwrap().trim_start_matches("file://");
    let mut files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn storage(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

#[test]
fn files_hold_every_partition_and_each_attempt_has_its_folder() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let directory = temp_dir();
    let outcome = export(&cluster)
        .args(["--via", "files", "--storage", &storage(directory.path()), "--concurrency", "3"])
        .run()
        .code(0);
    assert_eq!((outcome.number("rows"), outcome.number("partitions")), (402, 5));
    let lines = lines(&outcome);
    assert_eq!(lines.len(), 5);
    let direct = export(&cluster).args(["--table", "meters", "--partitions", "p202402", "-t", "ndjson"]).run().code(0);
    let line = lines.iter().find(|line| line["partition"] == "p202402").unwrap();
    assert_eq!(
        (line["rows"].as_u64(), line["visible_version"].as_u64(), line["format"].as_str()),
        (Some(100), Some(2), Some("parquet"))
    );
    let written: Vec<String> = folder(line)
        .iter()
        .flat_map(|file| {
            let read = tool("ts-convert").args(["-f", "parquet", "-t", "ndjson"]).arg(file).run().code(0).text();
            read.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let cells = |text: &str| -> Vec<String> {
        let mut rows: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| format!("{} {}", row["dev"], row["v"]))
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(cells(&written.join("\n")), cells(&direct.text()));
}

#[test]
fn an_export_job_is_waited_for() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let directory = temp_dir();
    let outcome = export(&cluster)
        .args([
            "--via",
            "export",
            "--storage",
            &storage(directory.path()),
            "--poll",
            "50ms",
            "--partitions",
            "p202401,p202403",
        ])
        .run()
        .code(0);
    assert_eq!(outcome.number("rows"), 201);
    let mut seen = 0;
    for line in lines(&outcome) {
        for file in folder(&line) {
            let bytes = std::fs::read(&file).unwrap();
            let rows: Vec<&[u8]> = bytes.split(|byte| *byte == 2).filter(|row| !row.is_empty()).collect();
            assert!(rows.iter().all(|row| row.split(|byte| *byte == 1).count() == 4), "{}", file.display());
            seen += rows.len();
        }
    }
    assert_eq!(seen, 201);
}

/// What EXPORT cannot do is refused before anything is written.
#[test]
fn columns_that_need_a_function_are_not_for_export() {
    let sql = "CREATE DATABASE d; USE d;
CREATE TABLE t (k INT NOT NULL, b VARBINARY NULL) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES ('replication_num' = '1');";
    let cluster = cluster(sql, &[]);
    let directory = temp_dir();
    let outcome = export(&cluster).args(["--via", "export", "--storage", &storage(directory.path())]).run().code(2);
    assert!(outcome.stderr.contains("--columns"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
