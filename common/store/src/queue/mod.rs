//! Queues that tell of new objects: SQS, and a folder of files for two clusters without a cloud.
//!
//! The contract is SQS's: a message that was received is hidden for its visibility time, comes back unless it was deleted, and
//! may come more than once and in any order. Whoever works on one says again and again that it is still hidden
//! ([`Queue::visible_in`]) and deletes it only when the work is done.

pub mod event;
mod folder;
mod sqs;
mod sqs_reply;

pub use event::{Decoded, Event};
pub use folder::Folder;

use crate::Options;
use fault::{Error, Result};
use std::time::Duration;

/// A message that was received and is hidden from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue's name for it; the same at every receive.
    pub id: String,
    /// The right to delete it or to keep it hidden; another one at every receive.
    pub receipt: String,
    /// How often it was received, this time included.
    pub count: u32,
    /// What was sent.
    pub body: String,
}

/// What [`Queue::receive`] is asked for.
pub struct Ask<'a> {
    /// So many messages at most (SQS gives no more than 10).
    pub max: usize,
    /// Wait so long for the first one (SQS: 20 s at most).
    pub wait: Duration,
    /// Hide what is received for so long.
    pub visibility: Duration,
    /// Would this body be ours? A queue that can look before it takes leaves others alone; SQS cannot.
    pub wanted: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Is a message still ours?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    /// Its visibility time was over: it is visible again, or somebody else's, or deleted.
    Lost,
}

/// A queue.
pub trait Queue: Send + Sync {
    /// For messages to people.
    fn name(&self) -> &str;

    /// Up to `ask.max` messages; none if nothing came in `ask.wait`, or once the stop flag is raised.
    fn receive(&self, ask: &Ask) -> Result<Vec<Message>>;

    /// The message shall be visible to everybody after `time`, counted from now: longer for one that is worked on, zero for one
    /// that is given back. Also works after the stop flag was raised.
    fn visible_in(&self, receipt: &str, time: Duration) -> Result<Held>;

    /// Deletes messages; one answer for each. Also works after the stop flag was raised.
    fn delete(&self, receipts: &[&str]) -> Result<Vec<Held>>;

    /// Sends a message; returns its id.
    fn send(&self, body: &str) -> Result<String>;

    /// Puts a message where nobody receives it. `false`: this queue has no such place of its own.
    fn bury(&self, message: &Message, reason: &str) -> Result<bool>;
}

/// Opens `sqs+https://host/account/queue` (`sqs+http://` for a simulator) or `dir:///absolute/folder`, which is made if it is
/// not there. The options' side does not matter: what a queue fails at is exit 4. Exit 2 for another URL.
pub fn open(url: &str, options: Options) -> Result<Box<dyn Queue>> {
    if let Some(path) = url.strip_prefix("dir://") {
        if !path.starts_with('/') {
            return Err(Error::usage(format!(
                "'{url}': a folder queue is dir:// and an absolute path: dir:///var/queue"
            )));
        }
        return Ok(Box::new(Folder::open(path.as_ref(), options.stop)?));
    }
    if url.starts_with("sqs+http://") || url.starts_with("sqs+https://") {
        return Ok(Box::new(sqs::Sqs::open(url, options)?));
    }
    let scheme = url.split_once("://").map_or("no scheme", |(scheme, _)| scheme);
    Err(Error::usage(format!("a queue's URL is sqs+https://HOST/ACCOUNT/QUEUE or dir:///FOLDER, not {scheme}")))
}
