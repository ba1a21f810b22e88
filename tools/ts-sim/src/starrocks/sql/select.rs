//! `SELECT`.

use super::cursor::{Cursor, Qualified};
use super::expr::{Expr, expression};
use super::lexer::Kind;

/// A query; the default is one of nothing from nowhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Select {
    pub distinct: bool,
    pub items: Vec<Item>,
    pub from: Option<From>,
    pub filter: Option<Expr>,
    pub group: Vec<Expr>,
    pub having: Option<Expr>,
    /// Descending where true.
    pub order: Vec<(Expr, bool)>,
    pub limit: Option<u64>,
    pub offset: u64,
}

/// One thing that is selected.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Star,
    Expr { expr: Expr, name: String },
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum From {
    Table {
        table: Qualified,
        partitions: Option<Vec<String>>,
        /// `TABLET(…)`: rows of these tablets only.
        tablets: Option<Vec<u64>>,
    },
    Query(Box<Select>),
    /// `FILES("path" = …)`
    Files(Vec<(String, String)>),
}

/// What begins with the word SELECT.
pub fn select(cursor: &mut Cursor<'_>) -> Result<Select, String> {
    cursor.expect(&["SELECT"])?;
    cursor.eat(&["ALL"]);
    let distinct = cursor.eat(&["DISTINCT"]);
    let mut items = vec![item(cursor)?];
    while cursor.eat(&[","]) {
        items.push(item(cursor)?);
    }
    let mut out = Select { distinct, items, ..Select::default() };
    if cursor.eat(&["FROM"]) {
        out.from = Some(from(cursor)?);
        alias(cursor)?;
    }
    tail(cursor, &mut out)?;
    Ok(out)
}

/// `WHERE … GROUP BY … ORDER BY … LIMIT …`, as SHOW statements have them too.
pub fn tail(cursor: &mut Cursor<'_>, out: &mut Select) -> Result<(), String> {
    if cursor.eat(&["WHERE"]) {
        out.filter = Some(expression(cursor)?);
    }
    if cursor.eat(&["GROUP", "BY"]) {
        out.group.push(expression(cursor)?);
        while cursor.eat(&[","]) {
            out.group.push(expression(cursor)?);
        }
    }
    if cursor.eat(&["HAVING"]) {
        out.having = Some(expression(cursor)?);
    }
    if cursor.eat(&["ORDER", "BY"]) {
        loop {
            let key = expression(cursor)?;
            let down = cursor.eat(&["DESC"]);
            if !down {
                cursor.eat(&["ASC"]);
            }
            if cursor.eat(&["NULLS"]) {
                cursor.name()?;
            }
            out.order.push((key, down));
            if !cursor.eat(&[","]) {
                break;
            }
        }
    }
    if cursor.eat(&["LIMIT"]) {
        let first: u64 = cursor.integer()?;
        out.limit = Some(first);
        if cursor.eat(&[","]) {
            out.offset = first;
            out.limit = Some(cursor.integer()?);
        } else if cursor.eat(&["OFFSET"]) {
            out.offset = cursor.integer()?;
        }
    }
    Ok(())
}

fn item(cursor: &mut Cursor<'_>) -> Result<Item, String> {
    if cursor.eat(&["*"]) {
        return Ok(Item::Star);
    }
    // `t.*`
    if matches!(cursor.peek(), Kind::Word(_) | Kind::Name(_))
        && *cursor.ahead(1) == Kind::Mark(".")
        && *cursor.ahead(2) == Kind::Mark("*")
    {
        cursor.take();
        cursor.take();
        cursor.take();
        return Ok(Item::Star);
    }
    let start = cursor.here();
    let expr = expression(cursor)?;
    let text = cursor.since(start);
    let name = match alias(cursor)? {
        Some(name) => name,
        None => match &expr {
            Expr::Column(name) => name.clone(),
            _ => text.to_string(),
        },
    };
    Ok(Item::Expr { expr, name })
}

const CLAUSES: [&str; 16] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTO",
    "PARTITION",
    "TABLET",
    "JOIN",
    "LEFT",
    "INNER",
    "ON",
    "AS",
    "REPLICA",
];

fn alias(cursor: &mut Cursor<'_>) -> Result<Option<String>, String> {
    if cursor.eat(&["AS"]) {
        return match cursor.peek() {
            Kind::Text(_) => cursor.string().map(Some),
            _ => cursor.name().map(Some),
        };
    }
    match cursor.peek() {
        Kind::Name(_) => cursor.name().map(Some),
        Kind::Word(word) if !CLAUSES.iter().any(|c| c.eq_ignore_ascii_case(word)) => cursor.name().map(Some),
        _ => Ok(None),
    }
}

fn from(cursor: &mut Cursor<'_>) -> Result<From, String> {
    if cursor.eat(&["("]) {
        let inner = select(cursor)?;
        cursor.expect(&[")"])?;
        return Ok(From::Query(Box::new(inner)));
    }
    if cursor.is(&["FILES", "("]) {
        cursor.expect(&["FILES"])?;
        return Ok(From::Files(cursor.properties()?));
    }
    let table = cursor.qualified()?;
    cursor.eat(&["TEMPORARY"]);
    let partitions = if cursor.eat(&["PARTITION"]) || cursor.eat(&["PARTITIONS"]) {
        Some(if cursor.is(&["("]) { cursor.names()? } else { vec![cursor.name()?] })
    } else {
        None
    };
    let mut tablets = None;
    if cursor.eat(&["TABLET"]) {
        cursor.expect(&["("])?;
        let mut ids = vec![cursor.integer()?];
        while cursor.eat(&[","]) {
            ids.push(cursor.integer()?);
        }
        cursor.expect(&[")"])?;
        tablets = Some(ids);
    }
    Ok(From::Table { table, partitions, tablets })
}
