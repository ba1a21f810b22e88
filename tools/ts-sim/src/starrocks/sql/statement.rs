//! Which statement it is.

use super::create::{self, CreateTable};
use super::cursor::{Cursor, Qualified};
use super::expr::{Expr, expression};
use super::lexer::Kind;
use super::select::{Item, Select, select, tail};

/// A statement.
#[derive(Debug)]
pub enum Statement {
    Select(Select),
    /// Names and texts of values.
    Set(Vec<(String, String)>),
    Use(String),
    Show(Show),
    Describe(Qualified),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
    },
    CreateTable(Box<CreateTable>),
    CreateView {
        view: Qualified,
        query: String,
        create: String,
        materialized: bool,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    /// Tables, views, materialized views.
    Drop {
        table: Qualified,
        if_exists: bool,
    },
    Truncate {
        table: Qualified,
        partitions: Vec<String>,
    },
    /// What follows `ALTER TABLE name`, read when the table is known.
    Alter {
        table: Qualified,
        rest: String,
    },
    Insert(Insert),
    /// `INSERT INTO FILES (…) SELECT …`
    Unload {
        properties: Vec<(String, String)>,
        query: Select,
    },
    /// `EXPORT TABLE …` and all other statements of jobs, read where they run.
    Job(String),
    Delete {
        table: Qualified,
        partitions: Option<Vec<String>>,
        filter: Option<Expr>,
    },
    /// Nothing to do: BEGIN, COMMIT, ADMIN SET, ANALYZE, …
    Nothing,
}

/// `INSERT INTO table …`
#[derive(Debug)]
pub struct Insert {
    pub table: Qualified,
    pub overwrite: bool,
    pub label: Option<String>,
    pub partitions: Vec<String>,
    pub columns: Vec<String>,
    pub source: InsertSource,
}

/// Where inserted rows come from.
#[derive(Debug)]
pub enum InsertSource {
    Values(Vec<Vec<Expr>>),
    Query(Select),
}

/// `SHOW …`
#[derive(Debug)]
pub struct Show {
    /// The words that say what, upper case, FULL left out: `TABLES`, `CREATE TABLE`, `PARTITIONS`, …
    pub what: String,
    pub full: bool,
    pub target: Option<Qualified>,
    pub like: Option<String>,
    /// WHERE, ORDER BY, LIMIT over the rows.
    pub rest: Select,
}

/// Reads one statement.
pub fn parse(text: &str) -> Result<Statement, String> {
    let mut cursor = Cursor::new(text)?;
    let statement = one(&mut cursor)?;
    cursor.end()?;
    Ok(statement)
}

fn one(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    let word = match cursor.peek() {
        Kind::Word(word) => word.to_ascii_uppercase(),
        _ => return Err(cursor.error("a statement")),
    };
    match word.as_str() {
        "SELECT" => select(cursor).map(Statement::Select),
        "SET" => set(cursor),
        "USE" => {
            cursor.take();
            Ok(Statement::Use(cursor.qualified()?.name))
        }
        "SHOW" => show(cursor),
        "DESC" | "DESCRIBE" => {
            cursor.take();
            cursor.eat(&["TABLE"]);
            let table = cursor.qualified()?;
            cursor.eat(&["ALL"]);
            Ok(Statement::Describe(table))
        }
        "CREATE" => create_any(cursor),
        "DROP" => drop(cursor),
        "TRUNCATE" => {
            cursor.expect(&["TRUNCATE", "TABLE"])?;
            let table = cursor.qualified()?;
            let partitions = partition_list(cursor)?;
            Ok(Statement::Truncate { table, partitions: partitions.unwrap_or_default() })
        }
        "ALTER" => {
            if !cursor.is(&["ALTER", "TABLE"]) {
                return rest(cursor, |_| Statement::Nothing);
            }
            cursor.expect(&["ALTER", "TABLE"])?;
            let table = cursor.qualified()?;
            rest(cursor, |rest| Statement::Alter { table, rest })
        }
        "INSERT" => insert(cursor),
        "DELETE" => {
            cursor.expect(&["DELETE", "FROM"])?;
            let table = cursor.qualified()?;
            let partitions = partition_list(cursor)?;
            let filter = if cursor.eat(&["WHERE"]) { Some(expression(cursor)?) } else { None };
            Ok(Statement::Delete { table, partitions, filter })
        }
        "ADMIN" if cursor.is(&["ADMIN", "SHOW"]) => {
            cursor.take();
            show(cursor)
        }
        "EXPORT" | "LOAD" | "CANCEL" => rest(cursor, Statement::Job),
        "BEGIN" | "COMMIT" | "ROLLBACK" | "START" | "ADMIN" | "ANALYZE" | "REFRESH" | "KILL" | "GRANT" | "SUBMIT" => {
            rest(cursor, |_| Statement::Nothing)
        }
        _ => Err(cursor.error("a statement")),
    }
}

