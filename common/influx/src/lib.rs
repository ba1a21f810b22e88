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

pub mod client;
pub mod create;
pub mod json;
pub mod reply;
pub mod request;
pub mod retry;
pub mod target;

pub use client::Client;
pub use retry::{Rejected, Stored, Verdict};
pub use target::{Target, Version};
