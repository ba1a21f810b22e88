//! What a user of `influx-dump` sees. The data are loaded by the simulator, whose parser is not ours.

use testkit::influx::Influx;
use testkit::{Sim, Tool, temp_dir, tool};

const DATA: &str = "\
m,t=a\\ b,u=x f=1.5,i=9223372036854775807i,s=\"q\\\"uo,te\",b=true 1704067200000000001
m,t=a\\ b,u=x f=-0.0,i=-9223372036854775808i 1704067200000000002
m,t=z s=\"\",f=1e300 1704153600000000000
m,t=z f=0.1 1704240000000000000
n v=7i 1704067200000000000
";

fn load(text: &str, args: &[&str]) -> Sim {
    let directory = temp_dir();
    let path = directory.path().join("data.lp");
    std::fs::write(&path, text).unwrap();
    Sim::influx(["--database", "d", "--load", path.to_str().unwrap()].iter().chain(args))
}

fn dump(sim: &Sim) -> Tool {
    tool("influx-dump").args(["--url", &format!("influx1+{}/d", sim.base)])
}

#[test]
fn every_type_arrives_as_it_was_stored() {
    for flavor in ["1.6", "1.8", "1.13"] {
        let sim = load(DATA, &["--flavor", flavor]);
        let outcome = dump(&sim).args(["--measurement", "m"]).run().code(0);
        let expected = "\
time|time,t|tag,u|tag,b|boolean,f|double,i|long,s|string
2024-01-01T00:00:00.000000001Z,a b,x,true,1.5,9223372036854775807,\"q\"\"uo,te\"
2024-01-01T00:00:00.000000002Z,a b,x,,-0.0,-9223372036854775808,
2024-01-02T00:00:00.000000000Z,z,,,1e+300,,\"\"
2024-01-03T00:00:00.000000000Z,z,,,0.1,,
";
        assert_eq!(outcome.text(), expected, "{flavor}");
        assert_eq!((outcome.number("rows"), outcome.number("bytes")), (4, expected.len() as u64));
    }
}

#[test]
fn versions_2_and_3_give_the_same_rows_and_unsigned_integers() {
    let text = DATA.replace("f=0.1", "f=0.1,n=18446744073709551615u");
    for version in ["2.9", "3"] {
        let influx = Influx::simulated(version);
        let directory = temp_dir();
        let path = directory.path().join("data.lp");
        std::fs::write(&path, &text).unwrap();
        let server = influx.open(&[], &["--load", path.to_str().unwrap()]);
        let dump = || influx.connected("influx-dump", "SOURCE", &server);
        let outcome = dump().args(["--measurement", "m"]).run().code(0).text();
        let mut rows: Vec<&str> = outcome.lines().collect();
        assert_eq!(rows.remove(0), "time|time,t|tag,u|tag,b|boolean,f|double,i|long,n|ulong,s|string", "{version}");
        rows.sort();
        let expected = [
            "2024-01-01T00:00:00.000000001Z,a b,x,true,1.5,9223372036854775807,,\"q\"\"uo,te\"",
            "2024-01-01T00:00:00.000000002Z,a b,x,,-0.0,-9223372036854775808,,",
            "2024-01-02T00:00:00.000000000Z,z,,,1e+300,,,\"\"",
            "2024-01-03T00:00:00.000000000Z,z,,,0.1,,18446744073709551615,",
        ];
        assert_eq!(rows, expected, "{version}");
        assert_eq!(
            dump()
                .args(["--measurement", "m", "--since", "2024-01-02", "--until", "2024-01-03"])
                .run()
                .code(0)
                .number("rows"),
            1
        );
        assert_eq!(
            dump().args(["--measurement", "m", "--window", "1h", "--since", "2024-01-01"]).run().code(0).number("rows"),
            4
        );
        assert_eq!(
            dump().arg("--list").run().code(0).text(),
            "measurement|string,tags|long,fields|long\nm,2,5\nn,0,1\n"
        );
        assert!(dump().arg("--count").run().code(0).text().contains("\nm,f,4\n"), "{version}");
    }
}

#[test]
fn sigterm_ends_a_dump_without_an_end_mark() {
    let text: String = (0..5000).map(|i| format!("m v={i}i {i}\n")).collect();
    let sim = load(&text, &["--fault", "slow-read=1kB/s"]);
    let start = std::time::Instant::now();
    let tool =
        dump(&sim).args(["--measurement", "m", "--end-mark"]).terminate_after(std::time::Duration::from_millis(800));
    let outcome = tool.run().code(143);
    assert!(
        !outcome.text().contains("#ts-end") && start.elapsed().as_secs() < 9,
        "{:?} {}",
        start.elapsed(),
        outcome.stderr
    );
}

