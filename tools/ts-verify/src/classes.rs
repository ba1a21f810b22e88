//! Classes of deviations that a system's limits explain: counted by name, and allowed by name.

use crate::canonical::{FLOAT, INT, NON_FINITE, SINGLE, STRING};
use fault::{Error, Result};
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// A class of deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// NaN or an infinity that the other side does not have: line protocol has none.
    NonFinite,
    /// A row without any value.
    AllNullRow,
    /// A tag that is an empty text.
    EmptyTag,
    /// Instants that only `--precision` made equal.
    PrecisionCollision,
    /// Several values for one key, of which one counts.
    Duplicate,
    /// A text that is the beginning of the other side's.
    StringTruncated,
    /// An integer beyond 2^53 that went through a float.
    IntPrecision,
    /// A column that is a tag on one side and a field on the other.
    TagFieldRole,
    /// A column of another type that was read as the other side's.
    TypeChanged,
    /// A double that is the shortest text of the other side's f32.
    Float32,
    /// Numbers that differ, and that `--tolerance` says are near enough.
    Tolerated,
}

impl Class {
    pub const ALL: [Class; 11] = [
        Class::NonFinite,
        Class::AllNullRow,
        Class::EmptyTag,
        Class::PrecisionCollision,
        Class::Duplicate,
        Class::StringTruncated,
        Class::IntPrecision,
        Class::TagFieldRole,
        Class::TypeChanged,
        Class::Float32,
        Class::Tolerated,
    ];

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::NonFinite => "nan_inf",
            Class::AllNullRow => "all_null_row",
            Class::EmptyTag => "empty_tag",
            Class::PrecisionCollision => "precision_collision",
            Class::Duplicate => "duplicate_lww",
            Class::StringTruncated => "string_truncated",
            Class::IntPrecision => "int_precision",
            Class::TagFieldRole => "tag_field_role",
            Class::TypeChanged => "type_changed",
            Class::Float32 => "float32",
            Class::Tolerated => "tolerated",
        }
    }

    /// Allowed unless `--strict`: the cell model says that these are no differences in the data.
    fn by_default(self) -> bool {
        matches!(
            self,
            Class::AllNullRow
                | Class::EmptyTag
                | Class::Duplicate
                | Class::TypeChanged
                | Class::Float32
                | Class::Tolerated
        )
    }

    /// The class of two values of one cell, if a class explains them. `None` is no value.
    pub fn of(a: Option<&[u8]>, b: Option<&[u8]>) -> Option<Class> {
        match (a, b) {
            (Some(value), None) | (None, Some(value)) if value.first() == Some(&NON_FINITE) => Some(Class::NonFinite),
            (Some([STRING, a @ ..]), Some([STRING, b @ ..]))
                if a.len() != b.len() && (a.starts_with(b) || b.starts_with(a)) =>
            {
                Some(Class::StringTruncated)
            }
            (Some(a), Some(b)) if through_float(a, b) || through_float(b, a) => Some(Class::IntPrecision),
            _ => None,
        }
    }
}

/// Is `b` what is left of the integer `a` after a way through an f64?
fn through_float(a: &[u8], b: &[u8]) -> bool {
    let ([INT, a @ ..], [INT | FLOAT | SINGLE, _b @ ..]) = (a, b) else { return false };
    let Ok(a) = <[u8; 16]>::try_from(a) else { return false };
    let a = i128::from_le_bytes(a);
    let mut rounded = Vec::new();
    let rules = crate::canonical::Rules { strict_numbers: b.first() != Some(&INT), ..Default::default() };
    crate::canonical::number(&mut rounded, crate::canonical::Num::Double(a as f64), crate::form::Form::Own, rules);
    a.unsigned_abs() > 1 << 53 && rounded == b
}

impl FromStr for Class {
    type Err = Error;

    fn from_str(text: &str) -> Result<Class> {
        Class::ALL.into_iter().find(|class| class.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
            Error::usage(format!("'{text}' is no class of deviations: use {}", names.join(", ")))
        })
    }
}

/// How many of each class there are, and how many may be.
#[derive(Clone, Debug)]
pub struct Classes {
    counts: [u64; Class::ALL.len()],
    limits: [Option<u64>; Class::ALL.len()],
}

