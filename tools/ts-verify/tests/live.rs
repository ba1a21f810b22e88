//! `--settle` and `--rechecks`: sides to which rows are still on their way.

use std::path::Path;
use testkit::{Outcome, shell, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,v|long\n";

fn data(hours: std::ops::Range<u32>) -> String {
    hours.map(|h| format!("2024-01-01T{h:02}:00:00Z,d{},{h}\n", h % 2)).collect()
}

fn write(at: &Path, name: &str, rows: &str) {
    std::fs::write(at.join(name), format!("{HEAD}{rows}")).unwrap();
}

/// Compares a.csv with a target that is read from b1.csv first, then from b2.csv and so on; b3.csv stays.
fn live(at: &Path, command: &str, options: &str) -> Outcome {
    let target = r#"n=$(($(cat reads 2>/dev/null || echo 0) + 1)); echo $n >reads; echo {since} {until} >>ranges; cat b$((n < 3 ? n : 3)).csv"#;
    let _ = std::fs::remove_file(at.join("reads"));
    let range = "--since 2024-01-01T00:30:00Z --until 2024-01-02 --html page.html --recheck-wait 10ms";
    let script = format!("ts-verify {command} a.csv --target-cmd '{target}' {range} {options}");
    shell(&script).current_dir(at).run()
}

#[test]
fn rows_that_are_on_their_way_are_no_difference_once_they_arrived() {
    let directory = temp_dir();
    let at = directory.path();
    write(at, "a.csv", &data(0..20));
    // One device is late twice, the other one once.
    write(at, "b1.csv", &data(0..15));
    write(at, "b2.csv", &data(0..20).replace("2024-01-01T17:00:00Z,d1,17\n", ""));
    write(at, "b3.csv", &data(0..20));
    for command in ["rows", "compare"] {
        live(at, command, "--rechecks 0").code(1);
        let text = live(at, command, "--rechecks 1").code(1).text();
        assert!(text.contains(r#""rechecks":{"made":1,"buckets":5,"settled":4}"#), "{text}");
        assert!(text.contains(r#""buckets_differing":1"#) && !text.contains("T15:00"), "{text}");
        std::fs::remove_file(at.join("ranges")).unwrap();
        let outcome = live(at, command, "--rechecks 5 --repair again -v").code(0);
        let text = outcome.text();
        assert!(text.contains(r#""verdict":"equal""#), "{text}");
        assert!(text.contains(r#""rechecks":{"made":2,"buckets":5,"settled":5}"#), "{text}");
        assert!(text.contains(r#""rows":19"#), "the counts are those of the whole: {text}");
        let page = std::fs::read_to_string(at.join("page.html")).unwrap();
        assert_eq!(page.matches("<td class=\"c di\">").count(), 0, "{page}");
        assert_eq!(page.matches("<td class=\"c eq\">").count(), 19, "{page}");
        assert_eq!(std::fs::read_to_string(at.join("again")).unwrap(), "");
        // Only the range of the buckets that differ is read again.
        let ranges = std::fs::read_to_string(at.join("ranges")).unwrap();
        let expected = "2024-01-01T00:30:00Z 2024-01-02T00:00:00Z\n\
                        2024-01-01T15:00:00Z 2024-01-01T20:00:00Z\n\
                        2024-01-01T17:00:00Z 2024-01-01T18:00:00Z\n";
        assert_eq!(ranges, expected);
        std::fs::remove_file(at.join("ranges")).unwrap();
        assert!(outcome.stderr.contains("5 buckets differ: reading 2024-01-01T15:00:00Z to"), "{}", outcome.stderr);
    }
}

#[test]
fn what_remains_is_a_difference() {
    let directory = temp_dir();
    let at = directory.path();
    write(at, "a.csv", &data(0..20));
    write(at, "b1.csv", &data(0..15));
    for name in ["b2.csv", "b3.csv"] {
        // What came late is wrong in one value; what was equal before does not count as different now.
        write(at, name, &data(0..20).replace(",18\n", ",81\n").replace(",4\n", ",5\n"));
    }
    let outcome = live(at, "rows", "--rechecks 2 --out text --repair again");
    let text = outcome.code(1).text();
    assert!(text.starts_with("changed  2024-01-01T18:00:00Z -,device=d0 v a: 18  b: 81\na: "), "{text}");
    assert!(text.contains("rechecks: 2 made; of 5 buckets that differed at first, 4 settled\n"), "{text}");
    assert!(text.ends_with("verdict: different: 1 changed\n"), "{text}");
    let again = std::fs::read_to_string(at.join("again")).unwrap();
    assert!(again.lines().count() == 1 && again.contains("2024-01-01T18:00:00Z"), "{again}");
}

#[test]
fn what_is_too_new_is_left_out_and_the_summary_says_so() {
    let directory = temp_dir();
    let at = directory.path();
    // An old row on both sides, and one of some seconds ago on one side.
    let script = r#"
        echo 'ts|time,v|long' >b.csv
        echo "$(date -u -d '-1 hour' +%FT%TZ),1" >>b.csv
        cp b.csv a.csv; echo "$(date -u -d '-5 seconds' +%FT%TZ),2" >>a.csv"#;
    shell(script).current_dir(at).run().code(0);
    let verify = |options: &[&str]| tool("ts-verify").args(options).args(["a.csv", "b.csv"]).current_dir(at).run();
    verify(&["rows"]).code(1);
    verify(&["rows", "--settle", "1s"]).code(1);
    for command in ["rows", "compare"] {
        let text = verify(&[command, "--settle", "10m"]).code(0).text();
        assert!(text.contains(r#""rows":1,"#) && text.contains(r#""settled_until":"20"#), "{text}");
    }
    let text = verify(&["rows", "--settle", "10m", "--out", "text"]).code(0).text();
    assert!(text.contains("left out: rows from 20") && text.contains("Z on, which may not have settled"), "{text}");
    // Everything is too new: no verdict.
    verify(&["rows", "--settle", "2h"]).code(10);
}

#[test]
fn sides_that_cannot_be_read_again_are_2() {
    let directory = temp_dir();
    let at = directory.path();
    write(at, "a.csv", &data(0..3));
    tool("ts-verify").args(["digest", "a.csv", "-o", "a.digest"]).current_dir(at).run().code(0);
    for (arguments, part) in [
        ("rows a.csv - --rechecks 1 <a.csv", "a pipe cannot be"),
        ("compare <(cat a.csv) a.csv --rechecks 1", "a pipe cannot be"),
        ("compare a.csv a.digest --rechecks 1", "a digest is what it is"),
        ("compare a.digest a.digest --settle 1m", "digests have none"),
        ("rows a.csv --target-cmd 'echo {since}'", "give --since"),
        ("rows a.csv a.csv --recheck-wait 1s", "--rechecks"),
    ] {
        let outcome = shell(&format!("ts-verify {arguments}")).current_dir(at).run().code(2);
        assert!(outcome.stderr.contains(part), "{arguments}: {}", outcome.stderr);
    }
    shell("ts-verify rows a.csv a.csv --rechecks 3").current_dir(at).run().code(0);
}
