//! Opening the input: a file, or `-` for standard input that a signal can interrupt.

use crate::Run;
use crate::run::Stop;
use fault::{Error, Kind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// An opened input.
pub struct Input {
    /// For messages: the path, or `stdin`.
    pub name: String,
    /// The bytes.
    pub reader: Box<dyn Read + Send>,
    /// The file, where it is a regular one: formats that need to seek, and memory maps, use it.
    pub file: Option<File>,
}

/// Opens `path`; `-` is stdin. A directory, a missing or an unreadable file: exit 7.
pub fn open(path: &Path, run: &Run) -> Result<Input> {
    if path.as_os_str() == "-" {
        return Ok(Input { name: "stdin".into(), reader: Box::new(Stdin { stop: run.stop() }), file: None });
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Error::io(format!("cannot open {name}"), error))?;
    let meta = file.metadata().map_err(|error| Error::io(format!("cannot read {name}"), error))?;
    if meta.is_dir() {
        return Err(Error::new(Kind::LocalIo, format!("cannot read {name}: it is a directory")));
    }
    let again = if meta.is_file() {
        Some(file.try_clone().map_err(|error| Error::io(format!("cannot read {name}"), error))?)
    } else {
        None
    };
    Ok(Input { name, reader: Box::new(file), file: again })
}

/// Standard input. Waits in `poll`, so that SIGINT ends a tool whose source is silent.
struct Stdin {
    stop: Stop,
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = stdio::stdin();
        loop {
            self.stop.check()?;
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            let pause = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
            match poll(&mut fds, Some(&pause)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            match rustix::io::read(stdin, &mut *buffer) {
                Ok(n) => return Ok(n),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
