//! The receipt of a split that is done.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a stage of the pipeline said of itself when it ended: its summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub tool: String,
    pub version: String,
    /// `source`, `filter`, `sink` or `carrier`.
    pub stage: String,
    pub exit: u8,
    pub rows: u64,
    pub bytes: u64,
    pub retries: u64,
    pub rejected: u64,
    /// Everything else in the summary.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Stage {
    /// A number of the summary that not every tool has; 0 where it is not there.
    pub fn number(&self, key: &str) -> u64 {
        self.more.get(key).and_then(Value::as_u64).unwrap_or(0)
    }
}

/// Written when every row of a split is in the target, and never before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub id: String,
    pub table: String,
    pub predicate: String,
    pub from: String,
    pub to: String,
    /// Rows that the sinks wrote.
    pub rows: u64,
    pub rejected: u64,
    /// Rows that have no place in the target (no value in any field), counted by the filter that left them out.
    pub dropped: u64,
    /// Times that the target asked to wait.
    pub throttled: u64,
    /// From 1.
    pub attempt: u32,
    pub host: String,
    /// RFC 3339, seconds.
    pub started: String,
    pub ended: String,
    pub stages: Vec<Stage>,
}

impl Receipt {
    /// Time that the sinks found their target down, in milliseconds.
    pub fn outage_ms(&self) -> u64 {
        self.stages.iter().map(|stage| stage.number("outage_ms")).sum()
    }
}
