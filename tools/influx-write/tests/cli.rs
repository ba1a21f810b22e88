//! What a user of `influx-write` sees.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testkit::influx::Influx;
use testkit::{Outcome, Sim, Tool, http, temp_dir, tool};

const FIRST: i64 = 1_704_067_200_000_000_000;

fn write(sim: &Sim) -> Tool {
    tool("influx-write").args(["--url", &format!("influx1+{}/d", sim.base)])
}

fn sim(args: &[&str]) -> Sim {
    Sim::influx(["--database", "d"].iter().chain(args))
}

fn lines(n: usize) -> String {
    (0..n).map(|i| format!("m,t={} v={i}i {}\n", i % 7, FIRST + i as i64)).collect()
}

/// One column of a query's only result, as texts.
fn query(sim: &Sim, text: &str) -> Vec<Vec<String>> {
    let reply = http::get(&sim.host, &format!("/query?db=d&epoch=ns&q={}", http::quote(text)), &[]);
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let mut rows = Vec::new();
    for series in json["results"][0]["series"].as_array().into_iter().flatten() {
        for row in series["values"].as_array().into_iter().flatten() {
            rows.push(row.as_array().unwrap().iter().map(|cell| cell.to_string()).collect());
        }
    }
    rows
}

fn count(sim: &Sim) -> usize {
    query(sim, "SELECT v FROM m GROUP BY *").len()
}

fn rejects(directory: &testkit::tempfile::TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(directory.path().join("rejects")).expect("rejects");
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks(2)
        .map(|pair| {
            assert!(pair[0].starts_with("# ") && pair.len() == 2, "{text}");
            pair[1].to_owned()
        })
        .collect()
}

#[test]
fn several_workers_compression_and_small_batches_deliver_every_line_once() {
    for args in
        [&["--gzip", "6"][..], &["--gzip", "0", "--order", "none"], &["--batch-bytes", "100"], &["--concurrency", "7"]]
    {
        let sim = sim(&[]);
        let outcome = write(&sim).args(["--batch-rows", "37"]).args(args).stdin(lines(1000)).run().code(0);
        assert_eq!((outcome.number("rows"), count(&sim)), (1000, 1000), "{args:?}");
        assert_eq!(outcome.number("bytes"), lines(1000).len() as u64);
    }
}

#[test]
fn requests_in_flight_follow_the_server() {
    let run = |faults: &[&str], concurrency: &str| {
        let sim = sim(&[faults, &["--fault", "delay=20ms"]].concat());
        let tool = write(&sim).args(["--batch-rows", "20", "--order", "none", "--concurrency", concurrency]);
        let outcome = tool.arg("-v").stdin(lines(1000)).run().code(0);
        assert_eq!((outcome.number("rows"), count(&sim)), (1000, 1000));
        outcome
    };
    let easy = run(&[], "6");
    assert_eq!(easy.number("inflight_max"), 6, "{}", easy.stderr);
    assert_eq!(run(&[], "1").number("inflight_max"), 1);
    let busy = run(&["--fault", "status=503:retry-after=0@10-12"], "6");
    assert!(busy.number("slowdowns") >= 1 && busy.number("retries") >= 3, "{}", busy.stderr);
    assert!(busy.stderr.contains("requests in flight"), "{}", busy.stderr);
}

#[test]
fn a_small_input_is_one_request() {
    let sim = sim(&[]);
    let outcome = write(&sim).stdin(lines(100)).run().code(0);
    assert_eq!((outcome.number("requests"), outcome.number("rows"), count(&sim)), (1, 100, 100));
}

#[test]
fn the_last_of_several_lines_for_a_point_wins_with_any_number_of_workers() {
    let sim = sim(&[]);
    let text: String = (0..4000).map(|i| format!("m,t={} v={i}i {FIRST}\n", i % 5)).collect();
    write(&sim).args(["--concurrency", "8", "--batch-rows", "10"]).stdin(text).run().code(0);
    let values: BTreeSet<String> =
        query(&sim, "SELECT v FROM m GROUP BY *").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(values, ["3995", "3996", "3997", "3998", "3999"].map(str::to_owned).into());
}

