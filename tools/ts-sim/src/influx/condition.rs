//! WHERE: a time range, and a condition on tags and fields. Shared by InfluxQL and SQL, which differ in their literals.

use super::lexer::{Cursor, Language, Token};
use super::points::Value;
use super::store::{Measurement, Series};
use super::time::{parse_duration, parse_time};
use std::borrow::Cow;

/// A time range `from <= time < to` and what else must hold.
#[derive(Debug, Clone)]
pub struct Condition {
    pub from: i64,
    /// Exclusive; `None` has no end.
    pub to: Option<i64>,
    pub filter: Option<Filter>,
}

impl Default for Condition {
    fn default() -> Condition {
        Condition { from: i64::MIN, to: None, filter: None }
    }
}

/// A condition on tags and fields.
#[derive(Debug, Clone)]
pub enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Compare { name: String, sign: &'static str, with: Value<'static> },
}

/// Parses what follows WHERE.
pub fn parse(c: &mut Cursor, now: i64, language: Language) -> Result<Condition, String> {
    let mut condition = Condition::default();
    condition.filter = or(c, &mut condition, now, language, true)?;
    Ok(condition)
}

fn or(
    c: &mut Cursor,
    range: &mut Condition,
    now: i64,
    language: Language,
    top: bool,
) -> Result<Option<Filter>, String> {
    let mut left = and(c, range, now, language, top)?;
    while c.word("OR") {
        let right = and(c, range, now, language, false)?;
        left = match (left, right) {
            (Some(a), Some(b)) => Some(Filter::Or(Box::new(a), Box::new(b))),
            _ => return Err("the simulator does not know OR with time".into()),
        };
    }
    Ok(left)
}

fn and(
    c: &mut Cursor,
    range: &mut Condition,
    now: i64,
    language: Language,
    top: bool,
) -> Result<Option<Filter>, String> {
    let mut left = one(c, range, now, language, top)?;
    while c.word("AND") {
        let right = one(c, range, now, language, top)?;
        left = match (left, right) {
            (Some(a), Some(b)) => Some(Filter::And(Box::new(a), Box::new(b))),
            (a, b) => a.or(b),
        };
    }
    Ok(left)
}

fn one(
    c: &mut Cursor,
    range: &mut Condition,
    now: i64,
    language: Language,
    top: bool,
) -> Result<Option<Filter>, String> {
    if c.sign("(") {
        let inner = or(c, range, now, language, top)?;
        c.need(")")?;
        return Ok(inner);
    }
    let name = super::influxql::operand(c)?;
    if c.sign("::") {
        c.cast()?;
    }
    let sign = match c.next() {
        Some(Token::Sign(sign @ ("=" | "!=" | "<" | "<=" | ">" | ">="))) => *sign,
        Some(Token::Sign("<>")) => "!=",
        _ => return Err(c.expected("operator")),
    };
    if name.eq_ignore_ascii_case("time") {
        let time = time_literal(c, now, language)?;
        narrow(range, sign, time)?;
        return Ok(None);
    }
    let negative = c.sign("-");
    let with = match c.next() {
        Some(Token::Single(text)) => Value::Str(Cow::Owned(text.as_bytes().to_vec())),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
        Some(Token::Number(digits)) => {
            let digits = if negative { format!("-{digits}") } else { digits.clone() };
            match (digits.parse::<i64>(), digits.parse::<f64>()) {
                (Ok(int), _) => Value::Int(int),
                (_, Ok(float)) => Value::Float(float),
                _ => return Err(format!("invalid number {digits}")),
            }
        }
        _ => return Err(c.expected("a literal")),
    };
    Ok(Some(Filter::Compare { name, sign, with }))
}

fn narrow(range: &mut Condition, sign: &str, time: i64) -> Result<(), String> {
    let after = time.checked_add(1);
    match sign {
        ">=" => range.from = range.from.max(time),
        ">" => range.from = range.from.max(after.unwrap_or(i64::MAX)),
        "<" => range.to = Some(range.to.map_or(time, |to| to.min(time))),
        "<=" => {
            if let Some(after) = after {
                range.to = Some(range.to.map_or(after, |to| to.min(after)));
            }
        }
        "=" => {
            range.from = range.from.max(time);
            range.to = after;
        }
        _ => return Err(format!("invalid time comparison operator: {sign}")),
    }
    Ok(())
}

