//! JSON replies as FE and BE write them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::labels::Refused;
use crate::starrocks::loading::Outcome;

/// Why a load or a transaction's request fails: the BE's status code and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    /// `ExistingJobStatus` of `LABEL_ALREADY_EXISTS`.
    pub job: &'static str,
}

impl Failure {
    /// With a code of the BE.
    pub fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), job: "" }
    }

    /// The usual one.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new("INTERNAL_ERROR", message)
    }

    /// A label that is taken, or too many running transactions.
    pub fn refused(label: &str, why: Refused) -> Failure {
        match why {
            Refused::Label(job) => {
                let message = format!("Label [{label}] has already been used.");
                Failure { code: "LABEL_ALREADY_EXISTS", message, job }
            }
            Refused::Limit(message) => Failure::internal(message),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::internal(message)
    }
}

/// What a load counted and how long it took.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    pub outcome: Outcome,
    pub bytes: u64,
    pub milliseconds: u64,
}

impl Numbers {
    /// Into a reply, in the server's order.
    fn put(&self, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
        put("NumberTotalRows", json!(self.outcome.total));
        put("NumberLoadedRows", json!(self.outcome.loaded));
        put("NumberFilteredRows", json!(self.outcome.filtered));
        put("NumberUnselectedRows", json!(self.outcome.unselected));
        put("LoadBytes", json!(self.bytes));
        put("LoadTimeMs", json!(self.milliseconds));
    }
}

/// The reply to a Stream Load (dossier starrocks 1.5; the order is the server's).
#[derive(Debug)]
pub struct LoadReply<'a> {
    /// −1 when no transaction was begun.
    pub transaction: i64,
    pub label: &'a str,
    pub result: Result<(), Failure>,
    pub published: bool,
    pub numbers: Numbers,
    pub error_url: Option<String>,
    /// Merge commit: what the client's label became.
    pub request_id: Option<&'a str>,
}

impl LoadReply<'_> {
    /// Its text.
    pub fn text(&self) -> String {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("TxnId", json!(self.transaction));
        put("Label", json!(self.label));
        match &self.result {
            Ok(()) if self.published => {
                put("Status", json!("Success"));
                put("Message", json!("OK"));
            }
            Ok(()) => {
                put("Status", json!("Publish Timeout"));
                put("Message", json!("publish timeout: 300000"));
            }
            Err(failure) if failure.code == "LABEL_ALREADY_EXISTS" => {
                put("Status", json!("Label Already Exists"));
                put("ExistingJobStatus", json!(failure.job));
                put("Message", json!(failure.message));
            }
            Err(failure) => {
                put("Status", json!("Fail"));
                put("Message", json!(failure.message));
            }
        }
        let milliseconds = self.numbers.milliseconds;
        self.numbers.put(&mut put);
        put("BeginTxnTimeMs", json!(0));
        put("StreamLoadPlanTimeMs", json!(1));
        put("ReadDataTimeMs", json!(0));
        put("WriteDataTimeMs", json!(milliseconds));
        put("CommitAndPublishTimeMs", json!(0));
        if let Some(url) = &self.error_url {
            put("ErrorURL", json!(url));
        }
        if let Some(id) = self.request_id {
            put("RequestId", json!(id));
            put("LeftTimeMs", json!(0));
        }
        pretty(&Value::Object(out))
    }
}

/// The BE's reply to an operation of a transaction.
pub fn operation(op: &str, label: &str, result: &Result<(u64, Numbers), Failure>, error_url: Option<String>) -> String {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    match result {
        Err(failure) => {
            put("Status", json!(failure.code));
            if failure.code == "LABEL_ALREADY_EXISTS" {
                put("ExistingJobStatus", json!(failure.job));
            }
            if failure.code == "TXN_IN_PROCESSING" {
                put("Label", json!(label));
            }
            put("Message", json!(failure.message));
        }
        Ok((id, numbers)) => {
            let Numbers { bytes, milliseconds, .. } = numbers;
            put("Status", json!("OK"));
            put("Message", json!(""));
            put("Label", json!(label));
            match op {
                "begin" => {
                    put("TxnId", json!(id));
                    put("BeginTxnTimeMs", json!(0));
                }
                "load" => {
                    put("TxnId", json!(id));
                    put("LoadBytes", json!(bytes));
                    put("StreamLoadPlanTimeMs", json!(0));
                    put("ReceivedDataTimeMs", json!(milliseconds));
                }
                "prepare" | "commit" => {
                    put("TxnId", json!(id));
                    numbers.put(&mut put);
                    put("StreamLoadPlanTimeMs", json!(0));
                    put("ReceivedDataTimeMs", json!(0));
                    put("WriteDataTimeMs", json!(milliseconds));
                    put("CommitAndPublishTimeMs", json!(0));
                }
                _ => {}
            }
        }
    }
    if let Some(url) = error_url {
        put("ErrorURL", json!(url));
    }
    pretty(&Value::Object(out))
}

/// The FE's reply to a transaction's operation, and to a load that it does not redirect: `TransactionResult`.
pub fn fe_result(status: &str, message: &str, more: &[(&str, Value)]) -> String {
    let mut out = Map::new();
    out.insert("Status".to_owned(), json!(status));
    out.insert("Message".to_owned(), json!(message));
    out.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    pretty(&Value::Object(out))
}

/// A failure that the FE throws.
pub fn fe_failure(exception: &str, message: &str) -> String {
    fe_result("FAILED", &format!("class com.starrocks.common.{exception}: {message}"), &[])
}

/// The FE's other replies: `RestBaseResult`, with what a subclass puts before it.
pub fn rest(more: &[(&str, Value)], failure: Option<&str>) -> String {
    let mut out: Map<String, Value> = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let (status, code, short, long) = match failure {
        None => ("OK", "0", "Success", "OK"),
        Some(why) => ("FAILED", "1", why, why),
    };
    for (name, value) in [("status", status), ("code", code), ("msg", short), ("message", long)] {
        out.insert(name.to_owned(), json!(value));
    }
    Value::Object(out).to_string()
}

fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Strings and numbers into memory: there is nothing to fail.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(out).unwrap_or_default()
}
