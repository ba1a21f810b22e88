//! A server that loses rows, breaks off, or changes what is being read; and what other exporters do wrong.

#[path = "support/directory.rs"]
mod directory;
mod support;

use directory::{files, manifest};
use std::time::Duration;
use support::{METERS, cluster, export, rows};
use testkit::{temp_dir, tool};

fn meters() -> String {
    METERS.to_owned() + &rows()
}

/// A partition that fails is told at the end, is in no list of what is done, and is the only one that is read again.
#[test]
fn a_failed_partition_is_told_and_only_it_is_done_again() {
    let broken = cluster(&meters(), &["silent-loss=3@3-"]);
    let directory = temp_dir();
    let out = directory.path().to_str().unwrap();
    let outcome = export(&broken).args(["--output-dir", out, "--concurrency", "1", "--retries", "1"]).run().code(4);
    assert!(outcome.stderr.contains("partition p202403: 97 rows came of the 100"), "{}", outcome.stderr);
    let done: Vec<_> = manifest(directory.path()).iter().map(|part| part["partition"].clone()).collect();
    assert_eq!(done, ["p202401", "p202402"]);
    assert_eq!(files(directory.path()).len(), 2, "{:?}", files(directory.path()).keys());
    let whole = cluster(&meters(), &[]);
    let outcome = export(&whole).args(["--output-dir", out]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("skipped")), (201, 2));
}

/// Rows that are withheld with a normal end are missed, read again, and at last refused.
#[test]
fn rows_that_are_lost_in_silence_are_missed() {
    let once = cluster(&meters(), &["silent-loss=1@2"]);
    let outcome = export(&once).args(["--table", "meters"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 1));
    let directory = temp_dir();
    let always = cluster(&meters(), &["silent-loss=1"]);
    let file = directory.path().join("out.csv");
    export(&always).args(["--table", "meters", "--retries", "1", "-o", file.to_str().unwrap()]).run().code(4);
    assert!(!file.exists());
    // Rows that were given cannot be taken back: never an end mark.
    let outcome = export(&always)
        .args(["--table", "meters", "--retries", "1", "--hold", "1", "--batch-rows", "10", "--end-mark"])
        .run()
        .code(4);
    assert!(outcome.stderr.contains("--output-dir"), "{}", outcome.stderr);
    assert!(!outcome.text().contains("#ts-end"));
}

/// `query_timeout`, too little memory: nothing has come, and the partition is asked for again.
#[test]
fn a_query_that_the_server_ends_is_asked_again() {
    let cluster = cluster(&meters(), &["query-timeout@2"]);
    let outcome = export(&cluster).args(["--table", "meters"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 1), "{}", outcome.stderr);
}

#[test]
fn a_login_that_is_refused_is_6() {
    let cluster = testkit::Sim::starrocks(["--fault", "refuse-login"]);
    let outcome = tool("sr-export").args(["--url", &cluster.database("plant"), "--list"]).run().code(6);
    assert_eq!(outcome.number("retries"), 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("1045"), "{}", outcome.stderr);
}

/// A connection that breaks in the middle: the files have every row once.
#[test]
fn a_broken_connection_doubles_nothing() {
    let cluster = cluster(&meters(), &["mysql-kill=40@1-3"]);
    let directory = temp_dir();
    let outcome = export(&cluster).args(["--output-dir", directory.path().to_str().unwrap(), "--part-rows", "7"]).run();
    let outcome = outcome.code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 3));
    let mut lines: Vec<String> = files(directory.path())
        .values()
        .flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let count = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!((count, lines.len()), (402, 402));
}

/// Front ends that are down are passed over.
#[test]
fn another_front_end_takes_over() {
    let cluster = cluster(&meters(), &[]);
    let url = cluster.database("d").replace("root@", "root@127.0.0.1:1,127.0.0.1:2,");
    for _ in 0..3 {
        let outcome = tool("sr-export").args(["--url", &url, "--table", "meters", "--retries", "0"]).run().code(0);
        assert_eq!(outcome.number("rows"), 402);
    }
}

