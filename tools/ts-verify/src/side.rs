//! Makes the digest of a side.

use crate::dedupe;
use crate::digest::Digest;
use crate::input::Rows;
use crate::layout::{Layout, Mapping};
use crate::names::Names;
use crate::options::{Dedupe, Options};
use crate::sample;
use cli::Run;
use fault::{Context, Error, Kind, Result};
use rows::Reader;
use std::sync::atomic::{AtomicBool, Ordering};

/// The error of a side that stopped because the other one failed.
const GAVE_UP: &str = "the other side could not be read";

/// Rows that are being read: opened, with the schema known.
pub struct Opened {
    pub rows: Rows,
    pub reader: Box<dyn Reader>,
    pub layout: Layout,
}

impl Opened {
    /// Opens the rows and lays out their columns.
    pub fn new(rows: Rows, mapping: &Mapping) -> Result<Opened> {
        Opened::named(rows, mapping, None)
    }

    /// The same, of columns that `--map` gives other names.
    pub fn named(mut rows: Rows, mapping: &Mapping, names: Option<&Names>) -> Result<Opened> {
        let reader = rows.open()?;
        let layout = match names {
            None => Layout::new(&reader.schema(), mapping),
            Some(names) => names.layout(&reader.schema(), mapping),
        };
        let layout = layout.context(|| rows.name.clone())?;
        Ok(Opened { rows, reader, layout })
    }

    /// Reads everything. `given_up` is raised by the other side when it fails.
    pub fn digest(mut self, options: &Options, max_memory: u64, run: &Run, given_up: &AtomicBool) -> Result<Finished> {
        let result = self.read(options, max_memory, run, given_up).context(|| self.rows.name.clone());
        if result.is_err() {
            given_up.store(true, Ordering::Relaxed);
        }
        Ok(Finished { digest: result?, rows: self.rows, layout: self.layout })
    }

    fn read(&mut self, options: &Options, max_memory: u64, run: &Run, given_up: &AtomicBool) -> Result<Digest> {
        let mut digest = Digest::new(max_memory);
        let (counter, skipped) = (run.counter("rows"), options.sample.map(|_| run.counter("rows_not_in_sample")));
        let mut sampler = sample::Sampler::new(options);
        let look = || {
            run.stop().check()?;
            match given_up.load(Ordering::Relaxed) {
                true => Err(Error::new(Kind::NoVerdict, GAVE_UP)),
                false => Ok(()),
            }
        };
        while let Some(batch) = self.reader.next()? {
            look()?;
            let rows = batch.num_rows() as u64;
            let batch = match &mut sampler {
                Some(sampler) => sampler.filter(&batch, &self.layout, options)?,
                None => batch,
            };
            digest.add(&batch, &self.layout, options)?;
            counter.add(batch.num_rows() as u64);
            if let Some(skipped) = &skipped {
                skipped.add(rows - batch.num_rows() as u64);
            }
        }
        digest.finish(options)?;
        if options.dedupe != Dedupe::Keep && digest.doubtful() > 0 {
            if !self.rows.again() {
                return Err(Error::new(
                    Kind::NoVerdict,
                    "rows of a series are not in time order, and whether there are several for one time cannot be told \
                     from a pipe in one go: give a file, add --spool (digest), or say --dedupe keep",
                ));
            }
            run.info(format!("{}: rows are not in time order: looking for duplicates", self.rows.name));
            let (rows, layout) = (&mut self.rows, &self.layout);
            dedupe::resolve(
                &mut digest,
                layout,
                options,
                max_memory.max(256 << 10),
                || sample::open(rows, layout, options),
                |_| look(),
            )?;
        }
        Ok(digest)
    }
}

/// A side whose digest is made.
pub struct Finished {
    pub digest: Digest,
    pub rows: Rows,
    pub layout: Layout,
}

/// Fails (exit 2) for a name in the mapping that no side has: a misspelt option must not pass in silence.
pub fn check_names(mapping: &Mapping, layouts: &[&Layout]) -> Result<()> {
    let Some((first, others)) = layouts.split_first() else { return Ok(()) };
    let missing = first
        .unused(mapping)
        .into_iter()
        .find(|name| others.iter().all(|layout| layout.unused(mapping).contains(name)));
    match missing {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!("no input has a column {name}, which the options name"))),
    }
}

impl Finished {
    /// Frees what the digest holds in memory or on disk.
    pub fn release(&mut self) {
        self.digest = Digest::new(0);
    }
}

/// Makes both digests, each in a thread of its own.
pub fn both(a: Opened, b: Opened, options: &Options, max_memory: u64, run: &Run) -> Result<(Finished, Finished)> {
    let given_up = AtomicBool::new(false);
    let (x, y) = std::thread::scope(|scope| {
        let other = scope.spawn(|| b.digest(options, max_memory, run, &given_up));
        let x = a.digest(options, max_memory, run, &given_up);
        (x, other.join())
    });
    let y = y.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a thread panicked")));
    match (x, y) {
        (Ok(x), Ok(y)) => Ok((x, y)),
        // Not the one that only gave up, but the one that failed.
        (Err(x), Err(y)) if x.message() == GAVE_UP => Err(y),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
