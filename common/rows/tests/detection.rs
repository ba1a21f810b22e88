//! Formats and compressions: who wins, and what a cut or mislabelled input is.

mod support;

use arrow_array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use fault::{Error, Kind};
use rows::compress::Compression;
use rows::format::{self, Format, ReadOptions, Source, WriteOptions};
use rows::role;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use support::*;
use testkit::proptest::prelude::*;
use testkit::proptest::sample::Index;

fn batch(rows: i64) -> RecordBatch {
    let batch = RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampMillisecondArray::from_iter_values(0..rows).with_timezone("UTC")) as _),
        ("v", Arc::new(Int64Array::from_iter_values(0..rows)) as _),
    ])
    .unwrap();
    let schema = batch.schema().as_ref().clone().with_metadata(role::metadata(Some("m"), None));
    batch.with_schema(Arc::new(schema)).unwrap()
}

fn rows_of(name: &str, bytes: &[u8], from: Option<Format>) -> Result<usize, Error> {
    let source = Source::new(name, Box::new(Cursor::new(bytes.to_vec())), None);
    let mut reader = format::open(source, ReadOptions { from, ..ReadOptions::default() })?;
    let mut rows = 0;
    while let Some(batch) = reader.next()? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

#[test]
fn flag_then_extension_then_magic_then_csv() {
    for format in Format::ALL {
        let bytes = encode(&batch(5), 1, to(format)).unwrap();
        assert_eq!(rows_of(&format!("x.{format}"), &bytes, None).unwrap(), 5);
        assert_eq!(rows_of("x.unknown", &bytes, Some(format)).unwrap(), 5);
        assert_eq!(rows_of("x.csv", &bytes, Some(format)).unwrap(), 5);
        if !matches!(format, Format::Ndjson | Format::Lp) {
            assert_eq!(rows_of("stdin", &bytes, None).unwrap(), 5);
        }
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
    }
    assert_eq!(Format::from_path(Path::new("a/b.parquet.zst")), Some(Format::Parquet));
    assert_eq!(Format::from_path(Path::new("a.lp.gz")), Some(Format::Lp));
    assert_eq!(Format::from_path(Path::new("csv")), None);
    assert_eq!("CSV".parse::<Format>().unwrap_err().kind(), Kind::Usage);
    // The extension wins over the magic: what does not fit it is malformed, not guessed.
    let arrow = encode(&batch(5), 1, to(Format::Arrow)).unwrap();
    assert_eq!(rows_of("x.parquet", &arrow, None).unwrap_err().kind(), Kind::Malformed);
}

#[test]
fn compressed_streams_are_found_by_their_magic() {
    for compression in [Compression::Gzip(6), Compression::Zstd(3)] {
        for format in [Format::Csv, Format::Ndjson] {
            let bytes =
                encode(&batch(2000), 1, WriteOptions { compression: Some(compression), end_mark: true, ..to(format) })
                    .unwrap();
            assert_eq!(rows_of(&format!("x.{format}"), &bytes, None).unwrap(), 2000);
            assert_eq!(rows_of(&format!("x.{format}.gz"), &bytes, None).unwrap(), 2000);
        }
    }
    // Parquet within gzip: spooled, then read.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&encode(&batch(7), 1, to(Format::Parquet)).unwrap()).unwrap();
    assert_eq!(rows_of("stdin", &encoder.finish().unwrap(), None).unwrap(), 7);
    assert_eq!(rows_of("x.csv.gz", b"time|time\n", None).unwrap_err().kind(), Kind::Malformed);
    assert_eq!(rows_of("x.csv.gz", b"", None).unwrap_err().kind(), Kind::Incomplete);
    assert_eq!(Compression::from_path(Path::new("x.csv.zst")), Some(Compression::Zstd(1)));
    assert_eq!("zstd:19".parse::<Compression>().unwrap(), Compression::Zstd(19));
    assert!("gzip:10".parse::<Compression>().is_err() && "lz4:1".parse::<Compression>().is_err());
    let refused = encode(&batch(1), 1, WriteOptions { compression: Some(Compression::Lz4), ..to(Format::Csv) });
    assert_eq!(refused.unwrap_err().kind(), Kind::Usage);
}

#[test]
fn several_members_are_one_stream() {
    let text = encode(&batch(10), 1, to(Format::Csv)).unwrap();
    let (first, second) = text.split_at(50);
    let gzip = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(rows_of("x", &[gzip(first), gzip(second)].concat(), None).unwrap(), 10);
    let zstd = |part: &[u8]| zstd::encode_all(part, 1).unwrap();
    assert_eq!(rows_of("x", &[zstd(first), zstd(second)].concat(), None).unwrap(), 10);
    let error = rows_of("x", &[gzip(&text), b"garbage behind it".to_vec()].concat(), None).unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed, "{error}");
}

