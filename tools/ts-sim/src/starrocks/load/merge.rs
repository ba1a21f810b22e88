//! Merge commit (from 3.4): small loads into one table with the same parameters become one transaction (dossier
//! starrocks 1.3). The client's label becomes a request's id; one bad request fails the group.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::body::Writer;
use super::fault::LoadFault;
use super::labels::TIMEOUT;
use super::options::{Format, Options, text};
use super::reply::{Failure, LoadReply, Numbers};
use crate::starrocks::http::{Call, Outcome, Upload};
use crate::starrocks::server::Server;

/// Groups that still take requests.
#[derive(Default)]
pub struct Merges {
    groups: Mutex<HashMap<String, Group>>,
}

struct Group {
    label: String,
    bodies: Vec<Vec<u8>>,
    done: broadcast::Sender<Done>,
}

/// What became of a group: its transaction, or why not.
type Done = Result<u64, Failure>;

/// How long a group waits for others without `merge_commit_interval_ms` ([memory]).
const INTERVAL: Duration = Duration::from_millis(500);

/// Whether a load asks for it, and the server can do it.
pub fn is_asked(server: &Server, call: &Call) -> bool {
    server.version_pair() >= (3, 4)
        && text(&call.headers, "enable_merge_commit").is_some_and(|t| t.eq_ignore_ascii_case("true"))
}

/// Adds a request to its group and answers when the group is visible, or at once when asked to.
pub async fn load(server: &Arc<Server>, call: &Call, database: &str, table: &str, upload: &mut Upload) -> Outcome {
    let started = Instant::now();
    let request = text(&call.headers, "label").unwrap_or_else(|| server.loads.new_label(""));
    let Some((body, _)) = upload.next(usize::MAX).await else { return Outcome::Close };
    let answer = |label: &str, result: Done| {
        // The numbers of a group are not told to its members ([memory]).
        let numbers = Numbers {
            bytes: upload.received,
            milliseconds: server.loads.count(upload.received, started),
            ..Numbers::default()
        };
        let transaction = result.as_ref().map_or(-1, |id| i64::try_from(*id).unwrap_or(i64::MAX));
        let result = result.map(|_| ());
        let request_id = Some(request.as_str());
        let reply = LoadReply { transaction, label, result, published: true, numbers, error_url: None, request_id };
        Outcome::json(reply.text())
    };
    let options = match prepare(server, call, database, table) {
        Ok(options) => options,
        Err(failure) => return answer("", Err(failure)),
    };
    let parameters = [
        "format",
        "columns",
        "where",
        "column_separator",
        "row_delimiter",
        "strict_mode",
        "max_filter_ratio",
        "timezone",
        "partial_update",
        "enclose",
        "escape",
        "jsonpaths",
        "json_root",
        "strip_outer_array",
        "timeout",
        "merge_commit_interval_ms",
    ];
    let key: Vec<String> = parameters.iter().map(|name| text(&call.headers, name).unwrap_or_default()).collect();
    let key = format!("{database}\0{table}\0{}", key.join("\0"));
    let (label, mut done, first) = {
        let mut groups = server.loads.merges.groups.lock().unwrap_or_else(|e| e.into_inner());
        let first = !groups.contains_key(&key);
        let group = groups.entry(key.clone()).or_insert_with(|| Group {
            label: server.loads.new_label("merge_commit_"),
            bodies: Vec::new(),
            done: broadcast::channel(1).0,
        });
        group.bodies.push(body);
        (group.label.clone(), group.done.subscribe(), first)
    };
    if first {
        let interval = text(&call.headers, "merge_commit_interval_ms").and_then(|t| t.parse().ok());
        let interval = interval.map_or(INTERVAL, Duration::from_millis);
        let server = server.clone();
        let (database, table, fault) = (database.to_owned(), table.to_owned(), call.load_fault().cloned());
        tokio::spawn(async move {
            tokio::time::sleep(interval).await;
            let group = server.loads.merges.groups.lock().unwrap_or_else(|e| e.into_inner()).remove(&key);
            let Some(group) = group else { return };
            let worker = server.clone();
            let (label, bodies) = (group.label, group.bodies);
            let work = move || write(&worker, &database, &table, &label, &bodies, options, fault.as_ref());
            let result = tokio::task::spawn_blocking(work).await;
            // Members that have gone do not wait for it.
            let _ = group.done.send(
                match result.unwrap_or_else(|_| Err(Failure::internal("internal error of the simulator"))) {
                    Ok(id) => server.commit(id, None).map(|()| id),
                    Err(failure) => Err(failure),
                },
            );
        });
    }
    if text(&call.headers, "merge_commit_async").is_some_and(|t| t.eq_ignore_ascii_case("true")) {
        return answer(&label, Ok(0));
    }
    let result = done.recv().await.unwrap_or_else(|_| Err(Failure::internal("internal error of the simulator")));
    answer(&label, result)
}

/// Checks what can be checked before the group is committed.
fn prepare(server: &Server, call: &Call, database: &str, table: &str) -> Result<Options, Failure> {
    let (user, password) = call.account().ok_or_else(|| Failure::internal("no valid Basic authorization"))?;
    if !server.knows(&user, &password) {
        return Err(Failure::internal(format!("Access denied for {user}@127.0.0.1")));
    }
    let options = Options::read(&call.headers, server.version_pair())?;
    if options.csv.skip_header > 0 || options.format == Format::Arrow {
        return Err(Failure::internal("merge commit does not support skip_header and arrow"));
    }
    Writer::new(&server.store(), database, table, options.clone())?;
    Ok(options)
}

/// Writes all bodies of a group into one transaction, up to its being prepared.
fn write(
    server: &Arc<Server>,
    database: &str,
    table: &str,
    label: &str,
    bodies: &[Vec<u8>],
    options: Options,
    fault: Option<&LoadFault>,
) -> Done {
    let begun = server.begin(database, label, options.timeout.unwrap_or(TIMEOUT))?;
    let written = (|| {
        let mut writer = Writer::new(&server.store(), database, table, options)?;
        writer.spoil(fault);
        for body in bodies {
            // Rows glue together where a request does not end with the row delimiter, as on the server.
            writer.body(body, false)?;
        }
        let written = writer.finish()?;
        match fault.and_then(LoadFault::message) {
            Some(why) => Err(why),
            None if written.too_many_filtered => Err("too many filtered rows".to_owned()),
            None => Ok(written),
        }
    })();
    match written {
        Err(why) => {
            server.abort(begun.id, &why);
            Err(Failure::internal(why))
        }
        Ok(written) => {
            server.note(&begun, table, &written.prepared.outcome, written.bytes, None);
            server.loads.labels().prepare(begun.id, vec![written.prepared], TIMEOUT, Instant::now())?;
            Ok(begun.id)
        }
    }
}
