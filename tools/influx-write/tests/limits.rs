//! Against servers that are full: what is waited for, what is rejected, and with which words it ends.

use std::time::{Duration, Instant};
use testkit::influx::Influx;
use testkit::{Sim, Tool, http, temp_dir, tool};

const FIRST: i64 = 1_704_067_200_000_000_000;

fn write(sim: &Sim) -> Tool {
    tool("influx-write").args(["--url", &format!("influx1+{}/d", sim.base)])
}

fn sim(args: &[&str]) -> Sim {
    Sim::influx(["--database", "d"].iter().chain(args))
}

/// Lines of seven series, one value of 16 bytes (for the server) each.
fn lines(n: usize) -> String {
    (0..n).map(|i| format!("m,t={} v={i}i {}\n", i % 7, FIRST + i as i64)).collect()
}

/// How many points each series holds, by its tag.
fn stored(sim: &Sim) -> Vec<(String, u64)> {
    let query = http::quote("SELECT count(v) FROM m GROUP BY t");
    let reply = http::get(&sim.host, &format!("/query?db=d&epoch=ns&q={query}"), &[]);
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let series = json["results"][0]["series"].as_array().cloned().unwrap_or_default();
    series.iter().map(|s| (s["tags"]["t"].as_str().unwrap().into(), s["values"][0][1].as_u64().unwrap())).collect()
}

fn statuses(sim: &Sim) -> Vec<u64> {
    sim.requests().iter().filter_map(|request| request["status"].as_u64()).collect()
}

#[test]
fn a_full_cache_ends_it_after_a_few_slow_tries_and_what_fitted_is_stored() {
    let words = "cache-max-memory-size exceeded: (4";
    let few = ["--retries", "1", "--concurrency", "1", "--batch-rows", "100"];
    let sim = sim(&["--cache-max-memory", "4000"]);
    let start = Instant::now();
    let outcome = write(&sim).args(few).stdin(lines(1000)).run().code(5);
    assert!(start.elapsed() > Duration::from_secs(1), "not at once: {:?}", start.elapsed());
    assert!(outcome.stderr.contains(words) && outcome.stderr.contains("write cache is full"), "{}", outcome.stderr);
    assert_eq!((statuses(&sim), outcome.number("rows")), (vec![204, 204, 500, 500], 200));
    assert_eq!(stored(&sim).iter().map(|(_, n)| n).sum::<u64>(), 200);

    let influx = Influx::simulated("2.9");
    let server = influx.open(&[], &["--cache-max-memory", "4000"]);
    let outcome = influx.connected("influx-write", "TARGET", &server).args(few).stdin(lines(1000)).run().code(5);
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    assert_eq!(outcome.number("rows"), 200);
}

#[test]
fn a_full_series_limit_rejects_the_lines_of_new_series_and_no_other() {
    for flavor in ["1.6", "1.8", "1.13"] {
        let directory = temp_dir();
        let file = directory.path().join("rejects");
        let limited = || sim(&["--flavor", flavor, "--max-series", "5"]);
        let words = "max-series-per-database limit exceeded: (5)";
        let outcome = write(&limited()).arg("--rejects").arg(&file).stdin(lines(300)).run().code(3);
        assert!(outcome.stderr.contains(words), "{flavor}: {}", outcome.stderr);
        // the server counts points, so that batches with room for their series are refused too: they are halved
        let sim = limited();
        let tool = write(&sim).args(["--concurrency", "1", "--max-rejects", "85"]).arg("--rejects").arg(&file);
        let outcome = tool.stdin(lines(300)).run().code(8);
        assert_eq!((outcome.number("rows"), outcome.number("rejected")), (215, 85), "{flavor}");
        let expected = ["0", "1", "2", "3", "4"].map(|t| (t.to_owned(), 43));
        assert_eq!(stored(&sim), expected, "{flavor}");
        let rejects = std::fs::read_to_string(&file).unwrap();
        let (reasons, bad): (Vec<&str>, Vec<&str>) = rejects.lines().partition(|line| line.starts_with("# "));
        assert!(reasons.iter().all(|reason| reason.contains(words)), "{flavor}: {rejects}");
        assert!(bad.iter().all(|line| line.starts_with("m,t=5 ") || line.starts_with("m,t=6 ")), "{flavor}: {rejects}");
    }
}

#[test]
fn a_tag_with_too_many_values_rejects_the_new_ones_and_no_other() {
    for flavor in ["1.6", "1.8"] {
        let sim = sim(&["--flavor", flavor, "--max-values-per-tag", "3"]);
        write(&sim).stdin(lines(3)).run().code(0);
        let directory = temp_dir();
        let file = directory.path().join("rejects");
        let tool = write(&sim).args(["--max-rejects", "40"]).arg("--rejects").arg(&file);
        let outcome = tool.stdin(lines(70)).run().code(8);
        assert_eq!((outcome.number("rows"), outcome.number("rejected")), (30, 40), "{flavor}");
        assert_eq!(stored(&sim), ["0", "1", "2"].map(|t| (t.to_owned(), 10)), "{flavor}");
        let rejects = std::fs::read_to_string(&file).unwrap();
        assert!(rejects.contains("max-values-per-tag limit exceeded (3/3)"), "{flavor}: {rejects}");
    }
}

#[test]
fn a_throttled_server_is_waited_for() {
    let limits = ["--max-concurrent-writes", "1", "--max-enqueued-writes", "1", "--enqueued-write-timeout", "200ms"];
    let sim = sim(&[&limits[..], &["--fault", "delay=600ms@1-2"]].concat());
    let many = ["--concurrency", "4", "--order", "none", "--batch-rows", "50"];
    let outcome = write(&sim).args(many).stdin(lines(1000)).run().code(0);
    assert_eq!(outcome.number("rows"), 1000);
    assert_eq!(stored(&sim).iter().map(|(_, n)| n).sum::<u64>(), 1000);
    assert!(statuses(&sim).contains(&503), "{:?}", statuses(&sim));
}
