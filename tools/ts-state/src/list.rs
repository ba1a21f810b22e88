//! `ls` and `why`: what is known of splits.

use crate::args::Form;
use fault::{Error, Kind, Result};
use serde_json::{Value, json};
use state::{Directory, Plan, Split, Status};
use std::fmt::Write as _;

/// The states that `--only` knows.
const STATES: [&str; 6] = ["pending", "running", "done", "failed", "blocked", "skipped"];

/// A line a split: id, state, table, predicate, from, to, rows, attempts, what there is to say.
pub fn all(directory: &Directory, plan: &Plan, only: &[String], form: Form) -> Result<String> {
    if let Some(unknown) = only.iter().find(|word| !STATES.contains(&word.as_str())) {
        return Err(Error::usage(format!("--only {unknown}: the states are {}", STATES.join(", "))));
    }
    let mut text = String::new();
    if form == Form::Text {
        text.push_str("id\tstate\ttable\tpredicate\tfrom\tto\trows\tattempts\tnote\n");
    }
    for split in &plan.splits {
        let status = directory.status(&split.id)?;
        if !only.is_empty() && !only.iter().any(|word| word == status.word()) {
            continue;
        }
        let (rows, attempts, note) = facts(&status);
        match form {
            Form::Json => {
                let line = json!({
                    "id": split.id, "state": status.word(), "table": split.table, "predicate": split.predicate,
                    "from": split.from, "to": split.to, "est_rows": split.est_rows, "rows": rows,
                    "attempts": attempts, "note": note,
                });
                let _ = writeln!(text, "{line}");
            }
            Form::Text => {
                let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
                let cells = [
                    split.id.as_str(),
                    status.word(),
                    &split.table,
                    &split.predicate,
                    &split.from,
                    &split.to,
                    &number(rows),
                    &number(attempts),
                    &note,
                ];
                let _ = writeln!(text, "{}", cells.map(|cell| cell.replace(['\t', '\n', '\r'], " ")).join("\t"));
            }
        }
    }
    Ok(text)
}

/// Rows, attempts, and a word.
fn facts(status: &Status) -> (Option<u64>, Option<u64>, String) {
    match status {
        Status::Pending => (None, None, String::new()),
        Status::Running(holder) => {
            (None, None, format!("process {} on {} since {}", holder.pid, holder.host, holder.since))
        }
        Status::Done(receipt) => {
            let left_out = receipt.rejected + receipt.dropped;
            let mut notes = Vec::new();
            if left_out > 0 {
                notes.push(format!("{left_out} rows left out"));
            }
            if receipt.throttled > 0 {
                notes.push(format!("{} requests throttled", receipt.throttled));
            }
            let note = notes.join(", ");
            (Some(receipt.rows), Some(u64::from(receipt.attempt)), note)
        }
        Status::Failed(failure) => {
            (None, Some(u64::from(failure.attempts)), format!("exit {}: {}", failure.exit, failure.error))
        }
        Status::Skipped(reason) => (None, None, reason.clone()),
    }
}

/// All that is known of one split.
pub fn one(directory: &Directory, split: &Split) -> Result<String> {
    let status = directory.status(&split.id)?;
    let mut text = String::new();
    let mut say = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<11} {value}");
        }
    };
    let (_, attempts, note) = facts(&status);
    say("split", split.id.clone());
    say("table", split.table.clone());
    say("predicate", split.predicate.clone());
    say("window", format!("{} to {}", split.from, split.to));
    say("est_rows", split.est_rows.map_or_else(String::new, |rows| rows.to_string()));
    say("state", status.word().to_owned());
    say("note", note);
    match &status {
        Status::Done(receipt) => {
            say("rows", receipt.rows.to_string());
            say("rejected", receipt.rejected.to_string());
            say("ended", format!("{} on {}", receipt.ended, receipt.host));
            for stage in &receipt.stages {
                let stage = serde_json::to_value(stage)
                    .map_err(|error| Error::caused(Kind::Bug, "a stage cannot be written as JSON", error))?;
                say("stage", short(&stage));
            }
        }
        Status::Failed(failure) => {
            let advice =
                if failure.retryable { "the next run tries it again" } else { "mend the cause, then ts-state retry" };
            say("advice", advice.to_owned());
            if let Some(attempts) = attempts.and_then(|n| u32::try_from(n).ok()) {
                say("messages", directory.logs(&split.id, attempts).join("stderr.log").display().to_string());
            }
        }
        _ => {}
    }
    for event in directory.history(&split.id)? {
        let _ = writeln!(text, "{:<11} {} {}", event.at, event.what, event.note);
    }
    Ok(text)
}

/// `td-dump exit=0 rows=5 …`: the numbers of a summary.
fn short(stage: &Value) -> String {
    let mut text = stage.get("tool").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (key, value) in stage.as_object().into_iter().flatten() {
        if value.is_number() {
            let _ = write!(text, " {key}={value}");
        }
    }
    text
}
