//! Every type, NULL, extremes and awkward texts, over every way to read them.

mod support;

use support::{Source, column_names, generate, meters, rows, same_rows, select};
use testkit::tool;

/// The numbers that REST cannot say become NULL (dossier tdengine 1.4); the text `NaN` stays.
fn without_nan(csv: &str) -> String {
    let header = csv.split('\n').next().unwrap_or_default();
    let floats: Vec<usize> = cells(header)
        .iter()
        .enumerate()
        .filter(|(_, name)| name.ends_with("|float") || name.ends_with("|double"))
        .map(|(index, _)| index)
        .collect();
    assert_eq!(floats.len(), 2, "{header}");
    let line = |line: &str| {
        // A line within a quoted text is no row.
        if !line.starts_with("2024-") {
            return line.to_owned();
        }
        let mut row = cells(line);
        for &index in &floats {
            if let Some(cell) = row.get_mut(index).filter(|cell| matches!(**cell, "NaN" | "inf" | "-inf")) {
                *cell = "";
            }
        }
        row.join(",")
    };
    // Only LF ends a row: CR may be in a text.
    csv.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The cells of a line, quotes left as they are.
fn cells(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

#[test]
fn every_type_comes_back_over_raw_blocks() {
    let edge = generate("edge --rows 400 --seed 7");
    let source = Source::with("edge", &edge, &[]);
    let outcome = source.dump().args(["--table", "edge"]).run().code(0);
    same_rows(&outcome, &select(&edge, &column_names(&outcome.text())));
    assert_eq!(outcome.number("rows"), 400);
    let header = rows(&outcome.text()).0;
    for part in [
        "ts|time,tbname|table",
        "t_int|tag:int",
        "t_bool|tag:boolean",
        "c_utiny|ubyte",
        "\"c_decimal|decimal(20,4)\"",
        "c_geometry|geometry",
        "c_time|timestamp",
    ] {
        assert!(header.contains(part), "{part} is not in {header}");
    }
}

#[test]
fn every_type_comes_back_over_the_older_dialogue() {
    let all = generate("edge --rows 200 --seed 8");
    let names = column_names(&all).replace("c_decimal,", "");
    let edge = select(&all, &names);
    let source = Source::with("edge", &edge, &["--server-version", "3.3.1.0"]);
    let outcome = source.dump().args(["--table", "edge"]).run().code(0);
    same_rows(&outcome, &select(&edge, &column_names(&outcome.text())));
}

#[test]
fn every_type_comes_back_over_rest_but_nan() {
    let edge = generate("edge --rows 200 --seed 9");
    let source = Source::with("edge", &edge, &["--server-version", "3.3.8.4"]);
    for extra in [&[][..], &["--compress"]] {
        let outcome = source.rest().args(["--table", "edge"]).args(extra).run().code(0);
        let expected = select(&edge, &column_names(&outcome.text()));
        same_rows(&outcome, &without_nan(&expected));
    }
    // An older server cuts the body at the first NaN: never taken for the end.
    let old = Source::with("edge", &edge, &["--server-version", "3.3.6.0"]);
    let outcome = old.rest().args(["--table", "edge"]).run().code(4);
    assert!(outcome.stderr.contains("the reply was cut"), "{}", outcome.stderr);
    assert_eq!(outcome.text(), rows(&outcome.text()).0 + "\n", "no row may come out");
}

#[test]
fn every_precision_keeps_its_digits() {
    for (unit, digits) in [("ms", "000"), ("us", "000001"), ("ns", "000000001")] {
        let csv = format!(
            "ts|time,tbname|table,t|tag,c|timestamp\n2024-01-01T00:00:00.{digits}Z,d,x,1969-12-31T23:59:59.{digits}Z\n"
        );
        let source = Source::with("m", &csv, &[]);
        for mut tool in [source.dump(), source.rest()] {
            tool = tool.args(["--table", "m"]);
            let text = tool.run().code(0).text();
            assert_eq!(text, csv.replace("|table,", "|table:redundant,"), "{unit}");
        }
    }
}

#[test]
fn arrow_and_csv_say_the_same() {
    let edge = generate("edge --rows 100 --seed 3");
    let source = Source::with("edge", &edge, &[]);
    let csv = source.dump().args(["--table", "edge"]).run().code(0);
    let arrow = source.dump().args(["--table", "edge", "-t", "arrow"]).run().code(0);
    let again = tool("ts-convert").args(["-f", "arrow", "-t", "csv"]).stdin(arrow.stdout).run().code(0);
    assert_eq!(rows(&again.text()).0, rows(&csv.text()).0);
    same_rows(&again, &csv.text());
}

/// Over REST CSV is made of the replies' text, except where NULL has a text of its own: then of columns.
#[test]
fn rest_gives_the_same_bytes_by_way_of_columns() {
    const NULL: &str = "\\no such value\\";
    let edge = generate("edge --rows 600 --seed 21");
    let sensors = generate("sensors --rows 9000 --seed 4");
    let ordinary = "ts|time,f|float,d|double,s|string\n2024-01-01T00:00:00.000Z,1,,\"a,\"\"b\"\n\
                    2024-01-01T00:00:00.001Z,1e-7,1e300,\"two\nlines\"\n2024-01-01T00:00:00.002Z,0.1,-0.0,\"\"\n";
    let other = meters(3, 300);
    for (table, csv, version) in [
        ("edge", edge.as_str(), "3.3.8.4"),
        ("sensors", &sensors, "3.3.6.0"),
        ("plain", ordinary, "3.3.6.0"),
        ("meters", &other, "2.6.0.0"),
    ] {
        let source = Source::with(table, csv, &["--server-version", version]);
        for more in [&[][..], &["--header", "none"], &["--split", "time:1h"], &["--limit", "7"], &["--as-binary", "s"]]
        {
            let dump = || source.rest().args(["--table", table, "--ordered"]).args(more);
            let text = dump().run().code(0);
            let columns = dump().args(["--null", NULL]).run().code(0);
            assert!(text.number("rows") > 0);
            assert_eq!(text.number("rows"), columns.number("rows"));
            assert_eq!(text.text(), columns.text().replace(NULL, ""), "{table} {more:?}");
        }
    }
    // Rows of several tables carry their tables' names.
    let csv = meters(2, 50);
    let several = Source::of(&[("one", &csv), ("two, or three", &csv.replace(",d", ",e"))], &[]);
    let dump = || several.rest().arg("--ordered");
    let text = dump().run().code(0);
    assert!(text.text().contains("\"two, or three\""), "{}", text.text());
    assert_eq!(text.text(), dump().args(["--null", NULL]).run().code(0).text().replace(NULL, ""));
}

#[test]
fn json_tags_nchar_and_varbinary() {
    let csv = "ts|time,tbname|table,j|tag:json,note|string,raw|binary\n\
               2024-01-01T00:00:00.000Z,a,\"{\"\"k\"\":\"\"值\"\",\"\"n\"\":12.5}\",中文 😀,00ff\n\
               2024-01-01T00:00:00.000Z,b,,,\"\"\n";
    let source = Source::with("m", csv, &["--type", "note=NCHAR(64)"]);
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--table", "m", "--ordered"]).run().code(0);
        assert_eq!(rows(&outcome.text()).0, "ts|time,tbname|table:redundant,j|tag:json,note|string,raw|binary");
        same_rows(&outcome, csv);
    }
}

#[test]
fn servers_of_generation_2_are_read() {
    let csv = meters(3, 20);
    let source = Source::with("meters", &csv, &["--server-version", "2.6.0.0"]);
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--table", "meters"]).run().code(0);
        same_rows(&outcome, &csv);
    }
}
