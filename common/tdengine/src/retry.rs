//! A verdict for every server code (8.1, 8.2), and the failure type of this crate that carries it.

use crate::connector::Code;
use fault::{Error, Kind};
use net::Side;
use std::fmt;
use std::time::Duration;

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect anew where needed, wait, do the same again. Reads and writes are idempotent.
    Retry,
    /// The same, but only once: lack of memory seldom goes away.
    RetryOnce,
    /// Too large: send less at once.
    Split,
    /// The row is at fault (sinks reject it).
    Reject,
    /// Refused: rights, names, SQL, schema. Trying again changes nothing.
    Refuse,
    /// An operator has to act: disk full, licence.
    Operator,
}

/// Why something did not work, and what to do about it.
pub struct Failure {
    /// What to do.
    pub action: Action,
    /// The server's code, low 16 bits, where it gave one.
    pub code: Option<u32>,
    /// How long the server asked us to stay away.
    pub after: Option<Duration>,
    /// For people, of the right kind for the exit code.
    pub error: Error,
}

/// The result of everything that talks to a server.
pub type Result<T> = std::result::Result<T, Failure>;

/// The adapter's own errors have no code but this.
pub const ADAPTER: u32 = 0xffff;

/// Code, what to do, name. Names are short and stable: scripts may look for them.
const CODES: &[(u32, Action, &str)] = &[
    (0x000B, Action::Retry, "unable to establish connection"),
    (0x0018, Action::Retry, "broken link"),
    (0x0019, Action::Retry, "timeout"),
    (0x0020, Action::Retry, "node out of service"),
    (0x0021, Action::Retry, "network unavailable"),
    (0x0022, Action::Retry, "too many sessions"),
    (0x0023, Action::Retry, "connection limit"),
    (0x0024, Action::Retry, "connections busy"),
    (0x0026, Action::Retry, "network error"),
    (0x0130, Action::Retry, "starting"),
    (0x0131, Action::Retry, "stopping"),
    (0x0125, Action::Retry, "retry needed"),
    (0x0111, Action::Retry, "in progress"),
    (0x0126, Action::Retry, "rpc queue memory"),
    (0x0903, Action::Retry, "sync timeout"),
    (0x090C, Action::Retry, "not the leader"),
    (0x0911, Action::Retry, "sync not ready"),
    (0x0914, Action::Retry, "restoring"),
    (0x0916, Action::Retry, "buffer full"),
    (0x0917, Action::Retry, "write stall"),
    (0x0918, Action::Retry, "sync busy"),
    (0x0529, Action::Retry, "vnode stopped"),
    (0x0528, Action::Retry, "no vnode buffer"),
    (0x050C, Action::Retry, "flow control"),
    (0x0531, Action::Retry, "query busy"),
    (0x0532, Action::Retry, "vnode busy"),
    (0x0386, Action::Retry, "database dropping"),
    (0x0396, Action::Retry, "database creating"),
    (0x03D3, Action::Retry, "conflicting transaction"),
    (0x0522, Action::Retry, "hash mismatch"),
    (0x0503, Action::Retry, "invalid vgroup"),
    (0x061B, Action::Retry, "schema version"),
    (0x0602, Action::Retry, "schema version"),
    (0x0600, Action::Retry, "invalid table id"),
    (0x072F, Action::Retry, "task gone"),
    (0x072A, Action::Retry, "job gone"),
    (0x2505, Action::Retry, "job gone"),
    (0x2506, Action::Retry, "job gone"),
    (0x020F, Action::Retry, "query cancelled"),
    (0x022D, Action::Retry, "query killed"),
    (0x0215, Action::Retry, "query handle gone"),
    (0x0213, Action::Retry, "disconnected"),
    (0x03E6, Action::Retry, "consumer gone"),
    (0x03EA, Action::Retry, "consumer not ready"),
    (0x03EF, Action::Retry, "rebalancing"),
    (0xfffe, Action::Retry, "over the query limit"),
    (0x0102, Action::RetryOnce, "out of memory"),
    (0x0703, Action::RetryOnce, "query memory"),
    (0x070B, Action::RetryOnce, "query buffer limit"),
    (0x0711, Action::RetryOnce, "result too large"),
    (0x0219, Action::Split, "SQL too long"),
    (0x1002, Action::Split, "WAL size limit"),
    (0x0116, Action::Split, "message too large"),
    (0x002B, Action::Split, "message too large"),
    (0x2605, Action::Reject, "wrong value type"),
    (0x2653, Action::Reject, "value too long"),
    (0x060B, Action::Reject, "time out of KEEP"),
    (0x0224, Action::Reject, "invalid time"),
    (0x3002, Action::Reject, "invalid line"),
    (0x3004, Action::Reject, "invalid value"),
    (0x012B, Action::Operator, "no disk space"),
    (0x0505, Action::Operator, "no disk space"),
    (0x0702, Action::Operator, "no disk space for a query"),
    (0x0013, Action::Operator, "clock skew"),
    (0x0800, Action::Operator, "licence expired"),
    (0x0803, Action::Operator, "licence limit"),
    (0x0808, Action::Operator, "licence limit"),
    (0x080D, Action::Operator, "licence limit"),
    (0x0003, Action::Refuse, "no permission"),
    (0x0350, Action::Refuse, "user already exists"),
    (0x0351, Action::Refuse, "unknown user"),
    (0x0352, Action::Refuse, "invalid user name"),
    (0x0353, Action::Refuse, "invalid password"),
    (0x0357, Action::Refuse, "authentication failure"),
    (0x2644, Action::Refuse, "permission denied"),
    (0x0512, Action::Refuse, "no rights on the vnode"),
    (0x0214, Action::Refuse, "no write permission"),
    (0x1105, Action::Refuse, "authentication header missing or malformed"),
    (0xfffd, Action::Refuse, "not allowed"),
    (0x0216, Action::Refuse, "syntax error"),
    (0x0217, Action::Refuse, "database not specified"),
    (0x021B, Action::Refuse, "invalid operation"),
    (0x2600, Action::Refuse, "syntax error"),
    (0x2601, Action::Refuse, "incomplete SQL"),
    (0x2602, Action::Refuse, "no such column"),
    (0x2603, Action::Refuse, "no such table"),
    (0x260D, Action::Refuse, "tags do not match"),
    (0x2616, Action::Refuse, "database not specified"),
    (0x2617, Action::Refuse, "invalid identifier"),
    (0x2662, Action::Refuse, "no such table"),
    (0x0362, Action::Refuse, "no such table"),
    (0x0388, Action::Refuse, "no such database"),
    (0x061D, Action::Refuse, "table in another super table"),
    (0x2618, Action::Refuse, "table in another super table"),
    (0x267B, Action::Refuse, "NULL key"),
    (0x03E1, Action::Refuse, "no such topic"),
    (0x4005, Action::Refuse, "too many groups"),
    (0x0118, Action::Refuse, "invalid parameter"),
];

