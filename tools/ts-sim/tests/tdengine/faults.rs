//! Every fault of the TDengine simulator, as a client meets it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Sim;

use crate::client::{AUTH, Ws, file, post, rest, rows};

/// `db.t`: 1000 rows; blocks of 100.
fn sim(faults: &[&str]) -> Sim {
    let mut csv = String::from("ts|time,v|int\n");
    for i in 0..1000 {
        csv.push_str(&format!("2023-11-14T22:13:20.{i:03}Z,{i}\n"));
    }
    let (_keep, path) = file(&csv);
    let mut args = vec!["--load".to_string(), format!("db.t={path}"), "--block-rows".into(), "100".into()];
    for fault in faults {
        args.extend(["--fault".into(), (*fault).to_string()]);
    }
    Sim::tdengine(args)
}

const ALL: &str = "select * from db.t";

/// The raw reply to a statement, up to the end of the connection, however it ends.
fn raw(sim: &Sim, sql: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(&sim.host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = sql.len();
    let request = format!(
        "POST /rest/sql HTTP/1.1\r\nHost: x\r\n{AUTH}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{sql}"
    );
    // A reset may come while this is still being sent.
    let _ = stream.write_all(request.as_bytes());
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    reply
}

#[test]
fn statuses_and_codes_hit_the_chosen_query() {
    let sim = sim(&["status=503:retry-after=7@2", "code=0x0216@3", "queue-full@4"]);
    assert_eq!(rest(&sim, ALL)["rows"], 1000);
    let busy = String::from_utf8(raw(&sim, ALL)).unwrap();
    assert!(busy.starts_with("HTTP/1.1 503 ") && busy.contains("retry-after: 7\r\n"), "{busy}");
    assert!(busy.ends_with("\"query memory exceeds threshold\""), "a bare JSON string: {busy}");
    assert_eq!(rest(&sim, ALL), json!({"code": 0x0216, "desc": "failure on purpose"}));
    assert_eq!(post(&sim, ALL).status, 503);
    assert_eq!(rest(&sim, ALL)["rows"], 1000);
}

#[test]
fn a_truncated_rest_result_looks_whole() {
    let sim = sim(&["truncate-rest=10@1"]);
    let reply = rest(&sim, ALL);
    assert_eq!((&reply["code"], &reply["rows"], reply["data"].as_array().unwrap().len()), (&json!(0), &json!(10), 10));
    assert_eq!(rest(&sim, ALL)["rows"], 1000);
}

#[test]
fn a_cut_body_and_a_lost_reply_end_the_connection() {
    let sim = sim(&["cut-body@1", "lost-reply@2", "reset-upload@4", "no-reply@5"]);
    let cut = String::from_utf8(raw(&sim, ALL)).unwrap();
    assert!(cut.starts_with("HTTP/1.1 200 ") && cut.contains("\"data\":[[") && !cut.contains("\"rows\":"), "{cut}");
    assert_eq!(raw(&sim, "insert into db.t values (now, 1)"), b"");
    assert_eq!(
        rows(&sim, "select count(*) from db.t"),
        json!([[1001]]),
        "the lost reply was one of a statement that was done"
    );
    assert_eq!(raw(&sim, "insert into db.t values (now, 2)"), b"");
    let mut silent = TcpStream::connect(&sim.host).unwrap();
    silent.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    write!(silent, "POST /rest/sql HTTP/1.1\r\nHost: x\r\n{AUTH}\r\nContent-Length: 8\r\n\r\nselect 1").unwrap();
    let kind = silent.read(&mut [0; 1]).map_err(|e| e.kind());
    assert!(matches!(kind, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)), "{kind:?}");
    assert_eq!(rows(&sim, "select count(*) from db.t"), json!([[1001]]), "the reset one was not done");
}

