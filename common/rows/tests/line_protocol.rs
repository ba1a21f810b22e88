//! Batches to lines and back, in every dialect; what cannot be a line; what lines say of their columns.

mod support;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::*;
use arrow_schema::{DataType, Schema};
use fault::{Kind, Result};
use lp::Dialect;
use rows::format::{BadRow, BadRows};
use rows::header::Column;
use rows::line_protocol::*;
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use rows::{Limits, Reader};
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use support::{any_batch, plain};
use testkit::proptest::prelude::*;

/// Keeps lines, and why rows are none.
#[derive(Default)]
struct Keep {
    out: Vec<u8>,
    rejected: Vec<(usize, Why)>,
}

impl Sink for Keep {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn lines(&mut self, _count: u64) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, row: &Rejected<'_>) -> Result<()> {
        self.rejected.push((row.row, row.why));
        Ok(())
    }
}

fn encode(batch: &RecordBatch, options: EncodeOptions) -> Result<(Keep, Repairs)> {
    let mut encoder = Encoder::new(&batch.schema(), options)?;
    let mut keep = Keep::default();
    encoder.encode(batch, &mut keep)?;
    assert_eq!(encoder.rows(), batch.num_rows() as u64);
    Ok((keep, *encoder.repairs()))
}

fn fail_on_bad() -> BadRows {
    Box::new(|row| Err(fault::Error::malformed(row.reason)))
}

fn open(lines: &str, options: DecodeOptions) -> Result<LpReader> {
    let reader = Box::new(Cursor::new(lines.as_bytes().to_vec()));
    LpReader::open("test", reader, None, options, Limits::default(), false, fail_on_bad())
}

fn read(mut reader: impl Reader) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        batches.push(batch);
    }
    Ok(arrow_select::concat::concat_batches(&reader.schema(), &batches).unwrap())
}

fn decode(lines: &str, options: DecodeOptions) -> Result<RecordBatch> {
    read(open(lines, options)?)
}

/// The typed header of a schema, for short expectations.
fn columns(schema: &Schema) -> String {
    Column::all(schema).unwrap().iter().map(Column::to_string).collect::<Vec<_>>().join(",")
}

/// A batch as CSV without its header.
fn csv(batch: &RecordBatch) -> String {
    let bytes = support::encode(batch, 1, support::to(rows::format::Format::Csv)).unwrap();
    String::from_utf8(bytes).unwrap().split_once('\n').unwrap().1.to_owned()
}

fn from_csv(text: &str) -> RecordBatch {
    support::decode(text.as_bytes(), support::from(rows::format::Format::Csv)).unwrap()
}

fn lines_of(csv: &str, options: EncodeOptions) -> String {
    let mut options = options;
    if options.measurement == Measurement::Stated {
        options.measurement = Measurement::Named("m".to_owned());
    }
    let (keep, _) = encode(&from_csv(csv), options).unwrap();
    assert_eq!(keep.rejected, []);
    String::from_utf8(keep.out).unwrap()
}

