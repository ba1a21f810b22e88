//! The canonical form of a value: one tag byte, then bytes. Two values are equal exactly when these bytes are.
//!
//! Digests are sums of hashes of these bytes, so a change here is a new [`VERSION`].

use crate::form::Form;
use crate::repair::Repairs;
use rows::time::Unit;
use serde_json::{Number, Value};
use std::io::Write as _;

/// The version of everything that goes into a hash: value forms, series, the layout of the hashed message.
pub const VERSION: u32 = 2;

/// Tag bytes. A number that is integral has the tag [`INT`] whatever its declared type (unless numbers are strict).
pub const INT: u8 = b'i';
pub const UINT: u8 = b'u';
pub const FLOAT: u8 = b'f';
pub const SINGLE: u8 = b'e';
pub const DECIMAL: u8 = b'd';
/// NaN and the infinities: kept apart, because line protocol cannot hold them.
pub const NON_FINITE: u8 = b'n';
pub const BOOLEAN: u8 = b'b';
pub const STRING: u8 = b's';
pub const JSON: u8 = b'j';
pub const BINARY: u8 = b'x';
pub const TIMESTAMP: u8 = b't';

/// Which values count as equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `1`, `1i`, `1u`, `1.0` and `1.00` differ.
    pub strict_numbers: bool,
    /// `-0.0` and `0.0` differ.
    pub negative_zero: bool,
    /// JSON is compared as text, not as a document.
    pub json_text: bool,
    /// Texts are compared after these repairs.
    pub repairs: Repairs,
}

/// A number as its column holds it.
#[derive(Clone, Copy, Debug)]
pub enum Num {
    Int(i64),
    UInt(u64),
    Single(f32),
    Double(f64),
    /// Digits and scale.
    Decimal(i128, i8),
}

impl Num {
    /// The nearest f64. A decimal goes through its text, because digits / 10^scale would round twice.
    pub fn double(self) -> f64 {
        match self {
            Num::Int(v) => v as f64,
            Num::UInt(v) => v as f64,
            Num::Single(v) => f64::from(v),
            Num::Double(v) => v,
            Num::Decimal(digits, scale) => decimal_text(digits, scale, |text| text.parse().unwrap_or(f64::NAN)),
        }
    }

    /// The nearest f32.
    pub fn single(self) -> f32 {
        match self {
            Num::Int(v) => v as f32,
            Num::UInt(v) => v as f32,
            Num::Single(v) => v,
            Num::Double(v) => v as f32,
            Num::Decimal(digits, scale) => decimal_text(digits, scale, |text| text.parse().unwrap_or(f32::NAN)),
        }
    }
}

fn decimal_text<T>(digits: i128, scale: i8, parse: impl FnOnce(&str) -> T) -> T {
    let mut text = [0u8; 64];
    let mut rest = &mut text[..];
    // 40 digits and an exponent always fit.
    let _ = write!(rest, "{digits}e{}", -i16::from(scale));
    let used = 64 - rest.len();
    parse(std::str::from_utf8(text.get(..used).unwrap_or_default()).unwrap_or_default())
}

/// Appends a number, read as `form` says.
pub fn number(out: &mut Vec<u8>, value: Num, form: Form, rules: Rules) {
    match (form, value) {
        (Form::Single, value) => float(out, f64::from(value.single()), SINGLE, rules),
        (Form::Float32, Num::Double(v)) => {
            let value = crate::float32::from_text(v).unwrap_or(v);
            // Strictly, it is an f32 where it can be one.
            float(out, value, if f64::from(value as f32) == value { SINGLE } else { FLOAT }, rules);
        }
        (Form::Double, value) => float(out, value.double(), FLOAT, rules),
        (Form::Timestamp(unit), Num::Int(v)) => timestamp(out, i128::from(v) * i128::from(unit.nanos())),
        (Form::Timestamp(unit), Num::UInt(v)) => timestamp(out, i128::from(v) * i128::from(unit.nanos())),
        (_, Num::Int(v)) => fixed(out, INT, i128::from(v)),
        (_, Num::UInt(v)) => fixed(out, if rules.strict_numbers { UINT } else { INT }, i128::from(v)),
        (_, Num::Single(v)) => float(out, f64::from(v), SINGLE, rules),
        (_, Num::Double(v)) => float(out, v, FLOAT, rules),
        (_, Num::Decimal(digits, scale)) => decimal(out, digits, scale, rules),
    }
}

fn fixed(out: &mut Vec<u8>, tag: u8, value: i128) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

