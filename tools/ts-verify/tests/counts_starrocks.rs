//! `counts` with StarRocks on a side: by time beside another system, by partition beside another cluster.

use std::path::Path;
use testkit::{Outcome, Sim, Starrocks, shell, temp_dir, tool};

/// Rows of two devices, one per minute over three hours around the end of a month; a third of `v` is NULL.
fn data() -> String {
    let row = |i: u32| {
        let v = if i.is_multiple_of(3) { String::new() } else { format!("{i}.5") };
        let (day, hour) = if i < 60 { ("01-31", 23) } else { ("02-01", i / 60 - 1) };
        format!("2024-{day}T{hour:02}:{:02}:00.000Z,t{},{v},{i},d{}\n", i % 60, i % 2, i % 2)
    };
    "ts|time,tb|table:redundant,v|double,n|long,device|tag\n".to_owned() + &(0..180).map(row).collect::<String>()
}

fn counts(at: &Path, args: &[&str]) -> Outcome {
    tool("ts-verify").args(["counts", "-q", "--retries", "0"]).args(args).current_dir(at).run()
}

/// A cluster into which these rows were loaded as a migration does: the table is made for them.
fn loaded(at: &Path, file: &str) -> Starrocks {
    let sim = Sim::starrocks(["--sql", &at.join("make.sql").display().to_string()]);
    let url = sim.database("d");
    tool("sr-stream-load").args(["-q", "--url", &url, "--table", "m", "--create", file]).current_dir(at).run().code(0);
    sim
}

fn files(alter: &str) -> testkit::tempfile::TempDir {
    let directory = temp_dir();
    let at = directory.path();
    std::fs::write(at.join("a.csv"), data()).unwrap();
    std::fs::write(at.join("make.sql"), "CREATE DATABASE d").unwrap();
    shell(&format!("sed '{alter}' a.csv >b.csv")).current_dir(at).run().code(0);
    directory
}

