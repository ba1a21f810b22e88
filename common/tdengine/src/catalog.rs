//! What is there: databases, tables, columns, sub-tables with their tags, ranges (4.1 for 3.x, 4.3 for 2.x).
//!
//! Catalog texts are compared exactly: a name in the catalog has the case that it was created with.

use crate::client::Client;
use crate::connector::Code;
use crate::retry::{Failure, Result};
use crate::sql::{filter, name, string, table};
use crate::types::{Column, Type};
use crate::value::Value;
use fault::{Error, Kind};
use rows::time::Unit;

/// A database.
#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    pub name: String,
    pub unit: Unit,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    Super,
    /// A sub-table, and its super table.
    Child(String),
    Normal,
}

/// A column as DESCRIBE has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub name: String,
    /// The type's text: `VARCHAR`, `DECIMAL(20, 4)`.
    pub type_name: String,
    /// Bytes, or characters for NCHAR and JSON.
    pub length: i64,
    pub kind: Type,
    precision: u8,
    scale: u8,
}

impl Described {
    /// As a column of a result.
    pub fn column(&self) -> Column {
        Column { precision: self.precision, scale: self.scale, ..Column::new(self.name.clone(), self.kind) }
    }
}

/// The columns of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The time key.
    pub time: Described,
    /// The second part of a composite key; it is among `columns` too.
    pub key: Option<String>,
    /// Columns without the time key.
    pub columns: Vec<Described>,
    pub tags: Vec<Described>,
}

/// Rows and range of a table under a condition; times in the database's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub rows: u64,
    /// The first and the last time; `None` without rows.
    pub range: Option<(i64, i64)>,
}

/// A result with the names of its columns, for statements whose columns differ between versions.
fn named(client: &mut Client, sql: &str) -> Result<(Vec<String>, Vec<Vec<Value>>)> {
    let mut results = client.query(sql, Some(Unit::Ms))?;
    let names = results.columns().iter().map(|column| column.name.to_ascii_lowercase()).collect();
    let mut all = Vec::new();
    while let Some(rows) = results.next_rows()? {
        for index in 0..rows.len {
            all.push(rows.columns.iter().map(|column| crate::value::at(column.as_ref(), index)).collect());
        }
    }
    Ok((names, all))
}

fn column_of(names: &[String], name: &str, sql: &str) -> Result<usize> {
    names.iter().position(|found| found == name).ok_or_else(|| {
        Failure::from(Error::new(
            Kind::Refused,
            format!("the reply to {sql} has no column {name}: {}", names.join(", ")),
        ))
    })
}

fn text(row: &[Value], index: usize) -> Option<String> {
    row.get(index).and_then(Value::as_str).map(str::to_owned)
}

