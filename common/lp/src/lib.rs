//! InfluxDB line protocol on bytes: split, parse, check, escape, write.
//!
//! ```text
//! measurement[,tag=value...] field=value[,field=value...] [timestamp]\n
//! ```
//! The three generations of the server read the same bytes differently, so everything here takes a [`Dialect`].
//!
//! | I want to | use |
//! |---|---|
//! | cut a stream into whole lines, in bounded memory | [`Blocks`], or [`whole_lines`] on my own buffer |
//! | walk over the lines of a buffer | [`Lines`] |
//! | see the parts of a line | [`Parser::parse`] giving a [`Line`] |
//! | read many lines of few shapes fast | [`known`] and [`plain`] |
//! | know whether a server would choke on a line | [`Checker::check`], or [`check`] for a single one |
//! | write a name, a tag value, a number | [`escape`] and [`write`] |
//! | find the series a line belongs to | [`series::key`] |

pub mod blocks;
pub mod check;
pub mod dialect;
pub mod escape;
pub mod known;
pub mod lines;
pub mod number;
pub mod parse;
pub mod plain;
pub mod reason;
pub mod series;
mod server;
mod swar;
pub mod unescape;
pub mod write;

pub use blocks::{Blocks, Chunk};
pub use check::{Checker, check};
pub use dialect::{Dialect, Element, Limits, Precision};
pub use escape::Refusal;
pub use known::{Key, Names};
pub use lines::{Lines, RawLine, whole_lines};
pub use parse::{FieldValue, Kind, Line, Parser, RawValue};
pub use reason::{BadLine, LineError, Reason};
pub use unescape::{unescape, unescape_string};