fn portable() -> EncodeOptions {
    EncodeOptions::new(Dialect::Portable)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the batch holds: every row is a line that passes the check, or rejected, or without a value; and the
    /// lines give every cell of their rows back.
    #[test]
    fn every_row_is_a_safe_line_or_is_named(batch in any_batch(true), dialect in prop::sample::select(&Dialect::ALL[..])) {
        let options = EncodeOptions { table_as: TableAs::Tag, ..EncodeOptions::new(dialect) };
        // Without a field there is nothing to write, and it says so.
        let Ok((keep, repairs)) = encode(&batch, options) else { return Ok(()) };
        let lines: Vec<_> = lp::Lines::new(&keep.out, dialect).map(|raw| raw.bytes).collect();
        for line in &lines {
            prop_assert_eq!(lp::check(line, dialect), Ok(()), "{}", String::from_utf8_lossy(line));
        }
        let no_value = repairs.values(Repair::AllNullRow) as usize;
        prop_assert_eq!(lines.len() + keep.rejected.len() + no_value, batch.num_rows());

        let expected = plain(&batch, true);
        let all = Column::all(&expected.schema()).unwrap();
        let time = all.iter().position(|c| c.role == Role::Time).unwrap();
        let Type::Timestamp(unit) = all[time].ty else { unreachable!() };
        let decode_options = DecodeOptions { dialect, time_unit: Some(unit), columns: Some(all.clone()), ..DecodeOptions::default() };
        let got = match decode(std::str::from_utf8(&keep.out).unwrap(), decode_options) {
            Ok(got) => got,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(got.num_rows(), lines.len());
        let got = plain(&got, true);
        let is_field = |c: &Column| c.role == Role::Field && !c.key;
        let fields: Vec<usize> = (0..all.len()).filter(|i| is_field(&all[*i])).collect();
        let kept: Vec<usize> = (0..batch.num_rows())
            .filter(|row| !keep.rejected.iter().any(|(r, _)| r == row))
            .filter(|row| fields.iter().any(|f| expected.column(*f).is_valid(*row)))
            .collect();
        for (line, row) in kept.iter().enumerate() {
            for (i, column) in all.iter().enumerate() {
                let (a, b) = (expected.column(i).slice(*row, 1), got.column(i).slice(line, 1));
                let empty = |array: &ArrayRef| array.as_any().downcast_ref::<StringArray>().is_some_and(|t| t.value(0).is_empty());
                let empty_binary = |array: &ArrayRef| array.as_any().downcast_ref::<BinaryArray>().is_some_and(|t| t.value(0).is_empty());
                if column.role == Role::Ignore {
                    continue;
                }
                if !is_field(column) && column.role != Role::Time && a.is_valid(0) && (empty(&a) || empty_binary(&a)) {
                    // An empty tag is no tag.
                    prop_assert!(b.is_null(0));
                    continue;
                }
                prop_assert_eq!(a.as_ref(), b.as_ref(), "{}", column);
            }
        }
    }

    /// Whatever the lines are: an error, or batches; never a panic, and every line is a row or named.
    #[test]
    fn any_lines_are_survived(pieces in testkit::proptest::collection::vec(prop::sample::select(&["m,t=a f=1 1\n", "m f=1i 2\n", "m g=\"x\n", "\"", "\n", "n f=t,g=2 3\n", "m,t=\\ f=1 4\n", "m,f=1 f=2,f=3 5\r\n", "m f=1\n", "\\", "#c\n", "m f=3u,time=4 6\n"][..]), 0..25), merge in prop::option::of(0usize..4), scan: bool, widen: bool) {
        let text = pieces.concat() + "\n";
        let bad = Arc::new(Mutex::new(0));
        let count = bad.clone();
        let bad_rows: BadRows = Box::new(move |row: &BadRow<'_>| {
            assert!(row.reason.starts_with("test: line ") && !row.reason.contains('\n'), "{}", row.reason);
            *count.lock().unwrap() += 1;
            Ok(())
        });
        let options = DecodeOptions { merge, scan, widen, ..DecodeOptions::default() };
        let opened = LpReader::open("test", Box::new(Cursor::new(text.into_bytes())), None, options, Limits { rows: 3, bytes: 1000 }, false, bad_rows);
        match opened {
            Err(error) => prop_assert_eq!(error.kind(), Kind::Malformed),
            Ok(mut reader) => {
                let mut rows = 0;
                while let Some(batch) = reader.next().unwrap() {
                    rows += batch.num_rows();
                }
                let seen = reader.counts().lines() as usize;
                let bad = *bad.lock().unwrap();
                if merge.is_none() {
                    prop_assert_eq!(rows + bad, seen);
                } else {
                    prop_assert!(rows + bad <= seen);
                }
            }
        }
    }
}

#[test]
fn columns_become_what_their_role_says() {
    let csv = "ts|time,d|tag,n|tag:int,tb|table:redundant,k|int:key,f|double,i|short,u|ulong,b|boolean,s|string,g|ignore:string,dec|decimal(10\",2)\"".replace("decimal(10\",2)\"", "decimal(10;2)");
    // The header's comma stands quoted.
    let csv = csv.replace("dec|decimal(10;2)", "\"dec|decimal(10,2)\"");
    let csv = format!(
        "{csv}\n2024-01-01T00:00:00.001Z,a b,-7,t1,5,0.1,-3,9,true,x\"y,gone,-1.50\n2024-01-01T00:00:00.002Z,,,t1,,,1,,,,,\n"
    );
    let lines = lines_of(&csv, portable());
    assert_eq!(
        lines,
        "m,d=a\\ b,k=5,n=-7 f=0.1,i=-3i,u=9i,b=true,s=\"x\\\"y\",dec=-1.50 1704067200001000000\nm i=1i 1704067200002000000\n"
    );
    let lines = lines_of(
        &csv,
        EncodeOptions {
            table_as: TableAs::Tag,
            key_as: KeyAs::Field,
            precision: Unit::Ms,
            ..EncodeOptions::new(Dialect::V2)
        },
    );
    assert!(lines.starts_with("m,d=a\\ b,n=-7,tb=t1 k=5i,f=0.1,i=-3i,u=9u,"), "{lines}");
    assert!(lines.contains(" 1704067200001\n"));
}