#[test]
fn delays_and_slow_replies_take_their_time() {
    let sim = sim(&["delay=300ms@1", "slow-read=40kB/s@2", "delay=300ms@3"]);
    let timed = |work: &dyn Fn()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    assert!(timed(&|| assert_eq!(rest(&sim, ALL)["rows"], 1000)) >= Duration::from_millis(300));
    assert!(timed(&|| assert_eq!(rest(&sim, ALL)["rows"], 1000)) >= Duration::from_millis(500));
    let mut ws = Ws::connected(&sim);
    let start = Instant::now();
    assert_eq!(ws.query(ALL)["code"], 0);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_block_can_be_cut_in_the_middle() {
    let sim = sim(&["cut-block@3"]);
    let mut ws = Ws::connected(&sim);
    let id = ws.query(ALL)["id"].as_u64().unwrap();
    assert_eq!(ws.fetch(id).unwrap().0, 0);
    assert_eq!(ws.fetch(id).unwrap().0, 0);
    assert!(ws.fetch(id).is_err());
    let mut again = Ws::connected(&sim);
    let id = again.query(ALL)["id"].as_u64().unwrap();
    assert_eq!(again.drain(id), [100; 10]);
}

#[test]
fn an_error_in_the_middle_of_a_result_frees_it() {
    let sim = sim(&["ws-error=0x022D@3"]);
    let mut ws = Ws::connected(&sim);
    let id = ws.query(ALL)["id"].as_u64().unwrap();
    let codes: Vec<u32> = (0..4).map(|_| ws.fetch(id).unwrap().0).collect();
    assert_eq!(codes, [0, 0, 0x022D, 0xffff]);
    // The older fetch says it in text.
    let sim = self::sim(&["ws-error=0x022D@1"]);
    let mut ws = Ws::connected(&sim);
    let id = ws.query(ALL)["id"].as_u64().unwrap();
    ws.ask(json!({"action": "fetch", "args": {"req_id": 5, "id": id}}));
    let failed = ws.ask(json!({"action": "fetch_block", "args": {"req_id": 6, "id": id}}));
    assert_eq!(
        (&failed["code"], &failed["action"], &failed["req_id"]),
        (&json!(0x022D), &json!("fetch_block"), &json!(6))
    );
}

#[test]
fn a_websocket_can_close_fall_silent_or_refuse() {
    let sim = sim(&["close-ws@1", "no-reply@2", "code=0x0362@3", "status=503@4", "lost-reply@5"]);
    let mut ws = Ws::connected(&sim);
    ws.0.send(tungstenite::Message::text(r#"{"action":"query","args":{"req_id":2,"sql":"select 1"}}"#)).unwrap();
    assert!(ws.next().is_err());
    let mut ws = Ws::connected(&sim);
    ws.0.send(tungstenite::Message::text(r#"{"action":"query","args":{"req_id":2,"sql":"select 1"}}"#)).unwrap();
    ws.0.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(matches!(ws.next(), Err(tungstenite::Error::Io(_))));
    ws.0.get_mut().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(ws.query(ALL)["code"], 0x0362);
    assert_eq!(ws.query(ALL)["code"], 0xfffe);
    ws.0.send(tungstenite::Message::text(
        r#"{"action":"query","args":{"req_id":2,"sql":"insert into db.t values (now, 1)"}}"#,
    ))
    .unwrap();
    assert!(ws.next().is_err());
    assert_eq!(rows(&sim, "select count(*) from db.t"), json!([[1001]]));
}

#[test]
fn blocks_have_faults_of_their_own_by_their_path() {
    let sim = sim(&["no-reply@2/ws/fetch", "close-ws@3/ws/fetch"]);
    let mut ws = Ws::connected(&sim);
    let id = ws.query(ALL)["id"].as_u64().unwrap();
    assert_eq!(ws.fetch(id).unwrap().0, 0);
    ws.0.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(ws.fetch(id).is_err());
    ws.0.get_mut().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let end = ws.fetch(id).unwrap_err();
    assert!(
        !matches!(&end, tungstenite::Error::Io(e) if e.kind() == std::io::ErrorKind::WouldBlock),
        "closed, not silent: {end}"
    );
}

#[test]
fn a_restart_ends_every_connection_and_keeps_the_data() {
    let sim = sim(&["restart@2"]);
    let (mut reader, mut other) = (Ws::connected(&sim), Ws::connected(&sim));
    let id = reader.query(ALL)["id"].as_u64().unwrap();
    assert_eq!(reader.fetch(id).unwrap().0, 0);
    other.0.send(tungstenite::Message::text(r#"{"action":"query","args":{"req_id":2,"sql":"select 1"}}"#)).unwrap();
    assert!(other.next().is_err());
    assert!(reader.fetch(id).is_err());
    let mut again = Ws::connected(&sim);
    assert_eq!(again.fetch(id).unwrap().0, 0xffff, "handles are lost");
    assert_eq!(rows(&sim, "select count(*) from db.t"), json!([[1000]]));
}

#[test]
fn requests_are_logged() {
    let sim = sim(&["code=0x0216@1"]);
    post(&sim, ALL);
    let mut ws = Ws::connected(&sim);
    ws.query("selectt");
    let log: Vec<(Value, Value, Value)> =
        sim.requests().iter().map(|r| (r["method"].clone(), r["path"].clone(), r["status"].clone())).collect();
    let expected = [("POST", "/rest/sql", 200), ("GET", "/ws", 101), ("WS", "/ws/conn", 0), ("WS", "/ws/query", 9728)];
    assert_eq!(log, expected.map(|(m, p, s)| (json!(m), json!(p), json!(s))));
}
