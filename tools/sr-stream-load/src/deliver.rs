//! One load, delivered: sent, sent again under the same label, its state asked for, halved, its bad rows found.
//!
//! What a reply means is the client's business ([`Verdict`]); here it is acted upon. The label of what is sent is fixed
//! before the first attempt, so that however often it is tried the server takes it once.

use crate::args::Naming;
use crate::chunk::Chunk;
use fault::{Error, Kind, Result};
use net::Bytes;
use net::batch::Part;
use net::retry::{Backoff, Policy};
use starrocks::load::Load;
use starrocks::reply::{Logged, logged};
use starrocks::request::Packing;
use starrocks::state::State;
use starrocks::verdict::{Rejected, Verdict};
use std::collections::HashMap;
use std::time::Duration;

/// What delivering needs from outside.
pub trait Outside {
    /// Sends a load once. `size`: bytes before compression.
    fn load(&mut self, load: &Load, size: usize) -> Verdict;
    /// Does the server merge loads with others, so that what it says of one is true of all of them?
    fn merges(&self) -> bool;
    /// The body as it goes over the wire.
    fn pack(&mut self, body: &Bytes) -> Result<(Bytes, Packing)>;
    /// Asks for the state of a label until `enough` is true of it.
    fn settle(&mut self, label: &str, enough: fn(State) -> bool) -> Result<(State, String)>;
    /// The server's list of rows that it left out.
    fn log(&mut self, link: &str) -> Option<String>;
    /// Waits before another attempt, unless a signal comes.
    fn wait(&mut self, time: Duration, why: &str) -> Result<()>;
    /// Is the target down? Then the same is sent again, without a wait and without using up a retry. An error if it has been
    /// down for too long.
    fn down(&mut self, why: &str) -> Result<bool>;
    /// So many rows and bytes are there. `before`: another run had loaded them.
    fn delivered(&mut self, rows: usize, bytes: usize, before: bool);
    /// This row cannot be loaded. An error ends everything: there were too many of them.
    fn rejected(&mut self, row: &[u8], reason: &str) -> Result<()>;
    /// So many rows may still be rejected.
    fn room(&self) -> u64;
    /// A load was halved.
    fn split(&mut self);
}

/// Delivers loads, one after the other.
pub struct Delivery<O> {
    pub outside: O,
    naming: Naming,
    policy: Policy,
}

/// How one load ended.
enum Sent {
    Done { before: bool },
    Halve(String),
    Rejected(Rejected),
}

/// Rows that are known to be bad wait until the good ones of their load are there: so many more than may be rejected.
const PATIENT: usize = 64;

impl<O: Outside> Delivery<O> {
    /// `policy`: how often a load is repeated.
    pub fn new(outside: O, naming: Naming, policy: Policy) -> Self {
        Delivery { outside, naming, policy }
    }

