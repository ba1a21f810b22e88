//! What the FE does with whoever brings data.

use crate::{EXPECT, ROOT, cluster, success};
use testkit::http;

#[test]
fn the_fe_sends_on_who_waits_and_refuses_who_does_not() {
    let cluster = cluster(&["--be-name", "be-0.cluster.internal:8040"]);
    let fe = &cluster.sim.host;
    let path = "/api/d/t/_stream_load?x=1";
    let reply = http::put(fe, path, &[ROOT, EXPECT, "label: a"], b"never sent").unwrap();
    assert_eq!(reply.status, 307, "{}", reply.text());
    assert_eq!(reply.header("location"), Some("http://be-0.cluster.internal:8040/api/d/t/_stream_load?x=1"));
    assert_eq!(reply.header("connection"), Some("close"));
    let reply = http::put(fe, path, &[ROOT], b"1\t\\N\t\\N\t\\N\n").unwrap();
    assert_eq!((reply.status, reply.json()["Status"].as_str()), (200, Some("FAILED")));
    assert!(reply.text().contains("There is no 100-continue header"), "{}", reply.text());
    for wrong in ["X-Nothing: 1", "Authorization: Basic cm9vdDp4"] {
        let reply = http::put(fe, path, &[wrong, EXPECT], b"").unwrap();
        assert_eq!((reply.status, reply.json()["status"].as_str()), (401, Some("FAILED")), "{}", reply.text());
        assert!(reply.header("www-authenticate").is_some());
    }
    // nothing was loaded and no label taken; the BE answers the same path, asks for no Expect, and checks the account again
    assert_eq!((cluster.state("a"), cluster.count("t")), ("UNKNOWN".to_owned(), 0));
    assert_eq!(crate::numbers(&cluster.load("t", &["label: a"], "1\t\\N\t\\N\t\\N\n")), success(1, 0, 0));
    let refused = http::put(&cluster.sim.be, path, &[], b"1\n").unwrap().json();
    assert_eq!(crate::failure(&refused), "no valid Basic authorization");
    let refused = http::put(&cluster.sim.be, path, &["Authorization: Basic cm9vdDp4"], b"1\n").unwrap().json();
    assert!(crate::failure(&refused).contains("Access denied"), "{refused}");
    // both hops are in the log
    let seen: Vec<u64> =
        cluster.sim.requests().iter().filter(|r| r["method"] == "PUT").map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(seen, [307, 200, 401, 401, 200, 200, 200]);
}

#[test]
fn databases_and_tables_are_known_to_the_be_alone() {
    let cluster = cluster(&[]);
    let reply = http::put(&cluster.sim.host, "/api/none/t/_stream_load", &[ROOT, EXPECT], b"").unwrap();
    assert_eq!(reply.status, 307);
    let load = |path: &str| http::put(&cluster.sim.be, path, &[ROOT], b"1\n").unwrap().json();
    assert_eq!(crate::failure(&load("/api/none/t/_stream_load")), "unknown database, database=none");
    assert_eq!(crate::failure(&load("/api/d/none/_stream_load")), "unknown table, table=none");
    assert_eq!(cluster.get("/api/none/get_load_state?label=x").json()["msg"], "unknown database, database=none");
    assert_eq!(cluster.get("/api/d/get_load_state").json()["msg"], "No label selected.");
    assert_eq!(cluster.get("/api/nothing").status, 404);
}

