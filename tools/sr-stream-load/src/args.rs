//! The command line of `sr-stream-load`, and the plan made of it.

use crate::create::CreateArgs;
use clap::{Args as ClapArgs, ValueEnum};
use cli::args::{EndMarkArgs, RejectArgs, RetryArgs, TargetArgs, TlsArgs};
use cli::rate::{Rate, RateArgs};
use fault::{Error, Result};
use rows::bulk::Policy;
use rows::format::Format;
use rows::time::Unit;
use starrocks::Target;
use starrocks::be_map::BeMap;
use starrocks::hops::Route;
use starrocks::label::{self, Labels};
use starrocks::request::{self, Merge, Packing, Partial, Settings};
use starrocks::state::Patience;
use std::path::PathBuf;
use std::time::Duration;

/// Rows in any format, into StarRocks.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to load; - is stdin
    #[arg(default_value = "-", value_name = "INPUT")]
    pub input: PathBuf,
    /// Format of the input: csv, arrow, parquet, ndjson, lp (default: by extension and magic bytes, else csv)
    #[arg(short, long, value_name = "FORMAT")]
    pub from: Option<Format>,
    /// Unit of the times in line protocol (default: what the input states, else ns)
    #[arg(long, value_name = "UNIT", value_parser = unit, hide_short_help = true)]
    pub precision: Option<Unit>,
    /// The table
    #[arg(long, value_name = "TABLE")]
    pub table: String,
    /// Columns of the table in the order of the input's; `-` leaves one out (default: the input's names)
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// A column made of others by the server: 'day=date(ts)', 'b=to_bitmap(x)'; x is then no column (repeatable)
    #[arg(long, value_name = "COLUMN=EXPRESSION", hide_short_help = true)]
    pub set: Vec<String>,
    /// Do not ask over the MySQL protocol whether the table has the columns: what it does not have is dropped in silence
    #[arg(long, hide_short_help = true)]
    pub no_column_check: bool,
    /// This column of the input says what to do with a row: 0 or upsert, 1 or delete (tables with a primary key)
    #[arg(long, value_name = "COLUMN")]
    pub op: Option<String>,
    /// Only the given columns of rows that are there are changed (tables with a primary key)
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "auto", hide_short_help = true)]
    pub partial_update: Option<PartialMode>,
    /// A row replaces another only where this column is not less
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub merge_condition: Option<String>,
    /// Let the server make one commit of many small loads; it waits so long for them. No label protects against a repeat
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration, num_args = 0..=1, require_equals = true, default_missing_value = "1s", hide_short_help = true)]
    pub merge_commit: Option<Duration>,
    /// How rows are written for the server: csv (json where a text needs it), json, arrow (servers from 4.2 on)
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LoadFormat::Auto, hide_short_help = true)]
    pub load_format: LoadFormat,
    /// Compression of requests
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Compress::None, hide_short_help = true)]
    pub compress: Compress,
    /// NaN and infinities, which StarRocks does not hold: reject the row, or load NULL
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Nan::Reject, hide_short_help = true)]
    pub nan: Nan,
    /// Cut times to microseconds; without it a row with a finer time is rejected
    #[arg(long, hide_short_help = true)]
    pub truncate_times: bool,
    /// Rows in a load, at most
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000), hide_short_help = true)]
    pub batch_rows: u32,
    /// Bytes in a load, at most: each load is a version of the table, and many small ones block it
    #[arg(long, value_name = "SIZE", default_value = "10MiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub batch_bytes: u64,
    #[command(flatten)]
    pub rejects: RejectArgs,
    /// Read and write everything as it would be sent, send nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
    #[command(flatten)]
    pub make: CreateArgs,
    #[command(flatten)]
    pub labels: LabelArgs,
    #[command(flatten)]
    pub steps: StepArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub way: WayArgs,
    #[command(flatten)]
    pub rate: RateArgs,
}

