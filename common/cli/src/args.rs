//! Argument groups that tools flatten into their own, and value parsers.

use clap::{Args, ValueEnum};
use fault::{Error, Result, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// What every tool takes. Flattened by [`crate::main`], never by a tool.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Progress on stderr: a bar on a terminal; with `always` a line per second elsewhere
    #[arg(long, value_enum, default_value_t = When::Auto, value_name = "WHEN", global = true)]
    pub progress: When,
    /// Form of messages and summary on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true)]
    pub log_format: LogFormat,
    /// Write the summary as JSON to this file too (atomically)
    #[arg(long, value_name = "PATH", global = true)]
    pub summary_file: Option<PathBuf>,
    /// Write metrics for Prometheus to this file, every 2 seconds and at the end (atomically)
    #[arg(long, value_name = "PATH", global = true, hide_short_help = true)]
    pub metrics_file: Option<PathBuf>,
    /// Say more on stderr; twice: requests and replies
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say only errors and the summary
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a man page or a shell completion and exit
    #[arg(long, value_enum, value_name = "WHAT", global = true, hide_short_help = true)]
    pub generate: Option<Generate>,
}

/// When to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    Man,
    Bash,
    Zsh,
    Fish,
}

/// `-o`: where the data goes.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Write to this file (under a temporary name until it is complete) instead of stdout
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// Size of batches.
#[derive(Args, Clone, Debug)]
pub struct BatchArgs {
    /// Rows in a batch, at most
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=10_000_000), hide_short_help = true)]
    pub batch_rows: u32,
    /// Bytes in a batch, at most (suffixes KiB, MiB, GiB, kB, MB, GB)
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = bytes, hide_short_help = true)]
    pub batch_bytes: u64,
}

/// Bad rows.
#[derive(Args, Clone, Debug)]
pub struct RejectArgs {
    /// Write rejected rows here, each after a comment line with its reason
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Go on after this many rejected rows (exit 8); the next one stops the tool (exit 3)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_rejects: u64,
}

/// The end mark.
#[derive(Args, Clone, Debug)]
pub struct EndMarkArgs {
    /// End CSV and line protocol with `#ts-end rows=N xxh3=HEX`; require it when reading (exit 9 without it)
    #[arg(long, env = "TS_END_MARK", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_short_help = true)]
    pub end_mark: bool,
}

/// Trying again.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct RetryArgs {
    /// Try a failed request again this many times
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub retries: u32,
    /// Wait this long for a connection or for any reply (500ms, 30s, 2m)
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}

/// TLS, for sources and targets alike.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct TlsArgs {
    /// Accept any TLS certificate (test systems only)
    #[arg(long)]
    pub tls_insecure: bool,
    /// Trust the certificates in this PEM file as well
    #[arg(long, value_name = "FILE")]
    pub tls_ca_file: Option<PathBuf>,
}

/// How large objects are moved.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct TransferArgs {
    /// Move objects in parts of this size, at least 5MiB
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = part_size)]
    pub part_size: u64,
    /// So many requests in flight at once; memory is this many parts and one more
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
}

/// S3's limits.
fn part_size(text: &str) -> std::result::Result<u64, String> {
    match bytes(text)? {
        size if (5 << 20..=5 << 30).contains(&size) => Ok(size),
        _ => Err("a part is 5MiB to 5GiB".to_owned()),
    }
}

/// Where a source reads.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct SourceArgs {
    /// The source's URL; without it TS_SOURCE_URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Read the password from this file; without it TS_SOURCE_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the token from this file; without it TS_SOURCE_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Where a sink writes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct TargetArgs {
    /// The target's URL; without it TS_TARGET_URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Read the password from this file; without it TS_TARGET_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the token from this file; without it TS_TARGET_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// A URL as given and the secrets that go with it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The URL's text. It may hold a password only if it came from the environment.
    pub url: String,
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// The token, if there is one.
    pub token: Option<Secret>,
}

impl SourceArgs {
    /// Flag, else environment. Exit 2 without a URL, for a URL with a password in argv, and for an unreadable file.
    pub fn endpoint(&self) -> Result<Endpoint> {
        endpoint("SOURCE", self.url.as_deref(), self.password_file.as_ref(), self.token_file.as_ref())
    }
}

impl TargetArgs {
    /// As [`SourceArgs::endpoint`].
    pub fn endpoint(&self) -> Result<Endpoint> {
        endpoint("TARGET", self.url.as_deref(), self.password_file.as_ref(), self.token_file.as_ref())
    }
}

/// `side` is `SOURCE` or `TARGET`: the middle of the variables' names. Public for tools with two sides (`ts-verify`).
pub fn endpoint(
    side: &str,
    url: Option<&str>,
    password_file: Option<&PathBuf>,
    token_file: Option<&PathBuf>,
) -> Result<Endpoint> {
    if url.is_some_and(fault::holds_secret) {
        return Err(Error::usage(format!(
            "the URL holds a password, which every user of this machine can read in the process list: \
             give it in TS_{side}_PASSWORD or with --password-file"
        )));
    }
    let url = match url {
        Some(url) => url.to_owned(),
        None => variable(&format!("TS_{side}_URL"))?
            .ok_or_else(|| Error::usage(format!("no URL: give --url or set TS_{side}_URL")))?,
    };
    Ok(Endpoint {
        url,
        password: secret(&format!("TS_{side}_PASSWORD"), password_file)?,
        token: secret(&format!("TS_{side}_TOKEN"), token_file)?,
    })
}

fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::usage(format!("{name} is not valid UTF-8"))),
    }
}

fn secret(name: &str, file: Option<&PathBuf>) -> Result<Option<Secret>> {
    match file {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(error) => Err(Error::caused(fault::Kind::Usage, format!("cannot read {}", path.display()), error)),
        },
        None => Ok(variable(name)?.map(Secret::new)),
    }
}

/// `8MiB`, `64k`, `1000`: a number of bytes. `k`, `M`, `G` alone are binary, as in most Unix tools.
pub fn bytes(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("'{text}' is not a size such as 8MiB"))?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(format!("'{unit}' is not a unit: use KiB, MiB, GiB, kB, MB or GB")),
    };
    match number.checked_mul(factor) {
        Some(0) => Err("a size must be greater than zero".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("'{text}' is too large")),
    }
}

/// `500ms`, `30s`, `2m`, `1h`, `7d`; a bare number is seconds.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is not a duration such as 30s"))?;
    let seconds = match unit.trim() {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(format!("'{unit}' is not a unit: use ms, s, m, h, d or w")),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("'{text}' is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(bytes("8MiB"), Ok(8 << 20));
        assert_eq!(bytes("1000"), Ok(1000));
        assert!(bytes("0").is_err() && bytes("x").is_err() && bytes("1 parsec").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-1s").is_err() && duration("1y").is_err() && duration("").is_err());
    }
}
