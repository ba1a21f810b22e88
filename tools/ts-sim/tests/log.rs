//! `--log-requests`: when a request came and ended, and who sent it.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testkit::{Sim, http};

/// The noted writes, once there are so many.
fn writes(sim: &Sim, many: usize) -> Vec<serde_json::Value> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found: Vec<_> = sim.requests().into_iter().filter(|line| line["path"] == "/write").collect();
        if found.len() >= many {
            return found;
        }
        assert!(Instant::now() < end, "{} of {many} writes are noted", found.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn span(line: &serde_json::Value) -> (u64, u64) {
    (line["start_us"].as_u64().expect("a start"), line["end_us"].as_u64().expect("an end"))
}

#[test]
fn a_request_lasts_until_its_answer_is_ready() {
    let sim = Sim::influx(["--database", "d", "--fault", "delay=300ms@1"]);
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    for _ in 0..2 {
        http::post(&sim.host, "/write?db=d", &["User-Agent: one (split a1; process 7)"], b"m f=1 1");
    }
    let lines = writes(&sim, 2);
    let (first, second) = (span(&lines[0]), span(&lines[1]));
    assert!(before <= first.0 && first.1 - first.0 >= 300_000, "{first:?}");
    assert!(first.1 <= second.0 && second.1 - second.0 < 300_000, "{second:?}");
    assert_eq!((lines[0]["status"].as_u64(), lines[0]["bytes"].as_u64()), (Some(204), Some(7)));
    assert_eq!(lines[0]["agent"], "one (split a1; process 7)");
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let sim = Sim::influx(["--database", "d", "--fault", "delay=30s@1"]);
    let mut stream = TcpStream::connect(&sim.host).unwrap();
    stream.write_all(b"POST /write?db=d HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nm f=1 1").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(stream);
    let lines = writes(&sim, 1);
    let (start, end) = span(&lines[0]);
    assert!(end - start < 20_000_000, "{}", end - start);
    assert_eq!((lines[0]["status"].as_u64(), lines[0]["agent"].as_str()), (Some(0), Some("")));
}
