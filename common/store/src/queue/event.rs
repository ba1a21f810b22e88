//! What messages say: objects that were created.
//!
//! Understood are the notifications of S3 (and of what speaks like it), bare, wrapped by SNS, or sent by EventBridge, and the
//! event lines of our own tools. Facts: "dossier iotdb-pulsar-orchestration E.3", "dossier starrocks 3.7".

use fault::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;

/// An object that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `s3://bucket/key`, `file:///path`.
    pub url: String,
    /// Empty for files.
    #[serde(default)]
    pub bucket: String,
    /// Decoded.
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Orders the events of one key ([`newer`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
}

/// What a message holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Objects to work on.
    pub events: Vec<Event>,
    /// What is no work, and why: `s3:TestEvent`, `ObjectRemoved:Delete of s3://b/k`.
    pub ignored: Vec<String>,
}

/// Our own line: `{"event":"created","url":…}`.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(flatten)]
    of: &'a Event,
}

impl Event {
    /// The body under which our tools send an event.
    pub fn line(&self) -> String {
        // A structure of texts and numbers always has a JSON form.
        serde_json::to_string(&Line { event: "created", of: self }).unwrap_or_default()
    }
}

/// Decodes a message's body. Exit 3 if it is nothing that we know.
pub fn decode(body: &str) -> Result<Decoded> {
    decode_level(body, 0)
}

/// SNS wraps once; twice is nothing that exists.
fn decode_level(body: &str, level: u8) -> Result<Decoded> {
    let foreign = |what: &str| Error::malformed(format!("{what}: {}", fault::excerpt(body.as_bytes())));
    let value: Value = serde_json::from_str(body).map_err(|_| foreign("the message is no JSON"))?;
    let mut decoded = Decoded::default();
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        for record in records {
            decoded.record(record).map_err(|what| foreign(&what))?;
        }
        return Ok(decoded);
    }
    if value.get("Event").and_then(Value::as_str).is_some_and(|event| event == "s3:TestEvent") {
        decoded.ignored.push("s3:TestEvent".to_owned());
        return Ok(decoded);
    }
    if let (Some(inner), Some(_), 0) = (text(&value, "Message"), text(&value, "TopicArn"), level) {
        return decode_level(inner, 1);
    }
    if text(&value, "source") == Some("aws.s3") {
        decoded.bridged(&value).map_err(|what| foreign(&what))?;
        return Ok(decoded);
    }
    if text(&value, "event").is_some() {
        let event: Event = serde_json::from_value(value.clone())
            .map_err(|error| foreign(&format!("the event line lacks something ({error})")))?;
        decoded.take(text(&value, "event").unwrap_or_default(), "created", event);
        return Ok(decoded);
    }
    Err(foreign("the message is no event that we know"))
}

impl Decoded {
    /// A record of an S3 notification. Its key is form-URL-encoded.
    fn record(&mut self, record: &Value) -> std::result::Result<(), String> {
        let name = text(record, "eventName").ok_or("a record has no eventName")?;
        let s3 = record.get("s3").ok_or_else(|| format!("a record of {name} is not of S3"))?;
        let object = s3.get("object").ok_or("a record has no s3.object")?;
        let bucket = s3.pointer("/bucket/name").and_then(Value::as_str).ok_or("a record has no s3.bucket.name")?;
        let key = text(object, "key").ok_or("a record has no s3.object.key")?;
        let key = form_decode(key).ok_or_else(|| format!("the key '{key}' is not UTF-8 in URL encoding"))?;
        let name = name.strip_prefix("s3:").unwrap_or(name);
        self.take(name, "ObjectCreated:", created(bucket, key, object, "eTag"));
        Ok(())
    }

    /// An event of EventBridge. Its key is plain.
    fn bridged(&mut self, value: &Value) -> std::result::Result<(), String> {
        let name = text(value, "detail-type").ok_or("an event of EventBridge has no detail-type")?;
        let bucket = value.pointer("/detail/bucket/name").and_then(Value::as_str).ok_or("no detail.bucket.name")?;
        let object = value.pointer("/detail/object").ok_or("no detail.object")?;
        let key = text(object, "key").ok_or("no detail.object.key")?;
        self.take(name, "Object Created", created(bucket, key.to_owned(), object, "etag"));
        Ok(())
    }

