//! Rows over Arrow Flight SQL: the same as over MySQL, to the byte; and what may go wrong on the way.

#[path = "support/directory.rs"]
mod directory;
mod support;

use directory::{files, manifest};
use std::time::Duration;
use support::{METERS, cluster_with, export, rows};
use testkit::{Sim, Starrocks, temp_dir, tool};

/// A cluster of this version that speaks Flight too.
fn flight(version: &str, sql: &str, more: &[&str]) -> Starrocks {
    let own = ["--flight-listen", "127.0.0.1:0", "--server-version", version];
    cluster_with(sql, &own.iter().chain(more).copied().collect::<Vec<_>>())
}

fn meters(more: &[&str]) -> Starrocks {
    flight("4.0.4", &(METERS.to_owned() + &rows()), more)
}

/// Every type, NULL in each, and what is at its ends.
const TYPES: &str = r#"
CREATE DATABASE d;
CREATE TABLE d.t (
  id BIGINT NOT NULL, ts DATETIME, ok BOOLEAN, tiny TINYINT, small SMALLINT, n INT, big LARGEINT, f FLOAT, x DOUBLE,
  m DECIMAL(20, 4), wide DECIMAL(38, 10), day DATE, c CHAR(4), s VARCHAR(64), bytes VARBINARY(16), j JSON, a ARRAY<INT>,
  texts ARRAY<ARRAY<VARCHAR(20)>>, reals ARRAY<DOUBLE>, days ARRAY<DATE>, times ARRAY<DATETIME>, money ARRAY<DECIMAL(10, 2)>,
  flags ARRAY<TINYINT>, mp MAP<INT, VARCHAR(5)>, st STRUCT<a INT, b VARCHAR(4)>, bits BITMAP, visitors HLL
) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2;
INSERT INTO d.t VALUES
  (1, '2024-01-02 03:04:05.000006', true, -128, -32768, -5, '99999999999999999999999999999999999999', 0.1, 1e300, -1.2345,
   '1234567890123456789012345678.0123456789', '2024-02-29', 'ab', 'q " \\ ł 🌡 , |', unhex('00ff41'), '{"a":[1,null]}',
   '[1,null,-3]', '[["a","b\\"c\\\\"],[],null]', '[0.5,2,1e300]', '["2024-02-29",null]',
   '["2024-01-01 00:00:00","0001-01-01 00:00:00.500000"]', '[-1.25,0.75]', '[1,0]', '{"1":"x"}', '{"a":1,"b":"z"}',
   to_bitmap(7), hll_hash('a')),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL),
  (3, '0001-01-01 00:00:00', false, 127, 32767, 2147483647, '-1', -1.5, 5e-324, 0, 0, '9999-12-31', '', '', unhex(''), '[]',
   '[]', '[]', '[]', '[]', '[]', '[]', '[]', '{}', '{"a":null,"b":""}', bitmap_empty(), hll_empty());
"#;

#[test]
fn every_type_is_the_same_as_over_mysql() {
    // The older one sends dates, times and LARGEINT as texts.
    for version in ["3.5.1", "4.0.4"] {
        let cluster = flight(version, TYPES, &[]);
        let read = |args: &[&str]| {
            let visitors = ["--table", "t", "--expression", "visitors=hll_cardinality(visitors)"];
            let outcome = export(&cluster).args(visitors).args(args).run().code(0);
            assert_eq!(outcome.number("rows"), 3);
            outcome.stdout
        };
        for args in [&["-t", "csv"][..], &["-t", "csv", "--largeint", "text"], &["-t", "arrow"], &["-t", "parquet"]] {
            let mysql = read(args);
            let flight = read(&[args, &["--via", "flight"]].concat());
            assert!(!mysql.is_empty());
            assert!(mysql == flight, "{version} {args:?}: {}", String::from_utf8_lossy(&flight));
        }
    }
}