/// All databases but those of the server itself.
pub fn databases(client: &mut Client) -> Result<Vec<Database>> {
    let sql = match client.version().major() {
        2 => "SHOW DATABASES",
        _ => "SELECT name, `precision` FROM information_schema.ins_databases",
    };
    let (names, rows) = named(client, sql)?;
    let (name, precision) = (column_of(&names, "name", sql)?, column_of(&names, "precision", sql)?);
    let mut found = Vec::new();
    for row in &rows {
        let Some(name) = text(row, name) else { continue };
        if matches!(name.as_str(), "information_schema" | "performance_schema") {
            continue;
        }
        let unit = text(row, precision).unwrap_or_default().parse::<Unit>();
        let unit =
            unit.map_err(|error| Failure::from(error.with_kind(Kind::Refused).context(format!("database {name}"))))?;
        found.push(Database { name, unit });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The unit of times in a database.
pub fn unit(client: &mut Client, database: &str) -> Result<Unit> {
    let all = databases(client)?;
    match all.iter().find(|found| found.name == database) {
        Some(found) => Ok(found.unit),
        None => {
            let names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
            Err(Failure::from(Error::new(
                Kind::Refused,
                format!("no such database: {database}: there are {}{}", names.join(", "), Code::Database.note()),
            )))
        }
    }
}

/// The super tables of a database.
pub fn super_tables(client: &mut Client, database: &str) -> Result<Vec<String>> {
    let sql = match client.version().major() {
        2 => format!("SHOW {}.STABLES", name(database)?),
        _ => format!("SELECT stable_name FROM information_schema.ins_stables WHERE db_name = {}", string(database)),
    };
    let column = if client.version().major() == 2 { "name" } else { "stable_name" };
    let (names, rows) = named(client, &sql)?;
    let column = column_of(&names, column, &sql)?;
    let mut found: Vec<String> = rows.iter().filter_map(|row| text(row, column)).collect();
    let conditions = [format!("db_name = {}", string(database))];
    whole_list(client, "super tables", found.len(), "ins_stables", &conditions)?;
    found.sort();
    Ok(found)
}

/// REST cuts lists in silence, and what is not in a list is not read: the list must have as many entries as the server
/// counts (3.x; 2.x has nothing to count with, and no limit below 10,240).
fn whole_list(client: &mut Client, what: &str, listed: usize, of: &str, conditions: &[String]) -> Result<()> {
    if !client.cuts_results() || client.version().major() == 2 {
        return Ok(());
    }
    let counted = count(client, &format!("information_schema.{of}"), &filter(conditions.iter().cloned()))?;
    checked(what, listed as u64, counted)
}

fn checked(what: &str, listed: u64, counted: u64) -> Result<()> {
    if listed >= counted {
        return Ok(());
    }
    let text = format!(
        "the server lists {listed} {what} and counts {counted}: REST cut the list in silence (its row limit): use WebSocket (tdengine://)"
    );
    Err(Failure::protocol(text, net::Side::Source))
}

/// How many sub-tables a super table has.
pub fn count_children(client: &mut Client, database: &str, stable: &str) -> Result<u64> {
    if client.version().major() > 2 {
        let conditions = [format!("db_name = {}", string(database)), format!("stable_name = {}", string(stable))];
        return count(client, "information_schema.ins_tables", &filter(conditions));
    }
    let sql = format!("SHOW {}.STABLES", name(database)?);
    let (names, rows) = named(client, &sql)?;
    let (name, tables) = (column_of(&names, "name", &sql)?, column_of(&names, "tables", &sql)?);
    let row = rows.iter().find(|row| text(row, name).as_deref() == Some(stable));
    let count = row.and_then(|row| row.get(tables)).and_then(Value::as_i64);
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// Tables that are no super tables: name and, for sub-tables, the super table. `children` asks for sub-tables as well,
/// of which there may be millions: `each` gets them one by one.
pub fn tables(
    client: &mut Client,
    database: &str,
    children: bool,
    mut each: impl FnMut(String, Option<String>),
) -> Result<()> {
    if client.version().major() == 2 {
        let sql = format!("SHOW {}.TABLES", name(database)?);
        let (names, rows) = named(client, &sql)?;
        let (table, stable) = (column_of(&names, "table_name", &sql)?, column_of(&names, "stable_name", &sql)?);
        for row in &rows {
            let stable = text(row, stable).filter(|name| !name.is_empty());
            if let Some(table) = text(row, table).filter(|_| children || stable.is_none()) {
                each(table, stable);
            }
        }
        return Ok(());
    }
    let mut conditions = vec![format!("db_name = {}", string(database))];
    if !children {
        conditions.push("`type` = 'NORMAL_TABLE'".to_owned());
    }
    let sql = format!(
        "SELECT table_name, stable_name, `type` FROM information_schema.ins_tables{}",
        filter(conditions.iter().cloned())
    );
    let mut listed = 0;
    client.each(&sql, |row| {
        listed += 1;
        // Virtual tables (3.3.6) hold no data of their own.
        let is_virtual = text(row, 2).is_some_and(|kind| kind.starts_with("VIRTUAL"));
        if let Some(table) = text(row, 0).filter(|_| !is_virtual) {
            each(table, text(row, 1).filter(|name| !name.is_empty()));
        }
        Ok(())
    })?;
    whole_list(client, "tables", listed, "ins_tables", &conditions)
}

/// What `wanted` is, if it is there at all.
pub fn kind(client: &mut Client, database: &str, wanted: &str) -> Result<Option<TableKind>> {
    if super_tables(client, database)?.iter().any(|found| found == wanted) {
        return Ok(Some(TableKind::Super));
    }
    let of = |stable: Option<String>| stable.map_or(TableKind::Normal, TableKind::Child);
    if client.version().major() == 2 {
        let mut kind = None;
        tables(client, database, true, |table, stable| {
            if table == wanted {
                kind = Some(of(stable));
            }
        })?;
        return Ok(kind);
    }
    let conditions = [format!("db_name = {}", string(database)), format!("table_name = {}", string(wanted))];
    let sql = format!("SELECT table_name, stable_name FROM information_schema.ins_tables{}", filter(conditions));
    let rows = client.all(&sql)?;
    Ok(rows.first().map(|row| of(text(row, 1).filter(|name| !name.is_empty()))))
}

/// The columns of a table (4.2). For a sub-table the tags are those of its super table.
pub fn describe(client: &mut Client, database: &str, wanted: &str) -> Result<Shape> {
    let sql = format!("DESCRIBE {}", table(database, wanted)?);
    let (names, rows) = named(client, &sql)?;
    let [field, kind, length, note] = ["field", "type", "length", "note"].map(|name| column_of(&names, name, &sql));
    let (field, kind, length, note) = (field?, kind?, length?, note?);
    let (mut columns, mut tags, mut key) = (Vec::new(), Vec::new(), None);
    for row in &rows {
        let (name, type_name) = (text(row, field).unwrap_or_default(), text(row, kind).unwrap_or_default());
        let in_column = |error: Error| Failure::from(error.context(format!("table {wanted}, column {name}")));
        let (kind, precision, scale) = Type::from_name(&type_name).map_err(in_column)?;
        let length = row.get(length).and_then(Value::as_i64).unwrap_or(0);
        let described = Described { name: name.clone(), type_name, length, kind, precision, scale };
        match text(row, note).unwrap_or_default().as_str() {
            "TAG" => tags.push(described),
            // 3.3 writes PRIMARY KEY, 3.3.6 COMPOSITE KEY, at the second column only.
            "PRIMARY KEY" | "COMPOSITE KEY" if !columns.is_empty() => {
                key = Some(name);
                columns.push(described);
            }
            _ => columns.push(described),
        }
    }
    if columns.is_empty() {
        return Err(Failure::from(Error::new(
            Kind::Refused,
            format!("table {wanted}: the server shows no columns: no permission?"),
        )));
    }
    let time = columns.remove(0);
    Ok(Shape { time, key, columns, tags })
}

/// Every sub-table with the values of these tags: `[name, tag…]`. No data is scanned. Over REST their number is compared
/// with what the server counts.
pub fn each_child(
    client: &mut Client,
    database: &str,
    stable: &str,
    tags: &[&str],
    condition: Option<&str>,
    mut row: impl FnMut(&[Value]) -> fault::Result<()>,
) -> Result<()> {
    children(client, database, stable, tags, condition, &mut row)
}

fn children(
    client: &mut Client,
    database: &str,
    stable: &str,
    tags: &[&str],
    condition: Option<&str>,
    row: &mut dyn FnMut(&[Value]) -> fault::Result<()>,
) -> Result<()> {
    let mut items = vec!["tbname".to_owned()];
    for tag in tags {
        items.push(name(tag)?);
    }
    let select = if client.version().major() == 2 { "SELECT" } else { "SELECT TAGS" };
    let chosen = filter(condition.map(|text| format!("({text})")));
    let sql = format!("{select} {} FROM {}{chosen}", items.join(", "), table(database, stable)?);
    let mut listed = 0;
    client.each(&sql, |values| {
        listed += 1;
        row(values)
    })?;
    if !client.cuts_results() {
        return Ok(());
    }
    let counted = count_children(client, database, stable)?;
    if listed < counted && condition.is_some() {
        // Some are left out on purpose. Where all of them fit into a reply, these do.
        return children(client, database, stable, &[], None, &mut |_| Ok(()));
    }
    checked(&format!("sub-tables of {stable}"), listed, counted)
}

/// Rows and range of `from` (a quoted table) under a condition that [`filter`] made.
pub fn extent(client: &mut Client, from: &str, time: &str, condition: &str, unit: Unit) -> Result<Extent> {
    let time = name(time)?;
    let mut results =
        client.query(&format!("SELECT COUNT(*), FIRST({time}), LAST({time}) FROM {from}{condition}"), Some(unit))?;
    let mut extent = Extent::default();
    while let Some(rows) = results.next_rows()? {
        if rows.len == 0 {
            continue;
        }
        let at =
            |index: usize| rows.columns.get(index).and_then(|column| crate::value::at(column.as_ref(), 0).as_i64());
        extent.rows = at(0).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        extent.range = at(1).zip(at(2)).filter(|_| extent.rows > 0);
    }
    Ok(extent)
}

/// As [`extent`], for each sub-table that has rows; from 3.0.
pub fn extents(
    client: &mut Client,
    from: &str,
    time: &str,
    condition: &str,
    unit: Unit,
    mut each: impl FnMut(String, Extent),
) -> Result<()> {
    let time = name(time)?;
    let sql =
        format!("SELECT tbname, COUNT(*), FIRST({time}), LAST({time}) FROM {from}{condition} PARTITION BY tbname");
    let mut results = client.query(&sql, Some(unit))?;
    while let Some(rows) = results.next_rows()? {
        for row in 0..rows.len {
            let at = |index: usize| {
                rows.columns.get(index).map_or(Value::Null, |column| crate::value::at(column.as_ref(), row))
            };
            let count = at(1).as_i64().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            let range = at(2).as_i64().zip(at(3).as_i64());
            if let (Value::Text(table), 1..) = (at(0), count) {
                each(table, Extent { rows: count, range });
            }
        }
    }
    Ok(())
}

/// `COUNT(*)` of `from` (a quoted table, or a statement in parentheses).
pub fn count(client: &mut Client, from: &str, condition: &str) -> Result<u64> {
    let rows = client.all(&format!("SELECT COUNT(*) FROM {from}{condition}"))?;
    // 2.x and some 3.x settings give no row at all for nothing counted.
    Ok(rows
        .first()
        .and_then(|row| row.first())
        .and_then(Value::as_i64)
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(0))
}
