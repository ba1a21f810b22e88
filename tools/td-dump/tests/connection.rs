//! Ways to connect, and what is said when that fails; the modes that read no rows.

mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Source, meters, rows, same_rows};
use testkit::{bin, tool};

#[test]
fn a_blocked_pipe_does_not_cost_the_connection() {
    // The server pings every second and drops whoever is silent for eight: hold the pipe for twelve.
    let csv = meters(20, 3000);
    let source = Source::with("meters", &csv, &["--ws-ping", "1"]);
    let url = format!("tdengine://{}/test", source.sim.host);
    let mut child = Command::new(bin("td-dump"))
        .args(["--url", &url, "--table", "meters", "--retries", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut head = [0; 1000];
    stdout.read_exact(&mut head).unwrap();
    std::thread::sleep(Duration::from_secs(12));
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let text = String::from_utf8([head.to_vec(), rest].concat()).unwrap();
    assert_eq!(rows(&text).1.len(), 60_000);
}

#[test]
fn logins_by_password_file_and_token() {
    let csv = meters(1, 3);
    let source = Source::with(
        "meters",
        &csv,
        &["--user", "ada", "--password", "lovelace", "--token", "T0", "--server-version", "3.4.0.0"],
    );
    let directory = testkit::temp_dir();
    let file = directory.path().join("password");
    std::fs::write(&file, "lovelace\n").unwrap();
    for scheme in ["tdengine", "tdengine+http"] {
        let url = format!("{scheme}://ada@{}/test", source.sim.host);
        let outcome =
            tool("td-dump").args(["--url", &url, "--table", "meters", "--password-file"]).arg(&file).run().code(0);
        same_rows(&outcome, &csv);
        // The default login is not this server's.
        source.dump().args(["--table", "meters"]).run().code(6);
        let token =
            tool("td-dump").args(["--url", &format!("{scheme}://{}/test", source.sim.host), "--table", "meters"]);
        same_rows(&token.env("TS_SOURCE_TOKEN", "T0").run().code(0), &csv);
        let cloud = format!("{scheme}://{}/test?token=T0", source.sim.host);
        if scheme == "tdengine+http" {
            same_rows(&tool("td-dump").env("TS_SOURCE_URL", &cloud).args(["--table", "meters"]).run().code(0), &csv);
        }
        let outcome = tool("td-dump").args(["--url", &cloud, "--table", "meters"]).run().code(2);
        assert!(!outcome.stderr.contains("T0"), "{}", outcome.stderr);
    }
}

#[test]
fn wrong_urls_are_usage() {
    for (url, says) in [
        ("tdengine://h/a/b", "more than a database"),
        ("tdengine://h/db?zone=x", "unknown parameter 'zone'"),
        ("mysql://h/db", "unknown scheme mysql"),
        ("h:6041", "no scheme"),
        ("tdengine://", "tdengine"),
    ] {
        let outcome = tool("td-dump").args(["--url", url, "--table", "t"]).run().code(2);
        assert!(outcome.stderr.contains(says) && outcome.stderr.contains("0xa000"), "{url}: {}", outcome.stderr);
    }
    let outcome = tool("td-dump").args(["--table", "t"]).run().code(2);
    assert!(outcome.stderr.contains("TS_SOURCE_URL"), "{}", outcome.stderr);
    let outcome =
        tool("td-dump").args(["--url", "tdengine://127.0.0.1:1/db", "--table", "t", "--compress"]).run().code(2);
    assert!(outcome.stderr.contains("REST"), "{}", outcome.stderr);
    for bad in [
        &["--since", "2024-01-02", "--until", "2024-01-01"][..],
        &["--since", "yesterday"],
        &["--split", "rows:5"],
        &["-t", "lp"],
        &["--timezone", "Mars/Base"],
        &["--query", " "],
    ] {
        tool("td-dump").args(["--url", "tdengine://127.0.0.1:1/db"]).args(bad).run().code(2);
    }
}

#[test]
fn tls_to_a_server_that_speaks_none_is_not_repeated_for_ever() {
    let source = Source::with("meters", &meters(1, 1), &[]);
    for scheme in ["tdengines", "tdengine+https"] {
        let url = format!("{scheme}://{}/test", source.sim.host);
        let outcome = tool("td-dump")
            .args([
                "--url",
                &url,
                "--table",
                "meters",
                "--retries",
                "1",
                "--reconnect-interval",
                "1ms",
                "--tls-insecure",
            ])
            .run();
        assert!(outcome.code == 4 || outcome.code == 6, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("cannot connect") && outcome.stderr.contains("0x231d"), "{}", outcome.stderr);
    }
    let outcome = tool("td-dump")
        .args(["--url", "tdengines://127.0.0.1:1/db", "--table", "t", "--tls-ca-file", "/dev/null"])
        .run()
        .code(2);
    assert!(outcome.stderr.contains("no PEM certificate"), "{}", outcome.stderr);
}

#[test]
fn failures_carry_the_connectors_codes() {
    let source = Source::with("meters", &meters(1, 1), &[]);
    let says = |args: &[&str], code: i32, text: &str| {
        let outcome = source.dump().args(args).run().code(code);
        assert!(outcome.stderr.contains(text), "{args:?}: {}", outcome.stderr);
    };
    says(&["--table", "nosuch"], 6, "0xa011");
    says(&["--table", "nosuch*"], 6, "0xa011");
    says(&["--table", "meters", "--columns", "nosuch"], 2, "0xa014");
    says(&["--table", "meters", "--tags", "nosuch"], 2, "0xa014");
    says(&["--query", ""], 2, "0x2357");
    let nowhere =
        tool("td-dump").args(["--url", "tdengine://127.0.0.1:1/db", "--table", "t", "--retries", "0"]).run().code(4);
    assert!(nowhere.stderr.contains("0x231d"), "{}", nowhere.stderr);
}

#[test]
fn the_modes_that_read_no_rows() {
    let csv = meters(4, 10);
    let source = Source::with("meters", &csv, &[]);
    for tool in [source.dump(), source.rest()] {
        let list = tool.args(["--list", "--header", "plain"]).run().code(0);
        assert_eq!(
            list.text(),
            "database,table,kind,sub_tables,columns,tags,rows,first,last\ntest,meters,super,4,3,2,40,2024-01-01T00:00:00.000Z,2024-01-01T01:30:00.000Z\n"
        );
    }
    let whole = tool("td-dump").args(["--url", &format!("tdengine://{}", source.sim.host), "--list"]).run().code(0);
    assert!(whole.text().starts_with("database|string,table|string,"), "{}", whole.text());
    let none =
        tool("td-dump").args(["--url", &format!("tdengine://{}", source.sim.host), "--table", "meters"]).run().code(2);
    assert!(none.stderr.contains("there are test (connector code 0xa010)"), "{}", none.stderr);
    let count = source.dump().args(["--count", "--since", "2024-01-01T01:00:00Z"]).run().code(0);
    assert_eq!(count.text(), "table|string,rows|long\nmeters,16\n");
    let schema: serde_json::Value =
        serde_json::from_slice(&source.dump().arg("--schema").run().code(0).stdout).unwrap();
    assert_eq!(
        (schema["precision"].as_str(), schema["tables"][0]["primary_key"][0].as_str()),
        (Some("ms"), Some("ts"))
    );
    assert_eq!(schema["tables"][0]["tags"][1]["name"], "location");
    let plan = source.dump().args(["--table", "meters", "--split", "time:1h", "--dry-run"]).run().code(0);
    assert!(plan.stdout.is_empty());
    assert_eq!(plan.stderr.matches("would run: SELECT `ts`, tbname, `groupid`").count(), 2, "{}", plan.stderr);
}

#[test]
fn the_connections_time_zone_reads_times_without_zone() {
    let csv = "ts|time,tbname|table,t|tag,v|long\n2024-01-01T00:00:00.000Z,a,x,1\n2024-01-01T08:00:00.000Z,a,x,2\n";
    let source = Source::with("m", csv, &[]);
    let sql = "SELECT ts, v FROM m WHERE ts >= '2024-01-01 12:00:00'";
    for tool in [source.dump(), source.rest()] {
        let outcome = tool.args(["--query", sql, "--timezone", "Asia/Shanghai"]).run().code(0);
        assert_eq!(rows(&outcome.text()).1, ["2024-01-01T08:00:00.000Z,2"]);
    }
    assert!(rows(&source.dump().args(["--query", sql]).run().code(0).text()).1.is_empty());
    let old = Source::with("m", csv, &["--server-version", "3.3.1.0"]);
    for tool in [old.dump(), old.rest()] {
        let outcome = tool.args(["--query", sql, "--timezone", "Asia/Shanghai"]).run().code(6);
        assert!(outcome.stderr.contains("knows no time zone"), "{}", outcome.stderr);
    }
}

#[test]
fn the_examples_of_the_help_run() {
    let csv = meters(3, 200);
    let source = Source::with("meters", &csv, &[]);
    let directory = testkit::temp_dir();
    for (what, line) in td_dump::TOOL.examples {
        let url = format!("tdengine://{}/test", source.sim.host);
        let outcome = testkit::shell(line).current_dir(directory.path()).env("TS_SOURCE_URL", url).run().code(0);
        assert!(outcome.number("rows") > 0, "{what}: {line}");
    }
    assert_eq!(
        support::sorted(&std::fs::read_to_string(directory.path().join("meters.csv")).unwrap()),
        support::sorted(&csv)
    );
}

#[test]
fn a_replayed_result_is_the_same_each_time() {
    let csv = meters(7, 900);
    // With room for everything, and with room for next to nothing.
    for replay in ["--replay", "--replay=20KiB"] {
        let source = Source::with("meters", &csv, &[replay]);
        for _ in 0..3 {
            for dump in [source.dump(), source.rest()] {
                same_rows(&dump.args(["--table", "meters"]).run().code(0), &csv);
            }
        }
    }
}
