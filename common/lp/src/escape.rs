//! Names, tag values and strings into a line (dossier influxdb 1.2, 1.3).

use std::fmt;

use memchr::memchr2;

use crate::parse::control_fits;
use crate::{Dialect, Element};

/// What a dialect cannot hold. Nothing has been written when one of these comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Empty name, or empty tag value: to InfluxDB the same as no tag.
    Empty(Element),
    /// Ends in a backslash, which would escape the separator. No spelling helps, in any version.
    TrailingBackslash(Element),
    /// Backslashes that a server of the dialect would not give back as they are.
    Backslash(Element),
    /// A line feed in a name or a tag value.
    LineFeed(Element),
    /// A tab or NUL that the dialect strips or ends the name at.
    Control(Element),
    /// The measurement starts with `#`: the line would be a comment.
    LeadingHash,
    /// `time`, `_field`, `_measurement`: the server keeps the name for itself.
    Reserved(Element),
    /// Longer than the dialect keeps.
    TooLong(Element),
    /// Not UTF-8.
    NotUtf8,
    /// A string field longer than the dialect keeps.
    StringTooLong,
    /// NaN or an infinity.
    NotFinite,
    /// An unsigned integer, which the dialect does not have.
    Unsigned,
    /// A time outside of what the server keeps.
    TimeOutOfRange,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty(e) => write!(f, "empty {e}"),
            Refusal::TrailingBackslash(e) => write!(f, "{e} ends in a backslash"),
            Refusal::Backslash(e) => write!(f, "{e} has backslashes that the server would not give back"),
            Refusal::LineFeed(e) => write!(f, "line feed in a {e}"),
            Refusal::Control(e) => write!(f, "tab or nul in a {e}"),
            Refusal::LeadingHash => f.write_str("measurement starts with '#'"),
            Refusal::Reserved(e) => write!(f, "reserved {e}"),
            Refusal::TooLong(e) => write!(f, "{e} is too long"),
            Refusal::NotUtf8 => f.write_str("not utf-8"),
            Refusal::StringTooLong => f.write_str("string is longer than the server keeps"),
            Refusal::NotFinite => f.write_str("nan or infinity"),
            Refusal::Unsigned => f.write_str("unsigned integer"),
            Refusal::TimeOutOfRange => f.write_str("time out of range"),
        }
    }
}

impl std::error::Error for Refusal {}

const SEPARATOR: u8 = 1; // , and space
const EQUALS: u8 = 2;
const CAREFUL: u8 = 4; // backslash, line feed, tab, nul

static CLASS: [u8; 256] = {
    let mut t = [0; 256];
    t[b',' as usize] = SEPARATOR;
    t[b' ' as usize] = SEPARATOR;
    t[b'=' as usize] = EQUALS;
    t[b'\\' as usize] = CAREFUL;
    t[b'\n' as usize] = CAREFUL;
    t[b'\t' as usize] = CAREFUL;
    t[0] = CAREFUL;
    t
};

/// Appends a measurement, tag key, tag value or field key, escaped.
pub fn name(out: &mut Vec<u8>, element: Element, dialect: Dialect, text: &[u8]) -> Result<(), Refusal> {
    let seen = text.iter().fold(0, |seen, b| seen | CLASS[*b as usize]);
    match (element, text) {
        (_, []) => return Err(Refusal::Empty(element)),
        (Element::Measurement, [b'#', ..]) => return Err(Refusal::LeadingHash),
        (Element::TagKey | Element::FieldKey, b"time") => return Err(Refusal::Reserved(element)),
        (Element::TagKey, b"_field" | b"_measurement") if reserves_underscore(dialect) => {
            return Err(Refusal::Reserved(element));
        }
        _ => {}
    }
    if text.len() > dialect.max_name() {
        return Err(Refusal::TooLong(element));
    }
    if dialect.utf8() && std::str::from_utf8(text).is_err() {
        return Err(Refusal::NotUtf8);
    }
    if seen & CAREFUL != 0 {
        representable(element, dialect, text)?;
    }
    let escaped = if element == Element::Measurement { SEPARATOR } else { SEPARATOR | EQUALS };
    let double = dialect == Dialect::V3 && seen & CAREFUL != 0;
    if seen & escaped == 0 && !double {
        out.extend_from_slice(text);
        return Ok(());
    }
    out.reserve(text.len() + 8);
    for b in text {
        if CLASS[*b as usize] & escaped != 0 || (double && *b == b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    Ok(())
}

pub(crate) fn reserves_underscore(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::V2 | Dialect::Portable)
}

/// Whether the text, which has a backslash, a line feed, a tab or a NUL, comes back as it is.
fn representable(element: Element, dialect: Dialect, text: &[u8]) -> Result<(), Refusal> {
    let mut run = 0;
    for (i, b) in text.iter().enumerate() {
        match b {
            b'\n' => return Err(Refusal::LineFeed(element)),
            b'\t' | 0 if !control_fits(element, dialect, *b, i == 0) => return Err(Refusal::Control(element)),
            b'\\' => {
                run += 1;
                continue;
            }
            _ => {}
        }
        if run > 0 && !backslashes_fit(element, dialect, run, *b) {
            return Err(Refusal::Backslash(element));
        }
        run = 0;
    }
    if run > 0 { Err(Refusal::TrailingBackslash(element)) } else { Ok(()) }
}

/// Whether `run` backslashes before `next` are read back as `run` backslashes and `next`.
fn backslashes_fit(element: Element, dialect: Dialect, run: usize, next: u8) -> bool {
    let separator = match element {
        Element::Measurement => matches!(next, b',' | b' '),
        _ => matches!(next, b',' | b' ' | b'='),
    };
    // v1 and v2 drop a backslash before these although nothing makes the writer escape them.
    let dropped = match element {
        Element::Measurement => matches!(next, b'=' | b'"'),
        Element::FieldKey => next == b'"',
        _ => false,
    };
    match dialect {
        Dialect::V3 => true,
        Dialect::V1 | Dialect::V2 => match element {
            // Scanned in pairs: with the escaping backslash the count must be odd.
            Element::FieldKey if separator => run.is_multiple_of(2),
            _ => !dropped,
        },
        Dialect::Portable => run == 1 && !separator && !dropped,
    }
}

/// Appends a string field with its quotes. A line feed is written as it is: all servers read it, not all tools do.
pub fn string(out: &mut Vec<u8>, dialect: Dialect, text: &[u8]) -> Result<(), Refusal> {
    if text.len() > dialect.max_string() {
        return Err(Refusal::StringTooLong);
    }
    if dialect.utf8() && std::str::from_utf8(text).is_err() {
        return Err(Refusal::NotUtf8);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some(i) = memchr2(b'"', b'\\', rest) {
        let (head, tail) = rest.split_at(i);
        out.extend_from_slice(head);
        out.push(b'\\');
        let Some((special, tail)) = tail.split_first() else { break };
        out.push(*special);
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
    Ok(())
}

/// Whether a series key (`measurement,tag=value...` as written) and a field key are together short enough.
pub fn key_fits(dialect: Dialect, series: usize, field_key: usize) -> bool {
    dialect.max_key().is_none_or(|max| series.saturating_add(field_key).saturating_add(4) <= max)
}
