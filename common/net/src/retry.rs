//! Trying again: what a reply means ([`Verdict`]), how long to wait ([`Backoff`]), and the loop that puts them
//! together ([`run`]). Which reply gets which verdict is the business of each system's crate.

use fault::{Error, Result};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant, SystemTime};

/// What one attempt means for what comes next.
#[derive(Debug)]
pub enum Verdict<T> {
    /// It is done.
    Done(T),
    /// Try the same again, not before `after` where the server said so.
    Retry { after: Option<Duration>, error: Error },
    /// Too large: try its halves.
    Split(Error),
    /// The data is at fault: find the bad part, or reject it.
    Reject(Error),
    /// Nothing that we do will help.
    Fatal(Error),
}

/// Why the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server asks for time: 429, 503, or anything with `Retry-After`.
    Throttled,
    /// Nobody is there: no connection, no reply, a proxy that finds no server (502, 504).
    Down,
    /// The server is full rather than busy: wait long, and do not hope for much.
    Full,
    /// Anything else that may pass.
    Other,
}

/// How an operation ended that [`run`] did not have to give up on.
#[derive(Debug)]
pub enum Outcome<T> {
    Done(T),
    Split(Error),
    Reject(Error),
}

/// How often, and how long to wait in between.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts after the first.
    pub retries: u32,
    /// The wait before the second attempt; doubled each time.
    pub first: Duration,
    /// The longest wait of our own choice.
    pub longest: Duration,
    /// The longest `Retry-After` that is obeyed in full; a server that asks for more gets this.
    pub longest_asked: Duration,
}

impl Policy {
    /// 0.5 s, doubled up to 30 s; a server may ask for up to 5 minutes.
    pub fn new(retries: u32) -> Policy {
        Policy {
            retries,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_secs(300),
        }
    }
}

/// The waits of one operation.
#[derive(Debug)]
pub struct Backoff {
    policy: Policy,
    used: u32,
    random: SmallRng,
}

impl Backoff {
    /// `seed` makes the jitter repeatable in tests.
    pub fn new(policy: Policy, seed: Option<u64>) -> Backoff {
        let random = match seed {
            Some(seed) => SmallRng::seed_from_u64(seed),
            None => SmallRng::from_rng(&mut rand::rng()),
        };
        Backoff { policy, used: 0, random }
    }

    /// Retries used up so far.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// The wait before the next attempt, or `None` when there shall be none. Between half and all of the doubled
    /// time, so that workers which failed together do not come back together; never shorter than the server asked.
    pub fn next_wait(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.used >= self.policy.retries {
            return None;
        }
        let doubled = self.policy.first.saturating_mul(1u32.checked_shl(self.used).unwrap_or(u32::MAX));
        self.used += 1;
        let full = doubled.min(self.policy.longest);
        let own = full.mul_f64(self.random.random_range(0.5..=1.0));
        Some(match asked {
            Some(asked) => own.max(asked.min(self.policy.longest_asked)),
            None => own,
        })
    }

    /// Waits before another attempt, or fails with `error`: no retries are left, or `stop` has been raised. `before_wait`
    /// hears of the wait, unless there is none.
    pub fn again(
        &mut self,
        error: Error,
        asked: Option<Duration>,
        stop: &dyn Fn() -> bool,
        before_wait: impl FnOnce(&Error, Duration),
    ) -> Result<()> {
        if stop() {
            return Err(error);
        }
        let Some(wait) = self.next_wait(asked) else {
            return Err(match self.policy.retries {
                0 => error,
                retries => error.context(format!("gave up after {retries} retries")),
            });
        };
        before_wait(&error, wait);
        if sleep(wait, stop) { Ok(()) } else { Err(error) }
    }

    /// After progress: the next failure counts as the first.
    pub fn reset(&mut self) {
        self.used = 0;
    }
}