#[test]
fn a_table_that_is_needed_for_identity_becomes_a_tag() {
    let csv = "ts|time,tb|table,f|double\n2024-01-01T00:00:00Z,t1,1\n";
    assert_eq!(lines_of(csv, portable()), "m,tb=t1 f=1.0 1704067200000000000\n");
    assert_eq!(lines_of(csv, EncodeOptions { table_as: TableAs::Drop, ..portable() }), "m f=1.0 1704067200000000000\n");
}

#[test]
fn the_measurement_comes_from_a_column_or_the_schema() {
    let csv = "ts|time,name|measurement,f|double,other|string\n2024-01-01T00:00:00Z,a b,1,o\n";
    let stated = encode(&from_csv(csv), portable()).unwrap().0.out;
    assert_eq!(stated, b"a\\ b f=1.0,other=\"o\" 1704067200000000000\n");
    let options = EncodeOptions { measurement: Measurement::Column("other".to_owned()), ..portable() };
    assert_eq!(lines_of(csv, options), "o f=1.0 1704067200000000000\n");
    let plain = from_csv("ts|time,f|double\n2024-01-01T00:00:00Z,1\n");
    assert!(encode(&plain, portable()).err().unwrap().to_string().contains("--measurement"));
    let schema = Schema::new_with_metadata(plain.schema().fields().clone(), role::metadata(Some("x"), None));
    let named = plain.with_schema(Arc::new(schema)).unwrap();
    assert_eq!(encode(&named, portable()).unwrap().0.out, b"x f=1.0 1704067200000000000\n");
}

#[test]
fn schemas_that_cannot_be_written_are_usage_errors() {
    for (header, dialect, word) in [
        ("ts|time,f|double,time|double", Dialect::V1, "reserved"),
        ("ts|time,a|tag", Dialect::V1, "--field"),
        ("ts|time,_field|tag,f|double", Dialect::V2, "reserved"),
        ("ts|time,\"f\n|double\"", Dialect::V2, "line feed"),
        ("ts|time,f\\|double", Dialect::V3, "backslash"),
    ] {
        let batch = from_csv(&format!("{header}\n"));
        let options = EncodeOptions { measurement: Measurement::Named("m".to_owned()), ..EncodeOptions::new(dialect) };
        let error = Encoder::new(&batch.schema(), options).err().unwrap();
        assert!(error.kind() == Kind::Usage && error.to_string().contains(word), "{error}");
    }
    let options =
        EncodeOptions { uint: UintAs::Unsigned, measurement: Measurement::Named("m".to_owned()), ..portable() };
    let schema = from_csv("ts|time,u|uint\n").schema();
    assert!(Encoder::new(&schema, options).err().unwrap().to_string().contains("--uint"));
}

