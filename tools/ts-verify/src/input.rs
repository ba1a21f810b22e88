//! A side of a comparison: a file, a pipe, or a shell command; rows, or a digest.

use crate::digest_file::{FileCursor, MAGIC};
use crate::options::Options;
use cli::Run;
use fault::{Context, Error, Kind, Result};
use lp::Dialect;
use rows::Reader;
use rows::format::{Format, ReadOptions, Source};
use rows::time::Unit;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where a side comes from.
#[derive(Clone, Debug)]
pub enum Spec {
    /// A path; `-` is stdin.
    Path(PathBuf),
    /// A shell command.
    Command(String),
}

impl Spec {
    /// A command with the range in the place of `{since}` and `{until}`.
    pub fn within(self, options: &Options) -> Result<Spec> {
        let Spec::Command(mut command) = self else { return Ok(self) };
        for (name, instant) in [("{since}", options.since), ("{until}", options.until)] {
            if command.contains(name) {
                let at = instant.ok_or_else(|| {
                    let flag = if name == "{since}" { "--since" } else { "--until or --settle" };
                    Error::usage(format!("the command says {name}: give {flag}"))
                })?;
                command = command.replace(name, &crate::canonical::instant(at, Unit::S));
            }
        }
        Ok(Spec::Command(command))
    }
}

/// How rows are read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub from: Option<Format>,
    pub precision: Unit,
    pub dialect: Dialect,
    pub end_mark: bool,
}

/// An opened side.
pub enum Input {
    Digest(FileCursor),
    Rows(Rows),
}

/// Rows, which can be read more than once unless they come from a pipe.
pub struct Rows {
    pub name: String,
    bytes: Bytes,
    settings: Settings,
}

enum Bytes {
    Path(PathBuf, Run),
    Spooled(File),
    Once(Option<Box<dyn Read + Send>>),
}

impl Input {
    /// Opens a side. `spool`: a pipe is copied to an unlinked temporary file, so that it can be read again.
    /// `failure` is the kind of a failing command.
    pub fn open(spec: &Spec, settings: Settings, spool: bool, failure: Kind, run: &Run) -> Result<Input> {
        let (name, mut reader) = match spec {
            Spec::Path(path) => {
                let input = cli::input::open(path, run)?;
                if let Some(file) = input.file {
                    // A file of its own, so that looking at its start moves nothing.
                    return Input::file(path.clone(), &input.name, file, settings, run);
                }
                (input.name, input.reader)
            }
            Spec::Command(command) => {
                let name = if failure == Kind::Source { "--source-cmd" } else { "--target-cmd" };
                (name.to_owned(), Box::new(Pipe::start(name, command, failure)?) as Box<dyn Read + Send>)
            }
        };
        let mut head = Vec::with_capacity(MAGIC.len());
        let read = (&mut reader).take(MAGIC.len() as u64).read_to_end(&mut head);
        read.map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        let digest = head == MAGIC;
        let whole = Cursor::new(head).chain(reader);
        if digest {
            return Ok(Input::Digest(FileCursor::open(&name, Box::new(BufReader::new(whole)))?));
        }
        let bytes = if spool {
            Bytes::Spooled(rows::spool::spool(whole).context(|| name.clone())?)
        } else {
            Bytes::Once(Some(Box::new(whole)))
        };
        Ok(Input::Rows(Rows { name, bytes, settings }))
    }

    fn file(path: PathBuf, name: &str, mut file: File, settings: Settings, run: &Run) -> Result<Input> {
        let fail = |error| Error::io(format!("cannot read {name}"), error);
        let mut head = Vec::with_capacity(MAGIC.len());
        (&mut file).take(MAGIC.len() as u64).read_to_end(&mut head).map_err(fail)?;
        file.rewind().map_err(fail)?;
        if head == MAGIC {
            return Ok(Input::Digest(FileCursor::open(name, Box::new(BufReader::with_capacity(1 << 16, file)))?));
        }
        Ok(Input::Rows(Rows { name: name.to_owned(), bytes: Bytes::Path(path, run.clone()), settings }))
    }
}

impl Rows {
    /// Can [`Rows::open`] be called again?
    pub fn again(&self) -> bool {
        !matches!(self.bytes, Bytes::Once(_))
    }

    /// Opens the rows from their beginning.
    pub fn open(&mut self) -> Result<Box<dyn Reader>> {
        let name = self.name.clone();
        // Lines may bring a column late: what can be read twice is looked through first.
        let scan = self.again();
        let source = match &mut self.bytes {
            Bytes::Path(path, run) => {
                let input = cli::input::open(path, run)?;
                Source::new(name, input.reader, input.file)
            }
            Bytes::Spooled(file) => {
                let mut again = file.try_clone().map_err(|error| Error::io(format!("cannot read {name}"), error))?;
                again.rewind().map_err(|error| Error::io(format!("cannot read {name}"), error))?;
                let whole = again.try_clone().map_err(|error| Error::io(format!("cannot read {name}"), error))?;
                Source::new(name, Box::new(again), Some(whole))
            }
            Bytes::Once(reader) => {
                let reader = reader.take().ok_or_else(|| Error::new(Kind::Bug, format!("{name} is read twice")))?;
                Source::new(name, reader, None)
            }
        };
        let options = ReadOptions {
            from: self.settings.from,
            precision: self.settings.precision,
            dialect: self.settings.dialect,
            scan,
            end_mark: self.settings.end_mark,
            dictionaries: true,
            ..ReadOptions::default()
        };
        Ok(rows::pipe::threaded(rows::format::open(source, options)?))
    }
}

/// The output of a shell command. Its end is an end only if the command succeeded: a side that failed is never a shorter
/// side.
struct Pipe {
    name: &'static str,
    child: Child,
    output: ChildStdout,
    failure: Kind,
    ended: bool,
}

impl Pipe {
    fn start(name: &'static str, command: &str, failure: Kind) -> Result<Pipe> {
        // bash, for pipefail: a failing first stage must not hide behind a last one that succeeds.
        let mut started = spawn("bash", &["-o", "pipefail", "-c", command]);
        if started.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            started = spawn("sh", &["-c", command]);
        }
        let mut child = started.map_err(|error| Error::caused(failure, format!("cannot start {name}"), error))?;
        let output = child.stdout.take().ok_or_else(|| Error::new(Kind::Bug, format!("{name} has no stdout")))?;
        Ok(Pipe { name, child, output, failure, ended: false })
    }
}

fn spawn(shell: &str, arguments: &[&str]) -> io::Result<Child> {
    Command::new(shell).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.output.read(buffer)?;
        if n == 0 && !buffer.is_empty() && !self.ended {
            let status = self.child.wait()?;
            if !status.success() {
                return Err(Error::new(self.failure, format!("{} failed: {status}", self.name)).into());
            }
            self.ended = true;
        }
        Ok(n)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if !self.ended {
            // A command whose output nobody reads any more ends by SIGPIPE at the latest; it must not be left as a zombie.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