impl Classes {
    /// From `--allow CLASS[:N]` and `--strict`.
    pub fn new(allow: &[String], strict: bool) -> Result<Classes> {
        let mut limits = Class::ALL.map(|class| (class.by_default() && !strict).then_some(u64::MAX));
        for text in allow {
            let (name, limit) = match text.split_once(':') {
                Some((name, "*")) => (name, u64::MAX),
                Some((name, limit)) => {
                    let limit =
                        limit.parse().map_err(|_| Error::usage(format!("--allow {text}: '{limit}' is no number")))?;
                    (name, limit)
                }
                None => (text.as_str(), u64::MAX),
            };
            limits[name.parse::<Class>()? as usize] = Some(limit);
        }
        Ok(Classes { counts: [0; Class::ALL.len()], limits })
    }

    /// Counts some.
    pub fn add(&mut self, class: Class, n: u64) {
        self.counts[class as usize] += n;
    }

    /// How many there are.
    pub fn count(&self, class: Class) -> u64 {
        self.counts[class as usize]
    }

    /// Sets the count.
    pub fn set(&mut self, class: Class, n: u64) {
        self.counts[class as usize] = n;
    }

    /// May there be any?
    pub fn allows(&self, class: Class) -> bool {
        self.limits[class as usize].is_some()
    }

    /// May there be any number? Such deviations are counted and not shown.
    pub fn unlimited(&self, class: Class) -> bool {
        self.limits[class as usize] == Some(u64::MAX)
    }

    /// How many there may be.
    pub fn limit(&self, class: Class) -> u64 {
        self.limits[class as usize].unwrap_or(0)
    }

    /// Are there none, or no more than may be?
    pub fn within(&self, class: Class) -> bool {
        self.counts[class as usize] <= self.limit(class)
    }

    /// `3 all_null_row, 1 nan_inf` of those beyond their limit.
    pub fn violations(&self) -> Vec<String> {
        let beyond = Class::ALL.into_iter().filter(|class| !self.within(*class));
        beyond.map(|class| format!("{} {}", self.counts[class as usize], class.name())).collect()
    }

    /// For the summary: the classes that occur.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        for class in Class::ALL {
            if self.counts[class as usize] > 0 {
                map.insert(
                    class.name().into(),
                    json!({ "count": self.counts[class as usize], "allowed": self.within(class) }),
                );
            }
        }
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Num, Rules, number};
    use crate::form::Form;

    fn value(num: Num) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, num, Form::Own, Rules::default());
        out
    }

    #[test]
    fn classes_explain_only_what_they_say() {
        let (nan, one) = (value(Num::Double(f64::NAN)), value(Num::Int(1)));
        assert_eq!(Class::of(Some(&nan), None), Some(Class::NonFinite));
        assert_eq!(Class::of(Some(&nan), Some(&one)), None);
        assert_eq!(Class::of(Some(&one), None), None);
        assert_eq!(Class::of(Some(b"sabc"), Some(b"sab")), Some(Class::StringTruncated));
        assert_eq!(Class::of(Some(b"sabc"), Some(b"sb")), None);
        let (big, rounded) = (value(Num::Int((1 << 53) + 1)), value(Num::Double(((1u64 << 53) + 1) as f64)));
        assert_eq!(Class::of(Some(&big), Some(&rounded)), Some(Class::IntPrecision));
        assert_eq!(Class::of(Some(&one), Some(&value(Num::Int(2)))), None);
    }

    #[test]
    fn limits() {
        let mut classes = Classes::new(&["nan_inf:2".into()], false).unwrap();
        classes.add(Class::NonFinite, 2);
        assert!(classes.within(Class::NonFinite));
        classes.add(Class::NonFinite, 1);
        assert_eq!(classes.violations(), ["3 nan_inf"]);
        assert!(!Classes::new(&[], true).unwrap().allows(Class::AllNullRow));
        assert!(
            Classes::new(&["nonsense".into()], false).is_err() && Classes::new(&["nan_inf:x".into()], false).is_err()
        );
    }
}
