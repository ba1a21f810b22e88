//! Every recorded exchange with taosd 3.3.1 and taosAdapter 3.3.2 is sent again: the simulator must give the recorded reply.
//! Durations are masked, and what belongs to the recorded machine (identifiers, creation times).

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use testkit::Sim;

use tungstenite::Message;

use crate::client::{self, Ws, wire};

pub const VERSIONS: [&str; 4] = ["--server-version", "3.3.1.0.alpha", "--adapter-version", "3.3.2.13"];

/// Head and body of a recorded HTTP message.
pub fn split(message: &[u8]) -> (String, &[u8]) {
    let end = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8_lossy(&message[..end]).into_owned(), &message[end..])
}

pub fn dechunk(head: &str, mut body: &[u8]) -> Vec<u8> {
    // One recording was stored without its chunk sizes.
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") || body.starts_with(b"{") {
        return body.to_vec();
    }
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

/// The recorded thousand rows of a sub-table of `test.meters`, as cells `time,current,voltage,phase`.
fn recorded_rows() -> Vec<String> {
    let reply = std::fs::read(wire("rest/limited_1000_restfulRowLimit.resp")).unwrap();
    let (head, body) = split(&reply);
    let reply: Value = serde_json::from_slice(&dechunk(&head, body)).unwrap();
    let row = |r: &Value| format!("{},{},{},{}", r[0].as_str().unwrap(), r[1], r[2], r[3]);
    reply["data"].as_array().unwrap().iter().map(row).collect()
}

/// `test.meters`: tables with these names, groups and places, all with the recorded rows.
fn meters(tables: impl IntoIterator<Item = (String, i32, &'static str)>) -> (testkit::tempfile::TempDir, String) {
    let rows = recorded_rows();
    let mut csv = String::from("ts|time,tb|table,groupid|tag:int,location|tag,current|float,voltage|int,phase|float\n");
    for (name, group, place) in tables {
        for row in &rows {
            let (time, rest) = row.split_once(',').unwrap();
            writeln!(csv, "{time},{name},{group},California.{place},{rest}").unwrap();
        }
    }
    client::file(&csv)
}

fn start(load: &str, more: &[&str]) -> Sim {
    let load = format!("test.meters={load}");
    let setup = wire("setup.sql").to_string_lossy().into_owned();
    let mut args = vec!["--load", &load, "--type", "location=VARCHAR(24)", "--sql", &setup];
    args.extend(VERSIONS);
    args.extend(more);
    Sim::tdengine(args)
}

/// Columns whose values belong to the recorded machine.
fn masked(case: &str) -> &'static [&'static str] {
    match case {
        "ok_select_meters" => &["groupid", "location"],
        "ins_databases" => &["create_time", "ntables"],
        "ins_stables" => &["create_time", "last_update"],
        "show_tables_limit" => &["create_time", "uid"],
        "show_dnodes" => &["endpoint", "create_time", "reboot_time"],
        "show_cluster" => &["id", "name", "uptime", "create_time"],
        "show_users" => &["create_time"],
        _ => &[],
    }
}

fn mask(case: &str, mut reply: Value) -> Value {
    let names: Vec<String> =
        reply["column_meta"].as_array().into_iter().flatten().map(|m| m[0].as_str().unwrap().to_string()).collect();
    let sorted = matches!(case, "show_databases" | "ins_databases" | "ins_stables");
    let Some(rows) = reply["data"].as_array_mut() else { return reply };
    for row in rows.iter_mut().filter_map(Value::as_array_mut) {
        for (name, cell) in names.iter().zip(row) {
            if masked(case).contains(&name.as_str()) {
                *cell = Value::Null;
            }
        }
    }
    if sorted {
        rows.sort_by_key(|row| row.to_string());
    }
    reply
}

/// Sends recorded bytes and returns the whole reply.
pub fn exchange(sim: &Sim, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(&sim.host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

#[test]
fn recorded_rest_exchanges_repeat() {
    // The order of the first tables is the recorded one; a million rows, as recorded.
    let first = [("d125", 7, "SanFrancisco"), ("d0", 2, "SanJose"), ("d375", 3, "SanDiego")]
        .map(|(n, g, p)| (n.to_string(), g, p));
    let others = (1..1000).filter(|n| *n != 125 && *n != 375).map(|n| (format!("d{n}"), n % 10, "Campbell"));
    let (_keep, load) = meters(first.into_iter().chain(others));
    let sim = start(&load, &[]);
    let index = std::fs::read_to_string(wire("rest/index.md")).unwrap();
    let mut checked = 0;
    for case in index.lines().filter_map(|l| l.split('|').nth(1)).map(str::trim) {
        let (Ok(request), Ok(recorded)) =
            (std::fs::read(wire(&format!("rest/{case}.req"))), std::fs::read(wire(&format!("rest/{case}.resp"))))
        else {
            continue;
        };
        let reply = exchange(&sim, &request);
        let ((want_head, want_body), (head, body)) = (split(&recorded), split(&reply));
        match case {
            // INTERVAL and the adapter's metrics are not simulated: the first must be refused, the second be missing.
            "agg_interval" => {
                let refused: Value = serde_json::from_slice(body).unwrap();
                assert_eq!(refused["code"], 9728, "{refused}");
                continue;
            }
            "metrics" => {
                assert!(head.starts_with("HTTP/1.1 404 "));
                continue;
            }
            _ => {}
        }
        assert_eq!(head.lines().next(), want_head.lines().next(), "{case}");
        let header = |head: &str, name: &str| {
            let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with(name));
            line.and_then(|l| l.split_once(": ")).map(|(_, v)| v.trim().to_ascii_lowercase())
        };
        for name in ["content-type", "content-encoding", "transfer-encoding", "vary"] {
            assert_eq!(header(&head, name), header(&want_head, name), "{case}: {name}");
        }
        let (mut want, mut got) = (dechunk(&want_head, want_body), dechunk(&head, body));
        if header(&head, "content-encoding").is_some() {
            for bytes in [&mut want, &mut got] {
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
                *bytes = text;
            }
        }
        match (serde_json::from_slice(&want), serde_json::from_slice(&got)) {
            (Ok(want), Ok(got)) if masked(case).is_empty() && case != "show_databases" => {
                // Byte for byte, so that the order of keys and the form of numbers count too.
                let (_, _): (Value, Value) = (want, got);
                assert_eq!(
                    String::from_utf8_lossy(&want_text(&recorded)),
                    String::from_utf8_lossy(&want_text(&reply)),
                    "{case}"
                );
            }
            (Ok(want), Ok(got)) => assert_eq!(mask(case, got), mask(case, want), "{case}"),
            _ => assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&want), "{case}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 71);
}

/// The body, decompressed.
fn want_text(message: &[u8]) -> Vec<u8> {
    let (head, body) = split(message);
    let body = dechunk(&head, body);
    let mut text = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut text).unwrap();
        return text;
    }
    body
}

#[test]
fn the_recorded_row_limit_cuts_in_silence() {
    let (_keep, load) = meters([("d125".to_string(), 7, "SanFrancisco"), ("d0".into(), 2, "SanJose")]);
    let sim = start(&load, &["--rest-row-limit", "1000"]);
    let reply = client::post(&sim, "select * from test.meters");
    let recorded = std::fs::read(wire("rest/limited_1000_restfulRowLimit.resp")).unwrap();
    assert_eq!(String::from_utf8_lossy(&reply.body), String::from_utf8_lossy(&want_text(&recorded)));
}

/// A recorded or received WebSocket message without what changes from run to run.
pub fn normal(message: &Message) -> String {
    match message {
        Message::Text(text) => {
            let mut json: Value = serde_json::from_str(text).unwrap();
            if let Some(timing) = json.get_mut("timing") {
                *timing = Value::Null;
            }
            if let Some(info) = json.get_mut("info") {
                *info = info.as_str().unwrap().lines().next().unwrap().into();
            }
            json.to_string()
        }
        Message::Binary(bytes) => {
            let mut bytes = bytes.to_vec();
            // The duration comes first, or after the marks of a reply to action 7.
            let at = if bytes.starts_with(&[0xff; 8]) { 18 } else { 0 };
            bytes[at..at + 8].fill(0);
            hex::encode(bytes)
        }
        other => format!("{other:?}"),
    }
}

/// Replays one recorded conversation; the number of messages.
pub fn replay(sim: &Sim, folder: &str, path: &str, skip: &[&str]) -> usize {
    let mut names: Vec<String> =
        std::fs::read_dir(wire(folder)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|n| n.contains(".send."));
    names.sort();
    let mut ws = Ws::open(sim, path);
    let mut checked = 0;
    for name in &names {
        let case = name.split('.').next().unwrap();
        if skip.contains(&case) {
            continue;
        }
        let sent = std::fs::read(wire(&format!("{folder}/{name}"))).unwrap();
        let message = if name.ends_with(".json") {
            Message::text(String::from_utf8(sent).unwrap())
        } else {
            Message::binary(sent)
        };
        ws.0.send(message).unwrap();
        let text = std::fs::read_to_string(wire(&format!("{folder}/{case}.recv.json")));
        if text.as_deref().is_ok_and(|t| t.starts_with("<<TIMEOUT")) {
            ws.0.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let silence = ws.next();
            assert!(matches!(&silence, Err(tungstenite::Error::Io(_))), "{case}: {silence:?}");
            ws.0.get_mut().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        } else {
            let recorded = match text {
                Ok(text) => Message::text(text),
                Err(_) => Message::binary(std::fs::read(wire(&format!("{folder}/{case}.recv.bin"))).unwrap()),
            };
            let received = ws.next().unwrap();
            assert_eq!(normal(&received), normal(&recorded), "{folder}/{case}");
        }
        checked += 1;
    }
    if folder == "ws/v2_ws" {
        // The first block of a result of a million rows, as `select * from test.meters` gave it.
        let reply = ws.query("select * from test.meters");
        let mut request = 61_u64.to_le_bytes().to_vec();
        request.extend_from_slice(&16_u64.to_le_bytes());
        request.extend_from_slice(&7_u64.to_le_bytes());
        request.extend_from_slice(&1_u16.to_le_bytes());
        assert_eq!(reply["id"], 16);
        ws.0.send(Message::binary(request)).unwrap();
        let recorded = Message::binary(std::fs::read(wire("ws/v2_ws/big_first_block.recv.bin")).unwrap());
        assert!(normal(&ws.next().unwrap()) == normal(&recorded), "the big block differs");
    }
    checked
}

#[test]
fn recorded_websocket_exchanges_repeat() {
    let places = [("a", 8, "SanFrancisco"), ("b", 6, "SanDiego"), ("c", 2, "Campbell"), ("d", 1, "SanJose")];
    let (_keep, load) = meters(places.map(|(n, g, p)| (n.to_string(), g, p)));
    let sim = start(&load, &[]);
    client::rows(&sim, "insert into alltypes.ntb values (1700000009000, 9, 'nine')");
    assert_eq!(replay(&sim, "ws/v1_rest_ws", "/rest/ws", &[]), 33);
    // The big query follows by itself.
    let skip = ["82_query_big", "83_free_big"];
    assert_eq!(replay(&sim, "ws/v2_ws", "/ws", &skip), 83);
}

/// The frames of one direction of a recorded WebSocket connection, after the handshake.
pub fn frames(stream: &[u8]) -> Vec<Message> {
    let (_, mut rest) = split(stream);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (opcode, masked) = (rest[0] & 0x0f, rest[1] & 0x80 != 0);
        let (length, mut at) = match rest[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 4),
            length => (usize::from(length), 2),
        };
        let mask: [u8; 4] = if masked { rest[at..at + 4].try_into().unwrap() } else { [0; 4] };
        at += if masked { 4 } else { 0 };
        let payload: Vec<u8> = rest[at..at + length].iter().enumerate().map(|(i, b)| b ^ mask[i % 4]).collect();
        frames.push(match opcode {
            1 => Message::text(String::from_utf8(payload).unwrap()),
            2 => Message::binary(payload),
            8 => Message::Close(None),
            9 => Message::Ping(payload.into()),
            10 => Message::Pong(payload.into()),
            other => panic!("opcode {other}"),
        });
        rest = &rest[at + length..];
    }
    frames
}

