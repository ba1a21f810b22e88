//! Replies recorded from a real server (3.3.1, taosAdapter 3.3.2): the same table by raw block, by `fetch_block` and by
//! REST must give the same columns.

mod support;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{Array as _, ArrayRef};
use net::Bytes;
use rows::time::Unit;
use std::path::PathBuf;
use tdengine::json::Body;
use tdengine::reply::{Text, fetched_block, raw_block};
use tdengine::types::{Column, Rows};
use tdengine::{Action, block, request, rest, retry};

fn file(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wire/tdengine");
    let path = root.join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &str) -> Text {
    Text::parse(std::str::from_utf8(&file(path)).unwrap()).unwrap()
}

/// The body of a recorded HTTP reply.
fn body(path: &str) -> Vec<u8> {
    support::body(&file(path))
}

fn by_rest(path: &str, unit: Option<Unit>) -> (Vec<Column>, Unit, Rows) {
    let mut stream = rest::Stream::open(Body::open(std::io::Cursor::new(body(path))).unwrap(), unit).unwrap();
    let rows = stream.next_rows().unwrap().unwrap();
    assert!(stream.next_rows().unwrap().is_none());
    (stream.columns.clone(), stream.unit, rows)
}

fn by_raw_block(query: &str, frame: &str) -> (Vec<Column>, Unit, Rows) {
    let (columns, unit) = text(query).columns().unwrap();
    let raw = raw_block(&Bytes::from(file(frame))).unwrap();
    assert_eq!((raw.req_id, raw.code), (31, 0));
    let rows = block::decode(&raw.block.unwrap(), &columns, unit).unwrap();
    (columns, unit, rows)
}

#[test]
fn block_and_rest_agree_on_every_type_and_precision() {
    for (query, frame, rest, unit) in [
        (
            "ws/v2_ws/12_binquery_st.recv.json",
            "ws/v2_ws/13_binfetch_st.recv.bin",
            "rest/alltypes_select_alltypes.resp",
            Unit::Ms,
        ),
        (
            "ws/v2_ws/45_binquery_us.recv.json",
            "ws/v2_ws/46_binfetch_us.recv.bin",
            "rest/alltypes_select_alltypes_us.resp",
            Unit::Us,
        ),
        (
            "ws/v2_ws/54_binquery_ns.recv.json",
            "ws/v2_ws/55_binfetch_ns.recv.bin",
            "rest/alltypes_select_alltypes_ns.resp",
            Unit::Ns,
        ),
        (
            "ws/v2_ws/30_binquery_stj.recv.json",
            "ws/v2_ws/31_binfetch_stj.recv.bin",
            "rest/alltypes_json_alltypes.resp",
            Unit::Ms,
        ),
    ] {
        let (columns, block_unit, by_block) = by_raw_block(query, frame);
        let (rest_columns, rest_unit, by_rest) = by_rest(rest, None);
        assert_eq!((block_unit, rest_unit), (unit, unit), "{frame}");
        assert_eq!(columns, rest_columns, "{frame}");
        assert_eq!(by_block.len, by_rest.len);
        for ((column, left), right) in columns.iter().zip(&by_block.columns).zip(&by_rest.columns) {
            assert_eq!(left, right, "{frame}: column {}", column.name);
        }
    }
}

