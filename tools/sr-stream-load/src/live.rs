//! The outside of a delivery: the real server, the counters, the rejects.

use crate::args::Plan;
use crate::deliver::Outside;
use cli::Counter;
use cli::workers::Shared;
use fault::{Error, Kind, Result};
use net::Bytes;
use net::breaker::News;
use net::gate::{Gate, Learnt, Turn};
use net::pack::Packer;
use net::retry::Trouble;
use net::window::Change;
use starrocks::load::{Load, Loader};
use starrocks::request::Packing;
use starrocks::state::{Patience, State};
use starrocks::verdict::Verdict;
use std::sync::Arc;
use std::time::Duration;

/// The connection of one worker.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
    pub loader: Loader,
    packing: Packing,
    packer: Packer,
    patience: Patience,
    gate: Arc<Gate>,
    rows: Counter,
    bytes: Counter,
    already: Counter,
    sent: Counter,
    retries: Counter,
    requests: Counter,
    splits: Counter,
    most_in_flight: Counter,
    slowdowns: Counter,
    throttled: Counter,
    outages: Counter,
    outage: Counter,
    rejected: Counter,
    max_rejects: u64,
    longest_outage: Duration,
}

impl Live {
    /// A connection as the plan has it. The number of loads in flight is limited over all clones.
    pub fn new(shared: &Arc<Shared>, loader: Loader, plan: &Plan, max_rejects: u64) -> Live {
        let run = &shared.run;
        Live {
            loader,
            packing: plan.packing,
            packer: Packer::new(u32::from(plan.packing == Packing::Gzip)),
            patience: plan.patience,
            gate: Arc::new(Gate::new(plan.workers, plan.longest_outage)),
            rows: run.counter("rows"),
            bytes: run.counter("bytes"),
            already: run.counter("already"),
            retries: run.counter("retries"),
            requests: run.counter("requests"),
            splits: run.counter("splits"),
            sent: run.counter("sent_bytes"),
            most_in_flight: run.counter("inflight_max"),
            slowdowns: run.counter("slowdowns"),
            throttled: run.counter("throttled"),
            outages: run.counter("outages"),
            outage: run.counter("outage_ms"),
            rejected: run.counter("rejected"),
            max_rejects,
            longest_outage: plan.longest_outage,
            shared: Arc::clone(shared),
        }
    }

    /// Gives the turn back, and says so if there will be more or fewer of them.
    fn learn(&self, turn: Turn, verdict: &Verdict, bytes: usize) {
        let Learnt { change, news } = match verdict {
            Verdict::Retry { after, trouble, reason } => {
                self.throttled.add(u64::from(*trouble == Trouble::Throttled));
                self.gate.failed(turn, *trouble, *after, reason)
            }
            Verdict::Unknown { trouble, reason } => self.gate.failed(turn, *trouble, None, reason),
            _ => self.gate.answered(turn, bytes),
        };
        let totals = self.gate.totals();
        self.most_in_flight.set(totals.most as u64);
        self.outages.set(totals.outages);
        self.outage.set(u64::try_from(totals.outage.as_millis()).unwrap_or(u64::MAX));
        if let Some(Change { from, to, why }) = change {
            self.slowdowns.add(u64::from(to < from));
            self.shared.run.info(format!("{to} loads in flight, {from} before: {why}"));
        }
        let said = match verdict {
            Verdict::Retry { reason, .. } | Verdict::Unknown { reason, .. } => reason,
            _ => "",
        };
        match news {
            Some(News::Down) => self.shared.tell(format!(
                "the target is down ({said}); nothing is read until it is back, for {} s at most",
                self.longest_outage.as_secs()
            )),
            Some(News::Back(lasted)) => {
                self.shared.tell(format!("the target is back after {:.1} s", lasted.as_secs_f64()));
            }
            None => {}
        }
    }

    /// Sleeps, unless a signal comes or another worker has failed.
    fn sleep(&self, time: Duration, why: &str) -> Result<()> {
        let stop = self.shared.run.stop();
        if net::retry::sleep(time, &|| stop.is_raised() || self.shared.ended()) {
            return Ok(());
        }
        stop.check()?;
        // Another worker failed, and its error is the one to show.
        Err(Error::new(Kind::Target, why))
    }

