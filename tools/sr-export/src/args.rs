//! The command line.

use crate::ddl::DdlArgs;
use crate::versions::Since;
use clap::{Args as ClapArgs, ValueEnum};
use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RetryArgs, SourceArgs, TlsArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use rows::compress::Compression;
use rows::format::{Format, Header, WriteOptions};
use rows::time::{Nanos, check_range, parse_instant};
use starrocks::partitions::Selection;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A table; * ? [a-z] match several; repeatable (default: all)
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// The database; without it the one in the URL
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Only these partitions, by name: EACH(p1,p2), RANGE(from,to) without `to`, STARTWITH(from), ENDWITH(to) without `to`,
    /// names and globs by comma (p2024*,p202501)
    #[arg(long, value_name = "WHICH", value_parser = Selection::from_str)]
    pub partitions: Option<Selection>,
    /// Only partitions whose version differs from that in this file (an earlier --list or manifest.jsonl), or is above this
    /// number
    #[arg(long, value_name = "FILE|N", value_parser = Since::from_str)]
    pub since_version: Option<Since>,
    /// A condition, in StarRocks' SQL: "value > 5 AND site = 'x'"
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
    /// Only these columns (comma-separated)
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// The time column (default: the first DATETIME of the key, else the first DATETIME)
    #[arg(long, value_name = "COL")]
    pub time: Option<String>,
    /// These columns are tags; empty for none (default: what is commented as a tag with the rest of the key, else its texts)
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub tags: Option<Vec<String>>,
    /// Rows from this instant on: RFC 3339, a date, or an integer with its unit (1704067200000ms)
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub since: Option<Nanos>,
    /// Rows before this instant
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub until: Option<Nanos>,
    /// Stop after this many rows (their number is then not compared with the server's)
    #[arg(long, value_name = "N", conflicts_with = "output_dir")]
    pub limit: Option<u64>,
    /// Partitions that are read at the same time, each on two connections of its own (default: 4 with --output-dir, else 1)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: Option<u16>,

    /// List tables, partitions, their versions, rows and ranges instead
    #[arg(long, conflicts_with_all = ["schema", "ddl", "output_dir"])]
    pub list: bool,
    /// Describe the tables as JSON instead
    #[arg(long, conflicts_with_all = ["ddl", "output_dir"])]
    pub schema: bool,
    /// Print the statements that make the tables in another cluster instead
    #[arg(long, conflicts_with = "output_dir")]
    pub ddl: bool,
    /// Print the statements that would be run, and read nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Output format: csv, arrow, parquet, ndjson, lp (default: by the extension of -o, else csv)
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::from_str)]
    pub to: Option<Format>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Files DIR/DATABASE/TABLE/PARTITION/part-N.FORMAT, and what is in them in DIR/manifest.jsonl; run again to go on
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub output_dir: Option<PathBuf>,
    /// Rows of a file, at most
    #[arg(long, value_name = "N", requires = "output_dir", value_parser = clap::value_parser!(u64).range(1..))]
    pub part_rows: Option<u64>,
    /// Hash the files of partitions that are done before they are passed over
    #[arg(long, requires = "output_dir", hide_short_help = true)]
    pub rehash: bool,
    /// CSV header: typed, plain, none
    #[arg(long, value_name = "KIND", default_value = "typed", value_parser = Header::from_str, hide_short_help = true)]
    pub header: Header,
    /// CSV: the text for NULL (default: nothing; an empty text is "")
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub null: Option<String>,
    /// LARGEINT as decimal (38 digits; a longer one ends the run) or as text
    #[arg(long, value_enum, default_value_t = LargeInt::Decimal, value_name = "HOW", hide_short_help = true)]
    pub largeint: LargeInt,
    /// Read this column by an expression (as text), for types that have no text of their own: 'uv=hll_cardinality(uv)'
    #[arg(long, value_name = "COL=SQL", value_parser = assignment, hide_short_help = true)]
    pub expression: Vec<(String, String)>,
    /// Take a partition that changed while it was read, and say so in the manifest: the next run reads it again
    #[arg(long)]
    pub allow_changes: bool,

    /// Who writes: this tool, with rows through a front end (mysql) or from the back ends (flight: Arrow Flight SQL, since
    /// 3.5.1, needs flight=PORT in the URL), or the cluster itself, to --storage: files (INSERT INTO FILES, since 3.2) or
    /// export (EXPORT: CSV)
    #[arg(long, value_enum, default_value_t = Via::Mysql, value_name = "HOW")]
    pub via: Via,
    /// Where the cluster writes to: s3://bucket/prefix, oss://bucket/prefix, hdfs://…, file:///path (credentials: AWS_*)
    #[arg(long, value_name = "URL", required_if_eq_any = [("via", "files"), ("via", "export")])]
    pub storage: Option<String>,
    /// Size of the files that the cluster writes, at most
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub file_bytes: u64,
    /// How often the state of an EXPORT is looked at
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = cli::args::duration, hide_short_help = true)]
    pub poll: Duration,

    /// With --via flight: the back end that the front end calls OLD is NEW from here; each a host or host:port (repeatable)
    #[arg(long, value_name = "OLD=NEW", help_heading = "Connection options", hide_short_help = true)]
    pub be_map: Vec<String>,

    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub rate: RateArgs,
    #[command(flatten)]
    pub end_mark: EndMarkArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    /// The server may take this long for a statement
    #[arg(long, value_name = "DURATION", default_value = "3d", value_parser = cli::args::duration, help_heading = "Connection options", hide_short_help = true)]
    pub query_timeout: Duration,
    /// Hold the beginning of each partition in memory, up to this size: one that breaks there is read again
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub hold: u64,
    #[command(flatten)]
    pub rewrite: DdlArgs,
}

