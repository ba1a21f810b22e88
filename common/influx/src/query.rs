//! Results of InfluxQL as they come: series, then rows, one at a time.
//!
//! `/query?chunked=true` answers with one JSON document after the other (dossier influxdb 3.1). A 200 may still be an
//! error: in `results[].error`, at any point of the stream; and a result whose last piece says `partial` was cut by the
//! server (its row limit, or its end) although the HTTP reply is whole. Both are errors here.

use crate::json::{Json, Token};
use fault::{Error, Kind, Result};
use std::io::Read;

/// What the rows that follow belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The measurement.
    pub name: String,
    /// The tags of `GROUP BY *`, by key; a tag that the series does not have is there with an empty value.
    pub tags: Vec<(String, String)>,
    /// Names of the cells of a row.
    pub columns: Vec<String>,
}

/// A cell of a row, as the server wrote it: the column's type is not in the reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    /// Digits as written.
    Number(&'a str),
    Text(&'a str),
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another series begins, or the same one goes on in the next piece: see [`Results::series`].
    Series,
    /// A row; its cells have been given out.
    Row,
    /// The reply is complete.
    End,
}

/// Where in the reply the parser stands: inside of which bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Document,
    Results,
    Result,
    SeriesList,
    Series,
    Values,
}

/// The reply to one or more statements.
pub struct Results<R> {
    json: Json<R>,
    place: Place,
    series: Series,
    /// The last result seen says that there is more of it.
    partial: bool,
    documents: u64,
    kind: Kind,
}

impl<R: Read> Results<R> {
    /// `kind`: of its errors.
    pub fn new(reader: R, kind: Kind) -> Results<R> {
        let json = Json::new(reader, kind);
        Results { json, place: Place::Outside, series: Series::default(), partial: false, documents: 0, kind }
    }

