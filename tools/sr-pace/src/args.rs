//! The command line.

use cli::args::{TlsArgs, duration};
use fault::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// `sr-pace --concurrency-file FILE [OPTIONS]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Write the number into this file (as a whole): queue-recv --concurrency-file, or `jobs` of run_migration.sh
    #[arg(long, value_name = "FILE", required_unless_present = "tape")]
    pub concurrency_file: Option<PathBuf>,
    /// The cluster that is read: starrocks://USER@FE:9030
    #[arg(long, value_name = "URL")]
    pub source_url: Option<String>,
    /// The cluster that is written
    #[arg(long, value_name = "URL")]
    pub target_url: Option<String>,
    /// Read the source's password from this file; without it TS_SOURCE_PASSWORD
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub source_password_file: Option<PathBuf>,
    /// Read the target's password from this file; without it TS_TARGET_PASSWORD
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub target_password_file: Option<PathBuf>,
    /// Metrics of a front or back end (http://BE:8040/metrics); repeatable
    #[arg(long, value_name = "URL")]
    pub metrics_url: Vec<String>,
    /// How our own work fares: JSON lines with secs and exit, as queue-recv --timings writes them
    #[arg(long, value_name = "FILE")]
    pub timings: Option<PathBuf>,
    /// Never less than this
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub floor: u32,
    /// Never more than this
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub ceiling: u32,
    /// Begin with this [default: the floor]
    #[arg(long, value_name = "N")]
    pub start: Option<u32>,
    /// Look after so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub every: Duration,
    /// End after so many looks
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// End when the process with this number has ended: whoever runs the work
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..), conflicts_with = "tape")]
    pub pid: Option<i32>,
    #[command(flatten)]
    pub marks: Marks,
    /// Write each look to this file, as --tape reads it
    #[arg(long, value_name = "FILE", conflicts_with = "tape")]
    pub record: Option<PathBuf>,
    /// Decide over the looks of this file instead, print every decision, and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source_url", "target_url", "metrics_url", "timings"])]
    pub tape: Option<PathBuf>,
    /// Wait so long for a cluster's answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, hide_short_help = true)]
    pub timeout: Duration,
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// High-water and low-water marks. Source of the defaults: "dossier starrocks 7".
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Thresholds")]
pub struct Marks {
    /// Memory of any back end, in percent of its limit
    #[arg(long, value_name = "PERCENT", default_value_t = 80.0)]
    pub max_memory: f64,
    /// CPU of any back end, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 85.0)]
    pub max_cpu: f64,
    /// Utilisation of any disk, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 90.0)]
    pub max_io: f64,
    /// Fill of any disk, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 85.0)]
    pub max_disk: f64,
    /// Compaction score of any tablet (1000 versions are an error)
    #[arg(long, value_name = "SCORE", default_value_t = 100.0)]
    pub max_compaction: f64,
    /// Growth of our own 95th percentile over its best
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    pub max_latency: f64,
    /// One more only while memory, CPU and disk utilisation are below this percentage, and compaction below this share of its mark
    #[arg(long, value_name = "PERCENT", default_value_t = 60.0)]
    pub low: f64,
}

impl Args {
    pub fn start(&self) -> u32 {
        self.start.unwrap_or(self.floor)
    }

    /// What can be checked without the world.
    pub fn check(&self) -> Result<()> {
        if self.floor > self.ceiling {
            return Err(Error::usage(format!("--floor {} is above --ceiling {}", self.floor, self.ceiling)));
        }
        if !(self.floor..=self.ceiling).contains(&self.start()) {
            return Err(Error::usage(format!("--start {} is not within floor and ceiling", self.start())));
        }
        let nothing = self.source_url.is_none() && self.target_url.is_none() && self.metrics_url.is_empty();
        if self.tape.is_none() && nothing && self.timings.is_none() {
            return Err(Error::usage("nothing to go by: give --source-url, --target-url, --metrics-url or --timings"));
        }
        Ok(())
    }
}
