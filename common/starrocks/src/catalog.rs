//! What a cluster holds: its version, databases, tables, columns, partitions. Results are read by the names of their
//! columns, which differ in number and case between versions (dossier starrocks 3.1, 5.1).

use crate::client::{Client, Table};
use crate::sql;
use crate::types::SrType;
use fault::{Error, Kind, Result};
use std::fmt;

/// A version of StarRocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// `3.3.5-6d81f75`. What is no number (`main`) is the newest.
    pub fn parse(text: &str) -> Version {
        let mut numbers = text.split(['.', '-', ' ']).map_while(|part| part.parse().ok());
        match numbers.next() {
            Some(major) => Version(major, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            None => Version(u32::MAX, 0, 0),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What a name in a database stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kindred {
    Table,
    View,
    MaterializedView,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// As the server spells it.
    pub text: String,
    /// `None`: a type that we do not know.
    pub ty: Option<SrType>,
    pub nullable: bool,
    /// Part of the key (duplicate, unique, primary or aggregate).
    pub key: bool,
    pub comment: String,
}

/// A partition. A table without partitions has one, of its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub id: String,
    pub name: String,
    /// Raised by every load that touched it; 1: nothing was ever loaded.
    pub version: u64,
    /// A statistic that comes late: for planning only.
    pub rows: u64,
    /// The same.
    pub bytes: u64,
    /// `[2024-01-01 00:00:00, 2024-02-01 00:00:00)`, a list of values, or nothing.
    pub range: String,
}

impl Client {
    /// The version of StarRocks (not the one that it claims to MySQL's clients).
    pub fn version(&mut self) -> Result<Version> {
        Ok(Version::parse(&self.value("SELECT current_version()")?))
    }

    /// The databases, without those of the system.
    pub fn databases(&mut self) -> Result<Vec<String>> {
        let all = first_column(self.query("SHOW DATABASES")?);
        Ok(all
            .into_iter()
            .filter(|name| !matches!(name.as_str(), "information_schema" | "_statistics_" | "sys"))
            .collect())
    }

    /// The tables and views of a database, by name.
    pub fn tables(&mut self, database: &str) -> Result<Vec<(String, Kindred)>> {
        let schema = sql::string(database);
        let found = self.query(&format!(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.tables WHERE TABLE_SCHEMA = {schema}"
        ))?;
        // Old versions have no such table, and show them as views.
        let materialized = match self.query(&format!(
            "SELECT TABLE_NAME FROM information_schema.materialized_views WHERE TABLE_SCHEMA = {schema}"
        )) {
            Ok(table) => first_column(table),
            Err(error) if error.kind() == Kind::Refused => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut tables: Vec<(String, Kindred)> = (0..found.rows.len())
            .filter_map(|row| {
                let name = found.get(row, "TABLE_NAME")?.to_owned();
                let kind = match found.get(row, "TABLE_TYPE").unwrap_or("") {
                    _ if materialized.contains(&name) => Kindred::MaterializedView,
                    kind if kind.to_ascii_uppercase().contains("MATERIALIZED") => Kindred::MaterializedView,
                    kind if kind.to_ascii_uppercase().contains("VIEW") => Kindred::View,
                    _ => Kindred::Table,
                };
                Some((name, kind))
            })
            .collect();
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        tables.dedup_by(|a, b| a.0 == b.0);
        Ok(tables)
    }

    /// The columns of a table in their order. Exit 6 if it is not there.
    pub fn columns(&mut self, database: &str, table: &str) -> Result<Vec<Column>> {
        let found = self.query(&format!("SHOW FULL COLUMNS FROM {}", sql::table(database, table)?))?;
        let mut columns = Vec::with_capacity(found.rows.len());
        for row in 0..found.rows.len() {
            let text = |name: &str| found.get(row, name).unwrap_or("").to_owned();
            let is_key = !matches!(text("Key").to_ascii_uppercase().as_str(), "" | "NO" | "FALSE");
            columns.push(Column {
                name: text("Field"),
                ty: SrType::parse(&text("Type")),
                text: text("Type"),
                nullable: !text("Null").eq_ignore_ascii_case("NO"),
                key: is_key,
                comment: text("Comment"),
            });
        }
        match columns.is_empty() {
            true => Err(Error::new(Kind::Refused, format!("{}: table {database}.{table} has no columns", self.at()))),
            false => Ok(columns),
        }
    }

    /// The partitions of a table in the server's order, without temporary ones.
    pub fn partitions(&mut self, database: &str, table: &str) -> Result<Vec<Partition>> {
        let found = self.query(&format!("SHOW PARTITIONS FROM {}", sql::table(database, table)?))?;
        let side = self.side();
        (0..found.rows.len()).map(|row| partition(&found, row).map_err(|what| no_column(side, what))).collect()
    }

    /// One of them, now.
    pub fn partition(&mut self, database: &str, table: &str, name: &str) -> Result<Partition> {
        let statement = format!(
            "SHOW PARTITIONS FROM {} WHERE PartitionName = {}",
            sql::table(database, table)?,
            sql::string(name)
        );
        let found = self.query(&statement)?;
        let side = self.side();
        for row in 0..found.rows.len() {
            let partition = partition(&found, row).map_err(|what| no_column(side, what))?;
            if partition.name.eq_ignore_ascii_case(name) {
                return Ok(partition);
            }
        }
        Err(Error::new(Kind::Refused, format!("{}: table {database}.{table} has no partition {name}", self.at())))
    }

    /// The statement that makes a table, view or materialized view.
    pub fn create_statement(&mut self, database: &str, table: &str, kind: Kindred) -> Result<String> {
        let word = match kind {
            Kindred::Table => "TABLE",
            Kindred::View => "VIEW",
            Kindred::MaterializedView => "MATERIALIZED VIEW",
        };
        let found = self.query(&format!("SHOW CREATE {word} {}", sql::table(database, table)?))?;
        match found.rows.first().and_then(|row| row.get(1)).cloned().flatten() {
            Some(text) => Ok(text),
            None => Err(Error::new(self.side().kind(), format!("{}: no statement for {database}.{table}", self.at()))),
        }
    }

    /// A count that the server makes.
    pub fn count(&mut self, from: &str) -> Result<u64> {
        let text = self.value(&format!("SELECT count(*) FROM {from}"))?;
        text.parse().map_err(|_| {
            let text = fault::excerpt(text.as_bytes());
            Error::new(self.side().kind(), format!("{}: '{text}' is no count", self.at()))
        })
    }
}

fn first_column(table: Table) -> Vec<String> {
    table.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

fn no_column(side: net::Side, what: &str) -> Error {
    Error::new(side.kind(), format!("SHOW PARTITIONS gave no {what}"))
}

fn partition(found: &Table, row: usize) -> std::result::Result<Partition, &'static str> {
    let text = |name: &str| found.get(row, name).unwrap_or("");
    let number = |name: &str| text(name).parse::<u64>().ok();
    Ok(Partition {
        id: text("PartitionId").to_owned(),
        name: found.get(row, "PartitionName").ok_or("PartitionName")?.to_owned(),
        version: number("VisibleVersion").ok_or("VisibleVersion")?,
        rows: number("RowCount").unwrap_or(0),
        bytes: size(text("DataSize")).unwrap_or(0),
        range: range(found.get(row, "Range").or(found.get(row, "List")).unwrap_or("")),
    })
}

/// `2.5KB`, `.000`, `12 B`: binary units.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1u64,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        "PB" => 1 << 50,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * factor as f64) as u64)
}

/// `[types: [DATETIME]; keys: [2024-01-01 00:00:00]; ..types: [DATETIME]; keys: [2024-02-01 00:00:00]; )` with nothing but
/// its keys. Lists stay as they are.
fn range(text: &str) -> String {
    let keys: Vec<&str> =
        text.split("keys: [").skip(1).filter_map(|rest| rest.split("]; ").next().or(rest.split(']').next())).collect();
    match keys.as_slice() {
        [from, to] => format!("[{from}, {to})"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare() {
        assert!(
            Version::parse("3.3.5-6d81f75") > Version::parse("3.3.4") && Version::parse("2.5.0-rc1") < Version(3, 0, 0)
        );
        assert!(Version::parse("main-1234") > Version(9, 0, 0));
        assert_eq!(Version::parse("3.1.11").to_string(), "3.1.11");
    }

    #[test]
    fn partitions_are_read_by_name() {
        let names = ["PartitionId", "partitionname", "VisibleVersion", "Range", "DataSize", "RowCount", "New"];
        let cells = [
            "10",
            "p1",
            "7",
            "[types: [DATETIME, INT]; keys: [2024-01-01 00:00:00, 5]; ..types: [DATETIME, INT]; keys: [2024-02-01 00:00:00, 5]; )",
            "2.5KB",
            "12",
            "x",
        ];
        let found = Table {
            names: names.map(str::to_owned).to_vec(),
            rows: vec![cells.map(|cell| Some(cell.to_owned())).to_vec()],
        };
        let partition = partition(&found, 0).unwrap();
        assert_eq!((partition.name.as_str(), partition.version, partition.bytes, partition.rows), ("p1", 7, 2560, 12));
        assert_eq!(partition.range, "[2024-01-01 00:00:00, 5, 2024-02-01 00:00:00, 5)");
        assert_eq!(range("(('a'),('b'))"), "(('a'),('b'))");
        assert_eq!(size("2.5 furlongs"), None);
        assert_eq!(super::partition(&Table { names: Vec::new(), rows: vec![Vec::new()] }, 0), Err("PartitionName"));
    }
}
