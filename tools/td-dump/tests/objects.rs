//! Tables of every kind, empty ones, awkward names, small batches.

mod support;

use support::{Source, meters, rows, same_rows};
use testkit::http;

/// Runs a statement on the simulator, past our client.
fn execute(source: &Source, sql: &str) {
    let reply =
        http::post(&source.sim.host, "/rest/sql/test", &["Authorization: Basic cm9vdDp0YW9zZGF0YQ=="], sql.as_bytes());
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.starts_with("{\"code\":0,"), "{sql}: {text}");
}

#[test]
fn ordinary_tables_have_their_name_and_no_tags() {
    let source = Source::with("meters", &meters(2, 2), &[]);
    execute(&source, "CREATE TABLE plain (ts TIMESTAMP, v INT, note NCHAR(10))");
    execute(
        &source,
        "INSERT INTO plain VALUES ('2024-01-01T00:00:00.000Z', 1, 'x') ('2024-01-01T00:00:01.000Z', NULL, '')",
    );
    let expected = "ts|time,tbname|table:redundant,v|int,note|string\n2024-01-01T00:00:00.000Z,plain,1,x\n2024-01-01T00:00:01.000Z,plain,,\"\"\n";
    for tool in [source.dump(), source.rest()] {
        assert_eq!(tool.args(["--table", "pl*", "--split", "table"]).run().code(0).text(), expected);
    }
    let refused = source.dump().args(["--table", "plain", "--where", "v = 1"]).run().code(2);
    assert!(refused.stderr.contains("plain has none"), "{}", refused.stderr);
    let list = source.dump().args(["--list", "--header", "none"]).run().code(0).text();
    assert!(list.contains("test,plain,normal,0,3,0,2,2024-01-01T00:00:00.000Z,2024-01-01T00:00:01.000Z"), "{list}");
}

#[test]
fn empty_tables_give_a_header_and_success() {
    let source = Source::with("meters", &meters(1, 1), &[]);
    execute(&source, "CREATE STABLE barren (ts TIMESTAMP, v DOUBLE) TAGS (place NCHAR(8))");
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--table", "barren", "--end-mark"]).run().code(0);
        let text = outcome.text();
        assert!(text.starts_with("ts|time,tbname|table:redundant,place|tag,v|double\n#ts-end rows=0 xxh3="), "{text}");
        assert_eq!(outcome.number("rows"), 0);
    }
    execute(&source, "CREATE DATABASE nothing");
    let outcome = source.dump().args(["--database", "nothing"]).run().code(6);
    assert!(outcome.stderr.contains("has no tables"), "{}", outcome.stderr);
}

#[test]
fn awkward_names_are_quoted() {
    let source = Source::with("meters", &meters(1, 1), &[]);
    execute(
        &source,
        "CREATE STABLE `Order Book` (`time` TIMESTAMP, `select` INT, `tbname_` INT) TAGS (`group by` VARCHAR(20))",
    );
    execute(
        &source,
        "INSERT INTO `Größe 1` USING `Order Book` TAGS ('it\\'s') VALUES ('2024-01-01T00:00:00.000Z', 1, 2)",
    );
    for how in [&[][..], &["--split", "table"], &["--split", "tag:group by"]] {
        let outcome = source.dump().args(["--table", "Order Book"]).args(how).run().code(0);
        assert_eq!(
            outcome.text(),
            "time|time,tbname|table:redundant,group by|tag,select|int,tbname_|int\n2024-01-01T00:00:00.000Z,Größe 1,it's,1,2\n"
        );
    }
    assert_eq!(source.dump().args(["--table", "Größe 1"]).run().code(0).number("rows"), 1);
    // Nothing escapes a backquote in TDengine: such a name never reaches the server.
    source.dump().args(["--query", "SELECT 1"]).run().code(0);
    source.dump().args(["--table", "a`b"]).run().code(6);
}

#[test]
fn batches_and_blocks_of_any_size_give_the_same_rows() {
    let csv = meters(3, 50);
    for block in ["1", "7", "4096"] {
        let source = Source::with("meters", &csv, &["--block-rows", block]);
        for batch in [
            &["--batch-rows", "1"][..],
            &["--batch-bytes", "200"],
            &["--batch-rows", "10", "-t", "ndjson"],
            &["--check-counts"],
        ] {
            let outcome = source.dump().args(["--table", "meters"]).args(batch).run().code(0);
            assert_eq!(outcome.number("rows"), 150);
            if batch.contains(&"ndjson") {
                assert!(outcome.text().lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
            } else {
                same_rows(&outcome, &csv);
            }
        }
    }
}

#[test]
fn sub_tables_with_equal_tags_need_their_names() {
    let csv = "ts|time,tbname|table,t|tag,v|long\n2024-01-01T00:00:00.000Z,a,x,1\n2024-01-01T00:00:00.000Z,b,x,2\n2024-01-01T00:00:00.000Z,c,y,3\n";
    let source = Source::with("m", csv, &[]);
    assert_eq!(rows(&source.dump().args(["--table", "m"]).run().code(0).text()).0, "ts|time,tbname|table,t|tag,v|long");
    // NULL and the empty text are the same to line protocol, so they do not tell sub-tables apart.
    let csv = "ts|time,tbname|table,t|tag,v|long\n2024-01-01T00:00:00.000Z,a,,1\n2024-01-01T00:00:00.000Z,b,\"\",2\n";
    let source = Source::with("m", csv, &[]);
    assert_eq!(rows(&source.dump().args(["--table", "m"]).run().code(0).text()).0, "ts|time,tbname|table,t|tag,v|long");
}

#[test]
fn a_statement_that_changes_something_is_refused() {
    let source = Source::with("meters", &meters(1, 2), &[]);
    for sql in ["DROP TABLE meters", "insert into d0 values (now, 1, 2)", "  delete from meters"] {
        let outcome = source.dump().args(["--query", sql]).run().code(2);
        assert!(outcome.stderr.contains("only reads"), "{}", outcome.stderr);
    }
    assert_eq!(source.dump().args(["--count", "--header", "none"]).run().code(0).text(), "meters,2\n");
    let shown = source.dump().args(["--query", "SHOW DATABASES", "--header", "none"]).run().code(0);
    assert!(shown.text().lines().any(|line| line == "test"), "{}", shown.text());
}

#[test]
fn a_parquet_file_appears_only_when_it_is_whole() {
    let csv = meters(3, 100);
    let source = Source::with("meters", &csv, &["--fault", "no-reply@6"]);
    let directory = testkit::temp_dir();
    let path = directory.path().join("m.parquet");
    source.dump().args(["--table", "meters", "--timeout", "300ms", "--retries", "0", "-o"]).arg(&path).run().code(4);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    source.dump().args(["--table", "meters", "-o"]).arg(&path).run().code(0);
    let again = testkit::tool("ts-convert").arg(&path).args(["-t", "csv"]).run().code(0);
    same_rows(&again, &csv);
}
