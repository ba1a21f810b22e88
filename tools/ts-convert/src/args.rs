//! The command line.

use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RejectArgs};
use fault::{Error, Result};
use rows::format::{Format, Header};
use rows::role::Role;
use rows::time::Unit;
use rows::types::Type;
use std::path::PathBuf;

/// `ts-convert [OPTIONS] [INPUT]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The input; `-` is stdin
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
    /// Input format: csv, arrow, parquet, ndjson or lp [default: by extension, then by content, else csv]
    #[arg(short, long, value_name = "FORMAT", value_parser = parse::<Format>)]
    pub from: Option<Format>,
    /// Output format [default: by the extension of -o, else csv]
    #[arg(short, long, value_name = "FORMAT", value_parser = parse::<Format>)]
    pub to: Option<Format>,
    /// Only these columns, in this order (comma-separated, repeatable)
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Another name for a column
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    pub rename: Vec<(String, String)>,
    /// Another type for a column: a type of the typed CSV header, or timestamp(s|ms|us|ns)
    #[arg(long, value_name = "COLUMN=TYPE", value_parser = pair)]
    pub cast: Vec<(String, String)>,
    /// Another role for a column: time, tag, field, table, measurement or ignore
    #[arg(long, value_name = "COLUMN=ROLE", value_parser = pair)]
    pub role: Vec<(String, String)>,
    /// Stop after this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// The measurement that the rows belong to
    #[arg(long, value_name = "NAME")]
    pub measurement: Option<String>,
    /// Text that stands for NULL in CSV input, instead of an empty unquoted cell
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,
    /// The first line of CSV input: names and types, names only, or none
    #[arg(long, value_name = "typed|plain|none", value_parser = parse::<Header>, default_value = "typed")]
    pub header: Header,
    /// The first line of CSV output
    #[arg(long, value_name = "typed|plain|none", value_parser = parse::<Header>, default_value = "typed")]
    pub output_header: Header,
    /// Column separator of CSV input
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter)]
    pub delimiter: u8,
    /// Unit of the times in line protocol, in and out
    #[arg(long, value_name = "s|ms|us|ns", default_value = "ns", value_parser = parse::<Unit>)]
    pub precision: Unit,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
}

fn parse<T: std::str::FromStr<Err = Error>>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err(format!("'{text}' is not of the form NAME=VALUE")),
    }
}

fn delimiter(text: &str) -> std::result::Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("'{text}' is no separator: use one ASCII character, or \\t")),
    }
}

impl Args {
    /// Flag, else extension, else CSV.
    pub fn format(&self) -> Format {
        self.to.or_else(|| self.output.output.as_deref().and_then(Format::from_path)).unwrap_or(Format::Csv)
    }
}

/// A type for `--cast`: a timestamp names its unit, which the typed CSV header leaves to the values.
pub fn cast_type(text: &str) -> Result<Type> {
    match text.strip_prefix("timestamp(").and_then(|rest| rest.strip_suffix(')')) {
        Some(unit) => Ok(Type::Timestamp(unit.parse()?)),
        None => text.parse::<Type>().map_err(|error| Error::usage(error.to_string())),
    }
}

/// A role for `--role`.
pub fn role(text: &str) -> Result<Role> {
    text.parse::<Role>().map_err(|error| Error::usage(error.to_string()))
}
