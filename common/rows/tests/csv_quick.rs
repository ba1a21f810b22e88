//! The quick way from columns to CSV writes what cells written one by one are.

mod support;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampSecondArray};
use rows::format::{Format, WriteOptions};
use std::sync::Arc;
use support::*;
use testkit::proptest::prelude::*;

/// With a text for NULL that no value has, cells are written one by one; then they are made empty.
fn careful(batch: &RecordBatch, times: usize, options: WriteOptions) -> String {
    const NULL: &str = "\\no-such-value\\";
    let options = WriteOptions { null: Some(NULL.into()), ..options };
    String::from_utf8(encode(batch, times, options).unwrap()).unwrap().replace(NULL, "")
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn both_ways_agree(batch in any_batch(true), delimiter in prop::sample::select(&b",;\t| "[..]), times in 1usize..3, part in 0usize..6) {
        let part = batch.slice(part.min(batch.num_rows()), batch.num_rows() - part.min(batch.num_rows()));
        for batch in [batch, part] {
            let options = || WriteOptions { delimiter, ..to(Format::Csv) };
            prop_assert_eq!(String::from_utf8(encode(&batch, times, options()).unwrap()).unwrap(), careful(&batch, times, options()));
        }
    }
}

#[test]
fn pages_end_between_rows() {
    let n = 400usize;
    let texts = (0..n).map(|i| ["x", ",", "\""][i % 3].repeat(if i % 97 == 96 { 61_440 + i } else { i * 5 }));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(TimestampSecondArray::from_iter_values((0..n as i64).map(|i| i - 5)).with_timezone("UTC"))),
        ("f", Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64 / 7.0)))),
        ("s", Arc::new(StringArray::from_iter_values(texts))),
        ("t", Arc::new(StringArray::from_iter_values((0..n).map(|i| "t".repeat(i / 4))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let written = String::from_utf8(encode(&batch, 2, to(Format::Csv)).unwrap()).unwrap();
    assert_eq!(written, careful(&batch, 2, to(Format::Csv)));
}
