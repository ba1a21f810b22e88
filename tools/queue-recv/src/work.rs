//! One message: its events one after the other, then its end, whatever that is.

use crate::child::{Alive, Ended, Task};
use crate::inbox::{Inbox, Job};
use crate::lease::Lease;
use crate::memory::Memory;
use crate::print::line;
use fault::{Error, Kind, Result};
use state::note_time;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::queue::Event;

/// What a message came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deleted.
    Done,
    /// Buried.
    Dead,
    /// It stays in the queue, hidden for so long.
    Again(Duration),
    /// Somebody else's, or visible again already.
    Lost,
    /// Given back: this process ends.
    GivenBack,
}

/// What an exit code of the command means.
#[derive(Debug, PartialEq, Eq)]
pub enum Judged {
    Done,
    Poison,
    Again,
    /// The command itself is wrong: no event would fare better.
    Useless,
}

/// See the tool's description.
pub fn judge(code: i32) -> Judged {
    match code {
        0 | 8 => Judged::Done,
        3 => Judged::Poison,
        2 | 126 | 127 => Judged::Useless,
        _ => Judged::Again,
    }
}

/// What all workers share.
pub struct Bench<'a> {
    pub inbox: &'a Inbox<'a>,
    pub alive: Alive,
    pub memory: Mutex<Memory>,
    /// URLs of objects that are being worked on.
    pub busy: Mutex<HashSet<String>>,
    /// URLs of dead letters.
    pub buried: Mutex<HashSet<String>>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stops the events of a message before their end.
enum Broken {
    Poison(String),
    Again(String),
    Stopped,
    Lost(String),
}

