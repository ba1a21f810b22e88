//! `--since-version`: what an earlier run saw, so that only what changed since is exported.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use cli::Run;
use fault::{Error, Result};
use rows::format::{ReadOptions, Source};
use starrocks::catalog::Partition;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Versions above this one.
    Above(u64),
    /// Versions that differ from those in a file.
    File(PathBuf),
}

impl FromStr for Since {
    type Err = Error;

    fn from_str(text: &str) -> Result<Since> {
        match text.parse() {
            Ok(number) => Ok(Since::Above(number)),
            Err(_) if text.is_empty() => Err(Error::usage("--since-version: a file or a number")),
            Err(_) => Ok(Since::File(text.into())),
        }
    }
}

/// The versions that were seen before.
#[derive(Debug)]
pub enum Seen {
    Above(u64),
    /// By table and name of the partition, in lower case; without a table for all tables.
    Each(HashMap<(Option<String>, String), u64>),
}

impl Seen {
    /// Reads the file: any format that has the columns `partition` and `visible_version`. The last line of a partition wins.
    pub fn open(since: &Since, run: &Run) -> Result<Seen> {
        let path = match since {
            Since::Above(number) => return Ok(Seen::Above(*number)),
            Since::File(path) => path,
        };
        let input = cli::input::open(path, run)?;
        let source = Source::new(input.name, input.reader, input.file);
        let mut reader = rows::format::open(source, ReadOptions::default())?;
        let mut seen = HashMap::new();
        while let Some(batch) = reader.next()? {
            let tables = texts(&batch, "table");
            let names = texts(&batch, "partition").ok_or_else(|| missing(path, "partition"))?;
            let versions = numbers(&batch, "visible_version").ok_or_else(|| missing(path, "visible_version"))?;
            for (row, (name, version)) in names.into_iter().zip(versions).enumerate() {
                if let (Some(name), Some(version)) = (name, version) {
                    let table = tables.as_ref().and_then(|tables| tables.get(row).cloned().flatten());
                    seen.insert((table, name.to_ascii_lowercase()), version);
                }
            }
        }
        Ok(Seen::Each(seen))
    }

    /// Is there something that was not seen before?
    pub fn is_news(&self, table: &str, partition: &Partition) -> bool {
        match self {
            Seen::Above(number) => partition.version > *number,
            Seen::Each(seen) => {
                let name = partition.name.to_ascii_lowercase();
                let of_table = seen.get(&(Some(table.to_owned()), name.clone()));
                of_table.or_else(|| seen.get(&(None, name))) != Some(&partition.version)
            }
        }
    }
}

fn missing(path: &Path, column: &str) -> Error {
    Error::malformed(format!("{}: no column {column}: give what --list or --output-dir wrote", path.display()))
}

fn texts(batch: &RecordBatch, name: &str) -> Option<Vec<Option<String>>> {
    let column = batch.column_by_name(name)?;
    let texts = column.as_string_opt::<i32>()?;
    Some(texts.iter().map(|text| text.map(str::to_owned)).collect())
}

fn numbers(batch: &RecordBatch, name: &str) -> Option<Vec<Option<u64>>> {
    let column = batch.column_by_name(name)?;
    if let Some(all) = column.as_primitive_opt::<UInt64Type>() {
        return Some(all.iter().collect());
    }
    if let Some(all) = column.as_primitive_opt::<Int64Type>() {
        return Some(all.iter().map(|number| number.and_then(|number| u64::try_from(number).ok())).collect());
    }
    // A plain CSV header says nothing of types.
    let texts = column.as_string_opt::<i32>()?;
    Some((0..texts.len()).map(|row| if texts.is_null(row) { None } else { texts.value(row).parse().ok() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_no_news() {
        let partition = |name: &str, version| Partition {
            id: String::new(),
            name: name.into(),
            version,
            rows: 0,
            bytes: 0,
            range: String::new(),
        };
        let directory = testkit::temp_dir();
        for (file, text) in [
            ("list.csv", "table|string,partition|string,visible_version|long\nt,p1,5\nt,p2,7\n"),
            (
                "manifest.jsonl",
                "{\"table\":\"t\",\"partition\":\"p1\",\"visible_version\":4}\n{\"table\":\"t\",\"partition\":\"p1\",\"visible_version\":5}\n{\"table\":\"t\",\"partition\":\"p2\",\"visible_version\":7}\n",
            ),
        ] {
            let path = directory.path().join(file);
            std::fs::write(&path, text).unwrap();
            let seen = Seen::open(&path.to_str().unwrap().parse().unwrap(), &Run::for_test("versions")).unwrap();
            assert!(!seen.is_news("t", &partition("P1", 5)) && seen.is_news("t", &partition("p1", 6)), "{file}");
            assert!(seen.is_news("t", &partition("p3", 1)) && seen.is_news("other", &partition("p1", 5)), "{file}");
        }
        let above = Seen::Above(5);
        assert!(above.is_news("t", &partition("p", 6)) && !above.is_news("t", &partition("p", 5)));
    }
}
