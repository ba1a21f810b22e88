//! The plan: which splits there are. A TSV that people can read and `cut`, written once and never changed.
//!
//! The first line says what the plan was made from, the second names the columns:
//! ```text
//! #ts-plan 1 options=8f0c… source=tdengine://db:6041/iot
//! id  table  predicate  from  to  est_rows
//! ```

use fault::{Error, Result};
use std::fmt::Write as _;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &str = "#ts-plan 1";
const COLUMNS: [&str; 6] = ["id", "table", "predicate", "from", "to", "est_rows"];

/// At most so many splits: a directory of receipts stays one that can be listed.
pub const MOST: usize = 100_000;

/// A unit of work: some sub-tables of a table, over a half-open window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// 16 hex digits, a hash of what would be written ([`split_id`]): the same on every host and in every later plan.
    pub id: String,
    pub table: String,
    /// A condition on tags or sub-table names, in the source's SQL; empty for all rows.
    pub predicate: String,
    /// RFC 3339 in UTC, inclusive.
    pub from: String,
    /// RFC 3339 in UTC, exclusive.
    pub to: String,
    /// Rows counted when the plan was made; they may have changed since.
    pub est_rows: Option<u64>,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// A hash of every option that decides what is written: a resumed migration must have the same.
    pub options: String,
    /// The source's URL, without secrets.
    pub source: String,
    pub splits: Vec<Split>,
}

/// The identity of a split: a hash over the parts with their lengths, so that `a`,`bc` is not `ab`,`c`.
pub fn split_id(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("{:016x}", (xxh3_128(&bytes) >> 64) as u64)
}

/// Is this the form of a split's id? It becomes part of file names.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl Plan {
    /// Reads a plan's file.
    pub fn read(path: &Path) -> Result<Plan> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::io(format!("cannot read the plan {name}"), error))?;
        Plan::parse(&text, &name)
    }

    /// Reads one split of a plan's file: of the others' lines no more is looked at than where they end, so that a runner of
    /// one split costs little where the plan is long.
    pub fn read_split(path: &Path, id: &str) -> Result<Option<Split>> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::io(format!("cannot read the plan {name}"), error))?;
        let this = |line: &str| line.strip_prefix(id).is_some_and(|rest| rest.starts_with('\t'));
        Ok(Plan::parse_lines(&text, &name, &this)?.splits.pop())
    }

    /// Reads a plan's text; `name` stands in messages.
    pub fn parse(text: &str, name: &str) -> Result<Plan> {
        Plan::parse_lines(text, name, &|_| true)
    }

    fn parse_lines(text: &str, name: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Plan> {
        let bad = |line: usize, what: &str| Error::malformed(format!("{name}:{line}: {what}"));
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let first = lines.next().and_then(|(_, line)| line.strip_prefix(MAGIC));
        let Some(first) = first else {
            return Err(bad(1, "not a plan of ts-plan (its first line is '#ts-plan 1 …')"));
        };
        let mut plan = Plan::default();
        for word in first.split(' ').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("options", value)) => plan.options = value.to_owned(),
                Some(("source", value)) => plan.source = value.to_owned(),
                // Later versions may say more.
                _ => {}
            }
        }
        match lines.next() {
            Some((_, line)) if line.split('\t').eq(COLUMNS) => {}
            _ => return Err(bad(2, &format!("the columns are not {}", COLUMNS.join(", ")))),
        }
        for (number, line) in lines.filter(|(_, line)| wanted(line)) {
            let cells: Vec<String> = line.split('\t').map(unescape).collect();
            let [id, table, predicate, from, to, est_rows] = cells.as_slice() else {
                return Err(bad(number, &format!("{} cells where {} are expected", cells.len(), COLUMNS.len())));
            };
            if !is_id(id) {
                return Err(bad(number, &format!("'{}' is no split id", fault::excerpt(id.as_bytes()))));
            }
            let est_rows = match est_rows.as_str() {
                "" => None,
                digits => Some(digits.parse().map_err(|_| bad(number, "est_rows is no number"))?),
            };
            plan.splits.push(Split {
                id: id.clone(),
                table: table.clone(),
                predicate: predicate.clone(),
                from: from.clone(),
                to: to.clone(),
                est_rows,
            });
        }
        if !text.ends_with('\n') {
            return Err(bad(text.lines().count(), "the last line has no end: the plan was cut"));
        }
        let mut ids: Vec<&str> = plan.splits.iter().map(|split| split.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(Error::malformed(format!("{name}: the split {} stands twice", twice.concat().split_at(16).0)));
        }
        Ok(plan)
    }

    /// The plan as text.
    pub fn print(&self) -> String {
        let mut text = format!("{MAGIC} options={} source={}\n{}\n", self.options, self.source, COLUMNS.join("\t"));
        for split in &self.splits {
            for cell in [&split.id, &split.table, &split.predicate, &split.from, &split.to] {
                escape(cell, &mut text);
                text.push('\t');
            }
            let _ = writeln!(text, "{}", split.est_rows.map_or_else(String::new, |rows| rows.to_string()));
        }
        text
    }

    /// The split of this id.
    pub fn find(&self, id: &str) -> Option<&Split> {
        self.splits.iter().find(|split| split.id == id)
    }
}

