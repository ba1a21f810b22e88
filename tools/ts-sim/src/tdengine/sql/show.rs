//! SHOW.

use super::ast::{Show, Statement, TableName};
use super::error::SqlError;
use super::parser::Parser;
use super::token::Token;

/// From the word SHOW on.
pub fn show(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    p.advance()?;
    let mut database = None;
    if p.peek() == Some(Token::Symbol(".")) {
        database = Some(p.name()?);
        p.advance()?;
    }
    let here = p.unexpected();
    let what = p.keyword().ok_or_else(|| p.unexpected())?;
    p.advance()?;
    let show = match what.as_str() {
        "databases" => Show::Databases,
        "stables" => Show::Stables { database, like: like(p)? },
        "tables" => Show::Tables { database, like: like(p)? },
        "vgroups" => Show::Vgroups { database },
        "create" => return show_create(p),
        "table" if p.accept("tags")? => {
            p.expect("from")?;
            let table = p.table_name()?;
            let table = if p.accept("from")? { TableName { database: Some(p.name()?), ..table } } else { table };
            Show::TableTags(table)
        }
        "topics" if database.is_none() => Show::Topics,
        "streams" | "users" | "dnodes" | "grants" if database.is_none() => Show::Fixed(what),
        _ => return Err(here),
    };
    Ok(Statement::Show(show))
}

fn show_create(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    let what = p.keyword().ok_or_else(|| p.unexpected())?;
    let show = match what.as_str() {
        "database" => {
            p.advance()?;
            Show::CreateDatabase(p.name()?)
        }
        "stable" => {
            p.advance()?;
            Show::CreateStable(p.table_name()?)
        }
        "table" => {
            p.advance()?;
            Show::CreateTable(p.table_name()?)
        }
        _ => return Err(p.unexpected()),
    };
    Ok(Statement::Show(show))
}

fn like(p: &mut Parser<'_>) -> Result<Option<Vec<u8>>, SqlError> {
    if p.accept("like")? { p.string().map(Some) } else { Ok(None) }
}
