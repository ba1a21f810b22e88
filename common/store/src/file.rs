//! Files as objects.
//!
//! Own code rather than the library's, which leaves `NAME#1` behind where a writer was killed, lists in no order, and reads
//! 8 KiB at a time. An object is written under a temporary name, which is locked while its writer lives: what carries such a
//! name and no lock was left by one that was killed, and is removed by the next writer of the same object.

use crate::location::Location;
use crate::object::Object;
use chrono::{DateTime, Utc};
use fault::{Error, Kind, Result};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// In the names of unfinished files.
const UNFINISHED: &str = ".ts-put-";

/// A file that is being written.
pub(crate) struct Unfinished {
    file: Option<File>,
    temporary: PathBuf,
    target: Location,
}

impl Unfinished {
    pub(crate) fn create(target: &Location) -> Result<Unfinished> {
        let path = target.file();
        let fail = |error| failed(target, "cannot create", error);
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(fail)?;
        if path.is_dir() {
            return Err(Error::new(Kind::Refused, format!("{target}: it is a folder")));
        }
        for left in leftovers(folder, Some(target.name())).map_err(fail)? {
            // Another writer may have removed it in the meantime.
            let _ = std::fs::remove_file(left.path);
        }
        let name = format!(".{}{UNFINISHED}{}-{:x}", target.name(), std::process::id(), rand::random::<u32>());
        let temporary = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(fail)?;
        let unfinished = Unfinished { file: Some(file), temporary, target: target.clone() };
        if let Some(file) = &unfinished.file {
            // A file system without locks: what a killed writer leaves is then not known for certain.
            let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
        }
        Ok(unfinished)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(|error| failed(&self.target, "cannot write", error)),
            None => Ok(()),
        }
    }

    /// fsync, then its name; with `create` only if there is none of that name yet (exit 6).
    pub(crate) fn finish(mut self, create: bool) -> Result<Object> {
        let path = self.target.file();
        let fail = |error| failed(&self.target, "cannot write", error);
        if let Some(file) = &self.file {
            file.sync_all().map_err(fail)?;
        }
        if create {
            std::fs::hard_link(&self.temporary, &path).map_err(fail)?;
            std::fs::remove_file(&self.temporary).map_err(fail)?;
        } else {
            std::fs::rename(&self.temporary, &path).map_err(fail)?;
        }
        self.file = None;
        let folder = path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        head(&self.target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// A file that a killed writer left.
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) modified: DateTime<Utc>,
}

/// Unfinished files of this folder that nobody holds; of one object, or of all.
pub(crate) fn leftovers(folder: &Path, name: Option<&str>) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(of) = file_name.to_str().and_then(unfinished_of) else { continue };
        if name.is_some_and(|name| name != of) {
            continue;
        }
        // Gone by now: finished.
        let Ok(file) = File::open(entry.path()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let meta = file.metadata()?;
            found.push(Leftover { path: entry.path(), size: meta.len(), modified: modified(&meta) });
        }
    }
    Ok(found)
}

/// The object of which this is an unfinished file.
fn unfinished_of(name: &str) -> Option<&str> {
    let (of, number) = name.strip_prefix('.')?.rsplit_once(UNFINISHED)?;
    (!of.is_empty() && number.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')).then_some(of)
}

/// What is known of a file.
pub(crate) fn head(location: &Location) -> Result<Object> {
    let meta = std::fs::metadata(location.file()).map_err(|error| failed(location, "cannot read", error))?;
    if !meta.is_file() {
        return Err(Error::new(Kind::Refused, format!("{location}: it is no regular file")));
    }
    Ok(object(&location.key, &meta))
}

pub(crate) fn open(location: &Location) -> Result<File> {
    File::open(location.file()).map_err(|error| failed(location, "cannot open", error))
}

/// `false`: there was none.
pub(crate) fn delete(location: &Location) -> Result<bool> {
    match std::fs::remove_file(location.file()) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(failed(location, "cannot remove", error)),
    }
}

/// The entries of a folder by key: folders with a slash at the end, which sorts as object stores sort.
fn entries(folder: &Location) -> Result<BTreeMap<String, Metadata>> {
    let fail = |error| failed(folder, "cannot list", error);
    let mut found = BTreeMap::new();
    let read = match std::fs::read_dir(folder.file()) {
        // In an object store there are no folders that could be missing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(found);
        }
        read => read.map_err(fail)?,
    };
    for entry in read {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Error::new(Kind::LocalIo, format!("{folder}: the name {name:?} is not valid UTF-8")));
        };
        if unfinished_of(name).is_some() {
            continue;
        }
        // A dangling link, or gone since.
        let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
        if meta.is_dir() {
            found.insert(folder.child(&format!("{name}/")).key, meta);
        } else if meta.is_file() {
            found.insert(folder.child(name).key, meta);
        }
    }
    Ok(found)
}

/// One level: folders and objects.
pub(crate) fn level(folder: &Location) -> Result<(Vec<String>, Vec<Object>)> {
    let (folders, files): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(|(key, _)| key.ends_with('/'));
    Ok((folders.into_iter().map(|(key, _)| key).collect(), files.iter().map(|(key, meta)| object(key, meta)).collect()))
}

/// Everything below a folder, sorted by key. Links to folders are followed; one that leads back ends with an error.
pub(crate) fn walk(folder: &Location, each: &mut dyn FnMut(Object) -> Result<()>, depth: usize) -> Result<()> {
    if depth > 128 {
        return Err(Error::new(Kind::LocalIo, format!("{folder}: too many levels: a link that leads back?")));
    }
    for (key, meta) in entries(folder)? {
        if key.ends_with('/') {
            walk(&folder.with_key(key), each, depth + 1)?;
        } else {
            each(object(&key, &meta))?;
        }
    }
    Ok(())
}

fn object(key: &str, meta: &Metadata) -> Object {
    let etag = format!(
        "{:x}-{:x}-{:x}",
        meta.ino(),
        meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec()),
        meta.len()
    );
    Object {
        key: key.to_owned(),
        size: meta.len(),
        modified: modified(meta),
        etag: Some(etag),
        notes: BTreeMap::new(),
        sealed: false,
    }
}

fn modified(meta: &Metadata) -> DateTime<Utc> {
    let nanos = u32::try_from(meta.mtime_nsec()).unwrap_or_default();
    DateTime::from_timestamp(meta.mtime(), nanos).unwrap_or_default()
}

/// Missing, existing and forbidden are refusals (6) as of any store; all else is this machine's (7).
pub(crate) fn failed(location: &Location, what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory => Kind::Refused,
        _ => Kind::LocalIo,
    };
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(kind, format!("{location}: not found")),
        io::ErrorKind::AlreadyExists => Error::new(kind, format!("{location}: it exists already")),
        _ => Error::caused(kind, format!("{location}: {what}"), error),
    }
}
