//! Targets in trouble: down for a while, throttling, slow, hanging up, losing replies. In the end every row is there once,
//! after a bounded number of requests, and the summary tells what happened.
//!
//! TS_OUTAGE is the length of the outage in seconds (3).

use std::time::{Duration, Instant};
use testkit::{Outcome, Sim, Tool, http, temp_dir, tool};

const FIRST: i64 = 1_704_067_200_000_000_000;
const ROWS: usize = 20_000;
const BATCH: usize = 500;
/// Without any trouble. Batches belong to connections, so the last ones are small.
const REQUESTS: u64 = (ROWS / BATCH) as u64 + 8;

fn lines(n: usize) -> String {
    (0..n).map(|i| format!("m,t={} v={i}i {}\n", i % 97, FIRST + i as i64)).collect()
}

fn write(base: &str) -> Tool {
    tool("influx-write").args(["--url", &format!("influx1+{base}/d"), "--batch-rows", &BATCH.to_string()])
}

/// Rows in the target, and the sum of their values: each row has a time of its own, so a row is there once or not at all.
fn stored(sim: &Sim) -> (u64, u64) {
    let query = http::quote("SELECT count(v), sum(v) FROM m");
    let reply = http::get(&sim.host, &format!("/query?db=d&epoch=ns&q={query}"), &[]);
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let row = &json["results"][0]["series"][0]["values"][0];
    (row[1].as_u64().unwrap_or(0), row[2].as_u64().unwrap_or(0))
}

fn all_there(sim: &Sim, rows: usize) {
    let sum = (rows as u64) * (rows as u64 - 1) / 2;
    assert_eq!(stored(sim), (rows as u64, sum), "rows and sum of values in the target");
}

fn writes(sim: &Sim) -> Vec<u64> {
    let requests = sim.requests();
    requests.iter().filter(|r| r["path"] == "/write").filter_map(|r| r["status"].as_u64()).collect()
}

/// Writes everything to a target with these faults; the outcome, and the target's log of statuses.
fn through(faults: &[&str], options: &[&str]) -> (Outcome, Vec<u64>) {
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let sim = Sim::influx(["--database", "d"].into_iter().chain(faults));
    let outcome = write(&sim.base).args(options).stdin(lines(ROWS)).run().code(0);
    assert_eq!(outcome.number("rows"), ROWS as u64);
    all_there(&sim, ROWS);
    let statuses = writes(&sim);
    assert!(statuses.len() as u64 <= outcome.number("requests"), "{statuses:?}");
    (outcome, statuses)
}

fn many(status: u64, statuses: &[u64]) -> u64 {
    statuses.iter().filter(|s| **s == status).count() as u64
}

#[test]
fn a_429_with_retry_after_holds_all_connections() {
    let started = Instant::now();
    let (outcome, statuses) = through(&["status=429:retry-after=1@5-10"], &[]);
    assert!(started.elapsed() > Duration::from_secs(1));
    assert_eq!((many(429, &statuses), outcome.number("throttled")), (6, 6));
    let asked = outcome.number("throttle_wait_ms");
    assert!((1_000..=6_000).contains(&asked), "{asked} ms asked for");
    assert!(statuses.len() as u64 <= REQUESTS + 6, "{} requests", statuses.len());
}

#[test]
fn storms_of_503_end_and_cost_no_more_than_their_requests() {
    let (outcome, statuses) = through(&["status=503@3-10", "status=503@30-32"], &[]);
    assert_eq!((many(503, &statuses), outcome.number("throttled")), (11, 11));
    assert_eq!(outcome.number("outages"), 1, "eight in a row are an outage, three are not: {}", outcome.stderr);
    assert!(outcome.number("outage_ms") >= 250, "{}", outcome.stderr);
    assert!(statuses.len() as u64 <= REQUESTS + 11, "{} requests", statuses.len());
    assert!(outcome.stderr.contains("the target is back after"), "{}", outcome.stderr);
}

#[test]
fn slow_replies_are_waited_for_and_those_that_come_too_late_asked_for_again() {
    let (outcome, statuses) = through(&["delay=400ms@1-10"], &[]);
    assert_eq!(
        (outcome.number("retries"), outcome.number("throttled"), many(204, &statuses)),
        (0, 0, outcome.number("requests"))
    );
    let (outcome, _) = through(&["delay=20s@4-5"], &["--timeout", "4s"]);
    assert_eq!(outcome.number("retries"), 2, "{}", outcome.stderr);
    assert!(outcome.number("requests") <= REQUESTS + 2);
}

#[test]
fn resets_in_the_middle_of_a_body() {
    let (outcome, _) = through(&["reset-upload@2-4"], &[]);
    assert_eq!(outcome.number("retries"), 3, "{}", outcome.stderr);
    // What was cut while it was sent may have been too large: it goes again in halves.
    assert!(outcome.number("splits") <= 3, "{}", outcome.stderr);
    assert!(outcome.number("requests") <= REQUESTS + 6, "{}", outcome.stderr);
    let (outcome, _) = through(&["cut-body@2-4"], &[]);
    assert!(outcome.number("requests") <= REQUESTS + 3, "{}", outcome.stderr);
}

#[test]
fn replies_lost_after_the_commit() {
    let (outcome, statuses) = through(&["lost-reply@2-5"], &[]);
    assert_eq!((many(0, &statuses), outcome.number("retries")), (4, 4), "{}", outcome.stderr);
    assert!(outcome.number("requests") <= REQUESTS + 4);
    let (outcome, _) = through(&["no-reply@3-4"], &["--timeout", "4s"]);
    assert_eq!(outcome.number("retries"), 2, "{}", outcome.stderr);
}