/// One awkward row at a time: refused by default, repaired by the policy, counted.
#[test]
fn what_lines_cannot_hold_is_refused_or_repaired_and_counted() {
    let base = portable;
    let cases: &[(&str, &str, EncodeOptions, &str, Option<Repair>)] = &[
        ("f|double", "NaN", EncodeOptions { nan: Nan::Drop, ..base() }, "m x=1i", Some(Repair::NanDropped)),
        (
            "f|float",
            "-inf",
            EncodeOptions { nan: Nan::String, ..base() },
            "m f=\"-inf\",x=1i",
            Some(Repair::NanAsString),
        ),
        (
            "f|string",
            "\"a\nb\"",
            EncodeOptions { newline: Newline::Space, ..base() },
            "m f=\"a b\",x=1i",
            Some(Repair::NewlineToSpace),
        ),
        (
            "f|string",
            "\"a\nb\"",
            EncodeOptions { newline: Newline::Escape, ..base() },
            "m f=\"a\\\\nb\",x=1i",
            Some(Repair::NewlineEscaped),
        ),
        ("f|string", "\"a\nb\"", EncodeOptions { newline: Newline::Raw, ..base() }, "m f=\"a\nb\",x=1i", None),
        (
            "f|tag",
            "\"a\nb\"",
            EncodeOptions { newline: Newline::Space, ..base() },
            "m,f=a\\ b x=1i",
            Some(Repair::NewlineToSpace),
        ),
        (
            "f|tag",
            "a\tb",
            EncodeOptions { newline: Newline::Escape, ..base() },
            "m,f=a\\tb x=1i",
            Some(Repair::NewlineEscaped),
        ),
        (
            "f|tag",
            "C:\\",
            EncodeOptions { trailing_backslash: TrailingBackslash::Strip, ..base() },
            "m,f=C: x=1i",
            Some(Repair::BackslashStripped),
        ),
        (
            "f|tag",
            "C:\\",
            EncodeOptions { trailing_backslash: TrailingBackslash::Space, ..EncodeOptions::new(Dialect::V3) },
            "m,f=C:\\\\\\  x=1i",
            Some(Repair::BackslashSpace),
        ),
        (
            "f|tag",
            "\\\\",
            EncodeOptions { trailing_backslash: TrailingBackslash::Strip, empty_tag: EmptyTag::Drop, ..base() },
            "",
            None,
        ),
        ("f|ulong", "18446744073709551615", EncodeOptions::new(Dialect::V2), "m f=18446744073709551615u,x=1i", None),
        (
            "f|ulong",
            "18446744073709551615",
            EncodeOptions { uint: UintAs::Float, ..base() },
            "m f=18446744073709551615,x=1i",
            Some(Repair::UintAsFloat),
        ),
        (
            "\"f|decimal(20,2)\"",
            "123456789012345678.91",
            EncodeOptions { decimal: DecimalAs::String, ..base() },
            "m f=\"123456789012345678.91\",x=1i",
            None,
        ),
        ("f|binary", "00ff", EncodeOptions { binary: BinaryAs::Base64, ..base() }, "m f=\"AP8=\",x=1i", None),
    ];
    for (column, value, options, line, repair) in cases {
        let csv = format!("ts|time,{column},x|int\n1970-01-01T00:00:01Z,{value},1\n");
        let named = |options: &EncodeOptions| EncodeOptions {
            measurement: Measurement::Named("m".to_owned()),
            ..options.clone()
        };
        let (keep, repairs) = encode(&from_csv(&csv), named(options)).unwrap();
        let expected = if line.is_empty() { String::new() } else { format!("{line} 1000000000\n") };
        assert_eq!(String::from_utf8(keep.out).unwrap(), expected, "{column} {value}");
        assert_eq!(repairs.iter().collect::<Vec<_>>(), repair.map(|r| (r, 1)).into_iter().collect::<Vec<_>>());
        // The same without the policy.
        if !matches!(*column, "f|binary") {
            let (keep, repairs) = encode(&from_csv(&csv), named(&base())).unwrap();
            assert_eq!(
                (keep.rejected.len(), repairs, keep.out),
                (1, Repairs::default(), Vec::new()),
                "{column} {value}"
            );
        }
    }
}

#[test]
fn decimals_are_floats_only_if_no_digit_is_lost() {
    let csv = "ts|time,\"f|decimal(38,2)\"\n1970-01-01T00:00:01Z,1234567890123.45\n1970-01-01T00:00:02Z,12345678901234567.00\n1970-01-01T00:00:03Z,9007199254740993.00\n1970-01-01T00:00:04Z,123456789012345678.91\n";
    let (keep, _) =
        encode(&from_csv(csv), EncodeOptions { measurement: Measurement::Named("m".to_owned()), ..portable() })
            .unwrap();
    assert_eq!(keep.out, b"m f=1234567890123.45 1000000000\n");
    assert_eq!(keep.rejected, [(1, Why::DecimalInexact), (2, Why::DecimalInexact), (3, Why::DecimalInexact)]);
}