/// LARGEINT of 39 digits is no decimal: told over either way, and both can read it as text.
#[test]
fn a_number_of_39_digits_is_told() {
    let sql = "CREATE DATABASE d; CREATE TABLE d.t (id LARGEINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);\n\
               INSERT INTO d.t VALUES ('-170141183460469231731687303715884105728');";
    let cluster = flight("4.0.4", sql, &[]);
    for via in ["mysql", "flight"] {
        let outcome = export(&cluster).args(["--table", "t", "--via", via]).run().code(3);
        assert!(outcome.stderr.contains("--largeint text"), "{}", outcome.stderr);
        let text = export(&cluster).args(["--table", "t", "--via", via, "--largeint", "text"]).run().code(0).text();
        assert!(text.ends_with("\n-170141183460469231731687303715884105728\n"), "{text}");
    }
}

/// What the server cuts into messages of 4096 rows is written as the limits say, whatever the way.
#[test]
fn batches_do_not_depend_on_the_way() {
    let directory = temp_dir();
    let path = directory.path().join("t.csv");
    let generated = tool("ts-gen").args(["meters", "--rows", "20000", "--seed", "5"]).run().code(0);
    std::fs::write(&path, &generated.stdout).unwrap();
    let load = format!("d.t={}", path.display());
    let cluster = Sim::starrocks(["--flight-listen", "127.0.0.1:0", "--server-version", "4.0.4", "--load", &load]);
    for args in [&["-t", "arrow"][..], &["-t", "csv"], &["-t", "arrow", "--batch-rows", "100"]] {
        let read = |via: &str| {
            let outcome = export(&cluster).args(["--table", "t", "--via", via]).args(args).run().code(0);
            assert_eq!(outcome.number("rows"), 20_000);
            outcome.stdout
        };
        assert!(read("mysql") == read("flight"), "{args:?}");
    }
    // The back end was asked for them.
    assert!(cluster.requests().iter().filter(|request| request["method"] == "DOGET").count() >= 3);
}

/// Rows that are withheld with a normal end (which real servers have done) are missed, read again, and at last refused.
#[test]
fn rows_that_flight_loses_in_silence_are_missed() {
    let once = meters(&["--fault", "flight-loss=1@2"]);
    let outcome = export(&once).args(["--table", "meters", "--via", "flight"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 1));
    let directory = temp_dir();
    let file = directory.path().join("out.csv");
    let always = meters(&["--fault", "flight-loss=3"]);
    let args = ["--table", "meters", "--via", "flight", "--retries", "1", "-o", file.to_str().unwrap()];
    let outcome = export(&always).args(args).run().code(4);
    assert!(outcome.stderr.contains("98 rows came of the 101"), "{}", outcome.stderr);
    assert!(!file.exists());
}

/// A stream that breaks in the middle: the files have every row once.
#[test]
fn a_broken_stream_doubles_nothing() {
    let cluster = meters(&["--fault", "flight-kill=40@1-3"]);
    let directory = temp_dir();
    let out = directory.path().to_str().unwrap();
    let outcome = export(&cluster).args(["--via", "flight", "--output-dir", out, "--part-rows", "7"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 3), "{}", outcome.stderr);
    assert!(manifest(directory.path()).iter().all(|part| part["state"] == "verified"));
    let mut lines: Vec<String> = files(directory.path())
        .values()
        .flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let count = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!((count, lines.len()), (402, 402));
}

#[test]
fn a_server_that_is_busy_or_silent_is_asked_again() {
    for fault in ["busy@1/flight", "query-timeout@2/flight", "no-reply@1/flight", "flight-kill=0@1"] {
        let cluster = meters(&["--fault", fault]);
        let args = ["--table", "meters", "--via", "flight", "--timeout", "2s"];
        let outcome = export(&cluster).args(args).run().code(0);
        assert_eq!((outcome.number("rows"), outcome.number("retries")), (402, 1), "{fault}: {}", outcome.stderr);
    }
}