    /// The series that the rows belong to.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Goes on to the next series or row. `cell` gets the cells of a row with their column numbers.
    pub fn step(&mut self, cell: &mut dyn FnMut(usize, Cell<'_>) -> Result<()>) -> Result<Step> {
        loop {
            match self.place {
                Place::Outside => match self.json.token()? {
                    Token::End if self.partial || self.documents == 0 => {
                        let text = "the reply ends before its last piece: the server cut it";
                        return Err(Error::new(self.kind, text));
                    }
                    Token::End => return Ok(Step::End),
                    Token::ObjectStart => {
                        self.documents += 1;
                        self.place = Place::Document;
                    }
                    _ => return Err(self.json.bad("a document was expected")),
                },
                Place::Document => match self.key()? {
                    Key::Results => self.array(Place::Results)?,
                    Key::Error => return Err(self.error()?),
                    Key::End => self.place = Place::Outside,
                    _ => self.json.skip()?,
                },
                Place::Results => self.item(Place::Result, Place::Document)?,
                Place::Result => match self.key()? {
                    Key::Series => self.array(Place::SeriesList)?,
                    Key::Error => return Err(self.error()?),
                    Key::Partial => self.partial = self.json.token()? == Token::Bool(true),
                    Key::End => self.place = Place::Results,
                    _ => self.json.skip()?,
                },
                Place::SeriesList => self.item(Place::Series, Place::Result)?,
                Place::Series => match self.key()? {
                    Key::Name => self.series.name = self.text()?,
                    Key::Tags => self.tags()?,
                    Key::Columns => self.columns()?,
                    Key::Values => {
                        self.array(Place::Values)?;
                        return Ok(Step::Series);
                    }
                    Key::End => self.place = Place::SeriesList,
                    _ => self.json.skip()?,
                },
                Place::Values => match self.json.token()? {
                    Token::ArrayStart => {
                        self.row(cell)?;
                        return Ok(Step::Row);
                    }
                    Token::ArrayEnd => self.place = Place::Series,
                    _ => return Err(self.json.bad("a row was expected")),
                },
            }
        }
    }

    fn row(&mut self, cell: &mut dyn FnMut(usize, Cell<'_>) -> Result<()>) -> Result<()> {
        let width = self.series.columns.len();
        let mut column = 0;
        loop {
            let value = match self.json.token()? {
                Token::ArrayEnd if column == width => return Ok(()),
                Token::Null => Cell::Null,
                Token::Bool(value) => Cell::Bool(value),
                Token::Number(digits) => Cell::Number(digits),
                Token::Text(text) => Cell::Text(text),
                _ => return Err(self.json.bad("a row has not as many cells as columns")),
            };
            if column == width {
                return Err(self.json.bad("a row has more cells than columns"));
            }
            cell(column, value)?;
            column += 1;
        }
    }

    fn key(&mut self) -> Result<Key> {
        let key = match self.json.token()? {
            Token::ObjectEnd => Some(Key::End),
            Token::Text(text) => Some(match text {
                "results" => Key::Results,
                "series" => Key::Series,
                "error" => Key::Error,
                "partial" => Key::Partial,
                "name" => Key::Name,
                "tags" => Key::Tags,
                "columns" => Key::Columns,
                "values" => Key::Values,
                _ => Key::Other,
            }),
            _ => None,
        };
        key.ok_or_else(|| self.json.bad("a key was expected"))
    }

    fn array(&mut self, inside: Place) -> Result<()> {
        match self.json.token()? {
            Token::ArrayStart => {
                self.place = inside;
                Ok(())
            }
            _ => Err(self.json.bad("a list was expected")),
        }
    }

    /// The next object of a list, or the end of the list.
    fn item(&mut self, inside: Place, after: Place) -> Result<()> {
        match self.json.token()? {
            Token::ObjectStart => {
                self.place = inside;
                match inside {
                    Place::Result => self.partial = false,
                    _ => self.series = Series::default(),
                }
            }
            Token::ArrayEnd => self.place = after,
            _ => return Err(self.json.bad("an object was expected")),
        }
        Ok(())
    }

    fn text(&mut self) -> Result<String> {
        match self.json.token()? {
            Token::Text(text) => Ok(text.to_owned()),
            _ => Err(self.json.bad("a text was expected")),
        }
    }

    fn tags(&mut self) -> Result<()> {
        if self.json.token()? != Token::ObjectStart {
            return Err(self.json.bad("tags were expected"));
        }
        loop {
            let key = match self.json.token()? {
                Token::ObjectEnd => return Ok(()),
                Token::Text(text) => text.to_owned(),
                _ => return Err(self.json.bad("a tag was expected")),
            };
            let value = self.text()?;
            self.series.tags.push((key, value));
        }
    }

    fn columns(&mut self) -> Result<()> {
        if self.json.token()? != Token::ArrayStart {
            return Err(self.json.bad("columns were expected"));
        }
        loop {
            match self.json.token()? {
                Token::ArrayEnd => return Ok(()),
                Token::Text(text) => self.series.columns.push(text.to_owned()),
                _ => return Err(self.json.bad("a column was expected")),
            }
        }
    }

    /// What the server says instead of a result. A 200 came before it.
    fn error(&mut self) -> Result<Error> {
        let text = self.text()?;
        let refused = ["not found", "not authorized", "unauthorized", "parse", "requires"];
        let kind = if refused.iter().any(|word| text.contains(word)) { Kind::Refused } else { self.kind };
        Ok(Error::new(kind, format!("the server says: {}", fault::excerpt(text.as_bytes()))))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Results,
    Series,
    Error,
    Partial,
    Name,
    Tags,
    Columns,
    Values,
    Other,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>> {
        let mut results = Results::new(text.as_bytes(), Kind::Source);
        let mut lines = Vec::new();
        loop {
            let mut row = Vec::new();
            match results.step(&mut |column, cell| {
                row.push(format!("{column}={cell:?}"));
                Ok(())
            })? {
                Step::Series => lines.push(format!("{:?}", results.series())),
                Step::Row => lines.push(row.join(" ")),
                Step::End => return Ok(lines),
            }
        }
    }

    const FIRST: &str = r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"a"},"columns":["time","i"],"values":[[1,9223372036854775807],[2,null]],"partial":true}],"partial":true}]}"#;
    const LAST: &str = r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"a"},"columns":["time","i"],"values":[[3,-0]]}]}]}"#;

    #[test]
    fn chunks_are_one_result() {
        let lines = read(&format!("{FIRST}\n{LAST}\n")).unwrap();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[1], r#"0=Number("1") 1=Number("9223372036854775807")"#);
        assert_eq!(lines[4], r#"0=Number("3") 1=Number("-0")"#);
        assert!(lines[0].contains(r#"tags: [("t", "a")]"#), "{}", lines[0]);
        assert!(read("{\"results\":[{\"statement_id\":0}]}\n").unwrap().is_empty());
    }

    #[test]
    fn errors_within_a_200_and_cut_replies_are_errors() {
        for text in [
            r#"{"results":[{"statement_id":0,"error":"timeout"}]}"#,
            r#"{"error":"x"}"#,
            FIRST,
            "",
            r#"{"results":[{"series":[{"columns":["time"],"values":[[1,2]]}]}]}"#,
            r#"{"results":[{"series":[{"columns":["time","a"],"values":[[1]]}]}]}"#,
            "[]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for cut in 1..FIRST.len() {
            assert!(read(&FIRST[..cut]).is_err(), "{cut}");
        }
        let error = read(&format!("{FIRST}\n{{\"results\":[{{\"error\":\"query interrupted\"}}]}}")).unwrap_err();
        assert!(error.to_string().contains("query interrupted"));
    }
}
