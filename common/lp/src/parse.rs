//! One line into its parts, in one pass and without a copy.

use memchr::memchr2;

use crate::number::{float, parse_i64, parse_u64, scan};
use crate::swar::{find_class, find_no_digit};
use crate::{BadLine, Dialect, Element, Reason};

/// What a field is, as its spelling says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `1`, `1.5`, `1e3`
    Float,
    /// `1i`
    Int,
    /// `1u`
    UInt,
    /// `t`, `true`, ...
    Bool,
    /// `"text"`
    Str,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// A finite number.
    Float(f64),
    /// `i`
    Int(i64),
    /// `u`
    UInt(u64),
    /// A boolean.
    Bool(bool),
    /// The bytes between the quotes, still escaped: see [`crate::unescape_string`].
    Str(&'a [u8]),
}

impl FieldValue<'_> {
    /// What it is.
    #[inline]
    pub fn kind(self) -> Kind {
        match self {
            FieldValue::Float(_) => Kind::Float,
            FieldValue::Int(_) => Kind::Int,
            FieldValue::UInt(_) => Kind::UInt,
            FieldValue::Bool(_) => Kind::Bool,
            FieldValue::Str(_) => Kind::Str,
        }
    }
}

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text: numbers without suffix, strings without quotes, still escaped.
    pub text: &'a [u8],
}

impl<'a> RawValue<'a> {
    /// The value as it stands in the line, with suffix or quotes.
    pub fn spelling(self) -> Vec<u8> {
        match self.kind {
            Kind::Int => [self.text, b"i"].concat(),
            Kind::UInt => [self.text, b"u"].concat(),
            Kind::Str => [b"\"", self.text, b"\""].concat(),
            Kind::Float | Kind::Bool => self.text.to_vec(),
        }
    }

    /// The number, boolean or string that the text stands for. The parser has already checked the text.
    pub fn value(self) -> FieldValue<'a> {
        match self.kind {
            Kind::Float => FieldValue::Float(float(self.text).unwrap_or_default()),
            Kind::Int => FieldValue::Int(parse_i64(self.text).unwrap_or_default()),
            Kind::UInt => FieldValue::UInt(parse_u64(self.text).unwrap_or_default()),
            Kind::Bool => FieldValue::Bool(matches!(self.text.first(), Some(b't' | b'T'))),
            Kind::Str => FieldValue::Str(self.text),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn of(self, line: &[u8]) -> &[u8] {
        line.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
struct FieldSpan {
    key: Span,
    value: Span,
    kind: Kind,
}

/// Reads lines of one dialect. Keeps its buffers between lines, so an ordinary line costs no allocation.
#[derive(Debug)]
pub struct Parser {
    dialect: Dialect,
    /// Whose numbers: those of the dialect, or of all of them.
    numbers: Dialect,
    tags: Vec<(Span, Span)>,
    fields: Vec<FieldSpan>,
    series: Span,
    measurement: Span,
    time: Option<i64>,
    backslash: bool,
}

/// The parts of a line, still escaped.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    src: &'a [u8],
    parts: &'a Parser,
}

impl<'a> Line<'a> {
    /// The measurement, escaped.
    pub fn measurement(&self) -> &'a [u8] {
        self.parts.measurement.of(self.src)
    }

    /// Measurement and tags as written: what names the series, if the writer always puts the tags in one order. See
    /// [`crate::series::canonical`] for any order.
    pub fn series(&self) -> &'a [u8] {
        self.parts.series.of(self.src)
    }

    /// Tags in the order of the line: key and value, escaped.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let src = self.src;
        self.parts.tags.iter().map(move |(k, v)| (k.of(src), v.of(src)))
    }

    /// Fields in the order of the line: key, escaped, and value.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&'a [u8], RawValue<'a>)> + Clone + use<'a> {
        let src = self.src;
        self.parts.fields.iter().map(move |f| (f.key.of(src), RawValue { kind: f.kind, text: f.value.of(src) }))
    }

    /// The timestamp in whatever unit the writer used.
    pub fn timestamp(&self) -> Option<i64> {
        self.parts.time
    }

    /// A backslash stands before, or in, a name or a tag value.
    pub fn has_backslash(&self) -> bool {
        self.parts.backslash
    }

    /// Where a slice that this line gave out starts in the line.
    pub(crate) fn offset_of(&self, part: &[u8]) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.src.as_ptr() as usize).min(self.src.len())
    }
}

impl Parser {
    /// A parser for lines that were written for `dialect`.
    pub fn new(dialect: Dialect) -> Parser {
        let none = Span { from: 0, to: 0 };
        let (series, measurement) = (none, none);
        let numbers = dialect;
        Parser {
            dialect,
            numbers,
            tags: Vec::new(),
            fields: Vec::new(),
            series,
            measurement,
            time: None,
            backslash: false,
        }
    }

