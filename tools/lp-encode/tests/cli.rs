//! `lp-encode` through its binary.

use testkit::{Outcome, shell, tool};

const INPUT: &str = "ts|time,device|tag,temp|double,n|long,ok|boolean,note|string\n\
                     2024-01-01T00:00:00.000Z,a,1.5,1,true,x\n\
                     2024-01-01T00:00:01.000Z,b c,,2,,\"\"\n\
                     2024-01-01T00:00:02.000Z,,-0.25,3,false,\n";

const LINES: &str = "m,device=a temp=1.5,n=1i,ok=true,note=\"x\" 1704067200000000000\n\
                     m,device=b\\ c n=2i,note=\"\" 1704067201000000000\n\
                     m temp=-0.25,n=3i,ok=false 1704067202000000000\n";

fn encode(args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    tool("lp-encode").args(["--measurement", "m"]).args(args).stdin(input).run()
}

#[test]
fn rows_of_every_format_become_the_same_lines() {
    assert_eq!(encode(&[], INPUT).code(0).text(), LINES);
    for format in ["csv", "arrow", "parquet", "lp"] {
        let other = tool("ts-convert").args(["-t", format, "--measurement", "m"]).stdin(INPUT).run().code(0).stdout;
        let lines = encode(&["-f", format], other).code(0).text();
        assert_eq!(lines, LINES, "{format}");
    }
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let directory = testkit::temp_dir();
    let path = directory.path().join("x.lp");
    let input = tool("ts-gen").args(["sensors", "--rows", "3", "--quiet", "--end-mark"]).run().code(0).stdout;
    let outcome = encode(&["-o", path.to_str().expect("utf-8"), "--end-mark"], input).code(0);
    let text = std::fs::read_to_string(&path).expect("written");
    assert!(
        text.starts_with("m,device_id=") && text.ends_with('\n') && text.contains("\n#ts-end rows=3 xxh3="),
        "{text}"
    );
    assert_eq!(outcome.number("rows"), 3);
    assert_eq!(outcome.number("bytes"), text.len() as u64);
    let path = directory.path().join("y.lp");
    encode(&["-o", path.to_str().expect("utf-8")], "ts|time,n|double\n2024-01-01T00:00:00Z,NaN\n").code(3);
    assert_eq!(std::fs::read_dir(directory.path()).expect("there").count(), 1, "something half-written was left");
}

