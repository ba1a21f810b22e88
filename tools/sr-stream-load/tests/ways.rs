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

/// Two back ends take turns; one of them is known to the front end, and nobody is behind its address.
#[test]
fn of_several_back_ends_the_living_one_gets_all_loads() {
    let two = ["--be-listen", "127.0.0.1:0", "--be-listen", "127.0.0.1:0"];
    let columns = "ts DATETIME, dev VARCHAR(8), v BIGINT";
    let by = |cluster: &testkit::Starrocks, node: &str| {
        let requests = cluster.requests();
        requests.iter().filter(|request| request["node"] == node && request["status"] == 200).count()
    };
    let cluster = common::with(&[], &two, columns, "DUPLICATE KEY(ts, dev)");
    load(&cluster).args(["--batch-rows", "10", "--concurrency", "1"]).stdin(rows(0, 60)).run().code(0);
    assert_eq!((held(&cluster), by(&cluster, "be1"), by(&cluster, "be2")), (all(60), 3, 3));
    let dead = [&two[..], &["--be-name", "127.0.0.9:1"]].concat();
    let cluster = common::with(&[], &dead, columns, "DUPLICATE KEY(ts, dev)");
    let outcome = load(&cluster).args(["--batch-rows", "10"]).stdin(rows(0, 60)).run().code(0);
    assert_eq!((held(&cluster), by(&cluster, "be1"), by(&cluster, "be2")), (all(60), 0, 6), "{}", outcome.stderr);
    assert!(outcome.number("retries") > 0, "{}", outcome.stderr);
}

/// The front end that has answered goes away in the middle: the next one is asked, for the states of labels too.
#[test]
fn a_front_end_that_goes_away_is_left_for_the_next_one() {
    let cluster = cluster(&["delay=100ms@1-/be", "lost-reply@7/be"]);
    // Another front end of the same cluster: on another address, with the same port.
    let port = cluster.host.rsplit_once(':').unwrap().1;
    let first = Sim::proxy_on(&format!("127.0.0.9:{port}"), &format!("http://{}", cluster.host), &[]);
    let url = cluster.database("plant").replace("root@127.0.0.1", "root@127.0.0.9:1,127.0.0.1");
    let running = std::thread::spawn(move || {
        let tool = testkit::tool("sr-stream-load").args(["--url", &url, "--table", "m", "--poll", "50ms"]);
        tool.args(["--batch-rows", "10", "--concurrency", "1"]).stdin(rows(0, 100)).run()
    });
    while first.requests().len() < 3 {
        assert!(!running.is_finished(), "the first front end was not asked");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let asked = first.requests().len();
    drop(first);
    let outcome = running.join().unwrap().code(0);
    assert_eq!((outcome.number("rows"), held(&cluster)), (100, all(100)), "{}", outcome.stderr);
    let fronts = cluster.requests().iter().filter(|request| request["node"] == "fe").count();
    assert!(fronts > asked && fronts >= 10, "{fronts} requests, {asked} of them by the first");
}
