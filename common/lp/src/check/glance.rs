//! How long legal values and times are, found without reading what they say: a check needs no more.
//!
//! What these functions take, [`crate::plain`] takes too, with the same end; what they do not take, it has the say about.

use crate::{Dialect, FieldValue, Precision, plain, write};

/// Bytes looked at in one step.
const STEP: usize = 16;

/// The length of the value that `rest` begins with, if the dialect surely has such values, and what stands after it: a
/// `,` or a space.
#[inline(always)]
pub(super) fn value_len(rest: &[u8], dialect: Dialect) -> Option<(usize, u8)> {
    short_number(rest).or_else(|| any_value(rest, dialect))
}

/// Numbers without exponent that end within sixteen bytes: they are in range whatever their digits are.
#[inline(always)]
fn short_number(rest: &[u8]) -> Option<(usize, u8)> {
    let window: &[u8; STEP] = rest.first_chunk()?;
    number(rest, masks(window, [b',', b' ']))
}

/// The number that `rest` begins with, given where digits and ends of values are in its first bytes.
///
/// The end is looked for by itself, not behind the digits: what comes after the value waits for it, but for none of the
/// questions whether the value is good.
#[inline(always)]
fn number(rest: &[u8], (digits, ends): (u32, u32)) -> Option<(usize, u8)> {
    if ends == 0 {
        return None;
    }
    let len = ends.trailing_zeros() as usize;
    let odd = !digits & below(ends);
    match odd & 1 {
        0 => from(rest, 0, odd, len),
        _ if *rest.first()? == b'-' => from(rest, 1, odd & !1, len),
        _ => None,
    }
}

/// The number whose digits begin at `from` and which ends at `len`; `odd`: what is no digit between.
#[inline(always)]
fn from(rest: &[u8], from: usize, odd: u32, len: usize) -> Option<(usize, u8)> {
    if odd == 0 {
        return (len > from).then_some((len, *rest.get(len)?));
    }
    // All are digits but one byte, or more.
    let at = odd.trailing_zeros() as usize;
    let good = match *rest.get(at)? {
        b'.' => at + 1 < len,
        // Eighteen digits are in range.
        b'i' => at + 1 == len && at <= 18,
        _ => false,
    };
    (good && at > from && odd & (odd - 1) == 0).then_some((len, *rest.get(len)?))
}

/// Ones below the lowest one.
#[inline(always)]
fn below(mask: u32) -> u32 {
    !mask & mask.wrapping_sub(1)
}

/// Longer numbers, and everything else.
#[inline(never)]
fn any_value(rest: &[u8], dialect: Dialect) -> Option<(usize, u8)> {
    if let Some(window) = rest.first_chunk::<{ 2 * STEP }>()
        && let Some(found) = number(rest, masks_of_two(window, [b',', b' ']))
    {
        return Some(found);
    }
    let (value, len) = plain::value(rest, 0)?;
    match value {
        FieldValue::UInt(_) if !dialect.has_unsigned() => None,
        FieldValue::Str(text) if dialect.utf8() && std::str::from_utf8(text).is_err() => None,
        _ => Some((len, *rest.get(len)?)),
    }
}

/// The times that a dialect has in one unit, from 0 on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    dialect: Dialect,
    unit: Precision,
    /// Digits of the last one, and the first eight of them, the first highest.
    digits: usize,
    head: u64,
}

impl Times {
    pub fn new(dialect: Dialect, unit: Precision) -> Times {
        let text = (dialect.time_range().1 / unit.nanos()).to_string();
        // Ten digits at least: the years up to 2262, in seconds.
        let head = text.as_bytes().first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        Times { dialect, unit, digits: text.len(), head }
    }

    /// The length of the time that `rest` begins with, and with its line end.
    #[inline(always)]
    pub fn len(&self, rest: &[u8]) -> Option<(usize, usize)> {
        self.quick(rest).or_else(|| self.any(rest))
    }

    #[inline(always)]
    fn quick(&self, rest: &[u8]) -> Option<(usize, usize)> {
        let window: &[u8; 2 * STEP] = rest.first_chunk()?;
        let (digits, ends) = masks_of_two(window, [b'\n'; 2]);
        if ends == 0 {
            return None;
        }
        let all = ends.trailing_zeros() as usize;
        // A carriage return may stand before the line feed.
        let odd = !digits & below(ends);
        let len = all - usize::from(odd != 0);
        if odd != 0 && (odd != 1 << len || *window.get(len)? != b'\r') {
            return None;
        }
        // Texts of one length are ordered as their numbers.
        let first = u64::from_be_bytes(*window.first_chunk()?);
        let fits = len < self.digits || (len == self.digits && first < self.head);
        (len > 0 && fits).then_some((len, all + 1))
    }

