//! `--repair FILE`: what must be written again, a JSON object per line for every series and bucket that differs.
//!
//! It comes from the digests, so it is complete even where the report shows only some of the differences.

use crate::canonical::instant;
use crate::classes::{Class, Classes};
use crate::differing::Differing;
use crate::options::Options;
use cli::output::Output;
use fault::{Error, Result};
use rows::time::{Nanos, Unit};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};

/// The list under construction. Without a file it only counts.
pub struct Rerun {
    out: Option<BufWriter<Output>>,
    bucket: i64,
    since: Option<Nanos>,
    until: Option<Nanos>,
    lines: u64,
    /// Buckets with nothing but NaN and infinities, of which some are allowed: added when there are too many.
    held: Vec<Differing>,
    held_cells: u64,
}

impl Rerun {
    /// `out` appears under its name only when the comparison is finished.
    pub fn new(out: Option<Output>, options: &Options) -> Self {
        Rerun {
            out: out.map(|out| BufWriter::with_capacity(1 << 16, out)),
            bucket: options.bucket,
            since: options.since,
            until: options.until,
            lines: 0,
            held: Vec::new(),
            held_cells: 0,
        }
    }

    /// Lines so far; `None` without a file.
    pub fn lines(&self) -> Option<u64> {
        self.out.as_ref().map(|_| self.lines)
    }

    /// Adds a bucket.
    pub fn add(&mut self, bucket: &Differing) -> Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let series: Value = serde_json::from_str(&bucket.label).unwrap_or_default();
        let start = i128::from(bucket.bucket) * i128::from(self.bucket);
        let from = self.since.map_or(start, |since| since.max(start));
        let end = start + i128::from(self.bucket);
        let to = self.until.map_or(end, |until| until.min(end));
        let line = json!({
            "table": series.get("measurement"),
            "series": series.get("tags"),
            "from": instant(from, Unit::S),
            "to": instant(to, Unit::S),
            "class": class(bucket),
        });
        self.lines += 1;
        writeln!(out, "{line}").map_err(cannot_write)
    }

    /// Adds a bucket, unless it holds nothing but deviations that are allowed.
    pub fn add_unless_allowed(&mut self, bucket: &Differing, classes: &Classes) -> Result<()> {
        if !bucket.only_odd {
            return self.add(bucket);
        }
        if classes.unlimited(Class::NonFinite) || self.out.is_none() {
            return Ok(());
        }
        self.held_cells += bucket.odd_cells();
        self.held.push(bucket.clone());
        // Beyond the limit they need not be held any more, so there are never more of them than are allowed.
        if self.held_cells > classes.limit(Class::NonFinite) { self.add_held() } else { Ok(()) }
    }

    /// Adds those that were held back.
    pub fn add_held(&mut self) -> Result<()> {
        for bucket in std::mem::take(&mut self.held) {
            self.add(&bucket)?;
        }
        Ok(())
    }

    /// The list is complete.
    pub fn finish(self) -> Result<()> {
        match self.out {
            None => Ok(()),
            Some(out) => out.into_inner().map_err(|error| cannot_write(error.into_error()))?.finish(),
        }
    }
}

fn class(bucket: &Differing) -> &'static str {
    match (&bucket.a, &bucket.b) {
        _ if bucket.only_odd => Class::NonFinite.name(),
        (Some(_), None) => "missing",
        (None, Some(_)) => "extra",
        _ => "changed",
    }
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::io("cannot write the list of what to repair", error)
}
