//! Files that are there as a whole or not at all, and still there after the power went.

use fault::{Error, Kind, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes `bytes` beside `path`, syncs them, gives them their name, and syncs the directory.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |error| Error::io(format!("cannot write {}", path.display()), error);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Error::new(Kind::Bug, format!("{} is no file name", path.display())));
    };
    let temporary = folder.join(format!(".{name}.tmp-{}", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // What is left over has a name that nobody takes for data.
        let _ = std::fs::remove_file(&temporary);
        return Err(fail(error));
    }
    sync_folder(folder)
}

/// Removes a file, if it is there, for good.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder(path.parent().unwrap_or(Path::new("."))).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(format!("cannot remove {}", path.display()), error)),
    }
}

/// Reads a file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("cannot read {}", path.display()), error)),
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io(format!("cannot sync {}", folder.display()), error))
}
