//! Statements with bound parameters: what is refused, in which order things may be done, and that nothing is stored before
//! `exec`. The codes are those of the server's sources where no recording has them.

use serde_json::{Value, json};
use testkit::Sim;
use tungstenite::Message;

use crate::client::{self, Ws};

/// A super table and an ordinary one.
pub fn start(more: &[&str]) -> Sim {
    let sim = Sim::tdengine(more);
    for sql in [
        "create database d",
        "create stable d.s (ts timestamp, v int, t varchar(4)) tags (g int, n nchar(4))",
        "create table d.plain (ts timestamp, v int)",
    ] {
        client::rows(&sim, sql);
    }
    sim
}

/// A session in the database `d`, and how it asks.
pub struct Statements(pub Ws);

impl Statements {
    pub fn open(sim: &Sim) -> Statements {
        let mut ws = Ws::open(sim, "/ws");
        let login = json!({"req_id": 1, "user": "root", "password": "taosdata", "db": "d"});
        assert_eq!(ws.ask(json!({"action": "conn", "args": login}))["code"], 0);
        Statements(ws)
    }

    pub fn ask(&mut self, action: &str, id: u64, mut args: Value) -> Value {
        args["req_id"] = 7.into();
        args["stmt_id"] = id.into();
        let reply = self.0.ask(json!({"action": action, "args": args}));
        assert_eq!((&reply["action"], &reply["req_id"]), (&json!(action), &json!(7)));
        reply
    }

    pub fn good(&mut self, action: &str, id: u64, args: Value) -> Value {
        let reply = self.ask(action, id, args);
        assert_eq!(reply["code"], 0, "{action}: {reply}");
        assert_eq!(reply["stmt_id"], id);
        reply
    }

    pub fn code(&mut self, action: &str, id: u64, args: Value) -> (u64, String) {
        let reply = self.ask(action, id, args);
        (reply["code"].as_u64().unwrap(), reply["message"].as_str().unwrap().to_string())
    }

    pub fn binary(&mut self, action: u64, id: u64, body: &[u8]) -> Value {
        let mut message = 7_u64.to_le_bytes().to_vec();
        message.extend_from_slice(&id.to_le_bytes());
        message.extend_from_slice(&action.to_le_bytes());
        message.extend_from_slice(body);
        self.0.0.send(Message::binary(message)).unwrap();
        self.0.json()
    }

    /// `INSERT INTO ? USING ..` on a new statement, up to the name of the table.
    fn prepared(&mut self, table: &str) -> u64 {
        let id = self.ask("init", 0, json!({}))["stmt_id"].as_u64().unwrap();
        let sql = "insert into ? using s tags (?, ?) values (?, ?, ?)";
        assert_eq!(self.good("prepare", id, json!({"sql": sql}))["is_insert"], true);
        self.good("set_table_name", id, json!({"name": table}));
        id
    }
}

pub fn api_error() -> (u64, String) {
    (0x022a, "Stmt API usage error".into())
}

/// One row of INT and NCHAR values as a raw block.
fn tags_block(number: i32, text: &str) -> Vec<u8> {
    let ucs4: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let mut out = Vec::new();
    for word in [1, 0, 1, 2, i32::MIN, 0, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[4, 4, 0, 0, 0, 10, 18, 0, 0, 0]);
    out.extend_from_slice(&4_i32.to_le_bytes());
    out.extend_from_slice(&(ucs4.len() as i32 + 2).to_le_bytes());
    out.push(0);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&0_i32.to_le_bytes());
    out.extend_from_slice(&(ucs4.len() as u16).to_le_bytes());
    out.extend_from_slice(&ucs4);
    out
}

