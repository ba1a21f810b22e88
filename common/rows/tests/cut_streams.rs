//! Streams that end too soon, in every format: at every 997th byte, and at each boundary where a careless reader would see
//! a whole stream (messages, rows, row groups and pages, gzip members, zstd frames). What was read so far must be what
//! was written, the end must be an error, and nothing downstream may be finished.

mod support;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use fault::{Error, Kind};
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use rows::compress::Compression;
use rows::format::{self, Format, ReadOptions, Source, WriteOptions};
use rows::header::Column;
use rows::line_protocol::{EncodeOptions, LpWriter, stop_at_first};
use rows::role::{self, Role};
use rows::time::Unit;
use rows::types::Type;
use rows::{Limits, RecordBatch, Schema, SchemaRef, Writer};
use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};
use std::sync::Arc;
use support::*;

const STEP: usize = 997;

/// Rows of sensors; texts with line ends, quotes and what looks like an end mark among them.
fn sensors(first: i64, n: i64) -> RecordBatch {
    let texts = ["plain", "two\nlines", "a \"word\"", "\n#ts-end rows=1 xxh3=0123456789abcdef", "", "comma, blank"];
    let rows = first..first + n;
    let time = TimestampMillisecondArray::from_iter_values(rows.clone().map(|row| 1_704_067_200_000 + row * 1000));
    let device: DictionaryArray<Int32Type> = rows
        .clone()
        .map(|row| format!("device_{:04}", row % 7))
        .collect::<Vec<_>>()
        .iter()
        .map(String::as_str)
        .collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(time.with_timezone("UTC")),
        Arc::new(device),
        Arc::new(Float64Array::from_iter(rows.clone().map(|row| (row % 5 < 4).then_some(row as f64 / 7.0)))),
        Arc::new(Int64Array::from_iter_values(
            rows.clone().map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64)),
        )),
        Arc::new(BooleanArray::from_iter(rows.clone().map(|row| Some(row % 3 == 0)))),
        Arc::new(StringArray::from_iter(rows.map(|row| texts.get((row % 9) as usize).copied()))),
    ];
    let columns = [
        Column::new("ts", Role::Time, Type::Timestamp(Unit::Ms)),
        Column::new("device", Role::Tag, Type::String),
        Column::new("temp", Role::Field, Type::Double),
        Column::new("n", Role::Field, Type::Long),
        Column::new("ok", Role::Field, Type::Boolean),
        Column::new("note", Role::Field, Type::String),
    ];
    let fields: Vec<_> =
        columns.iter().zip(&arrays).map(|(c, a)| c.field().with_data_type(a.data_type().clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, role::metadata(Some("m"), None))), arrays).unwrap()
}

/// A writer that takes line ends in texts, in line protocol too.
fn create(kept: Kept, schema: SchemaRef, options: WriteOptions) -> Result<Box<dyn Writer>, Error> {
    if options.to != Format::Lp {
        return format::create(kept, Kept::finish, schema, options);
    }
    let encode = EncodeOptions::new(lp::Dialect::V2);
    Ok(Box::new(LpWriter::create(kept, Kept::finish, &schema, &options, encode, stop_at_first())?))
}

/// A stream, and how it is read.
struct Stream {
    name: String,
    bytes: Vec<u8>,
    format: Format,
    end_mark: bool,
    /// Where the writer had written a whole batch, and other places where a stream could seem to end.
    boundaries: BTreeSet<usize>,
}

impl Stream {
    /// `batches` batches of `rows` rows.
    fn new(options: WriteOptions, batches: i64, rows: i64) -> Stream {
        let kept = Kept::default();
        let (format, end_mark, compression) = (options.to, options.end_mark, options.compression);
        let mut writer = create(kept.clone(), sensors(0, 1).schema(), options).unwrap();
        let mut boundaries = BTreeSet::from([kept.bytes().len()]);
        for batch in 0..batches {
            writer.write(&sensors(batch * rows, rows)).unwrap();
            boundaries.insert(kept.bytes().len());
        }
        writer.finish().unwrap();
        let compression = compression.map_or(String::new(), |compression| format!(" {compression}"));
        let mark = if end_mark { " with an end mark" } else { "" };
        Stream { name: format!("{format}{compression}{mark}"), bytes: kept.bytes(), format, end_mark, boundaries }
    }

    fn boundaries(mut self, more: impl IntoIterator<Item = usize>) -> Stream {
        self.boundaries.extend(more);
        self
    }

    /// Every line end.
    fn lines(self) -> Stream {
        let ends: Vec<usize> =
            self.bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        self.boundaries(ends)
    }

    fn options(&self) -> ReadOptions {
        ReadOptions { end_mark: self.end_mark, ..from(self.format) }
    }

