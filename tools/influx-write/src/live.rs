//! The outside of a delivery: the real server, the counters, the rejects.

use crate::args::Plan;
use crate::deliver::Outside;
use cli::Counter;
use cli::rate::Rate;
use cli::workers::Shared;
use fault::{Error, Result};
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
    rows: Counter,
    bytes: Counter,
    sent: Counter,
    retries: Counter,
    requests: Counter,
    splits: Counter,
    most_in_flight: Counter,
    slowdowns: Counter,
    throttled: Counter,
    throttle_wait: Counter,
    outages: Counter,
    outage: Counter,
    target_down: Counter,
    longest_outage: Duration,
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
            rows: run.counter("rows"),
            bytes: run.counter("bytes"),
            retries: run.counter("retries"),
            requests: run.counter("requests"),
            splits: run.counter("splits"),
            sent: run.counter("sent_bytes"),
            most_in_flight: run.counter("inflight_max"),
            slowdowns: run.counter("slowdowns"),
            throttled: run.counter("throttled"),
            throttle_wait: run.counter("throttle_wait_ms"),
            outages: run.counter("outages"),
            outage: run.counter("outage_ms"),
            target_down: run.gauge("target_down"),
            longest_outage: plan.longest_outage,
            rows_limited: matches!(plan.rate, Some(Rate::Rows(_))),
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
            Verdict::Split { certain: false, reason } => self.gate.hung_up(turn, reason),
            _ => self.gate.answered(turn, bytes),
        };
        self.count();
        if let Some(Change { from, to, why }) = change {
            self.slowdowns.add(u64::from(to < from));
            self.shared.run.info(format!("{to} requests in flight, {from} before: {why}"));
        }
        match news {
            Some(News::Down) => self.shared.tell(format!(
                "the target is down ({}); nothing is read until it is back, for {} s at most",
                reason(verdict),
                self.longest_outage.as_secs()
            )),
            Some(News::Back(lasted)) => {
                self.shared.tell(format!("the target is back after {:.1} s", lasted.as_secs_f64()))
            }
            None => {}
        }
    }

    fn count(&self) {
        let totals = self.gate.totals();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.most_in_flight.set(totals.most as u64);
        self.throttle_wait.set(milliseconds(totals.asked));
        self.outages.set(totals.outages);
        self.outage.set(milliseconds(totals.outage));
        self.target_down.set(u64::from(totals.down));
    }

    fn stopped(&self) -> Result<()> {
        self.shared.run.stop().check()
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
        self.requests.add(1);
        self.sent.add(wire.len() as u64);
        let verdict = self.client.write(self.precision, wire.clone(), packed);
        self.packer.reuse(wire);
        self.learn(turn, &verdict, body.len());
        self.shared.run.debug(|| format!("{} bytes of lines: {verdict:?}", body.len()));
        verdict
    }

    fn down(&mut self, why: &str) -> Result<bool> {
        match self.gate.down() {
            Ok(false) => Ok(false),
            Ok(true) if self.shared.ended() => {
                self.stopped()?;
                Err(Error::new(fault::Kind::Target, why))
            }
            Ok(true) => {
                self.retries.add(1);
                Ok(true)
            }
            Err(lasted) => Err(Error::new(
                fault::Kind::Target,
                format!("the target has been down for {:.0} s (--max-outage): {why}", lasted.as_secs_f64()),
            )),
        }
    }

    fn wait(&mut self, time: Duration, why: &str) -> Result<()> {
        self.retries.add(1);
        self.shared.again(format!("{why}; trying again in {:.1} s", time.as_secs_f64()));
        let stop = self.shared.run.stop();
        if net::retry::sleep(time, &|| stop.is_raised() || self.shared.ended()) {
            return Ok(());
        }
        self.stopped()?;
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
