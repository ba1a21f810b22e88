//! Every recorded subscription to taosd 3.3.1 behind taosAdapter 3.3.2 is held again: the simulator must give the recorded replies.
//! Durations are masked, and what belongs to the recorded machine: numbers of vgroups, identifiers, times of creation. Which
//! vgroup a poll hears of first is free on the real server, so the messages of each vgroup are compared in their own order.

use std::time::Duration;

use serde_json::Value;
use testkit::Sim;
use tungstenite::Message;

use crate::client::{Ws, wire};
use crate::recorded::frames;

fn start() -> Sim {
    let setup = wire("tmq_setup.sql").to_string_lossy().into_owned();
    Sim::tdengine(["--sql", &setup, "--server-version", "3.3.1.0.alpha", "--adapter-version", "3.3.2.13"])
}

/// A recorded request and its reply; none where the recorder waited in vain.
struct Pair {
    name: String,
    sent: Value,
    reply: Option<Message>,
}

/// The pairs of a folder in the order in which they were sent.
fn pairs(folder: &str) -> Vec<Pair> {
    let index = std::fs::read_to_string(wire(&format!("tmq/{folder}/index.md"))).unwrap();
    let file = |name: &str| wire(&format!("tmq/{folder}/{name}"));
    let pair = |line: &str| {
        let mut names = line.split("**").skip(1).step_by(2);
        let (send, receive) = (names.next().unwrap(), names.next().unwrap());
        let sent = serde_json::from_slice(&std::fs::read(file(send)).unwrap()).unwrap();
        let bytes = std::fs::read(file(receive)).unwrap();
        let reply = match receive.ends_with(".bin") {
            true => Some(Message::binary(bytes)),
            false => Some(Message::text(String::from_utf8(bytes).unwrap())),
        };
        let reply = reply.filter(|r| !r.to_text().is_ok_and(|t| t.starts_with("<<TIMEOUT")));
        Pair { name: format!("{folder}/{send}"), sent, reply }
    };
    index.lines().map(pair).collect()
}

/// The recorded vgroups 16 and 17 are 2 and 3 here.
const VGROUPS: [(u64, u64); 2] = [(16, 2), (17, 3)];

/// Puts this server's vgroups in the place of the recorded ones, wherever they are named.
fn translate(json: &mut Value) {
    match json {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                if key == "vgroup_id" {
                    let own = VGROUPS.iter().find(|(recorded, _)| value.as_u64() == Some(*recorded));
                    *value = own.map_or_else(|| value.clone(), |(_, own)| (*own).into());
                } else {
                    translate(value);
                }
            }
        }
        Value::Array(array) => array.iter_mut().for_each(translate),
        _ => {}
    }
}

fn json(message: &Message) -> Value {
    let mut json: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    if let Some(timing) = json.get_mut("timing") {
        *timing = Value::Null;
    }
    json
}

/// Where a recorded payload has values of the recorded machine: its super table, its tables, its times in 2026.
fn of_the_machine(bytes: &[u8]) -> Vec<usize> {
    let is = |at: &usize| {
        let word = &bytes[*at..*at + 8];
        word == [0x83, 0xcc, 0x55, 0x65, 0xcd, 0x11, 0xc8, 0x37]
            || word[1..] == [0x0b, 0x70, 0x20, 0xe0, 0x1f, 0xc7, 0x2c]
            || word[2..] == [0x02, 0xfe, 0xa1, 0x01, 0, 0]
    };
    (0..bytes.len().saturating_sub(7)).filter(is).collect()
}

/// Entries of the recorded logs before any consumer came: what lies behind them are consumers that were there before.
const CHANGES: [(u32, i64); 2] = [(16, 13), (17, 16)];

/// Compares two binary replies; `id` is the number of the message in the reply.
fn same_bytes(name: &str, id: u64, got: &[u8], want: &[u8]) {
    assert_eq!(got.len(), want.len(), "{name}: {}\n{}", hex::encode(got), hex::encode(want));
    let (mut got, mut want) = (got.to_vec(), want.to_vec());
    let new = want.starts_with(&[0xff; 8]);
    let (timing, message, body) = match (new, name.contains("fetch_raw")) {
        (true, _) => (18, 42, Some(56)),
        (false, true) => (0, 16, Some(38)),
        (false, false) => (0, 16, None),
    };
    assert_eq!(u64::from_le_bytes(got[message..message + 8].try_into().unwrap()), id, "{name}");
    let mut masked: Vec<usize> = [timing, message].into_iter().flat_map(|at| at..at + 8).collect();
    if let Some(body) = body {
        if want[body] == 100 {
            // Rows: their last offset is where the log ended.
            let at = body + 15;
            let end = i64::from_le_bytes(want[at..at + 8].try_into().unwrap());
            if CHANGES.iter().any(|(_, changes)| end > *changes) {
                masked.extend(at..at + 8);
            }
        } else {
            // A request: the vgroup.
            let vgroup = u64::from(want[body + 4]);
            assert!(VGROUPS.contains(&(vgroup, u64::from(got[body + 4]))), "{name}");
            masked.push(body + 4);
        }
        masked.extend(of_the_machine(&want[body..]).into_iter().flat_map(|at| body + at..body + at + 8));
    }
    for at in masked {
        (got[at], want[at]) = (0, 0);
    }
    assert_eq!(hex::encode(got), hex::encode(want), "{name}");
}

fn send(ws: &mut Ws, request: &Value) {
    ws.0.send(Message::text(request.to_string())).unwrap();
}

fn is_message(pair: &Pair) -> bool {
    pair.sent["action"] == "poll" && pair.reply.as_ref().is_some_and(|r| json(r)["have_message"] == true)
}

