//! INSERT INTO, with any number of tables.

use super::super::convert::Literal;
use super::ast::{Given, GivenValue, InsertInto, Using};
use super::error::SqlError;
use super::parser::Parser;
use super::token::Token;

/// From the word INSERT on.
pub fn insert(p: &mut Parser<'_>) -> Result<Vec<InsertInto>, SqlError> {
    p.expect("insert")?;
    p.expect("into")?;
    let mut tables = vec![table(p)?];
    while !p.at_end() && !p.is_symbol(";") {
        tables.push(table(p)?);
    }
    Ok(tables)
}

fn table(p: &mut Parser<'_>) -> Result<InsertInto, SqlError> {
    let table = p.table_name()?;
    // `t (c1, c2) USING st TAGS (..) VALUES ..` and `t USING st TAGS (..) (c1, c2) VALUES ..` are the same.
    let mut columns = if p.is_symbol("(") { Some(p.name_list()?) } else { None };
    let using = if p.is_word("using") { Some(using(p)?) } else { None };
    if columns.is_none() && p.is_symbol("(") {
        columns = Some(p.name_list()?);
    }
    if !p.accept("values")? && !p.accept("value")? {
        return Err(SqlError::insert(p.token_text(), "keyword VALUES or FILE is expected"));
    }
    let mut rows = Vec::new();
    while p.is_symbol("(") {
        rows.push(tuple(p)?);
        p.accept_symbol(",")?;
    }
    if rows.is_empty() {
        return Err(SqlError::insert(p.token_text(), "no any data points"));
    }
    Ok(InsertInto { table, using, columns, rows })
}

/// From the word USING on.
pub fn using(p: &mut Parser<'_>) -> Result<Using, SqlError> {
    p.expect("using")?;
    let stable = p.table_name()?;
    let names = if p.is_symbol("(") { Some(p.name_list()?) } else { None };
    p.expect("tags")?;
    let tags = tuple(p)?;
    Ok(Using { stable, names, tags })
}

fn tuple(p: &mut Parser<'_>) -> Result<Vec<Given>, SqlError> {
    p.expect_symbol("(")?;
    let mut values = vec![given(p)?];
    while p.accept_symbol(",")? {
        values.push(given(p)?);
    }
    p.expect_symbol(")")?;
    Ok(values)
}

/// One literal of a tuple.
pub fn given(p: &mut Parser<'_>) -> Result<Given, SqlError> {
    let start = p.start();
    let negative = p.accept_symbol("-")?;
    if !negative {
        p.accept_symbol("+")?;
    }
    let value = match p.token().clone() {
        Token::Number(digits) => Literal::Number(if negative { format!("-{digits}") } else { digits }),
        Token::Text(text) if !negative => Literal::Text(text),
        Token::Word(word) if !negative => match word.as_str() {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            "now" | "today" => return clock(p, word == "today", start),
            _ => return Err(SqlError::insert(p.token_text(), "invalid data or symbol")),
        },
        Token::End => return Err(SqlError::incomplete()),
        _ => return Err(SqlError::insert(p.token_text(), "invalid data or symbol")),
    };
    let text = given_text(p, start, &value);
    p.advance()?;
    Ok(Given { value: GivenValue::Literal(value), text })
}

/// What an error message shows: the text without its quotes (recorded: `near 'abc'` for 'abc').
fn given_text(p: &Parser<'_>, start: usize, value: &Literal) -> String {
    match value {
        Literal::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Literal::Number(digits) => digits.clone(),
        _ if start == p.start() => p.token_text().to_string(),
        _ => String::new(),
    }
}

fn clock(p: &mut Parser<'_>, today: bool, start: usize) -> Result<Given, SqlError> {
    p.advance()?;
    if p.accept_symbol("(")? {
        p.expect_symbol(")")?;
    }
    let mut shifts = Vec::new();
    while p.is_symbol("+") || p.is_symbol("-") {
        let minus = p.is_symbol("-");
        p.advance()?;
        match p.token().clone() {
            Token::Duration(text) => shifts.push((minus, text)),
            _ => return Err(SqlError::insert(p.token_text(), "invalid timestamp")),
        }
        p.advance()?;
    }
    Ok(Given { value: GivenValue::Clock { today, shifts }, text: p.text_since(start).to_string() })
}
