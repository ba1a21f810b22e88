//! ts-verify against an oracle in Python that shares nothing with it, on generated pairs of files.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use testkit::{temp_dir, tool};

const CASES: u64 = 160;

/// A small generator with a fixed seed: a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const KINDS: [&str; 7] = ["long", "double", "float", "string", "boolean", "decimal(12,3)", "ulong"];

fn value(random: &mut Random, kind: &str) -> String {
    if random.one_in(6) {
        return String::new();
    }
    let small = random.below(4) as i64 - 1;
    match kind {
        "long" => match random.below(5) {
            0 => i64::MAX.to_string(),
            1 => ((1i64 << 53) + small).to_string(),
            _ => small.to_string(),
        },
        "ulong" => {
            if random.one_in(4) {
                u64::MAX.to_string()
            } else {
                small.unsigned_abs().to_string()
            }
        }
        "double" => match random.below(8) {
            0 => "NaN".into(),
            1 => "-inf".into(),
            2 => "-0.0".into(),
            3 => "1e300".into(),
            4 => (0.1 * small as f64).to_string(),
            5 => "0.10000000149011612".into(),
            _ => format!("{small}.0"),
        },
        "float" => match random.below(5) {
            0 => "0.1".into(),
            1 => "16777216".into(),
            _ => (small as f32 / 3.0).to_string(),
        },
        "boolean" => random.one_in(2).to_string(),
        "string" => ["\"\"", "a", "a|b", "NULL", "\"x,\"\"y\"\"\"", "\u{e4}\u{1f600}", " "][random.below(7)].into(),
        _ => ["1.000", "0.100", "-12.500", "99.999"][random.below(4)].into(),
    }
}

/// A table: column heads and rows.
struct Table {
    heads: Vec<(String, String)>,
    rows: Vec<Vec<String>>,
}

fn generate(random: &mut Random) -> Table {
    let mut heads = vec![("ts".to_owned(), "time".to_owned())];
    let tags = random.below(3);
    heads.extend((0..tags).map(|i| (format!("t{i}"), "tag".to_owned())));
    let fields = 1 + random.below(4);
    heads.extend((0..fields).map(|i| (format!("f{i}"), KINDS[random.below(KINDS.len())].to_owned())));
    let instants = 1 + random.below(40);
    let rows = (0..random.below(60))
        .map(|_| {
            let at = random.below(instants);
            heads
                .iter()
                .map(|(_, kind)| match kind.as_str() {
                    "time" => format!("2024-01-01T{:02}:{:02}:{:02}.{:03}Z", at / 20, at % 20, at % 7, at % 3),
                    "tag" => ["", "\"\"", "x", "y", "x y"][random.below(5)].to_owned(),
                    kind => value(random, kind),
                })
                .collect()
        })
        .collect();
    Table { heads, rows }
}

/// Damages, or only rearranges, a table.
fn mutate(random: &mut Random, table: &mut Table) {
    let (rows, columns) = (table.rows.len(), table.heads.len());
    if rows == 0 {
        return;
    }
    let (row, column) = (random.below(rows), 1 + random.below(columns - 1));
    match random.below(9) {
        0 => drop(table.rows.remove(row)),
        1 => table.rows.push(table.rows[row].clone()),
        2 => {
            let kind = table.heads[column].1.clone();
            table.rows[row][column] = if kind == "tag" { "z".into() } else { value(random, &kind) };
        }
        3 => {
            let other = random.below(rows);
            let moved = table.rows[row][column].clone();
            table.rows[row][column] = std::mem::replace(&mut table.rows[other][column], moved);
        }
        4 => table.rows.swap(row, random.below(rows)),
        5 => {
            table.heads.swap(1, columns - 1);
            table.rows.iter_mut().for_each(|row| row.swap(1, columns - 1));
        }
        6 => {
            // A float column that became a double.
            for head in table.heads.iter_mut().filter(|head| head.1 == "float") {
                head.1 = "double".into();
            }
        }
        7 => table.rows[row][0] = "2024-01-01T05:00:00.000Z".into(),
        _ => {}
    }
}

fn text(table: &Table) -> String {
    let heads: Vec<String> = table.heads.iter().map(|(name, kind)| format!("\"{name}|{kind}\"")).collect();
    let mut text = heads.join(",") + "\n";
    for row in &table.rows {
        let _ = writeln!(text, "{}", row.join(","));
    }
    text
}

#[test]
fn the_oracle_agrees() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: the_oracle_agrees needs python3, which is not installed");
        return;
    }
    let directory = temp_dir();
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut options: Vec<Vec<(&str, &str)>> = Vec::new();
    for case in 0..CASES {
        let path = directory.path().join(format!("{case:04}"));
        std::fs::create_dir(&path).unwrap();
        let mut table = generate(&mut random);
        std::fs::write(path.join("a.csv"), text(&table)).unwrap();
        for _ in 0..random.below(4) {
            mutate(&mut random, &mut table);
        }
        std::fs::write(path.join("b.csv"), text(&table)).unwrap();
        let mut some = vec![("dedupe", ["last", "first", "keep"][random.below(3)])];
        if random.one_in(4) {
            some.push(("precision", ["s", "ms"][random.below(2)]));
        }
        if random.one_in(4) {
            some.push(("since", "2024-01-01T00:05:00Z"));
        }
        if random.one_in(4) {
            some.push(("until", "2024-01-01T01:05:00Z"));
        }
        let json: serde_json::Map<String, Value> = some.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        std::fs::write(path.join("options.json"), Value::Object(json).to_string()).unwrap();
        options.push(some);
    }
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/test/mutations/oracle.py");
    let output = Command::new("python3").arg(oracle).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(expected.len() as u64, CASES);
    let (mut equal, mut different) = (0, 0);
    for (expected, options) in expected.iter().zip(options) {
        let path = directory.path().join(expected["case"].as_str().unwrap());
        // Collisions and NaN are classes of their own here: the oracle knows only values.
        let mut run = tool("ts-verify").args(["rows", "--allow", "precision_collision"]).current_dir(&path);
        for (name, value) in &options {
            run = run.arg(format!("--{name}")).arg(value);
        }
        let outcome = run.args(["a.csv", "b.csv"]).run();
        let files = || {
            format!(
                "{options:?}\n{}\n{}",
                std::fs::read_to_string(path.join("a.csv")).unwrap(),
                std::fs::read_to_string(path.join("b.csv")).unwrap()
            )
        };
        let report = outcome.text();
        assert_eq!(
            i64::from(outcome.code),
            expected["code"].as_i64().unwrap(),
            "{expected}\n{}\n{report}\n{}",
            outcome.stderr,
            files()
        );
        let summary: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
        let sizes = [&summary["a"]["cells"], &summary["b"]["cells"]];
        assert_eq!(Value::from(sizes.map(Clone::clone).to_vec()), expected["cells"], "{}", files());
        let keep = options.contains(&("dedupe", "keep"));
        for kind in ["missing", "extra", "changed", "type"] {
            // Which of several values of one cell became which is not defined.
            if !(keep && matches!(kind, "changed" | "type")) {
                assert_eq!(summary["differences"][kind], expected[kind], "{kind}\n{report}\n{}", files());
            }
        }
        equal += u32::from(outcome.code == 0);
        different += u32::from(outcome.code == 1);
    }
    println!("{equal} equal and {different} different pairs: the oracle agrees");
    assert!(equal > 20 && different > 40, "the cases are one-sided: {equal} equal, {different} different");
}
