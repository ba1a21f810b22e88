//! The splits of a plan that hold a difference, from the list that `ts-verify --repair` wrote.

use fault::{Error, Result};
use rows::time::{Nanos, parse_instant};
use serde_json::Value;
use state::Plan;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A split's window, and its place in the plan.
struct Place {
    from: Nanos,
    to: Nanos,
    /// The latest end of this window and of those before it: what lies before it can be passed over.
    latest: Nanos,
    split: usize,
}

/// Keeps the splits whose windows hold a difference. `list` has a JSON object a line, with `table`, `from`, `to`; lists of
/// several tables may follow each other. The second value: differences that no split holds.
pub fn differing(plan: Plan, list: &Path) -> Result<(Plan, u64)> {
    let name = list.display().to_string();
    let cannot = |error| Error::io(format!("cannot read {name}"), error);
    let places = places(&plan)?;
    let mut differs = vec![false; plan.splits.len()];
    let mut outside = 0;
    for (at, line) in BufReader::new(File::open(list).map_err(cannot)?).lines().enumerate() {
        let line = line.map_err(cannot)?;
        let bad = |what: &str| Error::malformed(format!("{name}:{}: {what}", at + 1));
        let record: Value = serde_json::from_str(&line).map_err(|_| bad("no JSON"))?;
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let (Some(table), Some(from), Some(to)) = (text("table"), text("from"), text("to")) else {
            return Err(bad("no table, from and to: the list that ts-verify --repair FILE writes is expected"));
        };
        let instant = |text: &str| parse_instant(text).map_err(|error| bad(&error.to_string()));
        let (from, to) = (instant(from)?, instant(to)?);
        let windows = places.get(table).map(Vec::as_slice).unwrap_or_default();
        let first = windows.partition_point(|place| place.latest <= from);
        let mut any = false;
        let near = windows.iter().skip(first).take_while(|place| place.from < to);
        for place in near.filter(|place| from < place.to) {
            any = true;
            if let Some(differs) = differs.get_mut(place.split) {
                *differs = true;
            }
        }
        outside += u64::from(!any);
    }
    let splits = plan.splits.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(split, _)| split).collect();
    Ok((Plan { splits, ..plan }, outside))
}

/// The windows of each table, by their starts.
fn places(plan: &Plan) -> Result<HashMap<String, Vec<Place>>> {
    let mut places: HashMap<String, Vec<Place>> = HashMap::new();
    for (number, split) in plan.splits.iter().enumerate() {
        let (from, to) = (parse_instant(&split.from)?, parse_instant(&split.to)?);
        places.entry(split.table.clone()).or_default().push(Place { from, to, latest: to, split: number });
    }
    for windows in places.values_mut() {
        windows.sort_by_key(|place| place.from);
        let mut latest = Nanos::MIN;
        for place in windows {
            latest = latest.max(place.to);
            place.latest = latest;
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault::Kind;
    use state::Split;
    use testkit::proptest::collection::vec;
    use testkit::proptest::prelude::*;

    fn split(id: &str, table: &str, from: &str, to: &str) -> Split {
        let [id, table, from, to] = [id, table, from, to].map(str::to_owned);
        Split { id, table, predicate: String::new(), from, to, est_rows: None }
    }

    fn kept(splits: Vec<Split>, list: &str) -> Result<(String, u64)> {
        let dir = testkit::temp_dir();
        let path = dir.path().join("list");
        std::fs::write(&path, list).unwrap();
        let (plan, outside) = differing(Plan { splits, ..Plan::default() }, &path)?;
        Ok((plan.splits.iter().map(|split| split.id.as_str()).collect::<Vec<_>>().join(" "), outside))
    }

    fn plan() -> Vec<Split> {
        vec![
            split("a1", "t", "2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z"),
            split("a2", "t", "2024-01-02T00:00:00.000Z", "2024-01-03T00:00:00.000Z"),
            split("b1", "u", "2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z"),
        ]
    }

    #[test]
    fn a_difference_is_repaired_by_the_splits_that_hold_it() {
        let line = |table: &str, from: &str, to: &str| {
            format!(
                r#"{{"table":"{table}","series":{{}},"from":"2024-01-0{from}:00Z","to":"2024-01-0{to}:00Z","class":"changed"}}"#
            )
        };
        let one = |lines: &[String]| kept(plan(), &(lines.join("\n") + "\n")).unwrap();
        assert_eq!(one(&[line("t", "1T23:00", "2T00:00")]), ("a1".into(), 0));
        assert_eq!(one(&[line("t", "2T00:00", "2T01:00")]), ("a2".into(), 0));
        assert_eq!(one(&[line("t", "1T23:30", "2T00:30")]), ("a1 a2".into(), 0));
        assert_eq!(one(&[line("u", "1T00:00", "1T01:00"), line("t", "1T00:00", "1T01:00")]), ("a1 b1".into(), 0));
        assert_eq!(one(&[line("u", "2T00:00", "2T01:00"), line("v", "1T00:00", "1T01:00")]), (String::new(), 2));
    }

    #[test]
    fn another_file_is_refused() {
        let refused = |list: &str| {
            let error = kept(plan(), list).unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed);
            error.to_string()
        };
        assert!(refused(r#"{"kind":"summary","verdict":"different"}"#).contains("--repair FILE"));
        assert!(refused("changed 2024-01-01").contains(":1: no JSON"));
        assert!(refused(r#"{"table":"t","from":"yesterday","to":"2024-01-01"}"#).contains("yesterday"));
    }

    proptest! {
        #[test]
        fn the_search_finds_what_a_look_at_all_finds(
            windows in vec((0i64..60, 1i64..30), 1..20), from in 0i64..80, width in 1i64..20,
        ) {
            let second = |at: i64| format!("{at}s");
            let splits: Vec<Split> = windows
                .iter()
                .enumerate()
                .map(|(at, (from, width))| split(&at.to_string(), "t", &second(*from), &second(from + width)))
                .collect();
            let wanted: Vec<String> = windows
                .iter()
                .enumerate()
                .filter(|(_, window)| window.0 < from + width && from < window.0 + window.1)
                .map(|(at, _)| at.to_string())
                .collect();
            let list = format!(r#"{{"table":"t","from":"{from}s","to":"{}s"}}"#, from + width);
            prop_assert_eq!(kept(splits, &list).unwrap(), (wanted.join(" "), u64::from(wanted.is_empty())));
        }
    }
}
