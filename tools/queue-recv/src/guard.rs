//! The process between `queue-recv` and a command: when `queue-recv` is gone, even by SIGKILL, so is the command, with all that
//! it has started. Its message becomes visible only later, so nobody works on it at the same time.
//!
//! It reads a pipe whose other end only `queue-recv` holds. A death signal (`PR_SET_PDEATHSIG`) would reach the command only, not
//! what a shell has started.

use fault::{Error, Result};
use rustix::process::{Signal, getpgrp, kill_process_group};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// What a shell says of a command that it cannot start.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;

/// Runs the command; the process ends as it does, so this returns only when something is wrong with the call itself.
pub fn run(command: &[OsString]) -> Result<()> {
    let (Some((program, args)), Some(number)) = (command.split_first(), std::env::var_os("TS_RUNNER_FD")) else {
        return Err(Error::usage("--guard is for queue-recv itself"));
    };
    let path = std::path::Path::new("/proc/self/fd").join(number);
    let pipe =
        std::fs::File::open(&path).map_err(|error| Error::io(format!("cannot open {}", path.display()), error))?;
    let group = getpgrp();
    std::thread::spawn(move || {
        cli::wait_for_end(pipe);
        // This process is of the group too.
        let _ = kill_process_group(group, Signal::KILL);
    });
    let status = Command::new(program).args(args).spawn().and_then(|mut child| child.wait());
    std::process::exit(match status {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(error) => {
            eprintln!("queue-recv: cannot run {}: {error}", program.display());
            if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN }
        }
    });
}
