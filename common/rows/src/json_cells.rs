//! One cell from JSON into CSV. Each function reads what is at `from`, stores what CSV says of it at `at`, and gives where
//! both end; or [`NONE`]: the cell needs a closer look, and what was stored counts for nothing.
//!
//! None of them is inlined: each alone keeps its few values in registers, all together in one function do not (measured:
//! 1,130 instructions a row of sensors against 960).

use crate::bytes16::{Sixteen, above_ascii, digits_and_points, in_json};
use crate::instant::Parser;
use crate::plain::{Plain, is_decimal, is_shortest_single};
use crate::time::Unit;
use crate::window::{MOST, NO, Window, load, put, store};

/// No cell.
pub(crate) const NONE: (usize, usize) = (NO, 0);

#[inline(never)]
pub(crate) fn boolean(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let chunk = load(input, from);
    store(out, at, &chunk);
    match chunk {
        [b't', b'r', b'u', b'e', ..] => (from + 4, at + 4),
        [b'f', b'a', b'l', b's', b'e', ..] => (from + 5, at + 5),
        _ => NONE,
    }
}

/// Of at most `most` digits, which every value of the type has room for.
#[inline(never)]
pub(crate) fn integer(
    input: &Window,
    out: &mut Window,
    from: usize,
    at: usize,
    (most, signed): (usize, bool),
) -> (usize, usize) {
    let chunk = load(input, from);
    store(out, at, &chunk);
    let sign = usize::from(chunk[0] == b'-');
    let mut len = (!(digits_and_points(&chunk).0 | sign as u32)).trailing_zeros() as usize;
    if len >= 16 {
        let more = load(input, from + 16);
        store(out, at + 16, &more);
        len = 16 + (!digits_and_points(&more).0).trailing_zeros() as usize;
    }
    let digits = len.wrapping_sub(sign);
    // No leading zero, and no zero with a sign.
    let zero = chunk[sign] == b'0' && len > 1;
    if digits.wrapping_sub(1) >= most || sign > usize::from(signed) || zero {
        return NONE;
    }
    (from + len, at + len)
}

/// A number with digits before a point and behind it, or without a point, of less than sixteen bytes, and its length.
#[inline(always)]
fn plain(input: &Window, chunk: &Sixteen, from: usize) -> Option<(Plain, usize)> {
    let digits = digits_and_points(chunk).0;
    let sign = usize::from(chunk[0] == b'-');
    let whole = (!(digits >> sign)).trailing_zeros() as usize;
    let mut len = sign + whole;
    let mut fraction = 0;
    if input[(from + len) & MOST] == b'.' {
        fraction = (!(digits >> ((len + 1) & 31))).trailing_zeros() as usize;
        len += 1 + fraction;
        // Without any, there is no digit behind the point. Zeros at the end, all but one, are not how it is spelled.
        if fraction == 0 || (fraction > 1 && input[(from + len - 1) & MOST] == b'0') {
            return None;
        }
    }
    let leading = input[(from + sign) & MOST] == b'0';
    if whole == 0 || len >= 16 || (leading && (whole > 1 || tiny(chunk, sign, fraction))) {
        return None;
    }
    Some((Plain { sign, digits: whole + fraction, fraction }, len))
}

/// Below 10^-4, where an exponent may be shorter.
#[inline(always)]
fn tiny(chunk: &Sixteen, sign: usize, fraction: usize) -> bool {
    fraction > 4 && chunk[sign..].starts_with(b"0.0000")
}

