//! `--tolerance`: numbers that are near enough. A digest cannot see that, so it is judged where rows are.

use crate::canonical::{DECIMAL, FLOAT, INT, SINGLE, UINT};
use crate::layout::Layout;
use fault::{Error, Result};
use serde_json::Value;

/// How far two numbers may be apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Absolute(f64),
    /// As a part of the greater one.
    Relative(f64),
}

/// The bounds for all fields, and those for one field, which then goes by them alone.
#[derive(Clone, Debug, Default)]
pub struct Tolerance {
    texts: Vec<String>,
    common: Vec<Bound>,
    fields: Vec<(String, Bound)>,
}

impl Tolerance {
    /// From `[FIELD=]ABS` and `[FIELD=]REL%`.
    pub fn new(texts: &[String]) -> Result<Tolerance> {
        let mut tolerance = Tolerance { texts: texts.to_vec(), ..Tolerance::default() };
        for text in texts {
            let (field, bound) = match text.rsplit_once('=') {
                Some((field, bound)) if !field.is_empty() => (Some(field), bound),
                Some(_) => (None, "no name"),
                None => (None, text.as_str()),
            };
            let (number, percent) = match bound.strip_suffix('%') {
                Some(number) => (number, true),
                None => (bound, false),
            };
            let number = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(|| {
                Error::usage(format!(
                    "--tolerance '{text}': give a number or a percentage, such as 0.001, 0.1% or FIELD=0.5"
                ))
            })?;
            let bound = if percent { Bound::Relative(number / 100.0) } else { Bound::Absolute(number) };
            match field {
                None => tolerance.common.push(bound),
                Some(field) => tolerance.fields.push((field.to_owned(), bound)),
            }
        }
        Ok(tolerance)
    }

    /// Fails (exit 2) for a field that neither side has.
    pub fn check(&self, layouts: [&Layout; 2]) -> Result<()> {
        let has = |name: &String| layouts.iter().any(|layout| layout.fields.iter().any(|field| field.name == *name));
        match self.fields.iter().find(|(name, _)| !has(name)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::usage(format!("--tolerance names a field {name}, which no input has"))),
        }
    }

    /// For the summary; `None` without a tolerance.
    pub fn to_json(&self) -> Option<Value> {
        (!self.texts.is_empty()).then(|| self.texts.join(", ").into())
    }

    /// Are two values of a field, in their canonical form, numbers that are near enough?
    pub fn allows(&self, field: &str, a: &[u8], b: &[u8]) -> bool {
        if self.texts.is_empty() {
            return false;
        }
        let (Some((x, y)), Some(apart)) = (number(a).zip(number(b)), distance(a, b)) else { return false };
        let greater = x.abs().max(y.abs());
        let near = |bound: &Bound| match bound {
            // 21.5 and 21.4 are 0.1 apart for people: what the subtraction rounds does not count.
            Bound::Absolute(bound) => apart <= bound + greater * f64::EPSILON,
            Bound::Relative(bound) => apart <= greater * (bound + f64::EPSILON),
        };
        let mut own = self.fields.iter().filter(|(name, _)| name == field).map(|(_, bound)| bound).peekable();
        match own.peek() {
            Some(_) => own.any(near),
            None => self.common.iter().any(near),
        }
    }
}

/// The number of a canonical value, rounded to f64.
fn number(value: &[u8]) -> Option<f64> {
    match value {
        [INT | UINT, ..] => whole(value).map(|n| n as f64),
        [FLOAT | SINGLE, bits @ ..] => Some(f64::from_bits(u64::from_le_bytes(bits.try_into().ok()?))),
        [DECIMAL, scale, digits @ ..] => {
            let digits = i128::from_le_bytes(digits.try_into().ok()?);
            Some(crate::canonical::Num::Decimal(digits, *scale as i8).double())
        }
        _ => None,
    }
}

fn whole(value: &[u8]) -> Option<i128> {
    match value {
        [INT | UINT, bytes @ ..] => Some(i128::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// How far two numbers are apart: exactly for integers, which may be greater than an f64 can tell apart.
fn distance(a: &[u8], b: &[u8]) -> Option<f64> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.abs_diff(b) as f64),
        _ => Some((number(a)? - number(b)?).abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{self, Num, Rules};
    use crate::form::Form;

    fn value(num: Num) -> Vec<u8> {
        let mut out = Vec::new();
        canonical::number(&mut out, num, Form::Own, Rules::default());
        out
    }

    fn near(texts: &[&str], field: &str, a: Num, b: Num) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let tolerance = Tolerance::new(&texts).unwrap();
        let (there, back) =
            (tolerance.allows(field, &value(a), &value(b)), tolerance.allows(field, &value(b), &value(a)));
        assert_eq!(there, back);
        there
    }

    #[test]
    fn absolute_and_relative() {
        let double = Num::Double;
        assert!(
            near(&["0.1"], "v", double(21.5), double(21.4)) && !near(&["0.0999999"], "v", double(21.5), double(21.4))
        );
        assert!(near(&["1%"], "v", double(100.0), double(99.0)) && !near(&["1%"], "v", double(100.0), double(98.99)));
        assert!(
            near(&["1%"], "v", double(-100.0), double(-99.0)) && !near(&["1%"], "v", double(0.001), double(-0.001))
        );
        assert!(near(&["0.1", "10%"], "v", double(1000.0), double(901.0)), "either is enough");
        assert!(near(&["2"], "v", Num::Int(i64::MAX), Num::Int(i64::MAX - 2)));
        assert!(!near(&["1"], "v", Num::Int(7), Num::Int(9)) && near(&["0.5"], "v", Num::Int(7), double(7.5)));
        assert!(near(&["0.01"], "v", Num::Decimal(125, 2), double(1.26)));
        assert!(!near(&[], "v", double(1.0), double(1.0f64.next_up())));
        assert!(!near(&["1e300"], "v", double(1.0), double(f64::INFINITY)), "an infinity is near nothing");
        let text = |text: &str| [b"s", text.as_bytes()].concat();
        assert!(!Tolerance::new(&["9".into()]).unwrap().allows("v", &text("1"), &text("2")));
    }

    #[test]
    fn a_field_goes_by_its_own() {
        let (a, b) = (Num::Double(1.0), Num::Double(1.4));
        assert!(near(&["0.5", "w=0.1"], "v", a, b) && !near(&["0.5", "w=0.1"], "w", a, b));
        assert!(near(&["w=0.1", "w=50%"], "w", a, b) && !near(&["w=0.5"], "v", a, b));
        assert!(near(&["a=b=0.5"], "a=b", a, b));
        for bad in ["", "x", "-1", "v=", "=1", "nan", "inf", "1%%", "v=-2%"] {
            assert!(Tolerance::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
