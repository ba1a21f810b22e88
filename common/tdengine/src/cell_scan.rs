//! The cells of a REST reply as the adapter spells them nearly always, read without looking for their ends first: the
//! column's type says what to expect. Whatever looks otherwise (exponents, escapes, white space, another type) is left
//! to [`crate::json::cells`], which reads everything.

use crate::build::{Builder, Minute, Values, decimal, instant};
use crate::types::Type;
use rows::time::Unit;

/// Powers of ten that an f64 holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Integers up to here are exact in an f64.
const EXACT: u64 = 1 << 53;
/// Digits that always fit into a u64.
const DIGITS: usize = 19;

impl Builder {
    /// Reads the cell that `json` begins with, and gives the number of bytes that it took. `None`, with nothing added:
    /// read it otherwise.
    #[inline]
    pub(crate) fn scan(&mut self, json: &[u8]) -> Option<usize> {
        let first = *json.first()?;
        if first == b'n' {
            if json.get(..4)? != b"null" {
                return None;
            }
            self.append_null();
            return Some(4);
        }
        let Builder { column, unit, values, minute, .. } = self;
        let taken = match values {
            Values::Bool(v) => {
                let value = json.get(..4)? == b"true";
                if !value && json.get(..5)? != b"false" {
                    return None;
                }
                v.push(value);
                5 - usize::from(value)
            }
            Values::I8(v) => integer(json, v)?,
            Values::I16(v) => integer(json, v)?,
            Values::I32(v) => integer(json, v)?,
            Values::I64(v) => integer(json, v)?,
            Values::U8(v) => integer(json, v)?,
            Values::U16(v) => integer(json, v)?,
            Values::U32(v) => integer(json, v)?,
            Values::U64(v) => integer(json, v)?,
            Values::F32(v) => {
                let (value, taken) = float(json)?;
                v.push(narrow(value)?);
                taken
            }
            Values::F64(v) => {
                let (value, taken) = float(json)?;
                v.push(value);
                taken
            }
            Values::Time(v) if first == b'"' => {
                let (value, taken) = time(json, *unit, minute)?;
                v.push(value);
                taken
            }
            // 2.x prints numbers.
            Values::Time(v) => integer(json, v)?,
            Values::Decimal(v) => {
                let text = quoted(json)?;
                v.push(decimal(text, column.scale)?);
                text.len() + 2
            }
            Values::Dictionary(words) => {
                let text = json.strip_prefix(b"\"")?;
                match words.push_same(text) {
                    Some(length) => length + 2,
                    None => {
                        let text = quoted(json)?;
                        if std::str::from_utf8(text).is_err() || !words.push(text) {
                            return None;
                        }
                        text.len() + 2
                    }
                }
            }
            Values::Bytes(texts) => {
                if matches!(column.kind, Type::VarBinary | Type::Blob | Type::Geometry | Type::Json) {
                    return None;
                }
                let text = quoted(json)?;
                texts.values.extend_from_slice(text);
                if !texts.end() {
                    return None;
                }
                text.len() + 2
            }
        };
        self.added();
        Some(taken)
    }
}

/// The inside of a string without escapes.
#[inline]
fn quoted(json: &[u8]) -> Option<&[u8]> {
    let text = json.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    if text.get(end) == Some(&b'"') { text.get(..end) } else { None }
}

/// Digits with at most one point: sign, all digits as one number, digits behind the point, bytes. What follows must be
/// there, or the number might go on.
#[inline]
fn digits(json: &[u8]) -> Option<(bool, u64, usize, usize)> {
    let negative = json.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut number = 0u64;
    let mut at = start;
    let mut point = None;
    let end = loop {
        let byte = *json.get(at)?;
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            break byte;
        }
        at += 1;
    };
    if end != b',' && end != b']' {
        return None;
    }
    let (whole, fraction) = match point {
        None => (at - start, 0),
        Some(point) => (point - start, at - point - 1),
    };
    let well_formed = whole > 0 && (point.is_none() || fraction > 0) && whole + fraction <= DIGITS;
    well_formed.then_some((negative, number, fraction, at))
}

#[inline]
fn integer<T: TryFrom<i64> + TryFrom<u64>>(json: &[u8], out: &mut Vec<T>) -> Option<usize> {
    let (negative, number, fraction, taken) = digits(json)?;
    if fraction > 0 {
        return None;
    }
    let value = if negative {
        // Also leaves "-0" of unsigned types, which is an error, to the careful way.
        let value = i64::try_from(number).ok().filter(|value| *value > 0)?;
        T::try_from(-value).ok()?
    } else {
        T::try_from(number).ok()?
    };
    out.push(value);
    Some(taken)
}

/// Both the digits and the power of ten are exact, so that the division rounds once, which makes it the nearest f64.
#[inline]
fn float(json: &[u8]) -> Option<(f64, usize)> {
    let (negative, number, fraction, taken) = digits(json)?;
    if number > EXACT {
        return None;
    }
    let value = number as f64 / TENS.get(fraction)?;
    Some((if negative { -value } else { value }, taken))
}

