//! JSON bodies: documents, arrays of them, paths into them (dossier starrocks 1.3, 1.8).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How a body is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub strip_outer_array: bool,
    pub root: Vec<Step>,
    /// One path a field; empty: fields are found by their names.
    pub paths: Vec<Vec<Step>>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Reads `$.a.b[0]`; the error is the server's.
pub fn parse_path(text: &str) -> Result<Vec<Step>, String> {
    let bad = || format!("Invalid json path: {text}");
    let mut rest = text.trim().strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or_else(bad)?;
            steps.push(Step::Index(index.trim().parse().map_err(|_| bad())?));
            rest = after;
            continue;
        }
        let after = rest.strip_prefix('.').ok_or_else(bad)?;
        let (key, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(bad)?,
            None => after.split_at(after.find(['.', '[']).unwrap_or(after.len())),
        };
        if key.is_empty() {
            return Err(bad());
        }
        steps.push(Step::Key(key.to_owned()));
        rest = after;
    }
    Ok(steps)
}

/// Reads the header `jsonpaths`, `["$.a", "$.b"]`.
pub fn parse_paths(text: &str) -> Result<Vec<Vec<Step>>, String> {
    let texts: Vec<String> =
        serde_json::from_str(text).map_err(|e| format!("Invalid json path: {text}. error: {e}"))?;
    texts.iter().map(|text| parse_path(text)).collect()
}

/// A field that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// Its column takes JSON as it is written (JSON, ARRAY, MAP, STRUCT): a text keeps its quotes.
    pub nested: bool,
}

/// One row of a body, or a piece of it that is none.
pub enum Item<'a> {
    /// One cell for each wanted field, and the whole object.
    Row(Vec<Option<Cow<'a, [u8]>>>, &'a str),
    Bad(String, &'a str),
}

struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    entries.push((key.0, map.next_value()?));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A key, borrowed when it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads every row of a body.
pub fn read<'a>(body: &'a [u8], wanted: &[Wanted], options: &Options, take: &mut dyn FnMut(Item<'a>)) {
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    loop {
        let at = documents.byte_offset();
        let document = match documents.next() {
            None => return,
            Some(Ok(document)) => document,
            Some(Err(error)) => {
                // What follows cannot be told apart any more ([memory]: the rest of the body is one bad row).
                let rest = body.get(at..).unwrap_or_default();
                let shown = std::str::from_utf8(rest).unwrap_or_default();
                let end = shown.char_indices().nth(200).map_or(shown.len(), |(at, _)| at);
                take(Item::Bad(format!("parse json failed: {error}"), &shown[..end]));
                return;
            }
        };
        let Some(root) = walk(document, &options.root) else {
            take(Item::Bad("illegal json root".to_owned(), document.get()));
            continue;
        };
        let first = root.get().as_bytes().first();
        match (first, options.strip_outer_array) {
            (Some(b'['), true) => match serde_json::from_str::<Vec<&RawValue>>(root.get()) {
                Ok(elements) => elements.into_iter().for_each(|element| take(row(element, wanted, options))),
                Err(error) => take(Item::Bad(format!("parse json failed: {error}"), root.get())),
            },
            (Some(b'['), false) => take(Item::Bad(
                "The value is array type in json document stream, you can set strip_outer_array=true to parse each element of the array as individual rows".to_owned(),
                root.get(),
            )),
            (_, true) => take(Item::Bad(
                "The value should be array type in strip_outer_array=true. Please try to set strip_outer_array=false".to_owned(),
                root.get(),
            )),
            (_, false) => take(row(root, wanted, options)),
        }
    }
}

fn row<'a>(value: &'a RawValue, wanted: &[Wanted], options: &Options) -> Item<'a> {
    if !value.get().starts_with('{') {
        return Item::Bad("the value should be object type".to_owned(), value.get());
    }
    let object: Object<'a> = match serde_json::from_str(value.get()) {
        Ok(object) => object,
        Err(error) => return Item::Bad(format!("parse json failed: {error}"), value.get()),
    };
    let found = |at: usize, wanted: &Wanted| match options.paths.get(at) {
        Some(path) => walk(value, path),
        None if !options.paths.is_empty() => None,
        // Keys are compared as they are written, and the first of several counts.
        None => object.0.iter().find(|(key, _)| *key == wanted.name).map(|(_, value)| *value),
    };
    let cells =
        wanted.iter().enumerate().map(|(at, wanted)| found(at, wanted).and_then(|value| text(value, wanted.nested)));
    Item::Row(cells.collect(), value.get())
}

fn walk<'a>(value: &'a RawValue, path: &[Step]) -> Option<&'a RawValue> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => {
            let object: Object<'a> = serde_json::from_str(value.get()).ok()?;
            object.0.into_iter().find(|(found, _)| found == key).map(|(_, value)| value)
        }
        Step::Index(index) => serde_json::from_str::<Vec<&'a RawValue>>(value.get()).ok()?.into_iter().nth(*index),
    })
}

