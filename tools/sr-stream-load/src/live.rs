//! The outside of a delivery: the real server, the counters, the rejects.

use crate::args::Plan;
use crate::deliver::Outside;
use cli::Counter;
use cli::traffic::Traffic;
use cli::workers::Shared;
use fault::{Error, Result};
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
    traffic: Traffic,
    rows: Counter,
    bytes: Counter,
    already: Counter,
    splits: Counter,
    rejected: Counter,
    max_rejects: u64,
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
            traffic: Traffic::new(shared, "loads", plan.longest_outage),
            rows: run.counter("rows"),
            bytes: run.counter("bytes"),
            already: run.counter("already"),
            splits: run.counter("splits"),
            rejected: run.counter("rejected"),
            max_rejects,
            shared: Arc::clone(shared),
        }
    }

    /// Gives the turn back, and says so if there will be more or fewer of them.
    fn learn(&self, turn: Turn, verdict: &Verdict, bytes: usize) {
        let Learnt { change, news } = match verdict {
            Verdict::Retry { after, trouble, reason } => {
                if *trouble == Trouble::Throttled {
                    self.traffic.throttled();
                }
                self.gate.failed(turn, *trouble, *after, reason)
            }
            Verdict::Unknown { trouble, reason } => self.gate.failed(turn, *trouble, None, reason),
            _ => self.gate.answered(turn, bytes),
        };
        let totals = self.gate.totals();
        self.traffic.totals(totals.most, totals.outages, totals.outage);
        if let Some(Change { from, to, why }) = change {
            self.traffic.limited(from, to, &why);
        }
        let said = match verdict {
            Verdict::Retry { reason, .. } | Verdict::Unknown { reason, .. } => reason,
            _ => "",
        };
        match news {
            Some(News::Down) => self.traffic.gone(said),
            Some(News::Back(lasted)) => self.traffic.back(lasted),
            None => {}
        }
    }

    /// A request of a transaction, which go one after the other: waits for the rate, and counts it.
    pub fn count(&self, rows: u64, bytes: usize) -> Result<()> {
        self.shared.run.take(rows, bytes as u64)?;
        self.traffic.sends(bytes);
        self.traffic.totals(1, 0, Duration::ZERO);
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
        self.traffic.sends(bytes);
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
        let traffic = &self.traffic;
        let outcome = self.loader.settle(label, self.patience, enough, &mut |time| traffic.sleep(time, "stopped"));
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
        self.traffic.wait(time, why)
    }

    fn down(&mut self, why: &str) -> Result<bool> {
        self.traffic.waits_for_target(self.gate.down(), why)
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