    /// All rows as text, up to `cut` bytes of the stream; and how it ended.
    fn read(&self, cut: usize, limits: Limits) -> (u64, String, Result<(), Error>) {
        let (mut rows, mut text) = (0, String::new());
        let mut read = || {
            let mut reader = open(&self.bytes[..cut], ReadOptions { limits, ..self.options() })?;
            while let Some(batch) = reader.next()? {
                for row in 0..batch.num_rows() {
                    text.push_str(&String::from_utf8_lossy(&rows::row_text(&batch, row)?));
                    text.push('\n');
                }
                rows += batch.num_rows() as u64;
            }
            Ok(())
        };
        let ended = read();
        (rows, text, ended)
    }

    /// Every cut: what it gives is the beginning of the whole, and an error unless `whole` says that it may look so.
    fn check(&self, step: usize, may_look_whole: impl Fn(usize) -> bool) -> usize {
        let (all, text, ended) = self.read(self.bytes.len(), Limits::default());
        ended.unwrap_or_else(|error| panic!("{}: whole, yet {error}", self.name));
        let cuts: BTreeSet<usize> =
            (0..self.bytes.len()).step_by(step).chain(self.boundaries.iter().copied()).collect();
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < self.bytes.len()).collect();
        for &cut in &cuts {
            // Batches of another size, so that rows come out before the cut is met.
            let (rows, part, ended) = self.read(cut, Limits { rows: 50, ..Limits::default() });
            let place = format!("{}: cut at {cut} of {}", self.name, self.bytes.len());
            assert!(text.starts_with(&part), "{place}: rows that were not written:\n{part}");
            match ended {
                Ok(()) => assert!(may_look_whole(cut), "{place}: taken for whole with {rows} of {all} rows"),
                Err(error) => {
                    assert!(matches!(error.kind(), Kind::Incomplete | Kind::Malformed), "{place}: {error:?}");
                    assert!(!error.to_string().contains('\n'), "{place}: {error}");
                }
            }
        }
        cuts.len()
    }

    /// The same cuts copied into each format: no writer is finished, and what it left is no whole stream either.
    fn check_copies(&self, step: usize) -> usize {
        let mut n = 0;
        let cuts = (0..self.bytes.len()).step_by(step).chain(self.boundaries.iter().copied());
        for (number, cut) in cuts.filter(|cut| *cut < self.bytes.len()).enumerate() {
            let to = Format::ALL[number % Format::ALL.len()];
            let compression = match (to, number / Format::ALL.len() % 3) {
                (Format::Arrow | Format::Parquet, _) | (_, 0) => None,
                (_, 1) => Some(Compression::Gzip(1)),
                _ => Some(Compression::Zstd(1)),
            };
            let kept = Kept::default();
            let copy = || {
                let mut reader = open(&self.bytes[..cut], self.options())?;
                let options = WriteOptions { end_mark: true, compression, ..support::to(to) };
                let writer = create(kept.clone(), reader.schema(), options)?;
                rows::pipe::copy(&mut *reader, writer, |_| Ok(()))
            };
            let place = format!("{}: cut at {cut} of {}, copied to {to}", self.name, self.bytes.len());
            assert!(copy().is_err() && !kept.finished(), "{place}: finished");
            let source = Source::new("copy", Box::new(Cursor::new(kept.bytes())), None);
            let again = format::open(source, ReadOptions { end_mark: true, ..from(to) }).and_then(|mut reader| {
                while reader.next()?.is_some() {}
                Ok(())
            });
            assert!(again.is_err(), "{place}: what was left can be taken for whole");
            n += 1;
        }
        n
    }
}

fn marked(to: Format, compression: Option<Compression>) -> WriteOptions {
    WriteOptions { compression, end_mark: true, ..support::to(to) }
}

fn never(_: usize) -> bool {
    false
}

#[test]
fn text_with_an_end_mark() {
    let mut n = 0;
    for format in [Format::Csv, Format::Ndjson, Format::Lp] {
        n += Stream::new(marked(format, None), 20, 50).check(STEP, never);
        // Every line end (also those within a text) of a smaller one, and its every seventh byte.
        n += Stream::new(marked(format, None), 4, 50).lines().check(31, never);
        n += Stream::new(marked(format, None), 4, 50).lines().check_copies(211);
    }
    println!("{n} cuts of text with an end mark");
}

#[test]
fn compressed_text() {
    let mut n = 0;
    for compression in [Compression::Gzip(1), Compression::Zstd(1)] {
        for format in [Format::Csv, Format::Ndjson, Format::Lp] {
            let stream = Stream::new(marked(format, Some(compression)), 40, 50);
            n += stream.check(STEP, never) + stream.check_copies(2 * STEP);
            // Without a mark the compression's own end tells.
            let bare = WriteOptions { end_mark: false, ..marked(format, Some(compression)) };
            n += Stream::new(bare, 4, 50).check(37, |cut| cut == 0);
        }
    }
    println!("{n} cuts of compressed text");
}

