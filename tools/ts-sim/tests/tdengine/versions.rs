//! What differs between versions: 2.x, old and new fetch, shared tags, tokens, NaN.

use serde_json::{Value, json};
use testkit::Sim;
use tungstenite::Message;

use crate::client::{AUTH, Ws, file, post, rest};

const CSV: &str = "ts|time,tb|table,place|tag,v|int,x|double,s|string\n\
    2023-11-14T22:13:20.001Z,a,north,1,0.1,hello\n\
    2023-11-14T22:13:20.002Z,a,north,,,\n\
    2023-11-14T22:13:20.001Z,b,south,-5,1e300,\"\"\n";

fn sim(version: &str, more: &[&str]) -> Sim {
    let (_keep, path) = file(CSV);
    let load = format!("db.m={path}");
    let args = ["--load", &load, "--type", "s=NCHAR(6)", "--server-version", version];
    Sim::tdengine(args.iter().chain(more))
}

#[test]
fn version_2_has_its_own_json() {
    let sim = sim("2.6.0.0", &[]);
    let expected = json!({
        "status": "succ",
        "head": ["ts", "v", "x", "s", "place"],
        "column_meta": [["ts", 9, 8], ["v", 4, 4], ["x", 7, 8], ["s", 10, 6], ["place", 8, 16]],
        "data": [["2023-11-14 22:13:20.001", 1, 0.1, "hello", "north"]],
        "rows": 1
    });
    assert_eq!(rest(&sim, "select * from db.m limit 1"), expected);
    let other = |path: &str| {
        let reply = testkit::http::post(&sim.host, path, &[AUTH], b"select ts from db.b");
        serde_json::from_slice::<Value>(&reply.body).unwrap()["data"].clone()
    };
    assert_eq!(other("/rest/sqlt"), json!([[1_700_000_000_001_i64]]));
    assert_eq!(other("/rest/sqlutc/db"), json!([["2023-11-14T22:13:20.001+0000"]]));
    assert_eq!(rest(&sim, "select * from db.nosuch")["status"], "error");
    assert_eq!(rest(&sim, "select * from information_schema.ins_tables")["status"], "error");
    assert_eq!(rest(&sim, "select tbname, place from db.m")["data"], json!([["a", "north"], ["b", "south"]]));
    let databases = rest(&sim, "show databases");
    let at = databases["head"].as_array().unwrap().iter().position(|h| h == "precision").unwrap();
    assert_eq!((&databases["data"][0][0], &databases["data"][0][at]), (&json!("db"), &json!("ms")));
    assert_eq!(rest(&sim, "show db.stables")["data"][0][0], "m");
    assert_eq!(rest(&sim, "show db.tables")["data"][1][3], "m");
    assert_eq!(rest(&sim, "describe db.m")["data"][4], json!(["place", "BINARY", 16, "TAG"]));
    assert_eq!(rest(&sim, "select server_version()")["data"], json!([["2.6.0.0"]]));
}

#[test]
fn version_2_cuts_at_10240_rows() {
    let mut csv = String::from("ts|time,v|int\n");
    for i in 0..11_000 {
        csv.push_str(&format!("2023-11-14T22:13:{:02}.{:03}Z,{i}\n", 20 + i / 1000, i % 1000));
    }
    let (_keep, path) = file(&csv);
    let sim = Sim::tdengine(["--load", &format!("db.t={path}"), "--server-version", "2.6.0.0"]);
    let reply = rest(&sim, "select * from db.t");
    assert_eq!((&reply["status"], &reply["rows"]), (&json!("succ"), &json!(10_240)));
    assert_eq!(rest(&sim, "select count(*) from db.t")["data"], json!([[11_000]]));
}

