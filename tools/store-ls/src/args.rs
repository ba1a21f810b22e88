//! The command line of `store-ls`.

use clap::{Args as ClapArgs, ValueEnum};
use cli::Run;
use cli::args::{RetryArgs, TlsArgs};
use fault::{Error, Result};
use net::Side;
use store::{Location, Options};

/// What is in an object store.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to list: s3://BUCKET/FOLDER/, oss://…, file:///…; or one object
    #[arg(value_name = "URL")]
    pub url: String,
    /// Everything below, not only one level
    #[arg(long)]
    pub recursive: bool,
    /// Form of the listing
    #[arg(short, long, value_enum, default_value_t = To::Text, value_name = "FORMAT")]
    pub to: To,
    /// Ask for the digest and the rows of each object too (a request each; digests of files are computed)
    #[arg(long)]
    pub deep: bool,
    /// Compare with _manifest.json of the folder: print what differs (exit 1)
    #[arg(long, conflicts_with = "uploads")]
    pub manifest: bool,
    /// List uploads that were begun and never ended
    #[arg(long)]
    pub uploads: bool,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// Forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    Text,
    Json,
}

impl Args {
    /// The location. Exit 2 for a manifest of one object.
    pub fn location(&self) -> Result<Location> {
        let location = Location::parse(&self.url)?;
        match self.manifest && !location.is_folder() {
            true => Err(Error::usage(format!("--manifest is for a folder: {location}/"))),
            false => Ok(location),
        }
    }

    /// How the store is spoken to.
    pub fn options(&self, run: &Run) -> Options {
        Options::new(Side::Source)
            .patient(self.retry.retries, self.retry.timeout)
            .trusting(self.tls.tls_insecure, self.tls.tls_ca_file.as_ref())
            .serving(run.stopped(), run.replied(), run.repeated())
    }
}
