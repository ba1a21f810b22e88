//! `--load DB.TABLE=FILE`: a typed CSV, whose header has `name|type` for each column. What becomes of the rows is the
//! business of each system.

use std::fs::File;
use std::io::{BufRead, BufReader};

use fault::{Error, Kind, Result};

use crate::csv::{Csv, Record};

/// Read at a time.
const BUFFER: usize = 1 << 20;

/// A file and where it goes.
pub struct Load<'a> {
    pub database: &'a str,
    pub table: &'a str,
    pub path: &'a str,
    csv: Csv<Box<dyn BufRead>>,
    columns: usize,
}

impl<'a> Load<'a> {
    /// Opens what `DB.TABLE=FILE` names; `-` is stdin.
    pub fn open(spec: &'a str) -> Result<Load<'a>> {
        let usage = || Error::usage(format!("--load {spec}: expected DB.TABLE=FILE"));
        let (name, path) = spec.split_once('=').ok_or_else(usage)?;
        let (database, table) = name.split_once('.').ok_or_else(usage)?;
        if database.is_empty() || table.is_empty() || path.is_empty() {
            return Err(usage());
        }
        let input: Box<dyn BufRead> = if path == "-" {
            Box::new(BufReader::with_capacity(BUFFER, std::io::stdin()))
        } else {
            let file = File::open(path).map_err(|e| Error::io(format!("cannot read {path}"), e))?;
            Box::new(BufReader::with_capacity(BUFFER, file))
        };
        Ok(Load { database, table, path, csv: Csv::new(input), columns: 0 })
    }

    /// The header; read before any row.
    pub fn header(&mut self) -> Result<Record<'_>> {
        let path = self.path;
        let header = self.csv.next().map_err(|e| broken(path, 1, e))?;
        let header = header.ok_or_else(|| malformed(path, 1, "empty input: expected a header `name|type,…`"))?;
        self.columns = header.len();
        Ok(header)
    }

    /// Gives every row with the number of its line, up to the end mark; lines without anything are no rows.
    pub fn rows(&mut self, mut each: impl FnMut(u64, &Record<'_>) -> Result<()>) -> Result<()> {
        loop {
            let at = self.csv.at + 1;
            let Some(record) = self.csv.next().map_err(|e| broken(self.path, at, e))? else { return Ok(()) };
            if record.first_byte() == Some(b'#') && record.get(0).is_some_and(|c| c.starts_with(b"#ts-end ")) {
                return Ok(());
            }
            if record.len() == 1 && record.get(0).is_none() && self.columns > 1 {
                continue;
            }
            each(at, &record)?;
        }
    }
}

fn broken(path: &str, at: u64, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::InvalidData => malformed(path, at, &error.to_string()),
        _ => Error::io(format!("cannot read {path}"), error),
    }
}

/// Exit 3, with the place.
pub fn malformed(path: &str, line: u64, why: &str) -> Error {
    Error::new(Kind::Malformed, format!("{path}:{line}: {why}"))
}
