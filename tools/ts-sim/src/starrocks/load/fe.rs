//! The FE's HTTP side: it redirects whoever brings data, and knows the state of every label (read in LoadAction,
//! TransactionLoadAction, GetStreamLoadState, CancelStreamLoad and StreamLoadMetaAction).

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::fault::LoadFault;
use super::labels::Status;
use super::options::{seconds, text};
use super::reply::{Failure, fe_failure, fe_result, rest};
use super::{merge, metrics_page, transaction};
use crate::starrocks::http::{Call, Node, Outcome, Reply};
use crate::starrocks::server::Server;

/// What the FE throws.
const DDL: &str = "DdlException";
const ANY: &str = "StarRocksException";
/// A BE that no name server knows.
const NOWHERE: &str = "starrocks-be-0.unreachable.invalid:8040";
/// Until a transaction without `timeout` must be prepared.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Whether the FE itself does the work of this request, so that it is one that faults count.
pub fn works_itself(server: &Server, call: &Call) -> bool {
    let parts = call.parts();
    let ["api", "transaction", op] = parts.as_slice() else { return false };
    let (database, label) = (header(call, "db"), header(call, "label"));
    if is_multi(server, call) {
        return *op != "load";
    }
    let running = server.loads.labels().find(&database, &label).is_none_or(|found| found.status == Status::Prepare);
    matches!(*op, "commit" | "rollback") && !running
}

/// Answers a request.
pub async fn answer(server: &Arc<Server>, call: &Call) -> Outcome {
    let parts = call.parts();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["metrics"]) => {
            return Outcome::text(metrics_page::page(server, Node::Fe, call.param("type") == Some("json")));
        }
        ("GET", ["api", "health"]) => {
            return Outcome::json(rest(
                &[
                    ("online_backend_num", json!(server.addresses.backends.len())),
                    ("total_backend_num", json!(server.addresses.backends.len())),
                ],
                None,
            ));
        }
        _ => {}
    }
    match call.account() {
        Some((user, password)) if server.knows(&user, &password) => {}
        account => {
            let why = match account {
                None => "Need auth information.".to_owned(),
                Some((user, _)) => format!("Access denied for {user}@127.0.0.1"),
            };
            let reply = Reply::json(401, rest(&[], Some(&why)));
            return Outcome::Reply(reply.with("WWW-Authenticate", "Basic realm=\"\""));
        }
    }
    match (call.method.as_str(), parts.as_slice()) {
        ("PUT", ["api", database, table, "_stream_load"]) => stream_load(server, call, database, table),
        ("GET", ["api", database, "get_load_state"]) => state(server, call, database),
        ("POST", ["api", database, label, "_cancel"]) => cancel(server, call, database, label),
        ("GET", ["api", database, table, "_stream_load_meta"]) => meta(server, call, database, table),
        ("POST" | "PUT", ["api", "transaction", op]) => operation(server, call, op),
        ("GET" | "PUT" | "POST", _) => Outcome::Reply(Reply::json(404, rest(&[], Some("Not found")))),
        _ => Outcome::Reply(Reply::json(405, rest(&[], Some("HTTP method is not allowed.")))),
    }
}

/// Never looks at the body: whoever waits for `100 Continue` is sent on, whoever does not is refused.
fn stream_load(server: &Server, call: &Call, database: &str, table: &str) -> Outcome {
    if !call.is_http_1_0 && !call.expects_continue() {
        return Outcome::json(fe_failure(DDL, "There is no 100-continue header")).closing();
    }
    if database.is_empty() || table.is_empty() {
        let what = if database.is_empty() { "database" } else { "table" };
        return Outcome::json(fe_failure(DDL, &format!("No {what} selected."))).closing();
    }
    // What is merged has to meet on one BE ([memory]).
    redirect(server, call, if merge::is_asked(server, call) { 0 } else { server.next_backend() })
}

fn redirect(server: &Server, call: &Call, backend: usize) -> Outcome {
    let host = match call.load_fault() {
        Some(LoadFault::BeUnreachable) => NOWHERE,
        _ => server.registered(backend),
    };
    let reply = Reply::json(307, String::new()).with("Location", format!("http://{host}{}", call.target));
    Outcome::Reply(reply).closing()
}

fn known_database(server: &Server, database: &str) -> Result<(), Outcome> {
    if server.store().databases.contains_key(database) {
        return Ok(());
    }
    Err(Outcome::json(rest(&[], Some(&format!("unknown database, database={database}")))))
}

fn state(server: &Server, call: &Call, database: &str) -> Outcome {
    transaction::sweep(server);
    let Some(label) = call.param("label").filter(|label| !label.is_empty()) else {
        return Outcome::json(rest(&[], Some("No label selected.")));
    };
    if let Err(unknown) = known_database(server, database) {
        return unknown;
    }
    let mut labels = server.loads.labels();
    if call.load_fault() == Some(&LoadFault::LabelEvict) {
        labels.forget(database);
    }
    let (state, reason) = match labels.find(database, label) {
        None => ("UNKNOWN", String::new()),
        Some(found) => (found.status.name(), found.reason.clone()),
    };
    Outcome::json(rest(&[("state", json!(state)), ("reason", json!(reason))], None))
}

/// The label stands in the path, or in `?label=` behind a table.
fn cancel(server: &Server, call: &Call, database: &str, label: &str) -> Outcome {
    let label = call.param("label").unwrap_or(label);
    if let Err(unknown) = known_database(server, database) {
        return unknown;
    }
    let id = server.loads.labels().find(database, label).map(|found| found.id);
    let aborted = match id {
        None => Err(format!("transaction not found, label={label}")),
        Some(id) => server.loads.labels().abort(id, "user cancel", Instant::now()),
    };
    transaction::sweep(server);
    Outcome::json(rest(&[], aborted.err().as_deref()))
}

