//! Subscriptions beyond the recordings: groups, offsets, waiting, every type, faults.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Sim;
use tungstenite::Message;

use crate::client::{self, Ws, wire};

/// A consumer on `/rest/tmq`.
struct Consumer(Ws);

/// One message: its poll, and the rows of its blocks as (table, block).
struct Received {
    poll: Value,
    blocks: Vec<(Value, Vec<u8>)>,
    meta: Value,
}

impl Received {
    fn rows(&self) -> u64 {
        self.blocks.iter().map(|(head, _)| head["rows"].as_u64().unwrap()).sum()
    }
}

impl Consumer {
    fn ask(&mut self, action: &str, args: Value) -> Value {
        let mut args = args;
        args["req_id"] = 7.into();
        self.0.ask(json!({"action": action, "args": args}))
    }

    fn subscribe(sim: &Sim, topic: &str, group: &str, more: Value) -> Consumer {
        let mut consumer = Consumer(Ws::open(sim, "/rest/tmq"));
        let mut args = json!({"user": "root", "password": "taosdata", "group_id": group, "topics": [topic], "offset_reset": "earliest"});
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = consumer.ask("subscribe", args);
        assert_eq!(reply["code"], 0, "{reply}");
        consumer
    }

    fn poll(&mut self, milliseconds: u64) -> Option<Received> {
        let poll = self.ask("poll", json!({"blocking_time": milliseconds}));
        assert_eq!(poll["code"], 0, "{poll}");
        if poll["have_message"] == false {
            return None;
        }
        let id = json!({"message_id": poll["message_id"]});
        let kind = poll["message_type"].as_u64().unwrap();
        let meta = if kind == 1 { Value::Null } else { self.ask("fetch_json_meta", id.clone())["data"].clone() };
        let mut blocks = Vec::new();
        // A message of metas only has no rows to fetch.
        let mut more = kind != 2;
        while more {
            let head = self.ask("fetch", id.clone());
            assert_eq!(head["code"], 0, "{head}");
            more = head["completed"] == false;
            if !more {
                break;
            }
            let request = json!({"action": "fetch_block", "args": {"req_id": 8, "message_id": poll["message_id"]}});
            self.0.0.send(Message::text(request.to_string())).unwrap();
            blocks.push((head, self.0.next().unwrap().into_data()[24..].to_vec()));
        }
        Some(Received { poll, blocks, meta })
    }

    /// Everything until a poll is empty.
    fn all(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.poll(0)).collect()
    }

    fn rows(&mut self) -> u64 {
        self.all().iter().map(Received::rows).sum()
    }
}

fn run(sim: &Sim, statements: &[&str]) {
    for sql in statements {
        client::rows(sim, sql);
    }
}

/// Database `d` with the super table `m`, whose children `a` and `b` are in different vgroups, and a topic `t` on it.
fn meters() -> Sim {
    let sim = Sim::tdengine([] as [&str; 0]);
    run(
        &sim,
        &[
            "create database d keep 36500d",
            "create stable d.m (ts timestamp, v int, s nchar(8)) tags (g int, p varchar(9))",
            "create topic t with meta as stable d.m",
            "create topic q as select tbname, * from d.m where v > 1",
            "create table d.a using d.m tags (1, 'x') d.b using d.m tags (2, null)",
            "insert into d.a values (1, 1, 'eins') (2, 2, 'zwei') d.b values (1, 3, null)",
        ],
    );
    let vgroups =
        client::rows(&sim, "select distinct vgroup_id from information_schema.ins_tables where db_name = 'd'");
    assert_eq!(vgroups.as_array().unwrap().len(), 2);
    sim
}

