//! Expressions bound to columns, and their values.

use std::borrow::Cow;

use super::functions::{self, Function};
use super::session::Session;
use crate::starrocks::sql::expr::{Expr, Op};
use crate::starrocks::types::{STRING, Type};
use crate::starrocks::value::{self, Value};

/// A bound expression with the type of its values.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub ty: Type,
}

/// What it does.
#[derive(Debug, Clone)]
pub enum Kind {
    Column(usize),
    Constant(Value<'static>),
    Call(Function, Vec<Node>),
    Not(Box<Node>),
    Binary(Op, Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    In(Box<Node>, Vec<Node>),
    Like(Box<Node>, Box<Node>),
    Cast(Box<Node>),
    Case(Vec<(Node, Node)>, Option<Box<Node>>),
    Array(Vec<Node>),
}

/// The columns that an expression can name.
pub struct Scope<'a> {
    pub columns: &'a [(String, Type)],
    pub session: &'a Session,
}

const TEXT: Type = Type::Varchar(STRING);

impl Scope<'_> {
    /// Binds names and operators; the error is the message for the client.
    pub fn bind(&self, expr: &Expr) -> Result<Node, String> {
        let (kind, ty) = match expr {
            Expr::Column(name) => {
                let at = self.columns.iter().position(|(column, _)| column.eq_ignore_ascii_case(name));
                let at = at.ok_or_else(|| format!("Column '{name}' cannot be resolved."))?;
                (Kind::Column(at), self.columns[at].1.clone())
            }
            Expr::Literal(value, ty) => (Kind::Constant(value.clone()), ty.clone()),
            Expr::Variable(name) => (Kind::Constant(Value::text(&self.session.variable(name))), TEXT),
            Expr::Not(inner) => (Kind::Not(Box::new(self.bind(inner)?)), Type::Boolean),
            Expr::IsNull(inner) => (Kind::IsNull(Box::new(self.bind(inner)?)), Type::Boolean),
            Expr::Binary(op, left, right) => return self.binary(*op, left, right),
            Expr::In(of, items) => {
                let of = self.bind(of)?;
                let items =
                    items.iter().map(|item| Ok(alike(self.bind(item)?, &of.ty))).collect::<Result<_, String>>()?;
                (Kind::In(Box::new(of), items), Type::Boolean)
            }
            Expr::Like(of, pattern) => {
                (Kind::Like(Box::new(self.bind(of)?), Box::new(self.bind(pattern)?)), Type::Boolean)
            }
            Expr::Cast(inner, ty) => (Kind::Cast(Box::new(self.bind(inner)?)), ty.clone()),
            Expr::Case(arms, other) => {
                let arms: Vec<(Node, Node)> = arms
                    .iter()
                    .map(|(when, then)| Ok((self.bind(when)?, self.bind(then)?)))
                    .collect::<Result<_, String>>()?;
                let other = other.as_ref().map(|e| self.bind(e).map(Box::new)).transpose()?;
                let ty = arms.first().map_or(TEXT, |(_, then)| then.ty.clone());
                (Kind::Case(arms, other), ty)
            }
            Expr::Array(items) => {
                let items: Vec<Node> = items.iter().map(|item| self.bind(item)).collect::<Result<_, String>>()?;
                let inner = items.first().map_or(TEXT, |item| item.ty.clone());
                (Kind::Array(items), Type::Array(Box::new(inner)))
            }
            Expr::Call { name, args, .. } => {
                if let Some(value) = self.session.constant(name) {
                    return Ok(Node {
                        kind: Kind::Constant(value),
                        ty: if name == "connection_id" { Type::BigInt } else { TEXT },
                    });
                }
                let args: Vec<Node> = args.iter().map(|arg| self.bind(arg)).collect::<Result<_, String>>()?;
                let (function, ty) = functions::find(name, &args, self.session.server.version)?;
                (Kind::Call(function, args), ty)
            }
        };
        Ok(Node { kind, ty })
    }

