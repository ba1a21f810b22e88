//! Values and times as almost every line spells them, read where they stand: the fast way around [`crate::Parser`].
//!
//! What these functions take, the parser takes too, with the same meaning. What they do not take (`None`) may be good or
//! bad: the parser has the say.

use crate::FieldValue;
use crate::number::{WHOLE_POWERS, decimal, float, join, parse_i64, parse_u64};
use crate::swar::{eight, find_no_digit, leading_digits, load};
use memchr::memchr3;

/// The value that starts at `at`, and where the `,` or the space after it stands. Floats are finite; a string has no line
/// feed in it; whether the dialect has unsigned integers is for the caller to know.
#[inline]
pub fn value(buf: &[u8], at: usize) -> Option<(FieldValue<'_>, usize)> {
    let first = *buf.get(at)?;
    if first.is_ascii_digit() || first == b'-' {
        return number(buf, at, first == b'-');
    }
    if first == b'"' { string(buf, at) } else { boolean(buf, at) }
}

/// The time that starts at `at`, where its line ends, and where the next line begins. Only for a time that is the last
/// thing on its line, before a line feed that is in the buffer.
#[inline]
pub fn time(buf: &[u8], at: usize) -> Option<(i64, usize, usize)> {
    let negative = *buf.get(at)? == b'-';
    let from = at + usize::from(negative);
    let (mut v, mut end) = (0u64, from);
    // Nineteen digits cannot overflow u64.
    while let Some(x) = load(buf, end)
        && end < from + 16
        && leading_digits(x) == 8
    {
        v = v.wrapping_mul(100_000_000).wrapping_add(eight(x));
        end += 8;
    }
    let mut after = *buf.get(end)?;
    while after.is_ascii_digit() {
        v = v.wrapping_mul(10).wrapping_add(u64::from(after & 15));
        end += 1;
        after = *buf.get(end)?;
    }
    if end == from || end - from > 19 {
        return None;
    }
    let v = if negative { 0i64.checked_sub_unsigned(v)? } else { i64::try_from(v).ok()? };
    match after {
        b'\n' => Some((v, end, end + 1)),
        b'\r' if buf.get(end + 1) == Some(&b'\n') => Some((v, end, end + 2)),
        _ => None,
    }
}

#[inline]
fn ends(after: u8) -> bool {
    after == b',' || after == b' '
}

#[inline(always)]
fn number(buf: &[u8], at: usize, negative: bool) -> Option<(FieldValue<'_>, usize)> {
    let from = at + usize::from(negative);
    let (Some(x), Some(next)) = (load(buf, from), load(buf, from + 1)) else { return any_number(buf, at, negative) };
    let whole = leading_digits(x);
    if whole == 0 || whole == 8 {
        return any_number(buf, at, negative);
    }
    let end = from + whole as usize;
    let after = (x >> (8 * whole)) as u8;
    if after == b'.' {
        // The digits without the point: those before it, then those from the byte after it on.
        let before = (1 << (8 * whole)) - 1;
        let digits = (x & before) | (next & !before);
        let count = leading_digits(digits);
        let end = from + 1 + count as usize;
        if count > whole && ends(*buf.get(end)?) {
            let v = decimal(eight(digits << (64 - 8 * count)), (count - whole) as usize);
            return Some((FieldValue::Float(if negative { -v } else { v }), end));
        }
    } else if ends(after) {
        let v = eight(x << (64 - 8 * whole)) as f64;
        return Some((FieldValue::Float(if negative { -v } else { v }), end));
    } else if after == b'i' && ends(*buf.get(end + 1)?) {
        let v = eight(x << (64 - 8 * whole)) as i64;
        return Some((FieldValue::Int(if negative { -v } else { v }), end + 1));
    }
    any_number(buf, at, negative)
}

/// The digits from `at` on: their number, which is true for up to nineteen of them, and where they end.
#[inline]
fn digits(buf: &[u8], mut at: usize) -> (u64, usize) {
    let mut v = 0u64;
    while let Some(x) = load(buf, at) {
        let count = leading_digits(x);
        if count < 8 {
            let last = if count == 0 { 0 } else { eight(x << (64 - 8 * count)) };
            let power = WHOLE_POWERS.get(count as usize).copied().unwrap_or(1);
            return (v.wrapping_mul(power).wrapping_add(last), at + count as usize);
        }
        v = v.wrapping_mul(100_000_000).wrapping_add(eight(x));
        at += 8;
    }
    while let Some(b) = buf.get(at).filter(|b| b.is_ascii_digit()) {
        v = v.wrapping_mul(10).wrapping_add(u64::from(b & 15));
        at += 1;
    }
    (v, at)
}

