//! The outside of a delivery: the real server, the counters, the rejects.

use crate::deliver::Outside;
use crate::gate::{Gate, Turn};
use crate::pack::Packer;
use crate::window::Change;
use cli::rejects::Rejects;
use cli::{Counter, Run};
use fault::{Error, Result};
use influx::{Client, Verdict};
use net::Bytes;
use rows::time::Unit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the threads share.
pub struct Shared {
    run: Run,
    rejects: Mutex<Rejects>,
    ended: AtomicBool,
    error: Mutex<Option<Error>>,
    warned: AtomicBool,
}

/// The connection of one worker.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
    client: Client,
    precision: Unit,
    packer: Packer,
    gate: Arc<Gate>,
    rows: Counter,
    bytes: Counter,
    sent: Counter,
    retries: Counter,
    requests: Counter,
    splits: Counter,
    most_in_flight: Counter,
    slowdowns: Counter,
}

impl Shared {
    /// Shared by the threads of one run.
    pub fn new(run: &Run, rejects: Rejects) -> Arc<Shared> {
        Arc::new(Shared {
            run: run.clone(),
            rejects: Mutex::new(rejects),
            ended: AtomicBool::new(false),
            error: Mutex::new(None),
            warned: AtomicBool::new(false),
        })
    }

    /// Sets a line aside.
    pub fn reject(&self, line: &[u8], reason: &str) -> Result<()> {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner).add(line, reason)
    }

    /// Writes the rejects out.
    pub fn flush_rejects(&self) -> Result<()> {
        self.rejects.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }

    /// No batch shall be begun any more.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.run.stop().is_raised()
    }

    /// What waits is not sent.
    pub fn abandon(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// A worker failed: the others end too. The first error is kept.
    pub fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.abandon();
    }

    /// The first error of a worker.
    pub fn take_error(&self) -> Result<()> {
        match self.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Live {
    /// `gzip`: level, 0 is off. `most`: requests in flight over all clones.
    pub fn new(shared: &Arc<Shared>, client: Client, precision: Unit, gzip: u32, most: usize) -> Live {
        let run = &shared.run;
        Live {
            client,
            precision,
            packer: Packer::new(gzip),
            gate: Arc::new(Gate::new(most)),
            rows: run.counter("rows"),
            bytes: run.counter("bytes"),
            retries: run.counter("retries"),
            requests: run.counter("requests"),
            splits: run.counter("splits"),
            sent: run.counter("sent_bytes"),
            most_in_flight: run.counter("inflight_max"),
            slowdowns: run.counter("slowdowns"),
            shared: Arc::clone(shared),
        }
    }

    /// Gives the turn back, and says so if there will be more or fewer of them.
    fn learn(&self, turn: Turn, verdict: &Verdict, bytes: usize) {
        let change = match verdict {
            Verdict::Retry { reason, .. } | Verdict::Split { certain: false, reason } => self.gate.failed(turn, reason),
            _ => self.gate.answered(turn, bytes),
        };
        self.most_in_flight.set(self.gate.most() as u64);
        if let Some(Change { from, to, why }) = change {
            self.slowdowns.add(u64::from(to < from));
            self.shared.run.info(format!("{to} requests in flight, {from} before: {why}"));
        }
    }
}

impl Outside for Live {
    fn send(&mut self, body: &Bytes) -> Verdict {
        let (wire, packed) = self.packer.pack(body);
        self.requests.add(1);
        self.sent.add(wire.len() as u64);
        // Compressed before the turn, so that the time between request and reply is the server's.
        let turn = self.gate.enter(|| self.shared.ended());
        let verdict = self.client.write(self.precision, wire, packed);
        self.learn(turn, &verdict, body.len());
        self.shared.run.debug(|| format!("{} bytes of lines: {verdict:?}", body.len()));
        verdict
    }

    fn wait(&mut self, time: Duration, why: &str) -> Result<()> {
        self.retries.add(1);
        let text = format!("{why}; trying again in {:.1} s", time.as_secs_f64());
        if self.shared.warned.swap(true, Ordering::Relaxed) {
            self.shared.run.info(text);
        } else {
            self.shared.run.warn(text);
        }
        let stop = self.shared.run.stop();
        if net::retry::sleep(time, &|| stop.is_raised() || self.shared.ended()) {
            return Ok(());
        }
        stop.check()?;
        // Another worker failed, and its error is the one to show.
        Err(Error::new(fault::Kind::Target, why))
    }

    fn delivered(&mut self, lines: usize, bytes: usize) {
        self.rows.add(lines as u64);
        self.bytes.add(bytes as u64);
    }

    fn rejected(&mut self, line: &[u8], reason: &str) -> Result<()> {
        self.shared.reject(line, reason)
    }

    fn split(&mut self) {
        self.splits.add(1);
    }
}
