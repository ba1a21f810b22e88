//! `--sample N/M --seed S`: both sides choose the same series, and a sample is never told as a proof.

mod support;

use rows::format::Format;
use std::collections::HashMap;
use std::path::Path;
use testkit::{Outcome, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,v|double,n|long\n";
const DEVICES: usize = 300;

/// Out of time order, with a second value for one time: the buckets are read twice.
fn data() -> String {
    let row = |i: usize| format!("2024-01-01T0{}:00:0{}Z,d{},{i}.25,{i}\n", i % 2, 9 - i / DEVICES % 3, i % DEVICES);
    HEAD.to_owned() + &(0..DEVICES * 4).map(row).collect::<String>()
}

fn verify(directory: &Path, args: &[&str]) -> Outcome {
    tool("ts-verify").args(args).current_dir(directory).run()
}

fn digest(directory: &Path, options: &[&str], input: &str) -> String {
    verify(directory, &[&["digest", input], options].concat()).code(0).text()
}

/// The lines of a digest by series.
fn lines(digest: &str) -> HashMap<&str, Vec<&str>> {
    let mut series: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in digest.lines().skip(1).filter(|line| !line.starts_with(r#"{"end""#)) {
        series.entry(line.split('\t').next().unwrap()).or_default().push(line);
    }
    series
}

#[test]
fn whatever_the_format_the_same_series_are_chosen_whole() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), data()).unwrap();
    let whole = digest(at, &["--measurement", "m"], "a.csv");
    // NDJSON does not say what is a tag.
    let options = ["--measurement", "m", "--tag", "device", "--sample", "1/10", "--seed", "3"];
    let sample = digest(at, &options, "a.csv");
    let (all, chosen) = (lines(&whole), lines(&sample));
    assert_eq!(all.len(), DEVICES);
    assert!((12..60).contains(&chosen.len()), "{} of {DEVICES} series are no tenth", chosen.len());
    for (series, lines) in &chosen {
        assert_eq!(all.get(series), Some(lines), "a sampled series is not the whole series");
    }
    let head = sample.lines().next().unwrap();
    assert!(head.contains(r#""sample":"1/10 seed 3""#) && !whole.contains("sample"), "{head}");
    for (name, format) in
        [("b.arrow", Format::Arrow), ("b.parquet", Format::Parquet), ("b.ndjson", Format::Ndjson), ("b.lp", Format::Lp)]
    {
        support::convert(&data(), format, 7, &at.join(name));
        let other = digest(at, &options, name);
        assert_eq!(lines(&other), chosen, "{name}");
        verify(at, &[&["rows", "a.csv", name, "--allow-sampled"], &options[..]].concat()).code(0);
    }
    let other = digest(at, &["--measurement", "m", "--sample", "1/10", "--seed", "4"], "a.csv");
    assert_ne!(lines(&other), chosen);
    assert_eq!(digest(at, &["--measurement", "m", "--sample", "10/10"], "a.csv"), whole);
}

#[test]
fn a_sample_is_never_told_as_complete() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), data()).unwrap();
    std::fs::write(at.join("same.csv"), data()).unwrap();
    for command in ["rows", "compare"] {
        let args = [command, "a.csv", "same.csv", "--sample", "1/10"];
        let outcome = verify(at, &args).code(10);
        let text = outcome.text();
        for part in [
            r#""verdict":"sampled""#,
            r#""complete":false"#,
            "no difference in 1/10 seed 0 of the series",
            r#""sample":"1/10 seed 0""#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(outcome.summary().contains("verdict=sampled"), "{}", outcome.stderr);
        assert!(
            outcome.number("rows") > 0
                && outcome.number("rows") + outcome.number("rows_not_in_sample") == 2 * 4 * DEVICES as u64
        );
        let outcome = verify(at, &[&args[..], &["--allow-sampled", "--out", "text"]].concat()).code(0);
        assert!(
            outcome.text().contains("verdict: sampled: no difference") && !outcome.text().contains("equal"),
            "{}",
            outcome.text()
        );
        // Everything is no sample.
        let outcome = verify(at, &[command, "a.csv", "same.csv", "--sample", "7/7"]).code(0);
        assert!(outcome.text().contains(r#""verdict":"equal""#) && outcome.text().contains(r#""complete":true"#));
    }
}

#[test]
fn a_difference_in_the_sample_is_one_and_no_other_is_seen() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), data()).unwrap();
    let sample = digest(at, &["--sample", "1/10"], "a.csv");
    let chosen = lines(&sample);
    let has = |device: usize| chosen.contains_key(format!(r#"{{"tags":{{"device":"d{device}"}}}}"#).as_str());
    let inside = (0..DEVICES).find(|device| has(*device)).unwrap();
    let outside = (0..DEVICES).find(|device| !has(*device)).unwrap();
    let damaged =
        |device: usize| data().replacen(&format!(",d{device},{}.25", device + DEVICES), &format!(",d{device},99"), 1);
    for (device, code) in [(inside, 1), (outside, 10)] {
        assert_ne!(damaged(device), data());
        std::fs::write(at.join("b.csv"), damaged(device)).unwrap();
        verify(at, &["rows", "a.csv", "b.csv"]).code(1);
        for command in ["rows", "compare"] {
            let outcome = verify(at, &[command, "a.csv", "b.csv", "--sample", "1/10"]).code(code);
            assert!(outcome.text().contains(r#""complete":false"#), "{}", outcome.text());
        }
    }
}

#[test]
fn digests_of_samples() {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), data()).unwrap();
    for (name, options) in [
        ("all", &[][..]),
        ("one", &["--sample", "1/10"]),
        ("same", &["--sample", "1/10"]),
        ("seed", &["--sample", "1/10", "--seed", "1"]),
    ] {
        std::fs::write(at.join(name), digest(at, options, "a.csv")).unwrap();
    }
    let outcome = verify(at, &["compare", "one", "same"]).code(10);
    assert!(outcome.text().contains(r#""verdict":"sampled""#), "{}", outcome.text());
    // Data beside a sampled digest is sampled as the digest was.
    verify(at, &["compare", "one", "a.csv", "--allow-sampled"]).code(0);
    for (a, b) in [("all", "one"), ("one", "all"), ("one", "seed")] {
        let outcome = verify(at, &["compare", a, b]).code(2);
        assert!(outcome.stderr.contains("sample"), "{}", outcome.stderr);
        verify(at, &["merge", a, b]).code(2);
    }
    // A list of repairs would have to be complete.
    verify(at, &["compare", "one", "same", "--repair", "again"]).code(2);
    verify(at, &["rows", "a.csv", "a.csv", "--sample", "1/10", "--repair", "again"]).code(2);
    assert!(!at.join("again").exists());
    for bad in ["0/5", "3/2", "1", "a/b", "1/0", "-1/4"] {
        verify(at, &["digest", "a.csv", &format!("--sample={bad}")]).code(2);
    }
    verify(at, &["digest", "a.csv", "--seed", "4"]).code(2);
    // One series, and a sample without it.
    std::fs::write(at.join("one.csv"), format!("{HEAD}2024-01-01T00:00:00Z,d,1,1\n")).unwrap();
    let outcome = (0..50).map(|seed| {
        verify(at, &["rows", "one.csv", "one.csv", "--allow-sampled", "--sample", "1/9", "--seed", &seed.to_string()])
    });
    let outcome = outcome.into_iter().find(|outcome| outcome.code != 0).expect("a seed that leaves it out");
    assert!(outcome.code(10).stderr.contains("take a larger one"));
}
