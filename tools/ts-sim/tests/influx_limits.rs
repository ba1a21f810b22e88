//! The limits of a real server, set as they were when it was recorded: every exchange of `v18_limits` and `v2_limits`, and
//! the four writers of `v18_auth_limits/throttle_503`. What they sent was not kept and is made again by the rules that stand
//! here; the last tests hold what else InfluxDB 1.8.10 and 1.6.7 were asked.
mod influx_common;

use influx_common::{Reply, Running, get, send, start};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use ts_sim::influx::store::Policy;

const V1: &str = "/write?db=ix";
const V2: &str = "/api/v2/write?org=ixorg&bucket=ix";
const WEEK: i64 = 7 * 24 * 3_600_000_000_000;

/// Every header but these, which no second run repeats or which only say how the reply was sent, and the whole body.
const VARIES: [&str; 6] = ["date", "request-id", "x-request-id", "transfer-encoding", "vary", "connection"];

fn recording(path: &str) -> String {
    let path = testkit::testdata(&format!("wire/influx/{path}"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

/// The reply's status line, headers and body are those of the recorded text.
fn same(name: &str, recorded: &str, reply: &Reply) {
    // the last head counts: `100 Continue` comes before it
    let head = &recorded[recorded.rfind("HTTP/1.1").unwrap_or_else(|| panic!("{name}: no reply"))..];
    let (head, body) = head.split_once("\n\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!((reply.status, reply.text().trim()), (status, body.trim()), "{name}");
    let mut compared = 0;
    for (key, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        if !VARIES.contains(&key.to_ascii_lowercase().as_str()) {
            assert_eq!(reply.header(key), Some(value), "{name}: {key}");
            compared += 1;
        }
    }
    assert!(compared >= 3, "{name}: {compared} headers");
}

fn floats(n: usize) -> String {
    (0..n).map(|i| format!("m f=1 {}\n", 1_795_258_800_000_000_000 + i as i64)).collect()
}

fn write(server: &Running, target: &str, body: &str) -> Reply {
    send(&server.address, "POST", target, &token(), body.as_bytes(), false)
}

fn token() -> Vec<(String, String)> {
    vec![("Authorization".to_string(), "Token ix-token-0123456789".to_string())]
}

/// The time and `f` of each stored point of `m`.
fn stored(server: &Running, database: &str) -> Vec<serde_json::Value> {
    let reply = get(&server.address, "/query", &[("db", database), ("epoch", "ns"), ("q", "SELECT f FROM m")], &[]);
    let value: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    value["results"][0]["series"][0]["values"].as_array().cloned().unwrap_or_default()
}

/// The server of 12:16: `max-series-per-database = 1000`.
fn series_and_values(done: &mut Vec<String>) {
    let limits = ["--flavor", "1.8", "--database", "ix", "--max-series", "1000", "--max-values-per-tag", "100"];
    let server = start(&limits, |_| ());
    // w3: more new values of one tag than are allowed, in one batch. The server looks at what was there before the batch, so
    // the answer is 204; the limit itself was not kept, 100 is ours.
    let w3: String = (0..150).map(|i| format!("v,t={i} f=1\n")).collect();
    same("max_values_per_tag", &recording("v18_limits/max_values_per_tag.txt"), &write(&server, V1, &w3));
    // w2: `dropped=2000` counts points of new series
    let w2: String = (0..2000).map(|i| format!("s,t={} f=1 {i}\n", i % 1900)).collect();
    same("max_series_per_database", &recording("v18_limits/max_series_per_database.txt"), &write(&server, V1, &w2));
    done.extend(["v18_limits/max_values_per_tag", "v18_limits/max_series_per_database"].map(str::to_string));
    // and now that they are there, one more value is one too many
    let more = write(&server, V1, "v,t=150 f=1\n");
    let words = r#"{"error":"partial write: max-values-per-tag limit exceeded (150/100): measurement=\"v\" tag=\"t\" value=\"150\" dropped=1"}"#;
    assert_eq!((more.status, more.text().trim()), (400, words));
}

/// The servers with a cache of 1,000,000 bytes. w1: a value of 8 bytes and its time are 16, so `1600000` are 100,000 floats;
/// that is over 1 MiB of text, for which curl waits for the recorded `100 Continue`.
fn cache(done: &mut Vec<String>) {
    let w1 = floats(100_000);
    assert!(w1.len() > 1 << 20);
    for name in ["cache_max_memory", "cache_max_memory_again"] {
        assert!(recording(&format!("v18_limits/{name}.txt")).contains("(1600000/1000000)"));
    }
    let limit = ["--cache-max-memory", "1000000"];
    let v1 = start(&[&["--flavor", "1.8", "--database", "ix"][..], &limit].concat(), |_| ());
    let account = ["--flavor", "2.9", "--org", "ixorg", "--bucket", "ix", "--token", "ix-token-0123456789"];
    let v2 = start(&[&account[..], &limit].concat(), |_| ());
    for name in ["cache_max_memory", "cache_max_memory_again"] {
        for (folder, server, target) in [("v18_limits", &v1, V1), ("v2_limits", &v2, V2)] {
            same(name, &recording(&format!("{folder}/{name}.txt")), &write(server, target, &w1));
            done.push(format!("{folder}/{name}"));
        }
    }
    assert!(stored(&v1, "ix").is_empty());
    // w4s: a point in each of 500 weeks. Each is a shard with a cache of its own, so that none is full.
    let w4s: String = (0..500).map(|i| format!("m f=1 {}\n", i * WEEK)).collect();
    same("shards_500weeks", &recording("v18_limits/shards_500weeks.txt"), &write(&v1, V1, &w4s));
    assert_eq!(stored(&v1, "ix").len(), 500);
    done.push("v18_limits/shards_500weeks".into());
}

/// Four queries at once on a server that runs one and lets one wait: two are answered, two refused. The bucket is empty, as
/// the recorded answers are; a delay stands for what kept the real server busy.
fn query_queue(done: &mut Vec<String>) {
    let account = ["--flavor", "2.9", "--org", "ixorg", "--bucket", "ix", "--token", "ix-token-0123456789"];
    let limit = ["--query-concurrency", "1", "--query-queue-size", "1", "--fault", "delay=1s"];
    let server = start(&[&account[..], &limit].concat(), |_| ());
    let headers = [token(), vec![("Content-Type".to_string(), "application/vnd.flux".to_string())]].concat();
    let script = b"from(bucket: \"ix\") |> range(start: -1h)";
    let mut replies: Vec<Reply> = std::thread::scope(|scope| {
        let query = || send(&server.address, "POST", "/api/v2/query?org=ixorg", &headers, script, false);
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(query)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut recorded = [1, 2, 3, 4].map(|n| (n, recording(&format!("v2_limits/query_queue_{n}.txt"))));
    // which of four at once comes first is nobody's to say
    replies.sort_by_key(|reply| reply.status);
    recorded.sort_by_key(|(_, text)| text.starts_with("HTTP/1.1 400"));
    for ((n, text), reply) in recorded.iter().zip(&replies) {
        let name = format!("v2_limits/query_queue_{n}");
        same(&name, text, reply);
        done.push(name);
    }
    let again = send(&server.address, "POST", "/api/v2/query?org=ixorg", &headers, script, false);
    assert_eq!(again.status, 200, "places are given back");
}

/// A write to a server that has been stopped: no reply at all.
fn connection_refused(done: &mut Vec<String>) {
    assert!(!recording("v2_limits/connection_refused.txt").contains("HTTP/1.1"));
    let sim = testkit::Sim::influx(["--flavor", "2.9", "--bucket", "ix"]);
    let host = sim.host.clone();
    drop(TcpStream::connect(&host).unwrap());
    drop(sim);
    assert_eq!(TcpStream::connect(&host).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    done.push("v2_limits/connection_refused".into());
}

/// `max-concurrent-write-limit=1, max-enqueued-write-limit=1, enqueued-write-timeout=2s`. Client 0 sends slowly (recorded:
/// for 5 s; here for 3), the others come 0.2 s after one another, as their recorded request ids say.
fn throttle(done: &mut Vec<String>) {
    let limits = ["--max-concurrent-writes", "1", "--max-enqueued-writes", "1", "--enqueued-write-timeout", "2s"];
    let server = start(&[&["--flavor", "1.8", "--database", "ix"][..], &limits].concat(), |_| ());
    let text = recording("v18_auth_limits/throttle_503.txt");
    let recorded: Vec<&str> = text.split("client ").skip(1).collect();
    assert_eq!(recorded.len(), 4);
    let began = Instant::now();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    write!(slow, "POST {V1} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nm f").unwrap();
    let (server, begins) = (&server, |n: u64| Duration::from_millis(200 * n));
    let mut replies = std::thread::scope(|scope| {
        let clients: Vec<_> = (1..4)
            .map(|n| {
                scope.spawn(move || {
                    std::thread::sleep(begins(n));
                    (write(server, V1, "m f=1"), began.elapsed() - begins(n))
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(replies[0].1 >= Duration::from_secs(2), "one waits for two seconds: {:?}", replies[0].1);
    assert!(replies[1..].iter().all(|(_, time)| *time < Duration::from_secs(1)), "the others do not");
    std::thread::sleep(Duration::from_secs(3).saturating_sub(began.elapsed()));
    slow.write_all(b"=1").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    let first = Reply { status: head[9..12].parse().unwrap(), head: head.to_string(), ..Reply::default() };
    replies.insert(0, (first, began.elapsed()));
    for (n, (recorded, (reply, _))) in recorded.iter().zip(&replies).enumerate() {
        same(&format!("throttle_503, client {n}"), recorded, reply);
    }
    assert_eq!(write(server, V1, "m f=1").status, 204, "places are given back");
    done.push("v18_auth_limits/throttle_503".into());
}

#[test]
fn every_recorded_limit() {
    let mut done = Vec::new();
    for replay in [series_and_values, cache, query_queue, connection_refused, throttle] {
        replay(&mut done);
    }
    let mut all = BTreeSet::from(["v18_auth_limits/throttle_503".to_string()]);
    for folder in ["v18_limits", "v2_limits"] {
        for entry in std::fs::read_dir(testkit::testdata(&format!("wire/influx/{folder}"))).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            all.extend(name.strip_suffix(".txt").map(|name| format!("{folder}/{name}")));
        }
    }
    println!("{} exchanges replayed of {}", done.len(), all.len());
    assert_eq!(done.len(), 13);
    assert_eq!(BTreeSet::from_iter(done), all);
}

/// A batch of two new series and two known ones when there is room for one. What 1.8.10 and 1.6.7 did was measured: both
/// count the new ones, but 1.8.10 loses the known ones too, and 1.6.7 depending on the order.
#[test]
fn points_of_known_series_next_to_new_ones() {
    for (flavor, kept) in [("1.8", 0), ("1.6", 2)] {
        let server = start(&["--flavor", flavor, "--database", "ix", "--max-series", "5"], |server| {
            let mut store = server.store_mut();
            store.databases.get_mut("ix").unwrap().policies.insert("other".into(), Policy::new(0, WEEK));
        });
        assert_eq!(write(&server, V1, "m,t=1 f=1 1\nm,u=2 f=1 1\nm,v=3 f=1 1\nm,w=4 f=1 1").status, 204);
        let words = r#"{"error":"partial write: max-series-per-database limit exceeded: (5) dropped=2"}"#;
        let reply = write(&server, V1, "m,t=8 f=2 3\nm,t=9 f=2 3\nm,t=1 f=2 3\nm,u=2 f=2 3");
        assert_eq!((reply.status, reply.text().trim()), (400, words), "{flavor}");
        assert_eq!(stored(&server, "ix").len(), 4 + kept, "{flavor}");
        // two points of one new series take two places, one takes the last
        let reply = write(&server, V1, "m,t=8 f=2 5\nm,t=8 f=2 6");
        assert_eq!((reply.status, reply.text().trim()), (400, words), "{flavor}");
        assert_eq!(write(&server, V1, "m,t=8 f=2 5").status, 204, "{flavor}");
        // series of another policy count, and are known
        assert_eq!(write(&server, "/write?db=ix&rp=other", "m,t=10 f=2 5").status, 400, "{flavor}");
        assert_eq!(write(&server, "/write?db=ix&rp=other", "m,t=8 f=2 5").status, 204, "{flavor}");
    }
}

/// The same requests as were sent to 1.8.10 with `cache-max-memory-size = 400`, and its numbers: 54 bytes a point, and ten
/// for the key of each of four columns, once.
#[test]
fn the_cache_counts_values_and_keys() {
    let server = start(&["--flavor", "1.8", "--database", "ix", "--cache-max-memory", "400"], |_| ());
    let full = |reply: Reply, needed: u32| {
        let words = format!("{{\"error\":\"engine: cache-max-memory-size exceeded: ({needed}/400)\"}}");
        assert_eq!((reply.status, reply.text().trim()), (500, words.as_str()));
    };
    let point = |time: i64| write(&server, V1, &format!("m,t=a f=1,g=2i,s=\"hello\",b=true {time}"));
    assert!((1..7).all(|time| point(time).status == 204));
    full(point(7), 418);
    full(point(8), 418);
    // other shards have room, and are written although the client hears of a failure
    assert_eq!(write(&server, V1, "m,t=a f=1 100\nm,t=a f=1 700000000000000000").status, 204);
    full(write(&server, V1, "m,t=a f=1,g=2i,s=\"hello\",b=true 100\nm,t=a f=1 600000000000000000"), 434);
    let types = "m,t=a f=1,g=\"x\" 101\nm,t=a f=2,g=2i,s=\"hellohello\",b=true 100";
    full(write(&server, V1, types), 439);
    assert_eq!(stored(&server, "ix").len(), 6 + 1 + 2);
    let dropped = [("db", "ix"), ("q", "DROP MEASUREMENT m")];
    assert_eq!(get(&server.address, "/query", &dropped, &[]).status, 200);
    assert_eq!(point(7).status, 204);
}

#[test]
fn limits_that_a_version_does_not_have_are_refused() {
    for (flavor, option) in [
        ("2.9", "--max-series"),
        ("3", "--max-values-per-tag"),
        ("2.9", "--max-concurrent-writes"),
        ("3", "--cache-max-memory"),
        ("1.8", "--query-concurrency"),
    ] {
        let outcome = testkit::tool("ts-sim").args(["influx", "--flavor", flavor, option, "7"]).run().code(2);
        assert!(outcome.stderr.contains(option), "{}", outcome.stderr);
    }
}
