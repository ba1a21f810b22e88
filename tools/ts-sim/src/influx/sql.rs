//! SQL, as far as reading a database of InfluxDB 3 back needs it.

use super::condition::{self, Condition};
use super::influxql::Function;
use super::lexer::{Cursor, Language, Token, lex};

/// One SELECT.
#[derive(Debug, Clone)]
pub struct Query {
    pub columns: Vec<Column>,
    pub distinct: bool,
    pub from: From,
    pub condition: Condition,
    pub group: Vec<String>,
    pub descending: bool,
    pub limit: Option<u64>,
    pub offset: u64,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    Table(String),
    /// `information_schema.tables`
    Tables,
    /// `information_schema.columns`
    Columns,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    All,
    Name {
        name: String,
        alias: Option<String>,
    },
    /// `of` is `None` for `COUNT(*)`.
    Call {
        function: Function,
        of: Option<String>,
        alias: Option<String>,
    },
}

/// Parses one statement; a final `;` is allowed.
pub fn parse(text: &str, now: i64) -> Result<Query, String> {
    let tokens = lex(text, Language::Sql)?;
    let mut c = Cursor::new(&tokens);
    let query = if c.words("SHOW TABLES") {
        let columns = vec![Column::All];
        Query {
            columns,
            distinct: false,
            from: From::Tables,
            condition: Condition::default(),
            group: Vec::new(),
            descending: false,
            limit: None,
            offset: 0,
        }
    } else if c.word("SELECT") {
        select(&mut c, now)?
    } else {
        return Err(format!("sql parser error: {}", c.expected("SELECT or SHOW TABLES")));
    };
    c.sign(";");
    if c.done() { Ok(query) } else { Err(format!("sql parser error: {}", c.expected("end of statement"))) }
}

fn select(c: &mut Cursor, now: i64) -> Result<Query, String> {
    let distinct = c.word("DISTINCT");
    let mut columns = vec![column(c)?];
    while c.sign(",") {
        columns.push(column(c)?);
    }
    if !c.word("FROM") {
        return Err(format!("sql parser error: {}", c.expected("FROM")));
    }
    let from = from(c)?;
    let condition = if c.word("WHERE") { condition::parse(c, now, Language::Sql)? } else { Condition::default() };
    let mut group = Vec::new();
    if c.words("GROUP BY") {
        group = names(c)?;
    }
    let mut descending = false;
    if c.words("ORDER BY") {
        let mut first = true;
        for name in names(c)? {
            // rows of one time come in the order of their series, which is that of their tags
            if first && name != "time" && group.is_empty() && !distinct && from != From::Tables && from != From::Columns
            {
                return Err(format!("the simulator orders by time only, not by {name}"));
            }
            first = false;
        }
        descending = c.word("DESC");
        c.word("ASC");
    }
    let limit = if c.word("LIMIT") { Some(c.integer()?) } else { None };
    let offset = if c.word("OFFSET") { c.integer()? } else { 0 };
    Ok(Query { columns, distinct, from, condition, group, descending, limit, offset })
}

fn names(c: &mut Cursor) -> Result<Vec<String>, String> {
    let mut found = vec![c.name()?];
    while c.sign(",") {
        found.push(c.name()?);
    }
    Ok(found)
}

/// `m`, `iox.m`, `public.iox.m`, `information_schema.tables`
fn from(c: &mut Cursor) -> Result<From, String> {
    let mut parts = vec![c.name()?];
    while c.sign(".") {
        parts.push(c.name()?);
    }
    let name = parts.pop().unwrap_or_default();
    match parts.last().map(String::as_str) {
        Some("information_schema") if name == "tables" => Ok(From::Tables),
        Some("information_schema") if name == "columns" => Ok(From::Columns),
        None | Some("iox") => Ok(From::Table(name)),
        Some(schema) => Err(format!("the simulator does not know {schema}.{name}")),
    }
}

fn column(c: &mut Cursor) -> Result<Column, String> {
    if c.sign("*") {
        return Ok(Column::All);
    }
    let bare = matches!(c.peek(), Some(Token::Word(_)));
    let name = c.name()?;
    if bare && c.sign("(") {
        let function = Function::of(&name).filter(|f| !matches!(f, Function::First | Function::Last));
        let function = function.ok_or_else(|| format!("the simulator does not know the function {name}"))?;
        let of = if c.sign("*") { None } else { Some(c.name()?) };
        c.need(")")?;
        return Ok(Column::Call { function, of, alias: alias(c)? });
    }
    Ok(Column::Name { name, alias: alias(c)? })
}

fn alias(c: &mut Cursor) -> Result<Option<String>, String> {
    if c.word("AS") { c.name().map(Some) } else { Ok(None) }
}