/// The simulator with what was written between the other recordings and those of the Python clients: by statements with
/// bound parameters, which are sent again.
fn later() -> (testkit::tempfile::TempDir, Sim) {
    let (keep, load) = meters([("d0".to_string(), 2, "SanJose")]);
    let sim = start(&load, &[]);
    assert_eq!(replay(&sim, "stmt/v2_ws", "/ws", &[]), 16);
    (keep, sim)
}

/// The handshakes of the recorded WebSockets, each with its own key. The Rust client's connection ends there.
#[test]
fn recorded_handshakes_repeat() {
    let (_keep, sim) = later();
    let names = ["rust_taos.c1", "wsquery.c1", "wsquery.c2", "wsstmt.c1", "wsstmt.c2", "wsstmt2.c1", "wssml.c1"];
    for name in names {
        let read = |direction: &str| std::fs::read(wire(&format!("tcp/{name}.{direction}"))).unwrap();
        let (request, recorded) = (split(&read("c2s")).0, split(&read("s2c")).0);
        let mut stream = TcpStream::connect(&sim.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            reply.push(byte[0]);
        }
        let reply = String::from_utf8(reply).unwrap();
        assert_eq!(reply.lines().next(), recorded.lines().next(), "{name}");
        let headers = |head: &str| {
            let lines = head.lines().skip(1).filter_map(|l| l.split_once(": "));
            let mut lines: Vec<_> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())).collect();
            lines.retain(|(name, _)| name != "date");
            lines.sort();
            lines
        };
        assert_eq!(headers(&reply), headers(&recorded), "{name}");
    }
}

