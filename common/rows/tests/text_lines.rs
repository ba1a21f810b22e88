//! CSV straight into line protocol against the long way through columns: the same lines but for the spelling of numbers,
//! the same counts, the same words about the same rows, with any number of threads.

mod support;

use fault::{Kind, Result};
use lp::Dialect;
use rows::format::{self, BadRow, Format, Opened, ReadOptions, Source, WriteOptions};
use rows::line_protocol::*;
use rows::time::Unit;
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex};
use testkit::influxdb_line_protocol::{FieldValue, parse_lines};
use testkit::proptest::collection::vec;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::select;

/// An output that the test keeps.
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

/// Gives its bytes in pieces.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(out.len());
        self.0.read(&mut out[..most])
    }
}

/// Everything that a caller hears. Rows are named by line and number.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    lines: u64,
    repairs: Repairs,
    rows: Vec<String>,
    result: Option<(Kind, String)>,
}

#[derive(Clone, Debug, Default)]
struct Reading {
    null: Option<&'static str>,
    epoch: Option<Unit>,
    end_mark: bool,
}

/// A way from CSV to lines.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Straight(usize),
    Long,
}

fn run(csv: &[u8], reading: &Reading, encode: &EncodeOptions, way: Way) -> (Vec<u8>, Heard) {
    let (out, rows) = (Shared::default(), Arc::new(Mutex::new(Vec::new())));
    let mut heard = Heard::default();
    if let Err(error) = try_run(csv, reading, encode, way, &out, &rows, &mut heard) {
        heard.result = Some((error.kind(), error.to_string()));
    }
    heard.rows = std::mem::take(&mut rows.lock().unwrap());
    let bytes = std::mem::take(&mut *out.0.lock().unwrap());
    (bytes, heard)
}

fn try_run(
    csv: &[u8],
    reading: &Reading,
    encode: &EncodeOptions,
    way: Way,
    out: &Shared,
    rows: &Arc<Mutex<Vec<String>>>,
    heard: &mut Heard,
) -> Result<()> {
    let (bad, none) = (rows.clone(), rows.clone());
    let options = ReadOptions {
        from: Some(Format::Csv),
        null: reading.null.map(|null| null.as_bytes().to_vec()),
        epoch: reading.epoch,
        end_mark: reading.end_mark,
        bad_rows: Box::new(move |row: &BadRow<'_>| {
            let text = format!("line {} at {}: {} {}", row.line, row.offset, row.reason, row.bytes.escape_ascii());
            bad.lock().unwrap().push(text);
            Ok(())
        }),
        ..ReadOptions::default()
    };
    let input = Box::new(Pieces(Cursor::new(csv.to_vec()), 70_001));
    let opened = format::open_text(Source::new("x", input, None), options)?;
    let schema = opened.schema();
    let Opened::Csv(csv) = opened else { unreachable!() };
    let no_lines: NoLines = Box::new(move |row: &Rejected<'_>| {
        let text = rows::row_text(row.batch, row.row)?;
        none.lock().unwrap().push(format!("row {}: {row}: {}", row.number, text.escape_ascii()));
        Ok(())
    });
    let write = WriteOptions { end_mark: reading.end_mark, ..WriteOptions::default() };
    let lines = CsvToLines::create(*csv, schema, out.clone(), |_| Ok(()), &write, encode.clone(), no_lines)?;
    let counts = lines.counts();
    let lines = match way {
        Way::Straight(threads) => lines.threads(threads),
        Way::Long => lines.the_long_way(),
    };
    let written = lines.run(|| Ok(()));
    (heard.lines, heard.repairs) = (counts.lines(), counts.repairs());
    written?.finish()
}

