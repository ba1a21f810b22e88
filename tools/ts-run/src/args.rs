//! The command line.

use cli::args::duration;
use std::path::PathBuf;
use std::time::Duration;

/// `ts-run [OPTIONS] ID`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The split, by its id in the plan
    #[arg(value_name = "ID")]
    pub id: String,
    /// The migration's state directory, which holds plan.tsv
    #[arg(long, value_name = "DIR", env = "TS_STATE_DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The script that moves one split; run with `bash -euo pipefail` [default: pipeline.sh in the state directory]
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Run the pipeline again this many times, if the world may have changed (exit 4, 5, 7, 9)
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub retries: u32,
    /// The wait before the second attempt; doubled each time, up to a minute
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub retry_wait: Duration,
    /// End an attempt that takes longer than this
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration)]
    pub time_limit: Duration,
    /// Append to this file how each attempt fared, {"split":ID,"secs":1.5,"exit":0}: for sr-pace --timings
    #[arg(long, value_name = "FILE", env = "TS_RUN_TIMINGS")]
    pub timings: Option<PathBuf>,
    /// Wait this long for a split that somebody else works on
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub lock_wait: Duration,
}
