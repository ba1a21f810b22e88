//! `--rate-limit` of the sources, by the clock. That of the sink is tested where its other waits are.

use std::time::Instant;
use testkit::{Outcome, Sim, Tool, temp_dir, tool};

const ROWS: usize = 6_000;

/// Runs it with and without a limit that takes about two seconds: the same bytes, not too soon, not much too late.
fn paced(source: impl Fn() -> Tool) {
    let free = source().run().code(0);
    let size = free.stdout.len() as f64;
    assert_eq!(free.number("rows"), ROWS as u64);
    assert!(!free.summary().contains("limited_ms"), "{}", free.summary());
    for (limit, expected) in
        [("3000rows/s".to_owned(), ROWS as f64 / 3000.0), (format!("{}kB/s", (size / 2000.0) as u64), 2.0)]
    {
        let started = Instant::now();
        let outcome: Outcome = source().args(["--rate-limit", &limit]).run().code(0);
        let seconds = started.elapsed().as_secs_f64();
        assert!(outcome.stdout == free.stdout, "{limit}: other bytes than without a limit");
        // The header, and what a writer still holds at the end, are free.
        assert!(seconds >= expected * 0.85 && seconds < expected * 3.0 + 20.0, "{limit}: {seconds} s for {expected} s");
        assert!(outcome.number("limited_ms") as f64 >= expected * 500.0, "{}", outcome.stderr);
    }
}

#[test]
fn td_dump_keeps_to_its_limit() {
    let directory = temp_dir();
    let file = directory.path().join("m.csv");
    tool("ts-gen").args(["meters", "--rows", "6000", "--tables", "5", "-o"]).arg(&file).run().code(0);
    let sim = Sim::tdengine(["--load", &format!("power.meters={}", file.display())]);
    paced(|| {
        let url = format!("tdengine://root@{}/power", sim.host);
        tool("td-dump").args(["--url", &url, "--table", "meters", "--end-mark"]).env("TS_SOURCE_PASSWORD", "taosdata")
    });
}

#[test]
fn influx_dump_keeps_to_its_limit() {
    let directory = temp_dir();
    let file = directory.path().join("m.lp");
    let lines: String = (0..ROWS).map(|i| format!("m,t=a v={i}i {}\n", 1_704_067_200_000_000_000 + i as i64)).collect();
    std::fs::write(&file, lines).unwrap();
    let sim = Sim::influx(["--database", "d", "--load", &file.display().to_string()]);
    for format in ["csv", "lp"] {
        paced(|| tool("influx-dump").args(["--url", &format!("influx1+{}/d", sim.base), "--to", format, "--end-mark"]));
    }
}

#[test]
fn sr_export_keeps_to_its_limit() {
    let directory = temp_dir();
    let file = directory.path().join("m.csv");
    tool("ts-gen").args(["meters", "--rows", "6000", "--tables", "5", "-o"]).arg(&file).run().code(0);
    let sim = Sim::starrocks(["--load", &format!("power.meters={}", file.display())]);
    paced(|| tool("sr-export").args(["--url", &sim.database("power"), "--table", "meters", "--end-mark"]));
}
