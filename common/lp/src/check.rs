//! Is a line safe to send?
//!
//! Servers differ in what they do with a bad line: refuse it, refuse its whole batch, drop a value and say nothing, stop
//! altogether. So a line is refused here if any server of the dialect would do more than store it as it is.

mod fast;
mod glance;

pub use fast::Known;

use crate::dialect::Limits;
use crate::escape::reserves_underscore;
use crate::unescape::string_len;
use crate::{BadLine, Dialect, Element, Kind, Line, Parser, Precision, Reason, server, write};

/// Checks one line, without line end, with default limits and times in nanoseconds.
pub fn check(line: &[u8], dialect: Dialect) -> Result<(), Reason> {
    Checker::new(dialect).check(line).map_err(|bad| bad.reason)
}

/// Checks many lines; remembers the keys of the line before, so that lines of one shape are cheap.
#[derive(Debug)]
pub struct Checker {
    parser: Parser,
    limits: Limits,
    precision: Precision,
    /// What follows from these, for [`Checker::known`]: bytes of a line in which nothing can be too long, and times that fit.
    short: usize,
    times: glance::Times,
    timestamps: bool,
    last: Shape,
    /// Made by [`Checker::known`], for those who call it.
    memory: Option<Box<fast::Memory>>,
}

/// The keys of the last line that was found good.
#[derive(Debug, Default)]
struct Shape {
    keys: Vec<u8>,
    ends: Vec<u32>,
    tags: usize,
}

impl Checker {
    /// A checker with default limits, for times in nanoseconds.
    pub fn new(dialect: Dialect) -> Checker {
        Checker {
            parser: Parser::new(dialect),
            limits: Limits::default(),
            precision: Precision::Ns,
            short: short(dialect).min(Limits::default().line),
            times: glance::Times::new(dialect, Precision::Ns),
            timestamps: true,
            last: Shape::default(),
            memory: None,
        }
    }

    /// Other limits.
    pub fn limits(mut self, limits: Limits) -> Checker {
        self.short = short(self.parser.dialect()).min(limits.line);
        self.limits = limits;
        self
    }

    /// The unit that the times are in.
    pub fn precision(mut self, unit: Precision) -> Checker {
        self.times = glance::Times::new(self.parser.dialect(), unit);
        self.precision = unit;
        self
    }

    /// Lines without a timestamp pass. Only for servers whose clock is wanted.
    pub fn allow_missing_timestamps(mut self) -> Checker {
        self.timestamps = false;
        self
    }

    /// Ok if every server of the dialect stores the line as it is.
    pub fn check(&mut self, line: &[u8]) -> Result<(), BadLine> {
        self.parse(line).map(|_| ())
    }

    /// As [`Checker::check`], and gives the parts of the line.
    pub fn parse<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Line<'a>, BadLine> {
        if bytes.len() > self.limits.line {
            return Err(BadLine { reason: Reason::LineTooLong, at: 0 });
        }
        let dialect = self.parser.dialect();
        let line = self.parser.parse(bytes)?;
        match line.timestamp() {
            None if self.timestamps => return bad(Reason::MissingTimestamp, bytes.len()),
            Some(t) if !write::time_fits(dialect, self.precision, t) => {
                return bad(Reason::TimestampOutOfRange, bytes.len());
            }
            _ => {}
        }
        if line.fields().len() > self.limits.fields {
            return bad(Reason::TooManyFields, 0);
        }
        if !self.last.is_of(&line) {
            self.last.learn(&line, dialect)?;
        }
        if bytes.len() > short(dialect) {
            lengths(&line, dialect)?;
        }
        if dialect.utf8()
            && let Err(e) = std::str::from_utf8(bytes)
        {
            return bad(Reason::NotUtf8, e.valid_up_to());
        }
        if line.has_backslash() && !server::is_one_line(bytes) {
            return bad(Reason::LineEndDiffers, 0);
        }
        if let Some(memory) = &mut self.memory {
            memory.learn(bytes, &line, dialect);
        }
        Ok(line)
    }
}

