//! A cluster with a table of five partitions.

use testkit::{Sim, Starrocks, Tool, tool};

/// Partitions by month; the first also takes NULL, the last everything later.
pub const METERS: &str = "\
CREATE DATABASE d;
USE d;
CREATE TABLE meters (ts DATETIME NULL, dev VARCHAR(20) NULL, v BIGINT NULL, note VARCHAR(200) NULL)
DUPLICATE KEY(ts, dev)
PARTITION BY RANGE(ts) (
  PARTITION p202401 VALUES LESS THAN ('2024-02-01 00:00:00'),
  PARTITION p202402 VALUES LESS THAN ('2024-03-01 00:00:00'),
  PARTITION p202403 VALUES LESS THAN ('2024-04-01 00:00:00'),
  PARTITION p202404 VALUES LESS THAN ('2024-05-01 00:00:00'),
  PARTITION pmax VALUES LESS THAN (MAXVALUE))
DISTRIBUTED BY HASH(dev) BUCKETS 2
PROPERTIES ('replication_num' = '1');
";

/// `INSERT` of 100 rows into each of the first four partitions, one that is NULL in its time, one far in the future.
pub fn rows() -> String {
    let mut values = Vec::new();
    for month in 1..=4 {
        for row in 0..100 {
            values.push(format!("('2024-0{month}-15 00:00:{:02}.{:06}', 'd{}', {row}, 'x')", row % 60, row, row % 7));
        }
    }
    values.push("(NULL, 'nowhen', 1, 'n')".to_owned());
    values.push("('9000-01-01 00:00:00', 'late', 2, NULL)".to_owned());
    format!("INSERT INTO d.meters VALUES {};\n", values.join(", "))
}

/// A cluster that has run this, and does these things wrong.
pub fn cluster(sql: &str, faults: &[&str]) -> Starrocks {
    cluster_with(sql, &faults.iter().flat_map(|fault| ["--fault", fault]).collect::<Vec<_>>())
}

/// A cluster that has run this, with these options.
pub fn cluster_with(sql: &str, options: &[&str]) -> Starrocks {
    let directory = testkit::temp_dir();
    let script = directory.path().join("script.sql");
    std::fs::write(&script, sql).unwrap();
    Sim::starrocks(["--sql", script.to_str().unwrap()].iter().chain(options))
}

/// `sr-export` of the database d.
pub fn export(cluster: &Starrocks) -> Tool {
    tool("sr-export").args(["--url", &cluster.database("d")])
}