#[test]
fn what_a_line_cannot_hold_is_refused_named_and_set_aside() {
    let input =
        "ts|time,t|tag,f|double\n2024-01-01T00:00:00Z,a,1\n2024-01-01T00:00:01Z,C:\\,2\n2024-01-01T00:00:02Z,c,inf\n";
    let outcome = encode(&[], input).code(3);
    assert!(
        outcome
            .stderr
            .contains("stdin: row 2: column t: tag value ends in a backslash (see lp-encode --trailing-backslash)"),
        "{}",
        outcome.stderr
    );
    let directory = testkit::temp_dir();
    let path = directory.path().join("rejects");
    let outcome = encode(&["--max-rejects", "2", "--rejects", path.to_str().expect("utf-8")], input).code(8);
    assert_eq!(outcome.text(), "m,t=a f=1 1704067200000000000\n");
    assert_eq!((outcome.number("rows"), outcome.number("rejected")), (1, 2));
    let rejects = std::fs::read_to_string(path).expect("rejects");
    assert!(
        rejects.contains("\n2024-01-01T00:00:01Z,C:\\,2.0\n") && rejects.ends_with("\n2024-01-01T00:00:02Z,c,inf\n"),
        "{rejects}"
    );
    let outcome = encode(&["--trailing-backslash", "strip", "--nan", "drop"], input).code(0);
    assert_eq!(outcome.text(), "m,t=a f=1 1704067200000000000\nm,t=C: f=2.0 1704067201000000000\n");
    // The row whose only value was dropped has no line, and is counted as such.
    let counts = ["rows", "backslash_stripped", "nan_dropped", "all_null_row"].map(|key| outcome.number(key));
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[test]
fn rows_without_a_value_are_counted_not_lost_in_silence() {
    let input = "ts|time,t|tag,f|double\n2024-01-01T00:00:00Z,a,\n2024-01-01T00:00:01Z,a,1\n";
    let outcome = encode(&[], input).code(0);
    assert_eq!((outcome.number("rows"), outcome.number("all_null_row")), (1, 1));
    assert!(outcome.stderr.contains("warning: 1 rows without a value"), "{}", outcome.stderr);
    encode(&["--all-null", "error"], input).code(3);
}

#[test]
fn no_line_without_a_timestamp() {
    let outcome = encode(&["--max-rejects", "1"], "ts|time,f|double\n,1\n2024-01-01T00:00:01Z,2\n").code(8);
    assert_eq!(outcome.text(), "m f=2 1704067201000000000\n");
    assert!(encode(&[], "a|tag,f|double\nx,1\n").code(3).stderr.contains("--time"));
}

#[test]
fn roles_and_types_of_a_plain_csv_come_from_the_flags() {
    let input = "when;device;temp;n;junk\n2024-01-01T00:00:00Z;a;1.5;7;j\n2024-01-01T00:00:01Z;b;NA;8;j\n";
    let args = [
        "--header",
        "plain",
        "--delimiter",
        ";",
        "--null",
        "NA",
        "--time",
        "when",
        "--tag",
        "device",
        "--field",
        "temp:double",
        "--field",
        "n:long",
        "--ignore",
        "junk",
    ];
    let lines = "m,device=a temp=1.5,n=7i 1704067200000000000\nm,device=b n=8i 1704067201000000000\n";
    assert_eq!(encode(&args, input).code(0).text(), lines);
    let renamed = [&args[..], &["--rename", "temp=temperature in C"]].concat();
    assert!(encode(&renamed, input).code(0).text().starts_with("m,device=a temperature\\ in\\ C=1.5,n=7i "));
    let input = "t,v\n1704067200000,1\n";
    let args = ["--header", "plain", "--time", "t:ms", "--epoch", "ms", "--field", "v:int"];
    assert_eq!(encode(&args, input).code(0).text(), "m v=1i 1704067200000000000\n");
}

#[test]
fn roles_of_typed_inputs_can_be_changed_types_cannot() {
    let text = encode(&["--tag", "n", "--ignore", "note", "--field", "device"], INPUT).code(0).text();
    assert!(text.starts_with("m,n=1 device=\"a\",temp=1.5,ok=true 1704067200000000000\n"), "{text}");
    let arrow = tool("ts-convert").args(["-t", "arrow"]).stdin(INPUT).run().code(0).stdout;
    let outcome = encode(&["--field", "n:double"], arrow).code(2);
    assert!(outcome.stderr.contains("ts-convert --cast"), "{}", outcome.stderr);
}

#[test]
fn the_measurement_may_stand_in_a_column() {
    let text =
        tool("lp-encode").args(["--measurement", "column:device", "--ignore", "note"]).stdin(INPUT).run().code(3);
    // The third row has no device.
    assert!(text.stderr.contains("row 3: column device: empty measurement"), "{}", text.stderr);
    let text = tool("lp-encode")
        .args(["--measurement", "column:device", "--rename", "device=d", "--max-rejects", "1"])
        .stdin(INPUT)
        .run();
    assert!(text.code(8).text().starts_with("a temp=1.5,n=1i,ok=true,note=\"x\" 1704067200000000000\nb\\ c n=2i,"));
    assert!(tool("lp-encode").stdin(INPUT).run().code(2).stderr.contains("--measurement"));
}

#[test]
fn dialects_differ_where_servers_do() {
    let input = "ts|time,t|tag,u|ulong,s|string\n2024-01-01T00:00:00Z,a\\\\b,18446744073709551615,\"x\ny\"\n";
    let reasons = ["ambiguous", "backslashes that the server would not give back"];
    let outcome = encode(&[], input).code(3);
    assert!(reasons.iter().any(|r| outcome.stderr.contains(r)), "{}", outcome.stderr);
    assert!(encode(&["--dialect", "v1"], input).code(3).stderr.contains("--uint"));
    let v2 = encode(&["--dialect", "v2"], input).code(0).text();
    assert_eq!(v2, "m,t=a\\\\b u=18446744073709551615u,s=\"x\ny\" 1704067200000000000\n");
    let v3 = encode(&["--dialect", "v3"], input).code(0).text();
    assert_eq!(v3, "m,t=a\\\\\\\\b u=18446744073709551615u,s=\"x\ny\" 1704067200000000000\n");
}

#[test]
fn the_unit_of_the_times_is_stated_where_it_is_not_nanoseconds() {
    let text = encode(&["--precision", "s"], INPUT).code(0).text();
    assert!(
        text.starts_with("# tsferry precision=s\nm,device=a temp=1.5,") && text.contains(" 1704067200\n"),
        "{text}"
    );
    let back = tool("lp-decode").args(["--time-unit", "ms"]).stdin(text).run().code(0).text();
    assert!(back.contains("\n2024-01-01T00:00:02.000Z,,-0.25,3,false,\n"), "{back}");
    let outcome = encode(&["--precision", "s"], "ts|time,f|double\n2024-01-01T00:00:00.500Z,1\n").code(3);
    assert!(outcome.stderr.contains("digits below"), "{}", outcome.stderr);
}

#[test]
fn a_cut_input_is_9_and_leaves_no_end_mark() {
    let whole = tool("ts-gen").args(["sensors", "--rows", "50", "--end-mark"]).run().code(0).text();
    let marked = whole.trim_end().rfind('\n').expect("several lines") + 1;
    let outcome = encode(&["--end-mark"], &whole[..marked]).code(9);
    assert!(!outcome.text().contains("#ts-end"), "{}", outcome.text());
    assert!(encode(&["--end-mark"], whole).code(0).text().contains("\n#ts-end rows=50 xxh3="));
    assert!(encode(&[], "").code(9).stdout.is_empty());
}

#[test]
fn bad_rows_of_the_input_are_named_and_can_be_set_aside() {
    let input = "ts|time,n|long\n2024-01-01T00:00:00Z,1\n2024-01-01T00:00:01Z,one\n";
    assert!(encode(&[], input).code(3).stderr.contains("stdin:3"));
    assert_eq!(encode(&["--max-rejects", "1"], input).code(8).text(), "m n=1i 1704067200000000000\n");
    for seed in 0u32..8 {
        let noise: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 77_777) >> 13) as u8).collect();
        let outcome = encode(&[], noise);
        assert!(matches!(outcome.code, 2 | 3 | 9), "{}", outcome.stderr);
    }
}