    /// Reads `7u`, `.5` and `5.` whatever the dialect: what they mean is no question, only who accepts them.
    pub fn any_numbers(mut self) -> Parser {
        self.numbers = Dialect::V2;
        self
    }

    /// The dialect given to [`Parser::new`].
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Reads one line, without line end. Accepts what servers of the dialect store and nothing else; names that appear
    /// twice are left to [`crate::Checker`].
    pub fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Line<'a>, BadLine> {
        if line.len() >= u32::MAX as usize {
            return Err(BadLine { reason: Reason::LineTooLong, at: 0 });
        }
        self.tags.clear();
        self.fields.clear();
        self.time = None;
        self.backslash = false;
        let mut cursor = Cursor { line, pos: 0, dialect: self.dialect, numbers: self.numbers, backslash: false };
        let out = self.parts(&mut cursor);
        self.backslash = cursor.backslash;
        out?;
        Ok(Line { src: line, parts: self })
    }

    fn parts(&mut self, c: &mut Cursor<'_>) -> Result<(), BadLine> {
        while c.peek().is_some_and(|b| b == b' ' || b == b'\t' || (b == 0 && c.dialect.loose_floats())) {
            c.pos += 1;
        }
        let start = c.pos;
        if c.peek() == Some(b'#') {
            return c.fail(Reason::Comment);
        }
        self.measurement = c.name(Element::Measurement)?;
        while c.peek() == Some(b',') {
            c.pos += 1;
            let key = c.name(Element::TagKey)?;
            c.equals(Element::TagKey)?;
            let value = c.name(Element::TagValue)?;
            if c.peek() == Some(b'=') {
                return c.fail(Reason::Unescaped(Element::TagValue));
            }
            self.tags.push((key, value));
        }
        self.series = c.span(start);
        c.spaces();
        if c.peek().is_none() {
            return c.fail(Reason::MissingFields);
        }
        loop {
            let key = c.name(Element::FieldKey)?;
            c.equals(Element::FieldKey)?;
            let (kind, value) = c.value()?;
            self.fields.push(FieldSpan { key, value, kind });
            match c.peek() {
                Some(b',') => c.pos += 1,
                Some(b' ') => break,
                None => return Ok(()),
                Some(_) => return c.fail(Reason::TextAfterString),
            }
        }
        c.spaces();
        self.time = c.timestamp()?;
        c.spaces();
        if c.peek().is_some() {
            return c.fail(Reason::TextAfterTimestamp);
        }
        Ok(())
    }
}

const COMMA: u8 = 1;
const EQUALS: u8 = 2;
const SPACE: u8 = 4;
const OTHER: u8 = 8; // backslash, line feed
const CONTROL: u8 = 16; // tab, nul

/// What each byte means to a name: anything not 0 may end it or needs a closer look.
static CLASS: [u8; 256] = {
    let mut t = [0; 256];
    t[b',' as usize] = COMMA;
    t[b'=' as usize] = EQUALS;
    t[b' ' as usize] = SPACE;
    t[b'\\' as usize] = OTHER;
    t[b'\n' as usize] = OTHER;
    t[b'\t' as usize] = CONTROL;
    t[0] = CONTROL;
    t
};

