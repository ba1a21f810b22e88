//! Parquet: schema, metadata and every value come back; from files, from streams, cut and damaged.

mod support;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use fault::Kind;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rows::Limits;
use rows::compress::Compression;
use rows::format::{self, Format, ReadOptions, Source, WriteOptions};
use std::io::{Seek, Write};
use std::sync::Arc;
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn every_value_comes_back(batch in any_batch(true), times in 1usize..4, codec in 0usize..5, rows in 1usize..10) {
        let compression = [None, Some(Compression::None), Some(Compression::Snappy), Some(Compression::Lz4), Some(Compression::Zstd(3))][codec];
        let written = encode(&batch, times, WriteOptions { compression, ..to(Format::Parquet) }).unwrap();
        let limits = Limits { rows, ..Limits::default() };
        let expected = arrow_select::concat::concat_batches(&batch.schema(), vec![&batch; times]).unwrap();
        let read = decode(&written, ReadOptions { limits, ..ReadOptions::default() }).unwrap();
        prop_assert_eq!(read.schema(), batch.schema());
        prop_assert_eq!(plain(&read, true), plain(&expected, true));
    }

    #[test]
    fn texts_may_come_as_dictionaries(batch in any_batch(true), times in 1usize..4, rows in 1usize..10, bytes in 200usize..200_000) {
        let written = encode(&batch, times, to(Format::Parquet)).unwrap();
        let limits = Limits { rows, bytes };
        let read = decode(&written, ReadOptions { limits, dictionaries: true, ..ReadOptions::default() }).unwrap();
        let expected = arrow_select::concat::concat_batches(&batch.schema(), vec![&batch; times]).unwrap();
        prop_assert_eq!(plain(&read, true), plain(&expected, true));
    }

    #[test]
    fn a_cut_file_is_never_whole(batch in any_batch(true), at: Index) {
        let whole = encode(&batch, 2, to(Format::Parquet)).unwrap();
        let error = decode(&whole[..at.index(whole.len())], from(Format::Parquet)).unwrap_err();
        prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error);
    }

    #[test]
    fn noise_never_panics(bytes in any_batch(true).prop_flat_map(|batch| noise(encode(&batch, 1, WriteOptions { compression: Some(Compression::None), ..to(Format::Parquet) }).unwrap()))) {
        if let Err(error) = decode(&bytes, from(Format::Parquet)) {
            assert_input_error(&error);
        }
    }

    #[test]
    fn damaged_footers_never_panic(batch in any_batch(true), at: Index, byte: u8) {
        let mut bytes = encode(&batch, 1, to(Format::Parquet)).unwrap();
        let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
        let place = bytes.len() - 8 - length + at.index(length + 8);
        bytes[place] = byte;
        if let Err(error) = decode(&bytes, from(Format::Parquet)) {
            assert_input_error(&error);
        }
    }
}

fn numbers(n: i64) -> RecordBatch {
    RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(Int64Array::from_iter_values((0..n).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64))))
                as _,
        ),
        ("t", Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("text {i}")))) as _),
    ])
    .unwrap()
}

#[test]
fn row_groups_are_bounded_by_bytes() {
    let batch = numbers(20_000);
    let written = encode(&batch, 10, WriteOptions { row_group_bytes: 512 << 10, ..to(Format::Parquet) }).unwrap();
    let mut file = testkit::tempfile::tempfile().unwrap();
    file.write_all(&written).unwrap();
    let footer = SerializedFileReader::new(file.try_clone().unwrap()).unwrap();
    let groups = footer.metadata().row_groups();
    assert!(groups.len() >= 4, "{}", groups.len());
    assert!(groups.iter().all(|group| group.compressed_size() <= 1 << 20));
    assert!(groups[0].column(0).statistics().is_some());
    // From the file itself, as cli gives it: the reader's own position does not matter.
    file.rewind().unwrap();
    let source = Source::new("x.parquet", Box::new(file.try_clone().unwrap()), Some(file));
    let mut reader = format::open(
        source,
        ReadOptions { limits: Limits { rows: 100_000, bytes: 64 << 10 }, ..ReadOptions::default() },
    )
    .unwrap();
    let mut rows = 0;
    while let Some(part) = reader.next().unwrap() {
        assert!(rows::batch::slice_bytes(&part) <= 64 << 10);
        rows += part.num_rows();
    }
    assert_eq!(rows, 200_000);
}