#[test]
fn rows_without_time_or_value() {
    let csv = "ts|time,t|tag,f|double\n,a,1\n1970-01-01T00:00:01Z,a,\n1970-01-01T00:00:02Z,,2\n";
    let named = EncodeOptions { measurement: Measurement::Named("m".to_owned()), ..portable() };
    let (keep, repairs) = encode(&from_csv(csv), named.clone()).unwrap();
    assert_eq!(keep.rejected, [(0, Why::NoTime)]);
    assert_eq!(repairs.iter().collect::<Vec<_>>(), [(Repair::AllNullRow, 1)]);
    assert_eq!(keep.out, b"m f=2.0 2000000000\n");
    let (keep, _) = encode(&from_csv(csv), EncodeOptions { all_null: AllNull::Error, ..named }).unwrap();
    assert_eq!(keep.rejected, [(0, Why::NoTime), (1, Why::NoField)]);
}

#[test]
fn times_change_their_unit_only_without_loss() {
    let csv = "ts|time,f|double\n1970-01-01T00:00:01.000000Z,1\n1970-01-01T00:00:01.000001Z,2\n";
    let options = EncodeOptions { precision: Unit::Ms, measurement: Measurement::Named("m".to_owned()), ..portable() };
    let (keep, _) = encode(&from_csv(csv), options).unwrap();
    assert_eq!(keep.out, b"m f=1.0 1000\n");
    assert_eq!(keep.rejected, [(1, Why::TimeNotWhole)]);
    let csv = "ts|time,f|double\n9999-12-31T00:00:00Z,1\n";
    let (keep, _) =
        encode(&from_csv(csv), EncodeOptions { measurement: Measurement::Named("m".to_owned()), ..portable() })
            .unwrap();
    assert_eq!(keep.rejected, [(0, Why::Refused(lp::Refusal::TimeOutOfRange))]);
}

#[test]
fn dictionaries_may_change_between_batches() {
    let batch = |values: Vec<Option<&str>>| {
        let tags: DictionaryArray<types::Int32Type> = values.into_iter().collect();
        let tag = role::with_role(arrow_schema::Field::new("t", tags.data_type().clone(), true), Role::Tag);
        let time = Column::new("ts", Role::Time, Type::Timestamp(Unit::S)).field();
        let n = Column::new("n", Role::Field, Type::Long).field();
        let rows = tags.len();
        let schema = Schema::new_with_metadata(vec![time, tag, n], role::metadata(Some("m"), None));
        let times = TimestampSecondArray::from(vec![1; rows]).with_timezone("UTC");
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(times), Arc::new(tags), Arc::new(Int64Array::from(vec![1; rows]))],
        )
        .unwrap()
    };
    let first = batch(vec![Some("a"), Some("b c"), None, Some("a")]);
    let second = batch(vec![Some("x"), Some("\\"), Some("")]);
    let mut encoder = Encoder::new(&first.schema(), EncodeOptions { precision: Unit::S, ..portable() }).unwrap();
    let mut keep = Keep::default();
    for batch in [&first, &first, &second, &first.slice(1, 2)] {
        encoder.encode(batch, &mut keep).unwrap();
    }
    let part = "m,t=a n=1i 1\nm,t=b\\ c n=1i 1\nm n=1i 1\nm,t=a n=1i 1\n";
    let expected = format!("{part}{part}m,t=x n=1i 1\nm n=1i 1\nm,t=b\\ c n=1i 1\nm n=1i 1\n");
    assert_eq!(String::from_utf8(keep.out).unwrap(), expected);
    assert_eq!(keep.rejected, [(1, Why::Refused(lp::Refusal::TrailingBackslash(lp::Element::TagValue)))]);
    assert_eq!(encoder.repairs().values(Repair::EmptyTagDropped), 1);
}

#[test]
fn lines_tell_their_columns() {
    let batch =
        decode("m,b=1,a=x\\ y f=1.,i=2i 1\nm,a=z u=3u,s=\"q\\\"\",i=-1i,ok=t 2\n", DecodeOptions::default()).unwrap();
    assert_eq!(columns(&batch.schema()), "time|time,b|tag,a|tag,f|double,i|long,u|ulong,s|string,ok|boolean");
    assert_eq!(batch.schema().metadata()[role::MEASUREMENT], "m");
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    assert_eq!((batch.column(1).data_type(), batch.column(6).data_type()), (&dictionary, &DataType::Utf8));
    assert_eq!(
        csv(&batch),
        "1970-01-01T00:00:00.000000001Z,1,x y,1.0,2,,,\n1970-01-01T00:00:00.000000002Z,,z,,-1,3,\"q\"\"\",true\n"
    );
}

