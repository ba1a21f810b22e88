//! The BE's side of `/api/transaction/…`: what was loaded into a transaction that is not prepared yet (dossier
//! starrocks 2; read in transaction_mgr.cpp and transaction_stream_load.cpp).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::body::{Writer, Written};
use super::cluster::Begun;
use super::fault::LoadFault;
use super::labels::{PREPARED_TIMEOUT, Status, TIMEOUT};
use super::options::{Options, seconds, text};
use super::reply::{Failure, Numbers, operation};
use crate::starrocks::http::{Call, Outcome, Upload};
use crate::starrocks::server::Server;

/// One transaction on the BE; of a multi-table one, one table.
pub struct Context {
    pub begun: Begun,
    pub table: String,
    /// The BE that began it: no other knows it.
    pub backend: usize,
    /// Held while a body comes: another load gets TXN_IN_PROCESSING.
    pub work: Mutex<Work>,
    idle: Option<Duration>,
}

/// What was written.
pub struct Work {
    writer: Option<Writer>,
    failed: bool,
    active: Instant,
    started: Instant,
    /// `prepare` or `commit` counted this.
    bytes: u64,
}

impl Context {
    /// A transaction that nothing was loaded into.
    pub fn new(begun: Begun, table: &str, backend: usize, idle: Option<Duration>) -> Context {
        let now = Instant::now();
        let work = Work { writer: None, failed: false, active: now, started: now, bytes: 0 };
        Context { begun, table: table.to_owned(), backend, work: Mutex::new(work), idle }
    }

    fn is_idle(&self) -> bool {
        let Some(limit) = self.idle else { return false };
        self.work.try_lock().is_ok_and(|work| work.active.elapsed() > limit)
    }
}

/// Drops what the FE has aborted, and aborts what nobody worked on for too long.
pub fn sweep(server: &Server) {
    let mut contexts = server.loads.contexts();
    let mut idle = Vec::new();
    contexts.retain(|_, context| {
        let running = server.loads.labels().get(context.begun.id).is_some_and(|t| t.status == Status::Prepare);
        if running && context.is_idle() {
            idle.push(context.begun.id);
        }
        running && !context.is_idle()
    });
    drop(contexts);
    for id in idle {
        server.abort(id, "transaction is aborted by timeout.");
    }
}

/// Answers an operation on the BE.
pub async fn answer(server: &Arc<Server>, call: &Call, op: &str, upload: &mut Upload) -> Outcome {
    let label = text(&call.headers, "label").unwrap_or_default();
    sweep(server);
    let mut errors = Vec::new();
    let result = run(server, call, op, &label, upload, &mut errors).await;
    match result {
        Err(None) => Outcome::Close,
        Err(Some(failure)) => {
            Outcome::json(operation(op, &label, &Err(failure), server.error_url(call.backend(), &errors)))
        }
        Ok(done) => Outcome::json(operation(op, &label, &Ok(done), server.error_url(call.backend(), &errors))),
    }
}

