//! `ts-sim starrocks` over the MySQL protocol, asked by a client that is not ours.

use testkit::Sim;

fn script(text: &str) -> (testkit::tempfile::TempDir, String) {
    let directory = testkit::temp_dir();
    let path = directory.path().join("script.sql");
    std::fs::write(&path, text).unwrap();
    (directory, path.to_string_lossy().into_owned())
}

/// Rows as one text: cells by a space, rows by a bar, NULL as `-`.
fn shown(rows: Vec<Vec<Option<String>>>) -> String {
    let row = |row: Vec<Option<String>>| {
        row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_string())).collect::<Vec<_>>().join(" ")
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(" | ")
}

const METERS: &str = "time|time,place|tag,v|double,note|string\n\
    2025-01-31T23:59:59.999999Z,a,1.5,x\n2025-02-01T00:00:00.000000Z,b,,\"\"\n2025-02-02T00:00:00.000000Z,b,-2,\n";

fn meters() -> (testkit::tempfile::TempDir, testkit::Starrocks) {
    let directory = testkit::temp_dir();
    let path = directory.path().join("m.csv");
    std::fs::write(&path, METERS).unwrap();
    let sim = Sim::starrocks(["--load", &format!("d.m={}", path.display())]);
    (directory, sim)
}

#[test]
fn a_loaded_table_is_read_back_by_partition() {
    let (_directory, sim) = meters();
    assert_eq!(shown(sim.query("SHOW TABLES FROM d")), "m");
    assert_eq!(
        shown(sim.query("SELECT * FROM d.m")),
        "2025-01-31 23:59:59.999999 a 1.5 x | 2025-02-01 00:00:00 b -  | 2025-02-02 00:00:00 b -2 -"
    );
    assert_eq!(shown(sim.query("SELECT count(*) FROM d.m PARTITION(p202502)")), "2");
    let partitions = sim.query("SHOW PARTITIONS FROM d.m");
    let names: Vec<_> = partitions.iter().map(|p| p[1].clone().unwrap()).collect();
    assert_eq!(names, ["p202501", "p202502"]);
    assert_eq!(partitions[0][2].as_deref(), Some("2"), "one load makes version 2");
    assert_eq!(
        partitions[1][7].as_deref(),
        Some("[types: [DATETIME]; keys: [2025-02-01 00:00:00]; ..types: [DATETIME]; keys: [2025-03-01 00:00:00]; )")
    );
    assert!(sim.ask("SELECT * FROM d.m PARTITION(p1)").unwrap_err().contains("Unknown partition"));
    assert!(sim.ask("SELECT * FROM d.none").unwrap_err().contains("Unknown table 'd.none'"));
}

#[test]
fn a_script_makes_tables_first() {
    let (_directory, path) = script(
        "CREATE DATABASE d; -- a comment\nCREATE TABLE d.t (k INT NOT NULL, s VARCHAR(5)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k);\n\
         INSERT INTO d.t VALUES (1, 'a;b'), (2, NULL), (1, 'c');",
    );
    let sim = Sim::starrocks(["--sql", &path]);
    assert_eq!(shown(sim.query("SELECT * FROM d.t ORDER BY k")), "1 c | 2 -");
    assert_eq!(shown(sim.query("SELECT current_version()")), "3.3.5-6d81f75");
}

#[test]
fn logins_are_checked() {
    let sim = Sim::starrocks(["--user", "me", "--password", "secret"]);
    assert_eq!(shown(sim.query("SELECT 1")), "1");
    let refused = Sim::starrocks(["--fault", "refuse-login@1"]);
    assert!(refused.ask("SELECT 1").unwrap_err().contains("1045"));
    assert_eq!(shown(refused.query("SELECT 1")), "1");
}
