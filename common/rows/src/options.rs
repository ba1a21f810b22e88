//! What a reader and a writer are told: format, first line, units, limits, and what to do with a bad row.

use crate::Limits;
use crate::compress::Compression;
use crate::header::Column;
use crate::ipc_read::FILE_MAGIC;
use crate::time::Unit;
use fault::{Error, Result};
use std::fmt;
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
    /// Parquet: texts that the file holds by dictionary come so, whatever its schema says. For those who care about the
    /// texts and not about their Arrow type.
    pub dictionaries: bool,
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
            dictionaries: false,
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
            row_group_bytes: 6 << 20,
        }
    }
}
