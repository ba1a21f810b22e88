//! Names, tag values and strings out of a line.

use std::borrow::Cow;

use memchr::memchr;

use crate::{Dialect, Element};

/// The text of a name or tag value as a server of the dialect would give it back.
pub fn unescape(escaped: &[u8], element: Element, dialect: Dialect) -> Cow<'_, [u8]> {
    if memchr(b'\\', escaped).is_none() {
        return Cow::Borrowed(escaped);
    }
    // A backslash before one of these goes away.
    let drops: &[u8] = match (dialect, element) {
        (Dialect::V3, Element::Measurement) => b"\\, ",
        (Dialect::V3, _) => b"\\,= ",
        (Dialect::V1 | Dialect::V2, Element::Measurement | Element::FieldKey) => b",\"= ",
        (_, Element::Measurement) => b", ",
        _ => b",= ",
    };
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(i) = memchr(b'\\', rest) {
        let (head, tail) = rest.split_at(i);
        out.extend_from_slice(head);
        match tail.get(1) {
            Some(next) if drops.contains(next) => {
                out.push(*next);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(b'\\');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The text of a string field, from the bytes between the quotes: `\"` and `\\` are the only escapes, in every dialect.
pub fn unescape_string(escaped: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', escaped).is_none() {
        return Cow::Borrowed(escaped);
    }
    let mut out = Vec::with_capacity(escaped.len());
    append_string(&mut out, escaped);
    Cow::Owned(out)
}

/// As [`unescape_string`], onto the end of a buffer.
pub fn append_string(out: &mut Vec<u8>, escaped: &[u8]) {
    let mut rest = escaped;
    while let Some(i) = memchr(b'\\', rest) {
        let (head, tail) = rest.split_at(i);
        out.extend_from_slice(head);
        match tail.get(1) {
            Some(next @ (b'"' | b'\\')) => {
                out.push(*next);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(b'\\');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
}

/// The length of the text of a string field.
pub(crate) fn string_len(escaped: &[u8]) -> usize {
    let mut len = escaped.len();
    let mut rest = escaped;
    while let Some(i) = memchr(b'\\', rest) {
        match rest.get(i + 1) {
            Some(b'"' | b'\\') => {
                len -= 1;
                rest = rest.get(i + 2..).unwrap_or_default();
            }
            _ => rest = rest.get(i + 1..).unwrap_or_default(),
        }
    }
    len
}
