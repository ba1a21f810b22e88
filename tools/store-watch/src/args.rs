//! The command line.

use cli::args::{RetryArgs, TlsArgs, duration};
use std::path::PathBuf;
use std::time::Duration;

/// `store-watch [OPTIONS] URL`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to watch: everything below s3://BUCKET/PREFIX/, oss://… or file:///FOLDER/
    #[arg(value_name = "URL")]
    pub url: String,
    /// Look once, and end
    #[arg(long)]
    pub once: bool,
    /// Look again after so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, conflicts_with = "once")]
    pub every: Duration,
    /// Keep what was seen in this file (written as a whole after each look): the next run tells only of what is new since
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Send the events to this queue (dir:///FOLDER or sqs+https://HOST/ACCOUNT/QUEUE) instead of printing them
    #[arg(long, value_name = "QUEUE")]
    pub notify: Option<String>,
    /// Only objects that have not changed for so long: for writers that write in place
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub settle: Duration,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
}
