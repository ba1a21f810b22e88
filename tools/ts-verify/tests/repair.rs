//! `--repair FILE`: what to run again, complete and no more than that.

use std::path::Path;
use testkit::{Outcome, proptest, proptest::prelude::*, temp_dir, tool};

const HEAD: &str = "ts|time,device|tag,v|double,note|string\n";

/// Compares two files and gives the outcome and the list.
fn repair(directory: &Path, command: &str, options: &[&str], a: &str, b: &str) -> (Outcome, Vec<String>) {
    std::fs::write(directory.join("a.csv"), a).unwrap();
    std::fs::write(directory.join("b.csv"), b).unwrap();
    let tool = tool("ts-verify").arg(command).args(options).args(["--repair", "again.jsonl", "a.csv", "b.csv"]);
    let outcome = tool.current_dir(directory).run();
    let list = std::fs::read_to_string(directory.join("again.jsonl")).unwrap_or_else(|_| "no file".to_owned());
    (outcome, list.lines().map(str::to_owned).collect())
}

fn data() -> String {
    let mut text = HEAD.to_owned();
    for hour in 0..6 {
        for device in ["d1", "d\"2"] {
            let quoted = format!("\"{}\"", device.replace('"', "\"\""));
            text += &format!("2024-01-01T{hour:02}:30:00Z,{quoted},{hour}.5,note {hour}\n");
        }
    }
    text
}

