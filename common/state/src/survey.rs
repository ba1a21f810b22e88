//! How far a migration is: every split counted once.

use crate::{Directory, Lookout, Plan, Split, Status};
use fault::Result;

/// Counts over all splits of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub splits: u64,
    pub done: u64,
    pub running: u64,
    pub pending: u64,
    /// Failed, and may be tried again.
    pub failed: u64,
    /// Failed for good, until somebody has mended the cause.
    pub blocked: u64,
    pub skipped: u64,
    /// Of the splits that are done.
    pub rows: u64,
    pub rejected: u64,
    pub dropped: u64,
    pub throttled: u64,
    /// Time that sinks found their target down, in milliseconds.
    pub outage_ms: u64,
    /// Splits that were throttled, or whose target was down, in the order in which they were seen.
    pub strained: Vec<Strain>,
    /// When the newest receipt was written (RFC 3339 in UTC, so the later text is the later time).
    pub last_done: Option<String>,
    /// When the split began that has been running longest.
    pub oldest: Option<String>,
    /// Attempts beyond the first.
    pub repeated: u64,
    /// Rows estimated for the splits that are not done; `None` where a split has no estimate.
    pub rows_left: Option<u64>,
}

/// What a split had to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strain {
    pub id: String,
    pub throttled: u64,
    pub outage_ms: u64,
}

impl Survey {
    /// Takes a split in.
    pub fn add(&mut self, split: &Split, status: &Status) {
        if self.splits == 0 {
            self.rows_left = Some(0);
        }
        self.splits += 1;
        match status {
            Status::Done(receipt) => {
                self.done += 1;
                self.rows += receipt.rows;
                self.rejected += receipt.rejected;
                self.dropped += receipt.dropped;
                self.throttled += receipt.throttled;
                let (throttled, outage_ms) = (receipt.throttled, receipt.outage_ms());
                self.outage_ms += outage_ms;
                if throttled > 0 || outage_ms > 0 {
                    self.strained.push(Strain { id: receipt.id.clone(), throttled, outage_ms });
                }
                self.repeated += u64::from(receipt.attempt.saturating_sub(1));
                self.last_done = self.last_done.take().max(Some(receipt.ended.clone()));
                return;
            }
            Status::Skipped(_) => {
                self.skipped += 1;
                return;
            }
            Status::Running(holder) => {
                self.running += 1;
                // A lock whose holder is just writing his name says no time.
                let since = Some(holder.since.clone()).filter(|since| !since.is_empty());
                self.oldest = self.oldest.take().into_iter().chain(since).min();
            }
            Status::Pending => self.pending += 1,
            Status::Failed(failure) if failure.retryable => self.failed += 1,
            Status::Failed(_) => self.blocked += 1,
        }
        self.rows_left = self.rows_left.zip(split.est_rows).map(|(left, rows)| left + rows);
    }

    /// Of a whole plan.
    pub fn of(directory: &Directory, plan: &Plan) -> Result<Survey> {
        Ok(Lookout::new(directory, plan).look()?.survey)
    }

    /// Is every split done?
    pub fn complete(&self) -> bool {
        self.done == self.splits
    }
}