fn rest(cursor: &mut Cursor<'_>, make: impl FnOnce(String) -> Statement) -> Result<Statement, String> {
    let text = cursor.rest().trim().trim_end_matches(';').to_string();
    while *cursor.peek() != Kind::End {
        cursor.take();
    }
    Ok(make(text))
}

fn partition_list(cursor: &mut Cursor<'_>) -> Result<Option<Vec<String>>, String> {
    cursor.eat(&["TEMPORARY"]);
    if !cursor.eat(&["PARTITION"]) && !cursor.eat(&["PARTITIONS"]) {
        return Ok(None);
    }
    if cursor.is(&["("]) { cursor.names().map(Some) } else { cursor.name().map(|name| Some(vec![name])) }
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    cursor.expect(&["SET"])?;
    let mut out = Vec::new();
    if cursor.eat(&["NAMES"]) || cursor.eat(&["CHARACTER", "SET"]) {
        return rest(cursor, |_| Statement::Set(Vec::new()));
    }
    if cursor.is(&["PASSWORD"]) || cursor.is(&["PROPERTY"]) || cursor.is(&["ROLE"]) || cursor.is(&["TRANSACTION"]) {
        return rest(cursor, |_| Statement::Nothing);
    }
    loop {
        while cursor.eat(&["@"]) {}
        for scope in ["SESSION", "GLOBAL", "LOCAL"] {
            if cursor.eat(&[scope]) {
                cursor.eat(&["."]);
            }
        }
        if cursor.eat(&["TRANSACTION"]) {
            return rest(cursor, |_| Statement::Nothing);
        }
        let name = cursor.name()?.to_ascii_lowercase();
        cursor.eat(&[":"]);
        cursor.expect(&["="])?;
        let start = cursor.here();
        let value = match expression(cursor)? {
            Expr::Literal(value, ty) => {
                value.show(&ty).map_or_else(|| "NULL".to_string(), |t| String::from_utf8_lossy(&t).into_owned())
            }
            Expr::Column(word) => word,
            Expr::Variable(_) => cursor.since(start).to_string(),
            // The words of a real server (sqlx meets them: dossier starrocks 5.3).
            _ => return Err("Set statement only support constant expr.".to_string()),
        };
        out.push((name, value));
        if !cursor.eat(&[","]) {
            return Ok(Statement::Set(out));
        }
    }
}

fn show(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    cursor.expect(&["SHOW"])?;
    let mut full = false;
    let mut words = Vec::new();
    while let Kind::Word(word) = cursor.peek() {
        let word = word.to_ascii_uppercase();
        if matches!(word.as_str(), "FROM" | "IN" | "LIKE" | "WHERE" | "ORDER" | "LIMIT") {
            break;
        }
        // `SHOW CREATE TABLE t`: the target follows at once.
        if words.first().is_some_and(|w| w == "CREATE") && words.len() > 1 && word != "VIEW" {
            break;
        }
        cursor.take();
        match word.as_str() {
            "FULL" | "EXTENDED" => full = true,
            "SESSION" | "GLOBAL" => {}
            _ => words.push(word),
        }
    }
    let mut target = None;
    if !matches!(cursor.peek(), Kind::End | Kind::Mark(";")) {
        let from = cursor.eat(&["FROM"]) || cursor.eat(&["IN"]);
        if from || words.first().is_some_and(|w| w == "CREATE") {
            target = Some(cursor.qualified()?);
        }
        if cursor.eat(&["FROM"]) || cursor.eat(&["IN"]) {
            let database = cursor.name()?;
            if let Some(target) = &mut target {
                target.database = Some(database);
            }
        }
        partition_list(cursor)?;
    }
    let like = if cursor.eat(&["LIKE"]) { Some(cursor.string()?) } else { None };
    let mut rest = everything();
    tail(cursor, &mut rest)?;
    Ok(Statement::Show(Show { what: words.join(" "), full, target, like, rest }))
}

