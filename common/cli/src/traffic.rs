//! What a sink counts and tells of its requests: how many and how much, what slowed them down, and when the target was away.

use crate::Counter;
use crate::workers::Shared;
use fault::{Error, Kind, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a waiting thread looks whether it shall end.
const TICK: Duration = Duration::from_millis(50);

/// The counters of one run's requests; clones share them.
#[derive(Clone)]
pub struct Traffic {
    shared: Arc<Shared>,
    /// What is in flight, for people: `requests`.
    what: &'static str,
    longest_outage: Duration,
    requests: Counter,
    sent: Counter,
    retries: Counter,
    throttled: Counter,
    most: Counter,
    slowdowns: Counter,
    outages: Counter,
    outage: Counter,
}

impl Traffic {
    /// `what` is sent, and an outage of the target may last for so long.
    pub fn new(shared: &Arc<Shared>, what: &'static str, longest_outage: Duration) -> Traffic {
        let run = &shared.run;
        Traffic {
            what,
            longest_outage,
            requests: run.counter("requests"),
            sent: run.counter("sent_bytes"),
            retries: run.counter("retries"),
            throttled: run.counter("throttled"),
            most: run.counter("inflight_max"),
            slowdowns: run.counter("slowdowns"),
            outages: run.counter("outages"),
            outage: run.counter("outage_ms"),
            shared: Arc::clone(shared),
        }
    }

    /// A request goes out, with a body of so many bytes.
    pub fn sends(&self, bytes: usize) {
        self.requests.add(1);
        self.sent.add(bytes as u64);
    }

    /// The target asked to be left alone.
    pub fn throttled(&self) {
        self.throttled.add(1);
    }

    /// So many were in flight at the most, and the target was away so often and so long.
    pub fn totals(&self, most: usize, outages: u64, outage: Duration) {
        self.most.set(most as u64);
        self.outages.set(outages);
        self.outage.set(u64::try_from(outage.as_millis()).unwrap_or(u64::MAX));
    }

    /// So many may be in flight from now on.
    pub fn limited(&self, from: usize, to: usize, why: &str) {
        self.slowdowns.add(u64::from(to < from));
        self.shared.run.info(format!("{to} {} in flight, {from} before: {why}", self.what));
    }

    /// The target is away; `said` is its last word, or that of the network.
    pub fn gone(&self, said: &str) {
        let longest = self.longest_outage.as_secs();
        self.shared
            .tell(format!("the target is down ({said}); nothing is read until it is back, for {longest} s at most"));
    }

    /// It is there again.
    pub fn back(&self, lasted: Duration) {
        self.shared.tell(format!("the target is back after {:.1} s", lasted.as_secs_f64()));
    }

    /// Is it away, so that what failed with `why` is sent again once it is back? `Err` says that it has been for too long.
    pub fn waits_for_target(&self, away: std::result::Result<bool, Duration>, why: &str) -> Result<bool> {
        match away {
            Ok(true) if self.shared.ended() => Err(self.ended(why)),
            Ok(true) => {
                self.retries.add(1);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(lasted) => {
                let lasted = lasted.as_secs_f64();
                Err(Error::new(
                    Kind::Target,
                    format!("the target has been down for {lasted:.0} s (--max-outage): {why}"),
                ))
            }
        }
    }

    /// Waits before what failed with `why` is sent again.
    pub fn wait(&self, time: Duration, why: &str) -> Result<()> {
        self.retries.add(1);
        self.shared.again(format!("{why}; trying again in {:.1} s", time.as_secs_f64()));
        self.sleep(time, why)
    }

    /// Sleeps, unless a signal comes or another thread has failed.
    pub fn sleep(&self, time: Duration, why: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            if self.shared.ended() {
                return Err(self.ended(why));
            }
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// By a signal; or another thread failed, and its error is the one that is shown.
    fn ended(&self, why: &str) -> Error {
        self.shared.run.stop().rather_than(Error::new(Kind::Target, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use crate::args::RejectArgs;
    use crate::rejects::Rejects;

    #[test]
    fn an_end_is_not_waited_out() {
        let run = Run::for_test("sink");
        let rejects = Rejects::create(&RejectArgs { rejects: None, max_rejects: 0 }, &run).unwrap();
        let shared = Shared::new(&run, rejects);
        let traffic = Traffic::new(&shared, "requests", Duration::from_secs(5));
        traffic.wait(Duration::ZERO, "busy").unwrap();
        assert!(traffic.waits_for_target(Ok(true), "no route").unwrap());
        assert!(!traffic.waits_for_target(Ok(false), "no route").unwrap());
        assert_eq!(run.counter("retries").get(), 2);
        let late = traffic.waits_for_target(Err(Duration::from_secs(7)), "no route").unwrap_err();
        assert_eq!(late.to_string(), "the target has been down for 7 s (--max-outage): no route");
        shared.abandon();
        assert_eq!(traffic.waits_for_target(Ok(true), "no route").unwrap_err().kind(), Kind::Target);
        assert_eq!(traffic.wait(Duration::from_secs(3600), "busy").unwrap_err().to_string(), "busy");
        run.stop().raise(Kind::Terminated);
        assert_eq!(traffic.sleep(Duration::from_secs(3600), "busy").unwrap_err().kind(), Kind::Terminated);
    }
}
