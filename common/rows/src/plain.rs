//! Is this text, as it stands, a number that the output may hold? Then it is copied: never parsed, never printed again.
//!
//! Everything here may say no to a good number (an exponent, 40 digits, a leading zero): the caller then parses and
//! prints it, which is always right. It never says yes to a text that any server would not read as that very value.

use crate::bytes16::{Sixteen, digits_and_points};

/// A text of digits, with a point between two of them or none, and perhaps a minus sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// 1 if there is a minus sign.
    pub sign: usize,
    /// Digits, on both sides of the point.
    pub digits: usize,
    /// Digits behind the point.
    pub fraction: usize,
}

/// The lowest so many bits.
static BITS: [u32; 33] = {
    let mut bits = [0; 33];
    let mut n = 0;
    while n < 33 {
        bits[n] = ((1u64 << n) - 1) as u32;
        n += 1;
    }
    bits
};

/// The bits of the first `len` of sixteen bytes.
#[inline(always)]
pub(crate) fn first(len: usize) -> u32 {
    BITS[len & 31]
}

/// Looks at the first `len` (at most sixteen) bytes. No leading zeros are allowed but one before a point or alone: some
/// readers stumble over others.
#[inline(always)]
pub(crate) fn plain(chunk: &Sixteen, len: usize) -> Option<Plain> {
    let (digits, points) = digits_and_points(chunk);
    judge(chunk, digits, points, first(len), len)
}

/// As [`plain`], for up to 32 bytes.
#[inline(always)]
pub(crate) fn long_plain(head: &Sixteen, tail: &Sixteen, len: usize) -> Option<Plain> {
    let ((digits, points), (more_digits, more_points)) = (digits_and_points(head), digits_and_points(tail));
    let bits = *BITS.get(len)?;
    judge(head, digits | more_digits << 16, points | more_points << 16, bits, len)
}

/// `bits`: those of the `len` bytes.
#[inline(always)]
fn judge(chunk: &Sixteen, digits: u32, points: u32, bits: u32, len: usize) -> Option<Plain> {
    let (digits, points) = (digits & bits, points & bits);
    let sign = u32::from(chunk[0] == b'-');
    let leading = digits >> sign;
    // Bits that would have to be zero.
    let wrong = (digits | points | sign) ^ bits | points & points.wrapping_sub(1);
    // A digit at the beginning and at the end.
    let last = bits ^ bits >> 1;
    if wrong != 0 || leading & 1 == 0 || digits & last == 0 {
        return None;
    }
    let sign = sign as usize;
    if chunk[sign] == b'0' && leading & 2 != 0 {
        return None;
    }
    let point = usize::from(points != 0);
    let fraction = if points != 0 { len - 1 - points.trailing_zeros() as usize } else { 0 };
    Some(Plain { sign, digits: len - sign - point, fraction })
}

/// Are the first `len` (at most sixteen) bytes the digits of an integer, as it is printed? Gives 1 for a minus sign, else 0.
#[inline(always)]
pub(crate) fn integer(chunk: &Sixteen, len: usize) -> Option<usize> {
    let bits = first(len);
    let (digits, _) = digits_and_points(chunk);
    let sign = u32::from(chunk[0] == b'-');
    let digits = digits & bits;
    if digits | sign != bits || digits == 0 || (chunk[sign as usize] == b'0' && len != 1) {
        return None;
    }
    Some(sign as usize)
}

