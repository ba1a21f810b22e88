//! What comes back from a write: the body of an error, taken apart.
//!
//! All versions answer JSON, but not the same JSON (dossier influxdb 2.4): v1 `{"error"}`, v2 `{"code","message"}`, v3
//! `{"error","data":[{error_message,line_number,original_line}]}`, its clustered relatives `{"code","line","message"}`;
//! proxies and the throttle of 1.8 answer plain text. Bodies are not capped by the servers: one that the client cut
//! is no JSON any more and is read as text.

use serde_json::Value;

/// A line that the server rejected by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which line.
    pub line: Which,
    /// What the server said about it.
    pub reason: String,
}

/// How a server names a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Its text, without leading blanks, invalid UTF-8 replaced (v1, v2).
    Text(String),
    /// Its index in the request, from 0, blank lines and comments not counted (v3 counts from 1).
    Index(usize),
}

/// The body of an error, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The server's message, or the whole body where it is no JSON of theirs.
    pub message: String,
    /// `code` of v2, empty elsewhere.
    pub code: String,
    /// The lines that it names. They may be fewer than were rejected.
    pub named: Vec<Named>,
    /// `dropped=N` of a partial write: a lower bound (several shards: only one reports).
    pub dropped: Option<u64>,
    /// Was it JSON in one of the known shapes? A proxy's page is not.
    pub known: bool,
}

/// Takes a body apart. Never fails: what is not understood is text.
pub fn parse(body: &[u8]) -> ErrorBody {
    let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(body) else {
        return from_text(String::from_utf8_lossy(body).trim().to_owned(), String::new(), false);
    };
    let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").unwrap_or_default();
    let Some(message) = text("message").or_else(|| text("error")) else {
        return from_text(String::from_utf8_lossy(body).trim().to_owned(), code, false);
    };
    let mut answer = from_text(message, code, true);
    match map.get("data") {
        Some(Value::Array(list)) => answer.named.extend(list.iter().filter_map(by_number)),
        Some(one @ Value::Object(_)) => answer.named.extend(by_number(one)),
        _ => {}
    }
    if let Some(index) = map.get("line").and_then(Value::as_u64).and_then(index) {
        answer.named.push(Named { line: Which::Index(index), reason: answer.message.clone() });
    }
    answer
}

/// One entry of v3's `data`.
fn by_number(entry: &Value) -> Option<Named> {
    let number = index(entry.get("line_number")?.as_u64()?)?;
    let reason = entry.get("error_message").and_then(Value::as_str).unwrap_or("rejected").to_owned();
    Some(Named { line: Which::Index(number), reason })
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

const UNABLE: &str = "unable to parse '";

fn from_text(message: String, code: String, known: bool) -> ErrorBody {
    let (list, dropped) = cut_dropped(&message);
    let mut named = Vec::new();
    if known {
        // One entry a line of text; a line of protocol may itself hold a line feed, so only the next `unable to parse '`
        // at the start of a line ends an entry.
        let starts: Vec<usize> = list
            .match_indices(UNABLE)
            .map(|(at, _)| at)
            .filter(|&at| at == 0 || list[..at].ends_with('\n') || list[..at].ends_with(": "))
            .collect();
        for (i, &start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(list.len());
            let entry = list[start + UNABLE.len()..end].trim_end_matches('\n');
            if let Some((line, reason)) = entry.rsplit_once("': ") {
                named.push(Named { line: Which::Text(line.to_owned()), reason: reason.to_owned() });
            }
        }
    }
    ErrorBody { dropped, named, code, known, message }
}

/// Splits ` dropped=N` and what 1.13 adds after it (` for database: …`) from the end of a message.
fn cut_dropped(message: &str) -> (&str, Option<u64>) {
    let Some(at) = message.rfind(" dropped=") else { return (message, None) };
    let rest = &message[at + " dropped=".len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, tail) = rest.split_at(digits);
    match number.parse() {
        Ok(number) if tail.is_empty() || tail.starts_with(" for database: ") => (&message[..at], Some(number)),
        _ => (message, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest;
    use testkit::proptest::prelude::*;

    proptest! {
        #[test]
        fn any_body_is_taken_apart_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
            parse(&body);
            for wrapped in [
                serde_json::json!({ "error": text }),
                serde_json::json!({ "error": format!("unable to parse '{text}': x dropped=1{text}"), "line": 0 }),
            ] {
                parse(wrapped.to_string().as_bytes());
            }
        }

        /// Whatever a line holds (but the words of the message after a line feed), it is found in the reply again.
        #[test]
        fn quoted_lines_are_found(lines in proptest::collection::vec("[^'\n]{1,40}", 1..5)) {
            let list: Vec<String> = lines.iter().map(|line| format!("unable to parse '{line}': bad timestamp")).collect();
            let body = serde_json::json!({ "error": format!("partial write: {} dropped=0", list.join("\n")) });
            let named: Vec<Which> = parse(body.to_string().as_bytes()).named.into_iter().map(|named| named.line).collect();
            prop_assert_eq!(named, lines.into_iter().map(Which::Text).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_v1_partial_write_names_its_lines_and_counts() {
        let body = br#"{"error":"partial write: unable to parse 'm,t=b f=oops 1': invalid boolean\nunable to parse 'm,t=d f= 1': missing field value dropped=0 for database: ix"}"#;
        let answer = parse(body);
        assert_eq!(answer.dropped, Some(0));
        let lines: Vec<_> = answer.named.iter().map(|n| (n.line.clone(), n.reason.as_str())).collect();
        assert_eq!(
            lines,
            [
                (Which::Text("m,t=b f=oops 1".into()), "invalid boolean"),
                (Which::Text("m,t=d f= 1".into()), "missing field value")
            ]
        );
    }

    #[test]
    fn v3_names_lines_by_number() {
        let body = br#"{"error":"partial write of line protocol occurred","data":[{"error_message":"bad","line_number":2,"original_line":"m,t=b"}]}"#;
        assert_eq!(parse(body).named, [Named { line: Which::Index(1), reason: "bad".into() }]);
        let one = br#"{"error":"line protocol parsing error","data":{"error_message":"bad","line_number":1,"original_line":"m"}}"#;
        assert_eq!(parse(one).named, [Named { line: Which::Index(0), reason: "bad".into() }]);
        assert!(parse(br#"{"error":"x","data":{"line_number":0}}"#).named.is_empty());
    }

    #[test]
    fn a_line_may_hold_a_line_feed_and_the_words_of_the_message() {
        let body = br#"{"error":"unable to parse 'm s=\"a\nb unable to parse 'x': y\" z': bad timestamp\nunable to parse 'n f=x 1': invalid boolean"}"#;
        let named = parse(body).named;
        assert_eq!(named.len(), 2, "{named:?}");
        assert_eq!(named[0].line, Which::Text("m s=\"a\nb unable to parse 'x': y\" z".into()));
    }

    #[test]
    fn what_is_no_json_of_theirs_is_text() {
        for body in [
            &b"request throttled, queue full\n"[..],
            b"<html>",
            b"{\"error\":\"cut",
            b"",
            b"[1]",
            b"{\"a\":1}",
            b"\xff",
        ] {
            let answer = parse(body);
            assert!(!answer.known && answer.named.is_empty(), "{body:?}");
        }
    }
}
