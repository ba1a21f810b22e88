//! The command line.

use crate::canonical::Rules;
use crate::form::Form;
use crate::input::{Settings, Spec};
use crate::layout::{KeyAs, Mapping, TableAs};
use crate::names::Names;
use crate::options::{Dedupe, Options};
use crate::recheck::{LiveArgs, SettleArgs};
use crate::repair::{Backslash, Newline, Repairs};
use crate::report::Out;
use crate::sample::Sample;
use crate::sides::SidesArgs;
use cli::args::{EndMarkArgs, OutputArgs};
use fault::{Error, Result};
use lp::Dialect;
use rows::format::Format;
use rows::time::{Unit, parse_instant};
use starrocks::partitions::Selection;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What is compared when nothing is said.
pub const DEFAULTS: Options = Options {
    rules: Rules {
        strict_numbers: false,
        negative_zero: false,
        json_text: false,
        repairs: Repairs { newline: Newline::Keep, backslash: Backslash::Keep },
    },
    precision: None,
    since: None,
    until: None,
    bucket: 3_600_000_000_000,
    empty_tag_distinct: false,
    dedupe: Dedupe::Last,
    float32: true,
    sample: None,
};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make the digest of one side: a small file that can be compared elsewhere
    Digest(DigestArgs),
    /// Add up the digests of parts (windows, sub-tables, workers) to the digest of the whole
    Merge(MergeArgs),
    /// Compare how many values two sides hold, per table and bucket of time; databases count themselves
    Counts(CountsArgs),
    /// Compare two StarRocks clusters by hashes that they make themselves, per partition: no row travels
    Hash(HashArgs),
    /// Compare two sides, each data or a digest, and show the buckets that differ
    Compare(PairArgs),
    /// Compare two sides and show the rows and values that differ
    Rows(RowsArgs),
}

#[derive(clap::Args)]
pub struct DigestArgs {
    /// The rows: a file, or - for stdin
    #[arg(default_value = "-", value_name = "INPUT")]
    pub input: PathBuf,
    /// Copy a pipe to a temporary file, so that rows out of time order can be looked at twice
    #[arg(long)]
    pub spool: bool,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    #[command(flatten)]
    pub map: MapArgs,
    #[command(flatten)]
    pub equal: EqualArgs,
}

#[derive(clap::Args)]
pub struct MergeArgs {
    /// The digests of the parts; - is stdin
    #[arg(value_name = "DIGEST", required = true)]
    pub inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(clap::Args)]
pub struct CountsArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// The flags for names with which lp-encode wrote the second side
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub map: Option<String>,
    /// Only rows at or after this instant (RFC 3339, a date, or an integer with its unit)
    #[arg(long, value_name = "INSTANT")]
    pub since: Option<String>,
    /// Only rows before this instant
    #[arg(long, value_name = "INSTANT")]
    pub until: Option<String>,
    /// Width of a bucket: each is a question to both sides [default: 1d; two StarRocks clusters: by partition, unless one of
    /// --bucket, --since, --until, --settle or --map is given]
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration)]
    pub bucket: Option<Duration>,
    #[command(flatten)]
    pub sides: SidesArgs,
    #[command(flatten)]
    pub settle: SettleArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// The sides answer for themselves: files cannot.
#[derive(clap::Args)]
#[command(mut_arg("a", |arg| arg.help("The first side (the source): starrocks://USER@HOST:9030/DB; without both, TS_SOURCE_URL")))]
pub struct HashArgs {
    /// The hash function: auto is the best one that both versions have
    #[arg(long, value_enum, default_value_t = HashWith::Auto, value_name = "NAME")]
    pub function: HashWith,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub sides: SidesArgs,
    /// A cluster may take this long for a statement, which reads a partition
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = cli::args::duration, help_heading = "Connection options")]
    pub query_timeout: Duration,
    #[command(flatten)]
    pub select: SelectArgs,
}

/// A function of StarRocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum HashWith {
    Auto,
    /// 64 bits; from 3.2 on
    #[value(name = "xx_hash3_64")]
    XxHash3,
    /// 32 bits, taken twice; every version has it
    #[value(name = "murmur_hash3_32")]
    Murmur3,
}