#[test]
fn version_2_has_blocks_of_slots() {
    let sim = sim("2.6.0.0", &[]);
    let mut ws = Ws::open(&sim, "/rest/ws");
    assert_eq!(ws.ask(json!({"action": "version"}))["version"], "2.6.0.0");
    ws.ask(json!({"action": "conn", "args": {"req_id": 1, "user": "root", "password": "taosdata", "db": "db"}}));
    let id = ws.query("select ts, v, s from a")["id"].as_u64().unwrap();
    let fetched = ws.ask(json!({"action": "fetch", "args": {"req_id": 2, "id": id}}));
    assert_eq!((&fetched["rows"], &fetched["lengths"]), (&json!(2), &json!([8, 4, 26])));
    ws.0.send(Message::text(json!({"action": "fetch_block", "args": {"req_id": 3, "id": id}}).to_string())).unwrap();
    let block = ws.next().unwrap().into_data();
    assert_eq!(block.len(), 8 + 2 * (8 + 4 + 26));
    assert_eq!(block[..8], id.to_le_bytes());
    assert_eq!(block[24..32], [1, 0, 0, 0, 0, 0, 0, 0x80], "the second is NULL");
    assert_eq!(block[32..39], *b"\x05\x00hello");
    assert_eq!(block[58..64], [4, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(testkit::http::get(&sim.host, "/ws", &[]).status, 404);
}

#[test]
fn binary_messages_need_3_3_2() {
    let old = sim("3.3.1.0", &[]);
    let mut ws = Ws::connected(&old);
    let id = ws.query("select * from db.a")["id"].as_u64().unwrap();
    let mut request = 3_u64.to_le_bytes().to_vec();
    request.extend_from_slice(&id.to_le_bytes());
    request.extend_from_slice(&7_u64.to_le_bytes());
    request.extend_from_slice(&1_u16.to_le_bytes());
    ws.0.send(Message::binary(request)).unwrap();
    assert_eq!(ws.json()["message"], "unknown action unknown");
    assert_eq!(
        ws.ask(json!({"action": "fetch", "args": {"req_id": 2, "id": id}}))["rows"],
        2,
        "the result is still there"
    );

    let new = sim("3.3.6.0", &[]);
    let mut ws = Ws::connected(&new);
    let reply = ws.query("select * from db.m");
    assert_eq!((&reply["fields_precisions"][0], &reply["fields_scales"][0]), (&json!(0), &json!(0)));
    assert_eq!(ws.drain(reply["id"].as_u64().unwrap()), [3]);
}

#[test]
fn several_results_and_sessions_live_side_by_side() {
    let sim = sim("3.3.6.0", &["--block-rows", "1"]);
    let (mut one, mut two) = (Ws::connected(&sim), Ws::connected(&sim));
    let first = one.query("select * from db.a")["id"].as_u64().unwrap();
    let second = one.query("select * from db.m")["id"].as_u64().unwrap();
    assert_ne!(first, second);
    assert_eq!(two.query("select * from db.b")["id"], 1, "handles belong to a session");
    assert!(!one.fetch(first).unwrap().1);
    assert_eq!(one.drain(second), [1, 1, 1]);
    assert_eq!(one.drain(first), [1]);
    assert_eq!(one.fetch(first).unwrap().0, 0xffff, "the end frees the handle");
    one.query("use db");
    assert_eq!(one.ask(json!({"action": "get_current_db", "args": {"req_id": 9}}))["db"], "db");
    assert_eq!(two.query("select * from a")["code"], 9750, "USE belongs to a session");
    assert_eq!(two.ask(json!({"action": "check_server_status", "args": {"req_id": 9}}))["status"], 2);
}

#[test]
fn a_result_shows_one_moment() {
    let sim = sim("3.3.6.0", &["--block-rows", "1"]);
    let mut ws = Ws::connected(&sim);
    let id = ws.query("select * from db.m")["id"].as_u64().unwrap();
    post(&sim, "insert into db.a values (now, 1, 1, 'x')");
    post(&sim, "drop table db.b");
    assert_eq!(ws.drain(id).len(), 3);
    assert_eq!(rest(&sim, "select count(*) from db.m")["data"], json!([[3]]));
}

#[test]
fn tokens_work_where_the_version_knows_them() {
    let sim = sim("3.4.0.0", &["--token", "secret"]);
    let status = |path: &str, headers: &[&str]| testkit::http::post(&sim.host, path, headers, b"select 1").status;
    assert_eq!(status("/rest/sql", &["Authorization: Bearer secret"]), 200);
    assert_eq!(status("/rest/sql", &["Authorization: Bearer wrong"]), 401);
    assert_eq!(status("/rest/sql?token=secret", &[]), 200);
    assert_eq!(status("/rest/sql?token=wrong", &[]), 401);
    let mut ws = Ws::open(&sim, "/ws");
    let reply = ws.ask(json!({"action": "conn", "args": {"req_id": 1, "bearer_token": "secret"}}));
    assert_eq!((&reply["code"], &reply["version"]), (&json!(0), &json!("3.4.0.0")));
}

#[test]
fn nan_ends_the_json_of_older_versions() {
    let csv =
        "ts|time,x|double\n2023-11-14T22:13:20.001Z,1\n2023-11-14T22:13:20.002Z,NaN\n2023-11-14T22:13:20.003Z,inf\n";
    let (_keep, path) = file(csv);
    let load = format!("db.t={path}");
    let old = Sim::tdengine(["--load", &load, "--server-version", "3.3.6.0"]);
    let reply = post(&old, "select x from db.t");
    assert_eq!(String::from_utf8_lossy(&reply.body), r#"{"code":0,"column_meta":[["x","DOUBLE",8]],"data":[[1],["#);
    let new = Sim::tdengine(["--load", &load, "--server-version", "3.3.8.4"]);
    assert_eq!(rest(&new, "select x from db.t")["data"], json!([[1], [null], [null]]));
}

#[test]
fn the_server_pings_and_drops_the_silent() {
    let sim = sim("3.3.6.0", &["--ws-ping", "1"]);
    let mut ws = Ws::connected(&sim);
    assert!(matches!(ws.0.read(), Ok(Message::Ping(_))));
}

#[test]
fn odd_messages_do_not_end_a_session() {
    let sim = sim("3.3.6.0", &[]);
    let mut ws = Ws::connected(&sim);
    let texts = [
        "",
        "[]",
        "{",
        "{}",
        r#"{"action":7}"#,
        r#"{"action":"query"}"#,
        r#"{"action":"query","args":{"req_id":"x","sql":5}}"#,
        r#"{"action":"query","args":[]}"#,
        r#"{"action":"fetch","args":{"id":-1}}"#,
        r#"{"action":"fetch_block","args":{"id":1e30}}"#,
        r#"{"action":"num_fields","args":null}"#,
        r#"{"action":"conn","args":{"user":{}}}"#,
    ];
    for text in texts {
        ws.0.send(Message::text(text)).unwrap();
        assert_ne!(ws.json()["code"], 0, "{text}");
    }
    for length in 0..60_u8 {
        for action in [6_u8, 7, 0xff] {
            let mut bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            bytes.iter_mut().skip(16).take(8).for_each(|b| *b = 0);
            bytes.iter_mut().skip(16).take(1).for_each(|b| *b = action);
            ws.0.send(Message::binary(bytes)).unwrap();
            assert!(ws.next().is_ok(), "{length} {action}");
        }
    }
    assert_eq!(ws.query("select 1")["code"], 0);
}
