//! Statements: words, expressions, and what they ask for.

pub mod create;
pub mod cursor;
pub mod expr;
pub mod lexer;
pub mod partitions;
pub mod redacted;
pub mod select;
pub mod statement;