#[test]
fn the_members_of_a_group_share_the_vgroups_and_groups_do_not() {
    let sim = meters();
    let mut first = Consumer::subscribe(&sim, "q", "g", json!({}));
    let mut second = Consumer::subscribe(&sim, "q", "g", json!({}));
    let mut other = Consumer::subscribe(&sim, "q", "h", json!({}));
    let (one, two) = (first.rows(), second.rows());
    assert_eq!((one, two, other.rows()), (1, 1, 2));
    // What a member that leaves has not committed, the one that stays gets.
    drop(second);
    let start = Instant::now();
    while first.poll(200).is_none() {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(client::rest(&sim, "drop topic q")["code"], 0x03EB);
}

#[test]
fn a_group_goes_on_behind_what_it_committed() {
    let sim = meters();
    let mut consumer = Consumer::subscribe(&sim, "q", "g", json!({}));
    assert_eq!(consumer.rows(), 2);
    assert_eq!(consumer.ask("commit", json!({"message_id": 1}))["code"], 0);
    run(&sim, &["insert into d.b values (9, 9, 'neun') (10, 0, 'no')"]);
    drop(consumer);
    assert_eq!(Consumer::subscribe(&sim, "q", "g", json!({})).rows(), 1);
    // Not committed: once more. With automatic commits the second poll commits the first message.
    let automatic = json!({"auto_commit": "true", "auto_commit_interval_ms": "0"});
    assert_eq!(Consumer::subscribe(&sim, "q", "g", automatic).rows(), 1);
    assert_eq!(Consumer::subscribe(&sim, "q", "g", json!({})).rows(), 0);
    let mut late = Consumer::subscribe(&sim, "q", "late", json!({"offset_reset": "latest"}));
    assert_eq!(late.rows(), 0);
    run(&sim, &["insert into d.a values (20, 20, 'x')"]);
    assert_eq!(late.rows(), 1);
    assert_eq!(Consumer::subscribe(&sim, "q", "none", json!({"offset_reset": "none"})).rows(), 0);
}

#[test]
fn seeking_goes_back_and_offsets_are_checked() {
    let sim = meters();
    let mut consumer = Consumer::subscribe(&sim, "q", "g", json!({}));
    let assigned = consumer.ask("assignment", json!({"topic": "q"}))["assignment"].clone();
    let vgroups: Vec<u64> = assigned.as_array().unwrap().iter().map(|a| a["vgroup_id"].as_u64().unwrap()).collect();
    assert_eq!(vgroups.len(), 2);
    assert_eq!(consumer.rows(), 2);
    let pairs = json!({"topic_vgroup_ids": [{"topic": "q", "vgroup_id": vgroups[0]}]});
    assert_eq!(consumer.ask("committed", pairs.clone())["committed"], json!([-2_147_467_247_i64]));
    assert_eq!(consumer.ask("position", pairs)["position"], json!([assigned[0]["end"]]));
    for vgroup in &vgroups {
        assert_eq!(consumer.ask("seek", json!({"topic": "q", "vgroup_id": vgroup, "offset": 0}))["code"], 0);
    }
    assert_eq!(consumer.rows(), 2);
    // Before the first poll or assignment nothing is known of a vgroup.
    let mut fresh = Consumer::subscribe(&sim, "q", "h", json!({}));
    let reply = fresh.ask("seek", json!({"topic": "q", "vgroup_id": vgroups[0], "offset": 0}));
    assert_eq!(
        (reply["code"].as_u64(), reply["message"].as_str()),
        (Some(0x4010), Some("Assignment or poll interface need to be called first"))
    );
    let mut snapshot = Consumer::subscribe(&sim, "q", "s", json!({"snapshot_enable": "true"}));
    assert_eq!(snapshot.ask("assignment", json!({"topic": "q"}))["code"], 0x4006);
    assert_eq!(snapshot.rows(), 2);
}

#[test]
fn a_poll_waits_for_rows() {
    let sim = meters();
    let mut consumer = Consumer::subscribe(&sim, "q", "g", json!({"offset_reset": "latest"}));
    let start = Instant::now();
    assert!(consumer.poll(300).is_none());
    assert!(start.elapsed() >= Duration::from_millis(300));
    let host = sim.host.clone();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        testkit::http::post(&host, "/rest/sql", &[client::AUTH], b"insert into d.a values (30, 30, 'late')")
    });
    assert_eq!(consumer.poll(15_000).unwrap().rows(), 1);
    assert_eq!(writer.join().unwrap().status, 200);
    assert!(start.elapsed() < Duration::from_secs(14));
}

