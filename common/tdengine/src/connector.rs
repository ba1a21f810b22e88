//! The codes of the vendor's connectors (8.1) for failures that are found on our side, so that what is written about
//! them applies here too. They stand in messages; the exit code says the same more coarsely.

/// A failure that a connector would give a code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A parameter of the connection is wrong.
    Parameter,
    /// No database, or one that is not there.
    Database,
    /// A table that is not there.
    Table,
    /// A column that is not there.
    Column,
    /// The connection was closed.
    Closed,
    /// No connection could be made in time.
    Connect,
    /// No reply came in time.
    Timeout,
    /// A type that is not known.
    UnknownType,
    /// An empty statement.
    EmptySql,
}

impl Code {
    /// The number, as the vendor's documentation has it.
    pub fn number(self) -> u32 {
        match self {
            Code::Parameter => 0xa000,
            Code::Database => 0xa010,
            Code::Table => 0xa011,
            Code::Column => 0xa014,
            Code::Closed => 0x2301,
            Code::Connect => 0x231d,
            Code::Timeout => 0x231e,
            Code::UnknownType => 0x2315,
            Code::EmptySql => 0x2357,
        }
    }

    /// ` (connector code 0xa011)`, for the end of a message.
    pub fn note(self) -> String {
        format!(" (connector code 0x{:04x})", self.number())
    }

    /// The code of a transport failure, where there is one.
    pub fn of(what: net::What) -> Option<Code> {
        match what {
            net::What::Connect | net::What::Tls | net::What::Handshake(_) => Some(Code::Connect),
            net::What::TimedOut => Some(Code::Timeout),
            net::What::ResetWhileSending | net::What::NoReply | net::What::ReplyCut => Some(Code::Closed),
            net::What::Stopped | net::What::Protocol | net::What::Setup => None,
        }
    }
}
