//! The directory: where each file stands, and what they say together of a split.

use crate::journal::{self, Event};
use crate::lock::{self, Holder, Lock, Taken};
use crate::plan::{Plan, Split};
use crate::{Failure, Receipt, durable};
use fault::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A migration's state directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

/// What is known of a split.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Nothing yet.
    Pending,
    /// A process, or an orphan of one, holds its lock.
    Running(Holder),
    Done(Box<Receipt>),
    Failed(Failure),
    /// An operator decided to leave it out; the reason.
    Skipped(String),
}

impl Status {
    /// The word for lists.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Running(_) => "running",
            Status::Done(_) => "done",
            Status::Failed(failure) if failure.retryable => "failed",
            Status::Failed(_) => "blocked",
            Status::Skipped(_) => "skipped",
        }
    }
}

const FOLDERS: [&str; 6] = ["done", "failed", "skipped", "rejects", "lock", "logs"];

impl Directory {
    /// Makes the directory and its folders, where they are missing.
    pub fn create(root: &Path) -> Result<Directory> {
        for folder in FOLDERS {
            let path = root.join(folder);
            std::fs::create_dir_all(&path)
                .map_err(|error| Error::io(format!("cannot create {}", path.display()), error))?;
        }
        Ok(Directory { root: root.to_owned() })
    }

    /// An existing one. A directory without a plan is a usage error.
    pub fn open(root: &Path) -> Result<Directory> {
        if !root.join("plan.tsv").is_file() {
            return Err(Error::usage(format!(
                "{} holds no plan.tsv: make one with ts-plan -o {}/plan.tsv",
                root.display(),
                root.display()
            )));
        }
        Directory::create(root)
    }

    /// The plan.
    pub fn plan(&self) -> Result<Plan> {
        Plan::read(&self.root.join("plan.tsv"))
    }

