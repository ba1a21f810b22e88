//! Results of SQL (version 3) as they come: one JSON object a row, nulls left out.

use crate::json::{Json, Token};
use crate::query::Cell;
use fault::{Kind, Result};
use std::io::Read;

/// The reply to a query with `format=jsonl`.
pub struct JsonLines<R> {
    json: Json<R>,
    key: String,
}

impl<R: Read> JsonLines<R> {
    /// `kind`: of its errors.
    pub fn new(reader: R, kind: Kind) -> JsonLines<R> {
        JsonLines { json: Json::new(reader, kind), key: String::new() }
    }

    /// The next row: `cell` gets its cells by column name. False at the end of the reply.
    pub fn row(&mut self, cell: &mut dyn FnMut(&str, Cell<'_>) -> Result<()>) -> Result<bool> {
        match self.json.token()? {
            Token::End => return Ok(false),
            Token::ObjectStart => {}
            _ => return Err(self.json.bad("a row was expected")),
        }
        loop {
            match self.json.token()? {
                Token::ObjectEnd => return Ok(true),
                Token::Text(key) => {
                    self.key.clear();
                    self.key.push_str(key);
                }
                _ => return Err(self.json.bad("a column's name was expected")),
            }
            let value = match self.json.token()? {
                Token::Null => Cell::Null,
                Token::Bool(value) => Cell::Bool(value),
                Token::Number(digits) => Cell::Number(digits),
                Token::Text(text) => Cell::Text(text),
                _ => return Err(self.json.bad("a value was expected")),
            };
            cell(&self.key, value)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_json_lines() {
        let text = "{\"time\":\"2024-01-01T00:00:00\",\"f\":1.5}\n{\"s\":null,\"b\":true}\n";
        let mut lines = JsonLines::new(text.as_bytes(), Kind::Source);
        let mut seen = Vec::new();
        while lines
            .row(&mut |key, cell| {
                seen.push(format!("{key}={cell:?}"));
                Ok(())
            })
            .unwrap()
        {}
        assert_eq!(seen, ["time=Text(\"2024-01-01T00:00:00\")", "f=Number(\"1.5\")", "s=Null", "b=Bool(true)"]);
        assert!(JsonLines::new(&b"{\"a\":[1]}"[..], Kind::Source).row(&mut |_, _| Ok(())).is_err());
        assert!(JsonLines::new(&b"{\"a\":1"[..], Kind::Source).row(&mut |_, _| Ok(())).is_err());
    }
}
