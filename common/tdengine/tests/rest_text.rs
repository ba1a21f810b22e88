//! Replies of REST straight into CSV against the way through columns: whatever a reply holds, both give the same bytes or
//! the same error.

mod support;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};
use rows::csv_cell::{self, Value};
use rows::format::{self, Format, Header, WriteOptions};
use rows::instant::Printer;
use rows::time::Unit;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use support::{Slow, body, config, reply, said};
use tdengine::Type;
use tdengine::json::Body;
use tdengine::rest::Stream;
use tdengine::text_rows::TextRows;
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::select;

/// How the columns of a reply are read.
#[derive(Clone, Debug, Default)]
struct How {
    unit: Option<Unit>,
    /// Texts are dictionaries.
    dictionary: bool,
    /// Texts are bytes.
    as_bytes: bool,
    /// The first column must not hold NULL.
    required: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Outcome = Result<String, String>;

fn open<'a>(reply: &'a [u8], step: usize, how: &How) -> Result<Stream<Slow<'a>>, String> {
    let mut stream = Stream::open(Body::open(Slow(reply, step)).map_err(said)?, how.unit).map_err(said)?;
    for column in &mut stream.columns {
        column.dictionary = how.dictionary;
        column.as_bytes = how.as_bytes && matches!(column.kind, Type::Varchar | Type::NChar);
    }
    Ok(stream)
}

/// Through columns.
fn by_columns(reply: &[u8], step: usize, how: &How) -> Outcome {
    let mut stream = open(reply, step, how)?;
    let field = |(at, column): (usize, &tdengine::Column)| -> Field {
        column.field(stream.unit).with_nullable(at > 0 || !how.required)
    };
    let schema = Arc::new(Schema::new(stream.columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let out = Shared::default();
    let options = WriteOptions { to: Format::Csv, header: Header::None, ..WriteOptions::default() };
    let mut writer = format::create(out.clone(), |_| Ok(()), schema.clone(), options).map_err(said)?;
    while let Some(rows) = stream.next_rows().map_err(|failure| said(failure.error))? {
        let batch = RecordBatch::try_new(schema.clone(), rows.columns).map_err(|_| "null".to_owned())?;
        writer.write(&batch).map_err(said)?;
    }
    writer.finish().map_err(said)?;
    let bytes = std::mem::take(&mut *out.0.lock().unwrap());
    Ok(String::from_utf8(bytes).unwrap())
}

/// As text, and the number of rows.
fn by_text(reply: &[u8], step: usize, how: &How, constants: &[(usize, String)]) -> Result<(u64, String), String> {
    let mut stream = open(reply, step, how)?;
    let mut text = TextRows::new(&stream.columns, stream.unit, |at| at == 0 && how.required, constants).unwrap();
    let (mut all, mut out) = (0, Vec::new());
    while stream.next_text(&mut text).map_err(|failure| said(failure.error))? {
        if text.null_seen() {
            return Err("null".to_owned());
        }
        let (rows, bytes) = text.written();
        all += rows;
        out.extend_from_slice(bytes);
    }
    Ok((all, String::from_utf8(out).unwrap()))
}

fn text(reply: &[u8], step: usize, how: &How) -> Outcome {
    let (rows, text) = by_text(reply, step, how, &[])?;
    assert_eq!(csv_cell::rows_end(text.as_bytes(), rows), text.len());
    assert!(rows == 0 || csv_cell::rows_end(text.as_bytes(), rows - 1) < text.len());
    Ok(text)
}

fn how() -> impl Strategy<Value = How> {
    (select(vec![None, Some(Unit::Ms), Some(Unit::Us)]), any::<bool>(), 0..8, 0..8).prop_map(
        |(unit, dictionary, as_bytes, required)| How {
            unit,
            dictionary,
            as_bytes: as_bytes == 0,
            required: required == 0,
        },
    )
}

/// JSON of numbers that are spelled in every way.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|v| v.to_string()),
        any::<f64>().prop_map(|v| serde_json::Value::from(v).to_string()),
        any::<f32>().prop_map(|v| v.to_string()),
        any::<u32>().prop_map(|bits| f32::from_bits(bits % 0x2000_0000 + 0x3000_0000).to_string()),
        (any::<u32>(), 0usize..10)
            .prop_map(|(bits, places)| { format!("{:.places$}", f32::from_bits(bits % 0x2000_0000 + 0x3000_0000)) }),
        (any::<i64>(), 0u32..64).prop_map(|(n, shift)| (n >> shift).to_string()),
        "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,10})?",
        "-?0\\.0{0,8}[0-9]{1,8}",
        "-?[0-9]{1,9}\\.?[0-9]{0,9}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?[eE][-+]?[0-9]{1,2}",
        select(vec!["NaN", "inf", "Infinity", "-0", "-0.0", "00", "+1", "1.", ".5", "-", "\"NaN\"", "\"1\"", "true"])
            .prop_map(str::to_owned),
    ]
}

