//! Which partitions are read, and that none of their rows is left out.

#[path = "support/directory.rs"]
mod directory;
mod support;

use directory::{files, manifest};
use serde_json::Value;
use support::{METERS, cluster, export, rows};
use testkit::temp_dir;

/// By values, rows whose partition column is NULL are in no range, and MAXVALUE is no value.
#[test]
fn partitions_are_read_by_name_so_that_null_and_maxvalue_come_along() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let outcome = export(&cluster).args(["--table", "meters"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("partitions")), (402, 5));
    assert!(outcome.text().contains("\n,nowhen,1,n\n"), "{}", outcome.text());
    assert!(outcome.text().contains("\n9000-01-01T00:00:00.000000Z,late,2,\n"));
    for request in cluster.requests() {
        let sql = request["path"].as_str().unwrap_or_default();
        assert!(!sql.starts_with("SELECT `ts`") || sql.contains("PARTITION(`") && !sql.contains("WHERE"), "{sql}");
    }
}

/// Keys of several columns, and lists of several values.
#[test]
fn keys_of_several_columns_and_lists_are_no_trouble() {
    let sql = "\
CREATE DATABASE d; USE d;
CREATE TABLE two (a INT NULL, b INT NULL, v INT NULL) DUPLICATE KEY(a, b)
PARTITION BY RANGE(a, b) (PARTITION low VALUES LESS THAN ('1', '5'), PARTITION mid VALUES LESS THAN ('1', '9'), PARTITION high VALUES LESS THAN (MAXVALUE, MAXVALUE))
DISTRIBUTED BY HASH(a) BUCKETS 1 PROPERTIES ('replication_num' = '1');
INSERT INTO two VALUES (1, 4, 1), (1, 5, 2), (1, 8, 3), (1, 9, 4), (0, 100, 5), (2, 0, 6), (NULL, NULL, 7), (1, NULL, 8);
CREATE TABLE listed (site VARCHAR(20) NOT NULL, v INT NULL) DUPLICATE KEY(site)
PARTITION BY LIST(site) (PARTITION north VALUES IN ('a', 'b''c'), PARTITION south VALUES IN ('d'))
DISTRIBUTED BY HASH(site) BUCKETS 1 PROPERTIES ('replication_num' = '1');
INSERT INTO listed VALUES ('a', 1), ('b''c', 2), ('d', 3);
";
    let cluster = cluster(sql, &[]);
    for (table, total, partition, expected) in
        [("two", 8, "mid", "1,5,2\n1,8,3\n"), ("listed", 3, "north", "a,1\nb'c,2\n")]
    {
        assert_eq!(export(&cluster).args(["--table", table]).run().code(0).number("rows"), total);
        let one =
            export(&cluster).args(["--table", table, "--partitions", partition, "--header", "none"]).run().code(0);
        let mut lines: Vec<String> = one.text().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines.join("\n") + "\n", expected);
    }
}

#[test]
fn filters_choose_partitions_and_a_wrong_name_is_6() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    for (filter, expected) in [
        ("DEFAULT()", 402),
        ("ALL()", 402),
        ("EACH(p202402,p202404)", 200),
        ("RANGE(p202402,p202404)", 200),
        ("STARTWITH(p202404)", 101),
        ("ENDWITH(p202402)", 101),
        ("p2024*", 401),
    ] {
        let outcome = export(&cluster).args(["--table", "meters", "--partitions", filter]).run().code(0);
        assert_eq!(outcome.number("rows"), expected, "{filter}");
    }
    let outcome = export(&cluster).args(["--table", "meters", "--partitions", "p202402,p2023*"]).run().code(6);
    assert!(outcome.stderr.contains("p2023*"), "{}", outcome.stderr);
}

#[test]
fn conditions_columns_and_roles() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let outcome = export(&cluster)
        .args(["--table", "meters", "--columns", "ts,v,dev", "--where", "v = 3 OR v = 4", "--since", "2024-02-01"])
        .args(["--until", "2024-03-15T00:00:03.000004Z", "--tags", "dev"])
        .run()
        .code(0);
    let mut lines: Vec<String> = outcome.text().lines().map(str::to_owned).collect();
    lines[1..].sort();
    let expected = [
        "ts|time,v|long,dev|tag",
        "2024-02-15T00:00:03.000003Z,3,d3",
        "2024-02-15T00:00:04.000004Z,4,d4",
        "2024-03-15T00:00:03.000003Z,3,d3",
    ];
    assert_eq!(lines, expected);
    let outcome = export(&cluster).args(["--table", "meters", "--columns", "ts,w"]).run().code(2);
    assert!(outcome.stderr.contains("ts, dev, v, note"), "{}", outcome.stderr);
}