#[test]
fn rejected_lines_of_each_version_are_named_and_the_rest_is_stored_once() {
    // A type conflict, which no check can foresee, and lines that only --no-check lets through.
    for flavor in ["1.6", "1.8", "1.13"] {
        let sim = sim(&["--flavor", flavor]);
        write(&sim).stdin(format!("m,t=z v=1i {FIRST}\n")).run().code(0);
        let directory = temp_dir();
        let mut text = lines(300);
        text.push_str(&format!("m,t=x v=\"text\" {FIRST}\nm,t=x v=oops {FIRST}\nm,t=x v=1.5 {FIRST}\n"));
        text.push_str(&lines(300).replace(" v=", " w="));
        let tool = write(&sim)
            .arg("--no-check")
            .arg("--rejects")
            .arg(directory.path().join("rejects"))
            .args(["--max-rejects", "3"]);
        let outcome = tool.stdin(text).run().code(8);
        assert_eq!((outcome.number("rows"), outcome.number("rejected")), (600, 3), "{flavor}");
        assert_eq!(count(&sim), 301, "{flavor}");
        let mut bad = rejects(&directory);
        bad.sort();
        let expected = ["\"text\"", "1.5", "oops"].map(|value| format!("m,t=x v={value} {FIRST}"));
        assert_eq!(bad, expected, "{flavor}");
    }
}

#[test]
fn versions_2_and_3_name_bad_lines_in_their_own_ways() {
    for version in ["2.9", "3"] {
        let influx = Influx::simulated(version);
        let server = influx.open(&[], &[]);
        let write = || influx.connected("influx-write", "TARGET", &server);
        write().stdin(format!("m,t=z v=1i {FIRST}\n")).run().code(0);
        let directory = temp_dir();
        let mut text = lines(300);
        text.push_str(&format!("m,t=x v=\"text\" {FIRST}\nm,t=x v=oops {FIRST}\nm,t=x v=1.5 {FIRST}\n"));
        text.push_str(&lines(300).replace(" v=", " w="));
        let tool = write()
            .arg("--no-check")
            .arg("--rejects")
            .arg(directory.path().join("rejects"))
            .args(["--max-rejects", "3"]);
        let outcome = tool.stdin(text).run().code(8);
        assert_eq!((outcome.number("rows"), outcome.number("rejected")), (600, 3), "{version}");
        let mut bad = rejects(&directory);
        bad.sort();
        assert_eq!(bad, ["\"text\"", "1.5", "oops"].map(|value| format!("m,t=x v={value} {FIRST}")), "{version}");
        let dump = influx.connected("influx-dump", "SOURCE", &server).args(["--measurement", "m"]).run().code(0);
        assert_eq!(dump.number("rows"), 301, "{version}");
    }
}

#[test]
fn create_makes_buckets_and_databases_of_versions_2_and_3() {
    for version in ["2.9", "3"] {
        let influx = Influx::simulated(version);
        let server = influx.open(&[], &[]);
        let other = influx.url(&server).replace("bucket=db", "bucket=new").replace("/db", "/new");
        let write = || tool("influx-write").args(["--url", &other]).env("TS_TARGET_TOKEN", "token-of-the-tests");
        for n in [1, 2] {
            assert_eq!(write().arg("--create").stdin(lines(n)).run().code(0).number("rows"), n as u64, "{version}");
        }
        let dump = tool("influx-dump").args(["--url", &other]).env("TS_SOURCE_TOKEN", "token-of-the-tests");
        assert_eq!(dump.run().code(0).number("rows"), 2, "{version}");
    }
}

#[test]
fn rows_of_other_formats_are_encoded_on_the_way() {
    let sim = sim(&[]);
    let directory = temp_dir();
    let csv = "ts|time,id|tag,v|double,s|string\n2024-01-01T00:00:00.000Z,a,1.5,x\n2024-01-01T00:00:01.000Z,b,NaN,y\n2024-01-01T00:00:02.000Z,a,,\"\"\n";
    let tool = write(&sim)
        .args(["--from", "csv", "--measurement", "m", "--max-rejects", "1"])
        .arg("--rejects")
        .arg(directory.path().join("rejects"));
    let outcome = tool.stdin(csv).run().code(8);
    assert_eq!((outcome.number("rows"), outcome.number("rejected")), (2, 1));
    assert_eq!(rejects(&directory), ["2024-01-01T00:00:01.000Z,b,NaN,y"]);
    assert_eq!(query(&sim, "SELECT v, s FROM m GROUP BY *").len(), 2);
    // A cut or damaged input of rows is an error of its own, not a short success.
    write(&sim)
        .args(["--from", "csv", "--measurement", "m", "--end-mark"])
        .stdin(csv.replace("NaN", "2"))
        .run()
        .code(9);
    write(&sim).args(["--from", "arrow", "--measurement", "m"]).stdin("no arrow").run().code(3);
    write(&sim).args(["--from", "csv"]).stdin(csv).run().code(2);
}