#[test]
fn only_texts_that_repeat_come_as_dictionaries() {
    let texts = |count: usize| StringArray::from_iter_values((0..60_000).map(|i| format!("{:040}", i % count)));
    let batch = RecordBatch::try_from_iter([
        ("few", Arc::new(texts(100)) as _),
        ("many", Arc::new(texts(60_000)) as _),
        ("n", Arc::new(Int64Array::from_iter_values(0..60_000)) as _),
    ])
    .unwrap();
    let written = encode(&batch, 1, to(Format::Parquet)).unwrap();
    let types = |dictionaries: bool, bytes: usize| {
        let limits = Limits { bytes, ..Limits::default() };
        let mut reader = open(&written, ReadOptions { dictionaries, limits, ..ReadOptions::default() }).unwrap();
        let mut rows = 0;
        while let Some(part) = reader.next().unwrap() {
            assert_eq!(plain(&part, true), plain(&batch.slice(rows, part.num_rows()), true));
            rows += part.num_rows();
        }
        assert_eq!(rows, 60_000);
        reader.schema().fields().iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(types(true, 8 << 20), ["Dictionary(Int32, Utf8)", "Utf8", "Int64"]);
    assert_eq!(types(true, 1 << 16), ["Utf8", "Utf8", "Int64"]);
    assert_eq!(types(false, 8 << 20), ["Utf8", "Utf8", "Int64"]);
}

#[test]
fn a_writer_that_is_dropped_writes_no_footer() {
    let kept = Kept::default();
    let batch = numbers(3);
    let mut writer = format::create(kept.clone(), Kept::finish, batch.schema(), to(Format::Parquet)).unwrap();
    writer.write(&batch).unwrap();
    drop(writer);
    assert!(!kept.finished());
    assert!(!kept.bytes().ends_with(b"PAR1") || kept.bytes().len() == 4);
    let error = decode(&kept.bytes(), from(Format::Parquet)).unwrap_err();
    assert_eq!(error.kind(), Kind::Incomplete, "{error}");
}

#[test]
fn long_texts_in_a_dictionary_do_not_fill_the_memory() {
    // 200 KB of text once in the file's dictionary, 5000 times in the rows: 1 GB if a batch were unpacked whole.
    let long = "x".repeat(200_000);
    let batch = RecordBatch::try_from_iter([("t", Arc::new(StringArray::from(vec![long.as_str(); 50])) as _)]).unwrap();
    let written = encode(&batch, 20, to(Format::Parquet)).unwrap();
    assert!(written.len() < 1 << 20, "{}", written.len());
    let mut reader =
        open(&written, ReadOptions { limits: Limits { rows: 8192, bytes: 1 << 20 }, ..ReadOptions::default() })
            .unwrap();
    let mut rows = 0;
    while let Some(part) = reader.next().unwrap() {
        assert!(rows::batch::slice_bytes(&part) <= 1 << 20);
        assert!(part.column(0).get_array_memory_size() <= 4 << 20, "{}", part.column(0).get_array_memory_size());
        rows += part.num_rows();
    }
    assert_eq!(rows, 1000);
}

#[test]
fn encodings_follow_the_values_and_lose_none() {
    use arrow_array::{ArrayRef, Float32Array, Float64Array, TimestampMillisecondArray};
    use parquet::basic::Encoding;
    let mixed = |i: i64| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let null = |i: i64| i % 7 == 3;
    let odd = [f32::NAN, -0.0, f32::INFINITY, 1e-45];
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMillisecondArray::from_iter_values((0..9000).map(|i| i * i - 9)).with_timezone("UTC")),
        ),
        ("any", Arc::new(Float32Array::from_iter((0..9000).map(|i| (!null(i)).then(|| mixed(i) as u32 as f32 / 7.0))))),
        (
            "odd",
            Arc::new(Float32Array::from_iter(
                (0..9000).map(|i| Some(*odd.get(i as usize).unwrap_or(&(i as f32 / 3.0)))),
            )),
        ),
        ("wide", Arc::new(Float64Array::from_iter((0..9000).map(|i| (!null(i)).then(|| mixed(i) as f64))))),
        (
            "few",
            Arc::new(Float64Array::from_iter((0..9000).map(|i| (!null(i)).then(|| (mixed(i) % 900) as f64 / 10.0)))),
        ),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let written = encode(&batch, 3, to(Format::Parquet)).unwrap();
    let expected = arrow_select::concat::concat_batches(&batch.schema(), vec![&batch; 3]).unwrap();
    assert_eq!(format!("{:?}", decode(&written, ReadOptions::default()).unwrap()), format!("{expected:?}"));
    let bits = |batch: &RecordBatch| batch.column(2).to_data().buffers()[0].as_slice().to_vec();
    assert_eq!(bits(&decode(&written, ReadOptions::default()).unwrap()), bits(&expected));

    let mut file = testkit::tempfile::tempfile().unwrap();
    file.write_all(&written).unwrap();
    let footer = SerializedFileReader::new(file).unwrap();
    let group = footer.metadata().row_group(0);
    let has = |column: usize, encoding| group.column(column).encodings().any(|e| e == encoding);
    let split = Encoding::BYTE_STREAM_SPLIT;
    assert!(has(0, Encoding::DELTA_BINARY_PACKED) && has(1, split) && has(3, split));
    assert!(has(4, Encoding::RLE_DICTIONARY) && !has(4, split));
}
