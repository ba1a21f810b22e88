//! Transactions: all of the input at once (`--txn`), or step by step from the shell.

use crate::chunk::Chunk;
use crate::deliver::Outside as _;
use crate::fill::{Filler, Into};
use crate::live::Live;
use cli::Run;
use cli::workers::Shared;
use fault::{Error, Kind, Result};
use net::batch::Spares;
use net::retry::{Backoff, Policy, Trouble};
use rows::Reader;
use starrocks::load::Load;
use starrocks::reply::Reply;
use starrocks::state::State;
use starrocks::transaction::{Ended, Step};
use starrocks::verdict::Verdict;
use std::sync::Arc;

/// One transaction.
pub struct Transaction {
    live: Live,
    label: String,
    policy: Policy,
    shared: Arc<Shared>,
    spares: Arc<Spares>,
    run: Run,
    rows: u64,
    bytes: u64,
}

/// How `begin` ended.
enum Begun {
    Fresh,
    /// Another run has committed it.
    Finished,
}

impl Transaction {
    /// Not begun yet.
    pub fn new(live: Live, label: String, policy: Policy, shared: &Arc<Shared>, spares: &Arc<Spares>) -> Transaction {
        let (shared, spares) = (Arc::clone(shared), Arc::clone(spares));
        let run = shared.run.clone();
        run.note("label", label.as_str());
        Transaction { live, label, policy, shared, spares, run, rows: 0, bytes: 0 }
    }

    /// `--txn`: begins, loads everything, prepares, commits. Whatever goes wrong before the commit rolls all of it back.
    pub fn whole(mut self, reader: &mut dyn Reader, filler: &mut Filler) -> Result<()> {
        match self.begin_anew()? {
            Begun::Fresh => {}
            Begun::Finished => return self.skip(reader),
        }
        let loaded = self.fill(reader, filler).and_then(|()| self.prepare());
        if let Err(error) = loaded {
            self.roll_back_quietly();
            return Err(error);
        }
        // Everything has been read and counted, its end mark too.
        self.commit()?;
        self.live.delivered(self.rows as usize, self.bytes as usize, false);
        Ok(())
    }

    /// `--load`: the input, into a transaction that was begun.
    pub fn load(mut self, reader: &mut dyn Reader, filler: &mut Filler) -> Result<()> {
        self.fill(reader, filler)?;
        self.live.delivered(self.rows as usize, self.bytes as usize, false);
        Ok(())
    }

    /// `--begin`. A transaction that was begun and is open is as good as a new one.
    pub fn begin(mut self) -> Result<()> {
        match self.step(Step::Begin)? {
            Ended::Ok(_) => Ok(()),
            Ended::Exists { reason, .. } => match self.state()? {
                State::Prepare => Ok(()),
                state => Err(self.refused(state, &reason)),
            },
            other => Err(self.failed(Step::Begin.as_str(), other)),
        }
    }

    /// `--prepare`. One that is prepared or committed stays so.
    pub fn prepare(&mut self) -> Result<()> {
        let reply = match self.step(Step::Prepare)? {
            Ended::Ok(reply) => reply,
            other => {
                let lost = matches!(other, Ended::Other(_));
                let state =
                    self.live.settle(&self.label, if lost { |state| state != State::Prepare } else { |_| true })?.0;
                return match state {
                    State::Prepared | State::Committed | State::Visible => Ok(()),
                    _ => Err(self.failed(Step::Prepare.as_str(), other)),
                };
            }
        };
        self.counted(&reply)
    }

