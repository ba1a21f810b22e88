//! What can go wrong before there is a reply, and what that means for a repeat.

use crate::Side;
use fault::{Error, Kind};
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The class of a transport failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// No connection: the request was never sent.
    Connect,
    /// The certificate was not accepted, or TLS is not spoken there. Trying again does not help.
    Tls,
    /// Nothing came within the time limit: it may or may not have been done.
    TimedOut,
    /// The connection broke while the request was being sent: a server that refuses large bodies does this.
    ResetWhileSending,
    /// The request was sent and the connection ended without a reply: it may or may not have been done.
    NoReply,
    /// The reply began and was cut.
    ReplyCut,
    /// There is a server, but it answered the WebSocket handshake with this HTTP status.
    Handshake(u16),
    /// The stop flag was raised.
    Stopped,
    /// The other side broke the protocol, or sent more than allowed.
    Protocol,
    /// Something local: no threads, a bad header.
    Setup,
}

impl What {
    /// Is another attempt worth while?
    pub fn transient(self) -> bool {
        match self {
            What::Handshake(status) => status >= 500 || status == 429,
            _ => matches!(
                self,
                What::Connect | What::TimedOut | What::ResetWhileSending | What::NoReply | What::ReplyCut
            ),
        }
    }

    /// Is it certain that the other side did not act on the request?
    pub fn never_sent(self) -> bool {
        matches!(self, What::Connect | What::Tls | What::Setup | What::Handshake(_))
    }
}

/// A transport failure: its class, and one line for people. Carries no secrets.
#[derive(Clone, Debug)]
pub struct Failure {
    what: What,
    message: String,
}

impl Failure {
    /// A failure; `message` is one line, lower case.
    pub fn new(what: What, message: impl Into<String>) -> Failure {
        Failure { what, message: message.into() }
    }

    /// The class.
    pub fn what(&self) -> What {
        self.what
    }

    /// The same failure, seen from further out: `http://host:8086: …`.
    pub fn context(mut self, context: impl fmt::Display) -> Failure {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// As an error of the workspace: exit 4 or 5 by side, 6 where TLS refuses, 2 for local trouble.
    pub fn error(self, side: Side) -> Error {
        let kind = match self.what {
            What::Stopped => Kind::Interrupted,
            What::Tls => Kind::Refused,
            What::Handshake(_) if !self.what.transient() => Kind::Refused,
            What::Setup => Kind::Usage,
            _ => side.kind(),
        };
        Error::new(kind, self.message)
    }

    /// Classifies an error of an HTTP exchange before the reply's head was complete. `sent_all`: the whole body had
    /// been handed to the connection.
    pub(crate) fn before_reply(error: &reqwest::Error, sent_all: bool) -> Failure {
        let text = chain(error);
        if error.is_builder() {
            return Failure::new(What::Setup, format!("cannot build the request: {text}"));
        }
        if error.is_connect() {
            return Failure::connect(error);
        }
        if error.is_timeout() {
            return Failure::new(What::TimedOut, format!("timed out: {text}"));
        }
        let what = if !sent_all { What::ResetWhileSending } else { What::NoReply };
        let said = if sent_all { "the connection ended without a reply" } else { "the connection broke while sending" };
        Failure::new(what, format!("{said}: {text}"))
    }

    /// Classifies the failure of a request that a library made over [`crate::http::transport`]: the first error of its chain
    /// that is one of HTTP. `None` where there is none: then there was a reply.
    pub fn of_transport(error: &(dyn StdError + 'static)) -> Option<Failure> {
        let error = find::<reqwest::Error>(error)?;
        Some(match error.is_body() || error.is_decode() {
            true if !error.is_timeout() => Failure::new(What::ReplyCut, format!("the reply was cut: {}", chain(error))),
            _ => Failure::before_reply(error, true),
        })
    }

    /// Classifies an error of connecting.
    pub(crate) fn connect(error: &(dyn StdError + 'static)) -> Failure {
        let what = if find::<rustls::Error>(error).is_some() {
            What::Tls
        } else if find::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
            What::TimedOut
        } else {
            What::Connect
        };
        Failure::new(what, format!("cannot connect: {}", chain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}

/// The texts of an error and its causes, each once, without the URL that reqwest repeats (it may hold a token).
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let wrapper = error.is::<reqwest::Error>();
        if !wrapper && !parts.last().is_some_and(|last| last.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { "unknown cause".to_owned() } else { parts.join(": ") }
}

/// The first cause of this type, looking through `io::Error`s as well.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
