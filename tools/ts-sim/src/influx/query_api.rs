//! The query endpoints: `/query`, `/api/v2/query`, `/api/v3/query_sql`, `/api/v3/query_influxql`.

use super::accounts::Who;
use super::answer::{Answer, Format, Gone};
use super::flavor::Flavor;
use super::influxql::{self, Statement};
use super::reply::{Content, Reply};
use super::request::Request;
use super::select::{Place, Stop};
use super::server::Server;
use super::time::unit_ns;
use super::write_api::unauthorized;
use super::{flux, flux_csv, flux_run, manage, sql, sql_run, statements};
use bytes::Bytes;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// `GET|POST /query`.
pub fn influxql(server: &Arc<Server>, request: &Request) -> Reply {
    let flavor = server.flavor;
    let refuse = |status: u16, text: &str| match flavor {
        Flavor::V29 => Reply::v2_error(status, "invalid", text.as_bytes()),
        _ => Reply::v1_error(status, text.as_bytes()),
    };
    let accounts = server.accounts();
    let who = match flavor {
        Flavor::V29 | Flavor::V3 => match accounts.token(&request.credentials()) {
            Some(who) => who,
            None if flavor == Flavor::V3 => return Reply::empty(401),
            None => return Reply::v2_error(401, "unauthorized", b"Unauthorized"),
        },
        _ => match accounts.v1(flavor, &request.credentials()) {
            Ok(who) => who,
            Err(text) => return unauthorized(text),
        },
    };
    let Some(text) = request.given("q") else {
        return match flavor {
            Flavor::V29 => refuse(400, "mime: no media type"),
            _ => refuse(400, "missing required parameter \"q\""),
        };
    };
    let found = match influxql::parse(text, server.now()) {
        Ok(found) => found,
        Err(why) if flavor == Flavor::V29 => return refuse(400, &format!("failed to parse query: {why}")),
        Err(why) => return refuse(400, &format!("error parsing query: {why}")),
    };
    let mut place = Place {
        database: request.param("db").unwrap_or_default().to_string(),
        policy: request.given("rp").map(str::to_string),
    };
    if flavor == Flavor::V29 {
        let bucket = manage::mapped_bucket(&server.store(), &place.database, place.policy.as_deref());
        place = Place { database: bucket.unwrap_or(place.database), policy: None };
    }
    if let Err(text) = may(&who, &place, &found, flavor) {
        return refuse(403, &text);
    }
    let epoch = match request.given("epoch") {
        None => None,
        Some("n") => Some(1),
        Some(unit) => unit_ns(unit).or(Some(1)),
    };
    let csv = request.header("accept").is_some_and(|a| a.contains("csv"));
    let chunk = (request.param("chunked") == Some("true"))
        .then(|| request.given("chunk_size").and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(10_000));
    let format = if csv { Format::ResultsCsv { escape: flavor != Flavor::V29 } } else { Format::Results { chunk } };
    let content_type = match (csv, request.header("accept")) {
        (true, Some(accept)) if accept.contains("text/csv") => "text/csv",
        (true, _) => "application/csv",
        _ => "application/json",
    };
    let worker = server.clone();
    stream(content_type, move |out| {
        let mut answer = Answer::new(format, epoch, out);
        for (id, statement) in found.iter().enumerate() {
            answer.begin_statement(id);
            let needs_database = !matches!(
                statement,
                Statement::ShowDatabases
                    | Statement::CreateDatabase { .. }
                    | Statement::CreateUser { .. }
                    | Statement::Grant { .. }
            );
            let named = !place.database.is_empty()
                || matches!(statement, Statement::Select(s) if s.from.iter().all(|f| f.database.is_some()));
            let outcome = if needs_database && !named && reads_default(statement) {
                Err(Stop::Failed("database name required".to_string()))
            } else {
                statements::run(&worker, &place, statement, &mut answer)
            };
            match outcome {
                Ok(()) => {}
                Err(Stop::Failed(why)) => {
                    answer.error(&why)?;
                    // a statement that 2.x does not have ends the whole request
                    if why == statements::NOT_EXECUTED {
                        answer.end_statement()?;
                        break;
                    }
                }
                Err(Stop::Gone) => return Err(Gone),
            }
            answer.end_statement()?;
        }
        answer.finish()
    })
}

/// True when a statement does not say itself which database it means.
fn reads_default(statement: &Statement) -> bool {
    match statement {
        Statement::ShowMeasurements { on, .. }
        | Statement::ShowFieldKeys { on, .. }
        | Statement::ShowTagKeys { on, .. }
        | Statement::ShowTagValues { on, .. }
        | Statement::ShowSeries { on, .. }
        | Statement::ShowPolicies { on } => on.is_none(),
        Statement::Select(_) | Statement::DropMeasurement(_) => true,
        _ => false,
    }
}