/// What becomes of LARGEINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LargeInt {
    Decimal,
    Text,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    Mysql,
    Flight,
    Files,
    Export,
}

impl Via {
    /// Rows come to this tool.
    pub fn is_read(self) -> bool {
        matches!(self, Via::Mysql | Via::Flight)
    }
}

impl Args {
    /// What clap cannot say. Exit 2.
    pub fn check(&self) -> Result<()> {
        check_range(self.since, self.until)?;
        if self.columns.as_ref().is_some_and(|all| all.iter().all(String::is_empty)) {
            return Err(Error::usage("--columns names no column"));
        }
        if !self.via.is_read() && (self.output_dir.is_some() || self.limit.is_some()) {
            return Err(Error::usage("--via files and --via export write to --storage: no --output-dir, no --limit"));
        }
        if self.via.is_read() && self.storage.is_some() {
            return Err(Error::usage("--storage is for --via files and --via export"));
        }
        if self.via != Via::Flight && !self.be_map.is_empty() {
            return Err(Error::usage("--be-map is for --via flight: over MySQL no back end is asked"));
        }
        if self.via == Via::Export && (self.condition.is_some() || self.since.is_some() || self.until.is_some()) {
            return Err(Error::usage("--via export writes whole partitions: no --where, --since, --until"));
        }
        if let Some(condition) = &self.condition {
            // A tool that exports must not change anything, whatever it is handed.
            if condition.contains(';') {
                return Err(Error::usage("--where holds a semicolon: it is one condition"));
            }
        }
        Ok(())
    }

    /// Partitions at a time.
    pub fn workers(&self) -> usize {
        usize::from(self.concurrency.unwrap_or(if self.output_dir.is_some() { 4 } else { 1 }))
    }

    /// The format of the rows.
    pub fn format(&self) -> Format {
        let by_name = self.output.output.as_deref().and_then(Format::from_path);
        self.to.or(by_name).unwrap_or(Format::Csv)
    }

    /// How the output is written; `path` decides what the flags leave open.
    pub fn write_options(&self, path: Option<&Path>) -> WriteOptions {
        WriteOptions {
            to: self.format(),
            end_mark: self.end_mark.end_mark,
            null: self.null.as_ref().map(|text| text.as_bytes().to_vec()),
            header: self.header,
            compression: path.and_then(Compression::from_path),
            ..WriteOptions::default()
        }
    }
}

/// `COL=SQL`.
fn assignment(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, sql)) if !name.is_empty() && !sql.trim().is_empty() && !sql.contains(';') => {
            Ok((name.to_owned(), sql.to_owned()))
        }
        _ => Err(format!("'{text}' is no COL=SQL")),
    }
}
