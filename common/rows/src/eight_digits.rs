//! Numbers from text, eight digits at a time: without a loop whose length the processor cannot foresee. What these
//! functions do not understand at once is no error; [`crate::number`] reads it.

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Powers of ten that a double holds exactly.
static TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Powers of ten that 64 bits hold; of 16, so that four bits are an index without a check.
pub(crate) static WHOLE_TENS: [u64; 16] = {
    let mut tens = [1; 16];
    let mut i = 1;
    while i < 16 {
        tens[i] = tens[i - 1] * 10;
        i += 1;
    }
    tens
};

/// Eight bytes from `at` on, the first in the lowest.
#[inline(always)]
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The number that the first `len` (1 to 8) bytes of the word are the digits of.
#[inline(always)]
pub(crate) fn digits(word: u64, len: usize) -> Option<u64> {
    // Zeros in front, then each digit in the order of a number.
    let digits = (word ^ ZEROS) << ((64 - 8 * len as u32) & 63);
    if (digits.wrapping_add(ONES * 0x76) | digits) & HIGH != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = (pairs >> 16 & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    Some(low.wrapping_add(high) >> 32)
}

/// A whole number without sign, of at most eight digits, at `from..to`.
#[inline(always)]
pub(crate) fn unsigned(bytes: &[u8], from: usize, to: usize) -> Option<u64> {
    let len = to.wrapping_sub(from);
    if len == 1 {
        let digit = bytes.get(from)?.wrapping_sub(b'0');
        return (digit <= 9).then_some(u64::from(digit));
    }
    if len == 0 || len > 8 {
        return None;
    }
    digits(word(bytes, from)?, len)
}

/// The same with a `-`, perhaps.
#[inline(always)]
pub(crate) fn signed(bytes: &[u8], from: usize, to: usize) -> Option<i64> {
    let negative = *bytes.get(from)? == b'-';
    let value = unsigned(bytes, from + usize::from(negative), to)? as i64;
    Some(if negative { -value } else { value })
}

/// A double of at most eight digits before and fifteen behind the point, without an exponent. Digits below 2^53 and powers of ten
/// up to 10^22 are exact doubles: their quotient is rounded once, as it must be (Clinger 1990).
#[inline(always)]
pub(crate) fn double(bytes: &[u8], from: usize, to: usize) -> Option<f64> {
    let negative = *bytes.get(from)? == b'-';
    let from = from + usize::from(negative);
    let len = to.checked_sub(from)?;
    let head = word(bytes, from)?;
    let points = head ^ (ONES * u64::from(b'.'));
    // The lowest mark is that of the first point; what is behind it does not matter.
    let point = ((points.wrapping_sub(ONES) & !points & HIGH).trailing_zeros() / 8) as usize;
    let value = if point >= len {
        if len == 0 || len > 8 {
            return None;
        }
        digits(head, len)? as f64
    } else {
        let fraction = len - point - 1;
        if point == 0 || point == 8 || fraction == 0 || fraction > 15 {
            return None;
        }
        let tail = word(bytes, from + point + 1)?;
        let tail = if fraction <= 8 {
            digits(tail, fraction)?
        } else {
            let more = digits(word(bytes, from + point + 9)?, fraction - 8)?;
            digits(tail, 8)? * WHOLE_TENS[(fraction - 8) & 15] + more
        };
        let whole = digits(head, point)?;
        let value = whole.checked_mul(WHOLE_TENS[fraction & 15])?.checked_add(tail)?;
        if value > 1 << 53 {
            return None;
        }
        value as f64 / TENS[fraction & 15]
    };
    Some(if negative { -value } else { value })
}

/// A float of 32 bits. The nearest double stands for the text unless it lies exactly between two floats, where the digits
/// that it lost would decide.
#[inline(always)]
pub(crate) fn float(bytes: &[u8], from: usize, to: usize) -> Option<f32> {
    let value = double(bytes, from, to)?;
    let between = value.to_bits() & ((1 << 29) - 1) == 1 << 28;
    (!between).then_some(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is read is what std reads, whatever stands before and behind it.
        #[test]
        fn numbers_are_those_of_std(text in "-?[0-9]{0,10}[.]?[0-9]{0,18}|[-+.0-9eaNif]{0,6}", before in "[0-9,.]{0,3}", behind in "[0-9.,\n]{0,24}", bits: u32) {
            for text in [text, f32::from_bits(bits).to_string(), f64::from(bits).to_string(), format!("{}.{}", bits >> 10, bits & 1023)] {
                let bytes = [before.as_bytes(), text.as_bytes(), behind.as_bytes()].concat();
                let (from, to) = (before.len(), before.len() + text.len());
                let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
                if let Some(value) = double(&bytes, from, to) {
                    prop_assert!(plain);
                    prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
                }
                if let Some(value) = float(&bytes, from, to) {
                    prop_assert_eq!(value.to_bits(), text.parse::<f32>().unwrap().to_bits(), "{}", text);
                }
                if let Some(value) = signed(&bytes, from, to) {
                    prop_assert_eq!(Ok(value), text.parse(), "{}", text);
                }
                if let Some(value) = unsigned(&bytes, from, to) {
                    prop_assert_eq!(Ok(value), text.parse(), "{}", text);
                }
                // And what is common is read.
                let short = text.len() < 9 && behind.len() > 8 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                prop_assert!(!short || unsigned(&bytes, from, to).is_some() && double(&bytes, from, to).is_some());
            }
        }
    }

    #[test]
    fn measurements_are_read() {
        let text = b"-27.996981,1013.226,0.5,3\n00000000";
        assert_eq!(double(text, 0, 10), Some(-27.996981));
        assert_eq!(
            (double(text, 11, 19), float(text, 20, 23), double(text, 24, 25)),
            (Some(1013.226), Some(0.5), Some(3.0))
        );
        assert_eq!(
            (double(text, 0, 0), double(text, 3, 4), double(text, 40, 41), signed(text, 0, 1)),
            (None, None, None, None)
        );
    }
}
