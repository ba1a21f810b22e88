//! Is the target there at all? After some failures in a row nothing is sent but one request at a time, with pauses that
//! grow, until one is answered. Everybody else waits, so nothing is read either: the pipe tells whoever fills it.
//!
//! Times are given, so that this is a rule and not a clock.

use crate::retry::{Backoff, Policy, Trouble};
use std::time::{Duration, Instant};

/// Failures in a row, of all connections together, that mean an outage.
const OPENS: u32 = 5;
/// Between two probes, at first and at most.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// A server that asks for more time than this gets this.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// What is thought of the target.
#[derive(Debug)]
pub struct Breaker {
    /// An outage may last this long; zero: there are none, only failures.
    limit: Duration,
    /// It has answered before. An address where nobody ever was is no outage.
    known: bool,
    /// In a row, and when the first of them was.
    failures: u32,
    since: Option<Instant>,
    open: Option<Open>,
    /// It asked not to be disturbed until then.
    hold: Option<Instant>,
    outages: u64,
    outage: Duration,
    asked: Duration,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    /// The next probe; none while one is under way.
    next: Option<Instant>,
    waits: Backoff,
}

/// May a request be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    Free,
    /// One, to see whether the target is back.
    Probe,
    /// Not before.
    At(Instant),
}

/// What everybody should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The target is taken to be down.
    Down,
    /// It is back, after this long.
    Back(Duration),
}

impl Breaker {
    /// An outage may last for `limit`; with zero there is none.
    pub fn new(limit: Duration) -> Breaker {
        Breaker {
            limit,
            known: false,
            failures: 0,
            since: None,
            open: None,
            hold: None,
            outages: 0,
            outage: Duration::ZERO,
            asked: Duration::ZERO,
        }
    }

    /// May a request be sent now?
    pub fn go(&self, now: Instant) -> Go {
        let held = self.hold.filter(|until| *until > now);
        match (&self.open, held) {
            (None, None) => Go::Free,
            (None, Some(until)) => Go::At(until),
            (Some(Open { next: None, .. }), _) => Go::At(now + LONGEST),
            (Some(Open { next: Some(next), .. }), held) => {
                let next = held.map_or(*next, |until| until.max(*next));
                if next > now { Go::At(next) } else { Go::Probe }
            }
        }
    }

    /// The probe is under way.
    pub fn probing(&mut self) {
        if let Some(open) = &mut self.open {
            open.next = None;
        }
    }

    /// The target has answered something else than that it is in trouble.
    pub fn answered(&mut self, now: Instant) -> Option<News> {
        (self.known, self.failures, self.since) = (true, 0, None);
        let open = self.open.take()?;
        self.hold = None;
        let lasted = now.saturating_duration_since(open.since);
        self.outage += lasted;
        Some(News::Back(lasted))
    }

    /// It has not; `after` is the time it asked for.
    pub fn failed(&mut self, now: Instant, trouble: Trouble, after: Option<Duration>, probe: bool) -> Option<News> {
        if let Some(after) = after {
            let until = now + after.min(LONGEST_ASKED);
            let from = self.hold.map_or(now, |held| held.max(now));
            self.asked += until.saturating_duration_since(from);
            self.hold = Some(until.max(from));
        }
        if let Some(open) = &mut self.open {
            if probe && trouble != Trouble::Full {
                open.next = Some(now + open.waits.next_wait(None).unwrap_or(LONGEST));
            } else if probe {
                // It says that it is full: that is an answer.
                return self.answered(now);
            }
            return None;
        }
        if !matches!(trouble, Trouble::Throttled | Trouble::Down) {
            return None;
        }
        self.failures += 1;
        let since = *self.since.get_or_insert(now);
        if !self.known || self.limit.is_zero() || self.failures < OPENS {
            return None;
        }
        let policy = Policy { first: FIRST, longest: LONGEST, ..Policy::new(u32::MAX) };
        let mut waits = Backoff::new(policy, None);
        let next = now + waits.next_wait(None).unwrap_or(LONGEST);
        self.open = Some(Open { since, next: Some(next), waits });
        self.outages += 1;
        Some(News::Down)
    }

    /// Is there an outage? An error: for this long, which is too long.
    pub fn down(&self, now: Instant) -> Result<bool, Duration> {
        match &self.open {
            None => Ok(false),
            Some(open) if now.saturating_duration_since(open.since) > self.limit => Err(now - open.since),
            Some(_) => Ok(true),
        }
    }

