//! Arrow IPC out: the stream format, with EOS at its end.
//!
//! A batch goes out from where it is: its buffers and what stands between them are handed to the system together.

use crate::compress::Compression;
use crate::foreign::Foreign;
use crate::header::Column;
use crate::ipc_message::{self, Messages};
use crate::options::WriteOptions;
use crate::{RecordBatch, Schema, Writer};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamEncoder, StreamWriter};
use arrow_schema::ArrowError;
use fault::{Error, Kind, Result};
use std::io::{self, ErrorKind, IoSlice, Write};

/// Pieces that are handed over at once; systems take 1,024 at most.
const TOGETHER: usize = 512;

/// A writer of the Arrow stream format. Dropped without `finish` it writes no EOS.
pub struct IpcWriter<W: Write> {
    out: W,
    encoder: Encoder,
    foreign: Foreign,
    finish: fn(W) -> Result<()>,
}

enum Encoder {
    Plain(Messages),
    /// For what is compressed, and for other types.
    Library {
        encoder: StreamEncoder,
        /// Bytes of the schema, which was written at once and comes again with what is encoded first.
        schema: usize,
    },
}

impl<W: Write> IpcWriter<W> {
    /// Writes the schema at once.
    pub fn create(
        mut out: W,
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
        let head =
            StreamWriter::try_new_with_options(Vec::new(), &foreign.schema(), options.clone()).map_err(failed)?;
        out.write_all(head.get_ref()).map_err(cannot_write)?;
        let plain = if compression.is_none() { Messages::of(&foreign.schema()) } else { None };
        let encoder = match plain {
            Some(messages) => Encoder::Plain(messages),
            None => Encoder::Library {
                encoder: StreamEncoder::try_new_with_options(&foreign.schema(), options).map_err(failed)?,
                schema: head.get_ref().len(),
            },
        };
        Ok(IpcWriter { out, encoder, foreign, finish })
    }
}

impl<W: Write + Send> Writer for IpcWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.foreign.convert(batch)?;
        let out = &mut self.out;
        match &mut self.encoder {
            Encoder::Plain(messages) => messages.encode(&batch, |pieces| write_all(out, pieces, 0))?,
            Encoder::Library { encoder, schema } => {
                let pieces = encoder.encode(&batch).map_err(failed)?;
                let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_slice()).collect();
                write_all(out, &pieces, std::mem::take(schema))
            }
        }
        .map_err(cannot_write)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let IpcWriter { mut out, encoder, finish, .. } = *self;
        match encoder {
            Encoder::Plain(_) => out.write_all(&ipc_message::END),
            Encoder::Library { encoder, schema } => {
                let pieces = encoder.finish().map_err(failed)?;
                let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_slice()).collect();
                write_all(&mut out, &pieces, schema)
            }
        }
        .map_err(cannot_write)?;
        finish(out)
    }
}

/// Writes the pieces without their first `skip` bytes.
fn write_all(out: &mut impl Write, pieces: &[&[u8]], mut skip: usize) -> io::Result<()> {
    for some in pieces.chunks(TOGETHER) {
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(some.len());
        for piece in some {
            let (skipped, rest) = piece.split_at(skip.min(piece.len()));
            skip -= skipped.len();
            if !rest.is_empty() {
                slices.push(IoSlice::new(rest));
            }
        }
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match out.write_vectored(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                // No more than was given: a writer that says otherwise breaks its promise.
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn cannot_write(error: io::Error) -> Error {
    Error::io("cannot write the output", error)
}

/// An I/O error keeps its kind; anything else would be our own mistake.
fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => cannot_write(error),
        error => Error::caused(Kind::Bug, "cannot encode an Arrow message", error),
    }
}