/// A line as what it says: keys and texts as bytes, numbers as values.
fn meaning(bytes: &[u8], dialect: Dialect) -> Vec<String> {
    let mut parser = lp::Parser::new(dialect);
    let mut lines = Vec::new();
    for raw in lp::Lines::new(bytes, dialect) {
        if raw.bytes.starts_with(b"#") {
            // The hash of the mark is that of the bytes.
            lines.push(String::from_utf8_lossy(raw.bytes).split("xxh3").next().unwrap().to_owned());
            continue;
        }
        let line = match parser.parse(raw.bytes) {
            Ok(line) => line,
            Err(bad) => panic!("{bad:?}: {}", raw.bytes.escape_ascii()),
        };
        let mut said = format!("{} {:?}", line.series().escape_ascii(), line.timestamp());
        for (key, value) in line.fields() {
            let value = match value.value() {
                lp::FieldValue::Float(v) => format!("{:x}", v.to_bits()),
                lp::FieldValue::Str(text) => format!("{}", text.escape_ascii()),
                other => format!("{other:?}"),
            };
            said += &format!(" {}={value}", key.escape_ascii());
        }
        lines.push(said);
    }
    lines
}

/// The same by a parser that is not ours.
fn other_meaning(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = |line: testkit::influxdb_line_protocol::ParsedLine<'_>| {
        let fields = line.field_set.iter().map(|(key, value)| match value {
            FieldValue::F64(v) => format!("{key}={:x}", v.to_bits()),
            other => format!("{key}={other:?}"),
        });
        format!("{:?} {:?} {:?}", line.series, fields.collect::<Vec<_>>(), line.timestamp)
    };
    parse_lines(text).map(|parsed| parsed.ok().map(line)).collect()
}

fn same_meaning(a: &[u8], b: &[u8], dialect: Dialect) -> std::result::Result<(), TestCaseError> {
    if a == b {
        return Ok(());
    }
    prop_assert_eq!(meaning(a, dialect), meaning(b, dialect));
    if let (Some(a), Some(b)) = (other_meaning(a), other_meaning(b)) {
        prop_assert_eq!(a, b);
    }
    Ok(())
}

/// Numbers as anyone may write them, and what is none.
fn any_number() -> BoxedStrategy<String> {
    prop_oneof![
        6 => (any::<i32>(), 0u32..12).prop_map(|(n, cut)| (i64::from(n) / 10i64.pow(cut)).to_string()),
        2 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<u64>().prop_map(|n| n.to_string()),
        4 => "-?[0-9]{1,5}[.][0-9]{1,4}",
        2 => any::<u32>().prop_map(|bits| f32::from_bits(bits % 0x2000_0000 + 0x3000_0000).to_string()),
        2 => any::<f64>().prop_map(|v| v.to_string()),
        1 => any::<f64>().prop_map(|v| format!("{v:e}")),
        1 => "-?[0-9]{0,25}[.]?[0-9]{0,20}",
        1 => select(&["NaN", "inf", "-inf", "1e999", "1e-5", "007", "-0", "-0.0", "+1", "5.", ".5", "0x1", "--1", " 1", "1 ", "127", "128", "-129", "32768", "255", "65536", "2147483647", "-2147483649", "4294967296", "9223372036854775808", "18446744073709551616", "true", "0.30", "16777217", "0"][..]).prop_map(str::to_owned),
    ]
    .boxed()
}

fn any_time() -> BoxedStrategy<String> {
    prop_oneof![
        8 => (0u32..100_000, 0u32..1000).prop_map(|(s, ms)| format!("2024-02-{:02}T{:02}:{:02}:{:02}.{ms:03}Z", 1 + s % 31, s / 60 % 26, s / 7 % 61, s % 60)),
        8 => (0u32..3).prop_map(|s| format!("2024-03-01T10:20:3{s}.500Z")),
        2 => (0u32..10_000).prop_map(|y| format!("{y:04}-02-29T00:00:00.000Z")),
        1 => select(&["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:01.000Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000000Z", "2024-01-01T01:00:00.000+01:00", "2024-01-01 00:00:00.250Z", "2024-01-01t00:00:00.250z", "2024-01-01T24:00:00.000Z", "2262-04-11T23:47:16.854Z", "2262-04-11T23:47:15.999Z", "2262-04-11T23:47:17.000Z", "+02024-01-01T00:00:00.000Z", "2024-01-01T00:00:0 .000Z", "2024-01-01T00:00:00,000Z", "2024-01-01T00:00:00.00xZ", "now", "1704067200000", "-5", "9223372036854"][..]).prop_map(str::to_owned),
    ]
    .boxed()
}

