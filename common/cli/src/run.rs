//! The context of one run: counters for the summary, messages, the stop flag.

use crate::args::{Common, LogFormat};
use crate::latency::Latency;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::rate::{Limiter, Rate};
use crate::tool::Stage;
use fault::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A number that the summary prints. Cheap to clone into threads; add per batch, not per row.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Has a signal asked the tool to stop? Loops look at it once per batch.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    pub(crate) fn raise(&self, kind: Kind) {
        self.0.store(kind.code(), Ordering::SeqCst);
    }

    /// True once SIGINT or SIGTERM has come.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// An error of kind `Interrupted` or `Terminated` once a signal has come; for use with `?` in loops.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            code if code == Kind::Interrupted.code() => Err(Error::new(Kind::Interrupted, "interrupted")),
            _ => Err(Error::new(Kind::Terminated, "terminated")),
        }
    }

    /// What to say of a failure: the signal, if one has come, since a signal shows as a broken wait; else the failure itself.
    pub fn rather_than(&self, failure: Error) -> Error {
        self.check().err().unwrap_or(failure)
    }

    /// Waits so long, or fails as [`Stop::check`] does once a signal has come (within 50 ms).
    pub fn sleep(&self, time: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            self.check()?;
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// The context of one run. Clones share everything, so threads can count and warn.
#[derive(Clone)]
pub struct Run {
    inner: Arc<Inner>,
}

struct Inner {
    tool: &'static str,
    stage: Stage,
    log: Log,
    started: Instant,
    stop: Stop,
    summary_file: Option<PathBuf>,
    counters: Mutex<Vec<(&'static str, Counter)>>,
    notes: Mutex<Vec<(&'static str, String)>>,
    /// Numbers of the moment, for the metrics only.
    gauges: Mutex<Vec<(&'static str, Counter)>>,
    latency: Latency,
    metrics: OnceLock<Metrics>,
    limiter: OnceLock<Limiter>,
    total_rows: Counter,
    finished: AtomicBool,
}

/// Keys that every summary has, in this order.
const STANDARD: [&str; 4] = ["rows", "bytes", "retries", "rejected"];

impl Run {
    pub(crate) fn new(tool: &'static str, stage: Stage, common: &Common) -> Self {
        Run {
            inner: Arc::new(Inner {
                tool,
                stage,
                log: Log::new(tool, common),
                started: Instant::now(),
                stop: Stop::default(),
                summary_file: common.summary_file.clone(),
                counters: Mutex::new(STANDARD.iter().map(|key| (*key, Counter::default())).collect()),
                notes: Mutex::default(),
                gauges: Mutex::default(),
                latency: Latency::default(),
                metrics: OnceLock::new(),
                limiter: OnceLock::new(),
                total_rows: Counter::default(),
                finished: AtomicBool::new(false),
            }),
        }
    }

    /// A run for tests of libraries: quiet, with a summary that nobody prints.
    pub fn for_test(tool: &'static str) -> Self {
        let common = Common {
            progress: crate::args::When::Never,
            log_format: LogFormat::Text,
            summary_file: None,
            metrics_file: None,
            verbose: 0,
            quiet: true,
            generate: None,
        };
        Run::new(tool, Stage::Control, &common)
    }

    /// The tool's name.
    pub fn tool(&self) -> &'static str {
        self.inner.tool
    }

    /// The counter of this summary key; made on first use. `rows`, `bytes`, `retries` and `rejected` always exist.
    pub fn counter(&self, key: &'static str) -> Counter {
        named(&mut lock(&self.inner.counters), key)
    }

    /// A number of the moment, made on first use: it stands in the metrics, not in the summary.
    pub fn gauge(&self, key: &'static str) -> Counter {
        named(&mut lock(&self.inner.gauges), key)
    }

    /// How long this run's requests take, for the metrics.
    pub fn latency(&self) -> Latency {
        self.inner.latency.clone()
    }

    /// Every counter and gauge as it is now.
    pub(crate) fn numbers(&self) -> Vec<(&'static str, u64)> {
        let read = |all: &Mutex<Vec<(&'static str, Counter)>>| -> Vec<(&'static str, u64)> {
            lock(all).iter().map(|(key, counter)| (*key, counter.get())).collect()
        };
        let mut numbers = read(&self.inner.counters);
        numbers.extend(read(&self.inner.gauges));
        numbers
    }

    pub(crate) fn stage(&self) -> Stage {
        self.inner.stage
    }

    /// Opens what `--metrics-file` and `TS_METRICS_DIR` ask for.
    pub(crate) fn open_metrics(&self, common: &Common) -> Result<()> {
        if let Some(metrics) = Metrics::open(common, self.inner.stage, self)? {
            let _ = self.inner.metrics.set(metrics);
        }
        Ok(())
    }

    /// From now on no more than this goes through [`Run::take`] and [`Run::pace`]. `None` is no limit.
    pub fn limit(&self, rate: Option<Rate>) {
        if let Some(rate) = rate {
            let _ = self.inner.limiter.set(Limiter::new(rate, self));
        }
    }

    /// Waits until so many rows and bytes may go, in any thread. Fails when a signal comes.
    pub fn take(&self, rows: u64, bytes: u64) -> Result<()> {
        self.inner.limiter.get().map_or(Ok(()), |limiter| limiter.take(rows, bytes))
    }

    /// Calls `write` (offset, length) for so many rows: at once, or in pieces with waits where there is a limit. `bytes` is
    /// the counter that `write` moves.
    pub fn pace(&self, rows: usize, bytes: &Counter, mut write: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
        match self.inner.limiter.get() {
            None => write(0, rows),
            Some(limiter) => limiter.pace(rows, bytes, write),
        }
    }

    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.inner.metrics.get()
    }

    /// A text in the summary (`verdict=equal`). The last value wins.
    pub fn note(&self, key: &'static str, value: impl Into<String>) {
        let mut notes = lock(&self.inner.notes);
        notes.retain(|(name, _)| *name != key);
        notes.push((key, value.into()));
    }

    /// Tells the progress bar how many rows there will be (0: unknown).
    pub fn expect_rows(&self, total: u64) {
        self.inner.total_rows.set(total);
    }

    pub(crate) fn expected_rows(&self) -> u64 {
        self.inner.total_rows.get()
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.inner.started.elapsed()
    }

    /// The stop flag.
    pub fn stop(&self) -> Stop {
        self.inner.stop.clone()
    }

    /// Asks whether a signal has come: for libraries that take a closure (`net::Stop::new`).
    pub fn stopped(&self) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
        let stop = self.stop();
        move || stop.is_raised()
    }

    /// Takes the times of replies into the metrics: for libraries that take a closure (`net::Timing::new`).
    pub fn replied(&self) -> impl Fn(Duration) + Clone + Send + Sync + 'static {
        let latency = self.latency();
        move |time| latency.add(time)
    }

    /// Takes repetitions: counts them (`retries`), and with `-v` says what went wrong and how long the wait is. For libraries
    /// that take a closure.
    pub fn repeated(&self) -> impl Fn(&Error, Duration) + Clone + Send + Sync + 'static {
        let run = self.clone();
        move |error, wait| {
            run.counter("retries").add(1);
            run.info(format!("{error}; trying again in {:.1} s", wait.as_secs_f64()));
        }
    }

    /// Something the user should know; never more than a few lines per run (count the rest).
    pub fn warn(&self, message: impl AsRef<str>) {
        self.inner.log.message("warning", message.as_ref());
    }

    /// Tells of a repetition: counts it (`retries`), and says what went wrong and how long the wait is.
    pub fn retrying(&self, error: &Error, wait: Duration) {
        self.counter("retries").add(1);
        self.warn(format!("{error}: trying again in {:.1} s", wait.as_secs_f64()));
    }

    /// With `-v`.
    pub fn info(&self, message: impl AsRef<str>) {
        if self.inner.log.verbosity >= 1 {
            self.inner.log.message("info", message.as_ref());
        }
    }

    /// With `-vv`: the closure is not called otherwise.
    pub fn debug<S: AsRef<str>>(&self, message: impl FnOnce() -> S) {
        if self.inner.log.verbosity >= 2 {
            self.inner.log.message("debug", message().as_ref());
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.inner.log
    }

    pub(crate) fn check_summary_file(&self) -> Result<()> {
        let Some(path) = &self.inner.summary_file else { return Ok(()) };
        crate::output::Output::file(path).map(drop)
    }

    /// Prints the error (if it is one to print) and the summary; gives the exit code.
    pub(crate) fn finish(&self, outcome: Result<()>) -> u8 {
        let rejected = self.counter("rejected").get();
        let mut kind = match &outcome {
            Ok(()) if self.inner.stop.check().is_err() => self.inner.stop.check().err().map(|e| e.kind()),
            Ok(()) if rejected > 0 => Some(Kind::Rejected),
            Ok(()) => None,
            Err(error) => Some(error.kind()),
        };
        if self.inner.finished.swap(true, Ordering::SeqCst) {
            return kind.map_or(0, Kind::code);
        }
        self.inner.log.clear_progress();
        if let Err(error) = &outcome {
            // A closed stdout is no error of ours, a signal's sender knows what he did, and a negative answer was asked for:
            // it stands in the tool's report and in the summary.
            if !matches!(error.kind(), Kind::StdoutClosed | Kind::Interrupted | Kind::Terminated | Kind::Negative) {
                self.inner.log.error(error);
            }
        }
        if let Err(error) = self.write_summary_file(kind) {
            self.inner.log.error(&error);
            kind = kind.or(Some(error.kind()));
        }
        if let Some(metrics) = self.metrics() {
            metrics.write(self, Some(kind.map_or(0, Kind::code)));
        }
        self.inner.log.summary(&self.text_summary(kind), &self.json_summary(kind));
        kind.map_or(0, Kind::code)
    }

    fn text_summary(&self, kind: Option<Kind>) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{}: {}", self.inner.tool, kind.map_or("ok", Kind::word));
        for (key, counter) in lock(&self.inner.counters).iter() {
            let _ = write!(text, " {key}={}", counter.get());
        }
        for (key, value) in lock(&self.inner.notes).iter() {
            let _ = write!(
                text,
                " {key}={}",
                if value.contains([' ', '"', '=']) { format!("{value:?}") } else { value.clone() }
            );
        }
        let _ = write!(text, " secs={:.3}", self.elapsed().as_secs_f64());
        text
    }

    fn json_summary(&self, kind: Option<Kind>) -> Value {
        let mut map = Map::new();
        map.insert("level".into(), "summary".into());
        map.insert("tool".into(), self.inner.tool.into());
        map.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        map.insert("stage".into(), self.inner.stage.word().into());
        map.insert("status".into(), kind.map_or("ok", Kind::word).into());
        map.insert("exit".into(), kind.map_or(0, Kind::code).into());
        for (key, counter) in lock(&self.inner.counters).iter() {
            map.insert((*key).into(), counter.get().into());
        }
        for (key, value) in lock(&self.inner.notes).iter() {
            map.insert((*key).into(), value.clone().into());
        }
        map.insert("secs".into(), ((self.elapsed().as_secs_f64() * 1e3).round() / 1e3).into());
        Value::Object(map)
    }

    /// To `--summary-file`, and into the directory where a runner collects what every stage of a pipeline says.
    fn write_summary_file(&self, kind: Option<Kind>) -> Result<()> {
        use std::io::Write as _;
        let receipt = std::env::var_os("TS_RECEIPT_DIR")
            .filter(|folder| !folder.is_empty() && self.inner.stage != Stage::Control)
            .map(|folder| PathBuf::from(folder).join(format!("{}.{}.json", self.inner.tool, std::process::id())));
        for path in self.inner.summary_file.iter().chain(&receipt) {
            let mut file = crate::output::Output::file(path)?;
            writeln!(file, "{}", fault::conceal(&self.json_summary(kind).to_string()))
                .map_err(|error| Error::io(format!("cannot write {}", path.display()), error))?;
            file.finish()?;
        }
        Ok(())
    }
}

/// The counter of this name; made if it is not there.
fn named(all: &mut Vec<(&'static str, Counter)>, key: &'static str) -> Counter {
    if let Some((_, counter)) = all.iter().find(|(name, _)| *name == key) {
        return counter.clone();
    }
    let counter = Counter::default();
    all.push((key, counter.clone()));
    counter
}

/// A panic in another thread must not take the summary with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
