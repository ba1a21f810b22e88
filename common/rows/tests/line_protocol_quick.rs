//! The quick way from columns to lines writes what the careful one does: the same bytes, rejects and counts.

mod support;

use arrow_array::RecordBatch;
use fault::Result;
use lp::Dialect;
use rows::line_protocol::*;
use rows::time::Unit;
use support::{any_batch, any_text, config};
use testkit::proptest::prelude::*;

#[derive(Default, Debug, PartialEq)]
struct Keep {
    out: Vec<u8>,
    lines: u64,
    rejected: Vec<(u64, Option<String>, Why)>,
}

impl Sink for Keep {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn lines(&mut self, count: u64) -> Result<()> {
        self.lines += count;
        Ok(())
    }

    fn reject(&mut self, row: &Rejected<'_>) -> Result<()> {
        self.rejected.push((row.number, row.column.map(str::to_owned), row.why));
        Ok(())
    }
}

fn encode(mut encoder: Encoder, batches: &[&RecordBatch]) -> (Keep, Repairs, u64) {
    let mut keep = Keep::default();
    let lines: u64 = batches.iter().map(|batch| encoder.encode(batch, &mut keep).unwrap()).sum();
    assert_eq!(lines, keep.lines);
    (keep, *encoder.repairs(), encoder.rows())
}

fn options() -> impl Strategy<Value = EncodeOptions> {
    let policies = (0usize..4, 0usize..3, 0usize..4, 0usize..3, 0usize..4);
    let choices = (0usize..4, any::<[bool; 6]>());
    (policies, choices).prop_map(|((dialect, nan, newline, backslash, uint), (unit, yes))| EncodeOptions {
        measurement: Measurement::default(),
        table_as: if yes[0] { TableAs::Tag } else { TableAs::Auto },
        key_as: if yes[1] { KeyAs::Tag } else { KeyAs::Field },
        nan: [Nan::Error, Nan::Drop, Nan::String][nan],
        newline: [Newline::Error, Newline::Space, Newline::Raw, Newline::Escape][newline],
        trailing_backslash: [TrailingBackslash::Error, TrailingBackslash::Strip, TrailingBackslash::Space][backslash],
        uint: [UintAs::Auto, UintAs::Unsigned, UintAs::Integer, UintAs::Float][uint],
        empty_tag: if yes[2] { EmptyTag::Drop } else { EmptyTag::Error },
        binary: if yes[3] { BinaryAs::Hex } else { BinaryAs::Base64 },
        decimal: if yes[4] { DecimalAs::Float } else { DecimalAs::String },
        all_null: if yes[5] { AllNull::Skip } else { AllNull::Error },
        precision: support::UNITS[unit],
        ..EncodeOptions::new(Dialect::ALL[dialect])
    })
}

/// What both ways give, or the usage error of both.
fn agree(batches: &[&RecordBatch], options: &EncodeOptions) -> std::result::Result<(), TestCaseError> {
    let schema = batches[0].schema();
    let Ok(quick) = Encoder::new(&schema, options.clone()) else { return Ok(()) };
    let careful = Encoder::new(&schema, options.clone()).unwrap().careful();
    let (quick, careful) = (encode(quick, batches), encode(careful, batches));
    prop_assert_eq!(String::from_utf8_lossy(&quick.0.out), String::from_utf8_lossy(&careful.0.out));
    prop_assert_eq!(quick, careful);
    Ok(())
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn both_ways_agree(a in any_batch(true), options in options(), part in 0usize..6) {
        // Slices have offsets and share dictionaries.
        let slice = a.slice(part.min(a.num_rows()), a.num_rows() - part.min(a.num_rows()));
        agree(&[&a, &slice, &a], &options)?;
    }

    #[test]
    fn names_and_measurements_agree(rows in testkit::proptest::collection::vec((any_text(), any_text(), any_text()), 1..8), name in any_text(), by_column: bool, options in options()) {
        use arrow_array::{ArrayRef, StringArray, TimestampMillisecondArray, Int64Array};
        use arrow_schema::Schema;
        use rows::{header::Column, role::Role, types::Type};
        use std::sync::Arc;
        let texts = |pick: fn(&(String, String, String)) -> &str| Arc::new(rows.iter().map(|row| Some(pick(row))).collect::<StringArray>()) as ArrayRef;
        let columns = [
            (Column::new("ts", Role::Time, Type::Timestamp(Unit::Ms)), Arc::new(TimestampMillisecondArray::from_iter_values(0..rows.len() as i64).with_timezone("UTC")) as ArrayRef),
            (Column::new("m", Role::Measurement, Type::String), texts(|row| &row.0)),
            (Column::new("t", Role::Tag, Type::String), texts(|row| &row.1)),
            (Column::new("n", Role::Field, Type::Long), Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)) as ArrayRef),
            (Column::new("s", Role::Field, Type::String), texts(|row| &row.2)),
        ];
        let schema = Schema::new(columns.iter().map(|(column, _)| column.field()).collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
        let measurement = if by_column { Measurement::Stated } else { Measurement::Named(name) };
        agree(&[&batch], &EncodeOptions { measurement, ..options })?;
    }
}

#[test]
fn pages_end_between_lines() {
    use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampSecondArray};
    use rows::role::{self, Role};
    use std::sync::Arc;
    // Lines of all lengths, some longer than a page, over several pages.
    let n = 400usize;
    let texts =
        StringArray::from_iter_values((0..n).map(|i| "x".repeat(if i % 97 == 96 { 61_440 + i } else { i * 5 })));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(TimestampSecondArray::from_iter_values((0..n as i64).map(|i| i - 5)).with_timezone("UTC"))),
        ("t", Arc::new(StringArray::from_iter_values((0..n).map(|i| "t".repeat(1 + i / 4))))),
        ("f", Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64 / 7.0)))),
        ("s", Arc::new(texts)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let fields: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|f| match f.name().as_str() {
            "t" => role::with_role(f.as_ref().clone(), Role::Tag),
            _ => f.as_ref().clone(),
        })
        .collect();
    let schema = arrow_schema::Schema::new_with_metadata(fields, role::metadata(Some("m"), None));
    let batch = batch.with_schema(Arc::new(schema)).unwrap();
    for dialect in Dialect::ALL {
        agree(&[&batch, &batch], &EncodeOptions::new(dialect)).unwrap();
    }
}
