//! Eight bytes at a time, in safe Rust: names and numbers are too short for SIMD searches to pay.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight bytes, the first one lowest.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(chunk))
}

/// The high bit of each byte that is zero. Bytes above a zero byte may be marked by mistake, those below never.
fn zeros(x: u64) -> u64 {
    x.wrapping_sub(ONES) & !x & HIGH
}

/// The first byte at or after `at` whose class has one of the bits of `stops`; the length if there is none. The table
/// must have class 0 for every byte but `,` `=` `\` and those up to space.
pub(crate) fn find_class(bytes: &[u8], mut at: usize, table: &[u8; 256], stops: u8) -> usize {
    while let Some(x) = load(bytes, at) {
        // Bytes up to space, and the three others. Only the lowest mark is surely right: it is looked at, then we go on.
        let low = x.wrapping_sub(ONES * 0x21) & !x & HIGH;
        let hits =
            low | zeros(x ^ (ONES * b',' as u64)) | zeros(x ^ (ONES * b'=' as u64)) | zeros(x ^ (ONES * b'\\' as u64));
        if hits == 0 {
            at += 8;
            continue;
        }
        at += hits.trailing_zeros() as usize / 8;
        match bytes.get(at) {
            Some(b) if table[*b as usize] & stops != 0 => return at,
            _ => at += 1,
        }
    }
    while let Some(b) = bytes.get(at) {
        if table[*b as usize] & stops != 0 {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The first byte at or after `at` that is no digit; the length if there is none.
pub(crate) fn find_no_digit(bytes: &[u8], mut at: usize) -> usize {
    while let Some(x) = load(bytes, at) {
        let digits = leading_digits(x);
        if digits < 8 {
            return at + digits as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// How many of the eight bytes, from the first, are digits.
#[inline]
pub(crate) fn leading_digits(x: u64) -> u32 {
    // A digit is 0x30 to 0x39: neither changes its high nibble when 6 is added.
    let other = ((x & (ONES * 0xf0)) ^ (ONES * 0x30)) | ((x.wrapping_add(ONES * 6) & (ONES * 0xf0)) ^ (ONES * 0x30));
    // A carry only spreads to bytes above, so the lowest mark is right.
    other.trailing_zeros() / 8
}

/// The number of eight digits. A zero byte counts as the digit 0.
#[inline]
pub(crate) fn eight(x: u64) -> u64 {
    let x = x & (ONES * 0x0f);
    let x = (x.wrapping_mul(10).wrapping_add(x >> 8)) & 0x00ff_00ff_00ff_00ff;
    let x = (x.wrapping_mul(100).wrapping_add(x >> 16)) & 0x0000_ffff_0000_ffff;
    x.wrapping_mul(10_000).wrapping_add(x >> 32) & 0xffff_ffff
}

/// The number of the eight digits that start here.
pub(crate) fn eight_digits(bytes: &[u8], at: usize) -> Option<u64> {
    load(bytes, at).map(eight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn table() -> [u8; 256] {
        let mut t = [0; 256];
        for (i, b) in b", =\\\n\t\0".iter().enumerate() {
            t[*b as usize] = 1 << (i % 7);
        }
        t
    }

    proptest! {
        #[test]
        fn as_byte_by_byte(bytes: Vec<u8>, text in "[,= \\\\a-z0-9\t\x7f\u{80}-\u{ff}]{0,60}", at in 0usize..70, stops: u8) {
            let table = table();
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let at = at.min(bytes.len());
                let slow = bytes[at..].iter().position(|b| table[*b as usize] & stops != 0).map_or(bytes.len(), |i| at + i);
                prop_assert_eq!(find_class(bytes, at, &table, stops), slow);
                let slow = bytes[at..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |i| at + i);
                prop_assert_eq!(find_no_digit(bytes, at), slow);
            }
        }

        #[test]
        fn digits(text in "[0-9]{0,30}[^0-9]{0,9}[0-9]{0,9}") {
            let bytes = text.as_bytes();
            let slow = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
            prop_assert_eq!(find_no_digit(bytes, 0), slow);
            if slow >= 8 {
                prop_assert_eq!(eight_digits(bytes, 0), text[..8].parse().ok());
            }
        }
    }
}
