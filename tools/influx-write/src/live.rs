//! The outside of a delivery: the real server, the counters, the rejects.

use crate::args::Plan;
use crate::deliver::Outside;
use cli::Counter;
use cli::rate::Rate;
use cli::traffic::Traffic;
use cli::workers::Shared;
use fault::Result;
use influx::{Client, Trouble, Verdict};
use net::Bytes;
use net::breaker::News;
use net::gate::{Gate, Learnt, Turn};
use net::pack::Packer;
use net::window::Change;
use rows::time::Unit;
use std::sync::Arc;
use std::time::Duration;

/// The connection of one worker.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
    client: Client,
    precision: Unit,
    packer: Packer,
    gate: Arc<Gate>,
    traffic: Traffic,
    rows: Counter,
    bytes: Counter,
    splits: Counter,
    throttle_wait: Counter,
    target_down: Counter,
    /// Lines are counted only where their rate is limited.
    rows_limited: bool,
}

impl Live {
    /// A connection as the plan has it. The number of requests in flight is limited over all clones.
    pub fn new(shared: &Arc<Shared>, client: Client, precision: Unit, plan: &Plan) -> Live {
        let run = &shared.run;
        Live {
            client,
            precision,
            packer: Packer::new(plan.gzip),
            gate: Arc::new(Gate::new(plan.workers, plan.longest_outage)),
            traffic: Traffic::new(shared, "requests", plan.longest_outage),
            rows: run.counter("rows"),
            bytes: run.counter("bytes"),
            splits: run.counter("splits"),
            throttle_wait: run.counter("throttle_wait_ms"),
            target_down: run.gauge("target_down"),
            rows_limited: matches!(plan.rate, Some(Rate::Rows(_))),
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
            Verdict::Split { certain: false, reason } => self.gate.hung_up(turn, reason),
            _ => self.gate.answered(turn, bytes),
        };
        let totals = self.gate.totals();
        self.traffic.totals(totals.most, totals.outages, totals.outage);
        self.throttle_wait.set(u64::try_from(totals.asked.as_millis()).unwrap_or(u64::MAX));
        self.target_down.set(u64::from(totals.down));
        if let Some(Change { from, to, why }) = change {
            self.traffic.limited(from, to, &why);
        }
        match news {
            Some(News::Down) => self.traffic.gone(reason(verdict)),
            Some(News::Back(lasted)) => self.traffic.back(lasted),
            None => {}
        }
    }
}

/// What the server said, if it is in trouble.
fn reason(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { reason, .. } => reason,
        _ => "",
    }
}

impl Outside for Live {
    fn send(&mut self, body: &Bytes) -> Verdict {
        let lines = if self.rows_limited { body.iter().filter(|byte| **byte == b'\n').count() as u64 } else { 0 };
        let ended = |reason: &str| Verdict::Retry { after: None, trouble: Trouble::Other, reason: reason.to_owned() };
        if self.shared.run.take(lines, body.len() as u64).is_err() {
            return ended("ended by a signal");
        }
        let (wire, packed) = self.packer.pack(body);
        // Compressed before the turn, so that the time between request and reply is the server's.
        let turn = self.gate.enter(|| self.shared.ended());
        if self.shared.ended() {
            let verdict = ended("the run has ended");
            self.gate.failed(turn, Trouble::Other, None, reason(&verdict));
            return verdict;
        }
        self.traffic.sends(wire.len());
        let verdict = self.client.write(self.precision, wire.clone(), packed);
        self.packer.reuse(wire);
        self.learn(turn, &verdict, body.len());
        self.shared.run.debug(|| format!("{} bytes of lines: {verdict:?}", body.len()));
        verdict
    }

    fn down(&mut self, why: &str) -> Result<bool> {
        self.traffic.waits_for_target(self.gate.down(), why)
    }

    fn wait(&mut self, time: Duration, why: &str) -> Result<()> {
        self.traffic.wait(time, why)
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
