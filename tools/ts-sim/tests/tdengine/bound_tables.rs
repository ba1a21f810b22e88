//! The newer interface for bound parameters (`stmt2`), which binds several tables at once. The recorded version does not have
//! it; frames and codes follow the adapter's sources.

use serde_json::{Value, json};

use crate::bound::{Statements, api_error, start};
use crate::client;

/// One column of a frame: the number of its type, the bytes of each value.
fn column(number: i32, values: &[Option<&[u8]>], with_lengths: bool, width: usize) -> Vec<u8> {
    let mut out = number.to_le_bytes().to_vec();
    out.extend_from_slice(&(values.len() as u32).to_le_bytes());
    out.extend(values.iter().map(|v| u8::from(v.is_none())));
    out.push(u8::from(with_lengths));
    if with_lengths {
        out.extend(values.iter().flat_map(|v| (v.map_or(0, <[u8]>::len) as u32).to_le_bytes()));
    }
    let buffer: Vec<u8> = values.iter().flat_map(|v| v.map_or(vec![0; width], <[u8]>::to_vec)).collect();
    out.extend_from_slice(&(buffer.len() as u32).to_le_bytes());
    out.extend_from_slice(&buffer);
    [&(out.len() as u32 + 4).to_le_bytes(), &out[..]].concat()
}

fn ints(values: &[Option<i32>]) -> Vec<u8> {
    let bytes: Vec<Option<[u8; 4]>> = values.iter().map(|v| v.map(i32::to_le_bytes)).collect();
    let values: Vec<Option<&[u8]>> = bytes.iter().map(|v| v.as_ref().map(|v| &v[..])).collect();
    column(4, &values, false, 4)
}

fn times(values: &[i64]) -> Vec<u8> {
    let bytes: Vec<[u8; 8]> = values.iter().map(|v| v.to_le_bytes()).collect();
    column(9, &bytes.iter().map(|v| Some(&v[..])).collect::<Vec<_>>(), false, 8)
}

fn texts(number: i32, values: &[Option<&str>]) -> Vec<u8> {
    column(number, &values.iter().map(|v| v.map(str::as_bytes)).collect::<Vec<_>>(), true, 0)
}

