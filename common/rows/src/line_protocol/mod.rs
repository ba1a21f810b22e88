//! Line protocol as a row format: batches to lines ([`Encoder`], [`LpWriter`]) and lines to batches ([`LpReader`]).
//!
//! The bytes are the crate `lp`'s business; here columns become measurement, tags, fields and time by their role.

mod append;
mod cell;
mod dictionary;
mod encode;
mod known;
mod merge;
mod options;
mod plan;
mod quick;
mod read;
mod repair;
mod series;
mod shape;
mod statement;
mod text;
mod writer;

pub use encode::{Encoder, Rejected, Sink, Why};
pub use options::{
    AllNull, BinaryAs, DecimalAs, EmptyTag, EncodeOptions, KeyAs, Measurement, Nan, Newline, TableAs,
    TrailingBackslash, UintAs, lp_precision,
};
pub use read::{DecodeCounts, DecodeOptions, LpReader};
pub use repair::{Repair, Repairs};
pub use statement::{agreed, stated, statement};
pub use text::{CsvToLines, Written};
pub use writer::{EncodeCounts, LpWriter, NoLines, stop_at_first};