/// `1700000000000000000`, `1700000000s`, `'2026-11-21T00:00:00Z'`, `now() - 1h`, and SQL's `TIMESTAMP '…'`.
fn time_literal(c: &mut Cursor, now: i64, language: Language) -> Result<i64, String> {
    if language == Language::Sql {
        c.word("TIMESTAMP");
    }
    let negative = c.sign("-");
    let mut time = match c.next() {
        Some(Token::Single(text)) => parse_time(text).ok_or_else(|| format!("invalid timestamp '{text}'"))?,
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("now") => {
            c.need("(")?;
            c.need(")")?;
            now
        }
        // `to_timestamp_nanos(5)`, `from_unixtime(5)` and the like: ns here
        Some(Token::Word(_)) if c.sign("(") => {
            let time = time_literal(c, now, language)?;
            c.need(")")?;
            time
        }
        Some(Token::Number(text)) => {
            let text = if negative { format!("-{text}") } else { text.clone() };
            text.parse().ok().or_else(|| parse_duration(&text)).ok_or_else(|| format!("invalid time {text}"))?
        }
        _ => return Err(c.expected("a time")),
    };
    // `::timestamp`
    if c.sign("::") {
        c.cast()?;
    }
    loop {
        let minus = c.sign("-");
        if !minus && !c.sign("+") {
            return Ok(time);
        }
        match c.next() {
            Some(Token::Number(text)) => {
                let step = parse_duration(text).ok_or_else(|| format!("invalid duration {text}"))?;
                time = if minus { time.saturating_sub(step) } else { time.saturating_add(step) };
            }
            _ => return Err(c.expected("duration")),
        }
    }
}

impl Filter {
    /// True when this row passes. Tags that are missing are empty; fields that are missing never pass.
    pub fn passes(&self, measurement: &Measurement, series: &Series, row: usize) -> bool {
        match self {
            Filter::And(a, b) => a.passes(measurement, series, row) && b.passes(measurement, series, row),
            Filter::Or(a, b) => a.passes(measurement, series, row) || b.passes(measurement, series, row),
            Filter::Compare { name, sign, with } => match measurement.field_id(name.as_bytes()) {
                Some(field) => series.rows.get(row, field).is_some_and(|value| compare(&value, sign, with)),
                None => compare(&Value::Str(Cow::Borrowed(series.tag(name.as_bytes()))), sign, with),
            },
        }
    }

    /// True when no field is needed to decide, so that a whole series passes or does not.
    pub fn passes_series(&self, measurement: &Measurement, series: &Series) -> bool {
        match self {
            Filter::And(a, b) => a.passes_series(measurement, series) && b.passes_series(measurement, series),
            Filter::Or(a, b) => a.passes_series(measurement, series) || b.passes_series(measurement, series),
            Filter::Compare { name, sign, with } => {
                measurement.field_id(name.as_bytes()).is_some()
                    || compare(&Value::Str(Cow::Borrowed(series.tag(name.as_bytes()))), sign, with)
            }
        }
    }
}

fn compare(left: &Value, sign: &str, right: &Value) -> bool {
    use std::cmp::Ordering;
    let number = |value: &Value| match value {
        Value::Float(x) => Some(*x),
        Value::Int(x) => Some(*x as f64),
        Value::Uint(x) => Some(*x as f64),
        _ => None,
    };
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => number(left).zip(number(right)).and_then(|(a, b)| a.partial_cmp(&b)),
    };
    match (sign, order) {
        ("!=", order) => order != Some(Ordering::Equal),
        (_, None) => false,
        ("=", Some(order)) => order == Ordering::Equal,
        ("<", Some(order)) => order == Ordering::Less,
        ("<=", Some(order)) => order != Ordering::Greater,
        (">", Some(order)) => order == Ordering::Greater,
        (">=", Some(order)) => order != Ordering::Less,
        _ => false,
    }
}