#[test]
fn windows_and_bounds_give_the_same_rows_once() {
    let sim = load(DATA, &[]);
    let all = dump(&sim).args(["--measurement", "m"]).run().code(0).text();
    for args in [
        &["--window", "1d"][..],
        &["--window", "7h", "--since", "2024-01-01"],
        &["--window", "1d", "--chunk-rows", "1", "--batch-rows", "1"],
    ] {
        let text = dump(&sim).args(["--measurement", "m"]).args(args).run().code(0).text();
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&text), sorted(&all), "{args:?}");
    }
    let day = dump(&sim).args(["--measurement", "m", "--since", "2024-01-02", "--until", "2024-01-03"]).run().code(0);
    assert_eq!(day.number("rows"), 1, "the upper bound is not part of it");
    assert_eq!(dump(&sim).args(["--measurement", "m", "--limit", "3"]).run().code(0).number("rows"), 3);
    let none = dump(&sim).args(["--measurement", "m", "--since", "2030-01-01", "--window", "1d"]).run().code(0);
    assert_eq!(none.text().lines().count(), 1, "a header and no row");
    dump(&sim).args(["--since", "2024-01-02", "--until", "2024-01-01"]).run().code(2);
}

#[test]
fn several_measurements_have_three_ways_out() {
    let sim = load(DATA, &[]);
    let refused = dump(&sim).run().code(2);
    assert!(refused.stderr.contains("--union") && refused.stdout.is_empty(), "{}", refused.stderr);
    let lines = dump(&sim).args(["-t", "lp", "--end-mark"]).run().code(0);
    let text = lines.text();
    assert!(text.contains("n v=7i 1704067200000000000\n"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("#ts-end rows=5 xxh3="), "{text}");
    let again = load("x v=1i 1\n", &[]);
    let write = tool("influx-write").args(["--url", &format!("influx1+{}/d", again.base), "--end-mark"]).stdin(text);
    assert_eq!(write.run().code(0).number("rows"), 5);
    assert_eq!(
        dump(&again).args(["--measurement", "m"]).run().text(),
        dump(&sim).args(["--measurement", "m"]).run().text()
    );
    let union = dump(&sim).arg("--union").run().code(0).text();
    assert!(
        union.starts_with("measurement|measurement,time|time,t|tag,u|tag,b|boolean,f|double,i|long,s|string,v|long\n"),
        "{union}"
    );
    assert!(union.contains("\nn,2024-01-01T00:00:00.000000000Z,,,,,,,7\n"), "{union}");
    let directory = temp_dir();
    dump(&sim).arg("--output-dir").arg(directory.path().join("new")).run().code(0);
    let file = std::fs::read_to_string(directory.path().join("new/n.csv")).unwrap();
    assert_eq!(file, "time|time,v|long\n2024-01-01T00:00:00.000000000Z,7\n");
    assert!(directory.path().join("new/m.csv").exists());
}

#[test]
fn the_extension_says_format_and_compression() {
    let sim = load(DATA, &[]);
    let directory = temp_dir();
    for name in ["x.lp.gz", "x.lp.zst", "x.csv.gz", "x.arrow", "x.parquet", "x.ndjson"] {
        let path = directory.path().join(name);
        dump(&sim).args(["--measurement", "m", "-o"]).arg(&path).run().code(0);
        let target = load("x v=1i 1\n", &[]);
        let write = tool("influx-write")
            .args(["--url", &format!("influx1+{}/d", target.base), "--measurement", "m"])
            .arg(&path);
        assert_eq!(write.run().code(0).number("rows"), 4, "{name}");
        if !name.contains("ndjson") && !name.contains("csv") {
            let all = |sim: &Sim| dump(sim).args(["--measurement", "m"]).run().code(0).text();
            assert_eq!(all(&target), all(&sim), "{name}");
        }
    }
    let head = |name: &str| std::fs::read(directory.path().join(name)).unwrap()[..2].to_vec();
    assert_eq!(
        (head("x.lp.gz"), head("x.csv.gz"), head("x.lp.zst")),
        (vec![0x1f, 0x8b], vec![0x1f, 0x8b], vec![0x28, 0xb5])
    );
}

#[test]
fn globs_choose_and_a_name_that_is_not_there_is_refused() {
    let sim = load("cpu v=1 1\ncpu2 v=1 1\nmem v=1 1\n", &[]);
    assert_eq!(dump(&sim).args(["--measurement", "cpu*", "--union"]).run().code(0).number("rows"), 2);
    assert_eq!(
        dump(&sim).args(["--measurement", "mem", "--measurement", "cpu?", "-t", "lp"]).run().code(0).number("rows"),
        2
    );
    assert_eq!(dump(&sim).args(["--measurement", "/^(mem|cpu)$/", "-t", "lp"]).run().code(0).number("rows"), 2);
    let outcome = dump(&sim).args(["--measurement", "disk"]).run().code(6);
    assert!(outcome.stderr.contains("disk"), "{}", outcome.stderr);
    dump(&sim).args(["--measurement", "[x"]).run().code(2);
    tool("influx-dump").args(["--url", &format!("influx1+{}/nosuch", sim.base)]).run().code(6);
}

#[test]
fn reports() {
    let sim = load(DATA, &[]);
    assert_eq!(
        dump(&sim).arg("--list").run().code(0).text(),
        "measurement|string,tags|long,fields|long\nm,2,4\nn,0,1\n"
    );
    let counts = dump(&sim).args(["--count", "--since", "2024-01-01T00:00:00.000000002Z"]).run().code(0).text();
    assert_eq!(counts, "measurement|string,field|string,values|long\nm,b,0\nm,f,3\nm,i,1\nm,s,1\nn,v,0\n");
    let schema: serde_json::Value = serde_json::from_str(&dump(&sim).arg("--schema").run().code(0).text()).unwrap();
    assert_eq!(schema["measurements"][0]["tags"], serde_json::json!(["t", "u"]));
    assert_eq!(schema["measurements"][0]["fields"][2], serde_json::json!({"name": "i", "types": ["integer"]}));
}

#[test]
fn a_reply_that_is_cut_never_looks_whole() {
    let text: String = (0..20_000).map(|i| format!("m,t={} v={i}i {i}\n", i % 3)).collect();
    // The first requests are SHOW statements; the data come with the fourth.
    for fault in ["cut-body@4", "no-reply@4", "status=500@4-99"] {
        let sim = load(&text, &["--fault", fault]);
        let directory = temp_dir();
        let path = directory.path().join("out.csv");
        let tool =
            dump(&sim).args(["--measurement", "m", "--timeout", "1s", "--retries", "0", "--end-mark", "-o"]).arg(&path);
        let outcome = tool.run().code(4);
        assert!(!path.exists(), "{fault}: nothing half-written under the final name: {}", outcome.stderr);
        let stdout = dump(&load(&text, &["--fault", fault]))
            .args(["--measurement", "m", "--timeout", "1s", "--retries", "0", "--end-mark"])
            .run()
            .code(4);
        assert!(!stdout.text().contains("#ts-end"), "{fault}");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let sim = load(DATA, &["--fault", "status=503@2-4"]);
    let outcome = dump(&sim).args(["--measurement", "m"]).run().code(0);
    assert_eq!((outcome.number("rows"), outcome.number("retries")), (4, 3));
}

#[test]
fn refusals_and_bad_outputs_have_their_codes() {
    let sim = load(DATA, &["--auth", "u:right"]);
    dump(&sim).run().code(6);
    let right = || {
        tool("influx-dump")
            .args(["--url", &format!("influx1+http://u@{}/d", sim.host)])
            .env("TS_SOURCE_PASSWORD", "right")
    };
    assert_eq!(right().args(["--measurement", "n"]).run().code(0).number("rows"), 1);
    right().args(["--measurement", "n", "-o", "/dev/full"]).run().code(7);
    right().args(["--measurement", "n", "-o", "/nonexistent/x.csv"]).run().code(7);
    right().args(["--output-dir", "/dev/null/x"]).run().code(7);
    tool("influx-dump").args(["--url", "influx1+http://127.0.0.1:1/d", "--retries", "0"]).run().code(4);
    tool("influx-dump").run().code(2);
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let text: String = (0..50_000).map(|i| format!("m v={i}i {i}\n")).collect();
    let sim = load(&text, &[]);
    let script = format!(
        "influx-dump --url influx1+{}/d --measurement m --batch-rows 100 | head -2 >&2; exit ${{PIPESTATUS[0]}}",
        sim.base
    );
    let outcome = testkit::shell(&format!("set +e +o pipefail; {script}")).run().code(141);
    assert!(!outcome.stderr.contains("error"), "{}", outcome.stderr);
}

#[test]
fn a_field_of_two_types_is_refused_until_its_type_is_named() {
    // Two shards, two types: versions 1 and 2 allow that.
    let sim = load("m f=1.5 1704067200000000000\nm f=7i 1735689600000000000\n", &[]);
    let refused = dump(&sim).args(["--measurement", "m"]).run().code(6);
    assert!(
        refused.stderr.contains("float and integer") && refused.stderr.contains("--field-type"),
        "{}",
        refused.stderr
    );
    let text = dump(&sim).args(["--measurement", "m", "--field-type", "m.f=float"]).run().code(0).text();
    assert_eq!(text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect::<Vec<_>>(), ["1.5", "7.0"]);
    dump(&sim).args(["--measurement", "m", "--field-type", "m.g=float"]).run().code(2);
    dump(&sim).args(["--measurement", "m", "--field-type", "m=float"]).run().code(2);
}
