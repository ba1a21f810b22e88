//! The command line of `store-rm`.

use clap::Args as ClapArgs;
use cli::Run;
use cli::args::{RetryArgs, TlsArgs};
use fault::{Error, Result};
use net::Side;
use std::time::Duration;
use store::{Location, Options};

/// Objects, removed.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to remove: s3://BUCKET/KEY, oss://…, file:///…
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// Everything below a folder, or in a whole bucket
    #[arg(long)]
    pub recursive: bool,
    /// Remove uploads below the URL that were begun and never ended, and no objects
    #[arg(long)]
    pub uploads: bool,
    /// Only uploads that were begun longer ago than this (one of today may still be going on)
    #[arg(long, value_name = "DURATION", value_parser = cli::args::duration, requires = "uploads")]
    pub older_than: Option<Duration>,
    /// Print what would be removed, remove nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
}

impl Args {
    /// The locations. Exit 2 for a folder or a bucket without --recursive.
    pub fn locations(&self) -> Result<Vec<Location>> {
        let locations = self.urls.iter().map(|url| Location::parse(url)).collect::<Result<Vec<_>>>()?;
        for location in &locations {
            if location.is_folder() && !self.recursive && !self.uploads {
                let what = if location.is_whole() { "a whole bucket" } else { "a folder" };
                return Err(Error::usage(format!("{location} is {what}: --recursive removes everything in it")));
            }
            if location.is_whole() && location.scheme == store::Scheme::File {
                return Err(Error::usage(format!("{location} is all of this machine: that is not removed")));
            }
        }
        Ok(locations)
    }

    /// How the store is spoken to.
    pub fn options(&self, run: &Run) -> Options {
        Options::new(Side::Target)
            .patient(self.retry.retries, self.retry.timeout)
            .trusting(self.tls.tls_insecure, self.tls.tls_ca_file.as_ref())
            .serving(run.stopped(), run.replied(), run.repeated())
    }
}
