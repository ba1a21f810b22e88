//! Which measurements, and which windows of time.

use crate::args::Plan;
use fault::{Error, Kind, Result};
use influx::catalog::Measurement;
use influx::dump::Window;
use influx::{Client, Version};

/// The width of windows in version 3, which refuses a query over too many files: about three days of them (dossier
/// influxdb 3.3).
const DAY: i64 = 86_400_000_000_000;

/// More windows than this are a mistake in `--window`.
const MOST: i128 = 1_000_000;

/// The measurements asked for, described; exit 6 for a name that is not there, or if nothing matches.
pub fn measurements(client: &Client, plan: &Plan) -> Result<Vec<Measurement>> {
    let there = client.measurements()?;
    let mut names: Vec<String> = Vec::new();
    for pattern in &plan.wanted {
        let found: Vec<&String> = there.iter().filter(|name| pattern.matches(name)).collect();
        if found.is_empty() {
            return Err(Error::new(
                Kind::Refused,
                format!("{}: no measurement matches {}", plan.target, pattern.text()),
            ));
        }
        names.extend(found.into_iter().cloned());
    }
    if plan.wanted.is_empty() {
        names = there;
    }
    names.sort();
    names.dedup();
    let mut tables = client.describe(&names)?;
    for (measurement, field, kind) in &plan.types {
        let known =
            tables.iter_mut().find(|table| table.name == *measurement).is_some_and(|table| table.choose(field, *kind));
        if !known {
            return Err(Error::usage(format!("--field-type {measurement}.{field}: there is no such field")));
        }
    }
    Ok(tables)
}

/// The windows of one measurement. `None` in the plan: one query, or days in version 3.
pub fn windows(client: &Client, plan: &Plan, table: &Measurement) -> Result<Vec<Window>> {
    let width = match plan.window {
        None if plan.target.version != Version::V3 => return Ok(vec![plan.range]),
        width => width.unwrap_or(DAY),
    };
    // The data's own ends close a range that is open.
    let (from, to) = match (plan.range.from, plan.range.to) {
        (Some(from), Some(to)) => (from, to),
        (from, to) => match client.ends(&table.name, plan.range)? {
            Some((first, last)) => (from.unwrap_or(first), to.unwrap_or(last.saturating_add(1))),
            None => return Ok(Vec::new()),
        },
    };
    cut(from, to, width)
}

/// `from..to` in pieces of `width`, cut at whole multiples of it, so that the same data are always cut alike.
fn cut(from: i64, to: i64, width: i64) -> Result<Vec<Window>> {
    let pieces = (i128::from(to) - i128::from(from)) / i128::from(width);
    if pieces > MOST {
        return Err(Error::usage(format!("--window: that would be {pieces} queries")));
    }
    let mut windows = Vec::new();
    let mut start = from;
    while start < to {
        let end = start.div_euclid(width).saturating_add(1).saturating_mul(width).min(to).max(start + 1);
        windows.push(Window { from: Some(start), to: Some(end) });
        start = end;
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_range_without_gaps() {
        for (from, to, width) in [(0, 10, 3), (-7, 8, 5), (5, 6, 100), (i64::MAX - 5, i64::MAX, 2), (3, 3, 1)] {
            let windows = cut(from, to, width).unwrap();
            let mut at = from;
            for window in &windows {
                assert_eq!(window.from, Some(at));
                at = window.to.unwrap();
            }
            assert_eq!(at, to, "{from}..{to}");
        }
        assert!(cut(0, i64::MAX, 1).is_err());
    }
}
