//! `metrics`: the migration as Prometheus sees it.

use crate::args::Metrics;
use cli::exposition::{Exposition, Kind, replace};
use cli::{Run, stdout};
use fault::{Error, Result};
use state::{Directory, Look, Lookout, Plan, seconds};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// To stdout, to a file, or to a file again and again until nothing runs and nothing is left to run.
pub fn run(args: &Metrics, directory: &Directory, plan: &Plan, run: &Run) -> Result<()> {
    let name = name(args, directory.path());
    let mut lookout = Lookout::new(directory, plan);
    loop {
        let look = lookout.look()?;
        let text = text(&look, &name, now());
        let survey = &look.survey;
        run.counter("rows").set(survey.rows);
        run.counter("splits").set(survey.splits);
        match &args.output.output {
            None => stdout::write_all(text.as_bytes())?,
            Some(path) => {
                let written = replace(path, &text);
                written.map_err(|error| Error::io(format!("cannot write {}", path.display()), error))?;
            }
        }
        let Some(every) = args.every else { return Ok(()) };
        if survey.running == 0 && survey.pending == 0 && survey.failed == 0 {
            return Ok(());
        }
        run.stop().sleep(every)?;
    }
}

/// TS_MIGRATION, else the directory's name.
fn name(args: &Metrics, path: &Path) -> String {
    let stated = args.migration.clone().filter(|name| !name.is_empty());
    let own = || path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    stated.or_else(own).unwrap_or_default()
}

/// The look as text.
fn text(look: &Look, migration: &str, now: f64) -> String {
    let survey = &look.survey;
    let mut out = Exposition::new(&[("migration", migration)]);
    out.family("tsferry_splits", Kind::Gauge, "Splits of the plan by what is known of them.");
    for (state, count) in [
        ("pending", survey.pending),
        ("running", survey.running),
        ("done", survey.done),
        ("failed", survey.failed),
        ("blocked", survey.blocked),
        ("skipped", survey.skipped),
    ] {
        out.sample("tsferry_splits", &[("state", state)], count as f64);
    }
    for (name, help, value) in [
        ("rows", "Rows written, of the splits that are done.", survey.rows),
        ("rejected_rows", "Rows set aside, of the splits that are done.", survey.rejected),
        ("dropped_rows", "Rows without a value, of the splits that are done.", survey.dropped),
        ("throttled_requests", "Requests answered with 429 or 503, of the splits that are done.", survey.throttled),
        ("repeated_attempts", "Attempts beyond the first, of the splits that are done.", survey.repeated),
    ] {
        out.one(&format!("tsferry_migration_{name}_total"), Kind::Counter, help, value as f64);
    }
    let help = "Time that the target was down, of the splits that are done.";
    out.one("tsferry_migration_outage_seconds_total", Kind::Counter, help, survey.outage_ms as f64 / 1e3);
    if let Some(left) = survey.rows_left {
        let help = "Rows estimated for the splits that are not done.";
        out.one("tsferry_migration_rows_left", Kind::Gauge, help, left as f64);
    }
    let since = survey.oldest.as_deref().and_then(seconds);
    let age = since.map_or(0.0, |since| (now - since).max(0.0));
    let help = "How long the split that began first has been running; 0 if none runs.";
    out.one("tsferry_oldest_running_split_age_seconds", Kind::Gauge, help, age);
    if let Some(at) = survey.last_done.as_deref().and_then(seconds) {
        let help = "When the newest receipt was written, since the epoch.";
        out.one("tsferry_last_done_time_seconds", Kind::Gauge, help, at);
    }
    // Count and newest, by exit code.
    let mut failures: BTreeMap<u8, (u64, f64)> = BTreeMap::new();
    for failure in &look.failures {
        let (count, newest) = failures.entry(failure.exit).or_default();
        *count += 1;
        *newest = newest.max(seconds(&failure.at).unwrap_or(0.0));
    }
    if !failures.is_empty() {
        let exits: Vec<_> = failures.iter().map(|(exit, found)| (exit.to_string(), *found)).collect();
        let help = "Splits whose last attempt failed, by its exit code.";
        out.family("tsferry_failed_splits", Kind::Gauge, help);
        for (exit, (count, _)) in &exits {
            out.sample("tsferry_failed_splits", &[("exit", exit)], *count as f64);
        }
        let help = "When the newest of these failures was, since the epoch.";
        out.family("tsferry_last_failure_time_seconds", Kind::Gauge, help);
        for (exit, (_, at)) in &exits {
            out.sample("tsferry_last_failure_time_seconds", &[("exit", exit)], *at);
        }
    }
    let help = "When this was written, since the epoch.";
    out.one("tsferry_migration_update_time_seconds", Kind::Gauge, help, now);
    out.finish()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as f64
}
