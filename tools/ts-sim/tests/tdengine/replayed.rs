//! What a database does arrives in another one through a subscription with raw messages: the way in which databases are kept
//! alike with TDengine's own means. One part writes the messages and another reads them; neither knows the other's code.

use serde_json::{Value, json};
use testkit::Sim;
use tungstenite::Message;

use crate::client::{self, Ws};

/// Hands every raw message of a topic on to the database `dst`; how many there were.
fn carry_over(sim: &Sim, topic: &str) -> usize {
    let mut consumer = Ws::open(sim, "/rest/tmq");
    let subscription = json!({"req_id": 1, "user": "root", "password": "taosdata", "group_id": "g", "client_id": "c",
        "topics": [topic], "auto_commit": "false", "offset_reset": "earliest", "with_table_name": "true"});
    assert_eq!(consumer.ask(json!({"action": "subscribe", "args": subscription}))["code"], 0);
    let mut writer = Ws::open(sim, "/ws");
    let login = json!({"req_id": 1, "user": "root", "password": "taosdata", "db": "dst"});
    assert_eq!(writer.ask(json!({"action": "conn", "args": login}))["code"], 0);
    let (mut carried, mut idle) = (0, 0);
    while idle < 2 {
        let polled = consumer.ask(json!({"action": "poll", "args": {"req_id": 2, "blocking_time": 100}}));
        assert_eq!(polled["code"], 0, "{polled}");
        if polled["have_message"] != true {
            idle += 1;
            continue;
        }
        let fetch = json!({"action": "fetch_raw", "args": {"req_id": 3, "message_id": polled["message_id"]}});
        consumer.0.send(Message::text(fetch.to_string())).unwrap();
        let raw = consumer.next().unwrap();
        assert!(raw.is_binary(), "{raw:?}");
        // Behind the duration a reply has the form of the request that replays it.
        writer.0.send(Message::binary(raw.into_data().split_off(8))).unwrap();
        let written = writer.json();
        assert_eq!(written["code"], 0, "{polled}: {written}");
        carried += 1;
    }
    carried
}

const SOURCE: &[&str] = &[
    "create database src vgroups 1 keep 36500",
    "create database dst keep 36500",
    "create topic changes with meta as database src",
    r"create stable src.s (ts timestamp, b bool, ti tinyint, si smallint, i int, bi bigint, uti tinyint unsigned, usi smallint unsigned,
        ui int unsigned, ubi bigint unsigned, f float, d double, v varchar(16), n nchar(16), vb varbinary(16), g geometry(64), t timestamp)
        tags (tb bool, ti2 int, tv varchar(16), tn nchar(300), tvb varbinary(16), tt timestamp)",
    r"create table src.one using src.s tags (true, -5, 'tag', '标签😀', '\xff00', 1)",
    r"create table src.two using src.s (tn) tags (NULL)",
    r"create table src.wide using src.s (ti2, tn) tags (1, 'a text of more than sixty-four characters, so that what follows it needs wide offsets')",
    r"insert into src.one values
        (1700000000000, true, 127, 32767, 2147483647, 9223372036854775807, 255, 65535, 4294967295, 18446744073709551615, 0.1, 1e300, 'a', '中😀', '\x00ff', 'POINT(1 2)', 5)
        (1700000000001, false, -128, -32768, -2147483648, -9223372036854775808, 0, 0, 0, 0, -0.5, -1e-300, '', '', '', NULL, -5)
        (1700000000002, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "insert into src.two (ts, i) values (1700000000000, 1) (1700000000001, 2) (1700000000002, 3) src.one (ts, v) values (1700000000000, 'new')",
    r"insert into src.auto using src.s (ti2, tv) tags (9, 'auto') (ts, n) values (1700000000009, 'made by rows')",
    "create table src.plain (ts timestamp, k int primary key, v varchar(8))",
    "insert into src.plain values (1700000000000, 1, 'x') (1700000000000, 2, 'y')",
    "alter table src.s add column extra double",
    "alter table src.s modify column v varchar(32)",
    "alter table src.s add tag added int",
    "alter table src.one set tag ti2 = 77",
    "alter table src.one set tag tn = NULL",
    "insert into src.one (ts, v, extra) values (1700000000003, 'longer than it was before', 2.5)",
    "delete from src.two where ts < 1700000000002",
    "create table src.gone (ts timestamp, v int)",
    "drop table src.gone",
];

#[test]
fn a_database_follows_another_by_its_raw_messages() {
    let sim = Sim::tdengine(["--server-version", "3.3.6.0"]);
    for sql in SOURCE {
        client::rows(&sim, &sql.replace('\n', " "));
    }
    assert!(carry_over(&sim, "changes") > 10);
    let both = |sql: &str| ["src", "dst"].map(|database| client::rows(&sim, &sql.replace("DB", database)));
    for (sql, least) in [
        ("select tbname, * from DB.s order by tbname, ts", 6),
        ("select tags tbname, tb, ti2, tv, tn, tvb, tt, added from DB.s order by tbname", 4),
        ("select * from DB.plain order by ts", 2),
        ("describe DB.s", 24),
        ("describe DB.plain", 3),
        ("show DB.tables", 5),
    ] {
        let [mut source, mut target] = both(sql);
        if sql.starts_with("show") {
            for rows in [&mut source, &mut target] {
                rows.as_array_mut().unwrap().sort_by_key(Value::to_string);
            }
        }
        assert!(source.as_array().unwrap().len() >= least, "{sql}: {source}");
        assert_eq!(target, source, "{sql}");
    }
}
