//! Typed values of lines: `"text"`, `L"text"`, `B"bytes"`, `G"POINT(1 2)"`, booleans, numbers with suffixes.

use super::super::geometry;
use super::super::types::Kind;
use super::super::value::Value;
use super::{MAX_BYTES, MAX_NCHAR, number};

/// What a value is. Texts are as sent, escapes too.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub kind: Kind,
    pub value: Value<'static>,
}

/// Why it is none: the code, and words where there are any.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub code: u32,
    pub why: Option<&'static str>,
}

/// "Invalid value in client".
pub const INVALID_VALUE: u32 = 0x0203;
const TOO_LONG: u32 = 0x2642;
const BAD_HEX: u32 = 0x266A;
const BAD_SHAPE: u32 = 0x2803;

const fn wrong(code: u32) -> Wrong {
    Wrong { code, why: None }
}

/// Reads one value.
pub fn parse(text: &[u8]) -> Result<Parsed, Wrong> {
    match text.first() {
        Some(b'"') => match text {
            [b'"', inner @ .., b'"'] => bytes(Kind::VarChar, inner, MAX_BYTES),
            _ => Err(wrong(INVALID_VALUE)),
        },
        Some(prefix @ (b'l' | b'L' | b'g' | b'G' | b'b' | b'B')) => match text {
            [_, b'"', inner @ .., b'"'] => match prefix.to_ascii_lowercase() {
                b'l' => bytes(Kind::NChar, inner, MAX_NCHAR),
                b'b' => binary(inner),
                _ => shape(inner),
            },
            _ => Err(wrong(INVALID_VALUE)),
        },
        Some(b't' | b'T') => truth(text, b"true", true),
        Some(b'f' | b'F') => truth(text, b"false", false),
        _ => numeric(text),
    }
}

fn bytes(kind: Kind, inner: &[u8], most: usize) -> Result<Parsed, Wrong> {
    if inner.len() > most {
        return Err(wrong(TOO_LONG));
    }
    Ok(Parsed { kind, value: Value::Bytes(inner.to_vec().into()) })
}

fn binary(inner: &[u8]) -> Result<Parsed, Wrong> {
    match inner.strip_prefix(b"\\x").or_else(|| inner.strip_prefix(b"\\X")) {
        Some(digits) => bytes(Kind::VarBinary, &hex::decode(digits).map_err(|_| wrong(BAD_HEX))?, MAX_BYTES),
        None => bytes(Kind::VarBinary, inner, MAX_BYTES),
    }
}

fn shape(inner: &[u8]) -> Result<Parsed, Wrong> {
    let wkb = std::str::from_utf8(inner).ok().and_then(geometry::wkb).ok_or(wrong(BAD_SHAPE))?;
    bytes(Kind::Geometry, &wkb, MAX_BYTES)
}

fn truth(text: &[u8], word: &[u8], value: bool) -> Result<Parsed, Wrong> {
    if text.len() == 1 || text.eq_ignore_ascii_case(word) {
        return Ok(Parsed { kind: Kind::Bool, value: Value::Bool(value) });
    }
    Err(wrong(INVALID_VALUE))
}