#[test]
fn a_login_that_flight_refuses_is_6() {
    let cluster = meters(&["--fault", "refuse-login@/flight"]);
    let outcome = export(&cluster).args(["--table", "meters", "--via", "flight"]).run().code(6);
    assert_eq!(outcome.number("retries"), 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Access denied"), "{}", outcome.stderr);
}

/// Its port has no default, and nobody is asked before that is said.
#[test]
fn the_port_has_to_be_in_the_url() {
    let args = ["--url", "starrocks://127.0.0.1:1/d", "--table", "meters", "--via", "flight"];
    let outcome = tool("sr-export").args(args).run().code(2);
    assert!(
        outcome.stderr.contains("flight=PORT") && outcome.stderr.contains("arrow_flight_port"),
        "{}",
        outcome.stderr
    );
    // A port that is closed, as it is in most clusters.
    let cluster = support::cluster(METERS, &[]);
    let url = format!("{}&flight=1", cluster.database("d"));
    let args = ["--url", &url, "--table", "meters", "--via", "flight", "--retries", "0"];
    let outcome = tool("sr-export").args(args).run().code(4);
    assert!(outcome.stderr.contains("grpc://127.0.0.1:1: cannot connect"), "{}", outcome.stderr);
}

/// The front end names the back end as the cluster knows it.
#[test]
fn a_back_end_with_a_private_name_is_mapped() {
    let cluster = meters(&["--be-name", "be1.invalid:8040"]);
    let args = ["--table", "meters", "--via", "flight", "--retries", "0"];
    let outcome = export(&cluster).args(args).run().code(4);
    assert!(outcome.stderr.contains("grpc+tcp://be1.invalid:"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--be-map"), "{}", outcome.stderr);
    let outcome = export(&cluster).args(args).args(["--be-map", "be1.invalid=127.0.0.1"]).run().code(0);
    assert_eq!(outcome.number("rows"), 402);
}

/// Conditions, columns, several workers, and a run that goes on: as over MySQL.
#[test]
fn everything_else_is_as_over_mysql() {
    let cluster = meters(&[]);
    for args in [
        &["--where", "v >= 50", "--columns", "ts,v"][..],
        &["--since", "2024-02-01", "--until", "2024-04-01"],
        &["--partitions", "p202401,pmax"],
        &["--limit", "7"],
        &["--dry-run"],
        &["--where", "v > 1000"],
    ] {
        let read =
            |via: &str| export(&cluster).args(["--table", "meters", "--via", via]).args(args).run().code(0).stdout;
        assert_eq!(read("mysql"), read("flight"), "{args:?}");
    }
    let directory = temp_dir();
    let args = ["--via", "flight", "--output-dir", directory.path().to_str().unwrap(), "--concurrency", "3"];
    let outcome = export(&cluster).args(args).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("partitions")), (402, 5));
    let outcome = export(&cluster).args(args).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("skipped")), (0, 5));
}

/// What the server says of a statement is not tried again.
#[test]
fn a_condition_that_cannot_be_is_6() {
    let cluster = meters(&[]);
    // It fails where the rows are counted already: nothing was asked over Flight.
    let outcome =
        export(&cluster).args(["--table", "meters", "--via", "flight", "--where", "nothing = 1"]).run().code(6);
    assert_eq!(outcome.number("retries"), 0, "{}", outcome.stderr);
    let limited = ["--table", "meters", "--via", "flight", "--where", "nothing = 1", "--limit", "3"];
    let outcome = export(&cluster).args(limited).run().code(6);
    assert!(outcome.stderr.contains("grpc://") && outcome.stderr.contains("cannot be resolved"), "{}", outcome.stderr);
}

#[test]
fn a_signal_ends_the_wait() {
    let cluster = meters(&["--fault", "delay=20s@1/flight"]);
    let tool = export(&cluster).args(["--table", "meters", "--via", "flight"]);
    tool.terminate_after(Duration::from_millis(1500)).run().code(143);
}
