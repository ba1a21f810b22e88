//! The two sides of a question to databases: what the command line says of them, and how they are reached.

use crate::cluster::Cluster;
use crate::counted::{Influx, Tdengine};
use crate::names::Names;
use cli::Run;
use cli::args::{RetryArgs, TlsArgs};
use fault::{Error, Kind, Result};
use net::http;
use net::retry::Policy;
use net::tls::Tls;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who is asked.
#[derive(clap::Args)]
pub struct SidesArgs {
    /// The first side (the source): a URL of TDengine, InfluxDB or StarRocks, a file of rows, or - for stdin; without both,
    /// TS_SOURCE_URL
    #[arg(value_name = "A", index = 1)]
    pub a: Option<String>,
    /// The second side (the target); without both, TS_TARGET_URL
    #[arg(value_name = "B", index = 2)]
    pub b: Option<String>,
    /// These tables (measurements) [default: all of both sides]
    #[arg(long, value_name = "NAME[=NAME_IN_B]", value_delimiter = ',')]
    pub table: Vec<String>,
    /// Read the source's password from this file; without it TS_SOURCE_PASSWORD
    #[arg(long, value_name = "FILE", help_heading = "Connection options")]
    pub source_password_file: Option<PathBuf>,
    /// Read the source's token from this file; without it TS_SOURCE_TOKEN
    #[arg(long, value_name = "FILE", help_heading = "Connection options")]
    pub source_token_file: Option<PathBuf>,
    /// Read the target's password from this file; without it TS_TARGET_PASSWORD
    #[arg(long, value_name = "FILE", help_heading = "Connection options")]
    pub target_password_file: Option<PathBuf>,
    /// Read the target's token from this file; without it TS_TARGET_TOKEN
    #[arg(long, value_name = "FILE", help_heading = "Connection options")]
    pub target_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// Where a side is.
pub enum Place {
    File(PathBuf),
    Tdengine(String, Tdengine),
    Influx(String, Influx),
    Starrocks(Cluster),
}

impl SidesArgs {
    /// Both sides, not connected yet. `given_up` ends the waits of a StarRocks cluster: the other side has failed.
    pub fn open(&self, given_up: &Arc<AtomicBool>, run: &Run) -> Result<(Place, Place)> {
        if self.a.is_some() != self.b.is_some() {
            return Err(Error::usage("give both sides, or none of them and TS_SOURCE_URL and TS_TARGET_URL"));
        }
        let a = self.place(self.a.as_deref(), net::Side::Source, given_up, run)?;
        Ok((a, self.place(self.b.as_deref(), net::Side::Target, given_up, run)?))
    }

    fn place(&self, text: Option<&str>, which: net::Side, given_up: &Arc<AtomicBool>, run: &Run) -> Result<Place> {
        if let Some(path) = text.filter(|text| !text.contains("://")) {
            return Ok(Place::File(PathBuf::from(path)));
        }
        let (side, password, token) = match which {
            net::Side::Source => ("SOURCE", &self.source_password_file, &self.source_token_file),
            net::Side::Target => ("TARGET", &self.target_password_file, &self.target_token_file),
        };
        let endpoint = cli::args::endpoint(side, text, password.as_ref(), token.as_ref())?;
        let policy = Policy::new(self.retry.retries);
        let tls = Tls { insecure: self.tls.tls_insecure, ca_file: self.tls.tls_ca_file.clone() };
        let (stopped, given_up) = (run.stopped(), given_up.clone());
        let stop = net::Stop::new(move || stopped() || given_up.load(Ordering::Relaxed));
        if endpoint.url.starts_with(starrocks::target::SYSTEM) {
            if endpoint.token.is_some() {
                return Err(Error::usage("StarRocks takes a user and a password, no token"));
            }
            let options = starrocks::client::Options {
                connect_timeout: self.retry.timeout,
                timeout: self.retry.timeout,
                tls,
                stop,
                ..starrocks::client::Options::new(which)
            };
            let target = starrocks::Target::parse(&endpoint.url, endpoint.password)?;
            return Ok(Place::Starrocks(Cluster::new(target, options, policy, run)?));
        }
        let settings = http::Options {
            connect_timeout: self.retry.timeout,
            timeout: self.retry.timeout,
            tls,
            stop,
            ..http::Options::new(which)
        };
        if endpoint.url.starts_with(tdengine::client::SYSTEM) {
            let config = tdengine::Config::new(&endpoint.url, endpoint.password, endpoint.token, settings)?;
            return Ok(Place::Tdengine(config.name(), Tdengine::new(config, policy, run)?));
        }
        let target = influx::Target::parse(&endpoint.url, endpoint.password, endpoint.token)?;
        let name = target.to_string();
        Ok(Place::Influx(name, Influx::new(influx::Client::new(target, settings)?, policy, run)))
    }

    /// The tables that are compared: the name in a, and that in b. `None`: a side that does not name its tables. Exit 6 for
    /// one that no side has.
    pub fn tables(
        &self,
        names: Option<&Names>,
        mine: Option<&[String]>,
        theirs: Option<&[String]>,
    ) -> Result<BTreeSet<(String, String)>> {
        let mut pairs: BTreeSet<(String, String)> = BTreeSet::new();
        let exists = |known: Option<&[String]>, name: &str| known.is_none_or(|known| known.iter().any(|k| k == name));
        for text in &self.table {
            let (name, other) = text.split_once('=').unwrap_or((text, text));
            if !exists(mine, name) && !exists(theirs, other) {
                return Err(Error::new(Kind::Refused, format!("no side has a table {name}")));
            }
            pairs.insert((name.to_owned(), other.to_owned()));
        }
        if !self.table.is_empty() {
            return Ok(pairs);
        }
        for name in mine.unwrap_or_default() {
            let other = names.map_or(Ok(name.as_str()), |names| names.table(name))?.to_owned();
            pairs.insert((name.clone(), other));
        }
        for name in theirs.unwrap_or_default() {
            if !pairs.iter().any(|(_, other)| other == name) {
                pairs.insert((name.clone(), name.clone()));
            }
        }
        Ok(pairs)
    }
}