/// Tab, line ends and backslash would break the table: they are written as `\t`, `\n`, `\r`, `\\`.
fn escape(cell: &str, out: &mut String) {
    for c in cell.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

fn unescape(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn split(table: &str, predicate: &str) -> Split {
        Split {
            id: split_id(&[table, predicate]),
            table: table.into(),
            predicate: predicate.into(),
            from: "2024-01-01T00:00:00Z".into(),
            to: "2024-01-02T00:00:00Z".into(),
            est_rows: Some(5),
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(split_id(&["a", "bc"]), split_id(&["ab", "c"]));
        // Stored in plans and names of receipts: it may never change.
        assert_eq!(split_id(&["tdengine://h/d", "meters", "", "2024-01-01", "2024-01-02"]), "2ec9fe8796b2bf87");
    }

    #[test]
    fn a_plan_that_is_cut_or_mixed_up_is_refused() {
        let plan = Plan { options: "x".into(), source: "s".into(), splits: vec![split("a", ""), split("b", "")] };
        let text = plan.print();
        for (broken, says) in [
            (text.trim_end().to_owned(), "was cut"),
            (text.replace("#ts-plan 1", "#ts-plan 2"), "not a plan"),
            (text.replace("predicate", "where"), "columns"),
            (text.replace("\t5\n", "\n"), "5 cells"),
            (text.replace("\t5\n", "\tmany\n"), "est_rows"),
            (text.replace(&split("b", "").id, &split("a", "").id), "twice"),
            (text.replace(&split("b", "").id, "../b"), "no split id"),
        ] {
            let error = Plan::parse(&broken, "plan.tsv").unwrap_err().to_string();
            assert!(error.contains("plan.tsv") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn one_split_is_read_without_the_others() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("plan.tsv");
        let plan = Plan { options: "x".into(), source: "s".into(), splits: vec![split("a", "p\tq"), split("b", "")] };
        let id = |table: &str, predicate: &str| split(table, predicate).id;
        let read = |text: &str, id: &str| {
            std::fs::write(&path, text).unwrap();
            Plan::read_split(&path, id).map_err(|error| error.to_string())
        };
        let text = plan.print();
        assert_eq!(read(&text, &id("a", "p\tq")).unwrap().as_ref(), plan.splits.first());
        assert_eq!(read(&text, &id("b", "")).unwrap().as_ref(), plan.splits.last());
        // Neither a part of an id, nor what stands elsewhere in a line.
        for other in ["", "a", "id", &id("a", "p\tq")[..8]] {
            assert_eq!(read(&text, other).unwrap(), None, "{other}");
        }
        // A plan that is cut or mixed up has no splits; nor is the one line believed where it stands twice.
        assert!(read(text.trim_end(), &id("a", "p\tq")).unwrap_err().contains("was cut"));
        assert!(read(&text.replace("#ts-plan 1", "#ts-plan 2"), &id("b", "")).unwrap_err().contains("not a plan"));
        let twice = text.replace(&id("b", ""), &id("a", "p\tq"));
        assert!(read(&twice, &id("a", "p\tq")).unwrap_err().contains("twice"));
        assert!(read(&text.replace("\t5\n", "\tmany\n"), &id("b", "")).unwrap_err().contains("plan.tsv:4: est_rows"));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(table in "[a\\\\\t\n\r é]{0,6}", predicate in ".{0,12}") {
            let plan = Plan { options: "o".into(), source: "s".into(), splits: vec![split(&table, &predicate)] };
            prop_assert_eq!(Plan::parse(&plan.print(), "p").unwrap(), plan);
        }
    }
}