    /// Sorts an event: work if its name begins with `wanted` and its key is one of data.
    fn take(&mut self, name: &str, wanted: &str, event: Event) {
        if !name.starts_with(wanted) {
            self.ignored.push(format!("{name} of {}", event.url));
        } else if let Some(why) = no_data(&event.key) {
            self.ignored.push(format!("{}: {why}", event.url));
        } else {
            self.events.push(event);
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn created(bucket: &str, key: String, object: &Value, etag: &str) -> Event {
    Event {
        url: format!("s3://{bucket}/{key}"),
        bucket: bucket.to_owned(),
        size: object.get("size").and_then(Value::as_u64),
        etag: text(object, etag).map(|tag| tag.trim_matches('"').to_owned()).filter(|tag| !tag.is_empty()),
        sequencer: text(object, "sequencer").map(str::to_owned).filter(|text| !text.is_empty()),
        key,
    }
}

/// Why a key is none of data: names under which a writer works before it renames (StarRocks' EXPORT, Spark and Hadoop, files
/// that begin with a dot), markers that begin with an underscore (`_SUCCESS`, `_manifest.json`), and folders.
pub fn no_data(key: &str) -> Option<&'static str> {
    let mut parts = key.rsplit('/');
    let name = parts.next().unwrap_or_default();
    if name.is_empty() {
        return Some("a folder");
    }
    if key.split('/').any(|part| part.starts_with("__starrocks_export_tmp_")) {
        return Some("a temporary name of EXPORT, which it renames");
    }
    if key.split('/').any(|part| part == "_temporary") {
        return Some("a temporary name of Spark, which it renames");
    }
    match name.as_bytes().first() {
        Some(b'.') => Some("a hidden name"),
        Some(b'_') => Some("a marker"),
        _ => None,
    }
}

/// Orders two sequencers of one key, as S3 says: hexadecimal texts, the shorter filled with zeros on its right.
pub fn newer(a: &str, b: &str) -> Ordering {
    let width = a.len().max(b.len());
    let filled = |text: &str| format!("{text:0<width$}").to_ascii_uppercase();
    filled(a).cmp(&filled(b))
}

/// Form-URL-decoding: `+` is a space, `%2F` a slash. `None` for what is not UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).ok()?);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::proptest::prelude::*;

    fn record(name: &str, key: &str, sequencer: &str) -> String {
        format!(
            r#"{{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"{name}","s3":{{"bucket":{{"name":"b","arn":"x"}},"object":{{"key":"{key}","size":7,"eTag":"\"e1\"","sequencer":"{sequencer}"}}}}}}"#
        )
    }

    #[test]
    fn records_of_s3_with_encoded_keys_and_others_between() {
        let body = format!(
            r#"{{"Records":[{},{},{}]}}"#,
            record("ObjectCreated:Put", "job%2Fd+b/p%3D1/t%C3%A9.parquet", "0055AED6DCD90281E5"),
            record("ObjectRemoved:Delete", "job/x", "01"),
            record("s3:ObjectCreated:CompleteMultipartUpload", "job/100%25", "")
        );
        let decoded = decode(&body).unwrap();
        assert_eq!(decoded.ignored, ["ObjectRemoved:Delete of s3://b/job/x"]);
        assert_eq!(
            decoded.events[0],
            Event {
                url: "s3://b/job/d b/p=1/té.parquet".into(),
                bucket: "b".into(),
                key: "job/d b/p=1/té.parquet".into(),
                size: Some(7),
                etag: Some("e1".into()),
                sequencer: Some("0055AED6DCD90281E5".into()),
            }
        );
        assert_eq!((decoded.events[1].key.as_str(), &decoded.events[1].sequencer), ("job/100%", &None));
        // Wrapped by SNS: the same.
        let wrapped = serde_json::json!({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": body});
        assert_eq!(decode(&wrapped.to_string()).unwrap(), decoded);
    }

    #[test]
    fn test_events_bridged_events_and_our_own_lines() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"b"}"#;
        assert_eq!(decode(test).unwrap(), Decoded { events: vec![], ignored: vec!["s3:TestEvent".into()] });
        let bridged = r#"{"version":"0","source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"a+b.csv","size":1,"etag":"e","sequencer":"01"}}}"#;
        let event = decode(bridged).unwrap().events.remove(0);
        assert_eq!((event.key.as_str(), event.etag.as_deref()), ("a+b.csv", Some("e")));
        assert_eq!(decode(&event.line()).unwrap().events, [event]);
        let gone = r#"{"event":"removed","url":"file:///x","key":"x"}"#;
        assert_eq!(decode(gone).unwrap().ignored, ["removed of file:///x"]);
    }

    #[test]
    fn temporary_names_and_markers_are_no_data() {
        for key in [
            "j/__starrocks_export_tmp_4b0a/data_0_1.csv",
            "j/_temporary/0/part.parquet",
            "j/_SUCCESS",
            "j/_manifest.json",
            "j/.part.tmp",
            "j/p/",
            "",
        ] {
            assert!(no_data(key).is_some(), "{key}");
        }
        for key in ["j/d/t/p1/data_4b0a_0_1.csv", "a", "_j/x.csv", ".j/x.csv"] {
            assert_eq!(no_data(key), None, "{key}");
        }
        let body = format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", "j/__starrocks_export_tmp_4b/x", "1"));
        let decoded = decode(&body).unwrap();
        assert_eq!(
            decoded.ignored,
            ["s3://b/j/__starrocks_export_tmp_4b/x: a temporary name of EXPORT, which it renames"]
        );
        assert!(decoded.events.is_empty());
    }

    #[test]
    fn sequencers_are_ordered_as_if_filled_with_zeros() {
        assert_eq!(newer("0055AED6DCD90281E5", "0055AED6DCD90281E5"), Ordering::Equal);
        assert_eq!(newer("0055aed6", "0055AED600"), Ordering::Equal);
        assert_eq!(newer("0055AED6DD", "0055AED6DCD90281E5"), Ordering::Greater);
        assert_eq!(newer("01", "0100000001"), Ordering::Less);
    }

    #[test]
    fn what_is_no_event_is_malformed() {
        for body in [
            "",
            "no",
            "[]",
            "{}",
            r#"{"Records":[{}]}"#,
            r#"{"event":"created"}"#,
            r#"{"Records":[{"eventName":"x"}]}"#,
        ] {
            assert_eq!(decode(body).unwrap_err().kind(), fault::Kind::Malformed, "{body}");
        }
        let bad = format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", "a%FFb", "1"));
        assert!(decode(&bad).unwrap_err().to_string().contains("not UTF-8"));
    }

    proptest! {
        #[test]
        fn any_text_ends_without_panic(body in ".{0,200}") {
            let _ = decode(&body);
        }

        #[test]
        fn any_key_comes_back_from_its_encoding(key in "[^\u{0}]{1,40}") {
            let encoded: String = key.bytes().map(|b| if b == b' ' { "+".into() } else { format!("%{b:02x}") }).collect();
            prop_assert_eq!(form_decode(&encoded), Some(key));
        }
    }
}
