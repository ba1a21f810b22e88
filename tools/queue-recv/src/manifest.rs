//! The list of all objects of a job, which its writer puts when it has written them all: with it the end is known, not guessed.

use crate::Args;
use crate::work::{Bench, lock};
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
    /// What is not done yet, once the manifest was found: URL and ETag.
    left: Option<Vec<(String, Option<String>)>>,
    found: Option<Instant>,
}

impl Manifest {
    pub fn new(url: &str, args: &Args, run: &Run) -> Result<Manifest> {
        let at = Location::parse(url)?;
        Ok(Manifest {
            client: Client::open(&at, crate::options(args, run))?,
            at,
            next: Instant::now(),
            left: None,
            found: None,
        })
    }

    /// Is everything that it lists done, or a dead letter?
    pub fn is_done(&mut self, bench: &Bench) -> Result<bool> {
        if self.left.is_none() && Instant::now() >= self.next {
            self.next = Instant::now() + LOOK;
            if self.client.look(&self.at.key)?.is_some() {
                self.left = Some(self.read()?);
                self.found = Some(Instant::now());
            }
        }
        let Some(left) = &mut self.left else { return Ok(false) };
        let (memory, buried) = (lock(&bench.memory), lock(&bench.buried));
        // The first one that is open answers for all; what was passed over never is again.
        while let Some((url, etag)) = left.last() {
            if !memory.has_object(url, etag.as_deref()) && !buried.contains(url) {
                return Ok(false);
            }
            left.pop();
        }
        Ok(true)
    }

    /// Since when is it known? All objects are there by then, and told of.
    pub fn found(&self) -> Option<Instant> {
        self.found
    }

    /// An error for what it lists and nobody told of; none as long as there is no manifest.
    pub fn check(&self, bench: &Bench) -> Result<()> {
        let (memory, buried) = (lock(&bench.memory), lock(&bench.buried));
        let is_open =
            |(url, etag): &&(String, Option<String>)| !memory.has_object(url, etag.as_deref()) && !buried.contains(url);
        let open: Vec<_> = self.left.iter().flatten().filter(is_open).collect();
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
