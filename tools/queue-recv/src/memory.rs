//! What has been done: in this run, and in earlier ones where there is a ledger. Some 100 bytes for an object.

use fault::{Error, Result};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use store::queue::{Event, event};

/// What is known of an object that is done.
#[derive(Default)]
struct Done {
    /// A hash of its ETag, as it was done last.
    etag: Option<u64>,
    /// Those before: a message that was hidden for a while may tell of an older version after a newer one.
    earlier: Vec<u64>,
    sequencer: Option<Box<str>>,
}

/// Objects that are done, by a hash of their URLs.
#[derive(Default)]
pub struct Memory {
    done: HashMap<u128, Done>,
    hashes: [RandomState; 2],
    ledger: Option<(File, String)>,
}

impl Memory {
    /// Reads a ledger; it is made if it is not there. Lines are event lines; a torn one, as a kill or a full disk leaves it,
    /// says nothing.
    pub fn open(ledger: Option<&Path>) -> Result<Memory> {
        let mut memory = Memory::default();
        let Some(path) = ledger else { return Ok(memory) };
        let name = path.display().to_string();
        let fail = |error| Error::io(format!("cannot open {name}"), error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut torn = false;
        while reader.read_until(b'\n', &mut line).map_err(fail)? > 0 {
            torn = line.last() != Some(&b'\n');
            if let Ok(decoded) = event::decode(&String::from_utf8_lossy(&line)) {
                decoded.events.iter().for_each(|event| memory.remember(event));
            }
            line.clear();
        }
        if torn {
            file.write_all(b"\n").map_err(fail)?;
        }
        memory.ledger = Some((file, name));
        Ok(memory)
    }

    /// Is this event done, or older than one of its object that is?
    pub fn has(&self, event: &Event) -> bool {
        let Some(done) = self.done.get(&self.hash(&event.url)) else { return false };
        if let (Some(old), Some(new)) = (&done.sequencer, &event.sequencer)
            && event::newer(new, old) != Ordering::Greater
        {
            return true;
        }
        done.etag.is_some() && done.etag == self.etag(event)
    }

    /// Has this object been done, in any version, or in that of this ETag?
    pub fn has_object(&self, url: &str, etag: Option<&str>) -> bool {
        let Some(done) = self.done.get(&self.hash(url)) else { return false };
        match (done.etag, etag.map(|etag| self.hashes[0].hash_one(etag))) {
            (Some(last), Some(etag)) => last == etag || done.earlier.contains(&etag),
            _ => true,
        }
    }

    /// It is done; on disk when this returns.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        if let Some((file, name)) = &mut self.ledger {
            let line = event.line() + "\n";
            file.write_all(line.as_bytes())
                .and_then(|()| file.sync_data())
                .map_err(|error| Error::io(format!("cannot write {name}"), error))?;
        }
        self.remember(event);
        Ok(())
    }

    fn remember(&mut self, event: &Event) {
        let (hash, etag) = (self.hash(&event.url), self.etag(event));
        let done = self.done.entry(hash).or_default();
        if let Some(before) = std::mem::replace(&mut done.etag, etag)
            && !done.earlier.contains(&before)
        {
            done.earlier.push(before);
        }
        done.sequencer = event.sequencer.as_deref().map(Into::into);
    }

    fn etag(&self, event: &Event) -> Option<u64> {
        event.etag.as_ref().map(|etag| self.hashes[0].hash_one(etag.as_str()))
    }

    fn hash(&self, url: &str) -> u128 {
        u128::from(self.hashes[0].hash_one(url)) << 64 | u128::from(self.hashes[1].hash_one(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(url: &str, etag: Option<&str>, sequencer: Option<&str>) -> Event {
        Event {
            url: url.into(),
            bucket: String::new(),
            key: url.into(),
            size: None,
            etag: etag.map(Into::into),
            sequencer: sequencer.map(Into::into),
        }
    }

    #[test]
    fn duplicates_and_older_events_are_known_and_new_versions_are_not() {
        let mut memory = Memory::default();
        memory.add(&event("s3://b/a", Some("e1"), Some("05"))).unwrap();
        assert!(memory.has(&event("s3://b/a", Some("e1"), Some("05"))));
        assert!(memory.has(&event("s3://b/a", Some("e0"), Some("03"))), "older");
        assert!(memory.has(&event("s3://b/a", Some("e1"), Some("07"))), "the same content again");
        assert!(!memory.has(&event("s3://b/a", Some("e2"), Some("07"))));
        assert!(!memory.has(&event("s3://b/b", Some("e1"), Some("05"))));
        memory.add(&event("s3://b/b", None, None)).unwrap();
        assert!(!memory.has(&event("s3://b/b", None, None)), "nothing says that it is the same");
        assert!(memory.has_object("s3://b/b", Some("x")) && memory.has_object("s3://b/a", Some("e1")));
        assert!(!memory.has_object("s3://b/a", Some("e9")) && !memory.has_object("s3://b/c", None));
    }

    #[test]
    fn a_version_that_was_done_stays_done_whatever_comes_after_it() {
        let mut memory = Memory::default();
        for etag in ["new", "old", "new", "older"] {
            memory.add(&event("s3://b/a", Some(etag), None)).unwrap();
        }
        assert!(["new", "old", "older"].iter().all(|etag| memory.has_object("s3://b/a", Some(etag))));
        assert!(!memory.has_object("s3://b/a", Some("other")));
        // What is told of again may be what the object holds now: only the last is known to be no news.
        assert!(memory.has(&event("s3://b/a", Some("older"), None)));
        assert!(!memory.has(&event("s3://b/a", Some("new"), None)));
    }

    #[test]
    fn a_ledger_is_read_again_also_after_a_torn_line() {
        let dir = testkit::temp_dir();
        let path = dir.path().join("ledger");
        Memory::open(Some(&path)).unwrap().add(&event("s3://b/a", Some("e"), None)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"event":"created","url":"s3://b/t"#).unwrap();
        Memory::open(Some(&path)).unwrap().add(&event("s3://b/c", Some("e"), None)).unwrap();
        let memory = Memory::open(Some(&path)).unwrap();
        assert!(memory.has(&event("s3://b/a", Some("e"), None)) && memory.has(&event("s3://b/c", Some("e"), None)));
        assert!(!memory.has_object("s3://b/t", None));
    }
}
