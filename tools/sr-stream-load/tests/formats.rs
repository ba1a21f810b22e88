//! How rows are written for the server: CSV, JSON, Arrow; types; upserts and deletes; what StarRocks cannot hold.

mod common;

use common::{all, cluster, held, load, rows, with};
use testkit::{shell, temp_dir, tool};

const TYPES: &str =
    "ts DATETIME, dev VARCHAR(80), v DOUBLE, n LARGEINT, d DECIMAL(20,2), ok BOOLEAN, b VARBINARY, j JSON";

fn typed() -> String {
    "ts|time,dev|tag,v|double,n|ulong,\"d|decimal(20,2)\",ok|boolean,b|binary,j|json\n\
     2024-01-01T00:00:00.123456Z,a,1.5,18446744073709551615,12345678901234567.89,true,00ff,\"{\"\"a\"\":1}\"\n\
     2024-01-01T00:00:01.000000Z,\"\",,,,false,,\n"
        .to_owned()
}

#[test]
fn every_type_arrives_in_each_form() {
    for form in
        [&[][..], &["--load-format", "json"], &["--compress", "gzip"], &["--compress", "zstd", "--load-format", "csv"]]
    {
        let cluster = with(&[], &[], TYPES, "DUPLICATE KEY(ts, dev)");
        load(&cluster).args(form).stdin(typed()).run().code(0);
        let mut rows = cluster.query("SELECT ts, dev, v, n, d, ok, hex(b), j FROM plant.m");
        rows.sort();
        let text = |row: &Vec<Option<String>>| {
            row.iter()
                .map(|cell| cell.clone().unwrap_or("NULL".into()).replace(": ", ":"))
                .collect::<Vec<_>>()
                .join("|")
        };
        assert_eq!(
            text(&rows[0]),
            "2024-01-01 00:00:00.123456|a|1.5|18446744073709551615|12345678901234567.89|1|00FF|{\"a\":1}",
            "{form:?}"
        );
        assert_eq!(text(&rows[1]), "2024-01-01 00:00:01||NULL|NULL|NULL|0|NULL|NULL", "{form:?}");
    }
}

#[test]
fn arrow_goes_to_servers_that_take_it() {
    let cluster =
        with(&[], &["--server-version", "4.2.0"], "ts DATETIME, dev VARCHAR(8), v BIGINT", "DUPLICATE KEY(ts, dev)");
    let input = rows(0, 90);
    let outcome = load(&cluster).args(["--load-format", "arrow", "--batch-rows", "50"]).stdin(input).run().code(0);
    assert_eq!((held(&cluster), outcome.number("requests")), (all(90), 2));
}

/// A load of Arrow messages is taken apart, where it does not go through whole.
#[test]
fn bad_rows_of_arrow_loads_are_found() {
    let cluster =
        with(&[], &["--server-version", "4.2.0"], "ts DATETIME, dev VARCHAR(8), v BIGINT", "DUPLICATE KEY(ts, dev)");
    let folder = temp_dir();
    let rejects = folder.path().join("rejects");
    let input = rows(0, 90).replace("d1,31\n", "much-too-long,31\n").replace("d2,77\n", "much-too-long,77\n");
    let outcome = load(&cluster)
        .args(["--load-format", "arrow", "--batch-rows", "40", "--max-rejects", "9", "--rejects"])
        .arg(&rejects)
        .stdin(input)
        .run()
        .code(8);
    assert_eq!((outcome.number("rejected"), outcome.number("rows")), (2, 88));
    assert_eq!(held(&cluster), (88, all(90).1 - 31 - 77));
    let text = std::fs::read_to_string(rejects).unwrap();
    let mut bad: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    bad.sort_unstable(); // two loads at a time
    assert_eq!(bad, ["2024-01-01T00:00:31Z,much-too-long,31", "2024-01-01T00:01:17Z,much-too-long,77"]);
}

#[test]
fn upserts_and_deletes_follow_an_op_column() {
    let columns = "ts DATETIME, dev VARCHAR(8), v BIGINT";
    let cluster = with(&[], &[], columns, "PRIMARY KEY(ts, dev)");
    load(&cluster).stdin(rows(0, 10)).run().code(0);
    let changes = "ts|time,what|byte,dev|tag,v|long\n\
        2024-01-01T00:00:00Z,0,d0,100\n2024-01-01T00:00:01Z,1,d1,\n2024-01-01T00:00:50Z,0,d2,50\n";
    load(&cluster).args(["--op", "what", "--batch-rows", "1"]).stdin(changes).run().code(0);
    assert_eq!(held(&cluster), (10, 45 - 1 + 100 + 50));
}