/// The BEs that take loads directly, for merge commit.
fn meta(server: &Server, call: &Call, database: &str, table: &str) -> Outcome {
    if let Err(why) = server.store().table(database, table).map(|_| ()) {
        return Outcome::json(rest(&[], Some(&why)));
    }
    if !merge::is_asked(server, call) {
        return Outcome::json(json!({"status": "OK", "code": "OK", "msg": "", "message": ""}).to_string());
    }
    let http = &server.addresses.backends;
    let brpc = |be: &String| be.rsplit_once(':').map_or(be.clone(), |(host, _)| format!("{host}:8060"));
    let list = |all: Vec<String>| all.join(",");
    let nodes = json!({"http": list(http.clone()), "brpc": list(http.iter().map(brpc).collect())});
    Outcome::json(json!({"nodes": nodes, "status": "OK", "code": "OK", "msg": "", "message": ""}).to_string())
}

fn header(call: &Call, name: &str) -> String {
    text(&call.headers, name).unwrap_or_default()
}

/// Multi-table transactions: from 4.0, by a header at `begin`, known by their label afterwards.
fn is_multi(server: &Server, call: &Call) -> bool {
    let asked = header(call, "transaction_type").eq_ignore_ascii_case("multi");
    server.version_pair() >= (4, 0) && (asked || transaction::is_multi(server, &header(call, "label")))
}

fn operation(server: &Arc<Server>, call: &Call, op: &str) -> Outcome {
    let thrown = |why: &str| Outcome::json(fe_failure(ANY, why));
    if server.version_pair() < (2, 4) {
        return Outcome::json(rest(&[], Some("Not implemented")));
    }
    if !["begin", "load", "prepare", "commit", "rollback"].contains(&op) {
        return thrown(&format!("Unknown transaction operation: {op}"));
    }
    let (database, label) = (header(call, "db"), header(call, "label"));
    if database.is_empty() {
        return thrown("No database selected.");
    }
    if label.is_empty() {
        return thrown("Empty label.");
    }
    if !server.store().databases.contains_key(&database) {
        return thrown(&format!("Database[{database}] does not exist."));
    }
    transaction::sweep(server);
    if is_multi(server, call) && op != "load" {
        return multi(server, call, op, &database, &label);
    }
    if op == "load" && !call.is_http_1_0 && !call.expects_continue() {
        return thrown("There is no 100-continue header").closing();
    }
    let coordinator = || transaction::coordinator(server, &label).unwrap_or_else(|| server.next_backend());
    if op == "begin" {
        return redirect(server, call, coordinator());
    }
    let Some((id, status)) = server.loads.labels().find(&database, &label).map(|found| (found.id, found.status)) else {
        return match op {
            "commit" | "rollback" => thrown(&format!("No transaction found with db[{database}] and label[{label}]")),
            // The FE does not know the BE that began it.
            _ => thrown(&format!("transaction with op {op} label {label} has no backend")),
        };
    };
    let named = |status: &str, message: &str| {
        let more = [("TxnId", json!(id)), ("Label", json!(label))];
        Outcome::json(fe_result(status, message, &more))
    };
    match (op, status) {
        ("commit", Status::Prepared) => match prepared_commit(server, call, id) {
            Ok(()) => named("OK", ""),
            Err(failure) => thrown(&failure.message),
        },
        ("commit", Status::Committed | Status::Visible) => {
            named("OK", &format!("Transaction {id} has already committed, label is {label}"))
        }
        ("commit", Status::Aborted) => thrown(&format!("Can not commit ABORTED transaction {id}, label is {label}")),
        ("rollback", Status::Prepared) => {
            server.abort(id, "User Aborted");
            named("OK", "")
        }
        ("rollback", Status::Aborted) => {
            named("OK", &format!("Transaction {id} has already aborted, label is {label}"))
        }
        ("rollback", Status::Committed | Status::Visible) => {
            thrown(&format!("Can not abort {} transaction {id}, label is {label}", status.name()))
        }
        _ => redirect(server, call, coordinator()),
    }
}

fn prepared_commit(server: &Arc<Server>, call: &Call, id: u64) -> Result<(), Failure> {
    if let Some(why) = call.load_fault().and_then(LoadFault::message) {
        return Err(Failure::internal(why));
    }
    transaction::committed(server, id, call.load_fault())
}

fn multi(server: &Arc<Server>, call: &Call, op: &str, database: &str, label: &str) -> Outcome {
    let timeout = match seconds(&call.headers, "timeout") {
        Ok(time) => time.unwrap_or(TIMEOUT),
        Err(why) => return Outcome::json(fe_failure(ANY, &why)),
    };
    let done = match op {
        "begin" => transaction::begin_multi(server, database, label, timeout),
        "commit" => transaction::commit_multi(server, label, call.load_fault()),
        "rollback" => transaction::rollback_multi(server, label),
        _ => return Outcome::json(fe_failure(ANY, &format!("Unsupported operation: {op}"))),
    };
    match done {
        Ok(id) => Outcome::json(fe_result("OK", "", &[("TxnId", json!(id)), ("Label", json!(label))])),
        Err(failure) if failure.code == "LABEL_ALREADY_EXISTS" => {
            let more = [("ExistingJobStatus", json!(failure.job))];
            Outcome::json(fe_result(failure.code, &failure.message, &more))
        }
        Err(failure) => {
            let status = if failure.code == "TXN_IN_PROCESSING" { failure.code } else { "FAILED" };
            Outcome::json(fe_result(status, &failure.message, &[]))
        }
    }
}
