//! `/api/transaction/…` (dossier starrocks 2).

use crate::{Cluster, EXPECT, ROOT, cluster};
use serde_json::Value;
use testkit::http;

/// One operation as a client does it: FE first, then where it says.
fn call(cluster: &Cluster, op: &str, headers: &[&str], body: &[u8]) -> Value {
    let headers = [&[ROOT, "db: d"], headers].concat();
    let path = format!("/api/transaction/{op}");
    let send = |host: &str| match op {
        "load" => http::put(host, &path, &[&headers[..], &[EXPECT]].concat(), body).expect("a reply"),
        _ => http::post(host, &path, &headers, b""),
    };
    let reply = send(&cluster.sim.host);
    if reply.status != 307 {
        return reply.json();
    }
    assert_eq!(reply.header("location"), Some(format!("http://{}{path}", cluster.sim.be).as_str()));
    send(&cluster.sim.be).json()
}

fn status(reply: &Value) -> &str {
    reply["Status"].as_str().unwrap_or_default()
}

fn ok(cluster: &Cluster, op: &str, headers: &[&str], body: &[u8]) -> Value {
    let reply = call(cluster, op, headers, body);
    assert_eq!(status(&reply), "OK", "{op}: {reply}");
    reply
}

const L: [&str; 2] = ["label: l", "table: t"];

#[test]
fn rows_become_visible_with_the_commit_and_not_before() {
    let cluster = cluster(&[]);
    let begun = ok(&cluster, "begin", &L, b"");
    assert!(begun["TxnId"].as_u64().is_some() && begun["Label"] == "l", "{begun}");
    assert_eq!(cluster.state("l"), "PREPARE");
    let loaded = ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
    assert_eq!((loaded["TxnId"].as_u64(), loaded["LoadBytes"].as_u64()), (begun["TxnId"].as_u64(), Some(9)));
    assert!(loaded.get("NumberLoadedRows").is_none(), "{loaded}");
    ok(&cluster, "load", &L, b"2\t\\N\t2\tb\n");
    let prepared = ok(&cluster, "prepare", &L, b"");
    assert_eq!(
        (prepared["NumberTotalRows"].as_u64(), prepared["NumberLoadedRows"].as_u64()),
        (Some(2), Some(2)),
        "{prepared}"
    );
    assert_eq!((cluster.state("l"), cluster.count("t")), ("PREPARED".to_owned(), 0));
    ok(&cluster, "commit", &L[..1], b"");
    assert_eq!((cluster.state("l"), cluster.count("t")), ("VISIBLE".to_owned(), 2));
    // again is fine, back is not
    assert!(ok(&cluster, "commit", &L, b"")["Message"].as_str().unwrap().contains("already committed"));
    let late = call(&cluster, "rollback", &L, b"");
    assert_eq!(status(&late), "FAILED");
    assert!(late["Message"].as_str().unwrap().contains("Can not abort VISIBLE"), "{late}");
    // the label is taken, whoever asks
    assert_eq!(status(&call(&cluster, "begin", &L, b"")), "LABEL_ALREADY_EXISTS");
    assert_eq!(cluster.load("t", &["label: l"], "1\t\\N\t1\ta\n")["Status"], "Label Already Exists");
}

#[test]
fn rows_without_a_last_delimiter_glue_together() {
    let cluster = cluster(&[]);
    ok(&cluster, "begin", &L, b"");
    ok(&cluster, "load", &L, b"1\t\\N\t1\ta");
    ok(&cluster, "load", &L, b"2\t\\N\t2\tb\n3\t\\N\t3\tc");
    // a commit without prepare does both; the last row needs no delimiter
    let reply = call(&cluster, "commit", &L, b"");
    assert_eq!(
        (status(&reply), reply["Message"].as_str()),
        ("INTERNAL_ERROR", Some("too many filtered rows")),
        "{reply}"
    );
    assert!(cluster.error_log(&reply).contains("source value column count: 7"));
    assert_eq!((cluster.state("l"), cluster.count("t")), ("ABORTED".to_owned(), 0));
    ok(&cluster, "begin", &L, b"");
    ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
    ok(&cluster, "load", &L, b"3\t\\N\t3\tc");
    assert_eq!(ok(&cluster, "commit", &L, b"")["NumberLoadedRows"].as_u64(), Some(2));
    assert_eq!(cluster.count("t"), 2);
}

#[test]
fn a_rollback_leaves_nothing() {
    let cluster = cluster(&[]);
    for prepare in [false, true] {
        ok(&cluster, "begin", &L, b"");
        ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
        if prepare {
            ok(&cluster, "prepare", &L, b"");
        }
        ok(&cluster, "rollback", &L, b"");
        assert_eq!((cluster.state("l"), cluster.count("t")), ("ABORTED".to_owned(), 0));
        let late = call(&cluster, "commit", &L, b"");
        assert!(late["Message"].as_str().unwrap().contains("Can not commit ABORTED"), "{late}");
    }
    assert!(ok(&cluster, "rollback", &L, b"")["Message"].as_str().unwrap().contains("already aborted"));
}

