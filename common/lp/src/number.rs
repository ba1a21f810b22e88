//! Numbers, exactly as each dialect reads them (dossier influxdb 1.4). No allocation, no copy.

use crate::swar::{eight_digits, find_no_digit};
use crate::{BadLine, Dialect, Kind, Reason};

/// Finds the end of the number that starts at `at` and what kind it is. Ends at `,`, space or the end of the line.
pub(crate) fn scan(line: &[u8], at: usize, dialect: Dialect) -> Result<(usize, Kind), BadLine> {
    let bad = |at: usize, reason| Err(BadLine { reason, at });
    let negative = line.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    let mut i = digits(line, first);
    let whole = i - first;
    match line.get(i) {
        None | Some(b',' | b' ') if whole > 0 => {
            // A float of up to 308 digits is in range whatever the digits are.
            if whole > 308 {
                finite(line, at, i)?;
            }
            return Ok((i, Kind::Float));
        }
        Some(b'i') if whole > 0 => {
            if !ends(line, i + 1) {
                return bad(i + 1, Reason::BadNumber);
            }
            if whole > 18 && parse_i64(line.get(at..i).unwrap_or_default()).is_none() {
                return bad(at, Reason::IntegerOutOfRange);
            }
            return Ok((i + 1, Kind::Int));
        }
        Some(b'u') if whole > 0 => {
            if !ends(line, i + 1) || negative {
                return bad(at, Reason::BadNumber);
            }
            if !dialect.has_unsigned() {
                return bad(at, Reason::Unsigned);
            }
            if whole > 19 && parse_u64(line.get(at..i).unwrap_or_default()).is_none() {
                return bad(at, Reason::IntegerOutOfRange);
            }
            return Ok((i + 1, Kind::UInt));
        }
        _ => {}
    }
    let mut fraction = 0;
    if line.get(i) == Some(&b'.') {
        let from = i + 1;
        i = digits(line, from);
        fraction = i - from;
        let both_sides = whole > 0 && fraction > 0;
        let loose = dialect.loose_floats() && whole + fraction > 0;
        if !both_sides && !loose {
            return bad(at, Reason::BadNumber);
        }
    }
    if whole + fraction == 0 {
        return bad(at, Reason::BadNumber);
    }
    let mut scientific = false;
    if let Some(b'e' | b'E') = line.get(i) {
        scientific = true;
        i += 1;
        if let Some(b'+' | b'-') = line.get(i) {
            i += 1;
        }
        let from = i;
        i = digits(line, from);
        if i == from {
            return bad(at, Reason::BadNumber);
        }
    }
    if !ends(line, i) {
        return bad(i, Reason::BadNumber);
    }
    if scientific || whole > 308 {
        finite(line, at, i)?;
    }
    Ok((i, Kind::Float))
}

fn digits(line: &[u8], i: usize) -> usize {
    find_no_digit(line, i)
}

fn ends(line: &[u8], i: usize) -> bool {
    matches!(line.get(i), None | Some(b',' | b' '))
}

fn finite(line: &[u8], from: usize, to: usize) -> Result<(), BadLine> {
    match float(line.get(from..to).unwrap_or_default()) {
        Some(v) if v.is_finite() => Ok(()),
        _ => Err(BadLine { reason: Reason::FloatOutOfRange, at: from }),
    }
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number of eight digits at most, of which so many stand after the point. Exact: both the digits as one whole number
/// and the power of ten are doubles, and a division rounds once.
#[inline]
pub(crate) fn decimal(digits: u64, after: usize) -> f64 {
    digits as i64 as f64 / POWERS.get(after).copied().unwrap_or(1.0)
}

/// Powers of ten that a u64 holds with eighteen digits more.
pub(crate) const WHOLE_POWERS: [u64; 19] = {
    let (mut powers, mut i) = ([1; 19], 1);
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// `left` (of `whole` digits) and after the point `right` (of `fraction` digits), if one exact division gives it.
#[inline]
pub(crate) fn join(left: u64, right: u64, fraction: usize, whole: usize) -> Option<f64> {
    // Eighteen digits cannot overflow.
    if whole + fraction > 18 {
        return None;
    }
    let digits = left.wrapping_mul(*WHOLE_POWERS.get(fraction)?).wrapping_add(right);
    if digits > 1 << 53 { None } else { Some(digits as i64 as f64 / POWERS.get(fraction)?) }
}

/// A float as it stands in a line; text out of range gives an infinity. Up to 2^53 and 22 digits after the point by one exact division, others by the standard library.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    exact(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

fn exact(text: &[u8]) -> Option<f64> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let point = find_no_digit(text, 0);
    let (left, right) = match text.get(point) {
        None => (text, &[][..]),
        Some(b'.') => (text.get(..point)?, text.get(point + 1..)?),
        Some(_) => return None,
    };
    if left.is_empty() || (right.is_empty() && point < text.len()) || left.len() + right.len() > 18 {
        return None;
    }
    let fraction = if right.is_empty() { 0 } else { parse_u64(right)? };
    let v = join(parse_u64(left)?, fraction, right.len(), left.len())?;
    Some(if negative { -v } else { v })
}

/// An integer without its `i`. None outside of i64.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let magnitude = parse_u64(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// An unsigned integer without its `u`. None outside of u64.
pub(crate) fn parse_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 19 {
        // Nineteen digits cannot overflow u64.
        if find_no_digit(digits, 0) < digits.len() {
            return None;
        }
        let (mut v, mut at) = (0u64, 0);
        while let Some(eight) = eight_digits(digits, at) {
            v = v.wrapping_mul(100_000_000).wrapping_add(eight);
            at += 8;
        }
        for d in digits.get(at..).unwrap_or_default() {
            v = v.wrapping_mul(10).wrapping_add(u64::from(d & 15));
        }
        return Some(v);
    }
    digits.iter().try_fold(0u64, |v, d| v.checked_mul(10)?.checked_add(u64::from(digit(*d)?)))
}

fn digit(b: u8) -> Option<u8> {
    let d = b.wrapping_sub(b'0');
    (d < 10).then_some(d)
}
