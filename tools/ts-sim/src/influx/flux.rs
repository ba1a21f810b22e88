//! Flux, as far as exporters and the vendors' clients need it: `from |> range |> filter`, then projections, pivot and
//! simple aggregates. Anything else is refused by name.

use super::influxql::Function;
use super::lexer::{Cursor, Language, Token, lex};
use super::time::{parse_duration, parse_time};

/// One pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Bucket name or id; v1: `db/rp`.
    pub bucket: String,
    /// `None` without `range()`, which the server refuses.
    pub range: Option<(i64, i64)>,
    pub filters: Vec<Predicate>,
    /// What follows range and filters, in order.
    pub steps: Vec<Step>,
    pub name: String,
}

/// A step after the filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Drop(Vec<String>),
    Keep(Vec<String>),
    Limit(usize),
    Group(Vec<String>),
    Aggregate(Function),
    Pivot,
}

/// The body of a filter function, over the columns of a row.
#[derive(Debug, Clone)]
pub enum Predicate {
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
    Compare { column: String, sign: &'static str, with: Literal },
    Exists(String),
}

/// A literal in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
    Time(i64),
}

/// Parses all pipelines of a script. The error is the server's, without its position.
pub fn parse(script: &str, now: i64) -> Result<Vec<Pipeline>, String> {
    let tokens = lex(script, Language::Flux)?;
    let mut c = Cursor::new(&tokens);
    let mut found = Vec::new();
    while !c.done() {
        if c.word("import") {
            c.next();
            continue;
        }
        if !c.word("from") {
            return Err(unknown(&c.name()?));
        }
        found.push(pipeline(&mut c, now)?);
    }
    Ok(found)
}

fn unknown(what: &str) -> String {
    format!("the simulator does not know `{what}`")
}

fn pipeline(c: &mut Cursor, now: i64) -> Result<Pipeline, String> {
    let mut bucket = String::new();
    arguments(c, |c, name| match name {
        "bucket" | "bucketID" => {
            bucket = string(c)?;
            Ok(())
        }
        other => Err(unknown(other)),
    })?;
    let mut found = Pipeline { bucket, range: None, filters: Vec::new(), steps: Vec::new(), name: "_result".into() };
    while c.sign("|>") {
        let function = c.name()?;
        match function.as_str() {
            "range" => {
                let (mut start, mut stop) = (None, now);
                arguments(c, |c, name| {
                    match name {
                        "start" => start = Some(time(c, now)?),
                        "stop" => stop = time(c, now)?,
                        other => return Err(unknown(other)),
                    }
                    Ok(())
                })?;
                found.range = Some((start.ok_or("missing required argument start")?, stop));
            }
            "filter" => {
                let mut predicate = None;
                arguments(c, |c, name| match name {
                    "fn" => {
                        predicate = Some(lambda(c)?);
                        Ok(())
                    }
                    "onEmpty" => string(c).map(|_| ()),
                    other => Err(unknown(other)),
                })?;
                if !found.steps.is_empty() {
                    return Err(unknown("filter after another step"));
                }
                found.filters.extend(predicate);
            }
            "yield" => arguments(c, |c, _| {
                found.name = string(c)?;
                Ok(())
            })?,
            // tables come in the order of time already
            "sort" if !found.steps.iter().any(|s| matches!(s, Step::Group(_))) => arguments(c, |c, name| match name {
                "columns" if strings(c)? == ["_time"] => Ok(()),
                other => Err(unknown(&format!("sort by other than _time ({other})"))),
            })?,
            name => {
                let step = step(c, name)?;
                found.steps.push(step);
            }
        }
    }
    Ok(found)
}

fn step(c: &mut Cursor, name: &str) -> Result<Step, String> {
    let mut columns: Vec<String> = Vec::new();
    let mut number = 0;
    let mut pivot: Vec<String> = Vec::new();
    arguments(c, |c, argument| {
        match (name, argument) {
            ("drop" | "keep" | "group", "columns") => columns = strings(c)?,
            ("group", "mode") => {
                let mode = string(c)?;
                if mode != "by" {
                    return Err(unknown(&format!("group mode {mode}")));
                }
            }
            ("limit", "n") => number = usize::try_from(c.integer()?).unwrap_or(usize::MAX),
            ("pivot", "rowKey" | "columnKey") => pivot.push(strings(c)?.join(",")),
            ("pivot", "valueColumn") => pivot.push(string(c)?),
            (_, "column") if Function::of(name).is_some() => {
                string(c)?;
            }
            (_, other) => return Err(unknown(&format!("{name}({other}:)"))),
        }
        Ok(())
    })?;
    Ok(match name {
        "drop" => Step::Drop(columns),
        "keep" => Step::Keep(columns),
        "group" => Step::Group(columns),
        "limit" => Step::Limit(number),
        "pivot" if pivot == ["_time", "_field", "_value"] => Step::Pivot,
        "pivot" => return Err(unknown("pivot by other than _time and _field")),
        name => Step::Aggregate(Function::of(name).ok_or_else(|| format!("undefined identifier {name}"))?),
    })
}