    /// `--commit`: done when the rows are visible, or will be.
    pub fn commit(&mut self) -> Result<()> {
        let mut backoff = Backoff::new(self.policy, None);
        loop {
            let ended = self.step(Step::Commit)?;
            if matches!(ended, Ended::Ok(_)) {
                break;
            }
            // Only the state says what became of it.
            let state = self.live.settle(&self.label, |_| true)?.0;
            if state.is_done() {
                break;
            }
            let reason = match ended {
                Ended::Missing { reason } | Ended::Exists { reason, .. } => return Err(self.refused(state, &reason)),
                Ended::Failed(Verdict::Retry { ref reason, .. }) if state == State::Prepared => reason.clone(),
                Ended::Failed(Verdict::Retry { reason, .. }) => return Err(self.refused(state, &reason)),
                other => return Err(self.failed(Step::Commit.as_str(), other)),
            };
            match backoff.next_wait(None) {
                Some(wait) => self.live.wait(wait, &reason)?,
                None => return Err(Error::new(Kind::Target, format!("label {}: commit: {reason}", self.label))),
            }
        }
        // It is committed: what is asked for now is only when it can be seen.
        match self.live.settle(&self.label, |state| state == State::Visible) {
            Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Terminated) => Err(error),
            _ => Ok(()),
        }
    }

    /// `--abort`. Exit 6 if it is committed already.
    pub fn abort(&mut self) -> Result<()> {
        match self.step(Step::Rollback)? {
            Ended::Ok(_) => Ok(()),
            other => match self.state()? {
                State::Unknown | State::Aborted => Ok(()),
                state @ (State::Committed | State::Visible) => Err(self.refused(state, "too late to roll back")),
                _ => Err(self.failed(Step::Rollback.as_str(), other)),
            },
        }
    }

    /// Begins; what a run that was killed has left under the label is rolled back before.
    fn begin_anew(&mut self) -> Result<Begun> {
        for _ in 0..2 {
            match self.step(Step::Begin)? {
                Ended::Ok(_) => return Ok(Begun::Fresh),
                Ended::Exists { finished: true, .. } => return Ok(Begun::Finished),
                Ended::Exists { finished: false, reason } => {
                    if self.state()?.is_done() {
                        return Ok(Begun::Finished);
                    }
                    self.run.warn(format!("label {}: an unfinished transaction is rolled back ({reason})", self.label));
                    self.abort()?;
                }
                other => return Err(self.failed(Step::Begin.as_str(), other)),
            }
        }
        Err(Error::new(Kind::Target, format!("label {}: somebody else loads under it", self.label)))
    }

    /// Another run has committed it: the input is read to its end, whose mark must agree.
    fn skip(&mut self, reader: &mut dyn Reader) -> Result<()> {
        let mut rows = 0;
        while let Some(batch) = reader.next()? {
            self.run.stop().check()?;
            rows += batch.num_rows();
        }
        self.live.delivered(rows, 0, true);
        Ok(())
    }

    fn fill(&mut self, reader: &mut dyn Reader, filler: &mut Filler) -> Result<()> {
        while let Some(batch) = reader.next()? {
            self.run.stop().check()?;
            filler.add(&batch, self)?;
        }
        filler.finish(self)
    }

    /// Did the server count what was sent?
    fn counted(&self, reply: &Reply) -> Result<()> {
        let left_out = reply.filtered.unwrap_or(0) + reply.unselected.unwrap_or(0);
        match reply.loaded {
            Some(loaded) if self.rows > 0 && (loaded != self.rows || left_out > 0) => Err(Error::new(
                Kind::Target,
                format!(
                    "label {}: the server loaded {loaded} of {} rows and left out {left_out}",
                    self.label, self.rows
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A call without rows, tried again where that cannot do harm: all of them may be repeated.
    fn step(&mut self, step: Step) -> Result<Ended> {
        let mut backoff = Backoff::new(self.policy, None);
        loop {
            let ended = self.live.loader.step(step, &self.label);
            self.run.debug(|| format!("{} {}: {ended:?}", step.as_str(), self.label));
            let (after, reason) = match &ended {
                Ended::Other(Verdict::Retry { after, reason, .. }) => (*after, reason.clone()),
                Ended::Other(Verdict::Unknown { reason, .. }) => (None, reason.clone()),
                // Too many transactions are open: one of them will end.
                Ended::Failed(Verdict::Retry { after, trouble: Trouble::Throttled, reason }) if step == Step::Begin => {
                    (*after, reason.clone())
                }
                _ => return Ok(ended),
            };
            match backoff.next_wait(after) {
                Some(wait) => self.live.wait(wait, &reason)?,
                None => return Ok(ended),
            }
        }
    }

    fn state(&self) -> Result<State> {
        self.live.loader.state(&self.label).map(|(state, _)| state)
    }

    fn roll_back_quietly(&mut self) {
        if let Err(error) = self.abort() {
            self.run.warn(format!("label {}: not rolled back, the server will do so later: {error}", self.label));
        }
    }

    fn refused(&self, state: State, reason: &str) -> Error {
        Error::new(Kind::Refused, format!("label {} is {}: {reason}", self.label, state.as_str()))
    }

    fn failed(&self, step: &str, ended: Ended) -> Error {
        let (kind, reason) = match ended {
            Ended::Failed(Verdict::Refused { reason }) | Ended::Other(Verdict::Refused { reason }) => {
                (Kind::Refused, reason)
            }
            Ended::Failed(Verdict::Rejected(rejected)) => {
                let log = rejected.log.as_deref().and_then(|link| self.live.clone().log(link)).unwrap_or_default();
                let first = fault::excerpt(log.lines().next().unwrap_or_default().as_bytes());
                (Kind::Malformed, format!("{}: {first} (a transaction is loaded whole or not at all)", rejected.reason))
            }
            Ended::Failed(verdict) | Ended::Other(verdict) => (Kind::Target, said(verdict)),
            Ended::Missing { reason } | Ended::Exists { reason, .. } => (Kind::Refused, reason),
            Ended::Ok(_) => (Kind::Target, "an answer that makes no sense".to_owned()),
        };
        Error::new(kind, format!("label {}: {}: {reason}", self.label, step))
    }
}

/// What the server said.
fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Retry { reason, .. }
        | Verdict::Unknown { reason, .. }
        | Verdict::Refused { reason }
        | Verdict::Fatal { reason }
        | Verdict::Split { reason }
        | Verdict::Committed { reason }
        | Verdict::Exists { reason, .. } => reason,
        Verdict::Rejected(rejected) => rejected.reason,
        Verdict::Done => "an answer that makes no sense".to_owned(),
    }
}

impl Into for Transaction {
    /// A part of the transaction. One whose reply is lost cannot be sent again: it might be in twice.
    fn chunk(&mut self, chunk: Chunk) -> Result<()> {
        let part = chunk.whole();
        let body = chunk.body(&part)?;
        let (wire, packing) = self.live.pack(&body)?;
        let rows = part.len() as u64;
        let load = Load { label: self.label.clone(), form: chunk.form, packing, body: wire, rows, alone: true };
        let mut backoff = Backoff::new(self.policy, None);
        loop {
            self.live.count(rows, load.body.len())?;
            let (after, reason) = match self.live.loader.part(&load) {
                Ended::Ok(reply) => {
                    if reply.filtered.is_some_and(|filtered| filtered > 0) {
                        return Err(Error::malformed(format!("label {}: {}", self.label, reply.message)));
                    }
                    break;
                }
                // Nothing of it has arrived, or the server said that it is busy with the part before.
                Ended::Other(Verdict::Retry { after, reason, .. })
                    if !reason.to_ascii_uppercase().starts_with("FAIL") =>
                {
                    (after, reason)
                }
                Ended::Missing { reason } => {
                    return Err(Error::new(
                        Kind::Refused,
                        format!("label {}: {reason} (--begin it first)", self.label),
                    ));
                }
                Ended::Other(Verdict::Unknown { reason, .. }) => {
                    let why =
                        "whether a part of the transaction has arrived is not known, so all of it is to be loaded anew";
                    return Err(Error::new(Kind::Target, format!("label {}: {why}: {reason}", self.label)));
                }
                other => return Err(self.failed("load", other)),
            };
            match backoff.next_wait(after) {
                Some(wait) => self.live.wait(wait, &reason)?,
                None => return Err(Error::new(Kind::Target, format!("label {}: {reason}", self.label))),
            }
        }
        self.rows += rows;
        self.bytes += body.len() as u64;
        drop((body, load));
        chunk.give_back(&self.spares);
        Ok(())
    }

    fn reject(&mut self, row: &[u8], reason: &str) -> Result<()> {
        self.shared.reject(row, reason)
    }
}
