//! `ts-convert` through its binary.

use testkit::{Outcome, shell, tool};

const INPUT: &str = "ts|time,device|tag,temp|double,n|long,ok|boolean,note|string\n\
                     2024-01-01T00:00:00.000Z,a,1.5,1,true,x\n\
                     2024-01-01T00:00:01.000Z,b,,2,,\"\"\n\
                     2024-01-01T00:00:02.000Z,\"a,b\",-0.25,3,false,\n";

fn convert(args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    tool("ts-convert").args(args).stdin(input).run()
}

#[test]
fn csv_comes_back_as_it_was_through_every_format() {
    for format in ["csv", "arrow", "parquet", "ndjson"] {
        let there = convert(&["-t", format], INPUT).code(0).stdout;
        let back = convert(&["-f", format, "-t", "csv"], there).code(0).text();
        if format == "ndjson" {
            // JSON has neither roles nor times of its own: what the flags say again.
            assert!(back.contains("a,b") && back.lines().count() == 4, "{back}");
        } else {
            assert_eq!(back, INPUT, "{format}");
        }
    }
}

#[test]
fn formats_are_recognised_by_content_and_by_extension() {
    let directory = testkit::temp_dir();
    for extension in ["csv", "arrow", "parquet", "csv.gz", "csv.zst"] {
        let path = directory.path().join(format!("x.{extension}"));
        tool("ts-convert").stdin(INPUT).arg("-o").arg(&path).run().code(0);
        assert_eq!(tool("ts-convert").arg(&path).run().code(0).text(), INPUT, "{extension}");
        let bytes = std::fs::read(&path).expect("written");
        assert_eq!(convert(&[], bytes).code(0).text(), INPUT, "{extension} on stdin");
    }
}

#[test]
fn columns_are_selected_renamed_cast_and_given_roles() {
    let args = ["--select", "ts,n,device", "--rename", "n=count", "--cast", "n=double", "--role", "device=field"];
    assert_eq!(
        convert(&args, INPUT).code(0).text(),
        "ts|time,count|double,device|string\n\
         2024-01-01T00:00:00.000Z,1.0,a\n\
         2024-01-01T00:00:01.000Z,2.0,b\n\
         2024-01-01T00:00:02.000Z,3.0,\"a,b\"\n"
    );
}

#[test]
fn times_change_their_unit() {
    let text = convert(&["--select", "ts,n", "--cast", "ts=timestamp(ns)", "--limit", "1"], INPUT).code(0).text();
    assert_eq!(text, "ts|time,n|long\n2024-01-01T00:00:00.000000000Z,1\n");
    let text = convert(&["--select", "ts", "--cast", "ts=long", "--role", "ts=field"], INPUT).code(0).text();
    assert_eq!(text.lines().nth(1), Some("1704067200000"));
}

#[test]
fn a_value_that_does_not_fit_is_3_never_null() {
    let outcome = convert(&["--cast", "note=long"], INPUT).code(3);
    assert!(outcome.stderr.contains("column note"), "{}", outcome.stderr);
    let outcome = convert(&["--cast", "n=byte"], "ts|time,n|long\n2024-01-01T00:00:00Z,300\n").code(3);
    assert!(outcome.stderr.contains("column n"), "{}", outcome.stderr);
}

#[test]
fn names_that_are_not_there_are_2() {
    for args in [["--select", "nope"], ["--rename", "nope=x"], ["--cast", "nope=long"], ["--role", "nope=tag"]] {
        let outcome = convert(&args, INPUT).code(2);
        assert!(outcome.stderr.contains("nope") && outcome.stderr.contains("device"), "{}", outcome.stderr);
    }
    convert(&["--cast", "n=whatever"], INPUT).code(2);
    convert(&["--role", "n=whatever"], INPUT).code(2);
    convert(&["--rename", "n=temp"], INPUT).code(2);
    convert(&["--role", "n=time"], INPUT).code(3);
}

#[test]
fn the_limit_stops_the_source() {
    let outcome = convert(&["--limit", "2", "--batch-rows", "1"], INPUT).code(0);
    assert_eq!(outcome.text().lines().count(), 3);
    assert_eq!(outcome.number("rows"), 2);
    shell("ts-gen sensors --rows 5000000 2>/dev/null | ts-convert --limit 3 || [ $? = 141 ]").run();
}

#[test]
fn a_bad_row_is_named_and_can_be_set_aside() {
    let bad = "ts|time,n|long\n2024-01-01T00:00:00Z,1\n2024-01-01T00:00:01Z,one\n2024-01-01T00:00:02Z,3\n";
    let outcome = convert(&[], bad).code(3);
    assert!(outcome.stderr.contains("stdin:3") && outcome.stderr.contains("one"), "{}", outcome.stderr);
    let directory = testkit::temp_dir();
    let path = directory.path().join("rejects");
    let outcome = tool("ts-convert").args(["--max-rejects", "1"]).arg("--rejects").arg(&path).stdin(bad).run().code(8);
    assert_eq!(outcome.text(), "ts|time,n|long\n2024-01-01T00:00:00Z,1\n2024-01-01T00:00:02Z,3\n");
    let rejects = std::fs::read_to_string(path).expect("rejects");
    assert!(rejects.starts_with("# ") && rejects.ends_with("\n2024-01-01T00:00:01Z,one\n"), "{rejects}");
}

#[test]
fn a_cut_stream_is_9() {
    let whole = tool("ts-gen").args(["sensors", "--rows", "50", "--end-mark"]).run().code(0).text();
    assert_eq!(convert(&["--end-mark"], whole.as_str()).code(0).text(), whole);
    let marked = whole.trim_end().rfind('\n').expect("several lines") + 1;
    convert(&["--end-mark"], &whole[..marked]).code(9);
    let fewer = whole.replacen("sensor_0007", "sensor_0008", 1);
    convert(&[], fewer).code(9);
    let arrow = convert(&["-t", "arrow"], INPUT).code(0).stdout;
    convert(&[], &arrow[..arrow.len() - 8]).code(9);
    let parquet = convert(&["-t", "parquet"], INPUT).code(0).stdout;
    assert!(matches!(convert(&["-f", "parquet"], &parquet[..parquet.len() - 8]).code, 3 | 9));
}

#[test]
fn foreign_csv_is_read_with_its_own_rules() {
    let text = convert(&["--header", "plain", "--delimiter", ";", "--null", "NULL"], "a;b\nx;NULL\n").code(0).text();
    assert_eq!(text, "a|string,b|string\nx,\n");
    let text = convert(&["--output-header", "none"], INPUT).code(0).text();
    assert!(text.starts_with("2024-01-01"), "{text}");
}