    /// Delivers every row, to the table or to the rejects.
    pub fn deliver(&mut self, chunk: &Chunk) -> Result<()> {
        // The part to be sent next is the last: halves go in order, for the sake of two rows for one key.
        let mut parts = vec![chunk.whole()];
        let mut bad: Vec<(usize, String)> = Vec::new();
        let mut alone = !self.outside.merges();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let body = chunk.body(&part)?;
            let halve = match self.send(chunk, &part, &body, alone)? {
                Sent::Done { before } => {
                    self.outside.delivered(part.len(), body.len(), before);
                    continue;
                }
                Sent::Halve(reason) if part.len() == 1 => {
                    bad.extend(
                        part.lines().map(|row| (row, format!("the server takes no row of this size: {reason}"))),
                    );
                    continue;
                }
                Sent::Halve(_) => part,
                // One bad load fails all that the server has merged it with: whether it was ours shows by itself alone.
                Sent::Rejected(_) if !alone => {
                    alone = true;
                    parts.push(part);
                    continue;
                }
                Sent::Rejected(rejected) => {
                    drop(body);
                    match self.set_aside(chunk, part, rejected, &mut bad) {
                        Rest::Again(part) => {
                            parts.push(part);
                            continue;
                        }
                        Rest::Halve(part) => part,
                    }
                }
            };
            let (first, second) = halve.halves();
            if !second.is_empty() {
                self.outside.split();
            }
            parts.push(second);
            parts.push(first);
            if bad.len() as u64 > self.outside.room().saturating_add(PATIENT as u64) {
                self.reject(chunk, &mut bad)?;
            }
        }
        self.reject(chunk, &mut bad)
    }

    fn reject(&mut self, chunk: &Chunk, bad: &mut Vec<(usize, String)>) -> Result<()> {
        bad.sort_by_key(|(row, _)| *row);
        for (row, reason) in bad.drain(..) {
            self.outside.rejected(&chunk.shown(row)?, &fault::excerpt(reason.as_bytes()))?;
        }
        Ok(())
    }

    /// The label of a load: what it is called whenever it is tried.
    fn label(&self, chunk: &Chunk, part: &Part, body: &[u8]) -> Result<String> {
        let whole = part.len() == chunk.whole().len();
        match &self.naming {
            Naming::Content(labels) => Ok(labels.of(chunk.number, &[body])),
            Naming::One(label) if whole => Ok(label.clone()),
            // What is left of it when bad rows are out.
            Naming::One(label) => Ok(starrocks::label::Labels::new("part", label)?.of(chunk.number, &[body])),
        }
    }

    /// Sends a part, again and again if need be.
    fn send(&mut self, chunk: &Chunk, part: &Part, body: &Bytes, alone: bool) -> Result<Sent> {
        let label = self.label(chunk, part, body)?;
        let (wire, packing) = self.outside.pack(body)?;
        let load = Load { label, form: chunk.form, packing, body: wire, rows: part.len() as u64, alone };
        let mut backoff = Backoff::new(self.policy, None);
        // One of our attempts may have been done without our knowing.
        let mut ours = false;
        loop {
            let verdict = self.outside.load(&load, body.len());
            if let Verdict::Retry { reason, .. } | Verdict::Unknown { reason, .. } = &verdict {
                ours |= matches!(verdict, Verdict::Unknown { .. });
                if self.outside.down(reason)? {
                    backoff.reset();
                    continue;
                }
            }
            let (after, reason, ask) = match verdict {
                Verdict::Done => return Ok(Sent::Done { before: false }),
                Verdict::Committed { .. } => {
                    // It is done, whatever the answer is: sending it again would double it.
                    self.outside.settle(&load.label, |state| state == State::Visible)?;
                    return Ok(Sent::Done { before: false });
                }
                Verdict::Exists { finished: true, .. } => return Ok(Sent::Done { before: !ours }),
                Verdict::Exists { finished: false, reason } => (None, reason, true),
                Verdict::Unknown { reason, .. } => (None, reason, true),
                Verdict::Rejected(rejected) => return Ok(Sent::Rejected(rejected)),
                Verdict::Split { reason } => return Ok(Sent::Halve(reason)),
                Verdict::Retry { after, reason, .. } => (after, reason, false),
                Verdict::Refused { reason } => return Err(Error::new(Kind::Refused, reason)),
                Verdict::Fatal { reason } => return Err(Error::new(Kind::Target, reason)),
            };
            let Some(wait) = backoff.next_wait(after) else {
                return Err(Error::new(
                    Kind::Target,
                    match self.policy.retries {
                        0 => format!("{reason} (label {})", load.label),
                        tries => format!("gave up after {tries} retries: {reason} (label {})", load.label),
                    },
                ));
            };
            self.outside.wait(wait, &reason)?;
            if ask {
                let under_way = |state| !matches!(state, State::Prepare | State::Prepared);
                match self.outside.settle(&load.label, under_way) {
                    Ok((state, _)) if state.is_done() => return Ok(Sent::Done { before: !ours }),
                    Ok(_) => {}
                    Err(error) if error.kind() == Kind::Target => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Finds the rows that are known to be bad, and says what to do with the others.
    fn set_aside(&mut self, chunk: &Chunk, part: Part, rejected: Rejected, bad: &mut Vec<(usize, String)>) -> Rest {
        let log = rejected.log.as_deref().and_then(|link| self.outside.log(link));
        let entries = log.as_deref().map(logged).unwrap_or_default();
        if part.len() == 1 {
            let reason = entries.into_iter().next().map_or(rejected.reason, |entry| entry.reason);
            bad.extend(part.lines().map(|row| (row, reason.clone())));
            return Rest::Again(Part::all(0));
        }
        let found = find(chunk, &part, &entries);
        if found.is_empty() {
            return Rest::Halve(part);
        }
        let rows: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
        let all = rejected.filtered.is_none_or(|filtered| rows.len() as u64 >= filtered);
        bad.extend(found);
        let rest = part.without(&rows);
        if all { Rest::Again(rest) } else { Rest::Halve(rest) }
    }
}

/// The rows that a log names: by their text, or by their cells with commas between them, as the server prints rows that it
/// has read. Rows of the same text are bad together; where different rows look the same in the log nothing is known.
fn find(chunk: &Chunk, part: &Part, entries: &[Logged]) -> Vec<(usize, String)> {
    let reasons: HashMap<&[u8], &str> =
        entries.iter().map(|entry| (entry.row.as_bytes(), entry.reason.as_str())).collect();
    if reasons.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    let mut looks: HashMap<Vec<u8>, (&[u8], bool)> = HashMap::new();
    for row in part.lines() {
        let text = chunk.text(row);
        if let Some(reason) = reasons.get(text).filter(|_| !text.is_empty()) {
            found.push((row, *reason));
            continue;
        }
        let printed = chunk.printed(row);
        if let Some(reason) = reasons.get(printed.as_slice()).filter(|_| !printed.is_empty()) {
            found.push((row, *reason));
            let (first, same) = looks.entry(printed).or_insert((text, true));
            *same &= *first == text;
        }
    }
    let known = |row: usize| looks.get(&chunk.printed(row)).is_none_or(|(_, same)| *same);
    found.into_iter().filter(|(row, _)| known(*row)).map(|(row, reason)| (row, reason.to_owned())).collect()
}

enum Rest {
    /// Bad rows are among them, unknown which.
    Halve(Part),
    /// The bad ones are out.
    Again(Part),
}
