//! TDengine behind taosAdapter: the REST interface, the WebSocket, and an in-memory columnar store.

mod alter;
mod auth;
mod bits;
mod block;
mod block_2x;
mod block_in;
mod byte_reader;
mod changelog;
mod chunk;
mod column;
mod convert;

mod exec;
mod geometry;
mod http;
mod json;
mod load;
mod logged;
mod raw_message;
mod raw_write;
mod replay;
mod rest;
mod schemaless;
mod session;
mod sql;
mod stmt;
mod store;
mod table;
mod time;
mod tmq;
mod topic;
mod types;
mod value;
mod version;
mod ws;
mod ws_frame;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use fault::{Context as _, Error, Result};
use tokio::sync::watch;

use self::auth::Accounts;
use self::exec::Engine;
use self::load::Options;
use self::replay::Replay;
use self::store::Store;
use self::time::Zone;
use self::types::Type;
use self::version::Version;
use crate::args::TdengineArgs;
use crate::faults::Faults;
use crate::listen::Listener;

/// What all connections share.
pub struct Server {
    engine: Engine,
    accounts: Accounts,
    /// The adapter's version: what the protocol offers.
    adapter: Version,
    /// `-1` (none) on 3.x, 10240 on 2.x unless set.
    row_limit: u64,
    /// Replies that are sent again; `None`: every one is made anew.
    replay: Option<Replay>,
    ping: Duration,
    faults: Faults,
    listener: Listener,
    /// Changes when the server "restarts": every connection ends.
    restarts: watch::Sender<u64>,
}

/// Loads the data, then serves until the process is killed.
pub async fn serve(args: TdengineArgs, faults: Faults, listener: Listener) -> Result<()> {
    let server = Arc::new(prepare(args, faults, listener)?);
    server.listener.announce()?;
    loop {
        let stream = server.listener.accept().await;
        tokio::spawn(http::connection(server.clone(), stream));
    }
}

fn prepare(args: TdengineArgs, faults: Faults, listener: Listener) -> Result<Server> {
    let version = parse_version("--server-version", &args.server_version)?;
    let adapter = match &args.adapter_version {
        Some(text) => parse_version("--adapter-version", text)?,
        None => version.clone(),
    };
    let mut types = Vec::new();
    for spec in &args.types {
        let parsed = spec.split_once('=').and_then(|(column, ty)| Some((column.to_string(), Type::parse(ty)?)));
        types.push(
            parsed.ok_or_else(|| Error::usage(format!("--type {spec}: expected COLUMN=TYPE, e.g. note=NCHAR(64)")))?,
        );
    }
    let options = Options { precision: args.precision, types };
    let mut store = Store::default();
    for spec in &args.load {
        load::load(&mut store, spec, &options)?;
    }
    let row_limit = args.rest_row_limit.unwrap_or(if version.is_2x() { 10_240 } else { u64::MAX });
    let engine =
        Engine { store: RwLock::new(store), version, block_rows: args.block_rows as usize, user: args.user.clone() };
    for path in &args.sql {
        run_script(&engine, path).context(|| format!("--sql {}", path.display()))?;
    }
    let accounts = Accounts {
        user: args.user,
        password: args.password,
        token: args.token,
        bearer: adapter.at_least(version::BEARER),
    };
    let ping = Duration::from_secs(args.ws_ping);
    let replay = args.replay.map(|most| Replay::new(usize::try_from(most).unwrap_or(usize::MAX)));
    Ok(Server { engine, accounts, adapter, row_limit, replay, ping, faults, listener, restarts: watch::Sender::new(0) })
}

fn parse_version(option: &str, text: &str) -> Result<Version> {
    Version::parse(text)
        .ok_or_else(|| Error::usage(format!("{option} {text}: expected 2.x or 3.x with two to four numbers")))
}

fn run_script(engine: &Engine, path: &std::path::Path) -> Result<()> {
    let script = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", e))?;
    for (at, line) in script.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("--") {
            continue;
        }
        if let Err(error) = engine.execute(line, None, Zone::default()) {
            return Err(Error::malformed(format!("line {}: {} ({:#06x})", at + 1, error.message, error.code)));
        }
    }
    Ok(())
}
