//! Statements run here; what they give goes to the wire, or to the HTTP side's own needs.

mod alter;
mod backends;
mod broker_load;
pub mod eval;
pub mod export;
mod files_in;
mod files_out;
mod functions;
mod grouping;
mod hashes;
mod information_schema;
mod insert;
mod jobs;
mod manage;
pub mod query;
mod session;
mod show;
mod show_create;
mod show_partitions;
mod storage;
mod unload;
mod virtual_table;

pub use query::{Answer, Scan, Source};
pub use session::Session;

/// An error as the client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub message: String,
}

/// Nearly everything has this code, whatever the cause (dossier starrocks 5.3).
pub const GENERAL: u16 = 1064;

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        // MySQL's own numbers for what is not there ([memory]).
        let code = match message.as_str() {
            m if m.starts_with("Unknown database") => 1049,
            m if m.starts_with("Unknown table") => 1051,
            m if m.starts_with("Can't create database") => 1007,
            m if m.starts_with("Table '") && m.ends_with("already exists") => 1050,
            _ => GENERAL,
        };
        Refusal { code, message }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Refusal {
        Refusal::from(message.to_string())
    }
}
