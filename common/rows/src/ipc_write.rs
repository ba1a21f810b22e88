//! Arrow IPC out: the stream format, with EOS at its end.

use crate::compress::Compression;
use crate::foreign::Foreign;
use crate::header::Column;
use crate::options::WriteOptions;
use crate::{RecordBatch, Schema, Writer};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::ArrowError;
use fault::{Error, Kind, Result};
use std::io::{BufWriter, Write};

/// A writer of the Arrow stream format. Dropped without `finish` it writes no EOS.
pub struct IpcWriter<W: Write> {
    inner: StreamWriter<BufWriter<W>>,
    foreign: Foreign,
    finish: fn(W) -> Result<()>,
}

impl<W: Write> IpcWriter<W> {
    /// Writes the schema at once.
    pub fn create(
        out: W,
        finish: fn(W) -> Result<()>,
        schema: &Schema,
        options: &WriteOptions,
    ) -> Result<IpcWriter<W>> {
        let foreign = Foreign::new(schema)?;
        Column::all(&foreign.schema())?;
        let compression = match options.compression {
            None | Some(Compression::None) => None,
            Some(Compression::Lz4) => Some(CompressionType::LZ4_FRAME),
            Some(Compression::Zstd(_)) => Some(CompressionType::ZSTD),
            Some(other) => {
                return Err(Error::usage(format!("Arrow has no compression {other}: use none, lz4 or zstd")));
            }
        };
        let options = IpcWriteOptions::default().try_with_compression(compression).map_err(failed)?;
        let buffered = BufWriter::with_capacity(256 << 10, out);
        let mut inner = StreamWriter::try_new_with_options(buffered, &foreign.schema(), options).map_err(failed)?;
        inner.flush().map_err(failed)?;
        Ok(IpcWriter { inner, foreign, finish })
    }
}

impl<W: Write + Send> Writer for IpcWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.foreign.convert(batch)?;
        self.inner.write(&batch).map_err(failed)?;
        self.inner.flush().map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let buffered = self.inner.into_inner().map_err(failed)?;
        let out =
            buffered.into_inner().map_err(|error| failed(ArrowError::IoError(String::new(), error.into_error())))?;
        (self.finish)(out)
    }
}

/// An I/O error keeps its kind; anything else would be our own mistake.
fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => Error::io("cannot write the output", error),
        error => Error::caused(Kind::Bug, "cannot encode an Arrow message", error),
    }
}
