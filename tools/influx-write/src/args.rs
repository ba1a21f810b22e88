//! The command line of `influx-write`, and the plan made of it.

use clap::{Args as ClapArgs, ValueEnum};
use cli::args::{EndMarkArgs, RejectArgs, RetryArgs, TargetArgs, TlsArgs};
use cli::rate::{Rate, RateArgs};
use fault::{Error, Result};
use influx::{Target, Version};
use lp::Dialect;
use rows::format::Format;
use rows::time::Unit;
use std::path::PathBuf;
use std::time::Duration;

/// Line protocol, or rows in any format, into InfluxDB.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to write; - is stdin
    #[arg(default_value = "-", value_name = "INPUT")]
    pub input: PathBuf,
    /// Format of the input: lp, csv, arrow, parquet, ndjson (default: by extension and magic bytes, else lp)
    #[arg(short, long, value_name = "FORMAT")]
    pub from: Option<Format>,
    /// Unit of the times in line protocol (default: what the input states, else ns)
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    pub precision: Option<Unit>,
    /// Measurement of rows in other formats, if they do not carry one
    #[arg(long, value_name = "NAME")]
    pub measurement: Option<String>,
    /// Lines in a request, at most (default: 5000; 10000 for version 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), hide_short_help = true)]
    pub batch_rows: Option<u32>,
    /// Bytes in a request before compression, at most (a longer line goes alone)
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub batch_bytes: u64,
    /// Keep the order of lines of one series, or not: with `none` any free connection takes the next batch
    #[arg(long, value_enum, default_value_t = Order::Series, hide_short_help = true)]
    pub order: Order,
    #[command(flatten)]
    pub rejects: RejectArgs,
    /// Send lines as they are: a malformed one may stop a server
    #[arg(long)]
    pub no_check: bool,
    /// Accept lines without a time: the server puts its own clock, and repeated lines become new points
    #[arg(long, hide_short_help = true)]
    pub allow_missing_time: bool,
    /// Create the database or bucket first, if it does not exist
    #[arg(long)]
    pub create: bool,
    /// Read and check everything, send nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    /// Requests in flight, at most: fewer when the server slows down (default: 8)
    #[arg(long, visible_alias = "max-inflight", help_heading = "Connection options", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: Option<u16>,
    /// Compression of requests, 0 to 9 (default: 1; 0 to this machine itself)
    #[arg(long, help_heading = "Connection options", value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub gzip: Option<u8>,
    /// Wait so long for a target that had answered before and is down now; 0s: only as long as --retries last
    #[arg(long, help_heading = "Connection options", value_name = "DURATION", default_value = "5m", value_parser = cli::args::duration, hide_short_help = true)]
    pub max_outage: Duration,
    #[command(flatten)]
    pub rate: RateArgs,
}

/// What order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    Series,
    None,
}

/// What the arguments and the URL come to.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub dialect: Dialect,
    /// Workers, each with one request in flight.
    pub workers: usize,
    /// Batches that may wait for a worker.
    pub waiting: usize,
    pub batch_rows: usize,
    pub batch_bytes: usize,
    /// gzip level; 0 is off.
    pub gzip: u32,
    /// An outage of the target may last this long.
    pub longest_outage: Duration,
    pub rate: Option<Rate>,
}

/// One buffer holds a batch, and its line ends are 32-bit numbers.
const LARGEST_BATCH: u64 = 1 << 30;

impl Args {
    /// Checks what clap cannot check. Exit 2.
    pub fn plan(&self) -> Result<Plan> {
        let endpoint = self.target.endpoint()?;
        let target = Target::parse(&endpoint.url, endpoint.password, endpoint.token)?;
        if self.batch_bytes > LARGEST_BATCH {
            return Err(Error::usage("--batch-bytes is at most 1GiB"));
        }
        if self.dry_run && self.create {
            return Err(Error::usage("--dry-run sends nothing, so it cannot --create"));
        }
        let three = target.version == Version::V3;
        let workers = self.concurrency.map_or(8, usize::from);
        let wanted_rows = self.batch_rows.map_or(if three { 10_000 } else { 5_000 }, u64::from);
        let (batch_rows, batch_bytes) = self.rate.within_a_second(wanted_rows, self.batch_bytes);
        Ok(Plan {
            dialect: match target.version {
                Version::V1 => Dialect::V1,
                Version::V2 => Dialect::V2,
                Version::V3 => Dialect::V3,
            },
            workers,
            // Every worker has a batch in flight and one being filled; with few workers one more may wait.
            waiting: usize::from(workers <= 4),
            batch_rows,
            batch_bytes,
            longest_outage: self.max_outage,
            rate: self.rate.rate_limit,
            gzip: u32::from(self.gzip.unwrap_or(u8::from(!target.endpoint.is_loopback()))),
            target,
        })
    }
}

fn unit(text: &str) -> std::result::Result<Unit, String> {
    match text {
        "s" => Ok(Unit::S),
        "ms" => Ok(Unit::Ms),
        "us" => Ok(Unit::Us),
        "ns" => Ok(Unit::Ns),
        _ => Err(format!("'{text}' is no unit: use s, ms, us or ns")),
    }
}