const TENS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Is the text of this plain number, of at most sixteen bytes, the value that the shortest text of its nearest 32-bit
/// float has? Only then does a server that keeps 64 bits get the same value from both.
///
/// All digits together below 2^23 always are: two such texts are further apart than two floats. Above it is computed: the
/// float must have no shorter text, and no other of as many digits that is closer.
#[inline(always)]
pub(crate) fn is_shortest_single(number: Plain, chunk: &Sixteen, len: usize) -> bool {
    // Six digits are below 10^6, seven that do not begin with 8 or 9 below 8,000,000.
    if number.digits <= 6 || (number.digits == 7 && chunk[number.sign] < b'8') {
        return true;
    }
    if number.digits > 9 {
        return false;
    }
    let value = if number.digits == 8 && number.fraction > 0 {
        let text = u128::from_le_bytes(*chunk) >> (8 * number.sign);
        let low = u64::MAX >> (8 * number.fraction);
        eight((text as u64 & low) | ((text >> 8) as u64 & !low))
    } else {
        value(number, chunk, len)
    };
    let Some(scale) = TENS.get(number.fraction) else { return false };
    let double = value as i64 as f64 / scale;
    // Rounding twice is rounding once unless the double lies exactly between two floats.
    if double.to_bits() & ((1 << 29) - 1) == 1 << 28 {
        return false;
    }
    let single = double as f32;
    // Below 10^9 and, unless zero, not below 10^-9: far from the ends of the floats' range.
    let exponent = single.to_bits() >> 23;
    let half = f64::from(f32::from_bits(exponent.saturating_sub(24) << 23)) * scale;
    // In units of the last digit, as `value` is. The product is wrong by 10^-6 at most.
    let off = f64::from(single) * scale - value as i64 as f64;
    let last = (value % 10) as i64 as f64;
    let (below, above) = (last + off, 10.0 - last - off);
    let nearest = if below < above { below } else { above };
    off.abs() < 0.499 && nearest > half * 1.001 + 0.001
}

/// The digits of a plain number of at most sixteen bytes, without its point.
#[inline(always)]
fn value(number: Plain, chunk: &Sixteen, len: usize) -> u64 {
    let text = u128::from_le_bytes(*chunk) >> (8 * number.sign);
    let len = len - number.sign;
    let digits = if len > number.digits {
        // Over the point with what is behind it.
        let low = (1u128 << (8 * (len - 1 - number.fraction))) - 1;
        (text & low) | (text >> 8 & !low)
    } else {
        text
    };
    // The last digit into the highest byte; the bytes below the first become zeros.
    let digits = digits << (128 - 8 * number.digits);
    eight(digits as u64) * 100_000_000 + eight((digits >> 64) as u64)
}

/// The number of eight digits (or zero bytes), the first in the lowest byte.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    let x = digits & 0x0f0f_0f0f_0f0f_0f0f;
    let x = (x * 10 + (x >> 8)) & 0x00ff_00ff_00ff_00ff;
    let x = (x * 100 + (x >> 16)) & 0x0000_ffff_0000_ffff;
    (x * 10_000 + (x >> 32)) & 0xffff_ffff
}