/// The requests of taospy, which asks for gzip: even errors are compressed.
#[test]
fn recorded_requests_of_the_python_rest_client_repeat() {
    let (_keep, sim) = later();
    for connection in ["c1", "c2"] {
        let read = |direction: &str| std::fs::read(wire(&format!("tcp/taosrest.{connection}.{direction}"))).unwrap();
        let request = String::from_utf8(read("c2s")).unwrap().replace("keep-alive", "close");
        let (reply, recorded) = (exchange(&sim, request.as_bytes()), read("s2c"));
        assert!(split(&reply).0.contains("content-encoding: gzip"));
        assert_eq!(
            String::from_utf8_lossy(&want_text(&reply)),
            String::from_utf8_lossy(&want_text(&recorded)),
            "{connection}"
        );
    }
}

/// The connections of taos-ws-py as they were seen on the wire, with its ping while a query runs.
#[test]
fn recorded_connections_of_the_python_client_repeat() {
    let (_keep, sim) = later();
    for connection in ["c1", "c2"] {
        let read = |direction: &str| std::fs::read(wire(&format!("tcp/wsquery.{connection}.{direction}"))).unwrap();
        let mut want: Vec<String> = frames(&read("s2c")).iter().filter(|f| !f.is_close()).map(normal).collect();
        let mut ws = Ws::open(&sim, "/ws");
        for frame in frames(&read("c2s")) {
            if !frame.is_close() {
                ws.0.send(frame).unwrap();
            }
        }
        let mut got: Vec<String> = (0..want.len()).map(|_| normal(&ws.0.read().unwrap())).collect();
        // The adapter answered the ping before the query, since it works on several messages at once.
        want.sort();
        got.sort();
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got, want, "{connection}");
        }
    }
}
