//! A cluster with one table, rows for it, and what the table holds afterwards.

use testkit::Starrocks;
use testkit::{Sim, Tool, tool};

/// A cluster with the table `plant.m` (duplicates are kept, so that a second load shows), and these faults.
pub fn cluster(faults: &[&str]) -> Starrocks {
    with(faults, &[], "ts DATETIME, dev VARCHAR(8), v BIGINT", "DUPLICATE KEY(ts, dev)")
}

/// The same with other columns, key and options of the simulator.
pub fn with(faults: &[&str], options: &[&str], columns: &str, key: &str) -> Starrocks {
    let args = faults.iter().flat_map(|fault| ["--fault", fault]).chain(options.iter().copied());
    let cluster = Sim::starrocks(args);
    cluster.query("CREATE DATABASE plant");
    cluster.query(&format!("CREATE TABLE plant.m ({columns}) {key} DISTRIBUTED BY HASH(dev) BUCKETS 2"));
    cluster
}

/// The tool, pointed at the table; questions for states come quickly.
pub fn load(cluster: &Starrocks) -> Tool {
    tool("sr-stream-load").args(["--url", &cluster.database("plant"), "--table", "m", "--poll", "50ms"])
}

/// `n` rows from the second `from` on.
pub fn rows(from: usize, n: usize) -> String {
    let mut text = "ts|time,dev|tag,v|long\n".to_owned();
    for row in from..from + n {
        text.push_str(&format!(
            "2024-01-01T{:02}:{:02}:{:02}Z,d{},{row}\n",
            row / 3600,
            row / 60 % 60,
            row % 60,
            row % 3
        ));
    }
    text
}

/// How many rows the table has, and the sum of `v`.
pub fn held(cluster: &Starrocks) -> (u64, u64) {
    let rows = cluster.query("SELECT v FROM plant.m");
    let sum = rows.iter().map(|row| row[0].as_deref().unwrap_or("0").parse::<u64>().unwrap()).sum();
    (rows.len() as u64, sum)
}

/// What [`held`] gives when every row of `rows(0, n)` is there once.
pub fn all(n: u64) -> (u64, u64) {
    (n, n * n.saturating_sub(1) / 2)
}

/// Requests that loaded, or tried to: those to the back end.
#[allow(dead_code)]
pub fn loads(cluster: &Starrocks) -> usize {
    let requests = cluster.requests();
    let load = |r: &&serde_json::Value| {
        r["path"].as_str().is_some_and(|path| path.contains("_stream_load")) && r["status"] != 307
    };
    requests.iter().filter(load).count()
}
