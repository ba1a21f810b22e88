//! The InfluxDB client: versions 1, 2 and 3 over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `target` | what a URL says |
//! | `request` | what we send |
//! | `reply` | what comes back from a write that failed |
//! | `retry` | a verdict per reply |
//! | `client` | the connection |
//! | `create` | making a database or a bucket |
//! | `catalog` `types` | what a database holds: measurements, tags, fields |
//! | `query` `lines` `json` | replies to queries, read as they come |
//! | `columns` `dump` | a measurement as a [`rows::Reader`] |

pub mod catalog;
pub mod client;
pub mod columns;
pub mod create;
pub mod dump;
pub mod json;
pub mod lines;
pub mod query;
pub mod reply;
pub mod request;
pub mod retry;
pub mod target;
pub mod types;

pub use client::Client;
pub use retry::{Rejected, Stored, Trouble, Verdict};
pub use target::{Target, Version};
