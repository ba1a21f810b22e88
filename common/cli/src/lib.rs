//! What every tool shares at its edge to the terminal: start-up, arguments, signals, the stdout guard, log, progress,
//! the summary line, man pages and completions.
//!
//! A tool's `main.rs` is `cli::main(&TOOL, run)`; `run` gets its own arguments and a [`Run`], and returns
//! `fault::Result<()>`. Only this crate prints errors and ends the process.

pub mod args;
pub mod exposition;
mod generate;
pub mod input;
mod latency;
mod log;
mod memory;
mod metrics;
pub mod naming;
pub mod output;
mod progress;
pub mod rate;
pub mod rejects;
mod run;
mod signals;
pub mod stdout;
mod tool;
pub mod traffic;
pub mod workers;

pub use latency::Latency;
pub use run::{Counter, Run, Stop};
pub use signals::wait_for_end;
pub use tool::{Stage, Tool};

use clap::FromArgMatches;
use fault::{Error, Kind, Result};
use std::ffi::OsString;
use std::process::ExitCode;

/// Parses the command line, runs the tool, prints error and summary, and gives the exit code.
pub fn main<A: clap::Args>(tool: &'static Tool, run: fn(A, &Run) -> Result<()>) -> ExitCode {
    memory::bound_arenas();
    ExitCode::from(main_from(tool, run, std::env::args_os().collect()))
}

fn main_from<A: clap::Args>(tool: &'static Tool, run: fn(A, &Run) -> Result<()>, argv: Vec<OsString>) -> u8 {
    let command = tool.command::<A>();
    if let Some(what) = generate::asked(&argv) {
        return generate::generate(command, what);
    }
    let matches = match command.clone().try_get_matches_from(argv) {
        Ok(matches) => matches,
        Err(error) => return usage(tool, &error),
    };
    let (common, own) = match (args::Common::from_arg_matches(&matches), A::from_arg_matches(&matches)) {
        (Ok(common), Ok(own)) => (common, own),
        (Err(error), _) | (_, Err(error)) => return usage(tool, &error),
    };
    let context = Run::new(tool.name, tool.stage, &common);
    signals::install(&context);
    signals::watch_runner(&context);
    install_panic_hook(tool.name);
    stdout::enlarge_pipes();
    // A bad path for the summary or the metrics must fail in the first second, not after the migration.
    let outcome = match context.check_summary_file().and_then(|()| context.open_metrics(&common)) {
        Err(error) => Err(error),
        Ok(()) => {
            let ticker = progress::Ticker::start(&context, common.progress);
            let metrics = metrics::Writer::start(&context);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(own, &context)))
                .unwrap_or_else(|_| Err(Error::new(Kind::Bug, "the tool panicked")));
            ticker.stop();
            metrics.stop();
            outcome
        }
    };
    context.finish(outcome)
}

/// clap's own message, then the summary line that every end has. `--help` and `--version` are no failures.
fn usage(tool: &'static Tool, error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let text = error.render().ansi().to_string();
        let plain = error.render().to_string();
        let text = if std::io::IsTerminal::is_terminal(&std::io::stdout()) { text } else { plain };
        return match stdout::write_all(text.as_bytes()) {
            Ok(()) => 0,
            Err(error) => error.kind().code(),
        };
    }
    // clap repeats what it did not expect: a URL, perhaps.
    eprint!("{}", fault::conceal(&error.render().to_string()));
    eprintln!("{}: usage rows=0 bytes=0 retries=0 rejected=0 secs=0.000", tool.name);
    Kind::Usage.code()
}

/// A panic is a bug: say so in one line (exit 70), without a secret that might stand in the arguments.
fn install_panic_hook(name: &'static str) {
    std::panic::set_hook(Box::new(move |info| {
        // A foreign decoder on damaged input: that becomes an error.
        if fault::guarded() {
            return;
        }
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let text = info
            .payload()
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| info.payload().downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let text = fault::conceal(&text);
        eprintln!(
            "{name}: bug: {place}: {text} (please report this line with the version, {})",
            env!("CARGO_PKG_VERSION")
        );
    }));
}