/// A reply with one column of this type.
fn column_of(kind: &str, cells: &[String]) -> Vec<u8> {
    let rows: Vec<String> = cells.iter().map(|cell| format!("[{cell},7,\"and more\"]")).collect();
    let meta = format!("[[\"c\",\"{kind}\",8],[\"n\",\"INT\",4],[\"t\",\"VARCHAR\",9]]");
    format!("{{\"code\":0,\"column_meta\":{meta},\"data\":[{}],\"rows\":{}}}", rows.join(","), rows.len()).into_bytes()
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn both_ways_write_the_same(reply in reply(), step in 2usize..300, how in how()) {
        let columns = by_columns(&reply, usize::MAX, &how);
        for step in [usize::MAX, step, 1] {
            prop_assert_eq!(&text(&reply, step, &how), &columns);
        }
    }

    #[test]
    fn damaged_replies_fail_alike(reply in reply(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in how()) {
        let mut reply = reply;
        let at = at.index(reply.len());
        for byte in [byte, b"\"\\,[]{}.-e09 n"[usize::from(byte) % 14]] {
            reply[at] = byte;
            prop_assert_eq!(text(&reply, usize::MAX, &how), by_columns(&reply, usize::MAX, &how));
            let cut = &reply[..at];
            prop_assert_eq!(text(cut, usize::MAX, &how), by_columns(cut, usize::MAX, &how));
        }
    }

    #[test]
    fn numbers_in_every_spelling(cells in vec(number(), 1..4)) {
        for kind in ["FLOAT", "DOUBLE", "TINYINT", "SMALLINT", "INT", "BIGINT", "TINYINT UNSIGNED", "SMALLINT UNSIGNED",
            "INT UNSIGNED", "BIGINT UNSIGNED", "BOOL", "DECIMAL(20, 4)", "TIMESTAMP", "VARCHAR"] {
            for cell in cells.iter().chain(&[format!("\"{}\"", cells[0])]) {
                let reply = column_of(kind, std::slice::from_ref(cell));
                prop_assert_eq!(text(&reply, usize::MAX, &How::default()), by_columns(&reply, usize::MAX, &How::default()), "{} {}", kind, cell);
            }
        }
    }

    #[test]
    fn times_of_every_kind(nanos in any::<i64>(), second in 0u32..70, digits in select(vec![0usize, 1, 3, 6, 9]), zone in select(vec!["Z", "Z", "Z", "z", "+08:00", ""]), letter in select(vec!["T", "T", "T", "t", " "]), year in select(vec!["", "", "0000", "1677", "1678", "2262", "9999"])) {
        let time = spelled(nanos, second, digits, zone, letter, year);
        let next = spelled(nanos, (second + 1) % 60, digits, zone, letter, year);
        for unit in [Unit::Ms, Unit::Us, Unit::Ns] {
            let how = How { unit: Some(unit), ..How::default() };
            let reply = column_of("TIMESTAMP", &[time.clone(), next.clone(), time.clone()]);
            prop_assert_eq!(text(&reply, usize::MAX, &how), by_columns(&reply, usize::MAX, &how), "{} {}", time, unit.as_str());
        }
    }

    #[test]
    fn texts_of_every_kind(
        texts in vec(prop_oneof!["[ -~]{0,40}", ".{0,20}", "[a\"\\\\,#\n\r\té中😀\u{7f}]{0,40}"], 1..5),
        escaped in any::<bool>(), dictionary in any::<bool>(), as_bytes in any::<bool>(),
    ) {
        let spell = |text: &String| match escaped {
            false => serde_json::Value::from(text.as_str()).to_string(),
            // As some write everything beyond ASCII.
            true => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>()),
        };
        let cells: Vec<String> = texts.iter().chain(texts.first()).chain(texts.first()).map(spell).collect();
        let how = How { dictionary, as_bytes, ..How::default() };
        for kind in ["VARCHAR", "NCHAR", "JSON", "VARBINARY"] {
            let reply = column_of(kind, &cells);
            prop_assert_eq!(text(&reply, usize::MAX, &how), by_columns(&reply, usize::MAX, &how));
        }
    }
}

fn spelled(nanos: i64, second: u32, digits: usize, zone: &str, letter: &str, year: &str) -> String {
    let time = chrono::DateTime::from_timestamp_nanos(nanos);
    let fraction = format!("{:09}", nanos.rem_euclid(1_000_000_000));
    let date = time.format("%Y-%m-%d").to_string();
    let date = if year.is_empty() { date } else { format!("{year}{}", &date[4..]) };
    let point = if digits > 0 { "." } else { "" };
    format!("\"{date}{letter}{}:{second:02}{point}{}{zone}\"", time.format("%H:%M"), &fraction[..digits])
}