async fn run(
    server: &Arc<Server>,
    call: &Call,
    op: &str,
    label: &str,
    upload: &mut Upload,
    errors: &mut Vec<String>,
) -> Result<(u64, Numbers), Option<Failure>> {
    if label.is_empty() {
        let message = if op == "load" { "Invalid label " } else { "empty label" };
        return Err(Some(Failure::new("INVALID_ARGUMENT", message)));
    }
    if op != "load" && text(&call.headers, "transaction_type").is_some() {
        let message = "Multi-statement transaction requests can only be sent to FE nodes, not BE nodes";
        return Err(Some(Failure::new("INVALID_ARGUMENT", message)));
    }
    let database = text(&call.headers, "db").unwrap_or_default();
    let table = text(&call.headers, "table").unwrap_or_default();
    if op == "begin" {
        return begin(server, call, &database, &table, label).map(|id| (id, Numbers::default())).map_err(Some);
    }
    let context = find(server, call.backend(), label, &table).ok_or_else(|| {
        let word = if op == "load" { "Transaction" } else { "transaction" };
        Failure::new("TXN_NOT_EXISTS", format!("{word} with label {label} not exists"))
    })?;
    if context.begun.database != database {
        let message = if op == "load" {
            format!("Request database {database} not equal transaction database {}", context.begun.database)
        } else {
            format!("request db {database} transaction db {} not match", context.begun.database)
        };
        return Err(Some(Failure::new("INVALID_ARGUMENT", message)));
    }
    match op {
        "load" if context.table != table => {
            let message = format!("Request table {table} not equal transaction table {}", context.table);
            Err(Some(Failure::new("INVALID_ARGUMENT", message)))
        }
        "load" => load(server, call, &context, upload).await,
        "rollback" => {
            server.abort(context.begun.id, "transaction is aborted by user.");
            forget(server, &context);
            Ok((context.begun.id, Numbers::default()))
        }
        "prepare" | "commit" => {
            let timeout = match seconds(&call.headers, "prepared_timeout") {
                Ok(Some(time)) if op == "prepare" && time.is_zero() => {
                    return Err(Some(Failure::new("INVALID_ARGUMENT", "Invalid prepared_timeout: 0")));
                }
                Ok(time) => time.unwrap_or(PREPARED_TIMEOUT),
                Err(why) => return Err(Some(Failure::new("INVALID_ARGUMENT", why))),
            };
            let fault = call.load_fault();
            let (numbers, part) = finish(server, &context, fault, errors)?;
            let id = context.begun.id;
            let prepared = server.loads.labels().prepare(id, vec![part], timeout, Instant::now());
            prepared.map_err(Failure::internal)?;
            forget(server, &context);
            if op == "commit" {
                committed(server, id, fault)?;
            }
            server.note(&context.begun, &context.table, &numbers.outcome, numbers.bytes, None);
            Ok((id, numbers))
        }
        _ => Err(Some(Failure::new("INVALID_ARGUMENT", format!("unsupport transaction operation {op}")))),
    }
}

fn begin(server: &Server, call: &Call, database: &str, table: &str, label: &str) -> Result<u64, Failure> {
    let key = (label.to_owned(), table.to_owned());
    if server.loads.contexts().get(&key).is_some_and(|context| context.backend == call.backend()) {
        return Err(Failure { code: "LABEL_ALREADY_EXISTS", message: String::new(), job: "" });
    }
    let invalid = |why: String| Failure::new("INVALID_ARGUMENT", why);
    let timeout = seconds(&call.headers, "timeout").map_err(invalid)?;
    let idle = seconds(&call.headers, "idle_transaction_timeout").map_err(invalid)?;
    match call.account() {
        None => return Err(Failure::internal("no valid Basic authorization")),
        Some((user, password)) if !server.knows(&user, &password) => {
            return Err(Failure::internal(format!("Access denied for {user}@127.0.0.1")));
        }
        Some(_) => {}
    }
    if let Some(fault @ (LoadFault::RunningTxns | LoadFault::HttpLimit | LoadFault::Fail(_))) = call.load_fault() {
        return Err(Failure::internal(fault.message().unwrap_or_default()));
    }
    let begun = server.begin(database, label, timeout.unwrap_or(TIMEOUT))?;
    let id = begun.id;
    server.loads.contexts().insert(key, Arc::new(Context::new(begun, table, call.backend(), idle)));
    Ok(id)
}

/// The context that this BE has of a label; for a multi-table transaction one is made for each table when it is first loaded.
fn find(server: &Server, backend: usize, label: &str, table: &str) -> Option<Arc<Context>> {
    let mut contexts = server.loads.contexts();
    let ours = |context: &&Arc<Context>| context.backend == backend;
    if let Some(found) = contexts.get(&(label.to_owned(), table.to_owned())).filter(ours) {
        return Some(found.clone());
    }
    let multi = contexts.get(&(label.to_owned(), MULTI.to_owned())).filter(ours).cloned();
    if let Some(multi) = multi.filter(|_| !table.is_empty()) {
        let context = Arc::new(Context::new(multi.begun.clone(), table, backend, None));
        contexts.insert((label.to_owned(), table.to_owned()), context.clone());
        return Some(context);
    }
    let mut of_label = contexts.iter().filter(|((other, table), _)| other == label && table != MULTI);
    of_label.next().map(|(_, context)| context).filter(ours).cloned()
}

