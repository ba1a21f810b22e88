//! How a column is read, where its declared type alone would make equal values look different: a FLOAT that became a
//! double, a timestamp that became an integer, bytes that became hex text.

use fault::{Error, Result};
use rows::time::Unit;
use rows::types::Type;
use std::fmt;
use std::str::FromStr;

/// How the values of a column are read before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As declared.
    Own,
    /// Rounded to the nearest f32.
    Single,
    /// A double that may stand for an f32: by its value, or by its shortest text (see [`crate::float32`]).
    Float32,
    /// Rounded to the nearest f64 (decimals, integers).
    Double,
    /// A text that holds a decimal number.
    Decimal,
    /// A text that holds a boolean.
    Boolean,
    /// An integer in this unit, or a text, that holds an instant.
    Timestamp(Unit),
    /// A text that holds bytes in hexadecimal.
    Hex,
    /// A text that holds bytes in base64.
    Base64,
    /// A text that holds a JSON document.
    Json,
}

impl Form {
    /// What a column of this type is already, without being told.
    fn natural(of: Type) -> Form {
        match of {
            Type::Float => Form::Single,
            Type::Double => Form::Double,
            Type::Decimal(..) => Form::Decimal,
            Type::Boolean => Form::Boolean,
            Type::Timestamp(unit) => Form::Timestamp(unit),
            Type::Binary | Type::Geometry => Form::Hex,
            Type::Json => Form::Json,
            _ => Form::Own,
        }
    }

    /// Do a column of type `of`, read as `self`, and a partner that is read as `need` speak of the same values?
    pub fn satisfies(self, of: Type, need: Form) -> bool {
        let natural = Form::natural(of);
        match need {
            Form::Timestamp(_) => self == need || matches!(natural, Form::Timestamp(_)),
            Form::Hex | Form::Base64 => matches!(self, Form::Hex | Form::Base64) || natural == Form::Hex,
            Form::Float32 => {
                matches!(self, Form::Float32 | Form::Single) || (self == Form::Own && natural == Form::Single)
            }
            need => self == need || (self == Form::Own && natural == need),
        }
    }
}

/// How columns of two types are both read, so that equal values are equal. `None`: as declared.
/// `bytes` is the encoding in which a text holds bytes.
pub fn need(a: Type, b: Type, float32: bool, bytes: Form) -> Option<Form> {
    need_one_way(a, b, float32, bytes).or_else(|| need_one_way(b, a, float32, bytes))
}

fn need_one_way(a: Type, b: Type, float32: bool, bytes: Form) -> Option<Form> {
    match (a, b) {
        (Type::Float, Type::Double) if float32 => Some(Form::Float32),
        (Type::Decimal(..), Type::Float) => Some(Form::Single),
        (Type::Decimal(..), Type::Double) => Some(Form::Double),
        (Type::Decimal(..), Type::String) => Some(Form::Decimal),
        (Type::Timestamp(unit), Type::Int | Type::Long | Type::UInt | Type::ULong) => Some(Form::Timestamp(unit)),
        (Type::Timestamp(unit), Type::String) => Some(Form::Timestamp(unit)),
        (Type::Binary | Type::Geometry, Type::String) => Some(bytes),
        (Type::Json, Type::String) => Some(Form::Json),
        _ => None,
    }
}

/// As [`need`], for tags, whose values are texts: `1` and `1.0` are one value where a side declares a number.
pub fn need_tag(a: Type, b: Type) -> Option<Form> {
    let one = |typed: Type, other: Type| match (typed, other) {
        (
            Type::Float | Type::Double | Type::Boolean | Type::Decimal(..) | Type::Timestamp(_) | Type::Json,
            Type::String,
        ) => Some(Form::natural(typed)),
        (Type::Float, Type::Double) => Some(Form::Single),
        _ => None,
    };
    one(a, b).or_else(|| one(b, a))
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Own => "declared",
            Form::Single => "float",
            Form::Float32 => "float32",
            Form::Double => "double",
            Form::Decimal => "decimal",
            Form::Boolean => "boolean",
            Form::Timestamp(unit) => return write!(f, "timestamp({unit})"),
            Form::Hex => "hex",
            Form::Base64 => "base64",
            Form::Json => "json",
        })
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Form> {
        Ok(match text {
            "declared" => Form::Own,
            "float" => Form::Single,
            "float32" => Form::Float32,
            "double" => Form::Double,
            "decimal" => Form::Decimal,
            "boolean" => Form::Boolean,
            "hex" => Form::Hex,
            "base64" => Form::Base64,
            "json" => Form::Json,
            _ => {
                let unit = text.strip_prefix("timestamp(").and_then(|rest| rest.strip_suffix(')'));
                return unit.and_then(|unit| unit.parse().ok()).map(Form::Timestamp).ok_or_else(|| {
                    Error::usage(format!(
                        "a column cannot be read as '{text}': use declared, float, float32, double, decimal, boolean, \
                         timestamp(s|ms|us|ns), hex, base64 or json"
                    ))
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_one_spelling() {
        for form in [
            Form::Own,
            Form::Single,
            Form::Float32,
            Form::Double,
            Form::Decimal,
            Form::Boolean,
            Form::Timestamp(Unit::Us),
            Form::Hex,
            Form::Base64,
            Form::Json,
        ] {
            assert_eq!(form.to_string().parse::<Form>().unwrap(), form);
        }
        assert!("timestamp".parse::<Form>().is_err());
    }

    #[test]
    fn what_two_types_need() {
        let need = |a, b| super::need(a, b, true, Form::Hex);
        assert_eq!(need(Type::Float, Type::Double), Some(Form::Float32));
        assert_eq!(need(Type::Double, Type::Float), Some(Form::Float32));
        assert_eq!(super::need(Type::Double, Type::Float, false, Form::Hex), None);
        assert_eq!(need(Type::Long, Type::Timestamp(Unit::Ms)), Some(Form::Timestamp(Unit::Ms)));
        assert_eq!(need(Type::Long, Type::String), None);
        assert_eq!(need(Type::Timestamp(Unit::Ms), Type::Timestamp(Unit::Ns)), None);
        assert!(Form::Own.satisfies(Type::Float, Form::Single));
        assert!(!Form::Own.satisfies(Type::Double, Form::Single));
        assert!(Form::Single.satisfies(Type::Double, Form::Single));
        assert!(Form::Own.satisfies(Type::Float, Form::Float32) && Form::Single.satisfies(Type::Double, Form::Float32));
        assert!(!Form::Own.satisfies(Type::Double, Form::Float32));
        assert!(Form::Own.satisfies(Type::Binary, Form::Base64));
        assert!(!Form::Own.satisfies(Type::String, Form::Hex));
    }
}