    fn binary(&self, op: Op, left: &Expr, right: &Expr) -> Result<Node, String> {
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        let is_float = |n: &Node| matches!(n.ty, Type::Float | Type::Double) || n.ty.is_bytes();
        let ty = match op {
            Op::Plus | Op::Minus | Op::Times | Op::Modulo => match (&left.ty, &right.ty) {
                _ if is_float(&left) || is_float(&right) => Type::Double,
                (Type::Decimal(_, a), Type::Decimal(_, b)) => {
                    Type::Decimal(38, if op == Op::Times { a + b } else { *a.max(b) })
                }
                (Type::Decimal(_, s), _) | (_, Type::Decimal(_, s)) => Type::Decimal(38, *s),
                (Type::LargeInt, _) | (_, Type::LargeInt) => Type::LargeInt,
                _ => Type::BigInt,
            },
            Op::Divide => Type::Double,
            _ => Type::Boolean,
        };
        let (right_ty, left_ty) = (right.ty.clone(), left.ty.clone());
        let (left, right) = if ty == Type::Boolean && !matches!(op, Op::And | Op::Or) {
            (alike(left, &right_ty), alike(right, &left_ty))
        } else {
            (left, right)
        };
        Ok(Node { kind: Kind::Binary(op, Box::new(left), Box::new(right)), ty })
    }
}

/// A text that is compared with a date or number is read as one.
fn alike(node: Node, other: &Type) -> Node {
    match &node.kind {
        Kind::Constant(Value::Bytes(text)) if !other.is_bytes() => {
            // A time of day makes a DATE a DATETIME.
            let ty = if *other == Type::Date { &Type::DateTime } else { other };
            let ty = if ty.bounds().is_some() { &Type::Double } else { ty };
            let value = value::parse(ty, text).map_or(Value::Null, Value::owned);
            Node { kind: Kind::Constant(value), ty: ty.clone() }
        }
        _ => node,
    }
}

impl Node {
    /// A bare column.
    pub fn column(&self) -> Option<usize> {
        if let Kind::Column(at) = self.kind { Some(at) } else { None }
    }

    /// The value for a row, whose columns `get` gives.
    pub fn eval<'v>(&'v self, get: &dyn Fn(usize) -> Value<'v>) -> Result<Value<'v>, String> {
        Ok(match &self.kind {
            Kind::Column(at) => get(*at),
            Kind::Constant(value) => borrowed(value),
            Kind::Not(inner) => match truth(&inner.eval(get)?) {
                None => Value::Null,
                Some(is) => Value::Int(i128::from(!is)),
            },
            Kind::IsNull(inner) => Value::Int(i128::from(matches!(inner.eval(get)?, Value::Null))),
            Kind::Binary(Op::And, left, right) => match truth(&left.eval(get)?) {
                Some(false) => Value::Int(0),
                left => both(left, truth(&right.eval(get)?), false),
            },
            Kind::Binary(Op::Or, left, right) => match truth(&left.eval(get)?) {
                Some(true) => Value::Int(1),
                left => both(left, truth(&right.eval(get)?), true),
            },
            Kind::Binary(op, left, right) => {
                let (a, b) = (left.eval(get)?, right.eval(get)?);
                match compared(*op) {
                    true => compare(*op, &a, &left.ty, &b, &right.ty),
                    false => arithmetic(*op, &a, &left.ty, &b, &right.ty, &self.ty),
                }
            }
            Kind::In(of, items) => {
                let value = of.eval(get)?;
                let mut unknown = matches!(value, Value::Null);
                for item in items {
                    match compare(Op::Equal, &value, &of.ty, &item.eval(get)?, &item.ty) {
                        Value::Null => unknown = true,
                        Value::Int(1) => return Ok(Value::Int(1)),
                        _ => {}
                    }
                }
                if unknown { Value::Null } else { Value::Int(0) }
            }
            Kind::Like(of, pattern) => match (of.eval(get)?, pattern.eval(get)?) {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (value, Value::Bytes(pattern)) => {
                    Value::Int(i128::from(like(&pattern, &value.show(&of.ty).unwrap_or_default())))
                }
                _ => Value::Int(0),
            },
            Kind::Cast(inner) => cast(inner.eval(get)?, &inner.ty, &self.ty),
            Kind::Case(arms, other) => {
                for (when, then) in arms {
                    if truth(&when.eval(get)?) == Some(true) {
                        return then.eval(get);
                    }
                }
                match other {
                    Some(other) => other.eval(get)?,
                    None => Value::Null,
                }
            }
            Kind::Array(items) => {
                let mut out = vec![b'['];
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    let value = item.eval(get)?;
                    functions::json_text(&value, &item.ty, &mut out);
                }
                out.push(b']');
                Value::Bytes(Cow::Owned(out))
            }
            Kind::Call(function, args) => {
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push((arg.eval(get)?, &arg.ty));
                }
                function.run(values)?
            }
        })
    }

    /// Whether a row passes this as a condition.
    pub fn accepts<'v>(&'v self, get: &dyn Fn(usize) -> Value<'v>) -> Result<bool, String> {
        Ok(truth(&self.eval(get)?) == Some(true))
    }
}

fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        Value::Int(n) => Value::Int(*n),
        Value::Float(f) => Value::Float(*f),
        Value::Null => Value::Null,
    }
}

/// True, false or unknown.
pub fn truth(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Int(n) => Some(*n != 0),
        Value::Float(f) => Some(*f != 0.0),
        Value::Bytes(b) => Some(!b.is_empty() && &**b != b"0"),
    }
}

fn both(left: Option<bool>, right: Option<bool>, decides: bool) -> Value<'static> {
    match (left, right) {
        (Some(a), _) | (_, Some(a)) if a == decides => Value::Int(i128::from(decides)),
        (None, _) | (_, None) => Value::Null,
        _ => Value::Int(i128::from(!decides)),
    }
}

fn compared(op: Op) -> bool {
    matches!(op, Op::Equal | Op::NullSafe | Op::Unequal | Op::Less | Op::AtMost | Op::Greater | Op::AtLeast)
}

fn compare(op: Op, a: &Value<'_>, a_ty: &Type, b: &Value<'_>, b_ty: &Type) -> Value<'static> {
    use std::cmp::Ordering;
    let nulls = (matches!(a, Value::Null), matches!(b, Value::Null));
    if op == Op::NullSafe && (nulls.0 || nulls.1) {
        return Value::Int(i128::from(nulls.0 && nulls.1));
    }
    if nulls.0 || nulls.1 {
        return Value::Null;
    }
    let order = match (a, b) {
        (Value::Int(x), Value::Int(y)) => match (unit(a_ty), unit(b_ty)) {
            (same, other) if same == other => x.cmp(y),
            (one, other) => (*x as f64 * one).total_cmp(&(*y as f64 * other)),
        },
        (Value::Bytes(x), Value::Bytes(y)) => x.cmp(y),
        _ => match (number(a, a_ty), number(b, b_ty)) {
            (Some(x), Some(y)) => x.partial_cmp(&y).unwrap_or(Ordering::Greater),
            _ => return Value::Null,
        },
    };
    let is = match op {
        Op::Equal | Op::NullSafe => order.is_eq(),
        Op::Unequal => order.is_ne(),
        Op::Less => order.is_lt(),
        Op::AtMost => order.is_le(),
        Op::Greater => order.is_gt(),
        _ => order.is_ge(),
    };
    Value::Int(i128::from(is))
}

/// What one step of an `Int` of this type is worth, among its like (days count as microseconds).
fn unit(ty: &Type) -> f64 {
    match ty {
        Type::Decimal(_, scale) => 10f64.powi(-i32::from(*scale)),
        Type::Date => crate::starrocks::datetime::DAY as f64,
        _ => 1.0,
    }
}

/// A value as a number.
pub fn number(value: &Value<'_>, ty: &Type) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64 * unit(ty)),
        Value::Float(f) => Some(*f),
        Value::Bytes(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        Value::Null => None,
    }
}

