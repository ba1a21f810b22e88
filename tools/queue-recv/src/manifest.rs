//! The list of all objects of a job, which its writer puts when it has written them all: with it the end is known, not guessed.

use crate::Args;
use crate::work::Bench;
use cli::Run;
use fault::{Error, Kind, Result};
use std::time::{Duration, Instant};
use store::{Client, Location};

/// Between two looks for a manifest that is not there yet.
const LOOK: Duration = Duration::from_secs(3);

pub struct Manifest {
    client: Client,
    at: Location,
    next: Instant,
    found: Option<Found>,
}

/// What it says.
struct Found {
    since: Instant,
    /// What is not done yet: URL and ETag.
    left: Vec<(String, Option<String>)>,
}

impl Manifest {
    pub fn new(url: &str, args: &Args, run: &Run) -> Result<Manifest> {
        let at = Location::parse(url)?;
        Ok(Manifest { client: Client::open(&at, crate::options(args, run))?, at, next: Instant::now(), found: None })
    }

    /// Is everything that it lists done, or a dead letter?
    pub fn is_done(&mut self, bench: &Bench) -> Result<bool> {
        if self.found.is_none() && Instant::now() >= self.next {
            self.next = Instant::now() + LOOK;
            if self.client.look(&self.at.key)?.is_some() {
                self.found = Some(Found { left: self.read()?, since: Instant::now() });
            }
        }
        let Some(Found { left, .. }) = &mut self.found else { return Ok(false) };
        let is_settled = bench.settled();
        // The first one that is open answers for all; what was passed over never is again.
        while left.pop_if(|(url, etag)| is_settled(url, etag.as_deref())).is_some() {}
        Ok(left.is_empty())
    }

    /// Since when is it known? All objects are there by then, and told of.
    pub fn found(&self) -> Option<Instant> {
        self.found.as_ref().map(|found| found.since)
    }

    /// An error for what it lists and nobody told of; none as long as there is no manifest.
    pub fn check(&self, bench: &Bench) -> Result<()> {
        let is_settled = bench.settled();
        let listed = self.found.iter().flat_map(|found| &found.left);
        let open: Vec<_> = listed.filter(|(url, etag)| !is_settled(url, etag.as_deref())).collect();
        let Some((first, _)) = open.iter().min() else { return Ok(()) };
        Err(Error::new(
            Kind::Incomplete,
            format!(
                "{} objects of {} are not done, and no message told of them; the first is {first}",
                open.len(),
                self.at
            ),
        ))
    }

    fn read(&self) -> Result<Vec<(String, Option<String>)>> {
        let folder = self.at.key.rfind('/').and_then(|end| self.at.key.get(..=end)).unwrap_or_default();
        let url = |name: &str| self.at.with_key(format!("{folder}{name}")).to_string();
        let manifest = store::Manifest::read(&self.client, &self.at)?;
        Ok(manifest.files.into_iter().map(|file| (url(&file.name), file.etag)).collect())
    }
}
