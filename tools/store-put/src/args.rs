//! The command line of `store-put`.

use clap::Args as ClapArgs;
use cli::Run;
use cli::args::{RetryArgs, TlsArgs, TransferArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use net::Side;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Location, MANIFEST, Options};

/// Files, or stdin, into an object store.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where to write: s3://BUCKET/KEY, oss://BUCKET/KEY, file:///PATH; with a slash at its end: there, under the file's name
    #[arg(value_name = "URL")]
    pub url: String,
    /// What to write; - is stdin
    #[arg(default_value = "-", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only where there is no object of that name yet (exit 6)
    #[arg(long)]
    pub create: bool,
    /// Go on with uploads of these objects that were interrupted: parts that are there are not sent again
    #[arg(long)]
    pub resume: bool,
    /// So many rows are in it: kept beside the object, and in the manifest
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
    /// At the end write _manifest.json beside the objects (never over another one: exit 6)
    #[arg(long)]
    pub manifest: bool,
    /// Take these receipts of earlier puts into the manifest too; no FILE is then needed
    #[arg(long, value_name = "FILE", requires = "manifest")]
    pub receipts: Vec<PathBuf>,
    /// Tell this queue of each object once it is there: sqs+https://HOST/ACCOUNT/QUEUE, dir:///FOLDER
    #[arg(long, value_name = "QUEUE")]
    pub notify: Option<String>,
    #[command(flatten)]
    pub transfer: TransferArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub rate: RateArgs,
}

/// What goes where.
#[derive(Debug)]
pub struct Plan {
    /// Files and their locations.
    pub files: Vec<(PathBuf, Location)>,
    /// Where the manifest goes.
    pub manifest: Option<Location>,
    /// The location as given.
    pub at: Location,
}

impl Args {
    /// Checks what clap cannot check. Exit 2.
    pub fn plan(&self) -> Result<Plan> {
        let at = Location::parse(&self.url)?;
        let stdin = self.files.iter().filter(|file| is_stdin(file)).count();
        // Receipts alone: nobody meant stdin.
        let files: &[PathBuf] =
            if stdin == 1 && self.files.len() == 1 && !self.receipts.is_empty() { &[] } else { &self.files };
        if !at.is_folder() && (files.len() != 1 || self.manifest) {
            return Err(Error::usage(format!(
                "{at} is one object: several, and a manifest, want a URL with a slash at its end"
            )));
        }
        if files.len() > 1 && (stdin > 0 || self.rows.is_some()) {
            return Err(Error::usage("stdin and --rows are for one object: give one FILE"));
        }
        let mut planned = Vec::new();
        for file in files {
            let location = if !at.is_folder() {
                at.clone()
            } else if is_stdin(file) {
                return Err(Error::usage(format!(
                    "{at} is a folder: stdin has no name, give the whole URL of the object"
                )));
            } else {
                at.child(name(file)?)
            };
            // What has no place as a key is better known before anything is sent.
            Location::parse(&location.to_string())?;
            planned.push((file.clone(), location));
        }
        Ok(Plan { files: planned, manifest: self.manifest.then(|| at.child(MANIFEST)), at })
    }

    /// How the store is spoken to.
    pub fn options(&self, run: &Run) -> Options {
        let options = Options::new(Side::Target)
            .patient(self.retry.retries, self.retry.timeout)
            .trusting(self.tls.tls_insecure, self.tls.tls_ca_file.as_ref())
            .serving(run.stopped(), run.replied(), run.repeated())
            .in_parts(self.transfer.part_size, self.transfer.concurrency);
        let run = run.clone();
        let moving = move |bytes| {
            run.take(0, bytes)?;
            run.counter("bytes").add(bytes);
            Ok(())
        };
        Options { moving: Arc::new(moving), ..options }
    }
}

/// `-`.
pub fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn name(file: &Path) -> Result<&str> {
    let name = file.file_name().ok_or_else(|| Error::usage(format!("'{}' is no file", file.display())))?;
    name.to_str().ok_or_else(|| Error::usage(format!("the name {name:?} is not valid UTF-8")))
}
