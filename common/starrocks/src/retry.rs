//! What an error of the MySQL side means: refused for good (exit 6), or worth another try (exit 4 or 5 after the last).
//!
//! StarRocks gives 1064 for most errors whatever their cause, so the message decides too (dossier starrocks 5.3).

use fault::{Error, Kind};
use mysql_async::{DriverError, Error as Mysql, IoError, ServerError};
use net::Side;

/// MySQL's codes, and those from 5000 on that newer versions have, for what trying again does not change: access,
/// databases, tables, columns, partitions that are not there, syntax.
const REFUSED: [u16; 20] = [
    1044, 1045, 1046, 1049, 1050, 1051, 1054, 1109, 1142, 1143, 1146, 1149, 1227, 1250, 1698, 5203, 5204, 5501, 5502,
    5503,
];

/// The same in words, lower case.
const REFUSED_WORDS: [&str; 16] = [
    "access denied",
    "unknown database",
    "unknown table",
    "unknown column",
    "unknown partition",
    "cannot be resolved",
    "cannot find",
    "does not exist",
    "doesn't exist",
    "not exists",
    "syntax error",
    "getting analyzing error",
    "no matching function",
    "unsupported",
    "not supported",
    "permission",
];

/// Words of errors that pass, even where they come with one of the above.
const PASSING_WORDS: [&str; 7] =
    ["timeout", "timed out", "exceed limit", "limit exceeded", "too many", "not alive", "no alive"];

/// Is trying again useless?
pub fn is_refused(code: u16, message: &str) -> bool {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    REFUSED.contains(&code) || (says(&REFUSED_WORDS) && !says(&PASSING_WORDS))
}

/// Logins that cannot be: TLS is not there, the password would travel in clear, a way that nobody here knows.
pub(crate) const NO_TLS: &str = "the front end has no TLS on this port: write starrocks:// or switch it on";
pub(crate) const CLEAR_PASSWORD: &str = "the server wants the password in clear (LDAP): use starrockss://";

pub(crate) fn unknown_login(name: &str) -> String {
    format!("the server asks for the unknown authentication {name}")
}

/// What a server says instead of a result, by code and words.
pub(crate) fn server(side: Side, at: &str, code: u16, message: &str) -> Error {
    let kind = if is_refused(code, message) { Kind::Refused } else { side.kind() };
    Error::new(kind, format!("{at}: the server said {code}: {}", fault::excerpt(message.as_bytes())))
}

/// An error of the library as one of ours: `Refused`, or the kind of this side, which stands for "try again". `at` is the
/// front end.
pub fn error(side: Side, at: &str, error: Mysql) -> Error {
    let (kind, text) = match &error {
        Mysql::Server(ServerError { code, message, .. }) => return server(side, at, *code, message),
        Mysql::Io(IoError::Tls(error)) => (Kind::Refused, format!("TLS: {error}")),
        Mysql::Io(IoError::Io(error)) => (side.kind(), format!("the connection broke: {error}")),
        Mysql::Driver(DriverError::ConnectionClosed) => (side.kind(), "the connection was closed".to_owned()),
        Mysql::Driver(DriverError::NoClientSslFlagFromServer) => (Kind::Refused, NO_TLS.to_owned()),
        Mysql::Driver(DriverError::CleartextPluginDisabled) => (Kind::Refused, CLEAR_PASSWORD.to_owned()),
        Mysql::Driver(DriverError::UnknownAuthPlugin { name }) => (Kind::Refused, unknown_login(name)),
        other => (side.kind(), fault::excerpt(other.to_string().as_bytes())),
    };
    Error::new(kind, format!("{at}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, message: &str) -> Kind {
        let error = Mysql::Server(ServerError { code, message: message.into(), state: "42000".into() });
        super::error(Side::Source, "fe:9030", error).kind()
    }

    #[test]
    fn every_error_has_a_verdict() {
        for (code, message) in [
            (1045, "Access denied for user 'a' (using password: YES)"),
            (1064, "Getting analyzing error. Detail message: Unknown table 'd.t'."),
            (5502, "Unknown table 'd.t'"),
            (1064, "Getting syntax error at line 1, column 7."),
            (1064, "Access denied; you need (at least one of) the SELECT privilege(s)"),
            (1064, "Column '`x`' cannot be resolved"),
        ] {
            assert_eq!(kind(code, message), Kind::Refused, "{message}");
        }
        for (code, message) in [
            (1064, "Query exceeded time limit of 300 seconds, query timeout"),
            (1064, "Memory of process exceed limit. Used: 9 GB"),
            (1064, "Backend node not found. Check if any backend node is down"),
            (1064, "Too many queries: does not exist a free slot, too many"),
            (1040, "Reach limit of connections"),
        ] {
            assert_eq!(kind(code, message), Kind::Source, "{message}");
        }
        let lost = Mysql::Io(IoError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        assert_eq!(error(Side::Target, "fe", lost).kind(), Kind::Target);
    }
}
