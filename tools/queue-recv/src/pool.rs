//! With a command: as many workers as there may be, each with one message.

use crate::Args;
use crate::child::Alive;
use crate::inbox::Inbox;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::pace::Pace;
use crate::work::{Bench, Verdict, lock};
use cli::Run;
use fault::{Error, Kind, Result};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use store::queue::Queue;

/// Between two looks at the workers while all are busy.
const LOOK: Duration = Duration::from_millis(20);

/// A queue takes so long at most to give out again what nobody keeps hidden.
const LATE: Duration = Duration::from_secs(3);

/// What the workers have told.
struct Told {
    running: usize,
    /// When something was last received or ended; later, where messages may be hidden that nobody knows of.
    last: Instant,
    /// Messages that stay in the queue, and when they are visible again.
    open: HashMap<String, Instant>,
    error: Option<Error>,
}

pub fn run(args: &Args, run: &Run, queue: &dyn Queue, dead: Option<&dyn Queue>) -> Result<()> {
    let inbox = Inbox::new(args, run, queue, dead);
    let mut pace = Pace::new(args)?;
    let mut manifest = args.until_manifest.as_deref().map(|url| Manifest::new(url, args, run)).transpose()?;
    let bench = Bench {
        inbox: &inbox,
        alive: Alive::new()?,
        memory: Mutex::new(Memory::open(args.ledger.as_deref())?),
        busy: Mutex::default(),
        buried: Mutex::default(),
    };
    let told = Mutex::new(Told { running: 0, last: Instant::now(), open: HashMap::new(), error: None });
    let mut left = args.limit.unwrap_or(u64::MAX);
    std::thread::scope(|scope| -> Result<()> {
        while left > 0 && !run.stop().is_raised() && lock(&told).error.is_none() {
            let running = lock(&told).running;
            let free = pace.now(run).saturating_sub(running);
            if let Some(manifest) = &mut manifest
                && manifest.is_done(&bench)?
            {
                run.note("manifest", "complete");
                break;
            }
            let found = manifest.as_ref().and_then(Manifest::found);
            let Some(wait) = wait(args, found, &lock(&told)) else { break };
            if free == 0 {
                std::thread::sleep(LOOK);
                continue;
            }
            // Workers that end, a new number in the file, the manifest: none may wait for a long poll.
            let wait = if running > 0 || args.concurrency_file.is_some() || manifest.is_some() {
                wait.min(Duration::from_secs(1))
            } else {
                wait
            };
            let since = Instant::now();
            let retries = run.counter("retries").get();
            let jobs = inbox.receive(free.min(10).min(usize::try_from(left).unwrap_or(10)), wait)?;
            if run.counter("retries").get() > retries {
                // A reply that was lost may have held messages: they are hidden, and come back.
                lock(&told).last = Instant::now() + args.visibility();
            }
            left = left.saturating_sub(jobs.len() as u64);
            for job in jobs {
                {
                    let mut told = lock(&told);
                    told.running += 1;
                    told.last = told.last.max(Instant::now());
                    told.open.remove(&job.message.id);
                }
                // Hidden since some moment of a long poll: what was left of its wait is not counted twice.
                let since = since.max(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(since));
                let (bench, told) = (&bench, &told);
                scope.spawn(move || {
                    let outcome = bench.work(&job, since);
                    let mut told = lock(told);
                    told.running -= 1;
                    told.last = told.last.max(Instant::now());
                    let back = match outcome {
                        Ok(Verdict::Done | Verdict::Dead) => return,
                        Ok(Verdict::Again(wait)) => wait,
                        Ok(Verdict::Lost | Verdict::GivenBack) => Duration::ZERO,
                        Err(error) => {
                            told.error.get_or_insert(error);
                            return;
                        }
                    };
                    told.open.insert(job.message.id, Instant::now() + back);
                });
            }
        }
        Ok(())
    })?;
    run.stop().check()?;
    let told = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match told.error {
        Some(error) => Err(error),
        None if told.open.is_empty() && left > 0 => manifest.map_or(Ok(()), |manifest| manifest.check(&bench)),
        None if told.open.is_empty() => Ok(()),
        None => Err(Error::new(
            Kind::Incomplete,
            format!("{} messages were not worked off and are still in {}", told.open.len(), queue.name()),
        )),
    }
}

/// How long to ask the queue; `None`: it has been idle long enough. While something runs, or waits for its next attempt,
/// it is not idle. Once a manifest was `found`, there is nothing to come but what a worker that was killed has hidden.
fn wait(args: &Args, found: Option<Instant>, told: &Told) -> Option<Duration> {
    let hidden = found.map(|_| args.visibility() + LATE);
    let Some(idle) = args.idle.into_iter().chain(hidden).min() else { return Some(args.wait) };
    if told.running > 0 {
        return Some(args.wait.min(idle).max(LOOK));
    }
    // A manifest that has just come does not end a wait that began long before.
    let since = told.open.values().copied().chain(found).fold(told.last, Instant::max);
    let end = since + idle;
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { None } else { Some(args.wait.min(left)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn idle_begins_after_the_last_message_that_is_expected_back() {
        use cli::args::RetryArgs;
        let args = Args {
            url: None,
            prefix: None,
            limit: None,
            idle: Some(Duration::from_secs(5)),
            until_manifest: None,
            wait: Duration::from_secs(20),
            visibility: None,
            concurrency: 1,
            concurrency_file: None,
            max_receives: 5,
            retry_wait: Duration::from_secs(10),
            dead_letter: None,
            ledger: None,
            timings: None,
            time_limit: Duration::from_secs(1),
            retry: RetryArgs { retries: 1, timeout: Duration::from_secs(1) },
            tls: cli::args::TlsArgs { tls_insecure: false, tls_ca_file: None },
            guard: false,
            command: vec![OsString::from("true")],
        };
        let long_ago = Instant::now() - Duration::from_secs(6);
        let mut told = Told { running: 0, last: long_ago, open: HashMap::new(), error: None };
        assert_eq!(wait(&args, None, &told), None);
        told.running = 1;
        assert_eq!(wait(&args, None, &told), Some(Duration::from_secs(5)));
        told.running = 0;
        told.open.insert("m".into(), Instant::now() + Duration::from_secs(60));
        assert_eq!(wait(&args, None, &told), Some(Duration::from_secs(20)));
        told.open.clear();
        // With a manifest: from when it was found, and no longer than a message may be hidden, be there an --idle or not.
        assert!(wait(&args, Some(Instant::now()), &told).is_some());
        let waiting = Args { idle: None, ..args };
        assert_eq!(wait(&waiting, None, &told), Some(Duration::from_secs(20)));
        assert_eq!(wait(&waiting, Some(long_ago), &told), Some(Duration::from_secs(20)));
        told.last = Instant::now() - waiting.visibility() - LATE;
        assert_eq!(wait(&waiting, Some(told.last), &told), None);
        let args = waiting;
        assert_eq!(args.back_off(args.retry_wait, 1), Duration::from_secs(10));
        assert_eq!(args.back_off(args.retry_wait, 3), Duration::from_secs(40));
        assert_eq!(args.back_off(args.retry_wait, 40), Duration::from_secs(900));
    }
}