/// Bytes up to which a line cannot have anything in it that is too long.
fn short(dialect: Dialect) -> usize {
    dialect.max_name().min(dialect.max_string()) - 8
}

fn bad<T>(reason: Reason, at: usize) -> Result<T, BadLine> {
    Err(BadLine { reason, at })
}

/// Sizes of the series key, the names and the strings. Only called for lines long enough to break one.
fn lengths(line: &Line<'_>, dialect: Dialect) -> Result<(), BadLine> {
    let series = line.series().len();
    let too_long = |part: &[u8]| part.len() > dialect.max_name();
    let names = std::iter::once(line.measurement()).chain(line.tags().flat_map(|(k, v)| [k, v]));
    for name in names {
        if too_long(name) {
            return bad(Reason::KeyTooLong, line.offset_of(name));
        }
    }
    for (key, value) in line.fields() {
        let fits = crate::escape::key_fits(dialect, series, key.len());
        if too_long(key) || !fits {
            return bad(Reason::KeyTooLong, line.offset_of(key));
        }
        if value.kind == Kind::Str && string_len(value.text) > dialect.max_string() {
            return bad(Reason::StringTooLong, line.offset_of(value.text));
        }
    }
    Ok(())
}

impl Shape {
    /// The line has the keys of the last one, in the same order.
    fn is_of(&self, line: &Line<'_>) -> bool {
        if self.tags != line.tags().len() || self.ends.len() != self.tags + line.fields().len() {
            return false;
        }
        let mut from = 0;
        let keys = line.tags().map(|t| t.0).chain(line.fields().map(|f| f.0));
        keys.zip(&self.ends).all(|(key, end)| {
            let known = self.keys.get(from as usize..*end as usize);
            from = *end;
            known == Some(key)
        })
    }

    /// Checks the keys of a line and, if they are good, remembers them.
    fn learn(&mut self, line: &Line<'_>, dialect: Dialect) -> Result<(), BadLine> {
        self.ends.clear();
        self.tags = usize::MAX;
        let mut tags: Vec<&[u8]> = line.tags().map(|t| t.0).collect();
        let mut fields: Vec<&[u8]> = line.fields().map(|f| f.0).collect();
        for (element, keys) in [(Element::TagKey, &tags), (Element::FieldKey, &fields)] {
            let reserved = |key: &&&[u8]| match **key {
                b"time" => true,
                b"_field" | b"_measurement" => element == Element::TagKey && reserves_underscore(dialect),
                _ => false,
            };
            if let Some(key) = keys.iter().find(reserved) {
                return bad(Reason::ReservedName, line.offset_of(key));
            }
        }
        tags.sort_unstable();
        fields.sort_unstable();
        if let Some(key) = twice(&tags) {
            return bad(Reason::DuplicateTag, line.offset_of(key));
        }
        if let Some(key) = twice(&fields) {
            return bad(Reason::DuplicateField, line.offset_of(key));
        }
        if matches!(dialect, Dialect::V3 | Dialect::Portable)
            && let Some(key) = tags.iter().find(|t| fields.binary_search(t).is_ok())
        {
            return bad(Reason::TagIsField, line.offset_of(key));
        }
        self.keys.clear();
        for key in line.tags().map(|t| t.0).chain(line.fields().map(|f| f.0)) {
            self.keys.extend_from_slice(key);
            self.ends.push(self.keys.len() as u32);
        }
        self.tags = tags.len();
        Ok(())
    }
}

/// A key that is in the sorted list twice.
fn twice<'a>(sorted: &[&'a [u8]]) -> Option<&'a [u8]> {
    sorted.windows(2).find_map(|w| match w {
        [a, b] if a == b => Some(*b),
        _ => None,
    })
}