/// The table's entry for a code.
fn entry(code: u32) -> Option<&'static (u32, Action, &'static str)> {
    CODES.iter().find(|(known, ..)| *known == code & 0xffff)
}

/// What to do about a server code. Anything unlisted is refused: it would hide behind retries.
pub fn action(code: u32, message: &str) -> Action {
    match entry(code) {
        Some((_, action, _)) => *action,
        // taosAdapter's own errors: pool and memory pass, the rest does not.
        None if code & 0xffff == ADAPTER => {
            let text = message.to_ascii_lowercase();
            let passing = ["pool", "timeout", "memory", "busy", "exceed", "result is nil"];
            if passing.iter().any(|word| text.contains(word)) { Action::Retry } else { Action::Refuse }
        }
        None => Action::Refuse,
    }
}

/// The name of a code, where we have one.
pub fn name(code: u32) -> Option<&'static str> {
    entry(code).map(|(_, _, name)| *name)
}

impl Failure {
    /// From a code and the server's words. `req_id` can be found in the logs of server and adapter.
    pub fn server(code: u32, message: &str, req_id: Option<u64>, side: Side) -> Failure {
        let code = code & 0xffff;
        let action = action(code, message);
        let mut text = match name(code) {
            Some(name) => format!("{name} (server code 0x{code:04x})"),
            None if code == ADAPTER => "taosAdapter refused".to_owned(),
            None => format!("server code 0x{code:04x}"),
        };
        let said = fault::excerpt(message.as_bytes());
        if !said.is_empty() {
            text = format!("{text}: {said}");
        }
        if let Some(id) = req_id {
            text = format!("{text} (req_id 0x{id:x})");
        }
        let kind = match action {
            Action::Refuse | Action::Reject | Action::Split => Kind::Refused,
            Action::Retry | Action::RetryOnce | Action::Operator => side.kind(),
        };
        Failure { action, code: Some(code), after: None, error: Error::new(kind, text) }
    }

    /// From a transport failure.
    pub fn net(failure: net::Failure, side: Side) -> Failure {
        let action = if failure.what().transient() { Action::Retry } else { Action::Refuse };
        let note = Code::of(failure.what()).map(Code::note).unwrap_or_default();
        let error = failure.error(side);
        let error = Error::new(error.kind(), format!("{error}{note}"));
        Failure { action, code: None, after: None, error }
    }

    /// The peer does not keep to the protocol: a fresh connection may.
    pub fn protocol(message: impl Into<String>, side: Side) -> Failure {
        Failure { action: Action::Retry, code: None, after: None, error: Error::new(side.kind(), message) }
    }

    /// The same failure, seen from further out.
    pub fn context(mut self, context: impl Into<String>) -> Failure {
        self.error = self.error.context(context);
        self
    }

    /// Does another attempt make sense, the `attempt`-th being behind us (from 0)?
    pub fn again(&self, attempt: u32) -> bool {
        match self.action {
            Action::Retry => true,
            Action::RetryOnce => attempt == 0,
            Action::Split | Action::Reject | Action::Refuse | Action::Operator => false,
        }
    }
}

impl From<Error> for Failure {
    /// Damaged blocks and cut replies (kinds 4 and 5) may come whole the next time; the rest will not.
    fn from(error: Error) -> Failure {
        let action = match error.kind() {
            Kind::Source | Kind::Target => Action::Retry,
            _ => Action::Refuse,
        };
        Failure { action, code: None, after: None, error }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.action, self.error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_verdict_each() {
        let mut codes: Vec<u32> = CODES.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }

    #[test]
    fn failures_name_the_code_and_the_request() {
        let failure = Failure::server(0x8000_2603, "Table does not exist", Some(255), Side::Source);
        assert_eq!(failure.to_string(), "no such table (server code 0x2603): Table does not exist (req_id 0xff)");
        assert_eq!((failure.action, failure.error.kind()), (Action::Refuse, Kind::Refused));
        assert_eq!(Failure::server(855, "", None, Side::Source).action, Action::Refuse);
        let killed = Failure::server(0x22D, "x", None, Side::Source);
        assert!(killed.again(5) && killed.error.kind() == Kind::Source);
        assert!(Failure::server(0x102, "", None, Side::Target).again(0));
        assert!(!Failure::server(0x102, "", None, Side::Target).again(1));
        assert_eq!(action(ADAPTER, "wait for pool timeout"), Action::Retry);
        assert_eq!(action(ADAPTER, "unknown action"), Action::Refuse);
    }
}