fn float(out: &mut Vec<u8>, value: f64, tag: u8, rules: Rules) {
    const I64: f64 = 9_223_372_036_854_775_808.0;
    const I128: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if !value.is_finite() {
        let which = if value.is_nan() {
            0
        } else if value > 0.0 {
            1
        } else {
            2
        };
        return out.extend_from_slice(&[NON_FINITE, which]);
    }
    let negative_zero = value == 0.0 && value.is_sign_negative();
    if rules.strict_numbers || (negative_zero && rules.negative_zero) {
        let value = if negative_zero && !rules.negative_zero { 0.0 } else { value };
        out.push(if rules.strict_numbers { tag } else { FLOAT });
        return out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    if value.abs() < I64 {
        let whole = value as i64;
        if whole as f64 == value {
            return fixed(out, INT, i128::from(whole));
        }
    } else if value.abs() < I128 {
        return fixed(out, INT, value as i128);
    }
    out.push(FLOAT);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// A decimal without trailing zeros; one that is integral is an integer.
fn decimal(out: &mut Vec<u8>, mut digits: i128, mut scale: i8, rules: Rules) {
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    while scale < 0 {
        let Some(wider) = digits.checked_mul(10) else { break };
        digits = wider;
        scale += 1;
    }
    if scale == 0 && !rules.strict_numbers {
        return fixed(out, INT, digits);
    }
    out.push(DECIMAL);
    out.push(scale as u8);
    out.extend_from_slice(&digits.to_le_bytes());
}

/// Appends an instant in nanoseconds.
pub fn timestamp(out: &mut Vec<u8>, nanos: i128) {
    fixed(out, TIMESTAMP, nanos);
}

/// Appends a boolean.
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[BOOLEAN, u8::from(value)]);
}

/// Appends bytes.
pub fn binary(out: &mut Vec<u8>, value: &[u8]) {
    out.push(BINARY);
    out.extend_from_slice(value);
}

/// Appends a text, read as `form` says. A text that cannot be read so stays a text: it then differs from the other side.
pub fn text(out: &mut Vec<u8>, value: &str, form: Form, rules: Rules) {
    let start = out.len();
    if parsed(out, value, form, rules).is_none() {
        out.truncate(start);
        out.push(STRING);
        out.extend_from_slice(value.as_bytes());
        rules.repairs.field(out, start + 1);
    }
}

fn parsed(out: &mut Vec<u8>, value: &str, form: Form, rules: Rules) -> Option<()> {
    match form {
        Form::Own => return None,
        Form::Single => float(out, f64::from(value.parse::<f32>().ok()?), SINGLE, rules),
        Form::Float32 => number(out, Num::Double(value.parse().ok()?), form, rules),
        Form::Double => float(out, value.parse().ok()?, FLOAT, rules),
        Form::Decimal => {
            let (digits, scale) = parse_decimal(value)?;
            decimal(out, digits, scale, rules);
        }
        Form::Boolean => boolean(out, parse_boolean(value)?),
        Form::Timestamp(_) => timestamp(out, rows::time::parse_instant(value).ok()?),
        Form::Hex => binary(out, &hex::decode(value).ok()?),
        Form::Base64 => {
            use base64::Engine as _;
            binary(out, &base64::engine::general_purpose::STANDARD.decode(value).ok()?);
        }
        Form::Json if rules.json_text => {
            out.push(JSON);
            out.extend_from_slice(value.as_bytes());
        }
        Form::Json => {
            out.push(JSON);
            crate::json::canonical(out, value)?;
        }
    }
    Some(())
}

/// `-12.50` as digits and scale. No exponent: nothing writes decimals with one.
fn parse_decimal(text: &str) -> Option<(i128, i8)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, whole),
    };
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut digits: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    Some((sign * digits, i8::try_from(fraction.len()).ok()?))
}

