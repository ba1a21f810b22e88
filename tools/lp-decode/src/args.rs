//! The command line.

use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RejectArgs};
use fault::{Error, Kind, Result};
use lp::Dialect;
use rows::format::{self, Format, Header, ReadOptions, Source};
use rows::header::Column;
use rows::line_protocol::DecodeOptions;
use rows::time::Unit;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `lp-decode [OPTIONS] [INPUT]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The input, also behind gzip or zstd; `-` is stdin
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: PathBuf,
    /// Output format: csv, arrow, parquet, ndjson or lp [default: by the extension of -o, else csv]
    #[arg(short, long, value_name = "FORMAT", value_parser = parse::<Format>)]
    pub to: Option<Format>,
    /// Whose line protocol: it decides what backslashes in names and tags mean
    #[arg(long, value_name = "portable|v1|v2|v3", default_value = "portable", value_parser = dialect)]
    pub dialect: Dialect,
    /// Only lines of this measurement
    #[arg(long, value_name = "NAME")]
    pub measurement: Option<String>,
    /// Unit of the times in the lines [default: what the input states, else ns]
    #[arg(long, value_name = "s|ms|us|ns", value_parser = parse::<Unit>)]
    pub precision: Option<Unit>,
    /// Unit of the time column [default: that of the lines]; a time with digits below it is rejected
    #[arg(long, value_name = "s|ms|us|ns", value_parser = parse::<Unit>)]
    pub time_unit: Option<Unit>,
    /// Look at all lines for the columns before the first row; stdin is spooled into a temporary file
    #[arg(long)]
    pub scan: bool,
    /// The columns: a file whose first line is a typed CSV header (time|time,device|tag,temp|double)
    #[arg(long, value_name = "FILE", conflicts_with = "scan")]
    pub schema: Option<PathBuf>,
    /// A field with integers and floats is a column of floats
    #[arg(long)]
    pub widen: bool,
    /// Join lines of one series and time into one row (exports with one line per field)
    #[arg(long)]
    pub merge: bool,
    /// Rows that wait for more of their fields while merging
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "merge", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub merge_window: u32,
    /// The first line of CSV output: names and types, names only, or none
    #[arg(long, value_name = "typed|plain|none", value_parser = parse::<Header>, default_value = "typed", hide_short_help = true)]
    pub output_header: Header,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub rejects: RejectArgs,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
}

impl Args {
    /// Flag, else extension, else CSV.
    pub fn format(&self) -> Format {
        self.to.or_else(|| self.output.output.as_deref().and_then(Format::from_path)).unwrap_or(Format::Csv)
    }

    /// How lines become columns. Reads the schema's file.
    pub fn decode_options(&self) -> Result<DecodeOptions> {
        Ok(DecodeOptions {
            dialect: self.dialect,
            precision: self.precision,
            time_unit: self.time_unit,
            measurement: self.measurement.clone(),
            widen: self.widen,
            columns: self.schema.as_deref().map(read_schema).transpose()?,
            scan: self.scan,
            merge: self.merge.then_some(self.merge_window as usize),
        })
    }
}

/// Bytes of a header line that are read.
const HEADER: u64 = 16 << 20;

/// The columns that the first line of a file states.
fn read_schema(path: &Path) -> Result<Vec<Column>> {
    let name = path.display().to_string();
    let fail = |error| Error::io(format!("cannot read {name}"), error).with_kind(Kind::Usage);
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut line = Vec::new();
    BufReader::new(file.take(HEADER)).read_until(b'\n', &mut line).map_err(fail)?;
    let source = Source::new(name.clone(), Box::new(Cursor::new(line)), None);
    let options = ReadOptions { from: Some(Format::Csv), ..ReadOptions::default() };
    let reader = format::open(source, options).map_err(|e| e.with_kind(Kind::Usage).context("--schema"))?;
    Column::all(&reader.schema()).map_err(|e| e.with_kind(Kind::Usage).context(format!("--schema {name}")))
}

fn parse<T: FromStr<Err = Error>>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn dialect(text: &str) -> std::result::Result<Dialect, String> {
    text.parse()
}
