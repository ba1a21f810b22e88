//! The expressions of the headers `columns` and `where`: enough SQL for what loads derive and select.

/// An expression over the columns of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Null,
    Int(i128),
    Float(f64),
    Text(Vec<u8>),
    Column(String),
    /// Name in lower case, arguments. Operators are functions too: `+`, `and`, `is null`, …
    Call(String, Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// A name in backquotes.
    Name(String),
    Number(String),
    Text(Vec<u8>),
    Sign(&'static str),
}

const SIGNS: [&str; 16] = ["<=>", "<=", ">=", "!=", "<>", "||", "<", ">", "=", "(", ")", ",", "+", "-", "*", "/"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(out) };
        if first == '`' {
            let (name, after) = rest[1..].split_once('`').ok_or("a backquote is not closed")?;
            out.push(Token::Name(name.to_owned()));
            rest = after;
        } else if first == '\'' || first == '"' {
            let (value, after) = quoted(&rest.as_bytes()[1..], first as u8)?;
            out.push(Token::Text(value));
            // A quote is one byte, so that what follows begins a character.
            rest = std::str::from_utf8(after).map_err(|e| e.to_string())?;
        } else if first.is_ascii_digit() || first == '.' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len());
            out.push(Token::Number(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            out.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            return Err(format!("unexpected '{first}'"));
        }
    }
}

fn quoted(text: &[u8], quote: u8) -> Result<(Vec<u8>, &[u8]), String> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at) {
            None => return Err("a quote is not closed".into()),
            Some(b'\\') => {
                // `\%` and `\_` keep their backslash for LIKE.
                if let Some(b'%' | b'_') = text.get(at + 1) {
                    value.push(b'\\');
                }
                value.push(match text.get(at + 1) {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'0') => 0,
                    Some(byte) => *byte,
                    None => return Err("a quote is not closed".into()),
                });
                at += 2;
            }
            Some(byte) if *byte == quote => {
                if text.get(at + 1) != Some(&quote) {
                    return Ok((value, text.get(at + 1..).unwrap_or_default()));
                }
                value.push(quote);
                at += 2;
            }
            Some(byte) => {
                value.push(*byte);
                at += 1;
            }
        }
    }
}

/// One entry of a `columns` header.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub name: String,
    /// `name = expression`; without it the name of a field of the body.
    pub expr: Option<Expr>,
}

/// Reads a `columns` header.
pub fn parse_columns(text: &str) -> Result<Vec<Entry>, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let mut entries = Vec::new();
    loop {
        let name = match parser.next() {
            Some(Token::Word(name) | Token::Name(name)) => name,
            other => return Err(format!("expected a column, found {}", shown(other.as_ref()))),
        };
        let expr = if parser.sign("=") { Some(parser.or()?) } else { None };
        entries.push(Entry { name, expr });
        if !parser.sign(",") {
            return parser.end().map(|()| entries);
        }
    }
}

/// Reads a `where` header.
pub fn parse_condition(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.or()?;
    parser.end().map(|()| expr)
}

/// Nesting beyond which an expression is refused.
const DEEPEST: usize = 50;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Call(name.to_owned(), arguments)
}

