//! The times in records of the state.

use chrono::{DateTime, SecondsFormat, Utc};

/// Now, as receipts, failures and the journal say it: RFC 3339 in UTC, seconds.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Seconds since the epoch of such a time; `None` if it is none.
pub fn seconds(text: &str) -> Option<f64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp() as f64)
}
