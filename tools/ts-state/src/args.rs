//! The command line.

use cli::args::{OutputArgs, duration};
use std::path::PathBuf;
use std::time::Duration;

/// `ts-state COMMAND [OPTIONS]`
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// The ids of the splits that an executor should run now, one a line
    Pending(Pending),
    /// Every split and what is known of it
    Ls(Ls),
    /// Sums over all splits; exit 0 only if every split has its receipt
    Report(Report),
    /// Make failed or skipped splits pending again
    Retry(Retry),
    /// Leave splits out, for a reason that stays on record
    Skip(Skip),
    /// All that is known of one split: state, error, history
    Why(Why),
    /// The migration as metrics for Prometheus: splits by state, rows, failures by exit code
    Metrics(Metrics),
    /// Watch the migration until nothing is left to run
    Watch(Watch),
}

/// Where the state is.
#[derive(clap::Args)]
pub struct State {
    /// The migration's state directory
    #[arg(long, value_name = "DIR", env = "TS_STATE_DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    Text,
    Json,
}

#[derive(clap::Args)]
pub struct Pending {
    #[command(flatten)]
    pub state: State,
}

#[derive(clap::Args)]
pub struct Ls {
    #[command(flatten)]
    pub state: State,
    /// Only splits in this state: pending, running, done, failed, blocked, skipped (repeatable)
    #[arg(long, value_name = "STATE")]
    pub only: Vec<String>,
    /// Tab-separated text, or a JSON object a line
    #[arg(long, value_name = "text|json", value_enum, default_value_t = Form::Text)]
    pub out: Form,
}

#[derive(clap::Args)]
pub struct Report {
    #[command(flatten)]
    pub state: State,
    /// Lines of text, or one JSON object
    #[arg(long, value_name = "text|json", value_enum, default_value_t = Form::Text)]
    pub out: Form,
}

#[derive(clap::Args)]
pub struct Retry {
    #[command(flatten)]
    pub state: State,
    /// The splits; `failed` stands for all that failed, whether for good or not
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

#[derive(clap::Args)]
pub struct Skip {
    #[command(flatten)]
    pub state: State,
    /// The splits
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Why they are left out
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(clap::Args)]
pub struct Why {
    #[command(flatten)]
    pub state: State,
    /// The split
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(clap::Args)]
pub struct Watch {
    #[command(flatten)]
    pub state: State,
    /// Between two looks
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub every: Duration,
}

#[derive(clap::Args)]
pub struct Metrics {
    #[command(flatten)]
    pub state: State,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Write the file again and again, with this pause, until nothing is left to run
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "output")]
    pub every: Option<Duration>,
    /// The label `migration` [default: the directory's name]
    #[arg(long, value_name = "NAME", env = "TS_MIGRATION")]
    pub migration: Option<String>,
}