impl Bench<'_> {
    /// Asked of an object's URL and ETag: is it done, or a dead letter? Workers wait as long as the question lives.
    pub fn settled(&self) -> impl Fn(&str, Option<&str>) -> bool {
        let (memory, buried) = (lock(&self.memory), lock(&self.buried));
        move |url, etag| memory.has_object(url, etag) || buried.contains(url)
    }

    /// Works on a message that was received at `since`. An error is one that ends the tool.
    pub fn work(&self, job: &Job, since: Instant) -> Result<Verdict> {
        let (inbox, message) = (self.inbox, &job.message);
        let args = inbox.args;
        if message.count > args.max_receives {
            // Whoever had it before did not live to say why it failed.
            return self.bury(job, &format!("received {} times and never done", message.count));
        }
        let mut lease = Lease::new(inbox.queue, &message.receipt, args.visibility(), since);
        let mut broken = None;
        for (part, event) in job.events.iter().enumerate() {
            match self.turn(job, part, event, &mut lease) {
                Ok(None) => {}
                Ok(Some(why)) => {
                    broken = Some(why);
                    break;
                }
                Err(error) => {
                    self.give_back(job);
                    return Err(error);
                }
            }
        }
        match broken {
            None => inbox.delete(message).map(|()| Verdict::Done),
            Some(Broken::Poison(why)) => self.bury(job, &why),
            Some(Broken::Again(why)) if message.count >= args.max_receives => {
                self.bury(job, &format!("{why}, after {} attempts", message.count))
            }
            Some(Broken::Again(why)) => {
                let wait = args.back_off(args.retry_wait, message.count);
                inbox.run.counter("failed").add(1);
                inbox.run.warn(format!("message {}: {why}: trying again in {wait:.1?}", message.id));
                inbox.queue.visible_in(&message.receipt, wait)?;
                Ok(Verdict::Again(wait))
            }
            Some(Broken::Lost(why)) => {
                inbox.run.warn(format!("message {}: the command was ended: {why}", message.id));
                inbox.run.counter("lost").add(1);
                Ok(Verdict::Lost)
            }
            Some(Broken::Stopped) => {
                self.give_back(job);
                Ok(Verdict::GivenBack)
            }
        }
    }

    /// Visible again at once, where that can still be said; else when its time is over.
    fn give_back(&self, job: &Job) {
        if let Err(error) = self.inbox.queue.visible_in(&job.message.receipt, Duration::ZERO) {
            self.inbox.run.warn(format!(
                "message {}: cannot be given back, it comes back within {:.0?}: {error}",
                job.message.id,
                self.inbox.args.visibility()
            ));
        }
    }

    fn bury(&self, job: &Job, why: &str) -> Result<Verdict> {
        let urls: Vec<&str> = job.events.iter().map(|event| event.url.as_str()).collect();
        if self.inbox.bury(&job.message, &format!("{}: {why}", urls.join(", ")))? {
            lock(&self.buried).extend(job.events.iter().map(|event| event.url.clone()));
            return Ok(Verdict::Dead);
        }
        Ok(Verdict::Again(Duration::ZERO))
    }

    /// One event, once no other worker is at its object.
    fn turn(&self, job: &Job, part: usize, event: &Event, lease: &mut Lease) -> Result<Option<Broken>> {
        let stop = self.inbox.run.stop();
        while !lock(&self.busy).insert(event.url.clone()) {
            if stop.is_raised() {
                return Ok(Some(Broken::Stopped));
            }
            if let Err(why) = lease.keep() {
                return Ok(Some(Broken::Lost(why)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let result = self.one(job, part, event, lease);
        lock(&self.busy).remove(&event.url);
        result
    }

    fn one(&self, job: &Job, part: usize, event: &Event, lease: &mut Lease) -> Result<Option<Broken>> {
        let (run, args) = (self.inbox.run, self.inbox.args);
        let stop = run.stop();
        if stop.is_raised() {
            return Ok(Some(Broken::Stopped));
        }
        if lock(&self.memory).has(event) {
            run.counter("duplicates").add(1);
            run.info(format!("message {}: {} is done already", job.message.id, event.url));
            return Ok(None);
        }
        // It may have waited for a worker.
        if let Err(why) = lease.keep() {
            return Ok(Some(Broken::Lost(why)));
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let task = Task {
            command: &args.command,
            environment: vec![
                ("TS_EVENT_URL", event.url.clone()),
                ("TS_EVENT_BUCKET", event.bucket.clone()),
                ("TS_EVENT_KEY", event.key.clone()),
                ("TS_EVENT_SIZE", event.size.map(|size| size.to_string()).unwrap_or_default()),
                ("TS_EVENT_ETAG", text(&event.etag)),
                ("TS_EVENT_SEQUENCER", text(&event.sequencer)),
                ("TS_EVENT_ID", job.message.id.clone()),
                ("TS_EVENT_RECEIVES", job.message.count.to_string()),
            ],
            input: line(job, part, event) + "\n",
            limit: args.time_limit,
        };
        let started = Instant::now();
        let ended = task.run(&self.alive, lease, &stop)?;
        if let (Some(path), Ended::Code(code)) = (&args.timings, &ended) {
            note_time(path, ("url", &event.url), started.elapsed(), *code)?;
        }
        let code = match ended {
            Ended::Stopped => return Ok(Some(Broken::Stopped)),
            Ended::Lost(why) => return Ok(Some(Broken::Lost(why))),
            Ended::Late => {
                return Ok(Some(Broken::Again(format!("the command took longer than {:?}", args.time_limit))));
            }
            Ended::Code(code) => code,
        };
        match judge(code) {
            Judged::Done => {
                if code == 8 {
                    run.counter("partial").add(1);
                    run.warn(format!(
                        "message {}: {}: done, but the command rejected rows (8)",
                        job.message.id, event.url
                    ));
                }
                lock(&self.memory).add(event)?;
                run.counter("rows").add(1);
                run.counter("bytes").add(event.size.unwrap_or(0));
                Ok(None)
            }
            Judged::Poison => Ok(Some(Broken::Poison(format!("the command ended with {code}: malformed")))),
            Judged::Again => Ok(Some(Broken::Again(format!("the command ended with {code}")))),
            Judged::Useless => Err(Error::new(
                Kind::Usage,
                format!(
                    "{}: the command ended with {code}: wrong usage, or no such command: no message was deleted for it",
                    event.url
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_mean_what_the_description_says() {
        for (code, want) in [
            (0, Judged::Done),
            (8, Judged::Done),
            (3, Judged::Poison),
            (2, Judged::Useless),
            (126, Judged::Useless),
            (127, Judged::Useless),
        ] {
            assert_eq!(judge(code), want, "{code}");
        }
        for code in [1, 4, 5, 6, 7, 9, 10, 70, 130, 137, 141, 143, 255] {
            assert_eq!(judge(code), Judged::Again, "{code}");
        }
    }
}
