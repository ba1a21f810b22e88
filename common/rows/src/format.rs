//! Which format, and opening it: flag > extension (`.csv .arrow .parquet .ndjson .lp`, then `.gz .zst`) > magic bytes >
//! CSV.

use crate::compress::{self, Compression, Named};
use crate::csv_read::CsvReader;
use crate::csv_write::CsvWriter;
use crate::header::Column;
use crate::ipc_read::{FILE_MAGIC, IpcReader};
use crate::ipc_write::IpcWriter;
use crate::line_protocol::{self, DecodeOptions, EncodeOptions, LpReader, LpWriter};
use crate::ndjson_read::NdjsonReader;
use crate::ndjson_write::NdjsonWriter;
use crate::parquet_read::ParquetReader;
use crate::parquet_write::ParquetWriter;
use crate::spool::spool;
use crate::time::Unit;
use crate::{Limits, Reader, SchemaRef, Writer};
use fault::{Error, Kind, Result};
use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::str::FromStr;

/// A row format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Csv,
    /// Arrow IPC: the stream format; the file format is read too.
    Arrow,
    Parquet,
    Ndjson,
    /// Line protocol.
    Lp,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Format; 5] = [Format::Csv, Format::Arrow, Format::Parquet, Format::Ndjson, Format::Lp];

    /// What the extension says, before any `.gz` or `.zst`.
    pub fn from_path(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?;
        if matches!(extension, "gz" | "zst") {
            return Format::from_path(Path::new(path.file_stem()?));
        }
        Some(match extension {
            "csv" => Format::Csv,
            "arrow" | "arrows" | "ipc" | "feather" => Format::Arrow,
            "parquet" => Format::Parquet,
            "ndjson" | "jsonl" => Format::Ndjson,
            "lp" => Format::Lp,
            _ => return None,
        })
    }

    /// The name in flags and messages, which is also the extension.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
            Format::Ndjson => "ndjson",
            Format::Lp => "lp",
        }
    }

    /// What the first bytes say.
    pub fn from_magic(head: &[u8]) -> Option<Format> {
        if head.starts_with(b"PAR1") {
            Some(Format::Parquet)
        } else if head.starts_with(FILE_MAGIC) || head.starts_with(&[0xFF; 4]) {
            Some(Format::Arrow)
        } else {
            None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Error::usage(format!("'{text}' is no format: use csv, arrow, parquet, ndjson or lp")))
    }
}

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

/// The first line of a CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Header {
    /// `name|type` in each cell ([`crate::header`]).
    #[default]
    Typed,
    /// Names only: every column is text unless [`ReadOptions::columns`] says more.
    Plain,
    /// No header: columns are named `c1`, `c2` …
    None,
}

impl FromStr for Header {
    type Err = Error;

    fn from_str(text: &str) -> Result<Header> {
        Ok(match text {
            "typed" => Header::Typed,
            "plain" => Header::Plain,
            "none" => Header::None,
            _ => return Err(Error::usage(format!("'{text}' is no header: use typed, plain or none"))),
        })
    }
}

/// A row that could not be read.
#[derive(Clone, Copy, Debug)]
pub struct BadRow<'a> {
    /// Its (first) line, from 1.
    pub line: u64,
    /// Its offset in the decompressed input.
    pub offset: u64,
    /// Its bytes, without the line end.
    pub bytes: &'a [u8],
    /// Why, with name and line: a whole message.
    pub reason: &'a str,
}

/// What to do with a bad row: `Ok` drops it and goes on, `Err` stops.
pub type BadRows = Box<dyn FnMut(&BadRow<'_>) -> Result<()> + Send>;

/// How to read.
pub struct ReadOptions {
    /// The format, where the user states it.
    pub from: Option<Format>,
    pub limits: Limits,
    /// The end mark must be there (text formats); one that is there is checked in any case.
    pub end_mark: bool,
    /// CSV: the unquoted text that is NULL. Default: nothing at all (an empty text is then `""`).
    pub null: Option<Vec<u8>>,
    /// CSV: the first line.
    pub header: Header,
    /// CSV: between cells.
    pub delimiter: u8,
    /// Line protocol: the unit of its timestamps.
    pub precision: Unit,
    /// Line protocol: whose backslashes.
    pub dialect: lp::Dialect,
    /// Line protocol: look at all lines for the columns before reading rows, instead of the first ones.
    pub scan: bool,
    /// CSV: times are integers of this unit, not RFC 3339.
    pub epoch: Option<Unit>,
    /// CSV and NDJSON: columns whose role and type the caller knows, by name.
    pub columns: Vec<Column>,
    /// Text formats: rows that cannot be read. The default stops at the first with `Malformed`.
    pub bad_rows: BadRows,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            from: None,
            limits: Limits::default(),
            end_mark: false,
            null: None,
            header: Header::Typed,
            delimiter: b',',
            precision: Unit::Ns,
            dialect: lp::Dialect::default(),
            scan: false,
            epoch: None,
            columns: Vec::new(),
            bad_rows: Box::new(|row| Err(Error::malformed(row.reason))),
        }
    }
}

/// How to write.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub to: Format,
    /// Text formats: end with the end mark.
    pub end_mark: bool,
    /// CSV: the text for NULL. Default: nothing at all.
    pub null: Option<Vec<u8>>,
    /// CSV: the first line.
    pub header: Header,
    /// CSV: between cells.
    pub delimiter: u8,
    /// `None`: the format's default, which is zstd level 1 for Parquet and none for the others.
    pub compression: Option<Compression>,
    /// Line protocol: the unit of its timestamps.
    pub precision: Unit,
    /// Parquet: encoded bytes of a row group, at most; what a writer holds in memory.
    pub row_group_bytes: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            to: Format::Csv,
            end_mark: false,
            null: None,
            header: Header::Typed,
            delimiter: b',',
            compression: None,
            precision: Unit::Ns,
            row_group_bytes: 32 << 20,
        }
    }
}

/// Bytes that tell formats and compressions apart.
const HEAD: usize = 8;

/// Opens an input: finds compression and format, reads as much as it takes to know the schema.
pub fn open(source: Source, options: ReadOptions) -> Result<Box<dyn Reader>> {
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
    Ok(match format {
        Format::Csv => Box::new(CsvReader::open(&name, reader, options)?),
        Format::Arrow => Box::new(IpcReader::open(&name, reader, options.limits)?),
        Format::Ndjson => Box::new(NdjsonReader::open(&name, reader, options)?),
        Format::Parquet => {
            let file = match file {
                Some(file) => file,
                None => spool(reader)?,
            };
            Box::new(ParquetReader::open(&name, file, options.limits)?)
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
    })
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
