//! Without a command: events as lines of JSON.

use crate::Args;
use crate::inbox::{Inbox, Job};
use cli::Run;
use cli::output::Output;
use fault::{Error, Result};
use serde_json::{Map, Value};
use std::io::Write;
use std::time::{Duration, Instant};
use store::queue::{Event, Queue};

/// The event and how to delete its message. Of a message with several events the lines say `part` and `parts`.
pub fn line(job: &Job, part: usize, event: &Event) -> String {
    let mut map = match serde_json::from_str(&event.line()) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    map.insert("message_id".into(), job.message.id.as_str().into());
    map.insert("receipt".into(), job.message.receipt.as_str().into());
    map.insert("receive_count".into(), job.message.count.into());
    if job.events.len() > 1 {
        map.insert("part".into(), (part + 1).into());
        map.insert("parts".into(), job.events.len().into());
    }
    Value::Object(map).to_string()
}

pub fn run(args: &Args, run: &Run, queue: &dyn Queue, dead: Option<&dyn Queue>) -> Result<()> {
    let inbox = Inbox::new(args, run, queue, dead);
    let mut out = Output::create(None)?.counting(run.counter("bytes"));
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut last = Instant::now();
    while left > 0 {
        run.stop().check()?;
        let wait = match args.idle {
            Some(idle) if last.elapsed() >= idle => break,
            Some(idle) => args.wait.min(idle.saturating_sub(last.elapsed()).max(Duration::from_millis(10))),
            None => args.wait,
        };
        let retries = run.counter("retries").get();
        let jobs = inbox.receive(usize::try_from(left.min(10)).unwrap_or(10), wait)?;
        if run.counter("retries").get() > retries {
            // A reply that was lost may have held messages: they are hidden, and come back.
            last = Instant::now() + args.visibility();
        }
        if jobs.is_empty() {
            continue;
        }
        last = last.max(Instant::now());
        left = left.saturating_sub(jobs.len() as u64);
        let mut text = String::new();
        for job in &jobs {
            for (part, event) in job.events.iter().enumerate() {
                text.push_str(&line(job, part, event));
                text.push('\n');
                run.counter("rows").add(1);
            }
        }
        out.write_all(text.as_bytes()).map_err(|error| Error::io("cannot write to stdout", error))?;
    }
    out.finish()
}
