//! What an attempt came to: a receipt if every row of the split is accounted for, else why not.

use crate::pipeline::Ended;
use fault::{Error, Kind, Result};
use state::Stage;
use std::path::Path;

/// What the stages say together.
#[derive(Debug, PartialEq)]
pub struct Account {
    pub stages: Vec<Stage>,
    pub rows: u64,
    pub rejected: u64,
    pub dropped: u64,
    pub throttled: u64,
}

/// Why a split is not done.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code that tells the cause.
    pub exit: u8,
    pub retryable: bool,
    pub error: String,
}

/// The summaries that the stages left in their directory.
pub fn stages(logs: &Path) -> Result<Vec<Stage>> {
    let fail = |error| Error::io(format!("cannot read {}", logs.display()), error);
    let mut stages = Vec::new();
    for entry in std::fs::read_dir(logs).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).map_err(fail)?;
            stages.push(serde_json::from_str::<Stage>(&text).map_err(|error| {
                Error::caused(Kind::LocalIo, format!("{} is no summary of a stage", path.display()), error)
            })?);
        }
    }
    stages.sort_by(|a, b| (place(a), &a.tool).cmp(&(place(b), &b.tool)));
    Ok(stages)
}

fn place(stage: &Stage) -> u8 {
    match stage.stage.as_str() {
        "source" => 0,
        "sink" => 2,
        _ => 1,
    }
}

/// Judges an attempt. `said` is what its stages wrote to stderr.
pub fn judge(
    ended: &Ended,
    stages: Vec<Stage>,
    said: &str,
    limit: std::time::Duration,
) -> std::result::Result<Account, Refusal> {
    let refuse = |exit: u8, retryable: bool, error: String| Err(Refusal { exit, retryable, error });
    if ended.late {
        return refuse(Kind::Incomplete.code(), true, format!("the attempt took longer than {limit:?} and was ended"));
    }
    // A closed pipe (141) and a missing end mark (9) are the echo of another stage's failure: its own code tells more.
    if let Some(stage) = stages.iter().find(|stage| !matches!(stage.exit, 0 | 8 | 9 | 141)) {
        let error =
            first_error(said, &stage.tool).unwrap_or_else(|| format!("{} ended with {}", stage.tool, stage.exit));
        return refuse(stage.exit, retryable(stage.exit), error);
    }
    // Echoes alone: whoever caused them was killed, or is none of our tools. That may pass.
    let echo = |exit: u8| stages.iter().find(|stage| stage.exit == exit);
    if let Some(stage) = echo(9).or_else(|| echo(141)) {
        let error = first_error(said, &stage.tool).unwrap_or_else(|| {
            format!(
                "{} lost its reader: a stage was killed, or ended too soon (the pipeline ended with {})",
                stage.tool, ended.code
            )
        });
        return refuse(Kind::Incomplete.code(), true, error);
    }
    if !matches!(ended.code, 0 | 8) {
        // A stage that was killed leaves no summary; nor does a program that is not ours.
        let error = first_error(said, "").unwrap_or_else(|| {
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            format!("the pipeline ended with {}: {}", ended.code, fault::excerpt(last.as_bytes()))
        });
        return refuse(ended.code, retryable(ended.code) || ended.code > 128, error);
    }
    let rows_of = |place: &str| stages.iter().filter(|s| s.stage == place).map(|s| s.rows).collect::<Vec<_>>();
    let (sources, filters, sinks) = (rows_of("source"), rows_of("filter"), rows_of("sink"));
    if (sources.is_empty() || sinks.is_empty()) && rows_of("carrier").is_empty() {
        let what = if sources.is_empty() { "source" } else { "sink" };
        let error = format!(
            "no {what} has told what it did: the pipeline must read with one of our sources and write with one of our sinks, and leave TS_RECEIPT_DIR to them"
        );
        return refuse(Kind::Usage.code(), false, error);
    }
    let rejected: u64 = stages.iter().map(|s| s.rejected).sum();
    let dropped: u64 = stages.iter().map(|s| s.number("all_null_row")).sum();
    // Where a store stands in for a system, nobody counts rows at that end: the formats tell a cut stream from a whole one,
    // and the stages that do count must agree.
    let written = if sinks.is_empty() { filters.iter().min().copied() } else { Some(sinks.iter().sum()) };
    let read = if sources.is_empty() { filters.iter().max().copied() } else { Some(sources.iter().sum()) };
    let rows = written.or_else(|| Some(read? - (rejected + dropped).min(read?))).unwrap_or(0);
    let read = read.unwrap_or(rows + rejected + dropped);
    if read != rows + rejected + dropped {
        let error = format!(
            "{read} rows were read, but {rows} written, {rejected} rejected and {dropped} without a value: rows were lost or doubled on the way"
        );
        return refuse(Kind::Incomplete.code(), true, error);
    }
    let throttled = stages.iter().map(|s| s.number("throttled")).sum();
    Ok(Account { rows, rejected, dropped, throttled, stages })
}

fn retryable(exit: u8) -> bool {
    Kind::ALL.into_iter().any(|kind| kind.code() == exit && kind.retryable())
}

