//! `lp-decode` through its binary.

use testkit::{Outcome, shell, tool};

const LINES: &str = "m,device=a temp=1.5,n=1i,ok=t,note=\"x\" 1704067200000000000\n\
                     # a comment\n\
                     \n\
                     m,device=b\\ c n=2i,note=\"two\nlines\" 1704067201000000000\r\n  m temp=-.25,u=7u 1704067202000000000  \n";

const ROWS: &str = "time|time,device|tag,temp|double,n|long,ok|boolean,note|string,u|ulong\n\
                    2024-01-01T00:00:00.000000000Z,a,1.5,1,true,x,\n\
                    2024-01-01T00:00:01.000000000Z,b c,,2,,\"two\nlines\",\n\
                    2024-01-01T00:00:02.000000000Z,,-0.25,,,,7\n";

fn decode(args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    tool("lp-decode").args(args).stdin(input).run()
}

#[test]
fn lines_become_typed_rows() {
    let outcome = decode(&[], LINES).code(0);
    assert_eq!(outcome.text(), ROWS);
    assert_eq!((outcome.number("rows"), outcome.number("lines"), outcome.number("rejected")), (3, 3, 0));
}

#[test]
fn rows_survive_every_format_and_come_back_as_the_same_lines() {
    let lines = tool("ts-gen").args(["sensors", "--rows", "3000", "--quiet"]).run().code(0).stdout;
    let lines = tool("lp-encode").args(["--measurement", "sensors"]).stdin(lines).run().code(0).text();
    for format in ["csv", "arrow", "parquet"] {
        let rows = decode(&["-t", format, "--batch-rows", "700"], lines.as_str()).code(0).stdout;
        let again = tool("lp-encode").args(["--measurement", "sensors"]).stdin(rows).run().code(0).text();
        assert_eq!(again, lines, "{format}");
    }
}

#[test]
fn files_are_compressed_as_their_names_say() {
    let directory = testkit::temp_dir();
    let path = |name: &str| directory.path().join(name).to_str().expect("utf-8").to_owned();
    for packed in ["gz", "zst"] {
        let (rows, lines) = (path(&format!("x.csv.{packed}")), path(&format!("x.lp.{packed}")));
        decode(&["-o", &rows], LINES).code(0);
        tool("lp-encode").args(["--dialect", "v2", "--measurement", "m", &rows, "-o", &lines]).run().code(0);
        assert!(std::fs::read(&lines).expect("written")[0] != b'm');
        assert_eq!(decode(&[&lines], "").code(0).text(), ROWS);
    }
}

#[test]
fn reading_goes_on_after_a_bad_line() {
    let input = "m f=1 1\nm f=oops 2\nm s=\"never closed 3\nm f=4 4\nm,t= f=5 5\nm f=6\nm f=7 7\n";
    let outcome = decode(&[], input).code(3);
    assert!(outcome.stderr.contains("stdin: line 2, column 5, offset 8: field value is neither"), "{}", outcome.stderr);
    let directory = testkit::temp_dir();
    let path = directory.path().join("bad.lp");
    let outcome = decode(&["--max-rejects", "4", "--rejects", path.to_str().expect("utf-8")], input).code(8);
    let times: Vec<String> = outcome.text().lines().skip(1).map(|l| l[28..].to_owned()).collect();
    assert_eq!(times, ["1Z,1.0", "4Z,4.0", "7Z,7.0"]);
    let bad = std::fs::read_to_string(path).expect("rejects");
    let reasons: Vec<&str> = bad.lines().filter(|l| l.starts_with("# ")).collect();
    assert_eq!(
        reasons,
        [
            "# stdin: line 2, column 5, offset 8: field value is neither number, string nor boolean",
            "# stdin: line 3, column 5, offset 19: unterminated string, read on at the next line feed",
            "# stdin: line 5, column 5, offset 47: empty tag value",
            "# stdin: line 6, offset 58: missing timestamp",
        ]
    );
    assert!(bad.contains("\nm s=\"never closed 3\n"), "{bad}");
    // One more than allowed.
    decode(&["--max-rejects", "3"], input).code(3);
}

#[test]
fn what_comes_late_needs_a_scan_or_a_schema() {
    let mut input = "m f=1i 1\n".repeat(10_000);
    input.push_str("m f=1i,late=\"x\" 2\n");
    let outcome = decode(&[], input.as_str()).code(3);
    assert!(
        outcome.stderr.contains("line 10001, offset 90000: field late is no column")
            && outcome.stderr.contains("--scan"),
        "{}",
        outcome.stderr
    );
    let directory = testkit::temp_dir();
    let path = |name: &str| directory.path().join(name).to_str().expect("utf-8").to_owned();
    std::fs::write(path("x.lp"), &input).expect("writable");
    std::fs::write(path("schema.csv"), "t|time,f|int,late|string\nignored\n").expect("writable");
    let scanned = decode(&["--scan"], input.as_str()).code(0);
    assert!(scanned.text().starts_with("time|time,f|long,late|string\n") && scanned.text().ends_with(",1,x\n"));
    assert_eq!(decode(&["--scan", &path("x.lp")], "").code(0).stdout, scanned.stdout);
    shell(&format!("gzip {}", path("x.lp"))).run().code(0);
    assert_eq!(decode(&["--scan", &path("x.lp.gz")], "").code(0).stdout, scanned.stdout);
    let stated = decode(&["--schema", &path("schema.csv")], input.as_str()).code(0).text();
    assert!(stated.starts_with("t|time,f|int,late|string\n") && stated.ends_with(",1,x\n"));
    decode(&["--schema", &path("nope.csv")], "").code(2);
    decode(&["--schema", &path("schema.csv"), "--scan"], "").code(2);
}