#[test]
fn a_line_for_every_series_and_bucket_that_differs() {
    let directory = temp_dir();
    let a = data();
    let b: String =
        a.lines().filter(|line| !line.contains("T02:30:00Z,\"d1\"")).map(|line| format!("{line}\n")).collect();
    let b = b.replace("T04:30:00Z,\"d\"\"2\",4.5", "T04:30:00Z,\"d\"\"2\",4.6") + "2024-01-02T00:00:00Z,new,1,\n";
    for command in ["rows", "compare"] {
        let (outcome, list) = repair(directory.path(), command, &["--measurement", "m"], &a, &b);
        assert!(outcome.code(1).text().contains(r#""repair":3"#));
        let expected = [
            r#"{"table":"m","series":{"device":"d1"},"from":"2024-01-01T02:00:00Z","to":"2024-01-01T03:00:00Z","class":"missing"}"#,
            r#"{"table":"m","series":{"device":"d\"2"},"from":"2024-01-01T04:00:00Z","to":"2024-01-01T05:00:00Z","class":"changed"}"#,
            r#"{"table":"m","series":{"device":"new"},"from":"2024-01-02T00:00:00Z","to":"2024-01-02T01:00:00Z","class":"extra"}"#,
        ];
        assert_eq!(list, expected, "{command}");
    }
    // Never beyond the range that was compared.
    let range = ["--since", "2024-01-01T04:10:00Z", "--until", "2024-01-01T04:40:00.5Z"];
    let (_, list) = repair(directory.path(), "rows", &range, &a, &b);
    assert_eq!(
        list,
        [
            r#"{"table":null,"series":{"device":"d\"2"},"from":"2024-01-01T04:10:00Z","to":"2024-01-01T04:40:00.500Z","class":"changed"}"#
        ]
    );
}

/// Differences that the report only counts, and rows that are not even read, are in the list.
#[test]
fn the_list_is_complete_where_the_report_is_not() {
    let directory = temp_dir();
    let row = |i: i32, v: i32| format!("2024-01-{:02}T{:02}:00:00Z,d{},{v},\n", 1 + i / 24 % 28, i % 24, i / 672);
    let side = |v: i32| HEAD.to_owned() + &(0..2000).map(|i| row(i, v)).collect::<String>();
    for (command, options) in [
        ("compare", &["--limit", "1"][..]),
        ("compare", &["--limit", "0", "--out", "text"]),
        ("rows", &["--limit", "1"]),
        ("rows", &["--limit", "1", "--rows-max", "10"]),
        ("rows", &["--rows-max", "1"]),
    ] {
        let (outcome, list) = repair(directory.path(), command, options, &side(1), &side(2));
        outcome.code(1);
        assert_eq!(list.len(), 2000, "{command} {options:?}");
    }
}

#[test]
fn the_file_appears_whole_or_not_at_all() {
    let directory = temp_dir();
    let (outcome, list) = repair(directory.path(), "rows", &[], &data(), &data().replace("note 1", "x"));
    outcome.code(1);
    assert_eq!(list.len(), 2);
    // A comparison that fails says nothing of what there is to repair: the old list stays.
    let (outcome, list) = repair(directory.path(), "rows", &[], &data(), "ts|time,v|long\nyesterday,1\n");
    outcome.code(3);
    assert_eq!(list.len(), 2);
    // One that finds nothing empties it.
    let (outcome, list) = repair(directory.path(), "rows", &[], &data(), &data());
    assert!(outcome.code(0).text().contains(r#""repair":0"#));
    assert_eq!(list.len(), 0);
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "a temporary file was left: {names:?}");
    let missing = ["rows", "a.csv", "b.csv", "--repair", "no/such/directory/x"];
    tool("ts-verify").args(missing).current_dir(directory.path()).run().code(7);
    let full = ["rows", "a.csv", "b.csv", "--repair", "/dev/full"];
    tool("ts-verify").args(full).current_dir(directory.path()).run().code(0);
    std::fs::write(directory.path().join("b.csv"), HEAD).unwrap();
    tool("ts-verify").args(full).current_dir(directory.path()).run().code(7);
}

/// To write again what the target cannot hold would change nothing; what is beyond a limit is a difference.
#[test]
fn what_is_allowed_is_not_run_again() {
    let directory = temp_dir();
    let short = data().replace("note 1", "note").replace("note 2", "no");
    let other = short.replace("T05:30:00Z,\"d1\",5.5", "T05:30:00Z,\"d1\",5.6");
    for (options, b, code, lines) in [
        (&[][..], &short, 1, 4),
        (&["--allow", "string_truncated"], &short, 0, 0),
        (&["--allow", "string_truncated:4"], &short, 0, 0),
        (&["--allow", "string_truncated:3"], &short, 1, 4),
        (&["--allow", "string_truncated"], &other, 1, 1),
    ] {
        let (outcome, list) = repair(directory.path(), "rows", options, &data(), b);
        outcome.code(code);
        assert_eq!(list.len(), lines, "{options:?}");
    }
    let odd = data().replace(",1.5,", ",NaN,").replace(",3.5,", ",-inf,");
    let without = data().replace(",1.5,", ",,").replace(",3.5,", ",,");
    for command in ["rows", "compare"] {
        for (options, code, lines) in [
            (&[][..], 1, 4),
            (&["--allow", "nan_inf"], 0, 0),
            (&["--allow", "nan_inf:4"], 0, 0),
            (&["--allow", "nan_inf:3"], 1, 4),
        ] {
            let (outcome, list) = repair(directory.path(), command, options, &odd, &without);
            outcome.code(code);
            assert_eq!(list.len(), lines, "{command} {options:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Written again as the list says, the target is equal: nothing else had to be, and nothing more was.
    #[test]
    fn what_the_list_names_repairs_the_target(
        a in proptest::collection::btree_map((0..3usize, 0..18_000u32), 0..5u8, 1..60),
        damage in proptest::collection::vec((0..3usize, 0..18_000u32, 0..3u8), 0..6),
        rows_max in 1..50u32,
    ) {
        let csv = |rows: &std::collections::BTreeMap<(usize, u32), u8>| {
            let row = |((device, s), v): (&(usize, u32), &u8)| format!("2024-01-01T{:02}:{:02}:{:02}Z,d{device},{v},\n", s / 3600, s / 60 % 60, s % 60);
            HEAD.to_owned() + &rows.iter().map(row).collect::<String>()
        };
        let mut b = a.clone();
        for (device, s, how) in damage {
            match how {
                0 => drop(b.insert((device, s), 9)),
                _ => if let Some(key) = a.range((device, s)..).next().map(|(key, _)| *key) {
                    if how == 1 { b.remove(&key); } else { b.insert(key, 8); }
                },
            }
        }
        let directory = temp_dir();
        let (outcome, list) = repair(directory.path(), "rows", &["--rows-max", &rows_max.to_string()], &csv(&a), &csv(&b));
        outcome.code(i32::from(a != b));
        let mut repaired = b.clone();
        for line in &list {
            let hour: u32 = line.split(r#""from":"2024-01-01T"#).nth(1).unwrap()[..2].parse().unwrap();
            let device: usize = line.split(r#""device":"d"#).nth(1).unwrap()[..1].parse().unwrap();
            let range = (device, hour * 3600)..(device, (hour + 1) * 3600);
            prop_assert!(a.range(range.clone()).ne(b.range(range.clone())), "{} needs no repair", line);
            repaired.retain(|key, _| !range.contains(key));
            repaired.extend(a.range(range).map(|(key, v)| (*key, *v)));
        }
        prop_assert_eq!(repaired, a);
    }
}
