//! One error type for the whole workspace: a [`Kind`], a chain of contexts and the cause.
//!
//! The kind alone decides the exit code and whether a caller may try again; nobody matches on forty variants, and
//! everybody needs the code. The table of exit codes is printed in every `--help`, from [`Kind::ALL`].

mod guard;
mod secret;

pub use guard::{guard, guarded};
pub use secret::{Secret, conceal, holds_secret};

use std::fmt;

/// What went wrong, as far as a script has to know. The exit code is [`Kind::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A negative answer that was asked for: `ts-verify` found differences.
    Negative,
    /// Wrong usage or configuration.
    Usage,
    /// The input is malformed beyond what `--max-rejects` allows.
    Malformed,
    /// The source failed after retries.
    Source,
    /// The target failed after retries.
    Target,
    /// Refused: authentication, permission, no such table. Trying again does not help.
    Refused,
    /// Local input or output: disk full, unreadable file.
    LocalIo,
    /// Finished, but rows were rejected within `--max-rejects`.
    Rejected,
    /// The input is incomplete: the end mark is missing or disagrees, or the stream was cut.
    Incomplete,
    /// No verdict: something could not be checked, or both sides are empty.
    NoVerdict,
    /// A bug in the tool.
    Bug,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The reader of standard output went away.
    StdoutClosed,
}

impl Kind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [Kind; 14] = [
        Kind::Negative,
        Kind::Usage,
        Kind::Malformed,
        Kind::Source,
        Kind::Target,
        Kind::Refused,
        Kind::LocalIo,
        Kind::Rejected,
        Kind::Incomplete,
        Kind::NoVerdict,
        Kind::Bug,
        Kind::Interrupted,
        Kind::Terminated,
        Kind::StdoutClosed,
    ];

    /// The exit code of a process that ends with this kind.
    pub fn code(self) -> u8 {
        match self {
            Kind::Negative => 1,
            Kind::Usage => 2,
            Kind::Malformed => 3,
            Kind::Source => 4,
            Kind::Target => 5,
            Kind::Refused => 6,
            Kind::LocalIo => 7,
            Kind::Rejected => 8,
            Kind::Incomplete => 9,
            Kind::NoVerdict => 10,
            Kind::Bug => 70,
            Kind::Interrupted => 130,
            Kind::StdoutClosed => 141,
            Kind::Terminated => 143,
        }
    }

    /// May a whole run be repeated in the hope of another outcome? (4, 5, 7, 9: the world may change; the rest will not.)
    pub fn retryable(self) -> bool {
        matches!(self, Kind::Source | Kind::Target | Kind::LocalIo | Kind::Incomplete)
    }

    /// One line for the table in `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Kind::Negative => "negative answer: differences were found",
            Kind::Usage => "usage or configuration",
            Kind::Malformed => "input malformed beyond --max-rejects",
            Kind::Source => "source failed after retries",
            Kind::Target => "target failed after retries",
            Kind::Refused => "refused: auth, permission, no such table (do not retry)",
            Kind::LocalIo => "local I/O: disk full, unreadable file",
            Kind::Rejected => "finished, but rows were rejected (within --max-rejects)",
            Kind::Incomplete => "input incomplete: end mark missing or wrong, stream cut",
            Kind::NoVerdict => "no verdict: something could not be checked, or both sides are empty",
            Kind::Bug => "bug in the tool",
            Kind::Interrupted => "interrupted (SIGINT)",
            Kind::Terminated => "terminated (SIGTERM)",
            Kind::StdoutClosed => "the reader of stdout went away",
        }
    }

    /// The word that the summary line carries after the tool's name, instead of `ok`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Negative => "differs",
            Kind::Usage => "usage",
            Kind::Malformed => "malformed",
            Kind::Source => "source-failed",
            Kind::Target => "target-failed",
            Kind::Refused => "refused",
            Kind::LocalIo => "io-failed",
            Kind::Rejected => "rejected",
            Kind::Incomplete => "incomplete",
            Kind::NoVerdict => "no-verdict",
            Kind::Bug => "bug",
            Kind::Interrupted => "interrupted",
            Kind::Terminated => "terminated",
            Kind::StdoutClosed => "truncated",
        }
    }
}

