//! Faults on writes and queries: what the client sees, and what is stored afterwards.
mod influx_common;

use influx_common::{Reply, Running, get, send, start};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn with(faults: &[&str]) -> Running {
    let mut args = vec!["--flavor", "1.8", "--database", "d"];
    faults.iter().for_each(|f| args.extend(["--fault", f]));
    start(&args, |_| ())
}

fn write(server: &Running, line: &str) -> Reply {
    send(&server.address, "POST", "/write?db=d", &[], line.as_bytes(), false)
}

fn select(server: &Running) -> Reply {
    get(&server.address, "/query", &[("db", "d"), ("epoch", "ns"), ("q", "SELECT f FROM m")], &[])
}

fn stored(server: &Running) -> usize {
    let reply = select(server);
    let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    value["results"][0]["series"][0]["values"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_status_comes_with_retry_after_and_stores_nothing() {
    let server = with(&["status=503:retry-after=2@1/write", "status=429@2/write"]);
    let first = write(&server, "m f=1 1");
    assert_eq!((first.status, first.header("retry-after")), (503, Some("2")));
    let second = write(&server, "m f=1 1");
    assert_eq!((second.status, second.header("retry-after")), (429, None));
    assert_eq!(stored(&server), 0);
    assert_eq!(write(&server, "m f=1 1").status, 204);
    assert_eq!(stored(&server), 1);
}

#[test]
fn a_full_queue_is_plain_text() {
    let server = with(&["queue-full=3@1-2"]);
    for _ in 0..2 {
        let reply = write(&server, "m f=1 1");
        assert_eq!(
            (reply.status, reply.header("retry-after"), reply.header("content-type")),
            (503, Some("3"), Some("text/plain; charset=utf-8"))
        );
        assert_eq!(reply.text(), "request throttled, queue full\n");
    }
    assert_eq!(write(&server, "m f=1 1").status, 204);
}

#[test]
fn a_lost_reply_has_stored_the_points() {
    let server = with(&["lost-reply@1"]);
    let reply = write(&server, "m f=1 1");
    assert_eq!((reply.status, reply.complete), (0, false));
    assert_eq!(stored(&server), 1);
}

#[test]
fn a_reset_upload_has_stored_nothing() {
    let server = with(&["reset-upload@1"]);
    let body = "m f=1 1\n".repeat(1_000_000);
    let reply = write(&server, &body);
    assert_eq!((reply.status, reply.complete), (0, false));
    assert_eq!(stored(&server), 0);
}

#[test]
fn a_cut_body_is_not_whole() {
    let server = with(&["cut-body@2-3"]);
    let lines: String = (0..10_000).map(|i| format!("m f={i} {i}\n")).collect();
    assert_eq!(write(&server, &lines).status, 204);
    for _ in 0..2 {
        let reply = select(&server);
        assert_eq!((reply.status, reply.complete), (200, false));
        assert!(!reply.body.is_empty() && serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
    }
    let whole = select(&server);
    assert!(whole.complete);
    assert_eq!(stored(&server), 10_000);
    // a reply without a body is lost as a whole, and the points are there
    let server = with(&["cut-body@1"]);
    assert_eq!(write(&server, "m f=1 1").status, 0);
    assert_eq!(stored(&server), 1);
}

#[test]
fn a_delay_is_a_delay() {
    let server = with(&["delay=300ms@1"]);
    let start = Instant::now();
    assert_eq!(write(&server, "m f=1 1").status, 204);
    assert!(start.elapsed() >= Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(write(&server, "m f=1 2").status, 204);
    assert!(start.elapsed() < Duration::from_millis(300));
}

#[test]
fn slow_reading_takes_its_time() {
    let server = with(&["slow-read=400kB/s@1/write", "slow-read=200kB/s@1/query"]);
    let lines: String = (0..10_000).map(|i| format!("m f=1 {i}\n")).collect();
    let start = Instant::now();
    assert_eq!(write(&server, &lines).status, 204);
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?} for {} bytes", start.elapsed(), lines.len());
    let start = Instant::now();
    let reply = select(&server);
    assert!(
        reply.complete && start.elapsed() >= Duration::from_millis(300),
        "{:?} for {}",
        start.elapsed(),
        reply.body.len()
    );
}

#[test]
fn no_reply_leaves_the_connection_open() {
    let server = with(&["no-reply@1"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    stream.write_all(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm f=1 1").unwrap();
    let waiting = stream.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(waiting.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{waiting}");
    assert_eq!(stored(&server), 0);
}

#[test]
fn the_line_that_kills_influxd_kills_the_simulator() {
    let sim = testkit::Sim::influx(["--flavor", "1.8", "--database", "d"]);
    let line = std::fs::read(testkit::testdata("wire/influx/crash_line.lp")).unwrap();
    let reply = send(&sim.host, "POST", "/write?db=d", &[], &line, false);
    assert_eq!((reply.status, reply.complete), (0, false));
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&sim.host).is_ok() {
        assert!(Instant::now() < end, "the simulator is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn requests_are_logged_with_bytes_and_status() {
    let sim = testkit::Sim::influx([
        "--flavor",
        "2.9",
        "--bucket",
        "b",
        "--org",
        "o",
        "--token",
        "t",
        "--fault",
        "lost-reply@2",
    ]);
    let token = [("Authorization".to_string(), "Token t".to_string())];
    for body in ["m f=1 1", "m f=1 22", "m f=oops"] {
        send(&sim.host, "POST", "/api/v2/write?org=o&bucket=b", &token, body.as_bytes(), false);
    }
    let seen: Vec<(u64, u64, u64)> = sim
        .requests()
        .iter()
        .map(|r| (r["n"].as_u64().unwrap(), r["bytes"].as_u64().unwrap(), r["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, [(1, 7, 204), (2, 8, 0), (3, 8, 400)]);
}

#[test]
fn what_is_loaded_is_read_in_blocks_and_kept_whole() {
    let directory = testkit::temp_dir();
    let file = directory.path().join("m.lp");
    // strings with line ends, over several blocks of the reader
    let lines: String = (0..60_000).map(|i| format!("m,t=a s=\"{}\n{i}\",f={i} {i}\n", "x".repeat(150))).collect();
    assert!(lines.len() > 9_000_000);
    std::fs::write(&file, lines.trim_end()).unwrap();
    let server = start(&["--flavor", "1.13", "--database", "d", "--load", file.to_str().unwrap()], |_| ());
    let ask = |q: &str| get(&server.address, "/query", &[("db", "d"), ("epoch", "ns"), ("q", q)], &[]).text();
    assert!(ask("SELECT COUNT(s), COUNT(f), SUM(f) FROM m").contains("[0,60000,60000,1799970000]"));
    assert!(ask("SELECT s FROM m WHERE time = 59999").contains("x\\n59999\""));
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_served() {
    let refused = |args: &[&str], code: i32, why: &str| {
        let outcome = testkit::tool("ts-sim").arg("influx").args(args).run().code(code);
        assert!(outcome.stderr.contains(why), "{args:?}: {}", outcome.stderr);
    };
    refused(&["--flavor", "1.7"], 2, "unknown flavour `1.7`");
    refused(&["--fault", "cut-block@1"], 2, "not something that InfluxDB does");
    refused(&["--fault", "restart@1"], 2, "not something that InfluxDB does");
    refused(&["--fault", "bang"], 2, "unknown kind `bang`");
    refused(&["--retention", "soon"], 2, "not a duration");
    refused(&["--auth", "nobody"], 2, "USER:PASSWORD");
    refused(&["--database", "d", "--load", "/nonexistent.lp"], 7, "/nonexistent.lp");
    refused(&["--load", "/dev/null"], 2, "needs a --database");
    let directory = testkit::temp_dir();
    let file = directory.path().join("bad.lp");
    std::fs::write(&file, "m f=1 1\nm f=oops 2\n").unwrap();
    refused(&["--database", "d", "--load", file.to_str().unwrap()], 3, "invalid boolean");
}
