//! `--metrics-file` and `TS_METRICS_DIR`: what a tool counts, as a file for the node exporter's textfile collector.
//!
//! A file in `TS_METRICS_DIR` belongs to a slot, not to a process: `tsferry-td-dump-2.prom` is the second `td-dump` that runs
//! there at one time. However many processes a migration takes, there are as many series as ran at once, and a counter
//! that begins anew is what Prometheus expects of a process that was started again.

use crate::args::Common;
use crate::exposition::{Exposition, Kind, replace};
use crate::{Run, Stage};
use fault::{Error, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two writes.
const EVERY: Duration = Duration::from_secs(2);

/// Slots that are tried: more of one tool at a time on one machine write no metrics.
const SLOTS: u32 = 1024;

/// Keys of the summary with a family of their own: key, name, kind, how many of the key make one (a division by 1000
/// gives the decimal nearest, which a product with 0.001 does not), help.
const FAMILIES: [(&str, &str, Kind, f64, &str); 14] = [
    (
        "rows",
        "tsferry_rows_total",
        Kind::Counter,
        1.0,
        "Rows delivered by a sink, or handed on by a source or a filter.",
    ),
    ("bytes", "tsferry_bytes_total", Kind::Counter, 1.0, "Bytes of these rows, as the summary counts them."),
    ("retries", "tsferry_retries_total", Kind::Counter, 1.0, "Requests that were made again."),
    ("rejected", "tsferry_rejected_rows_total", Kind::Counter, 1.0, "Rows set aside because they cannot be delivered."),
    ("requests", "tsferry_requests_total", Kind::Counter, 1.0, "Requests to write."),
    ("sent_bytes", "tsferry_sent_bytes_total", Kind::Counter, 1.0, "Bytes sent, after compression."),
    (
        "slowdowns",
        "tsferry_slowdowns_total",
        Kind::Counter,
        1.0,
        "Times that the number of requests in flight was cut.",
    ),
    ("throttled", "tsferry_throttled_requests_total", Kind::Counter, 1.0, "Requests answered with 429 or 503."),
    (
        "throttle_wait_ms",
        "tsferry_throttle_wait_seconds_total",
        Kind::Counter,
        1e3,
        "Time waited because the server asked for it.",
    ),
    (
        "outages",
        "tsferry_target_outages_total",
        Kind::Counter,
        1.0,
        "Times that the target was given up as down for a while.",
    ),
    ("outage_ms", "tsferry_target_outage_seconds_total", Kind::Counter, 1e3, "Time that the target was down."),
    ("limited_ms", "tsferry_rate_limit_wait_seconds_total", Kind::Counter, 1e3, "Time waited to keep to --rate-limit."),
    ("inflight_max", "tsferry_inflight_requests_max", Kind::Gauge, 1.0, "Most requests that were in flight at once."),
    ("target_down", "tsferry_target_down", Kind::Gauge, 1.0, "1 while the target is down and is only probed."),
];

/// Where the metrics of this run go.
pub(crate) struct Metrics {
    path: PathBuf,
    slot: String,
    migration: String,
    started: SystemTime,
    /// The last word is written: nothing comes after it.
    ended: Mutex<bool>,
    warned: AtomicBool,
    /// Held as long as the process lives, so that no other takes the slot.
    _lock: Option<File>,
}

impl Metrics {
    /// What was asked for by flag, else by the environment; the first file is there when this returns. A flag's file that
    /// cannot be written is exit 2; the environment's, which is set for many tools at once, is a warning.
    pub(crate) fn open(common: &Common, stage: Stage, run: &Run) -> Result<Option<Metrics>> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let migration = variable("TS_MIGRATION").unwrap_or_default();
        let make = |path: PathBuf, slot: String, lock: Option<File>| Metrics {
            path,
            slot,
            migration,
            started: SystemTime::now(),
            ended: Mutex::new(false),
            warned: AtomicBool::new(false),
            _lock: lock,
        };
        if let Some(path) = &common.metrics_file {
            let slot = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let metrics = make(path.clone(), slot, None);
            return match replace(path, &metrics.text(run, None)) {
                Ok(()) => Ok(Some(metrics)),
                Err(error) => {
                    let what = format!("--metrics-file {}: cannot be written", path.display());
                    Err(Error::caused(fault::Kind::Usage, what, error))
                }
            };
        }
        let Some(directory) = std::env::var_os("TS_METRICS_DIR").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        if stage == Stage::Control {
            return Ok(None);
        }
        let directory = PathBuf::from(directory);
        match take_slot(&directory, run.tool()) {
            Ok((number, lock)) => {
                let path = directory.join(format!("tsferry-{}-{number}.prom", run.tool()));
                let metrics = make(path, number.to_string(), Some(lock));
                metrics.write(run, None);
                Ok(Some(metrics))
            }
            Err(error) => {
                run.warn(format!("TS_METRICS_DIR={}: no metrics are written: {error}", directory.display()));
                Ok(None)
            }
        }
    }

    /// Writes the file; `end` is the exit code, and nothing is written after it. A failure is told once and costs nothing.
    pub(crate) fn write(&self, run: &Run, end: Option<u8>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return;
        }
        *ended = end.is_some();
        if let Err(error) = replace(&self.path, &self.text(run, end))
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            run.warn(format!("the metrics in {} are out of date: {error}", self.path.display()));
        }
    }

    fn text(&self, run: &Run, end: Option<u8>) -> String {
        let labels = [
            ("tool", run.tool()),
            ("stage", run.stage().word()),
            ("slot", self.slot.as_str()),
            ("migration", self.migration.as_str()),
        ];
        let mut out = Exposition::new(&labels);
        let version = env!("CARGO_PKG_VERSION");
        out.family("tsferry_build_info", Kind::Gauge, "1, with the version.");
        out.sample("tsferry_build_info", &[("version", version)], 1.0);
        let running = f64::from(u8::from(end.is_none()));
        out.one("tsferry_running", Kind::Gauge, "1 while the tool runs, 0 when it has ended.", running);
        if let Some(code) = end {
            out.one("tsferry_exit_code", Kind::Gauge, "How the tool ended; absent while it runs.", f64::from(code));
            let now = since_epoch(SystemTime::now());
            out.one("tsferry_end_time_seconds", Kind::Gauge, "When the tool ended, since the epoch.", now);
        }
        let started = since_epoch(self.started);
        out.one("tsferry_start_time_seconds", Kind::Gauge, "When the tool was started, since the epoch.", started);
        let now = since_epoch(SystemTime::now());
        out.one("tsferry_update_time_seconds", Kind::Gauge, "When this was written, since the epoch.", now);
        if run.expected_rows() > 0 {
            let rows = run.expected_rows() as f64;
            out.one("tsferry_expected_rows", Kind::Gauge, "Rows that there will be, as far as is known.", rows);
        }
        let mut rest = Vec::new();
        for (key, value) in run.numbers() {
            match FAMILIES.iter().find(|(name, ..)| *name == key) {
                Some((_, name, kind, make_one, help)) => out.one(name, *kind, help, value as f64 / make_one),
                None => rest.push((key, value)),
            }
        }
        if !rest.is_empty() {
            let name = "tsferry_other_number";
            out.family(name, Kind::Gauge, "Any other number of the tool's summary, by its key.");
            rest.iter().for_each(|(key, value)| out.sample(name, &[("key", key)], *value as f64));
        }
        let help = "Time from sending a request to the head of its reply.";
        run.latency().write("tsferry_request_duration_seconds", help, &mut out);
        out.finish()
    }
}

