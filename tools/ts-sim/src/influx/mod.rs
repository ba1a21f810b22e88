//! InfluxDB 1.6, 1.8, 1.13, 2.9 and 3: the write paths with the true behaviour of each version, and enough of InfluxQL,
//! Flux and SQL to read everything back.

pub mod accounts;
mod answer;
mod body;
mod condition;
pub mod flavor;
mod flux;
mod flux_csv;
mod flux_run;
mod flux_small;
mod http;
mod influxql;
mod json;
mod lexer;
pub mod limits;
mod load;
mod manage;
pub mod points;
mod query_api;
mod reply;
mod request;
pub mod rows;
mod select;
mod select_plan;
pub mod server;
mod sql;
mod sql_run;
mod statements;
pub mod store;
pub mod throttle;
mod time;
mod totals;
mod v3_points;
mod v3_write;
mod write;
mod write_api;

use crate::args::InfluxArgs;
use crate::faults::Faults;
use crate::listen::Listener;
use accounts::{Accounts, Org, Token, User, id_of};
use fault::{Error, Result};
use flavor::Flavor;
use limits::Limits;
use server::Server;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Database, Store, default_shard};
use throttle::Throttle;

/// Serves until the simulated process crashes.
pub async fn serve(args: InfluxArgs, faults: Faults, listener: Listener) -> Result<()> {
    if let Some((spec, _)) = args.common.fault.iter().zip(faults.iter()).find(|(_, fault)| !fault.is_of_http()) {
        return Err(Error::usage(format!("--fault {spec}: not something that InfluxDB does")));
    }
    let server = Arc::new(build(&args)?);
    listener.announce()?;
    server::run(server, faults, listener).await
}

/// A server with the databases, accounts and data of the command line.
pub fn build(args: &InfluxArgs) -> Result<Server> {
    let flavor: Flavor = args.flavor.parse().map_err(Error::usage)?;
    let retention = match &args.retention {
        None => 0,
        Some(text) => time::parse_duration(text)
            .ok_or_else(|| Error::usage(format!("--retention {text}: not a duration, e.g. 7d")))?,
    };
    let shard = if flavor == Flavor::V3 { 0 } else { default_shard(retention) };
    let mut store = Store::default();
    for name in args.database.iter().chain(&args.bucket) {
        store.databases.insert(name.clone(), Database::new("autogen", retention, shard));
    }
    let mut accounts = Accounts::default();
    if let Some(auth) = &args.auth {
        let (name, password) = auth.split_once(':').ok_or_else(|| Error::usage("--auth wants USER:PASSWORD"))?;
        let user = User { password: password.to_string(), admin: true, grants: BTreeMap::new() };
        accounts.users.insert(name.to_string(), user);
        accounts.required = true;
    }
    if let Some(name) = args.org.clone().or((flavor == Flavor::V29 && args.token.is_some()).then(|| "org".to_string()))
    {
        accounts.org = Some(Org { id: id_of("org", &name), name });
    }
    if let Some(token) = &args.token {
        accounts.tokens.push(Token { id: id_of("authorization", token), text: token.clone(), buckets: None });
        accounts.required = true;
    }
    if flavor == Flavor::V29 {
        accounts.required = true;
    }
    let mut server = Server::new(flavor, store, accounts);
    server.retention = retention;
    server.discard = args.discard;
    let limits = &args.limits;
    server.limits = Limits::new(limits, flavor).map_err(Error::usage)?;
    if limits.max_concurrent_writes > 0 {
        let queue = Some(limits.max_enqueued_writes).filter(|n| *n > 0);
        server.writes = Some(Throttle::new(limits.max_concurrent_writes, queue, limits.enqueued_write_timeout));
    }
    if limits.query_concurrency > 0 {
        server.queries = Some(Throttle::new(limits.query_concurrency, Some(limits.query_queue_size), Duration::ZERO));
    }
    server.max_body = args.max_body_bytes.or(server.max_body);
    let target = args.database.first().or(args.bucket.first());
    for path in &args.load {
        let target = target.ok_or_else(|| Error::usage("--load needs a --database or --bucket to load into"))?;
        load::load(&server, target, path)?;
    }
    Ok(server)
}
