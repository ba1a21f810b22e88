//! Expressions, by precedence: OR, AND, NOT, comparison, sum, product, sign, primary.

use super::super::convert::Literal;
use super::super::types::Type;
use super::ast::{Compare, Expr};
use super::error::SqlError;
use super::parser::Parser;
use super::token::Token;

/// Deepest nesting; more is refused instead of overflowing the stack.
const MAX_DEPTH: u32 = 100;

/// A complete expression.
pub fn expr(p: &mut Parser<'_>) -> Result<Expr, SqlError> {
    or(p, 0)
}

fn or(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    if depth > MAX_DEPTH {
        return Err(p.unexpected());
    }
    let mut left = and(p, depth)?;
    while p.accept("or")? {
        p.operator()?;
        left = Expr::Or(Box::new(left), Box::new(and(p, depth)?));
    }
    Ok(left)
}

fn and(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    let mut left = not(p, depth)?;
    while p.accept("and")? {
        p.operator()?;
        left = Expr::And(Box::new(left), Box::new(not(p, depth)?));
    }
    Ok(left)
}

fn not(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    if depth > MAX_DEPTH {
        return Err(p.unexpected());
    }
    if p.accept("not")? { Ok(Expr::Not(Box::new(not(p, depth + 1)?))) } else { comparison(p, depth) }
}

