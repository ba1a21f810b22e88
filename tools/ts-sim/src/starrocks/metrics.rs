//! The load that the backends report: still, or replayed from a tape, one step a request.

use std::path::Path;
use std::sync::Mutex;

use fault::{Error, Result};
use serde_json::{Map, Value};

/// A tape of steps.
#[derive(Debug)]
pub struct Metrics {
    steps: Vec<Map<String, Value>>,
    at: Mutex<usize>,
}

impl Metrics {
    /// Reads JSON lines, an object a step; its names are columns of SHOW BACKENDS (`MemUsedPct`, `CpuUsedPct`,
    /// `MaxDiskUsedPct`, `NumRunningQueries`, `Alive`, …) or metrics of `/metrics`. Without a tape all is idle.
    pub fn open(path: Option<&Path>) -> Result<Metrics> {
        let mut steps = Vec::new();
        if let Some(path) = path {
            let shown = path.display();
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(format!("cannot read {shown}"), e))?;
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let bad = |e| Error::malformed(format!("{shown}:{}: not a JSON object: {e}", at + 1));
                steps.push(serde_json::from_str(line).map_err(bad)?);
            }
        }
        Ok(Metrics { steps, at: Mutex::new(0) })
    }

    /// The step of this request; the last one stays.
    pub fn step(&self) -> Map<String, Value> {
        let mut at = self.at.lock().unwrap_or_else(|e| e.into_inner());
        let step = self.steps.get(*at).or(self.steps.last()).cloned().unwrap_or_default();
        *at += 1;
        step
    }
}
