//! `queue-ack`: deletes the messages of events that are done.

pub mod args;
mod parts;

pub use args::Args;

use cli::{Run, Tool};
use fault::{Error, Kind, Result};
use net::Side;
use parts::Parts;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use store::Options;
use store::queue::{self, Held, Queue};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "queue-ack",
    stage: cli::Stage::Control,
    about: "Delete the messages of events that are done",
    description: "\
Reads the lines that queue-recv printed, as soon as each event is done, and deletes their messages: ten at a time, or after a tenth \
of a second. The message of several events (`parts` in their lines) is deleted once all of them have come. What is never \
acknowledged becomes visible again.

A message whose visibility time was over before it could be deleted makes the exit code 9, since it will be worked on once more: \
give queue-recv a longer --visibility. So do messages of which some events are missing.",
    examples: &[
        ("work on events one after the other", "queue-recv --url dir:///var/queue --idle 1s | ./load-each.sh | queue-ack --url dir:///var/queue"),
        ("delete messages whose lines were kept", "queue-ack --url dir:///var/queue done.jsonl"),
    ],
    environment: &[
        ("TS_QUEUE_URL", "as --url"),
        ("AWS_ACCESS_KEY_ID", "and so on, as for queue-recv"),
    ],
};

/// The longest line.
const LONGEST: u64 = 1 << 20;

/// Messages that are deleted at once.
const BATCH: usize = 10;

/// Reads, and deletes.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let url = args.url.as_deref().filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| Error::usage("no queue: give --url or set TS_QUEUE_URL"))?;
    let input = cli::input::open(&args.input, run)?;
    let options = Options::new(Side::Source)
        .patient(args.retry.retries, args.retry.timeout)
        .trusting(args.tls.tls_insecure, args.tls.tls_ca_file.as_ref())
        .serving(run.stopped(), run.replied(), run.repeated());
    let queue = queue::open(url, options)?;
    let (lines, received) = sync_channel(BATCH);
    let (reader, name) = (input.reader, input.name.clone());
    // A thread of its own: what has come is deleted while the next line is waited for.
    std::thread::spawn(move || read(reader, &name, &lines));
    let mut parts = Parts::default();
    let mut ready: Vec<String> = Vec::new();
    loop {
        match received.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok(line)) => {
                run.counter("rows").add(1);
                let number = run.counter("rows").get();
                let receipt = parts.take(&line).map_err(|error| error.context(format!("{}:{number}", input.name)))?;
                ready.extend(receipt);
                if ready.len() >= BATCH {
                    delete(queue.as_ref(), run, &mut ready)?;
                }
            }
            Ok(Err(error)) => {
                delete(queue.as_ref(), run, &mut ready)?;
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) => delete(queue.as_ref(), run, &mut ready)?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    delete(queue.as_ref(), run, &mut ready)?;
    let (lost, open) = (run.counter("lost").get(), parts.open());
    match (lost, open) {
        (0, 0) => Ok(()),
        (0, _) => Err(Error::new(
            Kind::Incomplete,
            format!("{open} messages were not deleted: not all of their events are done (see parts in their lines)"),
        )),
        _ => Err(Error::new(
            Kind::Incomplete,
            format!(
                "{lost} messages were not deleted: their visibility time was over (see --visibility of queue-recv), or they were deleted before"
            ),
        )),
    }
}

fn read(reader: Box<dyn Read + Send>, name: &str, lines: &SyncSender<Result<String>>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let next = match (&mut reader).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(size) if size as u64 == LONGEST && line.last() != Some(&b'\n') => {
                Err(Error::malformed(format!("{name}: a line of more than {LONGEST} bytes")))
            }
            Ok(_) if line.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(_) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) => Err(Error::io(format!("cannot read {name}"), error)),
        };
        let end = next.is_err();
        if lines.send(next).is_err() || end {
            return;
        }
    }
}

fn delete(queue: &dyn Queue, run: &Run, ready: &mut Vec<String>) -> Result<()> {
    if ready.is_empty() {
        return Ok(());
    }
    let receipts: Vec<&str> = ready.iter().map(String::as_str).collect();
    let held = queue.delete(&receipts)?;
    let lost = held.iter().filter(|held| **held == Held::Lost).count() as u64;
    run.counter("messages").add(held.len() as u64 - lost);
    run.counter("lost").add(lost);
    ready.clear();
    Ok(())
}