#[test]
fn rows_appear_with_exec_and_tags_only_where_the_table_is_new() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let id = statements.prepared("a");
    statements.good("set_tags", id, json!({"tags": [1, "äö"]}));
    let columns = json!([[1_700_000_000_000_i64, 1_700_000_000_001_i64], [1, null], ["x", "long"]]);
    statements.good("bind", id, json!({"columns": columns}));
    statements.good("add_batch", id, json!({}));
    assert_eq!(client::rows(&sim, "show d.tables"), json!([["plain"]]));
    assert_eq!(statements.good("exec", id, json!({}))["affected"], 2);
    // Another table with tags as a block, and the same table with other tags.
    statements.good("set_table_name", id, json!({"name": "`B`"}));
    assert_eq!(statements.binary(1, id, &tags_block(2, "中😀"))["code"], 0);
    statements.good("bind", id, json!({"columns": [[1_700_000_000_005_i64], [5], [null]]}));
    statements.good("add_batch", id, json!({}));
    statements.good("set_table_name", id, json!({"name": "a"}));
    statements.good("set_tags", id, json!({"tags": [9, "no"]}));
    statements.good("bind", id, json!({"columns": [[1_700_000_000_001_i64], [7], ["new"]]}));
    statements.good("add_batch", id, json!({}));
    assert_eq!(statements.good("exec", id, json!({}))["affected"], 2);
    let sql = "select tbname, cast(ts as bigint) % 1000, v, t, g, n from d.s order by tbname, ts";
    assert_eq!(
        client::rows(&sim, sql),
        json!([["B", 5, 5, null, 2, "中😀"], ["a", 0, 1, "x", 1, "äö"], ["a", 1, 7, "new", 1, "äö"]])
    );
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_of_it_stored() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let id = statements.prepared("a");
    statements.good("set_tags", id, json!({"tags": [1, "x"]}));
    let unset = statements.prepared("b");
    let columns = json!([[1_700_000_000_000_i64], [1], ["x"]]);
    assert_eq!(statements.code("bind", unset, json!({"columns": columns})).0, 0x260d);
    let mut bind = |columns: Value| statements.code("bind", id, json!({"columns": columns}));
    for (columns, code) in [
        (json!([[1], [1]]), 0xffff),
        (json!([[1, 2], [1], ["x", "y"]]), 0xffff),
        (json!([[1], ["x"], ["x"]]), 0xffff),
        (json!([[1], [3_000_000_000_u32], ["x"]]), 0xffff),
        (json!([[1], [1], ["12345"]]), 0x0118),
    ] {
        assert_eq!(bind(columns.clone()).0, code, "{columns}");
    }
    assert_eq!(statements.code("set_tags", id, json!({"tags": [1]})).0, 0x260d);
    assert_eq!(statements.code("set_tags", id, json!({"tags": [1, "12345"]})).0, 0x0118);
    assert_eq!(statements.binary(1, id, &tags_block(1, "12345"))["code"], 0x0118);
    assert_eq!(statements.binary(2, id, &tags_block(1, "x"))["message"], "stmt column count not match");
    assert_eq!(statements.binary(2, id, &[1, 2, 3])["code"], 0x0118);
    // A time that is NULL, or older than what is kept.
    for time in [Value::Null, json!(1)] {
        let id = statements.prepared("a");
        statements.good("set_tags", id, json!({"tags": [1, "x"]}));
        statements.good("bind", id, json!({"columns": [[time, 1_700_000_000_000_i64], [1, 1], ["x", "x"]]}));
        statements.good("add_batch", id, json!({}));
        let code = if time.is_null() { 0x2608 } else { 0x060b };
        assert_eq!(statements.code("exec", id, json!({})).0, code);
    }
    assert_eq!(client::rows(&sim, "show d.tables"), json!([["plain"]]));
}

