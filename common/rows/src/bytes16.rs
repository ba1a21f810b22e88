//! Questions about sixteen bytes at once: which are digits, which need a closer look. A bit for each byte, the first in the
//! lowest.
//!
//! SSE2 on x86-64 (it is part of that architecture), 64-bit words elsewhere; tests hold both to the obvious loop.

/// Sixteen bytes, as they are loaded and stored.
pub(crate) type Sixteen = [u8; 16];

/// Digits, and points.
#[inline(always)]
pub(crate) fn digits_and_points(chunk: &Sixteen) -> (u32, u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::digits_and_points(chunk) };
    #[cfg(not(target_arch = "x86_64"))]
    return words::digits_and_points(chunk);
}

/// Separators, which a name or tag value escapes (comma, equals, space), and bytes that need a closer look there: a
/// backslash and everything below space.
#[inline(always)]
pub(crate) fn in_names(chunk: &Sixteen) -> (u32, u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::in_names(chunk) };
    #[cfg(not(target_arch = "x86_64"))]
    return words::in_names(chunk);
}

/// Quotes and backslashes, which a string escapes, and line feeds.
#[inline(always)]
pub(crate) fn in_strings(chunk: &Sixteen) -> (u32, u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::in_strings(chunk) };
    #[cfg(not(target_arch = "x86_64"))]
    return words::in_strings(chunk);
}

/// In a JSON string: quotes; and bytes that need a closer look before they may stand in a CSV: backslashes, commas, and
/// everything below space or above 0x7f.
#[inline(always)]
pub(crate) fn in_json(chunk: &Sixteen) -> (u32, u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::in_json(chunk) };
    #[cfg(not(target_arch = "x86_64"))]
    return words::in_json(chunk);
}

/// Bytes above 0x7f.
#[inline(always)]
pub(crate) fn above_ascii(chunk: &Sixteen) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::above_ascii(chunk) };
    #[cfg(not(target_arch = "x86_64"))]
    return words::above_ascii(chunk);
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use super::Sixteen;
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(chunk: &Sixteen) -> __m128i {
        let (low, high) = halves(chunk);
        _mm_set_epi64x(high as i64, low as i64)
    }

    #[inline]
    fn halves(chunk: &Sixteen) -> (u64, u64) {
        let all = u128::from_le_bytes(*chunk);
        (all as u64, (all >> 64) as u64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn bits(v: __m128i) -> u32 {
        crate::movemask::sixteen(v)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(v: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(v, _mm_set1_epi8(byte as i8))
    }

    /// Bytes up to `most`, unsigned.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn up_to(v: __m128i, most: u8) -> __m128i {
        _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(most as i8)), v)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn digits_and_points(chunk: &Sixteen) -> (u32, u32) {
        let v = load(chunk);
        (bits(up_to(_mm_sub_epi8(v, _mm_set1_epi8(b'0' as i8)), 9)), bits(equal(v, b'.')))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn in_names(chunk: &Sixteen) -> (u32, u32) {
        let v = load(chunk);
        let separators = _mm_or_si128(_mm_or_si128(equal(v, b','), equal(v, b'=')), equal(v, b' '));
        (bits(separators), bits(_mm_or_si128(up_to(v, b' ' - 1), equal(v, b'\\'))))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn in_strings(chunk: &Sixteen) -> (u32, u32) {
        let v = load(chunk);
        (bits(_mm_or_si128(equal(v, b'"'), equal(v, b'\\'))), bits(equal(v, b'\n')))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn in_json(chunk: &Sixteen) -> (u32, u32) {
        let v = load(chunk);
        // Above 0x7f is below zero.
        let outside = _mm_cmplt_epi8(v, _mm_set1_epi8(b' ' as i8));
        let special = _mm_or_si128(_mm_or_si128(equal(v, b'\\'), equal(v, b',')), outside);
        (bits(equal(v, b'"')), bits(special))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn above_ascii(chunk: &Sixteen) -> u32 {
        bits(load(chunk))
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    use super::Sixteen;

    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

    /// Asks for each half; `ask` sets the highest bit of the bytes that it means and no other.
    fn both(chunk: &Sixteen, ask: impl Fn(u64) -> u64) -> u32 {
        let all = u128::from_le_bytes(*chunk);
        let bits = |half: u64| (ask(half) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        (bits(all as u64) | bits((all >> 64) as u64) << 8) as u32
    }

    fn equal(word: u64, byte: u8) -> u64 {
        let x = word ^ (ONES * u64::from(byte));
        !((x & LOW).wrapping_add(LOW) | x) & !LOW
    }

    /// Bytes below `limit`, which is at most 0x80.
    fn below(word: u64, limit: u8) -> u64 {
        !((word & LOW).wrapping_add(ONES * u64::from(0x80 - limit)) | word) & !LOW
    }

    pub(super) fn digits_and_points(chunk: &Sixteen) -> (u32, u32) {
        (both(chunk, |w| below(w, b'9' + 1) & !below(w, b'0')), both(chunk, |w| equal(w, b'.')))
    }

    pub(super) fn in_names(chunk: &Sixteen) -> (u32, u32) {
        (
            both(chunk, |w| equal(w, b',') | equal(w, b'=') | equal(w, b' ')),
            both(chunk, |w| below(w, b' ') | equal(w, b'\\')),
        )
    }

    pub(super) fn in_strings(chunk: &Sixteen) -> (u32, u32) {
        (both(chunk, |w| equal(w, b'"') | equal(w, b'\\')), both(chunk, |w| equal(w, b'\n')))
    }

    pub(super) fn in_json(chunk: &Sixteen) -> (u32, u32) {
        let special = |w| equal(w, b'\\') | equal(w, b',') | below(w, b' ') | w & !LOW;
        (both(chunk, |w| equal(w, b'"')), both(chunk, special))
    }

    pub(super) fn above_ascii(chunk: &Sixteen) -> u32 {
        both(chunk, |w| w & !LOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn mask(chunk: &Sixteen, is: impl Fn(u8) -> bool) -> u32 {
        chunk.iter().enumerate().map(|(at, byte)| u32::from(is(*byte)) << at).sum()
    }

    proptest! {
        #[test]
        fn masks_are_those_of_the_obvious_loop(chunk: Sixteen, text in testkit::proptest::array::uniform16(prop::sample::select(&b"0189/:.-,= \\\"\n\t\0\x1f\x7f\x80\xffaz"[..]))) {
            for chunk in [&chunk, &text] {
                let number = (mask(chunk, |b| b.is_ascii_digit()), mask(chunk, |b| b == b'.'));
                let name = (mask(chunk, |b| b",= ".contains(&b)), mask(chunk, |b| b < b' ' || b == b'\\'));
                let string = (mask(chunk, |b| b"\"\\".contains(&b)), mask(chunk, |b| b == b'\n'));
                let json = (mask(chunk, |b| b == b'"'), mask(chunk, |b| b"\\,".contains(&b) || !(b' '..=0x7f).contains(&b)));
                let high = mask(chunk, |b| b > 0x7f);
                prop_assert_eq!((digits_and_points(chunk), words::digits_and_points(chunk)), (number, number));
                prop_assert_eq!((in_names(chunk), words::in_names(chunk)), (name, name));
                prop_assert_eq!((in_strings(chunk), words::in_strings(chunk)), (string, string));
                prop_assert_eq!((in_json(chunk), words::in_json(chunk)), (json, json));
                prop_assert_eq!((above_ascii(chunk), words::above_ascii(chunk)), (high, high));
            }
        }
    }
}