/// Sends one request and compares the reply.
fn exchange(ws: &mut Ws, pair: &Pair) {
    let mut request = pair.sent.clone();
    translate(&mut request);
    send(ws, &request);
    let Some(reply) = &pair.reply else {
        ws.0.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let silence = ws.next();
        assert!(matches!(&silence, Err(tungstenite::Error::Io(_))), "{}: {silence:?}", pair.name);
        ws.0.get_mut().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        return;
    };
    let mut want = json(reply);
    translate(&mut want);
    assert_eq!(json(&ws.next().unwrap()).to_string(), want.to_string(), "{}", pair.name);
}

/// Messages that came one after the other: each is a poll, and what was fetched of it.
fn messages(ws: &mut Ws, run: &[Vec<Pair>]) {
    let mut open: Vec<&Vec<Pair>> = run.iter().collect();
    for message in run {
        send(ws, &message[0].sent);
        let got = json(&ws.next().unwrap());
        let vgroup = got["vgroup_id"].clone();
        let of_vgroup = |message: &&Vec<Pair>| {
            let mut reply = json(message[0].reply.as_ref().unwrap());
            translate(&mut reply);
            reply["vgroup_id"] == vgroup
        };
        let at = open.iter().position(of_vgroup).unwrap_or_else(|| panic!("{}: {got}", message[0].name));
        let recorded = open.remove(at);
        let mut want = json(recorded[0].reply.as_ref().unwrap());
        translate(&mut want);
        want["message_id"] = got["message_id"].clone();
        want["req_id"] = got["req_id"].clone();
        assert_eq!(got.to_string(), want.to_string(), "{}", recorded[0].name);
        for pair in &recorded[1..] {
            let mut request = pair.sent.clone();
            request["args"]["message_id"] = got["message_id"].clone();
            send(ws, &request);
            match (ws.next().unwrap(), pair.reply.as_ref().unwrap()) {
                (Message::Binary(received), Message::Binary(recorded)) => {
                    same_bytes(&pair.name, got["message_id"].as_u64().unwrap(), &received, recorded);
                }
                (received, recorded) => {
                    let mut want = json(recorded);
                    want["message_id"] = got["message_id"].clone();
                    assert_eq!(json(&received).to_string(), want.to_string(), "{}", pair.name);
                }
            }
        }
    }
}

/// Holds one recorded conversation again; the number of its pairs.
fn replay(folder: &str) -> usize {
    hold(pairs(folder))
}

fn hold(pairs: Vec<Pair>) -> usize {
    let sim = start();
    let mut ws = Ws::open(&sim, "/rest/tmq");
    let count = pairs.len();
    let mut run: Vec<Vec<Pair>> = Vec::new();
    for pair in pairs {
        let number = |message: &[Pair]| json(message[0].reply.as_ref().unwrap())["message_id"].clone();
        let of_last = pair.sent["action"].as_str().unwrap().starts_with("fetch")
            && run.last().is_some_and(|message| number(message) == pair.sent["args"]["message_id"]);
        if is_message(&pair) {
            run.push(vec![pair]);
        } else if of_last {
            run.last_mut().unwrap().push(pair);
        } else {
            messages(&mut ws, &std::mem::take(&mut run));
            exchange(&mut ws, &pair);
        }
    }
    messages(&mut ws, &run);
    count
}

#[test]
fn recorded_errors_repeat() {
    assert_eq!(replay("errors"), 16);
}

#[test]
fn a_recorded_subscription_to_a_query_repeats() {
    assert_eq!([replay("topic_query_block"), replay("topic_query_raw"), replay("topic_query_rawdata")], [64, 10, 10]);
}

#[test]
fn recorded_subscriptions_to_a_database_and_a_super_table_repeat() {
    assert_eq!([replay("topic_db_block"), replay("topic_stb_block")], [38, 38]);
}

#[test]
fn recorded_subscriptions_with_schemas_repeat() {
    let folders = [
        "topic_dbmeta_block",
        "topic_dbmeta_raw",
        "topic_dbmeta_rawdata",
        "topic_dbmeta_snapshot",
        "topic_dbmeta_batchmeta",
    ];
    assert_eq!(folders.map(replay), [69, 40, 40, 34, 6]);
}

/// taos-ws-py 0.7.0 as a consumer, as it was seen on the wire.
#[test]
fn the_recorded_consumer_of_the_python_client_repeats() {
    let read = |direction: &str| frames(&std::fs::read(wire(&format!("tcp/wstmq.c1.{direction}"))).unwrap());
    let is_data = |frame: &Message| frame.is_text() || frame.is_binary();
    let sent: Vec<Message> = read("c2s").into_iter().filter(is_data).collect();
    let replies: Vec<Message> = read("s2c").into_iter().filter(is_data).collect();
    assert_eq!((sent.len(), replies.len()), (40, 40));
    let pair = |(at, (sent, mut reply)): (usize, (Message, Message))| {
        let sent: Value = serde_json::from_str(sent.to_text().unwrap()).unwrap();
        if sent["action"] == "assignment" {
            // The recorded logs had grown by the consumers before.
            let mut json = json(&reply);
            for (at, (_, changes)) in CHANGES.iter().enumerate() {
                json["assignment"][at]["end"] = (changes + 1).into();
            }
            reply = Message::text(json.to_string());
        }
        Pair { name: format!("wstmq {at} {}", sent["action"]), sent, reply: Some(reply) }
    };
    assert_eq!(hold(sent.into_iter().zip(replies).enumerate().map(pair).collect()), 40);
}
