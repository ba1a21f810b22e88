//! A file that is not complete yet, beside its place. Its name says of which version of which object it is.

use fault::{Error, Kind, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use store::{Content, Location, Object};
use xxhash_rust::xxh3::xxh3_64;

/// In the names of incomplete files.
const MARK: &str = ".ts-get-";

/// An incomplete file. Stays when it is dropped.
pub struct Partial {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Partial {
    /// Opens what is there of this version of the object, or begins anew; what is there of other versions is removed.
    pub fn open(target: &Path, location: &Location, object: &Object) -> Result<Partial> {
        let fail = |error| failed(target, error);
        if target.is_dir() {
            return Err(Error::new(Kind::LocalIo, format!("cannot create {}: it is a directory", target.display())));
        }
        let name = target.file_name().ok_or_else(|| Error::usage(format!("'{}' is no file name", target.display())))?;
        let version = format!("{location}\n{}\n{:?}\n{}", object.size, object.etag, object.time());
        let stem = format!(".{}{MARK}", name.to_string_lossy());
        let own = format!("{stem}{:016x}", xxh3_64(version.as_bytes()));
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&stem) && name != own) {
                std::fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        let path = folder.join(own);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(fail)?;
        Ok(Partial { file, path, size: object.size })
    }

    /// Puts what is there into the hash, and gives how many bytes it is.
    pub fn read(&mut self, hash: &mut Content) -> Result<u64> {
        let (mut buffer, mut there) = (vec![0; 1 << 20], 0);
        loop {
            let got = self.file.read(&mut buffer).map_err(|error| failed(&self.path, error))?;
            if got == 0 {
                break;
            }
            hash.update(buffer.get(..got).unwrap_or_default());
            there += got as u64;
        }
        if there > self.size {
            return Err(Error::new(
                Kind::LocalIo,
                format!("{} is longer than the object: remove it", self.path.display()),
            ));
        }
        Ok(there)
    }

    /// All is there: fsync, and its name.
    pub fn finish(self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| failed(target, error))?;
        std::fs::rename(&self.path, target).map_err(|error| failed(target, error))?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(target, error))
    }

    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|error| failed(&self.path, error))
    }
}

impl Write for Partial {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot write {}", path.display()), error)
}
