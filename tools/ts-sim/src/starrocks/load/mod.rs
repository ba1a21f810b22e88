//! Stream Load: what FE and BE do with a body, from the headers to the rows that the store takes.

pub mod cells;
pub mod csv;
pub mod fault;
pub mod separator;
