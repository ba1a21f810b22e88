//! Names to columns, literals to the types that they are compared with.

use super::super::convert::{self, Literal};
use super::super::sql::ast::{Compare, Expr};
use super::super::sql::error::SqlError;
use super::super::time::{self, Zone};
use super::super::types::{Field, Kind, Type};
use super::super::value::Value;
use super::aggregate::{AggCall, Aggregate};
use super::expr::Bound;
use crate::args::Precision;

/// What the names of a statement can mean.
pub struct Scope<'a> {
    pub columns: &'a [Field],
    pub tags: &'a [Field],
    /// `tbname` exists (super tables and their children; ordinary tables have it too).
    pub tbname: bool,
    pub precision: Precision,
    pub zone: Zone,
    /// What `server_version()` and `database()` answer.
    pub server_version: &'a str,
    pub database: Option<&'a str>,
}

/// What binding needs beside the scope in an aggregated query.
#[derive(Default)]
pub struct Groups {
    pub keys: Vec<Expr>,
    pub bound_keys: Vec<Bound>,
    pub calls: Vec<AggCall>,
}

impl Scope<'_> {
    /// An expression on rows.
    pub fn row(&self, expr: &Expr) -> Result<Bound, SqlError> {
        self.bind(expr, &mut None)
    }

    /// An expression on groups: aggregates are collected, keys recognised, anything else by row refused.
    pub fn group(&self, expr: &Expr, groups: &mut Groups) -> Result<Bound, SqlError> {
        let mut some = Some(std::mem::take(groups));
        let bound = self.bind(expr, &mut some);
        *groups = some.unwrap_or_default();
        bound
    }

    fn bind(&self, expr: &Expr, groups: &mut Option<Groups>) -> Result<Bound, SqlError> {
        if let Some(groups) = groups
            && let Some(at) = groups.keys.iter().position(|key| key == expr)
        {
            return Ok(Bound::Key(at, groups.bound_keys[at].ty()));
        }
        match expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Clock { today } => Ok(Bound::Const(Value::Time(self.clock(*today)), Type::fixed(Kind::Timestamp))),
            Expr::Duration(text) => {
                let units = time::duration(text, self.precision).ok_or_else(|| SqlError::value_type(text))?;
                Ok(Bound::Const(Value::Int(units), Type::fixed(Kind::BigInt)))
            }
            Expr::Column(_) | Expr::Tbname if groups.is_some() => Err(SqlError::not_grouped()),
            Expr::Column(name) => self.column(name),
            Expr::Tbname if self.tbname => Ok(Bound::Tbname),
            Expr::Tbname => Err(SqlError::column("tbname")),
            Expr::Call { name, args } => self.call(name, args, groups),
            Expr::CallStar(name) if name == "count" => self.aggregate(Aggregate::Count, None, groups),
            Expr::CallStar(name) => Err(unknown_function(name)),
            Expr::Cast(inner, ty) => Ok(Bound::Cast(Box::new(self.bind(inner, groups)?), *ty)),
            Expr::Not(inner) => Ok(Bound::Not(Box::new(self.bind(inner, groups)?))),
            Expr::And(a, b) => Ok(Bound::And(Box::new(self.bind(a, groups)?), Box::new(self.bind(b, groups)?))),
            Expr::Or(a, b) => Ok(Bound::Or(Box::new(self.bind(a, groups)?), Box::new(self.bind(b, groups)?))),
            Expr::Compare(op, a, b) => self.compare(*op, a, b, groups),
            Expr::Arithmetic(op, a, b) => {
                let bound = Bound::Arithmetic(*op, Box::new(self.bind(a, groups)?), Box::new(self.bind(b, groups)?));
                Ok(fold(bound))
            }
            Expr::In(inner, list) => {
                let inner = self.bind(inner, groups)?;
                let mut values = Vec::with_capacity(list.len());
                for item in list {
                    match self.bind(item, groups)? {
                        Bound::Const(value, _) => values.push(self.coerce(value, inner.ty())?),
                        _ => return Err(SqlError::value_type("expression in a list")),
                    }
                }
                Ok(Bound::In(Box::new(inner), values))
            }
            Expr::Like(inner, pattern) => Ok(Bound::Like(Box::new(self.bind(inner, groups)?), pattern.clone())),
            Expr::IsNull(inner) => Ok(Bound::IsNull(Box::new(self.bind(inner, groups)?))),
        }
    }

    fn clock(&self, today: bool) -> i64 {
        let now = time::now(self.precision);
        if today { now - now.rem_euclid(86_400 * self.precision.per_second()) } else { now }
    }

    /// A column or a tag by its name; `_c0` and `_rowts` are the time key.
    pub fn column(&self, name: &str) -> Result<Bound, SqlError> {
        if matches!(name, "_c0" | "_rowts")
            && let Some(first) = self.columns.first()
        {
            return Ok(Bound::Column(0, first.ty));
        }
        if let Some(at) = self.columns.iter().position(|f| f.name == name) {
            return Ok(Bound::Column(at, self.columns[at].ty));
        }
        if let Some(at) = self.tags.iter().position(|f| f.name == name) {
            return Ok(Bound::Tag(at, self.tags[at].ty));
        }
        Err(SqlError::column(name))
    }

    fn call(&self, name: &str, args: &[Expr], groups: &mut Option<Groups>) -> Result<Bound, SqlError> {
        let text = |text: &str| Ok(Bound::Const(Value::text(text), Type::var(Kind::VarChar, text.len() as u32)));
        match (name, args) {
            ("server_version", []) => text(self.server_version),
            ("client_version", []) => text(self.server_version),
            ("server_status", []) => Ok(Bound::Const(Value::Int(1), Type::fixed(Kind::Int))),
            ("database", []) => match self.database {
                Some(name) => text(name),
                None => Ok(Bound::Const(Value::Null, Type::var(Kind::VarChar, 1))),
            },
            (_, [argument]) => match Aggregate::parse(name) {
                Some(aggregate) => self.aggregate(aggregate, Some(argument), groups),
                None => Err(unknown_function(name)),
            },
            _ => Err(unknown_function(name)),
        }
    }

    fn aggregate(
        &self,
        aggregate: Aggregate,
        argument: Option<&Expr>,
        groups: &mut Option<Groups>,
    ) -> Result<Bound, SqlError> {
        // An aggregate in WHERE or inside another one.
        let Some(groups) = groups else { return Err(SqlError::new(0x260B, "Not allowed aggregate function")) };
        let argument = argument.map(|a| self.row(a)).transpose()?;
        let call = AggCall::new(aggregate, argument)?;
        let ty = call.ty();
        groups.calls.push(call);
        Ok(Bound::Agg(groups.calls.len() - 1, ty))
    }

    fn compare(&self, op: Compare, a: &Expr, b: &Expr, groups: &mut Option<Groups>) -> Result<Bound, SqlError> {
        let (mut left, mut right) = (self.bind(a, groups)?, self.bind(b, groups)?);
        if let Bound::Const(value, _) = right {
            right = Bound::Const(self.coerce(value, left.ty())?, left.ty());
        } else if let Bound::Const(value, _) = left {
            left = Bound::Const(self.coerce(value, right.ty())?, right.ty());
        }
        Ok(Bound::Compare(op, Box::new(left), Box::new(right)))
    }

    /// A constant as the type that it is compared with; numbers keep theirs, since comparison is exact.
    fn coerce(&self, value: Value<'static>, ty: Type) -> Result<Value<'static>, SqlError> {
        let is_bytes = ty.width().is_none();
        match value {
            Value::Bytes(bytes) if !is_bytes => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let literal = Literal::Text(bytes.into_owned());
                convert::literal(&literal, &Field::new("", ty), self.precision, self.zone)
                    .map_err(|_| SqlError::value_type(&shown))
            }
            Value::Bytes(bytes) if matches!(ty.kind, Kind::VarBinary | Kind::Blob) && bytes.starts_with(b"\\x") => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let decoded = hex::decode(&bytes[2..]).map_err(|_| SqlError::value_type(&shown))?;
                Ok(Value::Bytes(decoded.into()))
            }
            Value::Bytes(_) | Value::Null => Ok(value),
            number if is_bytes => Err(SqlError::value_type(&String::from_utf8_lossy(&super::expr::text(&number)))),
            number => Ok(number),
        }
    }
}