/// The f32 nearest to the number whose nearest f64 this is. `None` where the second rounding could go wrong: at the
/// middle between two f32, and outside of the normal ones.
#[inline]
fn narrow(value: f64) -> Option<f32> {
    const MIDDLE: u64 = 1 << 28;
    let size = value.abs();
    let normal = size >= f64::from(f32::MIN_POSITIVE) && size <= f64::from(f32::MAX);
    let certain = value == 0.0 || (normal && value.to_bits() & (2 * MIDDLE - 1) != MIDDLE);
    certain.then_some(value as f32)
}

/// `"2024-01-01T00:00:00.000Z"` with exactly the unit's digits. The minute is looked up first.
#[inline]
fn time(json: &[u8], unit: Unit, minute: &mut Minute) -> Option<(i64, usize)> {
    let digits = unit.digits();
    let text = json.get(1..23 + digits)?;
    let (head, tail) = text.split_first_chunk::<16>()?;
    let (seconds, fraction) = tail.split_first_chunk::<4>()?;
    let (fraction, end) = fraction.split_at_checked(digits)?;
    let [b':', tens @ b'0'..=b'5', ones @ b'0'..=b'9', b'.'] = seconds else { return None };
    if end != b"Z\"" {
        return None;
    }
    let mut value = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    for digit in fraction {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    if *head != minute.text {
        let mut whole = *b"0000-00-00T00:00:00Z";
        whole[..16].copy_from_slice(head);
        *minute = Minute { text: *head, start: instant(&whole, unit)? };
    }
    Some((minute.start.checked_add(value)?, 23 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest;
    use testkit::proptest::prelude::*;

    fn with_end(text: &str) -> String {
        format!("{text},")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn numbers_are_the_nearest(text in "-?[0-9]{1,12}(\\.[0-9]{1,12})?") {
            if let Some((value, taken)) = float(with_end(&text).as_bytes()) {
                prop_assert_eq!((value.to_bits(), taken), (text.parse::<f64>().unwrap().to_bits(), text.len()));
                if let Some(narrow) = narrow(value) {
                    prop_assert_eq!(narrow.to_bits(), text.parse::<f32>().unwrap().to_bits());
                }
            }
        }

        #[test]
        fn floats_of_32_bits_come_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            let text = value.to_string();
            if let Some((wide, _)) = float(with_end(&text).as_bytes()) && let Some(narrow) = narrow(wide) {
                prop_assert_eq!(narrow.to_bits(), bits);
            }
        }

        #[test]
        fn near_the_middle_of_two_floats(bits in 0x3f00_0000u32..0x4f00_0000, off in -3i64..=3) {
            // The middle between a float and the next, in all its digits, and a few units off it.
            let middle = (f64::from(f32::from_bits(bits)) + f64::from(f32::from_bits(bits + 1))) / 2.0;
            let text = format!("{:.6}", f64::from_bits((middle.to_bits() as i64 + off) as u64));
            if let Some((wide, _)) = float(with_end(&text).as_bytes()) && let Some(narrow) = narrow(wide) {
                prop_assert_eq!(narrow.to_bits(), text.parse::<f32>().unwrap().to_bits());
            }
        }

        #[test]
        fn integers_are_in_range_or_refused(text in "-?[0-9]{1,21}") {
            let mut small: Vec<i8> = Vec::new();
            if integer(with_end(&text).as_bytes(), &mut small).is_some() {
                prop_assert_eq!(small[0], text.parse::<i8>().unwrap());
            }
            let mut large: Vec<u64> = Vec::new();
            if integer(with_end(&text).as_bytes(), &mut large).is_some() {
                prop_assert_eq!(large[0], text.parse::<u64>().unwrap());
            }
            let mut long: Vec<i64> = Vec::new();
            if integer(with_end(&text).as_bytes(), &mut long).is_some() {
                prop_assert_eq!(long[0], text.parse::<i64>().unwrap());
            }
        }

        #[test]
        fn times_are_those_of_the_careful_way(
            nanos in any::<i64>(), second in 0u32..70, unit in proptest::sample::select(vec![Unit::Ms, Unit::Us, Unit::Ns]),
            offset in any::<bool>(),
        ) {
            let time = chrono::DateTime::from_timestamp_nanos(nanos);
            let digits = unit.digits();
            let mut text = time.format(&format!("%Y-%m-%dT%H:%M:%S.%{digits}f")).to_string();
            text.replace_range(17..19, &format!("{second:02}"));
            text.push_str(if offset { "+08:00" } else { "Z" });
            let json = format!("\"{text}\",");
            let mut minute = Minute::default();
            for _ in 0..2 {
                if let Some((value, taken)) = super::time(json.as_bytes(), unit, &mut minute) {
                    prop_assert_eq!((Some(value), taken), (instant(text.as_bytes(), unit), text.len() + 2));
                } else {
                    prop_assert!(offset || second > 59 || instant(text.as_bytes(), unit).is_none());
                }
            }
        }
    }

    #[test]
    fn what_is_odd_is_left_alone() {
        for text in ["", "1", "1e5,", ".5,", "1.,", "-,", "--1,", "1.2.3,", "12345678901234567890,", "+1,", "inf,"] {
            assert!(float(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["\"a", "\"a\\n\"", "a\"", ""] {
            assert!(quoted(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(quoted(b"\"a\",\"b\""), Some(&b"a"[..]));
        assert_eq!(float(b"-0,").map(|(value, _)| value.to_bits()), Some((-0.0f64).to_bits()));
    }
}