#[test]
fn changes_of_schemas_arrive_in_order_with_the_rows_as_they_were_written() {
    let sim = meters();
    run(
        &sim,
        &[
            "alter table d.m add column extra double",
            "alter stable d.m modify column s nchar(20)",
            "insert into d.a (ts, extra) values (3, 1.5)",
            "alter table d.m drop column v",
            "alter table d.m add tag w bool",
            "alter table d.m rename tag p place",
            "alter table d.a set tag place = 'y'",
            "delete from d.m where ts <= 1",
            "drop table d.b",
            "insert into d.n using d.m tags (3, 'z', true) values (1, 'n', 2)",
        ],
    );
    let mut consumer = Consumer::subscribe(&sim, "t", "g", json!({}));
    let vgroup =
        client::rows(&sim, "select vgroup_id from information_schema.ins_tables where table_name = 'a'")[0][0].clone();
    let received = consumer.all();
    let of_a: Vec<&Received> = received.iter().filter(|r| r.poll["vgroup_id"] == vgroup).collect();
    let told: Vec<String> = of_a
        .iter()
        .map(|r| match &r.meta {
            Value::Null => format!("{} rows", r.rows()),
            meta => format!("{} {} {}", meta["type"].as_str().unwrap(), meta["alterType"], meta["colName"]),
        })
        .filter(|t| !t.contains(" null \"n\""))
        .collect();
    let want = [
        "create null null",
        "create null null",
        "2 rows",
        "alter 5 \"extra\"",
        "alter 7 \"s\"",
        "1 rows",
        "alter 6 \"v\"",
        "alter 1 \"w\"",
        "alter 3 \"p\"",
        "alter 4 \"place\"",
        "delete null null",
    ];
    assert_eq!(told[..want.len()], want);
    // The rows that were there before keep the columns of then, the partial one has only what was given.
    assert_eq!(of_a[2].blocks[0].0["fields_names"], json!(["ts", "v", "s"]));
    assert_eq!(of_a[5].blocks[0].0["fields_names"], json!(["ts", "extra"]));
    assert_eq!(of_a[10].meta["sql"], "delete from `m` where `ts` >= 1 and `ts` <= 1");
    let created = received.iter().find(|r| r.poll["message_type"] == 3).unwrap();
    assert_eq!((created.rows(), &created.meta["tableName"]), (1, &json!("n")));
    assert_eq!(created.meta["tags"][2], json!({"name": "w", "type": 1, "value": 1}));
    let rows = client::rows(&sim, "select * from d.m order by ts");
    assert_eq!(rows[0], json!(["1970-01-01T00:00:00.001Z", "n", 2, 3, "z", true]));
}