#[test]
fn the_values_are_those_that_were_written() {
    let (columns, _, rows) = by_raw_block("ws/v2_ws/54_binquery_ns.recv.json", "ws/v2_ws/55_binfetch_ns.recv.bin");
    let column = |name: &str| -> &ArrayRef { &rows.columns[columns.iter().position(|c| c.name == name).unwrap()] };
    assert_eq!(rows.len, 10);
    assert_eq!(column("ts").as_primitive::<TimestampNanosecondType>().value(0), 1_700_000_000_123_456_789);
    assert_eq!(column("c_ubi").as_primitive::<UInt64Type>().value(0), u64::MAX);
    assert_eq!(column("c_bi").as_primitive::<Int64Type>().value(2), i64::MIN);
    assert_eq!(column("c_f").as_primitive::<Float32Type>().value(0), 3.4e38);
    assert_eq!(column("c_nch").as_string::<i32>().value(0), "中文 ñ é 😀");
    assert_eq!(column("c_bin").as_string::<i32>().value(2), "");
    assert_eq!(column("c_vb").as_binary::<i32>().value(0), b"\x00\xff\x10");
    let null: Vec<bool> = (0..10).map(|row| column("c_i").is_null(row)).collect();
    assert_eq!(null, [false, false, false, false, true, true, false, false, false, false]);
    assert_eq!(column("t_bin").null_count(), 5);
}

#[test]
fn text_becomes_a_dictionary_where_the_schema_asks() {
    let (mut columns, unit) = text("ws/v2_ws/12_binquery_st.recv.json").columns().unwrap();
    let raw = raw_block(&Bytes::from(file("ws/v2_ws/13_binfetch_st.recv.bin"))).unwrap().block.unwrap();
    let plain = block::decode(&raw, &columns, unit).unwrap();
    columns.iter_mut().for_each(|column| column.dictionary = true);
    let packed = block::decode(&raw, &columns, unit).unwrap();
    for ((column, plain), packed) in columns.iter().zip(&plain.columns).zip(&packed.columns) {
        assert_eq!(packed.data_type(), column.field(unit).data_type());
        for row in 0..10 {
            let (plain, packed) = (tdengine::value::at(plain.as_ref(), row), tdengine::value::at(packed.as_ref(), row));
            // NaN is in none of the recorded values.
            assert_eq!(plain, packed, "{} {row}", column.name);
        }
    }
    let tag = &packed.columns[columns.iter().position(|c| c.name == "t_bin").unwrap()];
    assert_eq!(tag.as_any_dictionary().values().len(), 1);
}

#[test]
fn the_older_dialogue_gives_the_same_blocks() {
    for folder in [
        "ws/v2_ws/07_query_st.recv.json 08_fetch_st 09_fetch_block_st",
        "ws/v1_rest_ws/06_query_st.recv.json 07_fetch_st 08_fetch_block_st",
    ] {
        let mut names = folder.split(' ');
        let query = names.next().unwrap();
        let folder = query.rsplit_once('/').unwrap().0;
        let fetch = text(&format!("{folder}/{}.recv.json", names.next().unwrap()));
        let frame = Bytes::from(file(&format!("{folder}/{}.recv.bin", names.next().unwrap())));
        let reply = text(query);
        let (columns, unit) = reply.columns().unwrap();
        assert!(!fetch.completed);
        let block = fetched_block(&frame, reply.id, fetch.rows).unwrap();
        let rows = block::decode(&block, &columns, unit).unwrap();
        let (_, _, expected) = by_raw_block("ws/v2_ws/12_binquery_st.recv.json", "ws/v2_ws/13_binfetch_st.recv.bin");
        assert_eq!(rows.columns, expected.columns);
        assert!(fetched_block(&frame, reply.id + 1, fetch.rows).is_err());
    }
    assert!(text("ws/v2_ws/11_fetch_end_st.recv.json").completed);
}

#[test]
fn a_full_block_of_a_large_result() {
    let reply = text("ws/v2_ws/82_query_big.recv.json");
    let (columns, unit) = reply.columns().unwrap();
    let frame = Bytes::from(file("ws/v2_ws/big_first_block.recv.bin"));
    let rows = match raw_block(&frame) {
        Ok(raw) => block::decode(&raw.block.unwrap(), &columns, unit).unwrap(),
        Err(_) => {
            let shape = block::shape(&frame[16..]).unwrap();
            block::decode(&fetched_block(&frame, reply.id, shape.rows).unwrap(), &columns, unit).unwrap()
        }
    };
    assert!(rows.len > 1000, "{}", rows.len);
    assert!(rows.columns.iter().all(|column| column.len() == rows.len));
}