    /// A request of a transaction, which go one after the other: waits for the rate, and counts it.
    pub fn count(&self, rows: u64, bytes: usize) -> Result<()> {
        self.shared.run.take(rows, bytes as u64)?;
        self.requests.add(1);
        self.sent.add(bytes as u64);
        self.most_in_flight.set(1);
        Ok(())
    }

    /// Lets one request out: with its turn, counted. `None`: the run has ended.
    fn turn(&self, rows: u64, bytes: usize) -> Option<Turn> {
        if self.shared.run.take(rows, bytes as u64).is_err() {
            return None;
        }
        let turn = self.gate.enter(|| self.shared.ended());
        if self.shared.ended() {
            self.gate.failed(turn, Trouble::Other, None, "the run has ended");
            return None;
        }
        self.requests.add(1);
        self.sent.add(bytes as u64);
        Some(turn)
    }
}

impl Outside for Live {
    fn load(&mut self, load: &Load, size: usize) -> Verdict {
        let Some(turn) = self.turn(load.rows, load.body.len()) else {
            return Verdict::Retry { after: None, trouble: Trouble::Other, reason: "the run has ended".to_owned() };
        };
        let verdict = self.loader.load(load);
        self.learn(turn, &verdict, size);
        self.shared.run.debug(|| format!("label {}: {} rows, {size} bytes: {verdict:?}", load.label, load.rows));
        verdict
    }

    fn merges(&self) -> bool {
        self.loader.settings().merge.is_some()
    }

    fn pack(&mut self, body: &Bytes) -> Result<(Bytes, Packing)> {
        Ok(match self.packing {
            Packing::None => (body.clone(), Packing::None),
            Packing::Gzip => match self.packer.pack(body) {
                (wire, true) => (wire, Packing::Gzip),
                (wire, false) => (wire, Packing::None),
            },
            Packing::Zstd => {
                let packed = zstd::bulk::compress(body, 1).map_err(|error| Error::io("cannot compress", error))?;
                (Bytes::from(packed), Packing::Zstd)
            }
        })
    }

    fn settle(&mut self, label: &str, enough: fn(State) -> bool) -> Result<(State, String)> {
        let this = self.clone();
        let outcome = self.loader.settle(label, self.patience, enough, &mut |time| this.sleep(time, "stopped"));
        match &outcome {
            Ok((state, reason)) => {
                self.shared.run.info(format!("label {label} is {} {reason}", state.as_str()));
            }
            Err(error) => self.shared.run.info(format!("label {label}: {error}")),
        }
        outcome
    }

    fn log(&mut self, link: &str) -> Option<String> {
        match self.loader.error_log(link) {
            Ok(text) => Some(text),
            Err(error) => {
                self.shared.run.info(format!("the list of bad rows cannot be read, so they are searched: {error}"));
                None
            }
        }
    }

    fn wait(&mut self, time: Duration, why: &str) -> Result<()> {
        self.retries.add(1);
        self.shared.again(format!("{why}; trying again in {:.1} s", time.as_secs_f64()));
        self.sleep(time, why)
    }

    fn down(&mut self, why: &str) -> Result<bool> {
        match self.gate.down() {
            Ok(false) => Ok(false),
            Ok(true) if self.shared.ended() => {
                self.shared.run.stop().check()?;
                Err(Error::new(Kind::Target, why))
            }
            Ok(true) => {
                self.retries.add(1);
                Ok(true)
            }
            Err(lasted) => Err(Error::new(
                Kind::Target,
                format!("the target has been down for {:.0} s (--max-outage): {why}", lasted.as_secs_f64()),
            )),
        }
    }

    fn delivered(&mut self, rows: usize, bytes: usize, before: bool) {
        self.rows.add(rows as u64);
        self.bytes.add(bytes as u64);
        if before {
            if self.already.get() == 0 {
                self.shared.run.warn(
                    "rows were loaded before under the same label, and are not loaded again (key already of the summary)",
                );
            }
            self.already.add(rows as u64);
        }
    }

    fn rejected(&mut self, row: &[u8], reason: &str) -> Result<()> {
        self.shared.reject(row, reason)
    }

    fn room(&self) -> u64 {
        self.max_rejects.saturating_sub(self.rejected.get())
    }

    fn split(&mut self) {
        self.splits.add(1);
    }
}
