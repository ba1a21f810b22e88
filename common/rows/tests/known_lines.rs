//! Lines like those before are read without the parser: the rows, and what is said of bad lines, must be the same as with
//! it. A space before a line sends it to the parser, so each input is read as it is and with spaces.

mod support;

use arrow_array::Array;
use rows::format::{BadRow, BadRows};
use rows::header::Column;
use rows::line_protocol::{DecodeOptions, LpReader};
use rows::time::Unit;
use rows::{Limits, Reader, RecordBatch};
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use support::plain;
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;

/// Rows, and bad lines: number, bytes and reason, the latter two without places in bytes.
type Read = Result<(Vec<RecordBatch>, Vec<(u64, Vec<u8>, String)>), String>;

fn read(text: &str, options: &DecodeOptions, limits: Limits) -> Read {
    let bad = Arc::new(Mutex::new(Vec::new()));
    let seen = bad.clone();
    let bad_rows: BadRows = Box::new(move |row: &BadRow<'_>| {
        let mut reason = row.reason.to_owned();
        for word in ["offset ", "column "] {
            if let Some(at) = reason.find(word) {
                let digits = reason[at + word.len()..].bytes().take_while(u8::is_ascii_digit).count();
                reason.replace_range(at..at + word.len() + digits, "");
            }
        }
        let bytes = row.bytes.trim_ascii_start().to_vec();
        seen.lock().unwrap().push((row.line, bytes, reason));
        Ok(())
    });
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let opened = LpReader::open("test", input, None, options.clone(), limits, false, bad_rows);
    let mut reader = opened.map_err(|error| error.to_string())?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next().map_err(|error| error.to_string())? {
        assert!(batch.num_rows() <= limits.rows);
        batches.push(plain(&batch, true));
    }
    let bad = std::mem::take(&mut *bad.lock().unwrap());
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows + bad.len() + reader.counts().skipped() as usize, reader.counts().lines() as usize);
    let whole = batches.first().map(|first| arrow_select::concat::concat_batches(&first.schema(), &batches).unwrap());
    Ok((whole.into_iter().collect(), bad))
}

fn value() -> impl Strategy<Value = String> {
    let odd = &[
        "1",
        "1i",
        "-7i",
        "7u",
        "t",
        "FALSE",
        "1e5",
        "1E-7",
        "1e999",
        ".5",
        "5.",
        "-0",
        "-0i",
        "0.1",
        "123456789.987654321",
        "9007199254740993",
        "99999999i",
        "123456789i",
        "9223372036854775808i",
        "18446744073709551615u",
        "1.5i",
        "\"x\"",
        "\"a,b = c\"",
        "\"a\\\"b\\\\\"",
        "\"\"",
        "\"\u{e9}\u{1f600}\"",
        "x",
        "",
    ][..];
    prop_oneof![
        1 => prop::sample::select(odd).prop_map(str::to_owned),
        1 => "-?[0-9]{1,9}\\.[0-9]{1,9}",
        1 => any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| format!("{v}")),
        1 => any::<i64>().prop_map(|v| format!("{v}i")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let series = prop::sample::select(
        &[
            "m",
            "m,t=a",
            "m,t=b",
            "m,t=b,u=\u{e9}",
            "m,u=c,t=b",
            "m,t=a\\ b",
            "m,t=a\\,b",
            "n",
            "m,t=a,t=b",
            "m,k=5",
            "m,k=x",
        ][..],
    );
    let field =
        (prop::sample::select(&["f", "f", "g", "s", "b", "i", "a_long_name_of_a_field", "f\\ x", "t"][..]), value());
    let time = prop::sample::select(
        &[" 1", " -5", " 1704067200000000000", " 1704067200001000000", " 9223372036854775807", "", " 1 ", "  2"][..],
    );
    let end = prop::sample::select(&["\n", "\n", "\n", "\r\n"][..]);
    (series, vec(field, 1..5), time, end).prop_map(|(series, fields, time, end)| {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{series} {}{time}{end}", fields.join(","))
    })
}

fn given(columns: &[&str]) -> Option<Vec<Column>> {
    Some(columns.iter().map(|column| column.parse().unwrap()).collect())
}

fn options() -> impl Strategy<Value = DecodeOptions> {
    let columns = prop_oneof![
        3 => Just(None),
        1 => Just(given(&["time|time", "t|tag", "u|table", "k|tag:int", "f|double", "g|float", "s|string", "b|boolean", "i|int"])),
        1 => Just(given(&["t|tag", "time|time", "name|measurement", "i|ushort", "f|decimal(12,3)", "g|ignore:string", "s|binary"])),
    ];
    let unit = prop::sample::select(&[None, Some(Unit::Ns), Some(Unit::Ms)][..]);
    let dialect = prop::sample::select(&lp::Dialect::ALL[..]);
    let measurement = prop::option::weighted(0.2, Just("m".to_owned()));
    (columns, unit, dialect, any::<[bool; 2]>(), measurement).prop_map(
        |(columns, time_unit, dialect, [widen, scan], measurement)| DecodeOptions {
            columns,
            time_unit,
            dialect,
            widen,
            scan,
            measurement,
            ..DecodeOptions::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn known_lines_are_read_as_by_the_parser(
        lines in vec(line(), 1..8),
        order in vec(0usize..8, 1..30),
        options in options(),
        rows in 1usize..20,
    ) {
        let order: Vec<&String> = order.iter().map(|i| &lines[i % lines.len()]).collect();
        // What follows the last line lets the fields of it be known too.
        let tail = "# something that is longer than any key or number\n";
        let text = |before: &str| order.iter().map(|line| format!("{before}{line}")).collect::<String>() + tail;
        let limits = Limits { rows, bytes: 1 << 20 };
        prop_assert_eq!(read(&text(""), &options, limits), read(&text(" "), &options, limits));
    }
}

/// A stream with more series than are remembered, in turns and one after the other, and fields that come and go.
#[test]
fn many_series_are_read_in_bounded_memory() {
    let mut text = String::new();
    for i in 0..25_000 {
        let tag = format!("{:0>150}", i * 7919 % 25_000);
        text +=
            &format!("m,a={tag},b={} f={i}.5{},h=\"{}\" {i}\n", i % 3, if i % 5 == 0 { ",g=1i" } else { "" }, i % 7);
    }
    let limits = Limits::default();
    let (batches, bad) = read(&text, &DecodeOptions::default(), limits).unwrap();
    assert!(bad.is_empty());
    let batch = &batches[0];
    assert_eq!(batch.num_rows(), 25_000);
    let (again, _) = read(&text.replace("m,a", " m,a"), &DecodeOptions::default(), limits).unwrap();
    assert_eq!(again, batches);
    let tags = batch.column_by_name("a").unwrap();
    let tags = tags.as_any().downcast_ref::<arrow_array::StringArray>().unwrap();
    assert_eq!((tags.value(1), tags.null_count()), (format!("{:0>150}", 7919).as_str(), 0));
    assert_eq!(batch.column_by_name("g").unwrap().null_count(), 20_000);
}
