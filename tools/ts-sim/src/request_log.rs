//! `--log-requests`: one JSON line per request, so that a test can see what a client really sent.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use fault::{Error, Kind, Result};
use serde_json::json;

/// An open log, or nothing at all without the option.
pub struct RequestLog {
    out: Option<Mutex<(u64, File)>>,
}

impl RequestLog {
    /// Creates the file (truncating an older one); `None` is a log that swallows everything.
    pub fn open(path: Option<&Path>) -> Result<RequestLog> {
        let Some(path) = path else { return Ok(RequestLog { out: None }) };
        let file = File::create(path)
            .map_err(|e| Error::caused(Kind::LocalIo, format!("cannot write the request log {}", path.display()), e))?;
        Ok(RequestLog { out: Some(Mutex::new((0, file))) })
    }

    /// Notes one request: `n` counts them from 1 in the order of their ends, `bytes` is the size of the body as received,
    /// `status` the HTTP status (0: no reply was sent). WebSocket messages are noted as method `WS` with the database's code.
    pub fn record(&self, method: &str, path: &str, bytes: u64, status: u16) {
        let Some(out) = &self.out else { return };
        let Ok(mut guard) = out.lock() else { return };
        guard.0 += 1;
        let line = json!({"n": guard.0, "method": method, "path": path, "bytes": bytes, "status": status});
        // A log that cannot be written (disk full) must not change what the client sees.
        let _ = writeln!(guard.1, "{line}");
    }
}
