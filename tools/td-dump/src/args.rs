//! The command line, and what it asks for.

use clap::Args as ClapArgs;
use cli::args::{BatchArgs, EndMarkArgs, OutputArgs, RetryArgs, SourceArgs, TlsArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use rows::format::{Format, Header, WriteOptions};
use rows::time::{Nanos, check_range, parse_instant};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A super table, sub-table or ordinary table; * ? [a-z] match several; repeatable (default: all)
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// The database; without it the one in the URL
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Run this statement instead of reading tables
    #[arg(long, value_name = "SQL", conflicts_with_all = ["table", "columns", "condition", "since", "until", "split", "ordered"])]
    pub query: Option<String>,
    /// Only these columns, besides the time key (comma-separated)
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// Only these tags; with --query: these columns are tags; empty for none
    #[arg(long, value_name = "TAG,…", value_delimiter = ',')]
    pub tags: Option<Vec<String>>,
    /// A condition on tags, in TDengine's SQL: "location = 'x' AND groupid < 5"
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
    /// Rows from this instant on: RFC 3339, a date, or an integer with its unit (1704067200000ms)
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub since: Option<Nanos>,
    /// Rows before this instant (default: after the newest row at the start)
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    pub until: Option<Nanos>,
    /// Read in parts: time:1h (s m h d w); table (thin sub-tables together, large ones in windows) or table:100 (so many
    /// in a part); tag:NAME
    #[arg(long, value_name = "HOW", value_parser = Split::from_str)]
    pub split: Option<Split>,
    /// Parts that are read at the same time, each on its own connection (default: 4 with --split, else 1)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: Option<u16>,
    /// Rows by time within each part, parts in their order
    #[arg(long)]
    pub ordered: bool,
    /// Stop after this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// List databases, tables, rows and ranges as CSV instead
    #[arg(long, conflicts_with_all = ["schema", "count", "query"])]
    pub list: bool,
    /// Describe the tables as JSON instead
    #[arg(long, conflicts_with_all = ["count", "query"])]
    pub schema: bool,
    /// Count the rows of each table instead
    #[arg(long, conflicts_with = "query")]
    pub count: bool,
    /// Say on stderr what would be asked, and read nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Output format: csv, arrow, parquet, ndjson (default: by the extension of -o, else csv)
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::from_str)]
    pub to: Option<Format>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// One file per table in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "query", "list", "schema", "count"])]
    pub output_dir: Option<PathBuf>,
    /// CSV header: typed, plain, none
    #[arg(long, value_name = "KIND", default_value = "typed", value_parser = Header::from_str)]
    pub header: Header,
    /// CSV: the text for NULL (default: nothing; an empty text is "")
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,
    /// Read this text column as bytes, because it does not hold UTF-8 (repeatable)
    #[arg(long, value_name = "COL", hide_short_help = true)]
    pub as_binary: Vec<String>,
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
    /// First wait before connecting again; doubled each time
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = cli::args::duration, help_heading = "Connection options")]
    pub reconnect_interval: Duration,
    /// Wait this long for a connection (default: as --timeout)
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration, help_heading = "Connection options")]
    pub connect_timeout: Option<Duration>,
    /// The connection's time zone, for times without zone in SQL (default: the server's)
    #[arg(long, value_name = "ZONE", help_heading = "Connection options")]
    pub timezone: Option<chrono_tz::Tz>,
    /// Let the server compress its replies (REST only: costs the server more than it saves on a fast link)
    #[arg(long, help_heading = "Connection options")]
    pub compress: bool,
    /// Hold the beginning of each part in memory, up to this size: a part that breaks there is read again
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = cli::args::bytes, hide_short_help = true)]
    pub hold: u64,
    /// Hold each part in a temporary file until it is complete: a part that breaks is read again
    #[arg(long)]
    pub spool: bool,
    /// Compare each part with a COUNT(*) of its own before it is written (always done over REST)
    #[arg(long)]
    pub check_counts: bool,
}

/// How tables are read in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Half-open windows of this length, aligned to the epoch.
    Time(Duration),
    /// This many sub-tables in a part; without a number as many as make parts of about the same size.
    Table(Option<usize>),
    /// A part for each value of this tag.
    Tag(String),
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Split> {
        let bad = |why: &str| Error::usage(format!("'{text}': {why}: use time:1h, table, table:100 or tag:NAME"));
        match text.split_once(':') {
            None if text == "table" => Ok(Split::Table(None)),
            Some(("table", number)) => match number.parse() {
                Ok(number) if number > 0 && number <= 5000 => Ok(Split::Table(Some(number))),
                _ => Err(bad("the number of sub-tables must be 1 to 5000")),
            },
            Some(("time", width)) => match cli::args::duration(width) {
                Ok(width) if width >= Duration::from_millis(1) => Ok(Split::Time(width)),
                Ok(_) => Err(bad("the window is too short")),
                Err(error) => Err(bad(&error)),
            },
            Some(("tag", name)) if !name.is_empty() => Ok(Split::Tag(name.to_owned())),
            _ => Err(bad("no such way to split")),
        }
    }
}

impl Args {
    /// What clap cannot say.
    pub fn check(&self) -> Result<()> {
        check_range(self.since, self.until)?;
        if self.to == Some(Format::Lp) {
            return Err(Error::usage("line protocol is made by lp-encode: td-dump … -t arrow | lp-encode"));
        }
        if self.columns.as_ref().is_some_and(|all| all.iter().all(String::is_empty)) {
            return Err(Error::usage("--columns names no column"));
        }
        if let Some(sql) = &self.query {
            // A tool that dumps must not change anything, whatever it is handed.
            match sql.split_whitespace().next().map(str::to_ascii_lowercase).as_deref() {
                None => {
                    return Err(Error::usage(format!(
                        "--query is empty{}",
                        tdengine::connector::Code::EmptySql.note()
                    )));
                }
                Some("select" | "show" | "describe" | "desc" | "explain" | "(select") => {}
                Some(other) => {
                    return Err(Error::usage(format!(
                        "--query '{other} …': td-dump only reads: SELECT, SHOW, DESCRIBE, EXPLAIN"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Parts at a time.
    pub fn workers(&self) -> usize {
        usize::from(self.concurrency.unwrap_or(if self.split.is_some() { 4 } else { 1 }))
    }

    /// How the output is written; `path` decides what the flags leave open.
    pub fn write_options(&self, path: Option<&std::path::Path>) -> WriteOptions {
        WriteOptions {
            to: self.to.or_else(|| path.and_then(Format::from_path)).unwrap_or(Format::Csv),
            end_mark: self.end_mark.end_mark,
            null: self.null.as_ref().map(|text| text.as_bytes().to_vec()),
            header: self.header,
            compression: path.and_then(rows::compress::Compression::from_path),
            ..WriteOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_split() {
        assert_eq!("time:1h".parse::<Split>().ok(), Some(Split::Time(Duration::from_secs(3600))));
        assert_eq!("table".parse::<Split>().ok(), Some(Split::Table(None)));
        assert_eq!("table:50".parse::<Split>().ok(), Some(Split::Table(Some(50))));
        assert_eq!("tag:location".parse::<Split>().ok(), Some(Split::Tag("location".into())));
        for text in ["time", "time:0s", "time:1y", "table:0", "tag:", "rows:5"] {
            assert!(text.parse::<Split>().is_err(), "{text}");
        }
    }
}
