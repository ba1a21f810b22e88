//! Tables with a primary key: partial updates, conditions; and merge commit. What is sent, and what the table holds then.

use crate::common::{all, held, load, rows, with};
use crate::double::{Double, loaded};
use std::collections::BTreeSet;
use testkit::{Starrocks, tool};

const COLUMNS: &str = "ts DATETIME, dev VARCHAR(8), v BIGINT, w BIGINT";

fn table() -> Starrocks {
    let cluster = with(&[], &[], COLUMNS, "PRIMARY KEY(ts, dev)");
    load(&cluster).stdin(lines("v|long,w|long", &["00Z,a,1,10", "01Z,b,2,20", "02Z,c,3,30"])).run().code(0);
    cluster
}

fn lines(columns: &str, rows: &[&str]) -> String {
    let rows: String = rows.iter().map(|row| format!("2024-01-01T00:00:{row}\n")).collect();
    format!("ts|time,dev|tag,{columns}\n{rows}")
}

/// `dev v w` of every row.
fn stored(cluster: &Starrocks) -> Vec<String> {
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    let rows = cluster.query("SELECT dev, v, w FROM plant.m ORDER BY dev");
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
}

/// The values of these headers of a load with these arguments.
fn sent(args: &[&str], names: &[&str]) -> Vec<Option<String>> {
    let be = Double::plain(|_, _| loaded(1));
    let url = format!("http://127.0.0.1:{}", be.port);
    let tool = tool("sr-stream-load")
        .args(["--url", "starrocks://root@127.0.0.1:1/plant", "--table", "m", "--be-url", &url, "--no-column-check"])
        .args(args);
    tool.stdin(lines("v|long", &["00Z,a,1"])).run().code(0);
    let heads = be.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    let value = |name: &&str| {
        heads[0].lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    names.iter().map(value).collect()
}

#[test]
fn a_partial_update_changes_the_columns_that_are_given() {
    for mode in ["--partial-update", "--partial-update=row", "--partial-update=column"] {
        let cluster = table();
        load(&cluster).arg(mode).stdin(lines("w|long", &["01Z,b,21", "09Z,d,90"])).run().code(0);
        assert_eq!(stored(&cluster), ["a 1 10", "b 2 21", "c 3 30", "d - 90"], "{mode}");
    }
    // Without it the same rows lose what they do not name.
    let cluster = table();
    load(&cluster).stdin(lines("w|long", &["01Z,b,21"])).run().code(0);
    assert_eq!(stored(&cluster), ["a 1 10", "b - 21", "c 3 30"]);
}

#[test]
fn a_partial_update_says_so_and_names_its_columns() {
    let names = ["partial_update", "partial_update_mode", "columns", "merge_condition"];
    for (mode, word) in [("", "auto"), ("=auto", "auto"), ("=row", "row"), ("=column", "column")] {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            sent(&[&format!("--partial-update{mode}")], &names),
            [text("true"), text(word), text("`ts`,`dev`,`v`"), None],
            "{mode}"
        );
    }
    assert_eq!(sent(&[], &names)[..2], [None, None]);
}

#[test]
fn tables_without_a_primary_key_know_no_partial_update() {
    let cluster = with(&[], &[], COLUMNS, "DUPLICATE KEY(ts, dev)");
    let outcome = load(&cluster).arg("--partial-update").stdin(lines("v|long", &["00Z,a,1"])).run().code(6);
    assert!(outcome.stderr.contains("Only primary key table support partial update"), "{}", outcome.stderr);
    assert_eq!((outcome.number("retries"), stored(&cluster).len()), (0, 0));
}

#[test]
fn a_condition_keeps_rows_that_are_newer() {
    let cluster = table();
    let input = lines("v|long,w|long", &["00Z,a,100,9", "01Z,b,200,20", "02Z,c,300,31", "03Z,d,400,0"]);
    load(&cluster).args(["--merge-condition", "w"]).stdin(input.clone()).run().code(0);
    assert_eq!(stored(&cluster), ["a 1 10", "b 200 20", "c 300 31", "d 400 0"]);
    // Rows of one key go in their order, whatever --concurrency says.
    let older = lines("v|long,w|long", &["00Z,a,5,50", "00Z,a,4,40", "00Z,a,6,60", "00Z,a,3,30"]);
    let tool = load(&cluster).args(["--merge-condition", "w", "--batch-rows", "1", "--concurrency", "4"]);
    let outcome = tool.stdin(older).run().code(0);
    assert_eq!((stored(&cluster)[0].as_str(), outcome.number("inflight_max")), ("a 6 60", 1));
    let outcome = load(&cluster).args(["--merge-condition", "nothing"]).stdin(input).run().code(6);
    assert!(outcome.stderr.contains("unknown column 'nothing'"), "{}", outcome.stderr);
    assert_eq!(sent(&["--merge-condition", "v"], &["merge_condition"]), [Some("v".to_owned())]);
}

fn merging(key: &str) -> Starrocks {
    with(&[], &["--server-version", "3.4.0"], "ts DATETIME, dev VARCHAR(8), v BIGINT", key)
}

#[test]
fn merge_commit_makes_one_commit_of_many_loads() {
    let cluster = merging("DUPLICATE KEY(ts, dev)");
    let tool = load(&cluster).args(["--merge-commit=300ms", "--batch-rows", "5", "--concurrency", "8"]);
    let outcome = tool.stdin(rows(0, 200)).run().code(0);
    assert_eq!((outcome.number("requests"), held(&cluster)), (40, all(200)));
    let loads = cluster.query("SELECT LABEL FROM information_schema.loads");
    let labels: BTreeSet<String> = loads.iter().filter_map(|row| row[0].clone()).collect();
    assert!(labels.iter().all(|label| label.starts_with("merge_commit_")), "{labels:?}");
    assert!(labels.len() < 40, "{} transactions for 40 loads", labels.len());
    let names =
        ["enable_merge_commit", "merge_commit_async", "merge_commit_interval_ms", "merge_commit_parallel", "label"];
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        sent(&["--merge-commit=300ms", "--concurrency", "8"], &names),
        [text("true"), text("false"), text("300"), text("8"), None]
    );
}

/// One bad request fails all those that it is merged with.
#[test]
fn a_bad_row_in_a_merged_load_takes_no_good_one_with_it() {
    let cluster = merging("PRIMARY KEY(ts, dev)");
    let mut input = rows(0, 40);
    input.push_str("2024-01-01T01:00:00Z,much-too-long,1\n");
    input.push_str(rows(40, 20).split_once('\n').unwrap().1);
    let tool =
        load(&cluster).args(["--merge-commit=50ms", "--batch-rows", "10", "--concurrency", "4", "--max-rejects", "1"]);
    let outcome = tool.stdin(input).run().code(8);
    assert_eq!((outcome.number("rejected"), held(&cluster)), (1, all(60)), "{}", outcome.stderr);
}