fn may(who: &Who, place: &Place, found: &[Statement], flavor: Flavor) -> Result<(), String> {
    if !flavor.is_v1() || who.is_admin() {
        return Ok(());
    }
    let reads = |s: &Statement| reads_default(s) || matches!(s, Statement::ShowDatabases);
    for statement in found {
        let allowed = match statement {
            Statement::ShowDatabases => true,
            s if reads(s) => who.may_read(&place.database),
            _ => false,
        };
        if !allowed {
            return Err(format!(
                "error authorizing query: {} not authorized to execute statement on database {}",
                who.name(),
                place.database
            ));
        }
    }
    Ok(())
}

/// A reply whose body is made by a thread while it is being sent.
fn stream(content_type: &str, make: impl FnOnce(mpsc::Sender<Bytes>) -> Result<(), Gone> + Send + 'static) -> Reply {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        // the error only says that nobody is listening any more
        let _ = make(sender);
    });
    let mut reply = Reply::of(200, content_type, Vec::new());
    reply.body = Content::Pieces(receiver);
    reply
}

/// `POST /api/v2/query`: Flux, as plain text or as JSON with a dialect.
pub fn flux(server: &Arc<Server>, request: &Request) -> Reply {
    let v1 = server.flavor.is_v1();
    let refuse = |status: u16, code: &str, text: &str| match v1 {
        true => Reply::v1_error(status, text.as_bytes()),
        false => Reply::v2_error(status, code, text.as_bytes()),
    };
    let accounts = server.accounts();
    let who = if v1 {
        match accounts.v1(server.flavor, &request.credentials()) {
            Ok(who) => who,
            Err(text) => return unauthorized(text),
        }
    } else {
        match accounts.token(&request.credentials()) {
            Some(who) => who,
            None => return refuse(401, "unauthorized", "unauthorized access"),
        }
    };
    if !v1 && let Err(reply) = manage::find_org(&accounts, request) {
        return reply;
    }
    let (script, dialect) = match flux_request(request, v1) {
        Ok(found) => found,
        Err(why) => return refuse(400, "invalid", &why),
    };
    let pipelines = match flux::parse(&script, server.now()) {
        Ok(found) if found.is_empty() => return refuse(400, "invalid", "query is empty"),
        Ok(found) => found,
        Err(why) => {
            return refuse(400, "invalid", &format!("compilation failed: error @1:1-1:{}: {why}", script.len() + 1));
        }
    };
    let mut plans = Vec::new();
    for pipeline in pipelines {
        let given = pipeline.bucket.as_str();
        let place = if v1 {
            let (database, policy) = given.split_once('/').unwrap_or((given, ""));
            let known = server.store().databases.contains_key(database);
            known.then(|| Place {
                database: database.into(),
                policy: Some(policy.to_string()).filter(|p| !p.is_empty()),
            })
        } else {
            manage::bucket_name(&server.store(), given).map(|database| Place { database, policy: None })
        };
        let Some(place) = place else {
            let text = format!("failed to initialize execute state: could not find bucket \"{given}\"");
            return refuse(404, "not found", &text);
        };
        let readable = if v1 { place.database.clone() } else { manage::bucket_id(&place.database) };
        if !who.may_read(&readable) {
            return refuse(403, "forbidden", "insufficient permissions for read");
        }
        if pipeline.range.is_none() {
            let text = "error in building plan while starting program: cannot submit unbounded read to";
            return refuse(400, "invalid", &format!("{text} \"{given}\"; try bounding 'from' with a call to 'range'"));
        }
        let plan = flux_run::Plan { place, pipeline };
        if let Err(Stop::Failed(why)) = flux_run::feasible(server, &plan) {
            return refuse(400, "invalid", &format!("runtime error @1:1-1:{}: {why}", script.len() + 1));
        }
        plans.push(plan);
    }
    drop(accounts);
    // this is a thread for blocking work, which can wait for the others
    let pass = match server.queries.as_ref().map(|door| Handle::current().block_on(door.enter())) {
        None => None,
        Some(Ok(pass)) => Some(pass),
        Some(Err(_)) => return refuse(400, "invalid", "queue length exceeded"),
    };
    let worker = server.clone();
    let mut reply = stream("text/csv; charset=utf-8", move |out| {
        let mut out = flux_csv::Writer::new(dialect, out);
        for plan in &plans {
            match flux_run::run(&worker, plan, &mut out) {
                Ok(()) => {}
                Err(Stop::Failed(why)) => {
                    out.error(&why)?;
                    break;
                }
                Err(Stop::Gone) => return Err(Gone),
            }
        }
        out.finish()
    });
    reply.pass = pass;
    reply
}

