//! InfluxDB's line protocol in TDengine's reading: `measure,tag=text field=value time`.

use super::super::sql::error::SqlError;
use super::super::time;
use super::super::types::Kind;
use super::super::value::Value;
use super::{
    BAD_KEY, Item, MAX_KEY, MAX_NCHAR, MAX_TABLE, NO_LINES, Point, complaint, invalid_data, invalid_time, lines,
    number, table_name, too_long, unescape, value,
};
use crate::args::Precision;

/// What a backslash escapes in names and tags, and in quoted values.
const IN_NAMES: &[u8] = b",= ";
const IN_TEXTS: &[u8] = b"\"\\";

/// All points of the data; a line that begins with `#` is a comment.
pub fn parse(data: &[u8], unit: i64) -> Result<Vec<Point<'_>>, SqlError> {
    let mut points = Vec::new();
    for (start, end) in lines(data) {
        if data.get(start) != Some(&b'#') {
            points.push(Reader { data, at: start, end }.point(unit)?);
        }
    }
    if points.is_empty() { Err(SqlError::new(0x3002, NO_LINES)) } else { Ok(points) }
}

/// A place in one line of the data.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn more(&self) -> bool {
        self.at < self.end
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).and_then(|at| self.byte(at))
    }

    /// True at this character, when no backslash is before it. The line's end is looked at like any other place.
    fn is(&self, byte: u8) -> bool {
        self.byte(self.at) == Some(byte) && self.before() != Some(b'\\')
    }

    /// Everything from a place on, the following lines too.
    fn from(&self, at: usize) -> &'a [u8] {
        self.data.get(at..).unwrap_or_default()
    }

    fn slice(&self, from: usize) -> &'a [u8] {
        self.data.get(from..self.at.min(self.end)).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        while self.more() && self.byte(self.at) == Some(b' ') {
            self.at += 1;
        }
    }

    fn point(mut self, unit: i64) -> Result<Point<'a>, SqlError> {
        self.skip_blanks();
        if self.byte(self.at) == Some(b',') && self.more() {
            return Err(invalid_data());
        }
        let start = self.at;
        while self.more() && !self.is(b',') && !self.is(b' ') {
            self.at += 1;
        }
        let measure = self.slice(start);
        let name = unescape(measure, b", ");
        if name.is_empty() || name.len() > MAX_TABLE {
            return Err(SqlError::new(0x020A, "measure is empty or too large than 192"));
        }
        if self.more() && self.byte(self.at) == Some(b',') {
            self.at += 1;
        }
        let tags = self.tags()?;
        self.skip_blanks();
        let (fields, any) = self.fields()?;
        if !any {
            return Err(SqlError::new(0x3002, "cols is empty"));
        }
        self.skip_blanks();
        let time = self.time(unit)?;
        // The name of the table is made from the measurement as it was sent, escapes too.
        let seed = measure.iter().map(|b| if *b == b'.' { b'_' } else { *b }).collect();
        Ok(Point { stable: table_name(&name), measure: seed, tags, fields, time })
    }

    /// The name before `=`.
    fn key(&mut self) -> Result<(String, &'a [u8]), SqlError> {
        let start = self.at;
        let mut key: &[u8] = &[];
        while self.more() {
            if self.is(b' ') || self.is(b',') {
                return Err(complaint(0x3002, "invalid data", self.from(self.at)));
            }
            if self.is(b'=') {
                key = self.slice(start);
                self.at += 1;
                break;
            }
            self.at += 1;
        }
        let name = unescape(key, IN_NAMES);
        if name.is_empty() || name.len() > MAX_KEY {
            return Err(complaint(0x021F, BAD_KEY, self.from(start)));
        }
        Ok((String::from_utf8_lossy(&name).into_owned(), self.from(start)))
    }

    fn tags(&mut self) -> Result<Vec<Item<'a>>, SqlError> {
        let mut tags = Vec::new();
        while self.more() && !self.is(b' ') {
            let (name, near) = self.key()?;
            let start = self.at;
            while self.more() && !self.is(b' ') && !self.is(b',') {
                if self.is(b'=') {
                    return Err(complaint(0x3002, "invalid data", self.from(self.at)));
                }
                self.at += 1;
            }
            let raw = self.slice(start);
            if raw.is_empty() {
                return Err(complaint(0x3002, "invalid value", self.from(start)));
            }
            let text = unescape(raw, IN_NAMES);
            if text.len() > MAX_NCHAR {
                return Err(too_long());
            }
            let len = text.len() as u32;
            tags.push(Item { name, near, kind: Kind::NChar, len, value: Value::Bytes(text.into()) });
            if self.is(b' ') {
                break;
            }
            self.at += 1;
        }
        Ok(tags)
    }

    /// The fields, and whether anything was there.
    fn fields(&mut self) -> Result<(Vec<Item<'a>>, bool), SqlError> {
        let (mut fields, begin) = (Vec::new(), self.at);
        while self.more() && !self.is(b' ') {
            let (name, near) = self.key()?;
            let start = self.at;
            let (quotes, escaped) = self.field_value();
            let raw = self.slice(start);
            if quotes != 0 && quotes != 2 {
                return Err(complaint(0x3002, "unbalanced quotes", self.from(start)));
            }
            if raw.is_empty() {
                return Err(complaint(0x3002, "invalid value", self.from(start)));
            }
            let mut parsed =
                value::parse(raw).map_err(|wrong| complaint(wrong.code, "smlParseValue error", self.from(start)))?;
            if let (true, Value::Bytes(text)) = (escaped, &mut parsed.value) {
                *text = unescape(text, IN_TEXTS).into();
            }
            let len = if let Value::Bytes(text) = &parsed.value { text.len() as u32 } else { 0 };
            fields.push(Item { name, near, kind: parsed.kind, len, value: parsed.value });
            if self.is(b' ') {
                break;
            }
            self.at += 1;
        }
        Ok((fields, self.at != begin))
    }

    /// Goes to the end of a value: the blank or comma outside quotes. Counts quotes, the third ends it, and says whether
    /// a backslash escaped something.
    fn field_value(&mut self) -> (u32, bool) {
        // The last character that a backslash made plain: a backslash there escapes nothing itself.
        let mut plain = None;
        let (mut quotes, mut escaped) = (0, false);
        while self.more() {
            let slash = self.before() == Some(b'\\') && self.at.checked_sub(1) != plain;
            let byte = self.byte(self.at);
            if byte == Some(b'"') && !slash {
                quotes += 1;
                self.at += 1;
                if quotes > 2 {
                    break;
                }
                continue;
            }
            if quotes % 2 == 0 && (self.is(b' ') || self.is(b',')) {
                break;
            }
            if slash && matches!(byte, Some(b'"' | b'\\')) {
                plain = Some(self.at);
                escaped = true;
            }
            self.at += 1;
        }
        (quotes, escaped)
    }

    /// Nanoseconds; none and `0` mean now. What follows the number after a blank is not looked at.
    fn time(&mut self, unit: i64) -> Result<i64, SqlError> {
        let start = self.at;
        while self.more() && !self.byte(self.at).is_some_and(|b| matches!(b, b' ' | b'\t'..=b'\r')) {
            self.at += 1;
        }
        let text = self.slice(start);
        if text.is_empty() || text == b"0" {
            return Ok(time::now(Precision::Ns));
        }
        let (number, used) = number::whole(text);
        let number = number.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        if used != text.len() || number == -1 {
            return Err(complaint(0x0127, "invalid timestamp", self.from(start)));
        }
        if number <= 0 {
            return Err(invalid_time());
        }
        Ok((number * i128::from(unit)).min(i128::from(i64::MAX)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Point<'_> {
        parse(text.as_bytes(), 1).unwrap_or_else(|e| panic!("{text}: {e:?}")).remove(0)
    }

    fn error(text: &str) -> (u32, String) {
        let error = parse(text.as_bytes(), 1).unwrap_err();
        (error.code, error.message)
    }

    fn pairs<'a>(items: &'a [Item<'_>]) -> Vec<(&'a str, Value<'static>)> {
        items.iter().map(|i| (i.name.as_str(), i.value.clone())).collect()
    }

    #[test]
    fn escapes_are_taken_off_names_tags_and_texts() {
        let point = one(r#"we\ ird\,m.x,ta\ g=a\=b\,c "f"=1,s="a\"b\\ ,=c" 7"#);
        assert_eq!((point.stable.as_str(), point.time), ("we ird,m_x", 7));
        assert_eq!(point.measure, br"we\ ird\,m_x");
        assert_eq!(pairs(&point.tags), [("ta g", Value::text("a=b,c"))]);
        assert_eq!(pairs(&point.fields), [("\"f\"", Value::Double(1.0)), ("s", Value::text(r#"a"b\ ,=c"#))]);
    }

    #[test]
    fn loose_ends_are_taken_as_the_server_takes_them() {
        assert_eq!(one("m,a=b, v=1, 5 rest").tags.len(), 1);
        assert_eq!(one("  m   v=1    5").time, 5);
        assert!(one("m v=1").time > 1_700_000_000_000_000_000);
        assert!(one("m v=1 0").time > 1_700_000_000_000_000_000);
        assert_eq!(parse(b"m v=1 3\r\n# c\nm v=2 4\r\n", 1_000_000).unwrap()[1].time, 4_000_000);
        assert_eq!(one("m v=t 9223372036854775808").time, i64::MAX);
    }

    #[test]
    fn what_was_not_recorded_is_refused_too() {
        for (text, code, message) in [
            (",a=b v=1 1", 0x3002, "Invalid data format"),
            ("m,a b=1 1", 0x3002, "invalid data: b=1 1"),
            ("m,a=b=c v=1 1", 0x3002, "invalid data:=c v=1 1"),
            ("m,,a=b v=1", 0x3002, "invalid data:,a=b v=1"),
            ("m v=\"a\"\"b\" 1", 0x3002, "unbalanced quotes:\"a\"\"b\" 1"),
            ("m v= 1", 0x3002, "invalid value: 1"),
            ("m v", 0x021F, "invalid key or key is too long than 64:v"),
            ("m v=1 -1", 0x0127, "invalid timestamp:-1"),
            ("m v=1 1.5", 0x0127, "invalid timestamp:1.5"),
            ("#only\n#comments", 0x3002, "line num is invalid"),
        ] {
            assert_eq!(error(text), (code, message.to_string()), "{text}");
        }
        let long = "k".repeat(65);
        assert_eq!(error(&format!("m {long}=1 1")).0, 0x021F);
        assert_eq!(one(&format!("m {}=1 1", &long[1..])).fields[0].name.len(), 64);
        assert_eq!(error(&format!("{} v=1 1", "m".repeat(193))).0, 0x020A);
    }

    testkit::proptest::proptest! {
        #[test]
        fn no_bytes_break_the_parser(data in "[mvt=, \"\\\\\\n1i#\\-.\u{0}ü]{0,40}") {
            let _ = parse(data.as_bytes(), 1);
        }
    }
}
