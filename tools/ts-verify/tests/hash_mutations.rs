//! `hash` against an oracle that hashes nothing: many damaged copies of a table, each compared with it in its partitions as
//! sorted lines. What the oracle finds, and nothing else, must be found.

use std::collections::{BTreeMap, BTreeSet};
use testkit::{Sim, tool};

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

type Row = Vec<String>;
const HEAD: &str = "ts|time,site|tag,v|double,n|long,note|string,other|string,ok|boolean";
const SITE: usize = 1;
const V: usize = 2;
const N: usize = 3;
const NOTE: usize = 4;
const OTHER: usize = 5;
const OK: usize = 6;

/// Two months; texts from a small set, so that the same ones are found in many places.
fn table() -> Vec<Row> {
    let mut random = Random(7);
    let text =
        |random: &mut Random| ["", "\"\"", "a", "b", "ab", "ba", "N", "V", "0", "|"][random.below(10)].to_owned();
    let row = |i: usize| {
        let site = ["a", "b", "ab"][random.below(3)].to_owned();
        let v = ["", "0.1", "0.30000000000000004", "1e300", "-2.5"][random.below(5)].to_owned();
        let (note, other) = (text(&mut random), text(&mut random));
        let ts = format!("2024-{:02}-{:02}T00:00:00.{:06}Z", 1 + i / 40, 1 + i % 28, random.below(3));
        vec![ts, site, v, random.below(4).to_string(), note, other, (random.below(2) == 0).to_string()]
    };
    (0..80).map(row).collect()
}

/// Damages the rows in one way; some ways change nothing for some rows, which the oracle sees too.
fn damage(rows: &mut Vec<Row>, kind: usize, random: &mut Random) {
    let (one, two) = (random.below(rows.len()), random.below(rows.len()));
    let column = 1 + random.below(5);
    match kind {
        0 => {
            for i in (1..rows.len()).rev() {
                rows.swap(i, random.below(i + 1));
            }
        }
        1 => drop(rows.remove(one)),
        2 => rows.push(rows[one].clone()),
        3 => {
            let cell = rows[one][column].clone();
            rows[one][column] = std::mem::replace(&mut rows[two][column], cell);
        }
        4 => {
            let column = [NOTE, OTHER][random.below(2)];
            for row in rows.iter_mut().filter(|row| row[column].trim_matches('"').is_empty()).take(1 + random.below(6))
            {
                row[column] = if row[column].is_empty() { "\"\"".into() } else { String::new() };
            }
        }
        // The last letter of a column to the beginning of the next.
        5 => {
            if let Some(row) = rows.iter_mut().find(|row| row[NOTE].len() == 2 && !row[NOTE].starts_with('"')) {
                let last = row[NOTE].pop().unwrap_or('x');
                let rest = row[OTHER].trim_matches('"');
                row[OTHER] = format!("{last}{rest}");
            }
        }
        6 => rows[one].swap(NOTE, OTHER),
        7 => rows[one].swap(SITE, NOTE),
        8 => rows[one][0] = rows[one][0].replace("0Z", "9Z"),
        9 => rows[one][OK] = (rows[one][OK] == "false").to_string(),
        10 => {
            if let Some(row) = rows.iter_mut().find(|row| row[V] == "0.30000000000000004") {
                row[V] = "0.3".into();
            }
        }
        // The sum stays.
        11 => {
            rows[one][N] = "7".into();
            rows[two][N] = "-7".into();
        }
        // As many rows, and every one of them twice: nothing that cancels sees it.
        12 => {
            let (x, y) = (rows[one].clone(), rows[two].clone());
            let pair = if random.below(2) == 0 { [x.clone(), x] } else { [y.clone(), y] };
            rows.extend(pair);
        }
        // A value for NULL that looks like the mark for NULL.
        _ => {
            for row in rows.iter_mut().filter(|row| row[NOTE].is_empty()).take(2) {
                row[NOTE] = "N".into();
            }
        }
    }
}

/// By partition its rows, sorted.
fn partitions(rows: &[Row]) -> BTreeMap<String, Vec<&Row>> {
    let mut all: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        all.entry(format!("p{}{}", &row[0][..4], &row[0][5..7])).or_default().push(row);
    }
    all.values_mut().for_each(|rows| rows.sort());
    all
}

#[test]
fn what_an_oracle_finds_and_nothing_else() {
    let base = table();
    let directory = testkit::temp_dir();
    let load = |name: &str, rows: &[Row]| {
        let path = directory.path().join(format!("{name}.csv"));
        let lines = rows.iter().map(|row| row.join(","));
        std::fs::write(&path, std::iter::once(HEAD.to_owned()).chain(lines).collect::<Vec<_>>().join("\n") + "\n")
            .unwrap();
        ["--load".to_owned(), format!("d.{name}={}", path.display())]
    };
    let (mut random, mut loads, mut pairs, mut expected) = (Random(11), Vec::new(), Vec::new(), BTreeSet::new());
    for kind in 0..14 {
        for copy in 0..6 {
            let (name, mut rows) = (format!("k{kind}_{copy}"), base.clone());
            damage(&mut rows, kind, &mut random);
            let (mine, theirs) = (partitions(&base), partitions(&rows));
            for (partition, rows) in &mine {
                if theirs.get(partition) != Some(rows) {
                    expected.insert((name.clone(), partition.clone()));
                }
            }
            loads.extend(load(&name, &rows));
            pairs.push(format!("base={name}"));
        }
    }
    assert!(expected.len() > 60, "{} damaged partitions", expected.len());
    let (a, b) = (Sim::starrocks(load("base", &base)), Sim::starrocks(loads));
    for function in ["xx_hash3_64", "murmur_hash3_32"] {
        let tool = tool("ts-verify").args(["hash", "-q", "--function", function, "--table", &pairs.join(",")]);
        let text = tool.args([a.database("d"), b.database("d")]).run().code(1).text();
        let mut found = BTreeSet::new();
        for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            if let (Some(table), Some(partition)) = (line["table_b"].as_str(), line["partition"].as_str()) {
                assert_eq!(line["verdict"].as_str(), Some("differs"), "{line}");
                found.insert((table.to_owned(), partition.to_owned()));
            }
        }
        assert_eq!(found, expected, "{function}");
        assert!(!found.iter().any(|(table, _)| table.starts_with("k0_")), "another order is no difference");
    }
}
