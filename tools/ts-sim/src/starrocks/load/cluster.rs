//! What FE and BE remember of loads, and the steps that every kind of load is made of.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::error_log::ErrorLogs;
use super::labels::{self, KEEP, Labels};
use super::merge::Merges;
use super::reply::Failure;
use super::transaction::Context;
use crate::starrocks::datetime;
use crate::starrocks::loading::{Outcome, Prepared};
use crate::starrocks::server::Server;
use crate::starrocks::store::LoadRecord;

/// Everything of loads.
pub struct Loads {
    labels: Mutex<Labels<Prepared>>,
    contexts: Mutex<HashMap<(String, String), Arc<Context>>>,
    /// Groups of merge commit that are still open.
    pub merges: Merges,
    /// What `ErrorURL` leads to.
    pub logs: ErrorLogs,
    /// Numbers of `/metrics`.
    pub requests: AtomicU64,
    pub bytes: AtomicU64,
    pub milliseconds: AtomicU64,
    pub running: AtomicU64,
    serial: AtomicU64,
}

impl Loads {
    /// With the limits of the command line: finished labels and running transactions of a database.
    pub fn new(label_keep: usize, running_txns: usize) -> Loads {
        Loads {
            labels: Mutex::new(Labels::new(label_keep, KEEP, running_txns)),
            contexts: Mutex::new(HashMap::new()),
            merges: Merges::default(),
            logs: ErrorLogs::default(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            milliseconds: AtomicU64::new(0),
            running: AtomicU64::new(0),
            serial: AtomicU64::new(0),
        }
    }

    /// The FE's transactions, those that took too long aborted.
    pub fn labels(&self) -> MutexGuard<'_, Labels<Prepared>> {
        let mut labels = self.labels.lock().unwrap_or_else(|e| e.into_inner());
        labels.expire(Instant::now());
        labels
    }

    /// The BE's side of transactions, by label and table.
    pub fn contexts(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<Context>>> {
        self.contexts.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A label for a load that has none, unlike any other.
    pub fn new_label(&self, prefix: &str) -> String {
        let n = self.serial.fetch_add(1, Ordering::Relaxed);
        let now = datetime::now();
        let (low, middle, high) = (now as u32, (now >> 32) as u16, (now >> 48) as u16);
        format!("{prefix}{low:08x}-{middle:04x}-{high:04x}-{:04x}-{n:012x}", std::process::id() as u16)
    }

    /// Adds one load to the numbers of `/metrics`.
    pub fn count(&self, bytes: u64, begun: Instant) -> u64 {
        let spent = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.milliseconds.fetch_add(spent, Ordering::Relaxed);
        spent
    }
}

/// One load or transaction of the FE while a BE works on it.
#[derive(Debug, Clone)]
pub struct Begun {
    pub id: u64,
    pub database: String,
    pub label: String,
    /// Microseconds.
    pub at: i64,
}

impl Server {
    /// Begins a transaction: the FE's answer to a BE.
    pub fn begin(&self, database: &str, label: &str, timeout: Duration) -> Result<Begun, Failure> {
        labels::check(label)?;
        if !self.store().databases.contains_key(database) {
            return Err(Failure::internal(format!("unknown database, database={database}")));
        }
        let id = self.store_mut().new_transaction();
        let begun = self.loads.labels().begin(id, database, label, timeout, Instant::now());
        begun.map_err(|why| Failure::refused(label, why))?;
        Ok(Begun { id, database: database.to_owned(), label: label.to_owned(), at: datetime::now() })
    }

    /// Makes a prepared transaction committed, and its rows visible now or later.
    pub fn commit(self: &Arc<Self>, id: u64, later: Option<Duration>) -> Result<(), Failure> {
        let parts = self.loads.labels().commit(id, Instant::now())?;
        match later {
            None => self.publish(id, parts),
            Some(time) => {
                let server = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    server.publish(id, parts);
                });
            }
        }
        Ok(())
    }

    fn publish(&self, id: u64, parts: Vec<Prepared>) {
        // All tables of a transaction at once. A table that was dropped meanwhile takes its rows with it.
        let mut store = self.store_mut();
        for part in parts {
            let _ = store.publish(part);
        }
        drop(store);
        self.loads.labels().visible(id, Instant::now());
    }

    /// Aborts a transaction that failed; one that is over already stays as it is.
    pub fn abort(&self, id: u64, reason: &str) {
        let _ = self.loads.labels().abort(id, reason, Instant::now());
    }

    /// Notes a load for `information_schema.loads`.
    pub fn note(&self, begun: &Begun, table: &str, outcome: &Outcome, bytes: u64, failure: Option<&str>) {
        let record = LoadRecord {
            id: begun.id,
            label: begun.label.clone(),
            database: begun.database.clone(),
            table: table.to_owned(),
            state: if failure.is_some() { "CANCELLED" } else { "FINISHED" }.to_owned(),
            kind: "STREAM LOAD".to_owned(),
            scan_rows: outcome.total,
            scan_bytes: bytes,
            filtered_rows: outcome.filtered,
            unselected_rows: outcome.unselected,
            sink_rows: outcome.loaded,
            created: begun.at,
            finished: datetime::now(),
            error: failure.unwrap_or_default().to_owned(),
            tracking_log: outcome.errors.join("\n"),
        };
        let loads = &mut self.store_mut().loads;
        loads.push(record);
        // As many as labels are remembered, and never without end.
        let most = self.args.label_keep.max(1000);
        if loads.len() > 2 * most {
            loads.drain(..loads.len() - most);
        }
    }

    /// Where the reasons of a backend can be read; `None` without any.
    pub fn error_url(&self, backend: usize, errors: &[String]) -> Option<String> {
        if errors.is_empty() {
            return None;
        }
        let name = self.loads.logs.add(backend, errors);
        Some(format!("http://{}/api/_load_error_log?file={name}", self.registered(backend)))
    }
}
