//! The command line of `store-get`.

use clap::Args as ClapArgs;
use cli::Run;
use cli::args::{OutputArgs, RetryArgs, TlsArgs, TransferArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use net::Side;
use std::path::PathBuf;
use store::{Location, Options};

/// An object as it is, to stdout or into a file.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to read: s3://BUCKET/KEY, oss://BUCKET/KEY, file:///PATH
    #[arg(value_name = "URL")]
    pub url: String,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Keep what has come when the run fails, and go on from there if the object is still the same
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// The content must have this digest (xxh3-128, 32 hexadecimal digits; store-put says it)
    #[arg(long, value_name = "HEX", value_parser = digest, conflicts_with = "manifest")]
    pub xxh3: Option<String>,
    /// The object must be as this _manifest.json says
    #[arg(long, value_name = "URL")]
    pub manifest: Option<String>,
    #[command(flatten)]
    pub transfer: TransferArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub rate: RateArgs,
}

impl Args {
    /// The object's location. Exit 2 for a folder.
    pub fn location(&self) -> Result<Location> {
        let location = Location::parse(&self.url)?;
        match location.is_folder() {
            true => Err(Error::usage(format!("{location} is no object: store-cp --recursive copies folders"))),
            false => Ok(location),
        }
    }

    /// Where to write; `None` is stdout.
    pub fn path(&self) -> Option<PathBuf> {
        self.output.output.clone().filter(|path| path.as_os_str() != "-")
    }

    /// How the store is spoken to.
    pub fn options(&self, run: &Run) -> Options {
        Options::new(Side::Source)
            .patient(self.retry.retries, self.retry.timeout)
            .trusting(self.tls.tls_insecure, self.tls.tls_ca_file.as_ref())
            .serving(run.stopped(), run.replied(), run.repeated())
            .in_parts(self.transfer.part_size, self.transfer.concurrency)
    }
}

fn digest(text: &str) -> std::result::Result<String, String> {
    match text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a digest is 32 hexadecimal digits".to_owned()),
    }
}