/// The first slot that nobody holds. The lock files are hidden, and stay.
fn take_slot(directory: &Path, tool: &str) -> std::io::Result<(u32, File)> {
    for number in 1..=SLOTS {
        let path = directory.join(format!(".tsferry-{tool}-{number}.lock"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok((number, file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(std::io::Error::other(format!("{SLOTS} of {tool} run already")))
}

fn since_epoch(time: SystemTime) -> f64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (seconds * 1e3).round() / 1e3
}

/// The thread that writes now and then.
pub(crate) struct Writer(Option<(Sender<()>, JoinHandle<()>)>);

impl Writer {
    /// Starts it, if metrics are wanted.
    pub(crate) fn start(run: &Run) -> Writer {
        if run.metrics().is_none() {
            return Writer(None);
        }
        let (stop, stopped) = channel();
        let run = run.clone();
        let work = move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Some(metrics) = run.metrics() {
                    metrics.write(&run, None);
                }
            }
        };
        // Without the thread there is still the last word.
        Writer(std::thread::Builder::new().name("metrics".into()).spawn(work).ok().map(|thread| (stop, thread)))
    }

    pub(crate) fn stop(self) {
        if let Some((stop, thread)) = self.0 {
            drop(stop);
            let _ = thread.join();
        }
    }
}
