//! The BE's `PUT /api/{db}/{table}/_stream_load`: one body, one label, one transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::body::{Writer, Written};
use super::cluster::Begun;
use super::fault::LoadFault;
use super::labels::TIMEOUT;
use super::options::{Format, Options, text};
use super::reply::{Failure, LoadReply, Numbers};
use super::unpack::Packing;
use crate::starrocks::http::{Call, Outcome, Upload};
use crate::starrocks::server::Server;

/// What replaces a failure without a transaction.
const NO_TRANSACTION: i64 = -1;

/// Runs a load and answers it.
pub async fn load(server: &Arc<Server>, call: &Call, database: &str, table: &str, upload: &mut Upload) -> Outcome {
    let given = text(&call.headers, "label");
    let label = given.unwrap_or_else(|| server.loads.new_label(""));
    server.loads.running.fetch_add(1, Ordering::Relaxed);
    let outcome = run(server, call, database, table, &label, upload).await;
    server.loads.running.fetch_sub(1, Ordering::Relaxed);
    outcome
}

async fn run(
    server: &Arc<Server>,
    call: &Call,
    database: &str,
    table: &str,
    label: &str,
    upload: &mut Upload,
) -> Outcome {
    let started = Instant::now();
    let fail = |transaction: i64, failure: Failure, numbers: Numbers, error_url: Option<String>| {
        let reply = LoadReply {
            transaction,
            label,
            result: Err(failure),
            published: false,
            numbers,
            error_url,
            request_id: None,
        };
        Outcome::json(reply.text())
    };
    let before = |failure: Failure| fail(NO_TRANSACTION, failure, Numbers::default(), None);
    let fault = call.load_fault();
    let (user, password) = match call.account() {
        Some(account) => account,
        None => return before(Failure::internal("no valid Basic authorization")),
    };
    let options = match Options::read(&call.headers, server.version_pair()) {
        Ok(options) => options,
        Err(why) => return before(why.into()),
    };
    if !server.knows(&user, &password) {
        return before(Failure::internal(format!("Access denied for {user}@127.0.0.1")));
    }
    match fault {
        Some(LoadFault::LabelEvict) => server.loads.labels().forget(database),
        // The FE refuses to begin, or the BE to look at it.
        Some(fault @ (LoadFault::RunningTxns | LoadFault::HttpLimit)) => {
            return before(Failure::internal(fault.message().unwrap_or_default()));
        }
        _ => {}
    }
    let begun = match server.begin(database, label, options.timeout.unwrap_or(TIMEOUT)) {
        Ok(begun) => begun,
        Err(failure) => return before(failure),
    };
    let transaction = i64::try_from(begun.id).unwrap_or(i64::MAX);
    let rolled_back = |failure: Failure, numbers: Numbers, errors: &[String]| {
        server.abort(begun.id, &failure.message);
        server.note(&begun, table, &numbers.outcome, numbers.bytes, Some(&failure.message));
        fail(transaction, failure, numbers, server.error_url(call.backend(), errors))
    };
    let writer = Writer::new(&server.store(), database, table, options);
    let mut writer = match writer {
        Ok(writer) => writer,
        Err(why) => return rolled_back(why.into(), Numbers::default(), &[]),
    };
    writer.spoil(fault);
    let written = match receive(writer, upload).await {
        Ok(written) => written,
        Err(None) => {
            // The BE rolls back when the connection ends before the body does ([memory], dossier starrocks 1.2).
            server.abort(begun.id, "cancelled: the client closed the connection");
            return Outcome::Close;
        }
        Err(Some(why)) => {
            return rolled_back(why.into(), Numbers { bytes: upload.received, ..Numbers::default() }, &[]);
        }
    };
    let Written { prepared, bytes, too_many_filtered } = written;
    let numbers = Numbers {
        outcome: prepared.outcome.clone(),
        bytes: upload.received.max(bytes),
        milliseconds: server.loads.count(upload.received, started),
    };
    let errors = numbers.outcome.errors.clone();
    if let Some(why) = fault.and_then(LoadFault::message) {
        return rolled_back(why.into(), numbers, &errors);
    }
    if too_many_filtered {
        return rolled_back(Failure::internal("too many filtered rows"), numbers, &errors);
    }
    if prepared.parts.is_empty() && numbers.outcome.loaded == 0 && !matches!(fault, Some(LoadFault::LoseRows(_))) {
        // `empty_load_as_error` is on by default ([memory], as are the words).
        return rolled_back(Failure::internal("No partitions have data available for loading"), numbers, &errors);
    }
    let later = match fault {
        Some(LoadFault::PublishTimeout(time)) => Some(*time),
        Some(LoadFault::LateCommit(time)) => {
            commit_later(server, &begun, prepared, *time);
            return Outcome::Close;
        }
        _ => None,
    };
    let prepare = server.loads.labels().prepare(begun.id, vec![prepared], TIMEOUT, Instant::now());
    if let Err(failure) = prepare.map_err(Failure::internal).and_then(|()| server.commit(begun.id, later)) {
        return rolled_back(failure, numbers, &errors);
    }
    server.note(&begun, table, &numbers.outcome, numbers.bytes, None);
    let error_url = server.error_url(call.backend(), &errors);
    let published = later.is_none();
    let reply = LoadReply { transaction, label, result: Ok(()), published, numbers, error_url, request_id: None };
    Outcome::json(reply.text())
}

/// Reads the body as it comes. `Err(None)`: the client is gone; else the reason why the load fails.
pub async fn receive(mut writer: Writer, upload: &mut Upload) -> Result<Written, Option<String>> {
    // Only plain CSV can be read in pieces.
    let pieces = writer.options().format == Format::Csv && writer.options().packing == Packing::None;
    loop {
        let (piece, last) = upload.next(if pieces { PIECE } else { usize::MAX }).await.ok_or(None)?;
        let work = tokio::task::spawn_blocking(move || {
            let result = writer.body(&piece, last);
            (writer, result)
        });
        let (back, result) = work.await.map_err(|_| Some("internal error of the simulator".to_owned()))?;
        if let Err(why) = result {
            upload.drain().await;
            return Err(Some(why));
        }
        writer = back;
        if last {
            let finished = tokio::task::spawn_blocking(move || writer.finish()).await;
            return finished.map_err(|_| Some("internal error of the simulator".to_owned()))?.map_err(Some);
        }
    }
}

/// Bytes of a body that are read at once.
const PIECE: usize = 8 << 20;

fn commit_later(server: &Arc<Server>, begun: &Begun, prepared: crate::starrocks::loading::Prepared, time: Duration) {
    let (server, id) = (server.clone(), begun.id);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        let prepared = server.loads.labels().prepare(id, vec![prepared], TIMEOUT, Instant::now());
        if prepared.is_ok() {
            // It may have been cancelled meanwhile: then nothing is committed.
            let _ = server.commit(id, None);
        }
    });
}