/// The spellings of line protocol.
fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A canonical value for people and reports. Texts, binaries (hex), decimals and instants are JSON strings.
pub fn show(bytes: &[u8], unit: Unit) -> Value {
    let (tag, rest) = bytes.split_first().map_or((0, &[][..]), |(tag, rest)| (*tag, rest));
    match tag {
        INT | UINT => {
            let value = wide(rest);
            match (i64::try_from(value), u64::try_from(value)) {
                (Ok(v), _) => Value::from(v),
                (_, Ok(v)) => Value::from(v),
                _ => Value::String(value.to_string()),
            }
        }
        FLOAT | SINGLE => {
            let bits = u64::from_le_bytes(rest.try_into().unwrap_or_default());
            Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
        }
        NON_FINITE => Value::from(match rest.first() {
            Some(1) => "inf",
            Some(2) => "-inf",
            _ => "NaN",
        }),
        DECIMAL => {
            let (scale, digits) = rest.split_first().map_or((0, rest), |(scale, digits)| (*scale as i8, digits));
            Value::String(show_decimal(wide(digits), scale))
        }
        BOOLEAN => Value::Bool(rest.first() == Some(&1)),
        STRING => Value::String(String::from_utf8_lossy(rest).into_owned()),
        JSON => Value::String(String::from_utf8_lossy(rest).into_owned()),
        BINARY => Value::String(hex::encode(rest)),
        TIMESTAMP => Value::String(instant(wide(rest), unit)),
        _ => Value::Null,
    }
}

/// The name of the type that a canonical value has.
pub fn type_name(bytes: &[u8]) -> &'static str {
    match bytes.first() {
        Some(&INT) => "integer",
        Some(&UINT) => "unsigned",
        Some(&FLOAT | &NON_FINITE) => "float",
        Some(&SINGLE) => "float32",
        Some(&DECIMAL) => "decimal",
        Some(&BOOLEAN) => "boolean",
        Some(&STRING) => "string",
        Some(&JSON) => "json",
        Some(&BINARY) => "binary",
        Some(&TIMESTAMP) => "timestamp",
        _ => "nothing",
    }
}

fn wide(bytes: &[u8]) -> i128 {
    bytes.try_into().map(i128::from_le_bytes).unwrap_or_default()
}

fn show_decimal(digits: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else { return format!("{digits}e{}", -i16::from(scale)) };
    if scale == 0 {
        return digits.to_string();
    }
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    format!("{}{whole}.{fraction}", if digits < 0 { "-" } else { "" })
}

