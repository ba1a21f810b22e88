//! Stream Load: what FE and BE do with a body, from the headers to the rows that the store takes.

pub mod arrow;
pub mod be;
pub mod body;
pub mod cluster;
pub mod columns;
pub mod csv;
pub mod error_log;
pub mod evaluate;
pub mod expression;
pub mod fault;
pub mod fe;
pub mod functions;
pub mod json;
pub mod labels;
pub mod merge;
pub mod metrics_page;
pub mod options;
pub mod reply;
pub mod separator;
pub mod stream;
pub mod transaction;
pub mod unpack;
