//! The command line of `influx-dump`, and the plan made of it.

use crate::pattern::Pattern;
use clap::Args as ClapArgs;
use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RetryArgs, SourceArgs, TlsArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use influx::dump::Window;
use influx::{Target, Version, types::FieldType};
use lp::Dialect;
use rows::format::Format;
use rows::time::{Unit, ceil_to, check_range, parse_instant};
use std::path::PathBuf;
use std::time::Duration;

/// InfluxDB into rows.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Measurements to read: a name, a glob (*, ?, [ab], {a,b}) or /REGEX/; repeatable (default: all)
    #[arg(long, value_name = "NAME")]
    pub measurement: Vec<String>,
    /// Only rows from this time on (2024-01-01, 2024-01-01T00:00:00Z, 1704067200000ms)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only rows before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// One query per measurement and so much time (default: 1d for version 3, one query for the others)
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration)]
    pub window: Option<Duration>,
    /// Rows in all, at most
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Format of the output: csv, arrow, parquet, ndjson, lp (default: by the extension of --output, else csv)
    #[arg(short, long, value_name = "FORMAT")]
    pub to: Option<Format>,
    /// Line protocol for which servers: portable, v1, v2, v3 (default: for servers like the source)
    #[arg(long, value_name = "DIALECT", hide_short_help = true)]
    pub dialect: Option<Dialect>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// A file per measurement in this directory, which is made if need be
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "union"])]
    pub output_dir: Option<PathBuf>,
    /// Several measurements in one table, with a column `measurement`
    #[arg(long)]
    pub union: bool,
    /// The one type to read of a field that has several (numbers are converted, texts and booleans of another type left
    /// out): MEASUREMENT.FIELD=float|integer|unsigned|string|boolean
    #[arg(long, value_name = "FIELD=TYPE", hide_short_help = true)]
    pub field_type: Vec<String>,
    /// List the measurements with their numbers of tags and fields, and exit
    #[arg(long, conflicts_with_all = ["schema", "count"])]
    pub list: bool,
    /// Print tags, fields and types as JSON, and exit
    #[arg(long, conflicts_with = "count")]
    pub schema: bool,
    /// Count the values of every field, and exit
    #[arg(long)]
    pub count: bool,
    /// Rows in a piece of the server's reply (versions 1 and 2)
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000), hide_short_help = true)]
    pub chunk_rows: u32,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub rate: RateArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
}

/// What the arguments come to.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub range: Window,
    pub format: Format,
    pub dialect: Dialect,
    /// Empty is everything.
    pub wanted: Vec<Pattern>,
    /// Measurement, field, type.
    pub types: Vec<(String, String, FieldType)>,
    /// Nanoseconds.
    pub window: Option<i64>,
}

impl Args {
    /// Checks what clap cannot check. Exit 2.
    pub fn plan(&self) -> Result<Plan> {
        let endpoint = self.source.endpoint()?;
        let bound = |text: &Option<String>| text.as_deref().map(parse_instant).transpose();
        let (since, until) = (bound(&self.since)?, bound(&self.until)?);
        check_range(since, until)?;
        let window = match self.window.map(|window| i64::try_from(window.as_nanos())) {
            None => None,
            Some(Ok(nanos)) if nanos > 0 => Some(nanos),
            Some(_) => return Err(Error::usage("--window is between 1ns and 292 years")),
        };
        let by_name = self.output.output.as_deref().and_then(Format::from_path);
        let target = Target::parse(&endpoint.url, endpoint.password, endpoint.token)?;
        Ok(Plan {
            dialect: self.dialect.unwrap_or(match target.version {
                Version::V1 => Dialect::V1,
                Version::V2 => Dialect::V2,
                Version::V3 => Dialect::V3,
            }),
            target,
            range: Window {
                from: since.map(|time| ceil_to(time, Unit::Ns)),
                to: until.map(|time| ceil_to(time, Unit::Ns)),
            },
            format: self.to.or(by_name).unwrap_or(Format::Csv),
            wanted: self.measurement.iter().map(|text| Pattern::parse(text)).collect::<Result<_>>()?,
            types: self.field_type.iter().map(|text| field_type(text)).collect::<Result<_>>()?,
            window,
        })
    }
}

/// `MEASUREMENT.FIELD=TYPE`; the measurement ends at the first dot.
fn field_type(text: &str) -> Result<(String, String, FieldType)> {
    let parts = || {
        let (name, kind) = text.rsplit_once('=')?;
        let (measurement, field) = name.split_once('.')?;
        Some((measurement.to_owned(), field.to_owned(), FieldType::from_influxql(kind)?))
    };
    parts().ok_or_else(|| {
        Error::usage(format!("--field-type {text}: write MEASUREMENT.FIELD=float|integer|unsigned|string|boolean"))
    })
}
