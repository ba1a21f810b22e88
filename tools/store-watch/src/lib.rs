//! `store-watch`: tells of new objects by listing, where nothing else tells of them.

pub mod args;
mod seen;

pub use args::Args;

use cli::output::Output;
use cli::{Run, Tool};
use fault::{Error, Result};
use net::Side;
use seen::Seen;
use std::io::Write;
use std::time::SystemTime;
use store::queue::{self, Event, Queue, event};
use store::{Client, Location, Object, Options};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "store-watch",
    stage: cli::Stage::Control,
    about: "Tell of new objects in a store by listing it, as events for queue-recv",
    description: "\
Lists what is below a URL again and again, and prints an event line for every object that is new or has changed (another ETag, size or \
time): the lines that queue-recv prints, where a store has no events of its own. With --notify they go into a queue instead. With \
--state a later run tells only of what has changed since; the file is written after the events are out, so one that was killed tells \
of some twice, and of none never.

Names under which writers work before they rename (EXPORT's, Spark's, hidden files) and markers that begin with _ are no events, \
as in queue-recv. Files that are written in place need --settle.",
    examples: &[
        ("what is there now", "store-watch --once file:///data/export/"),
        ("fill a folder queue with what a job exports, until a signal comes", "store-watch --state seen.jsonl --notify dir:///var/queue s3://b/job/"),
    ],
    environment: &[
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION, for s3://; OSS_… for oss://"),
    ],
};

/// Watches.
pub fn run(args: Args, run: &Run) -> Result<()> {
    let at = Location::parse(&args.url)?.folder();
    let options = Options::new(Side::Source)
        .patient(args.retry.retries, args.retry.timeout)
        .trusting(args.tls.tls_insecure, args.tls.tls_ca_file.as_ref())
        .serving(run.stopped(), run.replied(), run.repeated());
    let queue = args.notify.as_deref().map(|url| queue::open(url, options.clone())).transpose()?;
    let client = Client::open(&at, options)?;
    let mut out = Output::create(None)?.counting(run.counter("bytes"));
    let mut seen = Seen::open(args.state.as_deref())?;
    loop {
        look(&args, run, &client, &at, &mut seen, queue.as_deref(), &mut out)
            .map_err(|error| run.stop().rather_than(error))?;
        run.counter("looks").add(1);
        if args.once {
            return out.finish();
        }
        run.stop().sleep(args.every)?;
    }
}

/// One listing; its events are out when the state is written.
fn look(
    args: &Args,
    run: &Run,
    client: &Client,
    at: &Location,
    seen: &mut Seen,
    queue: Option<&dyn Queue>,
    out: &mut Output,
) -> Result<()> {
    let now = SystemTime::now();
    let mut pass = seen.pass()?;
    let mut lines = String::new();
    client.list(&at.key, |object| {
        run.stop().check()?;
        let name = object.key.strip_prefix(&at.key).unwrap_or(&object.key);
        if event::no_data(name).is_some() {
            return Ok(());
        }
        let age = now.duration_since(object.modified.into()).unwrap_or_default();
        if age < args.settle {
            return Ok(());
        }
        if !pass.is_new(&object)? {
            return Ok(());
        }
        let line = event_of(client, at, object).line();
        run.counter("rows").add(1);
        match queue {
            Some(queue) => drop(queue.send(&line)?),
            None => {
                lines.push_str(&line);
                lines.push('\n');
                if lines.len() >= 1 << 16 {
                    print(out, &mut lines)?;
                }
            }
        }
        Ok(())
    })?;
    print(out, &mut lines)?;
    pass.finish()
}

fn print(out: &mut Output, lines: &mut String) -> Result<()> {
    out.write_all(lines.as_bytes()).map_err(|error| Error::io("cannot write to stdout", error))?;
    lines.clear();
    Ok(())
}

fn event_of(client: &Client, at: &Location, object: Object) -> Event {
    Event {
        url: client.at(&object.key).to_string(),
        bucket: at.bucket.clone(),
        key: object.key,
        size: Some(object.size),
        etag: object.etag,
        sequencer: None,
    }
}
