//! Which format, and opening it: flag > extension (`.csv .arrow .parquet .ndjson .lp`, then `.gz .zst`) > magic bytes >
//! CSV.

pub use crate::csv_read::CsvReader;
pub use crate::options::{BadRow, BadRows, Format, Header, ReadOptions, WriteOptions};

use crate::compress::{self, Compression, Named};
use crate::csv_write::CsvWriter;
use crate::ipc_read::IpcReader;
use crate::ipc_write::IpcWriter;
use crate::line_protocol::{self, DecodeOptions, EncodeOptions, LpReader, LpWriter};
use crate::ndjson_read::NdjsonReader;
use crate::ndjson_write::NdjsonWriter;
use crate::parquet_read::ParquetReader;
use crate::parquet_write::ParquetWriter;
use crate::spool::spool;
use crate::time::Unit;
use crate::{Reader, SchemaRef, Writer};
use fault::{Error, Kind, Result};
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;

/// An input: what `cli::input::open` gives.
pub struct Source {
    /// For messages, and for its extension: the path, or `stdin`.
    pub name: String,
    pub reader: Box<dyn Read + Send>,
    /// The same file, where it is a regular one.
    pub file: Option<File>,
}

impl Source {
    /// An input; `file` is the regular file behind `reader`, if there is one.
    pub fn new(name: impl Into<String>, reader: Box<dyn Read + Send>, file: Option<File>) -> Source {
        Source { name: name.into(), reader, file }
    }
}

/// Bytes that tell formats and compressions apart.
const HEAD: usize = 8;

/// An opened input.
pub enum Opened {
    /// A CSV that has read its header: a reader too, for those who want batches.
    Csv(Box<CsvReader>),
    Other(Box<dyn Reader>),
}

impl Opened {
    /// The schema, with roles in the fields' metadata.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Opened::Csv(reader) => reader.schema(),
            Opened::Other(reader) => reader.schema(),
        }
    }
}

/// Opens an input: finds compression and format, reads as much as it takes to know the schema.
pub fn open(source: Source, options: ReadOptions) -> Result<Box<dyn Reader>> {
    Ok(match open_text(source, options)? {
        Opened::Csv(reader) => reader,
        Opened::Other(reader) => reader,
    })
}

/// As [`open`], for callers that have a shorter way for CSV than batches.
pub fn open_text(source: Source, options: ReadOptions) -> Result<Opened> {
    let Source { name, reader, file } = source;
    let limits = options.limits;
    if limits.rows == 0 || limits.bytes == 0 {
        return Err(Error::usage("a batch must have room for a row"));
    }
    let mut options = options;
    options.limits.bytes = limits.bytes.min(1 << 30);
    let path = Path::new(&name);
    let (head, reader) = peek(Box::new(Named { name: name.clone(), inner: reader }), &name)?;
    let (compressed, head, reader) = match compress::magic(&head) {
        Some(kind) => {
            let (head, reader) = peek(compress::decompress(kind, &name, reader)?, &name)?;
            (true, head, reader)
        }
        None if Compression::from_path(path).is_some() => {
            let (kind, what) = match head.is_empty() {
                true => (Kind::Incomplete, "is empty"),
                false => (Kind::Malformed, "is not compressed, as its name says"),
            };
            return Err(Error::new(kind, format!("{name} {what}")));
        }
        None => (false, head, reader),
    };
    let file = file.filter(|_| !compressed);
    let format =
        options.from.or_else(|| Format::from_path(path)).or_else(|| Format::from_magic(&head)).unwrap_or(Format::Csv);
    let reader: Box<dyn Reader> = match format {
        Format::Csv => return Ok(Opened::Csv(Box::new(CsvReader::open(&name, reader, options)?))),
        Format::Arrow => Box::new(IpcReader::open(&name, reader, options.limits)?),
        Format::Ndjson => Box::new(NdjsonReader::open(&name, reader, options)?),
        Format::Parquet => {
            let file = match file {
                Some(file) => file,
                None => spool(reader)?,
            };
            Box::new(ParquetReader::open(&name, file, options.limits, options.dictionaries)?)
        }
        Format::Lp => {
            let decode = DecodeOptions {
                precision: Some(options.precision).filter(|unit| *unit != Unit::Ns),
                dialect: options.dialect,
                scan: options.scan,
                ..DecodeOptions::default()
            };
            Box::new(LpReader::open(&name, reader, file, decode, options.limits, options.end_mark, options.bad_rows)?)
        }
    };
    Ok(Opened::Other(reader))
}

/// The bytes of a text input, behind gzip or zstd where it is compressed, and its first (at most 8) bytes: for tools
/// that take line protocol as it is.
pub fn plain(source: Source) -> Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let Source { name, reader, .. } = source;
    let (head, reader) = peek(Box::new(Named { name: name.clone(), inner: reader }), &name)?;
    match compress::magic(&head) {
        Some(kind) => peek(compress::decompress(kind, &name, reader)?, &name),
        None => Ok((head, reader)),
    }
}

/// The first bytes (fewer only at the end of the input), and a reader that gives them again.
fn peek(mut reader: Box<dyn Read + Send>, name: &str) -> Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::with_capacity(HEAD);
    (&mut reader)
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    let again = Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(again)))
}

/// Opens a writer on `out`; `finish` ends the output itself (`Output::finish`) after everything was written. Text and
/// Arrow write their header or schema at once.
pub fn create<W: Write + Send + 'static>(
    out: W,
    finish: fn(W) -> Result<()>,
    schema: SchemaRef,
    options: WriteOptions,
) -> Result<Box<dyn Writer>> {
    Ok(match options.to {
        Format::Csv => Box::new(CsvWriter::create(out, finish, &schema, &options)?),
        Format::Arrow => Box::new(IpcWriter::create(out, finish, &schema, &options)?),
        Format::Ndjson => Box::new(NdjsonWriter::create(out, finish, &schema, &options)?),
        Format::Parquet => Box::new(ParquetWriter::create(out, finish, &schema, &options)?),
        Format::Lp => {
            let encode = EncodeOptions { precision: options.precision, ..EncodeOptions::new(lp::Dialect::Portable) };
            Box::new(LpWriter::create(out, finish, &schema, &options, encode, line_protocol::stop_at_first())?)
        }
    })
}
