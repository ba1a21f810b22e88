//! `--create` and `--ddl`: the table is made from the rows that come.

use testkit::{Sim, shell, temp_dir, tool};

fn plant() -> (testkit::Starrocks, String) {
    let directory = temp_dir();
    let file = directory.path().join("plant.sql");
    std::fs::write(&file, "CREATE DATABASE plant;\n").unwrap();
    let sim = Sim::starrocks(["--sql", file.to_str().unwrap()]);
    let url = sim.database("plant");
    (sim, url)
}

#[test]
fn a_table_is_made_once_and_rows_that_come_again_replace_themselves() {
    let (sim, url) = plant();
    let rows = tool("ts-gen").args(["meters", "--rows", "500", "--tables", "5"]).run().code(0).stdout;
    for label in ["one", "two"] {
        let outcome = tool("sr-stream-load")
            .args(["--url", &url, "--table", "meters", "--create", "--replication", "1", "--label-prefix", label])
            .stdin(rows.clone())
            .run()
            .code(0);
        assert_eq!(outcome.number("rows"), 500);
    }
    assert_eq!(sim.query("SELECT count(*) FROM plant.meters"), [[Some("500".to_owned())]]);
    let statement = &sim.query("SHOW CREATE TABLE plant.meters")[0][1].clone().unwrap();
    for part in ["PRIMARY KEY(`ts`, `tbname`)", "PARTITION BY date_trunc('month', ts)", "\"replication_num\" = \"1\""] {
        assert!(statement.contains(part), "{part} is not in {statement}");
    }
    // Of a Duplicate Key every row stays.
    for label in ["one", "two"] {
        tool("sr-stream-load")
            .args(["--url", &url, "--table", "log", "--create", "--model", "duplicate", "--label-prefix", label])
            .stdin(rows.clone())
            .run()
            .code(0);
    }
    assert_eq!(sim.query("SELECT count(*) FROM plant.log"), [[Some("1000".to_owned())]]);
}

#[test]
fn what_comes_back_is_what_went_in() {
    let (_sim, url) = plant();
    let script = format!(
        "ts-gen meters --rows 500 --tables 5 -q -o meters.arrow; \
         sr-stream-load -q --url '{url}' --table meters --create meters.arrow; \
         sr-export -q --url '{url}' --table meters -o back.arrow; \
         ts-verify compare --measurement meters meters.arrow back.arrow"
    );
    let directory = temp_dir();
    let outcome = shell(&script).current_dir(directory.path()).run().code(0);
    assert!(outcome.stderr.contains("equal"), "{}", outcome.stderr);
}

#[test]
fn the_statement_is_printed_and_nothing_is_done() {
    let rows = "ts|time,site|tag,v|double\n2024-01-01T00:00:00.000000001Z,a,1\n";
    let url = "starrocks://root@127.0.0.1:1/plant";
    let ddl = |args: &[&str]| {
        tool("sr-stream-load").args(["--url", url, "--table", "t", "--ddl"]).args(args).stdin(rows).run()
    };
    let outcome = ddl(&[]).code(2);
    assert!(outcome.stderr.contains("column ts has nanoseconds"), "{}", outcome.stderr);
    let text = ddl(&["--truncate-times", "--partition-by", "day", "--buckets", "4"]).code(0).text();
    assert!(text.starts_with("CREATE TABLE IF NOT EXISTS `plant`.`t` (\n  `ts` DATETIME NOT NULL"), "{text}");
    assert!(text.contains("PARTITION BY date_trunc('day', `ts`)\nDISTRIBUTED BY HASH (`site`) BUCKETS 4"), "{text}");
    let both = tool("sr-stream-load").args(["--url", url, "--table", "t", "--create", "--dry-run"]).run().code(2);
    assert!(both.stderr.contains("--dry-run"), "{}", both.stderr);
}
