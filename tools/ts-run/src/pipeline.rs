//! One attempt: the script in a process group of its own, until it ends, is told to end, or has had its time.

use fault::{Error, Kind, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use state::Split;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);

/// What the stages get to finish or abandon what they have in flight. Shorter than what [`cli`] gives this process.
const GRACE: Duration = Duration::from_secs(8);

/// What an attempt is given.
pub struct Attempt<'a> {
    pub split: &'a Split,
    pub script: &'a Path,
    /// `logs/<id>.<attempt>`: receipts of the stages, and what they say.
    pub logs: PathBuf,
    pub rejects: PathBuf,
    pub number: u32,
    pub limit: Duration,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// The script's exit code; 128 and the number of the signal that ended it.
    pub code: u8,
    /// It was ended because its time was over.
    pub late: bool,
}

impl Attempt<'_> {
    /// Runs the script. `stop` is what a signal to this process has raised.
    pub fn run(&self, stop: &cli::Stop) -> Result<Ended> {
        let log = self.logs.join("stderr.log");
        let fail = |error| Error::io(format!("cannot start bash {}", self.script.display()), error);
        let file = |path: &Path| {
            File::create(path).map_err(|error| Error::io(format!("cannot create {}", path.display()), error))
        };
        // An attempt that was killed has left its summaries here: they say nothing of this one.
        match std::fs::remove_dir_all(&self.logs) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("cannot empty {}", self.logs.display()), error));
            }
            _ => {}
        }
        std::fs::create_dir_all(&self.logs)
            .map_err(|error| Error::io(format!("cannot create {}", self.logs.display()), error))?;
        // Only this process holds the writing end: when it is gone, however it went, the stages see the end.
        let (reader, writer) = rustix::pipe::pipe().map_err(|errno| fail(errno.into()))?;
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC).map_err(|errno| fail(errno.into()))?;
        let split = self.split;
        let child = Command::new("bash")
            .args(["-euo", "pipefail"])
            .arg(self.script)
            .env("TS_SPLIT_ID", &split.id)
            .env("TS_SPLIT_TABLE", &split.table)
            .env("TS_SPLIT_PREDICATE", &split.predicate)
            .env("TS_SPLIT_FROM", &split.from)
            .env("TS_SPLIT_TO", &split.to)
            .env("TS_SPLIT_ATTEMPT", self.number.to_string())
            .env("TS_SPLIT_REJECTS", &self.rejects)
            .env("TS_RECEIPT_DIR", &self.logs)
            .env("TS_RUNNER_FD", reader.as_raw_fd().to_string())
            // A stream that was cut between two stages is never taken for a whole one.
            .env("TS_END_MARK", "1")
            .stdin(Stdio::null())
            .stdout(file(&self.logs.join("stdout.log"))?)
            .stderr(file(&log)?)
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        drop(reader);
        let ended = self.wait(child, stop);
        drop(writer);
        ended
    }

    fn wait(&self, mut child: Child, stop: &cli::Stop) -> Result<Ended> {
        let fail = |error| Error::io("cannot wait for the pipeline", error);
        let started = Instant::now();
        // The signal that the group was sent, and when.
        let mut told: Option<Instant> = None;
        let mut late = false;
        loop {
            if let Some(status) = child.try_wait().map_err(fail)? {
                // A stage may outlive the shell that started it: nobody works on the split once this returns.
                signal(&child, Signal::KILL);
                return match stop.check() {
                    Err(error) => Err(error),
                    Ok(()) => Ok(Ended { code: code(status), late }),
                };
            }
            late = late || started.elapsed() > self.limit;
            if told.is_none() && (late || stop.is_raised()) {
                signal(&child, Signal::TERM);
                told = Some(Instant::now());
            }
            if told.is_some_and(|at| at.elapsed() > GRACE) {
                signal(&child, Signal::KILL);
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

fn code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u8::try_from(number).unwrap_or(255)
}

/// The script: the flag's, else `pipeline.sh` in the state directory.
pub fn script(given: Option<&PathBuf>, directory: &Path) -> Result<PathBuf> {
    let path = given.cloned().unwrap_or_else(|| directory.join("pipeline.sh"));
    if !path.is_file() {
        return Err(Error::new(
            Kind::Usage,
            format!("{}: there is no such script; it moves one split (see ts-run --help)", path.display()),
        ));
    }
    Ok(path)
}
