//! Ways to the back end: redirects, mapped addresses, proxies; and what is sent to whom.

mod common;

use common::{all, cluster, held, load, rows};
use testkit::Sim;

fn unreachable() -> testkit::Starrocks {
    let cluster = Sim::starrocks(["--be-name", "be-7.private.invalid:8040"]);
    cluster.query("CREATE DATABASE plant");
    cluster.query(
        "CREATE TABLE plant.m (ts DATETIME, dev VARCHAR(8), v BIGINT) DUPLICATE KEY(ts, dev) DISTRIBUTED BY HASH(dev) BUCKETS 2",
    );
    cluster
}

#[test]
fn a_private_name_is_mapped() {
    let cluster = unreachable();
    for (map, from) in [("be-7.private.invalid:8040", 0), ("be-7.private.invalid", 10)] {
        let map = format!("{map}={}", cluster.be);
        load(&cluster).args(["--be-map", &map]).stdin(rows(from, 10)).run().code(0);
    }
    assert_eq!(held(&cluster), all(20));
    // The list of bad rows stands behind the same name.
    let bad = "ts|time,dev|tag,v|long\n2024-01-01T00:00:00Z,much-too-long,1\n2024-01-01T00:00:20Z,d2,20\n";
    let map = format!("be-7.private.invalid:8040={}", cluster.be);
    let outcome = load(&cluster).args(["--be-map", &map, "--max-rejects", "1"]).stdin(bad).run().code(8);
    assert_eq!((outcome.number("rejected"), outcome.number("splits"), held(&cluster)), (1, 0, all(21)));
}

#[test]
fn a_private_name_that_is_not_mapped_is_told() {
    let outcome = load(&unreachable()).stdin(rows(0, 10)).run().code(6);
    assert!(outcome.stderr.contains("be-7.private.invalid:8040"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--be-map OLD=NEW"), "{}", outcome.stderr);
}

#[test]
fn one_back_end_of_several_that_is_away_is_tried_again() {
    let cluster = cluster(&["be-unreachable@2"]);
    let outcome = load(&cluster).args(["--batch-rows", "10", "--concurrency", "1"]).stdin(rows(0, 30)).run().code(0);
    assert_eq!((outcome.number("retries"), held(&cluster)), (1, all(30)));
}

#[test]
fn a_back_end_of_our_choice() {
    let cluster = unreachable();
    load(&cluster).args(["--be-url", &format!("http://{}", cluster.be)]).stdin(rows(0, 10)).run().code(0);
    assert_eq!(held(&cluster), all(10));
}

#[test]
fn a_proxy_that_does_the_redirect_gets_the_rows() {
    let cluster = unreachable();
    // The back end answers for itself, as a proxy would.
    let port = |address: &str| address.rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
    let url = cluster.database("plant").replace(&port(&cluster.host), &port(&cluster.be));
    let tool = testkit::tool("sr-stream-load").args(["--url", &url, "--table", "m", "--fe-proxy"]);
    tool.stdin(rows(0, 10)).run().code(0);
    assert_eq!(held(&cluster), all(10));
}

#[test]
fn a_front_end_that_is_down_is_passed_over() {
    let cluster = cluster(&[]);
    // The first host has nobody behind the HTTP port.
    let url = cluster.database("plant").replace("root@127.0.0.1", "root@127.0.0.9:1,127.0.0.1");
    let tool = testkit::tool("sr-stream-load").args(["--url", &url, "--table", "m"]);
    let outcome = tool.stdin(rows(0, 10)).run().code(0);
    assert_eq!((outcome.number("retries"), held(&cluster)), (0, all(10)));
}

#[test]
fn the_front_end_gets_no_rows() {
    let cluster = cluster(&[]);
    load(&cluster).stdin(rows(0, 10)).run().code(0);
    let requests = cluster.requests();
    let load = |r: &&serde_json::Value| r["path"].as_str().is_some_and(|path| path.contains("_stream_load"));
    let seen: Vec<(i64, bool)> = requests
        .iter()
        .filter(load)
        .map(|r| (r["status"].as_i64().unwrap_or(0), r["bytes"].as_u64().unwrap_or(0) > 0))
        .collect();
    assert_eq!(seen, [(307, false), (200, true)]);
}
