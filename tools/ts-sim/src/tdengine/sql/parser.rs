//! The parser's hands: one token of look-ahead, names, and the errors of the server.

use super::ast::TableName;
use super::error::SqlError;
use super::token::{self, Token};

/// A statement being read.
pub struct Parser<'a> {
    sql: &'a str,
    token: Token,
    start: usize,
    end: usize,
    /// End of the token before.
    last_end: usize,
    operators: u32,
    /// Queries around the current one.
    nesting: u32,
}

/// Deepest nesting of queries.
const MAX_NESTING: u32 = 16;
/// Most operators in a statement: chains of them become deep trees, and whatever walks a tree must not overflow its stack.
const MAX_OPERATORS: u32 = 10_000;

impl<'a> Parser<'a> {
    pub fn new(sql: &'a str) -> Result<Parser<'a>, SqlError> {
        let (token, start, end) = token::next(sql, 0)?;
        Ok(Parser { sql, token, start, end, last_end: 0, operators: 0, nesting: 0 })
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Where the current token starts.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The statement's text from `from` to the end of the last consumed token.
    pub fn text_since(&self, from: usize) -> &'a str {
        self.sql.get(from..self.last_end).unwrap_or_default()
    }

    /// The current token as written.
    pub fn token_text(&self) -> &'a str {
        &self.sql[self.start..self.end]
    }

    pub fn at_end(&self) -> bool {
        self.token == Token::End
    }

    /// Moves on.
    pub fn advance(&mut self) -> Result<(), SqlError> {
        self.last_end = self.end;
        (self.token, self.start, self.end) = token::next(self.sql, self.end)?;
        Ok(())
    }

    /// The token after the current one.
    pub fn peek(&self) -> Option<Token> {
        token::next(self.sql, self.end).ok().map(|(token, _, _)| token)
    }

    /// The error of a token that cannot stand here.
    pub fn unexpected(&self) -> SqlError {
        if self.at_end() { SqlError::incomplete() } else { SqlError::syntax(&self.sql[self.start..]) }
    }

    /// Counts an operator of a chain.
    pub fn operator(&mut self) -> Result<(), SqlError> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS { Err(self.unexpected()) } else { Ok(()) }
    }

    /// Enters a query inside a query.
    pub fn enter(&mut self) -> Result<(), SqlError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING { Err(self.unexpected()) } else { Ok(()) }
    }

    pub fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// The current word, when it is one.
    pub fn keyword(&self) -> Option<String> {
        match &self.token {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        }
    }

    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(w) if w == word)
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(&self.token, Token::Symbol(s) if *s == symbol)
    }

    /// Consumes the word if it is there.
    pub fn accept(&mut self, word: &str) -> Result<bool, SqlError> {
        let there = self.is_word(word);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub fn accept_symbol(&mut self, symbol: &str) -> Result<bool, SqlError> {
        let there = self.is_symbol(symbol);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub fn expect(&mut self, word: &str) -> Result<(), SqlError> {
        if self.accept(word)? { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Result<(), SqlError> {
        if self.accept_symbol(symbol)? { Ok(()) } else { Err(self.unexpected()) }
    }

    /// `IF NOT EXISTS` or `IF EXISTS`.
    pub fn accept_if(&mut self, not: bool) -> Result<bool, SqlError> {
        if !self.accept("if")? {
            return Ok(false);
        }
        if not {
            self.expect("not")?;
        }
        self.expect("exists")?;
        Ok(true)
    }

    /// A name: quoted as written, unquoted in lower case.
    pub fn name(&mut self) -> Result<String, SqlError> {
        let name = match &self.token {
            Token::Word(word) => word.clone(),
            Token::Quoted(name) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(name)
    }

    pub fn table_name(&mut self) -> Result<TableName, SqlError> {
        let first = self.name()?;
        if self.accept_symbol(".")? {
            return Ok(TableName { database: Some(first), table: self.name()? });
        }
        Ok(TableName { database: None, table: first })
    }

    /// `( name, name )`
    pub fn name_list(&mut self) -> Result<Vec<String>, SqlError> {
        self.expect_symbol("(")?;
        let mut names = vec![self.name()?];
        while self.accept_symbol(",")? {
            names.push(self.name()?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    /// A whole number without a sign.
    pub fn unsigned(&mut self) -> Result<u64, SqlError> {
        let number = match &self.token {
            Token::Number(digits) => digits.parse().map_err(|_| self.unexpected())?,
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(number)
    }

    /// A quoted string.
    pub fn string(&mut self) -> Result<Vec<u8>, SqlError> {
        let text = match &self.token {
            Token::Text(text) => text.clone(),
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(text)
    }
}
