//! NDJSON: every value comes back with its type given; types are inferred without touching a number.

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use fault::Kind;
use rows::Limits;
use rows::format::{BadRow, Format, ReadOptions, WriteOptions};
use rows::header::Column;
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use std::sync::{Arc, Mutex};
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;

fn columns(batch: &RecordBatch) -> Vec<Column> {
    Column::all(&batch.schema()).unwrap()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn every_value_comes_back(batch in any_batch(true), times in 1usize..4, rows in 1usize..10, bytes in 1usize..400, end_mark: bool) {
        let written = encode(&batch, times, WriteOptions { end_mark, ..to(Format::Ndjson) }).unwrap();
        let options = ReadOptions { end_mark, limits: Limits { rows, bytes }, columns: columns(&batch), ..from(Format::Ndjson) };
        let expected = arrow_select::concat::concat_batches(&plain(&batch, false).schema(), vec![&plain(&batch, false); times]).unwrap();
        prop_assert_eq!(decode(&written, options).unwrap(), expected);
    }

    #[test]
    fn whole_numbers_are_exact(signed: i64, unsigned: u64, real in testkit::proptest::num::f64::NORMAL) {
        let line = format!("{{\"a\":{signed},\"b\":{unsigned},\"c\":{}}}\n", zmij::Buffer::new().format(real));
        let batch = decode(line.as_bytes(), from(Format::Ndjson)).unwrap();
        prop_assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), signed);
        match i64::try_from(unsigned) {
            Ok(value) => prop_assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), value),
            Err(_) => prop_assert_eq!(batch.column(1).as_primitive::<UInt64Type>().value(0), unsigned),
        }
        prop_assert_eq!(batch.column(2).as_primitive::<Float64Type>().value(0), real);
    }

    #[test]
    fn a_cut_file_is_never_whole(batch in any_batch(false), at: Index) {
        let columns = columns(&batch);
        let marked = encode(&batch, 2, WriteOptions { end_mark: true, ..to(Format::Ndjson) }).unwrap();
        let cut = &marked[..at.index(marked.len())];
        let error = decode(cut, ReadOptions { end_mark: true, columns: columns.clone(), ..from(Format::Ndjson) }).unwrap_err();
        prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error);
        let bare = encode(&batch, 2, to(Format::Ndjson)).unwrap();
        prop_assume!(!bare.is_empty());
        let cut = &bare[..at.index(bare.len())];
        match decode(cut, ReadOptions { columns, ..from(Format::Ndjson) }) {
            // Without a mark only a cut behind a whole object can look whole.
            Ok(_) => prop_assert!(matches!(cut.last(), None | Some(b'\n' | 0x7d))),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error),
        }
    }

    #[test]
    fn noise_never_panics(bytes in noise(b"{\"ts\":\"2024-01-01T00:00:00Z\",\"a\":\"x\\n\\u00e4\",\"v\":1.5,\"n\":-3,\"o\":{\"k\":[1]}}\n{\"ts\":null}\n".to_vec())) {
        if let Err(error) = decode(&bytes, from(Format::Ndjson)) {
            assert_input_error(&error);
        }
    }
}

#[test]
fn types_are_inferred() {
    let text = concat!(
        "{\"time\":\"2024-01-01T00:00:00.000Z\",\"host\":\"a\",\"v\":1,\"f\":1,\"x\":\"NaN\",\"ok\":true,\"o\":{\"k\": 1}}\n",
        "\n",
        "{\"time\":\"2024-01-01T00:00:01.000Z\",\"host\":\"\\u00e4\\\"\",\"v\":-2,\"f\":1.5,\"x\":2,\"late\":null}\n",
    );
    let batch = decode(text.as_bytes(), from(Format::Ndjson)).unwrap();
    let schema = batch.schema();
    let types: Vec<(String, Type)> = schema.fields().iter().map(|f| (f.name().clone(), Type::of(f).unwrap())).collect();
    let expected = [
        ("time", Type::Timestamp(Unit::Ms)),
        ("host", Type::String),
        ("v", Type::Long),
        ("f", Type::Double),
        ("x", Type::Double),
        ("ok", Type::Boolean),
        ("o", Type::Json),
        ("late", Type::String),
    ];
    assert_eq!(types, expected.map(|(name, ty)| (name.to_owned(), ty)));
    assert_eq!(role::time_column(&schema).unwrap(), 0);
    assert_eq!(batch.column(1).as_string::<i32>().value(1), "\u{e4}\"");
    assert!(batch.column(4).as_primitive::<Float64Type>().value(0).is_nan());
    assert!(batch.column(5).is_null(1));
    assert_eq!(batch.column(6).as_string::<i32>().value(0), "{\"k\": 1}");
}

