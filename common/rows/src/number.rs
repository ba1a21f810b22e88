//! Numbers and booleans from text: exact, never through a float, never a silent overflow.

use crate::column::{Fit, Misfit};

/// The number does not fit into its type.
pub const RANGE: Misfit = "is out of the type's range";
const NO_WHOLE: Misfit = "is no whole number";
const NO_NUMBER: Misfit = "is no number";

/// `-12`.
pub fn signed(text: &[u8]) -> Fit<i64> {
    match text.strip_prefix(b"-") {
        None => unsigned(text)?.try_into().map_err(|_| RANGE),
        Some([b'-', ..]) => Err(NO_WHOLE),
        Some(digits) => 0i64.checked_sub_unsigned(unsigned(digits)?).ok_or(RANGE),
    }
}

/// `12`.
pub fn unsigned(text: &[u8]) -> Fit<u64> {
    let mut value: u64 = 0;
    // 19 digits cannot overflow: only longer numbers need the checks.
    if text.len() <= 19 {
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(if text.first() == Some(&b'-') { not_negative(text) } else { NO_WHOLE });
            }
            value = value * 10 + u64::from(digit);
        }
        return if text.is_empty() { Err(NO_WHOLE) } else { Ok(value) };
    }
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(if text.first() == Some(&b'-') { not_negative(text) } else { NO_WHOLE });
        }
        value = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit))).ok_or(RANGE)?;
    }
    Ok(value)
}

fn not_negative(text: &[u8]) -> Misfit {
    if text.len() > 1 && text[1..].iter().all(u8::is_ascii_digit) { RANGE } else { NO_WHOLE }
}

/// A double: digits with point and exponent, `NaN`, `inf`, `-inf`. A number too large for a double is refused, not
/// taken as infinite.
pub fn double(text: &[u8]) -> Fit<f64> {
    if let Some(value) = short(text) {
        return Ok(value);
    }
    let value: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NO_NUMBER)?;
    if value.is_infinite() && text.iter().any(u8::is_ascii_digit) {
        return Err(RANGE);
    }
    Ok(value)
}

/// A float of 32 bits, rounded once from the text.
pub fn float(text: &[u8]) -> Fit<f32> {
    // The nearest double may stand for the text unless it lies exactly between two floats, where the digits that it
    // lost would decide.
    const BELOW_FLOAT: u64 = (1 << 29) - 1;
    if let Some(value) = short(text) {
        let between = value.to_bits() & BELOW_FLOAT == 1 << 28;
        if !between && (value == 0.0 || (1e-37..1e38).contains(&value.abs())) {
            return Ok(value as f32);
        }
    }
    let value: f32 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NO_NUMBER)?;
    if value.is_infinite() && text.iter().any(u8::is_ascii_digit) {
        return Err(RANGE);
    }
    Ok(value)
}

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The common case: few digits, perhaps a point, no exponent. Digits below 2^53 and a power of ten up to 10^22 are exact
/// doubles, so that their quotient is rounded once, as it must be (Clinger 1990). Everything else is left to std.
#[inline]
fn short(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Of 17 digits nearly every number is above 2^53.
    if digits.len() > 17 || digits.is_empty() || digits == b"." {
        return None;
    }
    let (mut value, mut scale, mut step) = (0u64, 0usize, 0usize);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
            scale += step;
        } else if *byte == b'.' && step == 0 {
            step = 1;
        } else {
            return None;
        }
    }
    if value > 1 << 53 {
        return None;
    }
    let value = value as f64 / TENS.get(scale)?;
    Some(if negative { -value } else { value })
}

/// `-12.30` as an integer of 10^-scale. More digits behind the point than the scale are refused unless they are zeros.
pub fn decimal(text: &[u8], precision: u8, scale: i8) -> Fit<i128> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let point = memchr::memchr(b'.', digits);
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &[][..]),
    };
    if (whole.is_empty() && fraction.is_empty()) || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err("is no decimal number");
    }
    let scale = usize::try_from(scale).map_err(|_| RANGE)?;
    let (kept, cut) = fraction.split_at(fraction.len().min(scale));
    if cut.iter().any(|digit| *digit != b'0') {
        return Err("has more digits behind the point than the column's scale");
    }
    let zeros = std::iter::repeat_n(&b'0', scale - kept.len());
    let mut value: i128 = 0;
    for digit in whole.iter().chain(kept).chain(zeros) {
        value = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0'))).ok_or(RANGE)?;
    }
    if value >= 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err("has more digits than the column's precision");
    }
    Ok(if negative { -value } else { value })
}