#[test]
fn columns_are_renamed_left_out_and_made() {
    let cluster = cluster(&[]);
    let input = "when|time,name|tag,more|string,x|long\n2024-01-01T00:00:00Z,a,no,20\n";
    load(&cluster).args(["--columns", "ts,dev,-,x", "--set", "v=x+1"]).stdin(input).run().code(0);
    assert_eq!(held(&cluster), (1, 21));
    load(&cluster).args(["--columns", "ts,dev"]).stdin(input).run().code(2);
    load(&cluster).args(["--op", "nothing"]).stdin(input).run().code(2);
}

#[test]
fn what_starrocks_cannot_hold_is_refused_unless_told_otherwise() {
    let cluster = with(&[], &[], "ts DATETIME, dev VARCHAR(8), v DOUBLE", "DUPLICATE KEY(ts, dev)");
    let input = "ts|time,dev|tag,v|double\n2024-01-01T00:00:00.000000001Z,a,1\n2024-01-01T00:00:01.000000000Z,a,NaN\n\
        2024-01-01T00:00:02.000000000Z,a,2\n";
    let outcome = load(&cluster).stdin(input).run().code(3);
    assert!(outcome.stderr.contains("column ts: StarRocks holds microseconds"), "{}", outcome.stderr);
    let directory = testkit::temp_dir();
    let rejects = directory.path().join("bad.csv");
    let tool = load(&cluster).args(["--max-rejects", "2", "--rejects"]).arg(&rejects);
    let outcome = tool.stdin(input).run().code(8);
    assert_eq!((outcome.number("rows"), outcome.number("rejected")), (1, 2));
    let text = std::fs::read_to_string(rejects).unwrap();
    assert!(text.contains("\n2024-01-01T00:00:00.000000001Z,a,1") && text.contains("NaN"), "{text}");
    let outcome = load(&cluster).args(["--nan", "null", "--truncate-times"]).stdin(input).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("nulled"), outcome.number("truncated")), (3, 1, 1));
}

#[test]
fn rows_that_the_server_refuses_can_be_loaded_later() {
    let cluster = cluster(&[]);
    let directory = testkit::temp_dir();
    let rejects = directory.path().join("bad.csv");
    let mut input = rows(0, 60);
    input.push_str("2024-01-01T00:01:00Z,\"much, too long\",60\n2024-01-01T00:01:01Z,\"as \"\"long\"\"\",\n");
    let tool = load(&cluster).args(["--max-rejects", "9", "--rejects"]).arg(&rejects);
    let outcome = tool.stdin(input).run().code(8);
    assert_eq!((outcome.number("rejected"), held(&cluster)), (2, all(60)));
    let text = std::fs::read_to_string(rejects).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        rows,
        ["2024-01-01T00:01:00.000000Z,\"much, too long\",60", "2024-01-01T00:01:01.000000Z,\"as \"\"long\"\"\","]
    );
}

#[test]
fn the_last_load_waits_for_the_end_mark() {
    let cluster = cluster(&[]);
    for input in [rows(0, 50), rows(0, 50) + "#ts-end rows=50 xxh3=0000000000000000\n"] {
        let outcome = load(&cluster).env("TS_END_MARK", "1").args(["--batch-rows", "50"]).stdin(input).run().code(9);
        assert_eq!((outcome.number("rows"), held(&cluster).0), (0, 0));
    }
}

#[test]
fn a_label_names_one_load() {
    let cluster = cluster(&[]);
    let outcome = load(&cluster).args(["--label", "L", "--batch-rows", "20"]).stdin(rows(0, 21)).run().code(2);
    assert!(outcome.stderr.contains("--txn or --label-prefix"), "{}", outcome.stderr);
    assert_eq!(held(&cluster).0, 0);
    for already in [0, 20] {
        let outcome = load(&cluster).args(["--label", "L"]).stdin(rows(0, 20)).run().code(0);
        assert_eq!((outcome.number("already"), held(&cluster)), (already, all(20)));
    }
}

#[test]
fn merge_commit_loads_without_labels() {
    let options = ["--server-version", "3.4.0"];
    let cluster = with(&[], &options, "ts DATETIME, dev VARCHAR(8), v BIGINT", "DUPLICATE KEY(ts, dev)");
    load(&cluster).args(["--merge-commit=50ms", "--batch-rows", "30"]).stdin(rows(0, 90)).run().code(0);
    assert_eq!(held(&cluster), all(90));
    load(&cluster).args(["--merge-commit", "--txn"]).stdin(rows(0, 1)).run().code(2);
}

#[test]
fn other_formats_come_through_pipes() {
    let cluster = cluster(&[]);
    let url = cluster.database("plant");
    let script = format!("ts-convert -q -f csv -t arrow | sr-stream-load --url '{url}' --table m");
    shell(&script).stdin(rows(0, 30)).run().code(0);
    assert_eq!(held(&cluster), all(30));
    let outcome =
        tool("sr-stream-load").args(["--url", &url, "--table", "m", "--dry-run"]).stdin(rows(0, 30)).run().code(0);
    assert!(outcome.summary().contains("checked=30"));
    assert_eq!(held(&cluster), all(30));
}
