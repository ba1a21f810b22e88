//! The commands as a user meets them: verdicts, exit codes, options, inputs that are not what they should be.

mod support;

use rows::format::Format;
use testkit::{Outcome, shell, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,temp|double,n|long,ok|boolean,note|string\n";
const ROWS: [&str; 4] = [
    "2024-01-01T00:00:00.000Z,d1,21.5,1,true,hello\n",
    "2024-01-01T00:00:01.000Z,d1,21.25,2,false,\n",
    "2024-01-01T00:00:00.000Z,d2,-1,3,,\"\"\n",
    "2024-01-01T02:00:00.000Z,d2,0.5,4,true,\"a, \"\"b\"\"\"\n",
];

fn data() -> String {
    format!("{HEAD}{}", ROWS.concat())
}

/// Runs a command of ts-verify on files a.csv, b.csv with these contents.
fn verify(command: &str, options: &[&str], a: &str, b: &str) -> Outcome {
    let directory = temp_dir();
    std::fs::write(directory.path().join("a.csv"), a).unwrap();
    std::fs::write(directory.path().join("b.csv"), b).unwrap();
    tool("ts-verify").arg(command).args(options).args(["a.csv", "b.csv"]).current_dir(directory.path()).run()
}

fn rows(options: &[&str], a: &str, b: &str) -> Outcome {
    verify("rows", options, a, b)
}

/// The digest of a text.
fn digest(options: &[&str], text: &str) -> String {
    tool("ts-verify").arg("digest").args(options).stdin(text).run().code(0).text()
}

#[test]
fn equal_data_is_0_and_says_what_was_compared() {
    for command in ["rows", "compare"] {
        let outcome = verify(command, &[], &data(), &data()).code(0);
        let text = outcome.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in [r#""verdict":"equal""#, r#""complete":true"#, r#""cells":14"#, r#""rows":4"#, r#""series":2"#] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(outcome.summary().contains("verdict=equal"), "{}", outcome.stderr);
    }
}

#[test]
fn a_changed_value_is_1_and_is_shown_alone() {
    let outcome = rows(&[], &data(), &data().replace("21.25", "21.5")).code(1);
    let lines: Vec<String> = outcome.text().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        lines[0],
        r#"{"kind":"changed","series":{"tags":{"device":"d1"}},"ts":"2024-01-01T00:00:01.000Z","field":"temp","a":21.25,"b":21.5}"#
    );
    assert!(lines[1].contains(r#""verdict":"different""#) && lines[1].contains(r#""changed":1"#), "{}", lines[1]);
    assert!(outcome.summary().contains(r#"reason="1 changed""#), "{}", outcome.stderr);
}

#[test]
fn missing_and_extra_rows_are_shown_whole() {
    let less = data().replace(ROWS[3], "");
    let outcome = rows(&[], &data(), &less).code(1);
    assert_eq!(
        outcome.text().lines().next(),
        Some(
            r#"{"kind":"missing","series":{"tags":{"device":"d2"}},"ts":"2024-01-01T02:00:00.000Z","field":null,"a":{"n":4,"note":"a, \"b\"","ok":true,"temp":0.5},"b":null}"#
        )
    );
    let outcome = rows(&["--out", "text"], &less, &data()).code(1);
    assert!(
        outcome.text().starts_with("extra    2024-01-01T02:00:00.000Z -,device=d2 only in b: n=4"),
        "{}",
        outcome.text()
    );
    assert!(outcome.text().ends_with("verdict: different: 1 extra\n"), "{}", outcome.text());
}

#[test]
fn one_empty_side_is_1_and_two_are_10() {
    rows(&[], &data(), HEAD).code(1);
    rows(&[], HEAD, &data()).code(1);
    for command in ["rows", "compare"] {
        let outcome = verify(command, &[], HEAD, HEAD).code(10);
        assert!(outcome.text().contains(r#""verdict":"none""#) && outcome.text().contains(r#""complete":false"#));
        assert!(outcome.summary().contains("no-verdict"), "{}", outcome.stderr);
        verify(command, &["--allow-empty"], HEAD, HEAD).code(0);
    }
    // A range without a row compares nothing either.
    rows(&["--since", "2030-01-01"], &data(), &data()).code(10);
}

#[test]
fn the_range_is_half_open() {
    let other = data().replace("21.25", "99").replace(",0.5,", ",99,");
    let range = ["--since", "2024-01-01T00:00:00Z", "--until", "2024-01-01T00:00:01Z"];
    rows(&range, &data(), &other).code(0);
    rows(&["--since", "2024-01-01T00:00:01Z"], &data(), &other).code(1);
    let outcome = rows(&["--until", "2024-01-01T02:00:00Z"], &data(), &other).code(1);
    assert!(outcome.text().contains(r#""changed":1"#), "{}", outcome.text());
}

#[test]
fn the_limit_hides_nothing_in_silence() {
    let other = data().replace("21.25", "1").replace("0.5", "1").replace("21.5", "1");
    let outcome = rows(&["--limit", "1"], &data(), &other).code(1);
    assert_eq!(outcome.text().lines().count(), 2);
    assert!(outcome.text().contains(r#""shown":1"#), "{}", outcome.text());
    let text = rows(&["--limit", "1", "--out", "text"], &data(), &other).code(1).text();
    assert!(text.contains("... and 2 more"), "{text}");
}

/// Digests are exchanged between machines and releases: these bytes may only change with the version in the header.
#[test]
fn digests_of_this_version_stay_as_they_are() {
    let csv = r#"ts|time,place|tag,temp|double,small|float,n|long,big|ulong,ok|boolean,note|string,at|timestamp,"d|decimal(10,3)",b|binary
1969-12-31T23:59:59.999Z,a,1.5,0.1,-7,18446744073709551615,true,x,2024-01-01T00:00:00Z,1.250,00ff
2024-01-01T00:00:00.000Z,a,-0.0,16777216,0,0,false,,1960-01-01T00:00:00Z,-3.000,
2024-01-01T00:00:00.000Z,,NaN,inf,,,,"",,,
2024-01-01T01:00:00.000Z,b c,1e300,-2.5,9223372036854775807,1,,é,,0.001,
"#;
    let lines = [
        "{\"tags\":{\"place\":\"a\"}}\t-1\t9\t1\t9328ee14f309bae1a0b173e75d9645b4\t0\t00000000000000000000000000000000\t-1000000\t-1000000",
        "{\"tags\":{\"place\":\"a\"}}\t473352\t7\t1\t32383283e40934c0bdd8d24659b7bb69\t0\t00000000000000000000000000000000\t1704067200000000000\t1704067200000000000",
        "{\"tags\":{\"place\":\"b c\"}}\t473353\t6\t1\t5e7883b310ac7779256baa3d40943828\t0\t00000000000000000000000000000000\t1704070800000000000\t1704070800000000000",
        "{\"tags\":{}}\t473352\t1\t1\t6453d455f48b0a4f9450f076e41ff98d\t2\ta356d828a296cdd4df7aefc04959514e\t1704067200000000000\t1704067200000000000",
    ];
    let digest = digest(&[], csv);
    assert!(digest.starts_with(r#"{"ts-verify":"digest","version":2,"#), "{digest}");
    let seen: Vec<&str> = digest.lines().skip(1).collect();
    assert_eq!(seen[..4], lines);
}

#[test]
fn digests_travel_and_are_compared_elsewhere() {
    let directory = temp_dir();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("a.digest", &digest(&[], &data()));
    write("same.digest", &digest(&[], &data()));
    write("b.digest", &digest(&[], &data().replace("21.25", "21.5")));
    write("data.csv", &data());
    let compare = |a: &str, b: &str| tool("ts-verify").args(["compare", a, b]).current_dir(directory.path()).run();
    compare("a.digest", "same.digest").code(0);
    compare("a.digest", "data.csv").code(0);
    compare("data.csv", "a.digest").code(0);
    let outcome = compare("a.digest", "b.digest").code(1);
    let first = outcome.text().lines().next().unwrap_or_default().to_owned();
    assert!(
        first.starts_with(r#"{"kind":"bucket","series":{"tags":{"device":"d1"}},"ts":"2024-01-01T00:00:00Z""#),
        "{first}"
    );
    assert_eq!(outcome.text().lines().count(), 2, "only the bucket that differs is shown");
    compare("data.csv", "b.digest").code(1);
    let outcome = tool("ts-verify").args(["rows", "a.digest", "data.csv"]).current_dir(directory.path()).run().code(2);
    assert!(outcome.stderr.contains("ts-verify compare"), "{}", outcome.stderr);
}

#[test]
fn a_cut_or_altered_digest_is_9() {
    let directory = temp_dir();
    let whole = digest(&[], &data());
    std::fs::write(directory.path().join("a"), &whole).unwrap();
    let compare = |text: &str| {
        std::fs::write(directory.path().join("b"), text).unwrap();
        tool("ts-verify").args(["compare", "a", "b"]).current_dir(directory.path()).run()
    };
    compare(&whole).code(0);
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    for end in &ends[..ends.len() - 1] {
        compare(&whole[..*end]).code(9);
        compare(&whole[..*end - 1]).code(9);
    }
    compare(&whole.replacen("\t2\t", "\t3\t", 1)).code(9);
}

#[test]
fn digests_made_with_other_options_are_refused() {
    let directory = temp_dir();
    std::fs::write(directory.path().join("a"), digest(&[], &data())).unwrap();
    for options in
        [&["--bucket", "1d"][..], &["--precision", "s"], &["--numeric", "strict"], &["--since", "2024-01-01"]]
    {
        std::fs::write(directory.path().join("b"), digest(options, &data())).unwrap();
        let outcome = tool("ts-verify").args(["compare", "a", "b"]).current_dir(directory.path()).run().code(2);
        assert!(outcome.stderr.contains("different options"), "{}", outcome.stderr);
    }
    std::fs::write(directory.path().join("b"), digest(&["--measurement", "m"], &data())).unwrap();
    let outcome = tool("ts-verify").args(["compare", "a", "b"]).current_dir(directory.path()).run().code(2);
    assert!(outcome.stderr.contains("make the digest of a with --measurement"), "{}", outcome.stderr);
}

#[test]
fn a_digest_of_the_other_float_is_refused_with_advice() {
    let (single, double) =
        ("ts|time,v|float\n2024-01-01T00:00:00Z,0.1\n", "ts|time,v|double\n2024-01-01T00:00:00Z,0.1\n");
    rows(&[], single, double).code(0);
    rows(&["--float32", "never"], single, double).code(1);
    let directory = temp_dir();
    let compare = |options: &[&str]| {
        std::fs::write(directory.path().join("a"), digest(&[], single)).unwrap();
        std::fs::write(directory.path().join("b"), digest(options, double)).unwrap();
        tool("ts-verify").args(["compare", "a", "b"]).current_dir(directory.path()).run()
    };
    let outcome = compare(&[]).code(2);
    assert!(outcome.stderr.contains("make the digest of b with --read v=float32"), "{}", outcome.stderr);
    compare(&["--read", "v=float32"]).code(0);
    compare(&["--float32", "v"]).code(0);
    std::fs::write(directory.path().join("data.csv"), double).unwrap();
    tool("ts-verify").args(["compare", "a", "data.csv"]).current_dir(directory.path()).run().code(0);
}

#[test]
fn missing_files_directories_and_malformed_data() {
    rows(&[], &data(), "ts|time,v|long\n2024-01-01T00:00:00Z,x\n").code(3);
    rows(&[], &data(), "v|long\n1\n").code(3);
    for (a, b) in [("/no/such/file", "/dev/null"), ("/", "/dev/null")] {
        let outcome = tool("ts-verify").args(["rows", a, b]).run().code(7);
        assert!(outcome.stderr.contains(a), "{}", outcome.stderr);
    }
    tool("ts-verify").args(["digest", "/no/such/file"]).run().code(7);
}

#[test]
fn usage_errors_are_2() {
    rows(&["--allow", "nonsense"], &data(), &data()).code(2);
    rows(&["--ignore", "no_such_column"], &data(), &data()).code(2);
    rows(&["--read", "temp"], &data(), &data()).code(2);
    rows(&["--read", "temp=complex"], &data(), &data()).code(2);
    rows(&["--rename", "temp=n"], &data(), &data()).code(2);
    rows(&["--since", "1704067200"], &data(), &data()).code(2);
    rows(&["--bucket", "0s"], &data(), &data()).code(2);
    tool("ts-verify").args(["rows", "a.csv"]).run().code(2);
    tool("ts-verify").args(["rows", "-", "-"]).run().code(2);
    tool("ts-verify").run().code(2);
}

/// A CSV cut in the middle of a number loads with a wrong number, an Arrow stream cut between two batches as a whole one.
#[test]
fn finding_5_a_cut_side_is_never_a_shorter_side() {
    let directory = temp_dir();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    let run = |options: &[&str], a: &str, b: &str| {
        tool("ts-verify").args(options).args([a, b]).current_dir(directory.path()).run()
    };
    support::convert(&data(), Format::Csv, 2, &directory.path().join("a.csv"));
    let marked = std::fs::read(directory.path().join("a.csv")).unwrap();
    run(&["rows", "--end-mark"], "a.csv", "a.csv").code(0);
    for cut in [marked.len() - 1, marked.len() - 20, marked.len() - 60, 130, 100] {
        write("b.csv", &marked[..cut]);
        run(&["rows", "--end-mark"], "a.csv", "b.csv").code(9);
        run(&["compare", "--end-mark"], "b.csv", "a.csv").code(9);
    }
    support::convert(&data(), Format::Arrow, 1, &directory.path().join("a.arrow"));
    let whole = std::fs::read(directory.path().join("a.arrow")).unwrap();
    for cut in (0..whole.len()).step_by(97).chain([whole.len() - 8, whole.len() - 4, whole.len() - 1]) {
        write("b.arrow", &whole[..cut]);
        let outcome = run(&["compare"], "a.arrow", "b.arrow");
        assert!(
            matches!(outcome.code, 3 | 9),
            "cut at {cut} of {}: exit {}: {}",
            whole.len(),
            outcome.code,
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty(), "a verdict on a cut stream: {}", outcome.text());
    }
    write("b.arrow", &whole[..whole.len() - 8]);
    run(&["rows"], "a.arrow", "b.arrow").code(9);
}

#[test]
fn pipes_and_stdin_are_sides_too() {
    let script = r#"ts-verify rows - <(printf '%s' "$B")"#;
    shell(script).stdin(data()).env("B", data()).run().code(0);
    let outcome = shell(script).stdin(data()).env("B", data().replace("hello", "hallo")).run().code(1);
    assert!(outcome.text().contains(r#""a":"hello","b":"hallo""#), "{}", outcome.text());
    shell(r#"ts-verify compare - <(printf '%s' "$B")"#).stdin(data()).env("B", data()).run().code(0);
}

#[test]
fn a_failing_command_is_4_or_5() {
    let run = |source: &str, target: &str| {
        tool("ts-verify").args(["rows", "--source-cmd", source, "--target-cmd", target]).env("A", data()).run()
    };
    let good = r#"printf '%s' "$A""#;
    run(good, good).code(0);
    run(&format!("{good}; exit 3"), good).code(4);
    run(good, &format!("{good}; exit 3")).code(5);
    // A failing first stage does not hide behind the last one, nor does the end of a killed one look like an end.
    run(&format!("({good}; false) | cat"), good).code(4);
    run(good, &format!("{good}; kill -9 $$")).code(5);
    let outcome = run("no_such_command_at_all", good).code(4);
    assert!(outcome.stderr.contains("--source-cmd failed"), "{}", outcome.stderr);
}

#[test]
fn a_full_disk_is_7_and_a_closed_pipe_141() {
    let directory = temp_dir();
    std::fs::write(directory.path().join("a.csv"), data()).unwrap();
    for command in ["digest a.csv", "rows a.csv a.csv", "compare a.csv a.csv"] {
        shell(&format!("ts-verify {command} >/dev/full")).current_dir(directory.path()).run().code(7);
        shell(&format!("ts-verify {command} -o /dev/full")).current_dir(directory.path()).run().code(7);
        shell(&format!("ts-verify {command} -o /no/such/directory/x")).current_dir(directory.path()).run().code(7);
        let script = format!("set +o pipefail; ts-verify {command} | sleep 0; exit ${{PIPESTATUS[0]}}");
        let outcome = shell(&script.replace("| sleep 0", "> >(exec 0<&-)")).current_dir(directory.path()).run();
        assert!(matches!(outcome.code, 0 | 141), "{}", outcome.stderr);
    }
    // More than a pipe holds: the reader is certainly gone.
    let many: String = (0..200_000).map(|i| format!("2024-01-01T00:00:00.000Z,d{i},1,1,true,x\n")).collect();
    std::fs::write(directory.path().join("many.csv"), format!("{HEAD}{many}")).unwrap();
    let script = "set +o pipefail; ts-verify digest many.csv | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}";
    let outcome = shell(script).current_dir(directory.path()).run();
    assert_eq!(outcome.text().trim(), "141", "{}", outcome.stderr);
}
