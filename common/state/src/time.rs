//! The times in records of the state.

use chrono::{SecondsFormat, Utc};

/// Now, as receipts, failures and the journal say it: RFC 3339 in UTC, seconds.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