fn shown(token: Option<&Token>) -> String {
    match token {
        None => "the end".into(),
        Some(Token::Word(word) | Token::Name(word) | Token::Number(word)) => format!("'{word}'"),
        Some(Token::Text(text)) => format!("'{}'", String::from_utf8_lossy(text)),
        Some(Token::Sign(sign)) => format!("'{sign}'"),
    }
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(format!("expected '{sign}', found {}", self.here())) }
    }

    fn here(&self) -> String {
        shown(self.tokens.get(self.at))
    }

    fn end(&self) -> Result<(), String> {
        if self.at >= self.tokens.len() { Ok(()) } else { Err(format!("unexpected {}", self.here())) }
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the expression is nested too deeply".into());
        }
        let mut left = self.and()?;
        while self.word("or") {
            left = call("or", vec![left, self.and()?]);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        while self.word("and") {
            left = call("and", vec![left, self.not()?]);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut times = 0;
        while self.word("not") {
            times += 1;
        }
        let mut expr = self.comparison()?;
        for _ in 0..times {
            expr = call("not", vec![expr]);
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.sum()?;
        for (sign, name) in
            [("<=>", "<=>"), ("<=", "<="), (">=", ">="), ("!=", "<>"), ("<>", "<>"), ("<", "<"), (">", ">"), ("=", "=")]
        {
            if self.sign(sign) {
                return Ok(call(name, vec![left, self.sum()?]));
            }
        }
        if self.word("is") {
            let not = self.word("not");
            if !self.word("null") {
                return Err(format!("expected NULL, found {}", self.here()));
            }
            let test = call("is null", vec![left]);
            return Ok(if not { call("not", vec![test]) } else { test });
        }
        let not = self.word("not");
        let test = if self.word("in") {
            self.need("(")?;
            let mut arguments = vec![left];
            arguments.extend(self.list()?);
            call("in", arguments)
        } else if self.word("like") {
            call("like", vec![left, self.sum()?])
        } else if self.word("between") {
            let low = self.sum()?;
            if !self.word("and") {
                return Err(format!("expected AND, found {}", self.here()));
            }
            let high = self.sum()?;
            call("and", vec![call(">=", vec![left.clone(), low]), call("<=", vec![left, high])])
        } else if not {
            return Err(format!("unexpected {}", self.here()));
        } else {
            return Ok(left);
        };
        Ok(if not { call("not", vec![test]) } else { test })
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            left = if self.sign("+") {
                call("+", vec![left, self.product()?])
            } else if self.sign("-") {
                call("-", vec![left, self.product()?])
            } else {
                return Ok(left);
            };
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.one()?;
        loop {
            left = if self.sign("*") {
                call("*", vec![left, self.one()?])
            } else if self.sign("/") {
                call("/", vec![left, self.one()?])
            } else {
                return Ok(left);
            };
        }
    }

    fn one(&mut self) -> Result<Expr, String> {
        match self.next() {
            Some(Token::Number(text)) => number(&text),
            Some(Token::Text(text)) => Ok(Expr::Text(text)),
            Some(Token::Name(name)) => Ok(Expr::Column(name)),
            Some(Token::Sign("(")) => {
                let inner = self.or()?;
                self.need(")").map(|()| inner)
            }
            Some(Token::Sign("-")) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err("the expression is nested too deeply".into());
                }
                let inner = self.one()?;
                self.depth -= 1;
                Ok(call("-", vec![Expr::Int(0), inner]))
            }
            Some(Token::Word(word)) if self.sign("(") => {
                let name = word.to_ascii_lowercase();
                if name == "cast" {
                    let value = self.or()?;
                    if !self.word("as") {
                        return Err(format!("expected AS, found {}", self.here()));
                    }
                    let Some(Token::Word(ty)) = self.next() else { return Err("expected a type".into()) };
                    // a length or precision
                    if self.sign("(") {
                        self.list()?;
                    }
                    self.need(")")?;
                    return Ok(call("cast", vec![value, Expr::Text(ty.to_ascii_lowercase().into_bytes())]));
                }
                Ok(Expr::Call(name, self.list()?))
            }
            Some(Token::Word(word)) => Ok(match word.to_ascii_lowercase().as_str() {
                "null" => Expr::Null,
                "true" => Expr::Int(1),
                "false" => Expr::Int(0),
                "date" | "datetime" | "timestamp" if matches!(self.tokens.get(self.at), Some(Token::Text(_))) => {
                    return self.one();
                }
                _ => Expr::Column(word),
            }),
            other => Err(format!("unexpected {}", shown(other.as_ref()))),
        }
    }

    /// Arguments up to and with the closing parenthesis.
    fn list(&mut self) -> Result<Vec<Expr>, String> {
        let mut all = Vec::new();
        if self.sign(")") {
            return Ok(all);
        }
        loop {
            all.push(self.or()?);
            if self.sign(")") {
                return Ok(all);
            }
            self.need(",")?;
        }
    }
}

fn number(text: &str) -> Result<Expr, String> {
    if let Ok(n) = text.parse() {
        return Ok(Expr::Int(n));
    }
    text.parse().map(Expr::Float).map_err(|_| format!("'{text}' is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_derived_columns() {
        let entries = parse_columns("`a b`, tmp,ts = from_unixtime(tmp / 1000, '%Y'), __op=0").unwrap();
        let names: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["a b", "tmp", "ts", "__op"]);
        let division = call("/", vec![Expr::Column("tmp".into()), Expr::Int(1000)]);
        assert_eq!(entries[2].expr, Some(call("from_unixtime", vec![division, Expr::Text(b"%Y".to_vec())])));
        assert_eq!(entries[3].expr, Some(Expr::Int(0)));
    }

    #[test]
    fn conditions_bind_as_in_sql() {
        let parsed = parse_condition("a = 1 or not b <=> null and c like 'x\\_%'").unwrap();
        let not = call("not", vec![call("<=>", vec![Expr::Column("b".into()), Expr::Null])]);
        let like = call("like", vec![Expr::Column("c".into()), Expr::Text(b"x\\_%".to_vec())]);
        let first = call("=", vec![Expr::Column("a".into()), Expr::Int(1)]);
        assert_eq!(parsed, call("or", vec![first, call("and", vec![not, like])]));
        assert!(parse_condition("a between 1 and 2 and b not in (1, 'x') and c is not null").is_ok());
        assert!(parse_condition("cast(a as decimal(10,2)) > -1.5 and t < datetime '2024-01-01'").is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, why) in [
            ("a = ", "unexpected the end"),
            ("(a", "expected ')'"),
            ("a 'x'", "unexpected 'x'"),
            ("a = 'x", "not closed"),
            ("a ; b", "';'"),
        ] {
            let error = parse_condition(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse_columns("a,,b").is_err() && parse_columns("").is_err());
        assert!(parse_condition(&"(".repeat(100_000)).is_err() && parse_condition(&"-".repeat(100_000)).is_err());
    }
}
