//! Standard output as a guarded stream.
//!
//! Writes go straight to the file descriptor in the blocks that the caller hands over (std's stdout is line-buffered),
//! and EPIPE becomes an error of kind `StdoutClosed`: the tool ends quietly with 141 and no checkpoint advances.
//! Restoring SIGPIPE's default instead would also kill a tool whose *server* hangs up during a vectored write.

use fault::{Error, Kind, Result};
use rustix::io::Errno;
use rustix::stdio;
use std::io::{self, IoSlice, Write};

/// Standard output. Unbuffered: wrap it, or hand it large blocks.
#[derive(Debug, Default)]
pub struct Stdout;

impl Write for Stdout {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        rustix::io::write(stdio::stdout(), buffer).map_err(told)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        rustix::io::writev(stdio::stdout(), buffers).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(errno: Errno) -> io::Error {
    match errno {
        Errno::PIPE => Error::new(Kind::StdoutClosed, "stdout was closed by its reader").into(),
        errno => errno.into(),
    }
}

/// Writes a text to stdout.
pub fn write_all(bytes: &[u8]) -> Result<()> {
    Stdout.write_all(bytes).map_err(|error| Error::io("cannot write to stdout", error))
}

/// The pipe size that an unprivileged user may ask for by default.
const PIPE: usize = 1 << 20;

/// Enlarges the pipes on stdin and stdout to 1 MiB: with the default of 64 KiB two stages on two cores spend more
/// time waking each other than encoding (dossier performance, "Floors": 2.3 times). No pipe or no permission: no matter.
pub(crate) fn enlarge_pipes() {
    let _ = rustix::pipe::fcntl_setpipe_size(stdio::stdin(), PIPE);
    let _ = rustix::pipe::fcntl_setpipe_size(stdio::stdout(), PIPE);
}