/// Numbers of any length, with an exponent or without.
#[inline(never)]
fn any_number(buf: &[u8], at: usize, negative: bool) -> Option<(FieldValue<'_>, usize)> {
    let from = at + usize::from(negative);
    let (left, whole) = digits(buf, from);
    if whole == from {
        return None;
    }
    let mut after = *buf.get(whole)?;
    match after {
        b'i' if ends(*buf.get(whole + 1)?) => {
            let v = match (whole - from <= 18, negative) {
                (true, false) => left as i64,
                (true, true) => -(left as i64),
                (false, _) => parse_i64(buf.get(at..whole)?)?,
            };
            return Some((FieldValue::Int(v), whole + 1));
        }
        b'u' if !negative && ends(*buf.get(whole + 1)?) => {
            return Some((FieldValue::UInt(parse_u64(buf.get(at..whole)?)?), whole + 1));
        }
        _ => {}
    }
    let (mut end, mut right) = (whole, 0);
    if after == b'.' {
        (right, end) = digits(buf, whole + 1);
        if end == whole + 1 {
            return None;
        }
        after = *buf.get(end)?;
    }
    if ends(after) {
        let fraction = end.saturating_sub(whole + 1);
        let v = join(left, right, fraction, whole - from).map(|v| if negative { -v } else { v });
        let v = v.or_else(|| float(buf.get(at..end)?)).filter(|v| v.is_finite())?;
        return Some((FieldValue::Float(v), end));
    }
    if after == b'e' || after == b'E' {
        let sign = usize::from(matches!(buf.get(end + 1), Some(b'+' | b'-')));
        let from = end + 1 + sign;
        end = find_no_digit(buf, from);
        if end == from || !ends(*buf.get(end)?) {
            return None;
        }
        let v = float(buf.get(at..end)?).filter(|v| v.is_finite())?;
        return Some((FieldValue::Float(v), end));
    }
    None
}

fn string(buf: &[u8], at: usize) -> Option<(FieldValue<'_>, usize)> {
    let mut end = at + 1;
    loop {
        end += memchr3(b'"', b'\\', b'\n', buf.get(end..)?)?;
        match *buf.get(end)? {
            b'"' => break,
            b'\\' if *buf.get(end + 1)? != b'\n' => end += 2,
            _ => return None,
        }
    }
    let text = buf.get(at + 1..end)?;
    ends(*buf.get(end + 1)?).then_some((FieldValue::Str(text), end + 1))
}

fn boolean(buf: &[u8], at: usize) -> Option<(FieldValue<'_>, usize)> {
    let rest = buf.get(at..)?;
    let len = rest.iter().take(6).position(|b| ends(*b))?;
    let v = match rest.get(..len)? {
        b"true" | b"t" | b"T" | b"True" | b"TRUE" => true,
        b"false" | b"f" | b"F" | b"False" | b"FALSE" => false,
        _ => return None,
    };
    Some((FieldValue::Bool(v), at + len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, Lines, Parser};
    use testkit::proptest::prelude::*;

    fn same(a: FieldValue<'_>, b: FieldValue<'_>) -> bool {
        match (a, b) {
            (FieldValue::Float(a), FieldValue::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }

    /// Texts that are values, nearly values, and neither.
    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?[iu]?",
            "-?[0-9]{1,7}(\\.[0-9]{1,7})?i?",
            any::<f64>().prop_map(|v| format!("{v:?}")),
            any::<f32>().prop_map(|v| format!("{v}")),
            any::<i64>().prop_map(|v| format!("{v}i")),
            any::<u64>().prop_map(|v| format!("{v}u")),
            prop::sample::select(
                &["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE", "tru", "falsee", "", "x"][..]
            )
            .prop_map(str::to_owned),
            "\"[a\u{e9},= \\\\\"\n]{0,9}\"?",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// What is taken is what the parser makes of the line, in every dialect that has such numbers.
        #[test]
        fn as_the_parser(text in any_value(), after in prop::sample::select(&[",", " ", "", "i", "\n", "\\"][..]), tail in "[0-9x]{0,20}\n?") {
            let rest = format!("{text}{after}g=1 1{tail}");
            if let Some((v, end)) = value(rest.as_bytes(), 0) {
                let line = format!("m f={} 1", &rest[..end]);
                for dialect in Dialect::ALL {
                    if matches!(v, FieldValue::UInt(_)) && !dialect.has_unsigned() {
                        continue;
                    }
                    let mut parser = Parser::new(dialect);
                    let read = parser.parse(line.as_bytes()).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
                    let fields: Vec<_> = read.fields().collect();
                    prop_assert_eq!(fields.len(), 1);
                    prop_assert!(same(fields[0].1.value(), v), "{} {:?}", line, v);
                }
            }
        }

        /// Plain spellings are taken, not left to the parser.
        #[test]
        fn plain_ones_are_taken(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?(e-?[0-9]{1,2})?|-?[0-9]{1,18}i|t|false|\"[a-z,= ]{0,30}\"") {
            let rest = format!("{text},g=1 1\n");
            prop_assert!(value(rest.as_bytes(), 0).is_some(), "{}", rest);
        }

        #[test]
        fn times_as_the_parser(text in "-?[0-9]{0,21}", end in prop::sample::select(&["\n", "\r\n", " \n", "\r\r\n", "x\n", ""][..]), more in "[a-z0-9\n]{0,30}") {
            let rest = format!("{text}{end}{more}");
            if let Some((v, line_end, next)) = time(rest.as_bytes(), 0) {
                let buf = format!("m f=1 {rest}");
                let raw = Lines::new(buf.as_bytes(), Dialect::V1).next().unwrap();
                let line = format!("m f=1 {}", &rest[..line_end]);
                prop_assert_eq!(raw.bytes, line.as_bytes());
                prop_assert_eq!(&rest.as_bytes()[next - 1..next], b"\n");
                prop_assert_eq!(Parser::new(Dialect::V1).parse(raw.bytes).unwrap().timestamp(), Some(v));
            } else if !end.is_empty() && !end.contains([' ', 'x']) && end != "\r\r\n" {
                prop_assert!(text.parse::<i64>().is_err() || text.len() > 19, "{}", text);
            }
        }
    }
}
