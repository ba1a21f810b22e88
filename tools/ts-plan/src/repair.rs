//! The splits of a plan that hold a difference, from the report of a comparison.

use fault::{Error, Kind, Result};
use rows::time::{Nanos, parse_instant};
use serde_json::Value;
use state::{Plan, Split};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A split's table and window, parsed once.
struct Place {
    from: Nanos,
    to: Nanos,
    differs: bool,
}

/// Keeps the splits whose windows hold a difference. `report` is what `ts-verify rows --out json` printed, for one table or
/// for several in a row. The second value: differences that no split holds.
pub fn differing(plan: Plan, report: &Path) -> Result<(Plan, u64)> {
    let name = report.display().to_string();
    let cannot = |error| Error::io(format!("cannot read {name}"), error);
    let mut places = Vec::with_capacity(plan.splits.len());
    for split in &plan.splits {
        places.push(Place { from: parse_instant(&split.from)?, to: parse_instant(&split.to)?, differs: false });
    }
    let mut outside = 0;
    let mut ended = false;
    for (at, line) in BufReader::new(File::open(report).map_err(cannot)?).lines().enumerate() {
        let line = line.map_err(cannot)?;
        let bad = |what: &str| Error::malformed(format!("{name}:{}: {what}", at + 1));
        let record: Value = serde_json::from_str(&line).map_err(|_| bad("no JSON: was it made with --out json?"))?;
        let Some(kind) = record.get("kind").and_then(Value::as_str) else {
            return Err(bad("a record without its kind"));
        };
        ended = kind == "summary";
        if ended {
            whole(&record).map_err(|what| Error::new(Kind::Incomplete, format!("{name}:{}: {what}", at + 1)))?;
        } else if !mark(&record, &plan.splits, &mut places).map_err(|what| bad(&what))? {
            outside += 1;
        }
    }
    if !ended {
        return Err(Error::new(
            Kind::Incomplete,
            format!("{name}: its last line is no summary: the comparison did not come to its end"),
        ));
    }
    let differs: Vec<bool> = places.iter().map(|place| place.differs).collect();
    let splits = plan.splits.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(split, _)| split).collect();
    Ok((Plan { splits, ..plan }, outside))
}

/// Marks the splits that hold this difference. False: none does.
fn mark(record: &Value, splits: &[Split], places: &mut [Place]) -> std::result::Result<bool, String> {
    let instant = |key: &str| match record.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => parse_instant(text).map(Some).map_err(|error| error.to_string()),
        Some(_) => Err(format!("{key} is no text")),
    };
    let (from, until) = (instant("ts")?, instant("until")?);
    let table = record.get("series").and_then(|series| series.get("measurement")).and_then(Value::as_str);
    let mut any = false;
    for (split, place) in splits.iter().zip(places) {
        let here = table.is_none_or(|table| table == split.table);
        // A difference without a time is one of a whole column.
        let now = match (from, until) {
            (None, _) => true,
            (Some(at), None) => place.from <= at && at < place.to,
            (Some(from), Some(until)) => place.from < until && from < place.to,
        };
        place.differs |= here && now;
        any |= here && now;
    }
    Ok(any)
}

/// Does the report show all differences?
fn whole(summary: &Value) -> std::result::Result<(), String> {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
    let all: u64 = summary
        .get("differences")
        .and_then(Value::as_object)
        .map_or(0, |kinds| kinds.values().map(|n| number(Some(n))).sum());
    let shown = number(summary.get("shown"));
    if all > shown {
        return Err(format!("{all} differences were found and {shown} are shown: compare again with --limit {all}"));
    }
    match summary.get("verdict").and_then(Value::as_str) {
        Some("equal" | "different") => Ok(()),
        other => Err(format!("there is no verdict ({}): compare again", other.unwrap_or("none"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let split = |id: &str, table: &str, from: &str, to: &str| Split {
            id: id.into(),
            table: table.into(),
            predicate: String::new(),
            from: format!("2024-01-0{from}T00:00:00.000Z"),
            to: format!("2024-01-0{to}T00:00:00.000Z"),
            est_rows: None,
        };
        let splits = vec![split("a1", "t", "1", "2"), split("a2", "t", "2", "3"), split("b1", "u", "1", "2")];
        Plan { options: "o".into(), source: "s".into(), splits }
    }

    fn kept(report: &str) -> Result<(String, u64)> {
        let dir = testkit::temp_dir();
        let path = dir.path().join("report");
        std::fs::write(&path, report).unwrap();
        let (plan, outside) = differing(plan(), &path)?;
        Ok((plan.splits.iter().map(|split| split.id.as_str()).collect::<Vec<_>>().join(" "), outside))
    }

    const END: &str = r#"{"kind":"summary","verdict":"different","differences":{"changed":1},"shown":1}"#;

    #[test]
    fn a_difference_is_repaired_by_the_split_that_holds_it() {
        let changed = |table: &str, ts: &str| {
            format!(r#"{{"kind":"changed","series":{{"measurement":"{table}","tags":{{}}}},"ts":"{ts}","field":"x"}}"#)
        };
        let one = |record: String| kept(&format!("{record}\n{END}\n")).unwrap();
        assert_eq!(one(changed("t", "2024-01-01T23:59:59.999Z")), ("a1".into(), 0));
        assert_eq!(one(changed("t", "2024-01-02T00:00:00Z")), ("a2".into(), 0));
        assert_eq!(one(changed("u", "2024-01-01T00:00:00Z")), ("b1".into(), 0));
        assert_eq!(one(changed("u", "2024-01-02T00:00:00Z")), (String::new(), 1));
        let bucket = r#"{"kind":"bucket","series":{"measurement":"t"},"ts":"2024-01-01T23:30:00Z","until":"2024-01-02T00:30:00Z"}"#;
        assert_eq!(one(bucket.into()), ("a1 a2".into(), 0));
        let column = r#"{"kind":"type","series":null,"ts":null,"field":"x","a":"tag","b":"field"}"#;
        assert_eq!(one(column.into()), ("a1 a2 b1".into(), 0));
    }

    #[test]
    fn a_report_that_does_not_show_all_is_no_ground_for_a_repair() {
        let kind = |report: &str| kept(report).unwrap_err().kind();
        assert_eq!(kind(""), Kind::Incomplete);
        assert_eq!(kind(r#"{"kind":"changed","series":null,"ts":null}"#), Kind::Incomplete);
        assert_eq!(
            kind(r#"{"kind":"summary","verdict":"different","differences":{"changed":5},"shown":1}"#),
            Kind::Incomplete
        );
        assert_eq!(kind(r#"{"kind":"summary","verdict":"none","shown":0}"#), Kind::Incomplete);
        assert_eq!(kind("changed 2024-01-01"), Kind::Malformed);
        assert_eq!(kind(r#"{"kind":"changed","ts":5}"#), Kind::Malformed);
    }
}
