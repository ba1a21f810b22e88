//! Reads tokens one after the other.

use super::lexer::{Kind, Token, tokens};
use crate::starrocks::types::{LONGEST, STRING, Type};

/// A place in a statement.
pub struct Cursor<'a> {
    pub text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

/// A name with or without a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualified {
    pub database: Option<String>,
    pub name: String,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Result<Cursor<'a>, String> {
        Ok(Cursor { text, tokens: tokens(text)?, at: 0 })
    }

    /// The next token, which stays.
    pub fn peek(&self) -> &Kind {
        self.ahead(0)
    }

    /// The token `n` further.
    pub fn ahead(&self, n: usize) -> &Kind {
        self.tokens.get(self.at + n).map_or(&Kind::End, |t| &t.kind)
    }

    /// Takes the next token.
    pub fn take(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len());
        kind
    }

    /// Byte offset of the next token.
    pub fn here(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |t| t.start)
    }

    /// The text from an offset to the end of the last token taken.
    pub fn since(&self, start: usize) -> &'a str {
        let end = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(start, |t| t.end);
        self.text.get(start..end).unwrap_or_default()
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.here()..).unwrap_or_default()
    }

    /// Whether the next tokens are these words (or marks).
    pub fn is(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| match self.ahead(n) {
            Kind::Word(w) => w.eq_ignore_ascii_case(word),
            Kind::Mark(m) => m == word,
            _ => false,
        })
    }

    /// Takes these words if they are next.
    pub fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.is(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// These words must be next.
    pub fn expect(&mut self, words: &[&str]) -> Result<(), String> {
        if self.eat(words) { Ok(()) } else { Err(self.error(&words.join(" "))) }
    }

    /// A syntax error: what is next is not what was expected.
    pub fn error(&self, expected: &str) -> String {
        let here = self.here();
        let line = self.text.get(..here).unwrap_or_default().matches('\n').count() + 1;
        let column = here - self.text.get(..here).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
        let near: String = self.rest().chars().take(30).collect();
        format!(
            "Getting syntax error at line {line}, column {column}. Detail message: Unexpected input '{near}', the most similar input is {{{expected}}}."
        )
    }

    /// A name: a bare word, a backquoted one.
    pub fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Kind::Word(_) | Kind::Name(_) => match self.take() {
                Kind::Word(name) | Kind::Name(name) => Ok(name),
                _ => Err(self.error("a name")),
            },
            _ => Err(self.error("a name")),
        }
    }

    /// `[catalog.][db.]name`.
    pub fn qualified(&mut self) -> Result<Qualified, String> {
        let mut parts = vec![self.name()?];
        while self.eat(&["."]) {
            parts.push(self.name()?);
        }
        let name = parts.pop().unwrap_or_default();
        Ok(Qualified { database: parts.pop(), name })
    }

    /// `(a, b, …)`.
    pub fn names(&mut self) -> Result<Vec<String>, String> {
        self.expect(&["("])?;
        let mut names = vec![self.name()?];
        while self.eat(&[","]) {
            names.push(self.name()?);
        }
        self.expect(&[")"])?;
        Ok(names)
    }

    /// A quoted text.
    pub fn string(&mut self) -> Result<String, String> {
        match self.peek() {
            Kind::Text(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.error("a string")),
        }
    }

    /// A whole number.
    pub fn integer<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let parsed = match self.peek() {
            Kind::Number(n) => n.parse().ok(),
            _ => None,
        };
        let n = parsed.ok_or_else(|| self.error("an integer"))?;
        self.at += 1;
        Ok(n)
    }

    /// A semicolon may follow, then nothing.
    pub fn end(&mut self) -> Result<(), String> {
        while self.eat(&[";"]) {}
        if *self.peek() == Kind::End { Ok(()) } else { Err(self.error("the end")) }
    }

    /// `("key" = "value", …)`.
    pub fn properties(&mut self) -> Result<Vec<(String, String)>, String> {
        self.expect(&["("])?;
        let mut out = Vec::new();
        while !self.eat(&[")"]) {
            let key = match self.peek() {
                Kind::Text(_) => self.string()?,
                _ => self.name()?,
            };
            self.expect(&["="])?;
            let value = match self.take() {
                Kind::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                Kind::Number(text) | Kind::Word(text) => text,
                _ => return Err(self.error("a value")),
            };
            out.push((key, value));
            if !self.eat(&[","]) {
                self.expect(&[")"])?;
                break;
            }
        }
        Ok(out)
    }

    fn number_in_parens<T: std::str::FromStr>(&mut self) -> Result<Option<T>, String> {
        if !self.eat(&["("]) {
            return Ok(None);
        }
        let n = self.integer()?;
        self.expect(&[")"])?;
        Ok(Some(n))
    }

    /// A column's type.
    pub fn ty(&mut self) -> Result<Type, String> {
        let start = self.at;
        let name = self.name()?.to_ascii_lowercase();
        let ty = match name.as_str() {
            "boolean" | "bool" => Type::Boolean,
            "tinyint" | "smallint" | "int" | "integer" | "bigint" | "largeint" => {
                let width: Option<u32> = self.number_in_parens()?;
                match name.as_str() {
                    // BOOLEAN reads back as TINYINT(1) in MySQL's words.
                    "tinyint" if width == Some(1) => Type::Boolean,
                    "tinyint" => Type::TinyInt,
                    "smallint" => Type::SmallInt,
                    "int" | "integer" => Type::Int,
                    "bigint" => Type::BigInt,
                    _ => Type::LargeInt,
                }
            }
            "float" => Type::Float,
            "double" => Type::Double,
            "decimal" | "decimalv2" | "decimal32" | "decimal64" | "decimal128" | "numeric" => self.decimal()?,
            "date" => Type::Date,
            "datetime" => Type::DateTime,
            "char" => Type::Char(self.number_in_parens()?.unwrap_or(1)),
            "varchar" if self.eat(&["(", "*", ")"]) => Type::Varchar(LONGEST),
            "varchar" => Type::Varchar(self.number_in_parens()?.unwrap_or(STRING)),
            "string" | "text" => Type::Varchar(STRING),
            "varbinary" | "binary" => Type::VarBinary(self.number_in_parens()?.unwrap_or(LONGEST)),
            "json" => Type::Json,
            "bitmap" => Type::Bitmap,
            "hll" => Type::Hll,
            "percentile" => Type::Percentile,
            "array" => {
                self.expect(&["<"])?;
                let inner = self.ty()?;
                self.expect(&[">"])?;
                Type::Array(Box::new(inner))
            }
            "map" => {
                self.expect(&["<"])?;
                let key = self.ty()?;
                self.expect(&[","])?;
                let value = self.ty()?;
                self.expect(&[">"])?;
                Type::Map(Box::new(key), Box::new(value))
            }
            "struct" => {
                self.expect(&["<"])?;
                let mut fields = Vec::new();
                loop {
                    let name = self.name()?;
                    self.eat(&[":"]);
                    fields.push((name, self.ty()?));
                    if !self.eat(&[","]) {
                        break;
                    }
                }
                self.expect(&[">"])?;
                Type::Struct(fields)
            }
            _ => {
                self.at = start;
                return Err(self.error("a type"));
            }
        };
        Ok(ty)
    }

    fn decimal(&mut self) -> Result<Type, String> {
        if !self.eat(&["("]) {
            return Ok(Type::Decimal(10, 0));
        }
        let precision: u8 = self.integer()?;
        let scale: u8 = if self.eat(&[","]) { self.integer()? } else { 0 };
        self.expect(&[")"])?;
        if precision == 0 || precision > 38 || scale > precision {
            return Err(format!(
                "Decimal's precision must be 1..38 and its scale not above it: ({precision}, {scale})"
            ));
        }
        Ok(Type::Decimal(precision, scale))
    }
}
