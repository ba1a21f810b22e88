//! The command line.

use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RejectArgs};
use cli::naming::NamingArgs;
use fault::{Error, Result};
use lp::Dialect;
use rows::format::{Format, Header};
use rows::line_protocol::{
    AllNull, BinaryAs, DecimalAs, EmptyTag, EncodeOptions, Nan, Newline, TrailingBackslash, UintAs,
};
use rows::naming::{Flags, Naming};
use rows::time::Unit;
use std::path::PathBuf;
use std::str::FromStr;

/// `lp-encode [OPTIONS] [INPUT]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The input; `-` is stdin
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
    /// Input format: csv, arrow, parquet, ndjson or lp [default: by extension, then by content, else csv]
    #[arg(short, long, value_name = "FORMAT", value_parser = parse::<Format>)]
    pub from: Option<Format>,
    /// Whose line protocol: what v1, v2 and v3 all read alike, or one server's
    #[arg(long, value_name = "portable|v1|v2|v3", default_value = "portable", value_parser = dialect)]
    pub dialect: Dialect,
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Unit of the times in the lines; other than ns it is stated in a first comment line
    #[arg(long, value_name = "s|ms|us|ns", default_value = "ns", value_parser = parse::<Unit>)]
    pub precision: Unit,
    /// Threads that encode CSV; the output is the same with any number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
    #[command(flatten)]
    pub policies: Policies,
    #[command(flatten)]
    pub csv: Csv,
}

/// What becomes of values that line protocol cannot hold; every repair is counted in the summary.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "What line protocol cannot hold (error: the row is rejected)")]
pub struct Policies {
    /// NaN and infinities in fields
    #[arg(long, value_name = "error|drop|string", default_value = "error", value_parser = parse::<Nan>)]
    pub nan: Nan,
    /// Line feeds in texts, tabs in tags [default: error; raw for one server's dialect]
    #[arg(long, value_name = "error|space|raw|escape", value_parser = parse::<Newline>)]
    pub newline: Option<Newline>,
    /// Tags that end in a backslash
    #[arg(long, value_name = "error|strip|space", default_value = "error", value_parser = parse::<TrailingBackslash>)]
    pub trailing_backslash: TrailingBackslash,
    /// Unsigned columns: auto is u where the dialect has it, else i
    #[arg(long, value_name = "auto|u|i|float|error", default_value = "auto", value_parser = parse::<UintAs>)]
    pub uint: UintAs,
    /// Empty tags, which to InfluxDB are no tags
    #[arg(long, value_name = "drop|error", default_value = "drop", value_parser = parse::<EmptyTag>)]
    pub empty_tag: EmptyTag,
    /// Rows whose fields are all NULL
    #[arg(long, value_name = "skip|error", default_value = "skip", value_parser = parse::<AllNull>)]
    pub all_null: AllNull,
    /// Binary columns as strings of
    #[arg(long, value_name = "hex|base64", default_value = "hex", value_parser = parse::<BinaryAs>)]
    pub binary: BinaryAs,
    /// Decimals: a float that would lose digits is rejected
    #[arg(long, value_name = "float|string", default_value = "float", value_parser = parse::<DecimalAs>)]
    pub decimal: DecimalAs,
}

/// CSV that does not say its types.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "CSV from elsewhere")]
pub struct Csv {
    /// The first line: names and types, names only, or none
    #[arg(long, value_name = "typed|plain|none", default_value = "typed", value_parser = parse::<Header>, hide_short_help = true)]
    pub header: Header,
    /// Column separator
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter, hide_short_help = true)]
    pub delimiter: u8,
    /// Text that stands for NULL, instead of an empty unquoted cell
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub null: Option<String>,
    /// Times are integers of this unit, not RFC 3339
    #[arg(long, value_name = "s|ms|us|ns", value_parser = parse::<Unit>, hide_short_help = true)]
    pub epoch: Option<Unit>,
}

impl Args {
    /// What columns are and what they are called.
    pub fn naming(&self) -> Result<Naming> {
        let NamingArgs { tag, field, ignore, time, rename, .. } = &self.naming;
        Naming::new(Flags { tags: tag, fields: field, ignore, time: time.as_deref(), rename })
    }

    /// How rows become lines.
    pub fn encode_options(&self) -> Result<EncodeOptions> {
        let defaults = EncodeOptions::new(self.dialect);
        let policies = &self.policies;
        let measurement = self.naming.measurement.as_deref().map(str::parse).transpose()?;
        Ok(EncodeOptions {
            dialect: self.dialect,
            measurement: measurement.unwrap_or_default(),
            table_as: self.naming.table_as.parse()?,
            key_as: self.naming.key_as.parse()?,
            nan: policies.nan,
            newline: policies.newline.unwrap_or(defaults.newline),
            trailing_backslash: policies.trailing_backslash,
            uint: policies.uint,
            empty_tag: policies.empty_tag,
            binary: policies.binary,
            decimal: policies.decimal,
            all_null: policies.all_null,
            precision: self.precision,
        })
    }
}

fn parse<T: FromStr<Err = Error>>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn dialect(text: &str) -> std::result::Result<Dialect, String> {
    text.parse()
}

fn delimiter(text: &str) -> std::result::Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("'{text}' is no separator: use one ASCII character, or \\t")),
    }
}