#[test]
fn any_number_of_threads_writes_the_same_and_names_the_same_lines() {
    let directory = testkit::temp_dir();
    let path = directory.path().join("x.csv");
    let generated = tool("ts-gen").args(["sensors", "--rows", "30000", "--quiet"]).run().code(0).text();
    // Far behind the first block: a row that cannot be read, and one that is no line.
    let odd: Vec<String> = generated
        .lines()
        .enumerate()
        .map(|(at, row)| match at {
            20_000 => format!("{row},one too many\n"),
            20_001 => row.replacen(",sensor", ",\"sensor", 1).replacen(",", "\",", 2) + "\n",
            25_000 => row.replace(",device_", "\\,device_") + "\n",
            _ => format!("{row}\n"),
        })
        .collect();
    std::fs::write(&path, odd.concat()).expect("written");
    let run = |threads: &str, from: &str| {
        let rejects = directory.path().join("rejects");
        let outcome = tool("lp-encode")
            .args(["--measurement", "m", "--threads", threads, "--max-rejects", "9"])
            .args(["--rejects", rejects.to_str().expect("utf-8"), from])
            .stdin(odd.concat())
            .run();
        let rejects = std::fs::read_to_string(&rejects).expect("rejects").replace("stdin:", "x.csv:");
        let counts = (outcome.number("rows"), outcome.number("rejected"), outcome.number("bytes"));
        (
            outcome.code(8).stdout,
            counts,
            rejects.replace(directory.path().to_str().expect("utf-8"), "").replace("/x.csv", "x.csv"),
        )
    };
    let one = run("1", path.to_str().expect("utf-8"));
    assert_eq!(one.1.0 + one.1.1, 30_000);
    assert!(one.2.contains("# x.csv:20001: the row has 9 cells, the header 8\n"), "{}", one.2);
    assert!(one.2.contains("tag value ends in a backslash"), "{}", one.2);
    for (threads, from) in [("1", "-"), ("2", "-"), ("3", path.to_str().expect("utf-8"))] {
        let other = run(threads, from);
        assert!(other == one, "{threads} threads from {from}: {:?} {:?}\n{}\n{}", other.1, one.1, other.2, one.2);
    }
    // The first row too many stops, with its line.
    let outcome = tool("lp-encode").args(["--measurement", "m", "--threads", "2"]).stdin(odd.concat()).run().code(3);
    assert!(outcome.stderr.contains("stdin:20001: the row has 9 cells"), "{}", outcome.stderr);
}

