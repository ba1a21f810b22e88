//! The parts that a table is read in. Each is one statement with fixed integer bounds, so that it can be repeated and
//! counted.

use crate::args::{Args, Split};
use crate::groups::{self, Group};
use crate::session::Session;
use crate::target::Target;
use fault::{Error, Kind, Result};
use rows::time::{Unit, ceil_to};
use std::collections::HashSet;
use std::time::Duration;
use tdengine::catalog::{self, Extent};
use tdengine::value::Value;
use tdengine::{Type, sql};

/// Names in one IN list: the statement stays below the server's limit (dossier tdengine 5.4).
const IN_LIST: usize = 5000;

/// Sub-tables in a part where their sizes are not known: 2.x does not tell them all at once.
const OLD_SIZE: usize = 100;

/// The parts of one table.
pub struct Plan {
    /// `` `db`.`table` ``.
    from: String,
    time: String,
    ordered: bool,
    /// Conditions of all parts.
    common: Vec<String>,
    /// The range, half-open, in the database's unit; `None` where there are no rows.
    range: Option<(i64, i64)>,
    /// Rows in all, counted at the start.
    pub rows: u64,
    pieces: Pieces,
}

enum Pieces {
    Whole,
    /// Width in the database's unit.
    Windows(i64),
    /// Sub-tables by their names.
    Tables(Vec<String>, Vec<Group>),
    /// A condition each.
    Conditions(Vec<String>),
}

/// One part.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// For messages.
    pub name: String,
    /// `` `db`.`table` ``.
    pub from: String,
    /// ` WHERE …`.
    pub condition: String,
    /// ` ORDER BY …`, or nothing.
    pub order: String,
}

impl Part {
    /// The statement that reads it.
    pub fn select(&self, items: &[String]) -> String {
        format!("SELECT {} FROM {}{}{}", items.join(", "), self.from, self.condition, self.order)
    }
}

impl Plan {
    /// Counts the rows, fixes the range, and lists what the split needs.
    pub fn of(session: &mut Session, target: &Target, args: &Args) -> Result<Plan> {
        let from = target.quoted()?;
        let time = target.shape.time.name.clone();
        let unit = target.unit;
        let mut common = Vec::new();
        let mut split = args.split.clone();
        match target.children.as_ref().map(Vec::len) {
            // One by one they are read anyway, and counted by a look at all.
            Some(many) if many > IN_LIST => match split {
                None | Some(Split::Table(_)) if session.major()? >= 3 => {
                    split = split.or(Some(Split::Table(None)));
                }
                _ => {
                    return Err(Error::usage(format!(
                        "{many} sub-tables of {} match: read them with --split table, or choose with --where on their tags",
                        target.table
                    )));
                }
            },
            _ => common.extend(target.children.as_deref().map(sql::tables_in)),
        }
        if let Some(condition) = &args.condition {
            if !target.is_super() {
                return Err(Error::usage(format!("--where is a condition on tags, and {} has none", target.table)));
            }
            common.push(format!("({condition})"));
        }
        let (since, until) = (args.since.map(|at| ceil_to(at, unit)), args.until.map(|at| ceil_to(at, unit)));
        let bounds = sql::window(&time, since, until)?;
        let condition = sql::filter(common.iter().cloned().chain(bounds));
        let extent: Extent = session.repeat(|client| catalog::extent(client, &from, &time, &condition, unit))?;
        // The upper bound is fixed now: rows that arrive during the dump are the next dump's.
        let range = extent.range.map(|(first, last)| {
            (since.unwrap_or(first).max(first), until.unwrap_or(i64::MAX).min(last.saturating_add(1)))
        });
        let mut rows = extent.rows;
        let pieces = match &split {
            _ if range.is_none() => Pieces::Whole,
            None => Pieces::Whole,
            Some(Split::Time(width)) => Pieces::Windows(width_in(*width, unit)?),
            Some(Split::Table(_)) if !target.is_super() => Pieces::Whole,
            Some(Split::Table(size)) => {
                let range = range.unwrap_or_default();
                let (names, groups) = if session.major()? < 3 {
                    let names = children(session, target, args)?;
                    let groups = groups::fixed(names.len(), size.unwrap_or(OLD_SIZE), range);
                    (names, groups)
                } else {
                    let window = sql::window(&time, Some(range.0), Some(range.1))?;
                    let condition = sql::filter(window.into_iter().chain(common.iter().cloned()));
                    let mut tables = with_rows(session, &from, &time, &condition, unit, extent.rows)?;
                    if let Some(children) = &target.children {
                        let chosen: HashSet<&str> = children.iter().map(String::as_str).collect();
                        tables.retain(|(name, _)| chosen.contains(name.as_str()));
                        rows = tables.iter().map(|(_, extent)| extent.rows).sum();
                    }
                    let (names, extents): (Vec<String>, Vec<Extent>) = tables.into_iter().unzip();
                    let groups = match size {
                        Some(size) => groups::fixed(names.len(), *size, range),
                        None => groups::even(&extents, range),
                    };
                    (names, groups)
                };
                Pieces::Tables(names, groups)
            }
            Some(Split::Tag(name)) => Pieces::Conditions(tag_values(session, target, name)?),
        };
        Ok(Plan { from, time, ordered: args.ordered, common, range, rows, pieces })
    }

