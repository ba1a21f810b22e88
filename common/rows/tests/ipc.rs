//! Arrow IPC: schema, metadata and every value come back; a stream without its EOS bytes is cut.

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use fault::Kind;
use rows::Limits;
use rows::compress::Compression;
use rows::format::{Format, ReadOptions, WriteOptions};
use std::io::{IoSlice, Write};
use std::sync::Arc;
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;
use testkit::proptest::{self, collection};

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(Compression::Lz4)), 1 => Just(Some(Compression::Zstd(1)))]
}

fn file(batch: &RecordBatch, times: usize) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for _ in 0..times {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// Takes a few bytes at a time, of the first piece that has any or of several.
struct Slow {
    kept: Kept,
    step: usize,
    several: bool,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> std::io::Result<usize> {
        assert!(pieces.len() <= 1024);
        let all = match pieces.iter().find(|piece| !piece.is_empty()) {
            Some(first) if !self.several => first.to_vec(),
            _ => pieces.iter().flat_map(|piece| piece.to_vec()).collect(),
        };
        self.kept.write(&all[..self.step.min(all.len())])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Three cells, whose dictionary has one to four short texts, or NULL among them, and begins somewhere.
fn dictionary() -> impl Strategy<Value = Arc<dyn Array>> {
    let text = prop_oneof![9 => "[ab]{0,2}".prop_map(Some), 1 => Just(None)];
    (collection::vec(text, 1..5), any::<Index>(), collection::vec(proptest::option::of(any::<Index>()), 3)).prop_map(
        |(texts, start, cells)| {
            let (length, start) = (texts.len(), start.index(texts.len()));
            let values = StringArray::from(texts).slice(start, length - start);
            let keys = cells.iter().map(|cell| cell.map(|cell| cell.index(values.len()) as i32));
            let keys = Int32Array::from_iter(keys);
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).unwrap()) as _
        },
    )
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn the_bytes_are_those_of_the_library(batch in any_batch(true), cuts in collection::vec(any::<Index>(), 0..4), compression in compressions(), step in prop_oneof![1usize..20, 1usize..10_000], several: bool) {
        let kept = Kept::default();
        let out = Slow { kept: kept.clone(), step, several };
        let options = WriteOptions { compression, ..to(Format::Arrow) };
        let mut writer = rows::format::create(out, |slow| slow.kept.finish(), batch.schema(), options).unwrap();
        let library = arrow_ipc::writer::IpcWriteOptions::default().try_with_compression(compression.map(|kind| match kind {
            Compression::Lz4 => CompressionType::LZ4_FRAME,
            _ => CompressionType::ZSTD,
        }));
        let mut expected = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), library.unwrap()).unwrap();
        // The schema is there before the first batch.
        prop_assert_eq!(&kept.bytes(), expected.get_ref());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(batch.num_rows() + 1)).collect();
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            let some = batch.slice(pair[0], pair[1] - pair[0]);
            writer.write(&some).unwrap();
            expected.write(&some).unwrap();
            prop_assert_eq!(&kept.bytes(), expected.get_ref());
        }
        writer.finish().unwrap();
        prop_assert!(kept.finished());
        prop_assert_eq!(kept.bytes(), expected.into_inner().unwrap());
    }

    #[test]
    fn dictionaries_go_out_when_the_library_says_so(batches in collection::vec((dictionary(), dictionary()), 1..6)) {
        let batches: Vec<RecordBatch> = batches
            .into_iter()
            .map(|(one, other)| RecordBatch::try_from_iter([("a", one), ("b", other)]).unwrap())
            .collect();
        let schema = Schema::new(["a", "b"].map(|name| Field::new(name, batches[0].column(0).data_type().clone(), true)).to_vec());
        let kept = Kept::default();
        let mut writer =
            rows::format::create(kept.clone(), Kept::finish, Arc::new(schema.clone()), to(Format::Arrow)).unwrap();
        let mut expected = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for batch in &batches {
            let batch = batch.clone().with_schema(Arc::new(schema.clone())).unwrap();
            // Twice: what was just written is not written again.
            for _ in 0..2 {
                writer.write(&batch).unwrap();
                expected.write(&batch).unwrap();
            }
        }
        writer.finish().unwrap();
        expected.finish().unwrap();
        prop_assert_eq!(kept.bytes(), expected.into_inner().unwrap());
    }

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
fn a_batch_of_many_columns_goes_out_whole() {
    // More pieces than a system takes at once.
    let columns: Vec<(String, Arc<dyn Array>)> =
        (0..3000).map(|n| (format!("c{n}"), Arc::new(Int64Array::from(vec![n; 3])) as _)).collect();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let read = decode(&encode(&batch, 2, to(Format::Arrow)).unwrap(), from(Format::Arrow)).unwrap();
    assert_eq!(read.num_rows(), 6);
    let file = tempfile_of(&batch);
    assert_eq!(file, encode(&batch, 1, to(Format::Arrow)).unwrap());
}

/// What is written into a real file.
fn tempfile_of(batch: &RecordBatch) -> Vec<u8> {
    let directory = testkit::temp_dir();
    let path = directory.path().join("rows.arrow");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = rows::format::create(file, |_| Ok(()), batch.schema(), to(Format::Arrow)).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
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
