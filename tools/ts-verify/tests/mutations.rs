//! Every damage is reported and changes the exit code; what is no damage does neither.

mod support;

use rows::format::Format;
use std::path::Path;
use testkit::{Outcome, temp_dir, tool};

/// A table of texts, typed CSV when joined.
#[derive(Clone)]
struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

const DEVICE: usize = 1;
const TEMP: usize = 3;
const HUM: usize = 4;
const NOTE: usize = 6;

impl Table {
    /// Three devices, 70 instants each, one a minute: two buckets per device.
    fn new() -> Table {
        let mut rows = Vec::new();
        for minute in 0..70 {
            for device in 0..3 {
                let n = minute * 3 + device;
                rows.push(vec![
                    format!("2024-01-01T{:02}:{:02}:00.000Z", minute / 60, minute % 60),
                    format!("d{device}"),
                    format!("hall {}", device % 2),
                    format!("{}", 20.0 + f64::from(n) / 7.0),
                    format!("{}", 40.0f32 + n as f32 / 3.0),
                    format!("{n}"),
                    if n % 5 == 0 { String::new() } else { format!("n{n}|x") },
                    if n % 7 == 0 { String::new() } else { (n % 2 == 0).to_string() },
                ]);
            }
        }
        let head = vec![
            "ts|time",
            "device|tag",
            "site|tag",
            "temp|double",
            "hum|float",
            "n|long",
            "note|string",
            "ok|boolean",
        ];
        Table { head, rows }
    }

    fn text(&self) -> String {
        let mut text = self.head.join(",") + "\n";
        for row in &self.rows {
            text += &row.join(",");
            text.push('\n');
        }
        text
    }

    fn with(&self, change: impl FnOnce(&mut Table)) -> String {
        let mut other = self.clone();
        change(&mut other);
        other.text()
    }
}

fn pair(command: &str, options: &[&str], a: &Path, b: &Path) -> Outcome {
    tool("ts-verify").arg(command).args(options).args([a, b]).run()
}