/// A partition that a load touches while it is read is not taken for either state, unless that is asked for.
#[test]
fn a_partition_that_changes_is_read_again_or_marked() {
    let directory = temp_dir();
    for (flag, state) in [(None, "verified"), (Some("--allow-changes"), "changed")] {
        let cluster = cluster(&meters(), &["delay=1500ms@1/mysql"]);
        let out = directory.path().join(state);
        let args = ["--partitions", "p202401", "--output-dir", out.to_str().unwrap()];
        let running = export(&cluster).args(args).args(flag);
        let thread = std::thread::spawn(move || running.run());
        // The count is made, the rows are being waited for.
        let begun = || {
            cluster.requests().iter().any(|request| request["path"].as_str().unwrap_or("").starts_with("SELECT `ts`"))
        };
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while !begun() && std::time::Instant::now() < end {
            if cluster.requests().iter().any(|request| request["path"].as_str().unwrap_or("").contains("count(*)")) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        cluster.query("INSERT INTO d.meters VALUES ('2024-01-01 00:00:00', 'new', 1, NULL)");
        let outcome = thread.join().unwrap().code(0);
        let parts = manifest(&out);
        assert_eq!(parts.last().unwrap()["state"], state, "{}", outcome.stderr);
        assert_eq!(outcome.number("retries"), u64::from(flag.is_none()), "{}", outcome.stderr);
    }
}

/// Texts that hold the separators of every exporter come back as they were: CSV is quoted, and its reader is told nothing.
#[test]
fn separators_in_texts_are_no_separators() {
    let texts = ["a|b", "a|#b", "tab\\there", "line\\nfeed", "quote\"d", "comma,", "\\\\N", "", " x "];
    let values: Vec<String> =
        texts.iter().enumerate().map(|(row, text)| format!("('2024-01-01 00:00:00', 'd', {row}, '{text}')")).collect();
    let sql = format!("{METERS}INSERT INTO d.meters VALUES {}, ('2024-01-01', 'd', 99, NULL);", values.join(", "));
    let cluster = cluster(&sql, &[]);
    let csv = export(&cluster).args(["--table", "meters"]).run().code(0);
    let arrow = export(&cluster).args(["--table", "meters", "-t", "arrow"]).run().code(0);
    let back = |bytes: &[u8], from: &str| {
        tool("ts-convert").args(["-f", from, "-t", "ndjson"]).stdin(bytes.to_vec()).run().code(0).text()
    };
    assert_eq!(back(&csv.stdout, "csv"), back(&arrow.stdout, "arrow"));
    let notes: Vec<serde_json::Value> = back(&csv.stdout, "csv")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["note"].clone())
        .collect();
    for text in ["a|b", "a|#b", "tab\there", "line\nfeed", "quote\"d", "comma,", "\\N", "", " x "] {
        assert!(notes.contains(&text.into()), "{text:?} is not in {notes:?}");
    }
    assert_eq!(notes.len(), texts.len() + 1);
}

/// Killed in the middle: no file under its name is half of one, and the next run goes on.
#[test]
fn files_have_their_names_only_when_they_are_whole() {
    let directory = temp_dir();
    let out = directory.path().to_str().unwrap();
    let slow = cluster(&meters(), &["delay=20s@3/mysql"]);
    let tool = export(&slow).args(["--output-dir", out, "--concurrency", "1"]);
    tool.terminate_after(Duration::from_millis(1500)).run().code(143);
    let left = files(directory.path());
    assert_eq!(left.len(), manifest(directory.path()).len(), "{:?}", left.keys());
    // What kill -9 leaves behind.
    let folder = directory.path().join("d/meters/p202403");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".part-0.csv.tmp-1"), "half").unwrap();
    let whole = cluster(&meters(), &[]);
    let outcome = export(&whole).args(["--output-dir", out]).run().code(0);
    assert_eq!(outcome.number("skipped"), left.len() as u64);
    let now = files(directory.path());
    assert_eq!(now.len(), 5, "{:?}", now.keys());
    assert_eq!(now.values().map(|text| text.lines().count() - 1).sum::<usize>(), 402);
}

