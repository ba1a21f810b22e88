//! The command line.

use cli::args::{OutputArgs, RetryArgs, SourceArgs, TlsArgs, duration};
use fault::Result;
use rows::time::{Nanos, check_range, parse_instant};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `ts-plan [OPTIONS]`
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A super table or ordinary table; * ? [a-z] match several; repeatable (default: all)
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// From this instant on: RFC 3339, a date, or an integer with its unit (default: the first row's window)
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub since: Option<Nanos>,
    /// Before this instant (default: after the newest row)
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub until: Option<Nanos>,
    /// Width of a window, aligned to the epoch (s m h d); auto: as wide as --rows-per-split allows
    #[arg(long, value_name = "DURATION|auto", default_value = "auto", value_parser = Width::from_str)]
    pub width: Width,
    /// With --width auto: halve a window that has more rows. With --group: divide its sub-tables
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rows_per_split: u64,
    /// Divide the sub-tables of a window that is still too large into this many ranges of their names
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub group: Option<u16>,
    /// What else decides what is written (options of the encoder): becomes part of every id
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub options: String,
    /// The target's URL, part of every id; without it TS_TARGET_URL
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Overwrite a plan that was made with other options
    #[arg(long)]
    pub accept_changed_options: bool,

    /// Of the plan --plan, only the splits that hold a difference of this list (ts-verify --repair FILE)
    #[arg(long, value_name = "FILE", requires = "plan", conflicts_with_all = ["table", "since", "until", "since_state"])]
    pub from_repair: Option<PathBuf>,
    /// The plan that was verified
    #[arg(long, value_name = "FILE", requires = "from_repair")]
    pub plan: Option<PathBuf>,
    /// The next round: each table from where it is done without a gap in this state directory, less --lateness (but not
    /// before --since)
    #[arg(long, value_name = "DIR")]
    pub since_state: Option<PathBuf>,
    /// Rows that arrive this much later than their time are still found by the next round
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration, requires = "since_state")]
    pub lateness: Duration,
    /// Leave out what is younger than this
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration, requires = "since_state")]
    pub settle: Duration,

    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
}

/// How wide windows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// By the rows in them.
    Auto,
    Fixed(Duration),
}

impl FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Width, String> {
        match text {
            "auto" => Ok(Width::Auto),
            text => match duration(text)? {
                width if width.is_zero() => Err("a window must be longer than nothing".to_owned()),
                width => Ok(Width::Fixed(width)),
            },
        }
    }
}

impl std::fmt::Display for Width {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Width::Auto => f.write_str("auto"),
            // Not as it was typed: 24h is 1d.
            Width::Fixed(width) => write!(f, "{}ns", width.as_nanos()),
        }
    }
}

impl Args {
    /// What clap cannot say.
    pub fn check(&self) -> Result<()> {
        check_range(self.since, self.until)
    }
}
