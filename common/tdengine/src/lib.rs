//! TDengine through taosAdapter (port 6041): our own WebSocket client for both generations of its dialogue, REST as a
//! fall-back, raw blocks decoded straight to Arrow columns, the catalog, and a verdict for every error code.
//!
//! Numbers like "2.3" in comments are sections of the dossier on TDengine; layouts were checked against recordings of a
//! real server in `testdata/wire/tdengine`.

mod ahead;
pub mod asker;
pub mod block;
pub mod block2;
pub mod build;
pub mod catalog;
mod cell_scan;
pub mod client;
pub mod connector;
pub mod json;
pub mod reply;
pub mod request;
pub mod rest;
pub mod retry;
pub mod sql;
pub mod text_rows;
pub mod types;
pub mod value;
pub mod version;
mod words;
pub mod ws;

pub use asker::Asker;
pub use client::{Client, Config, Results};
pub use retry::{Action, Failure, Result};
pub use types::{Column, Type};
pub use version::Version;

#[cfg(target_endian = "big")]
compile_error!("blocks are copied as they are: this crate needs a little-endian machine");
