//! Where data goes: stdout, or a file that appears under its name only when it is complete.

use crate::Counter;
use crate::stdout::Stdout;
use fault::{Error, Kind, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Temporary files of this process, to be removed when a signal ends it.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An output. Dropped without [`Output::finish`], a file never appears under its name.
pub struct Output {
    to: To,
    bytes: Counter,
}

enum To {
    Stdout(Stdout),
    File(Unfinished),
    /// A device or a named pipe: there is nothing to rename, and fsync may not be supported.
    Device(File, String),
}

impl To {
    fn write(&mut self) -> &mut dyn Write {
        match self {
            To::Stdout(stdout) => stdout,
            To::File(unfinished) => &mut unfinished.file,
            To::Device(file, _) => file,
        }
    }
}

struct Unfinished {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Output {
    /// `None` is stdout. A file is created (under a temporary name beside the target) at once, so a bad path fails
    /// in the first second.
    pub fn create(path: Option<&Path>) -> Result<Output> {
        match path {
            None => Ok(Output::to(To::Stdout(Stdout))),
            Some(path) if path.as_os_str() == "-" => Ok(Output::to(To::Stdout(Stdout))),
            Some(path) => Output::file(path),
        }
    }

    /// A file. An existing device or named pipe (`/dev/full`, a fifo) is written in place.
    pub fn file(path: &Path) -> Result<Output> {
        let name = path.display().to_string();
        let fail = |error| Error::io(format!("cannot create {name}"), error);
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                return Err(Error::new(Kind::LocalIo, format!("cannot create {name}: it is a directory")));
            }
            Ok(meta) if !meta.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
                return Ok(Output::to(To::Device(file, name)));
            }
            _ => {}
        }
        let target = path.to_owned();
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(path.file_name().ok_or_else(|| Error::usage(format!("'{name}' is no file name")))?);
        hidden.push(format!(".tmp-{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary).map_err(fail)?;
        TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).push(temporary.clone());
        Ok(Output::to(To::File(Unfinished { file, temporary, target, done: false })))
    }

    /// Counts the bytes written in this counter (`run.counter("bytes")`).
    pub fn counting(mut self, bytes: Counter) -> Output {
        self.bytes = bytes;
        self
    }

    fn to(to: To) -> Output {
        Output { to, bytes: Counter::default() }
    }

    /// Everything was written: fsync, rename, fsync of the directory.
    pub fn finish(self) -> Result<()> {
        match self.to {
            To::Stdout(_) => Ok(()),
            To::Device(mut file, name) => {
                file.flush().map_err(|error| Error::io(format!("cannot write {name}"), error))
            }
            To::File(mut unfinished) => unfinished.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.to.write().write(buffer)?;
        self.bytes.add(written as u64);
        Ok(written)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.to.write().write_vectored(buffers)?;
        self.bytes.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unfinished {
    fn finish(&mut self) -> Result<()> {
        let fail = |error| Error::io(format!("cannot write {}", self.target.display()), error);
        self.file.sync_all().map_err(fail)?;
        std::fs::rename(&self.temporary, &self.target).map_err(fail)?;
        self.done = true;
        forget(&self.temporary);
        let parent = match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(fail)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // Nothing can be said here, and the leftover has a name that nobody takes for data.
            let _ = std::fs::remove_file(&self.temporary);
            forget(&self.temporary);
        }
    }
}

fn forget(temporary: &Path) {
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| path != temporary);
}

/// For the end by a signal, where destructors do not run.
pub(crate) fn remove_temporaries() {
    for path in TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

/// A table's or a measurement's name as the name of a file: what a path, a hidden file or a control character is made of is
/// percent-encoded, and what `also` holds.
pub fn file_name(name: &str, also: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        match c {
            '.' if at == 0 => text.push_str("%2E"),
            '/' | '\\' | '%' | '\0'..='\x1f' => text.push_str(&format!("%{:02X}", u32::from(c))),
            c if also.contains(c) => text.push_str(&format!("%{:02X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_stay_in_their_directory() {
        for (name, also, file) in [
            ("cpu", "", "cpu"),
            ("../x", "", "%2E.%2Fx"),
            (".", "", "%2E"),
            ("a b/\u{fc}", "", "a b%2F\u{fc}"),
            ("a b:\u{6e29}", " :", "a%20b%3A\u{6e29}"),
            ("100%\n", "", "100%25%0A"),
        ] {
            assert_eq!(file_name(name, also), file);
        }
    }
}
