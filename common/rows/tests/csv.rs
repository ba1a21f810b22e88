//! CSV: every value comes back, cut and damaged inputs are told apart, foreign files can be read.

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use fault::{Error, Kind};
use rows::format::{BadRow, Format, Header, ReadOptions, WriteOptions};
use rows::role::Role;
use rows::time::Unit;
use rows::types::Type;
use rows::{Limits, header::Column};
use std::sync::{Arc, Mutex};
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;

/// Times of a column without any value have a unit that CSV cannot know: the caller states the columns then.
fn columns(batch: &RecordBatch) -> Vec<Column> {
    Column::all(&batch.schema()).unwrap()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn every_value_comes_back(batch in any_batch(true), times in 1usize..4, rows in 1usize..10, bytes in 1usize..400, end_mark: bool, null: bool) {
        let null = null.then(|| b"\\N".to_vec());
        let written = encode(&batch, times, WriteOptions { end_mark, null: null.clone(), ..to(Format::Csv) }).unwrap();
        let options = ReadOptions { end_mark, null, limits: Limits { rows, bytes }, columns: columns(&batch), ..from(Format::Csv) };
        let expected = arrow_select::concat::concat_batches(&plain(&batch, false).schema(), vec![&plain(&batch, false); times]).unwrap();
        prop_assert_eq!(decode(&written, options).unwrap(), expected);
    }

    #[test]
    fn units_are_taken_from_the_data(batch in any_batch(false)) {
        let batch = plain(&batch, false);
        let whole = |at: usize| batch.column(at).null_count() < batch.num_rows();
        let known = batch.schema().fields().iter().enumerate().all(|(at, field)| !matches!(Type::of(field).unwrap(), Type::Timestamp(_)) || whole(at));
        prop_assume!(known);
        let written = encode(&batch, 1, to(Format::Csv)).unwrap();
        prop_assert_eq!(decode(&written, ReadOptions::default()).unwrap(), batch);
    }

    #[test]
    fn a_cut_file_is_never_whole(batch in any_batch(false), at: Index) {
        let columns = columns(&batch);
        let marked = encode(&batch, 2, WriteOptions { end_mark: true, ..to(Format::Csv) }).unwrap();
        let cut = &marked[..at.index(marked.len())];
        let error = decode(cut, ReadOptions { end_mark: true, columns: columns.clone(), ..from(Format::Csv) }).unwrap_err();
        prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error);
        // Without a mark only a cut at a line end can look whole.
        let bare = encode(&batch, 2, to(Format::Csv)).unwrap();
        let cut = &bare[..at.index(bare.len())];
        match decode(cut, ReadOptions { columns, ..from(Format::Csv) }) {
            Ok(_) => prop_assert_eq!(cut.last(), Some(&b'\n')),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error),
        }
    }

    #[test]
    fn noise_never_panics(bytes in noise(b"ts|time,d|tag,v|double,n|int,b|binary,x|decimal(5,2)\n2024-01-01T00:00:00Z,\"a\"\"b\",1.5,-3,00ff,-1.25\n".to_vec()), header in 0usize..3) {
        let header = [Header::Typed, Header::Plain, Header::None][header];
        if let Err(error) = decode(&bytes, ReadOptions { header, ..from(Format::Csv) }) {
            assert_input_error(&error);
        }
    }
}

const SENSORS: &str = "ts|time,dev|tag,temp|double,n|long,note|string\n\
    2024-01-01T00:00:00.000Z,a,21.5,1,\"\"\n\
    2024-01-01T00:00:01.000Z,a,,2,\n\
    2024-01-01T00:00:02.000Z,b,54,3,\"x, \"\"y\"\"\"\n";

