//! Expressions as they are written.

use super::cursor::Cursor;
use super::lexer::Kind;
use crate::starrocks::types::{STRING, Type};
use crate::starrocks::value::{self, Value};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Column(String),
    Literal(Value<'static>, Type),
    /// `@@name`
    Variable(String),
    Call {
        name: String,
        args: Vec<Expr>,
        distinct: bool,
        star: bool,
    },
    Not(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `IS NULL`
    IsNull(Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Like(Box<Expr>, Box<Expr>),
    Cast(Box<Expr>, Type),
    /// Pairs of condition and value, then the value of ELSE.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    Array(Vec<Expr>),
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Or,
    And,
    Equal,
    NullSafe,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

/// Deepest nesting, so that a hostile statement cannot exhaust the stack.
const DEEPEST: usize = 200;

/// One expression.
pub fn expression(cursor: &mut Cursor<'_>) -> Result<Expr, String> {
    Parser { cursor, depth: 0 }.or()
}

struct Parser<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    depth: usize,
}

fn both(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary(op, Box::new(left), Box::new(right))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Call { name: name.to_string(), args, distinct: false, star: false }
}

fn text(text: &str) -> Expr {
    Expr::Literal(Value::text(text), Type::Varchar(STRING))
}

impl Parser<'_, '_> {
    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the expression is nested too deeply".to_string());
        }
        let mut left = self.and()?;
        while self.cursor.eat(&["OR"]) || self.cursor.eat(&["||"]) {
            left = both(Op::Or, left, self.and()?);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        while self.cursor.eat(&["AND"]) || self.cursor.eat(&["&&"]) {
            left = both(Op::And, left, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut turned = false;
        while self.cursor.eat(&["NOT"]) || self.cursor.eat(&["!"]) {
            turned = !turned;
        }
        let inner = self.comparison()?;
        Ok(if turned { Expr::Not(Box::new(inner)) } else { inner })
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            const OPS: [(&str, Op); 8] = [
                ("=", Op::Equal),
                ("<=>", Op::NullSafe),
                ("<>", Op::Unequal),
                ("!=", Op::Unequal),
                ("<=", Op::AtMost),
                ("<", Op::Less),
                (">=", Op::AtLeast),
                (">", Op::Greater),
            ];
            if let Some((mark, op)) = OPS.iter().find(|(mark, _)| self.cursor.is(&[mark])) {
                self.cursor.expect(&[mark])?;
                left = both(*op, left, self.sum()?);
                continue;
            }
            if self.cursor.eat(&["IS"]) {
                let turned = self.cursor.eat(&["NOT"]);
                self.cursor.expect(&["NULL"])?;
                left = turn(turned, Expr::IsNull(Box::new(left)));
                continue;
            }
            let turned = self.cursor.is(&["NOT"]) && !self.cursor.is(&["NOT", "NULL"]) && self.cursor.eat(&["NOT"]);
            if self.cursor.eat(&["IN"]) {
                left = turn(turned, Expr::In(Box::new(left), self.list()?));
            } else if self.cursor.eat(&["LIKE"]) {
                left = turn(turned, Expr::Like(Box::new(left), Box::new(self.sum()?)));
            } else if self.cursor.eat(&["BETWEEN"]) {
                let low = self.sum()?;
                self.cursor.expect(&["AND"])?;
                let high = self.sum()?;
                let above = both(Op::AtLeast, left.clone(), low);
                left = turn(turned, both(Op::And, above, both(Op::AtMost, left, high)));
            } else if turned {
                return Err(self.cursor.error("IN, LIKE or BETWEEN"));
            } else {
                return Ok(left);
            }
        }
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let op = match () {
                () if self.cursor.eat(&["+"]) => Op::Plus,
                () if self.cursor.eat(&["-"]) => Op::Minus,
                () => return Ok(left),
            };
            if self.cursor.eat(&["INTERVAL"]) {
                let n = self.product()?;
                let unit = self.cursor.name()?;
                let name = if op == Op::Plus { "date_add" } else { "date_sub" };
                left = call(name, vec![left, n, text(&unit)]);
            } else {
                left = both(op, left, self.product()?);
            }
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let op = match () {
                () if self.cursor.eat(&["*"]) => Op::Times,
                () if self.cursor.eat(&["/"]) => Op::Divide,
                () if self.cursor.eat(&["%"]) || self.cursor.eat(&["MOD"]) => Op::Modulo,
                () => return Ok(left),
            };
            left = both(op, left, self.unary()?);
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.cursor.eat(&["-"]) {
            return Ok(match self.primary()? {
                Expr::Literal(Value::Int(n), ty) => Expr::Literal(Value::Int(-n), ty),
                Expr::Literal(Value::Float(f), ty) => Expr::Literal(Value::Float(-f), ty),
                other => both(Op::Minus, Expr::Literal(Value::Int(0), Type::TinyInt), other),
            });
        }
        self.cursor.eat(&["+"]);
        self.primary()
    }

    fn list(&mut self) -> Result<Vec<Expr>, String> {
        self.cursor.expect(&["("])?;
        let mut out = vec![self.or()?];
        while self.cursor.eat(&[","]) {
            out.push(self.or()?);
        }
        self.cursor.expect(&[")"])?;
        Ok(out)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        match self.cursor.peek().clone() {
            Kind::Number(digits) => {
                self.cursor.take();
                number(&digits)
            }
            Kind::Text(bytes) => {
                self.cursor.take();
                Ok(Expr::Literal(Value::Bytes(bytes.into()), Type::Varchar(STRING)))
            }
            Kind::Mark("(") => {
                self.cursor.take();
                let inner = self.or()?;
                self.cursor.expect(&[")"])?;
                Ok(inner)
            }
            Kind::Mark("[") => {
                self.cursor.take();
                let mut items = Vec::new();
                while !self.cursor.eat(&["]"]) {
                    items.push(self.or()?);
                    if !self.cursor.eat(&[","]) {
                        self.cursor.expect(&["]"])?;
                        break;
                    }
                }
                Ok(Expr::Array(items))
            }
            Kind::Mark("@") => {
                self.cursor.take();
                self.cursor.eat(&["@"]);
                let mut name = self.cursor.name()?;
                if self.cursor.eat(&["."]) {
                    name = self.cursor.name()?;
                }
                Ok(Expr::Variable(name))
            }
            Kind::Word(word) => self.word(&word.to_ascii_lowercase()),
            Kind::Name(_) => self.column(),
            _ => Err(self.cursor.error("an expression")),
        }
    }

    fn column(&mut self) -> Result<Expr, String> {
        Ok(Expr::Column(self.cursor.qualified()?.name))
    }

    fn word(&mut self, word: &str) -> Result<Expr, String> {
        let literal = |value, ty| Ok(Expr::Literal(value, ty));
        let is_call = *self.cursor.ahead(1) == Kind::Mark("(");
        match word {
            "null" => {
                self.cursor.take();
                literal(Value::Null, Type::Varchar(STRING))
            }
            "true" | "false" => {
                self.cursor.take();
                literal(Value::Int(i128::from(word == "true")), Type::Boolean)
            }
            // `DATE '2025-01-01'`
            "date" | "datetime" | "timestamp" if matches!(self.cursor.ahead(1), Kind::Text(_)) => {
                self.cursor.take();
                let ty = if word == "date" { Type::Date } else { Type::DateTime };
                let text = self.cursor.string()?;
                let value = value::parse(&ty, text.as_bytes()).map_err(|_| format!("Invalid date literal {text}"))?;
                literal(value.owned(), ty)
            }
            "cast" if is_call => {
                self.cursor.take();
                self.cursor.take();
                let inner = self.or()?;
                self.cursor.expect(&["AS"])?;
                let ty = if self.cursor.eat(&["SIGNED"]) { Type::BigInt } else { self.cursor.ty()? };
                self.cursor.expect(&[")"])?;
                Ok(Expr::Cast(Box::new(inner), ty))
            }
            "case" => self.case(),
            "array" if *self.cursor.ahead(1) == Kind::Mark("[") => {
                self.cursor.take();
                self.primary()
            }
            _ if is_call => self.call(),
            "current_timestamp" | "localtime" | "localtimestamp" => {
                self.cursor.take();
                Ok(call("now", Vec::new()))
            }
            "current_date" => {
                self.cursor.take();
                Ok(call("curdate", Vec::new()))
            }
            _ => self.column(),
        }
    }

    fn call(&mut self) -> Result<Expr, String> {
        let name = self.cursor.name()?.to_ascii_lowercase();
        self.cursor.expect(&["("])?;
        let star = self.cursor.eat(&["*"]);
        let distinct = self.cursor.eat(&["DISTINCT"]);
        let mut args = Vec::new();
        while !self.cursor.is(&[")"]) && !star {
            if self.cursor.eat(&["INTERVAL"]) {
                args.push(self.or()?);
                args.push(text(&self.cursor.name()?));
            } else {
                args.push(self.or()?);
            }
            if !self.cursor.eat(&[","]) {
                break;
            }
        }
        self.cursor.expect(&[")"])?;
        Ok(Expr::Call { name, args, distinct, star })
    }

    fn case(&mut self) -> Result<Expr, String> {
        self.cursor.expect(&["CASE"])?;
        let operand = if self.cursor.is(&["WHEN"]) { None } else { Some(self.or()?) };
        let mut arms = Vec::new();
        while self.cursor.eat(&["WHEN"]) {
            let when = self.or()?;
            let when = match &operand {
                Some(operand) => both(Op::Equal, operand.clone(), when),
                None => when,
            };
            self.cursor.expect(&["THEN"])?;
            arms.push((when, self.or()?));
        }
        let other = if self.cursor.eat(&["ELSE"]) { Some(Box::new(self.or()?)) } else { None };
        self.cursor.expect(&["END"])?;
        Ok(Expr::Case(arms, other))
    }
}

fn turn(turned: bool, inner: Expr) -> Expr {
    if turned { Expr::Not(Box::new(inner)) } else { inner }
}

/// Whole numbers are the smallest type from TINYINT that holds them, others decimals or, with an exponent, doubles.
fn number(digits: &str) -> Result<Expr, String> {
    let bad = || format!("Invalid number {digits}");
    if !digits.contains(['.', 'e', 'E']) {
        let n: i128 = digits.parse().map_err(|_| bad())?;
        let types = [Type::TinyInt, Type::SmallInt, Type::Int, Type::BigInt];
        let fits = |ty: &Type| ty.bounds().is_some_and(|(_, high)| n <= high);
        return Ok(Expr::Literal(Value::Int(n), types.into_iter().find(fits).unwrap_or(Type::LargeInt)));
    }
    if !digits.contains(['e', 'E']) && digits.len() <= 38 {
        let scale = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as u8;
        if let Some(n) = value::decimal(digits.as_bytes(), 38, scale) {
            return Ok(Expr::Literal(Value::Int(n), Type::Decimal(digits.len() as u8 - 1, scale)));
        }
    }
    Ok(Expr::Literal(Value::Float(digits.parse().map_err(|_| bad())?), Type::Double))
}
