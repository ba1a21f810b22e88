//! Schemaless writes beyond the recordings: accounts, parameters, faults, tables that exist already.

use serde_json::json;
use testkit::Sim;
use testkit::http::Reply;

use crate::client::{AUTH, Ws, file, rows};

const WRITE: &str = "/influxdb/v1/write?db=d";

fn start(more: &[&str]) -> (testkit::tempfile::TempDir, Sim) {
    let (keep, setup) = file("create database d precision 'ms'\n");
    let sim = Sim::tdengine([&["--sql", setup.as_str()][..], more].concat());
    (keep, sim)
}

fn write(sim: &Sim, path: &str, body: &str) -> Reply {
    testkit::http::post(&sim.host, path, &[AUTH], body.as_bytes())
}

/// The status and the body of a write.
fn answer(sim: &Sim, path: &str, body: &str) -> (u16, String) {
    let reply = write(sim, path, body);
    (reply.status, String::from_utf8(reply.body).unwrap())
}

fn refused(code: &str) -> (u16, String) {
    (500, format!("{{\"code\":\"internal error\",\"message\":\"{code}\"}}"))
}

#[test]
fn accounts_and_parameters_are_looked_at_before_the_lines() {
    let (_keep, sim) = start(&[]);
    let post = |path: &str, headers: &[&str]| {
        let reply = testkit::http::post(&sim.host, path, headers, b"m v=1");
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    let telnet = "/opentsdb/v1/put/telnet/d";
    assert_eq!(post(telnet, &[]), (401, r#"{"code":401,"message":"auth needed"}"#.into()));
    let bearer = ["Authorization: Bearer x"];
    assert_eq!(post(telnet, &bearer), (401, r#"{"code":401,"message":"unsupported auth type"}"#.into()));
    let wrong = ["Authorization: Basic cm9vdDp3cm9uZw=="];
    assert_eq!(post(telnet, &wrong), (500, r#"{"code":500,"message":"[0x357] Authentication failure"}"#.into()));
    assert_eq!(post(WRITE, &wrong), refused("[0x357] Authentication failure"));
    // The parameters win over the header.
    assert_eq!(post(&format!("{WRITE}&p=taosdata"), &wrong).0, 204);
    let numeric = |name: &str| {
        format!(
            r#"{{"code":"illegal param","message":"{name} must be numeric","op":"parse {name}","err":"{name} must be numeric","line":0}}"#
        )
    };
    assert_eq!(answer(&sim, &format!("{WRITE}&ttl=x"), "m v=1"), (400, numeric("ttl")));
    assert_eq!(answer(&sim, &format!("{WRITE}&req_id=-1"), "m v=1"), (400, numeric("req_id")));
    let json = |path: &str, body: &str| answer(&sim, path, body);
    assert_eq!(json("/opentsdb/v1/put/json/nosuch", "[]").0, 500);
    assert_eq!(json("/opentsdb/v1/put/json/nosuch", "").0, 204);
    assert_eq!(json("/opentsdb/v1/put/xml/d", "").0, 404);
    let zipped = ["Content-Encoding: gzip", AUTH];
    assert_eq!(post(WRITE, &zipped), (400, String::new()));
}

#[test]
fn tables_can_be_named_by_a_tag_from_3_3_3_on() {
    let line = "m,dev=a.7,site=x v=1 1700000000000";
    let path = format!("{WRITE}&precision=ms&table_name_key=dev");
    for (version, want) in
        [("3.3.6.0", json!([["a_7", 1, "x"]])), ("3.3.1.0", json!([["t_43ce995dd887adc073557ea4962eb5d4", 1, "a.7"]]))]
    {
        let (_keep, sim) = start(&["--server-version", version]);
        assert_eq!(answer(&sim, &path, line), (204, String::new()));
        let tag = if version == "3.3.6.0" { "site" } else { "dev" };
        let got = rows(&sim, &format!("select tbname, v, {tag} from d.m"));
        assert_eq!(got, want, "{version}");
    }
}

#[test]
fn super_tables_that_exist_keep_their_rows_when_they_grow() {
    let (_keep, sim) = start(&[]);
    rows(&sim, "create stable d.m (ts timestamp, v double, s varchar(4)) tags (site nchar(2))");
    rows(&sim, "insert into d.own using d.m tags ('a') values (1700000000000, 1, 'x')");
    let path = format!("{WRITE}&precision=ms");
    assert_eq!(answer(&sim, &path, "m,site=north,new=1 s=\"longer\",w=2i 1700000000001").0, 204);
    assert_eq!(
        rows(&sim, "select v, s, w, site, new from d.m order by ts"),
        json!([[1, "x", null, "a", null], [null, "longer", 2, "north", "1"]])
    );
    // The older table takes the new columns too.
    rows(&sim, "insert into d.own values (1700000000002, 3, 'longest', 4)");
    assert_eq!(rows(&sim, "select s, w from d.own where w > 0"), json!([["longest", 4]]));
    let described = rows(&sim, "describe d.m");
    let types: Vec<String> = described.as_array().unwrap().iter().map(|r| format!("{} {}", r[0], r[2])).collect();
    assert_eq!(types, [r#""ts" 8"#, r#""v" 8"#, r#""s" 8"#, r#""w" 8"#, r#""site" 8"#, r#""new" 2"#]);
    // Tags grow before a column of another type is found; rows are refused as a whole.
    let both = "m,site=southwest v=1 1700000000003\nm v=1i 1700000000004";
    assert_eq!(answer(&sim, &path, both), refused("[0x3004] the type is not the same like before:v=1i 1700000000004"));
    let conflict = "m,site=southwest v=1i 1700000000003";
    assert_eq!(answer(&sim, &path, conflict), refused("[0x3002] Invalid data format"));
    assert_eq!(rows(&sim, "describe d.m")[4][2], 16);
    assert_eq!(rows(&sim, "select count(*) from d.m"), json!([[3]]));
}

#[test]
fn tables_that_cannot_take_points_refuse_them() {
    let (_keep, sim) = start(&[]);
    rows(&sim, "create stable d.k (ts timestamp, n int primary key, v double) tags (t nchar(9))");
    rows(&sim, "create table d.plain (ts timestamp, v double)");
    rows(&sim, "create stable d.typed (ts timestamp, v int) tags (t int)");
    let path = format!("{WRITE}&precision=ms");
    let key = "[0x3006] Can not insert data into table with composite primary key";
    assert_eq!(answer(&sim, &path, "k,t=a v=1 1700000000000"), refused(key));
    assert_eq!(answer(&sim, &path, "plain v=1 1700000000000"), refused("[0x603] Table already exists"));
    for line in ["typed,t=1 v=1i32 1700000000000", "typed v=1 1700000000000"] {
        assert_eq!(answer(&sim, &path, line), refused("[0x3002] Invalid data format"), "{line}");
    }
    assert_eq!(answer(&sim, &path, "typed,v=1 w=1 1700000000000"), refused("[0x263c] Duplicated column names"));
    assert_eq!(answer(&sim, &path, "typed v=7i32 1700000000000").0, 204);
    assert_eq!(rows(&sim, "select v, t from d.typed"), json!([[7, null]]));
    let wide = |n: usize| format!("w {}=1 1700000000000", (0..n).map(|i| format!("c{i}=1,")).collect::<String>() + "z");
    assert_eq!(answer(&sim, &path, &wide(4093)).0, 204);
    assert_eq!(answer(&sim, &path, &wide(4096)), refused("[0x2640] too many columns than 4096"));
    let long = format!("tags,t={} v=1 1700000000000", "x".repeat(5000));
    assert_eq!(answer(&sim, &path, &long), refused("[0x263d] Tags length exceeds max length"));
}

#[test]
fn faults_hit_the_chosen_writes() {
    let faults = [
        "--fault",
        "status=503:retry-after=2@1/influxdb",
        "--fault",
        "code=0x0216@2/influxdb",
        "--fault",
        "lost-reply@3/influxdb",
        "--fault",
        "code=0x0388@1/ws/insert",
        "--fault",
        "reset-upload@1/opentsdb",
    ];
    let (_keep, sim) = start(&faults);
    let path = format!("{WRITE}&precision=ms");
    let line = |n: u32| format!("m v={n} {}", 1_700_000_000_000_u64 + u64::from(n));
    let busy = write(&sim, &path, &line(1));
    assert_eq!(busy.status, 503);
    assert_eq!(answer(&sim, &path, &line(2)), refused("[0x216] failure on purpose"));
    let lost = std::panic::catch_unwind(|| write(&sim, &path, &line(3)));
    assert!(lost.is_err(), "a reply came");
    assert_eq!(answer(&sim, &path, &line(4)).0, 204);
    let reset = std::panic::catch_unwind(|| write(&sim, "/opentsdb/v1/put/json/d", "[]"));
    assert!(reset.is_err(), "a reply came");
    // The third was written before its reply was lost.
    assert_eq!(rows(&sim, "select v from d.m order by _ts"), json!([[3], [4]]));
    let mut ws = Ws::connected(&sim);
    let insert = json!({"action": "insert", "args": {"req_id": 9, "protocol": 1, "precision": "ms", "data": line(5)}});
    let reply = ws.ask(insert);
    assert_eq!((&reply["code"], &reply["req_id"]), (&json!(0x0388), &json!(9)));
}

/// The rows that a subscription to everything in `d` gets, by table.
fn subscribed(sim: &Sim) -> Vec<(String, u64)> {
    let mut ws = Ws::open(sim, "/rest/tmq");
    let args = json!({"user": "root", "password": "taosdata", "req_id": 1, "group_id": "g", "client_id": "c", "topics": ["t"],
        "auto_commit": "false", "offset_reset": "earliest", "with_table_name": "true"});
    assert_eq!(ws.ask(json!({"action": "subscribe", "args": args}))["code"], 0);
    let mut tables = Vec::new();
    loop {
        let reply = ws.ask(json!({"action": "poll", "args": {"req_id": 2, "blocking_time": 200}}));
        if reply["have_message"] != true {
            tables.sort();
            return tables;
        }
        let message = reply["message_id"].clone();
        loop {
            let block = ws.ask(json!({"action": "fetch", "args": {"req_id": 3, "message_id": message}}));
            if block["completed"] == true {
                break;
            }
            tables.push((block["table_name"].as_str().unwrap().to_string(), block["rows"].as_u64().unwrap()));
            ws.0.send(tungstenite::Message::text(
                json!({"action": "fetch_block", "args": {"req_id": 4, "message_id": message}}).to_string(),
            ))
            .unwrap();
            assert!(ws.next().unwrap().is_binary());
        }
    }
}

#[test]
fn subscriptions_get_what_was_written_before_and_after_them() {
    let (_keep, sim) = start(&["--server-version", "3.3.6.0"]);
    let path = format!("{WRITE}&precision=ms&table_name_key=dev");
    assert_eq!(answer(&sim, &path, "m,dev=a v=1 1700000000000\nm,dev=b v=2 1700000000000").0, 204);
    rows(&sim, "create topic t as database d");
    assert_eq!(answer(&sim, &path, "m,dev=a v=3,w=4 1700000000001\nm,dev=a v=5 1700000000002").0, 204);
    assert_eq!(subscribed(&sim), [("a".to_string(), 1), ("a".to_string(), 2), ("b".to_string(), 1)]);
}
