//! Progress: a thread looks at the counters, so that the work itself pays nothing for it.

use crate::Run;
use crate::args::When;
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) struct Ticker(Option<(Sender<()>, JoinHandle<()>)>);

impl Ticker {
    /// Starts the thread where progress is wanted: on a terminal with `auto`, everywhere with `always`.
    pub(crate) fn start(run: &Run, when: When) -> Self {
        let terminal = std::io::stderr().is_terminal();
        if run.log().verbosity < 0 || when == When::Never || (when == When::Auto && !terminal) {
            return Ticker(None);
        }
        let (stop, stopped) = channel();
        let run = run.clone();
        let work = move || {
            let bar = terminal.then(|| run.log().bars.add(ProgressBar::no_length()));
            let pause = if terminal { Duration::from_millis(200) } else { Duration::from_secs(1) };
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                match &bar {
                    Some(bar) => draw(bar, &run),
                    None => print(&run),
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        };
        match std::thread::Builder::new().name("progress".into()).spawn(work) {
            Ok(thread) => Ticker(Some((stop, thread))),
            // A machine that cannot give a thread may still finish the work.
            Err(_) => Ticker(None),
        }
    }

    pub(crate) fn stop(self) {
        if let Some((stop, thread)) = self.0 {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn draw(bar: &ProgressBar, run: &Run) {
    let (rows, total) = (run.counter("rows").get(), run.expected_rows());
    if total > 0 && bar.length() != Some(total) {
        bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {percent}% eta {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
    }
    bar.set_position(rows);
    bar.set_message(line(run));
}

fn print(run: &Run) {
    let secs = run.elapsed().as_secs_f64();
    let (rows, bytes, total) = (run.counter("rows").get(), run.counter("bytes").get(), run.expected_rows());
    let fields = json!({ "rows": rows, "bytes": bytes, "expected_rows": total, "secs": secs });
    run.log().progress(&line(run), fields);
}

fn line(run: &Run) -> String {
    let secs = run.elapsed().as_secs_f64().max(1e-3);
    let (rows, bytes, total) = (run.counter("rows").get(), run.counter("bytes").get(), run.expected_rows());
    let rate = rows as f64 / secs;
    let mut text = format!(
        "{} rows, {} rows/s, {}, {}/s",
        HumanCount(rows),
        HumanCount(rate as u64),
        HumanBytes(bytes),
        HumanBytes((bytes as f64 / secs) as u64)
    );
    if total > rows && rate >= 1.0 {
        let left = Duration::from_secs_f64(((total - rows) as f64 / rate).min(1e9));
        text.push_str(&format!(", {}%, {} left", rows * 100 / total, HumanDuration(left)));
    }
    text
}