#[test]
fn things_out_of_order_are_refused() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let id = statements.ask("init", 0, json!({}))["stmt_id"].as_u64().unwrap();
    for action in ["set_table_name", "get_col_fields", "add_batch", "exec", "bind"] {
        assert_eq!(statements.code(action, id, json!({})), api_error(), "{action}");
    }
    statements.good("prepare", id, json!({"sql": "insert into ? values (?, ?)"}));
    let not_set = (0x022b, "Stmt table name not set".to_string());
    assert_eq!(statements.code("get_col_fields", id, json!({})), not_set);
    assert_eq!(statements.code("bind", id, json!({"columns": []})), not_set);
    assert_eq!(statements.code("exec", id, json!({})), api_error());
    // The text is looked at with the table's name only.
    for (sql, code) in [
        ("insert into ? values (?)", 0x0216),
        ("insert into ? values (?, 1)", 0x0200),
        ("insert into ? (ts, nosuch) values (?, ?)", 0x2602),
        ("insert into ? using nosuch tags (?) values (?)", 0x2603),
        ("insert into ? using s tags (?) values (?, ?, ?)", 0x260d),
        ("insert into ? valuess (?, ?)", 0x0216),
    ] {
        statements.good("prepare", id, json!({"sql": sql}));
        assert_eq!(statements.code("set_table_name", id, json!({"name": "plain"})).0, code, "{sql}");
    }
    statements.good("prepare", id, json!({"sql": "insert into plain (ts) values (?)"}));
    assert!(statements.good("get_tag_fields", id, json!({})).get("fields").is_none());
    assert_eq!(statements.good("stmt_num_params", id, json!({}))["num_params"], 1);
    statements.good("bind", id, json!({"columns": [["2023-11-14T22:13:20Z"]]}));
    assert_eq!(statements.code("set_table_name", id, json!({"name": "plain"})), api_error());
    assert_eq!(statements.code("exec", id, json!({})), api_error());
    statements.good("add_batch", id, json!({}));
    assert_eq!(statements.good("exec", id, json!({}))["affected"], 1);
    assert_eq!(statements.code("exec", id, json!({})), api_error());
    assert_eq!(client::rows(&sim, "select * from d.plain"), json!([["2023-11-14T22:13:20.000Z", null]]));
    assert_eq!(statements.code("exec", 99, json!({})), (0xffff, "stmt is nil".into()));
    assert_eq!(statements.code("stmt2_exec", id, json!({})), (0xffff, "stmt2 is nil".into()));
}

#[test]
fn a_query_takes_parameters_too() {
    let sim = start(&[]);
    client::rows(
        &sim,
        "insert into d.a using d.s tags (1, 'x') values (1700000000000, 1, 'it''s') (1700000000001, 2, 'b')",
    );
    let mut statements = Statements::open(&sim);
    let id = statements.ask("init", 0, json!({}))["stmt_id"].as_u64().unwrap();
    let sql = "select v, t from s where g = ? and n = ?";
    assert_eq!(statements.good("prepare", id, json!({"sql": sql}))["is_insert"], false);
    assert_eq!(statements.good("stmt_num_params", id, json!({}))["num_params"], 2);
    assert_eq!(statements.code("use_result", id, json!({})), (0xffff, "result is nil".into()));
    assert_eq!(statements.binary(2, id, &tags_block(1, "x"))["code"], 0);
    assert_eq!(statements.good("exec", id, json!({}))["affected"], 0);
    let reply = statements.good("use_result", id, json!({}));
    assert_eq!((&reply["fields_names"], &reply["fields_count"]), (&json!(["v", "t"]), &json!(2)));
    assert_eq!(statements.0.drain(reply["result_id"].as_u64().unwrap()), [2]);
}

#[test]
fn faults_hit_executions() {
    let sim = start(&["--fault", "lost-reply@2/ws/exec", "--fault", "code=0x0020@1/ws/exec"]);
    let mut statements = Statements::open(&sim);
    let id = statements.ask("init", 0, json!({}))["stmt_id"].as_u64().unwrap();
    statements.good("prepare", id, json!({"sql": "insert into plain values (?, ?)"}));
    statements.good("bind", id, json!({"columns": [[1_700_000_000_000_i64], [1]]}));
    statements.good("add_batch", id, json!({}));
    assert_eq!(statements.code("exec", id, json!({})).0, 0x0020);
    assert_eq!(client::rows(&sim, "select count(*) from d.plain"), json!([[0]]));
    let exec = json!({"action": "exec", "args": {"req_id": 7, "stmt_id": id}});
    statements.0.0.send(Message::text(exec.to_string())).unwrap();
    assert!(statements.0.next().is_err());
    assert_eq!(client::rows(&sim, "select count(*) from d.plain"), json!([[1]]));
}
