//! `counts`: the systems count, per table and bucket of time; what is missing, doubled or late shows, and a side that
//! cannot be asked is never a shorter one.

use std::path::Path;
use testkit::{Outcome, Sim, Tool, shell, temp_dir, tool};

/// Rows of two devices, one per minute over three hours; a third of `v` is NULL.
fn data() -> String {
    let row = |i: u32| {
        let v = if i.is_multiple_of(3) { String::new() } else { format!("{i}.5") };
        format!("2024-01-01T{:02}:{:02}:00.000Z,t{},{v},{i},d{}\n", i / 60, i % 60, i % 2, i % 2)
    };
    "ts|time,tb|table:redundant,v|double,n|long,device|tag\n".to_owned() + &(0..180).map(row).collect::<String>()
}

struct Servers {
    directory: testkit::tempfile::TempDir,
    source: Sim,
    target: Sim,
}

impl Servers {
    /// `alter`: a sed script for the lines of the target.
    fn new(alter: &str) -> Servers {
        let directory = temp_dir();
        let at = directory.path();
        std::fs::write(at.join("a.csv"), data()).unwrap();
        let script = format!("lp-encode -q --measurement m a.csv | sed '{alter}' >b.lp");
        shell(&script).current_dir(at).run().code(0);
        let path = |name: &str| at.join(name).display().to_string();
        let source = Sim::tdengine(["--load", &format!("d.m={}", path("a.csv"))]);
        let target = Sim::influx(["--database", "d", "--load", &path("b.lp")]);
        Servers { directory, source, target }
    }

    fn at(&self) -> &Path {
        self.directory.path()
    }

    fn urls(&self) -> [String; 2] {
        [format!("tdengine://root@{}/d", self.source.host), format!("influx1+http://{}/d", self.target.host)]
    }

    fn counts(&self, args: &[&str]) -> Outcome {
        self.tool(args).run()
    }

    fn tool(&self, args: &[&str]) -> Tool {
        tool("ts-verify").arg("counts").args(self.urls()).args(args).current_dir(self.at())
    }
}

#[test]
fn two_databases_count_themselves() {
    let servers = Servers::new("");
    let outcome = servers.counts(&["--bucket", "1h", "--all"]).code(0);
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[1],
        r#"{"kind":"counts","table":"m","from":"2024-01-01T01:00:00Z","to":"2024-01-01T02:00:00Z","equal":true,"a":{"rows":60,"cells":100},"b":{"rows":null,"cells":100},"fields":{}}"#
    );
    for part in [r#""verdict":"equal""#, r#""level":"counts""#, r#""cells":300"#, r#""tables":1,"buckets":3,"#] {
        assert!(lines[3].contains(part), "{part} is not in {}", lines[3]);
    }
    // They were asked, not read: a statement per bucket and side.
    assert_eq!(outcome.number("counts"), 6);
    // Over REST, too; the environment names the sides.
    let [source, target] = servers.urls();
    let rest = source.replace("tdengine:", "tdengine+http:");
    tool("ts-verify").args(["counts", "-q"]).env("TS_SOURCE_URL", rest).env("TS_TARGET_URL", target).run().code(0);
}