struct Cursor<'a> {
    line: &'a [u8],
    pos: usize,
    dialect: Dialect,
    numbers: Dialect,
    backslash: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.pos).copied()
    }

    fn fail<T>(&self, reason: Reason) -> Result<T, BadLine> {
        Err(BadLine { reason, at: self.pos })
    }

    fn span(&self, from: usize) -> Span {
        Span { from: from as u32, to: self.pos as u32 }
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.pos += 1;
        }
    }

    /// A name or tag value, up to the separator that ends it.
    fn name(&mut self, element: Element) -> Result<Span, BadLine> {
        let stops = match element {
            Element::Measurement => COMMA | SPACE | OTHER | CONTROL,
            _ => COMMA | EQUALS | SPACE | OTHER | CONTROL,
        };
        let from = self.pos;
        loop {
            self.pos = find_class(self.line, self.pos, &CLASS, stops);
            match self.peek() {
                Some(b'\\') => self.escaped(element)?,
                Some(b'\n') => return self.fail(Reason::LineFeed(element)),
                Some(c @ (b'\t' | 0)) => {
                    if !control_fits(element, self.dialect, c, self.pos == from) {
                        return self.fail(Reason::Control(element));
                    }
                    self.pos += 1;
                }
                _ => break,
            }
        }
        if self.pos == from {
            return self.fail(match element {
                Element::Measurement => Reason::MissingMeasurement,
                _ => Reason::Empty(element),
            });
        }
        Ok(self.span(from))
    }

    /// At a backslash in a name: over it and what it escapes.
    fn escaped(&mut self, element: Element) -> Result<(), BadLine> {
        self.backslash = true;
        let run = self.line.iter().skip(self.pos).take_while(|b| **b == b'\\').count();
        let next = self.line.get(self.pos + run).copied();
        let separator = matches!(next, Some(b',' | b'=' | b' '));
        match next {
            None if self.dialect != Dialect::V3 || run % 2 == 1 => {
                return self.fail(Reason::TrailingBackslash(element));
            }
            Some(b'\n') => return self.fail(Reason::LineFeed(element)),
            _ => {}
        }
        match self.dialect {
            Dialect::V3 => {
                if run % 2 == 0 {
                    // Pairs stand for backslashes; if the name ends here, its text ends in one.
                    let ends = match element {
                        Element::Measurement => matches!(next, None | Some(b',' | b' ')),
                        _ => next.is_none() || separator,
                    };
                    if ends {
                        return self.fail(Reason::TrailingBackslash(element));
                    }
                    self.pos += run;
                } else if matches!(next, Some(b'\t')) || (next == Some(0) && element == Element::Measurement) {
                    return self.fail(Reason::Control(element));
                } else {
                    self.pos += run + 1;
                }
            }
            Dialect::Portable => {
                let v1_drops = matches!(
                    (element, next),
                    (Element::Measurement, Some(b'=' | b'"')) | (Element::FieldKey, Some(b'"'))
                );
                if run > 1 || v1_drops {
                    return self.fail(Reason::AmbiguousBackslash(element));
                }
                self.pos += 1 + usize::from(separator);
            }
            Dialect::V1 | Dialect::V2 => {
                if element == Element::FieldKey && separator && run % 2 == 0 {
                    return self.fail(Reason::BackslashBeforeSeparator(element));
                }
                self.pos += run + usize::from(separator);
            }
        }
        Ok(())
    }

    fn equals(&mut self, element: Element) -> Result<(), BadLine> {
        match self.peek() {
            Some(b'=') => {
                self.pos += 1;
                Ok(())
            }
            _ => self.fail(Reason::MissingValue(element)),
        }
    }

    fn value(&mut self) -> Result<(Kind, Span), BadLine> {
        let from = self.pos;
        match self.peek() {
            None | Some(b',' | b' ') => self.fail(Reason::MissingFieldValue),
            Some(b'"') => {
                self.pos += 1;
                loop {
                    let rest = self.line.get(self.pos..).unwrap_or_default();
                    let Some(i) = memchr2(b'"', b'\\', rest) else {
                        return Err(BadLine { reason: Reason::UnterminatedString, at: from });
                    };
                    self.pos += i;
                    if rest.get(i) == Some(&b'"') {
                        break;
                    }
                    self.pos += 2;
                }
                let text = self.span(from + 1);
                self.pos += 1;
                Ok((Kind::Str, text))
            }
            Some(b'-' | b'.' | b'0'..=b'9') => {
                let (end, kind) = scan(self.line, from, self.numbers)?;
                self.pos = end;
                let mut text = self.span(from);
                text.to -= u32::from(kind != Kind::Float);
                Ok((kind, text))
            }
            Some(b'N' | b'n' | b'I' | b'i' | b'+') => self.fail(Reason::BadNumber),
            Some(_) => {
                let rest = self.line.get(from..).unwrap_or_default();
                let len = rest.iter().position(|b| matches!(b, b',' | b' ')).unwrap_or(rest.len());
                match rest.get(..len).unwrap_or_default() {
                    b"t" | b"T" | b"true" | b"True" | b"TRUE" | b"f" | b"F" | b"false" | b"False" | b"FALSE" => {}
                    _ => return self.fail(Reason::BadValue),
                }
                self.pos += len;
                Ok((Kind::Bool, self.span(from)))
            }
        }
    }

    fn timestamp(&mut self) -> Result<Option<i64>, BadLine> {
        let from = self.pos;
        if self.peek().is_none() {
            return Ok(None);
        }
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        self.pos = find_no_digit(self.line, self.pos);
        if !matches!(self.peek(), None | Some(b' ')) {
            return self.fail(Reason::BadTimestamp);
        }
        let text = self.span(from).of(self.line);
        match parse_i64(text) {
            Some(t) => Ok(Some(t)),
            None if text == b"-" => Err(BadLine { reason: Reason::BadTimestamp, at: from }),
            None => Err(BadLine { reason: Reason::TimestampOutOfRange, at: from }),
        }
    }
}

/// Whether a tab or a NUL may stand in a name: v1 and v2 strip them at the start of a measurement and of the first field
/// key, v3 ends every name at a tab and a measurement at a NUL too.
pub(crate) fn control_fits(element: Element, dialect: Dialect, byte: u8, first: bool) -> bool {
    let v1 = !(first && matches!(element, Element::Measurement | Element::FieldKey));
    let v3 = byte != b'\t' && element != Element::Measurement;
    match dialect {
        Dialect::V1 | Dialect::V2 => v1,
        Dialect::V3 => v3,
        Dialect::Portable => v1 && v3,
    }
}
