//! StarRocks: its MySQL interface for queries and the catalogue, and Stream Load over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `target` | what a URL says |

pub mod target;

pub use target::Target;