#[test]
fn empty_text_is_not_null() {
    let batch = decode(SENSORS.as_bytes(), ReadOptions::default()).unwrap();
    let notes = batch.column(4).as_string::<i32>();
    assert_eq!((notes.is_null(0), notes.value(0), notes.is_null(1), notes.value(2)), (false, "", true, "x, \"y\""));
    assert_eq!(batch.column(0).as_primitive::<TimestampMillisecondType>().value(1), 1_704_067_201_000);
    assert_eq!(batch.column(2).as_primitive::<Float64Type>().value(2), 54.0);
    let mut again = SENSORS.replace(",54,", ",54.0,");
    assert_eq!(String::from_utf8(encode(&batch, 1, to(Format::Csv)).unwrap()).unwrap(), again);
    // The mark is the documented one: xxh3-64 of everything before it.
    let hash = xxhash_rust::xxh3::xxh3_64(again.as_bytes());
    again.push_str(&format!("#ts-end rows=3 xxh3={hash:016x}\n"));
    let marked = encode(&batch, 1, WriteOptions { end_mark: true, ..to(Format::Csv) }).unwrap();
    assert_eq!(String::from_utf8(marked).unwrap(), again);
}

#[test]
fn bad_rows_name_their_line_and_column() {
    let text = SENSORS.replace(",2,", ",two,");
    let error = decode(text.as_bytes(), ReadOptions::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Malformed, "test:3: column n (long): 'two' is no whole number")
    );
    for (bad, expected) in [
        ("2024-01-01T00:00:03.000Z,a,1\n", "test:5: the row has 3 cells, the header 5"),
        (
            "2024-01-01T00:00:03Z,a,1,1,\n",
            "test:5: column ts (timestamp): '2024-01-01T00:00:03Z' has not the number of fraction digits of this column's first time",
        ),
        (
            "2024-01-01T00:00:03.000Z,\"a\"b,1,1,\n",
            "test:5: text behind a closing quote (a quote within a quoted cell is written twice)",
        ),
        ("2024-01-01T00:00:03.000Z,a,1e999,1,\n", "test:5: column temp (double): '1e999' is out of the type's range"),
    ] {
        let error = decode(format!("{SENSORS}{bad}").as_bytes(), ReadOptions::default()).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Malformed, expected));
    }
    let error = decode(&[SENSORS.as_bytes(), b"2024-01-01T00:00:03.000Z,\xff,1,1,\n"].concat(), ReadOptions::default())
        .unwrap_err();
    assert!(error.to_string().ends_with("is not valid UTF-8"), "{error}");
}

#[test]
fn bad_rows_can_be_left_out_and_are_handed_over() {
    let text = format!(
        "{SENSORS}short\n\"open\"x,1,2\n2024-01-01T00:00:03.000Z,c,nope,4,\r\n2024-01-01T00:00:04.000Z,c,4.5,4,\n"
    );
    let marked = format!("{text}#ts-end rows=7 xxh3={:016x}\n", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let bad_rows = Box::new(move |row: &BadRow<'_>| -> Result<(), Error> {
        keep.lock().unwrap().push((row.line, row.offset, row.bytes.to_vec(), row.reason.to_owned()));
        Ok(())
    });
    let batch = decode(marked.as_bytes(), ReadOptions { end_mark: true, bad_rows, ..from(Format::Csv) }).unwrap();
    assert_eq!(batch.num_rows(), 4);
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen[0],
        (5, SENSORS.len() as u64, b"short".to_vec(), "test:5: the row has 1 cells, the header 5".into())
    );
    assert_eq!((seen.len(), &seen[2].2[..]), (3, &b"2024-01-01T00:00:03.000Z,c,nope,4,"[..]));
}