#[test]
fn points_outside_the_retention_are_rejected_not_lost() {
    let sim = sim(&["--retention", "7d"]);
    let directory = temp_dir();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let text = format!("m,t=old v=1i 1000\nm,t=new v=2i {now}\nm,t=old v=3i 2000\n");
    let tool = write(&sim).arg("--rejects").arg(directory.path().join("rejects")).args(["--max-rejects", "9"]);
    let outcome = tool.stdin(text).run().code(8);
    assert_eq!((outcome.number("rows"), outcome.number("rejected"), count(&sim)), (1, 2, 1));
    assert_eq!(rejects(&directory), ["m,t=old v=1i 1000", "m,t=old v=3i 2000"]);
}

#[test]
fn a_line_that_could_stop_a_server_never_leaves_the_house() {
    let sim = sim(&[]);
    let crash = std::fs::read(testkit::testdata("wire/influx/crash_line.lp")).unwrap();
    let directory = temp_dir();
    let mut text = lines(3).into_bytes();
    text.extend_from_slice(&crash);
    text.push(b'\n');
    let tool = write(&sim)
        .args(["--concurrency", "1", "--max-rejects", "1"])
        .arg("--rejects")
        .arg(directory.path().join("rejects"));
    let outcome = tool.stdin(text).run().code(8);
    assert_eq!((outcome.number("rows"), outcome.number("requests")), (3, 1));
    assert_eq!(rejects(&directory), [String::from_utf8(crash).unwrap().trim_end()]);
}

#[test]
fn only_a_204_says_that_lines_are_stored() {
    // A login page, a gateway: 200, and nothing is stored.
    for status in ["status=200@2", "status=202@2"] {
        let sim = sim(&["--fault", status]);
        let outcome = write(&sim).args(["--concurrency", "1", "--batch-rows", "10"]).stdin(lines(30)).run().code(5);
        assert!(outcome.stderr.contains("204"), "{}", outcome.stderr);
        assert!(outcome.number("rows") <= 20, "{}", outcome.stderr);
    }
}

#[test]
fn precision_is_agreed_before_the_first_byte() {
    let sim = sim(&[]);
    let stated = "# tsferry precision=ms\nm v=1i 1704067200000\n";
    let outcome = write(&sim).args(["--precision", "ns"]).stdin(stated).run().code(2);
    assert!(outcome.stderr.contains("ms"), "{}", outcome.stderr);
    assert!(sim.requests().is_empty());
    write(&sim).stdin(stated).run().code(0);
    write(&sim).args(["--precision", "us"]).stdin("m v=2i 1704067201000000\n").run().code(0);
    write(&sim).args(["--precision", "s"]).stdin("m v=3i 1704067202\n").run().code(0);
    let times: Vec<String> = query(&sim, "SELECT v FROM m").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(times, ["1704067200000000000", "1704067201000000000", "1704067202000000000"]);
}

#[test]
fn create_makes_the_database() {
    let sim = Sim::influx(["--flavor", "1.8"]);
    write(&sim).stdin(lines(1)).run().code(6);
    write(&sim).arg("--create").stdin(lines(5)).run().code(0);
    write(&sim).arg("--create").stdin(lines(6)).run().code(0);
    assert_eq!(count(&sim), 6);
}

#[test]
fn a_dry_run_checks_everything_and_sends_nothing() {
    let sim = sim(&[]);
    let outcome = write(&sim).arg("--dry-run").stdin(lines(50)).run().code(0);
    assert!(outcome.summary().contains("checked=50") && outcome.number("rows") == 0, "{}", outcome.stderr);
    write(&sim).arg("--dry-run").stdin("m v=x 1\n").run().code(3);
    assert!(sim.requests().is_empty());
}

#[test]
fn an_end_mark_is_checked_whether_asked_for_or_not() {
    let sim = sim(&[]);
    let data = lines(10);
    let marked = format!("{data}#ts-end rows=10 xxh3={:016x}\n", xxhash_rust::xxh3::xxh3_64(data.as_bytes()));
    assert_eq!(write(&sim).arg("--end-mark").stdin(marked.clone()).run().code(0).number("rows"), 10);
    write(&sim).stdin(marked.replace("v=3i", "v=4i")).run().code(9);
    let fewer = write(&sim).stdin(marked.replace("rows=10", "rows=11")).run().code(9);
    assert_eq!(fewer.number("rows"), 10, "what was written is said: {}", fewer.stderr);
    // In a file too, where the mark is looked for before the lines are read.
    let directory = temp_dir();
    for (name, text, code) in
        [("good", marked.clone(), 0), ("bad", marked.replace("v=3i", "v=4i"), 9), ("none", data.clone(), 0)]
    {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        write(&sim).arg(&path).run().code(code);
        write(&sim).arg("--end-mark").arg(&path).run().code(if name == "none" { 9 } else { code });
    }
    // What is cut off in the middle of a line must not be written as a line.
    let sim = self::sim(&[]);
    write(&sim).arg("--end-mark").stdin(&data[..data.len() - 8]).run().code(9);
    let times: Vec<String> = query(&sim, "SELECT v FROM m").into_iter().map(|row| row[0].clone()).collect();
    assert!(times.iter().all(|time| time.len() == 19), "{times:?}");
}

