//! Stream Load: what FE and BE do with a body, from the headers to the rows that the store takes.

pub mod arrow;
pub mod columns;
pub mod csv;
pub mod evaluate;
pub mod expression;
pub mod fault;
pub mod functions;
pub mod json;
pub mod labels;
pub mod options;
pub mod separator;
pub mod unpack;