/// Both commands say 1, in both directions; gives the report of `rows`.
#[track_caller]
fn differs(what: &str, options: &[&str], a: &str, b: &str) -> String {
    let directory = temp_dir();
    let (x, y) = (directory.path().join("a.csv"), directory.path().join("b.csv"));
    std::fs::write(&x, a).unwrap();
    std::fs::write(&y, b).unwrap();
    for command in ["rows", "compare"] {
        for (x, y) in [(&x, &y), (&y, &x)] {
            let outcome = pair(command, options, x, y);
            assert_eq!(outcome.code, 1, "{what}: {command} ends with {}: {}", outcome.code, outcome.stderr);
            assert!(outcome.text().contains(r#""verdict":"different""#), "{what}: {}", outcome.text());
            assert!(outcome.text().lines().count() > 1, "{what}: {command} shows nothing");
        }
    }
    // Through digest files, too.
    for (path, to) in [(&x, "a.digest"), (&y, "b.digest")] {
        tool("ts-verify").arg("digest").args(options).arg(path).arg("-o").arg(directory.path().join(to)).run().code(0);
    }
    pair("compare", &[], &directory.path().join("a.digest"), &directory.path().join("b.digest")).code(1);
    pair("rows", options, &x, &y).text()
}

/// Both commands say 0 and find nothing.
#[track_caller]
fn same(what: &str, options: &[&str], a: &Path, b: &Path) {
    for command in ["rows", "compare"] {
        let outcome = pair(command, options, a, b);
        assert_eq!(outcome.code, 0, "{what}: {command}: {}\n{}", outcome.stderr, outcome.text());
    }
}

#[track_caller]
fn same_text(what: &str, options: &[&str], a: &str, b: &str) {
    let directory = temp_dir();
    let (x, y) = (directory.path().join("a.csv"), directory.path().join("b.csv"));
    std::fs::write(&x, a).unwrap();
    std::fs::write(&y, b).unwrap();
    same(what, options, &x, &y);
}

/// The kinds of the records of a report.
fn kinds(report: &str) -> Vec<&str> {
    report
        .lines()
        .filter_map(|line| line.strip_prefix(r#"{"kind":""#)?.split('"').next())
        .filter(|kind| *kind != "summary")
        .collect()
}

#[test]
fn one_bit_of_a_value() {
    let value: f64 = 20.0 + 100.0 / 7.0;
    let table = Table::new();
    let row = table.rows.iter().position(|row| row[TEMP] == value.to_string()).unwrap();
    let directory = temp_dir();
    std::fs::write(directory.path().join("a.csv"), table.text()).unwrap();
    for bit in 0..64 {
        let flipped = f64::from_bits(value.to_bits() ^ (1 << bit));
        let other = table.with(|table| table.rows[row][TEMP] = flipped.to_string());
        std::fs::write(directory.path().join("b.csv"), other).unwrap();
        let report = pair("rows", &[], &directory.path().join("a.csv"), &directory.path().join("b.csv")).code(1).text();
        assert_eq!(kinds(&report), ["changed"], "bit {bit}: {flipped:e}: {report}");
    }
    let last = table.with(|table| table.rows[row][TEMP] = value.next_up().to_string());
    differs("the last bit", &[], &table.text(), &last);
}

#[test]
fn dropped_and_doubled_rows() {
    let table = Table::new();
    for at in [0, 100, table.rows.len() - 1] {
        let report = differs("a dropped row", &[], &table.text(), &table.with(|table| drop(table.rows.remove(at))));
        assert_eq!(kinds(&report), ["missing"], "{report}");
        let doubled = table.with(|table| table.rows.push(table.rows[at].clone()));
        // A row that is there twice counts once, as in the databases, unless every copy counts.
        same_text("a doubled row", &[], &table.text(), &doubled);
        let report = differs("a doubled row", &["--dedupe", "keep"], &table.text(), &doubled);
        assert!(kinds(&report).iter().all(|kind| *kind == "extra"), "{report}");
        same_text("doubled on both sides", &["--dedupe", "keep"], &doubled, &doubled);
    }
    let all = table.with(|table| table.rows.extend(table.rows.clone()));
    differs("all rows doubled", &["--dedupe", "keep"], &table.text(), &all);
}

#[test]
fn swapped_columns_and_values() {
    let table = Table::new();
    let report = differs("swapped columns", &[], &table.text(), &table.with(|table| table.head.swap(TEMP, HUM)));
    assert!(report.contains(r#""field":"temp""#) && report.contains(r#""field":"hum""#));
    let report =
        differs("values swapped in one row", &[], &table.text(), &table.with(|table| table.rows[9].swap(TEMP, HUM)));
    assert_eq!(kinds(&report), ["changed", "changed"], "{report}");
    let moved = table.with(|table| {
        // Rows 30 and 33 are neighbours in time of one device.
        let value = table.rows[30][TEMP].clone();
        table.rows[30][TEMP] = table.rows[33][TEMP].clone();
        table.rows[33][TEMP] = value;
    });
    assert_eq!(kinds(&differs("values of neighbours swapped", &[], &table.text(), &moved)), ["changed", "changed"]);
    let moved = table.with(|table| {
        let value = std::mem::take(&mut table.rows[30][NOTE - 1]);
        table.rows[33][NOTE - 1] = value;
    });
    differs("a value moved to its neighbour", &[], &table.text(), &moved);
    // The same values at the same times, in the other device's rows.
    let crossed = table.with(|table| {
        for row in &mut table.rows {
            row[DEVICE] = match row[DEVICE].as_str() {
                "d0" => "d2".into(),
                "d2" => "d0".into(),
                other => other.into(),
            };
        }
    });
    differs("two devices exchanged", &[], &table.text(), &crossed);
}

#[test]
fn names_and_tags() {
    let table = Table::new();
    differs("a tag renamed", &[], &table.text(), &table.with(|table| table.head[DEVICE] = "Device|tag"));
    differs("a field renamed", &[], &table.text(), &table.with(|table| table.head[TEMP] = "Temp|double"));
    same_text(
        "named alike again",
        &["--rename", "Temp=temp"],
        &table.text(),
        &table.with(|table| table.head[TEMP] = "Temp|double"),
    );
    differs("a tag's value", &[], &table.text(), &table.with(|table| table.rows[5][DEVICE].push(' ')));
    differs("a tag lost", &[], &table.text(), &table.with(|table| table.head[DEVICE] = "device|ignore:string"));
    let report =
        differs("a tag became a field", &[], &table.text(), &table.with(|table| table.head[2] = "site|string"));
    assert!(report.contains(r#""field":"site","a":"tag","b":"field","class":"tag_field_role""#), "{report}");
    same_text(
        "said to be a tag",
        &["--tag", "site"],
        &table.text(),
        &table.with(|table| table.head[2] = "site|string"),
    );
    let options = ["--allow", "tag_field_role"];
    let directory = temp_dir();
    let (x, y) = (directory.path().join("a.csv"), directory.path().join("b.csv"));
    std::fs::write(&x, table.text()).unwrap();
    std::fs::write(&y, table.with(|table| table.head[2] = "site|string")).unwrap();
    let outcome = pair("rows", &options, &x, &y).code(0);
    assert!(outcome.text().contains(r#""tag_field_role":{"count":1,"allowed":true}"#), "{}", outcome.text());
}

#[test]
fn nothing_empty_and_text_that_says_nothing() {
    let table = Table::new();
    let texts = ["", "\"\"", "NULL", "null", "None", "<null>", "\\N", "NaN", " "];
    for (i, a) in texts.iter().enumerate() {
        for b in &texts[i + 1..] {
            let (x, y) = (table.with(|t| t.rows[7][NOTE] = (*a).into()), table.with(|t| t.rows[7][NOTE] = (*b).into()));
            differs(&format!("{a:?} and {b:?}"), &[], &x, &y);
        }
    }
    // In a tag, nothing and an empty text are the same to line protocol.
    let (x, y) = (table.with(|t| t.rows[7][2] = String::new()), table.with(|t| t.rows[7][2] = "\"\"".into()));
    same_text("an empty tag", &[], &x, &y);
    differs("an empty tag", &["--empty-tag", "distinct"], &x, &y);
    let directory = temp_dir();
    std::fs::write(directory.path().join("x"), x).unwrap();
    std::fs::write(directory.path().join("y"), y).unwrap();
    pair("rows", &["--strict"], &directory.path().join("x"), &directory.path().join("y")).code(1);
}

/// What a tool that joins columns with a separator, or writes NULL as a text, takes for equal.
#[test]
fn finding_2_no_separator_and_no_sentinel() {
    let text = |rows: &[(&str, &str)]| {
        let body: String = rows.iter().map(|(a, b)| format!("2024-01-01T00:00:00Z,{a},{b}\n")).collect();
        format!("ts|time,a|string,b|string\n{body}")
    };
    for separator in ["|", "\u{1f}", "\u{0}", ";", "||", " ", "=", "\t"] {
        let x = text(&[(&format!("p{separator}q"), "r")]);
        let y = text(&[("p", &format!("q{separator}r"))]);
        let report = differs(&format!("the boundary moved over {separator:?}"), &[], &x, &y);
        assert_eq!(kinds(&report), ["changed", "changed"]);
    }
    differs("the boundary moved", &[], &text(&[("pq", "r")]), &text(&[("p", "qr")]));
    differs("the boundary moved to the end", &[], &text(&[("pqr", "\"\"")]), &text(&[("\"\"", "pqr")]));
    differs("NULL moved", &[], &text(&[("", "r")]), &text(&[("r", "")]));
    // The same in tags and their names.
    let tags = |head: &str, row: &str| format!("ts|time,{head},v|long\n2024-01-01T00:00:00Z,{row},1\n");
    differs("tags", &[], &tags("a|tag,b|tag", "p|q,r"), &tags("a|tag,b|tag", "p,q|r"));
    differs("tags exchanged", &[], &tags("a|tag,b|tag", "p,q"), &tags("a|tag,b|tag", "q,p"));
    differs("name and value", &[], &tags("ab|tag", "c"), &tags("a|tag", "bc"));
}

/// CRC32 joined by XOR does not see a shift of all times by an hour for 2, 4, 10 and 60 rows; XOR of any hash does not
/// tell {r1, r1} from {r2, r2}.
#[test]
fn finding_3_sums_not_xor() {
    let table = |rows: usize, hour: usize| {
        let body: String =
            (0..rows).map(|i| format!("2024-01-01T{:02}:{:02}:{:02}Z,{i}\n", hour, i / 60, i % 60)).collect();
        format!("ts|time,v|long\n{body}")
    };
    for rows in [1, 2, 4, 10, 60, 61, 64] {
        // In one bucket, so that only the hashes can tell.
        differs(&format!("{rows} rows shifted"), &["--bucket", "1d"], &table(rows, 5), &table(rows, 6));
        differs(&format!("{rows} rows shifted"), &[], &table(rows, 5), &table(rows, 6));
    }
    let (r1, r2) = ("2024-01-01T00:00:00Z,1\n", "2024-01-01T00:00:00Z,2\n");
    let text = |rows: &[&str]| format!("ts|time,v|long\n{}", rows.concat());
    let report = differs("{r1,r1} and {r2,r2}", &["--dedupe", "keep"], &text(&[r1, r1]), &text(&[r2, r2]));
    assert_eq!(kinds(&report), ["changed", "changed"]);
    differs("{r1,r1,r2} and {r1,r2,r2}", &["--dedupe", "keep"], &text(&[r1, r1, r2]), &text(&[r1, r2, r2]));
}

#[test]
fn finding_4_float_columns_meet_as_f32() {
    let table = Table::new();
    let double = |text: fn(f32) -> String| {
        table.with(|table| {
            table.head[HUM] = "hum|double";
            for row in &mut table.rows {
                row[HUM] = text(row[HUM].parse().unwrap());
            }
        })
    };
    let (shortest, widened) = (double(|v| v.to_string()), double(|v| f64::from(v).to_string()));
    assert_ne!(shortest, widened);
    same_text("shortest text as double", &[], &table.text(), &shortest);
    same_text("bits widened to double", &[], &table.text(), &widened);
    differs("without rounding", &["--float32", "never"], &table.text(), &shortest);
    differs("two doubles are not rounded", &[], &shortest, &widened);
    same_text("unless told", &["--float32", "hum"], &shortest, &widened);
    // The next f32 is another value.
    let next =
        table.with(|table| table.rows[3][HUM] = table.rows[3][HUM].parse::<f32>().unwrap().next_up().to_string());
    let report = differs("one f32 ulp", &["--float32", "hum"], &next, &widened);
    assert!(report.contains(r#""field":"hum","a":41.000004,"b":41}"#), "f32 values are shown as such: {report}");
}

#[test]
fn types_of_values() {
    let one = |kind: &str, value: &str| format!("ts|time,\"v|{kind}\"\n2024-01-01T00:00:00Z,{value}\n");
    for (kind, value) in [("double", "5"), ("int", "5"), ("ulong", "5"), ("decimal(10,3)", "5.000"), ("float", "5")] {
        same_text(kind, &[], &one("long", "5"), &one(kind, value));
        if kind != "int" {
            differs(kind, &["--numeric", "strict", "--float32", "never"], &one("long", "5"), &one(kind, value));
        }
    }
    let report = differs("number and text", &[], &one("long", "5"), &one("string", "5"));
    assert!(
        report.contains(r#""kind":"type""#) && report.contains(r#""a_type":"integer","b_type":"string""#),
        "{report}"
    );
    differs("boolean and text", &[], &one("boolean", "true"), &one("string", "true"));
    differs("boolean and number", &[], &one("boolean", "true"), &one("long", "1"));
    // What another system had to make of a type is read as that type, and said.
    for (kind, value, other, text) in [
        ("binary", "00ff", "string", "00ff"),
        ("geometry", "0101", "string", "0101"),
        ("json", "\"{\"\"b\"\":1,\"\"a\"\":2}\"", "string", "\"{\"\"a\"\": 2, \"\"b\"\": 1.0}\""),
        ("decimal(10,2)", "1.50", "string", "1.5"),
        ("decimal(10,2)", "0.10", "double", "0.1"),
        ("timestamp", "2024-01-01T00:00:00.001Z", "long", "1704067200001"),
    ] {
        let (x, y) = (one(kind, value), one(other, text));
        same_text(kind, &[], &x, &y);
        let directory = temp_dir();
        let paths = (directory.path().join("a.csv"), directory.path().join("b.csv"));
        std::fs::write(&paths.0, &x).unwrap();
        std::fs::write(&paths.1, &y).unwrap();
        let report = pair("rows", &[], &paths.0, &paths.1).code(0).text();
        assert!(report.contains(r#""type_changed":{"count":1,"allowed":true}"#), "{kind}: {report}");
        let outcome = pair("rows", &["--strict"], &paths.0, &paths.1).code(1);
        assert!(outcome.stderr.contains("not allowed: 1 type_changed"), "{}", outcome.stderr);
        std::fs::write(&paths.1, one(other, &text.replace('1', "7").replace("00ff", "00fe"))).unwrap();
        pair("rows", &[], &paths.0, &paths.1).code(1);
        pair("compare", &[], &paths.0, &paths.1).code(1);
    }
}

#[test]
fn what_is_no_damage_is_not_reported() {
    let table = Table::new();
    let text = table.text();
    same_text("rows in another order", &[], &text, &table.with(|table| table.rows.reverse()));
    let shuffled = table.with(|table| {
        let count = table.rows.len();
        for i in 0..count {
            table.rows.swap(i, (i * 7919 + 13) % count);
        }
    });
    same_text("rows shuffled", &[], &text, &shuffled);
    same_text("rows shuffled, keep", &["--dedupe", "keep"], &text, &shuffled);
    let columns = table.with(|table| {
        table.head.reverse();
        table.rows.iter_mut().for_each(|row| row.reverse());
    });
    same_text("columns in another order", &[], &text, &columns);
    let spelled = table.with(|table| {
        table.head[5] = "n|double";
        for row in &mut table.rows {
            row[5] = format!("{}.0e0", row[5]);
            row[TEMP] = format!("{}e-2", row[TEMP].parse::<f64>().unwrap() * 100.0)
                .parse::<f64>()
                .map_or(String::new(), |_| format!("{:e}", row[TEMP].parse::<f64>().unwrap()));
        }
    });
    same_text("numbers spelled otherwise", &[], &text, &spelled);
    let fine = text.replace(":00.000Z", ":00.000000000Z");
    assert_ne!(fine, text);
    same_text("times with more digits", &[], &text, &fine);
    let split = table.with(|table| {
        let rows = std::mem::take(&mut table.rows);
        for row in rows {
            for field in 3..row.len() {
                let mut one = row.clone();
                (3..row.len()).filter(|other| *other != field).for_each(|other| one[other].clear());
                table.rows.push(one);
            }
        }
    });
    same_text("one field per row", &["--allow", "all_null_row"], &text, &split);
}

#[test]
fn formats_and_batches_do_not_matter() {
    let directory = temp_dir();
    let text = Table::new().text();
    let csv = directory.path().join("a.csv");
    std::fs::write(&csv, &text).unwrap();
    for (format, batch) in [
        (Format::Csv, 7),
        (Format::Arrow, 1),
        (Format::Arrow, 7),
        (Format::Arrow, 8192),
        (Format::Parquet, 50),
        (Format::Ndjson, 8192),
    ] {
        let other = directory.path().join(format!("b{batch}.{format}"));
        support::convert(&text, format, batch, &other);
        // NDJSON does not say what a column is.
        let options: &[&str] = if format == Format::Ndjson { &["--tag", "device,site"] } else { &[] };
        same(&format!("{format} in batches of {batch}"), options, &csv, &other);
        // And a change is seen through them.
        let changed = directory.path().join(format!("c{batch}.{format}"));
        support::convert(&text.replace("n101|x", "n101|y"), format, batch, &changed);
        let report = pair("rows", options, &csv, &changed).code(1).text();
        assert!(report.contains(r#""a":"n101|x","b":"n101|y""#), "{report}");
    }
    // Line protocol has a measurement, text tags and no f32: the same data all the same.
    let lines = directory.path().join("b.lp");
    support::convert(&text, Format::Lp, 100, &lines);
    same("line protocol", &[], &csv, &lines);
    same("line protocol", &["--measurement", "n"], &csv, &lines);
    let changed = std::fs::read_to_string(&lines).unwrap().replace("n101|x", "n101|y");
    std::fs::write(&lines, changed).unwrap();
    pair("rows", &[], &csv, &lines).code(1);
    pair("compare", &[], &csv, &lines).code(1);
}