    /// Is there an outage, however long?
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many there were.
    pub fn outages(&self) -> u64 {
        self.outages
    }

    /// How long they took, together.
    pub fn outage(&self, now: Instant) -> Duration {
        self.outage + self.open.as_ref().map_or(Duration::ZERO, |open| now.saturating_duration_since(open.since))
    }

    /// The time that the target asked for, together.
    pub fn asked(&self) -> Duration {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A breaker of a target that has answered and then failed so often.
    fn after(failures: u32, now: Instant) -> Breaker {
        let mut breaker = Breaker::new(60 * SECOND);
        breaker.answered(now);
        for n in 0..failures {
            let news = breaker.failed(now, Trouble::Down, None, false);
            assert_eq!(news, (n + 1 == OPENS).then_some(News::Down), "{n}");
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_at_the_first_answer() {
        let now = Instant::now();
        let mut breaker = after(OPENS - 1, now);
        assert_eq!((breaker.go(now), breaker.answered(now)), (Go::Free, None));
        let mut breaker = after(OPENS, now);
        let Go::At(first) = breaker.go(now) else { panic!("no wait") };
        assert!(first - now >= FIRST / 2 && first - now <= FIRST);
        assert_eq!(breaker.go(first), Go::Probe);
        breaker.probing();
        assert!(matches!(breaker.go(first), Go::At(_)), "one at a time");
        breaker.failed(first, Trouble::Down, None, true);
        assert!(matches!(breaker.go(first), Go::At(_)));
        assert_eq!(breaker.down(now + 10 * SECOND), Ok(true));
        assert_eq!(breaker.answered(now + 10 * SECOND), Some(News::Back(10 * SECOND)));
        assert_eq!((breaker.go(now), breaker.outages(), breaker.outage(now)), (Go::Free, 1, 10 * SECOND));
    }

    #[test]
    fn probes_are_few_and_come_at_least_every_few_seconds() {
        let start = Instant::now();
        let mut breaker = after(OPENS, start);
        let (mut now, mut probes) = (start, 0);
        while now < start + 60 * SECOND {
            match breaker.go(now) {
                Go::At(next) => {
                    assert!(next - now <= LONGEST);
                    now = next;
                }
                Go::Probe => {
                    probes += 1;
                    breaker.probing();
                    breaker.failed(now, Trouble::Down, None, true);
                }
                Go::Free => panic!("free in an outage"),
            }
        }
        assert!((12..=30).contains(&probes), "{probes}");
        assert_eq!(breaker.down(start + 60 * SECOND), Ok(true));
        assert_eq!(breaker.down(start + 61 * SECOND), Err(61 * SECOND));
    }

    #[test]
    fn what_a_server_asks_for_holds_everybody() {
        let now = Instant::now();
        let mut breaker = after(0, now);
        breaker.failed(now, Trouble::Throttled, Some(7 * SECOND), false);
        assert_eq!(breaker.go(now), Go::At(now + 7 * SECOND));
        breaker.failed(now + SECOND, Trouble::Throttled, Some(7 * SECOND), false);
        breaker.failed(now + SECOND, Trouble::Throttled, Some(2 * SECOND), false);
        assert_eq!((breaker.go(now + 8 * SECOND), breaker.asked()), (Go::Free, 8 * SECOND));
        breaker.failed(now, Trouble::Throttled, Some(86_400 * SECOND), false);
        assert_eq!(breaker.go(now), Go::At(now + LONGEST_ASKED));
        // In an outage too: the probe comes when it may.
        let mut breaker = after(OPENS, now);
        breaker.failed(now, Trouble::Throttled, Some(30 * SECOND), false);
        assert_eq!(breaker.go(now + 5 * SECOND), Go::At(now + 30 * SECOND));
        assert_eq!(breaker.go(now + 30 * SECOND), Go::Probe);
    }

    #[test]
    fn no_outage_where_nobody_ever_was_nor_where_none_is_wanted() {
        let now = Instant::now();
        let mut stranger = Breaker::new(60 * SECOND);
        let mut never = Breaker::new(Duration::ZERO);
        never.answered(now);
        let mut errors = after(0, now);
        for _ in 0..20 {
            assert_eq!(stranger.failed(now, Trouble::Down, None, false), None);
            assert_eq!(never.failed(now, Trouble::Down, None, false), None);
            assert_eq!(errors.failed(now, Trouble::Other, None, false), None);
        }
        assert_eq!((stranger.go(now), never.go(now), errors.go(now)), (Go::Free, Go::Free, Go::Free));
    }
}