fn any_hex() -> BoxedStrategy<String> {
    prop_oneof![4 => "([0-9a-f]{2}){0,20}", 1 => "[0-9a-fA-F]{0,6}", 1 => "[0-9a-g]{0,3}"].boxed()
}

/// Texts of a cell of this type, as they stand between the delimiters: quoted where they must be, and sometimes where not.
fn any_cell(ty: &str) -> BoxedStrategy<String> {
    let text = match ty {
        "time" | "timestamp" | "ignore:timestamp" | "tag:timestamp" => any_time(),
        "boolean" | "tag:boolean" => {
            prop_oneof![6 => select(&["true", "false"][..]), 1 => select(&["t", "F", "1", "TRUE", "yes", "truefalse"][..])]
                .prop_map(str::to_owned)
                .boxed()
        }
        "string" | "tag" | "table" | "table:redundant" | "json" | "measurement" | "ignore:string" => prop_oneof![
            4 => "[a-z0-9]{1,12}",
            3 => "[a-z ,=]{1,40}",
            2 => support::any_text(),
            2 => "[a-z\u{e4}\u{6f22}]{1,30}",
            1 => "(\\{\"[a-z]{1,20}\": \"[a-z]{0,30}\"\\}){1,3}",
            1 => "[a\\\\\"]{1,20}",
        ]
        .boxed(),
        "binary" | "tag:binary" | "geometry" => any_hex(),
        _ if ty.contains("decimal") => {
            prop_oneof![4 => "-?[0-9]{1,4}[.][0-9]{2}", 1 => "-?0[.]0[0-9]", 1 => "-?[0-9]{1,18}([.][0-9]{0,3})?"].boxed()
        }
        _ => any_number(),
    };
    let null =
        prop_oneof![6 => Just(""), 1 => Just("NA"), 1 => Just("\"\""), 1 => Just("\"NA\"")].prop_map(str::to_owned);
    let cell = (text, 0..40).prop_map(|(text, how)| {
        let must = text.contains([',', '"', '\n', '\r']) || text.is_empty();
        match how {
            // Not quoted though it must be: another row than was meant.
            0 => text,
            1..4 => format!("\"{}\"", text.replace('"', "\"\"")),
            4 => format!("\"{text}\""),
            _ if must => format!("\"{}\"", text.replace('"', "\"\"")),
            _ => text,
        }
    });
    prop_oneof![10 => cell, 1 => null].boxed()
}

const TYPES: [&str; 36] = [
    "double",
    "double",
    "float",
    "float",
    "int",
    "long",
    "short",
    "byte",
    "ubyte",
    "ushort",
    "uint",
    "ulong",
    "boolean",
    "string",
    "string",
    "json",
    "binary",
    "geometry",
    "\"decimal(6,2)\"",
    "\"decimal(18,2)\"",
    "timestamp",
    "tag",
    "tag",
    "tag:int",
    "tag:ulong",
    "tag:boolean",
    "tag:double",
    "tag:binary",
    "tag:timestamp",
    "int:key",
    "table",
    "table:redundant",
    "measurement",
    "ignore:string",
    "ignore:int",
    "ignore:timestamp",
];

/// Name, type and texts of a column.
fn any_column(rows: usize) -> impl Strategy<Value = (String, String, Vec<String>)> {
    let name = prop_oneof![8 => "[a-c]{1,3}", 1 => "[a-z ,=]{1,4}", 1 => "long_name_[a-z]{8,30}"];
    (name, select(&TYPES[..])).prop_flat_map(move |(name, ty)| {
        let plain = ty.trim_matches('"');
        (Just(name), Just(ty.to_owned()), vec(any_cell(plain), rows))
    })
}