#[test]
fn a_body_that_ends_early_is_rolled_back() {
    use std::io::Write;
    let cluster = cluster(&[]);
    let mut stream = std::net::TcpStream::connect(&cluster.sim.be).unwrap();
    let head =
        format!("PUT /api/d/t/_stream_load HTTP/1.1\r\nHost: x\r\n{ROOT}\r\nlabel: cut\r\nContent-Length: 100\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"1\t\\N\t1\tx\n").unwrap();
    cluster.wait_for("cut", "PREPARE");
    let again = cluster.load("t", &["label: cut"], "1\t\\N\t1\tx\n");
    assert_eq!(
        (again["Status"].as_str(), again["ExistingJobStatus"].as_str()),
        (Some("Label Already Exists"), Some("RUNNING"))
    );
    drop(stream);
    cluster.wait_for("cut", "ABORTED");
    assert_eq!(cluster.count("t"), 0);
    assert_eq!(crate::numbers(&cluster.load("t", &["label: cut"], "1\t\\N\t1\tx\n")), success(1, 0, 0));
}

#[test]
fn a_connection_that_is_reset_in_the_body_is_rolled_back() {
    use std::io::Write;
    let cluster = cluster(&[]);
    for turn in 0..20 {
        let label = format!("reset-{turn}");
        let mut stream = std::net::TcpStream::connect(&cluster.sim.be).unwrap();
        let head = format!(
            "PUT /api/d/t/_stream_load HTTP/1.1\r\nHost: x\r\n{ROOT}\r\nlabel: {label}\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        cluster.wait_for(&label, "PREPARE");
        stream.write_all(&b"1\t\\N\t1\tx\n".repeat(turn * 10_000 + 1)).unwrap();
        // `100 Continue` is there and was not read: what a client that is killed leaves resets the connection.
        stream.peek(&mut [0; 12]).unwrap();
        drop(stream);
        cluster.wait_for(&label, "ABORTED");
    }
    assert_eq!(cluster.count("t"), 0);
}

#[test]
fn names_are_decoded() {
    let directory = testkit::temp_dir();
    let script = directory.path().join("s.sql");
    std::fs::write(
        &script,
        "CREATE DATABASE `ö d`; CREATE TABLE `ö d`.`t/1` (id INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);",
    )
    .unwrap();
    let sim = testkit::Sim::starrocks(["--sql", script.to_str().unwrap()]);
    let reply = http::put(&sim.be, "/api/%C3%B6%20d/t%2F1/_stream_load", &[ROOT], b"7\n").unwrap().json();
    assert_eq!(crate::numbers(&reply), success(1, 0, 0), "{reply}");
    assert_eq!(sim.query("SELECT * FROM `ö d`.`t/1`"), [[Some("7".to_owned())]]);
}

/// `host:port` of each backend, as SHOW BACKENDS has them.
fn backends(cluster: &crate::Cluster) -> Vec<String> {
    let cell = |row: &[Option<String>], at: usize| row[at].clone().unwrap();
    cluster.sim.query("SHOW BACKENDS").iter().map(|row| format!("{}:{}", cell(row, 1), cell(row, 4))).collect()
}

#[test]
fn several_backends_take_turns() {
    let cluster = cluster(&["--be-listen", "127.0.0.1:0", "--be-listen", "127.0.0.1:0", "--be-listen", "127.0.0.1:0"]);
    let backends = backends(&cluster);
    assert_eq!((backends.len(), &backends[0]), (3, &cluster.sim.be));
    let path = "/api/d/t/_stream_load";
    let mut turns = Vec::new();
    for n in 0..6 {
        let reply = http::put(&cluster.sim.host, path, &[ROOT, EXPECT], b"").unwrap();
        let to = reply.header("location").unwrap().trim_start_matches("http://").trim_end_matches(path).to_owned();
        let row = format!("{n}\t\\N\t\\N\t\\N\n");
        let loaded = http::put(&to, path, &[ROOT, "strict_mode: true"], row.as_bytes()).unwrap().json();
        assert_eq!(crate::numbers(&loaded), success(1, 0, 0));
        turns.push(to);
    }
    assert_eq!((&turns[..3], &turns[3..], cluster.count("t")), (&backends[..], &backends[..], 6));
    // Who wrote a list of bad rows has it, and no other.
    let bad = http::put(&backends[1], path, &[ROOT, "strict_mode: true"], b"x\t\\N\t1\ta\n").unwrap().json();
    let url = bad["ErrorURL"].as_str().unwrap();
    let log = url.strip_prefix(&format!("http://{}", backends[1])).unwrap_or_else(|| panic!("{url}"));
    for (at, status) in [(0, 404), (1, 200), (2, 404)] {
        assert_eq!(http::get(&backends[at], log, &[]).status, status);
    }
    let nodes: Vec<String> = cluster
        .sim
        .requests()
        .iter()
        .filter(|r| r["path"] == path && r["status"] == 200)
        .map(|r| r["node"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(nodes, ["be1", "be2", "be3", "be1", "be2", "be3", "be2"]);
}

#[test]
fn a_transaction_stays_with_the_backend_that_began_it() {
    let cluster = cluster(&["--be-listen", "127.0.0.1:0", "--be-listen", "127.0.0.1:0"]);
    let backends = backends(&cluster);
    for (label, other) in [("a", 1), ("b", 0)] {
        let headers = [ROOT, "db: d", "table: t", &format!("label: {label}"), EXPECT];
        let coordinator = &backends[1 - other];
        for op in ["begin", "load", "prepare"] {
            let path = format!("/api/transaction/{op}");
            let send = |host: &str| match op {
                "load" => http::put(host, &path, &headers, b"1\t\\N\t1\ta\n").unwrap(),
                _ => http::post(host, &path, &headers, b""),
            };
            let led = send(&cluster.sim.host);
            assert_eq!(led.header("location"), Some(format!("http://{coordinator}{path}").as_str()), "{op}");
            if op != "begin" {
                assert_eq!(send(&backends[other]).json()["Status"], "TXN_NOT_EXISTS", "{op} at the wrong one");
            }
            assert_eq!(send(coordinator).json()["Status"], "OK", "{op}");
        }
        assert_eq!(http::post(&cluster.sim.host, "/api/transaction/commit", &headers, b"").json()["Status"], "OK");
    }
    assert_eq!(cluster.count("t"), 2);
}

#[test]
fn faults_hit_one_backend() {
    let cluster =
        cluster(&["--be-listen", "127.0.0.1:0", "--be-listen", "127.0.0.1:0", "--fault", "status=503@1-/be2"]);
    let path = "/api/d/t/_stream_load";
    let statuses: Vec<u16> =
        backends(&cluster).iter().map(|be| http::put(be, path, &[ROOT], b"1\t\\N\t1\ta\n").unwrap().status).collect();
    assert_eq!(statuses, [200, 503]);
}
