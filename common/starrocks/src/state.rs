//! What became of a label: `get_load_state`, asked until it says something final (dossier starrocks 1.6).

use crate::hops::{Call, Missed};
use crate::load::Loader;
use crate::reply::Reply;
use crate::request::state_path;
use fault::{Error, Kind, Result};
use net::Bytes;
use net::http::Method;
use std::time::{Duration, Instant};

/// The state of a label. A label may also be unknown because the server has forgotten it: it remembers finished ones for
/// some days, and fewer of them on a busy cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Unknown,
    /// Under way.
    Prepare,
    /// Of a transaction: everything is there, and waits for the commit.
    Prepared,
    /// Will be visible.
    Committed,
    Visible,
    /// Rolled back; the label may be used again.
    Aborted,
}

impl State {
    /// The text of a reply.
    pub fn parse(text: &str) -> Option<State> {
        Some(match text.to_ascii_uppercase().as_str() {
            "UNKNOWN" => State::Unknown,
            "PREPARE" => State::Prepare,
            "PREPARED" => State::Prepared,
            "COMMITTED" | "COMMITED" => State::Committed,
            "VISIBLE" => State::Visible,
            "ABORTED" => State::Aborted,
            _ => return None,
        })
    }

    /// The word of the server.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unknown => "UNKNOWN",
            State::Prepare => "PREPARE",
            State::Prepared => "PREPARED",
            State::Committed => "COMMITTED",
            State::Visible => "VISIBLE",
            State::Aborted => "ABORTED",
        }
    }

    /// Its rows are in the table, now or soon.
    pub fn is_done(self) -> bool {
        matches!(self, State::Committed | State::Visible)
    }
}

/// How long to ask for a state.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Between the first two questions; then twice, three, four, five times as long, and five times from there.
    pub step: Duration,
    /// Give up after so long.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { step: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

impl Loader {
    /// Asks once. The second value is the server's reason, which is empty mostly.
    pub fn state(&self, label: &str) -> Result<(State, String)> {
        let call = Call {
            method: Method::GET,
            path: state_path(&self.settings.database),
            query: vec![("label", label.to_owned())],
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let side = self.hops.options().side;
        let answer = self.hops.ask(&call).map_err(|missed| match missed {
            Missed::Unsent(failure) | Missed::Unknown(failure) => failure.error(side),
            Missed::Refused(reason) => Error::new(Kind::Refused, reason),
        })?;
        let said = || format!("get_load_state: HTTP {}: {}", answer.status, fault::excerpt(&answer.body));
        if matches!(answer.status, 401 | 403) {
            return Err(Error::new(Kind::Refused, said()));
        }
        let reply = Reply::parse(&answer.body).filter(|_| answer.status == 200);
        let state = reply.as_ref().and_then(|reply| State::parse(reply.state.as_deref()?));
        match (state, reply) {
            (Some(state), Some(reply)) => Ok((state, reply.reason.unwrap_or_default())),
            _ => Err(Error::new(side.kind(), said())),
        }
    }

    /// Asks until `enough` is true of the state, or patience ends: the last state then. Questions that fail are asked again.
    /// `wait` sleeps; its error (a signal) ends the asking.
    pub fn settle(
        &self,
        label: &str,
        patience: Patience,
        enough: impl Fn(State) -> bool,
        wait: &mut dyn FnMut(Duration) -> Result<()>,
    ) -> Result<(State, String)> {
        let start = Instant::now();
        for asked in 1u32.. {
            let answer = self.state(label);
            match &answer {
                Ok((state, _)) if enough(*state) => return answer,
                Err(error) if matches!(error.kind(), Kind::Refused | Kind::Interrupted | Kind::Usage) => return answer,
                _ if start.elapsed() >= patience.longest => return answer,
                _ => {}
            }
            wait(patience.step * asked.min(5))?;
        }
        self.state(label)
    }
}