/// The first error line of this tool, of any if it is empty.
fn first_error(said: &str, tool: &str) -> Option<String> {
    let marked = |line: &&str| line.contains(": error: ") && line.starts_with(tool);
    said.lines().find(marked).map(|line| fault::excerpt(line.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stage(tool: &str, stage: &str, exit: u8, rows: u64, rejected: u64) -> Stage {
        let text = format!(
            r#"{{"tool":"{tool}","version":"0","stage":"{stage}","exit":{exit},"rows":{rows},"bytes":1,"retries":0,"rejected":{rejected},"all_null_row":0,"throttled":2,"status":"ok"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn judged(code: u8, stages: Vec<Stage>, said: &str) -> std::result::Result<Account, Refusal> {
        judge(&Ended { code, late: false }, stages, said, Duration::from_secs(1))
    }

    #[test]
    fn every_row_must_be_accounted_for() {
        let all = |written, rejected| {
            vec![
                stage("td-dump", "source", 0, 10, 0),
                stage("lp-encode", "filter", 0, 10, 0),
                stage("influx-write", "sink", 0, written, rejected),
            ]
        };
        let account = judged(0, all(10, 0), "").unwrap();
        assert_eq!((account.rows, account.rejected, account.throttled), (10, 0, 6));
        assert_eq!(judged(8, all(9, 1), "").unwrap().rejected, 1);
        for (written, rejected) in [(9, 0), (11, 0), (10, 1), (0, 0)] {
            let refusal = judged(0, all(written, rejected), "").unwrap_err();
            assert_eq!((refusal.exit, refusal.retryable), (9, true));
            assert!(refusal.error.contains("10 rows were read"), "{}", refusal.error);
        }
    }

    #[test]
    fn a_store_may_stand_at_either_end() {
        let carrier = |tool| stage(tool, "carrier", 0, 0, 0);
        let put = vec![stage("sr-export", "source", 0, 10, 0), carrier("store-put")];
        assert_eq!(judged(0, put, "").unwrap().rows, 10);
        let put =
            vec![stage("td-dump", "source", 0, 10, 0), stage("lp-encode", "filter", 0, 9, 1), carrier("store-put")];
        assert_eq!(judged(8, put, "").unwrap().rows, 9);
        let put =
            vec![stage("td-dump", "source", 0, 10, 0), stage("lp-encode", "filter", 0, 9, 0), carrier("store-put")];
        assert_eq!(judged(0, put, "").unwrap_err().exit, 9);
        let get = |converted, loaded| {
            vec![
                carrier("store-get"),
                stage("ts-convert", "filter", 0, converted, 0),
                stage("sr-stream-load", "sink", 0, loaded, 0),
            ]
        };
        assert_eq!(judged(0, get(10, 10), "").unwrap().rows, 10);
        assert_eq!(judged(0, get(10, 9), "").unwrap_err().exit, 9);
        let get = vec![carrier("store-get"), stage("sr-stream-load", "sink", 0, 8, 2)];
        assert_eq!((judged(8, get.clone(), "").unwrap().rows, judged(8, get, "").unwrap().rejected), (8, 2));
        assert_eq!(judged(0, vec![carrier("store-get"), carrier("store-put")], "").unwrap().rows, 0);
    }

    #[test]
    fn a_pipeline_that_says_nothing_is_not_done() {
        assert_eq!(judged(0, vec![], "").unwrap_err().exit, 2);
        assert!(judged(0, vec![stage("td-dump", "source", 0, 1, 0)], "").unwrap_err().error.contains("no sink"));
    }

    #[test]
    fn the_cause_is_told_and_not_its_echo() {
        let stages = vec![
            stage("influx-write", "sink", 9, 3, 0),
            stage("lp-encode", "filter", 9, 5, 0),
            stage("td-dump", "source", 4, 5, 0),
        ];
        let said = "influx-write: error: stdin: the end mark is missing\ntd-dump: error: connection reset\n";
        let refusal = judged(4, stages, said).unwrap_err();
        assert_eq!(
            (refusal.exit, refusal.retryable, refusal.error.as_str()),
            (4, true, "td-dump: error: connection reset")
        );
        let refused = judged(6, vec![stage("td-dump", "source", 6, 0, 0)], "").unwrap_err();
        assert_eq!((refused.exit, refused.retryable), (6, false));
        // kill -9 of a filter, and of the sink: their neighbours only lost a pipe, which is no verdict on the split.
        let filter = vec![stage("td-dump", "source", 141, 5, 0), stage("influx-write", "sink", 9, 3, 0)];
        let refusal = judged(9, filter, "influx-write: error: stdin: the stream was cut\n").unwrap_err();
        assert_eq!((refusal.exit, refusal.retryable), (9, true));
        assert_eq!(refusal.error, "influx-write: error: stdin: the stream was cut");
        let sink = vec![stage("td-dump", "source", 141, 5, 0), stage("lp-encode", "filter", 141, 5, 0)];
        let refusal = judged(137, sink, "").unwrap_err();
        assert_eq!((refusal.exit, refusal.retryable), (9, true));
        assert!(refusal.error.contains("ended with 137"), "{}", refusal.error);
        // kill -9 of a stage: no summary, but the shell's code.
        let killed = judged(137, vec![stage("td-dump", "source", 0, 5, 0)], "").unwrap_err();
        assert_eq!((killed.exit, killed.retryable), (137, true));
    }
}