/// Names of loads.
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Labels")]
pub struct LabelArgs {
    /// The label of the load or transaction; the input must fit into one load, or --txn be given
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Labels begin with this and follow from the content alone: what was loaded under them before is not loaded again
    #[arg(long, value_name = "PREFIX", conflicts_with = "label")]
    pub label_prefix: Option<String>,
}

/// Transactions.
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Transactions")]
#[group(id = "step", multiple = false)]
pub struct StepArgs {
    /// Load all of the input in one transaction: all of it becomes visible at once, or nothing
    #[arg(long)]
    pub txn: bool,
    /// Begin the transaction --label; no input is read
    #[arg(long)]
    pub begin: bool,
    /// Load the input into the transaction --label
    #[arg(long)]
    pub load: bool,
    /// Prepare the transaction --label: from then on only a commit is missing
    #[arg(long)]
    pub prepare: bool,
    /// Commit the transaction --label; one that is committed stays so
    #[arg(long)]
    pub commit: bool,
    /// Roll the transaction --label back; one that is not there is no error
    #[arg(long)]
    pub abort: bool,
}

/// The way to the back ends.
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct WayArgs {
    /// Loads in flight into this database, at most: fewer when the server slows down
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,
    /// The back end that the front end calls OLD is NEW from here; each a host or host:port (repeatable)
    #[arg(long, value_name = "OLD=NEW")]
    pub be_map: Vec<String>,
    /// Load through this back end (http://host:8040); no front end is asked
    #[arg(long, value_name = "URL", conflicts_with = "be_map", hide_short_help = true)]
    pub be_url: Option<String>,
    /// Who answers for the front end does the redirect itself (a proxy): send it the rows
    #[arg(long, conflicts_with = "be_url", hide_short_help = true)]
    pub fe_proxy: bool,
    /// Follow a redirect from https to http: the password is then sent in clear
    #[arg(long, hide_short_help = true)]
    pub allow_insecure_redirect: bool,
    /// Time that the server gives a load
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = cli::args::duration, hide_short_help = true)]
    pub load_timeout: Duration,
    /// Between the first two questions for the state of a load whose reply was lost; longer and longer from there
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = cli::args::duration, hide_short_help = true)]
    pub poll: Duration,
    /// Ask so long for the state of a load
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::args::duration, hide_short_help = true)]
    pub poll_limit: Duration,
    /// Wait so long for a target that had answered before and is down now; 0s: only as long as --retries last
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = cli::args::duration, hide_short_help = true)]
    pub max_outage: Duration,
    /// The warehouse (shared-data clusters)
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub warehouse: Option<String>,
    /// A further header of every load, such as load_mem_limit:8589934592 (repeatable)
    #[arg(long, value_name = "NAME:VALUE", hide_short_help = true)]
    pub header: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadFormat {
    Auto,
    Csv,
    Json,
    Arrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartialMode {
    Auto,
    Row,
    Column,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nan {
    Reject,
    Null,
}

/// What is done with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Loads of their own, each visible by itself.
    Loads,
    /// All of the input as one transaction.
    Whole,
    Begin,
    Load,
    Prepare,
    Commit,
    Abort,
}

/// How loads are called.
#[derive(Clone, Debug)]
pub enum Naming {
    /// All of it is one load with this label.
    One(String),
    /// By number and content.
    Content(Labels),
}

/// What the arguments and the URL come to.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub job: Job,
    pub naming: Naming,
    pub settings: Settings,
    pub packing: Packing,
    pub policy: Policy,
    pub route: Route,
    pub patience: Patience,
    pub workers: usize,
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub longest_outage: Duration,
    pub rate: Option<Rate>,
}

/// One buffer holds a load, and its rows' ends are 32-bit numbers.
const LARGEST: u64 = 1 << 30;

