//! Times and durations in the spellings of InfluxDB.

use chrono::{DateTime, Utc};
use std::time::{SystemTime, UNIX_EPOCH};

/// ns since 1970 by the machine's clock.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// `2026-11-21T11:00:00.5Z`: as many fraction digits as needed.
pub fn rfc3339(ns: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_nanos(ns);
    let fraction = ns.rem_euclid(1_000_000_000);
    let seconds = time.format("%Y-%m-%dT%H:%M:%S");
    if fraction == 0 {
        return format!("{seconds}Z");
    }
    let digits = format!("{fraction:09}");
    format!("{seconds}.{}Z", digits.trim_end_matches('0'))
}

/// Reads RFC 3339, or InfluxQL's `2026-11-21 11:00:00[.5]` and `2026-11-21`, as ns.
pub fn parse_time(text: &str) -> Option<i64> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ if text.ends_with('Z') || text.contains('+') => text.replacen(' ', "T", 1),
        _ if DateTime::parse_from_rfc3339(text).is_ok() => text.to_string(),
        _ => format!("{}Z", text.replacen(' ', "T", 1)),
    };
    DateTime::parse_from_rfc3339(&whole).ok()?.timestamp_nanos_opt()
}

/// ns in one unit of a duration literal: `ns u us µ ms s m h d w`.
pub fn unit_ns(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "u" | "us" | "µ" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 7 * 86_400_000_000_000,
        _ => return None,
    })
}

/// Reads `1h30m`, `52w`, `INF`, `0` as ns (0 = for ever).
pub fn parse_duration(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("inf") || text == "0" {
        return Some(0);
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_ns(unit)?)?)?;
        rest = tail;
    }
    (total > 0).then_some(total)
}

/// Go's spelling of a duration in whole seconds: `1h0m0s`, `0s`.
pub fn duration_text(ns: i64) -> String {
    let seconds = ns / 1_000_000_000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m{s}s"),
        _ => format!("{h}h{m}m{s}s"),
    }
}