/// A CSV, perhaps with odd rows.
fn any_csv() -> impl Strategy<Value = String> {
    let rows = 0usize..12;
    let odd = select(&["", "\n", "\r\n", "a\n", "\"a\"b,c\n", ",,,,,,,,,,,\n", "#x\n", "\u{feff}\n", "#ts-end\n"][..]);
    (rows, 1usize..8).prop_flat_map(move |(rows, columns)| {
        let columns = vec(any_column(rows), columns);
        let odd = prop_oneof![6 => Just((0, "")), 1 => (0..=rows, odd.clone())];
        let end = prop_oneof![8 => Just("\n"), 1 => Just("\r\n")];
        (vec(any_time(), rows), columns, odd, end, 0usize..20).prop_map(move |(times, columns, odd, end, last)| {
            let mut header = "ts|time".to_owned();
            for (at, (name, ty, _)) in columns.iter().enumerate() {
                let cell = format!("{name}{at}|{}", ty.trim_matches('"'));
                header += &if cell.contains([',', '"']) { format!(",\"{cell}\"") } else { format!(",{cell}") };
            }
            let mut csv = header + end;
            for row in 0..=rows {
                if odd.0 == row {
                    csv += odd.1;
                }
                let Some(time) = times.get(row) else { break };
                csv += time;
                for (_, _, texts) in &columns {
                    csv += ",";
                    csv += &texts[row];
                }
                csv += if row % 5 == 3 { "\n" } else { end };
            }
            if last == 0 {
                csv.pop();
            }
            csv
        })
    })
}

fn any_options() -> impl Strategy<Value = EncodeOptions> {
    let dialect = select(&Dialect::ALL[..]);
    let repairs = (
        select(&[Nan::Error, Nan::Drop, Nan::String][..]),
        prop::option::of(select(&[Newline::Error, Newline::Space, Newline::Raw, Newline::Escape][..])),
        select(&[TrailingBackslash::Error, TrailingBackslash::Strip, TrailingBackslash::Space][..]),
        select(&[UintAs::Auto, UintAs::Integer, UintAs::Float][..]),
        select(&[EmptyTag::Drop, EmptyTag::Error][..]),
        select(&[BinaryAs::Hex, BinaryAs::Base64][..]),
        select(&[DecimalAs::Float, DecimalAs::String][..]),
        select(&[AllNull::Skip, AllNull::Error][..]),
    );
    let units = prop_oneof![3 => Just(Unit::Ns), 1 => select(&support::UNITS[..])];
    let names = (
        select(&[TableAs::Auto, TableAs::Tag, TableAs::Drop][..]),
        select(&[KeyAs::Tag, KeyAs::Field][..]),
        prop_oneof![4 => Just(Measurement::Named("a long measurement, with = signs".to_owned())), 1 => Just(Measurement::Stated)],
    );
    (dialect, repairs, units, names).prop_map(|(dialect, repairs, precision, (table_as, key_as, measurement))| {
        let (nan, newline, trailing_backslash, uint, empty_tag, binary, decimal, all_null) = repairs;
        let newline = newline.unwrap_or(EncodeOptions::new(dialect).newline);
        EncodeOptions {
            dialect,
            measurement,
            table_as,
            key_as,
            nan,
            newline,
            trailing_backslash,
            uint,
            empty_tag,
            binary,
            decimal,
            all_null,
            precision,
        }
    })
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let epoch = prop_oneof![6 => Just(None), 1 => Just(Some(Unit::Ms))];
    (select(&[None, None, Some("NA")][..]), epoch).prop_map(|(null, epoch)| Reading { null, epoch, end_mark: false })
}

