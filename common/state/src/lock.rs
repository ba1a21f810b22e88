//! Who is at work on a split: a `flock` on a descriptor that every stage of its pipeline inherits.
//!
//! A lock file with a process number in it would say "running" for ever after a `kill -9`, and "free" while orphans of
//! a killed runner still write. An inherited `flock` is held exactly as long as one of them lives.

use fault::{Error, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Who holds a lock, as its file says. For messages only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    pub since: String,
}

/// A lock that is held. Dropping it lets it go, unless a process that inherited it is still alive.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub(crate) enum Taken {
    Mine(Lock),
    Held(Holder),
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| Error::io(format!("cannot open {}", path.display()), error))
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Takes the lock, waiting for it no longer than `wait`.
pub(crate) fn take(path: &Path, me: &Holder, wait: Duration) -> Result<Taken> {
    let mut file = open(path)?;
    let fail = |what: &str, error: std::io::Error| Error::io(format!("cannot {what} {}", path.display()), error);
    let end = Instant::now() + wait;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                // Somebody may only be looking ([`held`]), which lasts no longer than this takes.
                if Instant::now() > end + LOOK || !shared(&file).map_err(|error| fail("lock", error))? {
                    return Ok(Taken::Held(holder(&mut file)));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(errno) => return Err(fail("lock", errno.into())),
        }
    }
    let text = serde_json::to_string(me).map_err(|error| fail("write", error.into()))?;
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(|error| fail("write", error))?;
    // The stages inherit it: Rust opens every file close-on-exec.
    fcntl_setfd(&file, FdFlags::empty()).map_err(|errno| fail("share", errno.into()))?;
    Ok(Taken::Mine(Lock { _file: file }))
}

/// How long others may look at a lock that is wanted, one after the other.
const LOOK: Duration = Duration::from_secs(2);

/// Takes the lock beside others that do no more than look; false if somebody works.
fn shared(file: &File) -> std::io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Who holds the lock now, if somebody does. Needs no more than the right to read.
pub(crate) fn held(path: &Path) -> Result<Option<Holder>> {
    let fail = |error| Error::io(format!("cannot look at {}", path.display()), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    Ok(if shared(&file).map_err(fail)? { None } else { Some(holder(&mut file)) })
}
