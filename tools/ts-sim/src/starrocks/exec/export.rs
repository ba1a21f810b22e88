//! `EXPORT TABLE` (dossier starrocks 3.7): CSV files, under a temporary folder first, then renamed.

use std::sync::Arc;

use super::files_out::{Format, Out};
use super::query::Columns;
use super::storage::Place;
use super::unload::unescaped;
use super::{Answer, Refusal, Session, jobs};
use crate::starrocks::datetime;
use crate::starrocks::rows::Piece;
use crate::starrocks::server::Server;
use crate::starrocks::sql::cursor::Cursor;
use crate::starrocks::sql::lexer::Kind;
use crate::starrocks::value::Value;

/// An export job.
#[derive(Debug, Clone)]
pub struct Export {
    pub id: u64,
    /// The id that LAST_QUERY_ID() gives after the statement.
    pub query: String,
    pub database: String,
    pub state: &'static str,
    /// TaskInfo, as JSON.
    pub info: String,
    pub path: String,
    /// Microseconds; 0: not yet.
    pub created: i64,
    pub started: i64,
    pub finished: i64,
    pub error: String,
}

struct Work {
    query: String,
    folder: Place,
    prefix: String,
    /// Place of each column in the table.
    places: Vec<usize>,
    columns: Columns,
    pieces: Vec<Piece>,
    format: Format,
}

/// Reads what follows EXPORT, and starts the job.
pub fn start(session: &Session, cursor: &mut Cursor<'_>) -> Result<Answer, Refusal> {
    cursor.expect(&["TABLE"])?;
    let table = cursor.qualified()?;
    let partitions = if cursor.eat(&["PARTITION"]) { Some(cursor.names()?) } else { None };
    let names = if cursor.is(&["("]) { Some(cursor.names()?) } else { None };
    cursor.expect(&["TO"])?;
    let path = cursor.string()?;
    let properties = if cursor.eat(&["PROPERTIES"]) { cursor.properties()? } else { Vec::new() };
    let mut broker = Vec::new();
    if cursor.eat(&["WITH", "BROKER"]) {
        // A broker's name may follow; there is none since 2.5.
        if !cursor.is(&["("]) && !cursor.is(&[";"]) && *cursor.peek() != Kind::End {
            cursor.take();
        }
        if cursor.is(&["("]) {
            broker = cursor.properties()?;
        }
    }
    cursor.end()?;
    let get = |name: &str, default: &str| {
        unescaped(properties.iter().find(|(key, _)| key == name).map_or(default, |(_, value)| value))
    };
    let format =
        Format::Csv { separator: get("column_separator", "\t"), delimiter: get("line_delimiter", "\n"), header: false };
    let database = session.database_of(&table)?;
    let (folder, prefix) = Place::open(&path, &broker)?.split();
    let mut store = session.server.store_mut();
    let found = store.table(&database, &table.name)?;
    let schema = found.schema.clone();
    let places: Vec<usize> = match &names {
        None => (0..schema.fields.len()).collect(),
        Some(names) => names
            .iter()
            .map(|name| schema.find(name).ok_or_else(|| format!("Column [{name}] does not exist in table.")))
            .collect::<Result<_, String>>()?,
    };
    if let Some(name) = partitions.iter().flatten().find(|name| found.partition(name).is_none()) {
        return Err(format!("Partition [{name}] does not exist.").into());
    }
    let wanted =
        |name: &str| partitions.as_ref().is_none_or(|names| names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    let chosen: Vec<_> = found.partitions.iter().filter(|p| wanted(&p.name)).collect();
    let info = serde_json::json!({
        "partitions": chosen.iter().map(|p| p.name.clone()).collect::<Vec<_>>(),
        "column separator": properties.iter().find(|(k, _)| k == "column_separator").map_or("\\t", |(_, v)| v),
        "columns": names.clone().unwrap_or_else(|| vec!["*".to_string()]),
        "tablet num": chosen.len(),
        "broker": "",
        "coord num": 1,
        "db": database,
        "tbl": table.name,
        "row count": -1,
        "mem limit": 2_147_483_648u64,
    });
    let work = Work {
        query: session.query_id(),
        folder,
        prefix: if prefix.is_empty() { "data_".to_string() } else { prefix },
        columns: places.iter().map(|at| (schema.fields[*at].name.clone(), schema.fields[*at].ty.clone())).collect(),
        places,
        pieces: chosen.iter().flat_map(|p| p.rows.pieces()).collect(),
        format,
    };
    let id = store.new_id();
    store.exports.push(Export {
        id,
        query: work.query.clone(),
        database,
        state: "PENDING",
        info: info.to_string(),
        path,
        created: datetime::now(),
        started: 0,
        finished: 0,
        error: String::new(),
    });
    drop(store);
    let server = session.server.clone();
    std::thread::spawn(move || run(&server, work));
    Ok(Answer::done())
}

fn run(server: &Arc<Server>, work: Work) {
    std::thread::sleep(jobs::PENDING);
    let mut goes_on = false;
    jobs::update(server, &work.query, |job| {
        goes_on = job.state == "PENDING";
        if goes_on {
            (job.state, job.started) = ("EXPORTING", datetime::now());
        }
    });
    if !goes_on {
        return;
    }
    let ended = write(&work);
    jobs::update(server, &work.query, |job| {
        job.finished = datetime::now();
        match ended {
            Ok(()) => job.state = "FINISHED",
            Err(why) => (job.state, job.error) = ("CANCELLED", format!("type:RUN_FAIL; msg:{why}")),
        }
    });
}

fn write(work: &Work) -> Result<(), String> {
    let temporary = work.folder.and(&format!("__starrocks_export_tmp_{}/", work.query));
    let name = format!("{}{}_0_1_0.csv", work.prefix, work.query);
    let place = temporary.and(&name);
    let mut out = Out::create(place.clone(), &work.columns, &work.format)?;
    for piece in &work.pieces {
        for row in (0..piece.chunk.rows).filter(|row| piece.is_live(*row)) {
            let values: Vec<Value<'_>> = work.places.iter().map(|at| piece.chunk.get(row, *at)).collect();
            out.row(&values)?;
        }
    }
    out.finish()?;
    place.rename(&work.folder.and(&name))?;
    temporary.remove_folder()
}