impl Args {
    /// Checks what clap cannot check. Exit 2.
    pub fn plan(&self) -> Result<Plan> {
        let endpoint = self.target.endpoint()?;
        if endpoint.token.is_some() {
            return Err(Error::usage("StarRocks knows no tokens: give user and password"));
        }
        let target = Target::parse(&endpoint.url, endpoint.password)?;
        let database = target.database()?.to_owned();
        let job = self.steps.job();
        if self.batch_bytes > LARGEST {
            return Err(Error::usage("--batch-bytes is at most 1GiB"));
        }
        if self.dry_run && !matches!(job, Job::Loads) {
            return Err(Error::usage("--dry-run sends nothing, so there is no transaction"));
        }
        let naming = self.naming(job)?;
        if self.merge_commit.is_some() && (job != Job::Loads || self.labels.label.is_some()) {
            return Err(Error::usage("--merge-commit gives labels of the server: no --label, no transaction"));
        }
        // What is in flight at the same time has no order.
        let ordered = self.op.is_some() || self.merge_condition.is_some() || job != Job::Loads;
        let partial = self.partial_update.map(|mode| match mode {
            PartialMode::Auto => Partial::Auto,
            PartialMode::Row => Partial::Row,
            PartialMode::Column => Partial::Column,
        });
        let merge = self.merge_commit.map(|wait| Merge {
            interval: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1),
            parallel: u32::from(self.way.concurrency),
        });
        let settings = Settings {
            database,
            table: self.table.clone(),
            columns: Vec::new(),
            timeout: u32::try_from(self.way.load_timeout.as_secs()).unwrap_or(u32::MAX).clamp(1, 259_200),
            partial,
            merge,
            merge_condition: self.merge_condition.clone(),
            warehouse: self.way.warehouse.clone(),
            more: self.way.header.iter().map(|text| request::header(text)).collect::<Result<Vec<_>>>()?,
        };
        let (batch_rows, batch_bytes) = self.rate.within_a_second(u64::from(self.batch_rows), self.batch_bytes);
        Ok(Plan {
            job,
            naming,
            settings,
            packing: match self.compress {
                Compress::None => Packing::None,
                Compress::Gzip => Packing::Gzip,
                Compress::Zstd => Packing::Zstd,
            },
            policy: Policy { nan_is_null: self.nan == Nan::Null, truncate_times: self.truncate_times },
            route: Route {
                map: BeMap::parse(&self.way.be_map)?,
                be: self.way.be_url.clone(),
                proxy: self.way.fe_proxy,
                insecure_redirect: self.way.allow_insecure_redirect,
            },
            patience: Patience { step: self.way.poll, longest: self.way.poll_limit },
            workers: if ordered { 1 } else { usize::from(self.way.concurrency) },
            batch_rows,
            batch_bytes,
            longest_outage: self.way.max_outage,
            rate: self.rate.rate_limit,
            target,
        })
    }

    /// Labels follow from what is loaded; without a prefix or a split they hold for this run alone.
    fn naming(&self, job: Job) -> Result<Naming> {
        if let Some(label) = &self.labels.label {
            label::check(label)?;
            return Ok(Naming::One(label.clone()));
        }
        if !matches!(job, Job::Loads | Job::Whole) {
            return Err(Error::usage("which transaction? --label says it"));
        }
        let split = std::env::var("TS_SPLIT_ID").ok().filter(|id| !id.is_empty());
        let work = match (&split, &self.labels.label_prefix) {
            (Some(split), _) => split.clone(),
            (None, Some(_)) => String::new(),
            (None, None) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                format!("{} {}", std::process::id(), now.as_nanos())
            }
        };
        let prefix = self.labels.label_prefix.as_deref().unwrap_or("tsferry");
        Labels::new(prefix, &format!("{work}\n{}", self.table)).map(Naming::Content)
    }
}

impl StepArgs {
    fn job(&self) -> Job {
        match self {
            StepArgs { txn: true, .. } => Job::Whole,
            StepArgs { begin: true, .. } => Job::Begin,
            StepArgs { load: true, .. } => Job::Load,
            StepArgs { prepare: true, .. } => Job::Prepare,
            StepArgs { commit: true, .. } => Job::Commit,
            StepArgs { abort: true, .. } => Job::Abort,
            _ => Job::Loads,
        }
    }
}

fn unit(text: &str) -> std::result::Result<Unit, String> {
    text.parse().map_err(|_| format!("'{text}' is no unit: use s, ms, us or ns"))
}