/// What an earlier list or manifest saw is not exported again, until a load touches it.
#[test]
fn only_what_changed_since_is_exported() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let directory = temp_dir();
    let list = directory.path().join("list.csv");
    export(&cluster).args(["--list", "-o", list.to_str().unwrap()]).run().code(0);
    let out = directory.path().join("out");
    export(&cluster).args(["--output-dir", out.to_str().unwrap()]).run().code(0);
    cluster.query("INSERT INTO d.meters VALUES ('2024-03-01 00:00:00', 'new', 1, NULL)");
    for seen in [list, out.join("manifest.jsonl")] {
        let outcome =
            export(&cluster).args(["--table", "meters", "--since-version", seen.to_str().unwrap()]).run().code(0);
        assert_eq!((outcome.number("rows"), outcome.number("partitions")), (101, 1), "{}", seen.display());
    }
    let outcome = export(&cluster).args(["--table", "meters", "--since-version", "2"]).run().code(0);
    assert_eq!(outcome.number("rows"), 101);
    // The directory itself knows as well.
    let again = export(&cluster).args(["--output-dir", out.to_str().unwrap()]).run().code(0);
    assert_eq!((again.number("rows"), again.number("skipped")), (101, 4));
}

#[test]
fn files_are_cut_by_rows_and_old_ones_go() {
    let cluster = cluster(&(METERS.to_owned() + &rows()), &[]);
    let directory = temp_dir();
    let out = directory.path().to_str().unwrap();
    let small = export(&cluster).args(["--output-dir", out, "--part-rows", "30"]).run().code(0);
    assert_eq!(small.number("rows"), 402);
    let parts = manifest(directory.path());
    assert_eq!(parts.iter().map(|part| part["rows"].as_u64().unwrap()).sum::<u64>(), 402);
    assert_eq!(parts.len(), 4 * 4 + 1);
    assert!(parts.iter().all(|part| part["rows"].as_u64().unwrap() <= 30 && part["state"] == "verified"));
    for part in &parts {
        let content = &files(directory.path())[part["file"].as_str().unwrap()];
        assert_eq!(content.len() as u64, part["bytes"].as_u64().unwrap());
        assert_eq!(content.lines().count() as u64, part["rows"].as_u64().unwrap() + 1);
    }
    let large = export(&cluster).args(["--output-dir", out]).run().code(0);
    assert_eq!((large.number("rows"), large.number("skipped")), (402, 0), "another request is another export");
    assert_eq!(files(directory.path()).len(), 5);
    assert_eq!(export(&cluster).args(["--output-dir", out]).run().code(0).number("skipped"), 5);
}

#[test]
fn an_empty_partition_has_a_line_and_no_file() {
    let cluster = cluster(METERS, &[]);
    let directory = temp_dir();
    let out = directory.path().to_str().unwrap();
    export(&cluster).args(["--output-dir", out]).run().code(0);
    assert_eq!((manifest(directory.path()).len(), files(directory.path()).len()), (5, 0));
    assert_eq!(export(&cluster).args(["--output-dir", out]).run().code(0).number("skipped"), 5);
    let stream = export(&cluster).args(["--table", "meters"]).run().code(0);
    assert_eq!(stream.text(), "ts|time,dev|tag,v|long,note|string\n");
}

/// Cells of every width that the protocol has for a length, and a row of more than one packet (16 MiB).
#[test]
fn cells_and_rows_of_any_length_are_whole() {
    let columns: Vec<String> = (0..18).map(|column| format!("c{column}")).collect();
    let types: Vec<String> = columns.iter().map(|name| format!("{name} VARCHAR(1048576) NULL")).collect();
    let mut sql = format!(
        "CREATE DATABASE d;\nUSE d;\nCREATE TABLE long (k INT NOT NULL, {}) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1;\n",
        types.join(", ")
    );
    let lengths = [0, 1, 250, 251, 255, 256, 65_535, 65_536, 1_048_576];
    for (row, length) in lengths.into_iter().chain([1_000_000]).enumerate() {
        // The last row has it in each of its cells, the others in every third, with a NULL and a short one between.
        let cell = |column: usize| match column % 3 {
            _ if row == lengths.len() => format!("'{}'", "z".repeat(length)),
            0 => format!("'{}'", "y".repeat(length)),
            1 => "NULL".to_owned(),
            _ => "'ä€𝄞'".to_owned(),
        };
        let cells: Vec<String> = (0..columns.len()).map(cell).collect();
        sql.push_str(&format!("INSERT INTO d.long VALUES ({row}, {});\n", cells.join(", ")));
    }
    let cluster = cluster(&sql, &[]);
    let outcome = export(&cluster).args(["--table", "long", "-t", "ndjson"]).run().code(0);
    let other = cluster.query("SELECT * FROM d.long");
    let text = outcome.text();
    let mut ours: Vec<Vec<Option<String>>> = text
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let key = row["k"].as_i64().unwrap().to_string();
            let cells = columns.iter().map(|name| row[name].as_str().map(str::to_owned));
            std::iter::once(Some(key)).chain(cells).collect()
        })
        .collect();
    ours.sort();
    let mut theirs = other;
    theirs.sort();
    assert_eq!(ours.len(), lengths.len() + 1);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours == theirs, "row {:?} differs", ours[0]);
    }
    assert_eq!(ours.len(), theirs.len());
}