/// What is looked at in two StarRocks clusters.
#[derive(clap::Args)]
#[command(next_help_heading = "Two StarRocks clusters")]
pub struct SelectArgs {
    /// Only these partitions, by name: EACH(p1,p2), RANGE(from,to) without `to`, STARTWITH(from), ENDWITH(to) without `to`,
    /// names and globs by comma; ALL(): tables as a whole, whatever their partitions
    #[arg(long, value_name = "WHICH", value_parser = Selection::from_str)]
    pub partitions: Option<Selection>,
    /// Only rows with this condition, in StarRocks' SQL: "value > 5 AND site = 'x'"
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
    /// Leave these columns out
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub ignore: Vec<String>,
}

/// What is listed.
#[derive(clap::Args)]
pub struct ListArgs {
    /// Show what is equal, too
    #[arg(long)]
    pub all: bool,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Out::Json, value_name = "FORM")]
    pub out: Out,
    /// Show so many buckets or partitions; the others are counted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: u64,
    /// Two empty sides are equal (otherwise: exit 10)
    #[arg(long)]
    pub allow_empty: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(clap::Args)]
pub struct PairArgs {
    /// The first side (the source): a file of rows, a digest, or - for stdin
    #[arg(value_name = "A")]
    pub a: Option<PathBuf>,
    /// The second side (the target)
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// Read the first side from this shell command; if it fails, exit 4. {since} and {until} in it are the range
    #[arg(long, value_name = "COMMAND")]
    pub source_cmd: Option<String>,
    /// Read the second side from this shell command; if it fails, exit 5
    #[arg(long, value_name = "COMMAND")]
    pub target_cmd: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub report: ReportArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Format of the first side, where it differs from the second's
    #[arg(long, value_name = "FORMAT", help_heading = "Input options")]
    pub from_a: Option<Format>,
    /// Format of the second side
    #[arg(long, value_name = "FORMAT", help_heading = "Input options")]
    pub from_b: Option<Format>,
    #[command(flatten)]
    pub map: MapArgs,
    #[command(flatten)]
    pub equal: EqualArgs,
    #[command(flatten)]
    pub live: LiveArgs,
}

#[derive(clap::Args)]
pub struct RowsArgs {
    #[command(flatten)]
    pub pair: PairArgs,
    /// Rows of differing buckets held in memory per side, at most
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..), hide_short_help = true)]
    pub rows_max: u64,
    /// Numbers that are so near count as equal, and are counted as tolerated: 0.001, 0.1%, or FIELD=0.5 for one field
    #[arg(long, value_name = "[FIELD=]ABS|REL%", value_delimiter = ',', help_heading = "What is equal")]
    pub tolerance: Vec<String>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Report options")]
pub struct ReportArgs {
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Out::Json, value_name = "FORM")]
    pub out: Out,
    /// Show so many differences; the others are counted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: u64,
    /// Allow deviations of this class (nan_inf, precision_collision, string_truncated, ...), or only so many
    #[arg(long, value_name = "CLASS[:N]", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Allow no class of deviations, not even rows without values, empty tags, resolved duplicates and changed types
    #[arg(long, conflicts_with = "allow")]
    pub strict: bool,
    /// Write what to run again to this file: a JSON object per line for every series and bucket that differs
    #[arg(long, value_name = "FILE")]
    pub repair: Option<PathBuf>,
    /// Write the report as a page for people, too: one HTML file, without scripts and without a network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Two empty sides are equal (otherwise: exit 10)
    #[arg(long)]
    pub allow_empty: bool,
    /// Exit 0 where a sample shows no difference (otherwise: exit 10)
    #[arg(long)]
    pub allow_sampled: bool,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Input options")]
