//! Recorded writes are sent again: statements with bound parameters, raw blocks, replayed messages of a subscription. The
//! replies must be the recorded ones, and what is stored afterwards what was bound.

use serde_json::{Value, json};
use testkit::Sim;
use tungstenite::Message;

use crate::client::{self, Ws, wire};
use crate::recorded::{VERSIONS, frames, normal, replay};

/// The simulator with what was there before the first recording, and these statements.
fn start(more: &[&str]) -> Sim {
    let setup = wire("setup.sql").to_string_lossy().into_owned();
    let sim = Sim::tdengine(["--sql", &setup].into_iter().chain(VERSIONS));
    for sql in more {
        client::rows(&sim, sql);
    }
    sim
}

/// The block of a recorded reply to `fetch_block`.
fn recorded_block(path: &str) -> Vec<u8> {
    std::fs::read(wire(path)).unwrap()[16..].to_vec()
}

/// The only block of a query, by text messages.
fn block_of(sim: &Sim, sql: &str) -> Vec<u8> {
    let mut ws = Ws::connected(sim);
    let id = ws.query(sql)["id"].clone();
    ws.ask(json!({"action": "fetch", "args": {"req_id": 3, "id": id}}));
    let request = json!({"action": "fetch_block", "args": {"req_id": 4, "id": id}});
    ws.0.send(Message::text(request.to_string())).unwrap();
    ws.next().unwrap().into_data()[16..].to_vec()
}

#[test]
fn a_recorded_statement_with_parameters_in_json_stores_them() {
    let sim = start(&[]);
    assert_eq!(replay(&sim, "stmt/v2_ws", "/ws", &[]), 16);
    let row = |row: &str| serde_json::from_str::<Value>(row).unwrap();
    let columns = "ts,c_bool,c_ti,c_si,c_i,c_bi,c_uti,c_usi,c_ui,c_ubi,c_f,c_d,c_bin,c_nch,c_vb,c_geo,c_ts";
    assert_eq!(
        client::rows(&sim, &format!("select {columns} from alltypes.stmt_ct1")),
        row(
            r#"[["2023-11-14T22:15:00.000Z",true,1,2,3,4,5,7,9,11,1.5,2.5,"bin","中文","ff00",null,"2023-11-14T22:15:00.000Z"],
            ["2023-11-14T22:15:00.001Z",null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null],
            ["2023-11-14T22:15:00.002Z",false,-1,-2,-3,-4,6,8,10,12,-1.5,-2.5,"","😀","",null,"1970-01-01T00:00:00.000Z"]]"#
        )
    );
    let tags = "t_bool,t_ti,t_si,t_i,t_bi,t_uti,t_usi,t_ui,t_ubi,t_f,t_d,t_bin,t_nch,t_vb,t_geo,t_ts";
    assert_eq!(
        client::rows(&sim, &format!("select tags {tags} from alltypes.st where tbname = 'stmt_ct1'")),
        row(r#"[[true,1,2,3,4,5,6,7,8,1.5,2.5,"tagbin","标签","98f46e",null,"2023-11-14T22:13:20.000Z"]]"#)
    );
}

#[test]
fn a_recorded_statement_with_a_block_of_parameters_stores_it() {
    let sim = start(&["create database wraw", "create table wraw.ntb (ts timestamp, v int, b varchar(10))"]);
    assert_eq!(replay(&sim, "stmt/v2_ws_binary", "/ws", &[]), 7);
    // The rows had been read from another table: the same block comes back.
    assert_eq!(block_of(&sim, "select * from wraw.ntb"), recorded_block("ws/v2_ws/18_fetch_block_ntb.recv.bin"));
}

#[test]
fn recorded_raw_blocks_are_stored() {
    let sim = start(&[
        "create database wraw",
        "create table wraw.ntb (ts timestamp, v int, b varchar(10))",
        // What the recorded server's other table was like is not recorded; its columns are not in the block's order.
        "create table wraw.ntb2 (ts timestamp, b varchar(10), x double, v int)",
        "create database wraw2",
    ]);
    assert_eq!(replay_from(&sim, |case| case < "20"), 5);
    let block = recorded_block("ws/v2_ws/18_fetch_block_ntb.recv.bin");
    assert_eq!(block_of(&sim, "select * from wraw.ntb"), block);
    assert_eq!(block_of(&sim, "select ts, v, b from wraw.ntb2"), block);
    assert_eq!(client::rows(&sim, "select count(x) from wraw.ntb2"), json!([[0]]));
}

