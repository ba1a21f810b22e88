//! The command line, checked into a plan.

use crate::data::Shape;
use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, duration};
use fault::{Error, Result};
use rows::compress::Compression;
use rows::format::Format;
use rows::time::{Nanos, Unit, parse_instant};
use std::time::Duration;

/// `ts-gen [OPTIONS] DATASET`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The data set: sensors, meters, wide, edge, keyed or json
    #[arg(value_name = "DATASET")]
    pub dataset: Dataset,
    /// Rows in all
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub rows: u64,
    /// Sub-tables that the rows are spread over, interleaved by time [default: 1000; edge, keyed, json: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub tables: Option<u32>,
    /// Another seed gives other values; the same seed gives the same bytes on every machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The first instant
    #[arg(long, value_name = "INSTANT", default_value = "2024-01-01T00:00:00Z", value_parser = parse_instant)]
    pub start: Nanos,
    /// Time between two rows of a sub-table
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub interval: Duration,
    /// Unit of the time column [default: ms; edge: us]
    #[arg(long, value_name = "s|ms|us|ns", value_parser = unit)]
    pub precision: Option<Unit>,
    /// Output format: csv, arrow, parquet, ndjson or lp [default: by the extension of -o, else csv]
    #[arg(short, long, value_name = "FORMAT", value_parser = format)]
    pub to: Option<Format>,
    /// Leave out the column with the sub-table's name
    #[arg(long)]
    pub no_table: bool,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dataset {
    /// Temperature, humidity, pressure, status; tags location and device_id
    Sensors,
    /// current, voltage, phase; tags groupid and location, equal for many sub-tables
    Meters,
    /// Sixty columns, three in ten cells NULL; tag machine
    Wide,
    /// Every type, NULL, extreme values, awkward strings
    Edge,
    /// A composite primary key, and sub-tables with equal tags
    Keyed,
    /// A JSON tag
    Json,
}

fn unit(text: &str) -> std::result::Result<Unit, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn format(text: &str) -> std::result::Result<Format, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

impl Args {
    /// Checks that all times fit the unit, and fills in the defaults of the data set.
    pub fn shape(&self) -> Result<Shape> {
        let small = matches!(self.dataset, Dataset::Edge | Dataset::Keyed | Dataset::Json);
        let unit = self.precision.unwrap_or(if self.dataset == Dataset::Edge { Unit::Us } else { Unit::Ms });
        let tables = u64::from(self.tables.unwrap_or(if small { 8 } else { 1000 }));
        let nanos = i128::from(unit.nanos());
        let step = self.interval.as_nanos() as i128 / nanos;
        if step == 0 && self.rows > tables {
            return Err(Error::usage(format!(
                "--interval is shorter than one {unit}: rows would overwrite each other"
            )));
        }
        let last = self.start / nanos + step * i128::from(self.rows / tables);
        let first = self.start.div_euclid(nanos);
        match (i64::try_from(first), i64::try_from(step), i64::try_from(last)) {
            (Ok(first), Ok(step), Ok(_)) => Ok(Shape { rows: self.rows, tables, seed: self.seed, first, step, unit }),
            _ => {
                Err(Error::usage(format!("the times leave the range of 64 bits of {unit}: use a coarser --precision")))
            }
        }
    }

    /// Flag, else extension, else CSV.
    pub fn format(&self) -> Format {
        self.to.or_else(|| self.output.output.as_deref().and_then(Format::from_path)).unwrap_or(Format::Csv)
    }

    /// By the extension of `-o`.
    pub fn compression(&self) -> Option<Compression> {
        self.output.output.as_deref().and_then(Compression::from_path)
    }
}