/// Tables are copied too: the statement makes the same table in another cluster. Nothing else is run, and no secret is shown.
#[test]
fn tables_can_be_made_elsewhere_and_statements_shown_first() {
    let here = cluster(&meters(), &[]);
    let ddl = export(&here).args(["--ddl", "--into-database", "e"]).run().code(0).text();
    let there = cluster(&format!("CREATE DATABASE e;\n{ddl}"), &[]);
    let statement = |cluster: &testkit::Starrocks, table: &str| {
        cluster.query(&format!("SHOW CREATE TABLE {table}"))[0][1].clone().unwrap()
    };
    assert_eq!(statement(&there, "e.meters"), statement(&here, "d.meters"));
    let monthly = export(&here)
        .args(["--ddl", "--monthly", "ts", "--replication-num", "2", "--compression", "zstd", "--buckets", "5"])
        .run();
    // The far future is data, too: that many months are refused, not made.
    assert_eq!(monthly.code, 2, "{}", monthly.stderr);
    let near = cluster(&meters().replace("9000-", "2025-"), &[]);
    let monthly = export(&near)
        .args(["--ddl", "--monthly", "ts", "--replication-num", "2", "--compression", "zstd", "--buckets", "5"])
        .run()
        .code(0)
        .text();
    for wanted in [
        "PARTITION p202501 VALUES LESS THAN (\"2025-02-01 00:00:00\")",
        "BUCKETS 5\n",
        "\"compression\" = \"ZSTD\"",
        "\"replication_num\" = \"2\"",
    ] {
        assert!(monthly.contains(wanted), "{wanted}: {monthly}");
    }
    assert_eq!(monthly.matches("PARTITION p").count(), 13);
    let dry = export(&here)
        .args(["--via", "files", "--storage", "s3://bucket/x", "--dry-run", "--partitions", "p202401"])
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "a-very-secret-key")
        .env("AWS_REGION", "eu-west-1")
        .run()
        .code(0);
    let text = dry.text();
    assert!(text.starts_with("INSERT INTO FILES('path' = 's3://bucket/x/d/meters/p202401/v2-"), "{text}");
    assert!(text.contains("'aws.s3.secret_key' = '***'") && !text.contains("a-very"), "{text}");
    assert!(text.ends_with(" FROM `d`.`meters` PARTITION(`p202401`);\n"), "{text}");
    let plain = export(&here).args(["--table", "meters", "--dry-run", "--limit", "5"]).run().code(0).text();
    assert_eq!(plain.lines().count(), 5, "{plain}");
    assert!(!here.requests().iter().any(|request| request["path"].as_str().unwrap_or("").contains("FILES(")));
}

/// Two front ends of the same data; the one that is read from goes away for good in the middle.
#[test]
fn a_front_end_that_goes_away_is_left_for_the_next_one() {
    let slow = ["delay=300ms@1-/mysql/d/meters"];
    let mut fronts = vec![cluster(&meters(), &slow), cluster(&meters(), &slow)];
    let url = format!("starrocks://root@{},{}/d", fronts[0].mysql, fronts[1].mysql);
    let directory = temp_dir();
    let folder = directory.path().to_str().unwrap().to_owned();
    let running = std::thread::spawn(move || {
        tool("sr-export").args(["--url", &url, "--output-dir", &folder, "--concurrency", "1"]).run()
    });
    let reads = |front: &testkit::Starrocks| {
        front.requests().iter().filter(|r| r["path"].as_str().is_some_and(|sql| sql.contains("PARTITION(`p"))).count()
    };
    let used = loop {
        if let Some(used) = fronts.iter().position(|front| reads(front) > 0) {
            break used;
        }
        assert!(!running.is_finished(), "nothing was read");
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(fronts.remove(used));
    let outcome = running.join().unwrap().code(0);
    assert_eq!(outcome.number("rows"), 402, "{}", outcome.stderr);
    assert!(reads(&fronts[0]) > 0, "{}", outcome.stderr);
    let rows: usize = files(directory.path()).values().map(|text| text.lines().count() - 1).sum();
    assert_eq!(rows, 402);
}
