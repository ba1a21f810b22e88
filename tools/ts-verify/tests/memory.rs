//! `--max-memory`: what has no room in memory goes to temporary files, and nothing else changes.

use std::path::Path;
use testkit::{Outcome, shell, temp_dir};

/// Runs a command and writes the peak of its resident memory in KiB to the file `peak`.
const MEASURE: &str = "\
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
open('peak', 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
";

/// Runs ts-verify in a directory and gives its peak in KiB, too.
fn measured(at: &Path, arguments: &str) -> (Outcome, u64) {
    std::fs::write(at.join("measure.py"), MEASURE).unwrap();
    let outcome = shell(&format!("python3 measure.py ts-verify {arguments}")).current_dir(at).run();
    (outcome, std::fs::read_to_string(at.join("peak")).unwrap().parse().unwrap())
}

fn verify(at: &Path, arguments: &str) -> Outcome {
    shell(&format!("ts-verify {arguments}")).current_dir(at).run()
}

/// 160 000 rows, each a bucket of its own: a digest of more than 20 MB that would be in memory otherwise.
#[test]
fn a_digest_that_has_no_room_is_made_on_disk_and_is_the_same() {
    let directory = temp_dir();
    let at = directory.path();
    shell("ts-gen sensors --rows 160000 --tables 1000 -q -o a.csv 2>/dev/null").current_dir(at).run().code(0);
    // What the program and the reading of a file take in any case.
    let (outcome, base) = measured(at, "digest a.csv --bucket 1h -o hours");
    outcome.code(0);
    let (outcome, plenty) = measured(at, "digest a.csv --bucket 1s -o plenty");
    outcome.code(0);
    let (outcome, little) = measured(at, "digest a.csv --bucket 1s --max-memory 8MiB -o little");
    assert_eq!(outcome.code(0).number("cells"), 640_000);
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    assert!(read("plenty") == read("little"), "the digests differ");
    assert!(
        plenty > base + 18_000,
        "the test needs more data: {plenty} KiB with plenty of memory, {base} KiB without buckets"
    );
    assert!(
        little < base + 10_000,
        "{little} KiB with little memory, {plenty} KiB with plenty, {base} KiB without buckets"
    );

    // A pair, and every bucket differs.
    let script = r"head -n 20001 a.csv >b.csv && sed '2,$s/\.\([0-9]*\),/.7\1,/' b.csv >c.csv";
    shell(script).current_dir(at).run().code(0);
    let options = "--bucket 1s --max-memory 1MiB --repair again";
    let text = verify(at, &format!("compare b.csv c.csv {options}")).code(1).text();
    let differing = std::fs::read_to_string(at.join("again")).unwrap().lines().count();
    assert!(differing > 19_000, "{differing}");
    assert!(text.contains(&format!(r#""buckets_differing":{differing},"#)), "{differing} lines and {text}");
    let text = verify(at, &format!("rows b.csv c.csv {options} --limit 100000")).code(1).text();
    assert!(text.contains(&format!(r#""changed":{differing},"#)), "{}", text.lines().last().unwrap_or_default());
}

/// Rows in windows out of order, doubled rows and series that come late, with so little memory that series are forgotten
/// between two batches.
#[test]
fn verdicts_are_the_same_with_little_memory() {
    let directory = temp_dir();
    let at = directory.path();
    let row = |i: usize, value: usize| {
        format!("2024-01-01T{:02}:{:02}:{:02}Z,d{},{value}\n", i / 3600, i / 60 % 60, i % 60, i * 7 % 101)
    };
    let head = "ts|time,device|tag,v|long\n";
    let plain: String = (0..4_000).map(|i| row(i, i)).collect();
    let windows: String = [3, 0, 2, 1].into_iter().flat_map(|w| w * 1000..(w + 1) * 1000).map(|i| row(i, i)).collect();
    let doubled: String = (0..4_000).map(|i| row(i, 0)).chain((0..4_000).rev().map(|i| row(i, i))).collect();
    for (name, rows) in [("plain", plain), ("windows", windows), ("doubled", doubled)] {
        std::fs::write(at.join(name), format!("{head}{rows}")).unwrap();
    }
    for options in ["", "--max-memory 64KiB --bucket 5m"] {
        let options = format!("-f csv {options}");
        for (a, b) in [("plain", "windows"), ("doubled", "plain"), ("windows", "doubled")] {
            let outcome = verify(at, &format!("rows {a} {b} {options}")).code(0);
            assert!(outcome.text().contains("equal: 4000 cells"), "{}", outcome.text());
            verify(at, &format!("compare {a} {b} {options}")).code(0);
        }
        let outcome = verify(at, &format!("rows doubled plain {options} --dedupe first")).code(1);
        // Of the first values, only that of the row 0 is right.
        assert!(outcome.text().contains(r#""duplicate_lww":{"count":4000"#), "{}", outcome.text());
        let outcome = verify(at, &format!("rows doubled plain {options} --dedupe error --limit 0")).code(3);
        assert!(outcome.stderr.contains("a second value for series"), "{}", outcome.stderr);
        verify(at, &format!("rows doubled plain {options} --dedupe keep --limit 0")).code(1);
    }
    // Times that only grow need one look, also from a pipe and where the series are forgotten on the way.
    shell("ts-verify digest -f csv --max-memory 64KiB <plain >piped").current_dir(at).run().code(0);
    shell("ts-verify digest -f csv plain >whole && cmp piped whole").current_dir(at).run().code(0);
}

#[test]
fn a_temporary_directory_that_is_not_there_is_7() {
    let directory = temp_dir();
    let at = directory.path();
    shell("ts-gen sensors --rows 20000 --tables 1000 -q -o a.csv 2>/dev/null").current_dir(at).run().code(0);
    let script = "TMPDIR=/no/such/directory ts-verify digest a.csv --bucket 1s --max-memory 1MiB";
    let outcome = shell(script).current_dir(at).run().code(7);
    assert!(outcome.stderr.contains("/no/such/directory"), "{}", outcome.stderr);
}