/// A number. The suffix decides the type; `i64` and `u64` are read again as whole numbers, so that `1.5i` is 1.
fn numeric(text: &[u8]) -> Result<Parsed, Wrong> {
    let bad = |why| Err(Wrong { code: INVALID_VALUE, why: Some(why) });
    let Some((double, used)) = number::double(text) else { return bad("invalid data") };
    let suffix = text[used..].to_ascii_lowercase();
    let within = |low: f64, high: f64| double >= low && double <= high;
    let signed = |kind, low: f64, high: f64, why| {
        if within(low, high) { Ok(Parsed { kind, value: Value::Int(double as i64) }) } else { bad(why) }
    };
    let unsigned = |kind, high: f64, why| {
        if within(0.0, high) { Ok(Parsed { kind, value: Value::UInt(double as u64) }) } else { bad(why) }
    };
    match suffix.as_slice() {
        b"" | b"f64" => Ok(Parsed { kind: Kind::Double, value: Value::Double(double) }),
        b"f32" if within(-f64::from(f32::MAX), f64::from(f32::MAX)) => {
            Ok(Parsed { kind: Kind::Float, value: Value::Float(double as f32) })
        }
        b"f32" => bad("float out of range[-3.402823466e+38,3.402823466e+38]"),
        b"i" | b"i64" => match i64::try_from(number::whole(text).0) {
            Ok(value) => Ok(Parsed { kind: Kind::BigInt, value: Value::Int(value) }),
            Err(_) => bad("big int out of range[-9223372036854775808,9223372036854775807]"),
        },
        b"u" | b"u64" => match u64::try_from(number::whole(text).0) {
            Ok(value) if double >= 0.0 => Ok(Parsed { kind: Kind::UBigInt, value: Value::UInt(value) }),
            _ => bad("unsigned big int out of range[0,18446744073709551615]"),
        },
        b"i32" => {
            signed(Kind::Int, f64::from(i32::MIN), f64::from(i32::MAX), "int out of range[-2147483648,2147483647]")
        }
        b"u32" => unsigned(Kind::UInt, f64::from(u32::MAX), "unsigned int out of range[0,4294967295]"),
        b"i16" => signed(Kind::SmallInt, -32768.0, 32767.0, "small int our of range[-32768,32767]"),
        b"u16" => unsigned(Kind::USmallInt, 65535.0, "unsigned small int out of rang[0,65535]"),
        b"i8" => signed(Kind::TinyInt, -128.0, 127.0, "tiny int out of range[-128,127]"),
        b"u8" => unsigned(Kind::UTinyInt, 255.0, "unsigned tiny int out of range[0,255]"),
        _ => bad("invalid data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> (Kind, Value<'static>) {
        let parsed = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        (parsed.kind, parsed.value)
    }

    #[test]
    fn suffixes_and_prefixes_decide_the_type() {
        assert_eq!(good("1.5"), (Kind::Double, Value::Double(1.5)));
        assert_eq!(good("1.5f32"), (Kind::Float, Value::Float(1.5)));
        assert_eq!(good("-9223372036854775808i"), (Kind::BigInt, Value::Int(i64::MIN)));
        assert_eq!(good("18446744073709551615U64"), (Kind::UBigInt, Value::UInt(u64::MAX)));
        assert_eq!(good("3i8"), (Kind::TinyInt, Value::Int(3)));
        assert_eq!(good("65535u16"), (Kind::USmallInt, Value::UInt(65535)));
        assert_eq!(good("T"), (Kind::Bool, Value::Bool(true)));
        assert_eq!(good("fAlSe"), (Kind::Bool, Value::Bool(false)));
        assert_eq!(good("\"\""), (Kind::VarChar, Value::text("")));
        assert_eq!(good("L\"中\""), (Kind::NChar, Value::text("中")));
        assert_eq!(good("b\"\\x00ff\""), (Kind::VarBinary, Value::Bytes(vec![0, 255].into())));
        assert_eq!(good("b\"abc\""), (Kind::VarBinary, Value::text("abc")));
        assert_eq!(good("G\"POINT(1 2)\"").0, Kind::Geometry);
        assert!(matches!(good("inf"), (Kind::Double, Value::Double(d)) if d.is_infinite()));
    }

    #[test]
    fn what_is_no_value_has_its_code() {
        let code = |text: &str| parse(text.as_bytes()).map_err(|w| w.code);
        for text in ["", "abc", "tru", "\"a", "L'a'", "1x", "9223372036854775808i", "-1u", "128i8", "1e39f32", "nanf32"]
        {
            assert_eq!(code(text), Err(INVALID_VALUE), "{text}");
        }
        assert_eq!(code("b\"\\x0\""), Err(BAD_HEX));
        assert_eq!(code("g\"CIRCLE(1)\""), Err(BAD_SHAPE));
        assert_eq!(code(&format!("\"{}\"", "y".repeat(65_518))), Err(TOO_LONG));
    }
}
