//! Line protocol as InfluxDB 3 reads it: `\\` is one backslash, floats need digits on both sides of the point, a field may
//! come only once (dossier influxdb 1.2 to 1.5). The words of the errors are not recorded from a server; their kinds are.

use super::points::Value;
use std::borrow::Cow;

/// Longest measurement, key, tag value or string field, bytes.
pub const MAX_TEXT: usize = 65_536;

/// One line.
pub struct Line {
    pub measurement: Vec<u8>,
    /// Sorted by key.
    pub tags: Vec<(Vec<u8>, Vec<u8>)>,
    pub fields: Vec<(Vec<u8>, Value<'static>)>,
    /// As written, before the precision is applied.
    pub time: Option<i64>,
}

/// Parses a body: one result per line that is neither blank nor a comment.
pub fn parse(body: &[u8]) -> Vec<Result<Line, String>> {
    lines(body)
        .into_iter()
        .map(|line| {
            let start = line.iter().position(|b| *b != b' ').unwrap_or(line.len());
            line.get(start..).unwrap_or_default()
        })
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| Reader { line, at: 0 }.line())
        .collect()
}

/// Cuts at every LF outside a string.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut start, mut quoted, mut escaped, mut blank) = (Vec::new(), 0, false, false, false);
    for (i, &b) in body.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b' ' if !quoted => blank = true,
            b'"' if blank => quoted = !quoted,
            b'\n' if !quoted => {
                found.push(body.get(start..i).unwrap_or_default());
                start = i + 1;
                blank = false;
            }
            _ => {}
        }
    }
    found.push(body.get(start..).unwrap_or_default());
    found
}

