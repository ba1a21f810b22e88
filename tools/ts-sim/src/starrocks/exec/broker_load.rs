//! `LOAD LABEL` (dossier starrocks 4.1): files into a table, in the background, all or nothing.

use std::sync::Arc;

use super::files_in::Files;
use super::insert::fitted;
use super::unload::unescaped;
use super::{Answer, Refusal, Session, jobs};
use crate::starrocks::datetime;
use crate::starrocks::loading::{Loader, Settings};
use crate::starrocks::server::Server;
use crate::starrocks::sql::cursor::Cursor;
use crate::starrocks::store::LoadRecord;
use crate::starrocks::types::Type;
use crate::starrocks::value::Value;

struct Work {
    id: u64,
    database: String,
    table: String,
    urls: Vec<String>,
    broker: Vec<(String, String)>,
    format: Option<String>,
    separator: Vec<u8>,
    partitions: Vec<String>,
    columns: Vec<String>,
    strict: bool,
    ratio: f64,
}

/// Reads what follows LOAD, and starts the job.
pub fn start(session: &Session, cursor: &mut Cursor<'_>) -> Result<Answer, Refusal> {
    cursor.expect(&["LABEL"])?;
    let label = cursor.qualified()?;
    let database = session.database_of(&label)?;
    cursor.expect(&["("])?;
    cursor.expect(&["DATA", "INFILE"])?;
    cursor.expect(&["("])?;
    let mut urls = vec![cursor.string()?];
    while cursor.eat(&[","]) {
        urls.push(cursor.string()?);
    }
    cursor.expect(&[")"])?;
    cursor.expect(&["INTO", "TABLE"])?;
    let table = cursor.name()?;
    let partitions = if cursor.eat(&["PARTITION"]) { cursor.names()? } else { Vec::new() };
    let separator = if cursor.eat(&["COLUMNS", "TERMINATED", "BY"]) { cursor.string()? } else { "\t".to_string() };
    if cursor.eat(&["ROWS", "TERMINATED", "BY"]) && cursor.string()? != "\\n" {
        return Err("the simulator reads rows that end in a line feed only".into());
    }
    let format = if cursor.eat(&["FORMAT", "AS"]) { Some(cursor.string()?) } else { None };
    let columns = if cursor.is(&["("]) { cursor.names()? } else { Vec::new() };
    cursor.expect(&[")"])?;
    let with = cursor.eat(&["WITH", "BROKER"]) && cursor.is(&["("]);
    let broker = if with { cursor.properties()? } else { Vec::new() };
    let properties = if cursor.eat(&["PROPERTIES"]) { cursor.properties()? } else { Vec::new() };
    cursor.end()?;
    let get = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut store = session.server.store_mut();
    store.table(&database, &table)?;
    // A label is free again only after its load was cancelled.
    if store.loads.iter().any(|l| l.database == database && l.label == label.name && l.state != "CANCELLED") {
        return Err(format!("Label [{}] has already been used.", label.name).into());
    }
    let work = Work {
        id: store.new_id(),
        database: database.clone(),
        table: table.clone(),
        urls,
        broker,
        format,
        separator: unescaped(&separator),
        partitions,
        columns,
        strict: get("strict_mode") == Some("true"),
        ratio: get("max_filter_ratio").and_then(|n| n.parse().ok()).unwrap_or(0.0),
    };
    store.loads.push(LoadRecord {
        id: work.id,
        label: label.name,
        database,
        table,
        state: "PENDING".to_string(),
        kind: "BROKER".to_string(),
        created: datetime::now(),
        ..LoadRecord::default()
    });
    drop(store);
    let server = session.server.clone();
    std::thread::spawn(move || run(&server, &work));
    Ok(Answer::done())
}

fn update(server: &Arc<Server>, id: u64, change: impl FnOnce(&mut LoadRecord)) {
    if let Some(record) = server.store_mut().loads.iter_mut().find(|l| l.id == id) {
        change(record);
    }
}

fn run(server: &Arc<Server>, work: &Work) {
    std::thread::sleep(jobs::PENDING);
    update(server, work.id, |record| record.state = "LOADING".to_string());
    let ended = load(server, work);
    update(server, work.id, |record| {
        record.finished = datetime::now();
        match ended {
            Ok(()) => record.state = "FINISHED".to_string(),
            Err(why) => {
                (record.state, record.error) = ("CANCELLED".to_string(), format!("type:LOAD_RUN_FAIL; msg:{why}"))
            }
        }
    });
}

fn load(server: &Arc<Server>, work: &Work) -> Result<(), String> {
    // Without FORMAT the name's end tells.
    let by_name = || if work.urls.iter().any(|u| u.ends_with(".parquet")) { "parquet" } else { "csv" }.to_string();
    let format = work.format.clone().unwrap_or_else(by_name);
    let files = Files::at(&work.urls, &work.broker, &format, work.separator.clone(), 0)?;
    let settings = Settings { strict: work.strict, partitions: work.partitions.clone(), ..Settings::default() };
    // Columns of Parquet go by name, those of CSV by place.
    let csv = files.columns.first().is_none_or(|(name, _)| name.starts_with('$'));
    let names: Vec<String> = match (&work.columns[..], csv) {
        ([], true) => Vec::new(),
        ([], false) => files.columns.iter().map(|(name, _)| name.clone()).collect(),
        (given, _) => given.to_vec(),
    };
    let mut loader = Loader::new(&server.store(), &work.database, &work.table, &names, &settings)?;
    let schema = loader.schema().clone();
    let types: Vec<Option<Type>> =
        names.iter().map(|name| schema.find(name).map(|at| schema.fields[at].ty.clone())).collect();
    files.each(&mut |row| {
        if csv {
            let cells: Vec<Option<&[u8]>> =
                row.iter().map(|cell| if let Value::Bytes(b) = cell { Some(b.as_ref()) } else { None }).collect();
            loader.row(&cells, false);
        } else {
            let values = row.iter().zip(&files.columns).zip(&types).map(|((value, (_, from)), to)| match to {
                Some(to) => fitted(value.clone(), from, to),
                None => Value::Null,
            });
            // A row that does not fit is counted as filtered.
            let _ = loader.values(values.collect(), false);
        }
        Ok(true)
    })?;
    let load = loader.finish();
    let outcome = load.outcome.clone();
    update(server, work.id, |record| {
        record.scan_rows = outcome.total;
        record.scan_bytes = files.bytes;
        record.filtered_rows = outcome.filtered;
        record.sink_rows = outcome.loaded;
        record.tracking_log = outcome.errors.join("\n");
    });
    if outcome.filtered as f64 > work.ratio * outcome.total as f64 {
        return Err("ETL_QUALITY_UNSATISFIED; quality not good enough to cancel".to_string());
    }
    server.store_mut().publish(load)
}