/// Stores a number with a point. It is spelled as its nearest float is if no shorter text has the same nearest float, and
/// no other of its length is closer to it.
#[inline(always)]
fn float(out: &mut Window, from: usize, at: usize, chunk: &Sixteen, number: Plain, len: usize) -> (usize, usize) {
    store(out, at, chunk);
    if number.fraction > 0 {
        return (from + len, at + len);
    }
    store(out, at + len, b".0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    (from + len, at + len + 2)
}

#[inline(never)]
pub(crate) fn single(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let chunk = load(input, from);
    match plain(input, &chunk, from) {
        // Of no two such texts the nearest floats are the same.
        Some((number, len)) if number.digits <= 6 => float(out, from, at, &chunk, number, len),
        Some((number, len)) => long_single(input, out, from, at, (number, len)),
        None => NONE,
    }
}

#[inline(never)]
fn long_single(
    input: &Window,
    out: &mut Window,
    from: usize,
    at: usize,
    (number, len): (Plain, usize),
) -> (usize, usize) {
    let chunk = load(input, from);
    if !is_shortest_single(number, &chunk, len) {
        return NONE;
    }
    float(out, from, at, &chunk, number, len)
}

#[inline(never)]
pub(crate) fn double(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let chunk = load(input, from);
    match plain(input, &chunk, from) {
        // At most fifteen digits: of all texts that are as short no two have the same nearest double.
        Some((number, len)) => float(out, from, at, &chunk, number, len),
        None => NONE,
    }
}

/// A text that CSV need not quote.
#[inline(never)]
pub(crate) fn text(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let chunk = load(input, from + 1);
    let (quotes, special) = in_json(&chunk);
    // Before the first quote, or all of them.
    let special = special & !quotes & quotes.wrapping_sub(1);
    if input[from & MOST] != b'"' || chunk[0] == b'#' {
        return NONE;
    }
    if special != 0 || quotes == 0 || quotes & 1 != 0 {
        return long_text(input, out, from, at);
    }
    let len = quotes.trailing_zeros() as usize;
    store(out, at, &chunk);
    (from + len + 2, at + len)
}

/// The same of any length, and beyond ASCII.
#[inline(never)]
fn long_text(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let start = from + 1;
    let (mut more, mut high) = (0, false);
    let len = loop {
        let chunk = load(input, start + more);
        let (quotes, special) = in_json(&chunk);
        let special = special & !quotes & quotes.wrapping_sub(1);
        if special != 0 {
            if special & !above_ascii(&chunk) != 0 {
                return NONE;
            }
            high = true;
        }
        store(out, at + more, &chunk);
        if quotes != 0 {
            break more + quotes.trailing_zeros() as usize;
        }
        more += 16;
        if more > MOST {
            return NONE;
        }
    };
    if high && input.get(start..start + len).is_none_or(|text| std::str::from_utf8(text).is_err()) {
        return NONE;
    }
    if len == 0 {
        store(out, at, b"\"\"\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        return (start + 1, at + 2);
    }
    (start + len + 1, at + len)
}

/// A string without escapes that is `good`, without its quotes.
#[inline(always)]
fn quoted(
    input: &Window,
    out: &mut Window,
    from: usize,
    at: usize,
    good: impl Fn(&[u8]) -> bool,
) -> Option<(usize, usize)> {
    let text = input.get(from..)?.strip_prefix(b"\"")?;
    let text = text.get(..memchr::memchr(b'"', text)?)?;
    if !good(text) {
        return None;
    }
    let end = put(out, at, if text.is_empty() { b"\"\"" } else { text });
    (end != NO).then_some((from + text.len() + 2, end))
}

/// A decimal as it is printed.
#[inline(never)]
pub(crate) fn decimal(
    input: &Window,
    out: &mut Window,
    from: usize,
    at: usize,
    (precision, scale): (u8, i8),
) -> (usize, usize) {
    quoted(input, out, from, at, |text| is_decimal(text, precision, scale)).unwrap_or(NONE)
}

/// Whole bytes, in lower case.
#[inline(never)]
pub(crate) fn hexadecimal(input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
    let good =
        |text: &[u8]| text.len().is_multiple_of(2) && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    quoted(input, out, from, at, good).unwrap_or(NONE)
}

/// Times of one unit as RFC 3339 in UTC, `"2024-01-01T00:00:00.000Z"`, with all of the unit's digits.
pub(crate) struct Times {
    unit: Unit,
    /// `2024-01-01T00:00`, of the row before: a date, and all of that minute is within the unit's range.
    minute: Sixteen,
    /// What stands behind it, `:00.000Z"`: the bits that are given, what they are, the other bits of the digits, and what
    /// added to those carries if they are above 9, or 5.
    given: u128,
    tail: u128,
    digits: u128,
    carry: u128,
    /// Bytes of the tail without the quote.
    len: usize,
}

/// Where the bits of a digit carry to.
const CARRIED: u128 = u128::from_le_bytes([0x10; 16]);

impl Times {
    pub fn new(unit: Unit) -> Times {
        let digits = unit.digits();
        let mut times = Times { unit, minute: [0; 16], given: 0, tail: 0, digits: 0, carry: 0, len: digits + 5 };
        let mut tail = b":50.".to_vec();
        tail.extend(std::iter::repeat_n(b'9', digits));
        tail.extend_from_slice(b"Z\"");
        for (at, byte) in tail.iter().enumerate() {
            let (given, carry): (u128, u128) = match byte {
                b'0' | b'9' => (0xF0, 6),
                b'5' => (0xF0, 10),
                _ => (0xFF, 0),
            };
            times.given |= given << (8 * at);
            times.tail |= (u128::from(*byte) & given) << (8 * at);
            times.digits |= (0xFF ^ given) << (8 * at);
            times.carry |= carry << (8 * at);
        }
        times
    }

    #[inline(never)]
    pub fn copy(&mut self, input: &Window, out: &mut Window, from: usize, at: usize) -> (usize, usize) {
        let (head, tail) = (load(input, from + 1), load(input, from + 17));
        let bits = u128::from_le_bytes(tail);
        let wrong = (bits & self.given) ^ self.tail | ((bits & self.digits) + self.carry) & CARRIED;
        if input[from & MOST] != b'"' || wrong != 0 || (head != self.minute && !self.learn(&head)) {
            return NONE;
        }
        store(out, at, &head);
        store(out, at + 16, &tail);
        (from + self.len + 18, at + self.len + 16)
    }

    #[inline(never)]
    fn learn(&mut self, head: &Sixteen) -> bool {
        let mut whole = *b"YYYY-MM-DDTHH:MM:00Z";
        whole[..16].copy_from_slice(head);
        // Years as they have been for a while: whoever knows the others better may look at them.
        let usual = matches!(head[0], b'1'..=b'9') && head[10] == b'T';
        let Ok(start) = Parser::default().parse(&whole, Unit::S) else { return false };
        let within = |second: i64| second.checked_mul(self.unit.per_second()).is_some();
        let good = usual && within(start - 60) && within(start + 60);
        if good {
            self.minute = *head;
        }
        good
    }
}