    /// The first and the last time.
    pub fn ends(&self) -> (Option<i64>, Option<i64>) {
        (self.range.map(|(first, _)| first), self.range.map(|(_, end)| end.saturating_sub(1)))
    }

    /// The parts, in the order of time where the split is by time.
    pub fn parts(&self) -> Box<dyn Iterator<Item = Result<Part>> + Send + '_> {
        let Some((first, end)) = self.range else { return Box::new(std::iter::empty()) };
        match &self.pieces {
            Pieces::Whole => Box::new(std::iter::once(self.part("all rows".to_owned(), first, end, None))),
            Pieces::Windows(width) => {
                let width = *width;
                let start = first.div_euclid(width).saturating_mul(width);
                let starts =
                    std::iter::successors(Some(start), move |at| at.checked_add(width).filter(|next| *next < end));
                Box::new(starts.map(move |at| {
                    let (from, to) = (at.max(first), at.saturating_add(width).min(end));
                    self.part(format!("window [{from}, {to})"), from, to, None)
                }))
            }
            Pieces::Tables(names, groups) => Box::new(groups.iter().map(move |group| {
                let some = names.get(group.names.clone()).unwrap_or_default();
                let mut name = format!("sub-table {}", some.first().map_or("", String::as_str));
                if some.len() > 1 {
                    name.push_str(" …");
                }
                if (group.from, group.to) != (first, end) {
                    name.push_str(&format!(", window [{}, {})", group.from, group.to));
                }
                self.part(name, group.from, group.to, Some(sql::tables_in(some)))
            })),
            Pieces::Conditions(all) => Box::new(
                all.iter().map(move |condition| self.part(condition.clone(), first, end, Some(condition.clone()))),
            ),
        }
    }

    fn part(&self, name: String, from: i64, to: i64, own: Option<String>) -> Result<Part> {
        let window = sql::window(&self.time, Some(from), Some(to))?;
        let condition = sql::filter(window.into_iter().chain(self.common.iter().cloned()).chain(own));
        let order = if self.ordered { format!(" ORDER BY {}", sql::name(&self.time)?) } else { String::new() };
        Ok(Part { name, from: self.from.clone(), condition, order })
    }
}

fn width_in(width: Duration, unit: Unit) -> Result<i64> {
    let nanos = i128::try_from(width.as_nanos()).unwrap_or(i128::MAX);
    let step = i128::from(unit.nanos());
    match i64::try_from(nanos / step) {
        Ok(number) if number > 0 && nanos % step == 0 => Ok(number),
        _ => {
            Err(Error::usage(format!("--split time: {width:?} is no whole number of {unit}, the database's precision")))
        }
    }
}

