//! The journal: what happened, for people. Nothing is decided by it.

use fault::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A line of `journal.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339, seconds.
    pub at: String,
    pub id: String,
    /// `started`, `done`, `failed`, `retry`, `skipped`.
    pub what: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Appends a line with one `write(2)`: lines of two processes never mix. Where a full disk, or a killed host, has left a
/// part of a line, that part is ended first.
pub(crate) fn append(path: &Path, event: &Event) -> Result<()> {
    let fail = |error| Error::io(format!("cannot write {}", path.display()), error);
    let mut line = serde_json::to_string(event).map_err(|error| fail(error.into()))? + "\n";
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
    let mut last = [b'\n'];
    if let Some(at) = file.metadata().map_err(fail)?.len().checked_sub(1) {
        file.read_at(&mut last, at).map_err(fail)?;
    }
    if last != *b"\n" {
        line.insert(0, '\n');
    }
    file.write_all(line.as_bytes()).map_err(fail)
}

/// The events of a split, oldest first. A torn line, as a full disk or a killed host leaves it, is passed over.
pub(crate) fn of(text: &str, id: &str) -> Vec<Event> {
    text.lines()
        .filter(|line| line.contains(id))
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|event: &Event| event.id == id)
        .collect()
}