/// What was recorded of a real server.
#[test]
fn recorded_replies_are_written_alike() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wire/tdengine/rest");
    let mut rows = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "resp") {
            continue;
        }
        let reply = body(&std::fs::read(&path).unwrap());
        for dictionary in [false, true] {
            let how = How { dictionary, ..How::default() };
            let columns = by_columns(&reply, usize::MAX, &how);
            for step in [usize::MAX, 1000, 7, 1] {
                let text = text(&reply, step, &how);
                if let (Ok(text), Ok(columns)) = (&text, &columns) {
                    for (text, columns) in text.lines().zip(columns.lines()) {
                        assert_eq!(text, columns, "{}", path.display());
                    }
                }
                assert_eq!(text, columns, "{}", path.display());
                rows += text.map_or(0, |text| text.lines().count());
            }
        }
    }
    assert!(rows > 1000, "{rows}");
}

#[test]
fn pages_batches_and_rows_larger_than_either() {
    let mut data: Vec<String> = (0..20_000).map(|n| format!("[\"{}\",{n},\"x\"]", n / 7)).collect();
    for (at, size) in [(4500, 700_000), (4501, 262_140), (4502, 300_000), (19_999, 262_143)] {
        data.insert(at, format!("[\"{}\",1,\"{}\"]", "x,".repeat(size / 2), "y".repeat(at % 40)));
    }
    let meta = "[[\"s\",\"VARCHAR\",9],[\"n\",\"INT\",4],[\"t\",\"VARCHAR\",9]]";
    let count = data.len();
    let reply = format!("{{\"code\":0,\"column_meta\":{meta},\"data\":[{}],\"rows\":{count}}}", data.join(","));
    let columns = by_columns(reply.as_bytes(), usize::MAX, &How::default()).unwrap();
    for step in [usize::MAX, 16 << 10, 999] {
        let (rows, text) = by_text(reply.as_bytes(), step, &How::default(), &[]).unwrap();
        assert_eq!(rows, 20_004);
        assert!(text == columns, "step {step}");
    }
}

#[test]
fn cells_that_are_the_same_in_all_rows() {
    let reply = column_of("INT", &["1".into(), "null".into(), "300e0".into()]);
    assert!(by_text(&reply, usize::MAX, &How::default(), &[]).is_err());
    let reply = column_of("FLOAT", &["1".into(), "null".into(), "300e0".into()]);
    let constants =
        [(0, String::new()), (1, "a,b".to_owned()), (1, "c".to_owned()), (3, "d".to_owned()), (3, "\"".to_owned())];
    for step in [usize::MAX, 1] {
        let (rows, text) = by_text(&reply, step, &How::default(), &constants).unwrap();
        let row = |cell: &str| format!("\"\",{cell},\"a,b\",c,7,and more,d,\"\"\"\"\n");
        assert_eq!((rows, text), (3, [row("1.0"), row(""), row("300.0")].concat()));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_alike() {
    for (kind, dictionary) in [("VARCHAR", false), ("VARCHAR", true), ("JSON", false), ("NCHAR", true)] {
        let good = column_of(kind, &["\"a\"".into(), "\"?\"".into(), "\"b\"".into()]);
        let bad: Vec<u8> = good.iter().map(|byte| if *byte == b'?' { 0xFF } else { *byte }).collect();
        let how = How { dictionary, ..How::default() };
        for step in [usize::MAX, 1] {
            let error = text(&bad, step, &how).unwrap_err();
            assert!(error.contains("not UTF-8"), "{error}");
            assert_eq!(Err(error), by_columns(&bad, step, &how));
        }
    }
}

#[test]
fn values_without_columns_are_spelled_as_in_columns() {
    let mut out = Vec::new();
    for value in [
        Value::Boolean(true),
        Value::Signed(-5),
        Value::Unsigned(u64::MAX),
        Value::Single(0.1),
        Value::Double(1e300),
        Value::Time(-1, Unit::Ms),
        Value::Decimal(-1_234_500, 4),
        Value::Text(b"a\"b"),
        Value::Binary(b"\x00\xff"),
        Value::Binary(b""),
    ] {
        csv_cell::append(value, &mut Printer::default(), &mut out);
        out.push(b' ');
    }
    let expected = "true -5 18446744073709551615 0.1 1e+300 1969-12-31T23:59:59.999Z -123.4500 \"a\"\"b\" 00ff \"\" ";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