/// Repeats `attempt` (which gets its number, from 0) as its verdicts say. `before_wait` hears of every retry. `stop`
/// raised during a wait ends it with the last error.
pub fn run<T>(
    policy: Policy,
    stop: &dyn Fn() -> bool,
    mut before_wait: impl FnMut(&Error, Duration),
    mut attempt: impl FnMut(u32) -> Verdict<T>,
) -> Result<Outcome<T>> {
    let mut backoff = Backoff::new(policy, None);
    loop {
        match attempt(backoff.used()) {
            Verdict::Done(value) => return Ok(Outcome::Done(value)),
            Verdict::Split(error) => return Ok(Outcome::Split(error)),
            Verdict::Reject(error) => return Ok(Outcome::Reject(error)),
            Verdict::Fatal(error) => return Err(error),
            Verdict::Retry { after, error } => backoff.again(error, after, stop, &mut before_wait)?,
        }
    }
}

/// Asks until there is an answer, as long as the errors are of a kind that may pass.
pub fn repeat<T>(
    policy: Policy,
    stop: &dyn Fn() -> bool,
    before_wait: impl FnMut(&Error, Duration),
    mut ask: impl FnMut() -> Result<T>,
) -> Result<T> {
    let attempt = |_| match ask() {
        Ok(answer) => Verdict::Done(answer),
        Err(error) if error.kind().retryable() => Verdict::Retry { after: None, error },
        Err(error) => Verdict::Fatal(error),
    };
    match run(policy, stop, before_wait, attempt)? {
        Outcome::Done(answer) => Ok(answer),
        Outcome::Split(error) | Outcome::Reject(error) => Err(error),
    }
}

/// Sleeps; `false` as soon as `stop` says so.
pub fn sleep(time: Duration, stop: &dyn Fn() -> bool) -> bool {
    let end = Instant::now() + time;
    loop {
        if stop() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// The value of `Retry-After`: seconds, or an HTTP date (one in the past is no wait).
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault::Kind;
    use std::cell::Cell;

    #[test]
    fn waits_double_with_jitter_and_end() {
        let mut backoff = Backoff::new(Policy::new(12), Some(7));
        let waits: Vec<Duration> = std::iter::from_fn(|| backoff.next_wait(None)).collect();
        assert_eq!(waits.len(), 12);
        for (n, wait) in waits.iter().enumerate() {
            let full = Duration::from_millis(500 << n.min(10)).min(Duration::from_secs(30));
            assert!(*wait <= full && *wait >= full / 2, "{n}: {wait:?}");
        }
        let mut again = Backoff::new(Policy::new(12), Some(7));
        assert_eq!(again.next_wait(None), waits.first().copied());
    }

    #[test]
    fn the_servers_wish_is_obeyed_within_reason() {
        let mut backoff = Backoff::new(Policy::new(3), Some(1));
        assert_eq!(backoff.next_wait(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(backoff.next_wait(Some(Duration::from_secs(86_400))), Some(Duration::from_secs(300)));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sat, 06 Nov 1993 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn the_loop_does_what_the_verdicts_say() {
        let policy = Policy { first: Duration::from_millis(1), ..Policy::new(3) };
        let error = || Error::new(Kind::Target, "busy");
        let again = || Verdict::<u32>::Retry { after: None, error: error() };
        let tries = Cell::new(0);
        let done = run(
            policy,
            &|| false,
            |_, _| (),
            |n| {
                tries.set(n);
                if n == 2 { Verdict::Done(5) } else { again() }
            },
        );
        assert!(matches!(done, Ok(Outcome::Done(5))));
        assert_eq!(tries.get(), 2);
        let failed = run(policy, &|| false, |_, _| (), |_| again()).unwrap_err();
        assert_eq!((failed.kind(), failed.to_string()), (Kind::Target, "gave up after 3 retries: busy".to_owned()));
        let calls = Cell::new(0);
        let fatal = run(
            policy,
            &|| false,
            |_, _| (),
            |_| {
                calls.set(calls.get() + 1);
                Verdict::<u32>::Fatal(error())
            },
        );
        assert!(fatal.is_err() && calls.get() == 1);
        assert!(matches!(run(policy, &|| false, |_, _| (), |_| Verdict::<u32>::Split(error())), Ok(Outcome::Split(_))));
        let told = Cell::new(0);
        assert!(run(policy, &|| true, |_, _| told.set(told.get() + 1), |_| again()).is_err() && told.get() == 0);
        let slow = Policy { first: Duration::from_secs(3600), longest: Duration::from_secs(3600), ..policy };
        let started = Instant::now();
        assert!(run(slow, &|| started.elapsed() > Duration::from_millis(60), |_, _| (), |_| again()).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
