//! What requests hold, and where they go: headers, redirects by TLS, tables with a primary key, merge commit.

#[path = "../common/mod.rs"]
mod common;
mod double;
mod tls;
mod updates;