/// `SELECT *` of nothing yet.
pub fn everything() -> Select {
    Select { items: vec![Item::Star], ..Select::default() }
}

fn create_any(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    let start = cursor.here();
    cursor.expect(&["CREATE"])?;
    // What makes no difference here.
    let _ = cursor.eat(&["OR", "REPLACE"]) || cursor.eat(&["EXTERNAL"]) || cursor.eat(&["TEMPORARY"]);
    if cursor.eat(&["DATABASE"]) || cursor.eat(&["SCHEMA"]) {
        let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
        let name = cursor.qualified()?.name;
        if cursor.eat(&["PROPERTIES"]) {
            cursor.properties()?;
        }
        return Ok(Statement::CreateDatabase { name, if_not_exists });
    }
    if cursor.eat(&["TABLE"]) {
        return create::table(cursor).map(|table| Statement::CreateTable(Box::new(table)));
    }
    let materialized = cursor.eat(&["MATERIALIZED"]);
    if cursor.eat(&["VIEW"]) {
        cursor.eat(&["IF", "NOT", "EXISTS"]);
        let view = cursor.qualified()?;
        // Clauses between the name and AS are kept in the text only.
        while !cursor.is(&["AS", "SELECT"]) {
            if *cursor.peek() == Kind::End {
                return Err(cursor.error("AS SELECT"));
            }
            cursor.take();
        }
        cursor.expect(&["AS"])?;
        let create = cursor.text.get(start..).unwrap_or_default().trim().trim_end_matches(';').to_string();
        return rest(cursor, |query| Statement::CreateView { view, query, create, materialized });
    }
    if cursor.is(&["USER"]) || cursor.is(&["ROLE"]) || cursor.is(&["RESOURCE"]) {
        return rest(cursor, |_| Statement::Nothing);
    }
    Err(cursor.error("DATABASE, TABLE, VIEW"))
}

fn drop(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    cursor.expect(&["DROP"])?;
    if cursor.eat(&["DATABASE"]) || cursor.eat(&["SCHEMA"]) {
        let if_exists = cursor.eat(&["IF", "EXISTS"]);
        let name = cursor.qualified()?.name;
        cursor.eat(&["FORCE"]);
        return Ok(Statement::DropDatabase { name, if_exists });
    }
    if !cursor.eat(&["TABLE"]) && !cursor.eat(&["VIEW"]) {
        cursor.expect(&["MATERIALIZED", "VIEW"])?;
    }
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let table = cursor.qualified()?;
    cursor.eat(&["FORCE"]);
    Ok(Statement::Drop { table, if_exists })
}

fn insert(cursor: &mut Cursor<'_>) -> Result<Statement, String> {
    cursor.expect(&["INSERT"])?;
    let overwrite = cursor.eat(&["OVERWRITE"]);
    if !overwrite {
        cursor.expect(&["INTO"])?;
    }
    if cursor.is(&["FILES", "("]) {
        cursor.expect(&["FILES"])?;
        let properties = cursor.properties()?;
        return Ok(Statement::Unload { properties, query: select(cursor)? });
    }
    cursor.eat(&["TABLE"]);
    let table = cursor.qualified()?;
    let partitions = partition_list(cursor)?.unwrap_or_default();
    let mut label = None;
    if cursor.eat(&["WITH", "LABEL"]) {
        label = Some(match cursor.peek() {
            Kind::Text(_) => cursor.string()?,
            _ => cursor.name()?,
        });
    }
    let columns = if cursor.is(&["("]) { cursor.names()? } else { Vec::new() };
    let source = if cursor.eat(&["VALUES"]) {
        let mut rows = Vec::new();
        loop {
            cursor.expect(&["("])?;
            let mut row = vec![expression(cursor)?];
            while cursor.eat(&[","]) {
                row.push(expression(cursor)?);
            }
            cursor.expect(&[")"])?;
            rows.push(row);
            if !cursor.eat(&[","]) {
                break;
            }
        }
        InsertSource::Values(rows)
    } else {
        InsertSource::Query(select(cursor)?)
    };
    Ok(Statement::Insert(Insert { table, overwrite, label, partitions, columns, source }))
}
