//! What the library's errors mean: the kind, what the server said, and whether to try again.

use crate::transport::{Said, said};
use fault::{Error, Kind};
use net::Side;
use net::retry::Verdict;
use object_store::Error as StoreError;
use std::time::Duration;

/// What an operation came to, apart from success: what callers have to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 404: no such object, bucket or upload.
    Missing,
    /// 412 or 409: somebody was here before, or the object is another one by now.
    Conflict,
}

/// An operation's error: the refusals by name.
pub(crate) fn refusal(error: &StoreError) -> Option<Refusal> {
    match error {
        StoreError::NotFound { .. } => Some(Refusal::Missing),
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => Some(Refusal::Conflict),
        _ => None,
    }
}

/// The verdict on an attempt that failed. `what` is the URL.
pub(crate) fn verdict<T>(error: &StoreError, what: &str, side: Side) -> Verdict<T> {
    if let Some(failure) = net::Failure::of_transport(error) {
        let (again, error) = (failure.what().transient(), failure.context(what).error(side));
        return if again { Verdict::Retry { after: None, error } } else { Verdict::Fatal(error) };
    }
    let said = said();
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>");
    match kind(error, said.as_ref(), code) {
        Some(kind) => Verdict::Fatal(Error::new(kind, describe(what, error, said.as_ref(), &text))),
        None => {
            let error = Error::new(side.kind(), describe(what, error, said.as_ref(), &text));
            Verdict::Retry { after: said.and_then(|said| said.retry_after), error }
        }
    }
}

/// `None`: worth another attempt.
fn kind(error: &StoreError, said: Option<&Said>, code: Option<&str>) -> Option<Kind> {
    match error {
        // S3 closes what it waited for too long with a 400.
        StoreError::Generic { .. } if code == Some("RequestTimeout") => None,
        StoreError::Generic { .. } => match said.map(|said| said.status) {
            // Also without any reply, or with one that cannot be read: a gateway in between.
            None | Some(200..=299 | 408 | 429 | 500..) => None,
            Some(_) => Some(Kind::Refused),
        },
        StoreError::InvalidPath { .. } | StoreError::UnknownConfigurationKey { .. } => Some(Kind::Usage),
        StoreError::JoinError { .. } => Some(Kind::Bug),
        _ => Some(Kind::Refused),
    }
}

/// `s3://b/k: 403 AccessDenied: Access Denied (request 4442587FB7D0A2F9)`.
fn describe(what: &str, error: &StoreError, said: Option<&Said>, text: &str) -> String {
    let status = said.filter(|said| said.status >= 300).map(|said| said.status.to_string());
    let code = between(text, "<Code>", "</Code>");
    let message = between(text, "<Message>", "</Message>");
    let mut parts: Vec<String> = Vec::new();
    match (&status, code) {
        (Some(status), Some(code)) => parts.push(format!("{status} {code}")),
        (Some(status), None) => parts.push(status.clone()),
        (None, Some(code)) => parts.push(code.to_owned()),
        (None, None) => {}
    }
    match message {
        Some(message) => parts.push(fault::excerpt(message.as_bytes())),
        None if code.is_some() => {}
        None => match plain(error) {
            // A reply to HEAD has no body: say in words what the number means.
            Some(words) => parts.push(words.to_owned()),
            None => parts.push(fault::excerpt(text.as_bytes())),
        },
    }
    let request =
        said.and_then(|said| said.request_id.as_ref()).map(|id| format!(" (request {id})")).unwrap_or_default();
    format!("{what}: {}{request}", parts.join(": "))
}

fn plain(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::NotFound { .. } => Some("not found"),
        StoreError::AlreadyExists { .. } => Some("it exists already"),
        StoreError::Precondition { .. } => Some("it has changed"),
        StoreError::PermissionDenied { .. } => Some("access denied"),
        StoreError::Unauthenticated { .. } => Some("the key is not accepted"),
        _ => None,
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inner, _)| inner)
}

/// What a large request may take beyond the time limit: as long as at 128 KiB a second.
pub(crate) fn extra_time(bytes: usize) -> Duration {
    Duration::from_millis(bytes as u64 / 131)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> StoreError {
        StoreError::Generic { store: "S3", source: text.to_owned().into() }
    }

    fn said(status: u16) -> Said {
        Said { status, retry_after: None, request_id: Some("R1".into()), sealed: false }
    }

    #[test]
    fn what_is_worth_another_attempt() {
        for status in [200, 408, 429, 500, 502, 503, 504] {
            assert_eq!(kind(&generic("x"), Some(&said(status)), None), None, "{status}");
        }
        assert_eq!(kind(&generic("x"), None, None), None);
        assert_eq!(kind(&generic("x"), Some(&said(400)), Some("RequestTimeout")), None);
        for status in [301, 400, 405, 411] {
            assert_eq!(kind(&generic("x"), Some(&said(status)), Some("Other")), Some(Kind::Refused), "{status}");
        }
        let denied = StoreError::PermissionDenied { path: "k".into(), source: "x".into() };
        assert_eq!(kind(&denied, Some(&said(403)), None), Some(Kind::Refused));
    }

    #[test]
    fn errors_say_what_the_server_said() {
        let text = "Server returned 403: <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        assert_eq!(
            describe("s3://b/k", &generic(text), Some(&said(403)), text),
            "s3://b/k: 403 AccessDenied: Access Denied (request R1)"
        );
        let missing = StoreError::NotFound { path: "k".into(), source: "x".into() };
        assert_eq!(describe("s3://b/k", &missing, Some(&said(404)), "x"), "s3://b/k: 404: not found (request R1)");
    }
}