/// `true` and `false`, also as line protocol and SQL spell them.
pub fn boolean(text: &[u8]) -> Fit<bool> {
    match text {
        b"true" | b"t" | b"T" | b"True" | b"TRUE" | b"1" => Ok(true),
        b"false" | b"f" | b"F" | b"False" | b"FALSE" | b"0" => Ok(false),
        _ => Err("is no boolean (true or false)"),
    }
}

/// A decimal as text with exactly `scale` digits behind the point.
pub fn print_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs()).as_bytes();
    if value < 0 {
        out.push(b'-');
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        if scale > 0 {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
        out.extend_from_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    #[test]
    fn the_edges() {
        assert_eq!(signed(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(signed(b"-9223372036854775809"), Err(RANGE));
        assert_eq!(unsigned(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616"), Err(RANGE));
        assert_eq!(unsigned(b"-1"), Err(RANGE));
        for text in ["", "-", "+1", "1.0", " 1", "1e3", "0x1", "--1", "-a"] {
            assert_eq!(signed(text.as_bytes()), Err(NO_WHOLE), "{text}");
        }
        assert_eq!(double(b"1e400"), Err(RANGE));
        assert_eq!(double(b"inf"), Ok(f64::INFINITY));
        assert!(double(b"NaN").unwrap().is_nan() && float(b"1e39").is_err() && double(b"1,5").is_err());
        assert_eq!(float(b"0.1"), Ok(0.1f32));
        // Between two floats: the double nearest to these texts is the midpoint itself.
        assert_eq!(float(b"16777217.000000001"), "16777217.000000001".parse().map_err(|_| NO_NUMBER));
        assert!(double(b".").is_err() && double(b"-").is_err() && double(b"").is_err() && double(b"1.2.3").is_err());
        assert_eq!((double(b"-0").map(f64::to_bits), double(b"5.")), (Ok((-0.0f64).to_bits()), Ok(5.0)));
        assert_eq!(decimal(b"-0.05", 5, 2), Ok(-5));
        assert_eq!(decimal(b"1.2000", 5, 2), Ok(120));
        assert_eq!(decimal(b"999.99", 5, 2), Ok(99999));
        assert!(decimal(b"1000", 5, 2).is_err() && decimal(b"1.001", 5, 2).is_err() && decimal(b".", 5, 2).is_err());
        assert!(decimal(b"1e2", 5, 2).is_err() && decimal(b"-", 5, 2).is_err());
    }

    proptest! {
        #[test]
        fn decimals_come_back(value in -99_999_999_999_999_999_999_999_999_999_999_999_999i128..=99_999_999_999_999_999_999_999_999_999_999_999_999, scale in 0i8..=38) {
            let mut out = Vec::new();
            print_decimal(value, scale, &mut out);
            prop_assert_eq!(decimal(&out, 38, scale), Ok(value));
        }

        #[test]
        fn floats_are_those_of_std(text in "-?[0-9]{0,10}[.]?[0-9]{0,12}", bits: u32, long: u64) {
            let midpoint = f64::from_bits(u64::from(bits) << 32 | 1 << 28);
            for text in [text, f32::from_bits(bits).to_string(), f64::from_bits(long).to_string(), midpoint.to_string(), format!("{}.{}", bits >> 8, bits & 0xFFFF)] {
                let (single, expected) = (float(text.as_bytes()), text.parse::<f32>());
                prop_assert_eq!(single.is_ok(), expected.as_ref().is_ok_and(|v| v.is_finite() || !text.contains(|c: char| c.is_ascii_digit())), "{}", text);
                if let (Ok(single), Ok(expected)) = (single, expected) {
                    prop_assert!(single.to_bits() == expected.to_bits() || (single.is_nan() && expected.is_nan()), "{}", text);
                }
                if let (Ok(double), Ok(expected)) = (double(text.as_bytes()), text.parse::<f64>()) {
                    prop_assert!(double.to_bits() == expected.to_bits() || (double.is_nan() && expected.is_nan()), "{}", text);
                }
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = (signed(&bytes), unsigned(&bytes), double(&bytes), float(&bytes), decimal(&bytes, 20, 5), boolean(&bytes));
        }
    }
}