/// Stands for the table of a multi-table transaction, which has none; no table can be called so.
const MULTI: &str = "\0multi";

fn forget(server: &Server, context: &Context) {
    server.loads.contexts().remove(&(context.begun.label.clone(), context.table.clone()));
}

async fn load(
    server: &Arc<Server>,
    call: &Call,
    context: &Context,
    upload: &mut Upload,
) -> Result<(u64, Numbers), Option<Failure>> {
    let Ok(mut work) = context.work.try_lock() else {
        return Err(Some(Failure::new("TXN_IN_PROCESSING", "Transaction in processing, please retry later")));
    };
    work.active = Instant::now();
    let begun = Instant::now();
    let id = context.begun.id;
    if work.failed {
        return Err(Some(Failure::new("ABORTED", "current transaction is aborted")));
    }
    let result = fill(server, call, context, &mut work, upload).await;
    work.active = Instant::now();
    if let Err(failure) = result {
        work.failed = true;
        work.writer = None;
        server.abort(id, failure.as_ref().map_or("cancelled", |f| f.message.as_str()));
        forget(server, context);
        return Err(failure);
    }
    work.bytes += upload.received;
    let milliseconds = server.loads.count(upload.received, begun);
    Ok((id, Numbers { bytes: upload.received, milliseconds, ..Numbers::default() }))
}

/// Takes one body into a transaction; `Err(None)`: the client is gone.
async fn fill(
    server: &Arc<Server>,
    call: &Call,
    context: &Context,
    work: &mut Work,
    upload: &mut Upload,
) -> Result<(), Option<Failure>> {
    let options = Options::read(&call.headers, server.version_pair()).map_err(|why| Some(why.into()))?;
    if let Some(why) = call.load_fault().and_then(LoadFault::message) {
        return Err(Some(why.into()));
    }
    let mut writer = match work.writer.take() {
        Some(writer) => {
            let timeout = writer.options().timeout;
            if *writer.options() != (Options { timeout, ..options }) {
                // The words are ours: the server's were not read.
                return Err(Some(Failure::new(
                    "INVALID_ARGUMENT",
                    "the loads of one transaction must have the same parameters",
                )));
            }
            writer
        }
        None => Writer::new(&server.store(), &context.begun.database, &context.table, options)
            .map_err(|why| Some(Failure::internal(why)))?,
    };
    writer.spoil(call.load_fault());
    let Some((body, _)) = upload.next(usize::MAX).await else { return Err(None) };
    let filled = tokio::task::spawn_blocking(move || {
        let result = writer.body(&body, false);
        (writer, result)
    });
    let (writer, result) = filled.await.map_err(|_| Some(Failure::internal("internal error of the simulator")))?;
    result.map_err(|why| Some(Failure::internal(why)))?;
    work.writer = Some(writer);
    Ok(())
}

