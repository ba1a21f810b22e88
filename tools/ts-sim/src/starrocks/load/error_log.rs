//! What `ErrorURL` leads to: why rows were filtered.

use std::collections::VecDeque;
use std::sync::Mutex;

/// The logs of the last loads.
#[derive(Debug, Default)]
pub struct ErrorLogs {
    logs: Mutex<(u64, VecDeque<Log>)>,
}

/// A log on the disk of its backend.
#[derive(Debug)]
struct Log {
    backend: usize,
    name: String,
    text: String,
}

/// Logs that are kept.
const KEEP: usize = 200;
/// Reasons that a load notes (REPORT_ERROR_MAX_NUMBER of csv_scanner.cpp).
const REASONS: usize = 50;

impl ErrorLogs {
    /// Keeps a log of a backend; its name is the value of `file`.
    pub fn add(&self, backend: usize, reasons: &[String]) -> String {
        let mut guard = self.logs.lock().unwrap_or_else(|e| e.into_inner());
        guard.0 += 1;
        let name = format!("error_log_{:016x}_{:016x}", 0x5eed_0000_0000_0000u64, guard.0);
        let mut text: String = reasons.iter().take(REASONS).map(|reason| format!("{reason}\n")).collect();
        if text.is_empty() {
            text.push('\n');
        }
        guard.1.push_back(Log { backend, name: name.clone(), text });
        while guard.1.len() > KEEP {
            guard.1.pop_front();
        }
        name
    }

    /// A log by its name; only the backend that wrote it has it.
    pub fn get(&self, backend: usize, name: &str) -> Option<String> {
        let guard = self.logs.lock().unwrap_or_else(|e| e.into_inner());
        guard.1.iter().find(|log| log.backend == backend && log.name == name).map(|log| log.text.clone())
    }
}