/// An error: kind, message, the contexts it came through (innermost first), and its cause.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: Kind,
    message: String,
    contexts: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything in the workspace that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A new error. `message` is one line, lower case, without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { inner: Box::new(Inner { kind, message: message.into(), contexts: Vec::new(), source: None }) }
    }

    /// A new error with the error that caused it.
    pub fn caused(
        kind: Kind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut error = Error::new(kind, message);
        error.inner.source = Some(source.into());
        error
    }

    /// Wrong usage or configuration (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Kind::Usage, message)
    }

    /// Malformed input (exit 3).
    pub fn malformed(message: impl Into<String>) -> Self {
        Error::new(Kind::Malformed, message)
    }

    /// A local input or output error (exit 7), unless the cause carries an [`Error`] of its own (the stdout guard does),
    /// whose kind then wins.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        if source.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            if let Some(Ok(own)) = source.into_inner().map(|inner| inner.downcast::<Error>()) {
                return *own;
            }
            return Error::new(Kind::LocalIo, what);
        }
        Error::caused(Kind::LocalIo, what, source)
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// The same error under another kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same error, seen from further out: `table meters: window 2024-01-01: …`.
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.inner.contexts.push(context.into());
        self
    }

    /// The message without contexts and causes.
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.inner.contexts.iter().rev() {
            write!(f, "{}: ", one_line(context))?;
        }
        f.write_str(&one_line(&self.inner.message))?;
        let mut cause = self.inner.source.as_ref().map(|s| s.as_ref() as &(dyn std::error::Error + 'static));
        let mut last = self.inner.message.clone();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many libraries repeat their cause's text in their own: say it once.
            if !last.contains(&text) {
                write!(f, ": {}", one_line(&text))?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.inner.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_ref().map(|s| s.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<Error> for std::io::Error {
    /// Lets an [`Error`] travel through code that only knows `io::Error`; [`Error::io`] takes it out again.
    fn from(error: Error) -> Self {
        std::io::Error::other(error)
    }
}

/// Adds a context to the error of a result.
pub trait Context<T> {
    /// The context is built only when there is an error.
    fn context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<C: Into<String>>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.context(context()))
    }
}

/// A server's answer for an error message: the first 300 bytes, on one line, valid UTF-8, without secrets.
pub fn excerpt(bytes: &[u8]) -> String {
    // Secrets go before the text is cut: half of one is not found any more.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(300 + LONGEST_SECRET)]).into_owned();
    let mut shown = conceal(head.trim()).into_owned();
    shown.truncate((0..=300.min(shown.len())).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or(0));
    let mut text = one_line(shown.trim());
    if bytes.len() > 300 {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}

/// No secret is longer than this in any form.
const LONGEST_SECRET: usize = 16 << 10;

/// Control characters would let a server's answer break our one-line errors (or a terminal): escape them.
fn one_line(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_printed_outermost_first_and_causes_once() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Error::io("cannot open a.csv", cause).context("table meters").context("plan");
        assert_eq!(error.to_string(), "plan: table meters: cannot open a.csv: no such file");
        assert_eq!(error.kind().code(), 7);
    }

    #[test]
    fn an_error_survives_the_way_through_io() {
        let io: std::io::Error = Error::new(Kind::StdoutClosed, "stdout closed").into();
        assert_eq!(Error::io("cannot write", io).kind(), Kind::StdoutClosed);
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 70, 130, 143, 141]);
    }

    #[test]
    fn excerpts_stay_on_one_line_and_are_capped() {
        assert_eq!(excerpt(b"a\nb"), "a\\nb");
        assert!(excerpt(&[b'x'; 1000]).ends_with("… (1000 bytes)"));
        assert_eq!(excerpt("\u{fc}".repeat(151).as_bytes()), format!("{}… (302 bytes)", "\u{fc}".repeat(150)));
        let secret = Secret::new("half of it is shown");
        let said = format!("{} {}", "x".repeat(290), secret.expose());
        assert_eq!(excerpt(said.as_bytes()), format!("{} ***… (310 bytes)", "x".repeat(290)));
    }
}