#[test]
fn threads_end_when_stdout_is_closed_or_the_input_is_cut() {
    let script = "set +o pipefail; ts-gen sensors --rows 200000 --quiet 2>/dev/null | lp-encode --threads 2 --measurement m | head -1 >/dev/null; echo ${PIPESTATUS[1]}";
    assert_eq!(shell(script).run().code(0).text().trim(), "141");
    let whole = tool("ts-gen").args(["sensors", "--rows", "20000", "--end-mark"]).run().code(0).text();
    for cut in [whole.len() - 1, whole.len() - 100, 700_000] {
        let outcome = encode(&["--threads", "3", "--end-mark"], &whole[..cut]).code(9);
        assert!(!outcome.text().contains("#ts-end"));
    }
    assert!(encode(&["--threads", "3", "--end-mark"], whole).code(0).text().contains("\n#ts-end rows=20000 xxh3="));
}

#[test]
fn usage_errors_are_2() {
    for args in [
        &["--dialect", "v4"][..],
        &["--nan", "maybe"],
        &["--rename", "temp"],
        &["--rename", "nope=x"],
        &["--tag", "nope"],
        &["--tag", "n", "--field", "n"],
        &["--rename", "temp=n"],
        &["--measurement", "column:nope"],
        &["--measurement", "#m"],
        &["--uint", "u", "--field", "x"],
        &["--max-rejects", "-1"],
        &["--threads", "0"],
    ] {
        let outcome = tool("lp-encode")
            .args(["--measurement", "m"].iter().filter(|_| args[0] != "--measurement"))
            .args(args)
            .stdin(INPUT)
            .run();
        let outcome = outcome.code(2);
        assert!(
            outcome.stdout.is_empty() && outcome.summary().starts_with("lp-encode: usage"),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn devices_pipes_and_files() {
    shell("lp-encode --measurement m - >/dev/full").stdin(INPUT).run().code(7);
    encode(&["/no/such/file"], "").code(7);
    encode(&["/"], "").code(7);
    encode(&["-o", "/no/such/directory/x"], INPUT).code(7);
    let outcome = shell("set +o pipefail; ts-gen sensors --rows 200000 --quiet 2>/dev/null | lp-encode --measurement m | head -1 >/dev/null; echo ${PIPESTATUS[1]}").run();
    assert_eq!(outcome.code(0).text().trim(), "141");
}

#[test]
fn help_is_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
    let help = tool("lp-encode").arg("-h").run().code(0).text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &help).expect("writable");
    }
    assert_eq!(help, std::fs::read_to_string(path).expect("tests/help.txt; UPDATE=1 writes it"));
}
