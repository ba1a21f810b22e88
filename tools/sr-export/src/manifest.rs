//! `manifest.jsonl`: a line for each file that is complete, so that a run can go on where another ended.

use fault::{Error, Kind, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// The name of the manifest in the output directory.
pub const NAME: &str = "manifest.jsonl";

/// A file of a partition; one line without a file for a partition that is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub database: String,
    pub table: String,
    pub partition: String,
    /// The server's number: another one is another partition of the same name.
    pub partition_id: String,
    /// The version that was exported; 0 where the server has none.
    pub visible_version: u64,
    /// `verified`, or `changed` (while it was read: to be exported again).
    pub state: String,
    /// From 0, of `parts`.
    pub part: u64,
    pub parts: u64,
    /// Below the directory of the manifest; empty if there is no file.
    pub file: String,
    pub rows: u64,
    pub bytes: u64,
    /// Of the whole file, 16 hex digits.
    pub xxh3: String,
    /// A hash of what was asked for: columns, conditions, format.
    pub request: String,
}

/// Database, table, partition.
type Key = (String, String, String);

/// The manifest of an output directory, locked for this process.
pub struct Manifest {
    directory: PathBuf,
    /// What is known of each partition: the lines that were written last.
    before: HashMap<Key, Vec<Part>>,
    file: Mutex<File>,
}

impl Manifest {
    /// Opens (or makes) the manifest of a directory. Exit 2 if another process has it, exit 3 if it is damaged.
    pub fn open(directory: &Path) -> Result<Manifest> {
        let path = directory.join(NAME);
        let fail = |error| Error::io(format!("cannot open {}", path.display()), error);
        std::fs::create_dir_all(directory)
            .map_err(|error| Error::io(format!("cannot create {}", directory.display()), error))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(fail)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Error::usage(format!("{}: another sr-export writes into this directory", directory.display())));
        }
        let (before, whole) = read(&path, &file)?;
        if !whole {
            // A line that the end of a run cut: what it was about is done again.
            (&file).write_all(b"\n").map_err(fail)?;
        }
        Ok(Manifest { directory: directory.to_owned(), before, file: Mutex::new(file) })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The files of a partition that were written last.
    pub fn parts(&self, database: &str, table: &str, partition: &str) -> &[Part] {
        let key = (database.to_owned(), table.to_owned(), partition.to_owned());
        self.before.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Is this partition done: all its files of this version and request are there, as they were written?
    pub fn is_done(&self, parts: &[Part], version: u64, id: &str, request: &str, rehash: bool) -> Result<bool> {
        let Some(first) = parts.first() else { return Ok(false) };
        let count = first.parts.max(1);
        // Without a version nobody knows what has changed.
        if parts.len() as u64 != count || version == 0 {
            return Ok(false);
        }
        for (number, part) in parts.iter().enumerate() {
            let same = part.part == number as u64
                && part.visible_version == version
                && part.partition_id == id
                && part.state == "verified"
                && part.request == request;
            if !same || !self.is_there(part, rehash)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_there(&self, part: &Part, rehash: bool) -> Result<bool> {
        if part.file.is_empty() {
            return Ok(part.rows == 0);
        }
        let path = self.directory.join(&part.file);
        match std::fs::metadata(&path) {
            Ok(meta) if meta.len() != part.bytes => Ok(false),
            Ok(_) if rehash => hash(&path).map(|found| found == part.xxh3),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(format!("cannot look at {}", path.display()), error)),
        }
    }

    /// Adds the lines of a partition that is complete, and syncs them.
    pub fn add(&self, parts: &[Part]) -> Result<()> {
        let mut text = Vec::new();
        for part in parts {
            serde_json::to_writer(&mut text, part).map_err(|e| Error::caused(Kind::Bug, "cannot write JSON", e))?;
            text.push(b'\n');
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)
            .and_then(|()| file.sync_data())
            .map_err(|error| Error::io(format!("cannot write {}", self.directory.join(NAME).display()), error))
    }
}

/// The last lines of each partition; `false` if the last line has no end.
fn read(path: &Path, file: &File) -> Result<(HashMap<Key, Vec<Part>>, bool)> {
    let fail = |error| Error::io(format!("cannot read {}", path.display()), error);
    let mut reader = BufReader::new(file);
    let mut parts: HashMap<Key, Vec<Part>> = HashMap::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        if reader.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            return Ok((parts, true));
        }
        if line.last() != Some(&b'\n') {
            return Ok((parts, false));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let part: Part = match serde_json::from_slice(line.trim_ascii()) {
            Ok(part) => part,
            // The end of a run cut this line, and the next run ended it.
            Err(error) if error.is_eof() => continue,
            Err(error) => return Err(Error::malformed(format!("{}:{number}: {error}", path.display()))),
        };
        let key = (part.database.clone(), part.table.clone(), part.partition.clone());
        let list = parts.entry(key).or_default();
        if part.part == 0 {
            list.clear();
        }
        list.push(part);
    }
}