#[test]
fn ends_and_errors_of_raw_fetches_are_told_apart() {
    let end = raw_block(&Bytes::from(file("ws/v2_ws/14_binfetch_end_st.recv.bin"))).unwrap();
    assert_eq!((end.code, end.block), (0, None));
    let gone = raw_block(&Bytes::from(file("ws/v2_ws/15_binfetch_afterend_st.recv.bin"))).unwrap();
    assert_eq!((gone.code, gone.message.as_str(), gone.block), (65535, "result is nil", None));
    let whole = file("ws/v2_ws/13_binfetch_st.recv.bin");
    let (columns, unit) = text("ws/v2_ws/12_binquery_st.recv.json").columns().unwrap();
    for cut in 0..whole.len() {
        let frame = Bytes::from(whole[..cut].to_vec());
        let decoded = raw_block(&frame).and_then(|raw| match raw.block {
            Some(block) => block::decode(&block, &columns, unit).map(Some),
            None => Ok(None),
        });
        assert!(decoded.is_err(), "cut at {cut}");
    }
}

#[test]
fn we_send_what_the_recorded_client_sent() {
    assert_eq!(
        request::binary_query(30, "select * from st order by ts, tbname"),
        file("ws/v2_ws/12_binquery_st.send.bin")
    );
    assert_eq!(request::fetch_raw_block(31, 2), file("ws/v2_ws/13_binfetch_st.send.bin"));
}

#[test]
fn every_recorded_error_gets_its_verdict() {
    for (path, code, action) in [
        ("ws/v2_ws/02_query_before_conn.recv.json", 65535, Action::Refuse),
        ("ws/v2_ws/03_conn_badpass.recv.json", 855, Action::Refuse),
        ("ws/v2_ws/04_conn_baddb.recv.json", 904, Action::Refuse),
        ("ws/v2_ws/67_query_syntax.recv.json", 9728, Action::Refuse),
        ("ws/v2_ws/68_binquery_syntax.recv.json", 9728, Action::Refuse),
        ("ws/v2_ws/80_fetch_after_free.recv.json", 65535, Action::Retry),
        ("ws/v2_ws/85_sml_insert_bad.recv.json", 12290, Action::Reject),
    ] {
        let reply = text(path);
        assert_eq!(reply.code, code, "{path}");
        assert_eq!(retry::action(code as u32, &reply.message), action, "{path}");
    }
    for (path, code) in [
        ("err_bad_password", 855),
        ("err_unknown_user", 849),
        ("err_no_auth", 4357),
        ("err_unknown_table", 9826),
        ("err_unknown_db", 9826),
        ("err_syntax", 9728),
        ("err_unknown_column", 9730),
    ] {
        let head = Body::open(std::io::Cursor::new(body(&format!("rest/{path}.resp")))).unwrap().head;
        assert_eq!(head.code, code, "{path}: {}", head.message);
        assert_eq!(retry::action(code as u32, &head.message), Action::Refuse, "{path}");
        assert!(retry::name(code as u32).is_some(), "{path} has no name");
    }
}

#[test]
fn a_rest_body_that_ends_early_is_never_whole() {
    let whole = body("rest/alltypes_select_alltypes.resp");
    for cut in 0..whole.len() {
        let part = std::io::Cursor::new(whole[..cut].to_vec());
        let read = Body::open(part).map_err(tdengine::Failure::from).and_then(|body| {
            let mut stream = rest::Stream::open(body, None)?;
            while stream.next_rows()?.is_some() {}
            Ok(())
        });
        assert!(read.is_err(), "cut at {cut}");
    }
    // The server's own silent limit cannot be seen in the reply: this is why REST is counted.
    let (_, _, limited) = by_rest("rest/limited_1000_restfulRowLimit.resp", None);
    assert_eq!(limited.len, 1000);
}
