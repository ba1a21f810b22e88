//! The canonical form of a JSON document: no white space, members in the order of their names, one spelling for every
//! string and every number. Numbers keep all their digits: `12345678901234567891` is not `12345678901234567892`, though
//! they are one f64.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::Write as _;

/// Deeper documents stay texts.
const DEPTH: usize = 128;

/// Numbers with at most so many digits before the point, or zeros after it, are written without an exponent.
const PLAIN: i128 = 40;

/// Appends the canonical form. `None` if the text is no JSON document; then something may have been appended.
pub fn canonical(out: &mut Vec<u8>, text: &str) -> Option<()> {
    element(out, serde_json::from_str(text).ok()?, 0)
}

fn element(out: &mut Vec<u8>, raw: &RawValue, depth: usize) -> Option<()> {
    let text = raw.get();
    match text.bytes().next()? {
        b'{' | b'[' if depth == DEPTH => return None,
        b'{' => {
            // Of a member that is there twice, the last one counts.
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            out.push(b'{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(out, &name);
                out.push(b':');
                element(out, value, depth + 1)?;
            }
            out.push(b'}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push(b'[');
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                element(out, item, depth + 1)?;
            }
            out.push(b']');
        }
        b'"' => string(out, &serde_json::from_str::<String>(text).ok()?),
        b'-' | b'0'..=b'9' => number(out, text)?,
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Some(())
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// The digits of a number without zeros at either end, and the place of its point.
fn number(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i128 = exponent.parse().ok()?;
    let digits = format!("{whole}{fraction}");
    let all = digits.trim_start_matches('0');
    let digits = all.trim_end_matches('0');
    if digits.is_empty() {
        out.push(b'0');
        return Some(());
    }
    // The number is 0.DIGITS times ten to this.
    let point = exponent.checked_add(whole.len() as i128 - (whole.len() + fraction.len() - all.len()) as i128)?;
    let count = digits.len() as i128;
    // Writing to a Vec cannot fail.
    let _ = if point >= count && point <= PLAIN {
        write!(out, "{sign}{digits:0<width$}", width = point as usize)
    } else if point > 0 && point < count {
        let (whole, fraction) = digits.split_at(point as usize);
        write!(out, "{sign}{whole}.{fraction}")
    } else if point <= 0 && point > -PLAIN {
        write!(out, "{sign}0.{:0>width$}", "", width = -point as usize).and_then(|()| write!(out, "{digits}"))
    } else {
        write!(out, "{sign}{digits}e{}", point - count)
    };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use serde_json::{Value, json};
    use testkit::proptest::prelude::*;

    fn text(json: &str) -> String {
        let mut out = Vec::new();
        match canonical(&mut out, json) {
            Some(()) => String::from_utf8(out).unwrap(),
            None => "none".into(),
        }
    }

    #[test]
    fn one_spelling_of_everything() {
        for (spelling, canonical) in [
            (" { \"b\" : [ 1 , 2.0 ] ,\n\t\"a\" : null } ", r#"{"a":null,"b":[1,2]}"#),
            (r#""\u00fc \u0022 \/ \ud83e\udd80""#, r#""ü \" / 🦀""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("[]", "[]"),
            ("{}", "{}"),
            (" true ", "true"),
            ("", "none"),
            ("{", "none"),
            ("01", "none"),
            ("1 2", "none"),
        ] {
            assert_eq!(text(spelling), canonical, "{spelling}");
        }
        let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            (text(&deep(128)), text(&deep(129)), text(&deep(100_000))),
            (deep(128), "none".into(), "none".into())
        );
    }

    #[test]
    fn numbers_are_exact() {
        for (spellings, canonical) in [
            (&["0", "-0", "0.00", "0e9", "-0.0E-5"][..], "0"),
            (&["100", "1e2", "1E+2", "100.0", "0.1e3", "1000e-1"], "100"),
            (&["0.001", "1e-3", "0.1E-2", "0.00100"], "0.001"),
            (&["-1.5", "-15e-1", "-0.15e1", "-1.50"], "-1.5"),
            (&["12345678901234567891", "12345678901234567891.0", "1.2345678901234567891e19"], "12345678901234567891"),
            (&["100000000000000000000", "1e20"], "100000000000000000000"),
            (&["1e400", "10e399", "0.1e401"], "1e400"),
            (&["1.5e-400", "15e-401", "0.015e-398"], "15e-401"),
            (&["1e99999999999999999999999999999999999999999"], "none"),
        ] {
            for spelling in spellings {
                assert_eq!(text(spelling), canonical, "{spelling}");
            }
        }
        assert_ne!(text("12345678901234567891"), text("12345678901234567892"));
        assert_ne!(text("0.12345678901234567891"), text("0.12345678901234567892"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Not any double: the library reads some back as their neighbours.
            any::<i32>().prop_map(|v| json!(f64::from(v) / 8.0)),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_form_is_the_document(value in any_json()) {
            let (short, long) = (text(&value.to_string()), text(&serde_json::to_string_pretty(&value).unwrap()));
            prop_assert_eq!(&short, &long);
            prop_assert_eq!(&text(&short), &short, "a canonical form is its own");
            let back: Value = serde_json::from_str(&short).unwrap();
            prop_assert!(alike(&back, &value), "{} became {}", value, back);
        }

        #[test]
        fn doubles_keep_their_value(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            for spelling in [format!("{value}"), format!("{value:e}"), format!("{value:?}")] {
                prop_assert_eq!(text(&spelling).parse::<f64>(), Ok(value + 0.0), "{}", spelling);
            }
        }

        #[test]
        fn any_text_is_taken(input in "[\\[\\]{}\",:0-9eE.+\\-\\\\ntu ]{0,20}") {
            let known = serde_json::from_str::<Value>(&input).is_ok();
            prop_assert!(!known || text(&input) != "none", "{}", input);
        }
    }

    /// 1.0 and 1 are one number.
    fn alike(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| alike(a, b)))
            }
            (a, b) => a == b,
        }
    }
}