#[test]
fn every_bucket_that_differs_is_named() {
    // A row less in the first hour, a value less in the third.
    let servers = Servers::new("/n=7i/d; s/v=121.5,//");
    let text = servers.counts(&["--bucket", "1h"]).code(1).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("T00:00:00Z") && lines[0].contains(r#""fields":{"n":[60,59],"v":[40,39]}"#), "{text}");
    assert!(lines[1].contains("T02:00:00Z") && lines[1].contains(r#""fields":{"v":[40,39]}"#), "{text}");
    assert!(lines[2].contains(r#""verdict":"different""#) && lines[2].contains(r#""buckets_differing":2"#), "{text}");
    let text = servers.counts(&["--out", "text"]).code(1).text();
    assert!(
        text.starts_with("differs  2024-01-01T00:00:00Z m n: a 180, b 179; v: a 120, b 118\na: 180 rows"),
        "{text}"
    );
    assert!(text.ends_with("verdict: different: 1 of 1 buckets\n"), "{text}");
    // Outside of the range nothing is counted, and a bucket is cut to it.
    let range = ["--bucket", "1h", "--since", "2024-01-01T00:10:00Z", "--until", "2024-01-01T02:00:00Z", "--all"];
    let text = servers.counts(&range).code(0).text();
    assert!(text.contains(r#""from":"2024-01-01T00:10:00Z","to":"2024-01-01T01:00:00Z""#), "{text}");
    assert!(text.contains(r#""buckets":2"#) && text.contains(r#""rows":110"#), "{text}");
    servers.counts(&["--since", "2025-01-01"]).code(10);
    servers.counts(&["--since", "2025-01-01", "--allow-empty"]).code(0);
}

#[test]
fn files_are_counted_while_they_are_read() {
    let servers = Servers::new("/n=7i/d");
    let [source, target] = servers.urls();
    let counts = |args: &[&str]| tool("ts-verify").arg("counts").args(args).current_dir(servers.at()).run();
    counts(&["a.csv", &source, "--table", "m"]).code(0);
    counts(&["a.csv", &target]).code(1);
    counts(&["b.lp", &target, "--bucket", "10m"]).code(0);
    let text = counts(&["a.csv", "b.lp", "--bucket", "1h", "--out", "text"]).code(1).text();
    assert!(
        text.starts_with("differs  2024-01-01T00:00:00Z m n: a 60, b 59; v: a 40, b 39; rows: a 60, b 59\n"),
        "{text}"
    );
    shell("ts-verify counts - b.lp -f lp <b.lp").current_dir(servers.at()).run().code(0);
    // Names of the source, in the encoder's spelling.
    let flags = "--measurement weather --rename v=temp --ignore n";
    shell(&format!("lp-encode -q {flags} a.csv -o c.lp")).current_dir(servers.at()).run().code(0);
    counts(&[&source, "c.lp", "--map", flags]).code(0);
    counts(&[&source, "c.lp", "--table", "m=weather"]).code(1);
    counts(&[&source, "c.lp", "--map", "--measurement weather --rename v=temp --ignore n:long"]).code(0);
    // A table that only one side has.
    shell("sed 's/^m,/other,/; 90q' b.lp >>b.lp").current_dir(servers.at()).run().code(0);
    let text = counts(&[&source, "b.lp"]).code(1).text();
    assert!(text.contains(r#""table":"other""#) && text.contains(r#""n":[0,90]"#), "{text}");
}

#[test]
fn a_side_that_cannot_be_asked_is_no_shorter_side() {
    let servers = Servers::new("");
    let [source, target] = servers.urls();
    let counts = |args: &[&str]| {
        tool("ts-verify").arg("counts").args(args).args(["--retries", "0"]).current_dir(servers.at()).run()
    };
    counts(&["tdengine://root@127.0.0.1:1/d", &target]).code(4);
    counts(&[&source, "influx1+http://127.0.0.1:1/d"]).code(5);
    let outcome = tool("ts-verify").args(["counts", &source, &target]).env("TS_SOURCE_PASSWORD", "wrong-secret").run();
    let outcome = outcome.code(6);
    assert!(!outcome.stderr.contains("wrong-secret"), "{}", outcome.stderr);
    for (args, part) in [
        (vec![source.as_str()], "give both sides"),
        (vec!["tdengine://root:secret@127.0.0.1/d", &target], "TS_SOURCE_PASSWORD"),
        (vec!["tdengine://root@127.0.0.1/", &target], "names no database"),
        (vec!["mysql://127.0.0.1/d", &target], "mysql"),
        (vec![&source, &target, "--bucket", "1ms"], "larger --bucket"),
        (vec![&source, &target, "--map", "--nan drop"], "--map"),
        (vec![&source, &target, "--map", "--measurement column:device"], "column device"),
    ] {
        let outcome = counts(&args).code(2);
        assert!(outcome.stderr.contains(part) && !outcome.stderr.contains("secret@"), "{args:?}: {}", outcome.stderr);
    }
    counts(&[&source, &target, "--table", "no"]).code(6);
    counts(&["/no/such/file", &target]).code(7);
    // Busy for a while, then there.
    let busy = Sim::influx([
        "--database",
        "d",
        "--load",
        &servers.at().join("b.lp").display().to_string(),
        "--fault",
        "status=503@1-2",
    ]);
    let url = format!("influx1+http://{}/d", busy.host);
    let outcome = tool("ts-verify").args(["counts", &source, &url, "--retries", "4"]).run().code(0);
    assert!(outcome.number("retries") >= 2, "{}", outcome.stderr);
}