fn arithmetic(op: Op, a: &Value<'_>, a_ty: &Type, b: &Value<'_>, b_ty: &Type, ty: &Type) -> Value<'static> {
    let exact = matches!(ty, Type::BigInt | Type::LargeInt)
        || matches!(ty, Type::Decimal(..)) && a_ty == b_ty && matches!(op, Op::Plus | Op::Minus);
    if let (Value::Int(x), Value::Int(y), true) = (a, b, exact) {
        let n = match op {
            Op::Plus => x.checked_add(*y),
            Op::Minus => x.checked_sub(*y),
            Op::Times => x.checked_mul(*y),
            _ => x.checked_rem(*y),
        };
        return n.map_or(Value::Null, Value::Int);
    }
    let (Some(x), Some(y)) = (number(a, a_ty), number(b, b_ty)) else { return Value::Null };
    let result = match op {
        Op::Plus => x + y,
        Op::Minus => x - y,
        Op::Times => x * y,
        Op::Divide if y == 0.0 => return Value::Null,
        Op::Divide => x / y,
        _ => x % y,
    };
    match ty {
        Type::Decimal(_, scale) => Value::Int((result * 10f64.powi((*scale).into())).round() as i128),
        _ => Value::Float(result),
    }
}

/// A value in another type; what does not fit is NULL.
pub fn cast<'v>(value: Value<'v>, from: &Type, to: &Type) -> Value<'v> {
    match (&value, from, to) {
        (Value::Null, ..) => Value::Null,
        (_, from, to) if from == to => value,
        (Value::Bytes(_), from, to) if from.is_bytes() && to.is_bytes() => value,
        (Value::Int(n), Type::Date, Type::DateTime) => Value::Int(n * i128::from(crate::starrocks::datetime::DAY)),
        (Value::Int(n), Type::DateTime, Type::Date) => Value::Int(n.div_euclid(crate::starrocks::datetime::DAY.into())),
        (Value::Int(n), from, to)
            if from.bounds().is_some() && to.bounds().is_some_and(|(low, high)| (low..=high).contains(n)) =>
        {
            value
        }
        (Value::Float(f), _, to) if to.bounds().is_some() => Value::Int(f.trunc() as i128),
        (Value::Int(_), _, Type::Float | Type::Double) => number(&value, from).map_or(Value::Null, Value::Float),
        (Value::Int(n), Type::Decimal(_, scale), to) if to.bounds().is_some() => {
            Value::Int(n / 10i128.pow((*scale).into()))
        }
        _ => {
            let text = value.show(from).unwrap_or_default();
            if to.is_bytes() {
                return Value::Bytes(Cow::Owned(text));
            }
            value::parse(to, text.trim_ascii()).map_or(Value::Null, Value::owned)
        }
    }
}

/// SQL's LIKE: `%` any text, `_` any character, `\` takes the next as it is.
pub fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'%') => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            Some(b'_') if t < text.len() => {
                Some((1, text[t..].iter().skip(1).take_while(|b| **b & 0xC0 == 0x80).count() + 1))
            }
            Some(b'\\') if pattern.get(p + 1) == text.get(t) && t < text.len() => Some((2, 1)),
            Some(byte) if text.get(t) == Some(byte) => Some((1, 1)),
            _ => None,
        };
        match (step, &mut back) {
            (Some((dp, dt)), _) => (p, t) = (p + dp, t + dt),
            (None, Some((bp, bt))) if *bt < text.len() => {
                *bt += 1;
                (p, t) = (*bp, *bt);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns() {
        for (pattern, text, is) in [
            ("p2025%", "p202501", true),
            ("%ab%", "xaab", true),
            ("_", "ä", true),
            ("a\\_", "ab", false),
            ("a", "aa", false),
            ("%", "", true),
        ] {
            assert_eq!(like(pattern.as_bytes(), text.as_bytes()), is, "{pattern} {text}");
        }
    }
}