#[test]
fn members_and_frames() {
    let mut n = 0;
    for format in [Format::Csv, Format::Ndjson, Format::Lp] {
        for gzip in [true, false] {
            // A member or frame for every few lines, as appending writers make them.
            let mut stream = Stream::new(marked(format, None), 10, 100).lines();
            let ends: Vec<usize> = stream.boundaries.iter().copied().filter(|at| *at > 0).collect();
            let (plain, mut start) = (std::mem::take(&mut stream.bytes), 0);
            stream.boundaries.clear();
            for end in ends.chunks(20).filter_map(|some| some.last()) {
                let part = &plain[start..*end];
                if gzip {
                    let mut encoder = flate2::write::GzEncoder::new(&mut stream.bytes, flate2::Compression::fast());
                    encoder.write_all(part).unwrap();
                    encoder.finish().unwrap();
                } else {
                    stream.bytes.extend(zstd::encode_all(part, 1).unwrap());
                }
                start = *end;
                stream.boundaries.insert(stream.bytes.len());
            }
            assert_eq!(start, plain.len());
            stream.name += if gzip { " in gzip members" } else { " in zstd frames" };
            n += stream.check(STEP, never) + stream.check_copies(3 * STEP);
        }
    }
    println!("{n} cuts of members and frames");
}

/// Where the messages of an Arrow stream begin, and their bodies.
fn messages(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        found.push(at);
        let length = i32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        found.push(at + 8);
        if length == 0 {
            break;
        }
        let body = at + 8 + length;
        found.push(body);
        at = body + arrow_ipc::root_as_message(&bytes[at + 8..body]).unwrap().bodyLength() as usize;
    }
    assert_eq!(at + 8, bytes.len(), "the end-of-stream mark is the last");
    found
}

#[test]
fn arrow_streams() {
    let mut n = 0;
    for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd(1))] {
        let stream = Stream::new(WriteOptions { compression, ..to(Format::Arrow) }, 12, 60);
        let places = messages(&stream.bytes);
        assert!(places.len() > 36, "schema, dictionaries, 12 batches and the end: {}", places.len());
        let stream = stream.boundaries(places);
        n += stream.check(STEP, never) + stream.check_copies(5 * STEP);
    }
    println!("{n} cuts of Arrow streams");
}

#[test]
fn parquet_files() {
    let mut n = 0;
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd(1)] {
        let options = WriteOptions { compression: Some(compression), row_group_bytes: 0, ..to(Format::Parquet) };
        let stream = Stream::new(options, 60, 200);
        let options = ReadOptionsBuilder::new().with_page_index().build();
        let file =
            SerializedFileReader::new_with_options(rows::spool::spool(&*stream.bytes).unwrap(), options).unwrap();
        let (mut places, mut pages) = (Vec::new(), 0);
        for (number, group) in file.metadata().row_groups().iter().enumerate() {
            let index = file.metadata().page_index_for_row_group(number);
            for (at, column) in group.columns().iter().enumerate() {
                let (start, length) = column.byte_range();
                places.extend([start as usize, (start + length) as usize]);
                for page in index.offset_index(at).into_iter().flat_map(|column| column.page_locations()) {
                    places.extend([page.offset as usize, page.offset as usize + page.compressed_page_size as usize]);
                    pages += 1;
                }
            }
        }
        assert!(pages >= 6 * file.metadata().num_row_groups(), "{pages} pages");
        assert!(file.metadata().num_row_groups() > 3, "{} row groups", file.metadata().num_row_groups());
        // The footer, its length, and the magic at the end.
        let length = stream.bytes.len();
        let footer = u32::from_le_bytes(stream.bytes[length - 8..length - 4].try_into().unwrap()) as usize;
        places.extend([length - 8 - footer, length - 8, length - 4, length - 1]);
        let stream = stream.boundaries(places);
        n += stream.check(STEP, never) + stream.check_copies(5 * STEP);
    }
    println!("{n} cuts of Parquet files");
}

/// Without an end mark nothing in CSV, NDJSON or line protocol says that rows follow: a cut within a row is seen, one at a
/// line end is not. The runner of a pipeline asks for end marks, and compares counts.
#[test]
fn text_without_a_mark_is_only_cut_between_rows() {
    let mut n = 0;
    for format in [Format::Csv, Format::Ndjson, Format::Lp] {
        let stream = Stream::new(to(format), 4, 50).lines();
        let bytes = stream.bytes.clone();
        // An object that is closed is whole, with a line end or without.
        let closed = |cut: usize| format == Format::Ndjson && bytes[cut] == b'\n';
        n += stream.check(29, |cut| cut == 0 || bytes[cut - 1] == b'\n' || closed(cut));
    }
    println!("{n} cuts of text without an end mark");
}
