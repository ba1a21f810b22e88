//! What SQS answers, and what an error means for a repeat.

use super::{Held, Message};
use fault::{Error, Kind, Result};
use net::retry::Verdict;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Codes of errors that will pass.
const PASSING: [&str; 7] = [
    "RequestThrottled",
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "ServiceUnavailable",
    "InternalError",
    "InternalFailure",
];

/// Codes that say that a message is not held by us any more.
const LOST: [&str; 3] = ["MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"];

/// The reply to ReceiveMessage.
#[derive(Deserialize)]
pub(crate) struct Received {
    #[serde(rename = "Messages", default)]
    messages: Option<Vec<One>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize, Default)]
struct Attributes {
    #[serde(rename = "ApproximateReceiveCount")]
    count: Option<String>,
}

impl Received {
    /// The messages; one without a receive count is taken for new.
    pub(crate) fn messages(self) -> Result<Vec<Message>> {
        let one = |one: One| Message {
            id: one.message_id,
            receipt: one.receipt_handle,
            count: one.attributes.count.and_then(|count| count.parse().ok()).unwrap_or(1),
            body: one.body,
        };
        Ok(self.messages.unwrap_or_default().into_iter().map(one).collect())
    }
}

/// The reply to DeleteMessageBatch.
#[derive(Deserialize)]
pub(crate) struct Deleted {
    #[serde(rename = "Failed", default)]
    failed: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Deleted {
    /// One answer for each of `count` entries, whose ids are their places.
    pub(crate) fn held(self, count: usize) -> Result<Vec<Held>> {
        let mut held = vec![Held::Yes; count];
        for failed in self.failed.unwrap_or_default() {
            if !LOST.iter().any(|code| failed.code.ends_with(code)) {
                let said = failed.message.unwrap_or_default();
                return Err(Error::new(Kind::Source, format!("a message was not deleted: {}: {said}", failed.code)));
            }
            if let Some(place) = failed.id.parse::<usize>().ok().and_then(|place| held.get_mut(place)) {
                *place = Held::Lost;
            }
        }
        Ok(held)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(reply: Value) -> Result<T> {
    let shown = reply.to_string();
    serde_json::from_value(reply).map_err(|error| {
        Error::new(Kind::Source, format!("a reply that is not of SQS ({error}): {}", fault::excerpt(shown.as_bytes())))
    })
}

fn text(reply: &Value, key: &str) -> Result<String> {
    reply.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::Source, format!("a reply without {key}: {}", fault::excerpt(reply.to_string().as_bytes())))
    })
}

pub(crate) fn queue_url(reply: &Value) -> Result<String> {
    text(reply, "QueueUrl")
}

pub(crate) fn message_id(reply: &Value) -> Result<String> {
    text(reply, "MessageId")
}

/// Done, again, or never.
pub(crate) fn judge(status: u16, after: Option<Duration>, body: &[u8]) -> Verdict<Value> {
    let value = serde_json::from_slice::<Value>(body).ok();
    if status == 200 {
        return match value {
            Some(value) => Verdict::Done(value),
            // DeleteMessage and ChangeMessageVisibility answer with nothing at all.
            None if body.iter().all(u8::is_ascii_whitespace) => Verdict::Done(Value::Object(serde_json::Map::new())),
            None => Verdict::Fatal(Error::new(Kind::Source, format!("no reply of SQS: {}", fault::excerpt(body)))),
        };
    }
    // `com.amazonaws.sqs#QueueDoesNotExist`
    let code = value.as_ref().and_then(|value| value.get("__type")).and_then(Value::as_str).unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let said =
        value.as_ref().and_then(|value| value.get("message").or_else(|| value.get("Message"))).and_then(Value::as_str);
    let message = match said {
        Some(said) => format!("HTTP {status} {code}: {}", fault::excerpt(said.as_bytes())),
        None => format!("HTTP {status} {code}: {}", fault::excerpt(body)),
    };
    if status >= 500 || status == 429 || PASSING.contains(&code) {
        return Verdict::Retry { after, error: Error::new(Kind::Source, message) };
    }
    Verdict::Fatal(Error::new(Kind::Refused, message))
}

/// Does this error of ChangeMessageVisibility say that the message is not ours any more?
pub(crate) fn is_lost(error: &Error) -> bool {
    error.kind() == Kind::Refused && LOST.iter().any(|code| error.message().contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_and_without_attributes() {
        let reply = r#"{"Messages":[{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"x","Body":"b","Attributes":{"ApproximateReceiveCount":"3"}},{"MessageId":"n","ReceiptHandle":"s","Body":""}]}"#;
        let messages = parse::<Received>(serde_json::from_str(reply).unwrap()).unwrap().messages().unwrap();
        assert_eq!((messages[0].count, messages[1].count, messages[0].receipt.as_str()), (3, 1, "r"));
        assert!(parse::<Received>(serde_json::json!({})).unwrap().messages().unwrap().is_empty());
        assert!(parse::<Received>(serde_json::json!({"Messages": [{}]})).is_err());
    }

    #[test]
    fn a_batch_tells_which_messages_were_lost() {
        let reply = serde_json::json!({"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": true}]});
        assert_eq!(parse::<Deleted>(reply).unwrap().held(2).unwrap(), [Held::Yes, Held::Lost]);
        let reply = serde_json::json!({"Failed": [{"Id": "0", "Code": "InternalError", "Message": "later"}]});
        assert!(parse::<Deleted>(reply).unwrap().held(1).is_err());
    }

    #[test]
    fn errors_pass_or_do_not() {
        let error = |code: &str| format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"said"}}"#);
        for (status, body) in [(503, "<html>".into()), (400, error("RequestThrottled")), (429, String::new())] {
            assert!(matches!(judge(status, None, body.as_bytes()), Verdict::Retry { .. }), "{status} {body}");
        }
        for code in ["QueueDoesNotExist", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch"] {
            match judge(400, None, error(code).as_bytes()) {
                Verdict::Fatal(error) => {
                    assert_eq!((error.kind(), error.to_string()), (Kind::Refused, format!("HTTP 400 {code}: said")))
                }
                other => panic!("{code}: {other:?}"),
            }
        }
        let Verdict::Fatal(lost) = judge(400, None, error("MessageNotInflight").as_bytes()) else { panic!("fatal") };
        assert!(is_lost(&lost.context("queue")));
        assert!(matches!(judge(200, None, b""), Verdict::Done(Value::Object(_))));
        assert!(matches!(judge(200, None, b"<html>"), Verdict::Fatal(_)));
    }
}
