//! StarRocks: its MySQL interface for queries and the catalogue, and Stream Load over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `target` | what a URL says |
//! | `client` | a connection to a front end over the MySQL protocol |
//! | `retry` | what an error means |
//! | `sql` | names and literals |

pub mod client;
pub mod retry;
pub mod sql;
pub mod target;

pub use client::Client;
pub use target::Target;