/// `(name: …, name: …)`
fn arguments(c: &mut Cursor, mut each: impl FnMut(&mut Cursor, &str) -> Result<(), String>) -> Result<(), String> {
    c.need("(").map_err(|_| "expected LPAREN".to_string())?;
    while !c.sign(")") {
        if c.done() {
            return Err("expected RPAREN, got EOF".into());
        }
        let name = c.name()?;
        c.need(":")?;
        each(c, &name)?;
        c.sign(",");
    }
    Ok(())
}

fn string(c: &mut Cursor) -> Result<String, String> {
    match c.next() {
        Some(Token::Double(text)) => Ok(text.clone()),
        _ => Err(c.expected("a string")),
    }
}

fn strings(c: &mut Cursor) -> Result<Vec<String>, String> {
    c.need("[")?;
    let mut found = Vec::new();
    while !c.sign("]") {
        found.push(string(c)?);
        c.sign(",");
    }
    Ok(found)
}

/// `-1h`, `0` (seconds), `2026-11-21T00:00:00Z`, `now()`, `time(v: …)`.
fn time(c: &mut Cursor, now: i64) -> Result<i64, String> {
    let negative = c.sign("-");
    match c.next() {
        Some(Token::Number(text)) => {
            if let Some(time) = parse_time(text).filter(|_| text.contains('-')) {
                return Ok(time);
            }
            if let Ok(seconds) = text.parse::<i64>() {
                let seconds = if negative { -seconds } else { seconds };
                return Ok(seconds.saturating_mul(1_000_000_000));
            }
            let step = parse_duration(text).ok_or_else(|| format!("invalid time {text}"))?;
            Ok(if negative { now.saturating_sub(step) } else { now.saturating_add(step) })
        }
        Some(Token::Word(word)) if word == "now" => {
            c.need("(")?;
            c.need(")")?;
            Ok(now)
        }
        Some(Token::Word(word)) if word == "time" => {
            let mut found = None;
            arguments(c, |c, _| {
                let sign = if c.sign("-") { "-" } else { "" };
                found = match c.next() {
                    Some(Token::Double(text)) => parse_time(text),
                    Some(Token::Number(text)) => format!("{sign}{text}").parse().ok(),
                    _ => None,
                };
                Ok(())
            })?;
            found.ok_or_else(|| "invalid time".to_string())
        }
        _ => Err(c.expected("a time")),
    }
}

fn lambda(c: &mut Cursor) -> Result<Predicate, String> {
    c.need("(")?;
    c.name()?;
    c.need(")")?;
    c.need("=>")?;
    or(c)
}

fn or(c: &mut Cursor) -> Result<Predicate, String> {
    let mut left = and(c)?;
    while c.word("or") {
        left = Predicate::Or(Box::new(left), Box::new(and(c)?));
    }
    Ok(left)
}

fn and(c: &mut Cursor) -> Result<Predicate, String> {
    let mut left = one(c)?;
    while c.word("and") {
        left = Predicate::And(Box::new(left), Box::new(one(c)?));
    }
    Ok(left)
}

fn one(c: &mut Cursor) -> Result<Predicate, String> {
    if c.sign("(") {
        let inner = or(c)?;
        c.need(")")?;
        return Ok(inner);
    }
    if c.word("exists") {
        return column(c).map(Predicate::Exists);
    }
    let column = column(c)?;
    let sign = match c.next() {
        Some(Token::Sign(sign @ ("==" | "!=" | "<" | "<=" | ">" | ">="))) => *sign,
        _ => return Err(c.expected("a comparison")),
    };
    let negative = c.sign("-");
    let with = match c.next() {
        Some(Token::Double(text)) => Literal::Text(text.clone()),
        Some(Token::Word(word)) if word == "true" || word == "false" => Literal::Bool(word == "true"),
        Some(Token::Number(text)) => match (text.parse::<f64>(), parse_time(text)) {
            (Ok(number), _) => Literal::Number(if negative { -number } else { number }),
            (_, Some(time)) => Literal::Time(time),
            _ => return Err(format!("invalid literal {text}")),
        },
        _ => return Err(c.expected("a literal")),
    };
    Ok(Predicate::Compare { column, sign, with })
}

/// `r.name` or `r["name"]`
fn column(c: &mut Cursor) -> Result<String, String> {
    c.name()?;
    if c.sign(".") {
        return c.name();
    }
    c.need("[")?;
    let name = string(c)?;
    c.need("]")?;
    Ok(name)
}
