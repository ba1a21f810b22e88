//! `ts-run`: one split of a plan, made durable.

pub mod args;
mod judge;
mod pipeline;

pub use args::Args;

use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use judge::{Account, Refusal};
use net::retry::{Backoff, Policy};
use pipeline::Attempt;
use state::{Directory, Failure, Holder, Receipt, Split, note_time, now};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "ts-run",
    stage: cli::Stage::Control,
    about: "Run one split of a plan and write its receipt once every row has arrived",
    description: "\
Takes the split's lock, runs a script that moves it (`bash -euo pipefail`, in a process group of its own), and writes the receipt \
done/ID.json only if every stage ended well, every stream was complete, and the rows read are the rows written, rejected and \
declared dropped. Failures that may pass (exit 4, 5, 7, 9, a killed stage) are tried again with growing waits; others are put on \
record and wait for `ts-state retry`. A split that is done is not run again.

The script finds its split in TS_SPLIT_ID, TS_SPLIT_TABLE, TS_SPLIT_PREDICATE, TS_SPLIT_FROM, TS_SPLIT_TO, TS_SPLIT_ATTEMPT and \
TS_SPLIT_REJECTS (a path for its rejected rows). It reads with one of our sources and writes with one of our sinks; they leave their \
summaries in TS_RECEIPT_DIR. TS_END_MARK=1 is set. The lock is inherited by every stage, so it lasts as long as one of them lives; \
when ts-run is killed, the stages end too.",
    examples: &[
        ("run one split", "ts-run --dir migration 9f86d081884c7d65"),
        ("run all that is not done, four at a time", "ts-state pending --dir migration | xargs -r -n 1 -P 4 ts-run --dir migration"),
    ],
    environment: &[("TS_STATE_DIR", "as --dir"), ("TS_RUN_TIMINGS", "as --timings")],
};

/// Runs the split.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let directory = Directory::open(&args.dir)?;
    let Some(split) = directory.split(&args.id)? else {
        return Err(Error::usage(format!("no split {} in {}/plan.tsv", args.id, args.dir.display())));
    };
    let script = pipeline::script(args.pipeline.as_ref(), directory.path())?;
    let me = Holder { pid: std::process::id(), host: host(), since: now() };
    let _lock = directory.lock(&split.id, &me, args.lock_wait)?;
    // Looked at under the lock: whoever held it may just have finished.
    if let Some(receipt) = directory.receipt(&split.id)? {
        run.info(format!("split {} is done already: {} rows", split.id, receipt.rows));
        run.note("done", "before");
        return Ok(());
    }
    let before = match directory.failure(&split.id)? {
        Some(failure) if !failure.retryable => {
            return Err(Error::new(
                Kind::Refused,
                format!(
                    "split {} failed for good (exit {}): {}: mend it, then ts-state retry {}",
                    split.id, failure.exit, failure.error, split.id
                ),
            ));
        }
        Some(failure) => failure.attempts,
        None => 0,
    };
    if let Some(reason) = directory.skipped(&split.id)? {
        return Err(Error::new(
            Kind::Refused,
            format!("split {} is skipped: {reason}: ts-state retry {} takes that back", split.id, split.id),
        ));
    }
    Work { args: &args, run, directory: &directory, split: &split, script: &script }.attempts(before)
}

struct Work<'a> {
    args: &'a Args,
    run: &'a Run,
    directory: &'a Directory,
    split: &'a Split,
    script: &'a Path,
}

impl Work<'_> {
    fn attempts(&self, before: u32) -> Result<()> {
        let policy =
            Policy { first: self.args.retry_wait, longest: Duration::from_secs(60), ..Policy::new(self.args.retries) };
        let mut backoff = Backoff::new(policy, None);
        let stop = self.run.stop();
        let mut number = before;
        loop {
            number += 1;
            let started = now();
            let refusal = match self.attempt(number)? {
                Ok(account) => return self.done(account, number, started),
                Err(refusal) => refusal,
            };
            let failure = Failure {
                id: self.split.id.clone(),
                attempts: number,
                exit: refusal.exit,
                retryable: refusal.retryable,
                error: refusal.error.clone(),
                host: host(),
                at: now(),
            };
            self.directory.failed(&failure).map_err(|error| {
                let cause = format!("split {}: attempt {number}: {}", self.split.id, refusal.error);
                error.context(format!("{cause}; nor can that be put on record"))
            })?;
            let wait = if refusal.retryable { backoff.next_wait(None) } else { None };
            let Some(wait) = wait else { return Err(self.error(&refusal, number)) };
            self.run.counter("retries").add(1);
            self.run.warn(format!(
                "split {}: attempt {number}: {}: trying again in {wait:.1?}",
                self.split.id, refusal.error
            ));
            stop.sleep(wait)?;
        }
    }

    fn attempt(&self, number: u32) -> Result<std::result::Result<Account, Refusal>> {
        let id = &self.split.id;
        let attempt = Attempt {
            split: self.split,
            script: self.script,
            logs: self.directory.logs(id, number),
            rejects: self.directory.rejects(id),
            number,
            limit: self.args.time_limit,
        };
        self.directory.note(
            &now(),
            id,
            "started",
            format!("attempt {number} by process {} on {}", std::process::id(), host()),
        )?;
        let begun = Instant::now();
        let ended = attempt.run(&self.run.stop())?;
        let took = begun.elapsed();
        let said = std::fs::read(attempt.logs.join("stderr.log")).unwrap_or_default();
        let stages = judge::stages(&attempt.logs)?;
        let judged = judge::judge(&ended, stages, &String::from_utf8_lossy(&said), self.args.time_limit);
        if let Some(path) = &self.args.timings {
            let exit = match &judged {
                Ok(account) if account.rejected > 0 => Kind::Rejected.code(),
                Ok(_) => 0,
                Err(refusal) => refusal.exit,
            };
            note_time(path, ("split", id), took, i32::from(exit))?;
        }
        Ok(judged)
    }

    fn done(&self, account: Account, attempt: u32, started: String) -> Result<()> {
        let split = self.split;
        self.run.counter("rows").set(account.rows);
        self.run.counter("bytes").set(account.stages.iter().filter(|s| s.stage == "sink").map(|s| s.bytes).sum());
        self.run.counter("rejected").set(account.rejected);
        self.directory.done(&Receipt {
            id: split.id.clone(),
            table: split.table.clone(),
            predicate: split.predicate.clone(),
            from: split.from.clone(),
            to: split.to.clone(),
            rows: account.rows,
            rejected: account.rejected,
            dropped: account.dropped,
            throttled: account.throttled,
            attempt,
            host: host(),
            started,
            ended: now(),
            stages: account.stages,
        })
    }

    fn error(&self, refusal: &Refusal, attempts: u32) -> Error {
        // A code that is none of ours (a shell's 127, a signal's 137) says that the pipeline itself could not run.
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == refusal.exit).unwrap_or(Kind::Incomplete);
        let logs = self.directory.logs(&self.split.id, attempts);
        Error::new(
            kind,
            format!(
                "split {}: attempt {attempts}: {} (all that was said: {}/stderr.log)",
                self.split.id,
                refusal.error,
                logs.display()
            ),
        )
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