/// The hash of a file's bytes, as the manifest has it.
pub fn hash(path: &Path) -> Result<String> {
    let fail = |error| Error::io(format!("cannot read {}", path.display()), error);
    let mut file = File::open(path).map_err(fail)?;
    let (mut hasher, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(hex(&hasher)),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// 16 hex digits.
pub fn hex(hasher: &Xxh3) -> String {
    format!("{:016x}", hasher.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, version: u64) -> Part {
        Part {
            database: "d".into(),
            table: "t".into(),
            partition: "p".into(),
            partition_id: "7".into(),
            visible_version: version,
            state: "verified".into(),
            part: number,
            parts: 2,
            file: format!("part-{number}.csv"),
            rows: 1,
            bytes: 3,
            xxh3: String::new(),
            request: "r".into(),
        }
    }

    #[test]
    fn the_last_lines_count_and_files_must_be_as_they_were() {
        let directory = testkit::temp_dir();
        let manifest = Manifest::open(directory.path()).unwrap();
        assert!(Manifest::open(directory.path()).is_err(), "the directory is locked");
        manifest.add(&[part(0, 4), part(1, 4)]).unwrap();
        let parts: Vec<Part> = (0..2)
            .map(|number| {
                let path = directory.path().join(format!("part-{number}.csv"));
                std::fs::write(&path, "abc").unwrap();
                Part { xxh3: hash(&path).unwrap(), ..part(number, 5) }
            })
            .collect();
        manifest.add(&parts).unwrap();
        drop(manifest);
        let mut file = OpenOptions::new().append(true).open(directory.path().join(NAME)).unwrap();
        file.write_all(b"{\"database\":\"d\",\"ta").unwrap();
        for _ in 0..2 {
            let manifest = Manifest::open(directory.path()).unwrap();
            let found = manifest.parts("d", "t", "p");
            assert_eq!(found, parts);
            let done = |version, id, request| manifest.is_done(found, version, id, request, true).unwrap();
            assert!(done(5, "7", "r"));
            assert!(!done(6, "7", "r") && !done(5, "8", "r") && !done(5, "7", "s"));
            assert!(!manifest.is_done(&found[..1], 5, "7", "r", false).unwrap());
        }
        std::fs::write(directory.path().join("part-1.csv"), "abd").unwrap();
        let manifest = Manifest::open(directory.path()).unwrap();
        let found = manifest.parts("d", "t", "p");
        assert!(manifest.is_done(found, 5, "7", "r", false).unwrap(), "the size is the same");
        assert!(!manifest.is_done(found, 5, "7", "r", true).unwrap(), "the content is not");
        std::fs::remove_file(directory.path().join("part-1.csv")).unwrap();
        assert!(!manifest.is_done(found, 5, "7", "r", false).unwrap());
    }
}
