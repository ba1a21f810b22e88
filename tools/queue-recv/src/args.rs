//! The command line.

use clap::Args as ClapArgs;
use cli::args::{RetryArgs, TlsArgs, duration};
use fault::{Error, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// `queue-recv --url QUEUE [OPTIONS] [-- COMMAND ARG...]`
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// The queue: sqs+https://HOST/ACCOUNT/QUEUE or dir:///FOLDER
    #[arg(long, value_name = "URL", env = "TS_QUEUE_URL")]
    pub url: Option<String>,
    /// Only objects whose URL begins with this; messages of others are left to others
    #[arg(long, value_name = "URL")]
    pub prefix: Option<String>,
    /// End after this many messages
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// End when no message has come for so long, and none is being worked on
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub idle: Option<Duration>,
    /// End when every object of this manifest has been worked on (with --ledger also by earlier runs), or, once it is
    /// there, when no message has come for longer than --visibility
    #[arg(long, value_name = "URL", requires = "command")]
    pub until_manifest: Option<String>,
    /// Ask the queue for so long at a time (SQS: 20s at most)
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration, hide_short_help = true)]
    pub wait: Duration,
    /// Hide messages from others for so long; with COMMAND that is made longer while it runs [default: 60s; without COMMAND 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub visibility: Option<Duration>,
    /// Run COMMAND so many times at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub concurrency: u32,
    /// As many at once as this file says; it is read again every second, 0 is a pause
    #[arg(long, value_name = "FILE", conflicts_with = "concurrency")]
    pub concurrency_file: Option<PathBuf>,
    /// A message that was received more often is a dead letter
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_receives: u32,
    /// A message whose COMMAND failed is hidden for so long; doubled with every receive, up to 15 minutes
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub retry_wait: Duration,
    /// Send dead letters to this queue [default: dead/ of a folder queue; SQS does as its redrive policy says]
    #[arg(long, value_name = "URL")]
    pub dead_letter: Option<String>,
    /// Keep what has been done in this file: it is not done again
    #[arg(long, value_name = "FILE", requires = "command")]
    pub ledger: Option<PathBuf>,
    /// Append a line of JSON with secs and exit for every COMMAND to this file, for sr-pace
    #[arg(long, value_name = "FILE", requires = "command", hide_short_help = true)]
    pub timings: Option<PathBuf>,
    /// End a COMMAND that takes longer than this
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration, hide_short_help = true)]
    pub time_limit: Duration,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Run COMMAND with its group, until the pipe TS_RUNNER_FD ends
    #[arg(long, hide = true)]
    pub guard: bool,
    /// Run this for every event, which it gets on stdin and in TS_EVENT_…; without it events are printed
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The wait of `visibility` that others' messages are hidden for at most, and ours that failed.
pub const LONGEST_WAIT: Duration = Duration::from_secs(900);

impl Args {
    pub fn url(&self) -> Result<&str> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        url.ok_or_else(|| Error::usage("no queue: give --url or set TS_QUEUE_URL"))
    }

    pub fn visibility(&self) -> Duration {
        let default = if self.command.is_empty() { 600 } else { 60 };
        self.visibility.unwrap_or(Duration::from_secs(default))
    }

    /// What can be checked without the world.
    pub fn check(&self) -> Result<()> {
        if self.visibility().is_zero() {
            return Err(Error::usage("--visibility 0 would give every message to everybody"));
        }
        if self.command.is_empty() && self.concurrency_file.is_some() {
            return Err(Error::usage("--concurrency-file needs a COMMAND"));
        }
        if self.prefix.as_deref().is_some_and(|prefix| !prefix.contains("://")) {
            return Err(Error::usage("--prefix is a URL: s3://bucket/prefix/job/"));
        }
        Ok(())
    }

    /// How long a message is hidden that was received so often and failed: doubled each time.
    pub fn back_off(&self, first: Duration, count: u32) -> Duration {
        let factor = 1u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
        first.saturating_mul(factor).min(LONGEST_WAIT.max(first))
    }
}
