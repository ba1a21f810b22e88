//! Many sub-tables, and one that is much larger than the others.

mod support;

use support::{Source, same_rows};

/// `tables` sub-tables of `rows` rows, named after `prefix`.
fn csv(tables: usize, rows: usize, prefix: &str) -> String {
    let mut csv = String::new();
    for table in 0..tables {
        for row in 0..rows {
            let (minute, second, milli) = (row / 60_000, row / 1000 % 60, row % 1000);
            csv.push_str(&format!("2024-01-01T00:{minute:02}:{second:02}.{milli:03}Z,{prefix}{table},x,{row}\n"));
        }
    }
    csv
}

const HEADER: &str = "ts|time,tbname|table,t|tag,v|int\n";

#[test]
fn thin_sub_tables_share_a_part_and_a_large_one_is_read_in_windows() {
    let csv = format!("{HEADER}{}{}", csv(40, 2, "thin"), csv(1, 270_000, "large"));
    let source = Source::with("m", &csv, &[]);
    let plan = source.dump().args(["--table", "m", "--split", "table", "--dry-run"]).run().code(0);
    let statements: Vec<&str> = plan.stderr.lines().filter(|line| line.contains("would run")).collect();
    assert_eq!(statements.len(), 4, "{}", plan.stderr);
    assert_eq!(statements.iter().filter(|sql| sql.contains("tbname = 'large0'")).count(), 3);
    assert!(statements[3].contains("tbname IN ('thin0','thin1','thin10'"), "{}", statements[3]);
    for more in [&[][..], &["--ordered", "--check-counts"]] {
        let outcome = source.dump().args(["--table", "m", "--split", "table"]).args(more).run().code(0);
        assert_eq!((outcome.number("rows"), outcome.number("parts")), (270_080, 4));
        same_rows(&outcome, &csv);
    }
}

#[test]
fn more_sub_tables_than_one_statement_can_name() {
    let (some, others) = (csv(6000, 1, "d"), csv(50, 1, "other"));
    let source = Source::with("m", &format!("{HEADER}{some}{others}"), &[]);
    for dump in [source.dump(), source.rest()] {
        let outcome = dump.args(["--table", "d*"]).run().code(0);
        same_rows(&outcome, &format!("{HEADER}{some}"));
        assert_eq!(outcome.number("parts"), 6);
    }
    let refused = source.dump().args(["--table", "d*", "--split", "time:1h"]).run().code(2);
    assert!(refused.stderr.contains("--split table"), "{}", refused.stderr);
}

#[test]
fn a_list_of_sub_tables_that_was_cut_loses_none() {
    let source = Source::with("m", &format!("{HEADER}{}", csv(60, 1, "d")), &["--rest-row-limit", "50"]);
    let outcome = source.rest().args(["--table", "m", "--split", "table"]).run().code(4);
    assert!(outcome.stderr.contains("have 50 rows, all together have 60"), "{}", outcome.stderr);
}