/// A table of a frame: its name, tags and columns.
struct Table(&'static str, Vec<Vec<u8>>, Vec<Vec<u8>>);

/// The body of a bind: version 1, all columns.
fn frame(tables: &[Table]) -> Vec<u8> {
    let part = |entries: &dyn Fn(&Table) -> Vec<u8>| {
        let parts: Vec<Vec<u8>> = tables.iter().map(entries).collect();
        let lengths = parts.iter().flat_map(|p| (p.len() as u32).to_le_bytes());
        lengths.chain(parts.iter().flatten().copied()).collect::<Vec<u8>>()
    };
    let mut names: Vec<u8> = tables.iter().flat_map(|t| (t.0.len() as u16 + 1).to_le_bytes()).collect();
    tables.iter().for_each(|t| names.extend(t.0.bytes().chain([0])));
    let (tags, columns) = (part(&|t| t.1.concat()), part(&|t| t.2.concat()));
    let has_tags = tables.iter().any(|t| !t.1.is_empty());
    let named = tables.iter().any(|t| !t.0.is_empty());
    let names = if named { names } else { Vec::new() };
    let tags = if has_tags { tags } else { Vec::new() };
    let total = 28 + names.len() + tags.len() + columns.len();
    let offset = |there: bool, at: usize| if there { at } else { 0 };
    let words = [
        total,
        tables.len(),
        tables[0].1.len(),
        tables[0].2.len(),
        offset(named, 28),
        offset(has_tags, 28 + names.len()),
        28 + names.len() + tags.len(),
    ];
    let mut out = vec![1, 0, 0xff, 0xff, 0xff, 0xff];
    out.extend(words.iter().flat_map(|w| (*w as u32).to_le_bytes()));
    [out, names, tags, columns].concat()
}

fn prepared(statements: &mut Statements, sql: &str) -> (u64, Value) {
    let id = statements.ask("stmt2_init", 0, json!({"single_stb_insert": true}))["stmt_id"].as_u64().unwrap();
    (id, statements.good("stmt2_prepare", id, json!({"sql": sql, "get_fields": true})))
}

const START: i64 = 1_700_000_000_000;

#[test]
fn several_tables_are_bound_at_once_and_written_by_exec() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let (id, reply) = prepared(&mut statements, "insert into ? using s tags (?, ?) values (?, ?, ?)");
    let described = reply["fields"].as_array().unwrap().iter();
    let described: Vec<Value> =
        described.map(|f| json!([f["name"], f["field_type"], f["bytes"], f["bind_type"]])).collect();
    assert_eq!(
        Value::from(described),
        json!([
            ["tbname", 8, 271, 4],
            ["g", 4, 4, 2],
            ["n", 10, 18, 2],
            ["ts", 9, 8, 1],
            ["v", 4, 4, 1],
            ["t", 8, 6, 1]
        ])
    );
    assert_eq!((&reply["is_insert"], &reply["fields_count"]), (&json!(true), &json!(6)));
    assert_eq!(statements.code("stmt2_exec", id, json!({})), api_error());
    let table = |name, group, texts_of: &[Option<&str>]| {
        let tags = vec![ints(&[Some(group)]), texts(10, &[Some("äö")])];
        Table(name, tags, vec![times(&[START, START + 1]), ints(&[Some(1), None]), texts(8, texts_of)])
    };
    // One table of the second bind is wrong: all of that bind is refused.
    assert_eq!(
        statements.binary(9, id, &frame(&[table("a", 1, &[Some("x"), None]), table("d.b", 2, &[None, Some("")])]))["code"],
        0
    );
    let bad = frame(&[table("c", 1, &[None, None]), table("e", 2, &[None, Some("12345")])]);
    assert_eq!(statements.binary(9, id, &bad)["code"], 0x0118);
    assert_eq!(client::rows(&sim, "show d.tables"), json!([["plain"]]));
    assert_eq!(statements.good("stmt2_exec", id, json!({}))["affected"], 4);
    assert_eq!(
        client::rows(&sim, "select tbname, cast(ts as bigint) % 10, v, t, g, n from d.s order by tbname, ts"),
        json!([
            ["a", 0, 1, "x", 1, "äö"],
            ["a", 1, null, null, 1, "äö"],
            ["b", 0, 1, null, 2, "äö"],
            ["b", 1, null, "", 2, "äö"]
        ])
    );
    assert_eq!(statements.good("stmt2_close", id, json!({}))["action"], "stmt2_close");
    assert_eq!(statements.code("stmt2_exec", id, json!({})), (0xffff, "stmt2 is nil".into()));
}

