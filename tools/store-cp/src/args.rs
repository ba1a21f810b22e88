//! The command line of `store-cp`.

use clap::Args as ClapArgs;
use cli::Run;
use cli::args::{RetryArgs, TlsArgs, TransferArgs};
use cli::rate::RateArgs;
use fault::{Error, Result};
use net::Side;
use std::sync::Arc;
use store::{Location, Options};

/// Objects from one store to another.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What to copy: s3://BUCKET/KEY, oss://…, file:///…; with --recursive everything below it
    #[arg(value_name = "FROM")]
    pub from: String,
    /// Where to; with a slash at its end: there, under the same name
    #[arg(value_name = "TO")]
    pub to: String,
    /// Everything below the folder FROM
    #[arg(long)]
    pub recursive: bool,
    /// Copy also what is there already with the same content
    #[arg(long)]
    pub always: bool,
    /// Go on with uploads to these objects that were interrupted
    #[arg(long)]
    pub resume: bool,
    /// Print what would be copied, copy nothing
    #[arg(long)]
    pub dry_run: bool,
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
    /// From and to. Exit 2 for a folder without --recursive, and a folder into itself.
    pub fn locations(&self) -> Result<(Location, Location)> {
        let (from, to) = (Location::parse(&self.from)?, Location::parse(&self.to)?);
        if self.recursive {
            let (from, to) = (from.folder(), to.folder());
            let same = (from.scheme, &from.bucket) == (to.scheme, &to.bucket);
            if same && from.key == to.key {
                return Err(Error::usage(format!("{from} and {to} are the same")));
            }
            if same && to.key.starts_with(&from.key) {
                return Err(Error::usage(format!("{to} is in {from}: a copy into itself has no end")));
            }
            return Ok((from, to));
        }
        if from.is_folder() {
            return Err(Error::usage(format!("{from} is a folder: --recursive copies everything in it")));
        }
        let to = if to.is_folder() { to.child(from.name()) } else { to };
        match from == to {
            true => Err(Error::usage(format!("{from} and {to} are the same"))),
            false => Ok((from, to)),
        }
    }

    /// How one side is spoken to. What is written counts, and is limited.
    pub fn options(&self, side: Side, run: &Run) -> Options {
        // Of a folder, several objects at once, each with one part on its way.
        let parts = if self.recursive { 1 } else { self.transfer.concurrency };
        let options = Options::new(side)
            .patient(self.retry.retries, self.retry.timeout)
            .trusting(self.tls.tls_insecure, self.tls.tls_ca_file.as_ref())
            .serving(run.stopped(), run.replied(), run.repeated())
            .in_parts(self.transfer.part_size, parts);
        let (run, writes) = (run.clone(), side == Side::Target);
        let moving = move |bytes| {
            if writes {
                run.take(0, bytes)?;
                run.counter("bytes").add(bytes);
            }
            Ok(())
        };
        Options { moving: Arc::new(moving), ..options }
    }
}
