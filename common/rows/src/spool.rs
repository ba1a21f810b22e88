//! A stream into an unlinked temporary file, for formats whose footer is last. `TMPDIR` says where.

use fault::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Copies the whole input; the file is positioned at its start and disappears with its last handle.
pub fn spool(mut reader: impl Read) -> Result<File> {
    let directory = std::env::temp_dir();
    let mut file = temporary()?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io("cannot read the input", error)),
        };
        std::io::Write::write_all(&mut file, &buffer[..n]).map_err(|error| {
            Error::io(format!("cannot spool the input in {} (set TMPDIR)", directory.display()), error)
        })?;
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| Error::io("cannot rewind a temporary file", error))?;
    Ok(file)
}

/// An empty temporary file that disappears with its last handle, for a writer that must be read back.
pub fn temporary() -> Result<File> {
    let directory = std::env::temp_dir();
    tempfile::tempfile()
        .map_err(|error| Error::io(format!("cannot create a temporary file in {}", directory.display()), error))
}