#[test]
fn measurements_are_a_column_or_chosen() {
    let input = "cpu,host=a v=1 1\nmem,host=a used=2i 1\n";
    assert_eq!(
        decode(&["--precision", "s"], input).code(0).text(),
        "time|time,measurement|measurement,host|tag,v|double,used|long\n1970-01-01T00:00:01Z,cpu,a,1.0,\n1970-01-01T00:00:01Z,mem,a,,2\n"
    );
    let outcome = decode(&["--precision", "s", "--measurement", "mem"], input).code(0);
    assert_eq!(outcome.text(), "time|time,host|tag,used|long\n1970-01-01T00:00:01Z,a,2\n");
    assert_eq!((outcome.number("rows"), outcome.number("skipped")), (1, 1));
}

#[test]
fn one_field_per_line_is_merged() {
    let input = "m,a=1 f=1 1\nm,a=1 f=2 2\nm,a=1 g=3 1\nm,a=1 g=4 2\nm,a=1 f=9 1\n";
    let outcome = decode(&["--merge", "--precision", "s"], input).code(0);
    assert_eq!(
        outcome.text(),
        "time|time,a|tag,f|double,g|double\n1970-01-01T00:00:01Z,1,9.0,3.0\n1970-01-01T00:00:02Z,1,2.0,4.0\n"
    );
    assert_eq!((outcome.number("lines"), outcome.number("rows"), outcome.number("overwritten")), (5, 2, 1));
    let outcome = decode(&["--merge", "--merge-window", "1"], input).code(0);
    assert_eq!(outcome.number("rows"), 5);
    decode(&["--merge-window", "1"], input).code(2);
}

#[test]
fn units_are_asked_for_or_stated_and_never_mixed() {
    let stated = "# tsferry precision=ms\nm f=1 1500\n";
    assert_eq!(decode(&[], stated).code(0).text(), "time|time,f|double\n1970-01-01T00:00:01.500Z,1.0\n");
    assert!(decode(&["--precision", "us"], stated).code(2).stderr.contains("ms"));
    assert_eq!(
        decode(&["--time-unit", "us"], stated).code(0).text(),
        "time|time,f|double\n1970-01-01T00:00:01.500000Z,1.0\n"
    );
    assert!(decode(&["--time-unit", "s"], stated).code(3).stderr.contains("digits below"));
}

#[test]
fn integers_meet_floats_only_on_request() {
    let input = "m f=1 1\nm f=2i 2\n";
    assert!(decode(&[], input).code(3).stderr.contains("--widen"));
    assert!(decode(&["--widen", "--precision", "s"], input).code(0).text().ends_with("1970-01-01T00:00:02Z,2.0\n"));
}

#[test]
fn backslashes_are_those_of_the_dialect() {
    let input = "m,t=a\\\\b f=1 1\n";
    assert!(decode(&[], input).code(3).stderr.contains("name the dialect"));
    for (dialect, tag) in [("v1", "a\\\\b"), ("v2", "a\\\\b"), ("v3", "a\\b")] {
        let text = decode(&["--dialect", dialect], input).code(0).text();
        assert!(text.contains(&format!("Z,{tag},1.0\n")), "{dialect}: {text}");
    }
}

#[test]
fn a_cut_stream_is_9() {
    let rows = tool("ts-gen").args(["sensors", "--rows", "20", "--quiet", "--end-mark"]).run().code(0).stdout;
    let whole = tool("lp-encode").args(["--measurement", "m", "--end-mark"]).stdin(rows).run().code(0).text();
    for scan in [&["--end-mark"][..], &["--end-mark", "--scan"]] {
        let text = decode(scan, whole.as_str()).code(0).text();
        assert!(text.contains("#ts-end rows=20 "), "{text}");
        let marked = whole.trim_end().rfind('\n').expect("several lines") + 1;
        assert!(!decode(scan, &whole[..marked]).code(9).text().contains("#ts-end"));
    }
    decode(&[], whole.replacen("temperature=", "temperature=1", 1)).code(9);
}

#[test]
fn random_bytes_are_an_error_and_never_a_panic() {
    for seed in 0u32..8 {
        let noise: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 77_777) >> 13) as u8).collect();
        let outcome = decode(&[], noise.as_slice());
        assert!(matches!(outcome.code, 3 | 9), "{}", outcome.stderr);
        let outcome = decode(&["--max-rejects", "100000", "--merge", "--scan"], noise);
        assert!(matches!(outcome.code, 0 | 8 | 9), "{}", outcome.stderr);
    }
}

#[test]
fn empty_input_devices_pipes_and_files() {
    assert_eq!(decode(&["-"], "").code(0).text(), "time|time\n");
    shell("lp-decode >/dev/full").stdin(LINES).run().code(7);
    decode(&["/no/such/file"], "").code(7);
    decode(&["/"], "").code(7);
    decode(&["-o", "/no/such/directory/x"], LINES).code(7);
    let outcome = shell("set +o pipefail; lp-decode | head -1 >/dev/null; echo ${PIPESTATUS[0]}")
        .stdin("m f=1 1\n".repeat(300_000))
        .run();
    assert_eq!(outcome.code(0).text().trim(), "141");
}

#[test]
fn usage_errors_are_2() {
    for args in [
        &["--dialect", "v4"][..],
        &["--precision", "h"],
        &["-t", "xml"],
        &["--merge", "--merge-window", "0"],
        &["a", "b"],
    ] {
        let outcome = decode(args, LINES).code(2);
        assert!(
            outcome.stdout.is_empty() && outcome.summary().starts_with("lp-decode: usage"),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn help_is_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
    let help = tool("lp-decode").arg("-h").run().code(0).text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &help).expect("writable");
    }
    assert_eq!(help, std::fs::read_to_string(path).expect("tests/help.txt; UPDATE=1 writes it"));
}