pub struct ReadArgs {
    /// Format of the input: csv, arrow, parquet, ndjson or lp; without it by name or content
    #[arg(short, long, value_name = "FORMAT")]
    pub from: Option<Format>,
    /// Unit of the times in line protocol
    #[arg(long, value_name = "UNIT", default_value = "ns", value_parser = unit, hide_short_help = true)]
    pub lp_precision: Unit,
    /// Whose line protocol: portable, v1, v2 or v3
    #[arg(long, value_name = "DIALECT", default_value = "portable", value_parser = dialect, hide_short_help = true)]
    pub lp_dialect: Dialect,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Mapping (for both sides, but for --map)")]
pub struct MapArgs {
    /// The flags for names with which lp-encode wrote the second side, of the first one (digest: of the input) as it is
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub map: Option<String>,
    /// All rows belong to this measurement, whatever the input says; or the column that names it
    #[arg(long, value_name = "NAME|column:COL")]
    pub measurement: Option<String>,
    /// This column is the time
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// These columns are tags
    #[arg(long = "tag", value_name = "COLUMN", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// These columns are fields
    #[arg(long = "field", value_name = "COLUMN", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Leave these columns out
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Compare a column under another name
    #[arg(long, value_name = "OLD=NEW", value_delimiter = ',')]
    pub rename: Vec<String>,
    /// What the sub-table name is
    #[arg(long, value_enum, default_value_t = TableAs::Auto, value_name = "HOW")]
    pub table_as: TableAs,
    /// What the second column of a composite key is
    #[arg(long, value_enum, default_value_t = KeyAs::Tag, value_name = "HOW", hide_short_help = true)]
    pub key_as: KeyAs,
    /// Read a column as float, float32, double, decimal, boolean, timestamp(UNIT), hex, base64, json or declared
    #[arg(long, value_name = "COLUMN=FORM", hide_short_help = true)]
    pub read: Vec<String>,
    /// A double beside a FLOAT: auto (equal if it is the f32's value or its shortest text), never, or round these columns
    #[arg(long, value_name = "auto|never|COLUMN", default_value = "auto", value_delimiter = ',')]
    pub float32: Vec<String>,
    /// How a text holds bytes where the other side has a binary column
    #[arg(long, value_name = "hex|base64", default_value = "hex", value_parser = ["hex", "base64"], hide_short_help = true)]
    pub binary: String,
}

#[derive(clap::Args)]
#[command(next_help_heading = "What is equal")]
pub struct EqualArgs {
    /// Round times down to this unit
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    pub precision: Option<Unit>,
    /// Only rows at or after this instant (RFC 3339, a date, or an integer with its unit)
    #[arg(long, value_name = "INSTANT")]
    pub since: Option<String>,
    /// Only rows before this instant
    #[arg(long, value_name = "INSTANT")]
    pub until: Option<String>,
    /// Only N of M series, chosen by the hash of the series: both sides choose the same ones. No proof: exit 10
    #[arg(long, value_name = "N/M")]
    pub sample: Option<Sample>,
    /// Another sample
    #[arg(long, value_name = "N", requires = "sample", default_value_t = 0, hide_default_value = true)]
    pub seed: u64,
    /// Numbers are equal by value (1, 1i, 1.0), or only within their type
    #[arg(long, value_name = "value|strict", default_value = "value", value_parser = ["value", "strict"])]
    pub numeric: String,
    /// An empty tag is no tag, or a tag
    #[arg(long, value_name = "absent|distinct", default_value = "absent", value_parser = ["absent", "distinct"], hide_short_help = true)]
    pub empty_tag: String,
    /// -0.0 is 0.0, or another value
    #[arg(long, value_name = "equal|distinct", default_value = "equal", value_parser = ["equal", "distinct"], hide_short_help = true)]
    pub neg_zero: String,
    /// JSON is a document, or a text
    #[arg(long, value_name = "document|text", default_value = "document", value_parser = ["document", "text"], hide_short_help = true)]
    pub json: String,
    /// Line feeds in texts and tags, tabs in tags: where lp-encode repaired them, say how
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Newline::Keep, hide_short_help = true)]
    pub newline: Newline,
    /// Backslashes at the end of tags: where lp-encode repaired them, say how
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Backslash::Keep, hide_short_help = true)]
    pub trailing_backslash: Backslash,
    /// Several values for one series, time and field
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Dedupe::Last)]
    pub dedupe: Dedupe,
    /// Width of a digest's buckets
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = cli::args::duration, hide_short_help = true)]
    pub bucket: Duration,
    /// Memory for both sides, at most; what has no room goes to temporary files (in TMPDIR)
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub max_memory: u64,
}

/// What begins a measurement that is a column.
const COLUMN: &str = "column:";

fn unit(text: &str) -> std::result::Result<Unit, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn dialect(text: &str) -> std::result::Result<Dialect, String> {
    text.parse().map_err(|_| "use portable, v1, v2 or v3".to_owned())
}

impl MapArgs {
    /// What `--map` says.
    pub fn names(&self) -> Result<Option<Names>> {
        self.map.as_deref().map(Names::new).transpose()
    }

