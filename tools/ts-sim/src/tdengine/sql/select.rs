//! SELECT.

use super::ast::{Expr, From, Item, Select};
use super::error::SqlError;
use super::expr::expr;
use super::parser::Parser;
use super::token::Token;

/// The server cuts generated column names here.
const MAX_NAME: usize = 64;

/// From the word SELECT on.
pub fn select(p: &mut Parser<'_>) -> Result<Select, SqlError> {
    p.expect("select")?;
    let distinct = p.accept("distinct")?;
    let tags = !distinct && p.is_word("tags") && !matches!(p.peek(), Some(Token::Symbol(_) | Token::End)) && {
        p.advance()?;
        true
    };
    let mut items = vec![item(p)?];
    while p.accept_symbol(",")? {
        items.push(item(p)?);
    }
    let mut select = Select {
        distinct,
        tags,
        items,
        from: None,
        condition: None,
        keys: Vec::new(),
        partition: false,
        order: Vec::new(),
        limit: None,
        offset: 0,
    };
    if !p.accept("from")? {
        return Ok(select);
    }
    select.from = Some(from(p)?);
    if p.accept("where")? {
        select.condition = Some(expr(p)?);
    }
    if p.is_word("partition") || p.is_word("group") {
        select.partition = p.is_word("partition");
        p.advance()?;
        p.expect("by")?;
        select.keys.push(expr(p)?);
        while p.accept_symbol(",")? {
            select.keys.push(expr(p)?);
        }
    }
    if p.accept("order")? {
        p.expect("by")?;
        loop {
            let key = expr(p)?;
            let descending = p.accept("desc")?;
            if !descending {
                p.accept("asc")?;
            }
            select.order.push((key, descending));
            if !p.accept_symbol(",")? {
                break;
            }
        }
    }
    limit(p, &mut select)?;
    Ok(select)
}

/// `LIMIT n`, `LIMIT n OFFSET m`, `LIMIT m, n`.
fn limit(p: &mut Parser<'_>, select: &mut Select) -> Result<(), SqlError> {
    if !p.accept("limit")? {
        return Ok(());
    }
    let first = p.unsigned()?;
    if p.accept_symbol(",")? {
        select.offset = first;
        select.limit = Some(p.unsigned()?);
    } else {
        select.limit = Some(first);
        if p.accept("offset")? {
            select.offset = p.unsigned()?;
        }
    }
    Ok(())
}

fn item(p: &mut Parser<'_>) -> Result<Item, SqlError> {
    if p.accept_symbol("*")? {
        return Ok(Item::All);
    }
    let start = p.start();
    let expression = expr(p)?;
    let written = p.text_since(start);
    let alias = if p.accept("as")? {
        Some(alias_name(p)?)
    } else if matches!(p.token(), Token::Quoted(_)) || p.keyword().is_some_and(|w| !is_clause(&w)) {
        Some(p.name()?)
    } else {
        None
    };
    let name = alias.unwrap_or_else(|| match &expression {
        Expr::Column(name) => name.clone(),
        Expr::Tbname => "tbname".to_string(),
        _ => cut(written),
    });
    Ok(Item::One(expression, name))
}

fn alias_name(p: &mut Parser<'_>) -> Result<String, SqlError> {
    if let Token::Text(text) = p.token() {
        let name = String::from_utf8_lossy(text).into_owned();
        p.advance()?;
        return Ok(name);
    }
    p.name()
}

fn is_clause(word: &str) -> bool {
    matches!(
        word,
        "from" | "where" | "partition" | "group" | "order" | "limit" | "interval" | "union" | "having" | "slimit"
    )
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

fn from(p: &mut Parser<'_>) -> Result<From, SqlError> {
    let source = if p.accept_symbol("(")? {
        p.enter()?;
        let inner = select(p)?;
        p.leave();
        p.expect_symbol(")")?;
        From::Select(Box::new(inner))
    } else {
        From::Table(p.table_name()?)
    };
    // An alias is read and forgotten: a name qualified with it needs no look-up, there is one source.
    if p.accept("as")? || matches!(p.token(), Token::Quoted(_)) || p.keyword().is_some_and(|w| !is_clause(&w)) {
        p.name()?;
    }
    Ok(source)
}
