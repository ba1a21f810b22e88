//! Where legal values and times end, found without reading what they say: a check needs no more.
//!
//! What these functions take, [`crate::plain`] takes too, with the same end; what they do not take, it has the say about.

use crate::{Dialect, FieldValue, Precision, plain, write};

/// Bytes looked at in one step.
const STEP: usize = 16;

/// The end of the value that starts at `at`, where a `,` or a space stands, if the dialect surely has such values.
#[inline(always)]
pub(super) fn value_end(buf: &[u8], at: usize, dialect: Dialect) -> Option<usize> {
    short_number(buf, at).or_else(|| any_value(buf, at, dialect))
}

#[inline]
fn ends(after: u8) -> bool {
    after == b',' || after == b' '
}

/// Numbers without exponent that end within sixteen bytes: they are in range whatever their digits are.
#[inline(always)]
fn short_number(buf: &[u8], at: usize) -> Option<usize> {
    let from = at + usize::from(*buf.get(at)? == b'-');
    let window: &[u8; STEP] = buf.get(from..)?.first_chunk()?;
    let other = !digits(window);
    number(window, other).map(|len| from + len)
}

/// The length of the number that `window` begins with; `other`: where it has no digits, and ones above its length.
#[inline(always)]
fn number(window: &[u8], other: u32) -> Option<usize> {
    let whole = other.trailing_zeros() as usize;
    let second = (other & other.wrapping_sub(1)).trailing_zeros() as usize;
    if whole == 0 {
        return None;
    }
    match *window.get(whole)? {
        b'.' if second > whole + 1 && ends(*window.get(second)?) => Some(second),
        b',' | b' ' => Some(whole),
        // Eighteen digits are in range.
        b'i' if second == whole + 1 && whole <= 18 && ends(*window.get(second)?) => Some(second),
        _ => None,
    }
}

/// Longer numbers, and everything else.
#[inline(never)]
fn any_value(buf: &[u8], at: usize, dialect: Dialect) -> Option<usize> {
    let from = at + usize::from(*buf.get(at)? == b'-');
    if let Some(window) = buf.get(from..).and_then(|rest| rest.first_chunk::<{ 2 * STEP }>())
        && let other @ 1.. = no_digits(window)
        && let Some(len) = number(window, other)
    {
        return Some(from + len);
    }
    let (value, end) = plain::value(buf, at)?;
    match value {
        FieldValue::UInt(_) if !dialect.has_unsigned() => None,
        FieldValue::Str(text) if dialect.utf8() && std::str::from_utf8(text).is_err() => None,
        _ => Some(end),
    }
}

/// The times that a dialect has in one unit, from 0 on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    dialect: Dialect,
    unit: Precision,
    /// Digits of the last one, and the first eight of them.
    digits: usize,
    head: [u8; 8],
}

impl Times {
    pub fn new(dialect: Dialect, unit: Precision) -> Times {
        let text = (dialect.time_range().1 / unit.nanos()).to_string();
        // Ten digits at least: the years up to 2262, in seconds.
        let head = text.as_bytes().first_chunk().copied().unwrap_or_default();
        Times { dialect, unit, digits: text.len(), head }
    }

    /// Where the line ends whose time starts at `at`, and where the next one begins.
    #[inline(always)]
    pub fn end(&self, buf: &[u8], at: usize) -> Option<(usize, usize)> {
        self.quick(buf, at).or_else(|| self.any(buf, at))
    }

    #[inline(always)]
    fn quick(&self, buf: &[u8], at: usize) -> Option<(usize, usize)> {
        let window: &[u8; 2 * STEP] = buf.get(at..)?.first_chunk()?;
        let len = no_digits(window).trailing_zeros() as usize;
        // Texts of one length are ordered as their numbers.
        let first = u64::from_be_bytes(*window.first_chunk()?);
        if len == 0 || len > self.digits || (len == self.digits && first >= u64::from_be_bytes(self.head)) {
            return None;
        }
        match window.get(len..)? {
            [b'\n', ..] => Some((at + len, at + len + 1)),
            [b'\r', b'\n', ..] => Some((at + len, at + len + 2)),
            _ => None,
        }
    }

    #[inline(never)]
    fn any(&self, buf: &[u8], at: usize) -> Option<(usize, usize)> {
        let (time, end, next) = plain::time(buf, at)?;
        write::time_fits(self.dialect, self.unit, time).then_some((end, next))
    }
}

/// A bit for each byte that is no digit, the first in the lowest.
#[inline(always)]
fn no_digits(window: &[u8; 2 * STEP]) -> u32 {
    let (low, high) = window.split_at(STEP);
    let [low, high] = [low, high].map(|half| half.first_chunk().map_or(0, digits));
    !(low | (high << STEP))
}

/// A bit for each byte that is a digit, the first in the lowest.
#[inline(always)]
fn digits(window: &[u8; STEP]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2(window) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable(window);
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn sse2(window: &[u8; STEP]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8, _mm_sub_epi8,
    };
    let all = u128::from_le_bytes(*window);
    let bytes = _mm_set_epi64x((all >> 64) as i64, all as i64);
    let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
    _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values)) as u32
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable(window: &[u8; STEP]) -> u32 {
    window.iter().enumerate().fold(0, |mask, (i, byte)| mask | (u32::from(byte.is_ascii_digit()) << i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn digits_as_one_by_one(window: [u8; STEP], near in prop::collection::vec(0x2e_u8..0x3c, STEP)) {
            let near: [u8; STEP] = near.try_into().unwrap();
            for window in [window, near] {
                prop_assert_eq!(digits(&window), portable(&window));
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
                prop_assert_eq!(value_end(rest.as_bytes(), 0, dialect), slow.map(|(_, end)| end), "{} {}", dialect, rest);
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
                    prop_assert_eq!(Times::new(dialect, unit).end(rest.as_bytes(), 0), slow, "{} {:?} {}", dialect, unit, rest);
                }
            }
        }
    }

    #[test]
    fn not_utf8_is_left_to_the_whole_check() {
        for dialect in Dialect::ALL {
            let end = value_end(b"\"\xff\" 1", 0, dialect);
            assert_eq!(end, (!dialect.utf8()).then_some(3), "{dialect}");
        }
    }
}
