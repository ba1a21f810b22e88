//! One batch, delivered: sent, sent again, halved, its bad lines found and set aside.
//!
//! What a reply means is the client's business ([`Verdict`]); here it is acted upon. Points may be sent twice, which is
//! harmless, but a line counts as delivered only when a request that held it was answered with success.

use crate::find::find;
use fault::{Error, Kind, Result};
use influx::{Rejected, Trouble, Verdict};
use net::Bytes;
use net::batch::{Batch, Part};
use net::retry::{Backoff, Policy};
use std::time::Duration;

/// What delivering needs from outside; the tests have another than the tool.
pub trait Outside {
    /// Sends a body once.
    fn send(&mut self, body: &Bytes) -> Verdict;
    /// Waits, unless a signal comes.
    fn wait(&mut self, time: Duration, why: &str) -> Result<()>;
    /// After a request that failed: is the target down? Then the same is sent again, without a wait and without using up a
    /// retry: sending waits until the target is back. An error if it has been down for too long.
    fn down(&mut self, why: &str) -> Result<bool>;
    /// So many lines and bytes are stored.
    fn delivered(&mut self, lines: usize, bytes: usize);
    /// This line cannot be stored. An error ends everything: there were too many of them.
    fn rejected(&mut self, line: &[u8], reason: &str) -> Result<()>;
    /// A part was halved.
    fn split(&mut self);
}

/// Delivers batches, one after the other.
pub struct Delivery<O> {
    outside: O,
    policy: Policy,
    /// The smallest part that was too large for the server, in bytes: others of that size are not even tried.
    too_large: usize,
}

/// Lines that are searched one by one although the server said that all of them are bad.
const FEW: usize = 16;

/// How one request ended.
enum Sent {
    Done,
    Halve(String),
    Rejected(Rejected),
}

impl<O: Outside> Delivery<O> {
    /// `policy`: how often a request is repeated.
    pub fn new(outside: O, policy: Policy) -> Self {
        Delivery { outside, policy, too_large: usize::MAX }
    }

    /// Delivers every line of the batch, to the target or to the rejects.
    pub fn deliver(&mut self, batch: &Batch) -> Result<()> {
        // The part to be sent next is the last: halves go in order, for the sake of two lines for one point.
        let mut parts = vec![batch.whole()];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let size = batch.size(&part);
            if size >= self.too_large && part.len() > 1 {
                self.outside.split();
                let (first, second) = part.halves();
                parts.push(second);
                parts.push(first);
                continue;
            }
            let halve = match self.send(batch, &part)? {
                Sent::Done => {
                    self.outside.delivered(part.len(), size);
                    continue;
                }
                Sent::Halve(reason) if part.len() == 1 => {
                    self.reject(batch, &part, &format!("the server takes no line of this size: {reason}"))?;
                    continue;
                }
                Sent::Halve(_) => {
                    self.outside.split();
                    part
                }
                Sent::Rejected(rejected) => match self.set_aside(batch, part, &rejected)? {
                    Rest::Halve(part) => part,
                    Rest::Again(part) => {
                        parts.push(part);
                        continue;
                    }
                },
            };
            let (first, second) = halve.halves();
            parts.push(second);
            parts.push(first);
        }
        Ok(())
    }

    /// Sends a part, again and again if need be.
    fn send(&mut self, batch: &Batch, part: &Part) -> Result<Sent> {
        let body = batch.bytes(part);
        let mut backoff = Backoff::new(self.policy, None);
        // Full servers need longer than busy ones.
        let slow = Policy { first: self.policy.first * 8, longest: self.policy.longest * 2, ..self.policy };
        let mut slow = Backoff::new(slow, None);
        loop {
            let verdict = self.outside.send(&body);
            if let Verdict::Retry { reason, .. } = &verdict
                && self.outside.down(reason)?
            {
                // What comes after the outage is another trouble.
                backoff.reset();
                continue;
            }
            let (wait, reason, halve) = match verdict {
                Verdict::Done => return Ok(Sent::Done),
                Verdict::Rejected(rejected) => return Ok(Sent::Rejected(rejected)),
                Verdict::Split { certain: true, reason } => {
                    // One long line says nothing about what many short ones may have.
                    if part.len() > 1 {
                        self.too_large = self.too_large.min(body.len());
                    }
                    return Ok(Sent::Halve(reason));
                }
                // Hung up in mid-upload. One line is never set aside for that: the server may be restarting.
                Verdict::Split { certain: false, reason } => (backoff.next_wait(None), reason, part.len() > 1),
                Verdict::Retry { after, trouble: Trouble::Full, reason } => (slow.next_wait(after), reason, false),
                Verdict::Retry { after, reason, .. } => (backoff.next_wait(after), reason, false),
                Verdict::Refused { reason } => return Err(Error::new(Kind::Refused, reason)),
                Verdict::Fatal { reason } => return Err(Error::new(Kind::Target, reason)),
            };
            let Some(wait) = wait else {
                return Err(Error::new(
                    Kind::Target,
                    match self.policy.retries {
                        0 => reason,
                        tries => format!("gave up after {tries} retries: {reason}"),
                    },
                ));
            };
            self.outside.wait(wait, &reason)?;
            if halve {
                return Ok(Sent::Halve(reason));
            }
        }
    }

    /// Rejects the lines that are known to be bad, and says what to do with the others.
    fn set_aside(&mut self, batch: &Batch, part: Part, rejected: &Rejected) -> Result<Rest> {
        let whole = || fault::excerpt(rejected.reason.as_bytes());
        if part.len() == 1 {
            self.reject(batch, &part, &whole())?;
            return Ok(Rest::Again(part.without(&part.lines().collect::<Vec<_>>())));
        }
        if let Some(bad) = find(batch, &part, &rejected.named) {
            for (line, reason) in &bad {
                self.outside.rejected(batch.line(*line), &fault::excerpt(reason.as_bytes()))?;
            }
            let lines: Vec<usize> = bad.iter().map(|(line, _)| *line).collect();
            return Ok(Rest::Again(part.without(&lines)));
        }
        // The server dropped as many points as it got: every line. Its one reason may not be that of each, so few lines
        // are still searched. Limits on series count otherwise (measured 2.12).
        let all = rejected.dropped.is_some_and(|dropped| dropped >= part.len() as u64);
        if all && part.len() > FEW && rejected.named.is_empty() && !rejected.reason.contains("max-") {
            self.reject(batch, &part, &whole())?;
            return Ok(Rest::Again(part.without(&part.lines().collect::<Vec<_>>())));
        }
        Ok(Rest::Halve(part))
    }

    fn reject(&mut self, batch: &Batch, part: &Part, reason: &str) -> Result<()> {
        part.lines().try_for_each(|line| self.outside.rejected(batch.line(line), reason))
    }
}

enum Rest {
    /// Bad lines are among them, unknown which.
    Halve(Part),
    /// The bad ones are out.
    Again(Part),
}