#[test]
fn mistakes_have_their_codes() {
    let cluster = cluster(&[]);
    let text = |reply: &Value| reply["Message"].as_str().unwrap_or_default().to_owned();
    // the probe of the official SDK: a server that cannot do it says `Not implemented`
    let probe = call(&cluster, "begin", &[], b"");
    assert_eq!(status(&probe), "FAILED");
    assert!(text(&probe).contains("Empty label."), "{probe}");
    assert!(
        call(&crate::cluster(&["--server-version", "2.3.0"]), "begin", &L, b"")["msg"]
            .as_str()
            .unwrap()
            .contains("Not implemented")
    );
    assert!(text(&call(&cluster, "dance", &L, b"")).contains("Unknown transaction operation"));
    assert!(text(&call(&cluster, "prepare", &L, b"")).contains("no backend"));
    assert!(text(&call(&cluster, "commit", &L, b"")).contains("No transaction found"));
    ok(&cluster, "begin", &L, b"");
    assert_eq!(status(&call(&cluster, "begin", &L, b"")), "LABEL_ALREADY_EXISTS");
    let other = call(&cluster, "load", &["label: l", "table: p"], b"1\n");
    assert_eq!(status(&other), "INVALID_ARGUMENT", "{other}");
    ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
    // other parameters: the transaction is rolled back
    assert_eq!(status(&call(&cluster, "load", &[L[0], L[1], "strict_mode: true"], b"2\n")), "INVALID_ARGUMENT");
    assert_eq!(cluster.state("l"), "ABORTED");
    ok(&cluster, "begin", &L, b"");
    let empty = call(&cluster, "prepare", &L, b"");
    assert!(text(&empty).contains("hasn't send any data yet"), "{empty}");
    // straight to the BE, that has forgotten it
    let gone = http::post(&cluster.sim.be, "/api/transaction/prepare", &[ROOT, "db: d", "label: l"], b"").json();
    assert_eq!((status(&gone), text(&gone).as_str()), ("TXN_NOT_EXISTS", "transaction with label l not exists"));
}

#[test]
fn two_loads_at_once_are_one_too_many() {
    use std::io::{Read, Write};
    use std::time::Duration;
    let cluster = cluster(&[]);
    ok(&cluster, "begin", &L, b"");
    let head = format!(
        "PUT /api/transaction/load HTTP/1.1\r\nHost: x\r\n{ROOT}\r\ndb: d\r\nlabel: l\r\ntable: t\r\nContent-Length: 18\r\n\r\n1\t\\N\t1\ta\n"
    );
    let mut waited = Duration::from_millis(20);
    let (mut stream, reply) = loop {
        let mut stream = std::net::TcpStream::connect(&cluster.sim.be).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(waited);
        let reply = call(&cluster, "prepare", &L, b"");
        if status(&reply) != "INTERNAL_ERROR" {
            break (stream, reply);
        }
        // The half body had not arrived yet: the transaction was empty and is rolled back, and the load is refused. Again.
        stream.read_exact(&mut [0; 1]).unwrap();
        ok(&cluster, "begin", &L, b"");
        waited *= 2;
        assert!(waited < Duration::from_secs(60), "half a body never arrives");
    };
    assert_eq!((status(&reply), reply["Label"].as_str()), ("TXN_IN_PROCESSING", Some("l")), "{reply}");
    assert_eq!(status(&call(&cluster, "load", &L, b"2\t\\N\t1\ta\n")), "TXN_IN_PROCESSING");
    stream.write_all(b"3\t\\N\t1\tb\n").unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(ok(&cluster, "commit", &L, b"")["NumberLoadedRows"].as_u64(), Some(2));
}

#[test]
fn time_limits_roll_back() {
    let cluster = cluster(&[]);
    for (headers, prepare) in [
        (["timeout: 1", "x: y"], false),
        (["idle_transaction_timeout: 1", "x: y"], false),
        (["prepared_timeout: 1", "x: y"], true),
    ] {
        ok(&cluster, "begin", &[&L[..], &headers].concat(), b"");
        ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
        if prepare {
            ok(&cluster, "prepare", &[&L[..], &headers].concat(), b"");
        }
        cluster.wait_for("l", "ABORTED");
        assert_ne!(status(&call(&cluster, "commit", &L, b"")), "OK");
    }
    assert_eq!(cluster.count("t"), 0);
}

#[test]
fn several_tables_from_4_0() {
    let cluster = cluster(&["--server-version", "4.0.2"]);
    let multi = ["label: m", "transaction_type: multi"];
    ok(&cluster, "begin", &multi, b"");
    ok(&cluster, "load", &["label: m", "table: t"], b"1\t\\N\t1\ta\n");
    ok(&cluster, "load", &["label: m", "table: p", "column_separator: ,"], b"1,2,x\n2,3,y\n");
    assert_eq!((cluster.count("t"), cluster.count("p")), (0, 0));
    assert!(call(&cluster, "prepare", &multi, b"")["Message"].as_str().unwrap().contains("Unsupported operation"));
    ok(&cluster, "commit", &multi, b"");
    assert_eq!((cluster.count("t"), cluster.count("p"), cluster.state("m")), (1, 2, "VISIBLE".to_owned()));
    ok(&cluster, "begin", &["label: n", "transaction_type: multi"], b"");
    ok(&cluster, "load", &["label: n", "table: t"], b"1\t\\N\t1\ta\n");
    ok(&cluster, "rollback", &["label: n", "transaction_type: multi"], b"");
    assert_eq!((cluster.count("t"), cluster.state("n")), (1, "ABORTED".to_owned()));
}

#[test]
fn a_commit_whose_reply_is_lost_or_late() {
    let cluster = cluster(&["--fault", "publish-timeout=500ms@1/api/transaction/commit"]);
    ok(&cluster, "begin", &L, b"");
    ok(&cluster, "load", &L, b"1\t\\N\t1\ta\n");
    ok(&cluster, "prepare", &L, b"");
    let late = call(&cluster, "commit", &L, b"");
    assert_eq!(status(&late), "FAILED", "{late}");
    assert_eq!((cluster.state("l"), cluster.count("t")), ("COMMITTED".to_owned(), 0));
    cluster.wait_for("l", "VISIBLE");
    assert_eq!(cluster.count("t"), 1);
}
