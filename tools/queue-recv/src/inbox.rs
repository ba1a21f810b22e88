//! What comes from the queue, sorted: work of ours, other jobs' messages, and what is no work at all.

use crate::Args;
use crate::args::LONGEST_WAIT;
use cli::{Counter, Run};
use fault::{Context, Result};
use std::time::Duration;
use store::queue::{Ask, Decoded, Event, Held, Message, Queue, event};

/// How long another job's message is hidden from us, and alas from that job, the first time; doubled with every receive.
const FOREIGN: Duration = Duration::from_secs(30);

/// A message with work in it.
pub struct Job {
    pub message: Message,
    pub events: Vec<Event>,
}

/// The queue, seen from one job.
pub struct Inbox<'a> {
    pub args: &'a Args,
    pub run: &'a Run,
    pub queue: &'a dyn Queue,
    pub dead_letters: Option<&'a dyn Queue>,
    counts: Counts,
}

struct Counts {
    messages: Counter,
    ignored: Counter,
    foreign: Counter,
    dead: Counter,
    rejected: Counter,
}

impl<'a> Inbox<'a> {
    pub fn new(args: &'a Args, run: &'a Run, queue: &'a dyn Queue, dead_letters: Option<&'a dyn Queue>) -> Inbox<'a> {
        let counts = Counts {
            messages: run.counter("messages"),
            ignored: run.counter("ignored"),
            foreign: run.counter("foreign"),
            dead: run.counter("dead"),
            rejected: run.counter("rejected"),
        };
        Inbox { args, run, queue, dead_letters, counts }
    }

    fn ours(&self, event: &Event) -> bool {
        self.args.prefix.as_deref().is_none_or(|prefix| event.url.starts_with(prefix))
    }

    /// Is this a message that another job waits for? What is no work, or no event at all, anybody may clear away.
    fn is_foreign(&self, decoded: &Decoded) -> bool {
        !decoded.events.is_empty() && !decoded.events.iter().any(|event| self.ours(event))
    }

    /// Work, at most so many messages; none if nothing has come for `wait`.
    pub fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Job>> {
        let wanted = |body: &str| !event::decode(body).is_ok_and(|decoded| self.is_foreign(&decoded));
        let ask = Ask { max, wait, visibility: self.args.visibility(), wanted: &wanted };
        let mut jobs = Vec::new();
        for message in self.queue.receive(&ask)? {
            jobs.extend(self.sort(message)?);
        }
        Ok(jobs)
    }

    fn sort(&self, message: Message) -> Result<Option<Job>> {
        let decoded = match event::decode(&message.body) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.run.warn(format!("message {}: {error}", message.id));
                self.bury(&message, &error.to_string())?;
                return Ok(None);
            }
        };
        if self.is_foreign(&decoded) {
            self.counts.foreign.add(1);
            let wait = self.args.back_off(FOREIGN.min(LONGEST_WAIT), message.count);
            self.queue.visible_in(&message.receipt, wait)?;
            return Ok(None);
        }
        self.counts.messages.add(1);
        for what in &decoded.ignored {
            self.counts.ignored.add(1);
            self.run.info(format!("message {}: ignored {what}", message.id));
        }
        let (events, others): (Vec<_>, Vec<_>) = decoded.events.into_iter().partition(|event| self.ours(event));
        for event in others {
            // Several jobs in one message: each gets its own, before this one can be deleted.
            self.counts.foreign.add(1);
            self.queue.send(&event.line())?;
        }
        if events.is_empty() {
            self.delete(&message)?;
            return Ok(None);
        }
        Ok(Some(Job { message, events }))
    }

    /// The work is done.
    pub fn delete(&self, message: &Message) -> Result<()> {
        let held = self.queue.delete(&[&message.receipt]).context(|| format!("message {}", message.id))?;
        if held.contains(&Held::Lost) {
            self.run.warn(format!(
                "message {}: its visibility time was over before it was deleted: it may be worked on once more",
                message.id
            ));
        }
        Ok(())
    }

    /// Nobody shall work on it again. `false`: it stays in the queue, which has a policy of its own for it.
    pub fn bury(&self, message: &Message, reason: &str) -> Result<bool> {
        let buried = match self.dead_letters {
            Some(dead) => {
                dead.send(&message.body)?;
                self.delete(message)?;
                true
            }
            None => self.queue.bury(message, reason)?,
        };
        if buried {
            self.counts.dead.add(1);
            self.counts.rejected.add(1);
            self.run.warn(format!("message {}: a dead letter: {reason}", message.id));
        } else {
            self.queue.visible_in(&message.receipt, self.args.back_off(self.args.retry_wait, message.count))?;
            self.run.counter("left").add(1);
            self.run.warn(format!(
                "message {}: left to the queue's redrive policy (--dead-letter takes it out): {reason}",
                message.id
            ));
        }
        Ok(buried)
    }
}