struct Reader<'a> {
    line: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn line(mut self) -> Result<Line, String> {
        let measurement = self.text(b", \t", b", ", "measurement")?;
        let mut tags = Vec::new();
        while self.eat(b',') {
            let key = self.text(b"=, \t", b",= ", "tag key")?;
            if !self.eat(b'=') {
                return Err("Expected tag value after tag key, got end of tag set".into());
            }
            // an unescaped `=` belongs to the value, unlike in 1 and 2
            tags.push((key, self.text(b", \t", b",= ", "tag value")?));
        }
        tags.sort();
        if tags.windows(2).any(|w| matches!(w, [a, b] if a.0 == b.0)) {
            return Err("the tag set contains duplicate keys".into());
        }
        self.blank("field set")?;
        let mut fields: Vec<(Vec<u8>, Value<'static>)> = Vec::new();
        loop {
            let key = self.text(b"=, \t", b",= ", "field key")?;
            if !self.eat(b'=') {
                return Err("No fields were provided".into());
            }
            let value = self.value()?;
            if fields.iter().any(|(k, _)| *k == key) {
                return Err(format!(
                    "the line contains multiple instances of the field {}",
                    String::from_utf8_lossy(&key)
                ));
            }
            fields.push((key, value));
            if !self.eat(b',') {
                break;
            }
        }
        let time = self.time()?;
        Ok(Line { measurement, tags, fields, time })
    }

    /// A name up to one of `stop`; a backslash before one of `special` or another backslash goes away.
    fn text(&mut self, stop: &[u8], special: &[u8], what: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        while let Some(b) = self.peek().filter(|b| !stop.contains(b)) {
            self.at += 1;
            match (b, self.peek()) {
                (b'\\', None) => return Err(format!("{what} may not end with a backslash")),
                (b'\\', Some(next)) if next == b'\\' || special.contains(&next) => {
                    out.push(next);
                    self.at += 1;
                }
                _ => out.push(b),
            }
        }
        match out.len() {
            0 => Err(format!("Expected {what}, got nothing")),
            n if n > MAX_TEXT => Err(format!("{what} of {n} bytes is longer than {MAX_TEXT}")),
            _ => Ok(out),
        }
    }

    fn blank(&mut self, what: &str) -> Result<(), String> {
        if !self.eat(b' ') {
            return Err(format!("Expected at least one space character before the {what}"));
        }
        while self.eat(b' ') {}
        Ok(())
    }

    fn value(&mut self) -> Result<Value<'static>, String> {
        if self.eat(b'"') {
            return self.string();
        }
        let start = self.at;
        while self.peek().is_some_and(|b| b != b',' && b != b' ') {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(self.line.get(start..self.at).unwrap_or_default()).into_owned();
        let bad = |what: &str| format!("Unable to parse {what} value '{text}'");
        match text.as_str() {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
            _ => {}
        }
        if let Some(digits) = text.strip_suffix('i') {
            return digits
                .parse()
                .ok()
                .filter(|_| !digits.starts_with('+'))
                .map(Value::Int)
                .ok_or_else(|| bad("integer"));
        }
        if let Some(digits) = text.strip_suffix('u') {
            return digits
                .parse()
                .ok()
                .filter(|_| !digits.starts_with('+'))
                .map(Value::Uint)
                .ok_or_else(|| bad("unsigned integer"));
        }
        if !strict_float(&text) {
            return Err(bad("field"));
        }
        text.parse().map(Value::Float).map_err(|_| bad("float"))
    }

    fn string(&mut self) -> Result<Value<'static>, String> {
        let mut out = Vec::new();
        loop {
            let b = self.peek().ok_or("unterminated string field")?;
            self.at += 1;
            match (b, self.peek()) {
                (b'"', _) => break,
                (b'\\', Some(next @ (b'"' | b'\\'))) => {
                    out.push(next);
                    self.at += 1;
                }
                _ => out.push(b),
            }
        }
        if out.len() > MAX_TEXT {
            return Err(format!("string field of {} bytes is longer than {MAX_TEXT}", out.len()));
        }
        Ok(Value::Str(Cow::Owned(out)))
    }

    fn time(&mut self) -> Result<Option<i64>, String> {
        while self.eat(b' ') {}
        let start = self.at;
        self.eat(b'-');
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let text = String::from_utf8_lossy(self.line.get(start..self.at).unwrap_or_default()).into_owned();
        while self.eat(b' ') {}
        if self.at < self.line.len() {
            let rest = String::from_utf8_lossy(self.line.get(self.at..).unwrap_or_default());
            return Err(format!("Could not parse entire line. Found trailing content: '{rest}'"));
        }
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("Unable to parse timestamp value '{text}'"))
    }
}

/// `-?digits[.digits][e[+-]digits]`
fn strict_float(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(mantissa),
    };
    mantissa && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// ns of a time written with this precision; `auto` guesses from the size, as the server does (dossier influxdb 2.3).
pub fn to_ns(time: i64, precision: Option<i64>) -> Option<i64> {
    let unit = precision.unwrap_or_else(|| match time.unsigned_abs() / 1_000_000_000 {
        0..=4 => 1_000_000_000,
        5..=4_999 => 1_000_000,
        5_000..=4_999_999 => 1_000,
        _ => 1,
    });
    time.checked_mul(unit)
}

/// A key that says all of measurement and tags, lengths first.
pub fn series_key(line: &Line) -> Vec<u8> {
    let mut key = Vec::new();
    let mut part = |text: &[u8]| {
        key.extend_from_slice(&(text.len() as u32).to_le_bytes());
        key.extend_from_slice(text);
    };
    part(&line.measurement);
    for (name, value) in &line.tags {
        part(name);
        part(value);
    }
    key
}

/// The reverse of [`series_key`].
pub fn split_key(key: &[u8]) -> (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>) {
    let mut parts = Vec::new();
    let mut rest = key;
    while let Some((size, tail)) = rest.split_first_chunk::<4>() {
        let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*size) as usize).unwrap_or((tail, &[]));
        parts.push(part.to_vec());
        rest = tail;
    }
    let mut parts = parts.into_iter();
    let name = parts.next().unwrap_or_default();
    let mut tags = Vec::new();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        tags.push((key, value));
    }
    (name, tags)
}
