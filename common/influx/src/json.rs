//! A pull parser for JSON from a stream, in bounded memory.
//!
//! Replies to queries are gigabytes of JSON whose numbers must reach a column as the digits that the server wrote:
//! integers beyond 2^53 and floats lose nothing here, because nobody turns them into anything on the way. A document is
//! never held; the buffer grows only for a single string.

use fault::{Error, Kind, Result};
use memchr::{memchr, memchr2};
use std::io::Read;

/// The longest string or number that is accepted: servers keep 1 MiB in a string, six bytes a character in escapes.
const LONGEST: usize = 16 << 20;
const BLOCK: usize = 64 << 10;

/// A piece of a document. Commas and colons are not given out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// A string or a key, unescaped.
    Text(&'a str),
    /// The digits as written.
    Number(&'a str),
    Bool(bool),
    Null,
    /// The stream ended between two documents.
    End,
}

/// The parser. It checks tokens, not grammar: `{]` passes, and its callers expect certain tokens anyway.
pub struct Json<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    depth: usize,
    scratch: Vec<u8>,
    kind: Kind,
    offset: u64,
}

impl<R: Read> Json<R> {
    /// `kind`: of its errors, exit 4 or 5.
    pub fn new(reader: R, kind: Kind) -> Json<R> {
        Json { reader, buffer: vec![0; BLOCK], at: 0, end: 0, depth: 0, scratch: Vec::new(), kind, offset: 0 }
    }

