//! Every recorded schemaless write is sent again in the recorded order: the simulator must give the recorded verdict, and
//! the queries that read back must give what was stored, byte for byte.

use std::time::Duration;

use serde_json::Value;
use testkit::Sim;
use tungstenite::Message;

use crate::client::{Ws, file, post, wire};
use crate::recorded::{VERSIONS, dechunk, exchange, frames, normal, split};

/// The databases of the recorded server.
const SETUP: &str = "create database sml precision 'ns'\ncreate database sml_ms precision 'ms'\n";

fn start() -> (testkit::tempfile::TempDir, Sim) {
    let (keep, setup) = file(SETUP);
    let sim = Sim::tdengine([&["--sql", setup.as_str()][..], &VERSIONS].concat());
    (keep, sim)
}

/// Replaces what the clock decided: the time of the only row of host `h3`, which was sent without one.
fn without_clock(text: &str) -> String {
    let Some(row) = text.find("\"t_6c00df439003a7ef2c0063e31ce0d1bc\",\"") else { return text.to_string() };
    let at = row + 38;
    assert_eq!(text.as_bytes()[at + 29], b'Z', "nine digits: {text}");
    format!("{}NOW{}", &text[..at], &text[at + 30..])
}

/// A result whose rows have no order of their own: that of the recorded server is by vgroup and by its hash tables.
fn sorted(text: &str) -> String {
    let mut reply: Value = serde_json::from_str(text).unwrap();
    reply["data"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    reply.to_string()
}

#[test]
fn recorded_writes_and_what_they_stored_repeat() {
    let (_keep, sim) = start();
    let index = std::fs::read_to_string(wire("schemaless/index.md")).unwrap();
    let mut checked = 0;
    for case in index.lines().filter_map(|l| l.split('|').nth(1)).map(str::trim) {
        let read = |kind: &str| std::fs::read(wire(&format!("schemaless/{case}.{kind}")));
        let (Ok(request), Ok(recorded)) = (read("req"), read("resp")) else {
            assert!(matches!(case, "file" | "---"), "{case} has no files");
            continue;
        };
        let reply = exchange(&sim, &request);
        let ((want_head, want_body), (head, body)) = (split(&recorded), split(&reply));
        let (want, got) = (dechunk(&want_head, want_body), dechunk(&head, body));
        let (mut want, mut got) = (String::from_utf8(want).unwrap(), String::from_utf8(got).unwrap());
        assert_eq!(head.lines().next(), want_head.lines().next(), "{case}: {got}");
        let headers = |head: &str| {
            let mut lines: Vec<String> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
            lines.retain(|l| !l.is_empty() && !l.starts_with("date: "));
            lines.sort();
            lines
        };
        assert_eq!(headers(&head), headers(&want_head), "{case}");
        match case {
            "readback_cpu" => (want, got) = (without_clock(&want), without_clock(&got)),
            "readback_prec" | "readback_stables" => (want, got) = (sorted(&want), sorted(&got)),
            _ => {}
        }
        assert_eq!(got, want, "{case}");
        checked += 1;
    }
    assert_eq!(checked, 58);
    let now = "select count(*) from sml.cpu where host = 'h3' and _ts > now - 1m and _ts <= now";
    assert_eq!(crate::client::rows(&sim, now), serde_json::json!([[1]]));
}

/// One line of `lines_probe.txt`: the status, the body as the shell's `printf %q` wrote it, the reply.
fn probe(line: &str) -> (u16, String, String) {
    let (status, rest) = line.split_once(' ').unwrap();
    let (quoted, reply) = rest.split_once(" -> ").unwrap();
    let printed = testkit::shell(&format!("printf %s {quoted}")).run().code(0);
    (status.parse().unwrap(), String::from_utf8(printed.stdout).unwrap(), reply.to_string())
}

#[test]
fn probed_lines_get_the_recorded_verdicts() {
    let (_keep, sim) = start();
    let auth = crate::client::AUTH;
    let probes = std::fs::read_to_string(wire("schemaless/lines_probe.txt")).unwrap();
    let mut checked = 0;
    for (status, body, want) in probes.lines().map(probe) {
        let reply = testkit::http::post(&sim.host, "/influxdb/v1/write?db=sml", &[auth], body.as_bytes());
        let got = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!((reply.status, got.as_str()), (status, want.as_str()), "{body:?}");
        checked += 1;
    }
    assert_eq!(checked, 9);
    let stored = post(&sim, "select count(*) from sml.bl");
    assert!(String::from_utf8_lossy(&stored.body).contains("\"data\":[[7]]"), "{:?}", stored.body);
}

/// The connection of taos-ws-py's `schemaless_insert` as it was seen on the wire, with its ping.
#[test]
fn the_recorded_insert_of_the_python_client_repeats() {
    let (_keep, sim) = start();
    let read = |direction: &str| std::fs::read(wire(&format!("tcp/wssml.c1.{direction}"))).unwrap();
    let mut want: Vec<String> = frames(&read("s2c")).iter().map(normal).collect();
    let mut ws = Ws::open(&sim, "/ws");
    for frame in frames(&read("c2s")).into_iter().filter(|f| !f.is_close()) {
        ws.0.send(frame).unwrap();
    }
    ws.0.get_mut().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut got: Vec<String> = (0..want.len()).map(|_| normal(&ws.0.read().unwrap())).collect();
    // The adapter answered the ping before the insert, since it works on several messages at once.
    want.sort();
    got.sort();
    assert_eq!(got, want);
    let stored = post(&sim, "select * from sml.wspy");
    let text = String::from_utf8_lossy(&stored.body);
    assert!(text.contains("\"data\":[[\"2023-11-14T22:13:20.000000001Z\",1,\"a\"]]"), "{text}");
}

#[test]
fn every_protocol_of_the_websocket_says_how_many_rows_it_stored() {
    let (_keep, sim) = start();
    let mut ws = Ws::open(&sim, "/ws");
    let mut ask = |text: &str| -> Value {
        ws.0.send(Message::text(text)).unwrap();
        ws.json()
    };
    let insert = |protocol: u8, data: &str| {
        let args = serde_json::json!({"req_id": 1, "protocol": protocol, "precision": "ms", "data": data, "ttl": 3});
        serde_json::json!({"action": "insert", "args": args}).to_string()
    };
    let code = |reply: Value| (reply["code"].as_u64().unwrap(), reply["message"].as_str().unwrap().to_string());
    assert_eq!(code(ask(&insert(1, "m v=1 1"))), (65535, "server not connected".into()));
    let conn = r#"{"action":"conn","args":{"req_id":1,"user":"root","password":"taosdata"}}"#;
    assert_eq!(ask(conn)["code"], 0);
    assert_eq!(code(ask(&insert(1, "m v=1 1"))), (0x2616, "Database not specified".into()));
    assert_eq!(ask(r#"{"action":"query","args":{"req_id":2,"sql":"use sml"}}"#)["code"], 0);
    assert_eq!(code(ask(&insert(0, "m v=1"))), (65535, "schemaless write protocol is null".into()));
    assert_eq!(code(ask(&insert(4, "m v=1"))), (0x3000, "protocol invalidate".into()));
    let counts = |reply: Value| (reply["affected_rows"].as_u64(), reply["total_rows"].as_u64());
    // Two points of one table and time are one row.
    let lines = "m,t=a v=1 1700000000000\nm,t=a w=2 1700000000000\nm,t=b v=3 1700000000000";
    assert_eq!(counts(ask(&insert(1, lines))), (Some(2), Some(3)));
    assert_eq!(counts(ask(&insert(2, "tel 1700000000 4 t=a\ntel 1700000001 5 t=a"))), (Some(2), Some(2)));
    let json = r#"[{"metric":"js","timestamp":1700000000,"value":true,"tags":{"t":"a"}}]"#;
    assert_eq!(counts(ask(&insert(3, json))), (Some(1), Some(1)));
    let rows = |sql: &str| crate::client::rows(&sim, sql);
    assert_eq!(rows("select v, w, t from sml.m order by t"), serde_json::json!([[1, 2, "a"], [3, null, "b"]]));
    assert_eq!(rows("select _value, t from sml.tel"), serde_json::json!([[4, "a"], [5, "a"]]));
    assert_eq!(rows("select _value, t from sml.js"), serde_json::json!([[true, "a"]]));
    let ttl = "select distinct ttl from information_schema.ins_tables where db_name = 'sml'";
    assert_eq!(rows(ttl), serde_json::json!([[3]]));
}
