//! CREATE, DROP, DELETE.

use super::super::types::Field;
use super::ast::{CreateChild, Statement, TableName};
use super::error::SqlError;
use super::expr::{expr, type_name};
use super::insert::using;
use super::parser::Parser;
use super::token::Token;
use super::topic;
use crate::args::Precision;

/// From the word CREATE on.
pub fn create(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    let start = p.start();
    p.advance()?;
    match p.keyword().as_deref() {
        Some("topic") => {
            p.advance()?;
            topic::create(p, start)
        }
        Some("database") => create_database(p),
        Some("stable") => {
            p.advance()?;
            let if_not_exists = p.accept_if(true)?;
            let name = p.table_name()?;
            create_plain(p, name, if_not_exists, true)
        }
        Some("table") => {
            p.advance()?;
            let if_not_exists = p.accept_if(true)?;
            let name = p.table_name()?;
            if p.is_word("using") {
                create_children(p, name, if_not_exists)
            } else {
                create_plain(p, name, if_not_exists, false)
            }
        }
        _ => Err(p.unexpected()),
    }
}

fn create_database(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    p.advance()?;
    let if_not_exists = p.accept_if(true)?;
    let name = p.name()?;
    let (mut precision, mut keep, mut duration, mut vgroups) = (None, None, None, None);
    while let Some(option) = p.keyword() {
        let option_error = p.unexpected();
        p.advance()?;
        match option.as_str() {
            "precision" => {
                let text = p.string()?;
                precision = Some(std::str::from_utf8(&text).ok().and_then(Precision::parse).ok_or_else(|| {
                    SqlError::new(0x2617, format!("Invalid option precision: {}", String::from_utf8_lossy(&text)))
                })?);
            }
            "keep" => {
                keep = Some(minutes(p)?);
                while p.accept_symbol(",")? {
                    minutes(p)?;
                }
            }
            "duration" => duration = Some(minutes(p)?),
            "vgroups" => vgroups = i32::try_from(p.unsigned()?).ok(),
            // Options without an effect on what a client reads.
            "buffer"
            | "pages"
            | "pagesize"
            | "replica"
            | "wal_level"
            | "wal_retention_period"
            | "wal_retention_size"
            | "wal_fsync_period"
            | "minrows"
            | "maxrows"
            | "comp"
            | "single_stable"
            | "cachesize"
            | "stt_trigger"
            | "table_prefix"
            | "table_suffix" => {
                p.accept_symbol("-")?;
                p.unsigned()?;
            }
            "cachemodel" => {
                p.string()?;
            }
            _ => return Err(option_error),
        }
    }
    Ok(Statement::CreateDatabase { name, if_not_exists, precision, keep, duration, vgroups })
}

/// `3650` (days), `14400m`, `240h`, `10d` as minutes.
fn minutes(p: &mut Parser<'_>) -> Result<i64, SqlError> {
    let value = match p.token() {
        Token::Number(digits) => digits.parse::<i64>().ok().and_then(|days| days.checked_mul(1440)),
        Token::Duration(text) => {
            let (number, unit) = text.split_at(text.len() - 1);
            let factor = match unit {
                "m" => Some(1),
                "h" => Some(60),
                "d" => Some(1440),
                _ => None,
            };
            number.parse::<i64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f))
        }
        _ => None,
    };
    let value = value.ok_or_else(|| p.unexpected())?;
    p.advance()?;
    Ok(value)
}

/// `(columns)`, and `TAGS (columns)` for a super table.
fn create_plain(p: &mut Parser<'_>, name: TableName, if_not_exists: bool, stable: bool) -> Result<Statement, SqlError> {
    let fields = fields(p)?;
    let first_is_time = fields.first().is_some_and(|f| f.ty.width() == Some(8) && f.ty.number() == 9);
    if !first_is_time {
        return Err(SqlError::new(0x2640, "First column must be timestamp"));
    }
    if p.accept("tags")? {
        let tags = self::fields(p)?;
        return Ok(Statement::CreateStable { name, if_not_exists, fields, tags });
    }
    if stable {
        return Err(p.unexpected());
    }
    Ok(Statement::CreateTable { name, if_not_exists, fields })
}

fn fields(p: &mut Parser<'_>) -> Result<Vec<Field>, SqlError> {
    p.expect_symbol("(")?;
    let mut fields = Vec::new();
    loop {
        let mut field = Field::new(p.name()?, type_name(p)?);
        if p.accept("primary")? {
            p.expect("key")?;
            field.key = !fields.is_empty();
        } else if p.accept("composite")? {
            p.expect("key")?;
            field.key = true;
        }
        while p.is_word("encode") || p.is_word("compress") || p.is_word("level") {
            p.advance()?;
            p.string()?;
        }
        if fields.iter().any(|f: &Field| f.name == field.name) {
            return Err(SqlError::new(0x2634, format!("Duplicated column names: {}", field.name)));
        }
        fields.push(field);
        if !p.accept_symbol(",")? {
            break;
        }
    }
    p.expect_symbol(")")?;
    Ok(fields)
}

fn create_children(p: &mut Parser<'_>, name: TableName, if_not_exists: bool) -> Result<Statement, SqlError> {
    let mut children = vec![CreateChild { name, if_not_exists, using: using(p)? }];
    while !p.at_end() && !p.is_symbol(";") {
        let if_not_exists = p.accept_if(true)?;
        let name = p.table_name()?;
        children.push(CreateChild { name, if_not_exists, using: using(p)? });
    }
    Ok(Statement::CreateChildren(children))
}

/// From the word DROP on.
pub fn drop(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    p.advance()?;
    let what = p.keyword().ok_or_else(|| p.unexpected())?;
    match what.as_str() {
        "database" => {
            p.advance()?;
            let if_exists = p.accept_if(false)?;
            Ok(Statement::DropDatabase { name: p.name()?, if_exists })
        }
        "topic" => {
            p.advance()?;
            topic::drop(p)
        }
        "table" | "stable" => {
            p.advance()?;
            let mut tables = Vec::new();
            loop {
                let if_exists = p.accept_if(false)?;
                tables.push((p.table_name()?, if_exists));
                if !p.accept_symbol(",")? {
                    break;
                }
            }
            Ok(Statement::DropTable { tables, stable: what == "stable" })
        }
        _ => Err(p.unexpected()),
    }
}

/// From the word DELETE on.
pub fn delete(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    p.advance()?;
    p.expect("from")?;
    let table = p.table_name()?;
    let condition = if p.accept("where")? { Some(expr(p)?) } else { None };
    Ok(Statement::Delete { table, condition })
}