    #[inline(never)]
    fn any(&self, rest: &[u8]) -> Option<(usize, usize)> {
        let (time, len, next) = plain::time(rest, 0)?;
        write::time_fits(self.dialect, self.unit, time).then_some((len, next))
    }
}

/// A bit for each byte that is a digit, and for each that is one of `ends`; the first in the lowest.
#[inline(always)]
fn masks(window: &[u8; STEP], ends: [u8; 2]) -> (u32, u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2(window, ends) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable(window, ends);
}

#[inline(always)]
fn masks_of_two(window: &[u8; 2 * STEP], ends: [u8; 2]) -> (u32, u32) {
    let half = |half: Option<&[u8; STEP]>| half.map_or((0, 0), |half| masks(half, ends));
    let (low, high) = (half(window.first_chunk()), half(window.last_chunk()));
    (low.0 | (high.0 << STEP), low.1 | (high.1 << STEP))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn sse2(window: &[u8; STEP], ends: [u8; 2]) -> (u32, u32) {
    use std::arch::x86_64::*;
    let all = u128::from_le_bytes(*window);
    let bytes = _mm_set_epi64x((all >> 64) as i64, all as i64);
    let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
    let digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
    let (a, b) = (_mm_set1_epi8(ends[0] as i8), _mm_set1_epi8(ends[1] as i8));
    let (a, b) = (_mm_cmpeq_epi8(bytes, a), _mm_cmpeq_epi8(bytes, b));
    (_mm_movemask_epi8(digits) as u32, _mm_movemask_epi8(_mm_or_si128(a, b)) as u32)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable(window: &[u8; STEP], ends: [u8; 2]) -> (u32, u32) {
    let mask = |is: &dyn Fn(u8) -> bool| window.iter().rev().fold(0, |mask, byte| (mask << 1) | u32::from(is(*byte)));
    (mask(&|byte| byte.is_ascii_digit()), mask(&|byte| ends.contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 10 } else { 20_000 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn masks_as_byte_by_byte(window: [u8; STEP], near in prop::collection::vec(0x2a_u8..0x3c, STEP), ends: [u8; 2]) {
            let near: [u8; STEP] = near.try_into().unwrap();
            for (window, ends) in [(window, ends), (near, ends), (near, *b", ")] {
                prop_assert_eq!(masks(&window, ends), portable(&window, ends));
            }
        }

        /// A value ends where reading it ends, and what is not to be read has no end.
        #[test]
        fn values_as_reading_them(
            text in prop_oneof![
                "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?[iu]?",
                "-?[0-9]{1,9}(\\.[0-9]{1,9})?i?",
                "-?[0-9.i]{0,18}",
                "[tfTF]|true|False|tru|\"[a\u{e9},= \\\\\"\n]{0,9}\"?",
            ],
            after in prop::sample::select(&[",", " ", "", "i", "\n", "\\", "\0", ". "][..]),
            tail in "[0-9x,. ]{0,40}\n?",
        ) {
            let rest = format!("{text}{after}{tail}");
            for dialect in Dialect::ALL {
                let slow = plain::value(rest.as_bytes(), 0).filter(|(value, _)| match value {
                    FieldValue::UInt(_) => dialect.has_unsigned(),
                    _ => true,
                });
                let slow = slow.map(|(_, end)| (end, rest.as_bytes()[end]));
                prop_assert_eq!(value_len(rest.as_bytes(), dialect), slow, "{} {}", dialect, rest);
            }
        }

        #[test]
        fn times_as_reading_them(
            text in prop_oneof!["-?[0-9]{0,21}", "922337203[67][0-9]{0,11}", "-?922337203685477580[0-9]{0,2}"],
            end in prop::sample::select(&["\n", "\r\n", " \n", "\r\r\n", "x\n", ""][..]),
            more in "[a-z0-9\n]{0,40}",
        ) {
            let rest = format!("{text}{end}{more}");
            for dialect in Dialect::ALL {
                for unit in Precision::ALL {
                    let slow = plain::time(rest.as_bytes(), 0)
                        .filter(|(time, ..)| write::time_fits(dialect, unit, *time))
                        .map(|(_, end, next)| (end, next));
                    prop_assert_eq!(Times::new(dialect, unit).len(rest.as_bytes()), slow, "{} {:?} {}", dialect, unit, rest);
                }
            }
        }
    }

    #[test]
    fn not_utf8_is_left_to_the_whole_check() {
        for dialect in Dialect::ALL {
            let len = value_len(b"\"\xff\" 1", dialect);
            assert_eq!(len, (!dialect.utf8()).then_some((3, b' ')), "{dialect}");
        }
    }
}