#[test]
fn stated_columns_win_and_come_first() {
    let options = ReadOptions {
        columns: vec![
            Column::with_type("t", "time").unwrap(),
            Column::with_type("id", "tag").unwrap(),
            Column::with_type("q", "ulong").unwrap(),
        ],
        epoch: Some(Unit::S),
        ..from(Format::Ndjson)
    };
    let batch =
        decode(b"{\"v\":1.5,\"id\":7,\"q\":\"18446744073709551615\",\"t\":1704067200}\n{\"t\":1704067201}\n", options)
            .unwrap();
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["t", "id", "q", "v"]);
    assert_eq!(Role::stated(batch.schema().field(1)).unwrap(), Some(Role::Tag));
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "7");
    assert_eq!(batch.column(2).as_primitive::<UInt64Type>().value(0), u64::MAX);
}

#[test]
fn contradictions_name_their_line() {
    // Behind the sample of 8192 lines.
    let mut text = "{\"a\":1,\"b\":\"x\"}\n".repeat(9000);
    for (bad, expected) in [
        ("{\"a\":\"one\"}", "column a (long): \"one\" is text where the first lines had none"),
        ("{\"a\":1.5}", "column a (long): 1.5 is no whole number"),
        ("{\"a\":9223372036854775808}", "column a (long): 9223372036854775808 is out of the type's range"),
        ("{\"b\":2}", "column b (string): 2 is no text, which the first lines had"),
        ("{\"c\":2}", "the key 'c' was not in the first lines: give its column and type"),
        ("{\"a\":1,\"a\":2}", "the key 'a' stands twice in one object"),
        ("[1]", "no JSON object: invalid type: sequence, expected an object at line 1 column 0"),
        ("{\"a\":1}}", "no JSON object: trailing characters at line 1 column 8"),
    ] {
        let error = decode(format!("{text}{bad}\n").as_bytes(), from(Format::Ndjson)).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (Kind::Malformed, format!("test:9001: {expected}")));
    }
    text.truncate(text.len() - 5);
    assert_eq!(decode(text.as_bytes(), from(Format::Ndjson)).unwrap_err().kind(), Kind::Incomplete);
    // Within the sample.
    for (lines, expected) in [
        ("{\"a\":1}\n{\"a\":true}\n", "test:2: column a: a boolean where a whole number was before: give its type"),
        (
            "{\"a\":18446744073709551616}\n",
            "test:1: column a: 18446744073709551616 is too large for a whole number: give the column's type (double, decimal, string)",
        ),
    ] {
        let error = decode(lines.as_bytes(), from(Format::Ndjson)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Malformed, expected));
    }
    // Numbers among floats that no double holds.
    for number in ["9007199254740993", "-9999999999999999.9999"] {
        let text = format!("{}{{\"a\":{number}}}\n", "{\"a\":1.5}\n".repeat(8192));
        let error = decode(text.as_bytes(), from(Format::Ndjson)).unwrap_err();
        assert!(error.to_string().contains("has more digits than a double holds"), "{error}");
    }
}

#[test]
fn bad_rows_can_be_left_out() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let bad_rows = Box::new(move |row: &BadRow<'_>| {
        keep.lock().unwrap().push((row.line, row.bytes.to_vec()));
        Ok(())
    });
    let text = b"{\"a\":1,\"b\":2}\nnonsense\r\n{\"a\":3,\"b\":4}\n";
    let batch = decode(text, ReadOptions { bad_rows, ..from(Format::Ndjson) }).unwrap();
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().values()[..], [2, 4]);
    assert_eq!(seen.lock().unwrap()[..], [(2, b"nonsense".to_vec())]);
}