fn comparison(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    let left = sum(p, depth)?;
    let compare = match p.token() {
        Token::Symbol("=") => Some(Compare::Eq),
        Token::Symbol("<>" | "!=") => Some(Compare::Ne),
        Token::Symbol("<") => Some(Compare::Lt),
        Token::Symbol("<=") => Some(Compare::Le),
        Token::Symbol(">") => Some(Compare::Gt),
        Token::Symbol(">=") => Some(Compare::Ge),
        _ => None,
    };
    if let Some(compare) = compare {
        p.advance()?;
        return Ok(Expr::Compare(compare, Box::new(left), Box::new(sum(p, depth)?)));
    }
    if p.accept("is")? {
        let negated = p.accept("not")?;
        p.expect("null")?;
        return Ok(negate(Expr::IsNull(Box::new(left)), negated));
    }
    let negated =
        p.is_word("not") && matches!(p.peek(), Some(Token::Word(w)) if matches!(w.as_str(), "in" | "like" | "between"));
    if negated {
        p.advance()?;
    }
    if p.accept("in")? {
        p.expect_symbol("(")?;
        let mut list = vec![sum(p, depth)?];
        while p.accept_symbol(",")? {
            list.push(sum(p, depth)?);
        }
        p.expect_symbol(")")?;
        return Ok(negate(Expr::In(Box::new(left), list), negated));
    }
    if p.accept("like")? {
        return Ok(negate(Expr::Like(Box::new(left), p.string()?), negated));
    }
    if p.accept("between")? {
        let low = sum(p, depth)?;
        p.expect("and")?;
        let high = sum(p, depth)?;
        let from = Expr::Compare(Compare::Ge, Box::new(left.clone()), Box::new(low));
        let to = Expr::Compare(Compare::Le, Box::new(left), Box::new(high));
        return Ok(negate(Expr::And(Box::new(from), Box::new(to)), negated));
    }
    Ok(left)
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn sum(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    let mut left = product(p, depth)?;
    loop {
        let op = match p.token() {
            Token::Symbol("+") => '+',
            Token::Symbol("-") => '-',
            _ => return Ok(left),
        };
        p.operator()?;
        p.advance()?;
        left = Expr::Arithmetic(op, Box::new(left), Box::new(product(p, depth)?));
    }
}

fn product(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    let mut left = signed(p, depth)?;
    loop {
        let op = match p.token() {
            Token::Symbol("*") => '*',
            Token::Symbol("/") => '/',
            Token::Symbol("%") => '%',
            _ => return Ok(left),
        };
        p.operator()?;
        p.advance()?;
        left = Expr::Arithmetic(op, Box::new(left), Box::new(signed(p, depth)?));
    }
}

fn signed(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    if depth > MAX_DEPTH {
        return Err(p.unexpected());
    }
    if p.accept_symbol("+")? {
        return signed(p, depth + 1);
    }
    if !p.accept_symbol("-")? {
        return primary(p, depth);
    }
    Ok(match signed(p, depth + 1)? {
        Expr::Literal(Literal::Number(digits)) => {
            let digits = digits.strip_prefix('-').map_or_else(|| format!("-{digits}"), str::to_string);
            Expr::Literal(Literal::Number(digits))
        }
        other => Expr::Arithmetic('-', Box::new(Expr::Literal(Literal::Number("0".into()))), Box::new(other)),
    })
}

fn primary(p: &mut Parser<'_>, depth: u32) -> Result<Expr, SqlError> {
    let expr = match p.token().clone() {
        Token::Number(digits) => Expr::Literal(Literal::Number(digits)),
        Token::Text(text) => Expr::Literal(Literal::Text(text)),
        Token::Duration(text) => Expr::Duration(text),
        Token::Symbol("(") => {
            p.advance()?;
            let inner = or(p, depth + 1)?;
            p.expect_symbol(")")?;
            return Ok(inner);
        }
        Token::Quoted(_) => return column(p),
        Token::Word(word) => return word_expr(p, &word, depth),
        _ => return Err(p.unexpected()),
    };
    p.advance()?;
    Ok(expr)
}

/// Words that end an expression and never start one.
const RESERVED: [&str; 17] = [
    "from",
    "where",
    "select",
    "group",
    "order",
    "partition",
    "limit",
    "offset",
    "and",
    "or",
    "by",
    "union",
    "interval",
    "having",
    "slimit",
    "fill",
    "as",
];

fn word_expr(p: &mut Parser<'_>, word: &str, depth: u32) -> Result<Expr, SqlError> {
    if RESERVED.contains(&word) {
        return Err(p.unexpected());
    }
    if p.peek() == Some(Token::Symbol("(")) {
        return call(p, word, depth);
    }
    let expr = match word {
        "null" => Expr::Literal(Literal::Null),
        "true" => Expr::Literal(Literal::Bool(true)),
        "false" => Expr::Literal(Literal::Bool(false)),
        "now" => Expr::Clock { today: false },
        "tbname" => Expr::Tbname,
        _ => return column(p),
    };
    p.advance()?;
    Ok(expr)
}

/// `name` or `table.name`; the table is dropped, since there is only ever one.
fn column(p: &mut Parser<'_>) -> Result<Expr, SqlError> {
    let first = p.name()?;
    if !p.accept_symbol(".")? {
        return Ok(Expr::Column(first));
    }
    if p.is_word("tbname") {
        p.advance()?;
        return Ok(Expr::Tbname);
    }
    Ok(Expr::Column(p.name()?))
}

fn call(p: &mut Parser<'_>, name: &str, depth: u32) -> Result<Expr, SqlError> {
    if depth > MAX_DEPTH {
        return Err(p.unexpected());
    }
    p.advance()?;
    p.expect_symbol("(")?;
    if name == "cast" {
        let inner = or(p, depth + 1)?;
        p.expect("as")?;
        let ty = type_name(p)?;
        p.expect_symbol(")")?;
        return Ok(Expr::Cast(Box::new(inner), ty));
    }
    if p.accept_symbol("*")? {
        p.expect_symbol(")")?;
        return Ok(Expr::CallStar(name.to_string()));
    }
    let mut args = Vec::new();
    if !p.is_symbol(")") {
        args.push(or(p, depth + 1)?);
        while p.accept_symbol(",")? {
            args.push(or(p, depth + 1)?);
        }
    }
    p.expect_symbol(")")?;
    match (name, args.is_empty()) {
        ("now", true) => Ok(Expr::Clock { today: false }),
        ("today", true) => Ok(Expr::Clock { today: true }),
        ("tbname", true) => Ok(Expr::Tbname),
        _ => Ok(Expr::Call { name: name.to_string(), args }),
    }
}

/// A type: one or two words and numbers in parentheses.
pub fn type_name(p: &mut Parser<'_>) -> Result<Type, SqlError> {
    let start = p.start();
    let unknown = p.unexpected();
    p.keyword().ok_or_else(|| p.unexpected())?;
    p.advance()?;
    if p.is_word("unsigned") {
        p.advance()?;
    }
    if p.accept_symbol("(")? {
        p.unsigned()?;
        if p.accept_symbol(",")? {
            p.unsigned()?;
        }
        p.expect_symbol(")")?;
    }
    Type::parse(p.text_since(start)).ok_or(unknown)
}