/// What was there before the first topic is read from the tables; what comes later as it was written.
#[test]
fn loaded_rows_and_every_kind_of_write_reach_a_topic() {
    let mut csv = String::from("ts|time,tbname|table,site|tag,v|double\n");
    for row in 0..9000 {
        csv.push_str(&format!(
            "2024-01-01T0{}:{:02}:{:02}.000Z,d{},s,{row}\n",
            row / 3600,
            row / 60 % 60,
            row % 60,
            row % 3
        ));
    }
    let (_keep, path) = client::file(&csv);
    let sim = Sim::tdengine(["--load", &format!("d.m={path}")]);
    run(
        &sim,
        &["insert into d.d0 values ('2024-01-01T00:00:00.000Z', -1)", "create topic t as stable d.m where site = 's'"],
    );
    let mut consumer = Consumer::subscribe(&sim, "t", "g", json!({}));
    let messages = consumer.all();
    assert!(messages.iter().all(|m| m.rows() <= 4096 + 1000), "a message is about 4096 rows");
    // The row that was written again comes twice, both times as it is now.
    assert_eq!(messages.iter().map(Received::rows).sum::<u64>(), 9001);
    run(&sim, &["create topic q as select ts, v from d.m where ts < '2024-01-01T02:00:00.000Z'"]);
    assert_eq!(Consumer::subscribe(&sim, "q", "g", json!({})).rows(), 7201);
    run(
        &sim,
        &[
            "insert into d.d0 values ('2024-01-01T00:00:00.000Z', -2)",
            "insert into d.d0 values ('2024-01-01T00:00:00.000Z', -3)",
        ],
    );
    let values: Vec<f64> = consumer
        .all()
        .iter()
        .flat_map(|m| &m.blocks)
        .map(|(_, block)| f64::from_le_bytes(block[block.len() - 9..block.len() - 1].try_into().unwrap()))
        .collect();
    assert_eq!(values, [-2.0, -3.0]);
    run(&sim, &["insert into d.e using d.m tags ('other') values ('2024-01-01T00:00:00.000Z', 1)"]);
    assert_eq!(consumer.rows(), 0);
}

/// Both forms of raw messages, replayed into another server by its `/ws`, make the same tables there.
#[test]
fn raw_messages_replayed_elsewhere_make_the_same_tables() {
    let setup = wire("setup.sql").to_string_lossy().into_owned();
    let sim = Sim::tdengine([] as [&str; 0]);
    let copy = Sim::tdengine([] as [&str; 0]);
    let statements = std::fs::read_to_string(setup).unwrap();
    run(&sim, &["create database alltypes keep 36500d", "create topic t with meta as database alltypes"]);
    run(&copy, &["create database alltypes keep 36500d"]);
    let own = |s: &&str| s.contains("alltypes.") && !s.contains("CREATE DATABASE") && !s.contains("alltypes.stj");
    for sql in statements.lines().filter(own) {
        client::rows(&sim, sql);
    }
    let mut consumer = Consumer::subscribe(&sim, "t", "g", json!({}));
    let mut writer = Ws::open(&copy, "/ws");
    let conn =
        json!({"action": "conn", "args": {"req_id": 1, "user": "root", "password": "taosdata", "db": "alltypes"}});
    assert_eq!(writer.ask(conn)["code"], 0);
    let mut messages = 0;
    loop {
        let poll = consumer.ask("poll", json!({"blocking_time": 0}));
        if poll["have_message"] == false {
            break;
        }
        messages += 1;
        let ask = |action: &str, consumer: &mut Consumer| {
            let request = json!({"action": action, "args": {"req_id": 9, "message_id": poll["message_id"]}});
            consumer.0.0.send(Message::text(request.to_string())).unwrap();
            consumer.0.next().unwrap().into_data()
        };
        let (old, new) = (ask("fetch_raw", &mut consumer), ask("fetch_raw_data", &mut consumer));
        // length, type, body; type, length, body
        assert_eq!((&old[32..36], &old[36..38], &old[38..]), (&new[52..56], &new[50..52], &new[56..]));
        let head = [9_u64, 0, 3].into_iter().flat_map(u64::to_le_bytes);
        let replay: Vec<u8> = head.chain(old[32..].iter().copied()).collect();
        writer.0.send(Message::binary(replay)).unwrap();
        let reply = writer.json();
        assert_eq!(reply["code"], 0, "message {messages}: {reply}");
    }
    assert!(messages > 4);
    for table in ["st", "ntb"] {
        let sql = format!("select * from alltypes.{table} order by ts");
        let wanted = client::rows(&sim, &sql);
        assert!(!wanted.as_array().unwrap().is_empty());
        assert_eq!(client::rows(&copy, &sql), wanted, "{table}");
        let sql = format!("describe alltypes.{table}");
        assert_eq!(client::rows(&copy, &sql), client::rows(&sim, &sql), "{table}");
    }
}