#[test]
fn several_measurements_become_a_column() {
    let batch = decode("m f=1 1\nn,measurement=x g=2 2\n", DecodeOptions::default()).unwrap();
    assert_eq!(columns(&batch.schema()), "time|time,_measurement|measurement,measurement|tag,f|double,g|double");
    assert_eq!(csv(&batch), "1970-01-01T00:00:00.000000001Z,m,,1.0,\n1970-01-01T00:00:00.000000002Z,n,x,,2.0\n");
    let only = DecodeOptions { measurement: Some("n".to_owned()), ..DecodeOptions::default() };
    let reader = open("m f=1 1\nn g=2 2\n", only).unwrap();
    let counts = reader.counts();
    assert_eq!(csv(&read(reader).unwrap()), "1970-01-01T00:00:00.000000002Z,2.0\n");
    assert_eq!((counts.lines(), counts.skipped()), (2, 1));
}

#[test]
fn a_tag_and_a_field_of_one_name_stay_two_columns() {
    let batch = decode("m,f=a f=1 1\n", DecodeOptions { dialect: Dialect::V1, ..DecodeOptions::default() }).unwrap();
    assert_eq!(columns(&batch.schema()), "time|time,f|tag,f_1|double");
    assert_eq!(csv(&batch), "1970-01-01T00:00:00.000000001Z,a,1.0\n");
}

/// More lines than the sample, then something new.
fn late(last: &str) -> String {
    format!("{}{last}\n", "m,t=a f=1i 1\n".repeat(9000))
}

#[test]
fn what_comes_after_the_sample_is_named_with_advice() {
    for (last, word) in [
        ("m,t=a g=1 1", "field g is no column"),
        ("m,u=a f=1i 1", "tag u is no column"),
        ("m,t=a f=1.5 1", "field f is double here, its column is long"),
        ("n,t=a f=1i 1", "measurement n was not among the first lines"),
    ] {
        let error = decode(&late(last), DecodeOptions::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Malformed);
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("line 9001, offset 117000") && text.contains("--scan"), "{text}");
    }
    let scan = |widen| DecodeOptions { scan: true, widen, ..DecodeOptions::default() };
    let batch = decode(&late("n,u=b g=1.5 2"), scan(false)).unwrap();
    assert_eq!(batch.num_rows(), 9001);
    assert_eq!(columns(&batch.schema()), "time|time,measurement|measurement,t|tag,u|tag,f|long,g|double");
    let error = decode(&late("m,t=a f=1.5 1"), scan(false)).err().unwrap();
    assert!(error.to_string().contains("--widen"), "{error}");
    let batch = decode(&late("m,t=a f=1.5 1"), scan(true)).unwrap();
    assert_eq!(columns(&batch.schema()), "time|time,t|tag,f|double");
}

#[test]
fn integers_become_floats_only_where_that_is_asked_for_and_exact() {
    let widen = DecodeOptions { widen: true, ..DecodeOptions::default() };
    let batch = decode("m f=1 1\nm f=9007199254740992i 2\n", widen.clone()).unwrap();
    assert_eq!(
        batch.column(1).as_any().downcast_ref::<PrimitiveArray<Float64Type>>().unwrap().value(1),
        9007199254740992.0
    );
    assert!(decode("m f=1 1\nm f=9007199254740993i 2\n", widen).is_err());
    assert!(decode("m f=1 1\nm f=1i 2\n", DecodeOptions::default()).err().unwrap().to_string().contains("--widen"));
}

