//! Loads in two phases: begin, load (again and again), prepare, commit; or roll back (dossier starrocks 2).

use crate::hops::{Answer, Call, Missed};
use crate::load::{Load, Loader, judge_missed};
use crate::reply::Reply;
use crate::request::Headers;
use crate::verdict::{Verdict, judge};
use net::Bytes;
use net::http::Method;
use net::retry::Trouble;

/// The calls that carry no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Begin,
    Prepare,
    Commit,
    Rollback,
}

impl Step {
    /// The last part of the path, and the word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Begin => "begin",
            Step::Prepare => "prepare",
            Step::Commit => "commit",
            Step::Rollback => "rollback",
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server said OK; with the numbers that it gave.
    Ok(Box<Reply>),
    /// There is no such transaction (any more).
    Missing { reason: String },
    /// `begin`: the label was used before. `finished`: it is committed.
    Exists { finished: bool, reason: String },
    /// The server said that it failed: judged as for a load.
    Failed(Verdict),
    /// There is no answer, or none of a StarRocks.
    Other(Verdict),
}

impl Loader {
    /// One call without rows.
    pub fn step(&self, step: Step, label: &str) -> Ended {
        let mut headers = self.settings.names(label);
        if step == Step::Begin {
            headers.push(("timeout".to_owned(), self.settings.timeout.to_string()));
            headers.push(("idle_transaction_timeout".to_owned(), self.settings.timeout.to_string()));
        }
        self.call(Method::POST, step.as_str(), headers, Bytes::new())
    }

    /// A part of the rows. Parts of one transaction go one after the other, in one form.
    pub fn part(&self, load: &Load) -> Ended {
        let headers = self.settings.transaction_headers(&load.label, load.form, load.packing);
        self.call(Method::PUT, "load", headers, load.body.clone())
    }

    fn call(&self, method: Method, name: &str, headers: Headers, body: Bytes) -> Ended {
        let path = format!("/api/transaction/{name}");
        match self.hops.load(&Call { method, path, query: Vec::new(), headers, body }) {
            Ok(Answer { status, body, retry_after }) => {
                ended(status, &body, judge(status, &body, retry_after, 0, false))
            }
            Err(Missed::Refused(reason)) => Ended::Other(Verdict::Refused { reason }),
            Err(missed) => Ended::Other(judge_missed(missed)),
        }
    }
}

/// The statuses are codes here.
fn ended(http: u16, body: &[u8], verdict: Verdict) -> Ended {
    let Some(reply) = Reply::parse(body).filter(|_| http == 200) else { return Ended::Other(verdict) };
    let reason = format!("{}: {}", reply.status, fault::excerpt(reply.message.as_bytes()));
    match reply.status.to_ascii_uppercase().as_str() {
        "OK" | "SUCCESS" => Ended::Ok(Box::new(reply)),
        "LABEL_ALREADY_EXISTS" | "LABEL ALREADY EXISTS" => {
            let finished = reply.existing.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("finished"));
            Ended::Exists { finished, reason }
        }
        "TXN_NOT_EXISTS" => Ended::Missing { reason },
        // A front end says so of labels that it does not know.
        _ if ["has no backend", "No transaction found"].iter().any(|text| reason.contains(text)) => {
            Ended::Missing { reason }
        }
        "TXN_IN_PROCESSING" => Ended::Other(Verdict::Retry { after: None, trouble: Trouble::Throttled, reason }),
        _ => Ended::Failed(verdict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_transactions_are_told_apart() {
        let on = |status: &str, more: &str| {
            let body = format!("{{\"Status\":\"{status}\",\"Message\":\"m\"{more}}}");
            ended(200, body.as_bytes(), judge(200, body.as_bytes(), None, 0, false))
        };
        assert!(matches!(on("OK", ",\"TxnId\":7,\"NumberLoadedRows\":3"), Ended::Ok(reply) if reply.loaded == Some(3)));
        assert!(matches!(on("TXN_NOT_EXISTS", ""), Ended::Missing { .. }));
        let finished = on("LABEL_ALREADY_EXISTS", ",\"ExistingJobStatus\":\"FINISHED\"");
        assert!(matches!(finished, Ended::Exists { finished: true, .. }));
        assert!(matches!(
            on("TXN_IN_PROCESSING", ""),
            Ended::Other(Verdict::Retry { trouble: Trouble::Throttled, .. })
        ));
        assert!(matches!(on("FAILED", ""), Ended::Failed(Verdict::Retry { .. })));
        assert!(matches!(ended(401, b"", judge(401, b"", None, 0, false)), Ended::Other(Verdict::Refused { .. })));
    }
}
