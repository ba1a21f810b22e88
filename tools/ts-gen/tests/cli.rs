//! `ts-gen` through its binary.

use testkit::tool;

fn generate(args: &[&str]) -> String {
    tool("ts-gen").args(args).run().code(0).text()
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_it_is_cut() {
    for set in ["sensors", "meters", "wide", "edge", "keyed", "json"] {
        let whole = generate(&[set, "--rows", "5000"]);
        assert_eq!(whole, generate(&[set, "--rows", "5000", "--batch-rows", "7"]), "{set}");
        assert_ne!(whole, generate(&[set, "--rows", "5000", "--start", "2025-01-01"]), "{set}");
        // The texts of `edge` hold line ends of their own.
        if set != "edge" {
            assert_eq!(whole.lines().count(), 5001, "{set}");
        }
    }
    assert_ne!(generate(&["sensors", "--rows", "9"]), generate(&["sensors", "--rows", "9", "--seed", "2"]));
}

#[test]
fn the_first_bytes_of_sensors_are_fixed() {
    let text = generate(&["sensors", "--rows", "2", "--tables", "2"]);
    assert_eq!(
        text,
        "ts|time,tbname|table:redundant,temperature|float,humidity|float,pressure|double,status|int,location|tag,device_id|tag\n\
         2024-01-01T00:00:00.000Z,sensor_0000,27.99698,96.13,1013.226,1,Beijing,device_0000\n\
         2024-01-01T00:00:00.000Z,sensor_0001,28.341722,49.66,1027.458,0,Shanghai,device_0001\n"
    );
}

#[test]
fn wide_has_sixty_columns_and_three_in_ten_cells_are_null() {
    let text = generate(&["wide", "--rows", "2000"]);
    let mut cells = text.lines().skip(1).flat_map(|line| line.split(',').skip(2).take(60).map(str::is_empty));
    let nulls = cells.by_ref().filter(|empty| *empty).count();
    assert!((34_000..38_000).contains(&nulls), "{nulls} of 120000 cells");
    assert_eq!(text.lines().next().map(|header| header.split(',').count()), Some(63));
}

#[test]
fn rows_are_interleaved_by_time() {
    let text = generate(&["meters", "--rows", "6", "--tables", "3", "--interval", "10s"]);
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let times: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(&times[..3], ["2024-01-01T00:00:00.000Z"; 3]);
    assert_eq!(&times[3..], ["2024-01-01T00:00:10.000Z"; 3]);
    assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), ["d0", "d1", "d2", "d0", "d1", "d2"]);
}

#[test]
fn a_composite_key_tells_rows_of_one_instant_apart() {
    let text = generate(&["keyed", "--rows", "400", "--tables", "4"]);
    let mut keys: Vec<String> =
        text.lines().skip(1).map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>().join(",")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 400);
    let mut instants: Vec<&str> = keys.iter().map(|key| key.rsplit_once(',').expect("a key").0).collect();
    instants.dedup();
    assert_eq!(instants.len(), 200);
}

#[test]
fn edge_holds_null_and_the_extremes_of_every_type() {
    let text = generate(&["edge", "--rows", "2000"]);
    for value in [
        "-128",
        "32767",
        "-2147483648",
        "9223372036854775807",
        "18446744073709551615",
        "NaN",
        "inf",
        "-inf",
        "1e-45",
        "5e-324",
        "9999999999999999.9999",
        "\"\"",
        "🦀 astral 𝄞",
        "trailing\\",
        "9999-12-31T23:59:59.000000Z",
    ] {
        assert!(text.contains(value), "{value} does not occur");
    }
    assert!(text.contains(",,"), "no NULL");
}

#[test]
fn other_formats_and_units() {
    let directory = testkit::temp_dir();
    for name in ["s.csv", "s.arrow", "s.parquet", "s.csv.zst"] {
        let path = directory.path().join(name);
        tool("ts-gen").args(["edge", "--rows", "300"]).arg("-o").arg(&path).run().code(0);
        let back = tool("ts-convert").arg(&path).args(["-t", "ndjson"]).run().code(0).text();
        assert_eq!(back, generate(&["edge", "--rows", "300", "-t", "ndjson"]), "{name}");
    }
    assert!(generate(&["sensors", "--rows", "1", "--precision", "ns"]).contains("T00:00:00.000000000Z"));
    assert!(generate(&["sensors", "--rows", "1", "--precision", "s"]).contains("T00:00:00Z,"));
    assert!(!generate(&["sensors", "--rows", "1", "--no-table"]).contains("tbname"));
}

#[test]
fn times_that_do_not_fit_are_refused() {
    tool("ts-gen").args(["sensors", "--start", "3000-01-01", "--precision", "ns"]).run().code(2);
    tool("ts-gen").args(["sensors", "--interval", "1us"]).run().code(2);
    tool("ts-gen").args(["nonsense"]).run().code(2);
    tool("ts-gen").args(["sensors", "--tables", "0"]).run().code(2);
}

#[test]
fn the_end_mark_counts_rows() {
    let text = generate(&["sensors", "--rows", "5", "--end-mark"]);
    assert!(text.lines().last().is_some_and(|line| line.starts_with("#ts-end rows=5 xxh3=")), "{text}");
    let again = tool("ts-gen").args(["sensors", "--rows", "5"]).env("TS_END_MARK", "1").run().code(0).text();
    assert_eq!(text, again);
}
