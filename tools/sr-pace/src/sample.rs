//! One look at the clusters and at our own work. Its JSON form is a line of a tape.

use serde::{Deserialize, Serialize};

/// What one look has found. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// What should have answered and did not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
    /// Our own work since the last look: how many ended, the 95th percentile of their seconds, how many failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
}

/// A front or back end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `target be1`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alive: Option<bool>,
    /// Percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<f64>,
    /// The highest score of a tablet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction: Option<f64>,
    /// Versions that wait to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<f64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
