//! Units of time, and instants as text.

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use fault::{Error, Result};
use std::str::FromStr;
use std::sync::Arc;

/// The unit of a timestamp. Carried by type, never guessed from the number of digits of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    S,
    Ms,
    Us,
    Ns,
}

impl Unit {
    /// Units in a second.
    pub fn per_second(self) -> i64 {
        match self {
            Unit::S => 1,
            Unit::Ms => 1_000,
            Unit::Us => 1_000_000,
            Unit::Ns => 1_000_000_000,
        }
    }

    /// Nanoseconds in one unit.
    pub fn nanos(self) -> i64 {
        1_000_000_000 / self.per_second()
    }

    /// Digits of the fraction in an RFC 3339 text of this unit: 0, 3, 6 or 9.
    pub fn digits(self) -> usize {
        match self {
            Unit::S => 0,
            Unit::Ms => 3,
            Unit::Us => 6,
            Unit::Ns => 9,
        }
    }

    /// `s`, `ms`, `us` or `ns`.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::S => "s",
            Unit::Ms => "ms",
            Unit::Us => "us",
            Unit::Ns => "ns",
        }
    }

    /// Arrow's name for it.
    pub fn arrow(self) -> TimeUnit {
        match self {
            Unit::S => TimeUnit::Second,
            Unit::Ms => TimeUnit::Millisecond,
            Unit::Us => TimeUnit::Microsecond,
            Unit::Ns => TimeUnit::Nanosecond,
        }
    }

    /// From Arrow's.
    pub fn from_arrow(unit: &TimeUnit) -> Unit {
        match unit {
            TimeUnit::Second => Unit::S,
            TimeUnit::Millisecond => Unit::Ms,
            TimeUnit::Microsecond => Unit::Us,
            TimeUnit::Nanosecond => Unit::Ns,
        }
    }

    /// `Timestamp(unit, "UTC")`.
    pub fn data_type(self) -> DataType {
        DataType::Timestamp(self.arrow(), Some(Arc::from("UTC")))
    }
}

impl FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Unit> {
        Ok(match text {
            "s" => Unit::S,
            "ms" => Unit::Ms,
            "us" => Unit::Us,
            "ns" => Unit::Ns,
            _ => return Err(Error::usage(format!("'{text}' is no precision: use s, ms, us or ns"))),
        })
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An instant in nanoseconds since the epoch, UTC, as i128: wider than any unit's i64.
pub type Nanos = i128;

/// `--since` and `--until`: RFC 3339 (`2024-01-01T00:00:00Z`, any offset), a UTC date or date-time without zone
/// (`2024-01-01`, `2024-01-01 12:00:00`), or an integer with its unit (`1704067200s`, `1704067200000ms`). A bare integer
/// is refused: its unit would be a guess.
pub fn parse_instant(text: &str) -> Result<Nanos> {
    let text = text.trim();
    let bad = || {
        Error::usage(format!(
            "'{text}' is no instant: use RFC 3339 (2024-01-01T00:00:00Z), a date (2024-01-01) or an integer with its \
             unit (1704067200000ms)"
        ))
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if let (true, Ok(unit)) = (end > 0, digits[end..].parse::<Unit>()) {
        let number: i128 = text[..text.len() - digits.len() + end].parse().map_err(|_| bad())?;
        return number.checked_mul(i128::from(unit.nanos())).ok_or_else(bad);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(nanos(time.timestamp(), time.timestamp_subsec_nanos()));
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            let time = time.and_utc();
            return Ok(nanos(time.timestamp(), time.timestamp_subsec_nanos()));
        }
    }
    if let Some(time) = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|date| date.and_hms_opt(0, 0, 0)) {
        return Ok(nanos(time.and_utc().timestamp(), 0));
    }
    Err(bad())
}

/// Exit 2 for a half-open range that holds no instant.
pub fn check_range(since: Option<Nanos>, until: Option<Nanos>) -> Result<()> {
    match since.zip(until) {
        Some((since, until)) if since >= until => {
            Err(Error::usage("--since is not before --until: the range is empty"))
        }
        _ => Ok(()),
    }
}

fn nanos(seconds: i64, nanos: u32) -> Nanos {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// The first value of `unit` that is not before `instant` (for both ends of a half-open range), clamped to i64.
pub fn ceil_to(instant: Nanos, unit: Unit) -> i64 {
    let step = i128::from(unit.nanos());
    let value = instant.div_euclid(step) + i128::from(instant.rem_euclid(step) != 0);
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let new_year = 1_704_067_200_000_000_000;
        for text in
            ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-01-01", "1704067200s", "1704067200000ms"]
        {
            assert_eq!(parse_instant(text).unwrap(), new_year, "{text}");
        }
        assert_eq!(parse_instant("-1ms").unwrap(), -1_000_000);
        for text in ["1704067200", "yesterday", "", "2024-13-01", "ms"] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
        assert_eq!(ceil_to(1, Unit::Ms), 1);
        assert_eq!(ceil_to(-1, Unit::Ms), 0);
        assert_eq!(ceil_to(1_000_000, Unit::Ms), 1);
    }
}
