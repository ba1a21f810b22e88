//! Parts: the same rows, each once, however a table is split; and what is chosen.

mod support;

use support::{Source, meters, rows, same_rows, sorted};

#[test]
fn every_split_gives_the_same_rows() {
    let csv = meters(5, 200);
    let source = Source::with("meters", &csv, &["--block-rows", "64"]);
    let ways = ["time:1h", "time:7m", "time:1w", "table", "table:2", "tag:groupid", "tag:location"];
    for way in ways {
        for more in
            [&["--concurrency", "1"][..], &["--concurrency", "3"], &["--spool"], &["--check-counts", "--ordered"]]
        {
            let outcome = source.dump().args(["--table", "meters", "--split", way]).args(more).run().code(0);
            same_rows(&outcome, &csv);
            assert_eq!(outcome.number("rows"), 1000, "{way} {more:?}");
        }
    }
    for way in ["time:12h", "tag:groupid"] {
        same_rows(&source.rest().args(["--table", "meters", "--split", way]).run().code(0), &csv);
    }
}

#[test]
fn ordered_output_is_in_order_of_time() {
    let csv = meters(4, 100);
    let source = Source::with("meters", &csv, &[]);
    for more in [&[][..], &["--split", "time:30m", "--concurrency", "4"]] {
        let outcome = source.dump().args(["--table", "meters", "--ordered"]).args(more).run().code(0);
        let (_, rows) = rows(&outcome.text());
        let times: Vec<&str> = rows.iter().map(|row| row.split(',').next().unwrap()).collect();
        assert!(times.is_sorted() && times.len() == 400);
        same_rows(&outcome, &csv);
    }
}

#[test]
fn bounds_are_half_open_and_adjoining_ranges_lose_nothing() {
    let csv = meters(2, 50);
    let source = Source::with("meters", &csv, &[]);
    let cut = "2024-01-01T03:00:00Z";
    let before = source.dump().args(["--table", "meters", "--until", cut]).run().code(0);
    let after = source.dump().args(["--table", "meters", "--since", cut]).run().code(0);
    assert_eq!(before.number("rows"), 36);
    assert!(!before.text().contains("T03:00") && after.text().contains("T03:00:00.000Z,d0"));
    let mut all = sorted(&before.text());
    all.extend(sorted(&after.text()));
    all.sort();
    assert_eq!(all, sorted(&csv));
    let none = source.dump().args(["--table", "meters", "--since", "2030-01-01"]).run().code(0);
    assert_eq!((none.number("rows"), none.text().lines().count()), (0, 1));
}

#[test]
fn columns_tags_and_conditions_choose() {
    let csv = meters(4, 3);
    let source = Source::with("meters", &csv, &[]);
    let some = source
        .dump()
        .args(["--table", "meters", "--columns", "voltage", "--tags", "groupid", "--where", "groupid = 1"])
        .run()
        .code(0);
    let (header, rows) = rows(&some.text());
    // Groups 0 and 1 hold two sub-tables each: without the location the name is needed.
    assert_eq!(header, "ts|time,tbname|table,groupid|tag:int,voltage|int");
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.contains(",d1,1,")), "{rows:?}");
    let limited = source.dump().args(["--table", "meters", "--limit", "5"]).run().code(0);
    assert_eq!((limited.number("rows"), support::rows(&limited.text()).1.len()), (5, 5));
    let no_tags = source.dump().args(["--table", "meters", "--tags", ""]).run().code(0);
    assert!(no_tags.text().starts_with("ts|time,tbname|table,current|double,voltage|int\n"), "{}", no_tags.text());
}

#[test]
fn sub_tables_globs_and_several_tables() {
    let csv = meters(12, 2);
    let other = csv.replace(",d", ",x");
    let odd = "ts|time,tbname|table,t|tag,v|long\n2024-01-01T00:00:00.000Z,o1,a,1\n";
    let source = Source::of(&[("meters", &csv), ("meters_old", &other), ("odd", odd)], &[]);
    let only = |names: &[&str]| -> Vec<String> {
        let wanted = |row: &&String| names.iter().any(|name| row.contains(&format!(",{name},")));
        let mut rows: Vec<String> = rows(&csv).1.iter().filter(wanted).cloned().collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&source.dump().args(["--table", "d1"]).run().code(0).text()), only(&["d1"]));
    assert_eq!(
        sorted(&source.dump().args(["--table", "d1", "--table", "d7"]).run().code(0).text()),
        only(&["d1", "d7"])
    );
    assert_eq!(sorted(&source.dump().args(["--table", "d1*"]).run().code(0).text()), only(&["d1", "d10", "d11"]));

    // Two super tables of the same columns: each row says its measurement.
    let two = source.dump().args(["--table", "meters*"]).run().code(0);
    let (header, all) = rows(&two.text());
    assert!(header.starts_with("ts|time,measurement|measurement,tbname|table"), "{header}");
    assert_eq!(all.len(), 48);
    assert_eq!(all.iter().filter(|row| row.contains(",meters_old,x")).count(), 24);

    // Different columns do not fit: advice, or a file each.
    let refused = source.dump().run().code(2);
    assert!(refused.stderr.contains("--output-dir"), "{}", refused.stderr);
    let directory = testkit::temp_dir();
    let path = directory.path().to_str().unwrap();
    source.dump().args(["--output-dir", path]).run().code(0);
    assert_eq!(
        std::fs::read_to_string(directory.path().join("odd.csv")).unwrap(),
        odd.replace("|table", "|table:redundant")
    );
    assert_eq!(sorted(&std::fs::read_to_string(directory.path().join("meters.csv")).unwrap()), sorted(&csv));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[test]
fn statements_of_the_users_own() {
    let csv = meters(2, 3);
    let source = Source::with("meters", &csv, &[]);
    let sql = "SELECT ts, location, voltage FROM meters WHERE tbname = 'd1'";
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--query", sql, "--tags", "location"]).run().code(0);
        assert_eq!(rows(&outcome.text()).0, "ts|time,location|tag,voltage|int");
        assert_eq!(outcome.number("rows"), 3);
    }
    let version = source.dump().args(["--query", "SELECT SERVER_VERSION()", "--header", "none", "-q"]).run().code(0);
    assert_eq!(version.text(), "3.3.6.0\n");
    let unknown = source.dump().args(["--query", sql, "--tags", "place"]).run().code(2);
    assert!(unknown.stderr.contains("place"), "{}", unknown.stderr);
}

#[test]
fn composite_keys_are_marked_and_always_come_along() {
    let csv = "ts|time,tbname|table,t|tag,seq|int:key,v|long,w|long\n\
               2024-01-01T00:00:00.000Z,a,x,1,10,1\n2024-01-01T00:00:00.000Z,a,x,2,20,2\n";
    let source = Source::with("m", csv, &[]);
    let outcome = source.dump().args(["--table", "m", "--columns", "v"]).run().code(0);
    assert_eq!(rows(&outcome.text()).0, "ts|time,tbname|table:redundant,t|tag,seq|int:key,v|long");
    assert_eq!(outcome.number("rows"), 2);
}