#[test]
fn tdengine_beside_starrocks() {
    let directory = files("/,121,/d; s/,61.5,/,,/");
    let at = directory.path();
    let source = Sim::tdengine(["--load", &format!("d.m={}", at.join("a.csv").display())]);
    let td = format!("tdengine://root@{}/d", source.host);
    let whole = loaded(at, "a.csv");
    let outcome = counts(at, &[&td, &whole.database("d"), "--bucket", "1h", "--all"]).code(0);
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[1],
        r#"{"kind":"counts","table":"m","from":"2024-02-01T00:00:00Z","to":"2024-02-01T01:00:00Z","equal":true,"a":{"rows":60,"cells":100},"b":{"rows":60,"cells":100},"fields":{}}"#
    );
    assert!(lines[3].contains(r#""level":"counts""#) && lines[3].contains(r#""verdict":"equal""#), "{text}");
    assert_eq!(outcome.number("counts"), 6, "a statement per bucket and side");
    // A row less in one hour, a value less in another.
    let altered = loaded(at, "b.csv");
    let text = counts(at, &[&td, &altered.database("d"), "--bucket", "1h", "--out", "text"]).code(1).text();
    assert!(
        text.starts_with(
            "differs  2024-02-01T00:00:00Z m v: a 40, b 39\n\
             differs  2024-02-01T01:00:00Z m n: a 60, b 59; v: a 40, b 39; rows: a 60, b 59\n\
             a: 180 rows, "
        ),
        "{text}"
    );
    // Only a range; a file beside a cluster; a table that is not there.
    let range = ["--since", "2024-01-31T23:10:00Z", "--until", "2024-02-01T00:00:00Z", "--out", "text"];
    let text = counts(at, &[&[td.as_str(), &altered.database("d")][..], &range].concat()).code(0).text();
    assert!(text.starts_with("a: 50 rows, "), "{text}");
    counts(at, &["a.csv", &whole.database("d"), "--table", "m"]).code(0);
    counts(at, &[&td, &whole.database("d"), "--table", "no"]).code(6);
    let outcome = counts(at, &[&td, &whole.database("d"), "--partitions", "p1"]).code(2);
    assert!(outcome.stderr.contains("two StarRocks clusters"), "{}", outcome.stderr);
    counts(at, &[&td, "starrocks://root@127.0.0.1:1/d"]).code(5);
    counts(at, &["starrocks://root@127.0.0.1:1/d", &td]).code(4);
}

#[test]
fn the_second_part_of_a_key_is_no_value() {
    let directory = files("s/,61.5,/,,/");
    let at = directory.path();
    std::fs::write(at.join("a.csv"), "ts|time,tb|table:redundant,seq|int:key,v|double,device|tag\n2024-01-01T00:00:00.000Z,t,1,1.5,d\n2024-01-01T00:00:00.000Z,t,2,2.5,d\n").unwrap();
    let source = Sim::tdengine(["--load", &format!("d.m={}", at.join("a.csv").display())]);
    let url = format!("tdengine://root@{}/d", source.host);
    let sim = loaded(at, "a.csv");
    let text = counts(at, &[&url, &sim.database("d"), "--out", "text"]).code(0).text();
    assert!(text.starts_with("a: 2 rows, 2 cells") && text.contains("b: 2 rows, 2 cells"), "{text}");
    // Nor is it one on the way on: rows of one time stay apart.
    let lp =
        tool("sr-export").args(["-q", "--url", &sim.database("d"), "--table", "m", "-t", "lp"]).run().code(0).text();
    assert!(lp.contains(",seq=1") && lp.contains(",seq=2") && lp.contains(" v=2.5 "), "{lp}");
}

#[test]
fn starrocks_beside_influxdb() {
    let directory = files("s/,61.5,/,,/");
    let at = directory.path();
    shell("lp-encode -q --measurement m a.csv -o a.lp").current_dir(at).run().code(0);
    let (whole, altered) = (loaded(at, "a.csv"), loaded(at, "b.csv"));
    let influx = Sim::influx(["--database", "d", "--load", &at.join("a.lp").display().to_string()]);
    let lp = format!("influx1+http://{}/d", influx.host);
    let text = counts(at, &[&whole.database("d"), &lp, "--bucket", "1h"]).code(0).text();
    assert!(text.contains(r#""cells":300"#) && text.contains(r#""buckets":3,"#), "{text}");
    let text = counts(at, &[&altered.database("d"), &lp, "--bucket", "1h"]).code(1).text();
    assert!(text.contains(r#""fields":{"v":[39,40]}"#) && text.contains(r#""buckets_differing":1"#), "{text}");
}

#[test]
fn two_clusters_count_by_partition() {
    let directory = files("s/,61.5,/,,/; $d");
    let at = directory.path();
    let (whole, altered) = (loaded(at, "a.csv"), loaded(at, "b.csv"));
    let (a, b) = (whole.database("d"), altered.database("d"));
    let text = counts(at, &[&a, &b, "--all"]).code(1).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        [
            r#"{"kind":"partition","table":"m","partition":"p202401","verdict":"equal","a":{"version":2,"rows":60},"b":{"version":2,"rows":60},"fields":{}}"#,
            r#"{"kind":"partition","table":"m","partition":"p202402","verdict":"differs","a":{"version":2,"rows":120},"b":{"version":2,"rows":119},"fields":{"device":[120,119],"n":[120,119],"tb":[120,119],"ts":[120,119],"v":[80,78]}}"#,
        ]
    );
    assert!(lines[2].contains(r#""level":"counts","function":null"#), "{text}");
    let text =
        counts(at, &[&a, &b, "--out", "text", "--ignore", "n,v,ts,tb,device", "--where", "n < 179"]).code(0).text();
    assert!(
        text.ends_with("verdict: equal counts: 179 rows of 1 tables in 2 partitions; no value was compared\n"),
        "{text}"
    );
    // By time, where something speaks of time.
    let text = counts(at, &[&a, &b, "--bucket", "1h"]).code(1).text();
    assert!(text.contains(r#""kind":"counts""#) && text.contains(r#""fields":{"v":[40,39]}"#), "{text}");
}