/// The text that a load takes for a value; numbers keep every digit.
fn text(value: &RawValue, nested: bool) -> Option<Cow<'_, [u8]>> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'n') | None => None,
        Some(b'"') if !nested => match serde_json::from_str::<Key<'_>>(raw).ok()?.0 {
            Cow::Borrowed(text) => Some(Cow::Borrowed(text.as_bytes())),
            Cow::Owned(text) => Some(Cow::Owned(text.into_bytes())),
        },
        // [memory]: booleans come as numbers into columns of text.
        Some(b't') if !nested => Some(Cow::Borrowed(b"1")),
        Some(b'f') if !nested => Some(Cow::Borrowed(b"0")),
        Some(b'{' | b'[') => Some(Cow::Owned(compact(raw))),
        _ => Some(Cow::Borrowed(raw.as_bytes())),
    }
}

/// JSON without the spaces between its parts.
fn compact(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let (mut inside, mut escaped) = (false, false);
    for byte in raw.bytes() {
        if inside {
            (inside, escaped) = (byte != b'"' || escaped, byte == b'\\' && !escaped);
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            inside = byte == b'"';
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(body: &str, names: &[&str], options: &Options) -> Vec<Result<Vec<Option<String>>, String>> {
        let wanted: Vec<Wanted> = names
            .iter()
            .map(|n| Wanted { name: n.trim_end_matches('*').to_string(), nested: n.ends_with('*') })
            .collect();
        let mut out = Vec::new();
        read(body.as_bytes(), &wanted, options, &mut |item| {
            out.push(match item {
                Item::Row(cells, _) => {
                    Ok(cells.into_iter().map(|c| c.map(|c| String::from_utf8_lossy(&c).into_owned())).collect())
                }
                Item::Bad(why, _) => Err(why),
            });
        });
        out
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|t| (*t != "NULL").then(|| t.to_string())).collect()
    }

    #[test]
    fn documents_one_after_the_other_keys_by_case_numbers_by_digit() {
        let body = "{\"a\":170141183460469231731687303715884105727,\"B\":\"x\\n\\u00e9\"}\n{\"b\":1.50,\"a\":null}\n\n{\"a\":true,\"c\":[1, {\"k y\" : \" \\\" \"}]}";
        let got = rows(body, &["a", "B", "c*"], &Options::default());
        assert_eq!(got[0], Ok(some(&["170141183460469231731687303715884105727", "x\né", "NULL"])));
        assert_eq!(got[1], Ok(some(&["NULL", "NULL", "NULL"])));
        assert_eq!(got[2], Ok(some(&["1", "NULL", "[1,{\"k y\":\" \\\" \"}]"])));
        // a JSON column keeps texts and booleans as JSON
        assert_eq!(
            rows("{\"c\":\"x\"}{\"c\":true}", &["c*"], &Options::default()),
            [Ok(some(&["\"x\""])), Ok(some(&["true"]))]
        );
    }

    #[test]
    fn arrays_need_their_option_and_objects_must_not_have_it() {
        let strip = Options { strip_outer_array: true, ..Options::default() };
        assert_eq!(rows("[{\"a\":1},{\"a\":2},3]", &["a"], &strip)[..2], [Ok(some(&["1"])), Ok(some(&["2"]))]);
        assert!(rows("[3]", &["a"], &strip)[0].is_err());
        assert!(
            rows("[{\"a\":1}]", &["a"], &Options::default())[0]
                .as_ref()
                .unwrap_err()
                .contains("strip_outer_array=true")
        );
        assert!(rows("{\"a\":1}", &["a"], &strip)[0].as_ref().unwrap_err().contains("strip_outer_array=false"));
        assert!(rows("{\"a\":1} {\"a\"", &["a"], &Options::default())[1].is_err());
        assert!(rows(" \n", &["a"], &strip).is_empty());
    }

    #[test]
    fn roots_and_paths() {
        let options = Options {
            strip_outer_array: true,
            root: parse_path("$.data.rows").unwrap(),
            paths: parse_paths("[\"$.a\", \"$.b[1].c\", \"$.\\\"x.y\\\"\"]").unwrap(),
        };
        let body = "{\"data\":{\"rows\":[{\"a\":1,\"b\":[0,{\"c\":\"z\"}],\"x.y\":2},{\"b\":[]}]}}{\"other\":1}";
        let got = rows(body, &["p", "q", "r"], &options);
        assert_eq!(got[..2], [Ok(some(&["1", "z", "2"])), Ok(some(&["NULL", "NULL", "NULL"]))]);
        assert!(got[2].is_err());
        for bad in ["a", "$a", "$.", "$[x]", "$[1", "$..a"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_path("$").unwrap(), []);
    }
}