#[test]
fn foreign_files() {
    let text = "\u{feff}time;device;value;note\r\n1704067200000;a;1.5;\\N\r\n\r\n1704067201000;\"a;b\";\\N;\r\n1704067202000;c;2;x";
    let parse = |name, ty| Column::with_type(name, ty).unwrap();
    let options = || ReadOptions {
        header: Header::Plain,
        delimiter: b';',
        null: Some(b"\\N".to_vec()),
        epoch: Some(Unit::Ms),
        columns: vec![parse("time", "time"), parse("device", "tag"), parse("value", "double")],
        ..ReadOptions::default()
    };
    let batch = decode(text.as_bytes(), options()).unwrap();
    assert_eq!(batch.num_rows(), 3);
    assert_eq!(Role::stated(batch.schema().field(1)).unwrap(), Some(Role::Tag));
    assert_eq!(
        batch.column(0).as_primitive::<TimestampMillisecondType>().values()[..],
        [1_704_067_200_000, 1_704_067_201_000, 1_704_067_202_000]
    );
    assert_eq!(batch.column(1).as_string::<i32>().value(1), "a;b");
    assert!(batch.column(2).is_null(1) && batch.column(3).is_null(0));
    assert_eq!(batch.column(3).as_string::<i32>().value(1), "");
    let error = decode(b"a;b\n", options()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Usage, "there is no column 'time' in the input (columns: a, b)")
    );
    let bare = decode(b"1,x\n2,y\n", ReadOptions { header: Header::None, ..ReadOptions::default() }).unwrap();
    assert_eq!((bare.schema().field(1).name().as_str(), bare.num_rows()), ("c2", 2));
    let typed = decode(b"a,b\n", ReadOptions::default()).unwrap_err();
    assert!(typed.kind() == Kind::Malformed && typed.to_string().contains("--header plain"), "{typed}");
}

#[test]
fn nothing_follows_an_end_mark() {
    let batch = decode(SENSORS.as_bytes(), ReadOptions::default()).unwrap();
    let marked = encode(&batch, 1, WriteOptions { end_mark: true, ..to(Format::Csv) }).unwrap();
    let error = decode(&[&marked[..], SENSORS.as_bytes()].concat(), ReadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert!(error.to_string().contains("an end mark in the middle"), "{error}");
    assert_eq!(decode(b"", ReadOptions::default()).unwrap_err().kind(), Kind::Incomplete);
    // A hash that is right, rows that are not: a writer's mistake must not pass either.
    let text = format!("{SENSORS}#ts-end rows=4 xxh3={:016x}\n", xxhash_rust::xxh3::xxh3_64(SENSORS.as_bytes()));
    assert_eq!(decode(text.as_bytes(), ReadOptions::default()).unwrap_err().kind(), Kind::Incomplete);
}

#[test]
fn rows_larger_than_a_block_pass_and_endless_ones_do_not() {
    let long = "x".repeat(3 << 20);
    let text = format!("ts|time,a|string\n2024-01-01T00:00:00Z,\"{long}\"\n2024-01-01T00:00:01Z,b\n");
    let batch =
        decode(text.as_bytes(), ReadOptions { limits: Limits { rows: 10, bytes: 1000 }, ..ReadOptions::default() })
            .unwrap();
    assert_eq!((batch.num_rows(), batch.column(1).as_string::<i32>().value(0).len()), (2, 3 << 20));
    let endless = format!("ts|time,a|string\n2024-01-01T00:00:00Z,\"{}", "x\n".repeat(9 << 20));
    let error = decode(endless.as_bytes(), ReadOptions::default()).unwrap_err();
    assert!(
        error.kind() == Kind::Malformed
            && error.to_string().starts_with("test:2: the row that begins here is longer than"),
        "{error}"
    );
}

#[test]
fn what_csv_cannot_say_is_refused() {
    let usage = |options: WriteOptions| {
        let batch = decode(SENSORS.as_bytes(), ReadOptions::default()).unwrap();
        encode(&batch, 1, options).unwrap_err().kind()
    };
    assert_eq!(usage(WriteOptions { delimiter: b'.', ..to(Format::Csv) }), Kind::Usage);
    assert_eq!(usage(WriteOptions { null: Some(b"a,b".to_vec()), ..to(Format::Csv) }), Kind::Usage);
    // NULL's text is quoted where it is a value.
    let batch = decode(SENSORS.as_bytes(), ReadOptions::default()).unwrap();
    let written = encode(&batch, 1, WriteOptions { null: Some(b"3".to_vec()), ..to(Format::Csv) }).unwrap();
    assert!(String::from_utf8(written.clone()).unwrap().contains(",\"3\","));
    assert_eq!(decode(&written, ReadOptions { null: Some(b"3".to_vec()), ..from(Format::Csv) }).unwrap(), batch);
}