/// Is this how a decimal of this type is printed: exactly `scale` digits behind the point, nothing superfluous before it?
pub(crate) fn is_decimal(text: &[u8], precision: u8, scale: i8) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let Ok(scale) = usize::try_from(scale) else { return false };
    let Some(whole) = digits.len().checked_sub(if scale > 0 { scale + 1 } else { 0 }) else { return false };
    let (whole, rest) = digits.split_at(whole);
    let fraction = match rest {
        [] => rest,
        [b'.', fraction @ ..] => fraction,
        _ => return false,
    };
    let zero = || digits.iter().all(|b| matches!(b, b'0' | b'.'));
    whole.iter().chain(fraction).all(u8::is_ascii_digit)
        && !whole.is_empty()
        && (whole.len() == 1 || !whole.starts_with(b"0"))
        && whole.len() + scale <= usize::from(precision) + usize::from(whole == b"0")
        && (text.len() == digits.len() || !zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number;
    use testkit::proptest::prelude::*;

    fn look(text: &str) -> Option<(Plain, Sixteen)> {
        let found = long_look(text)?;
        if text.len() <= 16 {
            assert_eq!(plain(&found.1, text.len()), Some(found.0));
            let digits = integer(&found.1, text.len());
            assert_eq!(digits.is_some(), text.parse::<i64>().is_ok_and(|n| n.to_string() == text), "{text}");
        }
        Some(found)
    }

    fn long_look(text: &str) -> Option<(Plain, Sixteen)> {
        let mut both = [b'9'; 48];
        both[..text.len()].copy_from_slice(text.as_bytes());
        both[text.len()] = b',';
        let (head, tail) = (both.first_chunk().unwrap(), both[16..].first_chunk().unwrap());
        long_plain(head, tail, text.len()).map(|found| (found, *head))
    }

    #[test]
    fn plain_numbers_and_others() {
        for (text, sign, digits, fraction) in [
            ("0", 0, 1, 0),
            ("-0", 1, 1, 0),
            ("7", 0, 1, 0),
            ("-12.50", 1, 4, 2),
            ("0.001", 0, 4, 3),
            ("1234567890123456", 0, 16, 0),
            ("-0.12345678901234567", 1, 18, 17),
            ("12345678901234567890123456789.12", 0, 31, 2),
        ] {
            assert_eq!(look(text).map(|found| found.0), Some(Plain { sign, digits, fraction }), "{text}");
        }
        let long = "1".repeat(33);
        for text in [
            "-", ".", "1.", ".5", "-.5", "1.2.3", "007", "-01", "00.5", "1e5", "+1", "NaN", "inf", "--1", "1-", " 1",
            &long,
        ] {
            assert_eq!(look(text), None, "{text}");
        }
    }

    /// It is of use: what was printed from floats of everyday size is let through.
    #[test]
    fn printed_singles_are_let_through() {
        let (mut all, mut good) = (0, 0);
        for n in 0..20_000u32 {
            let single = f32::from_bits(0x3a80_0000 + n.wrapping_mul(2_654_435_761) % 0x0d40_0000);
            assert!((0.0009..100_000.0).contains(&single));
            let text = zmij::Buffer::new().format(single).to_owned();
            if let Some((found, chunk)) = look(&text)
                && found.digits <= 9
            {
                all += 1;
                good += u32::from(is_shortest_single(found, &chunk, text.len()));
            }
        }
        assert!(all > 15_000 && f64::from(good) > 0.98 * f64::from(all), "{good} of {all}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_plain_is_a_number(text in "-?[0-9]{0,20}[.]?[0-9]{0,14}", noise in "[-0-9.e]{1,33}") {
            for text in [text, noise] {
                if text.is_empty() || text.len() > 33 {
                    continue;
                }
                if let Some((found, chunk)) = look(&text) {
                    let parsed: f64 = text.parse().unwrap();
                    prop_assert!(parsed.is_finite());
                    prop_assert_eq!(found.digits, text.bytes().filter(u8::is_ascii_digit).count());
                    prop_assert_eq!(found.fraction, text.split_once('.').map_or(0, |(_, f)| f.len()));
                    if text.len() <= 16 {
                        prop_assert_eq!(value(found, &chunk, text.len()), text.replace(['-', '.'], "").parse::<u64>().unwrap());
                    }
                }
            }
        }

        /// Whatever is let through as a 32-bit float: a server reads the text as the value that printing the float gives.
        #[test]
        fn singles_mean_what_is_printed(bits: u32, text in "-?(0|[1-9][0-9]{0,8})[.][0-9]{1,8}", places in 0usize..8) {
            let single = f32::from_bits(bits);
            let near = f32::from_bits(bits % 0x2000_0000 + 0x3000_0000);
            for text in [text, zmij::Buffer::new().format(single).to_owned(), format!("{near:.places$}"), zmij::Buffer::new().format(near).to_owned()] {
                let Some((found, chunk)) = look(&text) else { continue };
                if is_shortest_single(found, &chunk, text.len()) {
                    let single = number::float(text.as_bytes()).unwrap();
                    let printed = zmij::Buffer::new().format(single).parse::<f64>().unwrap();
                    prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), printed.to_bits(), "{}", text);
                }
            }
        }

        #[test]
        fn decimals_are_as_printed(value in -100_000i128..100_000, scale in 0i8..5, text in "-?[0-9]{0,3}[.]?[0-9]{0,3}") {
            let mut printed = Vec::new();
            number::print_decimal(value, scale, &mut printed);
            prop_assert!(is_decimal(&printed, 6, scale));
            if is_decimal(text.as_bytes(), 6, scale) {
                printed.clear();
                number::print_decimal(number::decimal(text.as_bytes(), 6, scale).unwrap(), scale, &mut printed);
                prop_assert_eq!(printed, text.as_bytes());
            }
        }
    }
}