proptest! {
    #![proptest_config(support::config(1500))]

    #[test]
    fn the_short_way_says_what_the_long_way_says(csv in any_csv(), options in any_options(), reading in any_reading()) {
        let (long, heard) = run(csv.as_bytes(), &reading, &options, Way::Long);
        let (short, also) = run(csv.as_bytes(), &reading, &options, Way::Straight(1));
        prop_assert_eq!(&also, &heard);
        same_meaning(&short, &long, options.dialect)?;
        let (threaded, also) = run(csv.as_bytes(), &reading, &options, Way::Straight(3));
        prop_assert_eq!(&also, &heard);
        prop_assert_eq!(&threaded, &short);
    }
}

/// Many blocks, of which some hold odd rows: line numbers, row numbers and the order of the output are those of one thread.
#[test]
fn blocks_and_threads_do_not_matter() {
    let mut csv = "ts|time,device|tag,temp|double,note|string\n".to_owned();
    for n in 0..40_000u32 {
        let note = match n % 1000 {
            17 => "\"two\nlines, \"\"quoted\"\"\"",
            18 => "",
            _ => "some text",
        };
        let temp = match n {
            12_345 | 12_346 | 30_000 => "warm".to_owned(),
            20_000..20_100 => "NaN".to_owned(),
            _ => format!("{}.5", n % 77),
        };
        csv += &format!("2024-01-01T00:{:02}:{:02}.000Z,d {},{temp},{note}\n", n / 60 % 60, n % 60, n % 13);
    }
    let options = EncodeOptions {
        measurement: Measurement::Named("m".to_owned()),
        newline: Newline::Raw,
        ..EncodeOptions::new(Dialect::Portable)
    };
    let reading = Reading::default();
    let (long, heard) = run(csv.as_bytes(), &reading, &options, Way::Long);
    assert_eq!((heard.lines, heard.rows.len(), &heard.result), (40_000 - 103, 103, &None));
    // Two lines for each note of two lines before it, and the header's.
    let place = format!("line {} at", 12_345 + 13 + 2);
    assert!(heard.rows[0].starts_with(&place), "{}", heard.rows[0]);
    assert!(heard.rows.contains(&"row 19998: column temp: nan or infinity (see lp-encode --nan): 2024-01-01T00:33:19.000Z,d 5,NaN,some text".replace("19998", "19999").replace("33:19", "33:20").replace("d 5", "d 6")), "{:?}", &heard.rows[..4]);
    for threads in [1, 2, 5] {
        let (out, also) = run(csv.as_bytes(), &reading, &options, Way::Straight(threads));
        assert_eq!(also, heard, "{threads} threads");
        assert!(out == long, "{threads} threads");
    }
}

#[test]
fn end_marks_are_checked_and_written_with_any_number_of_threads() {
    let mut rows = "ts|time,v|double\n".to_owned();
    for n in 0..30_000 {
        rows += &format!("2024-01-01T00:00:{:02}.000Z,{n}.25\n", n % 60);
    }
    let mut writer = rows::endmark::EndMarkWriter::new(Vec::new());
    writer.write_all(rows.as_bytes()).unwrap();
    let marked = writer.mark(30_000).unwrap();
    let options = EncodeOptions { measurement: Measurement::Named("m".to_owned()), ..EncodeOptions::new(Dialect::V2) };
    let reading = Reading { end_mark: true, ..Reading::default() };
    for threads in [1, 3] {
        let (out, heard) = run(&marked, &reading, &options, Way::Straight(threads));
        assert_eq!((heard.result, heard.lines), (None, 30_000));
        assert!(String::from_utf8_lossy(&out[out.len() - 60..]).contains("\n#ts-end rows=30000 xxh3="));
        for cut in [rows.len(), rows.len() - 1, marked.len() - 1, 500_000] {
            let (out, heard) = run(&marked[..cut], &reading, &options, Way::Straight(threads));
            assert_eq!(heard.result.map(|(kind, _)| kind), Some(Kind::Incomplete));
            assert!(!out.windows(7).any(|w| w == b"#ts-end"));
        }
    }
}