/// Replays the exchanges of `v2_write_raw` whose names `part` accepts, over one connection.
fn replay_from(sim: &Sim, part: impl Fn(&str) -> bool) -> usize {
    let names = std::fs::read_dir(wire("ws/v2_write_raw")).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    let skip: Vec<String> =
        names.filter(|n| n.contains(".send.")).map(|n| n.split('.').next().unwrap().to_string()).collect();
    let skip: Vec<&str> = skip.iter().map(String::as_str).filter(|n| !part(n)).collect();
    replay(sim, "ws/v2_write_raw", "/ws", &skip)
}

#[test]
fn recorded_messages_of_a_subscription_are_replayed_into_another_database() {
    let sim = start(&["create database wraw2"]);
    // The message with the altered super table is the first that knows `extra`.
    assert_eq!(replay_from(&sim, |case| case == "21_conn_wraw2" || ("22".."32").contains(&case)), 11);
    let stamp = |ms: u32| format!("2023-11-14T22:13:20.{ms:03}Z");
    for (table, name) in ["c0", "c1", "c2", "c3"].iter().enumerate() {
        let mut expected = Vec::new();
        for row in 0..9_u32 {
            let (round, step) = (row / 3, row % 3);
            // As the blocks have them: 0.1 more a row, 1 a round and a table; the name is 名0, NULL, 名2.
            let current = (f64::from(table as u32 + round) + f64::from(step) / 10.0) * 10.0;
            let current = serde_json::from_str::<Value>(&format!("{}", current.round() / 10.0)).unwrap();
            expected.push(json!([stamp(round * 10 + step), current, table as u32 * 100 + round]));
        }
        let mut got = client::rows(&sim, &format!("select ts, current, voltage from wraw2.{name}"));
        for row in got.as_array_mut().unwrap() {
            // 0.0 and 0 are the same here, 1.0 and 1 too.
            row[1] = serde_json::from_str(&format!("{}", row[1].as_f64().unwrap())).unwrap();
        }
        assert_eq!(got, Value::from(expected), "{name}");
        assert_eq!(
            client::rows(&sim, &format!("select name, count(*) from wraw2.{name} group by name order by name")),
            json!([[null, 3], ["名0", 3], ["名2", 3]])
        );
    }
    let tags = "select tags tbname, groupid, location from wraw2.m order by tbname";
    assert_eq!(
        client::rows(&sim, tags),
        json!([["c0", 0, "loc0"], ["c1", 1, "loc1"], ["c2", 2, "loc2"], ["c3", 3, "loc3"]])
    );
    // A new column, an ordinary table, rows that make their own table, a tag, a deletion, a dropped table.
    assert_eq!(replay_from(&sim, |case| case == "21_conn_wraw2" || case >= "32"), 8);
    assert_eq!(
        client::rows(&sim, "select tbname, * from wraw2.m where extra is not null order by tbname"),
        json!([
            ["auto1", "2023-11-14T22:13:22.000Z", 1, 2, "y", 4.5, 9, "auto"],
            ["c0", "2023-11-14T22:13:21.000Z", 1, 2, "x", 3.25, 0, "loc0"]
        ])
    );
    assert_eq!(
        client::rows(&sim, tags),
        json!([["auto1", 9, "auto"], ["c0", 0, "loc0"], ["c1", 77, "loc1"], ["c2", 2, "loc2"], ["c3", 3, "loc3"]])
    );
    assert_eq!(client::rows(&sim, "select first(ts), count(*) from wraw2.c3"), json!([[stamp(10), 6]]));
    assert_eq!(client::rest(&sim, "select * from wraw2.n1")["code"], 9826);
}

