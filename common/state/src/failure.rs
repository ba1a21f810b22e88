//! What is known of a split that failed.

use serde::{Deserialize, Serialize};

/// The last failure of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub id: String,
    /// Attempts so far, over all runs.
    pub attempts: u32,
    /// The exit code that tells the cause.
    pub exit: u8,
    /// May it be tried again without anybody having changed anything?
    pub retryable: bool,
    /// The error line of the stage that failed first.
    pub error: String,
    pub host: String,
    /// RFC 3339, seconds.
    pub at: String,
}
