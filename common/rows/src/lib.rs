//! The data model and the row formats.
//!
//! A batch is an Arrow [`RecordBatch`] whose field metadata says what each column is ([`role`]). Every format is a
//! [`Reader`] and a [`Writer`] in a file of its own; [`format`] finds the right one (flag, extension, magic bytes) and
//! opens it. Batches are bounded in rows and bytes ([`Limits`]), whatever the input is.

pub mod batch;
pub mod blocks;
pub mod bulk;
mod bytes16;
mod cells;
pub mod column;
pub mod compress;
mod csv_blocks;
pub mod csv_cell;
mod csv_index;
mod csv_masks;
mod csv_quick;
mod csv_read;
mod csv_rows;
mod csv_split;
mod csv_write;
mod eight_digits;
pub mod endmark;
pub mod foreign;
pub mod format;
pub mod header;
pub mod instant;
mod ipc_message;
mod ipc_read;
mod ipc_write;
mod json_cells;
pub mod json_csv;
pub mod line_protocol;
mod lines;
#[cfg(target_arch = "x86_64")]
mod movemask;
pub mod naming;
mod ndjson_infer;
mod ndjson_read;
mod ndjson_write;
pub mod number;
mod options;
mod parquet_encoding;
mod parquet_read;
mod parquet_texts;
mod parquet_write;
mod pen;
pub mod pipe;
mod plain;
pub mod role;
mod short_text;
mod shortest;
pub mod spool;
mod text_out;
pub mod time;
pub mod types;
mod window;

pub use arrow_array::RecordBatch;
pub use arrow_schema::{Schema, SchemaRef};
pub use csv_write::row_text;

use fault::Result;

/// A source of batches. All batches have the schema that [`Reader::schema`] gave.
pub trait Reader: Send {
    /// The schema, with roles in the fields' metadata; known before the first batch.
    fn schema(&self) -> SchemaRef;

    /// The next batch, within the limits that the reader was opened with; `None` at a clean end. A cut stream or a
    /// missing end mark is an error of kind `Incomplete`, never `None`.
    fn next(&mut self) -> Result<Option<RecordBatch>>;
}

/// A sink of batches. One that is dropped without [`Writer::finish`] writes no end mark, no EOS, no footer.
pub trait Writer: Send {
    /// Writes one batch of the schema that the writer was opened with.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes so many rows that are already spelled as this writer spells them (CSV only: [`json_csv`]).
    fn write_text(&mut self, rows: u64, text: &[u8]) -> Result<()> {
        let _ = (rows, text);
        Err(fault::Error::new(fault::Kind::Bug, "this format takes no rows as text"))
    }

    /// Everything was written: end mark, EOS or footer, then the output's own finish.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows, at most.
    pub rows: usize,
    /// Bytes of the batch's buffers, at most (a single larger row is still a batch).
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { rows: 8192, bytes: 8 << 20 }
    }
}
