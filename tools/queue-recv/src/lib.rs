//! `queue-recv`: events of new objects from a queue, printed or worked on.

pub mod args;
mod child;
mod guard;
mod inbox;
mod lease;
mod manifest;
mod memory;
mod pace;
mod pool;
mod print;
mod work;

pub use args::Args;

use cli::{Run, Tool};
use fault::Result;
use net::Side;
use store::{Options, queue};

/// What the tool says of itself.
pub static TOOL: Tool = Tool {
    name: "queue-recv",
    stage: cli::Stage::Control,
    about: "Receive events of new objects from a queue, and run a command for each",
    description: "\
Reads messages from SQS, or from a folder that is a queue, and decodes them: notifications of S3 (bare, wrapped by SNS, or sent by \
EventBridge) and the event lines of store-watch and store-put. Test events, removals, temporary names of EXPORT and Spark, and \
markers (names that begin with _ or .) are no work: they are counted, and their messages deleted.

With a COMMAND, runs it once for every event, with the event as a line of JSON on its stdin and TS_EVENT_URL, TS_EVENT_BUCKET, \
TS_EVENT_KEY, TS_EVENT_SIZE, TS_EVENT_ETAG, TS_EVENT_SEQUENCER, TS_EVENT_ID and TS_EVENT_RECEIVES in its environment. Its message stays \
hidden while it runs, and is deleted only after it ended with 0 or 8. Without a COMMAND, prints the events, one JSON line each, and \
leaves it to queue-ack to delete their messages.

How COMMAND ends decides: 0 done; 8 done, with rows rejected; 3 (malformed) a dead letter at once; 2, 126 and 127 (wrong usage, no \
such command) end queue-recv with 2, since the next event would not fare better; everything else (4, 5, 6, 7, 9, a signal, an exit code \
of another program) makes the message visible again after a growing wait, until it was received --max-receives times. Then it is a \
dead letter. Dead letters make the exit code 8; messages that stay in the queue, and objects of a manifest that no message told \
of, make it 9.

Delivery is at least once: a message may come twice, and after kill -9 a COMMAND whose end nobody saw is run again. An event that \
was done in this run, or stands in --ledger, is not done again; beyond that COMMAND must not mind (give loads a label that \
follows from TS_EVENT_URL and TS_EVENT_ETAG). SIGTERM ends the COMMANDs and gives their messages back at once.",
    examples: &[
        ("load what a job writes, four files at a time, until nothing has come for five minutes", "queue-recv --url dir:///var/queue --prefix s3://b/job/ --concurrency 4 --idle 5m -- ./load.sh"),
        ("print events, and delete each when it is done", "queue-recv --url dir:///var/queue --limit 10 --idle 1s | ./load-all.sh | queue-ack --url dir:///var/queue"),
    ],
    environment: &[
        ("TS_QUEUE_URL", "as --url"),
        ("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: who asks; else a role"),
        ("AWS_REGION", "the region, where the queue's host does not name it"),
        ("AWS_ENDPOINT_URL_SQS", "where to send requests instead of the queue's host"),
    ],
};

/// Receives.
pub fn run(args: Args, run: &Run) -> Result<()> {
    if args.guard {
        return guard::run(&args.command);
    }
    args.check()?;
    let open = |url| queue::open(url, options(&args, run));
    let queue = open(args.url()?)?;
    let dead = args.dead_letter.as_deref().map(open).transpose()?;
    if args.command.is_empty() {
        print::run(&args, run, queue.as_ref(), dead.as_deref())
    } else {
        pool::run(&args, run, queue.as_ref(), dead.as_deref())
    }
}

/// How queues, and the store of the manifest, are spoken to.
fn options(args: &Args, run: &Run) -> Options {
    Options::new(Side::Source)
        .patient(args.retry.retries, args.retry.timeout)
        .trusting(args.tls.tls_insecure, args.tls.tls_ca_file.as_ref())
        .serving(run.stopped(), run.replied(), run.repeated())
}