/// RFC 3339 in UTC with the digits of `unit`, or more where the instant has more. RFC 3339 has years up to 9999: beyond
/// it is an integer with its unit, which `--since` and lists of repairs take, too.
pub fn instant(nanos: i128, unit: Unit) -> String {
    use chrono::Datelike as _;
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let time = i64::try_from(seconds).ok().and_then(|s| chrono::DateTime::from_timestamp(s, rest as u32));
    let Some(time) = time.filter(|time| (0..=9999).contains(&time.year())) else {
        return if rest == 0 { format!("{seconds}s") } else { format!("{nanos}ns") };
    };
    let needed = [Unit::S, Unit::Ms, Unit::Us, Unit::Ns].into_iter().find(|u| rest % i128::from(u.nanos()) == 0);
    let format = match needed.unwrap_or(Unit::Ns).max(unit) {
        Unit::S => chrono::SecondsFormat::Secs,
        Unit::Ms => chrono::SecondsFormat::Millis,
        Unit::Us => chrono::SecondsFormat::Micros,
        Unit::Ns => chrono::SecondsFormat::Nanos,
    };
    time.to_rfc3339_opts(format, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Rules = crate::args::DEFAULTS.rules;
    const STRICT: Rules = Rules { strict_numbers: true, ..VALUE };

    fn num(value: Num, form: Form, rules: Rules) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, value, form, rules);
        out
    }

    fn txt(value: &str, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        text(&mut out, value, form, VALUE);
        out
    }

    #[test]
    fn numbers_are_equal_by_value() {
        let one = num(Num::Int(1), Form::Own, VALUE);
        for other in [Num::UInt(1), Num::Single(1.0), Num::Double(1.0), Num::Decimal(100, 2)] {
            assert_eq!(num(other, Form::Own, VALUE), one, "{other:?}");
            assert_ne!(num(other, Form::Own, STRICT), num(Num::Int(1), Form::Own, STRICT), "{other:?}");
        }
        // i64::MAX is no f64: the nearest one is 2^63.
        assert_ne!(num(Num::Int(i64::MAX), Form::Own, VALUE), num(Num::Double(i64::MAX as f64), Form::Own, VALUE));
        assert_eq!(num(Num::UInt(1 << 63), Form::Own, VALUE), num(Num::Double(i64::MAX as f64), Form::Own, VALUE));
        assert_ne!(num(Num::Double(0.5), Form::Own, VALUE), num(Num::Double(0.5f64.next_up()), Form::Own, VALUE));
    }

    #[test]
    fn zeros_and_non_finite_values() {
        let keep = Rules { negative_zero: true, ..VALUE };
        assert_eq!(num(Num::Double(-0.0), Form::Own, VALUE), num(Num::Int(0), Form::Own, VALUE));
        assert_ne!(num(Num::Double(-0.0), Form::Own, keep), num(Num::Int(0), Form::Own, keep));
        assert_eq!(num(Num::Double(-0.0), Form::Own, STRICT), num(Num::Double(0.0), Form::Own, STRICT));
        let quiet = f64::from_bits(0x7ff8_0000_0000_0001);
        assert_eq!(num(Num::Double(quiet), Form::Own, VALUE), num(Num::Single(f32::NAN), Form::Own, VALUE));
        assert_ne!(
            num(Num::Double(f64::INFINITY), Form::Own, VALUE),
            num(Num::Double(f64::NEG_INFINITY), Form::Own, VALUE)
        );
    }

    /// A float column widened bit by bit and one that went through its shortest text meet again as f32 (and only so).
    #[test]
    fn finding_4_float32_is_rounded_on_both_sides() {
        let mut bits: u32 = 1;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let shortest: f64 = value.to_string().parse().unwrap();
            assert_eq!(
                num(Num::Double(shortest), Form::Single, VALUE),
                num(Num::Single(value), Form::Own, VALUE),
                "{value}"
            );
        }
        assert_ne!(num(Num::Double(0.1), Form::Own, VALUE), num(Num::Single(0.1), Form::Own, VALUE));
    }

    #[test]
    fn decimals_lose_their_trailing_zeros() {
        assert_eq!(num(Num::Decimal(1250, 3), Form::Own, VALUE), num(Num::Decimal(125, 2), Form::Own, VALUE));
        assert_eq!(txt("1.2500", Form::Decimal), num(Num::Decimal(125, 2), Form::Own, VALUE));
        assert_eq!(txt("-3.00", Form::Decimal), num(Num::Int(-3), Form::Own, VALUE));
        assert_eq!(num(Num::Decimal(10, 2), Form::Double, VALUE), num(Num::Double(0.1), Form::Own, VALUE));
        assert_eq!(txt("1.2.3", Form::Decimal), txt("1.2.3", Form::Own));
        assert_eq!(show_decimal(-5, 2), "-0.05");
        assert_eq!(show_decimal(12345, 2), "123.45");
    }

    #[test]
    fn json_is_a_document() {
        assert_eq!(txt(r#"{"b": 1.0, "a": [1, 2]}"#, Form::Json), txt(r#"{"a":[1,2],"b":1}"#, Form::Json));
        assert_ne!(txt(r#"{"a":[1,2]}"#, Form::Json), txt(r#"{"a":[2,1]}"#, Form::Json));
        assert_ne!(txt(r#"{"a":"1"}"#, Form::Json), txt(r#"{"a":1}"#, Form::Json));
        assert_eq!(txt("{", Form::Json), txt("{", Form::Own));
    }

    #[test]
    fn texts_read_as_other_types() {
        assert_eq!(txt("00ff", Form::Hex), txt("AP8=", Form::Base64));
        assert_eq!(txt("xyz", Form::Hex), txt("xyz", Form::Own));
        let mut out = Vec::new();
        timestamp(&mut out, 1_000_000);
        assert_eq!(num(Num::Int(1), Form::Timestamp(Unit::Ms), VALUE), out);
        assert_eq!(txt("1970-01-01T00:00:00.001Z", Form::Timestamp(Unit::Ms)), out);
    }

    #[test]
    fn instants_show_their_digits() {
        assert_eq!(instant(1_704_067_200_000_000_000, Unit::Ms), "2024-01-01T00:00:00.000Z");
        assert_eq!(instant(1_704_067_200_000_000_001, Unit::Ms), "2024-01-01T00:00:00.000000001Z");
        assert_eq!(instant(-1, Unit::S), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(instant(253_402_300_799_999_999_999, Unit::S), "9999-12-31T23:59:59.999999999Z");
        assert_eq!(instant(253_402_300_800_000_000_000, Unit::S), "253402300800s");
        let second = 1_000_000_000;
        let ends = [0, -1, 253_402_300_800 * second, -62_167_219_200 * second, i128::from(i64::MAX) * second];
        for nanos in ends.into_iter().flat_map(|end| [end - second, end - 1, end, end + 1, end + second]) {
            assert_eq!(rows::time::parse_instant(&instant(nanos, Unit::Ms)).unwrap(), nanos);
        }
    }
}