#[test]
fn tables_may_be_named_by_a_column_or_by_the_statement() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let (id, reply) = prepared(&mut statements, "insert into d.s (v, tbname, ts, g) values (?, ?, ?, ?)");
    let kinds: Vec<&Value> = reply["fields"].as_array().unwrap().iter().map(|f| &f["bind_type"]).collect();
    assert_eq!(json!(kinds), json!([1, 4, 1, 2]));
    // The columns of a frame are in the statement's order.
    let bind = frame(&[Table("x", vec![ints(&[Some(3)])], vec![ints(&[Some(8)]), times(&[START])])]);
    assert_eq!(statements.binary(9, id, &bind)["code"], 0);
    assert_eq!(statements.good("stmt2_exec", id, json!({}))["affected"], 1);
    assert_eq!(client::rows(&sim, "select tbname, v, t, g, n from d.s"), json!([["x", 8, null, 3, null]]));
    let (id, reply) = prepared(&mut statements, "insert into y using s (g) tags (4) (ts) values (?)");
    assert_eq!(reply["fields_count"], 1);
    assert_eq!(statements.binary(9, id, &frame(&[Table("", vec![], vec![times(&[START])])]))["code"], 0);
    statements.good("stmt2_exec", id, json!({}));
    assert_eq!(client::rows(&sim, "select g, n from d.s where tbname = 'y'"), json!([[4, null]]));
    let (id, _) = prepared(&mut statements, "insert into plain values (?, ?)");
    let wrong_type = frame(&[Table("", vec![], vec![times(&[START]), times(&[1])])]);
    assert_eq!(statements.binary(9, id, &wrong_type)["code"], 0x0200);
    let one_null = frame(&[Table("", vec![], vec![times(&[START]), column(0, &[None], false, 0)])]);
    assert_eq!(statements.binary(9, id, &one_null)["code"], 0);
    statements.good("stmt2_exec", id, json!({}));
    assert_eq!(client::rows(&sim, "select count(*), count(v) from d.plain"), json!([[1, 0]]));
}

#[test]
fn damaged_binds_are_refused_with_the_adapters_words() {
    let sim = start(&[]);
    let mut statements = Statements::open(&sim);
    let (id, _) = prepared(&mut statements, "insert into plain values (?, ?)");
    let good = frame(&[Table("", vec![], vec![times(&[START]), ints(&[Some(1)])])]);
    let cut = statements.binary(9, id, &good[..good.len() - 1]);
    assert_eq!(cut["code"], 0xffff);
    assert!(cut["message"].as_str().unwrap().starts_with("total length not match"), "{cut}");
    assert_eq!(statements.binary(9, id, &good[..3])["message"], "message length is too short");
    let mut version = good.clone();
    version[0] = 2;
    assert_eq!(statements.binary(9, id, &version)["message"], "unknown stmt2 bind version");
    let missing = frame(&[Table("", vec![], vec![times(&[START])])]);
    assert_eq!(statements.binary(9, id, &missing)["code"], 0x0200);
    for (sql, code) in [("insert into ? using no tags (?) values (?)", 0x2603), ("insert into ? values (?)", 0x022b)] {
        assert_eq!(statements.code("stmt2_prepare", id, json!({"sql": sql, "get_fields": true})).0, code, "{sql}");
    }
    // Without fields nothing is looked up.
    statements.good("stmt2_prepare", id, json!({"sql": "insert into no values (?)", "get_fields": false}));
    assert_eq!(client::rows(&sim, "select count(*) from d.plain"), json!([[0]]));
}

#[test]
fn a_query_takes_parameters_and_gives_a_result() {
    let sim = start(&[]);
    client::rows(&sim, "insert into d.plain values (1700000000000, 1) (1700000000001, 2) (1700000000002, 3)");
    let mut statements = Statements::open(&sim);
    let (id, reply) = prepared(&mut statements, "select v from plain where ts >= ? and v < ?");
    assert_eq!(
        (&reply["is_insert"], &reply["fields"], &reply["fields_count"]),
        (&json!(false), &Value::Null, &json!(2))
    );
    assert_eq!(statements.code("stmt2_result", id, json!({})), (0xffff, "result is nil".into()));
    let bind = frame(&[Table("", vec![], vec![times(&[START + 1]), ints(&[Some(9)])])]);
    assert_eq!(statements.binary(9, id, &bind)["code"], 0);
    statements.good("stmt2_exec", id, json!({}));
    let reply = statements.good("stmt2_result", id, json!({}));
    assert_eq!(reply["fields_names"], json!(["v"]));
    assert_eq!(statements.0.drain(reply["id"].as_u64().unwrap()), [2]);
    let (id, _) = prepared(&mut statements, "insert into plain values (?, ?)");
    assert_eq!(statements.code("stmt2_result", id, json!({})), (0xffff, "stmt is insert, no result set".into()));
}
