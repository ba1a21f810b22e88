//! One run of the command: in a process group of its own, until it ends, is told to end, or its message is lost.

use crate::lease::Lease;
use fault::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);

/// What a command gets to end after SIGTERM; messages are given back in what is then left of the grace of this process.
const GRACE: Duration = Duration::from_secs(5);

/// The pipe that tells guards that this process is gone: one for all, so that no child holds another's writing end.
pub struct Alive {
    reader: OwnedFd,
    _writer: OwnedFd,
}

impl Alive {
    pub fn new() -> Result<Alive> {
        let fail = |errno: rustix::io::Errno| Error::io("cannot make a pipe", errno.into());
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(fail)?;
        rustix::io::fcntl_setfd(&reader, rustix::io::FdFlags::empty()).map_err(fail)?;
        Ok(Alive { reader, _writer: writer })
    }
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code; 128 and the number of the signal that ended it.
    Code(i32),
    /// It took longer than it may.
    Late,
    /// Ended because this process is told to end.
    Stopped,
    /// Ended because its message is not ours any more.
    Lost(String),
}

/// What a run is given.
pub struct Task<'a> {
    pub command: &'a [OsString],
    pub environment: Vec<(&'static str, String)>,
    pub input: String,
    pub limit: Duration,
}

impl Task<'_> {
    /// Runs it to its end; nothing of its group is alive after that.
    pub fn run(&self, alive: &Alive, lease: &mut Lease, stop: &cli::Stop) -> Result<Ended> {
        let fail = |error| Error::io("cannot start a process", error);
        let mut child = Command::new("/proc/self/exe")
            .arg0("queue-recv")
            .args(["--guard", "--"])
            .args(self.command)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("TS_RUNNER_FD", alive.reader.as_raw_fd().to_string())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A line fits into the pipe's buffer: this never waits. A command that does not read it has a right to.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        self.wait(&mut child, lease, stop)
    }

    fn wait(&self, child: &mut Child, lease: &mut Lease, stop: &cli::Stop) -> Result<Ended> {
        let started = Instant::now();
        // Why it was told to end, and when.
        let mut told: Option<(Ended, Instant)> = None;
        loop {
            let status = child.try_wait().map_err(|error| Error::io("cannot wait for a process", error))?;
            if let Some(status) = status {
                // Something may outlive the command that started it.
                signal(child, Signal::KILL);
                return Ok(match (told, code(status)) {
                    // It was faster.
                    (_, 0) | (None, _) => Ended::Code(code(status)),
                    (Some((why, _)), _) => why,
                });
            }
            if told.is_none() {
                let why = if stop.is_raised() {
                    Some(Ended::Stopped)
                } else if started.elapsed() > self.limit {
                    Some(Ended::Late)
                } else {
                    lease.keep().err().map(Ended::Lost)
                };
                if let Some(why) = why {
                    signal(child, if matches!(why, Ended::Lost(_)) { Signal::KILL } else { Signal::TERM });
                    told = Some((why, Instant::now()));
                }
            } else if told.as_ref().is_some_and(|(_, at)| at.elapsed() > GRACE) {
                signal(child, Signal::KILL);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// To the whole group; that it is gone already is no error.
fn signal(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}
