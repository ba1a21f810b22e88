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
use super::{manage, statements};
use bytes::Bytes;
use std::sync::Arc;
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
        return refuse(400, "missing required parameter \"q\"");
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
    let format = if csv { Format::ResultsCsv } else { Format::Results { chunk } };
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
                Err(Stop::Failed(why)) => answer.error(&why)?,
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

/// `POST /api/v2/query`.
pub fn flux(_server: &Arc<Server>, _request: &Request) -> Reply {
    Reply::empty(404)
}

/// `/api/v3/query_sql`.
pub fn sql(_server: &Arc<Server>, _request: &Request) -> Reply {
    Reply::empty(404)
}

/// `/api/v3/query_influxql`.
pub fn v3_influxql(_server: &Arc<Server>, _request: &Request) -> Reply {
    Reply::empty(404)
}