/// The recorded connections of taos-ws-py that write.
#[test]
fn recorded_statements_of_the_python_client_repeat() {
    let sim = start(&[]);
    let before = client::rows(&sim, "select * from alltypes.ntb");
    let mut checked = 0;
    for connection in ["wsstmt.c1", "wsstmt.c2", "wsstmt2.c1"] {
        let read = |direction: &str| std::fs::read(wire(&format!("tcp/{connection}.{direction}"))).unwrap();
        let is_data = |f: &Message| f.is_text() || f.is_binary();
        let mut want = frames(&read("s2c")).into_iter().filter(is_data);
        let mut ws = Ws::open(&sim, "/ws");
        for frame in frames(&read("c2s")).into_iter().filter(is_data) {
            let silent = frame.to_text().is_ok_and(|text| text.contains("free_result"));
            ws.0.send(frame).unwrap();
            if !silent {
                assert_eq!(normal(&ws.next().unwrap()), normal(&want.next().unwrap()), "{connection}");
                checked += 1;
            }
        }
        assert!(want.next().is_none(), "{connection}: more was recorded");
    }
    assert_eq!(checked, 17);
    let mut after = before.as_array().unwrap().clone();
    after.extend(
        [("00", json!(1), json!("a")), ("01", Value::Null, Value::Null), ("02", json!(3), json!(""))]
            .map(|(ms, v, b)| json!([format!("2023-11-14T22:13:50.0{ms}Z"), v, b])),
    );
    assert_eq!(client::rows(&sim, "select * from alltypes.ntb"), Value::from(after));
}

/// Sends a binary message of this action; the code and words of the answer.
fn binary(ws: &mut Ws, action: u64, body: &[u8]) -> (u64, String) {
    let mut message = 9_u64.to_le_bytes().to_vec();
    message.extend_from_slice(&0_u64.to_le_bytes());
    message.extend_from_slice(&action.to_le_bytes());
    message.extend_from_slice(body);
    ws.0.send(Message::binary(message)).unwrap();
    let reply = ws.json();
    assert_eq!(reply["req_id"], 9);
    (reply["code"].as_u64().unwrap(), reply["message"].as_str().unwrap().to_string())
}

#[test]
fn raw_writes_that_cannot_be_done_change_nothing() {
    let sim = start(&["create database wraw", "create table wraw.ntb (ts timestamp, v int, b varchar(3))"]);
    let sent = |name: &str| std::fs::read(wire(&format!("ws/v2_write_raw/{name}.send.bin"))).unwrap()[24..].to_vec();
    let (block, message) = (sent("02_write_raw_block"), sent("22_write_raw_mt531"));
    let mut ws = Ws::open(&sim, "/ws");
    for action in 3..6 {
        assert_eq!(binary(&mut ws, action, &block), (0xffff, "server not connected".into()));
    }
    let mut ws = Ws::connected(&sim);
    assert_eq!(binary(&mut ws, 4, &block), (0x2616, "Database not specified".into()));
    assert_eq!(binary(&mut ws, 3, &message), (0x2616, "Database not specified".into()));
    assert_eq!(ws.query("use wraw")["code"], 0);
    let invalid = (0x0118, "Invalid parameters".to_string());
    // A text of four bytes does not fit; a cut block, no names, a cut message, a message of no type.
    assert_eq!(binary(&mut ws, 4, &block), invalid);
    assert_eq!(binary(&mut ws, 4, &block[..block.len() - 9]), invalid);
    assert_eq!(binary(&mut ws, 5, &block), invalid);
    assert_eq!(binary(&mut ws, 3, &message[..message.len() - 9]), invalid);
    assert_eq!(binary(&mut ws, 3, &[&message[..4], &[1, 0], &message[6..]].concat()), invalid);
    // Rows of a table that the messages did not make.
    assert_eq!(binary(&mut ws, 3, &sent("26_write_raw_mt2")), (0x2603, "Table does not exist".into()));
    assert_eq!(client::rows(&sim, "select count(*) from wraw.ntb"), json!([[0]]));
    assert_eq!(client::rows(&sim, "show wraw.stables"), json!([]));
}
