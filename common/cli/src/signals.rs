//! SIGINT and SIGTERM: the first asks the tool to finish or abandon its batch, the second ends it at once.

use crate::Run;
use fault::{Error, Kind};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
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
            run.stop().raise(kind);
            let run = run.clone();
            let _ = std::thread::Builder::new().name("grace".into()).spawn(move || {
                std::thread::sleep(GRACE);
                end(&run, kind);
            });
        }
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(work);
}

fn end(run: &Run, kind: Kind) -> ! {
    crate::output::remove_temporaries();
    let code = run.finish(Err(Error::new(kind, "ended by a signal")));
    std::process::exit(i32::from(code))
}