    /// The mapping. `roles`: a column that is a tag on one side and a field on the other may be a tag.
    pub fn mapping(&self, roles: bool) -> Result<Mapping> {
        let mut read = Vec::new();
        for text in &self.read {
            let (name, form) = pair("--read", "COLUMN=FORM", text)?;
            read.push((name, form.parse()?));
        }
        for name in self.float32.iter().filter(|name| !matches!(name.as_str(), "auto" | "never")) {
            read.push((name.clone(), Form::Single));
        }
        let rename = self.rename.iter().map(|text| pair("--rename", "OLD=NEW", text)).collect::<Result<_>>()?;
        Ok(Mapping {
            measurement: self.measurement.clone().filter(|text| !text.starts_with(COLUMN)),
            measurement_column: self
                .measurement
                .as_deref()
                .and_then(|text| text.strip_prefix(COLUMN))
                .map(str::to_owned),
            key_as: self.key_as,
            time: self.time.clone(),
            tags: self.tags.clone(),
            fields: self.fields.clone(),
            ignore: self.ignore.clone(),
            rename,
            table_as: self.table_as,
            read,
            bytes: Some(if self.binary == "base64" { Form::Base64 } else { Form::Hex }),
            allow_roles: roles,
        })
    }
}

fn pair(flag: &str, form: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err(Error::usage(format!("{flag} '{text}': give {form}"))),
    }
}

impl CountsArgs {
    /// Does anything speak of buckets of time?
    pub fn by_time(&self) -> bool {
        let instants = self.since.is_some() || self.until.is_some() || self.settle.settle.is_some();
        instants || self.bucket.is_some() || self.map.is_some()
    }
}

impl SelectArgs {
    /// Is anything said?
    pub fn is_given(&self) -> bool {
        self.partitions.is_some() || self.condition.is_some() || !self.ignore.is_empty()
    }
}

impl EqualArgs {
    /// The options of a digest.
    pub fn options(&self, map: &MapArgs) -> Result<Options> {
        let bucket = i64::try_from(self.bucket.as_nanos()).ok().filter(|bucket| *bucket > 0);
        let instant = |text: &Option<String>| text.as_deref().map(parse_instant).transpose();
        Ok(Options {
            rules: Rules {
                strict_numbers: self.numeric == "strict",
                negative_zero: self.neg_zero == "distinct",
                json_text: self.json == "text",
                repairs: Repairs { newline: self.newline, backslash: self.trailing_backslash },
            },
            precision: self.precision,
            since: instant(&self.since)?,
            until: instant(&self.until)?,
            bucket: bucket.ok_or_else(|| Error::usage("--bucket must be between 1ns and 292 years"))?,
            empty_tag_distinct: self.empty_tag == "distinct",
            dedupe: self.dedupe,
            float32: !self.float32_never(map),
            sample: self.sample.map(|sample| sample.seeded(self.seed)).filter(|sample| !sample.is_all()),
        })
    }

    fn float32_never(&self, map: &MapArgs) -> bool {
        map.float32.iter().any(|name| name == "never")
    }
}

impl ReadArgs {
    /// How an input is read; `from` wins over the common format.
    pub fn settings(&self, from: Option<Format>) -> Settings {
        Settings {
            from: from.or(self.from),
            precision: self.lp_precision,
            dialect: self.lp_dialect,
            end_mark: self.end_mark.end_mark,
        }
    }
}

impl PairArgs {
    /// The two sides.
    pub fn specs(&self) -> Result<(Spec, Spec)> {
        let paths: Vec<&PathBuf> = self.a.iter().chain(&self.b).collect();
        let (a, b) = match (&self.source_cmd, &self.target_cmd, paths.as_slice()) {
            (None, None, [a, b]) => (Spec::Path((*a).clone()), Spec::Path((*b).clone())),
            (Some(a), Some(b), []) => (Spec::Command(a.clone()), Spec::Command(b.clone())),
            (Some(a), None, [b]) => (Spec::Command(a.clone()), Spec::Path((*b).clone())),
            (None, Some(b), [a]) => (Spec::Path((*a).clone()), Spec::Command(b.clone())),
            _ => {
                return Err(Error::usage(
                    "give exactly two sides: A and B, or --source-cmd and --target-cmd in the place of either",
                ));
            }
        };
        let stdin = |spec: &Spec| matches!(spec, Spec::Path(path) if path.as_os_str() == "-");
        if stdin(&a) && stdin(&b) {
            return Err(Error::usage("only one side can be stdin"));
        }
        Ok((a, b))
    }
}