#[test]
fn a_compressed_writer_that_is_dropped_leaves_a_cut_stream() {
    for compression in [Compression::Gzip(1), Compression::Zstd(1)] {
        let kept = Kept::default();
        let mut writer = format::create(
            kept.clone(),
            Kept::finish,
            batch(5000).schema(),
            WriteOptions { compression: Some(compression), ..to(Format::Csv) },
        )
        .unwrap();
        writer.write(&batch(5000)).unwrap();
        drop(writer);
        assert!(!kept.finished());
        let error = rows_of("x.csv", &kept.bytes(), None).unwrap_err();
        assert!(matches!(error.kind(), Kind::Incomplete), "{error:?}");
    }
}

#[test]
fn read_errors_keep_their_kind() {
    struct Broken(Option<Error>);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            match self.0.take() {
                Some(error) => Err(error.into()),
                None => Err(std::io::Error::other("bad sector")),
            }
        }
    }
    for (error, kind) in
        [(None, Kind::LocalIo), (Some(Error::new(Kind::Interrupted, "interrupted")), Kind::Interrupted)]
    {
        for format in Format::ALL {
            let head = encode(&batch(5), 1, to(format)).unwrap();
            let cut = Cursor::new(head[..head.len() / 2].to_vec());
            let again = error.as_ref().map(|error: &Error| Error::new(error.kind(), error.message()));
            let source = Source::new("disk", Box::new(cut.chain(Broken(again))), None);
            let failed = format::open(source, from(format)).and_then(|mut reader| {
                while reader.next()?.is_some() {}
                Ok(())
            });
            assert_eq!(failed.unwrap_err().kind(), kind, "{format}");
        }
    }
}

#[test]
fn write_errors_keep_their_kind() {
    #[derive(Clone)]
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::new(Kind::StdoutClosed, "stdout closed").into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let result = format::create(Full, |_| Ok(()), batch(1).schema(), to(format)).and_then(|mut writer| {
            writer.write(&batch(10))?;
            writer.finish()
        });
        assert_eq!(result.unwrap_err().kind(), Kind::StdoutClosed, "{format}");
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_cut_compressed_stream_is_incomplete(rows in 0i64..300, gzip: bool, at: Index) {
        let compression = Some(if gzip { Compression::Gzip(1) } else { Compression::Zstd(1) });
        let whole = encode(&batch(rows), 1, WriteOptions { compression, ..to(Format::Csv) }).unwrap();
        let cut = &whole[..at.index(whole.len())];
        let error = rows_of("x.csv.gz", cut, None).unwrap_err();
        // Fewer bytes than the magic are no compressed stream, but whatever they are, no clean end.
        prop_assert!(error.kind() == Kind::Incomplete || (cut.len() < 4 && error.kind() == Kind::Malformed), "{:?}", error);
    }

    #[test]
    fn damaged_compressed_streams_never_panic(bytes in any::<bool>().prop_flat_map(|gzip| {
        let compression = Some(if gzip { Compression::Gzip(1) } else { Compression::Zstd(1) });
        noise(encode(&batch(50), 1, WriteOptions { compression, ..to(Format::Csv) }).unwrap())
    })) {
        if let Err(error) = rows_of("x", &bytes, Some(Format::Csv)) {
            assert_input_error(&error);
        }
    }
}
