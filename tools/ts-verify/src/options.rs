//! What is compared and what counts as equal: all that both sides of a comparison must share.

use crate::canonical::Rules;
use crate::repair::Repairs;
use crate::sample::Sample;
use fault::{Error, Result};
use rows::time::{Nanos, Unit};
use serde_json::{Map, Value, json};

/// What to do with several values for one (series, time, field).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dedupe {
    /// The last one in the input counts, as in the databases
    Last,
    /// The first one counts
    First,
    /// A second value is an error (exit 3)
    Error,
    /// All count: the sides must hold the same value the same number of times
    Keep,
}

impl Dedupe {
    fn as_str(self) -> &'static str {
        match self {
            Dedupe::Last => "last",
            Dedupe::First => "first",
            Dedupe::Error => "error",
            Dedupe::Keep => "keep",
        }
    }
}

/// The options that go into a digest, and the bound on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub rules: Rules,
    /// Round times down to this unit.
    pub precision: Option<Unit>,
    /// Only rows at or after this instant.
    pub since: Option<Nanos>,
    /// Only rows before this instant.
    pub until: Option<Nanos>,
    /// Width of a bucket in nanoseconds.
    pub bucket: i64,
    /// An empty tag is a tag.
    pub empty_tag_distinct: bool,
    pub dedupe: Dedupe,
    /// Round to f32 where one side is FLOAT and the other is not.
    pub float32: bool,
    /// Only some of the series.
    pub sample: Option<Sample>,
}

impl Options {
    /// For the header of a digest and for reports.
    pub fn to_json(self) -> Value {
        let mut value = json!({
            "numeric": if self.rules.strict_numbers { "strict" } else { "value" },
            "negative_zero": self.rules.negative_zero,
            "json": if self.rules.json_text { "text" } else { "document" },
            "repairs": self.rules.repairs.to_json(),
            "empty_tag": if self.empty_tag_distinct { "distinct" } else { "absent" },
            "float32": self.float32,
            "precision": self.precision.map(Unit::as_str),
            "since": self.since.map(|at| at.to_string()),
            "until": self.until.map(|at| at.to_string()),
            "dedupe": self.dedupe.as_str(),
            "bucket": self.bucket.to_string(),
        });
        // Without a sample the header is that of releases that had none.
        if let (Some(sample), Some(map)) = (self.sample, value.as_object_mut()) {
            map.insert("sample".into(), sample.to_string().into());
        }
        value
    }

    /// From the header of a digest.
    pub fn from_json(value: &Value) -> Result<Options> {
        let map = value.as_object().ok_or_else(|| bad("options"))?;
        Ok(Options {
            rules: Rules {
                strict_numbers: text(map, "numeric")? == "strict",
                negative_zero: flag(map, "negative_zero")?,
                json_text: text(map, "json")? == "text",
                repairs: map.get("repairs").and_then(Repairs::from_json).ok_or_else(|| bad("repairs"))?,
            },
            precision: match map.get("precision") {
                Some(Value::String(unit)) => Some(unit.parse()?),
                _ => None,
            },
            since: instant(map, "since")?,
            until: instant(map, "until")?,
            bucket: text(map, "bucket")?.parse().ok().filter(|bucket| *bucket > 0).ok_or_else(|| bad("bucket"))?,
            empty_tag_distinct: text(map, "empty_tag")? == "distinct",
            dedupe: match text(map, "dedupe")? {
                "first" => Dedupe::First,
                "error" => Dedupe::Error,
                "keep" => Dedupe::Keep,
                _ => Dedupe::Last,
            },
            float32: flag(map, "float32")?,
            sample: match map.get("sample") {
                None | Some(Value::Null) => None,
                Some(value) => Some(value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| bad("sample"))?),
            },
        })
    }

    /// Do digests made with these options speak of the same thing? How duplicates were resolved is the business of each side.
    pub fn difference(self, other: Options) -> Option<String> {
        let (a, b) = (self.to_json(), other.to_json());
        let (a, b) = (a.as_object()?, b.as_object()?);
        let mut keys: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
        keys.retain(|key| *key != "dedupe" && a.get(*key) != b.get(*key));
        let value = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
        let keys: Vec<String> =
            keys.into_iter().map(|key| format!("{key} {} and {}", value(a, key), value(b, key))).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    map.get(key).and_then(Value::as_str).ok_or_else(|| bad(key))
}

fn flag(map: &Map<String, Value>, key: &str) -> Result<bool> {
    map.get(key).and_then(Value::as_bool).ok_or_else(|| bad(key))
}

fn instant(map: &Map<String, Value>, key: &str) -> Result<Option<Nanos>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| bad(key)),
    }
}

fn bad(key: &str) -> Error {
    Error::malformed(format!("the header of the digest has no valid '{key}'"))
}