/// How often a list of sub-tables is asked for that has fewer rows than all of them together.
const LISTS: usize = 4;

/// The sub-tables that have rows, by name. They must hold all `rows` rows of the table: a list that the server cut (REST
/// does so in silence) would lose whole sub-tables. Where they do not, rows may have expired between the two counts, or
/// arrived: then both are made again.
fn with_rows(
    session: &mut Session,
    from: &str,
    time: &str,
    condition: &str,
    unit: Unit,
    mut rows: u64,
) -> Result<Vec<(String, Extent)>> {
    let mut found = 0;
    for _ in 0..LISTS {
        let mut tables = session.repeat(|client| {
            let mut tables = Vec::new();
            catalog::extents(client, from, time, condition, unit, |name, extent| tables.push((name, extent)))?;
            Ok(tables)
        })?;
        found = tables.iter().map(|(_, extent)| extent.rows).sum();
        if found < rows {
            rows = session.repeat(|client| catalog::count(client, from, condition))?;
        }
        if found >= rows {
            tables.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(tables);
        }
    }
    Err(Error::new(
        Kind::Source,
        format!(
            "{from}: the sub-tables that the server lists have {found} rows, all together have {rows}: the list was cut, or rows arrive faster than they are counted"
        ),
    ))
}

fn children(session: &mut Session, target: &Target, args: &Args) -> Result<Vec<String>> {
    if let Some(children) = &target.children {
        return Ok(children.clone());
    }
    session.repeat(|client| {
        let mut names = Vec::new();
        catalog::each_child(client, &target.database, &target.table, &[], args.condition.as_deref(), |row| {
            names.extend(row.first().and_then(Value::as_str).map(str::to_owned));
            Ok(())
        })?;
        names.sort();
        Ok(names)
    })
}

/// A condition for every value of a tag, and one for NULL.
fn tag_values(session: &mut Session, target: &Target, name: &str) -> Result<Vec<String>> {
    // The tag may have been left out of the output: look at the table itself.
    let shape = session.repeat(|client| catalog::describe(client, &target.database, &target.table))?;
    let Some(tag) = shape.tags.iter().find(|tag| tag.name == name) else {
        let names: Vec<&str> = shape.tags.iter().map(|tag| tag.name.as_str()).collect();
        return Err(Error::usage(format!(
            "--split tag:{name}: table {} has no such tag: there are {}",
            target.table,
            names.join(", ")
        )));
    };
    let comparable = !matches!(
        tag.kind,
        Type::Float
            | Type::Double
            | Type::Json
            | Type::VarBinary
            | Type::Blob
            | Type::Geometry
            | Type::Decimal
            | Type::Decimal64
    );
    if !comparable {
        return Err(Error::usage(format!(
            "--split tag:{name}: values of type {} cannot be compared exactly: split by another tag, by table or by time",
            tag.type_name
        )));
    }
    let column = sql::name(name)?;
    let mut conditions = session.repeat(|client| {
        let mut conditions = Vec::new();
        catalog::each_child(client, &target.database, &target.table, &[name], None, |row| {
            conditions.push(match row.get(1) {
                Some(Value::Text(text)) => format!("{column} = {}", sql::string(text)),
                Some(Value::Int(number)) => format!("{column} = {number}"),
                Some(Value::Bool(value)) => format!("{column} = {value}"),
                Some(Value::Null) | None => format!("{column} IS NULL"),
                Some(other) => {
                    return Err(Error::new(
                        Kind::Refused,
                        format!("tag {name} has the value {other:?}: it cannot be compared"),
                    ));
                }
            });
            Ok(())
        })?;
        Ok(conditions)
    })?;
    conditions.sort();
    conditions.dedup();
    Ok(conditions)
}