/// The script and the dialect. Plain text has no annotations in 2.x and all of them in 1.x.
fn flux_request(request: &Request, v1: bool) -> Result<(String, flux_csv::Dialect), String> {
    let all = |on: bool| flux_csv::Dialect { datatype: on, group: on, default: on, header: true };
    if request.header("content-type").is_some_and(|t| t.starts_with("application/vnd.flux")) {
        return Ok((String::from_utf8_lossy(&request.body).into_owned(), all(v1)));
    }
    let body: serde_json::Value =
        serde_json::from_slice(&request.body).map_err(|e| format!("failed parsing request body as JSON: {e}"))?;
    let script = body.get("query").and_then(|q| q.as_str()).ok_or("request body requires either query or AST")?;
    let dialect = body.get("dialect");
    let names: Vec<&str> = dialect
        .and_then(|d| d.get("annotations"))
        .and_then(|a| a.as_array())
        .map(|a| a.iter().filter_map(|n| n.as_str()).collect())
        .unwrap_or_default();
    let header = dialect.and_then(|d| d.get("header")).and_then(|h| h.as_bool()).unwrap_or(true);
    let has = |name: &str| names.contains(&name);
    Ok((
        script.to_string(),
        flux_csv::Dialect { datatype: has("datatype"), group: has("group"), default: has("default"), header },
    ))
}

/// What a v3 query asks for.
struct Asked {
    place: Place,
    text: String,
    format: Format,
    content_type: &'static str,
}

/// Reads `db`, `q` and `format` from the parameters, or from a JSON body.
fn asked(server: &Server, request: &Request) -> Result<Asked, Reply> {
    if server.accounts().token(&request.credentials()).is_none() {
        return Err(Reply::empty(401));
    }
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let find = |key: &str| {
        let in_body = body.get(key).and_then(|v| v.as_str()).map(str::to_string);
        in_body.or_else(|| request.given(key).map(str::to_string))
    };
    let missing = |what: &str| Reply::v3_error(400, &format!("missing field `{what}`"), None);
    let database = find("db").ok_or_else(|| missing("db"))?;
    let text = find("q").ok_or_else(|| missing("q"))?;
    if !server.store().databases.contains_key(&database) {
        return Err(Reply::v3_error(404, &format!("database not found: {database}"), None));
    }
    let accept = request.header("accept").unwrap_or_default();
    let named = find("format").unwrap_or_else(|| {
        let known = [("jsonl", "jsonl"), ("csv", "csv"), ("parquet", "parquet")];
        known.iter().find(|(part, _)| accept.contains(part)).map_or("json", |(_, name)| name).to_string()
    });
    let (format, content_type) = match named.as_str() {
        "json" => (Format::Objects { lines: false }, "application/json"),
        "jsonl" | "json_lines" => (Format::Objects { lines: true }, "application/jsonl"),
        "csv" => (Format::PlainCsv, "text/csv"),
        other => return Err(Reply::v3_error(400, &format!("the simulator does not write {other}"), None)),
    };
    Ok(Asked { place: Place { database, policy: None }, text, format, content_type })
}

/// `/api/v3/query_sql`.
pub fn sql(server: &Arc<Server>, request: &Request) -> Reply {
    let Asked { place, text, format, content_type } = match asked(server, request) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let query = match sql::parse(&text, server.now()) {
        Ok(query) => query,
        Err(why) => return Reply::v3_error(400, &why, None),
    };
    if let Err(why) = sql_run::check(server, &place, &query) {
        return Reply::v3_error(400, &why, None);
    }
    let worker = server.clone();
    stream(content_type, move |out| {
        let mut answer = Answer::new(format, None, out);
        match sql_run::run(&worker, &place, &query, &mut answer) {
            Err(Stop::Gone) => Err(Gone),
            Ok(()) => answer.finish(),
            // a table that has gone since the check: what follows is no row of any format
            Err(Stop::Failed(why)) => {
                answer.error(&why)?;
                answer.finish()
            }
        }
    })
}

/// `/api/v3/query_influxql`.
pub fn v3_influxql(server: &Arc<Server>, request: &Request) -> Reply {
    let Asked { place, text, format, content_type } = match asked(server, request) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let found = match influxql::parse(&text, server.now()) {
        Ok(found) if found.len() == 1 => found,
        Ok(_) => return Reply::v3_error(400, "must provide only one InfluxQl statement per query", None),
        Err(why) => return Reply::v3_error(400, &format!("error in InfluxQL statement: {why}"), None),
    };
    let worker = server.clone();
    stream(content_type, move |out| {
        let mut answer = Answer::new(format, None, out);
        for statement in &found {
            match statements::run(&worker, &place, statement, &mut answer) {
                Ok(()) => {}
                Err(Stop::Failed(why)) => answer.error(&why)?,
                Err(Stop::Gone) => return Err(Gone),
            }
        }
        answer.finish()
    })
}
