//! Jobs that run in the background: EXPORT and LOAD LABEL, and what SHOW EXPORT and SHOW LOAD say of them.

use std::sync::Arc;
use std::time::Duration;

use super::export::{self, Export};
use super::query::{Columns, Made};
use super::virtual_table::{int, text, texts};
use super::{Answer, Refusal, Session, broker_load};
use crate::starrocks::datetime::datetime_text;
use crate::starrocks::server::Server;
use crate::starrocks::sql::cursor::Cursor;
use crate::starrocks::value::Value;

/// A job waits this long before it works: who asks at once finds it pending.
pub const PENDING: Duration = Duration::from_millis(150);

/// Starts a job, or cancels one.
pub fn run(session: &Session, statement: &str) -> Result<Answer, Refusal> {
    let mut cursor = Cursor::new(statement)?;
    if cursor.eat(&["EXPORT"]) {
        return export::start(session, &mut cursor);
    }
    if cursor.eat(&["LOAD"]) {
        return broker_load::start(session, &mut cursor);
    }
    cursor.expect(&["CANCEL", "EXPORT"])?;
    cursor.expect(&["FROM"])?;
    cursor.name()?;
    cursor.expect(&["WHERE"])?;
    cursor.name()?;
    cursor.expect(&["="])?;
    let id = cursor.string()?;
    update(&session.server, &id, |job| {
        if matches!(job.state, "PENDING" | "EXPORTING") {
            job.state = "CANCELLED";
            job.error = "type:USER_CANCEL; msg:user cancel".to_string();
        }
    });
    Ok(Answer::done())
}

/// Changes a job by its query's id.
pub fn update(server: &Arc<Server>, id: &str, change: impl FnOnce(&mut Export)) {
    let mut store = server.store_mut();
    if let Some(job) = store.exports.iter_mut().find(|job| job.query == id) {
        change(job);
    }
}

/// `SHOW EXPORT` (dossier starrocks 3.7).
pub fn show_export(session: &Session, database: &str) -> Result<(Columns, Made), Refusal> {
    let names = [
        "JobId",
        "QueryId",
        "State",
        "Progress",
        "TaskInfo",
        "Path",
        "CreateTime",
        "StartTime",
        "FinishTime",
        "Timeout",
        "ErrorMsg",
    ];
    let time = |at: i64| if at == 0 { Value::Null } else { text(datetime_text(at / 1_000_000 * 1_000_000)) };
    let store = session.server.store();
    let rows = store.exports.iter().filter(|job| job.database == database).map(|job| {
        let progress = match job.state {
            "FINISHED" => "100%",
            "EXPORTING" => "50%",
            _ => "0%",
        };
        let error = if job.error.is_empty() { Value::Null } else { text(&job.error) };
        vec![
            text(job.id.to_string()),
            text(&job.query),
            text(job.state),
            text(progress),
            text(&job.info),
            text(&job.path),
            time(job.created),
            time(job.started),
            time(job.finished),
            text("7200"),
            error,
        ]
    });
    Ok((texts(&names), rows.collect()))
}

/// `SHOW LOAD` (dossier starrocks 4.1): the columns of the older versions.
pub fn show_load(session: &Session, database: &str) -> Result<(Columns, Made), Refusal> {
    let names = [
        "JobId",
        "Label",
        "State",
        "Progress",
        "Type",
        "EtlInfo",
        "TaskInfo",
        "ErrorMsg",
        "CreateTime",
        "EtlStartTime",
        "EtlFinishTime",
        "LoadStartTime",
        "LoadFinishTime",
        "URL",
        "JobDetails",
    ];
    let time = |at: i64| if at == 0 { Value::Null } else { text(datetime_text(at / 1_000_000 * 1_000_000)) };
    let store = session.server.store();
    let rows = store.loads.iter().filter(|load| load.database == database).map(|load| {
        let done = load.state == "FINISHED";
        let error = if load.error.is_empty() { Value::Null } else { text(&load.error) };
        vec![
            int(load.id),
            text(&load.label),
            text(&load.state),
            text(if done { "ETL:100%; LOAD:100%" } else { "ETL:N/A; LOAD:N/A" }),
            text(&load.kind),
            text(format!(
                "unselected.rows={}; dpp.abnorm.ALL={}; dpp.norm.ALL={}",
                load.unselected_rows, load.filtered_rows, load.sink_rows
            )),
            text("resource:N/A; timeout(s):14400; max_filter_ratio:0.0"),
            error,
            time(load.created),
            time(load.created),
            time(load.created),
            time(load.created),
            time(load.finished),
            Value::Null,
            text(format!("{{\"ScannedRows\":{}}}", load.scan_rows)),
        ]
    });
    let (columns, rows) = (texts(&names), rows.collect());
    Ok((columns, rows))
}
