//! Expressions bound to columns, and their evaluation.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::super::sql::ast::Compare;
use super::super::table::Rows;
use super::super::types::{Kind, TBNAME, Type};
use super::super::value::{Value, decimal_text, parse_decimal};

/// An expression whose names are resolved.
#[derive(Debug, Clone)]
pub enum Bound {
    Const(Value<'static>, Type),
    Column(usize, Type),
    Tag(usize, Type),
    Tbname,
    /// A group key (in aggregated queries).
    Key(usize, Type),
    /// The result of an aggregate.
    Agg(usize, Type),
    Cast(Box<Bound>, Type),
    Not(Box<Bound>),
    And(Box<Bound>, Box<Bound>),
    Or(Box<Bound>, Box<Bound>),
    Compare(Compare, Box<Bound>, Box<Bound>),
    Arithmetic(char, Box<Bound>, Box<Bound>),
    In(Box<Bound>, Vec<Value<'static>>),
    Like(Box<Bound>, Vec<u8>),
    IsNull(Box<Bound>),
}

/// Some rows of one table, with what is the same in all of them.
#[derive(Debug, Clone)]
pub struct Part {
    pub name: Arc<str>,
    pub tags: Arc<[Value<'static>]>,
    pub rows: Arc<Rows>,
    pub range: Range<usize>,
    /// Rows are in the order of the first column, a time: true of stored tables, not of the results of inner queries.
    pub sorted: bool,
}

/// What an expression is evaluated on.
#[derive(Clone, Copy)]
pub enum Row<'a> {
    Table(&'a Part, usize),
    Group(&'a [Value<'static>], &'a [Value<'static>]),
}

impl Bound {
    /// The type of the result.
    pub fn ty(&self) -> Type {
        match self {
            Bound::Const(_, ty) | Bound::Column(_, ty) | Bound::Tag(_, ty) | Bound::Key(_, ty) | Bound::Agg(_, ty) => {
                *ty
            }
            Bound::Cast(_, ty) => *ty,
            Bound::Tbname => TBNAME,
            Bound::Arithmetic(_, left, right) => match (left.ty().kind, right.ty().kind) {
                (Kind::Timestamp, _) | (_, Kind::Timestamp) => Type::fixed(Kind::Timestamp),
                _ => Type::fixed(Kind::Double),
            },
            _ => Type::fixed(Kind::Bool),
        }
    }

    /// True when the value can change from row to row of one table.
    pub fn by_row(&self) -> bool {
        match self {
            Bound::Const(..) | Bound::Tag(..) | Bound::Tbname => false,
            Bound::Column(..) | Bound::Key(..) | Bound::Agg(..) => true,
            Bound::Cast(inner, _)
            | Bound::Not(inner)
            | Bound::In(inner, _)
            | Bound::Like(inner, _)
            | Bound::IsNull(inner) => inner.by_row(),
            Bound::And(a, b) | Bound::Or(a, b) | Bound::Compare(_, a, b) | Bound::Arithmetic(_, a, b) => {
                a.by_row() || b.by_row()
            }
        }
    }

    /// The value for a row.
    pub fn eval<'a>(&'a self, row: Row<'a>) -> Value<'a> {
        match self {
            Bound::Const(value, _) => value.as_ref(),
            Bound::Column(at, _) => match row {
                Row::Table(part, index) => part.rows.column(*at).get(index),
                Row::Group(..) => Value::Null,
            },
            Bound::Tag(at, _) => match row {
                Row::Table(part, _) => part.tags.get(*at).map_or(Value::Null, Value::as_ref),
                Row::Group(..) => Value::Null,
            },
            Bound::Tbname => match row {
                Row::Table(part, _) => Value::Bytes(Cow::Borrowed(part.name.as_bytes())),
                Row::Group(..) => Value::Null,
            },
            Bound::Key(at, _) => match row {
                Row::Group(keys, _) => keys.get(*at).map_or(Value::Null, Value::as_ref),
                Row::Table(..) => Value::Null,
            },
            Bound::Agg(at, _) => match row {
                Row::Group(_, aggs) => aggs.get(*at).map_or(Value::Null, Value::as_ref),
                Row::Table(..) => Value::Null,
            },
            Bound::Cast(inner, ty) => cast(inner.eval(row), *ty),
            Bound::Arithmetic(op, a, b) => arithmetic(*op, &a.eval(row), &b.eval(row)),
            _ => self.truth(row).map_or(Value::Null, Value::Bool),
        }
    }