/// Ends the writing of a transaction: an error has rolled it back.
fn finish(
    server: &Server,
    context: &Context,
    fault: Option<&LoadFault>,
    errors: &mut Vec<String>,
) -> Result<(Numbers, crate::starrocks::loading::Prepared), Failure> {
    let Ok(mut work) = context.work.try_lock() else {
        return Err(Failure::new("TXN_IN_PROCESSING", "Transaction in processing, please retry later"));
    };
    let failed = |failure: Failure| {
        server.abort(context.begun.id, &failure.message);
        forget(server, context);
        failure
    };
    let Some(writer) = work.writer.take() else {
        let Begun { id, label, database, .. } = &context.begun;
        let message = format!("transaction id={id}, label={label}, db={database} hasn't send any data yet");
        return Err(failed(Failure::internal(message)));
    };
    let Written { prepared, too_many_filtered, .. } = writer.finish().map_err(|why| failed(why.into()))?;
    errors.clone_from(&prepared.outcome.errors);
    if let Some(why) = fault.and_then(LoadFault::message) {
        return Err(failed(why.into()));
    }
    if too_many_filtered {
        return Err(failed(Failure::internal("too many filtered rows")));
    }
    let milliseconds = u64::try_from(work.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let numbers = Numbers { outcome: prepared.outcome.clone(), bytes: work.bytes, milliseconds };
    Ok((numbers, prepared))
}

/// Commits what is prepared; a publish that is late is an error here, and the rows come all the same ([memory]).
pub fn committed(server: &Arc<Server>, id: u64, fault: Option<&LoadFault>) -> Result<(), Failure> {
    let later = match fault {
        Some(LoadFault::PublishTimeout(time)) => Some(*time),
        _ => None,
    };
    server.commit(id, later)?;
    match later {
        None => Ok(()),
        Some(_) => Err(Failure::new("PUBLISH_TIMEOUT", "publish timeout: 20000")),
    }
}

/// Begins a multi-table transaction (from 4.0): the FE does it by itself.
pub fn begin_multi(server: &Server, database: &str, label: &str, timeout: Duration) -> Result<u64, Failure> {
    let begun = server.begin(database, label, timeout)?;
    let id = begun.id;
    let context = Arc::new(Context::new(begun, MULTI, server.next_backend(), None));
    server.loads.contexts().insert((label.to_owned(), MULTI.to_owned()), context);
    Ok(id)
}

/// Ends one: all of its tables become visible together, or none.
pub fn commit_multi(server: &Arc<Server>, label: &str, fault: Option<&LoadFault>) -> Result<u64, Failure> {
    let taken = take_multi(server, label)?;
    let Some(id) = taken.first().map(|context| context.begun.id) else {
        return Err(Failure::internal(format!("No transaction found by label {label}")));
    };
    let mut parts = Vec::new();
    for context in taken.iter().filter(|context| context.table != MULTI) {
        let (numbers, part) = finish(server, context, fault, &mut Vec::new())?;
        server.note(&context.begun, &context.table, &numbers.outcome, numbers.bytes, None);
        parts.push(part);
    }
    server.loads.labels().prepare(id, parts, PREPARED_TIMEOUT, Instant::now())?;
    committed(server, id, fault).map(|()| id)
}

/// The BE that has a running transaction of this label: every call of it goes there.
pub fn coordinator(server: &Server, label: &str) -> Option<usize> {
    server.loads.contexts().iter().find(|((of, _), _)| of == label).map(|(_, context)| context.backend)
}

/// Whether a label is of a multi-table transaction that is under way.
pub fn is_multi(server: &Server, label: &str) -> bool {
    server.loads.contexts().contains_key(&(label.to_owned(), MULTI.to_owned()))
}

/// Aborts one.
pub fn rollback_multi(server: &Server, label: &str) -> Result<u64, Failure> {
    let taken = take_multi(server, label)?;
    let Some(context) = taken.first() else {
        return Err(Failure::internal(format!("No transaction found by label {label}")));
    };
    server.abort(context.begun.id, "User Aborted");
    Ok(context.begun.id)
}

/// Takes the contexts of a label away, unless one is still being loaded.
fn take_multi(server: &Server, label: &str) -> Result<Vec<Arc<Context>>, Failure> {
    let mut contexts = server.loads.contexts();
    let busy = contexts.iter().any(|((other, _), context)| other == label && context.work.try_lock().is_err());
    if busy {
        return Err(Failure::new("TXN_IN_PROCESSING", "Transaction in processing, please retry later"));
    }
    let mut taken = Vec::new();
    contexts.retain(|(other, _), context| {
        let of_label = other == label;
        if of_label {
            taken.push(context.clone());
        }
        !of_label
    });
    Ok(taken)
}
