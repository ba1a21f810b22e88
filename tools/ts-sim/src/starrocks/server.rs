//! What all connections of the simulated cluster share.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fault::{Context as _, Error, Kind, Result};

use super::exec::Session;
use super::load::cluster::Loads;
use super::load_file;
use super::metrics::Metrics;
use super::sql::lexer::statements;
use super::store::Store;
use super::version::Version;
use crate::args::StarrocksArgs;
use crate::faults::Faults;
use crate::request_log::RequestLog;

/// Where the cluster is reached, `HOST:PORT` each.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub mysql: String,
    pub fe: String,
    /// What the frontend calls its backends: in redirects, in SHOW BACKENDS. Never empty.
    pub backends: Vec<String>,
    /// The frontend's Arrow Flight SQL, as itself it is called; where it is switched on.
    pub flight_fe: Option<String>,
    /// That of the first backend, as the frontend calls it.
    pub flight_be: Option<String>,
}

/// A cluster of one frontend and its backends.
pub struct Server {
    pub version: Version,
    pub addresses: Addresses,
    /// The command line.
    pub args: StarrocksArgs,
    pub faults: Faults,
    pub log: RequestLog,
    /// Load of the backends.
    pub metrics: Metrics,
    /// What frontend and backend remember of loads.
    pub loads: Loads,
    store: RwLock<Store>,
    connections: AtomicU64,
    turns: AtomicUsize,
}

impl Server {
    /// With the data of `--load` and `--sql`.
    pub fn build(args: StarrocksArgs, faults: Faults, addresses: Addresses, log: RequestLog) -> Result<Server> {
        let version = Version::parse(&args.server_version).ok_or_else(|| {
            Error::usage(format!("--server-version {}: expected a version such as 3.3.5", args.server_version))
        })?;
        let metrics = Metrics::open(args.metrics_tape.as_deref())?;
        let (loads, scripts) = (args.load.clone(), args.sql.clone());
        let store = RwLock::new(Store::default());
        let connections = AtomicU64::new(0);
        let loads_seen = Loads::new(args.label_keep, args.max_running_txns);
        let turns = AtomicUsize::new(0);
        let server =
            Server { version, addresses, args, faults, log, metrics, loads: loads_seen, store, connections, turns };
        let server = Arc::new(server);
        // Scripts first: --load may bring the rows of tables that they make.
        for path in &scripts {
            run_script(&server, path).context(|| format!("--sql {}", path.display()))?;
        }
        for spec in &loads {
            load_file::load(&server, spec)?;
        }
        Arc::into_inner(server).ok_or_else(|| Error::new(Kind::LocalIo, "the scripts' session did not end"))
    }

    /// The data, to read. A lock that a panic poisoned is used all the same.
    pub fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(|e| e.into_inner())
    }

    /// The data, to change.
    pub fn store_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Major and minor version.
    pub fn version_pair(&self) -> (u32, u32) {
        (self.version.0.into(), self.version.1.into())
    }

    /// The number of a new connection.
    pub fn new_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the backend whose turn it is.
    pub fn next_backend(&self) -> usize {
        self.turns.fetch_add(1, Ordering::Relaxed) % self.addresses.backends.len().max(1)
    }

    /// `HOST:PORT` of a backend, as the frontend knows it.
    pub fn registered(&self, backend: usize) -> &str {
        self.addresses.backends.get(backend).map_or("127.0.0.1:8040", String::as_str)
    }

    /// Whether this is the account of the command line.
    pub fn knows(&self, user: &str, password: &str) -> bool {
        self.args.user == user && self.args.password == password
    }
}

fn run_script(server: &Arc<Server>, path: &Path) -> Result<()> {
    let script = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", e))?;
    let mut session = Session::new(server.clone());
    for statement in statements(&script).map_err(Error::malformed)? {
        session.run(statement).map_err(|refusal| {
            let shown: String = statement.chars().take(80).collect();
            Error::malformed(format!("`{shown}`: {}", refusal.message))
        })?;
    }
    Ok(())
}
