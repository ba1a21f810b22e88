//! CREATE TOPIC and DROP TOPIC.

use super::super::topic::Carries;
use super::ast::{CreateTopic, Statement, TopicOf};
use super::error::SqlError;
use super::expr::expr;
use super::parser::Parser;
use super::select::select;

/// After the words CREATE TOPIC; `start` is where the statement began.
pub fn create(p: &mut Parser<'_>, start: usize) -> Result<Statement, SqlError> {
    let if_not_exists = p.accept_if(true)?;
    let name = p.name()?;
    let mut carries = Carries::Data;
    if p.accept("with")? {
        p.expect("meta")?;
        carries = Carries::Both;
    } else if p.accept("only")? {
        p.expect("meta")?;
        carries = Carries::Meta;
    }
    p.expect("as")?;
    let of = if p.accept("database")? {
        TopicOf::Database(p.name()?)
    } else if p.accept("stable")? {
        let table = p.table_name()?;
        let condition = if p.accept("where")? { Some(expr(p)?) } else { None };
        TopicOf::Stable(table, condition)
    } else if carries == Carries::Data {
        TopicOf::Select(Box::new(select(p)?))
    } else {
        return Err(p.unexpected());
    };
    let sql = p.text_since(start).to_string();
    Ok(Statement::CreateTopic(CreateTopic { name, if_not_exists, carries, of, sql }))
}

/// After the words DROP TOPIC.
pub fn drop(p: &mut Parser<'_>) -> Result<Statement, SqlError> {
    let if_exists = p.accept_if(false)?;
    let force = p.is_word("force") && p.peek().is_some_and(|next| next != super::token::Token::End);
    if force {
        p.advance()?;
    }
    Ok(Statement::DropTopic { name: p.name()?, if_exists, force })
}