/// Arithmetic on constants is done once, so that `now - 1d` can bound a scan.
fn fold(bound: Bound) -> Bound {
    match &bound {
        Bound::Arithmetic(_, a, b) if matches!((&**a, &**b), (Bound::Const(..), Bound::Const(..))) => {
            let ty = bound.ty();
            let value = bound.eval(super::expr::Row::Group(&[], &[])).into_owned();
            Bound::Const(value, ty)
        }
        _ => bound,
    }
}

fn constant(literal: &Literal) -> Bound {
    let (value, ty) = match literal {
        Literal::Null => (Value::Null, Type::fixed(Kind::Bool)),
        Literal::Bool(b) => (Value::Bool(*b), Type::fixed(Kind::Bool)),
        Literal::Time(time) => (Value::Time(*time), Type::fixed(Kind::Timestamp)),
        Literal::Text(text) => (Value::Bytes(text.clone().into()), Type::var(Kind::VarChar, text.len().max(1) as u32)),
        Literal::Number(digits) => {
            if let Ok(whole) = digits.parse() {
                (Value::Int(whole), Type::fixed(Kind::BigInt))
            } else if let Ok(whole) = digits.parse() {
                (Value::UInt(whole), Type::fixed(Kind::UBigInt))
            } else {
                (Value::Double(digits.parse().unwrap_or(0.0)), Type::fixed(Kind::Double))
            }
        }
    };
    Bound::Const(value, ty)
}

fn unknown_function(name: &str) -> SqlError {
    SqlError::new(0x2800, format!("Invalid function name: {name}"))
}
