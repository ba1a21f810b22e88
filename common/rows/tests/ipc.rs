//! Arrow IPC: schema, metadata and every value come back; a stream without its EOS bytes is cut.

mod support;

use arrow_array::cast::AsArray;
use arrow_array::{Int64Array, LargeStringArray, RecordBatch};
use fault::Kind;
use rows::Limits;
use rows::compress::Compression;
use rows::format::{Format, ReadOptions, WriteOptions};
use std::sync::Arc;
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    prop_oneof![Just(None), Just(Some(Compression::Lz4)), Just(Some(Compression::Zstd(1)))]
}

fn file(batch: &RecordBatch, times: usize) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for _ in 0..times {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_value_comes_back(batch in any_batch(true), times in 1usize..4, compression in compressions(), rows in 1usize..10) {
        let written = encode(&batch, times, WriteOptions { compression, ..to(Format::Arrow) }).unwrap();
        prop_assert_eq!(&written[written.len() - 8..], &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
        let limits = Limits { rows, ..Limits::default() };
        let expected = arrow_select::concat::concat_batches(&batch.schema(), vec![&batch; times]).unwrap();
        // Found by its magic bytes, without --from.
        let read = decode(&written, ReadOptions { limits, ..ReadOptions::default() }).unwrap();
        prop_assert_eq!(plain(&read, true), plain(&expected, true));
        prop_assert_eq!(read.schema(), batch.schema());
        let read = decode(&file(&batch, times), ReadOptions { limits, ..ReadOptions::default() }).unwrap();
        prop_assert_eq!(plain(&read, true), plain(&expected, true));
    }

    #[test]
    fn a_cut_stream_is_never_whole(batch in any_batch(true), compression in compressions(), at: Index) {
        for whole in [encode(&batch, 2, WriteOptions { compression, ..to(Format::Arrow) }).unwrap(), file(&batch, 2)] {
            let cut = &whole[..at.index(whole.len())];
            let error = decode(cut, from(Format::Arrow)).unwrap_err();
            prop_assert_eq!(error.kind(), Kind::Incomplete, "{}", error);
        }
    }

    #[test]
    fn noise_never_panics(bytes in any_batch(true).prop_flat_map(|batch| noise(encode(&batch, 1, to(Format::Arrow)).unwrap()))) {
        if let Err(error) = decode(&bytes, from(Format::Arrow)) {
            assert_input_error(&error);
        }
    }

    #[test]
    fn damaged_compression_never_panics(bytes in any_batch(true).prop_flat_map(|batch| noise(encode(&batch, 1, WriteOptions { compression: Some(Compression::Zstd(1)), ..to(Format::Arrow) }).unwrap()))) {
        if let Err(error) = decode(&bytes, from(Format::Arrow)) {
            assert_input_error(&error);
        }
    }
}

fn numbers(n: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..n)) as _)]).unwrap()
}

#[test]
fn the_last_value_may_look_like_eos() {
    // A body that ends in the bytes of EOS, and then nothing: cut, although the last 8 bytes are EOS's.
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![0x0000_0000_FFFF_FFFFi64; 8])) as _)])
        .unwrap();
    let whole = encode(&batch, 1, to(Format::Arrow)).unwrap();
    let cut = &whole[..whole.len() - 8];
    assert_eq!(&cut[cut.len() - 8..], &whole[whole.len() - 8..]);
    assert_eq!(decode(cut, from(Format::Arrow)).unwrap_err().kind(), Kind::Incomplete);
}

#[test]
fn a_writer_that_is_dropped_writes_no_eos() {
    let kept = Kept::default();
    let batch = numbers(3);
    let mut writer = rows::format::create(kept.clone(), Kept::finish, batch.schema(), to(Format::Arrow)).unwrap();
    writer.write(&batch).unwrap();
    drop(writer);
    assert!(!kept.finished());
    assert_eq!(decode(&kept.bytes(), ReadOptions::default()).unwrap_err().kind(), Kind::Incomplete);
}

#[test]
fn large_foreign_messages_are_cut_to_the_limits() {
    let batch = numbers(100_000);
    let whole = encode(&batch, 1, to(Format::Arrow)).unwrap();
    let read =
        decode(&whole, ReadOptions { limits: Limits { rows: 777, bytes: 4096 }, ..ReadOptions::default() }).unwrap();
    assert_eq!(read.column(0), batch.column(0));
    let texts = RecordBatch::try_from_iter([("t", Arc::new(LargeStringArray::from(vec!["a"; 10])) as _)]).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &texts.schema()).unwrap();
    writer.write(&texts).unwrap();
    let read = decode(&writer.into_inner().unwrap(), ReadOptions::default()).unwrap();
    assert_eq!(read.column(0).as_string::<i32>().value(9), "a");
}

#[test]
fn two_streams_in_one_are_refused() {
    let whole = encode(&numbers(3), 1, to(Format::Arrow)).unwrap();
    let error = decode(&[whole.clone(), whole].concat(), ReadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert!(error.to_string().contains("more data follows the end"), "{error}");
}
