//! The tables that are asked for: found in the catalog, with their columns.

use crate::args::Args;
use crate::session::Session;
use fault::{Error, Kind, Result};
use globset::{GlobBuilder, GlobMatcher};
use rows::time::Unit;
use tdengine::catalog::{self, Described, Shape, TableKind};
use tdengine::connector::Code;
use tdengine::sql;

/// A table to read.
#[derive(Clone, Debug)]
pub struct Target {
    pub database: String,
    /// The super table (also where only sub-tables were asked for), or the ordinary table.
    pub table: String,
    pub kind: TableKind,
    /// Only these sub-tables.
    pub children: Option<Vec<String>>,
    pub unit: Unit,
    pub shape: Shape,
}

impl Target {
    /// `` `db`.`table` ``.
    pub fn quoted(&self) -> Result<String> {
        sql::table(&self.database, &self.table)
    }

    /// Has it sub-tables?
    pub fn is_super(&self) -> bool {
        self.kind == TableKind::Super
    }

    /// The tags that are read.
    pub fn tag_names(&self) -> Vec<&str> {
        self.shape.tags.iter().map(|tag| tag.name.as_str()).collect()
    }
}

/// The database: the flag's, or the URL's.
pub fn database(session: &mut Session, wanted: Option<&str>) -> Result<String> {
    if let Some(name) = wanted {
        return Ok(name.to_owned());
    }
    let all = session.repeat(catalog::databases)?;
    let names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
    Err(Error::usage(format!(
        "no database: name it in the URL (tdengine://host:6041/NAME) or with --database; there are {}{}",
        names.join(", "),
        Code::Database.note()
    )))
}

/// Every table that the arguments name, in the order of their names, each once.
pub fn resolve(session: &mut Session, args: &Args, database: &str) -> Result<Vec<Target>> {
    let unit = session.repeat(|client| catalog::unit(client, database))?;
    let mut found: Vec<(String, TableKind, Option<Vec<String>>)> = Vec::new();
    if args.table.is_empty() {
        for (name, kind) in all_tables(session, database)? {
            found.push((name, kind, None));
        }
    }
    for pattern in &args.table {
        if !pattern.contains(['*', '?', '[']) {
            match session.repeat(|client| catalog::kind(client, database, pattern))? {
                Some(TableKind::Child(stable)) => add_child(&mut found, stable, pattern.clone()),
                Some(kind) => add(&mut found, pattern.clone(), kind),
                None => {
                    return Err(Error::new(
                        Kind::Refused,
                        format!(
                            "no such table: {pattern} in database {database}: td-dump --list shows what is there{}",
                            Code::Table.note()
                        ),
                    ));
                }
            }
            continue;
        }
        let matcher = glob(pattern)?;
        let mut any = false;
        for (name, kind) in all_tables(session, database)?.into_iter().filter(|(name, _)| matcher.is_match(name)) {
            any = true;
            add(&mut found, name, kind);
        }
        if !any {
            any = add_matching_children(session, database, &matcher, &mut found)?;
        }
        if !any {
            return Err(Error::new(
                Kind::Refused,
                format!("no table of database {database} matches {pattern}{}", Code::Table.note()),
            ));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut targets = Vec::with_capacity(found.len());
    for (table, kind, children) in found {
        let shape = session.repeat(|client| catalog::describe(client, database, &table))?;
        let shape = choose(shape, args, &table)?;
        targets.push(Target { database: database.to_owned(), table, kind, children, unit, shape });
    }
    Ok(targets)
}

fn glob(pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    Ok(glob.map_err(|error| Error::usage(format!("--table {pattern}: {}", error.kind())))?.compile_matcher())
}

/// Super tables and ordinary tables; sub-tables belong to their super tables.
fn all_tables(session: &mut Session, database: &str) -> Result<Vec<(String, TableKind)>> {
    let mut all: Vec<(String, TableKind)> = session
        .repeat(|client| catalog::super_tables(client, database))?
        .into_iter()
        .map(|name| (name, TableKind::Super))
        .collect();
    let normal = session.repeat(|client| {
        let mut names = Vec::new();
        catalog::tables(client, database, false, |name, _| names.push(name))?;
        Ok(names)
    })?;
    all.extend(normal.into_iter().map(|name| (name, TableKind::Normal)));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn add(found: &mut Vec<(String, TableKind, Option<Vec<String>>)>, table: String, kind: TableKind) {
    match found.iter_mut().find(|(name, ..)| *name == table) {
        // The whole super table: what was asked for before is part of it.
        Some((_, _, children)) => *children = None,
        None => found.push((table, kind, None)),
    }
}

fn add_child(found: &mut Vec<(String, TableKind, Option<Vec<String>>)>, stable: String, child: String) {
    match found.iter_mut().find(|(name, ..)| *name == stable) {
        Some((_, _, Some(children))) if !children.contains(&child) => children.push(child),
        Some(_) => {}
        None => found.push((stable, TableKind::Super, Some(vec![child]))),
    }
}

fn add_matching_children(
    session: &mut Session,
    database: &str,
    matcher: &GlobMatcher,
    found: &mut Vec<(String, TableKind, Option<Vec<String>>)>,
) -> Result<bool> {
    let children = session.repeat(|client| {
        let mut children = Vec::new();
        catalog::tables(client, database, true, |name, stable| {
            if let Some(stable) = stable.filter(|_| matcher.is_match(&name)) {
                children.push((stable, name));
            }
        })?;
        Ok(children)
    })?;
    let any = !children.is_empty();
    for (stable, child) in children {
        add_child(found, stable, child);
    }
    Ok(any)
}

/// Keeps the columns and tags that were asked for.
fn choose(mut shape: Shape, args: &Args, table: &str) -> Result<Shape> {
    let missing = |what: &str, name: &str, all: &[Described]| {
        let names: Vec<&str> = all.iter().map(|column| column.name.as_str()).collect();
        Error::usage(format!(
            "table {table} has no {what} {name}: there are {}{}",
            names.join(", "),
            Code::Column.note()
        ))
    };
    if let Some(wanted) = &args.columns {
        let mut chosen = Vec::new();
        for name in wanted.iter().filter(|name| **name != shape.time.name && !name.is_empty()) {
            let column = shape.columns.iter().find(|column| column.name == *name);
            chosen.push(column.ok_or_else(|| missing("column", name, &shape.columns))?.clone());
        }
        // Without its key a row is no row: a composite key always comes along.
        let key = shape.columns.iter().find(|column| Some(&column.name) == shape.key.as_ref());
        if let Some(key) = key.filter(|key| !chosen.iter().any(|column: &Described| column.name == key.name)) {
            chosen.insert(0, key.clone());
        }
        shape.columns = chosen;
    }
    if let Some(wanted) = &args.tags {
        let mut chosen = Vec::new();
        for name in wanted.iter().filter(|name| !name.is_empty()) {
            let tag = shape.tags.iter().find(|tag| tag.name == *name);
            chosen.push(tag.ok_or_else(|| missing("tag", name, &shape.tags))?.clone());
        }
        shape.tags = chosen;
    }
    Ok(shape)
}