    /// The truth of a condition; `None` is unknown (NULL).
    pub fn truth(&self, row: Row<'_>) -> Option<bool> {
        match self {
            Bound::Not(inner) => inner.truth(row).map(|t| !t),
            Bound::And(a, b) => match (a.truth(row), b.truth(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Bound::Or(a, b) => match (a.truth(row), b.truth(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Bound::Compare(op, a, b) => compare(*op, &a.eval(row), &b.eval(row)),
            Bound::In(inner, list) => {
                let value = inner.eval(row);
                if value.is_null() {
                    return None;
                }
                Some(list.iter().any(|item| value.compare(item) == Some(Ordering::Equal)))
            }
            Bound::Like(inner, pattern) => match inner.eval(row) {
                Value::Bytes(text) => Some(like(&text, pattern)),
                _ => None,
            },
            Bound::IsNull(inner) => Some(inner.eval(row).is_null()),
            other => match other.eval(row) {
                Value::Bool(b) => Some(b),
                value => value.integer().map(|i| i != 0),
            },
        }
    }
}

fn compare(op: Compare, a: &Value<'_>, b: &Value<'_>) -> Option<bool> {
    // NaN is unequal to everything, and neither smaller nor greater.
    let unordered = |v: &Value<'_>| v.double().is_some_and(f64::is_nan);
    if !a.is_null() && !b.is_null() && (unordered(a) || unordered(b)) {
        return Some(op == Compare::Ne);
    }
    let order = a.compare(b)?;
    Some(match op {
        Compare::Eq => order == Ordering::Equal,
        Compare::Ne => order != Ordering::Equal,
        Compare::Lt => order == Ordering::Less,
        Compare::Le => order != Ordering::Greater,
        Compare::Gt => order == Ordering::Greater,
        Compare::Ge => order != Ordering::Less,
    })
}

fn arithmetic(op: char, a: &Value<'_>, b: &Value<'_>) -> Value<'static> {
    if let (Value::Time(_), Some(x), Some(y)) | (_, Some(x), Some(y)) = (a, a.integer(), b.integer())
        && (matches!(a, Value::Time(_)) || matches!(b, Value::Time(_)))
    {
        let total = if op == '-' { x - y } else { x + y };
        return i64::try_from(total).map_or(Value::Null, Value::Time);
    }
    let (Some(x), Some(y)) = (a.double(), b.double()) else { return Value::Null };
    let result = match op {
        '+' => x + y,
        '-' => x - y,
        '*' => x * y,
        '/' => x / y,
        _ => x % y,
    };
    if result.is_finite() { Value::Double(result) } else { Value::Null }
}

/// CAST: what does not convert becomes 0 or is cut, as on the server.
fn cast(value: Value<'_>, ty: Type) -> Value<'static> {
    if value.is_null() {
        return Value::Null;
    }
    if ty.width().is_none() {
        let mut bytes = text(&value);
        let limit = ty.len as usize;
        if ty.kind == Kind::NChar {
            bytes = String::from_utf8_lossy(&bytes).chars().take(limit).collect::<String>().into_bytes();
        } else {
            bytes.truncate(limit);
        }
        return Value::Bytes(Cow::Owned(bytes));
    }
    let parsed = match &value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::trim).unwrap_or("").to_string(),
        _ => String::new(),
    };
    let double = value.double().or_else(|| parsed.parse().ok()).unwrap_or(0.0);
    let whole = value.integer().or_else(|| parsed.parse().ok()).unwrap_or(double as i128);
    match ty.kind {
        Kind::Bool => Value::Bool(parsed.eq_ignore_ascii_case("true") || double != 0.0),
        Kind::Float => Value::Float(double as f32),
        Kind::Double => Value::Double(double),
        Kind::Timestamp => Value::Time(whole as i64),
        Kind::TinyInt => Value::Int(i64::from(whole as i8)),
        Kind::SmallInt => Value::Int(i64::from(whole as i16)),
        Kind::Int => Value::Int(i64::from(whole as i32)),
        Kind::UTinyInt => Value::UInt(u64::from(whole as u8)),
        Kind::USmallInt => Value::UInt(u64::from(whole as u16)),
        Kind::UInt => Value::UInt(u64::from(whole as u32)),
        Kind::UBigInt => Value::UInt(whole as u64),
        Kind::Decimal | Kind::Decimal64 => {
            let digits = String::from_utf8_lossy(&text(&value)).into_owned();
            parse_decimal(&digits, ty.precision, ty.scale).map_or(Value::Null, |d| Value::Decimal(d, ty.scale))
        }
        _ => Value::Int(whole as i64),
    }
}

/// A value as text, as CAST and `ins_tags` print it.
pub fn text(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(b) => b.to_string().into_bytes(),
        Value::Float(f) => f.to_string().into_bytes(),
        Value::Double(d) => d.to_string().into_bytes(),
        Value::Decimal(d, scale) => decimal_text(*d, *scale).into_bytes(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Int(_) | Value::UInt(_) | Value::Time(_) => value.integer().unwrap_or(0).to_string().into_bytes(),
    }
}

/// LIKE: `%` any run, `_` one character, a backslash takes both for themselves. Case matters.
pub fn like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let (literal, step) = match pattern.get(p) {
            Some(b'\\') if p + 1 < pattern.len() => (Some(pattern[p + 1]), 2),
            Some(b'%') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'_') => (None, 1),
            Some(byte) => (Some(*byte), 1),
            None => (Some(0), 0),
        };
        if step > 0 && literal.is_none_or(|byte| byte == text[t]) {
            p += step;
            t += if literal.is_none() { char_len(text[t]) } else { 1 };
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|byte| *byte == b'%')
}

fn char_len(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_wildcards() {
        for (text, pattern, expected) in [
            ("California.SanJose", "Calif%", true),
            ("California.SanJose", "%San%", true),
            ("abc", "a_c", true),
            ("aäc", "a_c", true),
            ("abc", "a_", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("", "%", true),
            ("", "_", false),
            ("mississippi", "%iss%ippi", true),
            ("mississippi", "%iss%ippo", false),
        ] {
            assert_eq!(like(text.as_bytes(), pattern.as_bytes()), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn conditions_have_three_values() {
        let null = || Box::new(Bound::Const(Value::Null, Type::fixed(Kind::Bool)));
        let yes = || Box::new(Bound::Const(Value::Bool(true), Type::fixed(Kind::Bool)));
        let row = Row::Group(&[], &[]);
        assert_eq!(Bound::And(null(), yes()).truth(row), None);
        assert_eq!(Bound::Or(null(), yes()).truth(row), Some(true));
        assert_eq!(Bound::Not(null()).truth(row), None);
        assert_eq!(Bound::IsNull(null()).truth(row), Some(true));
        assert_eq!(Bound::Compare(Compare::Ne, null(), yes()).truth(row), None);
    }
}
