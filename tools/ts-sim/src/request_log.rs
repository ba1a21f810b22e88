//! `--log-requests`: one JSON line per request, so that a test can see what a client really sent, and when.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use fault::{Error, Kind, Result};
use hyper::header::{HeaderMap, USER_AGENT};
use serde_json::{Value, json};

/// What a client calls itself.
pub fn agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT)?.to_str().ok()
}

/// An open log, or nothing at all without the option.
#[derive(Clone)]
pub struct RequestLog {
    out: Option<Arc<Mutex<(u64, File)>>>,
}

impl RequestLog {
    /// Creates the file (truncating an older one); `None` is a log that swallows everything.
    pub fn open(path: Option<&Path>) -> Result<RequestLog> {
        let Some(path) = path else { return Ok(RequestLog { out: None }) };
        let file = File::create(path)
            .map_err(|e| Error::caused(Kind::LocalIo, format!("cannot write the request log {}", path.display()), e))?;
        Ok(RequestLog { out: Some(Arc::new(Mutex::new((0, file)))) })
    }

    /// Notes one request that is over: `n` counts them from 1 in the order of their ends, `bytes` is the size of the body as
    /// received, `status` the HTTP status (0: no reply was sent). WebSocket messages are noted as method `WS` with the
    /// database's code.
    pub fn record(&self, method: &str, path: &str, bytes: u64, status: u16) {
        self.write(json!({"method": method, "path": path, "bytes": bytes, "status": status}), None);
    }

    /// A request whose head has come: it is noted when it ends, with the instants of both (`start_us`, `end_us`, since
    /// 1970) and what the client calls itself.
    pub fn begin(&self, method: &str, path: &str, agent: Option<&str>) -> Entry {
        Entry {
            log: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            agent: agent.unwrap_or_default().to_owned(),
            node: None,
            start: now(),
            ended: AtomicBool::new(false),
        }
    }

    fn write(&self, mut line: Value, begun: Option<(u64, &str)>) {
        let Some(out) = &self.out else { return };
        let Ok(mut guard) = out.lock() else { return };
        guard.0 += 1;
        line["n"] = json!(guard.0);
        line["end_us"] = json!(now());
        if let Some((start, agent)) = begun {
            line["start_us"] = json!(start);
            line["agent"] = json!(agent);
        }
        // A log that cannot be written (disk full) must not change what the client sees.
        let _ = writeln!(guard.1, "{line}");
    }
}

/// A request that is being answered. It is noted once, also when the client goes away before there is an answer: then it
/// ends when nothing works on it any more.
pub struct Entry {
    log: RequestLog,
    method: String,
    path: String,
    agent: String,
    node: Option<String>,
    start: u64,
    ended: AtomicBool,
}

impl Entry {
    /// Of which of several servers it is (`node`).
    pub fn of(mut self, node: String) -> Entry {
        self.node = Some(node);
        self
    }

    /// The answer is about to be sent, or will never be (`status` 0).
    pub fn end(&self, bytes: u64, status: u16) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut line = json!({"method": self.method, "path": self.path, "bytes": bytes, "status": status});
        if let Some(node) = &self.node {
            line["node"] = json!(node);
        }
        self.log.write(line, Some((self.start, &self.agent)));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(0, 0);
    }
}

/// Microseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