    /// The next token. A stream that ends within a document is an error: the reply was cut.
    pub fn token(&mut self) -> Result<Token<'_>> {
        loop {
            let Some(byte) = self.peek()? else {
                return if self.depth == 0 { Ok(Token::End) } else { Err(self.cut()) };
            };
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => self.at += 1,
                b'{' => return Ok(self.open(Token::ObjectStart)),
                b'[' => return Ok(self.open(Token::ArrayStart)),
                b'}' => return self.close(Token::ObjectEnd),
                b']' => return self.close(Token::ArrayEnd),
                b'"' => {
                    self.at += 1;
                    return self.text().map(Token::Text);
                }
                b'-' | b'0'..=b'9' => return self.number().map(Token::Number),
                b't' => return self.word(b"true").map(|()| Token::Bool(true)),
                b'f' => return self.word(b"false").map(|()| Token::Bool(false)),
                b'n' => return self.word(b"null").map(|()| Token::Null),
                _ => return Err(self.bad("no JSON")),
            }
        }
    }

    /// Skips the value that comes next, whatever it is.
    pub fn skip(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            match self.token()? {
                Token::ObjectStart | Token::ArrayStart => depth += 1,
                Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
                Token::End => return Err(self.cut()),
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// An error of this stream: something is not as documented.
    pub fn bad(&self, what: &str) -> Error {
        let from = self.at.saturating_sub(20);
        let near = fault::excerpt(self.buffer.get(from..self.end.min(self.at + 60)).unwrap_or_default());
        Error::new(self.kind, format!("byte {} of the reply: {what}, near {near}", self.offset + self.at as u64))
    }

    fn cut(&self) -> Error {
        Error::new(self.kind, format!("the reply was cut after {} bytes", self.offset + self.end as u64))
    }

    fn open(&mut self, token: Token<'static>) -> Token<'static> {
        self.at += 1;
        self.depth += 1;
        token
    }

    fn close(&mut self, token: Token<'static>) -> Result<Token<'static>> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| self.bad("unexpected end"))?;
        self.at += 1;
        Ok(token)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        if self.at == self.end && !self.more(self.at)? {
            return Ok(None);
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// Reads more, keeping the bytes from `keep` on (they move to the front; `at` moves with them). False at the end.
    fn more(&mut self, keep: usize) -> Result<bool> {
        self.buffer.copy_within(keep..self.end, 0);
        self.offset += keep as u64;
        self.at -= keep;
        self.end -= keep;
        if self.end == self.buffer.len() {
            if self.end >= LONGEST {
                return Err(self.bad("a value is too long"));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let n = self.reader.read(room).map_err(|error| io_error(error, self.kind))?;
        self.end += n;
        Ok(n > 0)
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        while self.end - self.at < word.len() {
            if !self.more(self.at)? {
                return Err(self.cut());
            }
        }
        if self.buffer.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.bad("no JSON"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<&str> {
        let mut length = 0;
        loop {
            match self.buffer.get(self.at + length..self.end).and_then(|rest| rest.first().copied()) {
                Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') => length += 1,
                Some(_) => break,
                None if self.more(self.at)? => {}
                None => break,
            }
        }
        let start = self.at;
        self.at += length;
        std::str::from_utf8(self.buffer.get(start..start + length).unwrap_or_default())
            .map_err(|_| Error::new(self.kind, "bad number"))
    }

    /// After the opening quote.
    fn text(&mut self) -> Result<&str> {
        let mut length = 0;
        let mut escaped = false;
        loop {
            let rest = self.buffer.get(self.at + length..self.end).unwrap_or_default();
            match memchr2(b'"', b'\\', rest) {
                Some(i) if rest[i] == b'"' => {
                    length += i;
                    break;
                }
                Some(i) if i + 1 < rest.len() => {
                    escaped = true;
                    length += i + 2;
                }
                Some(i) => {
                    length += i;
                    if !self.more(self.at)? {
                        return Err(self.cut());
                    }
                }
                None => {
                    length += rest.len();
                    if !self.more(self.at)? {
                        return Err(self.cut());
                    }
                }
            }
        }
        let (start, end) = (self.at, self.at + length);
        self.at = end + 1;
        let raw = self.buffer.get(start..end).unwrap_or_default();
        let bytes = if escaped {
            self.scratch.clear();
            if !unescape(raw, &mut self.scratch) {
                return Err(Error::new(self.kind, format!("bad escape in the reply: {}", fault::excerpt(raw))));
            }
            &self.scratch
        } else {
            raw
        };
        std::str::from_utf8(bytes).map_err(|_| Error::new(self.kind, "a string in the reply is not UTF-8"))
    }
}

/// A read error carries an error of ours where the connection gave it; anything else is the server's.
fn io_error(error: std::io::Error, kind: Kind) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return Error::io("the reply", error);
    }
    Error::caused(kind, "cannot read the reply", error)
}

/// False for an escape that JSON does not have. Half a surrogate pair becomes U+FFFD.
fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(i) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..i]);
        let Some((&code, tail)) = rest[i + 1..].split_first() else { return false };
        rest = tail;
        let plain = match code {
            b'"' | b'\\' | b'/' => code,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let Some((mut unit, tail)) = unit(rest) else { return false };
                rest = tail;
                if (0xd800..0xdc00).contains(&unit)
                    && let Some((low, tail)) = rest.strip_prefix(b"\\u").and_then(self::unit)
                    && (0xdc00..0xe000).contains(&low)
                {
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    rest = tail;
                }
                let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return false,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    true
}

fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest;
    use testkit::proptest::prelude::*;

    /// Gives one byte at a time: every token crosses a read.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = out.len().min(self.0.len()).min(1);
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn tokens(text: &[u8]) -> Result<Vec<String>> {
        let mut json = Json::new(Drip(text), Kind::Source);
        let mut all = Vec::new();
        loop {
            match json.token()? {
                Token::End => return Ok(all),
                token => all.push(format!("{token:?}")),
            }
        }
    }

    #[test]
    fn digits_and_strings_arrive_as_they_were_written() {
        let text = br#"{"a":[9223372036854775807,-0,1e+300,null,true,false,"q\"\\\n\u00e9\ud83d\ude00\ud83dx"]}
{}"#;
        let expected = [
            "ObjectStart",
            "Text(\"a\")",
            "ArrayStart",
            "Number(\"9223372036854775807\")",
            "Number(\"-0\")",
            "Number(\"1e+300\")",
            "Null",
            "Bool(true)",
            "Bool(false)",
            "Text(\"q\\\"\\\\\\né😀\u{fffd}x\")",
            "ArrayEnd",
            "ObjectEnd",
            "ObjectStart",
            "ObjectEnd",
        ];
        assert_eq!(tokens(text).unwrap(), expected);
    }

    #[test]
    fn a_cut_document_is_an_error_at_every_byte() {
        let text = br#"{"a":[1,"x\n",true]}"#;
        for cut in 1..text.len() {
            let error = tokens(&text[..cut]).unwrap_err();
            assert!(error.to_string().contains("cut"), "{cut}: {error}");
        }
        assert!(tokens(b"").unwrap().is_empty());
        assert!(tokens(b"<html>").is_err() && tokens(br#""\q""#).is_err() && tokens(b"]").is_err());
    }

    proptest! {
        #[test]
        fn any_string_comes_back(text in ".*") {
            let json = serde_json::to_string(&text).unwrap();
            let mut parser = Json::new(Drip(json.as_bytes()), Kind::Source);
            prop_assert_eq!(parser.token().unwrap(), Token::Text(text.as_str()));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = tokens(&bytes);
        }
    }
}