    /// One split of the plan.
    pub fn split(&self, id: &str) -> Result<Option<Split>> {
        Plan::read_split(&self.root.join("plan.tsv"), id)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where a split's rejected rows go.
    pub fn rejects(&self, id: &str) -> PathBuf {
        self.root.join("rejects").join(id)
    }

    /// Where what its stages say goes: `logs/<id>.<attempt>/`.
    pub fn logs(&self, id: &str, attempt: u32) -> PathBuf {
        self.root.join("logs").join(format!("{id}.{attempt}"))
    }

    fn json(&self, folder: &str, id: &str) -> PathBuf {
        self.root.join(folder).join(format!("{id}.json"))
    }

    /// The receipt, if the split is done.
    pub fn receipt(&self, id: &str) -> Result<Option<Receipt>> {
        parsed(&self.json("done", id))
    }

    /// Makes a split done: the receipt is on disk when this returns. A failure on record is forgotten.
    pub fn done(&self, receipt: &Receipt) -> Result<()> {
        durable::write(&self.json("done", &receipt.id), &printed(receipt)?)?;
        durable::remove(&self.json("failed", &receipt.id))?;
        self.note(&receipt.ended, &receipt.id, "done", format!("{} rows", receipt.rows))
    }

    /// The failure, if the split's last attempt failed.
    pub fn failure(&self, id: &str) -> Result<Option<Failure>> {
        parsed(&self.json("failed", id))
    }

    /// Puts a failure on record.
    pub fn failed(&self, failure: &Failure) -> Result<()> {
        durable::write(&self.json("failed", &failure.id), &printed(failure)?)?;
        self.note(&failure.at, &failure.id, "failed", format!("exit {}: {}", failure.exit, failure.error))
    }

    /// Forgets a failure or a decision to skip, so that the split is pending again. False: there was neither.
    pub fn retry(&self, id: &str, at: &str) -> Result<bool> {
        let failed = durable::remove(&self.json("failed", id))?;
        let skipped = durable::remove(&self.json("skipped", id))?;
        if failed || skipped {
            self.note(at, id, "retry", String::new())?;
        }
        Ok(failed || skipped)
    }

    /// Leaves a split out for this reason.
    pub fn skip(&self, id: &str, at: &str, reason: &str) -> Result<()> {
        durable::write(&self.json("skipped", id), &printed(&reason)?)?;
        self.note(at, id, "skipped", reason.to_owned())
    }

    /// Why the split is left out, if it is.
    pub fn skipped(&self, id: &str) -> Result<Option<String>> {
        parsed(&self.json("skipped", id))
    }

    /// Adds a line to the journal.
    pub fn note(&self, at: &str, id: &str, what: &str, note: String) -> Result<()> {
        let event = Event { at: at.to_owned(), id: id.to_owned(), what: what.to_owned(), note };
        journal::append(&self.root.join("journal.jsonl"), &event)
    }

    /// What happened to a split, oldest first.
    pub fn history(&self, id: &str) -> Result<Vec<Event>> {
        Ok(journal::of(&durable::read(&self.root.join("journal.jsonl"))?.unwrap_or_default(), id))
    }

    /// Takes a split's lock for this process and all that it starts; `Err` of kind `Refused` names who holds it.
    pub fn lock(&self, id: &str, me: &Holder, wait: Duration) -> Result<Lock> {
        match lock::take(&self.root.join("lock").join(id), me, wait)? {
            Taken::Mine(lock) => Ok(lock),
            Taken::Held(holder) => Err(Error::new(
                Kind::Refused,
                format!(
                    "split {id} is being worked on by process {} on {} since {}, or by a stage that it started: wait for it, or end it",
                    holder.pid, holder.host, holder.since
                ),
            )),
        }
    }

    /// Who is at work on a split now, if somebody is.
    pub fn holder(&self, id: &str) -> Result<Option<Holder>> {
        lock::held(&self.root.join("lock").join(id))
    }

    /// What is known of a split.
    pub fn status(&self, id: &str) -> Result<Status> {
        match self.receipt(id)? {
            Some(receipt) => Ok(Status::Done(Box::new(receipt))),
            None => self.open_status(id, |_| true),
        }
    }

    /// What is known of a split that is not done. Only the folders are asked that may know of it.
    pub(crate) fn open_status(&self, id: &str, may_know: impl Fn(&str) -> bool) -> Result<Status> {
        if may_know("lock")
            && let Some(holder) = self.holder(id)?
        {
            return Ok(Status::Running(holder));
        }
        if may_know("skipped")
            && let Some(reason) = self.skipped(id)?
        {
            return Ok(Status::Skipped(reason));
        }
        let failure = if may_know("failed") { self.failure(id)? } else { None };
        Ok(failure.map_or(Status::Pending, Status::Failed))
    }

    /// The splits that an executor should run now: neither done, nor skipped, nor failed for good. Running ones are
    /// among them: the lock decides when they are reached.
    pub fn pending<'a>(&self, plan: &'a Plan) -> Result<Vec<&'a Split>> {
        let (done, skipped, failed) = (self.names("done")?, self.names("skipped")?, self.names("failed")?);
        let mut pending = Vec::new();
        for split in &plan.splits {
            let out = done.contains(&split.id) || skipped.contains(&split.id);
            if out || (failed.contains(&split.id) && self.failure(&split.id)?.is_some_and(|f| !f.retryable)) {
                continue;
            }
            pending.push(split);
        }
        Ok(pending)
    }

    /// The ids that have a file in this folder: one listing instead of a look at every file.
    pub(crate) fn names(&self, folder: &str) -> Result<HashSet<String>> {
        let path = self.root.join(folder);
        let fail = |error| Error::io(format!("cannot list {}", path.display()), error);
        let mut names = HashSet::new();
        for entry in std::fs::read_dir(&path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            // Locks have no ending; what begins with a point is a file that is still written.
            if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
                names.insert(name.strip_suffix(".json").unwrap_or(name).to_owned());
            }
        }
        Ok(names)
    }
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = durable::read(path)? else { return Ok(None) };
    // It was renamed into place as a whole: if it is damaged, the disk is, and nothing may be concluded from it.
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::caused(Kind::LocalIo, format!("{} is damaged", path.display()), error))
}

fn printed(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| Error::caused(Kind::Bug, "a record of the state cannot be written as JSON", error))?;
    bytes.push(b'\n');
    Ok(bytes)
}