#[test]
fn newer_adapters_send_a_message_until_it_is_named() {
    let sim = meters();
    let mut consumer = Consumer::subscribe(&sim, "q", "g", json!({}));
    let poll = |consumer: &mut Consumer, id: u64| consumer.ask("poll", json!({"blocking_time": 0, "message_id": id}));
    assert_eq!(poll(&mut consumer, 0)["message_id"], 1);
    assert_eq!(poll(&mut consumer, 0)["message_id"], 1);
    assert_eq!(poll(&mut consumer, 1)["message_id"], 2);
    assert_eq!(poll(&mut consumer, 2)["have_message"], false);
}

#[test]
fn topics_are_statements_like_any_other() {
    let sim = meters();
    for (sql, code) in [
        ("create topic t as database d", 0x03E0),
        ("create topic if not exists t as database d", 0),
        ("create topic x as database nosuch", 0x0388),
        ("create topic x as stable d.nosuch", 0x2662),
        ("create topic x as select nosuch from d.m", 0x2602),
        ("create topic x as select count(*) from d.m", 0x03E4),
        ("create topic x as select ts from d.m order by ts", 0x03E4),
        ("create topic x with meta as select ts from d.m", 0x2600),
        ("create topic o only meta as database d", 0),
        ("drop topic x", 0x03E1),
        ("drop topic if exists x", 0),
        ("drop database d", 0x03ED),
        ("alter table d.m add column v int", 0x036B),
        ("alter table d.m drop column ts", 0x2648),
        ("alter table d.m modify column s nchar(2)", 0x2649),
        ("alter table d.nosuch add column x int", 0x2603),
    ] {
        assert_eq!(client::rest(&sim, sql)["code"], code, "{sql}");
    }
    assert_eq!(client::rows(&sim, "show topics"), json!([["t"], ["q"], ["o"]]));
    let catalog =
        client::rows(&sim, "select topic_name, meta, type, sql from information_schema.ins_topics where db_name = 'd'");
    assert_eq!(catalog[0], json!(["t", "yes", "stable", "create topic t with meta as stable d.m"]));
    assert_eq!(catalog[1][2], "column");
    let mut only = Consumer::subscribe(&sim, "o", "g", json!({}));
    assert_eq!(only.all().iter().filter(|m| m.poll["message_type"] != 2).count(), 0);
    assert_eq!(client::rest(&sim, "drop topic o")["code"], 0x03EB);
    assert_eq!(client::rest(&sim, "drop topic force o")["code"], 0);
    assert!(only.poll(0).is_none());
}

#[test]
fn polls_and_blocks_have_their_faults() {
    let rules = ["code=0x3e6@2/rest/tmq", "ws-error=0x22d@1", "close-ws@4/rest/tmq"];
    let sim = Sim::tdengine(rules.iter().flat_map(|rule| ["--fault", rule]));
    run(
        &sim,
        &[
            "create database d keep 36500d",
            "create table d.n (ts timestamp, v int)",
            "create topic t as database d",
            "insert into d.n values (1, 1)",
        ],
    );
    let mut consumer = Consumer::subscribe(&sim, "t", "g", json!({}));
    let poll = json!({"blocking_time": 0});
    assert_eq!(consumer.ask("poll", poll.clone())["message_id"], 1);
    assert_eq!(consumer.ask("fetch", json!({"message_id": 1}))["rows"], 1);
    assert_eq!(consumer.ask("fetch_block", json!({"message_id": 1}))["code"], 0x22d);
    assert_eq!(consumer.ask("poll", poll.clone())["code"], 0x3e6);
    assert_eq!(consumer.ask("poll", poll.clone())["have_message"], false);
    consumer.0.0.send(Message::text(json!({"action": "poll", "args": poll}).to_string())).unwrap();
    assert!(consumer.0.next().is_err());
}
