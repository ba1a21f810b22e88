//! SIGINT and SIGTERM: the first asks the tool to finish or abandon its batch, the second ends it at once. And the end of
//! the runner that a stage works for.

use crate::Run;
use fault::{Error, Kind};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Read;
use std::time::Duration;

/// How long a tool may take to finish the batch in flight after the first signal, before it is ended from here.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn install(run: &Run) {
    // Without the handler the signals still end the process, only without a summary.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let run = run.clone();
    let work = move || {
        let mut first = true;
        for signal in signals.forever() {
            let kind = if signal == SIGINT { Kind::Interrupted } else { Kind::Terminated };
            if !first {
                end(&run, kind);
            }
            first = false;
            ask(&run, kind);
        }
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(work);
}

/// Raises the flag; a tool that does not look at it in time is ended.
fn ask(run: &Run, kind: Kind) {
    run.stop().raise(kind);
    let run = run.clone();
    let _ = std::thread::Builder::new().name("grace".into()).spawn(move || {
        std::thread::sleep(GRACE);
        end(&run, kind);
    });
}

/// With TS_RUNNER_FD, the number of an inherited pipe whose other end only the runner holds: when the runner is gone, even
/// by SIGKILL, the pipe ends, and the tool ends as by SIGTERM. A death signal (`PR_SET_PDEATHSIG`) would tell of the
/// shell between them only.
pub(crate) fn watch_runner(run: &Run) {
    let Some(number) = std::env::var("TS_RUNNER_FD").ok().and_then(|text| text.parse::<u32>().ok()) else { return };
    let Ok(pipe) = std::fs::File::open(format!("/proc/self/fd/{number}")) else { return };
    let run = run.clone();
    let work = move || {
        wait_for_end(pipe);
        ask(&run, Kind::Terminated);
    };
    let _ = std::thread::Builder::new().name("runner".into()).spawn(work);
}

/// Returns when nobody holds the other end of the pipe any more.
pub fn wait_for_end(mut pipe: impl Read) {
    let mut byte = [0];
    loop {
        match pipe.read(&mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // Nothing is ever written to it.
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
}

fn end(run: &Run, kind: Kind) -> ! {
    crate::output::remove_temporaries();
    let code = run.finish(Err(Error::new(kind, "ended by a signal")));
    std::process::exit(i32::from(code))
}
