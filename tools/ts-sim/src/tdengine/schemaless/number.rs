//! Numbers as C's `strtod`, `strtoll` and `strtoull` read them: the longest prefix that is one.

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b' ' | b'\t'..=b'\r')).count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The value and how many bytes it took; `None` when there is no number.
pub fn double(text: &[u8]) -> Option<(f64, usize)> {
    let start = blanks(text);
    let sign = usize::from(matches!(text.get(start), Some(b'+' | b'-')));
    let negative = text.get(start) == Some(&b'-');
    let at = start + sign;
    let rest = text.get(at..)?;
    let signed = |value: f64| if negative { -value } else { value };
    let named = |name: &str| rest.get(..name.len()).is_some_and(|r| r.eq_ignore_ascii_case(name.as_bytes()));
    for (name, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if named(name) {
            return Some((signed(value), at + name.len()));
        }
    }
    if let Some((value, used)) = hexadecimal(rest) {
        return Some((signed(value), at + used));
    }
    let whole = digits(rest);
    let mut end = whole;
    let mut count = whole;
    if rest.get(whole) == Some(&b'.') {
        let fraction = digits(&rest[whole + 1..]);
        count += fraction;
        end = whole + 1 + fraction;
    }
    if count == 0 {
        return None;
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        let exponent = rest.get(end + 1 + sign..).map_or(0, digits);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value: f64 = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((signed(value), at + end))
}

/// `0x1f`, `0x1.8p3`.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let rest = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"))?;
    let nibble = |b: &u8| char::from(*b).to_digit(16);
    let (mut value, mut at, mut seen) = (0.0, 0, 0);
    while let Some(digit) = rest.get(at).and_then(nibble) {
        value = value * 16.0 + f64::from(digit);
        (at, seen) = (at + 1, seen + 1);
    }
    if rest.get(at) == Some(&b'.') {
        let mut scale = 1.0 / 16.0;
        let mut after = at + 1;
        while let Some(digit) = rest.get(after).and_then(nibble) {
            value += f64::from(digit) * scale;
            scale /= 16.0;
            (after, seen) = (after + 1, seen + 1);
        }
        at = after;
    }
    if seen == 0 {
        return None;
    }
    if matches!(rest.get(at), Some(b'p' | b'P')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let count = rest.get(at + 1 + sign..).map_or(0, digits);
        let exponent = std::str::from_utf8(&rest[at + 1..at + 1 + sign + count]).ok().and_then(|e| e.parse().ok());
        if let (true, Some(exponent)) = (count > 0, exponent) {
            value *= 2_f64.powi(exponent);
            at += 1 + sign + count;
        }
    }
    Some((value, at + 2))
}

/// A whole number: its value, held to what `i128` can show, and how many bytes it took; 0 and 0 when there is none.
pub fn whole(text: &[u8]) -> (i128, usize) {
    let start = blanks(text);
    let negative = text.get(start) == Some(&b'-');
    let at = start + usize::from(matches!(text.get(start), Some(b'+' | b'-')));
    let count = text.get(at..).map_or(0, digits);
    if count == 0 {
        return (0, 0);
    }
    let value =
        text[at..at + count].iter().fold(0_i128, |v, d| v.saturating_mul(10).saturating_add(i128::from(d - b'0')));
    (if negative { -value } else { value }, at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        for (text, value, used) in [
            ("1.5,x", 1.5, 3),
            ("-2i", -2.0, 2),
            ("1e3f32", 1000.0, 3),
            ("1e", 1.0, 1),
            ("+.5", 0.5, 3),
            ("5.", 5.0, 2),
            ("0x1fi", 31.0, 4),
            ("0x1.8p1", 3.0, 7),
            ("0xg", 0.0, 1),
            ("-infinity", f64::NEG_INFINITY, 9),
            ("1e999", f64::INFINITY, 5),
        ] {
            assert_eq!(double(text.as_bytes()), Some((value, used)), "{text}");
        }
        assert!(double(b"nan").unwrap().0.is_nan());
        for text in ["", "abc", ".", "-", "e5"] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
        assert_eq!((whole(b"-12i"), whole(b"x"), whole(b"1.5")), ((-12, 3), (0, 0), (1, 1)));
        assert_eq!(whole(b"99999999999999999999999999999999999999999999").0, i128::MAX);
    }
}