#[test]
fn a_given_schema_is_obeyed() {
    let header = ["when|time", "t|tag:int", "k|int:key", "f|float", "n|ushort", "\u{e4}|string"];
    let given: Vec<Column> = header.iter().map(|c| c.parse().unwrap()).collect();
    let options = DecodeOptions { columns: Some(given), time_unit: Some(Unit::Ms), ..DecodeOptions::default() };
    let batch =
        decode("m,t=-5,k=7 f=0.1,n=65535i,\u{e4}=\"x\" 1000000\nother,k=8 n=0u 2000000\n", options.clone()).unwrap();
    assert_eq!(csv(&batch), "1970-01-01T00:00:00.001Z,-5,7,0.1,65535,x\n1970-01-01T00:00:00.002Z,,8,,0,\n");
    for line in [
        "m,t=x f=1 1000000",
        "m n=65536i 1000000",
        "m f=1i 1000000",
        "m x=1 1000000",
        "m f=1 1000001",
        "m f=1,f=2 1000000",
        "m f=1",
    ] {
        assert_eq!(decode(&format!("{line}\n"), options.clone()).err().unwrap().kind(), Kind::Malformed, "{line}");
    }
}

#[test]
fn one_line_per_field_is_merged_back() {
    let merge = |window| DecodeOptions { merge: Some(window), ..DecodeOptions::default() };
    let export = "m,a=1,b=2 f=1 1\nm,a=1,b=2 f=2 2\nm,b=2,a=1 g=3i 1\nm,a=1,b=2 g=4i 2\nm,a=2 f=5 1\n";
    let batch = decode(export, merge(10)).unwrap();
    assert_eq!(
        csv(&batch),
        "1970-01-01T00:00:00.000000001Z,1,2,1.0,3\n1970-01-01T00:00:00.000000002Z,1,2,2.0,4\n1970-01-01T00:00:00.000000001Z,2,,5.0,\n"
    );
    // A window of one point joins neighbours only.
    assert_eq!(decode(export, merge(1)).unwrap().num_rows(), 5);
    assert_eq!(decode("m f=1 1\nm g=2 1\nm f=3 2\n", merge(1)).unwrap().num_rows(), 2);
    let reader = open("m f=1 1\nm f=2 1\n", merge(1)).unwrap();
    let counts = reader.counts();
    assert_eq!(csv(&read(reader).unwrap()), "1970-01-01T00:00:00.000000001Z,2.0\n");
    assert_eq!(counts.overwritten(), 1);
}

#[test]
fn the_unit_of_the_times_is_stated_or_asked_for() {
    let lines = "# tsferry precision=ms\nm f=1 1500\n";
    assert_eq!(csv(&decode(lines, DecodeOptions::default()).unwrap()), "1970-01-01T00:00:01.500Z,1.0\n");
    let asked = |unit| DecodeOptions { precision: Some(unit), ..DecodeOptions::default() };
    assert_eq!(decode(lines, asked(Unit::S)).err().unwrap().kind(), Kind::Usage);
    assert_eq!(csv(&decode("m f=1 15\n", asked(Unit::S)).unwrap()), "1970-01-01T00:00:15Z,1.0\n");
    assert_eq!(decode("# tsferry precision=h\n", DecodeOptions::default()).err().unwrap().kind(), Kind::Malformed);
}

#[test]
fn as_a_format_like_the_others_with_end_mark_and_compression() {
    let batch = decode(
        "m,t=a f=1,u=7u 1000000\nm f=2 2000000\n",
        DecodeOptions { dialect: Dialect::V3, ..DecodeOptions::default() },
    )
    .unwrap();
    let mut to = support::to(rows::format::Format::Lp);
    to.end_mark = true;
    to.precision = Unit::Ms;
    let bytes = support::encode(&batch, 3, to.clone()).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.starts_with("# tsferry precision=ms\nm,t=a f=1.0,u=7i 1\n") && text.contains("\n#ts-end rows=6 xxh3="),
        "{text}"
    );
    let mut from = support::from(rows::format::Format::Lp);
    from.end_mark = true;
    let again = support::decode(&bytes, from).unwrap();
    assert_eq!(again.num_rows(), 6);
    assert_eq!(again.column(3).as_any().downcast_ref::<PrimitiveArray<Int64Type>>().unwrap().value(0), 7);
    for cut in [bytes.len() - 1, bytes.len() - 30, 40] {
        let mut from = support::from(rows::format::Format::Lp);
        from.end_mark = true;
        assert_eq!(support::decode(&bytes[..cut], from).err().unwrap().kind(), Kind::Incomplete, "{cut}");
    }
    to.compression = Some(rows::compress::Compression::Gzip(1));
    let packed = support::encode(&batch, 3, to).unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    assert_eq!(support::decode(&packed, support::from(rows::format::Format::Lp)).unwrap(), again);
}