#[test]
fn a_target_that_is_down_for_a_while_stops_the_reading_and_loses_nothing() {
    let outage = std::env::var("TS_OUTAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let rows = 200_000;
    let directory = temp_dir();
    let (lines_file, metrics) = (directory.path().join("m.lp"), directory.path().join("m.prom"));
    std::fs::write(&lines_file, lines(rows)).unwrap();
    let sim = Sim::influx(["--database", "d"]);
    let door = Sim::proxy(&sim.base, &[]);
    let (host, base) = (door.host.clone(), door.base.clone());
    let taken = directory.path().join("taken");
    // What is read from the pipe is what `tee` could write.
    let script = format!(
        "head -c 100000000 {} | tee {} | influx-write --url influx1+{base}/d --batch-rows 500 --rate-limit 50000rows/s --metrics-file {} --max-outage 10m",
        lines_file.display(),
        taken.display(),
        metrics.display()
    );
    let running = std::thread::spawn(move || testkit::shell(&script).limit(Duration::from_secs(300)).run());
    while writes(&sim).len() < 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(door);
    let gone = Instant::now();
    // The metrics tell of it, if a little later.
    while testkit::prometheus::Metrics::read(&metrics).value("tsferry_target_down", &[]) != Some(1.0) {
        assert!(gone.elapsed() < Duration::from_secs(60), "no metric says that the target is down");
        std::thread::sleep(Duration::from_millis(100));
    }
    let read = || std::fs::metadata(&taken).unwrap().len();
    let (before, requests) = (read(), writes(&sim).len());
    std::thread::sleep(Duration::from_secs(outage).saturating_sub(gone.elapsed()).max(Duration::from_secs(1)));
    assert_eq!(
        (read(), writes(&sim).len()),
        (before, requests),
        "nothing is read and nothing arrives while it is down"
    );
    assert!(before < std::fs::metadata(&lines_file).unwrap().len(), "all was read before the outage");
    let away = gone.elapsed();
    let door = Sim::proxy_on(&host, &sim.base, &[]);
    let outcome = running.join().unwrap().code(0);
    drop(door);
    all_there(&sim, rows);
    let (lasted, probes) = (outcome.number("outage_ms"), outcome.number("retries"));
    assert_eq!((outcome.number("rows"), outcome.number("outages")), (rows as u64, 1), "{}", outcome.stderr);
    // From the first request that failed to the first that was answered.
    let told = Duration::from_millis(lasted);
    assert!(told + Duration::from_secs(2) >= away && told < away + Duration::from_secs(15), "{told:?} of {away:?}");
    // Each connection failed once or twice, and then one request asked, at most every five seconds.
    assert!(probes <= 8 * 2 + 8 + away.as_secs() / 2, "{probes} requests failed in {away:?}");
    assert!(outcome.number("requests") <= (rows / BATCH) as u64 + 8 + probes);
    assert!(outcome.stderr.contains("the target is down") && outcome.stderr.contains("the target is back after"));
    let after = testkit::prometheus::Metrics::read(&metrics);
    assert_eq!(after.value("tsferry_target_down", &[]), Some(0.0));
    assert_eq!(after.value("tsferry_target_outage_seconds_total", &[]), Some(lasted as f64 / 1e3));
}

#[test]
fn an_outage_that_lasts_too_long_is_5_and_says_so() {
    let sim = Sim::influx(["--database", "d", "--fault", "status=503@5-/write"]);
    let started = Instant::now();
    let outcome = write(&sim.base).args(["--max-outage", "1s"]).stdin(lines(ROWS)).run().code(5);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(outcome.stderr.contains("(--max-outage): HTTP 503"), "{}", outcome.stderr);
    assert_eq!(stored(&sim).0, outcome.number("rows"), "what is told to be delivered is there");
    // Where nobody ever answered there is no outage to be waited for.
    let outcome = tool("influx-write").args(["--url", "influx1+http://127.0.0.1:1/d", "--retries", "2"]);
    let outcome = outcome.stdin(lines(10)).run().code(5);
    assert!(outcome.stderr.contains("gave up after 2 retries"), "{}", outcome.stderr);
    assert_eq!(outcome.number("outages"), 0);
}

#[test]
fn no_more_requests_in_flight_than_asked_for() {
    let (outcome, _) = through(&["delay=20ms"], &["--max-inflight", "3"]);
    assert_eq!(outcome.number("inflight_max"), 3);
}

#[test]
fn a_rate_limit_is_kept_to() {
    for (limit, rows) in [("10000rows/s", 20_000), ("500KB/s", 25_000)] {
        let sim = Sim::influx(["--database", "d"]);
        let bytes = lines(rows).len() as f64;
        let expected = if limit.ends_with("rows/s") { rows as f64 / 10_000.0 } else { bytes / 500_000.0 };
        let started = Instant::now();
        let outcome = write(&sim.base).args(["--rate-limit", limit]).stdin(lines(rows)).run().code(0);
        let seconds = started.elapsed().as_secs_f64();
        // It begins empty, so it is never faster; how much slower is the machine's business.
        assert!(seconds >= expected * 0.99 && seconds < expected * 3.0 + 20.0, "{limit}: {seconds} s for {expected} s");
        assert!(outcome.number("limited_ms") as f64 >= expected * 500.0, "{}", outcome.stderr);
        all_there(&sim, rows);
    }
    write("http://h").args(["--rate-limit", "fast"]).stdin("").run().code(2);
}
