//! Rows that could not be delivered: counted, written out with their reason, and limited.

use crate::args::RejectArgs;
use crate::{Counter, Run};
use fault::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// The rejects file (`--rejects`) and the limit (`--max-rejects`).
pub struct Rejects {
    file: Option<(BufWriter<File>, PathBuf)>,
    limit: u64,
    count: Counter,
}

impl Rejects {
    /// Creates the file at once; it is written in place, so that what was rejected before a crash can be read.
    pub fn create(args: &RejectArgs, run: &Run) -> Result<Self> {
        let file = match &args.rejects {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|e| Error::io(format!("cannot create {}", path.display()), e))?;
                Some((BufWriter::new(file), path.clone()))
            }
        };
        Ok(Rejects { file, limit: args.max_rejects, count: run.counter("rejected") })
    }

    /// One rejected row as it came in (without its line end) and why. The error of the row that goes over the limit
    /// is `Malformed`; it too stands in the file.
    pub fn add(&mut self, row: &[u8], reason: &str) -> Result<()> {
        if let Some((file, path)) = &mut self.file {
            // Often the server's own words, which may repeat what it was sent.
            let reason = fault::conceal(reason).replace(['\n', '\r'], " ");
            let write = |file: &mut BufWriter<File>| -> std::io::Result<()> {
                writeln!(file, "# {reason}")?;
                file.write_all(row)?;
                file.write_all(b"\n")
            };
            write(file).map_err(|e| Error::io(format!("cannot write {}", path.display()), e))?;
        }
        self.count.add(1);
        if self.count.get() > self.limit {
            self.flush()?;
            let more = if self.limit == 0 {
                " (see --max-rejects)".to_owned()
            } else {
                format!(" ({} rows rejected, --max-rejects is {})", self.count.get(), self.limit)
            };
            return Err(Error::malformed(format!("{reason}{more}")));
        }
        Ok(())
    }

    /// Writes out what is buffered and syncs it; call it before the tool reports success.
    pub fn flush(&mut self) -> Result<()> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .map_err(|e| Error::io(format!("cannot write {}", path.display()), e))
    }
}
