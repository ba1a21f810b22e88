//! What the tests of td-dump share. Every test binary uses a part of it.
#![allow(dead_code, reason = "each test binary uses a part")]

use testkit::tempfile::TempDir;
use testkit::{Outcome, Sim, Tool, shell, tool};

/// A simulator with `csv` loaded as the super table `test.NAME`.
pub struct Source {
    pub sim: Sim,
    _directory: TempDir,
}

impl Source {
    pub fn with(name: &str, csv: &str, options: &[&str]) -> Source {
        Source::of(&[(name, csv)], options)
    }

    pub fn of(tables: &[(&str, &str)], options: &[&str]) -> Source {
        let directory = testkit::temp_dir();
        let mut args: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        for (name, csv) in tables {
            let path = directory.path().join(format!("{name}.csv"));
            std::fs::write(&path, csv).unwrap();
            args.extend(["--load".to_owned(), format!("test.{name}={}", path.display())]);
        }
        Source { sim: Sim::tdengine(args), _directory: directory }
    }

    /// `td-dump` over WebSocket.
    pub fn dump(&self) -> Tool {
        self.by("tdengine")
    }

    /// `td-dump` over REST.
    pub fn rest(&self) -> Tool {
        self.by("tdengine+http")
    }

    fn by(&self, scheme: &str) -> Tool {
        let tool = tool("td-dump").env("TS_SOURCE_URL", format!("{scheme}://{}/test", self.sim.host));
        tool.args(["--reconnect-interval", "5ms"])
    }
}

/// `n` rows a sub-table, `tables` sub-tables, a row every ten minutes.
pub fn meters(tables: usize, n: usize) -> String {
    let mut csv = String::from("ts|time,tbname|table,groupid|tag:int,location|tag,current|double,voltage|int\n");
    for row in 0..n {
        let (hour, minute) = (row / 6 % 24, row % 6 * 10);
        for table in 0..tables {
            let group = if table == 3 { String::new() } else { (table % 2).to_string() };
            csv.push_str(&format!(
                "2024-01-{:02}T{hour:02}:{minute:02}:00.000Z,d{table},{group},\"it's {table}, \\here\",{row}.5,{}\n",
                1 + row / 144,
                row * 10 + table
            ));
        }
    }
    csv
}

/// The output of ts-gen.
pub fn generate(args: &str) -> String {
    shell(&format!("ts-gen {args}")).run().code(0).text()
}

/// The columns of a typed CSV reordered (and chosen) by our own converter.
pub fn select(csv: &str, columns: &str) -> String {
    tool("ts-convert").args(["--select", columns]).stdin(csv).run().code(0).text()
}

/// Header and rows; line ends inside quotes belong to their row.
pub fn rows(csv: &str) -> (String, Vec<String>) {
    let (mut all, mut row, mut quoted) = (Vec::new(), String::new(), false);
    for character in csv.chars() {
        match character {
            '\n' if !quoted => all.push(std::mem::take(&mut row)),
            other => {
                quoted ^= other == '"';
                row.push(other);
            }
        }
    }
    assert!(row.is_empty(), "the last row is cut: {row}");
    let header = if all.is_empty() { String::new() } else { all.remove(0) };
    (header, all)
}

/// Rows without their order.
pub fn sorted(csv: &str) -> Vec<String> {
    let mut rows = rows(csv).1;
    rows.sort();
    rows
}

/// The same rows, each once, in any order.
#[track_caller]
pub fn same_rows(outcome: &Outcome, expected: &str) {
    let (left, right) = (sorted(&outcome.text()), sorted(expected));
    if let Some((left, right)) = left.iter().zip(&right).find(|(left, right)| left != right) {
        panic!("a row differs:\n{left}\n{right}\n{}", outcome.stderr);
    }
    assert_eq!(left.len(), right.len(), "{}", outcome.stderr);
}

/// A meters CSV as td-dump prints it: tags before fields, as they are already.
pub fn column_names(csv: &str) -> String {
    let header = rows(csv).0;
    header
        .split(',')
        .filter_map(|cell| cell.trim_matches('"').split_once('|'))
        .map(|(name, _)| name)
        .collect::<Vec<_>>()
        .join(",")
}