#[test]
fn a_reply_that_is_cut_or_broken_does_not_lose_lines() {
    for fault in ["cut-body@2", "lost-reply@1-2", "status=500@3", "slow-read=200kB/s"] {
        let sim = sim(&["--fault", fault]);
        let outcome = write(&sim).args(["--batch-rows", "100"]).stdin(lines(700)).run().code(0);
        assert_eq!((outcome.number("rows"), count(&sim)), (700, 700), "{fault}");
    }
}

#[test]
fn statuses_end_the_run_as_documented() {
    for (fault, code) in [("status=401", 6), ("status=403", 6), ("status=404", 6), ("status=405", 5), ("status=502", 5)]
    {
        let sim = sim(&["--fault", fault]);
        let outcome = write(&sim).args(["--retries", "1", "--concurrency", "1"]).stdin(lines(3)).run().code(code);
        let tries = if code == 5 && fault.ends_with("502") { 2 } else { 1 };
        assert_eq!(sim.requests().len(), tries, "{fault}: {}", outcome.stderr);
        assert_eq!(outcome.number("rows"), 0);
    }
}

#[test]
fn a_retry_after_date_or_number_is_waited_for_by_every_worker() {
    let sim = sim(&["--fault", "status=429:retry-after=1@1-2"]);
    let start = Instant::now();
    write(&sim).args(["--batch-rows", "10", "--concurrency", "2"]).stdin(lines(100)).run().code(0);
    assert!(start.elapsed() >= Duration::from_millis(950));
    assert_eq!(count(&sim), 100);
}

#[test]
fn bad_inputs_get_one_line_and_their_code() {
    let sim = sim(&[]);
    let one_line = |outcome: Outcome| assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    one_line(write(&sim).arg("/nonexistent").run().code(7));
    one_line(write(&sim).arg("/").run().code(7));
    one_line(write(&sim).stdin(b"\x00\xff\xfe random \x80 bytes\n\n\n".to_vec()).run().code(3));
    one_line(write(&sim).args(["--rejects", "/nonexistent/x"]).stdin(lines(1)).run().code(7));
    one_line(write(&sim).args(["--rejects", "/dev/full", "--max-rejects", "9"]).stdin("m v=x 1\n").run().code(7));
    one_line(tool("influx-write").args(["--url", "influx1+http://u:secret@h/d"]).stdin(lines(1)).run().code(2));
    one_line(tool("influx-write").args(["--url", "influx4+http://h/d"]).stdin(lines(1)).run().code(2));
    one_line(tool("influx-write").stdin(lines(1)).run().code(2));
    assert_eq!(write(&sim).stdin("# a comment\n\n").run().code(0).number("requests"), 0);
}

#[test]
fn secrets_appear_nowhere() {
    let sim = sim(&["--auth", "u:right"]);
    let tool = tool("influx-write").args([
        "--url",
        &format!("influx1+http://u@{}/d", sim.host),
        "-vv",
        "--log-format",
        "json",
    ]);
    let outcome = tool.env("TS_TARGET_PASSWORD", "s3cr3t").stdin(lines(1)).run().code(6);
    assert!(!outcome.stderr.contains("s3cr3t") && !outcome.stderr.contains("dTpzM2NyM3Q"), "{}", outcome.stderr);
}

#[test]
fn a_server_is_told_which_split_a_request_belongs_to() {
    let agents = |id: &str| {
        let sim = sim(&[]);
        write(&sim).env("TS_SPLIT_ID", id).stdin(lines(1)).run().code(0);
        let requests = sim.requests();
        requests.iter().map(|line| line["agent"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let one = agents("9f86d081-a");
    assert!(one.iter().all(|agent| agent.contains(" (split 9f86d081-a; process ")) && !one.is_empty(), "{one:?}");
    // What is no id cannot add anything to the header.
    for other in ["", "a\nX-Other: 1", "a; process 1"] {
        assert!(agents(other).iter().all(|agent| agent.starts_with("tsferry/") && !agent.contains(' ')));
    }
}
