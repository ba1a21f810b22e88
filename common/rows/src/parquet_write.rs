//! Parquet out: row groups bounded by bytes, zstd by default, statistics, and our schema in `ARROW:schema`, so that
//! roles and other metadata survive. Streams: only the row group in progress is in memory. Encodings follow from the first
//! batch ([`crate::parquet_encoding`]).

use crate::compress::Compression;
use crate::foreign::Foreign;
use crate::header::Column;
use crate::options::WriteOptions;
use crate::parquet_encoding;
use crate::{RecordBatch, Schema, Writer};
use fault::{Error, Kind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::io::{BufWriter, Write};

/// A Parquet writer. Dropped without `finish` it writes no footer.
pub struct ParquetWriter<W: Write + Send> {
    state: State<W>,
    foreign: Foreign,
    finish: fn(W) -> Result<()>,
}

enum State<W: Write + Send> {
    /// No batch came yet.
    Waiting(BufWriter<W>, Codec, usize),
    Open(Box<ArrowWriter<BufWriter<W>>>),
    /// It could not be opened.
    Failed,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub fn create(
        out: W,
        finish: fn(W) -> Result<()>,
        schema: &Schema,
        options: &WriteOptions,
    ) -> Result<ParquetWriter<W>> {
        let foreign = Foreign::new(schema)?;
        Column::all(&foreign.schema())?;
        let codec = match options.compression {
            None => Codec::ZSTD(ZstdLevel::default()),
            Some(Compression::None) => Codec::UNCOMPRESSED,
            Some(Compression::Snappy) => Codec::SNAPPY,
            Some(Compression::Lz4) => Codec::LZ4_RAW,
            Some(Compression::Zstd(level)) => Codec::ZSTD(
                ZstdLevel::try_new(level).map_err(|error| Error::usage(format!("zstd level {level}: {error}")))?,
            ),
            Some(other) => {
                return Err(Error::usage(format!(
                    "Parquet is not written with {other}: use none, snappy, lz4 or zstd"
                )));
            }
        };
        let buffered = BufWriter::with_capacity(256 << 10, out);
        Ok(ParquetWriter { state: State::Waiting(buffered, codec, options.row_group_bytes), foreign, finish })
    }

    /// The writer, opened for batches such as the first.
    fn open(&mut self, first: &RecordBatch) -> Result<&mut ArrowWriter<BufWriter<W>>> {
        if let State::Waiting(..) = self.state
            && let State::Waiting(out, codec, bytes) = std::mem::replace(&mut self.state, State::Failed)
        {
            // A byte bound and no row bound: small row groups cost size and speed, large ones memory (dossier
            // performance 5).
            let properties = WriterProperties::builder()
                .set_compression(codec)
                .set_max_row_group_row_count(None)
                .set_max_row_group_bytes(Some(bytes.max(64 << 10)))
                .set_created_by(concat!("tsferry ", env!("CARGO_PKG_VERSION")).to_owned());
            let properties = parquet_encoding::choose(properties, first).build();
            let writer = ArrowWriter::try_new(out, self.foreign.schema(), Some(properties)).map_err(failed)?;
            self.state = State::Open(Box::new(writer));
        }
        match &mut self.state {
            State::Open(writer) => Ok(writer),
            _ => Err(Error::new(Kind::Bug, "written to after an error")),
        }
    }
}

impl<W: Write + Send> Writer for ParquetWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.foreign.convert(batch)?;
        self.open(&batch)?.write(&batch).map_err(failed)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if let State::Waiting(..) = self.state {
            let empty = RecordBatch::new_empty(self.foreign.schema());
            self.open(&empty)?;
        }
        let State::Open(writer) = self.state else {
            return Err(Error::new(Kind::Bug, "finished after an error"));
        };
        let buffered = writer.into_inner().map_err(failed)?;
        let out = buffered.into_inner().map_err(|error| Error::io("cannot write the output", error.into_error()))?;
        (self.finish)(out)
    }
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => Error::io("cannot write the output", *error),
            Err(inner) => Error::caused(Kind::Bug, "cannot encode Parquet", inner),
        },
        error => Error::caused(Kind::Bug, "cannot encode Parquet", error),
    }
}
